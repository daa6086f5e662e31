//! A connected client.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::message::checked;
use super::{Message, PATIENCE, Ports, Ran, cell, signature};
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Duration;
use zeromq::prelude::*;
use zeromq::util::PeerIdentity;
use zeromq::{DealerSocket, ReqSocket, SocketOptions, SubSocket, ZmqMessage};

/// A connected client.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    shell: DealerSocket,
    control: DealerSocket,
    stdin: DealerSocket,
    iopub: SubSocket,
    heartbeat: ReqSocket,
    session: String,
    /// Whether a message that nobody read fails the test when this is dropped.
    strict: bool,
    /// Whether everything on iopub is about requests of this client.
    alone: bool,
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
        let mut client = Self::unsubscribed(ports, session);
        client.subscribe(ports);
        client
    }

    /// Connects, asks at once, and subscribes later: the order in which the sockets of libzmq may find a kernel. Returns
    /// the id of the request, too.
    pub fn connect_late(ports: &Ports, kind: &str, content: Value, late: Duration) -> (Self, String) {
        let mut client = Self::unsubscribed(ports, &uuid::Uuid::new_v4().to_string());
        let id = client.send(kind, content);
        // Sockets work while their event loop runs.
        client.runtime.block_on(async { tokio::time::sleep(late).await });
        client.subscribe(ports);
        (client, id)
    }

    fn subscribe(&mut self, ports: &Ports) {
        self.runtime.block_on(async {
            self.iopub.connect(&format!("tcp://127.0.0.1:{}", ports.ports[2])).await.unwrap();
            self.iopub.subscribe("").await.unwrap();
        });
        loop {
            // Before the welcome, this client may see what others asked for.
            let message = self.any_iopub();
            if message.kind() == "iopub_welcome" {
                assert_eq!(message.content, json!({ "subscription": "" }));
                return;
            }
        }
    }

    fn unsubscribed(ports: &Ports, session: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let [shell_at, control_at, _, stdin_at, hb_at] = ports.ports.map(|port| format!("tcp://127.0.0.1:{port}"));
        let options = || {
            let mut options = SocketOptions::default();
            options.peer_identity(session.parse::<PeerIdentity>().unwrap());
            options
        };
        let (shell, control, stdin, iopub, heartbeat) = runtime.block_on(async {
            let mut shell = DealerSocket::with_options(options());
            let mut control = DealerSocket::with_options(options());
            let mut stdin = DealerSocket::with_options(options());
            let iopub = SubSocket::new();
            let mut heartbeat = ReqSocket::new();
            shell.connect(&shell_at).await.unwrap();
            control.connect(&control_at).await.unwrap();
            stdin.connect(&stdin_at).await.unwrap();
            heartbeat.connect(&hb_at).await.unwrap();
            (shell, control, stdin, iopub, heartbeat)
        });
        let session = session.to_owned();
        Self {
            runtime,
            shell,
            control,
            stdin,
            iopub,
            heartbeat,
            session,
            strict: true,
            alone: true,
            patience: PATIENCE,
        }
    }

    /// There are other clients: what they ask for is on iopub too, and is passed over.
    pub fn among_others(&mut self) {
        self.alone = false;
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
        self.message(kind, content, &json!({}), None)
    }

    /// Sends a request for a subshell on shell and returns its id.
    pub fn send_to_subshell(&mut self, subshell: &str, kind: &str, content: Value) -> String {
        let (id, message) = self.message(kind, content, &json!({}), Some(subshell));
        self.runtime.block_on(self.shell.send(message)).unwrap();
        id
    }

    fn message(&self, kind: &str, content: Value, parent: &Value, subshell: Option<&str>) -> (String, ZmqMessage) {
        let id = uuid::Uuid::new_v4().to_string();
        let header = json!({
            "msg_id": id, "session": self.session, "username": "test", "date": "2026-01-01T00:00:00.000000Z",
            "msg_type": kind, "version": "5.6", "subshell_id": subshell,
        });
        let parts = [header.to_string(), parent.to_string(), "{}".to_owned(), content.to_string()];
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

    /// The next message on stdin.
    pub fn stdin(&mut self) -> Message {
        let received = self.runtime.block_on(async { tokio::time::timeout(self.patience, self.stdin.recv()).await });
        checked(received.expect("no question on stdin").unwrap())
    }

    /// The next message on stdin is a question of the cell `id`.
    pub fn expect_question(&mut self, id: &str) -> Message {
        let message = self.stdin();
        assert_eq!((message.kind(), message.parent_id()), ("input_request", id), "{message:?}");
        message
    }

    /// Answers on stdin. Not every client says what it answers: `question` is then `None`.
    pub fn answer(&mut self, value: &str, question: Option<&Message>) {
        let parent = question.map_or_else(|| json!({}), |q| q.header.clone());
        let (_, message) = self.message("input_reply", json!({ "value": value }), &parent, None);
        self.runtime.block_on(self.stdin.send(message)).unwrap();
    }

    /// The next message on iopub; where there are other clients, the next about a request of this one.
    pub fn iopub(&mut self) -> Message {
        loop {
            let message = self.any_iopub();
            if self.alone || message.parent["session"] == self.session.as_str() {
                return message;
            }
        }
    }

    fn any_iopub(&mut self) -> Message {
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

    /// The content of the reply to request `id` on shell, after replies to others that had this client's identity.
    pub fn eventual_reply(&mut self, id: &str) -> Value {
        loop {
            let message = self.shell();
            if message.parent_id() == id {
                return message.content;
            }
        }
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

impl Client {
    /// Whether nothing more comes on any channel for a moment.
    pub fn quiet(&mut self) -> bool {
        self.unexpected().is_none()
    }

    /// From here on nobody looks at what comes: for a client that is to vanish in the middle of things.
    pub fn leave(mut self) {
        self.strict = false;
    }

    /// What has come and was not asked for, on any channel.
    fn unexpected(&mut self) -> Option<String> {
        let quiet = Duration::from_millis(20);
        let (shell, control, stdin, iopub) = (&mut self.shell, &mut self.control, &mut self.stdin, &mut self.iopub);
        let alone = self.alone;
        self.runtime.block_on(async {
            let last = tokio::select! {
                m = shell.recv() => m,
                m = control.recv() => m,
                m = stdin.recv() => m,
                m = iopub.recv(), if alone => m,
                () = tokio::time::sleep(quiet) => return None,
            };
            last.ok().map(|message| format!("{message:?}"))
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !self.strict || std::thread::panicking() {
            return;
        }
        if let Some(message) = self.unexpected() {
            panic!("a message that the test did not ask for: {message}");
        }
    }
}
