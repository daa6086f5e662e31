//! Kernels and sessions: started, asked, interrupted, restarted, ended.

use super::help::{MINERVA, lab, server};
use minerva_tests::client::cell;
use minerva_tests::lab::{Framing, Tab};
use serde_json::{Value, json};

#[test]
fn minerva_is_there_without_being_installed_and_is_the_default() {
    let server = server();
    let specs = server.get("/api/kernelspecs");
    assert_eq!(specs["default"], "minerva");
    let spec = &specs["kernelspecs"]["minerva"];
    assert_eq!((&spec["name"], &spec["spec"]["language"]), (&json!("minerva"), &json!("rhai")));
    assert_eq!(server.get("/api/kernelspecs/minerva")["spec"], spec["spec"]);
    let resources = spec["resources"].as_object().unwrap();
    assert!(resources.contains_key("logo-svg") && resources.contains_key("logo-64x64"), "{resources:?}");
    for (name, path) in resources {
        let logo = server.ask("GET", path.as_str().unwrap()).send().expect(200);
        let kind = logo.header("content-type").unwrap();
        assert!(kind.starts_with("image/") && !logo.body.is_empty(), "{name}: {kind}");
    }
    server.ask("GET", "/api/kernelspecs/minervaa").send().expect(404);
}

#[test]
fn a_cell_runs_in_both_framings() {
    let server = server();
    let kernel = server.start_kernel("minerva");
    for framing in [Framing::V1, Framing::Json] {
        let mut tab = Tab::open_in(&server, &kernel, "one-tab", framing);
        let info = tab.request("kernel_info", &json!({}));
        assert_eq!((&info["status"], &info["language_info"]["name"]), (&json!("ok"), &json!("rhai")));
        let ran = tab.run("print(\"hellö\"); 6 * 7");
        assert_eq!((ran.stream("stdout").as_str(), ran.result()), ("hellö\n", Some("42")));
        assert_eq!(ran.reply["status"], "ok");
        let failed = tab.run("no_such_name");
        assert_eq!((failed.kinds(), &failed.reply["status"]), (vec!["error"], &json!("error")));
    }
}

#[test]
fn a_question_is_asked_in_the_tab_that_sent_the_cell() {
    let server = server();
    let kernel = server.start_kernel("minerva");
    let mut tab = Tab::open(&server, &kernel, "asking");
    let mut content = cell("let name = input(\"who? \"); name + \"!\"");
    content["allow_stdin"] = true.into();
    let id = tab.send("shell", "execute_request", &content);
    let question = tab.wait("a question", |m| m.kind() == "input_request");
    assert_eq!((question.channel.as_str(), question.parent_id()), ("stdin", id.as_str()));
    assert_eq!(question.content["prompt"], "who? ");
    tab.answer("stdin", "input_reply", &json!({ "value": "Eva" }), &question.header);
    assert_eq!(tab.finish(&id).result(), Some("\"Eva!\""));
}

#[test]
fn completion_and_inspection_are_answered_while_other_tabs_watch() {
    let server = server();
    let kernel = server.start_kernel("minerva");
    let mut tab = Tab::open(&server, &kernel, "one");
    let _watching = Tab::open(&server, &kernel, "two");
    let completed = tab.request("complete", &json!({ "code": "prin", "cursor_pos": 4 }));
    let matches = completed["matches"].as_array().unwrap();
    assert!(matches.iter().any(|m| m.as_str().is_some_and(|m| m.starts_with("print"))), "{completed}");
    let inspected = tab.request("inspect", &json!({ "code": "load(1)", "cursor_pos": 2, "detail_level": 0 }));
    assert_eq!((&inspected["status"], &inspected["found"]), (&json!("ok"), &json!(true)));
    assert_eq!(server.get(&format!("/api/kernels/{kernel}"))["connections"], 2);
}

#[test]
fn an_interrupt_ends_the_cell_and_keeps_the_variables() {
    let server = server();
    let kernel = server.start_kernel("minerva");
    let mut tab = Tab::open(&server, &kernel, "one");
    tab.run("let kept = 5;");
    let id = tab.begin("loop { }");
    server.wait_kernel(&kernel, "a busy kernel", |m| m["execution_state"] == "busy");
    server.ask("POST", &format!("/api/kernels/{kernel}/interrupt")).send().expect(204);
    assert_eq!(tab.finish(&id).reply["ename"], "Interrupted");
    assert_eq!(tab.run("kept").result(), Some("5"));
    server.wait_kernel(&kernel, "an idle kernel", |m| m["execution_state"] == "idle");
}

