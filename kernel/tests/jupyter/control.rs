//! The control channel, signals, the end of a kernel.

use super::{MINERVA, signal, start};
use minerva_tests::client::{Kernel, cell};
use serde_json::json;
use std::process::Stdio;
use std::time::{Duration, Instant};

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
    // It would have run for longer; how soon is measured elsewhere.
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
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
fn a_shutdown_on_shell_is_understood() {
    let (mut kernel, mut client) = start();
    let id = client.send("shutdown_request", json!({ "restart": false }));
    assert_eq!(client.expect_reply(&id, "shutdown_reply"), json!({ "status": "ok", "restart": false }));
    client.expect_status(&id, "busy");
    assert_eq!(client.expect_iopub(&id, "shutdown_reply"), json!({ "status": "ok", "restart": false }));
    client.expect_status(&id, "idle");
    assert!(kernel.wait().success());
}

#[test]
fn subshells_are_not_offered() {
    let (_kernel, mut client) = start();
    assert_eq!(client.ask("kernel_info", json!({}))["supported_features"], json!([]));
    let id = client.send_control("create_subshell_request", json!({}));
    client.expect_status(&id, "busy");
    client.expect_status(&id, "idle");
    assert!(client.quiet(), "the protocol asks for no reply");
    let id = client.send_to_subshell("a-subshell", "execute_request", cell("print(1)"));
    client.expect_status(&id, "busy");
    assert_eq!(client.expect_reply(&id, "execute_reply")["ename"], "UnknownSubshell");
    client.expect_status(&id, "idle");
}
