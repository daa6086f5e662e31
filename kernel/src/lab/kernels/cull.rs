//! Kernels that nobody needs any more.

use super::kernel::Kernel;
use super::manager::{Inner, Kernels};
use jiff::Timestamp;
use std::sync::Weak;
use std::time::Duration;

/// How often kernels are looked at.
const LOOK: Duration = Duration::from_secs(60);
/// How long the reason of a kernel's death can be asked for.
const REMEMBERED: Duration = Duration::from_secs(300);

/// Stops kernels that did nothing for `limit` while nobody was connected, and forgets those that died. Ends with the
/// server.
pub(super) async fn watch(inner: Weak<Inner>, limit: Option<Duration>) {
    let pause = limit.map_or(LOOK, |limit| (limit / 2).clamp(Duration::from_millis(500), LOOK));
    loop {
        tokio::time::sleep(pause).await;
        let Some(kernels) = inner.upgrade().map(Kernels::of) else { return };
        for kernel in kernels.all() {
            if kernel.dead_since().is_some_and(|since| since.elapsed() > REMEMBERED) {
                kernels.forget(&kernel);
            } else if limit.is_some_and(|limit| is_idle(&kernel, limit, Timestamp::now())) {
                // The next kernel does not wait for this one's end.
                let (kernels, id) = (kernels.clone(), kernel.id().to_owned());
                tokio::spawn(async move { kernels.shutdown(&id).await });
            }
        }
    }
}

fn is_idle(kernel: &Kernel, limit: Duration, now: Timestamp) -> bool {
    let activity = kernel.activity();
    let state = activity.state();
    let idle = now.duration_since(activity.last());
    let is_at_rest = !matches!(&*state, "busy" | "restarting" | "autorestarting" | "dead");
    // The end of one may take longer than the time between two looks.
    let is_at_rest = is_at_rest && !kernel.is_retired();
    is_at_rest && kernel.mailboxes().connections() == 0 && idle.unsigned_abs() > limit && idle.is_positive()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::specs::{BUILT_IN, Specs};
    use super::*;

    #[tokio::test]
    async fn a_kernel_that_is_being_stopped_is_not_stopped_again() {
        let spec = Specs::new(&[]).get(BUILT_IN).unwrap();
        let (kernel, orders) = Kernel::new("foo".to_owned(), spec, std::env::temp_dir(), Vec::new());
        let (limit, later) = (Duration::from_secs(60), Timestamp::now() + Duration::from_secs(3600));
        assert!(is_idle(&kernel, limit, later));
        drop(orders);
        kernel.shutdown().await;
        assert!(!is_idle(&kernel, limit, later));
    }
}
