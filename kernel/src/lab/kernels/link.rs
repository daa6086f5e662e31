//! The sockets to one kernel process.
//!
//! Each socket has a task that reads and one that writes, so that sending never waits for receiving. The three request
//! sockets have one identity: by it a kernel finds the socket on which to ask a question.

mod inbox;

use super::activity::Activity;
use super::connection::KernelConnection;
use super::framing::{Channel, Message};
use super::mailbox::Mailboxes;
use crate::jupyter::wire::{DELIMITER, Object, Wire};
use bytes::Bytes;
use inbox::Inbox;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use zeromq::util::PeerIdentity;
use zeromq::{
    DealerRecvHalf, DealerSendHalf, DealerSocket, Socket, SocketOptions, SocketRecv, SocketSend, SubSocket, ZmqMessage,
};

/// How often a kernel's port is tried while the kernel starts.
const KNOCK: Duration = Duration::from_millis(20);
/// How long a kernel may take to welcome a subscriber before it is asked something; then longer each time.
const FIRST_NUDGE: Duration = Duration::from_millis(150);
const LAST_NUDGE: Duration = Duration::from_secs(5);
/// How often it is asked. One that then still says nothing on iopub never will.
const NUDGES: usize = 20;
/// How many messages wait on one socket for a kernel that does not read, as many as in ZeroMQ itself. Then who sends waits.
const OUTBOX: usize = 1000;
/// How long a broken socket is left alone.
const BROKEN: Duration = Duration::from_millis(100);

/// The sockets to one kernel process. They close, and their tasks end, when it is dropped.
#[derive(Debug)]
pub struct Link {
    shell: Outbox,
    control: Outbox,
    stdin: Outbox,
    inbox: Arc<Inbox>,
    tasks: Mutex<JoinSet<()>>,
}

type Outbox = mpsc::Sender<ZmqMessage>;

impl Link {
    /// Connects to a kernel. It waits, however long it takes, until the kernel listens and what it publishes arrives here;
    /// who waits no longer drops the future.
    pub async fn connect(
        connection: &KernelConnection,
        mailboxes: Arc<Mailboxes>,
        activity: Arc<Activity>,
    ) -> Result<Self, String> {
        let ports = connection.ports;
        while tokio::net::TcpStream::connect((connection.ip, ports.shell)).await.is_err() {
            sleep(KNOCK).await;
        }
        let identity = Wire::new_id();
        let failed = |e: zeromq::ZmqError| {
            format!(
                "the kernel listens, but does not speak ZeroMQ as expected: {e}\n\
                 help: look whether another program has its ports ({})",
                connection.file.display()
            )
        };
        let mut iopub = SubSocket::with_options(options(None));
        iopub.subscribe("").await.map_err(failed)?;
        iopub.connect(&connection.endpoint(ports.iopub)).await.map_err(failed)?;

        let (heard, mut hearing) = watch::channel(false);
        let inbox =
            Arc::new(Inbox::new(Wire::new(&connection.key, &identity), identity.clone(), mailboxes, activity, heard));
        let mut tasks = JoinSet::new();
        tasks.spawn(read_iopub(iopub, inbox.clone()));
        let mut outboxes = Vec::with_capacity(3);
        for (channel, port) in
            [(Channel::Shell, ports.shell), (Channel::Control, ports.control), (Channel::Stdin, ports.stdin)]
        {
            let identity = identity.parse::<PeerIdentity>().map_err(failed)?;
            let mut socket = DealerSocket::with_options(options(Some(identity)));
            socket.connect(&connection.endpoint(port)).await.map_err(failed)?;
            let (sender, receiver) = socket.split();
            let (outbox, queue) = mpsc::channel(OUTBOX);
            tasks.spawn(write(sender, queue));
            tasks.spawn(read(receiver, channel, inbox.clone()));
            outboxes.push(outbox);
        }
        let [shell, control, stdin] =
            <[Outbox; 3]>::try_from(outboxes).map_err(|_| "three sockets were expected".to_owned())?;
        let link = Self { shell, control, stdin, inbox, tasks: Mutex::new(tasks) };
        link.settle(&mut hearing).await;
        Ok(link)
    }

