//! JupyterLab's own files, its settings and its workspaces.

use super::help::{files_below, lab, server};
use minerva_tests::lab::Server;
use serde_json::{Value, json};
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[track_caller]
fn page(server: &Server, path: &str) -> String {
    let answer = server.ask("GET", path).send().expect(200);
    assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{:?}", answer.headers);
    answer.text()
}

/// What a page tells JupyterLab.
#[track_caller]
fn config(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"jupyter-config-data\"").unwrap();
    let (_, rest) = rest.split_once('>').unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// The addresses in `src` and `href`.
fn resources(page: &str) -> Vec<String> {
    let after = ["src=\"", "href=\""].map(|name| page.split(name).skip(1).collect::<Vec<_>>());
    after.concat().into_iter().filter_map(|rest| Some(rest.split('"').next()?.to_owned())).collect()
}

#[test]
fn the_page_is_complete_and_names_no_other_host() {
    let server = server();
    let page = page(&server, "/lab");
    let config = config(&page);
    assert_eq!((&config["appVersion"], &config["baseUrl"]), (&json!("4.6.6"), &json!("/")));
    assert_eq!(config["terminalsAvailable"], false);
    assert_eq!(config["news"]["disabled"], true);
    assert!(config["token"].as_str().is_none_or(str::is_empty), "the cookie is the proof, not the page");
    let root = std::fs::canonicalize(server.root()).unwrap();
    assert_eq!(config["serverRoot"], root.to_str().unwrap());
    for other in ["https://", "http://", "\"//", "cdn"] {
        let places = page.match_indices(other).filter(|(at, _)| !page[*at..].starts_with("http://www.w3.org/"));
        assert_eq!(places.count(), 0, "{other} in {page}");
    }
    let resources = resources(&page);
    assert!(resources.iter().any(|r| r.ends_with(".js")), "{resources:?}");
    for path in resources {
        assert!(path.starts_with('/'), "{path}");
        assert!(!server.ask("GET", &path).send().expect(200).body.is_empty(), "{path}");
    }
    for extension in config["federated_extensions"].as_array().unwrap() {
        let (name, load) = (extension["name"].as_str().unwrap(), extension["load"].as_str().unwrap());
        let answer = server.ask("GET", &format!("/lab/extensions/{name}/{load}")).send().expect(200);
        assert!(answer.header("content-type").unwrap().contains("javascript"), "{:?}", answer.headers);
        assert!(answer.text().contains("init") && answer.text().contains("get"), "a container of module federation");
    }
}

#[test]
fn an_address_leads_to_its_document() {
    let start = lab();
    std::fs::create_dir(start.root().join("sub")).unwrap();
    std::fs::write(start.root().join("sub/a é.txt"), "").unwrap();
    let server = start.go();
    let of = |path: &str| config(&page(&server, path));
    assert_eq!(of("/lab/tree/sub/a%20%C3%A9.txt")["treePath"], "sub/a é.txt");
    assert_eq!(of("/lab/workspaces/mine/tree/sub")["workspace"], "mine");
    assert_eq!(of("/lab")["mode"], "multiple-document");
    assert_eq!(of("/doc/tree/sub/a%20%C3%A9.txt")["mode"], "single-document");
    let home = server.ask("GET", "/").send();
    assert!((300..400).contains(&home.status), "{}", home.status);
    assert!(home.header("location").unwrap().starts_with("/lab"));
    let script = page(&server, "/lab/tree/%3C%2Fscript%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E");
    assert!(!script.contains("<script>alert"), "a path does not break out of the page");
    server.ask("GET", "/lab/api/no-such-thing").send().expect(404);
    server.ask("GET", "/static/lab/no-such-file.js").send().expect(404);
}

#[test]
fn compressed_and_plain_are_the_same_bytes() {
    let server = server();
    let main = resources(&page(&server, "/lab")).into_iter().find(|r| r.ends_with(".js")).unwrap();
    for path in [main.as_str(), "/lab/api/themes/@jupyterlab/theme-light-extension/index.css"] {
        let ask = |encoding: &str| server.ask("GET", path).header("Accept-Encoding", encoding).send().expect(200);
        let (packed, plain, refused) = (ask("gzip, br"), ask("identity"), ask("gzip, br;q=0"));
        assert_eq!(packed.header("content-encoding"), Some("br"), "{path}");
        assert_eq!((plain.header("content-encoding"), refused.header("content-encoding")), (None, None), "{path}");
        let mut unpacked = Vec::new();
        brotli::Decompressor::new(packed.body.as_slice(), 1 << 16).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == plain.body && plain.body == refused.body, "{path} differs");
        assert!(packed.body.len() < plain.body.len());
        assert!(packed.all("vary").to_ascii_lowercase().contains("accept-encoding"), "{path}");
        assert_eq!(packed.header("content-type"), plain.header("content-type"), "{path}");
    }
}

