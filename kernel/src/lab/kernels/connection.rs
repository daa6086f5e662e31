//! Where one kernel listens, and the file that tells it so.

use crate::lab::paths::make_private;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long a port is knocked at. On this machine an answer comes at once, or a refusal.
const KNOCK: Duration = Duration::from_millis(200);

/// The ports of the five sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// Requests.
    pub shell: u16,
    /// What everybody sees.
    pub iopub: u16,
    /// Questions to the person.
    pub stdin: u16,
    /// Interrupt, shutdown.
    pub control: u16,
    /// Echo.
    pub heartbeat: u16,
}

impl Ports {
    /// Five ports on which nobody listens, and that this process has not given to another kernel.
    pub fn choose() -> Self {
        let [shell, iopub, stdin, control, heartbeat] = [(); 5].map(|()| unused_port());
        Self { shell, iopub, stdin, control, heartbeat }
    }

    fn all(self) -> [u16; 5] {
        [self.shell, self.iopub, self.stdin, self.control, self.heartbeat]
    }
}

/// How one kernel is reached. A restarted kernel listens at the same place with the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelConnection {
    /// The address of all sockets: this machine only.
    pub ip: Ipv4Addr,
    /// The ports.
    pub ports: Ports,
    /// The key of the HMAC-SHA256 that signs messages.
    pub key: String,
    /// The connection file.
    pub file: PathBuf,
    /// The kernelspec's name.
    pub kernel_name: String,
}

impl KernelConnection {
    /// Free ports and a new key for the kernel `id`, whose file will be in `runtime`.
    pub fn new(runtime: &Path, id: &str, kernel_name: &str) -> Self {
        Self {
            ip: Ipv4Addr::LOCALHOST,
            ports: Ports::choose(),
            key: uuid::Uuid::new_v4().to_string(),
            file: runtime.join(format!("kernel-{id}.json")),
            kernel_name: kernel_name.to_owned(),
        }
    }

    /// The endpoint of a socket, as ZeroMQ writes it.
    pub fn endpoint(&self, port: u16) -> String {
        format!("tcp://{}:{port}", self.ip)
    }

    /// Whether somebody listens on one of the ports. After the kernel's end that is another program.
    pub fn taken(&self) -> bool {
        self.ports.all().into_iter().any(|port| knock(self.ip, port))
    }

    /// Writes the file, readable by nobody else from its first byte on. `session` is the document's path, which a
    /// kernel may ask for.
    ///
    /// # Errors
    /// When the folder cannot be made or the file cannot be written.
    pub fn write(&self, session: Option<&str>) -> io::Result<()> {
        if let Some(folder) = self.file.parent() {
            make_private(folder)?;
        }
        // A file of that name may belong to a kernel of before, with permissions of its own.
        self.remove();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut text = serde_json::to_string_pretty(&json!({
            "shell_port": self.ports.shell,
            "iopub_port": self.ports.iopub,
            "stdin_port": self.ports.stdin,
            "control_port": self.ports.control,
            "hb_port": self.ports.heartbeat,
            "ip": self.ip.to_string(),
            "key": self.key,
            "transport": "tcp",
            "signature_scheme": "hmac-sha256",
            "kernel_name": self.kernel_name,
            "jupyter_session": session.unwrap_or_default(),
        }))?;
        text.push('\n');
        options.open(&self.file)?.write_all(text.as_bytes())
    }

    /// Removes the file.
    pub fn remove(&self) {
        let _ = fs::remove_file(&self.file);
    }
}

fn knock(ip: Ipv4Addr, port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((ip, port)), KNOCK).is_ok()
}

/// A port on which nobody listens.
///
/// Asking the system for one (port 0) would have to listen there for a moment; a child that is started at that moment
/// holds the listener until its own program runs, and its clients find it instead of the kernel. So these ports lie below
/// those that Linux gives out (32768 and up), and are only knocked at.
fn unused_port() -> u16 {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Servers that run at the same time begin far from each other.
    let begin = std::process::id().wrapping_mul(997);
    let next = || {
        let nth = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % u32::from(COUNT);
        FIRST + u16::try_from(nth).unwrap_or_default()
    };
    // Where every port is taken one is as good as any: the kernel will say that it is in use.
    (0..COUNT).map(|_| next()).find(|port| !knock(Ipv4Addr::LOCALHOST, *port)).unwrap_or(FIRST)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_file_says_what_a_kernel_needs_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let connection = KernelConnection::new(&folder.path().join("runtime"), "abc", "minerva");
        connection.write(Some("a.ipynb")).unwrap();
        connection.write(Some("b.ipynb")).unwrap();
        assert!(connection.file.ends_with("kernel-abc.json"));
        let said: serde_json::Value = serde_json::from_slice(&fs::read(&connection.file).unwrap()).unwrap();
        assert_eq!(said["hb_port"], connection.ports.heartbeat);
        assert_eq!(said["key"], connection.key);
        assert_eq!(said["jupyter_session"], "b.ipynb");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&connection.file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        connection.remove();
        assert!(!connection.file.exists());
    }

    #[test]
    fn no_port_is_given_twice_and_all_are_below_those_of_the_system() {
        let mut ports: Vec<u16> = (0..8).flat_map(|_| Ports::choose().all()).collect();
        assert!(ports.iter().all(|port| (12_000..32_000).contains(port)), "{ports:?}");
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 40);
    }

    #[test]
    fn a_port_on_which_somebody_listens_is_taken() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut connection = KernelConnection::new(Path::new("/nowhere"), "abc", "minerva");
        assert!(!connection.taken());
        connection.ports.stdin = listener.local_addr().unwrap().port();
        assert!(connection.taken());
    }
}
