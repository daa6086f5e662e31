//! Requests that a library would put in order before it sends them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{Answer, Server};
use crate::client::PATIENCE;
use std::io::{Read, Write};
use std::net::TcpStream;

impl Server {
    /// A request whose path and headers go out as they are. `Host` is the server's own where `headers` has none.
    pub fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head += &format!("Host: {}\r\n", self.authority());
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        self.bytes(&[head.as_bytes(), b"\r\n", body].concat())
    }

    /// A request whose path goes out as it is, with the token.
    pub fn raw_with_token(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let bearer = format!("token {}", self.token());
        self.raw(method, path, &[("Authorization", &bearer), ("Content-Type", "application/json")], body)
    }

    /// Sends these bytes and reads until the connection ends. A server may answer before it has read all of them.
    pub fn bytes(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes);
        answer(&mut stream)
    }

    /// A connection of which nothing is known yet.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

/// All that comes until the connection ends, whichever way it does.
fn answer(stream: &mut TcpStream) -> Answer {
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => bytes.extend_from_slice(&piece[..n]),
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                panic!("the server neither answers nor hangs up: {}", String::from_utf8_lossy(&bytes))
            }
            Err(_) => break,
        }
    }
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok()).unwrap_or(0);
    let header = |line: &str| line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()));
    Answer { status, headers: lines.filter_map(header).collect(), body: bytes[end..].to_vec() }
}
