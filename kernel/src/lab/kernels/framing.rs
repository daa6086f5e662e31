//! A Jupyter message as the frames that ZeroMQ carries, and its two forms on a WebSocket.

use crate::jupyter::wire::date;
use crate::jupyter::wire::{PROTOCOL_VERSION, Wire};
use axum::extract::ws;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Map, Value, json};

/// The subprotocol that carries frames as they are.
pub const V1: &str = "v1.kernel.websocket.jupyter.org";

const EMPTY: &[u8] = b"{}";

/// Which of a kernel's sockets a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Requests, and their replies.
    Shell,
    /// Requests that do not wait for cells.
    Control,
    /// Questions to the person, and their answers.
    Stdin,
    /// What everybody sees.
    Iopub,
}

impl Channel {
    /// Its name on a WebSocket.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Control => "control",
            Self::Stdin => "stdin",
            Self::Iopub => "iopub",
        }
    }

    /// The channel of this name.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Shell, Self::Control, Self::Stdin, Self::Iopub].into_iter().find(|c| c.name().as_bytes() == name)
    }
}

/// A message: JSON frames as they came, cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The socket it came from or goes to.
    pub channel: Channel,
    /// Who says what.
    pub header: Bytes,
    /// The header of what this answers.
    pub parent: Bytes,
    /// Metadata.
    pub metadata: Bytes,
    /// What is said.
    pub content: Bytes,
    /// Binary data besides the JSON.
    pub buffers: Vec<Bytes>,
}

impl Message {
    /// A message of the server itself on iopub. `session` is the kernel's: JupyterLab takes a new session for a new
    /// kernel, and leaves alone what it has not yet handled of the old one.
    pub fn iopub(kind: &str, session: &str, parent: Bytes, content: &Value) -> Self {
        let header = json!({
            "msg_id": Wire::new_id(),
            "session": session,
            "username": "server",
            "date": date(jiff::Timestamp::now()),
            "msg_type": kind,
            "version": PROTOCOL_VERSION,
        });
        Self {
            channel: Channel::Iopub,
            header: Bytes::from(header.to_string()),
            parent,
            metadata: Bytes::from_static(EMPTY),
            content: Bytes::from(content.to_string()),
            buffers: Vec::new(),
        }
    }

    /// How many bytes it holds.
    pub fn len(&self) -> usize {
        let frames = [&self.header, &self.parent, &self.metadata, &self.content];
        frames.into_iter().chain(&self.buffers).map(Bytes::len).sum()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a server reads of a header.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Head {
    /// The id of the message.
    #[serde(deserialize_with = "text")]
    pub msg_id: String,
    /// Its type, such as `status`.
    #[serde(deserialize_with = "text")]
    pub msg_type: String,
    /// Who sent it.
    #[serde(deserialize_with = "text")]
    pub session: String,
}

impl Head {
    /// Reads a header; `None` where it is not a JSON object.
    pub fn read(frame: &[u8]) -> Option<Self> {
        // A sequence would do for serde.
        frame.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(frame).ok())?
    }
}

/// A text; anything else counts as none.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        _ => String::new(),
    })
}

/// Why a frame of a WebSocket is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It is malformed: it is passed over.
    Malformed,
    /// The other side speaks something else.
    Foreign,
}

/// How messages travel on one WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Frames as they are, behind a table of offsets.
    V1,
    /// One JSON object; binary where there are buffers.
    Json,
}

impl Framing {
    /// The frame for a message. `None` where JSON is asked for and the kernel sent none.
    pub fn write(self, message: &Message) -> Option<ws::Message> {
        match self {
            Self::V1 => Some(ws::Message::Binary(write_v1(message))),
            Self::Json => write_json(message),
        }
    }

    /// The message in a text or binary frame.
    pub fn read(self, frame: &ws::Message) -> Result<Message, Broken> {
        let message = match (self, frame) {
            (Self::V1, ws::Message::Binary(data)) => read_v1(data),
            (Self::V1, ws::Message::Text(_)) => return Err(Broken::Foreign),
            (Self::Json, ws::Message::Binary(data)) => read_binary(data),
            (Self::Json, ws::Message::Text(text)) => read_json(text.as_str().as_bytes(), Vec::new()),
            _ => None,
        };
        message.filter(|m| Head::read(&m.header).is_some()).ok_or(Broken::Malformed)
    }
}

