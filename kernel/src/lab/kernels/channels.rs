//! The WebSocket between a front end and a kernel.
//!
//! What the browser sends goes through a queue to whatever process the kernel has at that moment: a restart does not break
//! the connection. What the kernel sends comes out of the front end's mailbox, as fast as the browser takes it.

use super::super::error::ApiResult;
use super::super::state::App;
use super::framing::{Broken, Channel, Framing, Head, Message, V1};
use super::kernel::Kernel;
use super::mailbox::{Attached, Taken, Wish};
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{self, CloseFrame, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// The longest message of a browser, in bytes.
const LONGEST: usize = 512 << 20;
/// How many messages of a browser may wait while its kernel restarts. Then it is not read on.
const QUEUE: usize = 64;
/// How often it is looked whether the kernel is still there.
const LOOK: Duration = Duration::from_secs(2);
/// A ping is sent every so many looks.
const PING: u32 = 15;
/// How long a browser may be silent, pongs included, before it counts as gone.
const SILENCE: Duration = Duration::from_secs(90);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// The query of the address.
#[derive(Debug, Deserialize)]
pub struct Asked {
    session_id: Option<String>,
}

/// `GET /api/kernels/{id}/channels`
pub async fn channels(
    State(app): State<App>,
    Path(id): Path<String>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    Query(asked): Query<Asked>,
) -> ApiResult {
    let kernel = app.kernels.get(&id)?;
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.protocols([V1]).max_message_size(LONGEST).max_frame_size(LONGEST),
        Err(rejection) => return Ok(rejection.into_response()),
    };
    let framing = if upgrade.selected_protocol().is_some() { Framing::V1 } else { Framing::Json };
    let kernel = Arc::downgrade(&kernel);
    let there = move || app.kernels.get(&id).is_ok();
    Ok(upgrade.on_upgrade(move |socket| serve(socket, framing, kernel, asked.session_id, there)))
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Gone,
    TakenOver,
    KernelGone,
    Foreign,
}

async fn serve(
    socket: WebSocket,
    framing: Framing,
    kernel: Weak<Kernel>,
    session: Option<String>,
    there: impl Fn() -> bool + Send,
) {
    let (mut sink, mut stream) = socket.split();
    let Some(attached) = attach(&kernel, session) else {
        farewell(End::KernelGone, &mut sink, &mut stream).await;
        return;
    };
    let (requests, queue) = mpsc::channel(QUEUE);
    // It goes on after the end of the connection: what the browser sent before it went reaches the kernel.
    tokio::spawn(forward(kernel, attached.session().to_owned(), queue));
    let writing = Writing::default();
    let end = tokio::select! {
        end = read(&mut stream, framing, &attached, &requests, &writing) => end,
        end = write(&mut sink, framing, &attached, there, &writing) => end,
    };
    drop(attached);
    let rest = farewell(end, &mut sink, &mut stream).await;
    // The browser does not wait for a kernel that restarts.
    drop((sink, stream));
    for message in rest.iter().filter_map(|frame| framing.read(frame).ok()) {
        if requests.send(message).await.is_err() {
            return;
        }
    }
}

fn attach(kernel: &Weak<Kernel>, session: Option<String>) -> Option<Attached> {
    let kernel = kernel.upgrade()?;
    let session = session.filter(|s| !s.is_empty());
    let mut attached = kernel.mailboxes().attach(session.as_deref().unwrap_or(&uuid::Uuid::new_v4().to_string()));
    if session.is_none() {
        attached.forget_on_leave();
    }
    // While a cell runs the kernel answers nothing, and a front end that just came could not know why. One that comes back
    // knows nothing either, and JupyterLab takes no answer to its first question for a state.
    let state = kernel.activity().state();
    if matches!(&*state, "busy" | "dead") || (!attached.is_new() && state == "idle") {
        attached.say_first(&state);
    }
    Some(attached)
}

async fn read(
    stream: &mut SplitStream<WebSocket>,
    framing: Framing,
    attached: &Attached,
    requests: &mpsc::Sender<Message>,
    writing: &Writing,
) -> End {
    loop {
        // First a place in the queue: what is read is handed on at once, and not lost when this connection ends.
        let Ok(place) = requests.reserve().await else { return End::KernelGone };
        let frame = match writing.unless_silent(SILENCE, stream.next()).await {
            Some(Some(Ok(frame))) => frame,
            _ => return End::Gone,
        };
        match frame {
            ws::Message::Close(_) => return End::Gone,
            ws::Message::Ping(_) => {}
            ws::Message::Pong(payload) => {
                if let Ok(batch) = <[u8; 8]>::try_from(&payload[..]) {
                    attached.confirm(u64::from_be_bytes(batch));
                }
            }
            data => match framing.read(&data) {
                Ok(message) => {
                    let head = Head::read(&message.header).unwrap_or_default();
                    attached.also(&head.session);
                    place.send(message);
                }
                Err(Broken::Malformed) => {}
                Err(Broken::Foreign) => return End::Foreign,
            },
        }
    }
}

