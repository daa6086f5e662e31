//! Displays, their updates, progress.

use super::start;
use serde_json::{Value, json};

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
    // Under one name there is one display in a cell; the cell that runs again shows it again.
    for _ in 0..2 {
        let ran = client.run("display(1, \"d\"); display(2, \"d\")");
        assert_eq!(ran.kinds(), ["display_data", "update_display_data"]);
        assert!(ran.outputs.iter().all(|(_, content)| content["transient"] == json!({ "display_id": "d" })));
    }
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

#[test]
fn a_display_is_updated_by_its_handle_also_from_a_later_cell() {
    let (_kernel, mut client) = start();
    let ran = client.run("let d = display(1); d.update(html(\"<b>2</b>\")); d");
    assert_eq!(ran.kinds(), ["display_data", "update_display_data"], "a handle as the value of a cell shows nothing");
    let ids: Vec<&Value> = ran.outputs.iter().map(|(_, c)| &c["transient"]["display_id"]).collect();
    assert!(ids[0].as_str().is_some_and(|id| !id.is_empty()) && ids[0] == ids[1]);
    assert_eq!(ran.outputs[1].1["data"]["text/html"], "<b>2</b>");
    let later = client.run("for i in 3..5 { d.update(i) } print(d.id);");
    assert_eq!(later.kinds(), ["update_display_data", "update_display_data", "stream"]);
    assert_eq!(later.stream("stdout").trim(), ids[0].as_str().unwrap());
    assert_eq!(client.run("display(1, \"\")").reply["ename"], "ArgumentError");
}

#[test]
fn partial_lines_and_carriage_returns_arrive_as_they_are() {
    let (_kernel, mut client) = start();
    let ran = client
        .run("write(\"5 %\"); sleep(0.05); write(\"\\r10 %\"); write(\"\\n\"); print(\"a\\rb\"); write(\"end\");");
    assert_eq!(ran.kinds(), ["stream"]);
    assert_eq!(ran.stream("stdout"), "5 %\r10 %\na\rb\nend");
}
