//! The kernel as a Jupyter client sees it: the real program, real sockets, and a client that fails on any message that
//! was not asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use minerva_tests::client::{Client, Kernel, cell, signature};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::{Duration, Instant};

const MINERVA: &str = env!("CARGO_BIN_EXE_minerva");

fn start() -> (Kernel, Client) {
    let kernel = Kernel::start(MINERVA);
    let client = kernel.connect();
    (kernel, client)
}

#[test]
fn kernel_info_says_what_front_ends_need() {
    let (_kernel, mut client) = start();
    let info = client.ask("kernel_info", json!({}));
    assert_eq!(info["status"], "ok");
    assert_eq!(info["implementation"], "minerva");
    assert_eq!(info["language_info"]["name"], "rhai");
    assert_eq!(info["language_info"]["file_extension"], ".rhai");
    assert_eq!(info["language_info"]["codemirror_mode"], json!({ "name": "rhai", "mime": "text/x-rustsrc" }));
    assert!(info["banner"].as_str().unwrap().starts_with("Minerva"));
}

#[test]
fn a_cell_gives_its_streams_and_its_value_in_order() {
    let (_kernel, mut client) = start();
    let ran = client.run("print(\"a\"); debug(1); print(\"b\"); 40 + 2");
    assert_eq!(ran.kinds(), ["stream", "stream", "stream", "execute_result"]);
    assert_eq!(ran.stream("stdout"), "a\nb\n");
    assert_eq!(ran.result(), Some("42"));
    assert_eq!(ran.reply["status"], "ok");
    assert_eq!(ran.reply["execution_count"], 1);
    assert_eq!(ran.reply["user_expressions"], json!({}));
    let ran = client.run("let x = 1;");
    assert!(ran.outputs.is_empty(), "a cell that ends in a semicolon shows no value: {ran:?}");
    assert_eq!(client.run("fn f() { x + 1 } f()").result(), Some("2"), "variables and functions persist");
}

#[test]
fn silent_cells_publish_nothing_and_do_not_count() {
    let (_kernel, mut client) = start();
    let mut content = cell("print(\"x\"); let y = 5; y");
    content["silent"] = true.into();
    content["user_expressions"] = json!({ "double": "y * 2", "wrong": "nothing_here" });
    let reply = client.ask("execute", content);
    assert_eq!(reply["status"], "ok");
    assert_eq!(reply["execution_count"], 0);
    assert_eq!(reply["user_expressions"]["double"]["data"]["text/plain"], "10");
    assert_eq!(reply["user_expressions"]["wrong"]["status"], "error");

    let mut content = cell("y");
    content["store_history"] = false.into();
    let id = client.send("execute_request", content);
    client.expect_status(&id, "busy");
    client.expect_iopub(&id, "execute_input");
    assert_eq!(client.finish(&id).result(), Some("5"));

    assert_eq!(client.run("y").reply["execution_count"], 1);
    let history = client.ask("history", json!({ "hist_access_type": "tail", "n": 10, "output": true, "raw": true }));
    assert_eq!(history["history"], json!([[1, 1, ["y", "5"]]]));
}

#[test]
fn an_error_is_published_and_aborts_what_was_sent_before_it() {
    let (_kernel, mut client) = start();
    let failing = client.send("execute_request", cell("sleep(0.3); throw \"no\""));
    let info = client.send("kernel_info_request", json!({}));
    let aborted: Vec<String> = (0..20).map(|n| client.send("execute_request", cell(&format!("{n}")))).collect();

    client.expect_status(&failing, "busy");
    client.expect_iopub(&failing, "execute_input");
    let error = client.expect_iopub(&failing, "error");
    assert!(error["traceback"].as_array().is_some_and(|t| !t.is_empty()));
    client.expect_status(&failing, "idle");
    let reply = client.expect_reply(&failing, "execute_reply");
    assert_eq!((&reply["status"], &reply["evalue"]), (&json!("error"), &error["evalue"]));
    client.expect_status(&info, "busy");
    client.expect_reply(&info, "kernel_info_reply");
    client.expect_status(&info, "idle");
    for id in aborted {
        client.expect_status(&id, "busy");
        assert_eq!(client.expect_reply(&id, "execute_reply")["status"], "aborted");
        client.expect_status(&id, "idle");
    }
    assert_eq!(client.run("1 + 1").result(), Some("2"), "a cell that is sent after the error reply runs");
}

