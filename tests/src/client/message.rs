//! Messages, their signatures, and what an executed cell gave.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use zeromq::ZmqMessage;

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

/// The message in these frames, its signature and its fields checked.
pub(super) fn checked(message: ZmqMessage) -> Message {
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
