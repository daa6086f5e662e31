//! How a caller steers and watches long work: an interrupt flag going in, events coming out.

use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that asks running work to stop. Cloning it shares the flag.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks whatever polls this flag to stop. Safe to call from a signal handler.
    pub fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Withdraws the request; a front end does this before it starts the next cell.
    pub fn clear(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    /// Whether someone asked for a stop.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// `Err(Error::Interrupted)` once the flag is raised: what every long loop calls.
    pub fn check(&self) -> Result<()> {
        if self.is_raised() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// The flag itself, for a C library's abort callback.
    pub fn as_ptr(&self) -> *const AtomicBool {
        Arc::as_ptr(&self.0)
    }
}

/// What long work reports while it runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A piece of generated text: whole characters, in order.
    Text(String),
    /// Work that has a length. `done == total` is sent once, last.
    Progress {
        /// What is being done, for a person: `"load SmolLM2.gguf"`.
        label: String,
        /// Units finished so far.
        done: u64,
        /// Units in all; 0 where the length is not known.
        total: u64,
        /// What a unit is: `"B"` (bytes), `"tokens"`, `"tensors"`.
        unit: &'static str,
    },
    /// Something the caller should know but that stops nothing, such as a backend that was passed over.
    Warning(String),
}

/// Travels into every long call: the interrupt to poll and the place to send events to.
#[derive(Clone)]
pub struct Control {
    /// Polled at least every 100 ms by anything that runs longer.
    pub interrupt: Interrupt,
    events: Arc<dyn Fn(Event) + Send + Sync>,
}

impl Control {
    /// A control that reports to `events`.
    pub fn new(interrupt: Interrupt, events: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self { interrupt, events: Arc::new(events) }
    }

    /// `Err(Error::Interrupted)` once a stop was asked for.
    pub fn check(&self) -> Result<()> {
        self.interrupt.check()
    }

    /// Sends an event.
    pub fn emit(&self, event: Event) {
        (self.events)(event);
    }

    /// Sends a warning.
    pub fn warn(&self, text: impl Into<String>) {
        self.emit(Event::Warning(text.into()));
    }

    /// Sends progress.
    pub fn progress(&self, label: &str, done: u64, total: u64, unit: &'static str) {
        self.emit(Event::Progress { label: label.to_owned(), done, total, unit });
    }
}

/// A control that nobody watches and nobody interrupts.
impl Default for Control {
    fn default() -> Self {
        Self::new(Interrupt::default(), |_| {})
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("interrupt", &self.interrupt).finish_non_exhaustive()
    }
}
