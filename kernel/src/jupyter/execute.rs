//! What a running cell puts on iopub.

use super::iopub::{Iopub, Stream};
use super::progress::Bars;
use super::wire::Object;
use crate::session::SessionEvent;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The outputs of one cell.
pub struct Outputs {
    /// `None` for a silent cell: what it prints is not published.
    iopub: Option<Iopub>,
    parent: Arc<Object>,
    bars: Mutex<Bars>,
}

impl Outputs {
    /// Outputs whose parent is the request with the header `parent`.
    pub fn new(iopub: Option<Iopub>, parent: Arc<Object>) -> Self {
        Self { iopub, parent, bars: Mutex::default() }
    }

    /// Where the session sends its events.
    pub fn sink(self) -> Arc<dyn Fn(SessionEvent) + Send + Sync> {
        Arc::new(move |event| {
            if let Some(iopub) = &self.iopub {
                self.publish(iopub, event);
            }
        })
    }

    fn publish(&self, iopub: &Iopub, event: SessionEvent) {
        let parent = &self.parent;
        match event {
            SessionEvent::Stdout(text) => iopub.stream(parent, Stream::Stdout, text),
            SessionEvent::Stderr(text) => iopub.stream(parent, Stream::Stderr, text),
            SessionEvent::Warning(text) => iopub.stream(parent, Stream::Stderr, format!("warning: {text}\n")),
            SessionEvent::Display { bundle, display_id, update } => {
                iopub.wait_for_room();
                let transient = display_id.map_or_else(|| json!({}), |id| json!({ "display_id": id }));
                let content = json!({ "data": bundle.data, "metadata": bundle.metadata, "transient": transient });
                iopub.send(parent, display_kind(update), content);
            }
            SessionEvent::Progress { label, done, total, unit } => {
                let drawn = self.bars.lock().unwrap_or_else(PoisonError::into_inner).update(
                    &label,
                    done,
                    total,
                    &unit,
                    Instant::now(),
                );
                if let Some(bar) = drawn {
                    let content = json!({ "data": bar.data, "metadata": {}, "transient": { "display_id": bar.id } });
                    iopub.send(parent, display_kind(bar.update), content);
                }
            }
            SessionEvent::ClearOutput { wait } => {
                iopub.wait_for_room();
                iopub.send(parent, "clear_output", json!({ "wait": wait }));
            }
        }
    }
}

fn display_kind(update: bool) -> &'static str {
    if update { "update_display_data" } else { "display_data" }
}
