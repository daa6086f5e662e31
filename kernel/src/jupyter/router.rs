//! The sockets that answer: shell, control, stdin and the heartbeat are all ROUTERs.

use super::wire::{Object, Request, Wire};
use serde_json::Value;
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

/// Sends queued replies until the last [`Replies`] is dropped.
pub async fn write(mut socket: RouterSendHalf, mut queue: UnboundedReceiver<ZmqMessage>) {
    while let Some(message) = queue.recv().await {
        // The peer may have gone since it asked; that is its own affair, and no reason to stop.
        let _ = socket.send(message).await;
    }
}

/// The next message that is signed and well-formed. What is not is reported on standard error and dropped.
pub async fn read(socket: &mut RouterRecvHalf, wire: &mut Wire, name: &str) -> Request {
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
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
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
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}
