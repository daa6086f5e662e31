//! One process of a kernel with all that it starts: started, signalled, waited for, and never left behind.

mod words;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, PipeReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use words::{keep_last, last_words};

/// How often a process is looked at where the system does not say when it ends.
const LOOK: Duration = Duration::from_millis(50);
/// The threads of a process only read and wait.
const STACK: usize = 128 << 10;

/// What to start.
#[derive(Debug)]
pub struct Launch {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// What the environment has besides the server's.
    pub env: Vec<(String, String)>,
    /// What it does not have.
    pub without: Vec<String>,
    /// The working folder.
    pub cwd: PathBuf,
    /// Whether it ends by itself when it is told to: then it is told, where others are killed, when the server dies.
    pub obeys: bool,
}

/// Starts processes, all on one thread that lives as long as this does: Linux sends the parent-death signal when the
/// *thread* that started a process ends, and those of an event loop come and go.
#[derive(Debug, Clone)]
pub struct Spawner {
    orders: Sender<Order>,
}

struct Order {
    launch: Launch,
    answer: oneshot::Sender<io::Result<Process>>,
}

impl Spawner {
    /// Starts the thread.
    pub fn new() -> Self {
        let (orders, queue) = channel::<Order>();
        let serve = move || {
            for Order { launch, answer } in queue {
                // Where nobody waits any more the process is dropped, and thereby ended.
                let _ = answer.send(spawn(launch, thread));
            }
        };
        // Without this thread nobody takes orders, and each says so.
        let _ = thread::Builder::new().name("minerva-kernels".to_owned()).spawn(serve);
        Self { orders }
    }

    /// Starts a process.
    ///
    /// # Errors
    /// What the system says.
    pub async fn start(&self, launch: Launch) -> io::Result<Process> {
        let (answer, answered) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts processes is gone");
        self.orders.send(Order { launch, answer }).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Default for Spawner {
    fn default() -> Self {
        Self::new()
    }
}

/// How a process ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// The system's words, such as `exit status: 1` or `signal: 9 (SIGKILL)`.
    pub how: String,
    /// Whether somebody else ended it, or the system for a fault.
    pub killed: bool,
    /// The last that it wrote to stdout and stderr.
    pub words: String,
}

/// A signal to a process and all of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT. Only Unix has it.
    Interrupt,
    /// SIGTERM; the same as [`Signal::Kill`] where there is none.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// A process that runs, or has ended. Dropping it kills it and its group.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    held: Arc<Mutex<Held>>,
    ended: watch::Receiver<Option<Ended>>,
}

/// The system's handle. Until the process is `reaped` its number is its own, and that of its group.
#[derive(Debug)]
struct Held {
    child: Child,
    reaped: bool,
}

impl Held {
    /// Signals the group; false where that is not possible.
    fn signal(&mut self, signal: Signal) -> bool {
        if self.reaped {
            return true;
        }
        #[cfg(unix)]
        {
            let signal = match signal {
                Signal::Interrupt => libc::SIGINT,
                Signal::Terminate => libc::SIGTERM,
                Signal::Kill => libc::SIGKILL,
            };
            let Ok(group) = libc::pid_t::try_from(self.child.id()) else { return false };
            // SAFETY: a signal to the group that this child was made the leader of; the child has not been waited for
            // (`reaped` is false), so the number still is its own.
            unsafe { libc::kill(-group, signal) == 0 }
        }
        #[cfg(not(unix))]
        match signal {
            Signal::Interrupt => false,
            Signal::Terminate | Signal::Kill => self.child.kill().is_ok(),
        }
    }

    /// Kills what is left of the group, and has the system forget the process: at once where it has ended.
    fn reap(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::Kill);
        self.reaped = true;
        self.child.wait()
    }
}

impl Process {
    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Signals it and its group; false where that is not possible. One that has ended hears nothing.
    pub fn signal(&self, signal: Signal) -> bool {
        lock(&self.held).signal(signal)
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Waits for its end.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        let value = ended.wait_for(Option::is_some).await.ok().and_then(|value| value.clone());
        value.unwrap_or_default()
    }

