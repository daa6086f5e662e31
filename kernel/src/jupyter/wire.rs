//! One Jupyter message on the wire: frames, signature, JSON.
//!
//! `[identities…, <IDS|MSG>, signature, header, parent_header, metadata, content, buffers…]`; the signature is the hex
//! HMAC-SHA256 of the four JSON frames, not of the buffers.

use bytes::Bytes;
use hmac::{Hmac, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use zeromq::ZmqMessage;

/// The version of the messaging protocol that this kernel speaks.
pub const PROTOCOL_VERSION: &str = "5.5";

const DELIMITER: &[u8] = b"<IDS|MSG>";

/// How many signatures are remembered to drop a replayed message.
const REMEMBERED_SIGNATURES: usize = 65_536;

/// A JSON object.
pub type Object = Map<String, Value>;

/// A message that came in.
#[derive(Debug, Clone)]
pub struct Request {
    /// The frames that lead back to the sender.
    pub identities: Vec<Bytes>,
    /// The header, kept whole: replies repeat it as their parent, fields we do not know included.
    pub header: Arc<Object>,
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

/// Signs what goes out and checks what comes in. One per socket, so that each remembers its own replays.
pub struct Wire {
    key: Option<Hmac<Sha256>>,
    session: Arc<str>,
    seen: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Clone for Wire {
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), session: self.session.clone(), seen: HashSet::new(), order: VecDeque::new() }
    }
}

impl Wire {
    /// A wire for `key` (empty: unsigned); `session` identifies this kernel process in the headers it writes.
    pub fn new(key: &str, session: &str) -> Self {
        // HMAC takes a key of any length: `new_from_slice` cannot fail for it.
        let key = if key.is_empty() { None } else { Hmac::new_from_slice(key.as_bytes()).ok() };
        Self { key, session: session.into(), seen: HashSet::new(), order: VecDeque::new() }
    }

    /// Reads the frames of a message.
    pub fn read(&mut self, message: ZmqMessage) -> Result<Request, Dropped> {
        let frames = message.into_vec();
        let at = frames
            .iter()
            .position(|frame| frame.as_ref() == DELIMITER)
            .ok_or(Dropped::Malformed("the delimiter is missing"))?;
        let (identities, rest) = frames.split_at(at);
        let [_, signature, header, parent, metadata, content, ..] = rest else {
            return Err(Dropped::Malformed("frames are missing"));
        };
        if let Some(key) = &self.key {
            let mut mac = key.clone();
            for frame in [header, parent, metadata, content] {
                mac.update(frame);
            }
            let mut digest = [0u8; 32];
            hex::decode_to_slice(signature, &mut digest).map_err(|_| Dropped::Signature)?;
            mac.verify_slice(&digest).map_err(|_| Dropped::Signature)?;
            if !self.seen.insert(digest) {
                return Err(Dropped::Replay);
            }
            self.order.push_back(digest);
            if self.order.len() > REMEMBERED_SIGNATURES
                && let Some(oldest) = self.order.pop_front()
            {
                self.seen.remove(&oldest);
            }
        }
        let object = |name, frame: &Bytes| serde_json::from_slice::<Object>(frame).map_err(|_| Dropped::Json(name));
        let header = object("header", header)?;
        let content = object("content", content)?;
        object("parent header", parent)?;
        object("metadata", metadata)?;
        Ok(Request { identities: identities.to_vec(), header: Arc::new(header), content })
    }

    /// The frames of a message of type `kind`. `address` is what comes before the delimiter: the identities of a peer,
    /// or the topic on iopub.
    pub fn write(
        &self,
        address: &[Bytes],
        kind: &str,
        parent: &Object,
        metadata: &Object,
        content: &Value,
    ) -> ZmqMessage {
        let header = json!({
            "msg_id": uuid::Uuid::new_v4().to_string(),
            "session": &*self.session,
            "username": "kernel",
            "date": jiff::Timestamp::now().to_string(),
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
        let signature = match &self.key {
            Some(key) => {
                let mut mac = key.clone();
                for part in &parts {
                    mac.update(part);
                }
                hex::encode(mac.finalize().into_bytes())
            }
            None => String::new(),
        };
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
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn frames(parts: &[&[u8]]) -> ZmqMessage {
        ZmqMessage::try_from(parts.iter().map(|p| Bytes::copy_from_slice(p)).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_message_signed_by_jupyter_client_is_read() {
        // Signature by Python: hmac.new(b"a-key", b'{"msg_type":"kernel_info_request"}{}{}{}', "sha256").hexdigest()
        let signature = b"be05fac718ff1f9cf7d488f46421ba1029223c144cf727d4cc13a6a78a1f4039";
        let parts: Vec<&[u8]> = vec![
            b"peer",
            DELIMITER,
            signature,
            br#"{"msg_type":"kernel_info_request"}"#,
            b"{}",
            b"{}",
            b"{}",
            b"buffer",
        ];
        let mut wire = Wire::new("a-key", "s");
        let request = wire.read(frames(&parts)).unwrap();
        assert_eq!(request.kind(), "kernel_info_request");
        assert_eq!(request.identities, [Bytes::from_static(b"peer")]);
        assert_eq!(wire.read(frames(&parts)).unwrap_err(), Dropped::Replay);
        assert_eq!(Wire::new("another", "s").read(frames(&parts)).unwrap_err(), Dropped::Signature);
        let mut forged = parts.clone();
        forged[6] = br#"{"code":"1"}"#;
        assert_eq!(Wire::new("a-key", "s").read(frames(&forged)).unwrap_err(), Dropped::Signature);
    }

    #[test]
    fn malformed_messages_are_told_apart() {
        let mut wire = Wire::new("", "s");
        let mut read = |parts: &[&[u8]]| wire.read(frames(parts)).unwrap_err();
        assert!(matches!(read(&[b"x"]), Dropped::Malformed(_)));
        assert!(matches!(read(&[b"x", DELIMITER, b"", b"{}", b"{}"]), Dropped::Malformed(_)));
        assert_eq!(read(&[DELIMITER, b"", b"[]", b"{}", b"{}", b"{}"]), Dropped::Json("header"));
        assert_eq!(read(&[DELIMITER, b"", b"{}", b"{}", b"{}", b"\xff"]), Dropped::Json("content"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let wire = Wire::new("k", "kernel");
        let parent = Object::from_iter([("msg_id".to_owned(), json!("p")), ("subshell_id".to_owned(), json!(null))]);
        let message = wire.write(&[Bytes::from_static(b"id")], "status", &parent, &Object::new(), &json!({"a": "é"}));
        let request = Wire::new("k", "other").read(message.clone()).unwrap();
        assert_eq!(request.text("a"), "é");
        assert_eq!(request.header["session"], "kernel");
        let sent: Object = serde_json::from_slice(message.get(4).unwrap()).unwrap();
        assert_eq!(sent, parent);
    }
}
