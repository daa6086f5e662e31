//! How a server is started: its folders, its arguments, what the system allows it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::Server;
use super::processes::MARK;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A server that has not been started yet. Its folders are there, and go with it.
pub struct Start {
    binary: String,
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    target: Option<PathBuf>,
    environment: Vec<(String, String)>,
    longest_file: Option<u64>,
    obeys_permissions: bool,
}

impl Start {
    /// A server of `root()`, on a port of its choice.
    pub fn new(binary: &str) -> Self {
        // Not the default, which begins with a point and would be a hidden folder.
        let folder = tempfile::Builder::new().prefix("minerva-lab-").tempdir().unwrap();
        for name in ["root", "home", "data", "runtime", "jupyter", "config"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self {
            binary: binary.to_owned(),
            folder,
            port: 0,
            arguments: Vec::new(),
            target: None,
            environment: Vec::new(),
            longest_file: None,
            obeys_permissions: false,
        }
    }

    /// The folder that is served.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// The folder in which all folders of this server are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Asks for this port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// With one argument more.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Serves, or opens, this instead of `root()`.
    #[must_use]
    pub fn target(mut self, path: impl Into<PathBuf>) -> Self {
        self.target = Some(path.into());
        self
    }

    /// With one variable more.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// No file can grow beyond so many bytes: for the server the disk is full there.
    #[must_use]
    pub fn longest_file(mut self, bytes: u64) -> Self {
        self.longest_file = Some(bytes);
        self
    }

    /// Permissions of files hold for the server even where the tests run as root.
    #[must_use]
    pub fn obeys_permissions(mut self) -> Self {
        self.obeys_permissions = true;
        self
    }

    /// A kernelspec beside the built-in one.
    pub fn kernelspec(&self, name: &str, language: &str, argv: &[&str]) {
        let folder = self.folder.path().join("jupyter/kernels").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let spec = json!({ "argv": argv, "display_name": name, "language": language });
        std::fs::write(folder.join("kernel.json"), spec.to_string()).unwrap();
    }

    /// Starts it and waits for its address.
    #[track_caller]
    pub fn go(self) -> Server {
        Server::start(self)
    }

    /// `minerva lab …` with the variables of this server. Without `mark` its processes are not counted.
    pub fn command(&self, arguments: &[&str], mark: Option<&str>) -> Command {
        let mut command = Command::new(&self.binary);
        let place = |name: &str| self.folder.path().join(name);
        command.arg("lab").args(arguments).current_dir(place("home")).stdin(Stdio::null());
        for gone in
            ["VIRTUAL_ENV", "CONDA_PREFIX", "JUPYTER_TOKEN", "MINERVA_LAB_TOKEN", "JUPYTER_CONFIG_PATH", "BROWSER"]
        {
            command.env_remove(gone);
        }
        command.env("HOME", place("home")).env("XDG_DATA_HOME", place("data")).env("XDG_CONFIG_HOME", place("config"));
        command.env("JUPYTER_DATA_DIR", place("jupyter")).env("JUPYTER_PATH", place("jupyter"));
        command.env("JUPYTER_RUNTIME_DIR", place("runtime")).env("JUPYTER_CONFIG_DIR", place("config"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(mark) = mark {
            command.env(MARK, mark);
        }
        command
    }

    pub(super) fn serving(&self, mark: &str) -> Command {
        let port = self.port.to_string();
        let mut arguments = vec!["--no-browser", "--port", &port];
        arguments.extend(self.arguments.iter().map(String::as_str));
        let mut command = self.command(&arguments, Some(mark));
        command.arg(self.target.clone().unwrap_or_else(|| self.root()));
        restrict(&mut command, self.longest_file, self.obeys_permissions);
        command
    }
}

#[cfg(unix)]
fn restrict(command: &mut Command, longest_file: Option<u64>, obeys_permissions: bool) {
    use std::os::unix::process::CommandExt;
    // SAFETY: what is called between fork and exec allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(move || {
            // Tests that run under `nohup` start servers that a hangup still ends.
            libc::signal(libc::SIGHUP, libc::SIG_DFL);
            if let Some(bytes) = longest_file {
                let limit = libc::rlimit { rlim_cur: bytes as libc::rlim_t, rlim_max: bytes as libc::rlim_t };
                if libc::setrlimit(libc::RLIMIT_FSIZE, &limit) != 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            if obeys_permissions {
                obey_permissions();
            }
            Ok(())
        });
    }
}

#[cfg(not(unix))]
fn restrict(_: &mut Command, _: Option<u64>, _: bool) {}

/// Gives up what lets root read and write everything. Who is not root has nothing to give up.
#[cfg(target_os = "linux")]
fn obey_permissions() {
    const CAP_DAC_OVERRIDE: libc::c_ulong = 1;
    const CAP_DAC_READ_SEARCH: libc::c_ulong = 2;
    let none: libc::c_ulong = 0;
    for capability in [CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH] {
        // SAFETY: takes numbers only, and concerns this process only.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, none, none, none) };
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
fn obey_permissions() {}
