//! A notebook as text: what a person sees in a terminal.

use super::file::joined;
use serde_json::Value;
use std::io::Write;

/// How text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// With ANSI colours; without them, those in tracebacks and streams are taken out too.
    pub colour: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn clean(self, text: &str) -> String {
        if self.colour { text.to_owned() } else { without_ansi(text) }
    }
}

const PROMPT_IN: &str = "32";
const PROMPT_OUT: &str = "31";

/// Prints a cell as it stands in the file: markdown as it is written, code with its number, outputs as plain text.
pub fn cell(to: &mut dyn Write, cell: &Value, style: Style) {
    cell_source(to, cell, None, style);
    let outputs = cell.get("outputs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for output in outputs {
        print_output(to, output, style);
    }
}

fn print_output(to: &mut dyn Write, output: &Value, style: Style) {
    let plain = || output.get("data").and_then(|d| d.get("text/plain")).map(joined).unwrap_or_default();
    match output.get("output_type").and_then(Value::as_str) {
        Some("stream") => block(to, &style.clean(&output.get("text").map(joined).unwrap_or_default())),
        Some("display_data") => block(to, &plain()),
        Some("execute_result") => {
            let count = output.get("execution_count").and_then(Value::as_u64).unwrap_or_default();
            result(to, &plain(), u32::try_from(count).unwrap_or_default(), style);
        }
        Some("error") => {
            let lines = output.get("traceback").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let lines: Vec<String> = lines.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            traceback(to, &lines, style);
        }
        _ => {}
    }
}

/// The source of a cell under the prompt that a notebook shows. `count` is what a code cell will be numbered; without
/// it, the number that it has.
pub fn cell_source(to: &mut dyn Write, cell: &Value, count: Option<u32>, style: Style) {
    let source = cell.get("source").map(joined).unwrap_or_default();
    let source = source.trim_end();
    if source.is_empty() {
        return;
    }
    let text = match cell.get("cell_type").and_then(Value::as_str) {
        Some("code") => {
            let count = count.map(u64::from).or(cell.get("execution_count").and_then(Value::as_u64));
            let prompt = format!("In [{}]: ", count.map_or(" ".to_owned(), |n| n.to_string()));
            let indent = " ".repeat(prompt.len());
            let body = source.replace('\n', &format!("\n{indent}"));
            format!("{}{body}\n", style.paint(PROMPT_IN, &prompt))
        }
        Some("markdown") => markdown(source, style),
        _ => format!("{source}\n"),
    };
    let _ = write!(to, "\n{text}");
}

/// Markdown needs no rendering to be read; headings stand out where colours do.
fn markdown(source: &str, style: Style) -> String {
    let mut out = String::new();
    for line in source.lines() {
        let heading = line.trim_start_matches('#').starts_with(' ') && line.starts_with('#');
        out.push_str(&if heading { style.paint("1", line) } else { line.to_owned() });
        out.push('\n');
    }
    out
}

/// The value of a cell under its prompt. What has several lines starts on a line of its own.
pub fn result(to: &mut dyn Write, plain: &str, count: u32, style: Style) {
    let prompt = style.paint(PROMPT_OUT, &format!("Out[{count}]:"));
    let between = if plain.contains('\n') { '\n' } else { ' ' };
    block(to, &format!("{prompt}{between}{plain}"));
}

/// The lines of an error.
pub fn traceback(to: &mut dyn Write, lines: &[String], style: Style) {
    block(to, &style.clean(&lines.join("\n")));
}

fn block(to: &mut dyn Write, text: &str) {
    let _ = write!(to, "{text}{}", if text.ends_with('\n') || text.is_empty() { "" } else { "\n" });
}

/// Text without the escape sequences that colour it.
pub fn without_ansi(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\x1b' {
            out.push(c);
        } else if chars.next() == Some('[') {
            // A control sequence ends with its first character from '@' on.
            for c in chars.by_ref() {
                if ('@'..='~').contains(&c) {
                    break;
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::file::Notebook;
    use super::*;

    #[test]
    fn an_executed_notebook_reads_well_without_colours() {
        let notebook = Notebook::parse(include_str!("fixtures/by_nbformat.ipynb")).unwrap();
        let mut out = Vec::new();
        notebook.cells().iter().for_each(|c| cell(&mut out, c, Style { colour: false }));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\n# Title\n\nwith *é* and \"quotes\" \\\n\nIn [1]: let x = 1;\n        x\nhi\nthere\nOut[1]: 1\n\nraw\u{2028}text\n"
        );
    }

    #[test]
    fn colours_are_taken_out_whole() {
        assert_eq!(without_ansi("\x1b[1;31mError\x1b[0m: \x1b[38;5;2mx\x1b[K"), "Error: x");
    }
}
