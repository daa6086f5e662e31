//! What the server gives out and knows again: the value of a browser's cookie, and the `_xsrf` that goes with it.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// So long a browser stays logged in that nobody uses.
const MOST_AGE: i64 = 30 * DAY;
/// After so long, a browser in use gets a cookie of today.
const RENEWED: i64 = DAY;
/// So far a clock may have been set back meanwhile.
const SLACK: i64 = 3600;
const DAY: i64 = 24 * 3600;
/// So many hexadecimal digits a random text has.
const RANDOM: usize = 48;

/// A browser that has shown the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Random, in hexadecimal digits.
    pub id: String,
    /// When it was written, in seconds since 1970.
    issued: i64,
}

impl Session {
    /// A new one.
    pub fn new(now: i64) -> Self {
        Self { id: random(), issued: now }
    }

    /// The same one as of today; `None` where the old one is good enough.
    pub fn renewed(&self, now: i64) -> Option<Self> {
        (now - self.issued > RENEWED).then(|| Self { id: self.id.clone(), issued: now })
    }
}

/// Signs with a key that only this user's servers know.
pub struct Seal(Hmac<Sha256>);

impl Seal {
    /// A seal from a secret and what else a value shall be bound to.
    pub fn new(secret: &str, bound: &str) -> Result<Self, String> {
        let mut mac = Hmac::new_from_slice(secret.as_bytes()).map_err(|e| format!("the key of the cookies: {e}"))?;
        add(&mut mac, bound);
        Ok(Self(mac))
    }

    /// The value of the cookie of a server on this port.
    pub fn cookie(&self, session: &Session, port: u16) -> String {
        let Session { id, issued } = session;
        format!("{id}.{issued}.{}", self.sign(&["session", &port.to_string(), id, &issued.to_string()]))
    }

    /// The session of a cookie's value, if we wrote it for this port and it is not too old.
    pub fn session(&self, cookie: &str, port: u16, now: i64) -> Option<Session> {
        let (id, rest) = cookie.split_once('.')?;
        let (issued, mac) = rest.split_once('.')?;
        let good = self.verify(&["session", &port.to_string(), id, issued], mac);
        let issued: i64 = issued.parse().ok()?;
        let fresh = (-SLACK..MOST_AGE).contains(&now.checked_sub(issued)?);
        (good && fresh).then(|| Session { id: id.to_owned(), issued })
    }

    /// The `_xsrf` of a session.
    pub fn xsrf(&self, session: &Session) -> String {
        self.sign(&["xsrf", &session.id])
    }

    /// Whether this is the `_xsrf` of the session, or the one it is bound to.
    pub fn is_xsrf(&self, given: &str, session: &Session) -> bool {
        let bound = || session.id.get(RANDOM..).is_some_and(|tag| self.verify(&["bound", given], tag));
        self.verify(&["xsrf", &session.id], given) || self.is_visitor(given) && bound()
    }

    /// A new session that also goes with the `_xsrf` of the page on which it logged in.
    pub fn bound(&self, visitor: &str, now: i64) -> Session {
        Session { id: format!("{}{}", random(), self.sign(&["bound", visitor])), issued: now }
    }

    /// An `_xsrf` for the page on which one logs in.
    pub fn visitor(&self) -> String {
        let id = random();
        let mac = self.sign(&["visitor", &id]);
        format!("{id}.{mac}")
    }

    /// Whether we wrote it.
    pub fn is_visitor(&self, given: &str) -> bool {
        given.split_once('.').is_some_and(|(id, mac)| self.verify(&["visitor", id], mac))
    }

    fn sign(&self, parts: &[&str]) -> String {
        hex::encode(self.mac(parts).finalize().into_bytes())
    }

    /// The comparison takes the same time wherever they differ.
    fn verify(&self, parts: &[&str], given: &str) -> bool {
        let mut digest = [0; 32];
        hex::decode_to_slice(given, &mut digest).is_ok() && self.mac(parts).verify_slice(&digest).is_ok()
    }