#[test]
fn without_stop_on_error_the_next_cell_runs() {
    let (_kernel, mut client) = start();
    let mut content = cell("sleep(0.2); throw 1");
    content["stop_on_error"] = false.into();
    let failing = client.send("execute_request", content);
    let next = client.send("execute_request", cell("7"));
    client.expect_status(&failing, "busy");
    client.expect_iopub(&failing, "execute_input");
    let failed = client.finish(&failing);
    assert_eq!(failed.kinds(), ["error"]);
    client.expect_status(&next, "busy");
    client.expect_iopub(&next, "execute_input");
    assert_eq!(client.finish(&next).result(), Some("7"));
}

#[test]
fn control_and_heartbeat_answer_while_a_cell_runs_and_a_message_interrupts_it() {
    let (_kernel, mut client) = start();
    client.run("let kept = 3;");
    let running = client.start("loop {}");
    assert_eq!(client.beat(b"ping"), b"ping");
    let info = client.send_control("kernel_info_request", json!({}));
    assert_eq!(client.expect_control(&info, "kernel_info_reply")["status"], "ok");
    client.expect_status(&info, "busy");
    client.expect_status(&info, "idle");

    let asked = Instant::now();
    let interrupt = client.send_control("interrupt_request", json!({}));
    assert_eq!(client.expect_control(&interrupt, "interrupt_reply"), json!({ "status": "ok" }));
    let reply = client.expect_reply(&running, "execute_reply");
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    assert_eq!(reply["status"], "error");
    // Two threads publish: the two requests may be told in either order, but each in its own.
    let seen: Vec<(String, String)> = (0..4)
        .map(|_| client.iopub())
        .map(|m| (m.parent_id().to_owned(), m.content["execution_state"].as_str().unwrap_or(m.kind()).to_owned()))
        .collect();
    let of = |id: &str| -> Vec<&str> { seen.iter().filter(|(p, _)| p == id).map(|(_, what)| what.as_str()).collect() };
    assert_eq!(of(&interrupt), ["busy", "idle"]);
    assert_eq!(of(&running), ["error", "idle"]);
    assert_eq!(client.run("kept").result(), Some("3"), "variables survive");
}

#[cfg(unix)]
#[test]
fn sigint_interrupts_the_cell_and_not_the_kernel() {
    let (kernel, mut client) = start();
    for code in ["loop {}", "sleep(600)"] {
        let running = client.start(code);
        signal(kernel.pid(), libc::SIGINT);
        assert_eq!(client.finish(&running).kinds(), ["error"], "{code}");
    }
    assert_eq!(client.run("1").result(), Some("1"));
}

#[cfg(unix)]
fn signal(pid: u32, number: i32) {
    // SAFETY: sends a signal to a child of this test.
    assert_eq!(unsafe { libc::kill(pid as libc::pid_t, number) }, 0);
}

#[test]
fn shutdown_flushes_everything_and_ends_with_zero() {
    for restart in [false, true] {
        let (mut kernel, mut client) = start();
        let asked = client.send("execute_request", cell("for i in 0..20000 { print(`line ${i}`) }"));
        client.expect_status(&asked, "busy");
        client.expect_iopub(&asked, "execute_input");
        let printed = client.finish(&asked);
        assert_eq!(printed.stream("stdout").lines().count(), 20_000);
        let id = client.send_control("shutdown_request", json!({ "restart": restart }));
        assert_eq!(client.expect_control(&id, "shutdown_reply"), json!({ "status": "ok", "restart": restart }));
        client.expect_status(&id, "busy");
        assert_eq!(client.expect_iopub(&id, "shutdown_reply"), json!({ "status": "ok", "restart": restart }));
        client.expect_status(&id, "idle");
        assert!(kernel.wait().success());
        // The same ports are free again, and the kernel that comes back knows nothing of the old one.
        kernel.restart(MINERVA);
        let mut again = kernel.connect();
        assert_eq!(again.run("1").reply["execution_count"], 1);
    }
}

