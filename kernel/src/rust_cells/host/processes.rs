//! What runs beside this process, in its group: the compiler, and what the person's code started.

/// Ends every process of this group that is not this program: the compiler, and what the person's code started; with
/// `questions` also those that only ask the toolchain something. False when there is none.
#[cfg(target_os = "linux")]
pub fn kill_tools(questions: bool) -> bool {
    let own = std::fs::read_link("/proc/self/exe").ok();
    let foreign = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| Some(exe) != own);
    let ends = |pid: &u32| {
        let words = command_line(*pid);
        let tool = compiler_behind(&words);
        (foreign(pid) || tool.is_some()) && (questions || !is_question(tool.unwrap_or(&words)))
    };
    let tools: Vec<u32> = group(std::process::id()).into_iter().filter(ends).collect();
    tools.iter().for_each(|pid| kill(*pid));
    !tools.is_empty()
}

/// Nothing: what is not ended here the kernel ends with the whole group.
#[cfg(not(target_os = "linux"))]
pub fn kill_tools(_: bool) -> bool {
    false
}

/// The words of the compiler that this program stands in for: evcxr has cargo call it so, and one that were spared would
/// start its compiler after all, beside that of the next cell.
#[cfg(target_os = "linux")]
fn compiler_behind(words: &str) -> Option<&str> {
    let (_, behind) = words.split_once('\0')?;
    (program(behind) == "rustc").then_some(behind)
}

/// The name of the program, without its folder.
#[cfg(target_os = "linux")]
fn program(words: &str) -> &str {
    let path = words.split('\0').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

/// The words of a process, each ended by a zero.
#[cfg(target_os = "linux")]
fn command_line(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a process only asks the toolchain something, as rust-analyzer does when dependencies change: it asks once, and
/// would know nothing of the standard library for as long as it lives.
#[cfg(target_os = "linux")]
fn is_question(command_line: &str) -> bool {
    let words: Vec<&str> = command_line.split('\0').skip(1).collect();
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word) || word.starts_with("--print"));
    let verb = words.iter().find(|word| !word.starts_with('+')).copied().unwrap_or_default();
    match program(command_line) {
        "rustc" => has(&["-vV", "--version"]),
        "cargo" => ["metadata", "locate-project", "config", "-vV", "--version"].contains(&verb) || has(&[]),
        "rustup" => verb == "which",
        _ => false,
    }
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_program_in_the_place_of_the_compiler_is_known_by_its_words() {
        let behind = |words: &[&str]| compiler_behind(&words.join("\0")).map(str::to_owned);
        assert_eq!(
            behind(&["/usr/bin/minerva", "/opt/rust/bin/rustc", "-vV"]).as_deref(),
            Some("/opt/rust/bin/rustc\0-vV")
        );
        assert_eq!(behind(&["/usr/bin/minerva"]), None);
        assert_eq!(behind(&["/usr/bin/minerva", "kernel", "/tmp/rustc"]), None);
    }

    #[test]
    fn questions_to_the_toolchain_are_told_from_its_work() {
        let is = |words: &[&str]| is_question(&words.join("\0"));
        assert!(is(&["/home/a/.cargo/bin/cargo", "metadata", "--format-version", "1"]));
        assert!(is(&["rustc", "--print", "sysroot"]) && is(&["/usr/bin/cargo", "rustc", "--", "--print=cfg"]));
        assert!(!is(&["/usr/bin/cargo", "build", "--target", "x", "--message-format=json"]));
        assert!(!is(&["rustc", "--crate-name", "which", "src/lib.rs"]) && is(&["cargo", "+stable", "config", "get"]));
        assert!(!is(&["rustc", "--crate-name", "ctx", "src/lib.rs"]) && !is(&["python3", "--version"]) && !is(&[]));
    }
}
