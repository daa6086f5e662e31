//! The threads a load computes on, and hooks that stay on the thread that called.

use crate::error::{Error, Result};
use crate::transformer::{Hooks, Point};
use candle_core::Tensor;
use std::cell::Cell;
use std::collections::HashSet;
use std::sync::mpsc::{Receiver, Sender, channel};

thread_local! {
    /// Whether this thread runs a hook, while a thread of some pool waits for what it returns.
    static IN_A_HOOK: Cell<bool> = const { Cell::new(false) };
}

/// Threads that stay awake through the many short parallel parts of a pass.
#[derive(Debug)]
pub(super) struct Pool(rayon::ThreadPool);

impl Pool {
    pub(super) fn new(threads: usize) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("candle-{i}")).build();
        pool.map(Self).map_err(|e| Error::backend("candle", format!("cannot start {threads} threads: {e}")))
    }

    /// Runs `work` on the pool. A hook that uses the model computes where it stands: the pool's threads may all be
    /// waiting for it.
    pub(super) fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        if IN_A_HOOK.get() { work() } else { self.0.install(work) }
    }

    /// Runs `work` on the pool, with hooks that are called on this thread: they need not be able to travel, and have
    /// this thread's stack below them. Only `wanted` points come across.
    pub(super) fn run_hooked<R: Send>(
        &self,
        hooks: &mut dyn Hooks,
        wanted: HashSet<(Point, usize)>,
        work: impl FnOnce(&mut dyn Hooks) -> Result<R> + Send,
    ) -> Result<R> {
        if IN_A_HOOK.get() {
            return work(hooks);
        }
        let (ask, asked) = channel();
        let (reply, answer) = channel();
        let mut far = Far { wanted, ask, answer };
        let mut result = None;
        self.0.in_place_scope(|scope| {
            let slot = &mut result;
            // Owns its end of both channels: whatever ends the pass, a panic too, ends the loop below.
            scope.spawn(move |_| *slot = Some(work(&mut far)));
            // Owns the other ends: a panic in a hook ends the pass.
            let (asked, reply): (Receiver<Visit>, Sender<Result<Tensor>>) = (asked, reply);
            for (point, layer, value) in asked {
                let entered = Entered::new();
                let answer = hooks.visit(point, layer, value);
                drop(entered);
                if reply.send(answer).is_err() {
                    break;
                }
            }
        });
        result.unwrap_or_else(|| Err(gone()))
    }
}

type Visit = (Point, usize, Tensor);

/// Stands for the hooks on the pool's side.
struct Far {
    wanted: HashSet<(Point, usize)>,
    ask: Sender<Visit>,
    answer: Receiver<Result<Tensor>>,
}

impl Hooks for Far {
    fn wants(&self, point: Point, layer: usize) -> bool {
        self.wanted.contains(&(point, layer))
    }

    fn visit(&mut self, point: Point, layer: usize, value: Tensor) -> Result<Tensor> {
        self.ask.send((point, layer, value)).map_err(|_| gone())?;
        self.answer.recv().map_err(|_| gone())?
    }
}

fn gone() -> Error {
    Error::backend("candle", "a hook ended without an answer")
}

/// Marks this thread for as long as it lives, a panic included.
struct Entered;

impl Entered {
    fn new() -> Self {
        IN_A_HOOK.set(true);
        Self
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        IN_A_HOOK.set(false);
    }
}
