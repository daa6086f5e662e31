//! Kernel messages on a WebSocket, in both framings.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::{Value, json};
use tungstenite::Message;

/// How messages are laid out on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `v1.kernel.websocket.jupyter.org`: offsets, then the frames as the kernel sent them.
    V1,
    /// One JSON text, where no subprotocol is offered.
    Json,
}

/// The name of [`Framing::V1`].
pub(super) const V1: &str = "v1.kernel.websocket.jupyter.org";

/// A message that came in.
#[derive(Debug, Clone)]
pub struct LabMessage {
    /// `shell`, `control`, `stdin` or `iopub`.
    pub channel: String,
    /// Its header.
    pub header: Value,
    /// The header of the message that it answers.
    pub parent: Value,
    /// Its metadata.
    pub metadata: Value,
    /// Its content.
    pub content: Value,
}

impl LabMessage {
    /// Its type.
    pub fn kind(&self) -> &str {
        self.header["msg_type"].as_str().unwrap_or_default()
    }

    /// The id of the message that it answers; empty for none.
    pub fn parent_id(&self) -> &str {
        self.parent["msg_id"].as_str().unwrap_or_default()
    }

    /// Whether it says that the kernel is in this state.
    pub fn says(&self, state: &str) -> bool {
        self.kind() == "status" && self.content["execution_state"] == state
    }
}

impl Framing {
    pub(super) fn encode(self, channel: &str, header: &Value, parent: &Value, content: &Value) -> Message {
        match self {
            Self::V1 => Message::binary(v1(channel, &[header, parent, &json!({}), content])),
            Self::Json => Message::text(
                json!({
                    "channel": channel, "header": header, "parent_header": parent, "metadata": {}, "content": content,
                    "buffers": [],
                })
                .to_string(),
            ),
        }
    }

    pub(super) fn decode(self, message: &Message) -> LabMessage {
        match (self, message) {
            (Self::V1, Message::Binary(bytes)) => of_v1(bytes),
            (Self::Json, Message::Text(text)) => of_json(text.as_str()),
            _ => panic!("not in the framing that was agreed on: {message:?}"),
        }
    }
}

fn v1(channel: &str, parts: &[&Value]) -> Vec<u8> {
    let mut pieces = vec![channel.as_bytes().to_vec()];
    pieces.extend(parts.iter().map(|part| part.to_string().into_bytes()));
    // One offset for the beginning of the first piece, one for the end of each.
    let count = pieces.len() + 1;
    let mut at = 8 * (1 + count) as u64;
    let mut bytes = (count as u64).to_le_bytes().to_vec();
    bytes.extend(at.to_le_bytes());
    for piece in &pieces {
        at += piece.len() as u64;
        bytes.extend(at.to_le_bytes());
    }
    bytes.extend(pieces.concat());
    bytes
}

fn of_v1(bytes: &[u8]) -> LabMessage {
    let number = |at: usize| u64::from_le_bytes(bytes[8 * at..8 * at + 8].try_into().unwrap()) as usize;
    let count = number(0);
    let offsets: Vec<usize> = (1..=count).map(number).collect();
    assert_eq!((offsets[0], offsets[count - 1]), (8 * (1 + count), bytes.len()), "{offsets:?}");
    let pieces: Vec<&[u8]> = offsets.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
    assert!(pieces.len() >= 5, "{} pieces", pieces.len());
    let [header, parent, metadata, content] = [1, 2, 3, 4].map(|n| serde_json::from_slice(pieces[n]).unwrap());
    LabMessage { channel: String::from_utf8(pieces[0].to_vec()).unwrap(), header, parent, metadata, content }
}

fn of_json(text: &str) -> LabMessage {
    let message: Value = serde_json::from_str(text).unwrap();
    let field = |name: &str| message[name].clone();
    for name in ["header", "parent_header", "metadata", "content"] {
        assert!(message[name].is_object(), "{name} of {message}");
    }
    LabMessage {
        channel: message["channel"].as_str().unwrap().to_owned(),
        header: field("header"),
        parent: field("parent_header"),
        metadata: field("metadata"),
        content: field("content"),
    }
}
