//! Tests of [`super`], with the shell as the kernel.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::words::WORDS;
use super::*;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI32, Ordering};

const PATIENCE: Duration = Duration::from_secs(20);

/// Processes end with the thread that started them: it stays for all tests.
static SPAWNER: LazyLock<Spawner> = LazyLock::new(Spawner::new);

async fn start(script: &str) -> Process {
    let command = ["/bin/sh", "-c", script].map(OsString::from).to_vec();
    let env = vec![("WHO".to_owned(), "me".to_owned())];
    let cwd = std::env::temp_dir();
    SPAWNER.start(Launch { command, env, without: Vec::new(), cwd, obeys: false }).await.unwrap()
}

/// Whether a process runs. One that has ended and was not waited for does not, wherever the first process does not care.
fn runs(pid: i32) -> bool {
    let dead = std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    // SAFETY: signal 0 is not delivered.
    !dead && unsafe { libc::kill(pid, 0) == 0 }
}

/// Waits for a file that a script writes, and reads it.
async fn written(path: &std::path::Path) -> String {
    let look = async {
        loop {
            match std::fs::read_to_string(path) {
                Ok(text) if text.ends_with('\n') => return text,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap()
}

#[tokio::test]
async fn the_last_words_of_both_streams_are_kept_in_order() {
    let process = start("head -c 9000 /dev/zero | tr '\\0' x; echo; echo out $WHO; echo err >&2; exit 3").await;
    let ended = process.ended().await;
    assert_eq!((&*ended.how, ended.killed), ("exit status: 3", false));
    assert!(ended.words.ends_with("x\nout me\nerr"), "{}", ended.words);
    assert!(ended.words.len() <= WORDS);
    assert!(process.has_ended());
}

#[tokio::test]
async fn what_a_process_started_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let process = start(&format!("sleep 600 & echo $! > {}; exit 0", file.display())).await;
    let child: i32 = written(&file).await.trim().parse().unwrap();
    process.ended().await;
    let gone = async {
        while runs(child) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn a_dropped_process_is_killed_even_if_it_does_not_listen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ready");
    let script = format!("trap '' TERM INT; echo yes > {}; while :; do sleep 600; done", file.display());
    let process = start(&script).await;
    written(&file).await;
    assert!(process.signal(Signal::Terminate));
    let pid = i32::try_from(process.pid()).unwrap();
    let mut ended = process.ended.clone();
    drop(process);
    let ended = tokio::time::timeout(PATIENCE, ended.wait_for(Option::is_some)).await.unwrap().unwrap().clone();
    let ended = ended.unwrap();
    assert_eq!((&*ended.how, ended.killed), ("signal: 9 (SIGKILL)", true));
    assert!(!runs(pid));
}

#[tokio::test]
async fn an_interrupt_reaches_the_group() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ready");
    let script = format!("trap 'echo heard; exit 0' INT; echo yes > {}; sleep 600 & wait", file.display());
    let process = start(&script).await;
    written(&file).await;
    assert!(process.signal(Signal::Interrupt));
    assert_eq!(process.ended().await.words, "heard");
    assert!(process.signal(Signal::Interrupt), "who has ended hears nothing");
}

#[tokio::test]
async fn a_missing_program_is_the_system_s_error() {
    let launch = Launch {
        command: vec!["/nowhere/at/all".into()],
        env: Vec::new(),
        without: Vec::new(),
        cwd: std::env::temp_dir(),
        obeys: false,
    };
    assert_eq!(Spawner::new().start(launch).await.unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_process_that_cannot_be_watched_is_ended_and_waited_for() {
    static CHILD: AtomicI32 = AtomicI32::new(0);
    fn none(name: String, _: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        CHILD.store(name.rsplit('-').next().unwrap().parse().unwrap(), Ordering::SeqCst);
        Err(io::ErrorKind::WouldBlock.into())
    }
    fn only_one(name: String, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        if name.starts_with("kernel-out") { thread(name, work) } else { none(name, work) }
    }
    for thread in [none as Thread, only_one] {
        let command = ["/bin/sh", "-c", "exec sleep 600"].map(OsString::from).to_vec();
        let (env, without, cwd) = (Vec::new(), Vec::new(), std::env::temp_dir());
        let launch = Launch { command, env, without, cwd, obeys: false };
        assert_eq!(spawn(launch, thread).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        // SAFETY: signal 0 is not delivered. It finds those, too, that have ended and were not waited for.
        assert_eq!(unsafe { libc::kill(CHILD.load(Ordering::SeqCst), 0) }, -1);
    }
}
