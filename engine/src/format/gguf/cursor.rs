//! A reader over bytes that never steps outside them.

use crate::error::bytes as size;

/// What a header reader says when bytes are missing or wrong; the caller adds the file's path.
pub(super) type Problem = String;

/// A little-endian reader over a slice; every read is checked against the slice's end.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A reader that starts at `at` bytes.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at: at.min(bytes.len()) }
    }

    /// Bytes from the start of the file.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Bytes left.
    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `n` bytes; `what` names them in the error.
    pub(super) fn take(&mut self, n: usize, what: &str) -> Result<&'a [u8], Problem> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len());
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(taken) => {
                self.at += n;
                Ok(taken)
            }
            None => Err(format!(
                "the header ends early: {what} at byte {} needs {}, and only {} are left",
                self.at,
                size(n as u64),
                size(self.remaining() as u64)
            )),
        }
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Problem> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, what)?);
        Ok(out)
    }

    /// A 32-bit number.
    pub(super) fn u32(&mut self, what: &str) -> Result<u32, Problem> {
        self.array(what).map(u32::from_le_bytes)
    }

    /// A 64-bit number.
    pub(super) fn u64(&mut self, what: &str) -> Result<u64, Problem> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A count of items that take at least `least` bytes each: more than fit in what is left is an error, so that a
    /// wrong count can neither allocate nor loop.
    pub(super) fn count(&mut self, least: usize, what: &str) -> Result<usize, Problem> {
        let found = self.u64(what)?;
        let most = self.remaining() / least.max(1);
        usize::try_from(found).ok().filter(|n| *n <= most).ok_or_else(|| {
            format!("{what} is {found}, but the {} that follow hold at most {most}", size(self.remaining() as u64))
        })
    }

    /// A string's bytes: a 64-bit length, then that many bytes.
    pub(super) fn string(&mut self, what: &str) -> Result<&'a [u8], Problem> {
        let length = self.u64(what)?;
        match usize::try_from(length) {
            Ok(n) if n <= self.remaining() => self.take(n, what),
            _ => Err(format!(
                "{what} at byte {} says it is {length} bytes long, and only {} are left",
                self.at.saturating_sub(8),
                size(self.remaining() as u64)
            )),
        }
    }
}
