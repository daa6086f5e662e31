//! Downloads from a hub, against a server of this test that does what servers and networks do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use minerva_engine::hub::{Hub, HubName};
use minerva_engine::{Control, Error, Event, Interrupt, Result};
use minerva_tests::hub_server::{HubServer, Reply, Repo, Request, Sending, sha256};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MODEL: &str = "model.safetensors";

fn weights() -> Vec<u8> {
    (0..300_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn repo() -> Repo {
    let weights = weights();
    let files: [(&str, &[u8]); 6] = [
        ("README.md", b"# Tiny"),
        ("config.json", b"{}"),
        ("onnx/model.onnx", b"onnx"),
        ("pytorch_model.bin", b"the same once more"),
        ("tokenizer.json", b"{\"a\": 1}"),
        (MODEL, &weights),
    ];
    Repo::new("org/tiny", &files)
}

fn hub(cache: &Path, server: &HubServer) -> Hub {
    Hub { pause: Duration::from_millis(1), ..Hub::new(cache, &server.url()) }
}

fn find(hub: &Hub, name: &str) -> Result<PathBuf> {
    hub.find(&HubName::parse(name).unwrap(), false, &Control::default())
}

fn error(hub: &Hub, name: &str) -> String {
    find(hub, name).unwrap_err().to_string()
}

/// Serves the model, except that requests for its weights go through `change`, with how many came before.
fn changed(change: impl Fn(&Request, usize, Reply) -> Reply + Send + Sync + 'static) -> HubServer {
    let (repo, asked) = (repo(), AtomicUsize::new(0));
    HubServer::start(move |request| {
        let reply = repo.answer(request);
        match request.path.ends_with(MODEL) {
            true => change(request, asked.fetch_add(1, Ordering::SeqCst), reply),
            false => reply,
        }
    })
}

fn model_folder(cache: &Path) -> PathBuf {
    cache.join("models--org--tiny")
}

fn incomplete(cache: &Path) -> PathBuf {
    model_folder(cache).join("blobs").join(format!("{}.incomplete", sha256(&weights())))
}

fn begin(cache: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(model_folder(cache).join("blobs")).unwrap();
    std::fs::write(incomplete(cache), bytes).unwrap();
}

fn is_whole(folder: &Path) -> bool {
    std::fs::read(folder.join(MODEL)).is_ok_and(|found| found == weights())
}

#[test]
fn a_folder_is_downloaded_once_with_one_bar() {
    let (dir, server) = (tempfile::tempdir().unwrap(), HubServer::of(repo()));
    let hub = hub(dir.path(), &server);
    let events: Arc<Mutex<Vec<(String, u64, u64)>>> = Arc::default();
    let seen = events.clone();
    let control = Control::new(Interrupt::default(), move |event| {
        if let Event::Progress { label, done, total, .. } = event {
            seen.lock().unwrap().push((label, done, total));
        }
    });
    let name = HubName::parse("org/tiny").unwrap();
    let folder = hub.find(&name, false, &control).unwrap();
    assert_eq!(folder, model_folder(dir.path()).join("snapshots").join(Repo::COMMIT));
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["config.json", MODEL, "tokenizer.json"]);
    assert!(is_whole(&folder) && !incomplete(dir.path()).exists());
    assert_eq!(std::fs::read_to_string(model_folder(dir.path()).join("refs/main")).unwrap(), Repo::COMMIT);
    #[cfg(unix)]
    {
        let link = std::fs::read_link(folder.join(MODEL)).unwrap();
        assert_eq!(link, Path::new("../../blobs").join(sha256(&weights())));
    }
    let events = events.lock().unwrap().clone();
    let total = 1_200_000 + 2 + 8;
    assert!(events.iter().all(|(label, _, all)| label == "download org/tiny" && *all == total), "{events:?}");
    assert_eq!(events.iter().filter(|(_, done, _)| *done == total).count(), 1, "{events:?}");
    assert_eq!(events.last().unwrap().1, total);
    assert!(events.windows(2).all(|w| w[0].1 <= w[1].1), "{events:?}");

    let asked = server.requests().len();
    for (name, local) in [("org/tiny", false), ("org/tiny", true), ("org/tiny/model.safetensors", false)] {
        hub.find(&HubName::parse(name).unwrap(), local, &Control::default()).unwrap();
    }
    assert_eq!(find(&hub, &format!("org/tiny@{}", Repo::COMMIT)).unwrap(), folder);
    assert_eq!(server.requests().len(), asked, "what is in the cache is not asked for");
}

#[test]
fn without_the_network_only_the_cache_is_there() {
    let (dir, server) = (tempfile::tempdir().unwrap(), HubServer::of(repo()));
    let online = hub(dir.path(), &server);
    let offline = Hub { offline: true, ..online.clone() };
    assert!(error(&offline, "org/tiny").contains("HF_HUB_OFFLINE"));
    let local = online.find(&HubName::parse("org/tiny").unwrap(), true, &Control::default());
    assert!(local.unwrap_err().to_string().contains("local_files_only"));
    assert!(server.requests().is_empty());
    let folder = find(&online, "org/tiny").unwrap();
    assert_eq!(find(&offline, "org/tiny").unwrap(), folder);
    assert!(error(&offline, "org/tiyn").contains("did you mean \"org/tiny\"?"));
}

#[test]
fn a_connection_that_is_cut_is_taken_up_where_it_ended() {
    let server = changed(|_, asked, reply| if asked == 0 { reply.sent(Sending::Cut(500_000)) } else { reply });
    let dir = tempfile::tempdir().unwrap();
    assert!(is_whole(&find(&hub(dir.path(), &server), "org/tiny").unwrap()));
    let from: Vec<_> = server.requests().iter().filter_map(Request::first_byte).collect();
    assert!(matches!(from[..], [n] if n > 0 && n <= 500_000), "{from:?}");
}

#[test]
fn a_server_that_always_cuts_is_given_up_and_what_came_is_kept() {
    let server = changed(|_, _, reply| reply.sent(Sending::Cut(0)));
    let dir = tempfile::tempdir().unwrap();
    begin(dir.path(), &weights()[..1000]);
    let e = error(&hub(dir.path(), &server), "org/tiny");
    assert!(e.contains("5 attempts") && e.contains("load it again"), "{e}");
    assert_eq!(std::fs::read(incomplete(dir.path())).unwrap(), weights()[..1000]);
}

#[test]
fn a_part_of_an_earlier_download_is_used() {
    let (dir, server) = (tempfile::tempdir().unwrap(), HubServer::of(repo()));
    begin(dir.path(), &weights()[..70_000]);
    assert!(is_whole(&find(&hub(dir.path(), &server), "org/tiny").unwrap()));
    let from: Vec<_> = server.requests().iter().filter_map(Request::first_byte).collect();
    assert_eq!(from, [70_000]);
}

#[test]
fn a_server_that_knows_no_ranges_sends_everything_again() {
    let server = changed(|_, _, _| {
        let bytes = weights();
        let etag = format!("\"{}\"", sha256(&bytes));
        Reply::new(200, bytes).header("ETag", etag)
    });
    let dir = tempfile::tempdir().unwrap();
    begin(dir.path(), &[7; 70_000]);
    assert!(is_whole(&find(&hub(dir.path(), &server), "org/tiny").unwrap()));
}

#[test]
fn a_range_that_cannot_be_had_begins_anew() {
    let server = changed(|request, _, reply| if request.first_byte().is_some() { Reply::new(416, "") } else { reply });
    let dir = tempfile::tempdir().unwrap();
    begin(dir.path(), &weights()[..70_000]);
    assert!(is_whole(&find(&hub(dir.path(), &server), "org/tiny").unwrap()));
}

#[test]
fn a_wrong_part_of_an_earlier_download_is_found_and_fetched_anew() {
    let (dir, server) = (tempfile::tempdir().unwrap(), HubServer::of(repo()));
    begin(dir.path(), &[7; 70_000]);
    assert!(is_whole(&find(&hub(dir.path(), &server), "org/tiny").unwrap()));
}

#[test]
fn content_that_is_not_what_its_name_says_is_refused() {
    let server = changed(|_, _, mut reply| {
        reply.body[1000] ^= 1;
        reply
    });
    let dir = tempfile::tempdir().unwrap();
    let e = error(&hub(dir.path(), &server), "org/tiny");
    assert!(e.contains("SHA-256") && e.contains(MODEL), "{e}");
    assert!(!model_folder(dir.path()).join("blobs").join(sha256(&weights())).exists());
    assert_eq!(std::fs::metadata(incomplete(dir.path())).unwrap().len(), 0, "nothing wrong is kept");
}

#[test]
fn refusals_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let with = |reply: Reply, token: Option<&str>, name: &str| {
        let server = HubServer::start(move |_| reply.clone());
        error(&Hub { token: token.map(str::to_owned), ..hub(dir.path(), &server) }, name)
    };
    let e = with(Reply::refuse(401, "GatedRepo"), None, "org/tiny");
    assert!(e.contains("accept the licence") && e.contains("HF_TOKEN"), "{e}");
    let e = with(Reply::refuse(403, "GatedRepo"), Some("hf_secret"), "org/tiny");
    assert!(e.contains("accept the licence") && !e.contains("hf_secret"), "{e}");
    for reply in [Reply::refuse(401, "RepoNotFound"), Reply::new(404, "")] {
        let e = with(reply, None, "org/tiny");
        assert!(e.contains("model \"org/tiny\" not found") && e.contains("expected org/name"), "{e}");
    }
    let e = with(Reply::refuse(404, "RevisionNotFound"), None, "org/tiny@v9");
    assert!(e.contains("revision \"org/tiny@v9\" not found"), "{e}");
    let e = with(Reply::new(500, ""), None, "org/tiny");
    assert!(e.contains("status 500") && e.contains("5 attempts"), "{e}");
    let e = with(Reply::new(200, "<html>"), None, "org/tiny");
    assert!(e.contains("HF_ENDPOINT"), "{e}");
}

