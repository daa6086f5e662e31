//! A small Jupyter client that starts the real program and is strict about what comes back.
//!
//! It shares no code with the kernel: frames, signatures and message fields are written out here a second time, so
//! that a mistake in the kernel is not made again by its test. Every `expect…` panics on any message that the test did
//! not ask for, and every message that comes in is checked for its signature and its fields.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use zeromq::prelude::*;
use zeromq::util::PeerIdentity;
use zeromq::{DealerSocket, ReqSocket, SocketOptions, SubSocket, ZmqMessage};

/// How long a test waits for a message that must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The key of every kernel that a test starts.
pub const KEY: &str = "a-key-for-tests";

/// A message that came in.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its header.
    pub header: Value,
    /// The header of the message that it answers.
    pub parent: Value,
    /// Its content.
    pub content: Value,
}

impl Message {
    /// Its type.
    pub fn kind(&self) -> &str {
        self.header["msg_type"].as_str().unwrap()
    }

    /// The id of the message that it answers; empty for none.
    pub fn parent_id(&self) -> &str {
        self.parent["msg_id"].as_str().unwrap_or_default()
    }
}

/// What one executed cell gave.
#[derive(Debug)]
pub struct Ran {
    /// The content of `execute_reply`.
    pub reply: Value,
    /// Everything on iopub between `execute_input` and `idle`: type and content. Stream messages that follow each
    /// other on the same stream are joined, since where a kernel cuts them is its own affair.
    pub outputs: Vec<(String, Value)>,
}

impl Ran {
    /// The text of one stream.
    pub fn stream(&self, name: &str) -> String {
        let texts = self.outputs.iter().filter(|(kind, content)| kind == "stream" && content["name"] == name);
        texts.map(|(_, content)| content["text"].as_str().unwrap()).collect()
    }

    /// The types of the outputs, in order.
    pub fn kinds(&self) -> Vec<&str> {
        self.outputs.iter().map(|(kind, _)| kind.as_str()).collect()
    }

    /// The plain text of the result.
    pub fn result(&self) -> Option<&str> {
        let (_, content) = self.outputs.iter().find(|(kind, _)| kind == "execute_result")?;
        content["data"]["text/plain"].as_str()
    }
}

/// Where a kernel listens.
#[derive(Debug, Clone)]
pub struct Ports {
    /// The connection file.
    pub file: PathBuf,
    /// shell, control, iopub, stdin, heartbeat.
    pub ports: [u16; 5],
}

impl Ports {
    /// Five ports that are free now, in a connection file in `folder`.
    pub fn choose(folder: &Path) -> Self {
        let listeners: Vec<TcpListener> = (0..5).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
        let ports: [u16; 5] = ports.try_into().unwrap();
        let [shell, control, iopub, stdin, hb] = ports;
        let content = json!({
            "transport": "tcp", "ip": "127.0.0.1", "key": KEY, "signature_scheme": "hmac-sha256", "kernel_name": "minerva",
            "shell_port": shell, "control_port": control, "iopub_port": iopub, "stdin_port": stdin, "hb_port": hb,
        });
        let file = folder.join("connection.json");
        std::fs::write(&file, content.to_string()).unwrap();
        Self { file, ports }
    }
}

/// A connected client.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    shell: DealerSocket,
    control: DealerSocket,
    iopub: SubSocket,
    heartbeat: ReqSocket,
    session: String,
    /// When a message is waited for longer than this, the test fails.
    pub patience: Duration,
}

impl Client {
    /// Connects to a kernel, with a new identity, and waits until the iopub subscription has arrived there.
    pub fn connect(ports: &Ports) -> Self {
        Self::connect_as(ports, &uuid::Uuid::new_v4().to_string())
    }

    /// Connects with a given identity, as a front end does that comes back.
    pub fn connect_as(ports: &Ports, session: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let [shell_at, control_at, iopub_at, _, hb_at] = ports.ports.map(|port| format!("tcp://127.0.0.1:{port}"));
        let options = || {
            let mut options = SocketOptions::default();
            options.peer_identity(session.parse::<PeerIdentity>().unwrap());
            options
        };
        let (shell, control, iopub, heartbeat) = runtime.block_on(async {
            let mut shell = DealerSocket::with_options(options());
            let mut control = DealerSocket::with_options(options());
            let mut iopub = SubSocket::new();
            let mut heartbeat = ReqSocket::new();
            iopub.connect(&iopub_at).await.unwrap();
            iopub.subscribe("").await.unwrap();
            shell.connect(&shell_at).await.unwrap();
            control.connect(&control_at).await.unwrap();
            heartbeat.connect(&hb_at).await.unwrap();
            (shell, control, iopub, heartbeat)
        });
        let session = session.to_owned();
        let mut client = Self { runtime, shell, control, iopub, heartbeat, session, patience: PATIENCE };
        loop {
            // Before the welcome, this client may see what others asked for.
            let message = client.iopub();
            if message.kind() == "iopub_welcome" {
                assert_eq!(message.content, json!({ "subscription": "" }));
                return client;
            }
        }
    }

