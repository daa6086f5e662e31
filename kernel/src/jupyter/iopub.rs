//! The iopub socket: one queue that anybody may fill, one task that owns the socket and empties it.
//!
//! Stream text is coalesced while it waits, so that a loop of prints becomes a few messages without losing a byte or
//! the order of anything. The queue is bounded: a session that prints faster than the slowest front end reads is made
//! to wait. A front end that has stopped reading altogether is disconnected (a live one connects again by itself).

use super::wire::{Object, Wire};
use bytes::Bytes;
use minerva_engine::Interrupt;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use zeromq::{Socket, SocketEvent, SocketRecv, SocketSend, XPubSocket};

/// Above this many bytes in the queue, whoever prints must wait.
const QUEUE_LIMIT: usize = 4 << 20;
/// A stream message does not grow beyond this.
const STREAM_LIMIT: usize = 64 << 10;
/// The least time between two stream messages that nothing follows.
const STREAM_INTERVAL: Duration = Duration::from_millis(15);
/// After this long without progress on one message, every subscriber is disconnected.
const STALLED: Duration = Duration::from_secs(20);

/// Which stream a text belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

enum Body {
    Stream(Stream, String),
    Other(&'static str, Value),
}

struct Item {
    parent: Arc<Object>,
    body: Body,
    size: usize,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    closed: bool,
}

/// The place to publish to. Cloning it shares the queue.
#[derive(Clone)]
pub struct Iopub {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    room: Condvar,
    filled: Notify,
    interrupt: Interrupt,
    /// Subscriptions that have arrived.
    subscriptions: watch::Sender<usize>,
}

enum Next {
    Item(Item),
    /// One short stream text that more may follow.
    Soon(Duration),
    Empty,
    Closed,
}

impl Iopub {
    /// An empty queue. Raising `interrupt` frees whoever waits for room in it.
    pub fn new(interrupt: Interrupt) -> Self {
        let shared = Shared {
            queue: Mutex::new(Queue::default()),
            room: Condvar::new(),
            filled: Notify::new(),
            interrupt,
            subscriptions: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Publishes a message of type `kind`; never waits.
    pub fn send(&self, parent: &Arc<Object>, kind: &'static str, content: Value) {
        self.push(Item { parent: parent.clone(), size: 256 + weight(&content), body: Body::Other(kind, content) });
    }

    /// Publishes the state of the kernel, `"busy"` or `"idle"`.
    pub fn status(&self, parent: &Arc<Object>, state: &str) {
        self.send(parent, "status", json!({ "execution_state": state }));
    }

    /// Publishes text; waits for room first.
    pub fn stream(&self, parent: &Arc<Object>, stream: Stream, text: String) {
        self.wait_for_room();
        self.push(Item { parent: parent.clone(), size: 256 + text.len(), body: Body::Stream(stream, text) });
    }

    /// Completes when so many subscriptions have arrived in all. What is published before one is lost to it.
    pub async fn heard_by(&self, subscribers: usize) {
        // The sender lives as long as this.
        let _ = self.shared.subscriptions.subscribe().wait_for(|arrived| *arrived >= subscribers).await;
    }

    /// Returns when the queue is no longer over its bound, or at once when an interrupt was asked for. To be called
    /// before publishing what may be large, and never from the socket's own thread.
    pub fn wait_for_room(&self) {
        let mut queue = self.lock();
        while queue.bytes > QUEUE_LIMIT && !queue.closed && !self.shared.interrupt.is_raised() {
            queue = self
                .shared
                .room
                .wait_timeout(queue, Duration::from_millis(50))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// No more messages: [`Iopub::run`] sends what is queued and returns.
    pub fn close(&self) {
        self.lock().closed = true;
        self.shared.filled.notify_one();
        self.shared.room.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, item: Item) {
        let mut queue = self.lock();
        if queue.closed {
            return;
        }
        queue.bytes += item.size;
        if let Body::Stream(stream, text) = &item.body
            && let Some(Item { parent, body: Body::Stream(last, waiting), size }) = queue.items.back_mut()
            && *last == *stream
            && Arc::ptr_eq(parent, &item.parent)
            && waiting.len() < STREAM_LIMIT
        {
            waiting.push_str(text);
            *size += item.size;
        } else {
            queue.items.push_back(item);
        }
        drop(queue);
        self.shared.filled.notify_one();
    }

    fn next(&self, last_stream: Option<Instant>) -> Next {
        let mut queue = self.lock();
        match (queue.items.front(), queue.closed) {
            (None, true) => return Next::Closed,
            (None, false) => return Next::Empty,
            (Some(Item { body: Body::Stream(_, text), .. }), false)
                if queue.items.len() == 1 && text.len() < STREAM_LIMIT =>
            {
                let wait = last_stream.map(|at| STREAM_INTERVAL.saturating_sub(at.elapsed())).unwrap_or_default();
                if !wait.is_zero() {
                    return Next::Soon(wait);
                }
            }
            _ => {}
        }
        let Some(item) = queue.items.pop_front() else { return Next::Empty };
        queue.bytes = queue.bytes.saturating_sub(item.size);
        if queue.bytes <= QUEUE_LIMIT {
            self.shared.room.notify_all();
        }
        Next::Item(item)
    }

    /// Owns the socket until [`Iopub::close`], then sends what is left.
    pub async fn run(self, mut socket: XPubSocket, listener: zeromq::Listener, wire: Wire) {
        let mut events = socket.monitor();
        if let Err(error) = socket.bind_listener(listener).await {
            eprintln!("minerva: the iopub socket cannot listen: {error}");
            return;
        }
        let mut peers = Vec::new();
        let mut last_stream = None;
        loop {
            // A new subscription is seen between two messages, or while nothing is to be sent.
            let next = self.next(last_stream);
            let received = match &next {
                Next::Closed => break,
                Next::Item(_) => tokio::select! {
                    biased;
                    received = socket.recv() => Some(received),
                    () = std::future::ready(()) => None,
                },
                Next::Empty => tokio::select! {
                    received = socket.recv() => Some(received),
                    () = self.shared.filled.notified() => None,
                },
                Next::Soon(wait) => tokio::select! {
                    received = socket.recv() => Some(received),
                    () = self.shared.filled.notified() => None,
                    () = tokio::time::sleep(*wait) => None,
                },
            };
            while let Ok(event) = events.try_recv() {
                if let SocketEvent::Accepted(_, peer) = event {
                    peers.push(peer);
                }
            }
            let mut stalled = false;
            if let Some(Ok(subscription)) = received
                && let Some([1, topic @ ..]) = subscription.get(0).map(|frame| frame.as_ref())
            {
                stalled |= !send(&mut socket, welcome(&wire, topic)).await;
                self.shared.subscriptions.send_modify(|arrived| *arrived += 1);
            }
            if let Next::Item(item) = next {
                if matches!(item.body, Body::Stream(..)) {
                    last_stream = Some(Instant::now());
                }
                stalled |= !send(&mut socket, frame(&wire, item)).await;
            }
            if stalled {
                let backend = socket.backend();
                for peer in peers.drain(..) {
                    backend.peer_disconnected(&peer);
                }
                // Those that are alive are back after a tenth of a second.
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
    }
}

/// Whether the message went out in time. Errors are about peers that have gone: nobody to tell.
async fn send(socket: &mut XPubSocket, message: zeromq::ZmqMessage) -> bool {
    let size: usize = message.iter().map(Bytes::len).sum();
    let limit = STALLED + Duration::from_secs((size >> 20) as u64);
    tokio::time::timeout(limit, socket.send(message)).await.is_ok()
}

/// `iopub_welcome` tells a client that its subscription has arrived, so that nothing published from now on is missed.
fn welcome(wire: &Wire, topic: &[u8]) -> zeromq::ZmqMessage {
    let content = json!({ "subscription": String::from_utf8_lossy(topic) });
    wire.write(&[Bytes::copy_from_slice(topic)], "iopub_welcome", &Object::new(), &Object::new(), &content)
}

fn frame(wire: &Wire, item: Item) -> zeromq::ZmqMessage {
    let (kind, topic, content) = match item.body {
        Body::Stream(stream, text) => {
            ("stream", format!("stream.{}", stream.name()), json!({ "name": stream.name(), "text": text }))
        }
        Body::Other(kind, content) => (kind, kind.to_owned(), content),
    };
    wire.write(&[Bytes::from(topic)], kind, &item.parent, &Object::new(), &content)
}

/// About how many bytes a value takes.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields.iter().map(|(key, value)| key.len() + weight(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn drain(iopub: &Iopub) -> Vec<String> {
        let mut out = Vec::new();
        while let Next::Item(item) = iopub.next(None) {
            out.push(match item.body {
                Body::Stream(stream, text) => format!("{}:{text}", stream.name()),
                Body::Other(kind, _) => kind.to_owned(),
            });
        }
        out
    }

    #[test]
    fn streams_are_joined_only_where_nothing_stands_between_them() {
        let iopub = Iopub::new(Interrupt::default());
        let (a, b) = (Arc::new(Object::new()), Arc::new(Object::new()));
        iopub.stream(&a, Stream::Stdout, "1".into());
        iopub.stream(&a, Stream::Stdout, "2".into());
        iopub.stream(&a, Stream::Stderr, "3".into());
        iopub.stream(&a, Stream::Stdout, "4".into());
        iopub.send(&a, "display_data", json!({}));
        iopub.stream(&a, Stream::Stdout, "5".into());
        iopub.stream(&b, Stream::Stdout, "6".into());
        assert_eq!(
            drain(&iopub),
            ["stdout:12", "stderr:3", "stdout:4", "display_data", "stdout:5", "stdout:6"],
            "the last two have different parents"
        );
        assert_eq!(iopub.lock().bytes, 0, "what was sent is counted out again");
    }

    #[test]
    fn a_full_queue_makes_the_printer_wait_until_an_interrupt() {
        let interrupt = Interrupt::default();
        let iopub = Iopub::new(interrupt.clone());
        let parent = Arc::new(Object::new());
        iopub.stream(&parent, Stream::Stdout, "x".repeat(QUEUE_LIMIT + 1));
        let printer = std::thread::spawn({
            let iopub = iopub.clone();
            move || iopub.stream(&parent, Stream::Stdout, "y".into())
        });
        std::thread::sleep(Duration::from_millis(120));
        assert!(!printer.is_finished(), "no room: the printer waits");
        interrupt.raise();
        printer.join().unwrap();
        let sent = drain(&iopub);
        assert_eq!(sent.iter().map(String::len).sum::<usize>(), 2 * "stdout:".len() + QUEUE_LIMIT + 2);
    }

    #[test]
    fn a_lone_stream_text_waits_for_more_but_not_when_something_follows() {
        let iopub = Iopub::new(Interrupt::default());
        let parent = Arc::new(Object::new());
        iopub.stream(&parent, Stream::Stdout, "a".into());
        assert!(matches!(iopub.next(Some(Instant::now())), Next::Soon(_)));
        iopub.status(&parent, "idle");
        assert!(matches!(iopub.next(Some(Instant::now())), Next::Item(_)));
    }
}
