//! The memory that there is: asked before anything large is allocated, since a failed allocation ends the process.

use crate::error::{Error, Result};

/// Bytes that can be allocated now without swapping, and bytes in all; limits of a container included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Free for the taking.
    pub available: u64,
    /// Of the machine, or of the container.
    pub total: u64,
}

/// What the system says; `None` where it does not.
pub fn memory() -> Option<Memory> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let (available, total) = (system.available_memory(), system.total_memory());
    if available == 0 {
        return None;
    }
    Some(match system.cgroup_limits() {
        Some(limits) => Memory { available: available.min(limits.free_memory), total: total.min(limits.total_memory) },
        None => Memory { available, total },
    })
}

/// Lets the C allocator keep what large results free for the next ones, up to 256 MB, instead of handing it back to the
/// system: the megabytes that every step of a prompt takes would be fetched and cleared anew each time, which doubles
/// the time of a small model. For the start of a program; does nothing where the allocator is not glibc's.
/// [`give_back`] is the other half.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const MB: libc::c_int = 1 << 20;
        // SAFETY: `mallopt` takes two numbers and locks the allocator itself. A setting it refuses stays as it was.
        let set = |name, value| unsafe { libc::mallopt(name, value) } == 1;
        // The size from which memory comes from the system piece by piece. Older libraries take 32 MB at most, and without
        // this setting the others would do harm.
        if set(libc::M_MMAP_THRESHOLD, 128 * MB) || set(libc::M_MMAP_THRESHOLD, 32 * MB) {
            set(libc::M_TRIM_THRESHOLD, 256 * MB);
            // One heap for all threads, or each would keep its own.
            set(libc::M_ARENA_MAX, 1);
        }
    }
}

/// Hands back to the system what was freed: after a model is gone, and before it is asked what there is.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` takes a number and locks the allocator itself.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// `Error::Memory` when `needs` bytes are more than there are; `help` says what to do about it.
pub(crate) fn check(what: &str, needs: u64, help: &str) -> Result<()> {
    give_back();
    match memory() {
        Some(Memory { available, .. }) if needs > available => {
            Err(Error::Memory { what: what.to_owned(), needs, available, help: help.to_owned() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn more_than_any_machine_has_is_refused_with_both_numbers() {
        let e = check("load big.gguf", 1 << 60, "").unwrap_err().to_string();
        assert!(e.starts_with("load big.gguf needs 1152921.5 TB, and "), "{e}");
        assert!(check("load small.gguf", 1, "").is_ok());
    }

    #[test]
    fn what_is_available_is_part_of_what_there_is() {
        let found = memory().unwrap();
        assert!(found.available > 0 && found.available <= found.total);
    }
}
