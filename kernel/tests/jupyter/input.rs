//! Questions to the person: `input` and `password`.

use super::start;
use minerva_tests::client::{Client, cell};
use serde_json::{Value, json};
use std::time::Duration;

fn asking(code: &str) -> Value {
    let mut content = cell(code);
    content["allow_stdin"] = true.into();
    content
}

fn begin(client: &mut Client, code: &str) -> String {
    let id = client.send("execute_request", asking(code));
    client.expect_status(&id, "busy");
    client.expect_iopub(&id, "execute_input");
    id
}

#[test]
fn a_cell_asks_whoever_sent_it_and_goes_on_with_the_answer() {
    let (kernel, mut client) = start();
    let mut other = kernel.connect();
    assert_eq!(client.iopub().kind(), "iopub_welcome");
    other.among_others();
    let id = begin(&mut client, "let name = input(\"who? \"); print(name); password() + password(\"key\")");
    let question = client.expect_question(&id);
    assert_eq!(question.content, json!({ "prompt": "who? ", "password": false }));
    client.answer("É v a", Some(&question));
    let question = client.expect_question(&id);
    assert_eq!(question.content, json!({ "prompt": "", "password": true }));
    client.answer("se", Some(&question));
    client.expect_question(&id);
    client.answer("cret", None);
    let ran = client.finish(&id);
    assert_eq!((ran.stream("stdout").as_str(), ran.result()), ("É v a\n", Some("\"secret\"")));
}

#[test]
fn without_allow_stdin_a_question_is_an_error() {
    let (_kernel, mut client) = start();
    for call in ["input(\"?\")", "password()"] {
        let ran = client.run(call);
        assert_eq!((ran.kinds(), &ran.reply["ename"]), (vec!["error"], &json!("InputError")));
        assert!(ran.reply["evalue"].as_str().unwrap().contains("allow_stdin is false"), "{ran:?}");
    }
}

#[test]
fn a_waiting_question_is_interrupted_and_its_late_answer_is_dropped() {
    let (_kernel, mut client) = start();
    let id = begin(&mut client, "let kept = 1; try { input(\"first\") } catch { print(\"swallowed\") }");
    let first = client.expect_question(&id);
    let interrupt = client.send_control("interrupt_request", json!({}));
    client.expect_control(&interrupt, "interrupt_reply");
    assert_eq!(client.expect_reply(&id, "execute_reply")["ename"], "Interrupted");
    let kinds: Vec<String> = (0..4).map(|_| client.iopub().kind().to_owned()).collect();
    assert_eq!(kinds.iter().filter(|k| *k == "error").count(), 1, "{kinds:?}");

    client.answer("too late", Some(&first));
    let id = begin(&mut client, "input(\"second\") + kept");
    let second = client.expect_question(&id);
    client.answer("too late again", Some(&first));
    std::thread::sleep(Duration::from_millis(50));
    client.answer("right", Some(&second));
    assert_eq!(client.finish(&id).result(), Some("\"right1\""));
}

#[test]
fn a_client_that_vanishes_while_it_is_asked_leaves_a_kernel_that_another_can_interrupt() {
    let (kernel, mut asked) = start();
    let mut other = kernel.connect();
    other.among_others();
    assert_eq!(asked.iopub().kind(), "iopub_welcome");
    let id = begin(&mut asked, "input(\"anybody?\")");
    asked.expect_question(&id);
    asked.leave();
    let interrupt = other.send_control("interrupt_request", json!({}));
    other.expect_status(&interrupt, "busy");
    other.expect_control(&interrupt, "interrupt_reply");
    other.expect_status(&interrupt, "idle");
    // Answered when the cell has ended; until then, its error would abort a cell that waits.
    other.ask("kernel_info", json!({}));
    assert_eq!(other.run("1").result(), Some("1"));
}
