//! How often a wrong token may be tried.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Wrong tries of one address before it has to wait, and after how long it has one more.
const OF_SOURCE: Rate = Rate { most: 10.0, each: Duration::from_secs(6) };
/// The same of all addresses together.
const OF_ALL: Rate = Rate { most: 100.0, each: Duration::from_millis(600) };
/// So many addresses are told apart; the tries of others count only for all.
const MOST_SOURCES: usize = 1024;

#[derive(Clone, Copy)]
struct Rate {
    most: f64,
    each: Duration,
}

/// Counts wrong tries. Time comes from outside.
pub struct Limiter {
    all: Tries,
    sources: HashMap<IpAddr, Tries>,
}

/// The tries that are left.
struct Tries {
    left: f64,
    at: Instant,
}

impl Tries {
    fn new(rate: Rate, now: Instant) -> Self {
        Self { left: rate.most, at: now }
    }

    /// How long it takes to the next try; `None` where there is one left.
    fn wait(&mut self, rate: Rate, now: Instant) -> Option<Duration> {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() / rate.each.as_secs_f64();
        self.left = (self.left + gained).min(rate.most);
        self.at = now;
        (self.left < 1.0).then(|| rate.each.mul_f64(1.0 - self.left))
    }
}

impl Limiter {
    /// Nobody has tried anything.
    pub fn new(now: Instant) -> Self {
        Self { all: Tries::new(OF_ALL, now), sources: HashMap::new() }
    }

    /// How long this address has to wait until a try of it is looked at.
    pub fn wait(&mut self, from: IpAddr, now: Instant) -> Option<Duration> {
        let all = self.all.wait(OF_ALL, now);
        let own = self.sources.get_mut(&key(from)).and_then(|tries| tries.wait(OF_SOURCE, now));
        all.max(own)
    }

    /// Counts a wrong try. Where none was left, it is not counted, so that waiting always helps, and the time to wait is
    /// returned.
    pub fn wrong(&mut self, from: IpAddr, now: Instant) -> Option<Duration> {
        if let Some(wait) = self.wait(from, now) {
            return Some(wait);
        }
        self.all.left -= 1.0;
        let key = key(from);
        if self.sources.len() >= MOST_SOURCES && !self.sources.contains_key(&key) {
            self.sources.retain(|_, tries| {
                let _ = tries.wait(OF_SOURCE, now);
                tries.left < OF_SOURCE.most
            });
        }
        if self.sources.len() < MOST_SOURCES || self.sources.contains_key(&key) {
            self.sources.entry(key).or_insert_with(|| Tries::new(OF_SOURCE, now)).left -= 1.0;
        }
        None
    }
}

/// Whoever has one IPv6 address has the network of 64 bits that it is in.
fn key(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_waits_and_others_do_not() {
        let now = Instant::now();
        let mut limiter = Limiter::new(now);
        for i in 0..10 {
            assert_eq!(limiter.wrong(ip("10.0.0.1"), now), None, "{i}");
        }
        assert_eq!(limiter.wrong(ip("10.0.0.1"), now), Some(OF_SOURCE.each));
        assert_eq!(limiter.wait(ip("10.0.0.1"), now), Some(OF_SOURCE.each));
        assert_eq!(limiter.wait(ip("::ffff:10.0.0.1"), now), Some(OF_SOURCE.each));
        assert_eq!(limiter.wait(ip("10.0.0.2"), now), None);
    }

    #[test]
    fn knocking_does_not_make_the_wait_longer() {
        let now = Instant::now();
        let mut limiter = Limiter::new(now);
        for _ in 0..1000 {
            limiter.wrong(ip("127.0.0.1"), now);
        }
        let later = now + OF_SOURCE.each;
        assert_eq!(limiter.wait(ip("127.0.0.1"), later), None);
        assert_eq!(limiter.wrong(ip("127.0.0.1"), later), None);
        assert!(limiter.wrong(ip("127.0.0.1"), later).is_some());
        assert_eq!(limiter.wait(ip("127.0.0.1"), later + Duration::from_secs(3600)), None);
    }

    #[test]
    fn many_addresses_are_one_crowd() {
        let now = Instant::now();
        let mut limiter = Limiter::new(now);
        for i in 0..100_u8 {
            assert_eq!(limiter.wrong(IpAddr::from([10, 0, 0, i]), now), None);
        }
        assert_eq!(limiter.wrong(ip("10.0.1.1"), now), Some(OF_ALL.each));
        let mut of_network = Limiter::new(now);
        for i in 0..10 {
            assert_eq!(of_network.wrong(ip(&format!("2001:db8::{i}")), now), None);
        }
        assert!(of_network.wrong(ip("2001:db8::ffff"), now).is_some());
        assert_eq!(of_network.wrong(ip("2001:db8:0:1::1"), now), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut now = Instant::now();
        let mut limiter = Limiter::new(now);
        for i in 0..5000_u32 {
            now += OF_ALL.each;
            limiter.wrong(IpAddr::from(i.to_be_bytes()), now);
        }
        assert!(limiter.sources.len() <= MOST_SOURCES);
    }
}
