//! The process that runs the cells, from the kernel's side: started at the first Rust cell, asked, interrupted, ended.

use super::protocol::{Event, Request, SERVE};
use crate::session::CellError;
use minerva_engine::Interrupt;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How often the interrupt is looked at.
const POLL: Duration = Duration::from_millis(10);
/// How long the process may take to stop what it does; then it is ended with all that it holds.
const GRACE: Duration = Duration::from_millis(300);
/// Pieces of output that may wait to be shown: then the process waits in its turn.
const WAITING: usize = 64;

/// The files of the crate that cells see.
const PRELUDE: &[(&str, &str)] = &[
    ("Cargo.toml", "[package]\nname = \"minerva\"\nversion = \"0.0.0\"\nedition = \"2024\"\n"),
    ("src/lib.rs", include_str!("prelude/lib.rs")),
    ("src/convert.rs", include_str!("prelude/convert.rs")),
    ("src/json.rs", include_str!("prelude/json.rs")),
    ("src/pass.rs", include_str!("prelude/pass.rs")),
    ("src/tensor.rs", include_str!("prelude/tensor.rs")),
    ("src/value.rs", include_str!("prelude/value.rs")),
];

/// A running process. Dropping it ends it and all that it started.
pub struct Process {
    child: Child,
    stdin: ChildStdin,
    events: Receiver<Event>,
    folder: TempDir,
    /// Answers that nobody waits for any more.
    late: usize,
    /// Bytes of its log when it answered last.
    logged: u64,
    /// What it started was ended; its number may be another's.
    ended: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Gone {
    /// The process had to be ended.
    Stopped,
    /// It ended on its own; what it said last.
    Ended(String),
    /// It takes longer than the asker waits, and is left alone.
    Late,
}

impl Process {
    /// Starts it: `program` is Minerva itself.
    ///
    /// # Errors
    /// When there is no Rust on this machine, or no process can be started.
    pub fn start(program: &Path) -> Result<Self, CellError> {
        let path = toolchain()?;
        let failed = |e: std::io::Error| CellError::plain("RustError", format!("Rust cells could not be started: {e}"));
        let folder = tempfile::Builder::new().prefix("minerva-rust-").tempdir().map_err(failed)?;
        for (name, text) in PRELUDE {
            let file = folder.path().join("minerva").join(name);
            file.parent()
                .map_or(Ok(()), std::fs::create_dir_all)
                .and_then(|()| std::fs::write(file, text))
                .map_err(failed)?;
        }
        let log = std::fs::File::create(folder.path().join("log")).map_err(failed)?;
        let mut command = Command::new(program);
        command.arg(SERVE).arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        command.env_remove("CARGO_ENCODED_RUSTFLAGS").envs(path.map(|p| ("PATH", p)));
        if std::env::var_os("EVCXR_TMPDIR").is_none() {
            command.env("EVCXR_TMPDIR", folder.path().join("cells"));
        }
        // A Ctrl-C in the terminal is the kernel's to hear.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(failed)?;
        let lacking = || failed(std::io::Error::other("it has no pipes"));
        let (stdin, stdout) = (child.stdin.take().ok_or_else(lacking)?, child.stdout.take().ok_or_else(lacking)?);
        let (sender, events) = sync_channel(WAITING);
        let read = move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { return };
                // evcxr may print a word of its own.
                if serde_json::from_str(&line).is_ok_and(|event| sender.send(event).is_err()) {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("minerva-rust".into()).spawn(read).map_err(failed)?;
        Ok(Self { child, stdin, events, folder, late: 0, logged: 0, ended: false })
    }

    /// A folder of its own, for files on their way.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new folder for the values of a cell.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder_of_values(&self) -> Result<TempDir, CellError> {
        let made = tempfile::Builder::new().prefix("values-").tempdir_in(self.folder());
        made.map_err(|e| CellError::plain("RustError", format!("values cannot be handed over: {e}")))
    }

