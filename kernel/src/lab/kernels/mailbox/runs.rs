//! Cells that run, or came to their end while nobody looked: all that the kernel said of each.
//!
//! JupyterLab knows of an output which cell it belongs to only in the page that ran the cell. A page that is opened anew
//! asks here which cells these are, and takes them up again with a request of its own: then it hears everything from the
//! first output on, as answers to that request. A run is forgotten when a page that shows it was there at its end, or when
//! its cell is run again.

use super::super::framing::{Channel, Head, Message};
use super::queue::{Kind, Queue};
use super::{Inner, Mailboxes, status};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a front end wants of a cell.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// To run it. The front end says which one it is.
    Run(String),
    /// To take this run up again: the request that began it.
    Again(String),
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "cellId")]
    cell: Option<String>,
    #[serde(rename = "minervaRun")]
    run: Option<String>,
}

impl Wish {
    /// What a request says of its cell.
    pub fn read(message: &Message) -> Option<Self> {
        let execute = message.channel == Channel::Shell && Head::read(&message.header)?.msg_type == "execute_request";
        let metadata: Metadata = execute.then(|| serde_json::from_slice(&message.metadata).ok())??;
        metadata.run.map(Self::Again).or_else(|| metadata.cell.map(Self::Run))
    }
}

/// A run that nobody looks at.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub struct Unseen {
    /// The id of its cell.
    pub cell: String,
    /// The id of the request that began it.
    pub request: String,
    /// Whether it is over.
    pub done: bool,
    /// Its number, once it has one.
    pub count: Option<u64>,
}

#[derive(Debug)]
struct Run {
    request: String,
    cell: String,
    /// Who shows it, and the header of the request that took it up.
    readers: Vec<(String, Option<Bytes>)>,
    said: Queue,
    count: Option<u64>,
    idle: bool,
    replied: bool,
}

#[derive(Deserialize)]
struct Told {
    execution_state: Option<String>,
    execution_count: Option<u64>,
}

impl Run {
    fn done(&self) -> bool {
        self.idle && self.replied
    }

    fn hear(&mut self, message: &Message, kind: Kind, msg_type: &str) {
        match msg_type {
            "status" | "execute_input" => {
                let told = serde_json::from_slice::<Told>(&message.content).ok();
                self.idle |= told.as_ref().and_then(|t| t.execution_state.as_deref()) == Some("idle");
                self.count = told.and_then(|t| t.execution_count).or(self.count);
            }
            "execute_reply" => self.replied = true,
            _ => {}
        }
        self.said.push(message.clone(), kind);
    }

    /// The kernel will say no more of it.
    fn end(&mut self, session: &str) {
        let parent = json!({ "msg_id": self.request });
        let when = if self.count.is_some() { "while this cell ran" } else { "before this cell ran" };
        let note = json!({ "name": "stderr", "text": format!("The kernel ended {when}. Run the cell again.\n") });
        self.said.push(Message::iopub("stream", session, Bytes::from(parent.to_string()), &note), Kind::Stream);
        for message in ending(session, &parent) {
            self.said.push(message, Kind::Essential);
        }
        (self.idle, self.replied) = (true, true);
    }
}

/// What tells a front end that its request is over.
fn ending(session: &str, parent: &Value) -> [Message; 2] {
    let parent = Bytes::from(parent.to_string());
    let content = json!({ "status": "aborted", "execution_count": null });
    let reply = Message::iopub("execute_reply", session, parent.clone(), &content);
    let idle = Message::iopub("status", session, parent, &json!({ "execution_state": "idle" }));
    [Message { channel: Channel::Shell, ..reply }, idle]
}

/// The runs of one kernel, in the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct Runs(Vec<Run>);

