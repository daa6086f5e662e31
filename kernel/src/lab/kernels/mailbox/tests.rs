#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::framing::Channel;
use super::*;
use serde_json::Value;

const CELL: &str = r#"{"msg_id":"cell","session":"s"}"#;

fn made(channel: Channel, kind: &str, parent: &str, content: &Value) -> Message {
    let parent = Bytes::from(parent.to_owned());
    Message { channel, ..Message::iopub(kind, "kernel", parent, content) }
}

fn text(name: &str, text: &str) -> Message {
    made(Channel::Iopub, "stream", CELL, &json!({ "name": name, "text": text }))
}

fn output(nth: usize) -> Message {
    made(Channel::Iopub, "display_data", CELL, &json!({ "data": { "text/plain": nth.to_string() }, "metadata": {} }))
}

fn reply(nth: usize) -> Message {
    made(Channel::Shell, "execute_reply", CELL, &json!({ "execution_count": nth }))
}

/// All that waits now, as contents.
fn read(attached: &Attached) -> Vec<Value> {
    let mut contents = Vec::new();
    while let Some(Taken::Messages { batch, messages }) = attached.try_take() {
        contents.extend(messages.iter().map(|m| serde_json::from_slice::<Value>(&m.content).unwrap()));
        attached.confirm(batch);
    }
    contents
}

fn contents(messages: impl IntoIterator<Item = Message>) -> Vec<Value> {
    messages.into_iter().map(|m| serde_json::from_slice(&m.content).unwrap()).collect()
}

#[test]
fn everybody_gets_outputs_in_order_and_replies_go_to_the_asker() {
    let boxes = Arc::new(Mailboxes::new());
    let (one, two) = (boxes.attach("one"), boxes.attach("two"));
    assert_eq!(boxes.connections(), 2);
    boxes.publish(output(1));
    boxes.deliver("two", reply(2));
    boxes.deliver("nobody", reply(3));
    boxes.publish(output(4));
    assert_eq!(read(&one), contents([output(1), output(4)]));
    assert_eq!(read(&two), contents([output(1), reply(2), output(4)]));
}

#[test]
fn a_tab_that_comes_back_reads_on() {
    let boxes = Arc::new(Mailboxes::new());
    let tab = boxes.attach("tab");
    boxes.publish(output(0));
    assert_eq!(read(&tab).len(), 1);
    drop(tab);
    assert_eq!(boxes.connections(), 0);
    for nth in 1..=100_000 {
        boxes.publish(output(nth));
    }
    boxes.deliver("tab", reply(0));
    let tab = boxes.attach("tab");
    assert!(!tab.is_new());
    let read = read(&tab);
    assert_eq!(read.len(), 100_001);
    assert_eq!(read[..100_000], contents((1..=100_000).map(output)));
    assert_eq!(read[100_000], contents([reply(0)])[0]);
}

#[test]
fn what_was_not_confirmed_comes_again_first() {
    let boxes = Arc::new(Mailboxes::new());
    let tab = boxes.attach("tab");
    (0..3).for_each(|nth| boxes.publish(output(nth)));
    let Some(Taken::Messages { batch, messages }) = tab.try_take() else { panic!() };
    assert_eq!(messages.len(), 3);
    tab.confirm(batch);
    boxes.publish(output(3));
    assert!(matches!(tab.try_take(), Some(Taken::Messages { .. })));
    boxes.publish(output(4));
    drop(tab);
    boxes.publish(output(5));
    assert_eq!(read(&boxes.attach("tab")), contents((3..6).map(output)));
}

#[test]
fn adjacent_text_of_one_cell_and_name_is_joined_while_it_waits() {
    let boxes = Arc::new(Mailboxes::new());
    let tab = boxes.attach("tab");
    for message in [text("stdout", "a"), text("stdout", "b"), text("stderr", "c"), text("stdout", "d"), output(0)] {
        boxes.publish(message);
    }
    let first = text("stdout", "e");
    boxes.publish(first.clone());
    boxes.publish(text("stdout", "é\n\u{1}"));
    boxes.publish(made(Channel::Iopub, "stream", "{}", &json!({ "name": "stdout", "text": "other cell" })));
    boxes.publish(made(Channel::Iopub, "stream", "{}", &json!({ "name": "stdout", "text": "more", "other": 1 })));
    let mut with_buffer = made(Channel::Iopub, "stream", "{}", &json!({ "name": "stdout", "text": "x" }));
    with_buffer.buffers.push(Bytes::from_static(b"x"));
    boxes.publish(with_buffer);
    let Some(Taken::Messages { messages, .. }) = tab.try_take() else { panic!() };
    assert_eq!(messages[4].header, first.header);
    let values = contents(messages);
    let texts: Vec<&str> = values.iter().map(|v| v["text"].as_str().unwrap_or("-")).collect();
    assert_eq!(texts, ["ab", "c", "d", "-", "eé\n\u{1}", "other cell", "more", "x"]);
}

