//! Is the process that started this kernel still there? A kernel without its server would live for ever.

/// Completes when the parent is gone. Never completes where Jupyter did not say who the parent is
/// (`JPY_PARENT_PID`): a kernel started by hand may outlive its shell.
pub async fn gone() {
    #[cfg(unix)]
    if let Some(parent) = announced() {
        let direct = parent_id() == parent;
        let mut tick = tokio::time::interval(std::time::Duration::from_secs(1));
        loop {
            tick.tick().await;
            // A direct child sees its parent change. Behind a wrapper only the process table can tell.
            let alive = if direct { parent_id() == parent } else { exists(parent) };
            if !alive {
                return;
            }
        }
    }
    std::future::pending::<()>().await;
}

#[cfg(unix)]
fn announced() -> Option<libc::pid_t> {
    std::env::var("JPY_PARENT_PID").ok()?.parse().ok().filter(|pid| *pid > 1)
}

#[cfg(unix)]
fn parent_id() -> libc::pid_t {
    libc::pid_t::try_from(std::os::unix::process::parent_id()).unwrap_or(0)
}

#[cfg(unix)]
fn exists(pid: libc::pid_t) -> bool {
    // SAFETY: signal 0 is not delivered; the call only asks whether the process exists.
    let answer = unsafe { libc::kill(pid, 0) };
    answer == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}
