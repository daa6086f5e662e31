//! Where a server keeps what is not the user's: settings, workspaces, signatures, checkpoints' keys, files of running servers.

use crate::jupyter::install::{Location, runtime_folder};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Folders of one user. Tests make their own.
#[derive(Debug, Clone)]
pub struct Folders {
    /// Settings, workspaces and the store of signatures: `$XDG_DATA_HOME/minerva/lab`.
    pub data: PathBuf,
    /// Connection files of kernels and files of running servers, private to the user: Jupyter's runtime folder.
    pub runtime: PathBuf,
    /// Folders with a folder `kernels` in them, the user's first.
    pub jupyter: Vec<PathBuf>,
}

impl Folders {
    /// The folders of whoever runs this process.
    pub fn of_user() -> Result<Self, String> {
        let data = crate::history::folder()
            .ok_or("the home folder is not known\nhelp: set HOME, or XDG_DATA_HOME to a folder that can be written")?;
        let runtime = runtime_folder().unwrap_or_else(|| data.join("runtime"));
        let data_of = |location: Location| location.kernels().ok().and_then(|k| k.parent().map(PathBuf::from));
        let mut jupyter: Vec<PathBuf> = Vec::new();
        if let Some(extra) = std::env::var_os("JUPYTER_PATH") {
            jupyter.extend(std::env::split_paths(&extra).filter(|p| !p.as_os_str().is_empty()));
        }
        jupyter.extend([Location::User, Location::Environment, Location::System].into_iter().filter_map(data_of));
        jupyter.push(PathBuf::from("/usr/share/jupyter"));
        Ok(Self { data: data.join("lab"), runtime, jupyter })
    }
}

/// Makes a folder, and those above it, that only their owner can enter. One that is there stays as it is.
pub fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_a_server_keeps_is_in_folders_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("minerva/lab");
        let is_private = |path: &Path| {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700, "{}", path.display());
        };
        make_private(&data).unwrap();
        is_private(&data);
        is_private(&folder.path().join("minerva"));
        make_private(&data).unwrap();
    }
}
