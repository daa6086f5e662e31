//! One HTTP request at a time, read on a thread of its own: whoever waits for it can be interrupted while the server,
//! the name service or the network says nothing.

use super::failure::{self, Failure};
use super::redirect::{Origin, target};
use super::settings::Hub;
use crate::control::Control;
use crate::error::Error;
use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
use ureq::http::HeaderMap;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, BodyReader};

/// Bytes handed over at once.
const CHUNK: usize = 64 << 10;
/// Chunks that wait to be taken.
const WAITING: usize = 16;
/// How often an interrupt is looked for while nothing comes.
const POLL: Duration = Duration::from_millis(50);
const MOST_REDIRECTS: usize = 10;

/// Asks one hub.
#[derive(Clone)]
pub(super) struct Client {
    agent: Agent,
    home: Origin,
    token: Option<String>,
    silence: Duration,
}

/// What an answer says about itself.
#[derive(Debug)]
pub(super) struct Head {
    /// The status of the last answer; redirects are followed.
    pub(super) status: u16,
    /// The name of the content, without quotes, if the hub itself says it: elsewhere an ETag may be any hash.
    pub(super) etag: Option<String>,
    /// Bytes of the whole file, whatever part of it comes.
    pub(super) size: Option<u64>,
    /// The first byte that comes.
    pub(super) start: u64,
    /// The hub's word for what was wrong.
    pub(super) code: Option<String>,
}

enum Message {
    Head(Head),
    Chunk(Vec<u8>),
    End,
    Failed(Failure),
}

/// An answer whose body still comes. Dropping it ends the request.
pub(super) struct Answer {
    pub(super) head: Head,
    messages: Receiver<Message>,
}

impl Answer {
    /// The next bytes, at most 64 KiB; `None` at the end.
    pub(super) fn next(&mut self, control: &Control) -> Result<Option<Vec<u8>>, Failure> {
        match receive(&self.messages, control)? {
            Message::Chunk(bytes) => Ok(Some(bytes)),
            Message::Failed(failure) => Err(failure),
            Message::End | Message::Head(_) => Ok(None),
        }
    }

    /// The whole body, which may have `most` bytes.
    pub(super) fn read(mut self, most: usize, control: &Control) -> Result<Vec<u8>, Failure> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next(control)? {
            all.extend_from_slice(&bytes);
            if all.len() > most {
                let problem =
                    format!("the answer is longer than the {} that were expected", crate::error::bytes(most as u64));
                return Err(Error::network(problem, "check HF_ENDPOINT").into());
            }
        }
        Ok(all)
    }
}

fn receive(messages: &Receiver<Message>, control: &Control) -> Result<Message, Failure> {
    loop {
        control.check()?;
        match messages.recv_timeout(POLL) {
            Ok(message) => return Ok(message),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Failure::Lost("the download stopped".to_owned())),
        }
    }
}

