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

/// `Error::Memory` when `needs` bytes are more than there are; `help` says what to do about it.
pub(crate) fn check(what: &str, needs: u64, help: &str) -> Result<()> {
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
