//! What one front end has not seen yet: in order, adjacent output to a stream joined.

use super::super::framing::{Channel, Message};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use std::collections::VecDeque;

/// The longest text that joined messages make, in bytes.
const LONGEST_TEXT: usize = 1 << 20;
/// What is handed out at once: messages, bytes.
const BATCH: (usize, usize) = (64, 64 << 10);
/// With so many bytes handed out and not confirmed the rest waits. Where a connection breaks, as much may come twice.
const UNCONFIRMED: usize = 16 << 20;
/// What an entry costs besides its text.
const ENTRY: usize = 256;

/// What a queue has to know of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text on stdout or stderr without buffers: neighbours may be joined.
    Stream,
    /// A reply, a question or a state: a front end waits for it, so it is never given up before outputs are.
    Essential,
    /// A state that the server tells. It is never sent twice: JupyterLab connects anew when it hears `restarting`.
    Passing,
    /// Any other output.
    Output,
}

impl Kind {
    fn is_output(self) -> bool {
        matches!(self, Self::Stream | Self::Output)
    }

    /// The kind of a message of this type.
    pub fn of(message: &Message, msg_type: &str) -> Self {
        match (message.channel, msg_type) {
            (Channel::Iopub, "stream") if message.buffers.is_empty() => Self::Stream,
            (Channel::Iopub, "status") => Self::Essential,
            (Channel::Iopub, _) => Self::Output,
            _ => Self::Essential,
        }
    }
}

/// The messages of one front end.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<Entry>,
    bytes: usize,
    /// What was handed out: batch, kind, message.
    sent: VecDeque<(u64, Kind, Message)>,
    sent_bytes: usize,
    lost: Lost,
}

/// Outputs that were given up.
#[derive(Debug, Default)]
struct Lost {
    messages: usize,
    bytes: usize,
    parent: Bytes,
}

impl Queue {
    /// A message comes in.
    pub fn push(&mut self, message: Message, kind: Kind) {
        if kind == Kind::Stream
            && let Some(last) = self.waiting.back_mut()
        {
            let before = last.bytes();
            if last.join(&message) {
                self.bytes = self.bytes + last.bytes() - before;
                return;
            }
        }
        let entry = Entry::new(message, kind);
        self.bytes += entry.bytes();
        self.waiting.push_back(entry);
    }

    /// A message comes in before all others.
    pub fn push_front(&mut self, message: Message, kind: Kind) {
        let entry = Entry::new(message, kind);
        self.bytes += entry.bytes();
        self.waiting.push_front(entry);
    }

