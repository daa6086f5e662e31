//! What both backends choose for a load that asks for nothing.

/// The context of a load that asks for none: enough for a notebook, and a KV cache that fits beside a model.
pub const DEFAULT_CONTEXT: usize = 4096;

/// Tokens a sequence can hold, for a model trained on `trained`.
pub fn context_for(asked: Option<usize>, trained: usize) -> usize {
    asked.unwrap_or_else(|| trained.min(DEFAULT_CONTEXT)).max(1)
}

/// Threads for one model: one per physical core that this process may use. Two threads on one core's hyperthreads take
/// turns at the same arithmetic units, and the last of a barrier's threads is the one that counts.
pub fn default_threads() -> usize {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    physical_cores().map_or(available, |cores| cores.min(available)).max(1)
}

/// Distinct (package, core) pairs among the processors this process may run on.
#[cfg(target_os = "linux")]
fn physical_cores() -> Option<usize> {
    let mut cores = std::collections::HashSet::new();
    for cpu in allowed_cpus()? {
        let read =
            |what: &str| std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu{cpu}/topology/{what}")).ok();
        cores.insert((read("physical_package_id")?, read("core_id")?));
    }
    Some(cores.len()).filter(|&n| n > 0)
}

#[cfg(not(target_os = "linux"))]
fn physical_cores() -> Option<usize> {
    None
}

/// The processors in this process's affinity mask, from `/proc/self/status` (`Cpus_allowed_list: 0-3,8`).
#[cfg(target_os = "linux")]
fn allowed_cpus() -> Option<Vec<usize>> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let list = status.lines().find_map(|l| l.strip_prefix("Cpus_allowed_list:"))?;
    let mut cpus = Vec::new();
    for part in list.trim().split(',') {
        match part.split_once('-') {
            Some((a, b)) => cpus.extend(a.parse::<usize>().ok()?..=b.parse().ok()?),
            None => cpus.push(part.parse().ok()?),
        }
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn threads_are_between_one_and_what_there_is() {
        let n = default_threads();
        assert!(n >= 1 && n <= std::thread::available_parallelism().unwrap().get());
    }

    #[test]
    fn the_context_is_what_was_asked_for_or_what_the_model_knows_up_to_a_bound() {
        assert_eq!((context_for(Some(0), 8), context_for(Some(9000), 8)), (1, 9000));
        assert_eq!((context_for(None, 128), context_for(None, 1 << 20)), (128, DEFAULT_CONTEXT));
    }
}
