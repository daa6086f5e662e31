//! Notebooks: nothing that a file holds is lost on its way through the server.

use super::help::{notebook, plain, server};
use serde_json::{Value, json};

/// A notebook with fields that no specification knows.
fn unusual() -> Value {
    let data = json!({
        "text/plain": "2", "application/vnd.x+json": { "deep": [[1, [2]]], "big": 9_007_199_254_740_993_u64 },
        "text/html": "<b>\n2\n</b>",
    });
    let outputs = json!([
        { "output_type": "stream", "name": "stdout", "text": "line 1\nline 2\n" },
        { "output_type": "execute_result", "execution_count": 7, "metadata": { "later": 1 }, "data": data },
    ]);
    let code = json!({
        "id": "code-1", "cell_type": "code", "source": "let a = 1;\na + 1\n", "execution_count": 7,
        "metadata": { "zz": 1, "tags": ["keep"], "custom": { "b": 1, "a": 2 } },
        "outputs": outputs, "future_field": { "of": "a cell" },
    });
    let text = json!({
        "id": "md-1", "cell_type": "markdown", "source": "# É\n\u{2028}text", "metadata": {}, "attachments": {},
    });
    let raw = json!({ "id": "raw-1", "cell_type": "raw", "source": "", "metadata": { "format": "text/x" } });
    json!({
        "nbformat_minor": 5, "zebra": { "unknown": [1, 2.5, null, "x"], "alpha": true }, "cells": [code, text, raw],
        "metadata": { "unknown": { "deep": { "deeper": [] } }, "language_info": { "name": "rhai" }, "tiny": 1e-300 },
        "nbformat": 4,
    })
}

#[test]
fn fields_that_nobody_knows_are_kept() {
    let server = server();
    let sent = unusual();
    server.save_notebook("unusual.ipynb", &sent);
    let file = std::fs::read_to_string(server.root().join("unusual.ipynb")).unwrap();
    let written: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(plain(written), plain(sent.clone()), "in the file");
    assert!(file.ends_with("}\n") && file.contains("\n \"cells\""), "indented by one space, with a newline at the end");
    let returned = server.get("/api/contents/unusual.ipynb?type=notebook")["content"].clone();
    assert_eq!(plain(returned.clone()), plain(sent), "in the model");
    assert!(returned["cells"][0]["source"].is_string(), "a model has texts whole");
    // A second time: the file that was read is the file that is written.
    server.save_notebook("unusual.ipynb", &returned);
    assert_eq!(std::fs::read_to_string(server.root().join("unusual.ipynb")).unwrap(), file);
}

#[test]
fn a_notebook_of_an_older_format_opens_in_today_s() {
    let server = server();
    let old = json!({
        "metadata": { "name": "" }, "nbformat": 3, "nbformat_minor": 0,
        "worksheets": [{ "cells": [
            { "cell_type": "code", "collapsed": false, "input": "1 + 1", "language": "python", "metadata": {}, "outputs": [] },
        ], "metadata": {} }],
    });
    std::fs::write(server.root().join("old.ipynb"), old.to_string()).unwrap();
    let content = server.get("/api/contents/old.ipynb")["content"].clone();
    assert_eq!((&content["nbformat"], &content["cells"][0]["source"]), (&json!(4), &json!("1 + 1")));
}

#[test]
fn what_is_no_notebook_is_told_and_can_still_be_opened_as_text() {
    let server = server();
    std::fs::write(server.root().join("broken.ipynb"), "{\"cells\": [").unwrap();
    let answer = server.ask("GET", "/api/contents/broken.ipynb").send().expect(400);
    assert!(answer.json()["message"].as_str().unwrap().contains("broken.ipynb"), "{}", answer.text());
    assert_eq!(server.get("/api/contents/broken.ipynb?type=file&format=text")["content"], "{\"cells\": [");
}

#[test]
fn fifty_megabytes_of_notebook_are_saved_and_read_back_whole() {
    let server = server();
    let line = "0123456789abcdef".repeat(64) + "\n";
    let text = line.repeat((50 << 20) / line.len());
    let big = notebook("print(1)", &json!([{ "output_type": "stream", "name": "stdout", "text": text }]));
    server.save_notebook("big.ipynb", &big);
    assert!(std::fs::metadata(server.root().join("big.ipynb")).unwrap().len() > 50 << 20);
    let returned = server.get("/api/contents/big.ipynb?type=notebook&content=1&hash=1")["content"].clone();
    // Not assert_eq: nobody wants to see two of them.
    assert!(plain(returned) == plain(big), "the notebook that came back is another");
}