impl Client {
    /// # Errors
    /// The endpoint is no http address.
    pub(super) fn new(hub: &Hub) -> Result<Self, Error> {
        let home = Origin::of(&hub.endpoint).ok_or_else(|| {
            let expected = "an address such as https://huggingface.co";
            Error::argument("HF_ENDPOINT", expected, format!("{:?}", hub.endpoint))
        })?;
        let limit = Some(hub.silence);
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("minerva/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(limit)
            .timeout_connect(limit)
            .timeout_send_request(limit)
            .timeout_recv_response(limit)
            .timeout_per_read(limit)
            .tls_config(TlsConfig::builder().root_certs(roots()).build());
        if home.is_loopback() {
            config = config.proxy(None);
        }
        let agent = Agent::new_with_config(config.build());
        Ok(Self { agent, home, token: hub.token.clone(), silence: hub.silence })
    }

    /// The host that is asked.
    pub(super) fn host(&self) -> &str {
        &self.home.host
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Asks for `url` from byte `from` on, and follows where that leads. An answer of any status is an answer.
    pub(super) fn get(&self, url: &str, from: u64, control: &Control) -> Result<Answer, Failure> {
        let (sender, messages) = sync_channel(WAITING);
        let (client, url) = (self.clone(), url.to_owned());
        std::thread::Builder::new()
            .name("download".to_owned())
            .spawn(move || client.work(url, from, &sender))
            .map_err(|e| Error::network(format!("no thread for a download: {e}"), "end other programs"))?;
        match receive(&messages, control)? {
            Message::Head(head) => Ok(Answer { head, messages }),
            Message::Failed(failure) => Err(failure),
            Message::Chunk(_) | Message::End => Err(Failure::Lost("an answer without a beginning".to_owned())),
        }
    }

    /// What happens on the thread. It ends when nobody takes what it sends, at the latest when the server has been silent
    /// for too long.
    fn work(&self, url: String, from: u64, out: &SyncSender<Message>) {
        let (head, mut body, host) = match self.follow(url, from) {
            Ok(answer) => answer,
            Err(failure) => return drop(out.send(Message::Failed(failure))),
        };
        if out.send(Message::Head(head)).is_err() {
            return;
        }
        loop {
            let mut chunk = vec![0_u8; CHUNK];
            let message = match body.read(&mut chunk) {
                Ok(0) => Message::End,
                Ok(n) => {
                    chunk.truncate(n);
                    Message::Chunk(chunk)
                }
                Err(e) => Message::Failed(failure::of_request(ureq::Error::from(e), &host, self.silence)),
            };
            let last = !matches!(message, Message::Chunk(_));
            if out.send(message).is_err() || last {
                return;
            }
        }
    }

    fn follow(&self, mut url: String, from: u64) -> Result<(Head, BodyReader<'static>, String), Failure> {
        let mut said = Said::default();
        for _ in 0..=MOST_REDIRECTS {
            let origin = Origin::of(&url).ok_or_else(|| self.lost_way(&url))?;
            let at_home = origin == self.home;
            let mut request = self.agent.get(url.as_str());
            if from > 0 {
                request = request.header("Range", format!("bytes={from}-"));
            }
            if let Some(token) = self.token.as_deref().filter(|_| at_home) {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            let response = request.call().map_err(|e| failure::of_request(e, &origin.host, self.silence))?;
            let (status, headers) = (response.status().as_u16(), response.headers());
            said.listen(headers, at_home);
            if let (301 | 302 | 303 | 307 | 308, Some(location)) = (status, text(headers, "location")) {
                url = target(&url, &location).ok_or_else(|| self.lost_way(&location))?;
                continue;
            }
            let head = said.head(status, headers);
            return Ok((head, response.into_body().into_reader(), origin.host));
        }
        Err(self.lost_way(&url))
    }

    fn lost_way(&self, url: &str) -> Failure {
        let to: String = url.chars().take(80).collect();
        let problem = format!("{} redirects to where nothing can be fetched: {to:?}", self.home.host);
        Failure::Final(Error::network(problem, "check HF_ENDPOINT"))
    }
}

/// What the answers on the way say about the content. The hub's own word counts before that of the server it sends us to.
#[derive(Default)]
struct Said {
    linked_etag: Option<String>,
    linked_size: Option<u64>,
    home_etag: Option<String>,
}

impl Said {
    fn listen(&mut self, headers: &HeaderMap, at_home: bool) {
        if !at_home {
            return;
        }
        let linked = text(headers, "x-linked-etag").map(|e| unquoted(&e));
        self.linked_etag = linked.or(self.linked_etag.take());
        self.linked_size = number(headers, "x-linked-size").or(self.linked_size);
        self.home_etag = text(headers, "etag").map(|e| unquoted(&e)).or(self.home_etag.take());
    }

    fn head(self, status: u16, headers: &HeaderMap) -> Head {
        let range = (status == 206).then(|| text(headers, "content-range")).flatten();
        let (start, whole) = range.as_deref().and_then(content_range).unwrap_or((0, None));
        let length = (status == 200).then(|| number(headers, "content-length")).flatten();
        Head {
            status,
            etag: self.linked_etag.or(self.home_etag),
            size: self.linked_size.or(whole).or(length),
            start,
            code: text(headers, "x-error-code"),
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}

/// `W/"abc"` → `abc`.
fn unquoted(etag: &str) -> String {
    let etag = etag.trim();
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"').to_owned()
}

/// `bytes 5-9/10` → 5 and, where it is known, 10.
fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, whole) = value.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, whole.trim().parse().ok()))
}

/// The system's certificates, as a company's proxy may need; those of Mozilla in a container that has none.
fn roots() -> RootCerts {
    const PLACES: [&str; 4] =
        ["/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted/pem", "/usr/share/ca-certificates"];
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|v| std::env::var_os(v).is_some());
    let filled =
        || PLACES.iter().any(|place| std::fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_some()));
    let platform = cfg!(not(target_os = "linux")) || named || filled();
    if platform { RootCerts::PlatformVerifier } else { RootCerts::WebPki }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn headers_are_read() {
        assert_eq!(unquoted("W/\"abc\""), "abc");
        assert_eq!(unquoted("\"abc\""), "abc");
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(content_range("bytes */10"), None);
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        let e = Client::new(&Hub::new("/tmp", "huggingface.co")).err().unwrap().to_string();
        assert!(e.contains("HF_ENDPOINT") && e.contains("https://huggingface.co"), "{e}");
    }
}
