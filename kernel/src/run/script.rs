//! `minerva run FILE.rhai`, `minerva -e CODE`: a script from beginning to end.

use crate::display::set_width;
use crate::rust_cells;
use crate::session::{Execute, Session, SessionOptions, magics, similar};
use crate::terminal::{Printer, STOPPED, Stop, Stream, asking, complain, is_terminal, window};
use std::path::Path;

/// Exit code of a script that failed.
const FAILED: i32 = 1;
/// Exit code of a script that stopped because nobody reads what it prints: that of a program which SIGPIPE ends.
pub const UNREAD: i32 = 141;
/// Exit code where the script could not be read.
const NO_INPUT: i32 = 66;

/// Runs a script file with its arguments and returns the exit code: 0, what `exit(code)` says, 1 after an error, 128 and
/// the number of the signal that stopped it: 130 after Ctrl-C.
///
/// # Errors
/// A text for a person and an exit code, when the file cannot be read.
pub fn file(path: &Path, args: Vec<String>) -> Result<i32, (String, i32)> {
    let code = read(path).map_err(|e| (e, NO_INPUT))?;
    if rust_cells::split(&code).is_some() {
        let help = "help: a script file is one Rhai program; put the cells into a notebook and run that";
        return Err((format!("{}: `%%rust` starts a cell of a notebook\n{help}", path.display()), FAILED));
    }
    Ok(code_of(&without_shebang(&code), &path.display().to_string(), args, false))
}

/// Runs a text. `name` is what errors call it; `show` prints the value of the last expression.
pub fn code_of(code: &str, name: &str, args: Vec<String>, show: bool) -> i32 {
    let mut session = Session::new(SessionOptions { stream: is_terminal(Stream::Out), args });
    if let Some(window) = window() {
        set_width(window.columns);
    }
    // What is asked from here on counts for the script.
    session.begin();
    let stop = Stop::listen(session.interrupt());
    let printer = Printer::new(session.interrupt());
    session.ask_through(asking(&printer));
    if let Some(error) = magics::refuse(code, name) {
        printer.error(&error);
        return FAILED;
    }
    let request = Execute { code: code.to_owned(), cell_name: name.to_owned(), silent: !show };
    let outcome = session.execute(&request, printer.events());
    printer.finish();
    let code = match outcome.result {
        Ok(value) => {
            if let Some(bundle) = value {
                printer.result(&bundle);
            }
            outcome.exit.unwrap_or(0)
        }
        Err(error) => {
            printer.error(&error);
            match error.is_interrupt() {
                true if printer.gone() => UNREAD,
                true => stop.stopped().unwrap_or(STOPPED),
                false => FAILED,
            }
        }
    };
    match printer.lost() {
        Some(problem) => {
            complain(&problem);
            FAILED
        }
        None => code,
    }
}

fn read(path: &Path) -> Result<String, String> {
    if path.is_dir() {
        return Err(format!("{}: this is a folder, not a script", path.display()));
    }
    let bytes = std::fs::read(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => format!("{}: no such file{}", path.display(), similar(path)),
        _ => format!("{}: {e}", path.display()),
    })?;
    String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes().iter().take(e.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count() + 1;
        format!("{}: not UTF-8 text (line {line})\nhelp: a script is a text file", path.display())
    })
}

/// A first line such as `#!/usr/bin/env -S minerva run` becomes an empty one, so that line numbers stay right.
fn without_shebang(code: &str) -> String {
    match code.strip_prefix("#!") {
        Some(rest) => rest.split_once('\n').map_or(String::new(), |(_, body)| format!("\n{body}")),
        None => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_shebang_keeps_line_numbers() {
        assert_eq!(without_shebang("#!/usr/bin/env minerva\nprint(1)"), "\nprint(1)");
        assert_eq!(without_shebang("let m = #{};"), "let m = #{};");
    }

    #[test]
    fn a_missing_file_names_the_nearest() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("story.rhai"), "1").unwrap();
        let (text, code) = file(&folder.path().join("story"), Vec::new()).unwrap_err();
        assert!(text.contains("no such file") && text.contains("story.rhai?"), "{text}");
        assert_eq!(code, NO_INPUT);
        std::fs::write(folder.path().join("bytes.rhai"), b"let a = 1;\n\xff\xfe").unwrap();
        assert!(file(&folder.path().join("bytes.rhai"), Vec::new()).unwrap_err().0.contains("not UTF-8 text (line 2)"));
    }
}