    /// Waits for its end, and no longer than that; true where it came.
    pub async fn ends_within(&self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.ended()).await.is_ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::Kill);
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(launch: Launch, thread: Thread) -> io::Result<Process> {
    let mut words = launch.command.into_iter();
    let program = words.next().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    // One pipe for both, so that what was written last comes last.
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new(program);
    command.args(words).current_dir(&launch.cwd).envs(launch.env);
    for name in launch.without {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    #[cfg(unix)]
    own_session(&mut command, launch.obeys);
    let child = command.spawn()?;
    // It holds the writing ends of the pipe, whose end is to be seen.
    drop(command);

    let held = Arc::new(Mutex::new(Held { child, reaped: false }));
    let watched = watch(&held, reader, thread);
    if watched.is_err() {
        // Nobody would wait for it: it ends here.
        let _ = lock(&held).reap();
    }
    watched
}

/// Has one thread read what a process says, and another wait for its end.
fn watch(held: &Arc<Mutex<Held>>, reader: PipeReader, thread: Thread) -> io::Result<Process> {
    let pid = lock(held).child.id();
    let (tell, ended) = watch::channel(None);
    let tail = Arc::new(Mutex::new(VecDeque::new()));
    let (reading, read) = channel::<()>();
    let said = tail.clone();
    thread(
        format!("kernel-out-{pid}"),
        Box::new(move || {
            keep_last(reader, &said);
            drop(reading);
        }),
    )?;
    let waiting = held.clone();
    thread(
        format!("kernel-{pid}"),
        Box::new(move || {
            let status = wait(&waiting, pid);
            let words = last_words(&read, &tail);
            let killed = status.as_ref().is_ok_and(|status| status.code().is_none());
            let how = status.map_or_else(|e| e.to_string(), |status| status.to_string());
            let _ = tell.send(Some(Ended { how, killed, words }));
        }),
    )?;
    Ok(Process { pid, held: held.clone(), ended })
}

/// Starts a thread.
type Thread = fn(String, Box<dyn FnOnce() + Send>) -> io::Result<()>;

fn thread(name: String, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    thread::Builder::new().name(name).stack_size(STACK).spawn(work).map(drop)
}

/// A session of its own, away from the server's terminal; and an end together with the server's.
#[cfg(unix)]
fn own_session(command: &mut Command, obeys: bool) {
    use std::os::unix::process::CommandExt;
    let server = libc::pid_t::try_from(std::process::id()).unwrap_or_default();
    let prepare = move || {
        // SAFETY: it takes nothing and changes only the process that is about to become the kernel.
        if unsafe { libc::setsid() } == -1 {
            return Err(io::Error::last_os_error());
        }
        end_with(server, obeys)
    };
    // SAFETY: between fork and exec only `setsid`, `prctl` and `getppid` are called, which are safe there; nothing is
    // allocated and no lock taken.
    unsafe { command.pre_exec(prepare) };
}

/// Has the system end this process when the server ends, however that comes. A kernel that watches `JPY_PARENT_PID`
/// ends on its own where the system cannot do it.
#[cfg(target_os = "linux")]
fn end_with(server: libc::pid_t, obeys: bool) -> io::Result<()> {
    let signal = if obeys { libc::SIGTERM } else { libc::SIGKILL };
    // SAFETY: this option takes a number.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal as libc::c_ulong) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // The server may have ended before the signal was asked for.
    // SAFETY: it takes nothing and cannot fail.
    if unsafe { libc::getppid() } != server { Err(io::Error::from_raw_os_error(libc::ESRCH)) } else { Ok(()) }
}

#[cfg(all(unix, not(target_os = "linux")))]
fn end_with(_server: libc::pid_t, _obeys: bool) -> io::Result<()> {
    Ok(())
}

/// Waits until the process has ended, ends what is left of its group, and says how it ended.
fn wait(held: &Mutex<Held>, pid: u32) -> io::Result<ExitStatus> {
    #[cfg(unix)]
    if unreaped_end(pid) {
        return lock(held).reap();
    }
    let _ = pid;
    loop {
        let mut held = lock(held);
        if let Some(status) = held.child.try_wait().transpose() {
            held.reaped = true;
            return status;
        }
        drop(held);
        thread::sleep(LOOK);
    }
}

/// Waits for the end of a child and leaves it to be waited for once more, so that its number stays its own until what
/// is left of its group is ended. False where the system cannot.
#[cfg(unix)]
fn unreaped_end(pid: u32) -> bool {
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    loop {
        // SAFETY: `info` is memory of the right type for the call to fill in; nothing of it is read.
        let done = unsafe {
            libc::waitid(libc::P_PID, pid as libc::id_t, info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT) == 0
        };
        if done {
            return true;
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return false;
        }
    }
}

#[cfg(all(test, unix))]
mod tests;