#[test]
fn after_a_restart_the_same_tab_talks_to_a_new_process() {
    let server = server();
    let kernel = server.start_kernel("minerva");
    let mut tab = Tab::open(&server, &kernel, "one");
    assert_eq!(tab.run("let gone = 1; gone").result(), Some("1"));
    let model = server.ask("POST", &format!("/api/kernels/{kernel}/restart")).send().expect(200).json();
    assert_eq!((&model["id"], &model["name"]), (&json!(kernel), &json!("minerva")));
    assert_eq!(tab.run("gone").reply["status"], "error");
    assert_eq!(tab.run("2 + 2").result(), Some("4"));
    // In the middle of a cell, too.
    tab.begin("loop { }");
    server.ask("POST", &format!("/api/kernels/{kernel}/restart")).send().expect(200);
    assert_eq!(tab.run("3 + 3").result(), Some("6"));
}

#[test]
fn a_kernel_that_was_ended_is_gone() {
    let server = server();
    let kernel = server.start_kernel("minerva");
    let path = format!("/api/kernels/{kernel}");
    assert_eq!(server.get("/api/kernels")[0]["id"], json!(kernel));
    server.ask("DELETE", &path).send().expect(204);
    for (method, path) in [("GET", path.clone()), ("DELETE", path.clone()), ("POST", format!("{path}/interrupt"))] {
        server.ask(method, &path).send().expect(404);
    }
    assert_eq!(server.get("/api/kernels"), json!([]));
    let bearer = format!("token {}", server.token());
    assert_eq!(server.socket(&format!("{path}/channels"), &[("Authorization", &bearer)], None).err(), Some(404));
    if cfg!(target_os = "linux") {
        server.wait_for("the end of its process", || server.children().is_empty().then_some(()));
    }
}

#[test]
fn a_session_ties_a_document_to_a_kernel() {
    let server = server();
    std::fs::create_dir(server.root().join("sub")).unwrap();
    std::fs::write(server.root().join("sub/beside.txt"), "").unwrap();
    let body = json!({ "path": "sub/a.ipynb", "name": "a.ipynb", "type": "notebook", "kernel": { "name": "minerva" } });
    let answer = server.ask("POST", "/api/sessions").json(&body).send().expect(201);
    let session = answer.json();
    let path = format!("/api/sessions/{}", session["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), Some(path.as_str()));
    let kernel = session["kernel"]["id"].as_str().unwrap().to_owned();
    assert_eq!((&session["path"], &session["type"]), (&json!("sub/a.ipynb"), &json!("notebook")));
    assert_eq!(server.get("/api/sessions")[0]["id"], session["id"]);
    // The same document again: the same session, the same kernel.
    let again = server.ask("POST", "/api/sessions").json(&body).send().expect(201).json();
    assert_eq!((&again["id"], &again["kernel"]["id"]), (&session["id"], &json!(kernel)));
    // It stands beside its notebook.
    let mut tab = Tab::open(&server, &kernel, "one");
    assert_eq!(tab.run("file_exists(\"beside.txt\")").result(), Some("true"));

    let renamed = server.ask("PATCH", &path).json(&json!({ "path": "b.ipynb", "name": "b.ipynb" })).send().expect(200);
    assert_eq!((&renamed.json()["path"], &renamed.json()["kernel"]["id"]), (&json!("b.ipynb"), &json!(kernel)));
    let other = server.ask("PATCH", &path).json(&json!({ "kernel": { "name": "minerva" } })).send().expect(200).json();
    assert_ne!(other["kernel"]["id"], json!(kernel));
    server.ask("GET", &format!("/api/kernels/{kernel}")).send().expect(404);
    server.ask("DELETE", &path).send().expect(204);
    server.ask("GET", &path).send().expect(404);
    assert_eq!(server.get("/api/kernels"), json!([]));
}

#[test]
fn a_session_whose_kernel_was_ended_is_gone_too() {
    let server = server();
    let body = json!({ "path": "a.ipynb", "type": "notebook", "kernel": {} });
    let session = server.ask("POST", "/api/sessions").json(&body).send().expect(201).json();
    assert_eq!(session["kernel"]["name"], "minerva", "no name: the default");
    let kernel = session["kernel"]["id"].as_str().unwrap();
    server.ask("DELETE", &format!("/api/kernels/{kernel}")).send().expect(204);
    assert_eq!(server.get("/api/sessions"), json!([]));
}

#[test]
fn two_tabs_see_the_output_of_each_other_and_only_their_own_replies() {
    let server = server();
    let kernel = server.start_kernel("minerva");
    let mut one = Tab::open(&server, &kernel, "one");
    let mut two = Tab::open_in(&server, &kernel, "two", Framing::Json);
    assert_eq!(one.run("print(\"from one\"); let common = 7;").stream("stdout"), "from one\n");
    let seen = two.wait("the output of the other", |m| {
        assert_eq!(m.channel, "iopub", "{m:?}");
        m.kind() == "stream"
    });
    assert_eq!((&seen.content["text"], &seen.parent["session"]), (&json!("from one\n"), &json!("one")));
    assert_eq!(two.run("common").result(), Some("7"));
    let seen = one.wait("the result of the other", |m| {
        assert_eq!(m.channel, "iopub", "{m:?}");
        m.kind() == "execute_result"
    });
    assert_eq!(seen.parent["session"], "two");
}

#[test]
fn twenty_kernels_run_at_once() {
    let server = server();
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..20)
            .map(|n| {
                let server = &server;
                scope.spawn(move || {
                    let kernel = server.start_kernel("minerva");
                    let mut tab = Tab::open(server, &kernel, &format!("tab-{n}"));
                    tab.run(&format!("let n = {n};"));
                    let squared = tab.run("print(n * n)").stream("stdout");
                    (tab, kernel, squared)
                })
            })
            .collect();
        let ran: Vec<_> = runs.into_iter().map(|run| run.join().unwrap()).collect();
        for (n, (_, _, squared)) in ran.iter().enumerate() {
            assert_eq!(*squared, format!("{}\n", n * n));
        }
        assert_eq!(server.get("/api/kernels").as_array().unwrap().len(), 20);
        assert_eq!(server.get("/api/status")["kernels"], 20);
        // All of them still live when all have been started.
        for (n, (mut tab, _, _)) in ran.into_iter().enumerate() {
            assert_eq!(tab.run("n").result(), Some(n.to_string().as_str()));
        }
    });
}

