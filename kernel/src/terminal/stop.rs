//! Ctrl-C: the first asks the running cell to stop, an impatient second one ends the program.

use minerva_engine::Interrupt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Exit code of a program that was stopped by Ctrl-C, as shells have it.
pub const STOPPED: i32 = 130;

/// Makes Ctrl-C raise `interrupt`. When it is pressed again while the first still has no
/// effect, for the third time in all, the program ends.
pub fn on_ctrl_c(interrupt: Interrupt) {
    let pressed = AtomicUsize::new(0);
    // A handler that cannot be installed leaves the system's own: the program just ends.
    let _ = ctrlc::set_handler(move || {
        if !interrupt.is_raised() {
            pressed.store(0, Ordering::SeqCst);
        }
        interrupt.raise();
        if pressed.fetch_add(1, Ordering::SeqCst) >= 2 {
            // SAFETY: ends the process. `exit` would run destructors of C libraries while a cell computes in them.
            unsafe { libc::_exit(STOPPED) };
        }
    });
}
