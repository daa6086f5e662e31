//! What a kernel does, and when it last did something for a person.

use jiff::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Message types that are no work of a person: opening a page asks for `kernel_info`, and that must neither keep a kernel
/// from being culled nor show it as busy. Jupyter Server's list.
pub const UNTRACKED: [&str; 21] = [
    "comm_info_request",
    "comm_info_reply",
    "kernel_info_request",
    "kernel_info_reply",
    "shutdown_request",
    "shutdown_reply",
    "interrupt_request",
    "interrupt_reply",
    "debug_request",
    "debug_reply",
    "stream",
    "display_data",
    "update_display_data",
    "execute_input",
    "execute_result",
    "error",
    "status",
    "clear_output",
    "debug_event",
    "input_request",
    "input_reply",
];

/// What a kernel does: `starting`, `idle`, `busy`, `restarting`, `autorestarting` or `dead`.
#[derive(Debug)]
pub struct Activity {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: String,
    last: Timestamp,
}

impl Default for Activity {
    fn default() -> Self {
        Self::new()
    }
}

impl Activity {
    /// A kernel that is starting.
    pub fn new() -> Self {
        Self { inner: Mutex::new(Inner { state: "starting".to_owned(), last: Timestamp::now() }) }
    }

    /// The state.
    pub fn state(&self) -> String {
        self.lock().state.clone()
    }

    /// When something was last done.
    pub fn last(&self) -> Timestamp {
        self.lock().last
    }

    /// The server knows better than the kernel.
    pub fn set(&self, state: &str) {
        let mut inner = self.lock();
        state.clone_into(&mut inner.state);
        inner.last = Timestamp::now();
    }

    /// Something was done.
    pub fn touch(&self) {
        self.lock().last = Timestamp::now();
    }

    /// A message on iopub: its type, its parent's type, and the state that it tells, if any.
    pub fn observe(&self, kind: &str, parent: &str, state: Option<&str>) {
        let mut inner = self.lock();
        let of_person = tracked(parent);
        if of_person || tracked(kind) || inner.state == "busy" {
            inner.last = Timestamp::now();
        }
        let Some(state) = state else { return };
        if inner.state == "dead" {
            // What was still on its way when the process ended.
        } else if of_person {
            state.clone_into(&mut inner.state);
        } else if state != "starting" && matches!(&*inner.state, "starting" | "restarting" | "autorestarting") {
            // It answers: it has started.
            "idle".clone_into(&mut inner.state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tracked(kind: &str) -> bool {
    !UNTRACKED.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_work_and_a_question_about_the_kernel_is_not() {
        let activity = Activity::new();
        assert_eq!(activity.state(), "starting");
        activity.observe("status", "kernel_info_request", Some("busy"));
        assert_eq!(activity.state(), "idle");
        activity.observe("status", "execute_request", Some("busy"));
        activity.observe("status", "kernel_info_request", Some("idle"));
        activity.observe("stream", "execute_request", None);
        assert_eq!(activity.state(), "busy");
        activity.observe("status", "execute_request", Some("idle"));
        assert_eq!(activity.state(), "idle");
    }

    #[test]
    fn a_restart_ends_with_the_first_answer() {
        let activity = Activity::new();
        activity.set("restarting");
        activity.observe("status", "kernel_info_request", Some("starting"));
        assert_eq!(activity.state(), "restarting");
        activity.observe("status", "kernel_info_request", Some("idle"));
        assert_eq!(activity.state(), "idle");
        activity.set("dead");
        activity.observe("status", "kernel_info_request", Some("idle"));
        assert_eq!(activity.state(), "dead");
    }
}
