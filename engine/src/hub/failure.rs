//! What can go wrong on the way to a server, and what a person can do about it.

use crate::control::Control;
use crate::error::{Error, Result};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

/// Why an attempt came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another attempt may do better: what happened.
    Lost(String),
    /// No other attempt will.
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// What the HTTP library says about a request to `host`.
pub(super) fn of_request(error: ureq::Error, host: &str, silence: Duration) -> Failure {
    let fatal = |problem: String, help: &str| Failure::Final(Error::network(problem, help));
    let seconds = silence.as_secs_f32();
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            fatal(format!("{host} cannot be reached: no answer in {seconds} s"), CONNECT)
        }
        ureq::Error::Timeout(_) => fatal(format!("{host} has sent nothing for {seconds} s"), AGAIN),
        ureq::Error::HostNotFound => fatal(format!("there is no host {host}, or no network"), CONNECT),
        ureq::Error::Io(e) if is_lookup(&e) => fatal(format!("there is no host {host}, or no network: {e}"), CONNECT),
        ureq::Error::Io(e) => match e.kind() {
            ErrorKind::ConnectionRefused => fatal(format!("{host} refuses the connection"), CONNECT),
            ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::AddrNotAvailable => {
                fatal(format!("{host} cannot be reached: {e}"), CONNECT)
            }
            ErrorKind::InvalidData => fatal(format!("{host}: no secure connection: {e}"), CERTIFICATES),
            _ => Failure::Lost(format!("the connection to {host} was lost: {e}")),
        },
        e @ (ureq::Error::Rustls(_) | ureq::Error::Tls(_)) => {
            fatal(format!("{host}: no secure connection: {e}"), CERTIFICATES)
        }
        e @ ureq::Error::Protocol(_) => Failure::Lost(format!("{host}: {e}")),
        e => fatal(format!("{host}: {e}"), CONNECT),
    }
}

/// Whether the name service failed, for which there is no kind of error.
fn is_lookup(error: &std::io::Error) -> bool {
    const WINDOWS: i32 = 11_001;
    error.raw_os_error() == Some(WINDOWS) || error.to_string().starts_with("failed to lookup address")
}

/// What to do when a download stopped.
pub(super) const AGAIN: &str = "what was downloaded is kept: load it again to go on from there";
const CONNECT: &str = "check the network, HF_ENDPOINT and HTTPS_PROXY; models in the local cache, files and folders load without a network";
const CERTIFICATES: &str = "the certificate is not trusted here: behind a proxy that opens connections, add its certificate to the system's, or name it in SSL_CERT_FILE";

/// What a request was about, for the errors of answers that refuse it.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) host: &'a str,
    pub(super) repo: &'a str,
    pub(super) revision: &'a str,
    pub(super) file: Option<&'a str>,
    pub(super) has_token: bool,
}

/// An answer that is not what was asked for. `code` is what the hub says in `X-Error-Code`.
pub(super) fn of_status(status: u16, code: Option<&str>, about: About) -> Failure {
    let About { host, repo, revision, file, has_token } = about;
    let gated = || {
        let problem = format!("{host} does not give {repo} to everybody (status {status})");
        let token = if has_token {
            "the token that was sent must belong to an account that has done so"
        } else {
            "then set HF_TOKEN to an access token of your account, or run `hf auth login`"
        };
        Error::network(problem, format!("accept the licence on {host}/{repo}; {token}"))
    };
    Failure::Final(match (status, code) {
        (_, Some("RevisionNotFound")) => {
            missing("revision", &format!("{repo}@{revision}"), "look at the branches and tags on the model's page")
        }
        (_, Some("EntryNotFound")) => {
            missing("file", &format!("{repo}/{}", file.unwrap_or_default()), "look at the files on the model's page")
        }
        (404, None) if file.is_some() => {
            missing("file", &format!("{repo}/{}", file.unwrap_or_default()), "look at the files on the model's page")
        }
        // The hub does not tell strangers whether a private model exists.
        (401 | 403 | 404, Some("RepoNotFound")) | (404, _) => missing(
            "model",
            repo,
            &format!(
                "{host} has none of this name, and there is no such file here: expected org/name as on the model's page, or a path; a private model needs HF_TOKEN"
            ),
        ),
        // Sent with models that are open to everybody, too.
        (401, None) if has_token => Error::network(
            format!("{host} does not accept the access token (status 401)"),
            "renew it with `hf auth login`, or unset HF_TOKEN: models that are open to everybody need none",
        ),
        (401 | 403, _) => gated(),
        (408 | 425 | 429 | 500..=599, _) => return Failure::Lost(format!("{host} answers with status {status}")),
        _ => Error::network(
            format!("{host} answers with status {status} to a request for {repo}"),
            "check HF_ENDPOINT, and try again later",
        ),
    })
}

