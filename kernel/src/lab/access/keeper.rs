//! What the server knows of whoever may ask.

use super::host::Hosts;
use super::limiter::Limiter;
use super::seal::{Seal, Session, random};
use super::{cookies, secret};
use crate::lab::options::LabOptions;
use crate::lab::paths::Folders;
use axum::http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;

/// The cookie that scripts read and send back as a header. JupyterLab knows it by this name.
pub const XSRF: &str = "_xsrf";
/// A token of so many characters cannot be guessed, however often one tries.
const STRONG: usize = 32;

/// What became of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It is ours.
    Right,
    /// It is not.
    Wrong,
    /// There were too many wrong ones; so long it takes until the next is looked at.
    TooMany(Duration),
}

/// Who may ask, and how they prove it.
pub struct Access {
    token: String,
    seal: Seal,
    secret: PathBuf,
    hosts: Hosts,
    address: OnceLock<SocketAddr>,
    limiter: Mutex<Limiter>,
    /// Sessions that have logged out.
    ended: Mutex<HashSet<String>>,
    /// When a person or program last asked for something, in seconds since 1970.
    asked: AtomicI64,
}

impl Access {
    /// Takes the token of `options`, or makes one.
    ///
    /// # Errors
    /// When the token is empty or cannot stand in an address.
    pub fn new(options: &LabOptions, folders: &Folders) -> Result<Self, String> {
        if let Some(token) = &options.token {
            check(token)?;
        }
        // A server for others goes by this machine's name as well.
        let own = if options.host.is_loopback() { None } else { sysinfo::System::host_name().ok() };
        let secret = folders.data.join("secret");
        Ok(Self {
            // Whoever changes the token means that those who knew the old one are out.
            seal: Seal::new(&secret::load(&secret), options.token.as_deref().unwrap_or_default())?,
            token: options.token.clone().unwrap_or_else(random),
            secret,
            hosts: Hosts::new(options.host, options.hosts.iter().cloned().chain(own)),
            address: OnceLock::new(),
            limiter: Mutex::new(Limiter::new(Instant::now())),
            ended: Mutex::default(),
            asked: AtomicI64::new(now()),
        })
    }

    /// The token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Says where the server listens, once that is known.
    pub fn set_address(&self, address: SocketAddr) {
        let _ = self.address.set(address);
    }

    /// When somebody last asked for something, in seconds since 1970.
    pub fn last_asked(&self) -> i64 {
        self.asked.load(Ordering::Relaxed)
    }

    pub(super) fn asked_now(&self) {
        self.asked.store(now(), Ordering::Relaxed);
    }

    pub(super) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    pub(super) fn seal(&self) -> &Seal {
        &self.seal
    }

    /// Looks at a token. One that could be guessed is not compared while there were too many wrong ones: the answer would
    /// tell. Any other always is, so that nobody can lock its owner out.
    pub(super) fn prove(&self, given: &str, from: IpAddr, now: Instant) -> Proof {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        if self.token.len() < STRONG
            && let Some(wait) = limiter.wait(from, now)
        {
            return Proof::TooMany(wait);
        }
        if self.is_token(given) {
            return Proof::Right;
        }
        limiter.wrong(from, now).map_or(Proof::Wrong, Proof::TooMany)
    }

    /// Digests are compared: the time tells nothing of the length either.
    fn is_token(&self, given: &str) -> bool {
        Sha256::digest(given).as_slice().ct_eq(Sha256::digest(&self.token).as_slice()).into()
    }

    /// The session of the browser that sends these headers.
    pub(super) fn session(&self, headers: &HeaderMap) -> Option<Session> {
        let (port, now) = (self.port(), now());
        let found = cookies::values(headers, &self.cookie()).iter().find_map(|v| self.seal.session(v, port, now))?;
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        (!ended.contains(&found.id)).then_some(found)
    }

    /// Logs the browser in: its session, the one it has or a new one, and the cookies for it.
    pub(super) fn welcome(&self, headers: &HeaderMap) -> Vec<HeaderValue> {
        let known = self.session(headers).map(|s| s.renewed(now()).unwrap_or(s));
        let session = known.unwrap_or_else(|| Session::new(now()));
        self.cookies(&session).into_iter().flatten().collect()
    }

    /// Logs a program in that may go on with the `_xsrf` of the login page, as those do that are no browsers and keep
    /// the cookies of the first answer.
    pub(super) fn welcome_program(&self, visitor: &str) -> Vec<HeaderValue> {
        self.cookies(&self.seal.bound(visitor, now())).into_iter().flatten().collect()
    }

    /// The cookies that a browser lacks which comes with this session.
    pub(super) fn refreshed(&self, session: &Session, headers: &HeaderMap) -> Vec<HeaderValue> {
        let [own, xsrf] = self.cookies(&session.renewed(now()).unwrap_or_else(|| session.clone()));
        let old = session.renewed(now()).is_some();
        let lacks = !cookies::values(headers, XSRF).contains(&self.seal.xsrf(session));
        own.filter(|_| old).into_iter().chain(xsrf.filter(|_| lacks)).collect()
    }

