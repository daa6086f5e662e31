//! The servers of this user that run: each leaves a file that only this user can read.

use super::client;
use super::processes::alive;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a server has to end that was asked to.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often one looks whether it has.
const LOOK: Duration = Duration::from_millis(50);

/// What a server says of itself. The names are those that Jupyter Server uses where it says the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Its address, with the slash at the end.
    pub url: String,
    /// Its token.
    pub token: String,
    /// Its process.
    pub pid: u32,
    /// The folder that it serves.
    pub root_dir: PathBuf,
    /// Its port.
    pub port: u16,
    /// The address at which this machine reaches it.
    pub hostname: std::net::IpAddr,
    /// The version of Minerva.
    pub version: String,
    /// When it started.
    pub started: String,
}

impl Server {
    /// Where this machine reaches it.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.hostname, self.port)
    }
}

/// The file of a running server. Dropping it removes it.
#[derive(Debug)]
pub struct Running(PathBuf);

impl Running {
    /// Leaves a file in this folder.
    ///
    /// # Errors
    /// What the system says, for the person.
    pub fn announce(folder: &Path, server: &Server) -> Result<Self, String> {
        let path = folder.join(format!("minerva-lab-{}.json", server.pid));
        write(folder, &path, server).map_err(|e| {
            let help = "help: JUPYTER_RUNTIME_DIR names another folder for such files";
            format!("{}: {e}\n{help}", path.display())
        })?;
        Ok(Self(path))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn write(folder: &Path, path: &Path, server: &Server) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    // A temporary file is private from its first byte, and nobody reads half of one.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(serde_json::to_string_pretty(server)?.as_bytes())?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// The servers that run, by port. What those left behind that were killed is removed.
pub fn list(folder: &Path) -> Vec<Server> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for entry in entries {
        let Some((pid, kind)) = entry.file_name().to_str().and_then(named) else { continue };
        if !alive(pid) {
            let _ = std::fs::remove_file(entry.path());
        } else if kind == Kind::Server && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let text = std::fs::read(entry.path()).unwrap_or_default();
            found.extend(serde_json::from_slice::<Server>(&text).ok().filter(|server| server.pid == pid));
        }
    }
    found.sort_by_key(|server| (server.port, server.pid));
    found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Server,
    /// What sends a browser on.
    Redirect,
}

/// What a file's name says: of which process it is, and what.
fn named(name: &str) -> Option<(u32, Kind)> {
    let rest = name.strip_prefix("minerva-lab-")?;
    if let Some(pid) = rest.strip_suffix(".json") {
        return Some((pid.parse().ok()?, Kind::Server));
    }
    let pid = rest.strip_suffix(".html")?.split_once("-open-")?.0;
    Some((pid.parse().ok()?, Kind::Redirect))
}

/// Which servers shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The only one.
    Only,
    /// All of them.
    All,
    /// The one on this port.
    Port(u16),
}

/// The servers that are meant.
///
/// # Errors
/// When it is not clear which, or there is none.
pub fn chosen(servers: Vec<Server>, which: Which) -> Result<Vec<Server>, String> {
    let lines = |servers: &[Server]| {
        let lines = servers.iter().map(|s| format!("\n    {}  {}", s.url, s.root_dir.display()));
        lines.collect::<String>()
    };
    if servers.is_empty() {
        return Err("no server runs\nhelp: `minerva lab` starts one".into());
    }
    match which {
        Which::All => Ok(servers),
        Which::Only if servers.len() == 1 => Ok(servers),
        Which::Only => {
            let help = "help: say which, by its port, or `minerva lab stop all`";
            Err(format!("{} servers run:{}\n{help}", servers.len(), lines(&servers)))
        }
        Which::Port(port) => {
            let (meant, others): (Vec<_>, Vec<_>) = servers.into_iter().partition(|s| s.port == port);
            match meant.is_empty() {
                true => Err(format!("no server of yours runs on port {port}; these do:{}", lines(&others))),
                false => Ok(meant),
            }
        }
    }
}

/// Asks a server to end, and waits until it has.
///
/// # Errors
/// When it does not answer, or does not end.
pub fn stop(server: &Server) -> Result<(), String> {
    let help = format!("help: end the process {} with the means of the system", server.pid);
    client::ask(server, "POST", "/api/shutdown").map_err(|problem| format!("{}: {problem}\n{help}", server.url))?;
    let since = Instant::now();
    while alive(server.pid) {
        if since.elapsed() > PATIENCE {
            let seconds = PATIENCE.as_secs();
            return Err(format!("{}: asked to end, and it still runs after {seconds} s\n{help}", server.url));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn server(pid: u32, port: u16) -> Server {
        Server {
            url: format!("http://127.0.0.1:{port}/"),
            token: "secret".into(),
            pid,
            root_dir: "/home/a".into(),
            port,
            hostname: [127, 0, 0, 1].into(),
            version: "0".into(),
            started: "2026-01-01T00:00:00Z".into(),
        }
    }

    #[test]
    fn a_server_is_listed_as_long_as_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let own = server(std::process::id(), 8888);
        let running = Running::announce(folder.path(), &own).unwrap();
        // No process has this id: it is larger than any system gives.
        let gone = server(i32::MAX as u32, 8889);
        std::mem::forget(Running::announce(folder.path(), &gone).unwrap());
        let redirect = folder.path().join(format!("minerva-lab-{}-open-x.html", gone.pid));
        std::fs::write(&redirect, "").unwrap();
        std::fs::write(folder.path().join("minerva-lab-x.json"), "").unwrap();
        std::fs::write(folder.path().join("jpserver-1.json"), "").unwrap();
        assert_eq!(list(folder.path()), [own]);
        assert!(!redirect.exists());
        let left = || std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left(), 3);
        drop(running);
        assert!(list(folder.path()).is_empty());
        assert_eq!(left(), 2);
        assert!(list(&folder.path().join("none")).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn others_cannot_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let running = Running::announce(folder.path(), &server(1, 8888)).unwrap();
        assert_eq!(std::fs::metadata(&running.0).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn names_tell_the_process() {
        assert_eq!(named("minerva-lab-12.json"), Some((12, Kind::Server)));
        assert_eq!(named(&format!("{}ab.html", crate::lab::life::browser::prefix(12))), Some((12, Kind::Redirect)));
        for name in ["minerva-lab-.json", "minerva-lab-12", "minerva-lab-x-open-y.html", "jpserver-12.json"] {
            assert_eq!(named(name), None, "{name}");
        }
    }

    #[test]
    fn it_must_be_clear_who_is_meant() {
        let two = || vec![server(1, 8888), server(2, 8889)];
        assert!(chosen(Vec::new(), Which::All).unwrap_err().contains("no server runs"));
        assert_eq!(chosen(two(), Which::All).unwrap().len(), 2);
        assert_eq!(chosen(vec![server(1, 1)], Which::Only).unwrap().len(), 1);
        let problem = chosen(two(), Which::Only).unwrap_err();
        assert!(problem.contains("8889") && !problem.contains("secret"), "{problem}");
        assert_eq!(chosen(two(), Which::Port(8889)).unwrap(), [server(2, 8889)]);
        assert!(chosen(two(), Which::Port(1)).unwrap_err().contains("8888"));
    }
}
