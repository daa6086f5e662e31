//! The life of a server: what is printed, what ends it, and that nothing is left behind.

use super::leave::Leave;
use super::running::{Running, Server};
use super::signals::{Signal, Signals};
use super::{browser, census, connections, listen};
use crate::jupyter::wire::date;
use crate::lab::access::Access;
use crate::lab::config::Config;
use crate::lab::contents::Contents;
use crate::lab::events::Events;
use crate::lab::frontend::Frontend;
use crate::lab::kernels::Kernels;
use crate::lab::options::LabOptions;
use crate::lab::paths::Folders;
use crate::lab::routes::router;
use crate::lab::sessions::Sessions;
use crate::lab::state::{App, Lab};
use crate::terminal::{STOPPED, Stream, answer, complain, is_terminal};
use axum::Router;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Threads that answer requests. Kernels compute in processes of their own.
const THREADS: usize = 2;
/// Within this time a second Ctrl-C means what the first one asked.
const AGAIN: Duration = Duration::from_secs(5);
/// How long kernels have to end.
const FOR_KERNELS: Duration = Duration::from_secs(15);
/// How long answers have that are under way.
const FOR_ANSWERS: Duration = Duration::from_secs(2);
/// How long work on files has that nobody waits for any more.
const FOR_FILES: Duration = Duration::from_secs(2);

/// Serves until it is asked to end; the exit code.
pub fn serve(options: LabOptions) -> i32 {
    let served = Folders::of_user().and_then(|folders| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("lab")
            .enable_all()
            .build()
            .map_err(|e| format!("the server cannot start: {e}"))?;
        let code = runtime.block_on(live(&options, &folders));
        runtime.shutdown_timeout(FOR_FILES);
        code
    });
    served.unwrap_or_else(|problem| {
        complain(&problem);
        1
    })
}

/// The parts of a server and its addresses; to be called inside a runtime. `leave` is what `/api/shutdown` asks.
///
/// # Errors
/// When a part cannot start, with what to do about it.
pub fn build(options: &LabOptions, folders: &Folders, leave: Leave) -> Result<(App, Router), String> {
    let events = Events::new();
    let app = Arc::new(Lab {
        access: Access::new(options, folders)?,
        contents: Contents::new(options.root.clone(), options.hidden, folders, events.clone())?,
        kernels: Kernels::new(folders.clone(), events.clone(), options.cull),
        sessions: Sessions::new(),
        frontend: Frontend::new(folders, options)?,
        events,
        config: Config::new(folders.data.join("config")),
        leave,
        started: jiff::Timestamp::now(),
    });
    Ok((app.clone(), router(app)))
}

async fn live(options: &LabOptions, folders: &Folders) -> Result<i32, String> {
    // Before anything starts that a signal could leave behind.
    let mut signals = Signals::listen();
    let listener = listen::bind(options).await?;
    let address = listener.local_addr().map_err(|e| format!("the server's own address: {e}"))?;
    let leave = Leave::default();
    let (app, router) = build(options, folders, leave.clone())?;
    app.access.set_address(address);
    let running = Running::announce(&folders.runtime, &described(&app, address))?;
    let serving = tokio::spawn(connections::serve(listener, router, leave.clone()));
    say(&greeting(&app, options, address));
    if options.browser {
        browser::open(folders, &first_page(&app, options, address));
    }
    let code = until_asked(&app, &mut signals, &leave).await;
    leave.ask();
    let code = ended(&app, &mut signals, serving, code).await;
    drop(running);
    Ok(code)
}

fn described(app: &App, address: SocketAddr) -> Server {
    Server {
        url: listen::addresses(address).swap_remove(0),
        token: app.access.token().to_owned(),
        pid: std::process::id(),
        // As it is shown: JSON has no other names.
        root_dir: app.contents.root().to_string_lossy().into_owned().into(),
        port: address.port(),
        hostname: listen::reachable(address).ip(),
        version: env!("CARGO_PKG_VERSION").into(),
        started: date(app.started),
    }
}

/// Waits for whatever ends the server; the exit code.
async fn until_asked(app: &App, signals: &mut Signals, leave: &Leave) -> i32 {
    loop {
        let signal = tokio::select! {
            () = leave.asked() => return 0,
            signal = signals.next() => signal,
        };
        if let Signal::End(code) = signal {
            return code;
        }
        // Where nobody reads the question, nobody answers it.
        if app.kernels.list().is_empty() || !is_terminal(Stream::Out) {
            return 0;
        }
        say(&question(app).await);
        tokio::select! {
            () = leave.asked() => return 0,
            signal = signals.next() => return if let Signal::End(code) = signal { code } else { 0 },
            () = sleep(AGAIN) => say("The server goes on.\n"),
        }
    }
}

/// What Ctrl-C asks on a terminal.
async fn question(app: &App) -> String {
    let kernels = census::count(app).await;
    let (number, verb) = match kernels.len() {
        1 => ("1 kernel".to_owned(), "runs"),
        many => (format!("{many} kernels"), "run"),
    };
    let seconds = AGAIN.as_secs();
    format!("\n{number} {verb}; Ctrl-C again within {seconds} s stops the server\n\n{}\n\n", census::table(&kernels))
}

/// Ends the kernels and the answers under way; whoever is impatient leaves at once. The exit code.
async fn ended(app: &App, signals: &mut Signals, mut serving: JoinHandle<()>, code: i32) -> i32 {
    let code = tokio::select! {
        done = timeout(FOR_KERNELS, app.kernels.shutdown_all()) => {
            if done.is_err() {
                let seconds = FOR_KERNELS.as_secs();
                complain(&format!("some kernels did not end within {seconds} s; they are ended with this process"));
            }
            code
        }
        signal = signals.next() => match signal {
            Signal::End(code) => code,
            Signal::Interrupt => STOPPED,
        },
    };
    if timeout(FOR_ANSWERS, &mut serving).await.is_err() {
        serving.abort();
    }
    code
}

/// The address that is opened first.
fn first_page(app: &App, options: &LabOptions, address: SocketAddr) -> String {
    let server = listen::addresses(address).swap_remove(0);
    listen::page(&server, options.open.as_deref(), Some(app.access.token()))
}

fn greeting(app: &App, options: &LabOptions, address: SocketAddr) -> String {
    let pages = listen::addresses(address)
        .into_iter()
        .map(|server| format!("    {}\n", listen::page(&server, options.open.as_deref(), Some(app.access.token()))));
    let pages: String = pages.collect();
    let (version, root) = (env!("CARGO_PKG_VERSION"), app.contents.root().display().to_string());
    let exposed = if address.ip().is_loopback() { String::new() } else { exposure(address, &root) };
    format!("Minerva {version} serves {root}\n{pages}{exposed}Ctrl-C stops the server and its kernels\n")
}

/// What a server gives away that others can reach.
fn exposure(address: SocketAddr, root: &str) -> String {
    format!(
        "Warning: others can reach this server at {address}. Whoever has the token runs code as you, with all your \
         files, not only {root}.\nhttp is not encrypted: whoever listens on the way reads the token. Safer: leave --host out \
         and come through a tunnel,\n    ssh -L {port}:127.0.0.1:{port} THIS-MACHINE\n",
        port = address.port()
    )
}

/// Somebody may have closed standard output, or filled its disk: the server goes on.
fn say(text: &str) {
    let _ = answer(text);
}