#[test]
fn a_server_that_is_busy_for_a_moment_is_asked_again() {
    let (repo, asked) = (repo(), AtomicUsize::new(0));
    let server = HubServer::start(move |request| match asked.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => Reply::new(503, "busy"),
        _ => repo.answer(request),
    });
    let dir = tempfile::tempdir().unwrap();
    assert!(is_whole(&find(&hub(dir.path(), &server), "org/tiny").unwrap()));
}

#[test]
fn nobody_there_and_nothing_said_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let closed = {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", server.local_addr().unwrap())
    };
    let e = error(&Hub::new(dir.path(), &closed), "org/tiny");
    assert!(e.contains("refuses the connection") && e.contains("HF_ENDPOINT"), "{e}");
    let silence = Duration::from_secs(4);
    let server = changed(|_, _, reply| reply.sent(Sending::Silent(70_000)));
    let e = error(&Hub { silence, ..hub(dir.path(), &server) }, "org/tiny");
    assert!(e.contains("has sent nothing") && e.contains("load it again"), "{e}");
    assert!(std::fs::metadata(incomplete(dir.path())).unwrap().len() > 0);
}

#[test]
fn a_token_goes_to_the_hub_and_to_no_other_server() {
    let repo = repo();
    let cdn = HubServer::start(|_| Reply::new(200, weights()).header("ETag", "\"another-name\""));
    let target = format!("{}/signed?x=1", cdn.url());
    let server = HubServer::start(move |request| match request.path.ends_with(MODEL) {
        true => Reply::new(302, "")
            .header("Location", target.clone())
            .header("X-Linked-Etag", format!("\"{}\"", sha256(&weights())))
            .header("X-Linked-Size", weights().len().to_string()),
        false => repo.answer(request),
    });
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub { token: Some("hf_secret".to_owned()), ..hub(dir.path(), &server) };
    let folder = find(&hub, "org/tiny").unwrap();
    assert!(is_whole(&folder) && model_folder(dir.path()).join("blobs").join(sha256(&weights())).exists());
    assert!(server.requests().iter().all(|r| r.header("authorization") == Some("Bearer hf_secret")));
    assert_eq!(cdn.requests().len(), 1);
    assert_eq!(cdn.requests()[0].header("authorization"), None);
}

