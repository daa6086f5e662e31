//! The texts of the cells that ran, for errors that point into one of them.

use rhai::AST;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Cells without functions that are remembered: after their end no error points into them. Front ends that ask the session
/// about its state run many.
const MOST: usize = 1000;

/// Cell texts by name.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    cells: HashMap<String, String>,
    /// Names of those without functions, oldest first.
    passing: VecDeque<String>,
    functions: BTreeMap<(String, usize), String>,
}

impl Sources {
    /// Remembers the text of a cell, and forgets that of the oldest where there are too many.
    pub fn add(&mut self, name: &str, code: &str) {
        if self.cells.insert(name.to_owned(), code.to_owned()).is_some() {
            return;
        }
        self.passing.push_back(name.to_owned());
        if self.passing.len() > MOST
            && let Some(oldest) = self.passing.pop_front()
        {
            self.cells.remove(&oldest);
        }
    }

    /// A line of a cell, counted from 1.
    pub fn line(&self, name: &str, line: usize) -> Option<&str> {
        self.cells.get(name)?.lines().nth(line.checked_sub(1)?)
    }

    /// Remembers the texts of the functions that a cell defines, and the cell as long as the session lives.
    pub fn add_functions(&mut self, cell: &str, ast: &AST) {
        self.passing.retain(|name| name != cell);
        let Some(code) = self.cells.get(cell) else { return };
        for function in ast.iter_fn_def() {
            let span = (function.body.start_position(), function.body.end_position());
            let (Some(from), Some(to)) = (offset(code, span.0), offset(code, span.1)) else { continue };
            let name = function.name.as_str();
            let head = code.get(..from).unwrap_or_default();
            // The nearest `fn name` before the body; `private` and the comment above stay out.
            let start = head.rmatch_indices("fn").find(|(at, _)| after(head, *at).starts_with(name)).map(|(at, _)| at);
            let text = start.and_then(|start| code.get(start..=to));
            if let Some(text) = text {
                self.functions.insert((name.to_owned(), function.params.len()), text.to_owned());
            }
        }
    }

    /// The texts of the functions of this name, by the number of their parameters.
    pub fn functions(&self, name: &str) -> Vec<&str> {
        let range = (name.to_owned(), 0)..=(name.to_owned(), usize::MAX);
        self.functions.range(range).map(|(_, text)| text.as_str()).collect()
    }

    /// Forgets the texts of functions.
    pub fn forget_functions(&mut self) {
        self.functions.clear();
    }
}

/// What follows `fn` at this place.
fn after(head: &str, at: usize) -> &str {
    head.get(at + 2..).unwrap_or_default().trim_start()
}

/// Bytes before a position.
fn offset(code: &str, position: rhai::Position) -> Option<usize> {
    let (line, column) = (position.line()?, position.position()?);
    let before: usize = code.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let line = code.get(before..)?;
    Some(before + line.char_indices().nth(column.checked_sub(1)?).map_or(line.len(), |(at, _)| at))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn cells_without_functions_are_forgotten_in_time() {
        let mut sources = Sources::default();
        sources.add("In[1]", "fn f() { 1 }");
        sources.add_functions("In[1]", &rhai::Engine::new().compile("fn f() { 1 }").unwrap());
        for n in 0..3 * MOST {
            sources.add(&format!("uncounted[{n}]"), "1");
        }
        assert_eq!(sources.cells.len(), MOST + 1);
        assert_eq!((sources.line("uncounted[0]", 1), sources.line("In[1]", 1)), (None, Some("fn f() { 1 }")));
        assert_eq!(sources.line(&format!("uncounted[{}]", 3 * MOST - 1), 1), Some("1"));
        sources.add("In[1]", "2");
        assert_eq!((sources.line("In[1]", 1), sources.cells.len()), (Some("2"), MOST + 1));
    }
}
