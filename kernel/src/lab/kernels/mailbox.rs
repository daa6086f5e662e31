//! What a kernel says, for each front end until it has it.
//!
//! A front end is known by its session id. Its mailbox outlives its connection: a tab that comes back reads on where it
//! stopped. Messages leave a mailbox when the browser has confirmed them, not when they are written to a socket, so that
//! nothing is lost between the two.

mod queue;
mod runs;

use super::framing::{Head, Message};
use bytes::Bytes;
use queue::{Kind, Queue};
use runs::Runs;
pub use runs::{Unseen, Wish};
use serde_json::json;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;

/// How many bytes may wait for the front ends of one kernel.
const LIMIT: usize = 256 << 20;
/// How many bytes of what its running cells have said are kept besides, for pages that are opened anew.
const RUNS: usize = 64 << 20;
/// With so many bytes waiting for a front end that reads, the kernel waits for it.
const FULL: usize = 32 << 20;
/// A front end that takes nothing for so long is not waited for until it does again.
const STALLED: Duration = Duration::from_secs(10);
/// How long the mailbox of a front end that went away is kept, unless it was the last that went.
const KEPT: Duration = Duration::from_secs(600);
/// How many names a front end may have besides its own.
const ALIASES: usize = 16;

/// The mailboxes of one kernel.
#[derive(Debug)]
pub struct Mailboxes {
    inner: Mutex<Inner>,
    limit: usize,
    /// Somebody has read, or is gone.
    read: Notify,
}

#[derive(Debug)]
struct Inner {
    boxes: HashMap<String, Mailbox>,
    /// Sessions that a front end writes in its headers, and the mailbox it reads.
    aliases: HashMap<String, String>,
    runs: Runs,
    /// Numbers connections, departures and batches.
    count: u64,
    left_last: Option<String>,
    /// The session of the kernel process that spoke last.
    kernel: String,
    /// What it spoke about.
    parent: Bytes,
    closed: bool,
}

#[derive(Debug)]
struct Mailbox {
    queue: Queue,
    reader: Option<(u64, Arc<Notify>)>,
    /// Whether the reader has taken nothing for long.
    stalled: bool,
    /// When the last reader left: its number, and the time.
    left: (u64, Instant),
}

impl Mailbox {
    fn is_read_by(&self, reader: u64) -> bool {
        self.reader.as_ref().is_some_and(|(number, _)| *number == reader)
    }

    fn is_full(&self) -> bool {
        self.reader.is_some() && !self.stalled && self.queue.bytes() > FULL
    }

    fn wake(&self) {
        if let Some((_, wake)) = &self.reader {
            wake.notify_one();
        }
    }
}

impl Default for Mailboxes {
    fn default() -> Self {
        Self::new()
    }
}

impl Mailboxes {
    /// No mailbox yet.
    pub fn new() -> Self {
        Self::with_limit(LIMIT)
    }

    fn with_limit(limit: usize) -> Self {
        let inner = Inner {
            boxes: HashMap::new(),
            aliases: HashMap::new(),
            runs: Runs::default(),
            count: 0,
            left_last: None,
            kernel: uuid::Uuid::new_v4().to_string(),
            parent: Bytes::from_static(b"{}"),
            closed: false,
        };
        Self { inner: Mutex::new(inner), limit, read: Notify::new() }
    }

    /// Reads the mailbox of `session`, which is made if there is none. Whoever read it before is told to end.
    pub fn attach(self: &Arc<Self>, session: &str) -> Attached {
        let mut inner = self.lock();
        inner.count += 1;
        let reader = inner.count;
        inner.forget_old();
        let is_new = !inner.boxes.contains_key(session);
        let mailbox = inner.boxes.entry(session.to_owned()).or_insert_with(|| Mailbox {
            queue: Queue::default(),
            reader: None,
            stalled: false,
            left: (reader, Instant::now()),
        });
        mailbox.stalled = false;
        mailbox.wake();
        mailbox.queue.put_back();
        let wake = Arc::new(Notify::new());
        mailbox.reader = Some((reader, wake.clone()));
        Attached { mailboxes: self.clone(), session: session.to_owned(), reader, wake, is_new, kept: true }
    }

