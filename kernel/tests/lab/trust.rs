//! Whether outputs may run script is known to this machine, never said by a file.

use super::help::{files_below, notebook, server};
use minerva_tests::lab::Server;
use serde_json::{Value, json};

/// A notebook with script in an output, and every claim to be trusted.
fn evil() -> Value {
    let html = "<script>alert(1)</script>";
    let outputs =
        json!([{ "output_type": "display_data", "data": { "text/html": html }, "metadata": { "trusted": true } }]);
    let mut notebook = notebook("1", &outputs);
    notebook["metadata"]["trusted"] = true.into();
    notebook["metadata"]["signature"] = "sha256:0000".into();
    notebook["cells"][0]["metadata"]["trusted"] = true.into();
    notebook
}

fn open(server: &Server) -> Value {
    server.get("/api/contents/evil.ipynb?type=notebook&content=1")["content"].clone()
}

fn trusted(server: &Server) -> bool {
    open(server)["cells"][0]["metadata"]["trusted"] == true
}

#[test]
fn a_notebook_that_says_it_is_trusted_is_not_believed() {
    let server = server();
    std::fs::write(server.root().join("evil.ipynb"), evil().to_string()).unwrap();
    assert!(!trusted(&server));
    let opened = open(&server);
    // Saved without having been run: as little.
    server.save_notebook("evil.ipynb", &opened);
    assert!(!trusted(&server));
}

#[test]
fn a_notebook_that_was_run_here_is_trusted_until_somebody_else_changes_it() {
    let server = server();
    // A front end marks cells that the person has run.
    server.save_notebook("evil.ipynb", &evil());
    assert!(trusted(&server));
    let file = server.root().join("evil.ipynb");
    let text = std::fs::read_to_string(&file).unwrap();
    let written: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(written["cells"][0]["metadata"].get("trusted"), None, "trust is not in the file");
    std::fs::write(&file, text.replace("alert(1)", "alert(2)")).unwrap();
    assert!(!trusted(&server), "a changed output");
    std::fs::write(&file, text).unwrap();
    assert!(trusted(&server), "what was signed is back");
}

#[test]
fn one_cell_that_was_not_run_keeps_a_notebook_untrusted() {
    let server = server();
    let mut half = evil();
    let mut second = half["cells"][0].clone();
    second["id"] = "second".into();
    second["metadata"] = json!({});
    half["cells"].as_array_mut().unwrap().push(second);
    server.save_notebook("evil.ipynb", &half);
    assert!(!trusted(&server));
}

#[test]
fn a_person_can_trust_a_notebook_and_a_server_that_is_started_again_knows() {
    let mut server = server();
    std::fs::write(server.root().join("evil.ipynb"), evil().to_string()).unwrap();
    assert!(!trusted(&server));
    server.ask("POST", "/api/contents/evil.ipynb/trust").send().expect(201);
    assert!(trusted(&server));
    server.again();
    assert!(trusted(&server));
}

#[test]
fn a_signature_needs_the_key_of_this_user() {
    let server = server();
    server.save_notebook("evil.ipynb", &evil());
    assert!(trusted(&server));
    // The same bytes below another user's data.
    let other = super::help::server();
    std::fs::copy(server.root().join("evil.ipynb"), other.root().join("evil.ipynb")).unwrap();
    assert!(!trusted(&other));
    let below = files_below(&server.root());
    assert!(below.iter().all(|p| p.ends_with("evil.ipynb") || p.to_string_lossy().contains("checkpoint")), "{below:?}");
}

#[test]
fn a_foreign_page_trusts_nothing() {
    let server = server();
    std::fs::write(server.root().join("evil.ipynb"), evil().to_string()).unwrap();
    let browser = minerva_tests::lab::Browser::open(&server);
    let forged = browser.ask("POST", "/api/contents/evil.ipynb/trust").header("Origin", "http://evil.example");
    forged.header("X-XSRFToken", browser.xsrf()).send().expect(403);
    browser.ask("POST", "/api/contents/evil.ipynb/trust").send().expect(403);
    assert!(!trusted(&server));
}
