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

/// Signature and a sentence.
fn described(m: &Match) -> Option<String> {
    let parts: Vec<&str> = [m.signature.as_str(), m.doc.as_str()].into_iter().filter(|t| !t.is_empty()).collect();
    Some(parts.join(" — ")).filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::session::{Session, SessionOptions};
    use std::sync::{Arc, Mutex};

    #[test]
    fn suggestions_say_what_they_replace_and_what_they_are() {
        let session = Arc::new(Mutex::new(Session::new(SessionOptions::default())));
        let line = "let ä = 1; progr";
        let found = CellCompleter(session).complete(line, line.len());
        let CompletionResult::Fresh { suggestions, .. } = found else { panic!("an answer at once") };
        let first = suggestions.iter().next().unwrap();
        assert_eq!(first.value, "progress");
        assert_eq!(line.get(first.span.start..first.span.end), Some("progr"));
        let about = first.description.as_deref().unwrap();
        assert!(about.starts_with("progress(") && about.contains(" — ") && about.contains("progress bar"), "{about}");
    }
}