impl Runs {
    /// A message of the kernel comes in. Returns for which mailboxes its parent is another request.
    pub fn hear(&mut self, message: &Message, kind: Kind, msg_type: &str) -> Vec<(String, Message)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let parent = Head::read(&message.parent).unwrap_or_default().msg_id;
        let Some(run) = self.0.iter_mut().find(|run| run.request == parent) else { return Vec::new() };
        run.hear(message, kind, msg_type);
        let taken = run.readers.iter().filter_map(|(session, parent)| Some((session, parent.as_ref()?)));
        taken
            .map(|(session, parent)| (session.clone(), Message { parent: parent.clone(), ..message.clone() }))
            .collect()
    }

    /// This session has all that was said so far.
    pub fn seen_by(&mut self, session: &str) {
        self.0.retain(|run| !run.done() || !run.readers.iter().any(|(reader, _)| reader == session));
    }

    /// The kernel's process is gone.
    pub fn end(&mut self, session: &str) {
        self.0.iter_mut().filter(|run| !run.done()).for_each(|run| run.end(session));
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The longest outputs are given up first.
    pub fn keep_within(&mut self, limit: usize) {
        while self.0.iter().map(|run| run.said.bytes()).sum::<usize>() > limit {
            let longest = self.0.iter_mut().filter(|run| run.said.bytes() > 0).max_by_key(|run| run.said.bytes());
            let Some(run) = longest else { return };
            run.said.give_up();
        }
    }
}

impl Inner {
    fn is_read(&self, session: &str) -> bool {
        self.boxes.get(session).is_some_and(|mailbox| mailbox.reader.is_some())
    }

    pub(super) fn push(&mut self, session: &str, messages: impl IntoIterator<Item = (Message, Kind)>) {
        if let Some(mailbox) = self.boxes.get_mut(session) {
            messages.into_iter().for_each(|(message, kind)| mailbox.queue.push(message, kind));
            mailbox.wake();
        }
    }
}

impl Mailboxes {
    /// A front end runs a cell with the request of this header.
    pub fn begin_run(&self, session: &str, cell: String, header: &Bytes) {
        let request = Head::read(header).unwrap_or_default().msg_id;
        let runs = &mut self.lock().runs.0;
        runs.retain(|run| run.cell != cell && run.request != request);
        let readers = vec![(session.to_owned(), None)];
        runs.push(Run { request, cell, readers, said: Queue::default(), count: None, idle: false, replied: false });
    }

    /// A front end takes a run up: it hears all of it as answers to the request of this header. `state` is the kernel's.
    pub fn take_up_run(&self, session: &str, request: &str, header: &Bytes, state: &str) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let kernel = inner.kernel.clone();
        let Some(at) = inner.runs.0.iter().position(|run| run.request == request) else {
            let parent = serde_json::from_slice(header).unwrap_or_default();
            return inner.push(session, ending(&kernel, &parent).map(|message| (message, Kind::Essential)));
        };
        let mut readers = inner.runs.0.get_mut(at).map(|run| std::mem::take(&mut run.readers)).unwrap_or_default();
        readers.retain(|(reader, _)| reader != session && inner.is_read(reader));
        readers.push((session.to_owned(), Some(header.clone())));
        let Some(run) = inner.runs.0.get_mut(at) else { return };
        run.readers = readers;
        let mut said = run.said.all(&kernel);
        for (message, _) in &mut said {
            message.parent = header.clone();
            of_session(message, &kernel);
        }
        if state == "busy" {
            // The end of this run is not the end of all.
            said.push((status(state, &kernel), Kind::Passing));
        }
        inner.push(session, said);
        inner.keep_within(self.limit);
    }

    /// The runs that no page shows.
    pub fn unseen_runs(&self) -> Vec<Unseen> {
        let inner = self.lock();
        let alone = |run: &&Run| !run.readers.iter().any(|(session, _)| inner.is_read(session));
        let unseen = |run: &Run| Unseen {
            cell: run.cell.clone(),
            request: run.request.clone(),
            done: run.done(),
            count: run.count,
        };
        inner.runs.0.iter().filter(alone).map(unseen).collect()
    }

    /// The process that had them is gone: what still runs is over.
    pub fn end_runs(&self) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        inner.runs.end(&inner.kernel);
    }

    /// A person has answered what a cell asked: nobody is asked again.
    pub fn answered(&self) {
        self.lock().runs.0.iter_mut().for_each(|run| run.said.drop_questions());
    }
}

/// JupyterLab passes over what a process said that is no more; so this is said by the one that runs now.
fn of_session(message: &mut Message, session: &str) {
    let Ok(mut header) = serde_json::from_slice::<Value>(&message.header) else { return };
    if let Some(of) = header.get_mut("session").filter(|of| *of != session) {
        *of = session.into();
        message.header = Bytes::from(header.to_string());
    }
}

#[cfg(test)]
mod tests;
