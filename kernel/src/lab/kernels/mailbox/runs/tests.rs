#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::{Attached, Taken};
use super::*;
use std::sync::Arc;

fn header(request: &str, session: &str) -> Bytes {
    Bytes::from(json!({ "msg_id": request, "session": session, "msg_type": "execute_request" }).to_string())
}

fn said(channel: Channel, kind: &str, content: &Value) -> Message {
    Message { channel, ..Message::iopub(kind, "kernel", header("cell", "old"), content) }
}

fn text(text: &str) -> Message {
    said(Channel::Iopub, "stream", &json!({ "name": "stdout", "text": text }))
}

/// The kernel says that the cell is over.
fn finish(boxes: &Mailboxes) {
    boxes.publish(said(Channel::Iopub, "status", &json!({ "execution_state": "idle" })));
    boxes.deliver("old", said(Channel::Shell, "execute_reply", &json!({ "status": "ok", "execution_count": 7 })));
}

fn begin(boxes: &Arc<Mailboxes>) -> Attached {
    let old = boxes.attach("old");
    boxes.begin_run("old", "id of the cell".to_owned(), &header("cell", "old"));
    boxes.publish(said(Channel::Iopub, "execute_input", &json!({ "code": "", "execution_count": 7 })));
    boxes.publish(text("seen\n"));
    old
}

/// What waits: the parent's id, the type and, of a text, what it says.
fn read(attached: &Attached) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    while let Some(Taken::Messages { batch, messages }) = attached.try_take() {
        all.extend(messages.iter().map(|message| {
            let content: Value = serde_json::from_slice(&message.content).unwrap();
            let word = content["text"].as_str().or(content["execution_state"].as_str()).unwrap_or_default();
            let kind = Head::read(&message.header).unwrap().msg_type;
            (Head::read(&message.parent).unwrap().msg_id, kind, word.to_owned())
        }));
        attached.confirm(batch);
    }
    all
}

fn of<'a>(parent: &str, said: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<(String, String, String)> {
    said.into_iter().map(|(kind, word)| (parent.to_owned(), kind.to_owned(), word.to_owned())).collect()
}

#[test]
fn a_page_that_comes_new_hears_all_of_a_run_and_goes_on() {
    let boxes = Arc::new(Mailboxes::new());
    let old = begin(&boxes);
    assert_eq!(read(&old).len(), 2);
    assert_eq!(boxes.unseen_runs(), []);
    drop(old);
    (0..100_000).for_each(|nth| boxes.publish(text(&format!("{nth}\n"))));
    let unseen = Unseen { cell: "id of the cell".to_owned(), request: "cell".to_owned(), done: false, count: Some(7) };
    assert_eq!(boxes.unseen_runs(), [unseen]);

    let new = boxes.attach("new");
    boxes.publish(text("on the way\n"));
    boxes.take_up_run("new", "cell", &header("again", "new"), "busy");
    boxes.publish(text("live\n"));
    finish(&boxes);
    let said = read(&new);
    let own: Vec<_> = said.iter().filter(|(parent, ..)| parent == "again").cloned().collect();
    let words: String = own.iter().filter(|(_, kind, _)| kind == "stream").map(|(.., word)| &**word).collect();
    let numbers: String = (0..100_000).map(|nth| format!("{nth}\n")).collect();
    assert_eq!(words, format!("seen\n{numbers}on the way\nlive\n"));
    assert_eq!(own.first(), of("again", [("execute_input", "")]).first());
    assert_eq!(own[own.len() - 2..], of("again", [("status", "idle"), ("execute_reply", "")]));
    assert_eq!(boxes.unseen_runs(), [], "it is read");
    drop(new);
    assert_eq!(boxes.unseen_runs(), [], "it was there at the end");
}

