//! The address that the server listens on, and those that it can be found at.

use crate::lab::access::query::encode;
use crate::lab::options::LabOptions;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpListener;

/// So many ports are tried.
const TRIES: u16 = 50;

/// Listens on the port of `options`, or on the next one that is free.
///
/// # Errors
/// When none is free, or the address is not one of this machine.
pub async fn bind(options: &LabOptions) -> Result<TcpListener, String> {
    let LabOptions { host, port, .. } = options;
    let last = if *port == 0 { 0 } else { port.saturating_add(TRIES) };
    for port in *port..=last {
        match TcpListener::bind(SocketAddr::new(*host, port)).await {
            Ok(listener) => return Ok(listener),
            Err(e) if e.kind() == ErrorKind::AddrInUse => {}
            Err(e) => return Err(refused(SocketAddr::new(*host, port), &e)),
        }
    }
    let help = "help: `minerva lab list` shows the servers that run";
    Err(format!("ports {port} to {last} are in use\n{help}; another one is chosen with --port"))
}

fn refused(address: SocketAddr, error: &std::io::Error) -> String {
    let help = match error.kind() {
        ErrorKind::AddrNotAvailable => "--host takes an address of this machine, or 0.0.0.0 for all of them",
        ErrorKind::PermissionDenied => "ports below 1024 are the system's; choose another with --port",
        _ => "choose another address with --host or another port with --port",
    };
    format!("{address}: {error}\nhelp: {help}")
}

/// The addresses of a server that listens on `address`, with the slash at their end, the one for this machine first.
pub fn addresses(address: SocketAddr) -> Vec<String> {
    let near = reachable(address);
    let mut all = vec![format!("http://{near}/")];
    if address.ip().is_unspecified()
        && let Ok(name) = sysinfo::System::host_name()
    {
        all.push(format!("http://{name}:{}/", address.port()));
    }
    all
}

/// Where this machine reaches a server that listens on `address`.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The address of a page: JupyterLab, or one document in it. Without a token, one has to log in.
pub fn page(server: &str, open: Option<&str>, token: Option<&str>) -> String {
    let place = open.map_or("lab".to_owned(), |path| format!("lab/tree/{}", encode(path)));
    let token = token.map_or(String::new(), |token| format!("?token={}", encode(token)));
    format!("{server}{place}{token}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_page_has_an_address() {
        assert_eq!(page("http://a:1/", None, Some("t k")), "http://a:1/lab?token=t%20k");
        assert_eq!(page("http://a:1/", Some("sub/a b.ipynb"), None), "http://a:1/lab/tree/sub/a%20b.ipynb");
    }

    #[test]
    fn a_server_for_all_is_found_at_home() {
        let near = |text: &str| addresses(text.parse().unwrap()).swap_remove(0);
        assert_eq!(near("127.0.0.1:8888"), "http://127.0.0.1:8888/");
        assert_eq!(near("0.0.0.0:8888"), "http://127.0.0.1:8888/");
        assert_eq!(near("[::]:8888"), "http://[::1]:8888/");
        assert_eq!(near("192.168.1.5:1"), "http://192.168.1.5:1/");
    }
}