#[cfg(unix)]
#[test]
fn a_kernel_of_another_language_works_and_one_that_cannot_start_says_why() {
    let start = lab();
    start.kernelspec("other", "other", &["/bin/sh", "-c", "exec \"$0\" kernel \"$1\"", MINERVA, "{connection_file}"]);
    start.kernelspec("missing", "none", &["/no/such/program", "{connection_file}"]);
    start.kernelspec("ending", "none", &["/bin/sh", "-c", "echo the reason is told >&2; exit 3", "{connection_file}"]);
    let server = start.go();
    let specs = server.get("/api/kernelspecs");
    assert_eq!(specs["kernelspecs"]["other"]["spec"]["language"], "other");
    let other = server.start_kernel("other");
    assert_eq!(Tab::open(&server, &other, "one").run("1 + 1").result(), Some("2"));

    let start = |name: &str| server.ask("POST", "/api/kernels").json(&json!({ "name": name })).send();
    let message = |answer: &Value| answer["message"].as_str().unwrap().to_owned();
    let missing = start("missing");
    assert!(missing.status >= 400 && message(&missing.json()).contains("/no/such/program"), "{}", missing.text());
    let unknown = start("minervaa");
    assert!(unknown.status >= 400 && message(&unknown.json()).contains("minerva"), "{}", unknown.text());
    let body = json!({ "path": "a.ipynb", "type": "notebook", "kernel": { "name": "unknown-kernel" } });
    let session = server.ask("POST", "/api/sessions").json(&body).send();
    assert!(session.status >= 400 && message(&session.json()).contains("unknown-kernel"), "{}", session.text());
    assert_eq!(server.get("/api/kernels").as_array().unwrap().len(), 1, "what did not start is not listed");

    // A program that ends at once is either refused or reported as dead; it never looks as if it lived.
    let ending = start("ending");
    if ending.status < 400 {
        let id = ending.json()["id"].as_str().unwrap().to_owned();
        let gone = || server.ask("GET", &format!("/api/kernels/{id}")).send();
        server.wait_for("the report of its death", || {
            let answer = gone();
            (answer.status == 404 || answer.json()["execution_state"] == "dead").then_some(())
        });
    }
}
