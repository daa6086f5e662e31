//! Disks that fill up, and two who write at the same time.

use super::help::{lab, notebook, server};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

fn with_text(text: &str) -> Value {
    notebook("1", &json!([{ "output_type": "stream", "name": "stdout", "text": text }]))
}

#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_while_saving_leaves_the_old_file_whole() {
    let server = lab().longest_file(1 << 20).go();
    server.save_notebook("a.ipynb", &with_text("small"));
    server.save_text("b.txt", "small");
    let read = |name: &str| std::fs::read(server.root().join(name)).unwrap();
    let (notebook_before, text_before) = (read("a.ipynb"), read("b.txt"));
    let much = "0123456789abcde\n".repeat(1 << 17);
    let bodies = [
        ("a.ipynb", json!({ "type": "notebook", "format": "json", "content": with_text(&much) })),
        ("b.txt", json!({ "type": "file", "format": "text", "content": much })),
        ("new.txt", json!({ "type": "file", "format": "text", "content": much })),
    ];
    for (name, body) in bodies {
        let answer = server.ask("PUT", &format!("/api/contents/{name}")).json(&body).send();
        assert!(answer.status >= 400, "{name}: {}", answer.status);
        assert!(answer.json()["message"].as_str().unwrap().contains(name), "{}", answer.text());
    }
    assert_eq!((read("a.ipynb"), read("b.txt")), (notebook_before, text_before));
    let mut left: Vec<_> = std::fs::read_dir(server.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.retain(|name| name != ".ipynb_checkpoints");
    left.sort();
    assert_eq!(left, ["a.ipynb", "b.txt"], "neither a part of the new file nor a temporary one");
    server.save_text("b.txt", "small again");
    assert_eq!(read("b.txt"), b"small again");
}

#[test]
fn of_two_tabs_that_save_at_the_same_time_a_hundred_times_one_always_wins_whole() {
    let server = server();
    let notebooks = ["a", "b"].map(|letter| with_text(&format!("{}\n", letter.repeat(100)).repeat(2000)));
    let file = server.root().join("shared.ipynb");
    let written = notebooks.each_ref().map(|content| {
        server.save_notebook("shared.ipynb", content);
        std::fs::read(&file).unwrap()
    });
    assert_ne!(written[0], written[1]);
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = [0_usize; 2];
            while !done.load(Ordering::Relaxed) {
                let bytes = std::fs::read(&file).unwrap();
                let which = written.iter().position(|whole| *whole == bytes);
                seen[which.expect("neither of the two notebooks")] += 1;
            }
            seen
        });
        let savers = notebooks.each_ref().map(|content| {
            let server = &server;
            scope.spawn(move || (0..100).for_each(|_| drop(server.save_notebook("shared.ipynb", content))))
        });
        let saved = savers.map(|saver| saver.join().is_ok());
        done.store(true, Ordering::Relaxed);
        assert_eq!(saved, [true, true]);
        watcher.join().unwrap()
    });
    assert!(seen[0] + seen[1] > 0, "{seen:?}");
    let left = std::fs::read_dir(server.root()).unwrap().filter_map(Result::ok);
    let others: Vec<_> =
        left.map(|e| e.file_name()).filter(|n| n != "shared.ipynb" && n != ".ipynb_checkpoints").collect();
    assert_eq!(others, Vec::<std::ffi::OsString>::new(), "no temporary file is left");
}
