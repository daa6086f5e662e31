//! The session's own thread: takes requests from the shell socket one after the other and answers them. Nothing here
//! can keep control, the heartbeat or iopub from being served.

use super::execute::Outputs;
use super::history::Recorder;
use super::iopub::Iopub;
use super::router::Replies;
use super::stdin::Stdin;
use super::wire::Request;
use super::{info, introspect};
use crate::history::History;
use crate::session::{Execute, Session};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// What the shell socket hands over.
pub enum Job {
    /// A request, in the order of arrival.
    Request(Request),
    /// Everything that had arrived when [`Worker`] asked for it has been handed over.
    Drained,
}

/// The session and what it needs to answer.
pub struct Worker {
    session: Session,
    iopub: Iopub,
    shell: Replies,
    jobs: Receiver<Job>,
    drain: tokio::sync::mpsc::UnboundedSender<()>,
    stopping: Arc<AtomicBool>,
    waiting: VecDeque<(Request, Fate)>,
    stdin: Stdin,
    history: Recorder,
    /// The number of the last cell that counted.
    count: u32,
    /// Cells that did not count: each still needs a name of its own.
    uncounted: u32,
}

/// What becomes of a request that waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answer,
    /// A cell before it failed: an `execute_request` is not executed.
    Abort,
}

/// The ends of the channels that a [`Worker`] works between.
pub struct Channels {
    /// Requests from the shell socket.
    pub jobs: Receiver<Job>,
    /// Asks the shell socket to hand over all that has arrived, then [`Job::Drained`].
    pub drain: tokio::sync::mpsc::UnboundedSender<()>,
    /// Answers on the shell socket.
    pub shell: Replies,
    /// What everybody sees.
    pub iopub: Iopub,
    /// Questions to the person.
    pub stdin: Stdin,
}

impl Worker {
    /// A worker for `session`. Once `stopping` is set, waiting requests are aborted.
    pub fn new(session: Session, channels: Channels, stopping: Arc<AtomicBool>) -> Self {
        let Channels { jobs, drain, shell, iopub, stdin } = channels;
        Self {
            session,
            iopub,
            shell,
            jobs,
            drain,
            stopping,
            waiting: VecDeque::new(),
            stdin,
            history: Recorder::new(History::of_user()),
            count: 0,
            uncounted: 0,
        }
    }

    /// Answers until the shell socket is closed.
    pub fn run(mut self) {
        while let Some((request, fate)) = self.next() {
            let parent = request.header.clone();
            if request.kind() == "execute_request" {
                self.session.begin();
            }
            self.iopub.status(&parent, "busy");
            let fate = if self.stopping.load(Ordering::SeqCst) { Fate::Abort } else { fate };
            // A panic in the session is a defect of ours; the kernel and its other variables live on.
            if catch_unwind(AssertUnwindSafe(|| self.answer(&request, fate))).is_err() {
                let content = error("InternalError", "the session panicked; this is a defect of Minerva");
                self.iopub.send(&parent, "error", content.clone());
                self.reply(&request, content);
            }
            self.iopub.status(&parent, "idle");
        }
    }

    /// The next request; `None` when the shell socket is closed.
    fn next(&mut self) -> Option<(Request, Fate)> {
        if let Some(next) = self.waiting.pop_front() {
            return Some(next);
        }
        loop {
            match self.jobs.recv() {
                Ok(Job::Request(request)) => return Some((request, Fate::Answer)),
                Ok(Job::Drained) => {}
                Err(_) => return None,
            }
        }
    }

    fn answer(&mut self, request: &Request, fate: Fate) {
        if let Some(id) = request.header.get("subshell_id").and_then(Value::as_str) {
            return self.reply(request, error("UnknownSubshell", &format!("there is no subshell {id:?}")));
        }
        let content = match request.kind() {
            "execute_request" if fate == Fate::Abort => json!({ "status": "aborted", "execution_count": self.count }),
            "execute_request" => self.execute(request),
            "kernel_info_request" => info::reply(),
            "complete_request" => introspect::complete(&self.session, request),
            "inspect_request" => introspect::inspect(&self.session, request),
            "is_complete_request" => introspect::is_complete(&self.session, request),
            "history_request" => self.history.reply(request),
            "comm_info_request" => json!({ "status": "ok", "comms": {} }),
            // There are no comm targets: the other side is told that its comm is closed.
            "comm_open" => {
                let content = json!({ "comm_id": request.text("comm_id"), "data": {} });
                return self.iopub.send(&request.header, "comm_close", content);
            }
            "comm_msg" | "comm_close" => return,
            kind if kind.ends_with("_request") => error("UnknownRequest", &format!("{kind} is not supported")),
            _ => return,
        };
        self.reply(request, content);
    }

