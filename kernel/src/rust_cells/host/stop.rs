//! Stopping what runs: first the compiler, which loses nothing, else the process with the person's variables.

use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Whether something runs, and what became of it. Cloning it shares it.
#[derive(Clone, Default)]
pub struct Stop {
    child: Arc<Mutex<Option<Arc<Mutex<Child>>>>>,
    busy: Arc<AtomicBool>,
    stopped: Arc<AtomicBool>,
    killed: Arc<AtomicBool>,
}

impl Stop {
    /// The process of the person's code, as evcxr hands it out: the same handle after a restart.
    pub fn watch(&self, child: Arc<Mutex<Child>>) {
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    }

    /// Says that something runs.
    pub fn begin(&self) {
        self.stopped.store(false, Ordering::SeqCst);
        self.killed.store(false, Ordering::SeqCst);
        self.busy.store(true, Ordering::SeqCst);
    }

    /// Says that it has ended.
    pub fn end(&self) {
        self.busy.store(false, Ordering::SeqCst);
    }

    /// Whether it was stopped; then, whether the person's variables went with it.
    pub fn stopped(&self) -> Option<bool> {
        self.stopped.load(Ordering::SeqCst).then(|| self.killed.load(Ordering::SeqCst))
    }

    /// Stops what runs, and does not return before it has ended.
    pub fn stop(&self) {
        if !self.busy.load(Ordering::SeqCst) {
            return;
        }
        self.stopped.store(true, Ordering::SeqCst);
        while self.busy.load(Ordering::SeqCst) {
            // Once: evcxr starts the next one before it tells of the end of the last.
            if !kill_tools() && !self.killed.load(Ordering::SeqCst) {
                self.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn kill(&self) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Held by evcxr only while it waits for a process that is ending.
        if let Some(child) = child
            && let Ok(mut child) = child.try_lock()
        {
            self.killed.store(true, Ordering::SeqCst);
            let _ = child.kill();
        }
    }
}

/// Ends every process of this group that is not this program: the compiler, and what the person's code started. False when
/// there is none.
#[cfg(target_os = "linux")]
pub fn kill_tools() -> bool {
    let own = std::fs::read_link("/proc/self/exe").ok();
    let foreign = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| Some(exe) != own);
    let tools: Vec<u32> = group(std::process::id()).into_iter().filter(foreign).collect();
    tools.iter().for_each(|pid| kill(*pid));
    !tools.is_empty()
}

/// Nothing: what is not ended here the kernel ends with the whole group.
#[cfg(not(target_os = "linux"))]
pub fn kill_tools() -> bool {
    false
}

/// The processes of a group.
#[cfg(target_os = "linux")]
fn group(of: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| group_of(*pid) == Some(of)).collect()
}

/// The group of a process that is not a zombie.
#[cfg(target_os = "linux")]
fn group_of(pid: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold anything.
    let mut rest = text.rsplit_once(')')?.1.split_whitespace();
    let state = rest.next()?;
    let group = rest.nth(1)?.parse().ok()?;
    (state != "Z").then_some(group)
}

#[cfg(target_os = "linux")]
fn kill(pid: u32) {
    if let Ok(pid) = libc::pid_t::try_from(pid) {
        // SAFETY: a signal to a process of our own group.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}

/// Ends the whole group, this process with it.
pub fn end_all() -> ! {
    #[cfg(unix)]
    // SAFETY: 0 means our own group, of which we are the leader, since the kernel starts us so.
    unsafe {
        if libc::getpgrp() == libc::getpid() {
            libc::kill(0, libc::SIGKILL);
        }
    }
    std::process::exit(0)
}
