//! Signals to a server.

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C: a person who may have meant something else.
    Interrupt,
    /// The end, now, with this exit code.
    End(i32),
}

#[cfg(unix)]
pub use unix::Signals;

#[cfg(unix)]
mod unix {
    use super::Signal;
    use crate::terminal::ignored;
    use tokio::signal::unix::{self, SignalKind, signal};

    /// The signals that come from now on. Those that cannot be listened to do what the system does with them.
    pub struct Signals {
        interrupt: Option<unix::Signal>,
        terminate: Option<unix::Signal>,
        hangup: Option<unix::Signal>,
        quit: Option<unix::Signal>,
        /// A file that may grow no further is an error of who writes it. Handled and not ignored: what is ignored stays so
        /// in kernels.
        _file_too_large: Option<unix::Signal>,
    }

    impl Signals {
        /// Listens; to SIGHUP only where it is not ignored, as it is under `nohup`.
        pub fn listen() -> Self {
            let to = |kind| signal(kind).ok();
            Self {
                hangup: if ignored(libc::SIGHUP) { None } else { to(SignalKind::hangup()) },
                interrupt: to(SignalKind::interrupt()),
                terminate: to(SignalKind::terminate()),
                quit: to(SignalKind::quit()),
                _file_too_large: to(SignalKind::from_raw(libc::SIGXFSZ)),
            }
        }

        /// The next one.
        pub async fn next(&mut self) -> Signal {
            tokio::select! {
                () = next(&mut self.interrupt) => Signal::Interrupt,
                () = next(&mut self.terminate) => Signal::End(128 + libc::SIGTERM),
                () = next(&mut self.hangup) => Signal::End(128 + libc::SIGHUP),
                () = next(&mut self.quit) => Signal::End(128 + libc::SIGQUIT),
            }
        }
    }

    async fn next(signal: &mut Option<unix::Signal>) {
        match signal {
            Some(signal) => {
                let _ = signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}

/// Ctrl-C, from now on.
#[cfg(not(unix))]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Listens.
    pub fn listen() -> Self {
        Self
    }

    /// The next one.
    pub async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }
}