async fn write(
    sink: &mut SplitSink<WebSocket, ws::Message>,
    framing: Framing,
    attached: &Attached,
    there: impl Fn() -> bool,
    writing: &Writing,
) -> End {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count: u32 = 0;
    loop {
        let sent = tokio::select! {
            taken = attached.take() => match taken {
                Taken::Messages { batch, messages } => {
                    writing.during(send(sink, framing, batch, &messages)).await
                }
                Taken::TakenOver => return End::TakenOver,
                Taken::Closed => return End::KernelGone,
            },
            _ = looks.tick() => {
                if !there() {
                    return End::KernelGone;
                }
                count = count.wrapping_add(1);
                if count.is_multiple_of(PING) { sink.send(ws::Message::Ping(Bytes::new())).await } else { Ok(()) }
            }
        };
        if sent.is_err() {
            return End::Gone;
        }
    }
}

/// Sends a batch, and a ping with its number. Browsers answer pings by themselves, in order: the pong says that the batch
/// has arrived.
async fn send(
    sink: &mut SplitSink<WebSocket, ws::Message>,
    framing: Framing,
    batch: u64,
    messages: &[Message],
) -> Result<(), axum::Error> {
    for frame in messages.iter().filter_map(|message| framing.write(message)) {
        sink.feed(frame).await?;
    }
    sink.send(ws::Message::Ping(Bytes::copy_from_slice(&batch.to_be_bytes()))).await
}

/// Hands messages to the kernel in order. While it restarts they wait; where it does not come back they are nobody's.
async fn forward(kernel: Weak<Kernel>, session: String, mut queue: mpsc::Receiver<Message>) {
    while let Some(message) = queue.recv().await {
        let Some(kernel) = kernel.upgrade() else { return };
        let wish = Wish::read(&message);
        if let Some(Wish::Again(request)) = wish {
            kernel.mailboxes().take_up_run(&session, &request, &message.header, &kernel.activity().state());
            continue;
        }
        if message.channel == Channel::Stdin {
            kernel.mailboxes().answered();
        }
        let link = match kernel.link() {
            Some(link) => Ok(link),
            None => kernel.ready().await,
        };
        if let Ok(link) = link {
            if let Some(Wish::Run(cell)) = wish {
                kernel.mailboxes().begin_run(&session, cell, &message.header);
            }
            let _ = link.send(message).await;
        }
    }
}

/// Says why, where the browser can still hear it, and lets it close its side. JupyterLab does not come back after 1000.
/// Returns what it had sent by then.
async fn farewell(
    end: End,
    sink: &mut SplitSink<WebSocket, ws::Message>,
    stream: &mut SplitStream<WebSocket>,
) -> Vec<ws::Message> {
    let mut rest = Vec::new();
    let close = match end {
        End::Gone => None,
        End::TakenOver => Some((ws::close_code::NORMAL, "this session is connected elsewhere")),
        End::KernelGone => Some((ws::close_code::NORMAL, "the kernel was shut down")),
        End::Foreign => Some((ws::close_code::UNSUPPORTED, "this is not the protocol that was agreed on")),
    };
    let words = async {
        if let Some((code, reason)) = close {
            let frame = CloseFrame { code, reason: reason.into() };
            let _ = sink.send(ws::Message::Close(Some(frame))).await;
        }
        while let Some(Ok(frame)) = stream.next().await {
            if matches!(end, End::Gone | End::TakenOver) {
                rest.push(frame);
            }
        }
    };
    let _ = timeout(FAREWELL, words).await;
    rest
}

/// How long was written. While a long message is on its way no ping goes out and no pong comes back.
#[derive(Debug, Default)]
struct Writing(Mutex<(Duration, Option<Instant>)>);

impl Writing {
    async fn during<T>(&self, write: impl Future<Output = T>) -> T {
        self.lock().1 = Some(Instant::now());
        let done = write.await;
        let total = self.total();
        *self.lock() = (total, None);
        done
    }

    fn total(&self) -> Duration {
        let (before, since) = *self.lock();
        before + since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// What comes next; nothing where nothing comes for `limit`, the time not counted in which was written.
    async fn unless_silent<T>(&self, limit: Duration, next: impl Future<Output = T>) -> Option<T> {
        let (begin, before) = (Instant::now(), self.total());
        let mut next = pin!(next);
        loop {
            let written = self.total().saturating_sub(before);
            let left = (limit + written).checked_sub(begin.elapsed()).filter(|left| !left.is_zero())?;
            if let Ok(next) = timeout(left, next.as_mut()).await {
                return Some(next);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, (Duration, Option<Instant>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::future::pending;

    #[tokio::test]
    async fn silence_counts_only_while_nothing_is_written() {
        let (writing, limit) = (Writing::default(), Duration::from_millis(100));
        assert_eq!(writing.unless_silent(limit, async { 1 }).await, Some(1));
        assert_eq!(writing.unless_silent(limit, pending::<()>()).await, None);
        tokio::select! {
            biased;
            () = writing.during(tokio::time::sleep(limit * 3)) => {}
            _ = writing.unless_silent(limit, pending::<()>()) => panic!("it is not silent as long as is written"),
        }
        assert_eq!(writing.unless_silent(limit, pending::<()>()).await, None, "what was written before does not count");
    }
}
