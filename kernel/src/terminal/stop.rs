//! Signals. Ctrl-C asks the running cell to stop, and an impatient third one ends the program. A signal that asks the
//! program to end gives it a moment to end by itself.

use minerva_engine::Interrupt;
use minerva_engine::format::atomic::remove_unfinished;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Exit code of a program that was stopped by Ctrl-C, as shells have it.
pub const STOPPED: i32 = 130;
/// How long the program gets to end by itself once it was asked to.
const GRACE: Duration = Duration::from_secs(2);
/// How often it is asked again meanwhile: a cell that begins just then withdraws the interrupt.
const AGAIN: Duration = Duration::from_millis(50);
/// So often Ctrl-C ends the program, when the first time has no effect.
const IMPATIENT: u32 = 3;
#[cfg(unix)]
const SIGINT: i32 = libc::SIGINT;
#[cfg(not(unix))]
const SIGINT: i32 = 2;

/// The signals that came. Cloning it shares it.
#[derive(Clone)]
pub struct Stop(Arc<Inner>);

struct Inner {
    interrupt: Interrupt,
    /// The last signal; 0 before the first. One that asks the program to end outweighs Ctrl-C.
    signal: AtomicI32,
    /// Nothing runs that would have to end first.
    idle: AtomicBool,
    last_words: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Stop {
    /// Listens from now on. Ctrl-C and signals that ask the program to end (SIGTERM, and SIGHUP where it is not ignored,
    /// as it is under `nohup`) raise `interrupt`.
    pub fn listen(interrupt: Interrupt) -> Self {
        let stop = Self(Arc::new(Inner {
            interrupt,
            signal: AtomicI32::new(0),
            idle: AtomicBool::new(false),
            last_words: Mutex::new(None),
        }));
        // Signals that cannot be listened to keep what the system does with them: the program just ends.
        listen::begin(&stop);
        stop
    }

    /// What is done before the program is ended by force, because a cell does not let go. Runs on a thread of its own.
    pub fn last_words(&self, work: impl FnOnce() + Send + 'static) {
        *self.0.last_words.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(work));
    }

    /// Says whether the program waits for a person, so that it can be ended at once.
    pub fn set_idle(&self, idle: bool) {
        self.0.idle.store(idle, Ordering::SeqCst);
    }

    /// Whether the program waits for a person.
    pub fn is_idle(&self) -> bool {
        self.0.idle.load(Ordering::SeqCst)
    }

    /// The exit code where a signal asked the program to end: 128 and the number of the signal.
    pub fn ended(&self) -> Option<i32> {
        self.stopped().filter(|code| *code != 128 + SIGINT)
    }

    /// The same where Ctrl-C counts as well.
    pub fn stopped(&self) -> Option<i32> {
        let signal = self.0.signal.load(Ordering::SeqCst);
        (signal != 0).then_some(128 + signal)
    }

    /// Ctrl-C, for the `pressed`-th time since it last had an effect.
    fn interrupt(&self, pressed: &mut u32) {
        let Inner { interrupt, signal, .. } = &*self.0;
        if !interrupt.is_raised() {
            *pressed = 0;
        }
        // Before the interrupt: whoever sees that one raised may ask which signal it was.
        let _ = signal.compare_exchange(0, SIGINT, Ordering::SeqCst, Ordering::SeqCst);
        interrupt.raise();
        *pressed += 1;
        if *pressed >= IMPATIENT {
            self.force(128 + SIGINT);
        }
    }

    /// Ends the program, which does not end by itself.
    fn force(&self, code: i32) {
        let last = self.0.last_words.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(last) = last {
            last();
        }
        remove_unfinished();
        // SAFETY: ends the process. `exit` would run destructors of C libraries while a cell computes in them.
        unsafe { libc::_exit(code) };
    }
}

#[cfg(unix)]
pub use listen::ignored;

#[cfg(unix)]
mod listen {
    use super::{AGAIN, GRACE, Ordering, Stop};
    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub fn begin(stop: &Stop) {
        let stop = stop.clone();
        let (listening, heard) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("signals".into()).spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(listen(&stop, listening));
        });
        if thread.is_ok() {
            // Either it listens now, or it has given up.
            let _ = heard.recv();
        }
    }

    async fn listen(stop: &Stop, listening: std::sync::mpsc::Sender<()>) {
        let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
            return;
        };
        let mut hangup = (!ignored(libc::SIGHUP)).then(|| signal(SignalKind::hangup()).ok()).flatten();
        drop(listening);
        let mut pressed = 0;
        loop {
            tokio::select! {
                _ = int.recv() => stop.interrupt(&mut pressed),
                _ = term.recv() => end(stop, libc::SIGTERM).await,
                () = next(&mut hangup) => end(stop, libc::SIGHUP).await,
            }
        }
    }

    async fn next(signal: &mut Option<Signal>) {
        match signal {
            Some(signal) => {
                let _ = signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }

    async fn end(stop: &Stop, signal: libc::c_int) {
        stop.0.signal.store(signal, Ordering::SeqCst);
        let since = std::time::Instant::now();
        while since.elapsed() < GRACE && !stop.is_idle() {
            stop.0.interrupt.raise();
            tokio::time::sleep(AGAIN).await;
        }
        stop.force(128 + signal);
    }

    /// Whether whoever started this process had it ignore this signal, as `nohup` does SIGHUP.
    pub fn ignored(signal: libc::c_int) -> bool {
        let mut found = std::mem::MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: asks for the action and sets none; on success the whole structure is written.
        unsafe {
            libc::sigaction(signal, std::ptr::null(), found.as_mut_ptr()) == 0
                && found.assume_init().sa_sigaction == libc::SIG_IGN
        }
    }
}

#[cfg(not(unix))]
mod listen {
    use super::Stop;

    pub fn begin(stop: &Stop) {
        let (stop, mut pressed) = (stop.clone(), 0);
        let _ = ctrlc::set_handler(move || stop.interrupt(&mut pressed));
    }
}
