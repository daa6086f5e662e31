//! The sockets that answer: shell, control, stdin and the heartbeat are all ROUTERs.

use super::wire::{Object, Request, Wire};
use bytes::Bytes;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zeromq::{RouterRecvHalf, RouterSendHalf, RouterSocket, Socket, SocketRecv, SocketSend, ZmqMessage};

/// Answers requests on one socket, from any thread. Cloning it shares the socket.
#[derive(Clone)]
pub struct Replies {
    queue: UnboundedSender<ZmqMessage>,
    wire: Wire,
}

impl Replies {
    /// Replies that are signed by `wire`, and the queue that [`write`] empties.
    pub fn new(wire: Wire) -> (Self, UnboundedReceiver<ZmqMessage>) {
        let (queue, receiver) = unbounded_channel();
        (Self { queue, wire }, receiver)
    }

    /// Sends a message of type `kind` to whoever sent `request`.
    pub fn send(&self, request: &Request, kind: &str, content: &Value) {
        let message = self.wire.write(&request.identities, kind, &request.header, &Object::new(), content);
        // The socket is closed only when the process ends.
        let _ = self.queue.send(message);
    }
}

/// Makes a ROUTER listen and splits it, so that a reply never waits for a request.
pub async fn listen(listener: zeromq::Listener) -> Result<(RouterSendHalf, RouterRecvHalf), String> {
    let mut socket = RouterSocket::new();
    socket.bind_listener(listener).await.map_err(|e| format!("cannot listen: {e}"))?;
    Ok(socket.split())
}

/// How long a message waits for a peer that is not connected: a front end that lost its connection, or that has not
/// opened this channel yet, is there again after a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is tried again.
const AGAIN: Duration = Duration::from_millis(50);

/// Messages for peers that are not connected, in order, with the time when each was first tried.
type Parked = HashMap<Bytes, VecDeque<(Instant, ZmqMessage)>>;

/// Sends queued replies until the last [`Replies`] is dropped. A peer that has gone keeps nobody else waiting.
pub async fn write(mut socket: RouterSendHalf, mut queue: UnboundedReceiver<ZmqMessage>) {
    let mut parked = Parked::new();
    loop {
        let next = if parked.is_empty() {
            queue.recv().await
        } else {
            match tokio::time::timeout(AGAIN, queue.recv()).await {
                Ok(next) => next,
                Err(_) => {
                    try_again(&mut socket, &mut parked).await;
                    continue;
                }
            }
        };
        let Some(message) = next else { return };
        let peer = message.get(0).cloned().unwrap_or_default();
        // What waits for this peer goes first.
        if parked.contains_key(&peer) || socket.send(message.clone()).await.is_err() {
            parked.entry(peer).or_default().push_back((Instant::now(), message));
        }
    }
}

async fn try_again(socket: &mut RouterSendHalf, parked: &mut Parked) {
    for messages in parked.values_mut() {
        while let Some((since, message)) = messages.front() {
            if socket.send(message.clone()).await.is_err() && since.elapsed() < PATIENCE {
                break;
            }
            messages.pop_front();
        }
    }
    parked.retain(|_, messages| !messages.is_empty());
}

/// Sends one message; waits for its peer to connect. Whether it was sent.
pub async fn deliver(socket: &mut RouterSendHalf, message: ZmqMessage) -> bool {
    let started = Instant::now();
    loop {
        if socket.send(message.clone()).await.is_ok() {
            return true;
        }
        if started.elapsed() >= PATIENCE {
            return false;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The next message that is signed and well-formed. What is not is reported on standard error and dropped.
pub async fn read(socket: &mut RouterRecvHalf, wire: &Wire, name: &str) -> Request {
    loop {
        match socket.recv().await {
            Ok(message) => match wire.read(message) {
                Ok(request) => return request,
                Err(reason) => {
                    // Not `eprintln!`: it panics where standard error is closed.
                    use std::io::Write;
                    let _ = writeln!(std::io::stderr(), "minerva: dropped a message on {name}: {reason}");
                }
            },
            // Nothing that a peer does may end the loop; the pause keeps a lasting fault from eating a core.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Sends back whatever comes. A ROUTER serves several clients and, unlike REP, cannot be wedged by one that leaves.
pub async fn heartbeat(listener: zeromq::Listener) {
    let Ok((mut sender, mut receiver)) = listen(listener).await else { return };
    loop {
        match receiver.recv().await {
            Ok(message) => {
                let _ = sender.send(message).await;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
