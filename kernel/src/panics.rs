//! Panics, kept from the user: caught at the edges, quiet while they are caught, told as an internal error.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a caught panic said, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panic {
    /// Its message.
    pub message: String,
    /// File and line of our source.
    pub place: String,
}

impl std::fmt::Display for Panic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let help = "help: this is a fault of Minerva, not of your script; please report it";
        write!(f, "internal error: {} (at {})\n{help}", self.message, self.place)
    }
}

thread_local! {
    static GUARDS: Cell<usize> = const { Cell::new(0) };
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

static QUIET: AtomicBool = AtomicBool::new(false);

/// Runs `work`; a panic in it comes back as a value, and prints nothing.
///
/// # Errors
/// The panic.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    install();
    GUARDS.with(|g| g.set(g.get() + 1));
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDS.with(|g| g.set(g.get() - 1));
    result.map_err(|payload| {
        LAST.with(|last| last.borrow_mut().take())
            .unwrap_or_else(|| Panic { message: message(payload.as_ref()), place: "unknown place".into() })
    })
}

/// Silences panics on every thread of the process, for a program whose edges all catch: a worker's panic reaches its
/// owner as a value, and its message on the terminal would only frighten.
pub fn silence_all() {
    install();
    QUIET.store(true, Ordering::Relaxed);
}

fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            let place = info.location().map_or("unknown place".into(), |l| format!("{}:{}", l.file(), l.line()));
            let panic = Panic { message: message(info.payload()), place };
            let caught = GUARDS.try_with(Cell::get).unwrap_or(0) > 0;
            let _ = LAST.try_with(|last| *last.borrow_mut() = Some(panic));
            if !caught && !QUIET.load(Ordering::Relaxed) {
                before(info);
            }
        }));
    });
}

fn message(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_panic_comes_back_as_a_value_with_its_place() {
        let caught = catch(|| panic!("boom {}", 1)).unwrap_err();
        assert_eq!(caught.message, "boom 1");
        assert!(caught.place.contains("panics.rs:"), "{}", caught.place);
        assert_eq!(catch(|| 5).unwrap(), 5);
    }
}
