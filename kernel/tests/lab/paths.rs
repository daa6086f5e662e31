//! Names that lead out of the folder that is served.

use super::help::{files_below, lab, server};
use minerva_tests::lab::{Server, Start};
use serde_json::json;

const SECRET: &str = "the-secret-beside-the-folder";

/// A server whose folder has a file with a secret beside it.
fn beside_a_secret() -> (Start, std::path::PathBuf) {
    let start = lab();
    let secret = start.folder().join("secret.txt");
    std::fs::write(&secret, SECRET).unwrap();
    std::fs::create_dir(start.root().join("sub")).unwrap();
    std::fs::write(start.root().join("sub/inside.txt"), "inside").unwrap();
    (start, secret)
}

/// All ways to write the path to the secret that a server may fall for.
fn ways(server: &Server) -> Vec<String> {
    let absolute = server.folder().join("secret.txt").display().to_string();
    let encoded = absolute.replace('/', "%2f");
    let mut ways: Vec<String> = [
        "../secret.txt",
        "sub/../../secret.txt",
        "./../secret.txt",
        "..//secret.txt",
        "%2e%2e/secret.txt",
        "%2E%2E/secret.txt",
        ".%2e/secret.txt",
        "..%2fsecret.txt",
        "..%2Fsecret.txt",
        "%2e%2e%2fsecret.txt",
        "sub%2f..%2f..%2fsecret.txt",
        "%252e%252e/secret.txt",
        "..%252fsecret.txt",
        "%252e%252e%252fsecret.txt",
        "..\\secret.txt",
        "..%5csecret.txt",
        "..%5c/secret.txt",
        "..%c0%afsecret.txt",
        "%c0%ae%c0%ae/secret.txt",
        "..%00/secret.txt",
        "../secret.txt%00",
        "sub/inside.txt/../../../secret.txt",
        "..;/secret.txt",
        "%uff0e%uff0e/secret.txt",
    ]
    .map(str::to_owned)
    .into();
    ways.extend([
        absolute.clone(),
        encoded.clone(),
        format!("/{absolute}"),
        format!("file:{absolute}"),
        "C:%5csecret.txt".to_owned(),
    ]);
    ways
}

#[test]
fn no_spelling_of_a_path_reads_outside_the_folder() {
    let (start, _) = beside_a_secret();
    let server = start.go();
    for way in ways(&server) {
        for address in [
            "/files/",
            "/api/contents/",
            "/static/lab/",
            "/lab/extensions/",
            "/lab/api/themes/",
            "/lab/api/settings/",
            "/lab/api/workspaces/",
            "/lab/api/listings/",
            "/lab/api/translations/",
            "/kernelspecs/minerva/",
            "/static/favicons/",
            "/static/logo/",
            "/api/config/",
            "/",
        ] {
            let answer = server.raw_with_token("GET", &format!("{address}{way}"), b"");
            assert!(!answer.text().contains(SECRET), "{address}{way}");
            assert!(answer.status < 500 && answer.status != 0, "{address}{way}: {}", answer.text());
            if matches!(address, "/files/" | "/api/contents/") {
                answer.refused();
            }
        }
        let checkpoints = server.raw_with_token("GET", &format!("/api/contents/{way}/checkpoints"), b"");
        assert!(checkpoints.status >= 400 || checkpoints.json() == json!([]), "{way}: {}", checkpoints.text());
    }
    server.ask("GET", "/files/sub/inside.txt").send().expect(200);
}

