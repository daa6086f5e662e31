//! What a script function sees of the session it runs in.

use super::{Asking, NoAnswer, Question, SessionEvent};
use crate::display::{Bundle, Shows};
use minerva_engine::{Control, Event, Interrupt};
use rhai::{Dynamic, Engine, Variant};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Where a cell's events go.
pub type Events = Arc<dyn Fn(SessionEvent) + Send + Sync>;

/// The session as script functions see it. Cloning it shares it; closures capture it when they are registered.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    interrupt: Interrupt,
    events: RwLock<Events>,
    asking: RwLock<Asking>,
    /// Names of displays that the running cell has shown.
    shown: Mutex<HashSet<String>>,
    shows: Shows,
    streams: bool,
}

impl Host {
    /// A host whose events go nowhere until [`Host::attach`]; `streams` says whether generated text is shown while it
    /// is generated.
    pub fn new(interrupt: Interrupt, streams: bool) -> Self {
        let nowhere: Events = Arc::new(|_| {});
        let nobody: Asking = Arc::new(|_, _| Err(NoAnswer::Nobody("this session runs by itself".into())));
        Self(Arc::new(Inner {
            interrupt,
            events: RwLock::new(nowhere),
            asking: RwLock::new(nobody),
            shown: Mutex::default(),
            shows: Shows::default(),
            streams,
        }))
    }

    /// Sends the events of what runs from now on to `events`; what runs from now on has shown nothing yet.
    pub fn attach(&self, events: Events) {
        self.0.shown.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *self.0.events.write().unwrap_or_else(PoisonError::into_inner) = events;
    }

    /// The engine's view of this session: the interrupt to poll, and a place to report to. Generated text goes to
    /// stdout where this session streams and nowhere where it does not.
    pub fn control(&self) -> Control {
        self.control_streaming(self.0.streams)
    }

    /// As [`Host::control`], with the choice whether generated text is shown made by the call.
    pub fn control_streaming(&self, streams: bool) -> Control {
        let host = self.clone();
        Control::new(self.0.interrupt.clone(), move |event| match event {
            Event::Text(text) if streams => host.emit(SessionEvent::Stdout(text)),
            Event::Progress { label, done, total, unit } => {
                host.emit(SessionEvent::Progress { label, done, total, unit: unit.to_owned() });
            }
            Event::Warning(text) => host.emit(SessionEvent::Warning(text)),
            _ => {}
        })
    }

    /// Sends one event to the front end.
    pub fn emit(&self, event: SessionEvent) {
        let events = Arc::clone(&self.0.events.read().unwrap_or_else(PoisonError::into_inner));
        events(event);
    }

    /// Asks the person through `asking` from now on.
    pub fn ask_through(&self, asking: Asking) {
        *self.0.asking.write().unwrap_or_else(PoisonError::into_inner) = asking;
    }

    /// Asks the person, and waits for the answer.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn ask(&self, question: &Question) -> Result<String, NoAnswer> {
        let asking = Arc::clone(&self.0.asking.read().unwrap_or_else(PoisonError::into_inner));
        asking(question, &self.0.interrupt)
    }

    /// Takes note that the running cell shows something under this name; whether it has done so before.
    pub fn shown_before(&self, display_id: &str) -> bool {
        !self.0.shown.lock().unwrap_or_else(PoisonError::into_inner).insert(display_id.to_owned())
    }

    /// Whether generated text is shown while it is generated.
    pub fn streams(&self) -> bool {
        self.0.streams
    }

    /// The flag that stops what runs.
    pub fn interrupt(&self) -> &Interrupt {
        &self.0.interrupt
    }

    /// Registers how values of type `T` show themselves: as the result of a cell, in `display(x)` and in a table by
    /// the whole bundle, in `print(x)` and inside strings by its plain text.
    pub fn shows<T: Variant + Clone>(&self, engine: &mut Engine, show: impl Fn(&T) -> Bundle + Send + Sync + 'static) {
        let show = Arc::new(show);
        for name in ["to_string", "to_debug", "print", "debug"] {
            let show = Arc::clone(&show);
            engine.register_fn(name, move |value: &mut T| show(value).plain().to_owned());
        }
        self.0.shows.add::<T>(move |value| show(value));
    }

    /// The bundle of any value.
    pub fn bundle(&self, value: &Dynamic) -> Bundle {
        self.0.shows.bundle(value)
    }

    /// A value as `print` writes it: strings as they are, everything else as it shows itself.
    pub fn text(&self, value: &Dynamic) -> String {
        match value.read_lock::<rhai::ImmutableString>() {
            Some(s) => s.to_string(),
            None => self.0.shows.bundle(value).plain().to_owned(),
        }
    }
}