    /// Ends the browser's session, here and in the servers to come.
    pub(super) fn farewell(&self, headers: &HeaderMap) -> Vec<HeaderValue> {
        if let Some(session) = self.session(headers) {
            self.ended.lock().unwrap_or_else(PoisonError::into_inner).insert(session.id);
            secret::forget(&self.secret);
        }
        [cookies::clear(&self.cookie(), true), cookies::clear(XSRF, false)].into_iter().flatten().collect()
    }

    fn cookies(&self, session: &Session) -> [Option<HeaderValue>; 2] {
        let own = cookies::set(&self.cookie(), &self.seal.cookie(session, self.port()), true);
        [own, cookies::set(XSRF, &self.seal.xsrf(session), false)]
    }

    /// Browsers do not tell ports apart when they send cookies: the name does.
    fn cookie(&self) -> String {
        format!("minerva-lab-{}", self.port())
    }

    fn port(&self) -> u16 {
        self.address.get().map_or(0, SocketAddr::port)
    }
}

fn check(token: &str) -> Result<(), String> {
    let found = match token {
        "" => "nothing",
        // It stands in addresses and in headers.
        token if !token.bytes().all(|b| b.is_ascii_graphic()) => "spaces, or characters that are not ASCII,",
        _ => return Ok(()),
    };
    Err(format!("token: expected some characters, found {found}\nhelp: leave it out, and a random one is made"))
}

/// Seconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use axum::http::header::COOKIE;
    use std::path::Path;

    fn access(folder: &Path, token: Option<&str>) -> Result<Access, String> {
        let options = LabOptions {
            root: folder.into(),
            open: None,
            host: IpAddr::from([127, 0, 0, 1]),
            port: 0,
            token: token.map(str::to_owned),
            browser: false,
            hidden: false,
            cull: None,
            hosts: Vec::new(),
        };
        let folders = Folders { data: folder.into(), runtime: folder.into(), jupyter: Vec::new() };
        let access = Access::new(&options, &folders)?;
        access.set_address(SocketAddr::from(([127, 0, 0, 1], 8888)));
        Ok(access)
    }

    /// What a browser sends after it got these cookies.
    fn sent_back(cookies: &[HeaderValue]) -> HeaderMap {
        let pairs: Vec<&str> = cookies.iter().map(|c| c.to_str().unwrap().split_once(';').unwrap().0).collect();
        HeaderMap::from_iter([(COOKIE, pairs.join("; ").parse().unwrap())])
    }

    #[test]
    fn a_token_must_be_one() {
        let folder = tempfile::tempdir().unwrap();
        for token in ["", "a b", "a\nb", "é"] {
            let problem = access(folder.path(), Some(token)).map(|_| ()).unwrap_err();
            assert!(problem.contains("help:") && !problem.contains("a b"), "{problem}");
        }
        assert_eq!(access(folder.path(), Some("abc")).unwrap().token(), "abc");
        assert_eq!(access(folder.path(), None).unwrap().token().len(), 48);
    }

    #[test]
    fn a_short_token_is_guarded_and_a_long_one_never_locks_its_owner_out() {
        let folder = tempfile::tempdir().unwrap();
        let (from, now) = (IpAddr::from([127, 0, 0, 1]), Instant::now());
        let exhausted = |access: &Access| {
            assert_eq!(access.prove("wrong", from, now), Proof::Wrong);
            while access.prove("wrong", from, now) == Proof::Wrong {}
        };
        let short = access(folder.path(), Some("abc")).unwrap();
        assert_eq!(short.prove("abc", from, now), Proof::Right);
        exhausted(&short);
        assert!(matches!(short.prove("abc", from, now), Proof::TooMany(_)));
        assert_eq!(short.prove("abc", from, now + Duration::from_secs(6)), Proof::Right);
        let long = access(folder.path(), None).unwrap();
        exhausted(&long);
        assert_eq!(long.prove(&long.token, from, now), Proof::Right);
        assert!(matches!(long.prove("abc", from, now), Proof::TooMany(_)));
    }

    #[test]
    fn a_browser_is_known_again_until_it_logs_out() {
        let folder = tempfile::tempdir().unwrap();
        let first = access(folder.path(), None).unwrap();
        let cookies = first.welcome(&HeaderMap::new());
        let text = cookies[0].to_str().unwrap();
        assert!(text.starts_with("minerva-lab-8888=") && text.contains("HttpOnly") && !text.contains(first.token()));
        assert!(!cookies[1].to_str().unwrap().contains("HttpOnly"));
        let headers = sent_back(&cookies);
        let session = first.session(&headers).unwrap();
        assert!(first.refreshed(&session, &headers).is_empty());
        assert_eq!(first.refreshed(&session, &HeaderMap::new()).len(), 1);
        assert_eq!(first.session(&sent_back(&first.welcome(&headers))).as_ref(), Some(&session));
        // Another server of this user, after the first.
        let second = access(folder.path(), None).unwrap();
        assert_eq!(second.session(&headers), Some(session));
        assert!(access(folder.path(), Some("abc")).unwrap().session(&headers).is_none());
        assert_eq!(first.farewell(&headers).len(), 2);
        assert!(first.session(&headers).is_none());
        assert!(access(folder.path(), None).unwrap().session(&headers).is_none());
    }
}