    /// The names that can stand at a place, if they are there before `patience` ends.
    ///
    /// # Errors
    /// When no answer has come.
    pub fn complete(&mut self, request: &Request, patience: Duration) -> Result<Event, Gone> {
        self.send(request).map_err(|_| self.last_words())?;
        let until = Instant::now() + patience;
        loop {
            match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Event::Stdout(_) | Event::Stderr(_)) => {}
                Ok(Event::Completions(_)) if self.late > 0 => self.late -= 1,
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Disconnected) => return Err(self.last_words()),
                Err(RecvTimeoutError::Timeout) => {
                    self.late += 1;
                    return Err(Gone::Late);
                }
            }
        }
    }

    /// Sends a request and waits for its answer; text on the way goes to `shows`.
    ///
    /// # Errors
    /// When no answer will come.
    pub fn ask(&mut self, request: &Request, interrupt: &Interrupt, shows: &dyn Fn(Event)) -> Result<Event, Gone> {
        self.send(request).map_err(|_| self.last_words())?;
        let mut told: Option<Instant> = None;
        loop {
            match self.events.recv_timeout(POLL) {
                // Once it was told to stop, the answer is waited for and nothing else.
                Ok(Event::Stdout(_) | Event::Stderr(_)) if told.is_some() => {}
                Ok(event @ (Event::Stdout(_) | Event::Stderr(_))) => shows(event),
                Ok(Event::Completions(_)) if self.late > 0 => self.late -= 1,
                Ok(answer) => {
                    self.logged = std::fs::metadata(self.log()).map_or(0, |log| log.len());
                    return Ok(answer);
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.last_words()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            match told {
                None if interrupt.is_raised() => {
                    told = Some(Instant::now());
                    self.send(&Request::Interrupt).map_err(|_| self.last_words())?;
                }
                Some(since) if since.elapsed() > GRACE => return Err(Gone::Stopped),
                _ => {}
            }
        }
    }

    fn send(&mut self, request: &Request) -> std::io::Result<()> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        self.stdin.write_all(line.as_bytes()).and_then(|()| self.stdin.flush())
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn last_words(&mut self) -> Gone {
        self.end();
        let status = self.child.try_wait().ok().flatten().map_or(String::new(), |s| s.to_string());
        // What was logged before its last answer has nothing to do with its end.
        let log = std::fs::read(self.log()).unwrap_or_default();
        let from = usize::try_from(self.logged).unwrap_or(usize::MAX);
        let log = String::from_utf8_lossy(log.get(from..).unwrap_or_default());
        let last: Vec<&str> = log.lines().filter(|l| !l.trim().is_empty()).collect();
        let last = last.iter().skip(last.len().saturating_sub(3)).copied().chain([status.as_str()]);
        Gone::Ended(last.filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n"))
    }
}

impl Process {
    /// Ends all that it started, once, before it is waited for: until then its number is its own.
    fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        #[cfg(unix)]
        if let Ok(group) = libc::pid_t::try_from(self.child.id()) {
            // SAFETY: a signal to the group that we made for this child, which has not been waited for: `ended` was false.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The search path for programs, where it has to be another one than ours for cargo to be found.
fn toolchain() -> Result<Option<std::ffi::OsString>, CellError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let name = |tool: &str| format!("{tool}{}", std::env::consts::EXE_SUFFIX);
    let has = |folders: &[PathBuf]| {
        let found = |tool: &&str| folders.iter().any(|folder| folder.join(name(tool)).is_file());
        ["cargo", "rustc"].iter().all(found)
    };
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if has(&folders) {
        return Ok(None);
    }
    let home = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
    let usual = home("CARGO_HOME").or_else(|| home("HOME").map(|h| h.join(".cargo"))).map(|c| c.join("bin"));
    folders.extend(usual);
    if has(&folders) {
        return Ok(std::env::join_paths(folders).ok());
    }
    let help = "help: install Rust from https://rustup.rs and run the cell again";
    let text = format!("Rust cells need cargo and rustc, and neither the PATH nor ~/.cargo/bin has them\n{help}");
    Err(CellError::plain("RustNotFound", text))
}
