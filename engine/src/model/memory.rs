//! What a load needs, and what there is: said before anything is allocated.

use crate::error::{Error, Result};

/// Bytes that can be allocated now without swapping, limits of a container included; `None` where the system does not
/// say.
pub fn available_memory() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let free = system.available_memory();
    if free == 0 {
        return None;
    }
    Some(system.cgroup_limits().map_or(free, |limits| free.min(limits.free_memory)))
}

/// `Error::Memory` when `needs` bytes are more than there are.
pub(super) fn check(what: &str, needs: u64) -> Result<()> {
    match available_memory() {
        Some(available) if needs > available => Err(Error::Memory {
            what: what.to_owned(),
            needs,
            available,
            help: "unload a model, lower #{ context: … }, take a smaller quantization, or load with #{ memory_check: false } to try all the same".into(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn more_than_any_machine_has_is_refused_with_both_numbers() {
        let e = check("load big.gguf", 1 << 60).unwrap_err().to_string();
        assert!(e.starts_with("load big.gguf needs 1152921.5 TB, and "), "{e}");
        assert!(check("load small.gguf", 1).is_ok());
    }
}
