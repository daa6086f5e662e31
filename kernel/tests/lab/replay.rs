//! Tabs that close and come back: every message once, in order.

use super::help::server;
use minerva_tests::client::cell;
use minerva_tests::lab::{LabMessage, Server, Tab};
use serde_json::json;
use std::collections::HashSet;

/// A cell that begins when the file `go` is there, so that a test decides what happens before.
fn gated(code: &str) -> String {
    format!("while !file_exists(\"go\") {{ sleep(0.01) }}\n{code}")
}

fn open_the_gate(server: &Server) {
    std::fs::write(server.root().join("go"), "").unwrap();
}

/// Waits until so many tabs are connected.
#[track_caller]
fn connected(server: &Server, kernel: &str, tabs: u64) {
    server.wait_kernel(kernel, "tabs that come and go", |m| m["connections"] == tabs);
}

/// What was seen of one cell.
#[derive(Default)]
struct Seen {
    messages: Vec<LabMessage>,
    replied: bool,
    idle: bool,
}

impl Seen {
    fn add(&mut self, message: LabMessage, id: &str) {
        if message.parent_id() == id {
            self.replied |= message.kind() == "execute_reply";
            self.idle |= message.says("idle");
            self.messages.push(message);
        }
    }

    fn over(&self) -> bool {
        self.replied && self.idle
    }
}

/// Reads until a cell has its reply and is idle: all messages about it.
#[track_caller]
fn read_to_the_end(tab: &mut Tab, id: &str) -> Vec<LabMessage> {
    let mut seen = Seen::default();
    while !seen.over() {
        seen.add(tab.next_message(), id);
    }
    seen.messages
}

fn text_of(messages: &[LabMessage], stream: &str) -> String {
    let of_stream = messages.iter().filter(|m| m.kind() == "stream" && m.content["name"] == stream);
    of_stream.map(|m| m.content["text"].as_str().unwrap()).collect()
}

/// The lines are the numbers from 0 up to `count`, each once.
#[track_caller]
fn counts_to(text: &str, count: usize) {
    let lines: Vec<&str> = text.lines().collect();
    let wrong = lines.iter().enumerate().find(|(n, line)| **line != n.to_string());
    assert!(wrong.is_none() && lines.len() == count, "{} lines; first that is wrong: {wrong:?}", lines.len());
}

/// A cell that ran from beginning to end while its tab was closed, and what the tab is told when it comes back.
#[track_caller]
fn ran_while_away(code: &str) -> (Server, Tab, Vec<LabMessage>) {
    let server = server();
    let kernel = server.start_kernel("minerva");
    let mut tab = Tab::open(&server, &kernel, "notebook-tab");
    let id = tab.begin(&gated(code));
    tab.close();
    connected(&server, &kernel, 0);
    open_the_gate(&server);
    server.wait_kernel(&kernel, "the end of the cell", |m| m["execution_state"] == "idle");
    let mut tab = Tab::open(&server, &kernel, "notebook-tab");
    let messages = read_to_the_end(&mut tab, &id);
    (server, tab, messages)
}

#[test]
fn a_hundred_thousand_lines_that_were_printed_while_the_tab_was_closed_are_there_when_it_returns() {
    let (_server, mut tab, messages) = ran_while_away("for i in 0..100000 { print(i) }\n\"the end\"");
    counts_to(&text_of(&messages, "stdout"), 100_000);
    let count = |wanted: &dyn Fn(&LabMessage) -> bool| messages.iter().filter(|m| wanted(m)).count();
    assert_eq!(count(&|m| m.kind() == "execute_result"), 1);
    assert_eq!(count(&|m| m.kind() == "execute_reply"), 1);
    assert_eq!(count(&|m| m.says("idle")), 1);
    assert_eq!(tab.run("1 + 1").result(), Some("2"), "and it goes on from there");
}