#[test]
fn names_that_lead_out_of_the_folder_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["../../evil.gguf", "/tmp/evil.gguf", "a\\..\\evil.gguf"] {
        let server = HubServer::of(Repo::new("org/tiny", &[(name, b"GGUF".as_slice())]));
        let e = error(&hub(dir.path(), &server), "org/tiny");
        assert!(e.contains("leads out of its folder"), "{e}");
    }
    let etag = changed(|_, _, mut reply| {
        reply.headers.clear();
        reply.header("ETag", "\"../../../evil\"")
    });
    assert!(is_whole(&find(&hub(dir.path(), &etag), "org/tiny").unwrap()));
    let blobs = std::fs::read_dir(model_folder(dir.path()).join("blobs")).unwrap();
    assert!(blobs.flatten().any(|e| e.file_name().to_string_lossy().starts_with("minerva-")));
}

#[test]
fn an_interrupt_of_a_silent_server_keeps_what_came() {
    let silent = Arc::new(AtomicBool::new(true));
    let says_nothing = silent.clone();
    let server = changed(move |_, _, reply| match says_nothing.load(Ordering::SeqCst) {
        true => reply.sent(Sending::Silent(200_000)),
        false => reply,
    });
    let dir = tempfile::tempdir().unwrap();
    let (hub, interrupt, growing) = (hub(dir.path(), &server), Interrupt::default(), incomplete(dir.path()));
    let raise = interrupt.clone();
    let watching = std::thread::spawn(move || {
        while std::fs::metadata(&growing).map_or(0, |m| m.len()) < 200_000 {
            std::thread::sleep(Duration::from_millis(2));
        }
        raise.raise();
    });
    let control = Control::new(interrupt, |_| {});
    let stopped = hub.find(&HubName::parse("org/tiny").unwrap(), false, &control).unwrap_err();
    assert!(matches!(stopped, Error::Interrupted), "{stopped}");
    watching.join().unwrap();
    assert_eq!(std::fs::metadata(incomplete(dir.path())).unwrap().len(), 200_000);
    silent.store(false, Ordering::SeqCst);
    assert!(is_whole(&find(&hub, "org/tiny").unwrap()));
    assert_eq!(server.requests().last().unwrap().first_byte(), Some(200_000));
}