#[test]
fn a_run_that_ended_alone_is_kept_until_a_page_has_it() {
    let boxes = Arc::new(Mailboxes::new());
    drop(begin(&boxes));
    finish(&boxes);
    assert!(boxes.unseen_runs()[0].done);
    let new = boxes.attach("new");
    boxes.take_up_run("new", "cell", &header("again", "new"), "idle");
    drop(new);
    assert_eq!(boxes.unseen_runs().len(), 1, "nobody has confirmed");
    let newer = boxes.attach("newer");
    boxes.take_up_run("newer", "cell", &header("third", "newer"), "idle");
    let expected = [("execute_input", ""), ("stream", "seen\n"), ("status", "idle"), ("execute_reply", "")];
    assert_eq!(read(&newer), of("third", expected));
    drop(newer);
    assert_eq!(boxes.unseen_runs(), []);
}

#[test]
fn a_run_ends_with_its_process_and_what_is_no_run_at_once() {
    let boxes = Arc::new(Mailboxes::new());
    drop(begin(&boxes));
    boxes.say_stderr("it died\n");
    boxes.say_status("restarting");
    boxes.publish(Message::iopub("status", "next", Bytes::from_static(b"{}"), &json!({ "execution_state": "idle" })));
    let new = boxes.attach("new");
    boxes.take_up_run("new", "cell", &header("again", "new"), "idle");
    boxes.take_up_run("new", "cell of yesterday", &header("other", "new"), "idle");
    let Some(Taken::Messages { messages, .. }) = new.try_take() else { panic!() };
    assert!(messages.iter().all(|message| Head::read(&message.header).unwrap().session == "next"));
    let new = boxes.attach("new");
    let expected = [
        ("execute_input", ""),
        ("stream", "seen\n"),
        ("stream", "it died\nThe kernel ended while this cell ran. Run the cell again.\n"),
        ("execute_reply", ""),
        ("status", "idle"),
    ];
    let mut expected = of("again", expected);
    expected.extend(of("other", [("execute_reply", ""), ("status", "idle")]));
    assert_eq!(read(&new), expected);
}

#[test]
fn a_question_is_asked_again_until_it_is_answered() {
    let boxes = Arc::new(Mailboxes::new());
    drop(begin(&boxes));
    boxes.deliver("old", said(Channel::Stdin, "input_request", &json!({ "prompt": "name? " })));
    let new = boxes.attach("new");
    boxes.take_up_run("new", "cell", &header("again", "new"), "busy");
    let asked =
        |said: Vec<(String, String, String)>| said.iter().filter(|(_, kind, _)| kind == "input_request").count();
    assert_eq!(asked(read(&new)), 1);
    boxes.answered();
    drop(new);
    let newer = boxes.attach("newer");
    boxes.take_up_run("newer", "cell", &header("third", "newer"), "busy");
    assert_eq!(asked(read(&newer)), 0);
}

#[test]
fn a_cell_that_runs_again_has_one_run() {
    let boxes = Arc::new(Mailboxes::new());
    drop(begin(&boxes));
    boxes.begin_run("old", "id of the cell".to_owned(), &header("next", "old"));
    assert_eq!(boxes.unseen_runs().iter().map(|run| &*run.request).collect::<Vec<_>>(), ["next"]);
}

#[test]
fn too_long_outputs_are_given_up_and_told() {
    let boxes = Arc::new(Mailboxes::with_limit(1 << 20));
    drop(begin(&boxes));
    (0..4).for_each(|_| boxes.publish(text(&"x".repeat(400_000))));
    let new = boxes.attach("new");
    boxes.take_up_run("new", "cell", &header("again", "new"), "idle");
    assert!(read(&new).iter().any(|(parent, _, word)| parent == "again" && word.contains("missing")));
}

#[test]
fn a_request_says_which_cell_it_is_of() {
    let request = |metadata: &str| {
        let header = header("cell", "old");
        let metadata = Bytes::from(metadata.to_owned());
        Wish::read(&Message { channel: Channel::Shell, header, metadata, ..text("") })
    };
    assert_eq!(request(r#"{"cellId":"a","tags":[]}"#), Some(Wish::Run("a".to_owned())));
    assert_eq!(request(r#"{"cellId":"a","minervaRun":"b"}"#), Some(Wish::Again("b".to_owned())));
    assert_eq!(request(r#"{"cellId":3}"#), None);
    assert_eq!(request("{}"), None);
    assert_eq!(Wish::read(&text("")), None);
}
