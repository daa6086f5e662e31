//! The user's key, and the signatures of notebooks whose output may run script.

use crate::lab::paths::make_private;
use minerva_engine::format::atomic::write_small;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// So many signatures are kept; then the oldest quarter goes, as in `nbformat`.
const LIMIT: usize = 65_535;

/// A key shorter than this protects nothing.
const SHORTEST: usize = 32;

/// A file with one signature a line, the newest last. Several servers may use it at once.
#[derive(Debug)]
pub struct Signatures {
    file: PathBuf,
    limit: usize,
}

impl Signatures {
    /// The store in this folder.
    pub fn new(folder: &Path) -> Self {
        Self { file: folder.join("notebook_signatures"), limit: LIMIT }
    }

    /// Whether this signature was given. A store that cannot be read knows none.
    pub fn contains(&self, signature: &str) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|known| has(&known, signature))
    }

    /// Keeps a signature.
    pub fn add(&self, signature: &str) -> io::Result<()> {
        let guard = private(OpenOptions::new().write(true).create(true).truncate(false))
            .open(self.file.with_extension("lock"))?;
        // Where a file system knows no locks two servers may lose a signature, which is safe.
        let _ = guard.lock();
        let known = match fs::read_to_string(&self.file) {
            Err(e) if e.kind() == ErrorKind::NotFound => String::new(),
            other => other?,
        };
        if has(&known, signature) {
            return Ok(());
        }
        let lines = known.lines().count();
        if lines >= self.limit {
            let keep = self.limit / 4 * 3;
            let mut rest: String = known.lines().skip(lines - keep.min(lines)).flat_map(|line| [line, "\n"]).collect();
            rest.push_str(signature);
            rest.push('\n');
            return write_small(&self.file, rest.as_bytes()).map_err(|e| io::Error::other(e.to_string()));
        }
        let mut file = private(OpenOptions::new().append(true).create(true)).open(&self.file)?;
        // A line that a crash cut short must not spoil this one.
        let end_line = if known.is_empty() || known.ends_with('\n') { "" } else { "\n" };
        file.write_all(format!("{end_line}{signature}\n").as_bytes())
    }
}

fn has(known: &str, signature: &str) -> bool {
    known.lines().any(|line| line == signature)
}

/// The key in this folder. It is made where there is none; whoever makes it at the same moment gets the same one.
pub fn key(folder: &Path) -> io::Result<Vec<u8>> {
    make_private(folder)?;
    let file = folder.join("notebook_secret");
    match fs::read(&file) {
        Err(e) if e.kind() == ErrorKind::NotFound => make_key(folder, &file)?,
        Err(e) => return Err(e),
        Ok(_) => {}
    }
    let key = fs::read(&file)?;
    if key.len() < SHORTEST {
        let help = "remove the file: a new key is made, and notebooks must be trusted again";
        let problem = format!("expected a key of {SHORTEST} bytes or more, found {}\nhelp: {help}", key.len());
        return Err(io::Error::new(ErrorKind::InvalidData, problem));
    }
    Ok(key)
}

fn make_key(folder: &Path, file: &Path) -> io::Result<()> {
    // Such a file is readable by nobody else, and the random numbers come from the system.
    let mut new = tempfile::Builder::new().prefix(".minerva-").tempfile_in(folder)?;
    for _ in 0..4 {
        new.write_all(Uuid::new_v4().as_bytes())?;
    }
    new.as_file().sync_all()?;
    match new.persist_noclobber(file) {
        Err(e) if e.error.kind() != ErrorKind::AlreadyExists => Err(e.error),
        _ => Ok(()),
    }
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_key_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("minerva/lab");
        let first = key(&data).unwrap();
        assert_eq!(first.len(), 64);
        assert_eq!(key(&data).unwrap(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(data.join("notebook_secret")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(data.join("notebook_secret"), "short").unwrap();
        assert!(key(&data).unwrap_err().to_string().contains("remove the file"));
    }

    #[test]
    fn signatures_are_kept_up_to_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let store = Signatures { limit: 8, ..Signatures::new(folder.path()) };
        assert!(!store.contains("a"));
        for n in 0..8 {
            store.add(&format!("s{n}")).unwrap();
            store.add(&format!("s{n}")).unwrap();
        }
        assert!((0..8).all(|n| store.contains(&format!("s{n}"))) && !store.contains("s"));
        store.add("new").unwrap();
        assert!(store.contains("new") && store.contains("s2") && !store.contains("s1"));
    }

    #[test]
    fn a_line_that_was_cut_short_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let store = Signatures::new(folder.path());
        fs::write(&store.file, "whole\nha").unwrap();
        store.add("next").unwrap();
        assert!(store.contains("whole") && store.contains("next") && !store.contains("half"));
    }
}
