//! `history_request`: what was run before, in this kernel and in others.

use super::{MINERVA, start};
use minerva_tests::client::Kernel;
use serde_json::{Value, json};

#[test]
fn history_is_kept_across_a_restart_and_knows_sessions() {
    let (mut kernel, mut client) = start();
    client.run("let a = 20;");
    client.run("a + 1");
    client.run("throw \"kept too\"");
    let id = client.send_control("shutdown_request", json!({ "restart": true }));
    client.expect_control(&id, "shutdown_reply");
    client.leave();
    assert!(kernel.wait().success());
    kernel.restart(MINERVA);
    let mut client = kernel.connect();
    let mut ask = |content: Value| client.ask("history", content)["history"].take();
    assert_eq!(
        ask(json!({ "hist_access_type": "range", "session": -1, "start": 1, "stop": 3, "raw": true, "output": true })),
        json!([[1, 1, ["let a = 20;", null]], [1, 2, ["a + 1", "21"]]])
    );
    assert_eq!(
        ask(json!({ "hist_access_type": "tail", "n": 1, "raw": true, "output": false })),
        json!([[1, 3, "throw \"kept too\""]])
    );
    assert_eq!(ask(json!({ "hist_access_type": "range", "session": 0, "start": 0, "stop": 9 })), json!([]));
    client.run("a_new_one");
    client.run("\"a + 1\"");
    let mut ask = |content: Value| client.ask("history", content)["history"].take();
    assert_eq!(
        ask(json!({ "hist_access_type": "range", "session": 0, "start": 0, "stop": 9 })),
        json!([[2, 1, "a_new_one"], [2, 2, "\"a + 1\""]])
    );
    assert_eq!(
        ask(json!({ "hist_access_type": "search", "pattern": "*a + 1*", "n": 5, "unique": false })),
        json!([[1, 2, "a + 1"], [2, 2, "\"a + 1\""]])
    );
    assert_eq!(
        ask(json!({ "hist_access_type": "search", "pattern": "a ? 1", "unique": true })),
        json!([[1, 2, "a + 1"]])
    );
}

#[test]
fn two_kernels_share_a_history() {
    let (kernel, mut first) = start();
    let data = kernel.folder().to_str().unwrap();
    let neighbour = Kernel::start_with(MINERVA, &[("XDG_DATA_HOME", data)]);
    let mut second = neighbour.connect();
    first.run("1");
    // Each writes what it ran before it answers; otherwise when it has a moment.
    first.ask("history", json!({ "hist_access_type": "tail", "n": 0 }));
    second.run("2");
    second.ask("history", json!({ "hist_access_type": "tail", "n": 0 }));
    first.run("3");
    first.ask("history", json!({ "hist_access_type": "tail", "n": 0 }));
    let tail = second.ask("history", json!({ "hist_access_type": "tail", "n": 10 }))["history"].take();
    assert_eq!(tail, json!([[1, 1, "1"], [2, 1, "2"], [1, 2, "3"]]));
}