#[test]
fn settings_keep_the_comments_that_a_person_wrote() {
    const THEMES: &str = "/lab/api/settings/@jupyterlab/apputils-extension:themes";
    let mut server = server();
    let before = server.get(THEMES);
    assert!(before["schema"]["properties"]["theme"].is_object(), "{before}");
    let raw = "{\n    // in the evening\n    \"theme\": \"JupyterLab Dark\", /* and */ \"adaptive-theme\": false,\n}";
    server.ask("PUT", THEMES).json(&json!({ "raw": raw })).send().expect(204);
    let refused = server.ask("PUT", THEMES).json(&json!({ "raw": "{ \"theme\": " })).send().expect(400);
    assert!(refused.json()["message"].as_str().unwrap().contains("themes"), "{}", refused.text());
    server.again();
    let after = server.get(THEMES);
    assert_eq!((&after["raw"], &after["settings"]["theme"]), (&json!(raw), &json!("JupyterLab Dark")));
    let files = files_below(&server.folder().join("data"));
    let kept = files.iter().any(|p| std::fs::read_to_string(p).is_ok_and(|text| text.contains("in the evening")));
    assert!(kept, "{files:?}");

    let all = server.get("/lab/api/settings");
    let ids = server.get("/lab/api/settings?ids_only=true");
    let count = |settings: &Value| settings["settings"].as_array().unwrap().len();
    assert!(count(&all) > 30 && count(&all) == count(&ids), "{} and {}", count(&all), count(&ids));
    assert_eq!(ids["settings"][0].as_object().unwrap().len(), 1);
    let dark = all["settings"].as_array().unwrap().iter().find(|s| s["id"] == "@jupyterlab/apputils-extension:themes");
    assert_eq!(dark.unwrap()["raw"], raw);
    server.ask("GET", "/lab/api/settings/@jupyterlab/no-such-extension:plugin").send().expect(404);
}

#[test]
fn workspaces_are_kept_listed_and_deleted() {
    let mut server = server();
    let path = "/lab/api/workspaces/my-work";
    let workspace = json!({ "data": { "layout": { "zz": [1, 2], "a": null } }, "metadata": { "id": "my-work" } });
    server.ask("PUT", path).json(&workspace).send().expect(204);
    server.again();
    assert_eq!(server.get(path)["data"].to_string(), workspace["data"].to_string());
    let listed = server.get("/lab/api/workspaces");
    assert_eq!(listed["workspaces"]["ids"], json!(["my-work"]));
    assert_eq!(listed["workspaces"]["values"][0]["metadata"]["id"], "my-work");
    let other = json!({ "data": {}, "metadata": { "id": "another" } });
    server.ask("PUT", path).json(&other).send().expect(400);
    server.ask("DELETE", path).send().expect(204);
    assert_eq!(server.get("/lab/api/workspaces")["workspaces"]["ids"], json!([]));
    assert_eq!(server.get(path)["data"], json!({}), "a workspace that nobody saved is empty");
}

#[test]
fn themes_translations_licences_and_services_that_are_off_answer() {
    let server = server();
    let css = server.ask("GET", "/lab/api/themes/@jupyterlab/theme-dark-extension/index.css").send().expect(200);
    assert!(css.header("content-type").unwrap().starts_with("text/css") && css.text().contains("--jp-"));
    let licences = server.get("/lab/api/licenses?full_text=1");
    let packages: Vec<&Value> =
        licences["bundles"].as_object().unwrap().values().flat_map(|b| b["packages"].as_array().unwrap()).collect();
    assert!(packages.len() > 200, "{} packages", packages.len());
    assert!(packages.iter().any(|p| p["name"] == "jupyterlab" && p["licenseId"] == "BSD-3-Clause"));
    assert!(packages.iter().all(|p| p["name"].as_str().is_some_and(|n| !n.is_empty())));
    assert!(server.get("/lab/api/translations")["data"].is_object());
    assert!(server.get("/lab/api/translations/default")["data"].is_object());
    assert_eq!(server.get("/api/terminals"), json!([]));
    assert!(server.get("/api/nbconvert").is_object());
    let me = server.get("/api/me");
    assert!(me["identity"]["username"].is_string() && me["permissions"].is_object(), "{me}");
    assert!(server.get("/api")["version"].is_string());
    assert!(server.get("/api/status")["started"].is_string());
}

#[test]
fn sections_of_the_configuration_are_kept() {
    let server = server();
    let path = "/api/config/my-section";
    assert_eq!(server.get(path), json!({}));
    let kept = json!({ "z": 1, "a": { "deep": true } });
    let put = server.ask("PUT", path).json(&kept).send();
    assert!(matches!(put.status, 200 | 204), "{}", put.status);
    let patched = server.ask("PATCH", path).json(&json!({ "a": { "more": 2 } })).send().expect(200).json();
    assert_eq!(patched, json!({ "z": 1, "a": { "deep": true, "more": 2 } }));
    assert_eq!(server.get(path), patched);
}

#[test]
fn what_is_saved_is_told_to_whoever_listens() {
    let server = server();
    let bearer = format!("token {}", server.token());
    let mut events = server.socket("/api/events/subscribe", &[("Authorization", &bearer)], None).unwrap();
    let heard = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // The server may answer before it listens on behalf of the new connection: it is saved until it is heard.
        let saver = scope.spawn(|| {
            while !heard.load(Ordering::Relaxed) {
                server.save_text("a.txt", "text");
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let event = loop {
            let Ok(message) = events.read() else { break Value::Null };
            let event: Value = message.to_text().ok().and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default();
            if event["action"] == "save" {
                break event;
            }
        };
        heard.store(true, Ordering::Relaxed);
        saver.join().unwrap();
        assert_eq!(event["path"], "a.txt", "{event}");
        let schema = "https://events.jupyter.org/jupyter_server/contents_service/v1";
        assert_eq!(event["schema_id"], schema, "{event}");
    });
}
