//! The first line of a Rust cell: `%%rust --in x --in y:Vec<f32> --out z`.

const NAMES: [&str; 2] = ["--in", "--out"];
const USE: &str = "help: %%rust --in x --in y:Vec<f32> --out z";

/// What the first line says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Variables that go in.
    pub inputs: Vec<Wanted>,
    /// Variables that come out.
    pub outputs: Vec<Wanted>,
}

/// One `--in` or `--out`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The variable, here and there.
    pub name: String,
    /// The Rust type asked for.
    pub kind: Option<String>,
    /// Where it stands in the first line, in characters from 1.
    pub column: usize,
}

/// What is wrong with the first line, and where, in characters from 1. The text may end in lines of help.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// In words.
    pub text: String,
    /// The column.
    pub column: usize,
    /// How many characters.
    pub width: usize,
}

/// Reads the first line.
///
/// # Errors
/// What is wrong, and where.
pub fn parse(line: &str) -> Result<Options, Wrong> {
    let mut options = Options::default();
    let mut words = words(line).into_iter().skip(1).peekable();
    while let Some((column, word)) = words.next() {
        let wrong = |text: String| Wrong { text, column, width: word.chars().count() };
        let (name, attached) = word.split_once('=').map_or((word, None), |(n, v)| (n, Some(v)));
        let list = match name {
            "--in" | "-i" => &mut options.inputs,
            "--out" | "-o" => &mut options.outputs,
            _ => {
                let near = minerva_engine::error::nearest(name, NAMES);
                let near = near.map_or(String::new(), |n| format!("\nhelp: did you mean `{n}`?"));
                let what = if name.starts_with('-') { "unknown option" } else { "unexpected" };
                return Err(wrong(format!("{what} `{word}`{near}\n{USE}")));
            }
        };
        let value = match attached {
            Some(value) => Some((column + name.chars().count() + 1, value)),
            None => words.next_if(|(_, w)| !w.starts_with('-')),
        };
        let Some((column, value)) = value else {
            return Err(wrong(format!("{name} needs the name of a variable\n{USE}")));
        };
        let mut at = column;
        for part in commas(value) {
            list.push(wanted(part, at)?);
            at += part.chars().count() + 1;
        }
    }
    Ok(options)
}

fn wanted(text: &str, column: usize) -> Result<Wanted, Wrong> {
    let (name, kind) = text.split_once(':').map_or((text, None), |(n, k)| (n, Some(k.to_owned())));
    let plain = name.is_ascii() && rhai::is_valid_identifier(name);
    if !plain || kind.as_deref().is_some_and(str::is_empty) {
        let text = format!("`{text}` is not the name of a variable\n{USE}");
        return Err(Wrong { text, column, width: name.chars().count().max(1) });
    }
    Ok(Wanted { name: name.to_owned(), kind, column })
}

/// The words of a line with the columns they start at.
fn words(line: &str) -> Vec<(usize, &str)> {
    let word = |w: &str| w.as_ptr() as usize - line.as_ptr() as usize;
    let column = |byte: usize| line.get(..byte).map_or(0, |s| s.chars().count()) + 1;
    line.split_whitespace().map(|w| (column(word(w)), w)).collect()
}

/// Splits at the commas outside of brackets.
fn commas(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(move |c| {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_first_line_names_what_goes_in_and_out() {
        let options = parse("%%rust --in x,m:HashMap<String,f64> --in=y --out z").unwrap();
        let names = |list: &[Wanted]| list.iter().map(|w| (w.name.clone(), w.column)).collect::<Vec<_>>();
        assert_eq!(names(&options.inputs), [("x".into(), 13), ("m".into(), 15), ("y".into(), 42)]);
        assert_eq!(options.inputs[1].kind.as_deref(), Some("HashMap<String,f64>"));
        assert_eq!(names(&options.outputs), [("z".into(), 50)]);
        assert_eq!(parse("%%rust").unwrap(), Options::default());
    }

    #[test]
    fn a_wrong_first_line_says_what_and_where() {
        let e = parse("%%rust --ni x").unwrap_err();
        assert!(e.text.contains("did you mean `--in`?") && e.column == 8 && e.width == 4, "{e:?}");
        assert!(parse("%%rust --in --out x").unwrap_err().text.contains("needs the name"));
        assert_eq!(parse("%%rust --in a+b").unwrap_err().column, 13);
        assert!(parse("%%rust x").unwrap_err().text.contains("unexpected `x`"));
    }
}