    fn mac(&self, parts: &[&str]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| add(&mut mac, part));
        mac
    }
}

/// With its length, so that no two lists of parts are the same bytes.
fn add(mac: &mut Hmac<Sha256>, part: &str) {
    mac.update(&(part.len() as u64).to_le_bytes());
    mac.update(part.as_bytes());
}

/// 192 random bits in hexadecimal digits.
pub fn random() -> String {
    let mut hash = Sha256::new();
    for _ in 0..2 {
        // 122 bits each, from the system.
        hash.update(uuid::Uuid::new_v4().as_bytes());
    }
    let mut text = hex::encode(hash.finalize());
    text.truncate(RANDOM);
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn seal() -> Seal {
        Seal::new("secret", "").unwrap()
    }

    #[test]
    fn a_cookie_is_known_again_by_its_own_server() {
        let session = Session::new(NOW);
        let cookie = seal().cookie(&session, 8888);
        assert_eq!(seal().session(&cookie, 8888, NOW + 1), Some(session));
        assert_eq!(seal().session(&cookie, 8889, NOW + 1), None, "another port");
        assert_eq!(Seal::new("other", "").unwrap().session(&cookie, 8888, NOW), None, "another key");
        assert_eq!(Seal::new("secret", "token").unwrap().session(&cookie, 8888, NOW), None, "another token");
        assert_eq!(seal().session(&cookie, 8888, NOW + MOST_AGE), None, "too old");
        assert_eq!(seal().session(&cookie, 8888, NOW - SLACK - 1), None, "from the future");
    }

    #[test]
    fn a_changed_cookie_is_none() {
        let cookie = seal().cookie(&Session::new(NOW), 8888);
        for at in 0..cookie.len() {
            let mut changed = cookie.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(seal().session(&changed, 8888, NOW), None, "{at}");
        }
        for cookie in ["", ".", "..", "a.b.c", "a.1.", &format!("a.{}.00", i64::MIN), &format!("{cookie}00")] {
            assert_eq!(seal().session(cookie, 8888, NOW), None, "{cookie}");
        }
    }

    #[test]
    fn xsrf_belongs_to_one_session() {
        let (a, b) = (Session::new(NOW), Session::new(NOW));
        assert!(seal().is_xsrf(&seal().xsrf(&a), &a));
        assert!(!seal().is_xsrf(&seal().xsrf(&b), &a));
        assert!(!seal().is_xsrf("", &a));
        assert!(seal().is_visitor(&seal().visitor()));
        assert!(!seal().is_visitor(&seal().xsrf(&a)) && !seal().is_visitor("x.00"));
    }

    #[test]
    fn a_session_may_be_bound_to_the_page_it_came_from() {
        let (visitor, other) = (seal().visitor(), seal().visitor());
        let session = seal().bound(&visitor, NOW);
        assert_ne!(session.id, seal().bound(&visitor, NOW).id);
        assert_eq!(seal().session(&seal().cookie(&session, 8888), 8888, NOW).as_ref(), Some(&session));
        assert!(seal().is_xsrf(&visitor, &session) && seal().is_xsrf(&seal().xsrf(&session), &session));
        assert!(!seal().is_xsrf(&other, &session), "another page");
        assert!(!seal().is_xsrf(&visitor, &Session::new(NOW)), "a session bound to none");
        assert!(!seal().is_xsrf("x.00", &seal().bound("x.00", NOW)), "a page that is not ours");
    }

    #[test]
    fn a_session_in_use_is_renewed_and_stays_the_same() {
        let session = Session::new(NOW);
        assert_eq!(session.renewed(NOW + RENEWED), None);
        let later = session.renewed(NOW + RENEWED + 1).unwrap();
        assert_eq!(later.id, session.id);
        assert_eq!(seal().xsrf(&later), seal().xsrf(&session));
    }

    #[test]
    fn random_is_long_and_new() {
        assert_eq!(random().len(), RANDOM);
        assert_ne!(random(), random());
    }
}
