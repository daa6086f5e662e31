//! The connection file: where the kernel listens and the key that signs messages.

use super::registration::Registration;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, TcpListener};
use std::path::Path;
use zeromq::Listener;

/// What a connection file says. Fields this kernel has no use for are ignored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Connection {
    /// `"tcp"` or `"ipc"`.
    #[serde(default = "tcp")]
    pub transport: String,
    /// The address to bind, or the path prefix of `ipc` sockets.
    pub ip: String,
    /// Port of the shell socket.
    pub shell_port: u16,
    /// Port of the control socket.
    pub control_port: u16,
    /// Port of the iopub socket.
    pub iopub_port: u16,
    /// Port of the stdin socket.
    pub stdin_port: u16,
    /// Port of the heartbeat socket.
    pub hb_port: u16,
    /// The key of the HMAC; empty means that messages are not signed.
    #[serde(default)]
    pub key: String,
    /// Only `hmac-sha256` exists in practice.
    #[serde(default = "hmac_sha256")]
    pub signature_scheme: String,
}

/// The usual transport.
pub fn tcp() -> String {
    "tcp".to_owned()
}

/// The usual signature.
pub fn hmac_sha256() -> String {
    "hmac-sha256".to_owned()
}

/// The five sockets, bound and not yet accepting. Binding before anything else starts means that a port in use is
/// reported at once, and that a client that connects early waits in the backlog instead of being refused.
pub struct Listeners {
    /// Requests.
    pub shell: Listener,
    /// Interrupt, shutdown.
    pub control: Listener,
    /// What everybody sees.
    pub iopub: Listener,
    /// Questions to the user.
    pub stdin: Listener,
    /// Echo.
    pub heartbeat: Listener,
}

/// What a launcher starts a kernel with.
#[derive(Debug, Clone)]
pub enum Startup {
    /// The ports to listen on.
    Connection(Connection),
    /// Where to tell the ports that this kernel chooses.
    Registration(Registration),
}

impl Startup {
    /// Reads the connection file or the registration file at `path`.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| format!("{}: {e}\nhelp: Jupyter writes this file when it starts a kernel", path.display()))?;
        let wrong = |e: serde_json::Error| format!("{}: not a Jupyter connection file: {e}", path.display());
        let value: serde_json::Value = serde_json::from_str(&text).map_err(wrong)?;
        let startup = if value.get("registration_port").is_some() {
            Self::Registration(serde_json::from_value(value).map_err(wrong)?)
        } else {
            Self::Connection(serde_json::from_value(value).map_err(wrong)?)
        };
        let (scheme, transport) = match &startup {
            Self::Connection(c) => (&c.signature_scheme, None),
            Self::Registration(r) => (&r.signature_scheme, Some(&r.transport)),
        };
        if scheme != "hmac-sha256" {
            return Err(format!("{}: signature scheme {scheme:?}: expected \"hmac-sha256\"", path.display()));
        }
        if let Some(transport) = transport.filter(|t| *t != "tcp") {
            return Err(format!("{}: registration over {transport:?}: expected \"tcp\"", path.display()));
        }
        Ok(startup)
    }
}

fn chosen(listener: &Listener) -> Option<u16> {
    match listener {
        Listener::Tcp(listener) => listener.local_addr().ok().map(|a| a.port()),
        _ => None,
    }
}

impl Connection {
    /// Binds the five sockets. Where a port is 0, a free one is chosen and noted here.
    pub fn bind(&mut self) -> Result<Listeners, String> {
        let listen = |socket: &str, port: u16| {
            let listener = self.listen(socket, port)?;
            Ok::<_, String>((chosen(&listener).unwrap_or(port), listener))
        };
        let (shell_port, shell) = listen("shell", self.shell_port)?;
        let (control_port, control) = listen("control", self.control_port)?;
        let (iopub_port, iopub) = listen("iopub", self.iopub_port)?;
        let (stdin_port, stdin) = listen("stdin", self.stdin_port)?;
        let (hb_port, heartbeat) = listen("heartbeat", self.hb_port)?;
        *self = Self { shell_port, control_port, iopub_port, stdin_port, hb_port, ..self.clone() };
        Ok(Listeners { shell, control, iopub, stdin, heartbeat })
    }

    fn listen(&self, socket: &str, port: u16) -> Result<Listener, String> {
        let failed = |e: std::io::Error| format!("cannot bind the {socket} socket ({} {port}): {e}", self.ip);
        match self.transport.as_str() {
            "tcp" => {
                let listener = match self.ip.trim_matches(['[', ']']) {
                    "*" => TcpListener::bind(("0.0.0.0", port)),
                    "localhost" => TcpListener::bind(("127.0.0.1", port)),
                    text => match text.parse::<IpAddr>() {
                        Ok(ip) => TcpListener::bind((ip, port)),
                        Err(_) => TcpListener::bind((text, port)),
                    },
                };
                listener.map(Listener::from).map_err(failed)
            }
            #[cfg(unix)]
            "ipc" => {
                let path = format!("{}-{port}", self.ip);
                // The socket file of a kernel that was restarted is still there.
                match std::fs::remove_file(&path) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
                    _ => {}
                }
                std::os::unix::net::UnixListener::bind(&path).map(Listener::from).map_err(failed)
            }
            other => Err(format!("transport {other:?} in the connection file: expected \"tcp\" or \"ipc\"")),
        }
    }
}