    /// Waits until the front ends that read have room for more. A kernel that is not listened to meanwhile waits as well,
    /// or drops what it says, as its kind does.
    pub async fn room(&self) {
        loop {
            let mut read = std::pin::pin!(self.read.notified());
            // From here on nothing is missed.
            read.as_mut().enable();
            if !self.lock().boxes.values().any(Mailbox::is_full) {
                return;
            }
            if timeout(STALLED, read).await.is_err() {
                let mut inner = self.lock();
                inner.boxes.values_mut().filter(|mailbox| mailbox.is_full()).for_each(|mailbox| mailbox.stalled = true);
            }
        }
    }

    /// A message for all.
    pub fn publish(&self, message: Message) {
        let head = Head::read(&message.header).unwrap_or_default();
        let kind = Kind::of(&message, &head.msg_type);
        let mut inner = self.lock();
        if !head.session.is_empty() && inner.kernel != head.session {
            inner.kernel = head.session;
        }
        inner.parent = message.parent.clone();
        inner.publish(&message, kind, &head.msg_type);
        inner.keep_within(self.limit);
    }

    /// A message for one front end; nobody's where there is none of this session.
    pub fn deliver(&self, session: &str, message: Message) {
        let kind = Kind::of(&message, "");
        let head = Head::read(&message.header).unwrap_or_default();
        let mut inner = self.lock();
        let inner = &mut *inner;
        for (reader, message) in inner.runs.hear(&message, kind, &head.msg_type) {
            inner.push(&reader, [(message, kind)]);
        }
        let name =
            if inner.boxes.contains_key(session) { Some(session) } else { inner.aliases.get(session).map(|s| &**s) };
        if let Some(mailbox) = name.and_then(|name| inner.boxes.get_mut(name)) {
            mailbox.queue.push(message, kind);
            mailbox.wake();
        }
        inner.keep_within(self.limit);
    }

    /// How many front ends are connected.
    pub fn connections(&self) -> usize {
        self.lock().boxes.values().filter(|mailbox| mailbox.reader.is_some()).count()
    }

