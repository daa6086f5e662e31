//! Under which names the server may be asked. A page of another site can make its own name point to this machine (DNS
//! rebinding); the browser then takes our answers for that site's. The `Host` still has the foreign name.

use std::net::IpAddr;

/// The names and addresses that are ours.
#[derive(Debug, Clone)]
pub struct Hosts {
    bound: IpAddr,
    names: Vec<String>,
}

impl Hosts {
    /// Those of a server that listens on `bound` and goes by `names` besides `localhost`.
    pub fn new(bound: IpAddr, names: impl IntoIterator<Item = String>) -> Self {
        Self { bound, names: names.into_iter().map(|n| plain(&n).to_owned()).collect() }
    }

    /// Whether a `Host` header names this server. The port is not looked at: through a tunnel it is another.
    pub fn admit(&self, host: &str) -> bool {
        let Some(name) = name(host) else { return false };
        match name.parse::<IpAddr>() {
            // An address cannot be made to point elsewhere.
            Ok(ip) => ip.is_loopback() || ip == self.bound || self.bound.is_unspecified(),
            Err(_) => {
                let mut known = std::iter::once("localhost").chain(self.names.iter().map(String::as_str));
                known.any(|k| k.eq_ignore_ascii_case(plain(name)))
            }
        }
    }
}

/// A name without the point that may end it.
fn plain(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// The name or address of `name`, `name:port`, `[address]` or `[address]:port`.
pub fn name(host: &str) -> Option<&str> {
    let (name, rest) = match host.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => host.find(':').map_or((host, ""), |at| host.split_at(at)),
    };
    let port = rest.is_empty() || rest.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    (port && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn hosts(bound: &str, names: &[&str]) -> Hosts {
        Hosts::new(bound.parse().unwrap(), names.iter().map(|n| (*n).to_owned()))
    }

    #[test]
    fn a_local_server_has_local_names() {
        let hosts = hosts("127.0.0.1", &["lab.example"]);
        for host in [
            "localhost",
            "localhost:8888",
            "LOCALHOST.:1",
            "127.0.0.1:8888",
            "127.9.9.9",
            "[::1]:8888",
            "lab.example:1",
        ] {
            assert!(hosts.admit(host), "{host}");
        }
        for host in [
            "",
            ":8888",
            "evil.example",
            "evil.example:8888",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "localhost:8888@evil.example",
            "localhost:88x8",
            "192.168.1.5:8888",
            "0.0.0.0:8888",
            "[::1",
            "[::1]x",
            "lab.example.org",
        ] {
            assert!(!hosts.admit(host), "{host}");
        }
    }

    #[test]
    fn a_server_for_others_has_addresses_but_no_foreign_names() {
        assert!(hosts("0.0.0.0", &[]).admit("192.168.1.5:8888"));
        assert!(hosts("192.168.1.5", &[]).admit("192.168.1.5:8888"));
        assert!(!hosts("192.168.1.5", &[]).admit("192.168.1.6:8888"));
        assert!(!hosts("0.0.0.0", &[]).admit("evil.example:8888"));
        assert!(hosts("::", &["box"]).admit("BOX:8888"));
    }
}
