//! The loop of the process: requests in, one at a time; an interrupt at any moment.

use super::runner::Runner;
use super::stop::{Stop, end_all, kill_tools};
use super::streams::emit;
use crate::panics;
use crate::rust_cells::protocol::{Event, Failure, Request};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// The compiler and rust-analyzer nest deeply.
const STACK_BYTES: usize = 256 << 20;

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
    while kill_tools() || std::fs::remove_dir_all(folder).is_err() {
        if since.elapsed() > PATIENCE {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Reads requests until the kernel closes its end.
fn read(requests: &Sender<Request>, stop: &Stop) {
    for line in std::io::stdin().lines() {
        let Ok(line) = line else { return };
        match serde_json::from_str(&line) {
            Ok(Request::Interrupt) => stop.stop(),
            Ok(request) => {
                if requests.send(request).is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

fn run(folder: &Path, stop: &Stop, requests: &Receiver<Request>) {
    let mut runner = match Runner::start(folder, stop) {
        Ok(runner) => runner,
        Err(text) => {
            // Every request is told why; the kernel gives up at the first.
            for request in requests {
                emit(&refused(&request, &text));
            }
            return;
        }
    };
    let mut next = None;
    while let Some(request) = next.take().or_else(|| requests.recv().ok()) {
        match request {
            Request::Run(cell) => {
                let ran = panics::catch(|| runner.run(&cell));
                let ran = ran.unwrap_or_else(|panic| Err(Failure::Other(format!("evcxr failed: {}", panic.message))));
                emit(&Event::Ran(Box::new(ran)));
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

fn refused(request: &Request, text: &str) -> Event {
    let failure = Failure::Other(text.to_owned());
    match request {
        Request::Call(_) => Event::Returned(Err(failure)),
        Request::Complete { .. } => Event::Completions(Default::default()),
        _ => Event::Ran(Box::new(Err(failure))),
    }
}