#[test]
fn a_hundred_thousand_messages_that_cannot_be_joined_are_kept_one_by_one() {
    // The streams take turns, so that no two texts can become one message.
    let (_server, _tab, messages) = ran_while_away("for i in 0..50000 { write(`${i}\n`); debug(i); }");
    assert_eq!(messages.iter().filter(|m| m.kind() == "stream").count(), 100_000);
    counts_to(&text_of(&messages, "stdout"), 50_000);
    let debugged = text_of(&messages, "stderr");
    let numbers: Vec<&str> = debugged.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    counts_to(&numbers.join("\n"), 50_000);
}

#[test]
fn a_connection_that_is_lost_in_the_middle_of_a_stream_loses_nothing_and_keeps_the_order() {
    let server = server();
    let kernel = server.start_kernel("minerva");
    let mut tab = Tab::open(&server, &kernel, "notebook-tab");
    let id = tab.begin("for i in 0..20000 { write(`${i}\n`); debug(i); }");
    let (mut seen, mut known, mut repeated) = (Seen::default(), HashSet::new(), 0);
    // What was on its way when the connection broke may come again; it then is the same message.
    let mut take = |message: LabMessage, seen: &mut Seen| match known.insert(message.header["msg_id"].to_string()) {
        true => seen.add(message, &id),
        false => repeated += 1,
    };
    for _ in 0..5 {
        for _ in 0..2000 {
            if !seen.over() {
                take(tab.next_message(), &mut seen);
            }
        }
        // A page that goes hears nothing more of what was sent to it.
        tab.close();
        tab = Tab::open(&server, &kernel, "notebook-tab");
    }
    while !seen.over() {
        take(tab.next_message(), &mut seen);
    }
    assert_eq!(seen.messages.iter().filter(|m| m.kind() == "stream").count(), 40_000);
    counts_to(&text_of(&seen.messages, "stdout"), 20_000);
    assert!(repeated < 1000, "{repeated} messages came again in five connections");
}

#[test]
fn the_reply_to_a_cell_of_a_closed_tab_waits_for_it() {
    let server = server();
    let kernel = server.start_kernel("minerva");
    let mut tab = Tab::open(&server, &kernel, "notebook-tab");
    let id = tab.begin(&gated("40 + 2"));
    tab.close();
    connected(&server, &kernel, 0);
    let mut other = Tab::open(&server, &kernel, "another-tab");
    open_the_gate(&server);
    other.wait("the end of the cell", |m| m.parent_id() == id && m.says("idle"));
    let mut tab = Tab::open(&server, &kernel, "notebook-tab");
    let ran = tab.finish(&id);
    assert_eq!((ran.result(), &ran.reply["status"]), (Some("42"), &json!("ok")));
}

#[test]
fn a_newer_connection_of_a_session_takes_it_over() {
    let server = server();
    let kernel = server.start_kernel("minerva");
    let mut old = Tab::open(&server, &kernel, "notebook-tab");
    assert_eq!(old.run("1").result(), Some("1"));
    let mut new = Tab::open(&server, &kernel, "notebook-tab");
    assert_eq!(new.run("2").result(), Some("2"));
    while let Some(message) = old.next_or_end() {
        assert!(message.kind() == "status", "{message:?}");
    }
    connected(&server, &kernel, 1);
}

#[test]
fn a_session_that_was_never_there_sees_nothing_of_before() {
    let server = server();
    let kernel = server.start_kernel("minerva");
    let mut tab = Tab::open(&server, &kernel, "one");
    assert_eq!(tab.run("print(\"private to one\")").stream("stdout"), "private to one\n");
    tab.close();
    connected(&server, &kernel, 0);
    let mut stranger = Tab::open(&server, &kernel, "two");
    let id = stranger.send("shell", "execute_request", &cell("\"mine\""));
    loop {
        let message = stranger.next_message();
        let about = &message.parent["session"];
        // The server may say how the kernel is, without having been asked.
        let state = message.kind() == "status";
        assert!(state || about.as_str() == Some("two"), "{message:?}");
        if message.parent_id() == id && message.says("idle") {
            break;
        }
    }
}
