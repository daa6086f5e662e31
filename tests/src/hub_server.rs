//! A hub for tests: HTTP on a port of this machine, one request per connection, and all the ways in which a server can fail.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::json;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a client asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The path with its query.
    pub path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// A header by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The first byte that is wanted.
    pub fn first_byte(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// How the body of an answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// All of it.
    Whole,
    /// So many bytes, then the connection ends.
    Cut(usize),
    /// So many bytes, then nothing until the server is dropped.
    Silent(usize),
    /// A kilobyte, then a pause of this length, and so on.
    Slow(Duration),
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers besides the length of the body.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How it is sent.
    pub sending: Sending,
}

impl Reply {
    /// An answer with this body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), sending: Sending::Whole }
    }

    /// With one header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sent in this way.
    #[must_use]
    pub fn sent(mut self, sending: Sending) -> Self {
        self.sending = sending;
        self
    }

    /// As the hub refuses: a status and its own word for the reason.
    pub fn refuse(status: u16, code: &str) -> Self {
        Self::new(status, "{}").header("X-Error-Code", code)
    }
}

/// One model of a hub.
#[derive(Debug, Clone)]
pub struct Repo {
    /// `org/name`.
    pub name: String,
    /// Files by path.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Repo {
    /// The commit that `main` is.
    pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    /// A model with these files.
    pub fn new(name: &str, files: &[(&str, &[u8])]) -> Self {
        let files = files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect();
        Self { name: name.to_owned(), files }
    }

    /// What the hub says.
    pub fn answer(&self, request: &Request) -> Reply {
        let path = request.path.split('?').next().unwrap_or_default();
        let (listing, file) = (format!("/api/models/{}/revision/", self.name), format!("/{}/resolve/", self.name));
        if let Some(revision) = path.strip_prefix(&listing) {
            return match ["main", Self::COMMIT].contains(&revision) {
                true => self.listing(),
                false => Reply::refuse(404, "RevisionNotFound"),
            };
        }
        match path.strip_prefix(&file).and_then(|rest| rest.split_once('/')) {
            Some((Self::COMMIT, file)) => self.file(file, request.first_byte()),
            _ => Reply::refuse(401, "RepoNotFound"),
        }
    }

    fn listing(&self) -> Reply {
        let entry = |(name, bytes): &(String, Vec<u8>)| json!({ "rfilename": name, "size": bytes.len() });
        let files: Vec<_> = self.files.iter().map(entry).collect();
        Reply::new(200, json!({ "sha": Self::COMMIT, "siblings": files }).to_string())
    }

    fn file(&self, path: &str, from: Option<usize>) -> Reply {
        let Some((_, bytes)) = self.files.iter().find(|(name, _)| name == path) else {
            return Reply::refuse(404, "EntryNotFound");
        };
        let whole = bytes.len();
        let reply = match from {
            None => Reply::new(200, bytes.as_slice()),
            Some(from) if from < whole => {
                Reply::new(206, &bytes[from..]).header("Content-Range", format!("bytes {from}-{}/{whole}", whole - 1))
            }
            Some(_) => Reply::new(416, "").header("Content-Range", format!("bytes */{whole}")),
        };
        reply.header("ETag", format!("W/\"{}\"", sha256(bytes)))
    }
}

/// In hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A server; dropping it ends all its connections.
pub struct HubServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl HubServer {
    /// A server that answers so.
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = Self { address, requests: Arc::default(), stop: Arc::default(), listening: None };
        let (answer, requests, stop) = (Arc::new(answer), server.requests.clone(), server.stop.clone());
        server.listening = Some(std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (answer, requests, stop) = (answer.clone(), requests.clone(), stop.clone());
                std::thread::spawn(move || {
                    let Some(request) = read(&stream) else { return };
                    requests.lock().unwrap().push(request.clone());
                    // A client that goes away is part of the tests.
                    let _ = write(stream, answer(&request), &stop);
                });
            }
        }));
        server
    }

    /// The hub of one model.
    pub fn of(repo: Repo) -> Self {
        Self::start(move |request| repo.answer(request))
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for HubServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections, and then nobody listens any more.
        let _ = TcpStream::connect(self.address);
        let _ = self.listening.take().map(JoinHandle::join);
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    Some(Request { path, headers })
}

fn write(mut stream: TcpStream, reply: Reply, stop: &AtomicBool) -> std::io::Result<()> {
    let mut head =
        format!("HTTP/1.1 {} Reply\r\nContent-Length: {}\r\nConnection: close\r\n", reply.status, reply.body.len());
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    match reply.sending {
        Sending::Whole => stream.write_all(&reply.body),
        Sending::Cut(bytes) => stream.write_all(&reply.body[..bytes]),
        Sending::Silent(bytes) => {
            stream.write_all(&reply.body[..bytes])?;
            while !stop.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(())
        }
        Sending::Slow(pause) => {
            for piece in reply.body.chunks(1024).take_while(|_| !stop.load(Ordering::SeqCst)) {
                stream.write_all(piece)?;
                std::thread::sleep(pause);
            }
            Ok(())
        }
    }
}
