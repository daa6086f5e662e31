//! Opening a browser. The address has the token in it, and everybody on a machine sees what programs are called with: so
//! the browser is given a file that only this user can read, and the file sends it on.

use crate::display::escape_html;
use crate::lab::paths::Folders;
use std::io::Write;
use std::time::Duration;
use tempfile::NamedTempFile;

/// So long the file stays: a browser that is not running takes its time.
const KEPT: Duration = Duration::from_secs(60);

/// Opens a browser at `address`, on a machine that seems to have one. Whether it works shows nowhere but there.
pub fn open(folders: &Folders, address: &str) {
    if !seems_possible() {
        return;
    }
    let Ok(file) = written(folders, address) else { return };
    let path = file.path().to_owned();
    tokio::task::spawn_blocking(move || open::that_detached(path));
    // The file goes with the task, at the end of the server at the latest.
    tokio::spawn(async move {
        tokio::time::sleep(KEPT).await;
        drop(file);
    });
}

/// How the files are called that send a browser on, of the server with this process id.
pub fn prefix(pid: u32) -> String {
    format!("minerva-lab-{pid}-open-")
}

fn written(folders: &Folders, address: &str) -> std::io::Result<NamedTempFile> {
    std::fs::create_dir_all(&folders.runtime)?;
    let prefix = prefix(std::process::id());
    // A temporary file is private from its first byte.
    let mut file = tempfile::Builder::new().prefix(&prefix).suffix(".html").tempfile_in(&folders.runtime)?;
    file.write_all(redirect(address).as_bytes())?;
    Ok(file)
}

fn redirect(address: &str) -> String {
    let address = escape_html(address);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Minerva</title>\n\
         <meta name=\"referrer\" content=\"no-referrer\"><meta http-equiv=\"refresh\" content=\"0;url={address}\"></head>\n\
         <body><a href=\"{address}\">On to Minerva</a></body></html>\n"
    )
}

/// A program that opens files is no sign: without a display it would open a text browser on the terminal.
fn seems_possible() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let screenless = cfg!(all(unix, not(target_os = "macos")));
    !screenless || ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "BROWSER"].iter().any(|name| set(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_file_is_private_and_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders { data: folder.path().into(), runtime: folder.path().join("run"), jupyter: Vec::new() };
        let file = written(&folders, "http://127.0.0.1:1/lab?token=\"a&b").unwrap();
        let path = file.path().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("url=http://127.0.0.1:1/lab?token=&quot;a&amp;b\""), "{text}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        drop(file);
        assert!(!path.exists());
    }
}