#[test]
fn text_that_waits_costs_what_it_is_long() {
    let boxes = Arc::new(Mailboxes::new());
    drop(boxes.attach("tab"));
    for nth in 0..100_000 {
        boxes.publish(text("stdout", &format!("{nth}\n")));
    }
    assert!(boxes.lock().boxes["tab"].queue.bytes() < 1 << 20);
    let all: String = read(&boxes.attach("tab")).iter().map(|v| v["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(all, (0..100_000).map(|nth| format!("{nth}\n")).collect::<String>());
    assert_eq!(boxes.lock().boxes["tab"].queue.bytes(), 0);
}

#[test]
fn a_joined_text_has_an_end() {
    let boxes = Arc::new(Mailboxes::new());
    let tab = boxes.attach("tab");
    let piece = "x".repeat(400_000);
    (0..4).for_each(|_| boxes.publish(text("stdout", &piece)));
    assert_eq!(read(&tab).iter().map(|v| v["text"].as_str().unwrap().len()).collect::<Vec<_>>(), [800_000, 800_000]);
}

#[test]
fn a_newer_reader_takes_the_mailbox_over() {
    let boxes = Arc::new(Mailboxes::new());
    let old = boxes.attach("tab");
    boxes.publish(output(1));
    assert!(matches!(old.try_take(), Some(Taken::Messages { .. })));
    boxes.publish(output(2));
    let new = boxes.attach("tab");
    assert!(matches!(old.try_take(), Some(Taken::TakenOver)));
    old.confirm(u64::MAX);
    drop(old);
    assert_eq!(boxes.connections(), 1);
    assert_eq!(read(&new), contents([output(1), output(2)]));
}

#[tokio::test]
async fn a_reader_waits_until_there_is_something() {
    let boxes = Arc::new(Mailboxes::new());
    let tab = boxes.attach("tab");
    let (taken, ()) = tokio::join!(tab.take(), async { boxes.publish(output(1)) });
    assert!(matches!(taken, Taken::Messages { messages, .. } if messages.len() == 1));
    let (taken, new) = tokio::join!(tab.take(), async { boxes.attach("tab") });
    assert!(matches!(taken, Taken::TakenOver));
    drop(new);
}

#[test]
fn who_left_first_loses_outputs_first_and_is_told() {
    let boxes = Arc::new(Mailboxes::with_limit(100_000));
    let here = boxes.attach("here");
    drop(boxes.attach("first"));
    drop(boxes.attach("second"));
    boxes.deliver("first", reply(7));
    for message in [text("stdout", &"x".repeat(30_000)), output(0), text("stdout", &"y".repeat(30_000))] {
        boxes.publish(message);
        assert_eq!(read(&here).len(), 1);
    }
    let first = read(&boxes.attach("first"));
    assert_eq!(first.len(), 2);
    assert_eq!(first[0]["name"], "stderr");
    assert!(first[0]["text"].as_str().unwrap().starts_with("3 messages (1 MB) are missing here"), "{first:?}");
    assert_eq!(first[1]["execution_count"], 7);
    assert_eq!(read(&boxes.attach("second")).len(), 3);
}

#[test]
fn a_note_about_missing_output_belongs_to_its_cell() {
    let boxes = Arc::new(Mailboxes::with_limit(10_000));
    drop(boxes.attach("tab"));
    boxes.publish(text("stdout", &"x".repeat(30_000)));
    let Some(Taken::Messages { messages, .. }) = boxes.attach("tab").try_take() else { panic!() };
    assert_eq!(&messages[0].parent[..], CELL.as_bytes());
    assert_eq!(Head::read(&messages[0].header).unwrap().session, "kernel");
}

#[test]
fn replies_find_a_front_end_under_the_session_of_its_headers() {
    let boxes = Arc::new(Mailboxes::new());
    let (one, two) = (boxes.attach("one"), boxes.attach("two"));
    one.also("header");
    one.also("two");
    boxes.deliver("header", reply(1));
    boxes.deliver("two", reply(2));
    assert_eq!(read(&one), contents([reply(1)]));
    assert_eq!(read(&two), contents([reply(2)]));
    (0..1000).for_each(|nth| one.also(&nth.to_string()));
    assert_eq!(boxes.lock().aliases.len(), ALIASES);
}

#[test]
fn a_state_of_the_kernel_reaches_everybody_and_a_newcomer_first() {
    let boxes = Arc::new(Mailboxes::new());
    let tab = boxes.attach("tab");
    assert!(tab.is_new());
    boxes.publish(output(1));
    tab.say_first("busy");
    boxes.say_status("restarting");
    let state = |state: &str| json!({ "execution_state": state });
    assert_eq!(read(&tab), [state("busy"), contents([output(1)])[0].clone(), state("restarting")]);
}

#[test]
fn a_state_that_was_sent_is_not_sent_again() {
    let boxes = Arc::new(Mailboxes::new());
    let tab = boxes.attach("tab");
    boxes.publish(output(1));
    boxes.say_status("restarting");
    boxes.publish(output(2));
    assert!(matches!(tab.try_take(), Some(Taken::Messages { messages, .. }) if messages.len() == 3));
    drop(tab);
    boxes.say_status("restarting");
    assert_eq!(read(&boxes.attach("tab")).len(), 3);
}

#[test]
fn the_last_words_of_a_kernel_belong_to_the_cell_it_spoke_of() {
    let boxes = Arc::new(Mailboxes::new());
    let tab = boxes.attach("tab");
    boxes.publish(output(1));
    boxes.say_stderr("killed\n");
    let Some(Taken::Messages { messages, .. }) = tab.try_take() else { panic!() };
    assert_eq!(messages[1].parent, messages[0].parent);
    assert_eq!(contents(messages)[1], json!({ "name": "stderr", "text": "killed\n" }));
}

#[test]
fn a_closed_kernel_ends_its_readers_after_the_last_message() {
    let boxes = Arc::new(Mailboxes::new());
    drop(boxes.attach("away"));
    let tab = boxes.attach("tab");
    boxes.say_status("dead");
    boxes.close();
    assert_eq!(boxes.lock().boxes.len(), 1);
    assert_eq!(read(&tab).len(), 1);
    assert!(matches!(tab.try_take(), Some(Taken::Closed)));
    drop(tab);
    assert!(boxes.lock().boxes.is_empty());
}

#[test]
fn a_reader_without_a_name_leaves_nothing_behind() {
    let boxes = Arc::new(Mailboxes::new());
    let mut tab = boxes.attach("random");
    tab.forget_on_leave();
    tab.also("header");
    drop(tab);
    let inner = boxes.lock();
    assert!(inner.boxes.is_empty() && inner.aliases.is_empty());
}

/// Pictures of a megabyte.
fn large(boxes: &Mailboxes, count: usize) {
    let data = json!({ "data": { "image/png": "x".repeat(1 << 20) }, "metadata": {} });
    (0..count).for_each(|_| boxes.publish(made(Channel::Iopub, "display_data", CELL, &data)));
}

#[test]
fn what_is_not_confirmed_is_kept_and_the_rest_waits_for_it() {
    let boxes = Arc::new(Mailboxes::new());
    let tab = boxes.attach("tab");
    large(&boxes, 30);
    let mut batches = Vec::new();
    while let Some(Taken::Messages { batch, messages }) = tab.try_take() {
        batches.push((batch, messages.len()));
    }
    let taken: usize = batches.iter().map(|(_, count)| count).sum();
    assert!((16..30).contains(&taken), "{taken}");
    tab.confirm(batches[0].0);
    assert!(tab.try_take().is_some(), "there is room again");
    let tab = boxes.attach("tab");
    assert_eq!(read(&tab).len(), 30 - batches[0].1, "a connection that breaks loses nothing that was not confirmed");
}

#[tokio::test]
async fn a_kernel_waits_for_who_reads_and_for_nobody_else() {
    use futures_util::FutureExt;
    let boxes = Arc::new(Mailboxes::new());
    let tab = boxes.attach("tab");
    large(&boxes, 40);
    assert!(boxes.room().now_or_never().is_none(), "the tab has not read yet");
    let room = tokio::spawn({
        let boxes = boxes.clone();
        async move { boxes.room().await }
    });
    assert_eq!(read(&tab).len(), 40);
    room.await.unwrap();
    large(&boxes, 40);
    drop(tab);
    assert!(boxes.room().now_or_never().is_some(), "who is away is not waited for");
}

#[test]
fn nothing_is_joined_to_what_a_front_end_may_have() {
    let boxes = Arc::new(Mailboxes::new());
    let tab = boxes.attach("tab");
    boxes.publish(text("stdout", "a"));
    assert!(tab.try_take().is_some());
    let tab = boxes.attach("tab");
    boxes.publish(text("stdout", "b"));
    assert_eq!(read(&tab), contents([text("stdout", "a"), text("stdout", "b")]));
}
