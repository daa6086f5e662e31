//! From a cell's text to the text that evcxr runs, and back from its lines to the cell's.

use super::syntax::{self, Ending};
use crate::rust_cells::protocol::Cell;

/// Where a line of the text that runs comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The cell's own, from 1.
    Body(usize),
    /// The value of an `--in`, by its index.
    Input(usize),
    /// A `--out`, by its index.
    Output(usize),
    /// Ours.
    Own,
}

/// The text that runs.
#[derive(Debug, Clone)]
pub struct Source {
    /// The text.
    pub text: String,
    /// The origin of each line.
    lines: Vec<Origin>,
    /// Line of the cell, column and length of something that was put into it.
    inserted: Option<(usize, usize, usize)>,
    /// The outputs are yet to be taken, in a text of their own: the cell ends in a value.
    pub outputs_left: bool,
}

/// Tells that a cell ran to its end: after a panic or a `?` the variables it defined are not kept.
pub const DONE: &str = "minerva_cell";
const FLUSH: &str = "minerva::flush(); ";

impl Source {
    /// The text for a cell. `prelude` is the folder of the crate that cells see; the first cell takes its names into
    /// scope.
    pub fn new(cell: &Cell, prelude: &str, first: bool) -> Self {
        let mut source = Self { text: String::new(), lines: Vec::new(), inserted: None, outputs_left: false };
        source.push(&format!(":dep minerva = {{ path = {prelude:?} }}"), Origin::Own);
        let head = cell.body.lines().take_while(|l| syntax::before_code(l)).count();
        let mut from = 0;
        for (n, line) in cell.body.split_inclusive('\n').take(head).enumerate() {
            from += line.len();
            source.push(line.trim_end_matches(['\n', '\r']), Origin::Body(n + 1));
        }
        if first {
            source.push("use minerva::{Tensor, Value};", Origin::Own);
        }
        source.push("minerva::start();", Origin::Own);
        for (n, input) in cell.inputs.iter().enumerate() {
            let (name, kind) = (&input.name, &input.kind);
            let call =
                format!("let mut {name}: {kind} = minerva::input({name:?}, {:?}, {:?});", input.json, input.tensors);
            source.push(&call, Origin::Input(n));
        }
        source.push(&format!("let {DONE} = ();"), Origin::Own);
        source.rest(cell.body.get(from..).unwrap_or_default(), head);
        if source.outputs_left {
            source.outputs_left = !cell.outputs.is_empty();
        } else {
            source.outputs(cell);
        }
        source
    }

    /// The text that takes the outputs of a cell that has run.
    pub fn of_outputs(cell: &Cell) -> Self {
        let mut source = Self { text: String::new(), lines: Vec::new(), inserted: None, outputs_left: false };
        source.push("minerva::start();", Origin::Own);
        source.push(&format!("let {DONE} = ();"), Origin::Own);
        source.outputs(cell);
        source
    }

    fn push(&mut self, line: &str, origin: Origin) {
        self.text.push_str(line);
        self.text.push('\n');
        self.lines.push(origin);
    }

    /// The code itself. What was printed is shown before the value of the last expression is: evcxr's own mark for a value
    /// would swallow a line that has not ended. A loop at the end has no value worth showing.
    fn rest(&mut self, code: &str, head: usize) {
        let mut text = code.to_owned();
        let ending = syntax::ending(code);
        match ending {
            Ending::Loop(end) => text.insert(end, ';'),
            Ending::Value(start) => {
                text.insert_str(start, FLUSH);
                let before = code.get(..start).unwrap_or_default();
                let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
                self.inserted = Some((head + before.matches('\n').count() + 1, column, FLUSH.len()));
                self.outputs_left = true;
            }
            Ending::Broken => self.outputs_left = true,
            Ending::Statement => {}
        }
        for (n, line) in text.lines().enumerate() {
            self.push(line, Origin::Body(head + n + 1));
        }
        if !self.outputs_left {
            self.push("minerva::flush();", Origin::Own);
        }
    }

    fn outputs(&mut self, cell: &Cell) {
        for (n, output) in cell.outputs.iter().enumerate() {
            let name = &output.name;
            let call = format!("minerva::output({name:?}, &{name}, {:?}, {:?});", output.json, output.tensors);
            self.push(&call, Origin::Output(n));
        }
    }

    /// Where line and column of the text, both from 1, come from.
    pub fn origin(&self, line: usize, column: usize) -> (Origin, usize) {
        let origin = line.checked_sub(1).and_then(|n| self.lines.get(n)).copied().unwrap_or(Origin::Own);
        match self.inserted {
            Some((at, from, length)) if origin == Origin::Body(at) && column >= from + length => {
                (origin, column - length)
            }
            _ => (origin, column),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rust_cells::protocol::{Input, Output};

    fn cell(body: &str) -> Cell {
        let (json, tensors) = (String::new(), String::new());
        let input = Input { name: "x".into(), kind: "f64".into(), json: json.clone(), tensors: tensors.clone() };
        Cell { body: body.into(), inputs: vec![input], outputs: vec![Output { name: "y".into(), json, tensors }] }
    }

    fn place(source: &Source, text: &str) -> (Origin, usize) {
        let found = source.text.lines().enumerate().find_map(|(n, l)| Some((n + 1, l.find(text)? + 1)));
        found.map_or((Origin::Own, 0), |(line, column)| source.origin(line, column))
    }

    #[test]
    fn places_are_those_of_the_cell() {
        let source = Source::new(&cell("// first\n:dep a = \"1\"\n\nlet y = x;\nlet s = 1; y + s"), "/p", true);
        assert_eq!(place(&source, "let y"), (Origin::Body(4), 1));
        assert_eq!(place(&source, ":dep a"), (Origin::Body(2), 1));
        assert_eq!(place(&source, "y + s"), (Origin::Body(5), 12));
        assert_eq!(place(&source, "let s"), (Origin::Body(5), 1));
        assert_eq!(place(&source, "let mut x"), (Origin::Input(0), 1));
        assert!(source.outputs_left, "the last expression is the value of the cell");
        assert_eq!(place(&Source::of_outputs(&cell("")), "minerva::output"), (Origin::Output(0), 1));
    }

    #[test]
    fn a_cell_without_a_value_gives_its_outputs_at_once() {
        for body in ["let y = 1;", "fn y() {}", "for i in 0..3 { print!(\"{i}\") } // end", "println!(\"{}\", x)", ""] {
            let source = Source::new(&cell(body), "/p", true);
            assert!(
                !source.outputs_left && place(&source, "minerva::output") == (Origin::Output(0), 1),
                "{}",
                source.text
            );
        }
        assert!(
            Source::new(&cell("for i in 0..3 {} // end"), "", false).text.contains("{}; // end\nminerva::flush();")
        );
    }
}
