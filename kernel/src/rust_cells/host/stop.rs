//! Stopping a request: its compiler, which loses nothing, else the process with the person's variables.

use super::processes::kill_tools;
use super::streams::emit;
use crate::rust_cells::protocol::{Event, Failure};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often is looked for something to end.
const POLL: Duration = Duration::from_millis(10);
/// When neither a compiler nor the person's code has been found for so long, evcxr itself thinks, and cannot be stopped.
const THINKS: Duration = Duration::from_millis(150);

/// How long questions to the toolchain are spared: one that waits for a network may never end.
const QUESTIONS: Duration = Duration::from_secs(5);

/// The request that is worked on, and what became of it. It begins where it is read, so that an interrupt read after it
/// finds it whatever has been done about it yet. Cloning it shares it.
#[derive(Clone, Default)]
pub struct Stop(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    child: Option<Arc<Mutex<Child>>>,
    /// Where the compiler works.
    target: PathBuf,
    /// Requests are taken: evcxr has started.
    ready: bool,
    /// Requests that were stopped before that, and are not to be done.
    withdrawn: usize,
    /// A request has no answer yet, or is still worked on after its answer was given.
    busy: bool,
    /// The person's code runs: only then has its process anything to do.
    running: bool,
    stopped: bool,
    killed: bool,
    /// The answer was given before the work ended.
    answered: bool,
    /// The variables are gone, and no answer has told.
    untold: bool,
}

impl State {
    fn kill(&mut self) {
        // Held by evcxr only while it waits for a process that is ending.
        if let Some(child) = &self.child
            && let Ok(mut child) = child.try_lock()
        {
            self.killed = child.kill().is_ok();
            self.untold |= self.killed;
        }
    }
}

impl Stop {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process of the person's code, as evcxr hands it out: the same handle after a restart; and the folder in which
    /// the compiler works.
    pub fn watch(&self, child: Arc<Mutex<Child>>, target: PathBuf) {
        let mut state = self.lock();
        (state.child, state.target) = (Some(child), target);
    }

    /// Says that requests are taken from now on.
    pub fn ready(&self) {
        self.lock().ready = true;
    }

    /// Whether the oldest request that waits was stopped before requests were taken.
    pub fn withdrawn(&self) -> bool {
        let mut state = self.lock();
        let withdrawn = state.withdrawn > 0;
        state.withdrawn = state.withdrawn.saturating_sub(1);
        withdrawn
    }

    /// Says that a request has come.
    pub fn begin(&self) {
        let mut state = self.lock();
        (state.busy, state.running, state.stopped, state.killed, state.answered) = (true, false, false, false, false);
    }

    /// Says whether the person's code runs, and not the compiler or evcxr.
    pub fn runs(&self, running: bool) {
        let mut state = self.lock();
        state.running = running && state.busy;
    }

    /// Whether the request was stopped; then, whether the person's variables went with it.
    pub fn stopped(&self) -> Option<bool> {
        let state = self.lock();
        state.stopped.then_some(state.killed)
    }

    /// Whether something is being stopped.
    pub fn is_stopping(&self) -> bool {
        let state = self.lock();
        state.busy && state.stopped
    }

    /// Ends the request with its answer, unless that has been given.
    pub fn answer(&self, event: &Event) {
        let mut state = self.lock();
        (state.busy, state.running) = (false, false);
        if state.answered {
            return;
        }
        state.untold &= !tells(event);
        drop(state);
        emit(event);
    }

    /// Whether the variables are gone without an answer that told so; asking is taken for telling.
    pub fn untold(&self) -> bool {
        std::mem::take(&mut self.lock().untold)
    }

