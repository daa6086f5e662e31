//! Tests of [`super`], with programs that are no kernels: what becomes of those that do not start.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use std::path::Path;

const PATIENCE: Duration = Duration::from_secs(20);

fn kernels(home: &Path, name: &str, argv: &serde_json::Value) -> Kernels {
    let spec = home.join("kernels").join(name);
    std::fs::create_dir_all(&spec).unwrap();
    std::fs::write(spec.join("kernel.json"), json!({ "argv": argv, "env": { "B": "${A}!" } }).to_string()).unwrap();
    let folders = Folders { data: home.join("data"), runtime: home.join("runtime"), jupyter: vec![home.to_owned()] };
    Kernels::new(folders, Events::new(), None)
}

fn start(home: &Path, name: &str, id: Option<&str>) -> StartKernel {
    let env = vec![("A".to_owned(), "who".to_owned())];
    StartKernel { id: id.map(str::to_owned), name: Some(name.to_owned()), cwd: home.to_owned(), env }
}

/// Waits until the kernel is dead, and says why.
#[cfg(unix)]
async fn death(kernel: &Kernel) -> String {
    tokio::time::timeout(PATIENCE, kernel.ready()).await.unwrap().unwrap_err()
}

#[test]
fn an_id_is_no_path() {
    for id in ["", "..", "a/b", "a\\b", "a.json", "é", &"x".repeat(101)] {
        assert_eq!(legal(id.to_owned()).unwrap_err().status, StatusCode::BAD_REQUEST, "{id:?}");
    }
    assert!(legal("6f1c2a0e-7d5b-4a57-8f07-3d1d0b0a8f5e".to_owned()).is_ok());
    assert!(legal("foo".to_owned()).is_ok());
}

#[tokio::test]
async fn a_kernel_or_a_program_that_is_not_there_is_named() {
    let home = tempfile::tempdir().unwrap();
    let kernels = kernels(home.path(), "bad", &json!(["non_existent_path"]));
    let unknown = kernels.start(start(home.path(), "nothing", None)).await.err().unwrap();
    assert_eq!(unknown.status, StatusCode::NOT_IMPLEMENTED);
    assert!(unknown.message.contains("nothing"), "{unknown}");
    let missing = kernels.start(start(home.path(), "bad", None)).await.err().unwrap();
    assert!(missing.message.contains("\"bad\"") && missing.message.contains("non_existent_path"), "{missing}");
    let nowhere = kernels.start(start(&home.path().join("gone"), "bad", None)).await.err().unwrap();
    assert!(nowhere.message.contains("its folder"), "{nowhere}");
    assert!(kernels.list().is_empty());
    assert_eq!(std::fs::read_dir(home.path().join("runtime")).unwrap().count(), 0, "no connection file is left");
}

#[cfg(unix)]
#[tokio::test]
async fn a_kernel_that_ends_before_it_listens_is_dead_and_says_why() {
    let home = tempfile::tempdir().unwrap();
    let script = "echo no module called $B >&2; exit 7";
    let kernels = kernels(home.path(), "broken", &json!(["/bin/sh", "-c", script]));
    let kernel = kernels.start(start(home.path(), "broken", Some("foo"))).await.unwrap();
    let reason = death(&kernel).await;
    assert!(reason.contains("exit status: 7") && reason.ends_with("no module called who!"), "{reason}");
    assert!(kernels.list().is_empty());
    let model = kernels.get("foo").unwrap().model();
    assert_eq!((&model["execution_state"], &model["reason"]), (&json!("dead"), &json!(reason)));
    assert_eq!(kernels.restart("foo").await.unwrap_err().message, reason);
    assert!(!home.path().join("runtime").join("kernel-foo.json").exists());
    // Its id is free again.
    let other = kernels.start(start(home.path(), "broken", Some("foo"))).await.unwrap();
    assert!(!Arc::ptr_eq(&kernel, &other));
    kernels.shutdown("foo").await.unwrap();
    assert_eq!(kernels.get("foo").err().unwrap().status, StatusCode::NOT_FOUND);
    assert!(kernels.last_activity().is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn a_kernel_that_is_about_to_start_when_the_server_ends_does_not_stay() {
    let home = tempfile::tempdir().unwrap();
    let argv = json!(["/bin/sh", "-c", "exec sleep 600"]);
    let kernels = kernels(home.path(), "late", &argv);
    // A kernelspec that takes as long to read as this test wants.
    let file = home.path().join("kernels").join("late").join("kernel.json");
    std::fs::remove_file(&file).unwrap();
    let name = std::ffi::CString::new(file.to_str().unwrap()).unwrap();
    // SAFETY: the name ends with a zero byte and lives as long as the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let starting = {
        let (kernels, start) = (kernels.clone(), start(home.path(), "late", None));
        tokio::spawn(async move { kernels.start(start).await })
    };
    // It opens when somebody reads.
    let opened = tokio::task::spawn_blocking(move || std::fs::OpenOptions::new().write(true).open(file));
    let mut spec = opened.await.unwrap().unwrap();
    let mut end = std::pin::pin!(kernels.shutdown_all());
    let ended = futures_util::FutureExt::now_or_never(end.as_mut());
    assert!(ended.is_none(), "one is about to start");
    std::io::Write::write_all(&mut spec, json!({ "argv": argv }).to_string().as_bytes()).unwrap();
    drop(spec);
    tokio::time::timeout(PATIENCE, end).await.unwrap();
    assert_eq!(starting.await.unwrap().err().unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(kernels.all().is_empty());
    assert_eq!(std::fs::read_dir(home.path().join("runtime")).unwrap().count(), 0, "no connection file is left");
    let after = kernels.start(start(home.path(), "late", None)).await.err().unwrap();
    assert_eq!(after.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[cfg(unix)]
#[tokio::test]
async fn a_kernel_that_never_listens_is_found_by_its_id_and_can_be_ended() {
    let home = tempfile::tempdir().unwrap();
    let kernels = kernels(home.path(), "deaf", &json!(["/bin/sh", "-c", "exec sleep 600"]));
    let kernel = kernels.start(start(home.path(), "deaf", Some("foo"))).await.unwrap();
    let same = kernels.start(start(home.path(), "deaf", Some("foo"))).await.unwrap();
    assert!(Arc::ptr_eq(&kernel, &same));
    assert_eq!(kernel.model()["execution_state"], "starting");
    assert!(kernel.link().is_none() && home.path().join("runtime").join("kernel-foo.json").exists());
    let before = kernel.pid().unwrap();
    kernels.restart("foo").await.unwrap();
    assert_ne!(kernel.pid().unwrap(), before);
    kernels.shutdown_all().await;
    assert!(kernel.pid().is_none() && kernels.list().is_empty());
    assert!(!home.path().join("runtime").join("kernel-foo.json").exists());
}
