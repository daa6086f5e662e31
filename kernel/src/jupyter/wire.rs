//! One Jupyter message on the wire: frames, signature, JSON.
//!
//! `[identities…, <IDS|MSG>, signature, header, parent_header, metadata, content, buffers…]`; the signature is the hex
//! HMAC-SHA256 of the four JSON frames, not of the buffers.

use bytes::Bytes;
use hmac::{Hmac, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use zeromq::ZmqMessage;

/// The version of the messaging protocol that this kernel speaks.
pub const PROTOCOL_VERSION: &str = "5.6";

/// What stands between the frames that lead to a peer and the message.
pub const DELIMITER: &[u8] = b"<IDS|MSG>";

/// How many signatures are remembered to drop a replayed message.
const REMEMBERED_SIGNATURES: usize = 65_536;

/// A JSON object.
pub type Object = Map<String, Value>;

/// A time as Jupyter writes it, with six digits of a second: its own parser takes no more.
pub fn date(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// A message that came in.
#[derive(Debug, Clone)]
pub struct Request {
    /// The frames that lead back to the sender.
    pub identities: Vec<Bytes>,
    /// The header, kept whole: replies repeat it as their parent, fields we do not know included.
    pub header: Arc<Object>,
    /// The header of what this answers; empty for a request.
    pub parent: Object,
    /// What is asked.
    pub content: Object,
}

impl Request {
    /// The message type, such as `"execute_request"`.
    pub fn kind(&self) -> &str {
        self.header.get("msg_type").and_then(Value::as_str).unwrap_or_default()
    }

    /// A text field of the content; empty where it is missing or of another type.
    pub fn text(&self, key: &str) -> &str {
        self.content.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A yes or no of the content.
    pub fn flag(&self, key: &str, default: bool) -> bool {
        self.content.get(key).and_then(Value::as_bool).unwrap_or(default)
    }

    /// A whole number of the content.
    pub fn number(&self, key: &str) -> Option<i64> {
        self.content.get(key).and_then(Value::as_i64)
    }
}

/// Why a message was dropped.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Dropped {
    /// Too few frames, or no delimiter.
    #[error("not a Jupyter message: {0}")]
    Malformed(&'static str),
    /// The signature is not the one that the key gives.
    #[error("wrong signature")]
    Signature,
    /// The same signed message came before.
    #[error("a replayed message")]
    Replay,
    /// A frame that should be a JSON object is not.
    #[error("the {0} is not a JSON object")]
    Json(&'static str),
}

/// Signs what goes out and checks what comes in. Cloning it shares what was seen: a message that came on one socket is
/// a replay on another.
#[derive(Clone)]
pub struct Wire {
    key: Option<Hmac<Sha256>>,
    session: Arc<str>,
    seen: Arc<Mutex<Seen>>,
}

/// The signatures that came last.
#[derive(Default)]
struct Seen {
    digests: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Seen {
    fn is_new(&mut self, digest: [u8; 32]) -> bool {
        if !self.digests.insert(digest) {
            return false;
        }
        self.order.push_back(digest);
        if self.order.len() > REMEMBERED_SIGNATURES
            && let Some(oldest) = self.order.pop_front()
        {
            self.digests.remove(&oldest);
        }
        true
    }
}

impl Wire {
    /// A wire for `key` (empty: unsigned); `session` identifies this kernel process in the headers it writes.
    pub fn new(key: &str, session: &str) -> Self {
        // HMAC takes a key of any length: `new_from_slice` cannot fail for it.
        let key = if key.is_empty() { None } else { Hmac::new_from_slice(key.as_bytes()).ok() };
        Self { key, session: session.into(), seen: Arc::default() }
    }

    /// Reads the frames of a message.
    pub fn read(&self, message: ZmqMessage) -> Result<Request, Dropped> {
        let frames = message.into_vec();
        let at = frames
            .iter()
            .position(|frame| frame.as_ref() == DELIMITER)
            .ok_or(Dropped::Malformed("the delimiter is missing"))?;
        let (identities, rest) = frames.split_at(at);
        let [_, signature, header, parent, metadata, content, ..] = rest else {
            return Err(Dropped::Malformed("frames are missing"));
        };
        if self.key.is_some() {
            let digest = self.verify(signature, [header, parent, metadata, content]).ok_or(Dropped::Signature)?;
            if !self.seen.lock().unwrap_or_else(PoisonError::into_inner).is_new(digest) {
                return Err(Dropped::Replay);
            }
        }
        let object = |name, frame: &Bytes| serde_json::from_slice::<Object>(frame).map_err(|_| Dropped::Json(name));
        let header = object("header", header)?;
        let content = object("content", content)?;
        let parent = object("parent header", parent)?;
        object("metadata", metadata)?;
        Ok(Request { identities: identities.to_vec(), header: Arc::new(header), parent, content })
    }

    /// An id for a message.
    pub fn new_id() -> String {
        uuid::Uuid::new_v4().to_string()
    }

    /// [`Wire::write_as`] with a fresh id.
    pub fn write(
        &self,
        address: &[Bytes],
        kind: &str,
        parent: &Object,
        metadata: &Object,
        content: &Value,
    ) -> ZmqMessage {
        self.write_as(&Self::new_id(), address, kind, parent, metadata, content)
    }

    /// The frames of a message of type `kind` with the id `id`. `address` is what comes before the delimiter: the identities of a peer,
    /// or the topic on iopub.
    pub fn write_as(
        &self,
        id: &str,
        address: &[Bytes],
        kind: &str,
        parent: &Object,
        metadata: &Object,
        content: &Value,
    ) -> ZmqMessage {
        let header = json!({
            "msg_id": id,
            "session": &*self.session,
            "username": "kernel",
            "date": date(jiff::Timestamp::now()),
            "msg_type": kind,
            "version": PROTOCOL_VERSION,
        });
        let json =
            |value: &dyn Fn() -> serde_json::Result<Vec<u8>>| Bytes::from(value().unwrap_or_else(|_| b"{}".to_vec()));
        let parts = [
            json(&|| serde_json::to_vec(&header)),
            json(&|| serde_json::to_vec(parent)),
            json(&|| serde_json::to_vec(metadata)),
            json(&|| serde_json::to_vec(content)),
        ];
        let signature = self.sign(&parts);
        let mut message = ZmqMessage::from(Bytes::from(signature));
        message.push_front(Bytes::from_static(DELIMITER));
        for frame in address.iter().rev() {
            message.push_front(frame.clone());
        }
        for part in parts {
            message.push_back(part);
        }
        message
    }

    /// A message of one signed frame, as the startup handshake uses it.
    pub fn write_single(&self, content: &Value) -> ZmqMessage {
        let content = Bytes::from(serde_json::to_vec(content).unwrap_or_else(|_| b"{}".to_vec()));
        let mut message = ZmqMessage::from(Bytes::from_static(DELIMITER));
        message.push_back(Bytes::from(self.sign(std::slice::from_ref(&content))));
        message.push_back(content);
        message
    }

    /// Reads a message of one signed frame.
    pub fn read_single(&self, message: ZmqMessage) -> Result<Value, Dropped> {
        let frames = message.into_vec();
        let mut rest = frames.iter().skip_while(|frame| frame.as_ref() != DELIMITER).skip(1);
        let (Some(signature), Some(content)) = (rest.next(), rest.next()) else {
            return Err(Dropped::Malformed("frames are missing"));
        };
        if self.key.is_some() && self.verify(signature, [content]).is_none() {
            return Err(Dropped::Signature);
        }
        serde_json::from_slice(content).map_err(|_| Dropped::Json("content"))
    }

    /// The hex HMAC of these frames; empty where messages are not signed.
    pub fn sign(&self, frames: &[Bytes]) -> String {
        let Some(key) = &self.key else { return String::new() };
        let mut mac = key.clone();
        for frame in frames {
            mac.update(frame);
        }
        hex::encode(mac.finalize().into_bytes())
    }

    /// Whether these frames may be believed: they are signed with the key, or there is none.
    #[cfg(feature = "lab")]
    pub fn accepts<'a>(&self, signature: &[u8], frames: impl IntoIterator<Item = &'a Bytes>) -> bool {
        self.key.is_none() || self.verify(signature, frames).is_some()
    }

    /// Whether `signature` is the hex HMAC of these frames; the comparison takes the same time wherever they differ.
    fn verify<'a>(&self, signature: &[u8], frames: impl IntoIterator<Item = &'a Bytes>) -> Option<[u8; 32]> {
        let mut mac = self.key.clone()?;
        for frame in frames {
            mac.update(frame);
        }
        let mut digest = [0; 32];
        hex::decode_to_slice(signature, &mut digest).ok()?;
        mac.verify_slice(&digest).ok()?;
        Some(digest)
    }
}

#[cfg(test)]
mod tests;