#[test]
fn a_gguf_is_chosen_or_named() {
    let files: [(&str, &[u8]); 4] = [
        ("README.md", b"#"),
        ("tiny-Q4_0.gguf", b"GGUF four"),
        ("big/tiny-F16-00001-of-00002.gguf", b"GGUF one"),
        ("big/tiny-F16-00002-of-00002.gguf", b"GGUF two"),
    ];
    let (dir, server) = (tempfile::tempdir().unwrap(), HubServer::of(Repo::new("org/tiny", &files)));
    let hub = hub(dir.path(), &server);
    let e = error(&hub, "org/tiny");
    assert!(e.contains("2 GGUF models") && e.contains("tiny-Q4_0.gguf") && e.contains("00001-of-00002"), "{e}");
    let path = find(&hub, "org/tiny/tiny-Q4_0.gguf").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"GGUF four");
    assert!(!path.with_file_name("README.md").exists() && !path.with_file_name("big").exists());
    let path = find(&hub, "org/tiny/big/tiny-F16-00001-of-00002.gguf").unwrap();
    assert_eq!(std::fs::read(path.with_file_name("tiny-F16-00002-of-00002.gguf")).unwrap(), b"GGUF two");
    let e = error(&hub, "org/tiny/tiny-Q4_1.gguf");
    assert!(e.contains("did you mean \"org/tiny/tiny-Q4_0.gguf\"?"), "{e}");
    let asked = server.requests().len();
    find(&hub, "org/tiny/tiny-Q4_0.gguf").unwrap();
    assert_eq!(server.requests().len(), asked);
}

#[test]
fn shards_come_from_the_index() {
    let index = br#"{"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}"#;
    let files: [(&str, &[u8]); 6] = [
        ("config.json", b"{}"),
        ("tokenizer.json", b"{}"),
        ("model.safetensors.index.json", index),
        ("one.safetensors", b"one"),
        ("two.safetensors", b"two"),
        ("consolidated.safetensors", b"both"),
    ];
    let (dir, server) = (tempfile::tempdir().unwrap(), HubServer::of(Repo::new("org/tiny", &files)));
    let folder = find(&hub(dir.path(), &server), "org/tiny").unwrap();
    assert_eq!(std::fs::read(folder.join("two.safetensors")).unwrap(), b"two");
    assert!(!folder.join("consolidated.safetensors").exists());
}

#[test]
fn two_that_download_the_same_do_not_disturb_each_other() {
    let server = changed(|_, _, reply| reply.sent(Sending::Slow(Duration::from_micros(100))));
    let dir = tempfile::tempdir().unwrap();
    let hub = &hub(dir.path(), &server);
    let folders: Vec<PathBuf> = std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(move || find(hub, "org/tiny").unwrap()));
        both.map(|one| one.join().unwrap()).into()
    });
    assert!(folders.iter().all(|f| is_whole(f)));
}