    /// Stops the request, and does not return before all that belongs to it has ended. `early` is its answer where evcxr
    /// is still busy with it: the person need not wait for that.
    pub fn stop(&self, early: &Event) {
        let mut state = self.lock();
        if !state.busy {
            return;
        }
        if !state.ready {
            state.busy = false;
            state.withdrawn += 1;
            drop(state);
            emit(early);
            return;
        }
        state.stopped = true;
        drop(state);
        let (began, mut idle_since, mut ended) = (Instant::now(), Instant::now(), false);
        while self.pursue(began, &mut idle_since, &mut ended) {
            if idle_since.elapsed() > THINKS && self.may_answer_early() {
                emit(early);
            }
            std::thread::sleep(POLL);
        }
        // What the compiler started while it was ended, a linker, would go on writing the files of the next cell.
        for _ in 0..50 {
            if !kill_tools(true) {
                break;
            }
            ended = true;
            std::thread::sleep(Duration::from_millis(2));
        }
        if ended {
            forget_half_done(&self.lock().target);
        }
    }

    /// Ends what can be ended; false when the work is done. `began` is when that was asked for, `idle_since` is when something could be ended last, `ended`
    /// becomes true when a tool was.
    fn pursue(&self, began: Instant, idle_since: &mut Instant, ended: &mut bool) -> bool {
        // Before the code runs, some of them may be those of rust-analyzer.
        let questions = self.lock().running || began.elapsed() > QUESTIONS;
        let tools = kill_tools(questions);
        *ended |= tools;
        let mut state = self.lock();
        if tools || state.running {
            *idle_since = Instant::now();
        }
        // Once: evcxr starts the next process before it tells of the end of the last.
        if state.busy && state.running && !state.killed {
            state.kill();
        }
        state.busy
    }

    /// Nowhere else can the compiler be kept from finishing, and the code then from running.
    fn may_answer_early(&self) -> bool {
        let mut state = self.lock();
        let early = cfg!(target_os = "linux") && state.busy && !state.running && !state.answered;
        state.answered |= early;
        early
    }
}

/// Removes what the compiler keeps from one cell for the next: from a compilation that was ended in the middle it takes
/// parts that lack others, and the next cell does not link.
fn forget_half_done(target: &Path) {
    let below = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
    for folder in below(target).flat_map(|triple| [triple.join("incremental"), triple.join("debug/incremental")]) {
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// Whether an answer says that the variables are gone.
fn tells(event: &Event) -> bool {
    let failure = match event {
        Event::Ran(ran) => (**ran).as_ref().err(),
        Event::Returned(returned) => returned.as_ref().err(),
        _ => None,
    };
    matches!(failure, Some(Failure::Interrupted { variables_lost: true } | Failure::Died(_)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::rust_cells::protocol::Ran;

    #[test]
    fn what_the_compiler_keeps_is_forgotten_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["x86_64/debug/incremental/ctx", "debug/incremental/ctx", "x86_64/debug/deps"] {
            std::fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        forget_half_done(folder.path());
        let is = |path: &str| folder.path().join(path).exists();
        assert!(!is("x86_64/debug/incremental") && !is("debug/incremental") && is("x86_64/debug/deps"));
        forget_half_done(&folder.path().join("absent"));
    }

    fn ran() -> Event {
        Event::Ran(Box::new(Ok(Ran::default())))
    }

    #[test]
    fn a_request_is_withdrawn_while_requests_are_not_taken_yet() {
        let stop = Stop::default();
        stop.begin();
        stop.stop(&ran());
        stop.begin();
        stop.ready();
        assert!(stop.withdrawn(), "the first is not to be done");
        assert!(!stop.withdrawn() && stop.stopped().is_none(), "the second is");
    }

    #[test]
    fn an_interrupt_after_the_answer_does_not_reach_the_next_request() {
        let stop = Stop::default();
        stop.ready();
        stop.begin();
        stop.answer(&ran());
        stop.stop(&ran());
        stop.begin();
        assert_eq!((stop.stopped(), stop.withdrawn(), stop.is_stopping()), (None, false, false));
    }

    #[test]
    fn code_of_nobody_does_not_run() {
        let stop = Stop::default();
        stop.runs(true);
        assert!(!stop.lock().running, "what is told late is of a request that has ended");
        stop.begin();
        stop.runs(true);
        assert!(stop.lock().running);
        stop.answer(&ran());
        assert!(!stop.lock().running && !stop.untold());
    }
}
