//! One `llama_context`: a KV cache that a sequence and its forks share, and decoding a batch into it.

use super::NAME;
use super::ffi;
use super::guard;
use super::load::Model;
use super::step::BATCH;
use crate::Token;
use crate::control::Interrupt;
use crate::error::{Error, Result};
use llama_cpp_sys_2 as sys;
use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// A context behind its lock, shared by the sequences in it.
pub struct Context {
    model: Arc<Model>,
    state: Mutex<State>,
}

/// What the lock protects.
pub struct State {
    context: NonNull<sys::llama_context>,
    memory: sys::llama_memory_t,
    vocab: usize,
    /// Which sequence ids are taken.
    taken: Vec<bool>,
    batch: Batch,
    /// What llama.cpp polls during a decode: the flag of the call that runs, null between calls.
    poll: Box<AtomicPtr<AtomicBool>>,
    /// Why the context must not be used any more.
    broken: Option<String>,
}

// SAFETY: a llama_context may move between threads; it must only not be used by two at once, and the Mutex around
// State sees to that. The pointers in Batch point into State's own vectors.
unsafe impl Send for State {}

/// How a decode ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded {
    /// All of it is in the cache.
    Done,
    /// The cache has no room: other sequences fill it. Nothing was added.
    Full,
    /// The interrupt was raised.
    Aborted,
}

/// The arrays of a `llama_batch`, kept from call to call.
struct Batch {
    positions: Vec<i32>,
    counts: Vec<i32>,
    outputs: Vec<i8>,
    ids: Vec<*mut i32>,
    id: Box<i32>,
}

impl Context {
    /// A new context on `model`.
    pub fn new(model: Arc<Model>) -> Result<Arc<Self>> {
        let params = model.context_params();
        Self::with(model, params)
    }

    /// Runs one token through `model` on one thread.
    ///
    /// A header can hold numbers that only a kernel's assertion refuses. On one thread llama.cpp computes in the caller's
    /// own, where `guard` can catch that; later, among several, it would end the process.
    pub fn probe(model: Arc<Model>, interrupt: &Interrupt) -> Result<()> {
        let mut params = model.context_params();
        params.n_ctx = 256;
        params.n_batch = 32;
        params.n_ubatch = 32;
        params.n_outputs_max = 32;
        params.n_threads = 1;
        params.n_threads_batch = 1;
        let context = Self::with(model, params)?;
        let outcome = context.lock().decode(0, 0, &[0], |_| true, interrupt)?;
        if outcome == Decoded::Aborted { Err(Error::Interrupted) } else { Ok(()) }
    }

    fn with(model: Arc<Model>, mut params: sys::llama_context_params) -> Result<Arc<Self>> {
        // Creating two at once is unsound in llama.cpp.
        static CREATION: Mutex<()> = Mutex::new(());
        let poll = Box::new(AtomicPtr::new(null_mut()));
        params.abort_callback = Some(poll_interrupt);
        params.abort_callback_data = ffi::user_data(&*poll);
        let (created, log) = {
            let _one_at_a_time = CREATION.lock().unwrap_or_else(PoisonError::into_inner);
            // SAFETY: the model lives as long as the context (Context holds it); the callback's data is boxed, and
            // State frees the context before the box.
            guard::call(|| unsafe { ffi::llama_init_from_model(model.as_ptr(), params) })
        };
        let context = match created {
            Ok(pointer) => NonNull::new(pointer),
            Err(aborted) => return Err(refused("a context could not be made", &aborted.0)),
        };
        let Some(context) = context else {
            let reason = log.reason().unwrap_or_else(|| "llama.cpp gives no reason".into());
            return Err(refused("a context could not be made", &reason)
                .with_help("a smaller #{ context: … } needs less memory"));
        };
        // SAFETY: a live context.
        let memory = unsafe { sys::llama_get_memory(context.as_ptr()) };
        let state = State {
            context,
            memory,
            vocab: model.vocab(),
            taken: vec![false; model.sequences_per_context()],
            batch: Batch::new(),
            poll,
            broken: None,
        };
        Ok(Arc::new(Self { model, state: Mutex::new(state) }))
    }

