//! One file: from the hub into the cache, going on where an earlier attempt ended.

use super::bar::Bar;
use super::cache::Repo;
use super::client::{Answer, Client};
use super::failure::{About, Failure, Patience, of_status};
use super::lock::lock;
use super::name::is_plain;
use super::partial::Partial;
use super::settings::Hub;
use crate::control::Control;
use crate::error::{Error, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// What of a path is written as `%20` in an address.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// One commit of a repository on the hub, and its place in the cache.
pub(super) struct Source<'a> {
    pub(super) hub: &'a Hub,
    pub(super) client: &'a Client,
    pub(super) repo: &'a Repo,
    pub(super) name: &'a str,
    pub(super) revision: &'a str,
    pub(super) commit: &'a str,
    pub(super) control: &'a Control,
}

impl Source<'_> {
    /// Sees to it that `path` is in the cache.
    ///
    /// # Errors
    /// The server, the network or the disk; an interrupt. What came is kept for the next attempt.
    pub(super) fn file(&self, path: &str, bar: &mut Bar) -> Result<()> {
        let there = std::fs::metadata(self.repo.commit(self.commit).join(path));
        if let Some(about) = there.ok().filter(std::fs::Metadata::is_file) {
            bar.file_done(about.len());
            return Ok(());
        }
        let mut patience = Patience::new(self.hub.pause);
        loop {
            match self.attempt(path, bar, &mut patience) {
                Ok(bytes) => {
                    bar.file_done(bytes);
                    return Ok(());
                }
                Err(Failure::Final(e)) => return Err(e),
                Err(Failure::Lost(why)) => patience.wait(&why, self.control)?,
            }
        }
    }

    fn attempt(&self, path: &str, bar: &mut Bar, patience: &mut Patience) -> Result<u64, Failure> {
        let answer = self.ask(path, 0)?;
        let etag = answer.head.etag.clone().filter(|e| is_plain(e)).unwrap_or_else(|| self.own_name(path));
        let growing = self.repo.incomplete(&etag);
        let _lock = lock(&self.repo.lock(&etag), &growing, self.hub.silence * 2, self.control)?;
        let (blob, size) = (self.repo.blob(&etag), answer.head.size);
        let bytes = || std::fs::metadata(&blob).ok().filter(std::fs::Metadata::is_file).map(|m| m.len());
        // Another process may have fetched it while this one waited.
        let whole = bytes().is_some_and(|there| size.is_none_or(|s| s == there));
        if !whole {
            let partial = self.fill(path, &etag, answer, bar, patience)?;
            partial.keep_as(&blob)?;
        }
        self.repo.link(self.commit, path, &etag)?;
        Ok(bytes().unwrap_or_default())
    }

    /// A name for the content of `path`, where the server gives none that a file can have.
    fn own_name(&self, path: &str) -> String {
        let text = format!("{}@{}/{path}", self.name, self.commit);
        format!("minerva-{}", hex::encode(Sha256::digest(text.as_bytes())))
    }

    fn ask(&self, path: &str, from: u64) -> Result<Answer, Failure> {
        let (endpoint, name, commit) = (&self.hub.endpoint, self.name, self.commit);
        let url = format!("{endpoint}/{name}/resolve/{commit}/{}", utf8_percent_encode(path, PATH));
        let answer = self.client.get(&url, from, self.control)?;
        match answer.head.status {
            200 => Ok(answer),
            206 | 416 if from > 0 => Ok(answer),
            status => Err(of_status(status, answer.head.code.as_deref(), self.about(path))),
        }
    }

    fn about<'b>(&'b self, path: &'b str) -> About<'b> {
        About {
            host: self.client.host(),
            repo: self.name,
            revision: self.revision,
            file: Some(path),
            has_token: self.client.has_token(),
        }
    }

    /// All bytes of the file, checked.
    fn fill(
        &self,
        path: &str,
        etag: &str,
        first: Answer,
        bar: &mut Bar,
        patience: &mut Patience,
    ) -> Result<Partial, Failure> {
        let size = first.head.size;
        let mut partial = Partial::open(self.repo.incomplete(etag), is_sha256(etag), self.control)?;
        if size.is_some_and(|s| partial.len() > s) {
            partial.clear()?;
        }
        let resumed = partial.len() > 0;
        bar.at(partial.len());
        if !resumed || size != Some(partial.len()) {
            let mut answer = if resumed { self.rest(path, first, &mut partial)? } else { first };
            while let Some(bytes) = answer.next(self.control)? {
                partial.write(&bytes)?;
                if let Some(size) = size.filter(|s| partial.len() > *s) {
                    partial.clear()?;
                    let problem = format!("{} sends more than the {size} bytes of {path}", self.client.host());
                    return Err(Error::network(problem, "try again later, or check HF_ENDPOINT").into());
                }
                patience.reached(partial.len());
                bar.at(partial.len());
            }
        }
        if let Some(size) = size.filter(|s| partial.len() < *s) {
            let (host, len) = (self.client.host(), partial.len());
            return Err(Failure::Lost(format!("{host} ended {path} after {len} of {size} bytes")));
        }
        self.check(path, etag, resumed, partial)
    }

    /// The rest of a file of which there is a part, or all of it where the server gives no parts.
    fn rest(&self, path: &str, first: Answer, partial: &mut Partial) -> Result<Answer, Failure> {
        drop(first);
        let answer = self.ask(path, partial.len())?;
        match answer.head.status {
            206 if answer.head.start == partial.len() => Ok(answer),
            200 => {
                partial.clear()?;
                Ok(answer)
            }
            _ => {
                partial.clear()?;
                Err(Failure::Lost(format!("{} has no such part of {path}", self.client.host())))
            }
        }
    }

    /// Holds the content against its name, where that is its SHA-256.
    fn check(&self, path: &str, etag: &str, resumed: bool, mut partial: Partial) -> Result<Partial, Failure> {
        match partial.sha256() {
            Some(found) if found != etag => {
                partial.clear()?;
                let problem = format!("{path} of {} did not arrive as it was sent", self.name);
                // What an earlier attempt left may have been wrong.
                if resumed {
                    return Err(Failure::Lost(problem));
                }
                let problem = format!("{problem}: its SHA-256 is {found}, expected {etag}");
                Err(Error::network(problem, "load it again; if that does not help, the server or a proxy changes it")
                    .into())
            }
            _ => Ok(partial),
        }
    }
}

fn is_sha256(etag: &str) -> bool {
    etag.len() == 64 && etag.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
