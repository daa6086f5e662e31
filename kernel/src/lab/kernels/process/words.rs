//! What a process says last: who wants to know why it ended has nothing else.

use std::collections::VecDeque;
use std::io::{self, PipeReader, Read};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Bytes of a process's last words that are kept.
pub const WORDS: usize = 4 << 10;
/// How long the last words of an ended process are read. What it left running may hold the pipe open for ever.
const DRAIN: Duration = Duration::from_millis(200);

/// Reads to the end, and keeps the last of it.
pub fn keep_last(mut reader: PipeReader, tail: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 4096];
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => buffer.get(..read).unwrap_or_default(),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(read);
        let surplus = tail.len().saturating_sub(WORDS);
        tail.drain(..surplus);
    }
}

/// What was kept, once all is read.
pub fn last_words(read: &Receiver<()>, tail: &Mutex<VecDeque<u8>>) -> String {
    // Nothing is ever sent: the channel closes when all is read.
    let _ = read.recv_timeout(DRAIN);
    let bytes: Vec<u8> = tail.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}
