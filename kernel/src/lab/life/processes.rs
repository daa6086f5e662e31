//! What the system knows of processes.

use std::collections::HashMap;
use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

/// Whether this process still runs; one that has ended and was not asked for its exit code does not.
pub fn alive(pid: u32) -> bool {
    let pid = Pid::from_u32(pid);
    let Ok(mut system) = System::new() else { return true };
    let kind = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
    system.process(pid).is_some_and(|process| process.status() != ProcessStatus::Zombie)
}

/// The memory of each of these processes and all that they started, in bytes.
pub fn memory(pids: &[u32]) -> HashMap<u32, u64> {
    let Ok(mut system) = System::new() else { return HashMap::new() };
    let kind = ProcessRefreshKind::nothing().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    let parent = |pid: Pid| system.process(pid).and_then(sysinfo::Process::parent);
    let mut sums: HashMap<u32, u64> = HashMap::new();
    for (pid, process) in system.processes() {
        // A process belongs to the nearest of those asked for. The list is not of one moment: no way up is endless.
        let way = std::iter::successors(Some(*pid), |pid| parent(*pid)).take(64);
        if let Some(owner) = way.map(Pid::as_u32).find(|pid| pids.contains(pid)) {
            *sums.entry(owner).or_default() += process.memory();
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn this_process_lives_and_has_memory() {
        let own = std::process::id();
        assert!(alive(own));
        assert!(memory(&[own]).get(&own).is_some_and(|bytes| *bytes > 0));
    }

    #[cfg(unix)]
    #[test]
    fn one_that_has_ended_is_gone_even_before_it_is_waited_for() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let since = std::time::Instant::now();
        while alive(child.id()) && since.elapsed() < std::time::Duration::from_secs(20) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(!alive(child.id()));
        child.wait().unwrap();
        assert!(!alive(child.id()));
    }
}