    /// Waits until something came on iopub: what a kernel publishes before it knows of the subscription is lost. Kernels
    /// say a welcome; older ones are asked until they say something.
    async fn settle(&self, hearing: &mut watch::Receiver<bool>) {
        let mut patience = FIRST_NUDGE;
        for _ in 0..NUDGES {
            if timeout(patience, hearing.wait_for(|heard| *heard)).await.is_ok() {
                return;
            }
            patience = (patience * 2).min(LAST_NUDGE);
            for channel in [Channel::Shell, Channel::Control] {
                let _ = self.ask(channel, &Wire::new_id(), "kernel_info_request", &Value::Object(Object::new())).await;
            }
        }
    }

    /// Ends it for whoever still has it, and for those that wait to send something.
    pub fn close(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// Sends a message of a front end, signed; waits while too many wait for the kernel.
    pub async fn send(&self, message: Message) -> Result<(), String> {
        let Message { channel, header, parent, metadata, content, buffers } = message;
        let parts = [header, parent, metadata, content];
        let signature = self.inbox.wire().sign(&parts);
        let mut frames = ZmqMessage::from(Bytes::from_static(DELIMITER));
        frames.push_back(Bytes::from(signature));
        for frame in parts.into_iter().chain(buffers) {
            frames.push_back(frame);
        }
        self.put(channel, frames).await
    }

    /// A request of the server itself. Returns the content of the reply.
    pub async fn request(
        &self,
        channel: Channel,
        kind: &str,
        content: Value,
        patience: Duration,
    ) -> Result<Value, String> {
        let id = Wire::new_id();
        let (answer, reply) = oneshot::channel();
        let _question = self.inbox.expect(&id, answer);
        let answered = async {
            self.ask(channel, &id, kind, &content).await?;
            reply.await.map_err(|_| "the connection to the kernel is closed".to_owned())
        };
        match timeout(patience, answered).await {
            Ok(answered) => answered,
            Err(_) => Err(format!(
                "the kernel did not answer a {kind} within {} s\nhelp: interrupt it, or restart it",
                patience.as_secs_f32()
            )),
        }
    }

    async fn ask(&self, channel: Channel, id: &str, kind: &str, content: &Value) -> Result<(), String> {
        let nothing = Object::new();
        self.put(channel, self.inbox.wire().write_as(id, &[], kind, &nothing, &nothing, content)).await
    }

    async fn put(&self, channel: Channel, frames: ZmqMessage) -> Result<(), String> {
        let outbox = match channel {
            Channel::Shell => &self.shell,
            Channel::Control => &self.control,
            Channel::Stdin => &self.stdin,
            Channel::Iopub => return Err("nothing can be sent on iopub: a kernel only speaks there".to_owned()),
        };
        outbox.send(frames).await.map_err(|_| "the connection to the kernel is closed".to_owned())
    }
}

fn options(identity: Option<PeerIdentity>) -> SocketOptions {
    let mut options = SocketOptions::default();
    options.no_connect_timeout();
    if let Some(identity) = identity {
        options.peer_identity(identity);
    }
    options
}

async fn write(mut socket: DealerSendHalf, mut queue: mpsc::Receiver<ZmqMessage>) {
    while let Some(message) = queue.recv().await {
        // It fails when the kernel has ended, and then nobody is there for the message.
        let _ = socket.send(message).await;
    }
}

async fn read(mut socket: DealerRecvHalf, channel: Channel, inbox: Arc<Inbox>) {
    loop {
        match socket.recv().await {
            Ok(message) => inbox.reply(channel, message.into_vec()),
            Err(_) => sleep(BROKEN).await,
        }
    }
}

async fn read_iopub(mut socket: SubSocket, inbox: Arc<Inbox>) {
    loop {
        inbox.room().await;
        match socket.recv().await {
            Ok(message) => inbox.output(message.into_vec()),
            Err(_) => sleep(BROKEN).await,
        }
    }
}

#[cfg(test)]
mod tests;
