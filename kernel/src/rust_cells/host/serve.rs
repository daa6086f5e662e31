//! The loop of the process: requests in, one at a time; an interrupt at any moment.

use super::processes::{end_all, kill_tools};
use super::runner::Runner;
use super::stop::Stop;
use super::streams::emit;
use crate::panics;
use crate::rust_cells::protocol::{Cell, Event, Failure, Request};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// The compiler and rust-analyzer nest deeply.
const STACK_BYTES: usize = 256 << 20;
/// Where an interrupt met the code after all, or right at its end.
const UNTOLD: &str = "note: the Rust variables are gone with what was interrupted before\n";

/// Serves Rust cells until stdin ends. `folder` belongs to this process and is removed at the end.
pub fn serve(folder: PathBuf) -> ! {
    panics::silence_all();
    let (requests, stop) = (channel(), Stop::default());
    let (own, place) = (stop.clone(), folder.clone());
    let work = move || {
        if panics::catch(|| run(&place, &own, &requests.1)).is_err() {
            end_all();
        }
    };
    if std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work).is_err() {
        end_all();
    }
    read(&requests.0, &stop);
    remove(&folder);
    end_all()
}

/// Removes the folder; a compiler that still writes into it is ended first.
fn remove(folder: &Path) {
    const PATIENCE: Duration = Duration::from_secs(1);
    let since = Instant::now();
    while kill_tools(true) || std::fs::remove_dir_all(folder).is_err() {
        if since.elapsed() > PATIENCE {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Reads requests until the kernel closes its end.
fn read(requests: &Sender<Request>, stop: &Stop) {
    let mut stopped = failed(&Request::Interrupt, Failure::Stopped);
    for line in std::io::stdin().lines() {
        let Ok(line) = line else { return };
        match serde_json::from_str(&line) {
            Ok(Request::Interrupt) => stop.stop(&stopped),
            Ok(request) => {
                if matches!(request, Request::Run(_) | Request::Call(_)) {
                    stopped = failed(&request, Failure::Interrupted { variables_lost: false });
                    stop.begin();
                }
                if requests.send(request).is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

fn run(folder: &Path, stop: &Stop, requests: &Receiver<Request>) {
    let (mut next, mut runner) = (None, Runner::start(folder, stop));
    if let Ok(runner) = &mut runner {
        next = requests.try_recv().ok();
        if next.is_none() {
            // Nobody waits: what every first cell compiles can be there before it comes.
            let _ = panics::catch(|| runner.run(&Cell::default()));
        }
    }
    stop.ready();
    while let Some(request) = next.take().or_else(|| requests.recv().ok()) {
        if matches!(request, Request::Run(_) | Request::Call(_)) && stop.withdrawn() {
            continue;
        }
        let runner = match &mut runner {
            Ok(runner) => runner,
            Err(text) => {
                // Every request is told why; the kernel gives up at the first.
                stop.answer(&failed(&request, Failure::Other(text.clone())));
                continue;
            }
        };
        match request {
            Request::Run(cell) => {
                if stop.untold() {
                    emit(&Event::Stderr(UNTOLD.into()));
                }
                let ran = panics::catch(|| runner.run(&cell));
                let ran = ran.unwrap_or_else(|panic| Err(Failure::Other(format!("evcxr failed: {}", panic.message))));
                stop.answer(&Event::Ran(Box::new(ran)));
            }
            Request::Call(call) => next = runner.call(call, requests),
            Request::Complete { code, at } => {
                let found = panics::catch(|| runner.complete(&code, at)).unwrap_or_default();
                emit(&Event::Completions(found));
            }
            Request::Interrupt => {}
        }
    }
}

/// The answer that a request has failed.
fn failed(request: &Request, failure: Failure) -> Event {
    match request {
        Request::Call(_) => Event::Returned(Err(failure)),
        Request::Complete { .. } => Event::Completions(Default::default()),
        _ => Event::Ran(Box::new(Err(failure))),
    }
}