#[test]
fn shutdown_while_a_cell_prints_loses_nothing_that_was_printed() {
    let (mut kernel, mut client) = start();
    let running = client.start("let i = 0; loop { print(i); i += 1; }");
    std::thread::sleep(Duration::from_millis(300));
    let id = client.send_control("shutdown_request", json!({ "restart": false }));
    client.expect_control(&id, "shutdown_reply");
    let mut next = 0;
    let mut kinds = Vec::new();
    loop {
        let message = client.iopub();
        if message.kind() == "stream" {
            for line in message.content["text"].as_str().unwrap().lines() {
                assert_eq!(line, next.to_string());
                next += 1;
            }
        } else {
            kinds.push(format!("{} {}", message.kind(), if message.parent_id() == running { "cell" } else { "stop" }));
        }
        if message.parent_id() == id && message.content["execution_state"] == "idle" {
            break;
        }
    }
    assert!(next > 100, "{next}");
    assert_eq!(kinds, ["status stop", "error cell", "status cell", "shutdown_reply stop", "status stop"]);
    assert_eq!(client.expect_reply(&running, "execute_reply")["status"], "error");
    assert!(kernel.wait().success());
}

#[cfg(unix)]
#[test]
fn a_kernel_whose_parent_is_gone_ends() {
    // Its standard streams are closed, so that nothing waits for it when this test fails.
    let mut sleep = std::process::Command::new("sleep");
    sleep.arg("600").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut parent = sleep.spawn().unwrap();
    let mut kernel = Kernel::start_with(MINERVA, &[("JPY_PARENT_PID", &parent.id().to_string())]);
    let mut client = kernel.connect();
    assert_eq!(client.run("1").result(), Some("1"));
    parent.kill().unwrap();
    parent.wait().unwrap();
    kernel.wait();
}

#[test]
fn messages_that_are_unsigned_malformed_or_replayed_are_dropped() {
    let (_kernel, mut client) = start();
    let (_, genuine) = client.request("execute_request", cell("print(1)"));
    let frames: Vec<Vec<u8>> = genuine.into_vec().iter().map(|f| f.to_vec()).collect();
    let genuine: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let delimiter = b"<IDS|MSG>".as_slice();

    client.send_frames(&[b"garbage"]);
    client.send_frames(&[delimiter]);
    client.send_frames(&[delimiter, b"", genuine[2], b"{}", b"{}", genuine[5]]);
    client.send_frames(&[delimiter, b"not hex", genuine[2], b"{}", b"{}", genuine[5]]);
    let mut forged = genuine.clone();
    forged[5] = br#"{"code":"print(2)"}"#;
    client.send_frames(&forged);
    let not_json: [&[u8]; 4] = [b"{}", b"{}", b"{}", b"\xff"];
    let sign = signature(&not_json);
    client.send_frames(&[delimiter, sign.as_bytes(), b"{}", b"{}", b"{}", b"\xff"]);
    client.expect_silence(Duration::from_millis(200));

    client.send_frames(&genuine);
    client.send_frames(&genuine);
    let states = ["status", "execute_input", "stream", "status"];
    states.iter().for_each(|kind| assert_eq!(client.iopub().kind(), *kind));
    client.shell();
    client.expect_silence(Duration::from_millis(200));
}

#[test]
fn comms_and_unknown_requests_are_answered() {
    let (_kernel, mut client) = start();
    assert_eq!(client.ask("comm_info", json!({})), json!({ "status": "ok", "comms": {} }));
    let id = client.send("comm_open", json!({ "comm_id": "c", "target_name": "nobody", "data": {} }));
    client.expect_status(&id, "busy");
    assert_eq!(client.expect_iopub(&id, "comm_close"), json!({ "comm_id": "c", "data": {} }));
    client.expect_status(&id, "idle");
    let id = client.send("comm_msg", json!({ "comm_id": "c", "data": {} }));
    client.expect_status(&id, "busy");
    client.expect_status(&id, "idle");
    assert_eq!(client.ask("teleport", json!({}))["status"], "error");
    let id = client.send_control("debug_request", json!({}));
    client.expect_status(&id, "busy");
    assert_eq!(client.expect_control(&id, "debug_reply")["status"], "error");
    client.expect_status(&id, "idle");
}

