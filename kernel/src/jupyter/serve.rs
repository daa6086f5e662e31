//! The life of a kernel process: bind, serve, stop without losing a message.

use super::connection::{Connection, Listeners, Startup};
use super::iopub::Iopub;
use super::registration;
use super::router::{self, Replies};
use super::stdin::{self, Stdin};
use super::wire::{Request, Wire};
use super::worker::{Channels, Job, Worker};
use super::{control, parent};
use crate::session::{Session, SessionOptions, stack};
use bytes::Bytes;
use minerva_engine::Interrupt;
use serde_json::json;
use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use zeromq::{RouterRecvHalf, Socket, XPubSocket};

/// How long a running cell gets to notice that the kernel is to stop.
const LAST_CELL: Duration = Duration::from_secs(2);
/// Longer than libzmq takes to try a connection again.
const SETTLING: Duration = Duration::from_millis(250);
/// Clients that have not subscribed when a kernel is so old do not want to.
const SETTLED: Duration = Duration::from_secs(1);
/// How long front ends get to take what is left on a socket.
const FLUSH: Duration = Duration::from_secs(2);

/// Runs a kernel on the sockets that the connection file names, until it is told to stop or its parent is gone.
/// Returns the exit code of the process.
pub fn serve(connection_file: &Path) -> i32 {
    let started = Startup::read(connection_file).and_then(|startup| {
        let mut connection = match &startup {
            Startup::Connection(connection) => connection.clone(),
            Startup::Registration(registration) => registration.connection(),
        };
        let listeners = connection.bind()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| format!("cannot start the event loop: {e}"))?;
        Ok((startup, connection, listeners, runtime))
    });
    let (startup, connection, listeners, runtime) = match started {
        Ok(started) => started,
        Err(problem) => {
            let _ = writeln!(std::io::stderr(), "minerva: {problem}");
            return 1;
        }
    };
    match runtime.block_on(run(&startup, &connection, listeners)) {
        Ok(Stopped::Clean) => 0,
        Ok(Stopped::SessionStuck) => {
            // A cell is still inside a library that does not let go. The handlers that `exit` runs would pull that
            // library's memory from under it, so they are not run.
            minerva_engine::format::atomic::remove_unfinished();
            // SAFETY: `_exit` ends the process and touches nothing in it.
            #[cfg(unix)]
            unsafe {
                libc::_exit(0)
            }
            #[cfg(not(unix))]
            0
        }
        Err(problem) => {
            let _ = writeln!(std::io::stderr(), "minerva: {problem}");
            1
        }
    }
}

enum Stopped {
    Clean,
    SessionStuck,
}

async fn run(startup: &Startup, connection: &Connection, listeners: Listeners) -> Result<Stopped, String> {
    let wire = Wire::new(&connection.key, &uuid::Uuid::new_v4().to_string());
    let session = Session::new(SessionOptions { stream: true, ..SessionOptions::default() });
    let interrupt = session.interrupt();
    let stopping = Arc::new(AtomicBool::new(false));

    let iopub = Iopub::new(interrupt.clone());
    let publisher = tokio::spawn(iopub.clone().run(XPubSocket::new(), listeners.iopub, wire.clone()));
    let heartbeat = tokio::spawn(router::heartbeat(listeners.heartbeat));

    let (shell, shell_writer, shell_reader) = answering(listeners.shell, &wire).await?;
    let (control, control_writer, control_reader) = answering(listeners.control, &wire).await?;
    let (stdin_sender, stdin_reader) = router::listen(listeners.stdin).await?;
    let (stdin, questions) = Stdin::new(wire.clone());
    let asking = tokio::spawn(stdin::serve(stdin_sender, stdin_reader, wire.clone(), questions));

    // Once the launcher knows the ports, clients come.
    let written = match startup {
        Startup::Connection(_) => None,
        Startup::Registration(registration) => {
            registration.announce(connection, &wire).await?;
            registration::Written::write(&registration.kernel_id, connection)
        }
    };

    let (jobs, job_queue) = std::sync::mpsc::channel();
    let (drain, drain_queue) = unbounded_channel();
    let channels = Channels { jobs: job_queue, drain, shell: shell.clone(), iopub: iopub.clone(), stdin };
    let (ended, session_ended) = oneshot::channel::<()>();
    stack::thread("session")
        .spawn({
            let stopping = stopping.clone();
            move || {
                stack::mark();
                Worker::new(session, channels, stopping).run();
                drop(ended);
            }
        })
        .map_err(|e| format!("cannot start the session's thread: {e}"))?;
    let (stop, mut stop_asked) = unbounded_channel();
    let channel = Channel { jobs, stop, iopub: iopub.clone(), started: Instant::now(), askers: HashSet::new() };
    let reader = tokio::spawn(read_shell(shell_reader, wire.clone(), channel, drain_queue));

    let control_server =
        control::serve(control_reader, wire.clone(), control.clone(), iopub.clone(), interrupt.clone());
    let shutdown = tokio::select! {
        request = control_server => Some(request),
        // Deprecated since protocol 5.4 and still sent by some.
        Some(request) = stop_asked.recv() => {
            control::acknowledge_shutdown(&shell, &iopub, &request);
            Some(request)
        }
        () = parent::gone() => None,
        () = terminated(&interrupt) => None,
    };

    // From here on: stop the session, then let every socket say its last words.
    stopping.store(true, Ordering::SeqCst);
    // Dropping the sender of jobs ends the worker after what has arrived.
    reader.abort();
    let stuck = !session_stops(session_ended, &interrupt).await;
    if let Some(request) = &shutdown {
        farewell(&iopub, request);
    }
    iopub.close();
    let _ = tokio::time::timeout(FLUSH, publisher).await;
    heartbeat.abort();
    asking.abort();
    drop((shell, control));
    for writer in [shell_writer, control_writer] {
        // A session that is stuck still holds its end of the shell queue.
        let _ = tokio::time::timeout(if stuck { Duration::from_millis(100) } else { FLUSH }, writer).await;
    }
    drop(written);
    all_written().await;
    Ok(if stuck { Stopped::SessionStuck } else { Stopped::Clean })
}