    /// The model it runs.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The state, once no other sequence computes.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, or `Interrupted` if that is asked for while another sequence computes.
    pub fn lock_interruptibly(&self, interrupt: &Interrupt) -> Result<MutexGuard<'_, State>> {
        loop {
            match self.state.try_lock() {
                Ok(state) => return Ok(state),
                Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => interrupt.check()?,
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl State {
    /// Takes a sequence id; `None` when all are taken.
    pub fn take_id(&mut self) -> Option<i32> {
        let free = self.taken.iter().position(|t| !t)?;
        *self.taken.get_mut(free)? = true;
        i32::try_from(free).ok()
    }

    /// Empties a sequence and gives its id back.
    pub fn release(&mut self, id: i32) {
        self.remove_from(id, 0);
        if let Some(taken) = usize::try_from(id).ok().and_then(|i| self.taken.get_mut(i)) {
            *taken = false;
        }
    }

    /// Removes everything from position `len` on; false where this kind of cache cannot forget a part.
    pub fn remove_from(&mut self, id: i32, len: usize) -> bool {
        if self.broken.is_some() {
            return true;
        }
        let from = if len == 0 { -1 } else { position(len) };
        let memory = self.memory;
        // SAFETY: a live context's memory and an id below its limit.
        self.guarded(|| unsafe { ffi::llama_memory_seq_rm(memory, id, from, -1) }).unwrap_or(false)
    }

    /// Positions in the cache for a sequence.
    pub fn cached(&self, id: i32) -> usize {
        // SAFETY: a live context's memory and an id below its limit.
        let last = unsafe { sys::llama_memory_seq_pos_max(self.memory, id) };
        usize::try_from(last + 1).unwrap_or(0)
    }

    /// Gives sequence `to` the cells of sequence `from`; the cache holds them once.
    pub fn share(&mut self, from: i32, to: i32) -> Result<()> {
        let memory = self.memory;
        // SAFETY: a live context's memory and two ids below its limit.
        self.guarded(|| unsafe { ffi::llama_memory_seq_cp(memory, from, to, -1, -1) })
    }

    /// A sequence's part of the cache as bytes.
    pub fn save(&mut self, id: i32) -> Result<Vec<u8>> {
        self.usable()?;
        let context = self.context.as_ptr();
        let bytes = self.guarded(|| {
            // SAFETY: a live context; the buffer has the size that llama.cpp asked for.
            unsafe {
                let size = ffi::llama_state_seq_get_size(context, id);
                let mut bytes = vec![0u8; size];
                let written = ffi::llama_state_seq_get_data(context, bytes.as_mut_ptr(), size, id);
                (written == size).then_some(bytes)
            }
        })?;
        bytes.ok_or_else(|| Error::backend(NAME, "a sequence's cache could not be copied"))
    }

    /// Fills a sequence from what [`State::save`] gave.
    pub fn restore(&mut self, id: i32, bytes: &[u8]) -> Result<()> {
        self.usable()?;
        let context = self.context.as_ptr();
        // SAFETY: a live context, and a buffer valid for its length.
        let read =
            self.guarded(|| unsafe { ffi::llama_state_seq_set_data(context, bytes.as_ptr(), bytes.len(), id) })?;
        if read == 0 { Err(Error::backend(NAME, "a sequence's cache could not be copied")) } else { Ok(()) }
    }

    /// Decodes at most [`BATCH`] tokens of sequence `id` at position `start`. `output` says for each index whether its
    /// row of logits is wanted.
    pub fn decode(
        &mut self,
        id: i32,
        start: usize,
        tokens: &[Token],
        output: impl Fn(usize) -> bool,
        interrupt: &Interrupt,
    ) -> Result<Decoded> {
        self.usable()?;
        let batch = self.batch.fill(id, start, tokens, output);
        let context = self.context.as_ptr();
        self.poll.store(interrupt.as_ptr().cast_mut(), Ordering::Relaxed);
        // SAFETY: a live context, used by this thread alone; the batch's arrays live in self and in `tokens`, which
        // llama.cpp only reads. The flag lives as long as `interrupt`, and is withdrawn below.
        let (result, log) = guard::call(|| unsafe { ffi::llama_decode(context, batch) });
        self.poll.store(null_mut(), Ordering::Relaxed);
        let code = match result {
            Ok(code) => code,
            Err(aborted) => return Err(self.break_down(aborted.0)),
        };
        match code {
            0 => Ok(Decoded::Done),
            1 => Ok(Decoded::Full),
            2 => Ok(Decoded::Aborted),
            code => {
                let reason = log.reason().unwrap_or_else(|| format!("code {code}"));
                Err(Error::backend(
                    NAME,
                    format!("decoding {} tokens at position {start} failed: {reason}", tokens.len()),
                ))
            }
        }
    }

    /// The rows of logits of the last decode, in the order of the tokens; `rows` as many as were asked for.
    pub fn logits(&mut self, rows: usize) -> Result<&[f32]> {
        self.usable()?;
        let context = self.context.as_ptr();
        // SAFETY: a live context; the call waits for the computation.
        let pointer = self.guarded(|| unsafe { ffi::llama_get_logits(context) })?;
        if pointer.is_null() {
            return Err(Error::backend(NAME, "llama.cpp has no logits for this model"));
        }
        // SAFETY: llama.cpp keeps `rows * vocab` values there until the next decode, which needs `&mut self`.
        Ok(unsafe { std::slice::from_raw_parts(pointer, rows * self.vocab) })
    }

    pub fn usable(&self) -> Result<()> {
        match &self.broken {
            None => Ok(()),
            Some(reason) => Err(broken_error(reason)),
        }
    }

    fn guarded<T>(&mut self, f: impl FnOnce() -> T) -> Result<T> {
        guard::call(f).0.map_err(|aborted| self.break_down(aborted.0))
    }

    fn break_down(&mut self, reason: String) -> Error {
        let error = broken_error(&reason);
        self.broken = Some(reason);
        error
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // After an abort its invariants are unknown: better a leak than a second failure.
        if self.broken.is_none() {
            let context = self.context.as_ptr();
            // SAFETY: the context is ours and is not used after this.
            let _ = guard::call(|| unsafe { ffi::llama_free(context) });
        }
    }
}

impl Batch {
    fn new() -> Self {
        let mut id = Box::new(0);
        let pointer: *mut i32 = &mut *id;
        Self {
            positions: vec![0; BATCH],
            counts: vec![1; BATCH],
            outputs: vec![0; BATCH],
            ids: vec![pointer; BATCH],
            id,
        }
    }

    /// The C view of a batch; valid until the next call, and as long as `tokens`.
    fn fill(&mut self, id: i32, start: usize, tokens: &[Token], output: impl Fn(usize) -> bool) -> sys::llama_batch {
        let n = tokens.len().min(BATCH);
        *self.id = id;
        let pointer: *mut i32 = &mut *self.id;
        self.ids.fill(pointer);
        let rows = self.positions.iter_mut().zip(self.outputs.iter_mut());
        for (i, (p, o)) in rows.take(n).enumerate() {
            *p = position(start + i);
            *o = i8::from(output(i));
        }
        sys::llama_batch {
            n_tokens: position(n),
            // Token ids are checked against the vocabulary, which is below i32::MAX: same bits.
            token: tokens.as_ptr().cast_mut().cast(),
            embd: null_mut(),
            pos: self.positions.as_mut_ptr(),
            n_seq_id: self.counts.as_mut_ptr(),
            seq_id: self.ids.as_mut_ptr(),
            logits: self.outputs.as_mut_ptr(),
        }
    }
}

/// A position as llama.cpp counts them; contexts are far below the limit.
fn position(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn refused(what: &str, reason: &str) -> Error {
    Error::backend(NAME, format!("{what}: {reason}"))
}

fn broken_error(reason: &str) -> Error {
    refused("llama.cpp gave up inside a computation", reason)
        .with_help("this session and its forks are lost; the model is not: start a new session")
}

/// llama.cpp's abort callback, called between two nodes of the graph on the thread that decodes.
extern "C" fn poll_interrupt(data: *mut c_void) -> bool {
    // SAFETY: the data is State's boxed pointer, which outlives the context.
    let flag = unsafe { (*data.cast::<AtomicPtr<AtomicBool>>()).load(Ordering::Relaxed) };
    // SAFETY: null, or the flag of the interrupt that `decode` borrows while it runs.
    !flag.is_null() && unsafe { (*flag).load(Ordering::Relaxed) }
}