#[test]
fn no_spelling_of_a_path_writes_outside_the_folder() {
    let (start, secret) = beside_a_secret();
    let server = start.go();
    let outside = |server: &Server| {
        let mut all = files_below(server.folder());
        all.retain(|p| p.is_file() && !p.starts_with(server.root()));
        all.retain(|p| !p.starts_with(server.folder().join("data")) && !p.starts_with(server.folder().join("runtime")));
        all.sort();
        all
    };
    let before = outside(&server);
    let body = json!({ "type": "file", "format": "text", "content": "overwritten" }).to_string();
    for way in ways(&server) {
        let target = format!("/api/contents/{way}");
        for (method, path) in
            [("PUT", target.clone()), ("DELETE", target.clone()), ("POST", format!("{target}/checkpoints"))]
        {
            let answer = server.raw_with_token(method, &path, body.as_bytes());
            // What is not taken for a way out is a name below the folder.
            assert!(answer.status < 500 && answer.status != 0, "{method} {path}: {}", answer.text());
        }
        for name in [way.clone(), way.replace("%2e", ".").replace("%2f", "/")] {
            let rename = json!({ "path": name });
            let _ = server.ask("PATCH", "/api/contents/sub/inside.txt").json(&rename).send();
            let _ = server.ask("POST", "/api/contents").json(&json!({ "copy_from": name })).send();
            let session = json!({ "path": name, "type": "file", "kernel": { "name": "no-such-kernel" } });
            let _ = server.ask("POST", "/api/sessions").json(&session).send();
            std::fs::write(server.root().join("sub/inside.txt"), "inside").unwrap();
        }
        for address in ["/lab/api/workspaces/", "/lab/api/settings/"] {
            let text = json!({ "raw": "{}", "data": {}, "metadata": { "id": "default" } }).to_string();
            let _ = server.raw_with_token("PUT", &format!("{address}{way}"), text.as_bytes());
            let _ = server.raw_with_token("DELETE", &format!("{address}{way}"), b"");
        }
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), SECRET, "{way}");
        assert_eq!(outside(&server), before, "{way}");
    }
    let copied = files_below(&server.root()).into_iter().filter(|p| p.is_file());
    let stolen: Vec<_> = copied.filter(|p| std::fs::read_to_string(p).is_ok_and(|t| t.contains(SECRET))).collect();
    assert!(stolen.is_empty(), "{stolen:?}");
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_folder_leads_nowhere() {
    let (start, secret) = beside_a_secret();
    let link =
        |target: &std::path::Path, name: &str| std::os::unix::fs::symlink(target, start.root().join(name)).unwrap();
    link(&secret, "link.txt");
    link(std::path::Path::new("../secret.txt"), "relative.txt");
    link(start.folder(), "up");
    link(std::path::Path::new("../../secret.txt"), "sub/deep.txt");
    link(&start.folder().join("not-there-yet.txt"), "dangling.txt");
    link(&start.root().join("sub/inside.txt"), "fine.txt");
    let server = start.go();
    let body = json!({ "type": "file", "format": "text", "content": "overwritten" });
    for path in ["link.txt", "relative.txt", "up/secret.txt", "sub/deep.txt", "up/root/link.txt", "dangling.txt"] {
        for address in ["/files", "/api/contents"] {
            let answer = server.ask("GET", &format!("{address}/{path}")).send();
            assert!(!answer.text().contains(SECRET), "{path}");
            answer.refused();
        }
        let _ = server.ask("PUT", &format!("/api/contents/{path}")).json(&body).send();
        let _ = server.ask("POST", "/api/contents").json(&json!({ "copy_from": path })).send();
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), SECRET, "{path}");
        assert!(!server.folder().join("not-there-yet.txt").exists(), "{path}");
    }
    server.ask("GET", "/api/contents/up").send().refused();
    server.ask("PUT", "/api/contents/up/new.txt").json(&body).send().refused();
    assert!(!server.folder().join("new.txt").exists());
    assert_eq!(server.ask("GET", "/files/fine.txt").send().expect(200).text(), "inside", "a link that stays inside");
    // A listing with such links in it still works, and a deleted link leaves what it points to.
    server.get("/api/contents");
    server.ask("DELETE", "/api/contents/link.txt").send();
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), SECRET);
}

#[cfg(unix)]
#[test]
fn a_folder_that_becomes_a_link_is_not_followed() {
    let (start, secret) = beside_a_secret();
    let server = start.go();
    let swapped = server.root().join("sub");
    std::fs::remove_dir_all(&swapped).unwrap();
    std::os::unix::fs::symlink(server.folder(), &swapped).unwrap();
    let body = json!({ "type": "file", "format": "text", "content": "overwritten" });
    server.ask("PUT", "/api/contents/sub/secret.txt").json(&body).send().refused();
    server.ask("GET", "/files/sub/secret.txt").send().refused();
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), SECRET);
}

