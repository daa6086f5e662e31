#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

fn inputs(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|e| e.input.as_str()).collect()
}

#[test]
fn two_sessions_share_a_file_and_each_has_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deeper/history.jsonl");
    let (mut a, mut b) = (History::at(Some(path.clone())), History::at(Some(path.clone())));
    a.push(1, "let a = 1", None);
    b.push(1, "let b = 2", None);
    a.push(2, "a + 1", Some("2"));
    b.push(2, "a + 1", None);
    assert_eq!(inputs(&a.tail(None)), ["let a = 1", "let b = 2", "a + 1", "a + 1"]);
    assert_eq!(inputs(&b.tail(Some(2))), ["a + 1", "a + 1"]);
    assert_eq!(a.range(0, 1, 10), a.range(1, 1, 10));
    assert_eq!(inputs(&a.range(0, 1, 10)), ["let a = 1", "a + 1"]);
    assert_eq!(inputs(&b.range(-1, 2, 3)), ["a + 1"], "the session before");
    assert_eq!(a.range(0, 2, 3)[0].output.as_deref(), Some("2"));
    let mut later = History::at(Some(path));
    assert_eq!(inputs(&later.range(-1, 0, 9)), ["let b = 2", "a + 1"], "before anything is run");
    assert_eq!(inputs(&later.search("*a + 1", None, true)), ["a + 1"]);
    assert_eq!(inputs(&later.search("let ?*", Some(1), false)), ["let b = 2"]);
    later.push(1, "x", None);
    assert_eq!(later.tail(Some(1))[0].session, 3);
}

#[test]
fn many_writers_lose_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = path.clone();
            scope.spawn(move || {
                let mut history = History::at(Some(path));
                (0..100).for_each(|n| history.push(n, &format!("{writer} {n}"), None));
            });
        }
    });
    let all = History::at(Some(path)).tail(None);
    assert_eq!(all.len(), 400);
    for writer in 0..4 {
        let own: Vec<&str> =
            all.iter().map(|e| e.input.as_str()).filter(|i| i.starts_with(&writer.to_string())).collect();
        assert!(own.iter().enumerate().all(|(n, input)| *input == format!("{writer} {n}")));
    }
    let sessions: std::collections::HashSet<i64> = all.iter().map(|e| e.session).collect();
    assert_eq!(sessions.len(), 4, "a number of its own for each");
}

#[test]
fn the_file_is_bounded_and_what_is_broken_in_it_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let mut old: String =
        (0..25_000).map(|n| format!("{{\"session\":1,\"line\":{n},\"input\":\"{n:>400}\"}}\n")).collect();
    old.push_str("{\"session\":1,\"li");
    std::fs::write(&path, old).unwrap();
    let mut reader = History::at(Some(path.clone()));
    assert_eq!(reader.tail(None).len(), 10_000);
    let mut writer = History::at(Some(path.clone()));
    writer.push(1, "new", None);
    let length = std::fs::metadata(&path).unwrap().len();
    assert!((3 << 20..4 << 20).contains(&length), "it was rewritten: {length}");
    let tail = reader.tail(Some(2));
    assert_eq!((tail[0].line, tail[1].input.as_str()), (24_999, "new"), "a reader follows to the new file");
    writer.push(2, &"x".repeat(1 << 20), None);
    writer.push(3, "small", Some(&"y".repeat(1 << 20)));
    let tail = reader.tail(Some(2));
    assert_eq!(inputs(&tail), ["new", "small"], "what is very long is not kept");
    assert_eq!(tail[1].output, None);
}

#[test]
fn without_a_usable_file_the_session_remembers_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "a file, not a folder").unwrap();
    for path in [None, Some(taken.join("history.jsonl"))] {
        let mut history = History::at(path);
        history.push(1, "1", None);
        history.push(2, "2", None);
        assert_eq!(inputs(&history.range(0, 2, 9)), ["2"]);
    }
}

#[test]
fn a_lock_that_somebody_keeps_delays_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let mut history = History::at(Some(path.clone()));
    history.push(1, "before", None);
    let hung = std::fs::File::open(path.with_extension("lock")).unwrap();
    hung.lock().unwrap();
    history.push(2, "meanwhile", Some("2"));
    assert_eq!(inputs(&History::at(Some(path.clone())).tail(None)), ["before"]);
    assert_eq!(inputs(&history.range(0, 1, 9)), ["before", "meanwhile"], "this session knows it");
    hung.unlock().unwrap();
    history.push(3, "after", None);
    let all = History::at(Some(path)).tail(None);
    assert_eq!(inputs(&all), ["before", "meanwhile", "after"]);
    assert!(all.iter().all(|e| e.session == 1));
    assert_eq!(inputs(&history.tail(None)), ["before", "meanwhile", "after"], "once each");
}

#[test]
fn a_file_that_becomes_usable_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "a file, not a folder").unwrap();
    let path = taken.join("history.jsonl");
    let mut history = History::at(Some(path.clone()));
    history.push(1, "1", None);
    std::fs::remove_file(&taken).unwrap();
    history.push(2, "2", None);
    assert_eq!(inputs(&History::at(Some(path)).tail(None)), ["1", "2"]);
}
