//! Whether the running cell has begun a line on stdout that it has not ended.

use super::SessionEvent;
use crate::script::Events;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Watches the events of a cell. Cloning it shares it.
#[derive(Clone, Default)]
pub struct OpenLine(Arc<AtomicBool>);

impl OpenLine {
    /// The same events, watched on their way; no line is open yet.
    pub fn watch(&self, events: Events) -> Events {
        let open = Arc::clone(&self.0);
        open.store(false, Ordering::Relaxed);
        Arc::new(move |event| {
            match &event {
                SessionEvent::Stdout(text) if !text.is_empty() => open.store(!text.ends_with('\n'), Ordering::Relaxed),
                // Both stand on lines of their own, and what comes after clearing comes first.
                SessionEvent::Display { .. } | SessionEvent::ClearOutput { .. } => open.store(false, Ordering::Relaxed),
                _ => {}
            }
            events(event);
        })
    }

    /// What ends the line: a line end, or nothing where none is open.
    pub fn end(&self) -> &'static str {
        if self.0.load(Ordering::Relaxed) { "\n" } else { "" }
    }
}
