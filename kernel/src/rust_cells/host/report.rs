//! What evcxr says of a failure, in our terms.

use super::source::{Origin, Source};
use crate::rust_cells::protocol::{Cell, Diagnostic, Failure, Place};
use evcxr::{CompilationError, Error};

/// Warnings alone are not why a cell fails: evcxr says no more where it does not know the type of a variable.
const NO_ERROR: &str = "the cell does not compile, and the compiler names no error
help: a variable whose value is a closure needs a type: `let f: Box<dyn Fn(i32) -> i32> = Box::new(…);`
help: if the compiler was ended from outside, run the cell again";

/// The failure behind an error of evcxr.
pub fn failure(error: Error, source: &Source, cell: &Cell) -> Failure {
    match error {
        Error::CompilationErrors(errors) => {
            // With an error come the warnings of every cell so far. Where the error itself is about code of evcxr, a note of
            // it stands in its place; a bug of the compiler is an "error: internal …".
            let is_error = |e: &CompilationError| e.level().starts_with("error");
            let any = errors.iter().any(is_error);
            let told = errors.iter().filter(|e| if any { is_error(e) } else { e.level() != "warning" });
            let found: Vec<Diagnostic> = told.map(|e| diagnostic(e, source, cell)).collect();
            match found.is_empty() {
                true => Failure::Other(NO_ERROR.into()),
                false => Failure::Compile(found),
            }
        }
        Error::SubprocessTerminated(text) => Failure::Died(text),
        other => Failure::Other(other.to_string()),
    }
}

fn diagnostic(error: &CompilationError, source: &Source, cell: &Cell) -> Diagnostic {
    let mut spanned: Vec<_> = error.spanned_messages().iter().collect();
    spanned.sort_by_key(|m| !m.is_primary);
    let (mut places, mut option) = (Vec::new(), None);
    for message in spanned {
        let Some(span) = message.span else { continue };
        let (origin, column) = source.origin(span.start_line, span.start_column);
        match origin {
            Origin::Body(line) => {
                let end = source.origin(span.end_line, span.end_column).1;
                let width =
                    if span.end_line == span.start_line { end.saturating_sub(column).max(1) } else { usize::MAX };
                places.push(Place { line, column, width, label: plain(&message.label) });
            }
            Origin::Input(n) => option = option.or_else(|| cell.inputs.get(n).map(|i| i.name.clone())),
            Origin::Output(n) => option = option.or_else(|| cell.outputs.get(n).map(|o| o.name.clone())),
            Origin::Own => {}
        }
    }
    let help = error.help().iter().map(|h| flat(h)).chain(error.evcxr_extra_hint().map(str::to_owned)).collect();
    let code = error.code().unwrap_or_default().to_owned();
    let message = match linker_says(&error.rendered()) {
        Some(why) => format!("{}: {why}", plain(&error.message())),
        None => plain(&error.message()),
    };
    Diagnostic { code, message, places, help, option }
}

/// What a linker that failed says first, which the compiler passes on in notes behind the long command.
fn linker_says(rendered: &str) -> Option<String> {
    if !rendered.starts_with("error: linking with") {
        return None;
    }
    let lines = rendered.lines().skip(1).map(|line| line.trim().trim_start_matches("= note: ").trim());
    let mut said = lines.skip_while(|line| !line.contains("ld: "));
    said.next().map(str::to_owned)
}

/// A suggestion is told as `text`, an empty line, and the code.
fn flat(help: &str) -> String {
    match help.split_once("\n\n") {
        Some((text, code)) if !code.trim().is_empty() => {
            format!("{}: `{}`", text.trim(), code.trim().replace('\n', " "))
        }
        _ => help.trim().replace('\n', " "),
    }
}

/// evcxr repeats the level in labels that the compiler left empty.
fn plain(text: &str) -> String {
    text.strip_prefix("error: ").unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::linker_says;

    #[test]
    fn the_linkers_first_words_are_told() {
        let rendered = "error: linking with `cc` failed: exit status: 1\n  |\n  = note:  \"cc\" \"-m64\"\n  = note: some \
                        arguments are omitted\n  = note: /usr/bin/ld: cannot find -lzz: No such file or directory\n          \
                        collect2: error: ld returned 1 exit status\n\n";
        let why = linker_says(rendered);
        assert_eq!(why.as_deref(), Some("/usr/bin/ld: cannot find -lzz: No such file or directory"));
        assert_eq!(linker_says("error: expected `;`"), None);
    }
}
