//! The startup handshake: the kernel chooses its ports and tells its launcher.

use super::MINERVA;
use minerva_tests::client::{Client, KEY, Kernel, Ports, signature};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use zeromq::prelude::*;
use zeromq::{RouterSocket, ZmqMessage};

/// A launcher's registration socket, and a kernel that was started with its file.
struct Launcher {
    runtime: tokio::runtime::Runtime,
    socket: RouterSocket,
    folder: tempfile::TempDir,
    file: PathBuf,
}

impl Launcher {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut socket = RouterSocket::new();
        let endpoint = runtime.block_on(socket.bind("tcp://127.0.0.1:0")).unwrap().to_string();
        let port: u16 = endpoint.rsplit(':').next().unwrap().parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("registration.json");
        let content = json!({
            "kernel_id": "the-kernel", "transport": "tcp", "registration_ip": "127.0.0.1", "registration_port": port,
            "signature_scheme": "hmac-sha256", "key": KEY,
        });
        std::fs::write(&file, content.to_string()).unwrap();
        Self { runtime, socket, folder, file }
    }

    /// The identity of the kernel and the ports that it tells.
    fn registered(&mut self) -> (Vec<u8>, Value) {
        let received = self.runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(20), self.socket.recv()).await.expect("no registration").unwrap()
        });
        let frames = received.into_vec();
        let [identity, delimiter, sign, content] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!(delimiter.as_ref(), b"<IDS|MSG>");
        assert_eq!(sign.as_ref(), signature(&[content]).as_bytes());
        (identity.to_vec(), serde_json::from_slice(content).unwrap())
    }

    fn acknowledge(&mut self, identity: Vec<u8>, sign: &str) {
        let frames: [Vec<u8>; 4] = [identity, b"<IDS|MSG>".to_vec(), sign.as_bytes().to_vec(), b"{}".to_vec()];
        let frames: Vec<bytes::Bytes> = frames.into_iter().map(Into::into).collect();
        let message: ZmqMessage = frames.try_into().unwrap();
        self.runtime.block_on(async {
            self.socket.send(message).await.unwrap();
            // The message is on its way when the socket's own task has had its turn.
            tokio::time::sleep(Duration::from_millis(100)).await;
        });
    }
}

#[test]
fn the_kernel_chooses_ports_and_tells_its_launcher() {
    let mut launcher = Launcher::start();
    let mut kernel = Kernel::start_with_file(MINERVA, launcher.folder.path(), &launcher.file);
    let (identity, content) = launcher.registered();
    assert_eq!(content["kernel_id"], "the-kernel");
    let ports = ["shell_port", "control_port", "iopub_port", "stdin_port", "hb_port"]
        .map(|name| content[name].as_str().unwrap().parse::<u16>().unwrap());
    launcher.acknowledge(identity, &signature(&["{}"]));
    let mut client = Client::connect(&Ports { file: PathBuf::new(), ports });
    assert_eq!(client.run("6 * 7").result(), Some("42"));
    let file = launcher.folder.path().join("kernel-the-kernel.json");
    let written: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((&written["shell_port"], &written["key"]), (&json!(ports[0]), &json!(KEY)), "for other clients");
    let id = client.send_control("shutdown_request", json!({ "restart": false }));
    client.expect_control(&id, "shutdown_reply");
    client.leave();
    assert!(kernel.wait().success());
    assert!(!file.exists(), "its file goes with it");
}

#[test]
fn a_file_of_the_launcher_is_left_alone() {
    let mut launcher = Launcher::start();
    let file = launcher.folder.path().join("kernel-the-kernel.json");
    std::fs::write(&file, "the launcher's").unwrap();
    let mut kernel = Kernel::start_with_file(MINERVA, launcher.folder.path(), &launcher.file);
    let (identity, content) = launcher.registered();
    let ports = ["shell_port", "control_port", "iopub_port", "stdin_port", "hb_port"]
        .map(|name| content[name].as_str().unwrap().parse::<u16>().unwrap());
    launcher.acknowledge(identity, &signature(&["{}"]));
    let mut client = Client::connect(&Ports { file: PathBuf::new(), ports });
    assert_eq!(client.run("6 * 7").result(), Some("42"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "the launcher's");
    let id = client.send_control("shutdown_request", json!({ "restart": false }));
    client.expect_control(&id, "shutdown_reply");
    client.leave();
    assert!(kernel.wait().success());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "the launcher's");
}

#[test]
fn an_acknowledgement_that_is_not_the_launchers_ends_the_kernel() {
    let mut launcher = Launcher::start();
    let mut command = Command::new(MINERVA);
    command.arg("kernel").arg(&launcher.file).env("JUPYTER_RUNTIME_DIR", launcher.folder.path()).stdin(Stdio::null());
    let kernel = std::thread::spawn(move || command.output().unwrap());
    let (identity, _) = launcher.registered();
    launcher.acknowledge(identity, &"0".repeat(64));
    let ended = kernel.join().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("wrong signature"), "{said}");
}
