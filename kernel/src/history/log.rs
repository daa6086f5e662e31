//! The file: a line of JSON per entry, appended to, and rewritten without its oldest entries when it has grown.
//!
//! Several processes write it. Each takes the lock of a file beside it for as long as it writes, so that no line is
//! torn and none is lost while another process rewrites. Reading takes no lock: a rewritten file takes the old one's
//! place at once, and a line that is not whole yet is left for the next time. What cannot be written is the caller's to
//! try again: nothing of it stays in the file.

use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the lock is waited for: a process that hangs with it must not hang every session.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is tried meanwhile.
const TRY: Duration = Duration::from_millis(2);
/// Entries that are kept when the file is rewritten.
pub const KEPT: usize = 10_000;
/// Bytes that are kept when the file is rewritten.
const KEPT_BYTES: u64 = 4 << 20;
/// A longer cell is not written, and a longer result is left out.
const LONGEST: usize = 64 << 10;

/// One cell that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The session it was run in, counted from 1.
    pub session: i64,
    /// Its number in that session.
    pub line: i64,
    /// Its text.
    pub input: String,
    /// The plain text of its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// A cell of the session that is about to be written.
pub struct Line<'a> {
    /// Its number in its session.
    pub line: i64,
    /// Its text.
    pub input: &'a str,
    /// The plain text of its value.
    pub output: Option<&'a str>,
}

/// The file and how far it was read.
pub struct Log {
    path: PathBuf,
    read: u64,
    identity: Option<u64>,
}

impl Log {
    /// The log at `path`, not read yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, read: 0, identity: None }
    }

    /// What was written since the last call. The second value is true when everything is new, because the file was
    /// rewritten.
    pub fn news(&mut self) -> std::io::Result<(Vec<Entry>, bool)> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), false)),
            Err(e) => return Err(e),
        };
        let data = file.metadata()?;
        let identity = Some(identity(&data));
        let afresh = identity != self.identity || data.len() < self.read;
        if afresh {
            (self.read, self.identity) = (0, identity);
        }
        if data.len() == self.read {
            return Ok((Vec::new(), afresh));
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        self.read += whole as u64;
        let lines = text.get(..whole).unwrap_or_default().split(|b| *b == b'\n');
        // A line that another version of this program wrote, or a broken disk, is passed over.
        Ok((lines.filter_map(|line| serde_json::from_slice(line).ok()).collect(), afresh))
    }

    /// Appends cells of one session. `session` is the writer's; without one the next free number is taken and returned.
    ///
    /// # Errors
    /// When another process keeps the lock, or the file cannot be written. Then none of the cells is in it.
    pub fn append(&mut self, session: Option<i64>, new: &[Line<'_>]) -> std::io::Result<i64> {
        let lock = self.lock()?;
        let session = match session {
            Some(session) => session,
            None => read_all(&self.path)?.iter().map(|e| e.session).max().unwrap_or(0) + 1,
        };
        let mut text = Vec::new();
        for new in new.iter().filter(|new| new.input.len() <= LONGEST) {
            let output = new.output.filter(|o| o.len() <= LONGEST).map(str::to_owned);
            serde_json::to_writer(&mut text, &Entry { session, line: new.line, input: new.input.to_owned(), output })?;
            text.push(b'\n');
        }
        let mut file = private().append(true).create(true).read(true).open(&self.path)?;
        // A writer that died may have left half a line.
        if !ends_a_line(&mut file)? {
            text.insert(0, b'\n');
        }
        let before = file.metadata()?.len();
        if let Err(e) = file.write_all(&text) {
            // As on a full disk. What did get through would be there twice after the next try.
            let _ = file.set_len(before);
            return Err(e);
        }
        if before + text.len() as u64 > 2 * KEPT_BYTES {
            // The cells are written; a file that cannot be shortened now is the next time.
            let _ = self.shorten();
        }
        drop(lock);
        Ok(session)
    }

    /// Rewrites the file with its newest entries. To be called with the lock held.
    fn shorten(&self) -> std::io::Result<()> {
        let all = read_all(&self.path)?;
        let mut lines = Vec::new();
        let mut bytes = 0;
        for entry in all.iter().rev().take(KEPT) {
            let mut line = serde_json::to_vec(entry)?;
            line.push(b'\n');
            bytes += line.len() as u64;
            if bytes > KEPT_BYTES {
                break;
            }
            lines.push(line);
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
        for line in lines.iter().rev() {
            fresh.write_all(line)?;
        }
        fresh.persist(&self.path).map_err(|e| e.error)?;
        Ok(())
    }

    fn lock(&self) -> std::io::Result<File> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = private().write(true).create(true).truncate(false).open(self.path.with_extension("lock"))?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if since.elapsed() < PATIENCE => std::thread::sleep(TRY),
                Err(TryLockError::WouldBlock) => return Err(std::io::ErrorKind::TimedOut.into()),
                Err(TryLockError::Error(e)) => return Err(e),
            }
        }
    }
}

/// A file that nobody else may read: what people type is theirs.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn read_all(path: &Path) -> std::io::Result<Vec<Entry>> {
    Ok(Log::new(path.to_owned()).news()?.0)
}

fn ends_a_line(file: &mut File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// Tells a file from the one that took its place.
#[cfg(unix)]
fn identity(data: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(data)
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> u64 {
    0
}
