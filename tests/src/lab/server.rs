//! A running server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::processes::marked;
use super::{Request, Start};
use crate::client::PATIENCE;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A running server; killed when dropped.
pub struct Server {
    start: Start,
    mark: String,
    running: Running,
}

struct Running {
    child: Child,
    /// The line of the address, whole.
    line: String,
    port: u16,
    token: String,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    agent: ureq::Agent,
}

impl Server {
    #[track_caller]
    pub(super) fn start(start: Start) -> Self {
        let mark = uuid::Uuid::new_v4().to_string();
        let running = run(&start, &mark);
        Self { start, mark, running }
    }

    /// Ends the process, if it still runs, and starts another in the same folders.
    #[track_caller]
    pub fn again(&mut self) {
        self.kill();
        self.running = run(&self.start, &self.mark);
    }

    /// A request with the token.
    pub fn ask(&self, method: &'static str, path: &str) -> Request<'_> {
        self.stranger(method, path).header("Authorization", format!("token {}", self.token()))
    }

    /// A request of somebody who has proved nothing.
    pub fn stranger(&self, method: &'static str, path: &str) -> Request<'_> {
        Request::new(self, method, path)
    }

    /// What the server says about this address, to whoever has the token.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.ask("GET", path).send().expect(200).json()
    }

    /// Writes a text file through the server.
    #[track_caller]
    pub fn save_text(&self, path: &str, text: &str) -> Value {
        let model = json!({ "type": "file", "format": "text", "content": text });
        let answer = self.ask("PUT", &format!("/api/contents/{path}")).json(&model).send();
        assert!(matches!(answer.status, 200 | 201), "{}: {}", answer.status, answer.text());
        answer.json()
    }

    /// Saves a notebook through the server.
    #[track_caller]
    pub fn save_notebook(&self, path: &str, notebook: &Value) -> Value {
        let model = json!({ "type": "notebook", "format": "json", "content": notebook });
        let answer = self.ask("PUT", &format!("/api/contents/{path}")).json(&model).send();
        assert!(matches!(answer.status, 200 | 201), "{}: {}", answer.status, answer.text());
        answer.json()
    }

    /// Starts a kernel and returns its id.
    #[track_caller]
    pub fn start_kernel(&self, name: &str) -> String {
        let model = self.ask("POST", "/api/kernels").json(&json!({ "name": name })).send().expect(201).json();
        model["id"].as_str().unwrap().to_owned()
    }

    /// Waits until the model of a kernel is as wanted.
    #[track_caller]
    pub fn wait_kernel(&self, id: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/kernels/{id}");
        self.wait_for(what, || Some(self.get(&path)).filter(|model| wanted(model)))
    }

    /// Asks again and again until there is an answer.
    #[track_caller]
    pub fn wait_for<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(begin.elapsed() < PATIENCE, "waited in vain: {what}\n{}", self.stderr());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    /// Where pages of this server come from.
    pub fn origin(&self) -> String {
        format!("http://{}", self.authority())
    }

    /// Host and port.
    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.running.port
    }

    /// The token.
    pub fn token(&self) -> &str {
        &self.running.token
    }

    /// The line in which the address was printed.
    pub fn line(&self) -> &str {
        &self.running.line
    }

    /// The folder that is served.
    pub fn root(&self) -> PathBuf {
        self.start.root()
    }

    /// The folder in which all folders of this server are: `root`, `home`, `data`, `runtime`, `jupyter`, `config`.
    pub fn folder(&self) -> &Path {
        self.start.folder()
    }

    /// How it was started.
    pub fn started_by(&self) -> &Start {
        &self.start
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        self.running.stdout.lock().unwrap().clone()
    }

    /// What it has complained of so far.
    pub fn stderr(&self) -> String {
        self.running.stderr.lock().unwrap().clone()
    }

    pub(super) fn agent(&self) -> &ureq::Agent {
        &self.running.agent
    }

    /// The id of the process.
    pub fn pid(&self) -> u32 {
        self.running.child.id()
    }

    /// The processes that it has started, and that live.
    pub fn children(&self) -> Vec<u32> {
        marked(&self.mark).into_iter().filter(|id| *id != self.pid()).collect()
    }

    /// Ends it as nobody can refuse.
    pub fn kill(&mut self) {
        let _ = self.running.child.kill();
        let _ = self.running.child.wait();
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.running.child.try_wait().unwrap() {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "the server does not end\n{}", self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

#[track_caller]
fn run(start: &Start, mark: &str) -> Running {
    let mut command = start.serving(mark);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (stdout, lines) = collect(child.stdout.take().unwrap());
    let (stderr, _) = collect(child.stderr.take().unwrap());
    let found = loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                if let Some((port, token)) = address(&line) {
                    break Some((line, port, token));
                }
            }
            Err(_) => break None,
        }
    };
    let Some((line, port, token)) = found else {
        let _ = child.kill();
        let status = child.wait();
        panic!("no address: {status:?}\n{}\n{}", stdout.lock().unwrap(), stderr.lock().unwrap());
    };
    let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).max_redirects(0);
    let agent = config.timeout_global(Some(3 * PATIENCE)).build().new_agent();
    Running { child, line, port, token, stdout, stderr, agent }
}

/// Port and token in a line such as `    http://127.0.0.1:8888/lab?token=…`.
fn address(line: &str) -> Option<(u16, String)> {
    let url = line[line.find("http://")?..].split_whitespace().next()?;
    let (page, token) = url.split_once("token=")?;
    let (authority, path) = page.strip_prefix("http://")?.split_once('/')?;
    let token = token.split('&').next()?.to_owned();
    path.starts_with("lab").then_some((authority.rsplit(':').next()?.parse().ok()?, token))
}

/// Reads a pipe to its end on a thread, so that whoever writes never waits: all of it, and line by line.
fn collect(pipe: impl Read + Send + 'static) -> (Arc<Mutex<String>>, Receiver<String>) {
    let (text, (sender, receiver)) = (Arc::new(Mutex::new(String::new())), channel());
    let all = Arc::clone(&text);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            all.lock().unwrap().push_str(&format!("{line}\n"));
            let _ = sender.send(line);
        }
    });
    (text, receiver)
}