    /// Sends a request on shell and returns its id.
    pub fn send(&mut self, kind: &str, content: Value) -> String {
        let (id, message) = self.request(kind, content);
        self.runtime.block_on(self.shell.send(message)).unwrap();
        id
    }

    /// Sends a request on control and returns its id.
    pub fn send_control(&mut self, kind: &str, content: Value) -> String {
        let (id, message) = self.request(kind, content);
        self.runtime.block_on(self.control.send(message)).unwrap();
        id
    }

    /// Sends frames as they are on shell: for messages that no client should send.
    pub fn send_frames(&mut self, frames: &[&[u8]]) {
        let frames: Vec<Bytes> = frames.iter().map(|f| Bytes::copy_from_slice(f)).collect();
        self.runtime.block_on(self.shell.send(frames.try_into().unwrap())).unwrap();
    }

    /// The frames of a signed request, and its id.
    pub fn request(&self, kind: &str, content: Value) -> (String, ZmqMessage) {
        let id = uuid::Uuid::new_v4().to_string();
        let header = json!({
            "msg_id": id, "session": self.session, "username": "test", "date": "2026-01-01T00:00:00.000000Z",
            "msg_type": kind, "version": "5.4",
        });
        let parts = [header.to_string(), "{}".to_owned(), "{}".to_owned(), content.to_string()];
        let mut frames = vec![Bytes::from_static(b"<IDS|MSG>"), Bytes::from(signature(&parts))];
        frames.extend(parts.into_iter().map(Bytes::from));
        (id, frames.try_into().unwrap())
    }

    /// The next message on shell.
    pub fn shell(&mut self) -> Message {
        let received = self.runtime.block_on(async { tokio::time::timeout(self.patience, self.shell.recv()).await });
        checked(received.expect("no reply on shell").unwrap())
    }

    /// The next message on control.
    pub fn control(&mut self) -> Message {
        let received = self.runtime.block_on(async { tokio::time::timeout(self.patience, self.control.recv()).await });
        checked(received.expect("no reply on control").unwrap())
    }

    /// The next message on iopub.
    pub fn iopub(&mut self) -> Message {
        let received = self.runtime.block_on(async { tokio::time::timeout(self.patience, self.iopub.recv()).await });
        let mut frames = received.expect("nothing on iopub").unwrap().into_vec();
        let topic = frames.remove(0);
        if topic.as_ref() == b"<IDS|MSG>" {
            frames.insert(0, topic);
        }
        checked(frames.try_into().unwrap())
    }

    /// The reply to request `id` on shell: the next message there, of type `kind`. Returns its content.
    pub fn expect_reply(&mut self, id: &str, kind: &str) -> Value {
        let message = self.shell();
        assert_eq!((message.kind(), message.parent_id()), (kind, id), "{message:?}");
        message.content
    }

    /// The reply to request `id` on control.
    pub fn expect_control(&mut self, id: &str, kind: &str) -> Value {
        let message = self.control();
        assert_eq!((message.kind(), message.parent_id()), (kind, id), "{message:?}");
        message.content
    }

    /// The next message on iopub, of type `kind`, about request `id`. Returns its content.
    pub fn expect_iopub(&mut self, id: &str, kind: &str) -> Value {
        let message = self.iopub();
        assert_eq!((message.kind(), message.parent_id()), (kind, id), "{message:?}");
        message.content
    }

    /// The next message on iopub is that request `id` makes the kernel `state`.
    pub fn expect_status(&mut self, id: &str, state: &str) {
        assert_eq!(self.expect_iopub(id, "status"), json!({ "execution_state": state }));
    }

    /// Nothing comes on iopub for a while.
    pub fn expect_silence(&mut self, time: Duration) {
        let received = self.runtime.block_on(async { tokio::time::timeout(time, self.iopub.recv()).await });
        assert!(received.is_err(), "unexpected: {received:?}");
    }