    /// The next messages, as the batch of this number; none where nothing waits. `session` is the kernel's.
    pub fn take(&mut self, batch: u64, session: &str) -> Vec<Message> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        if self.sent_bytes > UNCONFIRMED {
            return taken;
        }
        if let Some(note) = self.note(session) {
            self.push_front(note, Kind::Output);
        }
        while taken.len() < BATCH.0
            && bytes < BATCH.1
            && let Some(entry) = self.waiting.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(entry.bytes());
            let (kind, message) = (entry.kind, entry.finish());
            bytes += message.len();
            self.sent_bytes += message.len();
            self.sent.push_back((batch, kind, message.clone()));
            taken.push(message);
        }
        taken
    }

    /// The front end has everything up to this batch.
    pub fn confirm(&mut self, batch: u64) {
        while self.sent.front().is_some_and(|(of, ..)| *of <= batch) {
            self.forget_first();
        }
    }

    /// The connection broke: what was handed out and not confirmed waits again, before the rest.
    pub fn put_back(&mut self) {
        while let Some((_, kind, message)) = self.sent.pop_back() {
            if kind != Kind::Passing {
                self.push_front(message, kind);
                if let Some(entry) = self.waiting.front_mut() {
                    entry.is_known = true;
                }
            }
        }
        self.sent_bytes = 0;
    }

    /// All that waits, which goes on waiting. `session` is the kernel's.
    pub fn all(&mut self, session: &str) -> Vec<(Message, Kind)> {
        if let Some(note) = self.note(session) {
            self.push_front(note, Kind::Output);
        }
        self.waiting.iter().map(|entry| (entry.copy(), entry.kind)).collect()
    }

    /// Forgets what a person was asked.
    pub fn drop_questions(&mut self) {
        self.waiting.retain(|entry| entry.message.channel != Channel::Stdin);
        self.bytes = self.waiting.iter().map(Entry::bytes).sum();
    }

    /// Whether the front end has everything.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether outputs wait.
    pub fn has_outputs(&self) -> bool {
        self.waiting.iter().any(|entry| entry.kind.is_output())
    }

    /// Gives up the outputs that wait; where there are none, replies and states.
    pub fn give_up(&mut self) {
        let all = !self.has_outputs();
        let (lost, kept): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|entry| all || entry.kind.is_output());
        self.lost.messages += lost.iter().map(|entry| entry.messages).sum::<usize>();
        self.lost.bytes += lost.iter().map(Entry::bytes).sum::<usize>();
        if let Some(last) = lost.back() {
            self.lost.parent = last.message.parent.clone();
        }
        self.bytes = kept.iter().map(Entry::bytes).sum();
        self.waiting = kept;
    }

    fn forget_first(&mut self) {
        if let Some((_, _, message)) = self.sent.pop_front() {
            self.sent_bytes = self.sent_bytes.saturating_sub(message.len());
        }
    }

    /// What is told of messages that were given up: on stderr, as part of the cell that made the last of them.
    fn note(&mut self, session: &str) -> Option<Message> {
        let lost = std::mem::take(&mut self.lost);
        if lost.messages == 0 {
            return None;
        }
        let text = format!(
            "{} messages ({} MB) are missing here: more came than can be kept until it is read.\n\
             help: write long output to a file\n",
            lost.messages,
            lost.bytes.div_ceil(1 << 20),
        );
        let parent = if lost.parent.is_empty() { Bytes::from_static(b"{}") } else { lost.parent };
        Some(Message::iopub("stream", session, parent, &json!({ "name": "stderr", "text": text })))
    }
}

/// A message that waits, with those that were joined to it.
#[derive(Debug)]
struct Entry {
    message: Message,
    kind: Kind,
    /// Whether the front end may have it already: then its text stays what it was.
    is_known: bool,
    /// How many messages it was.
    messages: usize,
    /// Name and text of joined messages, instead of the content.
    joined: Option<Stream>,
}

/// The content of a `stream` message. One with more in it is left alone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    name: String,
    text: String,
}

impl Stream {
    fn read(message: &Message) -> Option<Self> {
        serde_json::from_slice(&message.content).ok()
    }

    fn content(&self) -> Bytes {
        Bytes::from(json!({ "name": self.name, "text": self.text }).to_string())
    }
}

impl Entry {
    fn new(message: Message, kind: Kind) -> Self {
        Self { message, kind, is_known: false, messages: 1, joined: None }
    }

    fn bytes(&self) -> usize {
        ENTRY + self.message.len() + self.joined.as_ref().map_or(0, |stream| stream.text.len())
    }

    /// Takes a message in that continues this one.
    fn join(&mut self, next: &Message) -> bool {
        let length = self.joined.as_ref().map_or(self.message.content.len(), |stream| stream.text.len());
        let may = self.kind == Kind::Stream && !self.is_known && self.message.parent == next.parent;
        if !may || length + next.content.len() > LONGEST_TEXT {
            return false;
        }
        let Some(next) = Stream::read(next) else { return false };
        if self.joined.is_none() {
            self.joined = Stream::read(&self.message);
        }
        match &mut self.joined {
            Some(stream) if stream.name == next.name => {
                stream.text.push_str(&next.text);
                self.messages += 1;
                self.message.content = Bytes::new();
                true
            }
            _ => {
                // A text that was never joined keeps its own frame.
                if self.messages == 1 {
                    self.joined = None;
                }
                false
            }
        }
    }

    fn finish(self) -> Message {
        let mut message = self.message;
        if let Some(stream) = &self.joined {
            message.content = stream.content();
        }
        message
    }

    fn copy(&self) -> Message {
        let mut message = self.message.clone();
        if let Some(stream) = &self.joined {
            message.content = stream.content();
        }
        message
    }
}