/// Interrupts the session until its thread ends; false when it does not. Once is not enough: a cell that begins at
/// this moment withdraws the interrupt.
async fn session_stops(mut ended: oneshot::Receiver<()>, interrupt: &Interrupt) -> bool {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let give_up = tokio::time::sleep(LAST_CELL);
    tokio::pin!(give_up);
    loop {
        tokio::select! {
            _ = &mut ended => return true,
            () = &mut give_up => return false,
            _ = tick.tick() => interrupt.raise(),
        }
    }
}

/// A socket that answers: its replies, the task that writes them, and where requests come from.
async fn answering(
    listener: zeromq::Listener,
    wire: &Wire,
) -> Result<(Replies, JoinHandle<()>, RouterRecvHalf), String> {
    let (sender, receiver) = router::listen(listener).await?;
    let (replies, queue) = Replies::new(wire.clone());
    Ok((replies, tokio::spawn(router::write(sender, queue)), receiver))
}

/// Where requests from the shell socket go.
struct Channel {
    jobs: std::sync::mpsc::Sender<Job>,
    stop: UnboundedSender<Request>,
    iopub: Iopub,
    /// When it began to listen.
    started: Instant,
    /// Who has asked something.
    askers: HashSet<Vec<Bytes>>,
}

impl Channel {
    /// Waits until those who wait for this kernel have found all its sockets. Clients that began to connect before it
    /// listened, above all those of the kernel in whose place it starts, try again after 100 to 200 ms, each socket by
    /// itself; what is published before theirs on iopub is back is lost, and without the `idle` of its cell a front end
    /// waits for ever. A client has one subscription as a rule, so that many are waited for as have asked something.
    /// `kernel_info`, by which a client finds out that there is a kernel, waits for a first one only.
    async fn settled(&mut self, request: &Request) {
        let age = self.started.elapsed();
        if age >= SETTLED {
            return;
        }
        self.askers.insert(request.identities.clone());
        if request.kind() == "kernel_info_request" {
            let _ = tokio::time::timeout(SETTLING.saturating_sub(age), self.iopub.heard_by(1)).await;
        } else {
            // The timer counts whole milliseconds: no time at all would be one.
            if age < SETTLING {
                tokio::time::sleep(SETTLING - age).await;
            }
            let left = SETTLED.saturating_sub(self.started.elapsed());
            let _ = tokio::time::timeout(left, self.iopub.heard_by(self.askers.len())).await;
        }
    }

    /// False when nobody takes requests any more.
    fn hand_over(&self, request: Request) -> bool {
        match request.kind() {
            "shutdown_request" => self.stop.send(request).is_ok(),
            _ => self.jobs.send(Job::Request(request)).is_ok(),
        }
    }
}

/// Hands requests to the session's thread. On demand, first all that has already arrived.
async fn read_shell(mut socket: RouterRecvHalf, wire: Wire, mut channel: Channel, mut drain: UnboundedReceiver<()>) {
    /// Bytes that are in the socket's buffer are handed over in far less.
    const QUIET: Duration = Duration::from_millis(3);
    loop {
        let open = tokio::select! {
            request = router::read(&mut socket, &wire, "shell") => {
                channel.settled(&request).await;
                channel.hand_over(request)
            }
            Some(()) = drain.recv() => {
                while let Ok(request) = tokio::time::timeout(QUIET, router::read(&mut socket, &wire, "shell")).await {
                    channel.hand_over(request);
                }
                channel.jobs.send(Job::Drained).is_ok()
            }
        };
        if !open {
            return;
        }
    }
}

fn farewell(iopub: &Iopub, request: &Request) {
    let restart = request.flag("restart", false);
    iopub.send(&request.header, "shutdown_reply", json!({ "status": "ok", "restart": restart }));
    iopub.status(&request.header, "idle");
}

/// Completes when the system asks the process to end. An interrupt from the keyboard stops the cell, not the kernel.
async fn terminated(interrupt: &Interrupt) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut int), Ok(mut term), Ok(mut hangup)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
        else {
            return std::future::pending().await;
        };
        loop {
            tokio::select! {
                _ = int.recv() => interrupt.raise(),
                _ = term.recv() => return,
                _ = hangup.recv() => return,
            }
        }
    }
    #[cfg(not(unix))]
    loop {
        if tokio::signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
        interrupt.raise();
    }
}

/// zeromq has no linger. With all sockets dropped, each connection's task ends when its queue is written, so the end
/// of all tasks means that everything is in the hands of the system.
async fn all_written() {
    let metrics = tokio::runtime::Handle::current().metrics();
    for _ in 0..100 {
        if metrics.num_alive_tasks() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
