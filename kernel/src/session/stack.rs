//! The stack that scripts need: deep recursion is theirs to have.

use std::cell::Cell;
use std::thread::Builder;

/// Stack of the thread a cell runs on: what 1,000 nested script calls need, several times over. Pages are taken from
/// the system only when they are touched.
const STACK_BYTES: usize = 512 << 20;

thread_local! {
    static LARGE: Cell<bool> = const { Cell::new(false) };
}

/// The builder of a thread on which cells may run; [`mark`] is the first thing it does.
pub fn thread(name: &str) -> Builder {
    Builder::new().name(name.to_owned()).stack_size(STACK_BYTES)
}

/// Says that the running thread was built by [`thread`]: a session that is used on it runs its cells there, and a cell
/// costs no thread of its own.
pub fn mark() {
    LARGE.with(|large| large.set(true));
}

/// Runs `work` where there is room for it: here, or on a thread of its own.
///
/// # Errors
/// Why there could be no such thread, or that it died.
pub fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    if LARGE.with(Cell::get) {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        match thread("minerva-cell").spawn_scoped(scope, || {
            mark();
            work()
        }) {
            Ok(thread) => thread.join().map_err(|_| "its thread died".to_owned()),
            Err(e) => Err(format!("no thread for it: {e}")),
        }
    })
}
