//! The kernel's process, and the ports that a launcher chooses for it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{Client, KEY};
use serde_json::json;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Where a kernel listens.
#[derive(Debug, Clone)]
pub struct Ports {
    /// The connection file.
    pub file: PathBuf,
    /// shell, control, iopub, stdin, heartbeat.
    pub ports: [u16; 5],
}

impl Ports {
    /// Five ports on which nobody listens, in a connection file in `folder`.
    pub fn choose(folder: &Path) -> Self {
        let ports = [(); 5].map(|()| unused_port());
        let [shell, control, iopub, stdin, hb] = ports;
        let content = json!({
            "transport": "tcp", "ip": "127.0.0.1", "key": KEY, "signature_scheme": "hmac-sha256", "kernel_name": "minerva",
            "shell_port": shell, "control_port": control, "iopub_port": iopub, "stdin_port": stdin, "hb_port": hb,
        });
        let file = folder.join("connection.json");
        std::fs::write(&file, content.to_string()).unwrap();
        Self { file, ports }
    }
}

/// A port on which nobody listens and that no other test of this process is given.
///
/// Asking the system for one (port 0) would have to listen there for a moment. A child that another test starts at that
/// moment holds the listener until its own program runs, and a client finds it, is taken for connected, and then loses
/// the connection. So these ports lie below those that Linux gives out (32768 and up), and are only knocked at.
fn unused_port() -> u16 {
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Processes that run at the same time begin far from each other.
    let begin = std::process::id().wrapping_mul(997);
    loop {
        let nth = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = (FIRST + nth % COUNT) as u16;
        if TcpStream::connect(("127.0.0.1", port)).is_err() {
            return port;
        }
    }
}

/// A kernel process. Dropping it kills the process.
pub struct Kernel {
    child: Child,
    /// Where it listens.
    pub ports: Ports,
    /// When it was started.
    pub started: Instant,
    folder: tempfile::TempDir,
}

impl Kernel {
    /// Starts `binary kernel CONNECTION_FILE`.
    pub fn start(binary: &str) -> Self {
        Self::start_with(binary, &[])
    }

    /// Starts a kernel with additional environment variables.
    pub fn start_with(binary: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = Ports::choose(folder.path());
        let started = Instant::now();
        let child = spawn(binary, &ports, environment);
        Self { child, ports, started, folder }
    }

    /// Starts a kernel with a file that a launcher wrote; where it will listen is not known yet. `folder` is where Jupyter
    /// keeps its files.
    pub fn start_with_file(binary: &str, folder: &Path, file: &Path) -> Self {
        let ports = Ports { file: file.to_owned(), ports: [0; 5] };
        let started = Instant::now();
        let folder = folder.to_str().unwrap();
        let child = spawn(binary, &ports, &[("XDG_DATA_HOME", folder), ("JUPYTER_RUNTIME_DIR", folder)]);
        Self { child, ports, started, folder: tempfile::tempdir().unwrap() }
    }

    /// Starts the program again on the same connection file, as a restart does.
    pub fn restart(&mut self, binary: &str) {
        self.started = Instant::now();
        self.child = spawn(binary, &self.ports, &[]);
    }

    /// A client of this kernel.
    pub fn connect(&self) -> Client {
        Client::connect(&self.ports)
    }

    /// The id of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A folder for the test's files, deleted with the kernel.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the kernel does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn folder(ports: &Ports) -> &Path {
    ports.file.parent().unwrap()
}

fn spawn(binary: &str, ports: &Ports, environment: &[(&str, &str)]) -> Child {
    Command::new(binary)
        .arg("kernel")
        .arg(&ports.file)
        // What a test types stays out of the history of whoever runs it.
        .env("XDG_DATA_HOME", folder(ports))
        .env("JUPYTER_RUNTIME_DIR", folder(ports))
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start {binary}: {e}"))
}

impl Drop for Kernel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
