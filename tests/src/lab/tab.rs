//! A tab of a front end that is connected to a kernel.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::message::V1;
use super::{Framing, LabMessage, Server};
use crate::client::{PATIENCE, Ran, cell};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Instant;
use tungstenite::client::client_with_config;
use tungstenite::error::ProtocolError;
use tungstenite::http::Uri;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{ClientRequestBuilder, Error, HandshakeError, Message, WebSocket};

/// A tab of a front end, connected to a kernel.
pub struct Tab {
    socket: WebSocket<TcpStream>,
    session: String,
    framing: Framing,
}

impl Server {
    /// A WebSocket to this path, or the status with which it is refused.
    pub fn socket(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        protocol: Option<&str>,
    ) -> Result<WebSocket<TcpStream>, u16> {
        let uri: Uri = format!("ws://{}{path}", self.authority()).parse().unwrap();
        let named = ClientRequestBuilder::new(uri);
        let request = headers.iter().fold(named, |request, (name, value)| request.with_header(*name, *value));
        let request = match protocol {
            Some(protocol) => request.with_sub_protocol(protocol),
            None => request,
        };
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        match client_with_config(request, self.connect(), Some(config)) {
            Ok((socket, _)) => Ok(socket),
            Err(HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
            Err(e) => panic!("{path}: {e}"),
        }
    }
}

impl Tab {
    /// Connects as JupyterLab does.
    #[track_caller]
    pub fn open(server: &Server, kernel: &str, session: &str) -> Self {
        Self::open_in(server, kernel, session, Framing::V1)
    }

    /// Connects with a framing.
    #[track_caller]
    pub fn open_in(server: &Server, kernel: &str, session: &str, framing: Framing) -> Self {
        let path = format!("/api/kernels/{kernel}/channels?session_id={session}");
        let bearer = format!("token {}", server.token());
        let protocol = (framing == Framing::V1).then_some(V1);
        let socket = server.socket(&path, &[("Authorization", &bearer)], protocol);
        let socket = socket.unwrap_or_else(|status| panic!("{path}: {status}"));
        Self { socket, session: session.to_owned(), framing }
    }

    /// Sends a message and returns its id.
    pub fn send(&mut self, channel: &str, kind: &str, content: &Value) -> String {
        self.answer(channel, kind, content, &json!({}))
    }

    /// Sends a message that answers another.
    pub fn answer(&mut self, channel: &str, kind: &str, content: &Value, parent: &Value) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        let header = json!({
            "msg_id": id, "session": self.session, "username": "test", "date": "2026-01-01T00:00:00.000000Z",
            "msg_type": kind, "version": "5.4",
        });
        self.socket.send(self.framing.encode(channel, &header, parent, content)).unwrap();
        id
    }

    /// The next message; `None` when the server has ended the connection.
    #[track_caller]
    pub fn next_or_end(&mut self) -> Option<LabMessage> {
        loop {
            match self.socket.read() {
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => return Some(self.framing.decode(&message)),
                Ok(_) => {}
                Err(Error::Io(e)) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!("nothing comes from the kernel")
                }
                Err(
                    Error::Io(_)
                    | Error::ConnectionClosed
                    | Error::AlreadyClosed
                    | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
                ) => return None,
                Err(e) => panic!("{e}"),
            }
        }
    }

    /// The next message.
    #[track_caller]
    pub fn next_message(&mut self) -> LabMessage {
        self.next_or_end().expect("the server has ended the connection")
    }

    /// The next message that is wanted; others are passed over.
    #[track_caller]
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&LabMessage) -> bool) -> LabMessage {
        let begin = Instant::now();
        loop {
            let message = self.next_message();
            if wanted(&message) {
                return message;
            }
            assert!(begin.elapsed() < PATIENCE, "waited in vain: {what}");
        }
    }

    /// Sends a cell and waits until it has begun.
    #[track_caller]
    pub fn begin(&mut self, code: &str) -> String {
        let id = self.send("shell", "execute_request", &cell(code));
        self.wait("the beginning of the cell", |m| m.kind() == "execute_input" && m.parent_id() == id);
        id
    }

    /// Executes a cell and waits for its end.
    #[track_caller]
    pub fn run(&mut self, code: &str) -> Ran {
        let id = self.send("shell", "execute_request", &cell(code));
        self.finish(&id)
    }

    /// Waits for the reply of a cell and for its `idle`; what is about others is passed over.
    #[track_caller]
    pub fn finish(&mut self, id: &str) -> Ran {
        let (mut reply, mut idle, mut outputs) = (None, false, Vec::new());
        while reply.is_none() || !idle {
            let message = self.next_message();
            if message.parent_id() != id {
                continue;
            }
            match (message.channel.as_str(), message.kind()) {
                ("shell", "execute_reply") => reply = Some(message.content),
                ("iopub", "status") => idle = message.says("idle"),
                ("iopub", "execute_input") => {}
                ("iopub", kind) => outputs.push((kind.to_owned(), message.content)),
                _ => panic!("unexpected: {message:?}"),
            }
        }
        Ran { reply: reply.unwrap_or_default(), outputs }
    }

    /// Sends a request on shell and returns the content of its reply.
    #[track_caller]
    pub fn request(&mut self, kind: &str, content: &Value) -> Value {
        let id = self.send("shell", &format!("{kind}_request"), content);
        self.wait(kind, |m| m.channel == "shell" && m.parent_id() == id).content
    }

    /// Closes the connection as a browser does, and returns what was still on its way.
    #[track_caller]
    pub fn close(mut self) -> Vec<LabMessage> {
        let mut late = Vec::new();
        if self.socket.close(None).is_ok() {
            while let Some(message) = self.next_or_end() {
                late.push(message);
            }
        }
        late
    }
}
