//! Where what a kernel sends goes.

use super::super::activity::Activity;
use super::super::framing::{Channel, Head, Message};
use super::super::mailbox::Mailboxes;
use crate::jupyter::wire::{DELIMITER, Wire};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{oneshot, watch};

/// Sorts what a kernel sends. What is not signed with its key is dropped.
pub struct Inbox {
    wire: Wire,
    /// The session of the server's own requests.
    session: String,
    mailboxes: Arc<Mailboxes>,
    activity: Arc<Activity>,
    /// Who waits for the reply to which request of the server's own.
    questions: Mutex<HashMap<String, oneshot::Sender<Value>>>,
    /// Whether anything came on iopub.
    heard: watch::Sender<bool>,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the key.
        f.debug_struct("Inbox").field("session", &self.session).finish_non_exhaustive()
    }
}

/// A request that waits for its reply, until this is dropped.
pub struct Question<'a> {
    inbox: &'a Inbox,
    id: String,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.inbox.questions().remove(&self.id);
    }
}

#[derive(Deserialize)]
struct Status {
    execution_state: String,
}

impl Inbox {
    /// An inbox for the messages of one process.
    pub fn new(
        wire: Wire,
        session: String,
        mailboxes: Arc<Mailboxes>,
        activity: Arc<Activity>,
        heard: watch::Sender<bool>,
    ) -> Self {
        Self { wire, session, mailboxes, activity, questions: Mutex::default(), heard }
    }

    /// What signs messages to this process.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Waits for the reply to the request `id`.
    pub fn expect(&self, id: &str, answer: oneshot::Sender<Value>) -> Question<'_> {
        self.questions().insert(id.to_owned(), answer);
        Question { inbox: self, id: id.to_owned() }
    }

    /// A message on a request socket: a reply or a question, for whoever sent the request.
    pub fn reply(&self, channel: Channel, frames: Vec<Bytes>) {
        let Some((message, _)) = self.open(channel, &frames) else { return };
        let parent = Head::read(&message.parent).unwrap_or_default();
        if parent.session != self.session {
            self.mailboxes.deliver(&parent.session, message);
        } else if let Some(answer) = self.questions().remove(&parent.msg_id) {
            let _ = answer.send(serde_json::from_slice(&message.content).unwrap_or_default());
        }
    }

    /// Waits until those who read have room for more output.
    pub async fn room(&self) {
        self.mailboxes.room().await;
    }

    /// A message on iopub, for everybody.
    pub fn output(&self, frames: Vec<Bytes>) {
        let Some((message, head)) = self.open(Channel::Iopub, &frames) else { return };
        self.heard.send_if_modified(|heard| !std::mem::replace(heard, true));
        if head.msg_type == "iopub_welcome" {
            return;
        }
        let parent = Head::read(&message.parent).unwrap_or_default();
        let status: Option<Status> =
            (head.msg_type == "status").then(|| serde_json::from_slice(&message.content).ok()).flatten();
        // First: a front end that comes now is told this state, or finds the message in its mailbox.
        self.activity.observe(&head.msg_type, &parent.msg_type, status.as_ref().map(|s| &*s.execution_state));
        self.mailboxes.publish(message);
    }

    fn open(&self, channel: Channel, frames: &[Bytes]) -> Option<(Message, Head)> {
        let at = frames.iter().position(|frame| frame.as_ref() == DELIMITER)?;
        let [_, signature, header, parent, metadata, content, buffers @ ..] = frames.get(at..)? else { return None };
        if !self.wire.accepts(signature, [header, parent, metadata, content]) {
            return None;
        }
        let head = Head::read(header)?;
        let message = Message {
            channel,
            header: header.clone(),
            parent: parent.clone(),
            metadata: metadata.clone(),
            content: content.clone(),
            buffers: buffers.to_vec(),
        };
        Some((message, head))
    }

    fn questions(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Value>>> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