    fn reply(&self, request: &Request, content: Value) {
        let Some(kind) = request.kind().strip_suffix("_request") else { return };
        self.shell.send(request, &format!("{kind}_reply"), &content);
    }

    fn execute(&mut self, request: &Request) -> Value {
        let code = request.text("code");
        let silent = request.flag("silent", false);
        let counts = !silent && request.flag("store_history", true);
        let cell_name = if counts {
            self.count += 1;
            format!("In[{}]", self.count)
        } else {
            self.uncounted += 1;
            format!("uncounted[{}]", self.uncounted)
        };
        let parent = &request.header;
        if !silent {
            self.iopub.send(parent, "execute_input", json!({ "code": code, "execution_count": self.count }));
        }
        let outputs = Outputs::new((!silent).then(|| self.iopub.clone()), parent.clone());
        let execute = Execute { code: code.to_owned(), cell_name, silent };
        self.session.ask_through(self.stdin.asking(request));
        let outcome = self.session.execute(&execute, outputs.sink());
        // `%load`: the front end opens the text as the next cell.
        let next = outcome.next_input.map(|text| json!({ "source": "set_next_input", "text": text, "replace": false }));
        let payload: Vec<Value> = next.into_iter().collect();
        let result = match outcome.result {
            Ok(value) => {
                let text = value.as_ref().and_then(|v| v.data.get("text/plain")).and_then(Value::as_str);
                self.remember(counts, code, text);
                if let Some(bundle) = value
                    && !silent
                {
                    self.iopub.wait_for_room();
                    let content =
                        json!({ "execution_count": self.count, "data": bundle.data, "metadata": bundle.metadata });
                    self.iopub.send(parent, "execute_result", content);
                }
                Ok(self.expressions(request))
            }
            Err(failed) => {
                self.remember(counts, code, None);
                let content = json!({ "ename": failed.ename, "evalue": failed.evalue, "traceback": failed.traceback });
                if !silent {
                    self.iopub.send(parent, "error", content.clone());
                }
                Err(content)
            }
        };
        match result {
            Ok(expressions) => json!({
                "status": "ok",
                "execution_count": self.count,
                "payload": payload,
                "user_expressions": expressions,
            }),
            Err(mut content) => {
                if request.flag("stop_on_error", true) {
                    self.abort_waiting();
                }
                if let Some(fields) = content.as_object_mut() {
                    fields.insert("status".to_owned(), json!("error"));
                    fields.insert("execution_count".to_owned(), json!(self.count));
                }
                content
            }
        }
    }

    fn remember(&mut self, counts: bool, code: &str, output: Option<&str>) {
        if counts {
            self.history.remember(self.count, code, output);
        }
    }

    /// Evaluates what the request asks for beside its code.
    fn expressions(&mut self, request: &Request) -> Value {
        let Some(asked) = request.content.get("user_expressions").and_then(Value::as_object) else { return json!({}) };
        let mut answers = serde_json::Map::new();
        for (name, expression) in asked {
            self.uncounted += 1;
            let execute = Execute {
                code: expression.as_str().unwrap_or_default().to_owned(),
                cell_name: format!("user_expressions[{}]", self.uncounted),
                silent: false,
            };
            let outcome = self.session.execute(&execute, Arc::new(|_| {}));
            let answer = match outcome.result {
                Ok(bundle) => {
                    let bundle = bundle.unwrap_or_default();
                    json!({ "status": "ok", "data": bundle.data, "metadata": bundle.metadata })
                }
                Err(failed) => json!({
                    "status": "error",
                    "ename": failed.ename,
                    "evalue": failed.evalue,
                    "traceback": failed.traceback,
                }),
            };
            answers.insert(name.clone(), answer);
        }
        Value::Object(answers)
    }

    /// After an error, every cell that had been sent by now is aborted; one sent after the error reply is not. So the
    /// socket is emptied before that reply goes out.
    fn abort_waiting(&mut self) {
        for (_, fate) in &mut self.waiting {
            *fate = Fate::Abort;
        }
        if self.drain.send(()).is_err() {
            return;
        }
        loop {
            match self.jobs.recv_timeout(Duration::from_secs(1)) {
                Ok(Job::Request(request)) => self.waiting.push_back((request, Fate::Abort)),
                Ok(Job::Drained) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

fn error(ename: &str, evalue: &str) -> Value {
    json!({ "status": "error", "ename": ename, "evalue": evalue, "traceback": [format!("{ename}: {evalue}")] })
}