    /// Tells all front ends what became of the kernel: `restarting` when the server started it again by itself, `dead`, and
    /// `idle` when it listens again. They pass over what it says when it answers their first questions.
    pub fn say_status(&self, state: &str) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let message = status(state, &inner.kernel);
        if state == "idle" {
            return inner.publish(&message, Kind::Essential, "status");
        }
        inner.runs.end(&inner.kernel);
        inner.publish(&message, Kind::Passing, "status");
    }

    /// Tells all front ends what a kernel wrote when it died, as part of the cell that it spoke of last.
    pub fn say_stderr(&self, text: &str) {
        let mut inner = self.lock();
        let content = json!({ "name": "stderr", "text": text });
        let message = Message::iopub("stream", &inner.kernel, inner.parent.clone(), &content);
        inner.publish(&message, Kind::Stream, "stream");
        inner.keep_within(self.limit);
    }

    /// The kernel is gone: whoever reads is told to end after the last message, and nothing is kept for others.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.runs.clear();
        inner.boxes.retain(|_, mailbox| mailbox.reader.is_some());
        inner.boxes.values().for_each(Mailbox::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn status(state: &str, session: &str) -> Message {
    Message::iopub("status", session, Bytes::from_static(b"{}"), &json!({ "execution_state": state }))
}

impl Inner {
    fn publish(&mut self, message: &Message, kind: Kind, msg_type: &str) {
        self.forget_old();
        let mut others = self.runs.hear(message, kind, msg_type);
        for (session, mailbox) in &mut self.boxes {
            let other = others.iter().position(|(reader, _)| reader == session).map(|at| others.swap_remove(at).1);
            mailbox.queue.push(other.unwrap_or_else(|| message.clone()), kind);
            mailbox.wake();
        }
    }

    /// Who went first loses its outputs first; then, of those that are here, who has read least.
    fn keep_within(&mut self, limit: usize) {
        self.runs.keep_within(limit.min(RUNS));
        let mut total: usize = self.boxes.values().map(|mailbox| mailbox.queue.bytes()).sum();
        while total > limit {
            let order = |mailbox: &&mut Mailbox| {
                let here = mailbox.reader.is_some();
                let left = if here { 0 } else { mailbox.left.0 };
                (!mailbox.queue.has_outputs(), here, left, Reverse(mailbox.queue.bytes()))
            };
            let Some(victim) = self.boxes.values_mut().filter(|m| m.queue.bytes() > 0).min_by_key(order) else {
                return;
            };
            let before = victim.queue.bytes();
            victim.queue.give_up();
            total = total - before + victim.queue.bytes();
        }
    }

    fn forget_old(&mut self) {
        if self.boxes.len() < 2 {
            return;
        }
        let (now, before) = (Instant::now(), self.boxes.len());
        self.boxes.retain(|session, mailbox| {
            mailbox.reader.is_some()
                || self.left_last.as_ref() == Some(session)
                || now.saturating_duration_since(mailbox.left.1) < KEPT
        });
        if self.boxes.len() < before {
            self.aliases.retain(|_, session| self.boxes.contains_key(session.as_str()));
        }
    }
}

/// A reader of one mailbox. When it goes, the mailbox stays.
#[derive(Debug)]
pub struct Attached {
    mailboxes: Arc<Mailboxes>,
    session: String,
    reader: u64,
    wake: Arc<Notify>,
    is_new: bool,
    kept: bool,
}

/// What a reader gets.
#[derive(Debug)]
pub enum Taken {
    /// Messages, as a batch that is to be confirmed.
    Messages {
        /// The number to confirm.
        batch: u64,
        /// At least one.
        messages: Vec<Message>,
    },
    /// Another reader has the mailbox now.
    TakenOver,
    /// The kernel is gone, and so are its messages.
    Closed,
}

impl Attached {
    /// Whose mailbox it is.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Whether nobody read this mailbox before.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Nobody can come back to this mailbox: it goes with its reader.
    pub fn forget_on_leave(&mut self) {
        self.kept = false;
    }

    /// The next messages. They come again to the next reader unless they are confirmed.
    pub async fn take(&self) -> Taken {
        loop {
            if let Some(taken) = self.try_take() {
                return taken;
            }
            self.wake.notified().await;
        }
    }

    fn try_take(&self) -> Option<Taken> {
        let mut inner = self.mailboxes.lock();
        let inner = &mut *inner;
        let Some(mailbox) = inner.boxes.get_mut(&self.session).filter(|m| m.is_read_by(self.reader)) else {
            return Some(Taken::TakenOver);
        };
        inner.count += 1;
        let messages = mailbox.queue.take(inner.count, &inner.kernel);
        if messages.is_empty() {
            return (inner.closed && mailbox.queue.bytes() == 0).then_some(Taken::Closed);
        }
        Some(Taken::Messages { batch: inner.count, messages })
    }

    /// The front end has all messages of this batch, and of those before.
    pub fn confirm(&self, batch: u64) {
        let mut inner = self.mailboxes.lock();
        let inner = &mut *inner;
        if let Some(mailbox) = inner.boxes.get_mut(&self.session).filter(|m| m.is_read_by(self.reader)) {
            mailbox.queue.confirm(batch);
            mailbox.stalled = false;
            mailbox.wake();
            self.mailboxes.read.notify_waiters();
            if mailbox.queue.is_empty() {
                inner.runs.seen_by(&self.session);
            }
        }
    }

    /// Tells this front end, before all else, what the kernel does.
    pub fn say_first(&self, state: &str) {
        let mut inner = self.mailboxes.lock();
        let inner = &mut *inner;
        if let Some(mailbox) = inner.boxes.get_mut(&self.session) {
            mailbox.queue.push_front(status(state, &inner.kernel), Kind::Passing);
            mailbox.wake();
        }
    }

    /// Replies to `session` are for this front end, too: it is what it writes in its headers.
    pub fn also(&self, session: &str) {
        if session == self.session || session.is_empty() {
            return;
        }
        let mut inner = self.mailboxes.lock();
        if inner.boxes.contains_key(session) || inner.aliases.get(session) == Some(&self.session) {
            return;
        }
        if inner.aliases.values().filter(|of| **of == self.session).count() < ALIASES {
            inner.aliases.insert(session.to_owned(), self.session.clone());
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let mut inner = self.mailboxes.lock();
        let inner = &mut *inner;
        inner.count += 1;
        let left = (inner.count, Instant::now());
        let Some(mailbox) = inner.boxes.get_mut(&self.session).filter(|m| m.is_read_by(self.reader)) else { return };
        mailbox.queue.put_back();
        mailbox.reader = None;
        mailbox.left = left;
        if self.kept && !inner.closed {
            inner.left_last = Some(self.session.clone());
        } else {
            inner.boxes.remove(&self.session);
            inner.aliases.retain(|_, session| *session != self.session);
        }
        inner.keep_within(self.mailboxes.limit);
        self.mailboxes.read.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
