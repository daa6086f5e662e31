//! Cells: what they publish, what they reply, what an error does to those that wait.

use super::start;
use minerva_tests::client::cell;
use serde_json::json;

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
