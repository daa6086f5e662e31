//! The session's completions in a menu.

use super::talk::{Shared, lock};
use crate::session::Match;
use reedline::{Completer, CompletionResult, Span, Suggestion};

/// Longer lists hide more than they show.
const MOST: usize = 200;

/// Asks the session.
pub struct CellCompleter(pub Shared);

impl Completer for CellCompleter {
    fn complete(&mut self, line: &str, position: usize) -> CompletionResult {
        let head = line.get(..position).unwrap_or(line);
        let found = lock(&self.0).complete(line, head.chars().count());
        let byte = |chars: usize| line.char_indices().nth(chars).map_or(line.len(), |(at, _)| at);
        let span = Span::new(byte(found.start), byte(found.end));
        let suggestions: Vec<Suggestion> = found
            .matches
            .into_iter()
            .take(MOST)
            .map(|m| Suggestion { value: m.text.clone(), description: described(&m), span, ..Default::default() })
            .collect();
        CompletionResult::fresh(suggestions)
    }
}

/// Signature and a sentence, on lines of their own.
fn described(m: &Match) -> Option<String> {
    let parts: Vec<&str> = [m.signature.as_str(), m.doc.as_str()].into_iter().filter(|t| !t.is_empty()).collect();
    Some(parts.join("\n")).filter(|t| !t.is_empty())
}
