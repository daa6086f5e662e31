//! Which processes a server has started: they inherit a mark in their environment.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

/// The variable that every process of one server has.
pub(super) const MARK: &str = "MINERVA_LAB_TEST";

/// The living processes with this mark.
pub(super) fn marked(mark: &str) -> Vec<u32> {
    let wanted = format!("{MARK}={mark}");
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    // Of a process that has ended and was not waited for nothing is left to read.
    let has = |id: &u32| {
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    ids.filter(has).collect()
}