    /// Sends a request that is answered without output, checks `busy` and `idle` around it, and returns the reply.
    pub fn ask(&mut self, kind: &str, content: Value) -> Value {
        let id = self.send(&format!("{kind}_request"), content);
        self.expect_status(&id, "busy");
        let reply = self.expect_reply(&id, &format!("{kind}_reply"));
        self.expect_status(&id, "idle");
        reply
    }

    /// Executes a cell and waits for its end.
    pub fn run(&mut self, code: &str) -> Ran {
        let id = self.start(code);
        self.finish(&id)
    }

    /// Sends a cell and waits until it has begun.
    pub fn start(&mut self, code: &str) -> String {
        let id = self.send("execute_request", cell(code));
        self.expect_status(&id, "busy");
        assert_eq!(self.expect_iopub(&id, "execute_input")["code"], code);
        id
    }

    /// Waits for the end of a cell that has begun.
    pub fn finish(&mut self, id: &str) -> Ran {
        let mut outputs: Vec<(String, Value)> = Vec::new();
        loop {
            let message = self.iopub();
            assert_eq!(message.parent_id(), id, "{message:?}");
            match (message.kind(), outputs.last_mut()) {
                ("status", _) => {
                    assert_eq!(message.content, json!({ "execution_state": "idle" }));
                    break;
                }
                ("stream", Some((last, content))) if last == "stream" && content["name"] == message.content["name"] => {
                    // In place: a flood must not cost the square of its length.
                    let Value::String(text) = &mut content["text"] else { panic!("a stream without text") };
                    text.push_str(message.content["text"].as_str().unwrap());
                }
                (kind, _) => outputs.push((kind.to_owned(), message.content)),
            }
        }
        Ran { reply: self.expect_reply(id, "execute_reply"), outputs }
    }

    /// Sends `bytes` to the heartbeat and returns what comes back.
    pub fn beat(&mut self, bytes: &'static [u8]) -> Vec<u8> {
        let received = self.runtime.block_on(async {
            self.heartbeat.send(Bytes::from_static(bytes).into()).await.unwrap();
            tokio::time::timeout(self.patience, self.heartbeat.recv()).await
        });
        received.expect("the heart stopped").unwrap().try_into().unwrap()
    }
}

/// The content of an ordinary `execute_request`.
pub fn cell(code: &str) -> Value {
    json!({
        "code": code, "silent": false, "store_history": true, "user_expressions": {}, "allow_stdin": false,
        "stop_on_error": true,
    })
}

/// The hex HMAC of the four JSON parts of a message.
pub fn signature<T: AsRef<[u8]>>(parts: &[T]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part.as_ref()));
    hex::encode(mac.finalize().into_bytes())
}

fn checked(message: ZmqMessage) -> Message {
    let frames = message.into_vec();
    assert_eq!(frames[0].as_ref(), b"<IDS|MSG>", "{frames:?}");
    assert_eq!(frames[1].as_ref(), signature(&frames[2..6]).as_bytes(), "the signature of {frames:?}");
    let [header, parent, _metadata, content] =
        [2, 3, 4, 5].map(|n| serde_json::from_slice::<Value>(&frames[n]).unwrap());
    for field in ["msg_id", "session", "username", "date", "msg_type", "version"] {
        assert!(header[field].is_string(), "{field} of {header}");
    }
    assert!(content.is_object());
    Message { header, parent, content }
}

/// A kernel process. Dropping it kills the process.
pub struct Kernel {
    child: Child,
    /// Where it listens.
    pub ports: Ports,
    /// When it was started.
    pub started: Instant,
    folder: tempfile::TempDir,
}

impl Kernel {
    /// Starts `binary kernel CONNECTION_FILE`.
    pub fn start(binary: &str) -> Self {
        Self::start_with(binary, &[])
    }

    /// Starts a kernel with additional environment variables.
    pub fn start_with(binary: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = Ports::choose(folder.path());
        let started = Instant::now();
        let child = spawn(binary, &ports, environment);
        Self { child, ports, started, folder }
    }

    /// Starts the program again on the same connection file, as a restart does.
    pub fn restart(&mut self, binary: &str) {
        self.started = Instant::now();
        self.child = spawn(binary, &self.ports, &[]);
    }

    /// A client of this kernel.
    pub fn connect(&self) -> Client {
        Client::connect(&self.ports)
    }

    /// The id of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A folder for the test's files, deleted with the kernel.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the kernel does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn spawn(binary: &str, ports: &Ports, environment: &[(&str, &str)]) -> Child {
    Command::new(binary)
        .arg("kernel")
        .arg(&ports.file)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start {binary}: {e}"))
}

impl Drop for Kernel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