fn missing(kind: &'static str, name: &str, help: &str) -> Error {
    Error::not_found(kind, name, []).with_help(help)
}

/// How often something is tried again.
#[derive(Debug)]
pub(super) struct Patience {
    first: Duration,
    pause: Duration,
    left: u32,
    best: u64,
}

/// Attempts after the first that bring nothing.
const ATTEMPTS: u32 = 4;

impl Patience {
    /// `pause` before the second attempt, twice as long before the third, and so on.
    pub(super) fn new(pause: Duration) -> Self {
        Self { first: pause, pause, left: ATTEMPTS, best: 0 }
    }

    /// So many bytes are there. Where they are more than ever before, the attempts are counted anew.
    pub(super) fn reached(&mut self, bytes: u64) {
        if bytes > self.best {
            *self = Self { best: bytes, ..Self::new(self.first) };
        }
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// `why`, when it was the last; an interrupt.
    pub(super) fn wait(&mut self, why: &str, control: &Control) -> Result<()> {
        if self.left == 0 {
            return Err(Error::network(format!("{why} ({} attempts)", ATTEMPTS + 1), AGAIN));
        }
        self.left -= 1;
        let end = Instant::now() + self.pause;
        self.pause *= 2;
        loop {
            control.check()?;
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(());
            }
            std::thread::sleep(rest.min(Duration::from_millis(50)));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn failures_of_the_network_say_what_to_do() {
        let of = |error: ureq::Error| match of_request(error, "hub.co", Duration::from_secs(30)) {
            Failure::Final(e) => e.to_string(),
            Failure::Lost(why) => format!("again: {why}"),
        };
        let io = |kind: ErrorKind| ureq::Error::Io(kind.into());
        assert!(of(ureq::Error::HostNotFound).contains("there is no host hub.co"));
        let lookup = std::io::Error::other("failed to lookup address information: Name or service not known");
        assert!(of(ureq::Error::Io(lookup)).contains("there is no host hub.co"));
        assert!(of(ureq::Error::Timeout(ureq::Timeout::PerRead)).contains("has sent nothing for 30 s"));
        assert!(of(ureq::Error::Timeout(ureq::Timeout::Connect)).contains("no answer in 30 s"));
        assert!(of(io(ErrorKind::ConnectionRefused)).contains("HF_ENDPOINT"));
        assert!(of(io(ErrorKind::InvalidData)).contains("SSL_CERT_FILE"));
        assert!(of(io(ErrorKind::ConnectionReset)).starts_with("again: "));
    }

    #[test]
    fn patience_ends_unless_something_comes() {
        let (mut patience, control) = (Patience::new(Duration::ZERO), Control::default());
        for bytes in [0, 0, 0, 5, 5, 5, 5] {
            patience.reached(bytes);
            patience.wait("lost", &control).unwrap();
        }
        let e = patience.wait("lost", &control).unwrap_err().to_string();
        assert!(e.starts_with("lost (5 attempts)"), "{e}");
        control.interrupt.raise();
        assert!(matches!(Patience::new(Duration::from_secs(60)).wait("lost", &control), Err(Error::Interrupted)));
    }
}
