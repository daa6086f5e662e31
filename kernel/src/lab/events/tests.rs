#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

const SAVED: &str = "contents_service/v1";

#[test]
fn an_event_begins_with_its_schema() {
    let at = "2026-01-02T03:04:05.000006Z".parse().unwrap();
    let event = capsule(SAVED, json!({ "action": "save", "path": "a.ipynb", "schema_id": "other" }), at);
    assert_eq!(
        event.to_string(),
        r#"{"schema_id":"https://events.jupyter.org/jupyter_server/contents_service/v1","action":"save","path":"a.ipynb","__timestamp__":"2026-01-02T03:04:05.000006Z","__schema_version__":"1","__metadata_version__":1}"#
    );
}

#[tokio::test]
async fn a_slow_listener_loses_the_oldest() {
    let events = Events::new();
    events.emit(SAVED, json!({}));
    let mut news = events.listeners.subscribe();
    for nth in 0..QUEUE + 1 {
        events.emit(SAVED, json!({ "action": "save", "path": nth.to_string() }));
    }
    assert!(matches!(news.recv().await, Err(RecvError::Lagged(1))));
    assert!(news.recv().await.unwrap().as_str().contains(r#""path":"1""#));
}

fn posted(event: &Value) -> Result<Posted, String> {
    Posted::read(event.to_string().as_bytes())
}

fn event(schema: &str, data: Value) -> Value {
    json!({ "schema_id": format!("{PREFIX}{schema}"), "version": "1", "data": data })
}

#[test]
fn known_events_may_be_posted() {
    let mut saved = event(SAVED, json!({ "action": "save", "path": "x", "more": 1 }));
    let read = posted(&saved).unwrap();
    assert_eq!((read.schema, &read.data["more"]), (SAVED, &json!(1)));
    saved["version"] = json!(1);
    saved["timestamp"] = json!("2022-05-26T13:50:00+05:00Z");
    assert_eq!(posted(&saved).unwrap().at, "2022-05-26T08:50:00Z".parse::<Timestamp>().unwrap());
    for data in [
        json!({ "action": "start", "msg": "m" }),
        json!({ "action": "start", "msg": "m", "status": "error" }),
        json!({ "action": "restart", "msg": "m", "kernel_id": "k", "status": "success" }),
    ] {
        posted(&event("kernel_actions/v1", data)).unwrap();
    }
}

#[test]
fn others_are_refused() {
    let good = event(SAVED, json!({ "action": "save", "path": "x" }));
    let with = |key: &str, value: Value| {
        let mut event = good.clone();
        event[key] = value;
        event
    };
    let bad = [
        with("schema_id", json!("http://other")),
        with("schema_id", json!(1)),
        with("version", json!("2")),
        with("data", json!([])),
        with("data", json!({ "action": "save" })),
        with("data", json!({ "action": "eat", "path": "x" })),
        with("timestamp", json!("yesterday")),
        event("kernel_actions/v1", json!({ "action": "restart", "msg": "m" })),
        event("kernel_actions/v1", json!({ "action": "start", "msg": "m", "status": "success" })),
        json!({ "schema_id": "x", "version": "1" }),
        json!([]),
    ];
    for event in bad {
        posted(&event).unwrap_err();
    }
    Posted::read(b"{").unwrap_err();
}
