//! Much output, slow readers, bounded memory.

use super::{resident, start};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_flood_of_lines_arrives_whole_and_in_order() {
    let (_kernel, mut client) = start();
    let id = client.start("for i in 0..100000 { print(i) }");
    let ran = client.finish(&id);
    assert_eq!(ran.kinds(), ["stream"]);
    let text = ran.stream("stdout");
    assert!(text.lines().map(|line| line.parse::<u64>().unwrap()).eq(0..100_000));
}

#[cfg(unix)]
#[test]
fn a_stopped_front_end_makes_the_session_wait_and_loses_nothing() {
    let (kernel, mut client) = start();
    let mut other = kernel.connect();
    assert_eq!(client.iopub().kind(), "iopub_welcome", "that of the other client");
    // `other` does not read: what it is sent fills its socket, then the kernel's queue, and then the cell must wait.
    let line = 1 << 16;
    let lines = 1200; // far more than sockets and queues hold
    let code = format!("let s = \"x\"; s.pad({line}, \"x\"); for i in 0..{lines} {{ print(s) }}");
    let id = client.start(&code);
    let reader = std::thread::spawn(move || (client.finish(&id), client));
    std::thread::sleep(Duration::from_millis(700));
    assert!(!reader.is_finished(), "the cell waits for the slow front end");
    let resident = resident(kernel.pid());
    assert!(resident < 60_000_000, "what waits is bounded: {resident}");
    // Now it reads.
    let mut received = 0;
    loop {
        let message = other.iopub();
        match message.kind() {
            "stream" => received += message.content["text"].as_str().unwrap().len(),
            "status" if message.content["execution_state"] == "idle" => break,
            _ => {}
        }
    }
    assert_eq!(received, lines * (line + 1));
    let (ran, _client) = reader.join().unwrap();
    assert_eq!(ran.stream("stdout").len(), lines * (line + 1));
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_kernel_is_small() {
    let (kernel, mut client) = start();
    client.ask("kernel_info", json!({}));
    client.run("1 + 1");
    let resident = resident(kernel.pid());
    assert!(resident < 30_000_000, "{resident} bytes resident");
}

#[cfg(unix)]
#[test]
fn two_hundred_thousand_messages_reach_a_slow_subscriber_whole_and_in_order() {
    let (kernel, mut client) = start();
    let mut slow = kernel.connect();
    assert_eq!(client.iopub().kind(), "iopub_welcome");
    slow.patience = Duration::from_secs(120);
    client.patience = Duration::from_secs(120);
    // The streams take turns, so that no two texts can become one message.
    let id = client.start("for i in 0..100000 { write(`${i}\n`); debug(i); }");
    let reader = std::thread::spawn(move || (client.finish(&id), client));
    let (mut messages, mut out, mut err, mut most) = (0, 0, 0, 0);
    loop {
        let message = slow.iopub();
        match message.kind() {
            "stream" => {
                messages += 1;
                for line in message.content["text"].as_str().unwrap().lines() {
                    let (next, text) = match message.content["name"].as_str().unwrap() {
                        "stdout" => (&mut out, line),
                        _ => (&mut err, line.rsplit(' ').next().unwrap()),
                    };
                    assert_eq!(text, next.to_string());
                    *next += 1;
                }
                assert!(out == err || out == err + 1, "{out} lines on stdout, {err} on stderr");
                if messages % 1000 == 0 {
                    std::thread::sleep(Duration::from_millis(40));
                    most = most.max(resident(kernel.pid()));
                }
            }
            "status" if message.content["execution_state"] == "idle" => break,
            _ => {}
        }
    }
    assert_eq!((messages, out, err), (200_000, 100_000, 100_000));
    assert!(most < 100_000_000, "what waits is bounded: {most}");
    let (ran, _client) = reader.join().unwrap();
    assert_eq!(ran.outputs.len(), 200_000, "the other client has them all, too");
    assert!(slow.quiet(), "idle is the last");
}