#[test]
fn completion_inspection_and_completeness() {
    let (_kernel, mut client) = start();
    client.run("let grand_total = 1; fn double(x) { x * 2 }");
    // Positions are characters, not bytes.
    let found = client.ask("complete", json!({ "code": "\"é\" + gr + 1", "cursor_pos": 8 }));
    assert_eq!((&found["cursor_start"], &found["cursor_end"]), (&json!(6), &json!(8)));
    assert!(found["matches"].as_array().unwrap().contains(&json!("grand_total")), "{found}");
    let found = client.ask("inspect", json!({ "code": "double(1)", "cursor_pos": 3, "detail_level": 0 }));
    assert_eq!(found["found"], true);
    assert!(found["data"]["text/plain"].as_str().unwrap().contains("double"));
    let found = client.ask("inspect", json!({ "code": "nothing_here", "cursor_pos": 3, "detail_level": 0 }));
    assert_eq!((&found["found"], &found["data"]), (&json!(false), &json!({})));
    let mut status = |code: &str| client.ask("is_complete", json!({ "code": code }))["status"].clone();
    assert_eq!(status("1 + 1"), "complete");
    assert_eq!(status("fn f(x) {"), "incomplete");
    assert_eq!(status("1 + ) 2"), "invalid");
}

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

#[test]
fn two_clients_see_the_same_and_a_client_that_comes_back_is_answered() {
    let (kernel, mut first) = start();
    let mut second = kernel.connect();
    assert_eq!(first.iopub().kind(), "iopub_welcome", "a welcome goes to every subscriber");
    let id = second.start("5");
    assert_eq!(second.finish(&id).result(), Some("5"));
    let seen: Vec<String> = (0..4).map(|_| first.iopub()).map(|m| m.kind().to_owned()).collect();
    assert_eq!(seen, ["status", "execute_input", "execute_result", "status"]);
    drop((first, second));
    for _ in 0..10 {
        let mut back = Client::connect_as(&kernel.ports, "the-same-identity");
        assert_eq!(back.run("1").result(), Some("1"));
    }
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

#[cfg(target_os = "linux")]
fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[cfg(not(target_os = "linux"))]
fn resident(_: u32) -> usize {
    0
}

#[test]
fn displays_are_shown_updated_and_cleared() {
    let (_kernel, mut client) = start();
    let ran = client.run("html(\"<b>x</b>\")");
    assert_eq!(ran.kinds(), ["execute_result"]);
    let (_, content) = &ran.outputs[0];
    assert_eq!(content["data"]["text/html"], "<b>x</b>");
    let ran = client.run("display(1); print(2); clear_output(true); display(3);");
    assert_eq!(ran.kinds(), ["display_data", "stream", "clear_output", "display_data"]);
    assert_eq!(ran.outputs[0].1["data"]["text/plain"], "1");
    assert_eq!(ran.outputs[2].1, json!({ "wait": true }));
    let ran = client.run("display(1, \"d\")");
    assert_eq!((ran.kinds(), &ran.outputs[0].1["transient"]), (vec!["display_data"], &json!({ "display_id": "d" })));
    let ran = client.run("display(2, \"d\")");
    assert_eq!(
        (ran.kinds(), &ran.outputs[0].1["transient"]),
        (vec!["update_display_data"], &json!({ "display_id": "d" }))
    );
}

#[test]
fn progress_is_one_display_that_is_updated() {
    let (_kernel, mut client) = start();
    let ran = client.run("let p = progress(20); for i in 0..20 { sleep(0.02); p.step() }");
    let kinds = ran.kinds();
    assert_eq!(kinds[0], "display_data");
    assert!(kinds.len() > 2 && kinds[1..].iter().all(|k| *k == "update_display_data"), "{kinds:?}");
    assert!(kinds.len() < 10, "drawn too often: {}", kinds.len());
    let ids: Vec<&Value> = ran.outputs.iter().map(|(_, c)| &c["transient"]["display_id"]).collect();
    assert!(ids[0].is_string() && ids.iter().all(|id| *id == ids[0]));
    let last = ran.outputs.last().unwrap().1["data"]["text/plain"].as_str().unwrap();
    assert!(last.contains("100 %"), "{last}");
}