#[cfg(unix)]
#[test]
fn a_checkpoint_that_is_a_link_is_not_followed() {
    let start = lab();
    let root = start.root();
    for folder in [".git", ".ipynb_checkpoints", "sub"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, root.join(name)).unwrap();
    std::fs::write(root.join(".git/config"), SECRET).unwrap();
    std::fs::write(root.join(".git/b-checkpoint.txt"), SECRET).unwrap();
    std::fs::write(root.join("a.txt"), "mine").unwrap();
    std::fs::write(root.join("sub/b.txt"), "mine").unwrap();
    link("../.git/config", ".ipynb_checkpoints/a-checkpoint.txt");
    link("../.git", "sub/.ipynb_checkpoints");
    let server = start.go();
    for file in ["a.txt", "sub/b.txt"] {
        server.ask("POST", &format!("/api/contents/{file}/checkpoints")).send().refused();
        server.ask("POST", &format!("/api/contents/{file}/checkpoints/checkpoint")).send().refused();
        server.ask("DELETE", &format!("/api/contents/{file}/checkpoints/checkpoint")).send().refused();
        assert_eq!(server.get(&format!("/api/contents/{file}"))["content"], "mine", "{file}");
        server.ask("DELETE", &format!("/api/contents/{file}")).send().expect(204);
    }
    for file in [".git/config", ".git/b-checkpoint.txt"] {
        assert_eq!(std::fs::read_to_string(server.root().join(file)).unwrap(), SECRET, "{file}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_what_is_hidden_leads_nowhere() {
    let start = lab();
    std::fs::create_dir(start.root().join(".git")).unwrap();
    std::fs::write(start.root().join(".git/config"), SECRET).unwrap();
    std::os::unix::fs::symlink(".git/config", start.root().join("notes.txt")).unwrap();
    std::os::unix::fs::symlink(".git", start.root().join("folder")).unwrap();
    let server = start.go();
    let body = json!({ "type": "file", "format": "text", "content": "overwritten" });
    for path in ["notes.txt", "folder/config"] {
        for address in ["/files", "/api/contents"] {
            server.ask("GET", &format!("{address}/{path}")).send().refused();
        }
        server.ask("PUT", &format!("/api/contents/{path}")).json(&body).send().refused();
        server.ask("POST", "/api/contents").json(&json!({ "copy_from": path })).send().refused();
        server.ask("POST", &format!("/api/contents/{path}/checkpoints")).send().refused();
    }
    server.ask("DELETE", "/api/contents/folder/config").send().refused();
    server.ask("DELETE", "/api/contents/notes.txt").send().expect(204);
    assert!(!server.root().join("notes.txt").is_symlink(), "the link itself can be removed");
    assert_eq!(std::fs::read_to_string(server.root().join(".git/config")).unwrap(), SECRET);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_opened() {
    use std::os::unix::ffi::OsStrExt;
    let start = lab();
    let pipe = std::ffi::CString::new(start.root().join("pipe").as_os_str().as_bytes()).unwrap();
    // SAFETY: the path ends with a zero.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    let server = start.go();
    for path in ["/files/pipe", "/api/contents/pipe"] {
        server.ask("GET", path).send().refused();
    }
    server.get("/api/contents");
}

#[cfg(unix)]
#[test]
fn a_file_named_like_a_header_stays_a_name() {
    let server = server();
    let names = [
        ("a\r\nSet-Cookie: evil=1\r\n\r\nb.txt", "a%0d%0aSet-Cookie:%20evil=1%0d%0a%0d%0ab.txt"),
        ("a\"; filename=\"evil.html", "a%22;%20filename=%22evil.html"),
        ("a\\\";b.txt", "a%5c%22;b.txt"),
        ("é \u{1F600}.txt", "%c3%a9%20%f0%9f%98%80.txt"),
        ("<script>alert(1)</script>.txt", "%3cscript%3ealert(1)%3c%2fscript%3e.txt"),
    ];
    for (name, encoded) in names {
        // The last has a slash, which no file's name can have: asking for it must do no harm either.
        let there = !name.contains('/') && std::fs::write(server.root().join(name), "content").is_ok();
        for path in
            [format!("/files/{encoded}"), format!("/files/{encoded}?download=1"), format!("/api/contents/{encoded}")]
        {
            let answer = server.raw_with_token("GET", &path, b"");
            assert!(matches!(answer.status, 200 | 400 | 404) || !there, "{path}: {}", answer.status);
            let evil = |(name, value): &(String, String)| name == "set-cookie" && value.contains("evil");
            assert!(!answer.headers.iter().any(evil), "{path}: {:?}", answer.headers);
            let kind = answer.all("content-type");
            assert!(
                answer.status == 200 || !kind.contains("html") || !answer.text().contains("<script>alert"),
                "{path}"
            );
            if let Some(disposition) = answer.header("content-disposition") {
                let quoted = disposition.replace("\\\\", "").replace("\\\"", "");
                assert!(quoted.matches('"').count() <= 2, "{path}: {disposition}");
                assert!(disposition.starts_with("attachment") || !path.contains("download"), "{path}: {disposition}");
            }
        }
        let created = json!({ "type": "file", "format": "text", "content": "x" }).to_string();
        let answer = server.raw_with_token("PUT", &format!("/api/contents/new-{encoded}"), created.as_bytes());
        assert!(!answer.all("set-cookie").contains("evil") && answer.status != 0, "{:?}", answer.headers);
    }
    server.get("/api/contents");
}
