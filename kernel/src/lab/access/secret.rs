//! The key that signs cookies. It outlives a server, so that a tab finds its server again after a restart.

use super::seal::random;
use crate::lab::paths::make_private;
use std::io::Write;
use std::path::Path;

/// The key of this user; a new one where there is none, or where others could have read it. One that cannot be kept on
/// disk holds as long as the server.
pub fn load(path: &Path) -> String {
    if let Some(secret) = private(path) {
        return secret;
    }
    let secret = format!("{}{}", random(), random());
    let _ = keep(path, &secret);
    secret
}

/// The next server makes a new one, and knows no cookie of today again.
pub fn forget(path: &Path) {
    let _ = std::fs::remove_file(path);
}

fn private(path: &Path) -> Option<String> {
    let data = std::fs::symlink_metadata(path).ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        // SAFETY: asks for the user of this process; it cannot fail.
        let own = unsafe { libc::geteuid() };
        if data.mode() & 0o077 != 0 || data.uid() != own {
            return None;
        }
    }
    let text = data.is_file().then(|| std::fs::read_to_string(path).ok())??;
    (text.len() == 96 && text.bytes().all(|b| b.is_ascii_hexdigit())).then_some(text)
}

fn keep(path: &Path, secret: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_private(folder)?;
    // A temporary file is private from its first byte.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(secret.as_bytes())?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_secret_is_kept_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/secret");
        let first = load(&path);
        assert_eq!(first.len(), 96);
        assert_eq!(load(&path), first);
        forget(&path);
        assert_ne!(load(&path), first);
    }

    #[test]
    fn a_broken_secret_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "short").unwrap();
        let new = load(&path);
        assert_eq!(load(&path), new);
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_can_read_is_none() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let first = load(&path);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_ne!(load(&path), first);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let deep = folder.path().join("minerva/lab");
        load(&deep.join("secret"));
        assert_eq!(std::fs::metadata(&deep).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