/// Little-endian numbers of 64 bits: how many offsets, the offsets; then channel, header, parent, metadata, content and
/// buffers. The last offset is the end.
fn write_v1(message: &Message) -> Bytes {
    let json = [&message.header, &message.parent, &message.metadata, &message.content];
    let frames = json.into_iter().chain(&message.buffers).map(|frame| &frame[..]);
    let parts: Vec<&[u8]> = std::iter::once(message.channel.name().as_bytes()).chain(frames).collect();
    let mut offset = 8 * (parts.len() + 2);
    let mut out = Vec::with_capacity(offset + parts.iter().map(|part| part.len()).sum::<usize>());
    out.extend((parts.len() as u64 + 1).to_le_bytes());
    for part in &parts {
        out.extend((offset as u64).to_le_bytes());
        offset += part.len();
    }
    out.extend((offset as u64).to_le_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
    Bytes::from(out)
}

fn read_v1(data: &Bytes) -> Option<Message> {
    let number = |nth: usize| {
        let at = nth.checked_mul(8)?;
        let bytes = data.get(at..at.checked_add(8)?)?;
        usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    let count = number(0)?;
    // The channel, four frames, the end.
    if count < 6 || count > data.len() / 8 {
        return None;
    }
    let part = |nth: usize| part_of(data, number(nth)?, number(nth + 1)?);
    Some(Message {
        channel: Channel::from_name(&part(1)?)?,
        header: part(2)?,
        parent: part(3)?,
        metadata: part(4)?,
        content: part(5)?,
        buffers: (6..count).map(part).collect::<Option<_>>()?,
    })
}

fn part_of(data: &Bytes, from: usize, to: usize) -> Option<Bytes> {
    data.get(from..to)?;
    Some(data.slice(from..to))
}

fn write_json(message: &Message) -> Option<ws::Message> {
    let head = Head::read(&message.header)?;
    let [header, parent, metadata, content] =
        [&message.header, &message.parent, &message.metadata, &message.content].map(|frame| json_of(frame));
    let text = format!(
        r#"{{"header":{},"msg_id":{},"msg_type":{},"parent_header":{},"metadata":{},"content":{},{}"channel":"{}"}}"#,
        header?,
        Value::from(head.msg_id),
        Value::from(head.msg_type),
        parent?,
        metadata?,
        content?,
        if message.buffers.is_empty() { r#""buffers":[],"# } else { "" },
        message.channel.name(),
    );
    if message.buffers.is_empty() { Some(ws::Message::text(text)) } else { write_binary(&text, &message.buffers) }
}

fn json_of(frame: &[u8]) -> Option<&str> {
    serde_json::from_slice::<IgnoredAny>(frame).ok()?;
    std::str::from_utf8(frame).ok()
}

/// Big-endian numbers of 32 bits: how many parts, their offsets; then the JSON and the buffers.
fn write_binary(json: &str, buffers: &[Bytes]) -> Option<ws::Message> {
    let parts: Vec<&[u8]> = std::iter::once(json.as_bytes()).chain(buffers.iter().map(|b| &b[..])).collect();
    let mut offset = 4 * (parts.len() + 1);
    let mut out = Vec::with_capacity(offset + parts.iter().map(|part| part.len()).sum::<usize>());
    out.extend(u32::try_from(parts.len()).ok()?.to_be_bytes());
    for part in &parts {
        out.extend(u32::try_from(offset).ok()?.to_be_bytes());
        offset += part.len();
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    Some(ws::Message::binary(out))
}

fn read_binary(data: &Bytes) -> Option<Message> {
    let number = |nth: usize| {
        let at = nth.checked_mul(4)?;
        let bytes = data.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok()
    };
    let count = number(0)?;
    if count == 0 || count > data.len() / 4 {
        return None;
    }
    let part = |nth: usize| part_of(data, number(nth)?, if nth == count { data.len() } else { number(nth + 1)? });
    let json = part(1)?;
    read_json(&json, (2..=count).map(part).collect::<Option<_>>()?)
}

fn read_json(json: &[u8], buffers: Vec<Bytes>) -> Option<Message> {
    let mut fields: Map<String, Value> = serde_json::from_slice(json).ok()?;
    let channel = match fields.get("channel") {
        // As Jupyter Server does.
        None | Some(Value::Null) => Channel::Shell,
        Some(name) => Channel::from_name(name.as_str()?.as_bytes())?,
    };
    fields.get("header")?.as_object()?;
    let mut frame = |name: &str| match fields.remove(name) {
        None | Some(Value::Null) => Some(Bytes::from_static(EMPTY)),
        Some(value @ Value::Object(_)) => Some(Bytes::from(value.to_string())),
        Some(_) => None,
    };
    let (header, parent) = (frame("header")?, frame("parent_header")?);
    let (metadata, content) = (frame("metadata")?, frame("content")?);
    Some(Message { channel, header, parent, metadata, content, buffers })
}

#[cfg(test)]
mod tests;
