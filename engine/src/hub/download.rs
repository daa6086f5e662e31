//! A model by its name on the hub: where it is in the cache, and how it gets there.

use super::bar::Bar;
use super::cache::{Repo, files, free_space};
use super::client::Client;
use super::failure::{About, Failure, Patience, of_status};
use super::fetch::Source;
use super::name::{HubName, is_plain, is_safe_path};
use super::partial::no_room;
use super::select::{Selection, in_index, named, parts, select};
use super::settings::Hub;
use crate::control::Control;
use crate::error::{Error, Result, bytes};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What of a revision is written as `%2F` in an address.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// A listing of a hundred thousand files has less.
const MOST_LISTING: usize = 64 << 20;

/// What the hub says about a revision.
struct Listing {
    commit: String,
    files: Vec<String>,
    sizes: HashMap<String, u64>,
}

impl Hub {
    /// The path of a model: its folder, or the file to open. From the cache if it is there, without any request; else
    /// downloaded, unless this hub is offline or only `local_files` are wanted.
    ///
    /// # Errors
    /// It is not there and may not be fetched; there is no such model, revision or file, or it is gated; it has several
    /// models to choose from, or none; the network, the server or the disk fails; an interrupt. What was downloaded is
    /// kept, and the next call goes on from there.
    pub fn find(&self, name: &HubName, local_files: bool, control: &Control) -> Result<PathBuf> {
        let repo = Repo::new(&self.cache, &name.repo);
        let revision = name.revision.as_deref().unwrap_or("main");
        let snapshot = repo.snapshot(revision);
        if let Some(Ok(Some(path))) = snapshot.as_deref().map(|s| local(name, s, true)) {
            return Ok(path);
        }
        if self.offline || local_files {
            return self.without_network(name, snapshot.as_deref());
        }
        match self.download(&repo, name, revision, control) {
            // Perhaps it is as whole as it will ever be: not every model has a tokenizer.json.
            Err(problem @ Error::Network { .. }) => match snapshot.as_deref().map(|s| local(name, s, false)) {
                Some(Ok(Some(path))) => {
                    control.warn(format!("{problem}; what is in the local cache is taken as it is"));
                    Ok(path)
                }
                _ => Err(problem),
            },
            other => other,
        }
    }

    fn without_network(&self, name: &HubName, snapshot: Option<&Path>) -> Result<PathBuf> {
        if let Some(path) = snapshot.map(|s| local(name, s, false)).transpose()?.flatten() {
            return Ok(path);
        }
        let why = if self.offline { "HF_HUB_OFFLINE forbids the network" } else { "local_files_only was asked for" };
        let state = if snapshot.is_some() { "only a part of it is" } else { "it is not" };
        let known = super::cache::names_in(&self.cache);
        let error = Error::not_found("model", &name.to_string(), known.iter().map(String::as_str));
        Err(error.with_help(format!(
            "{state} in the local cache ({}), and {why}: load it once with the network, or give the path of a file or folder",
            self.cache.display()
        )))
    }

    fn download(&self, repo: &Repo, name: &HubName, revision: &str, control: &Control) -> Result<PathBuf> {
        let client = &Client::new(self)?;
        let listing = self.listing(client, name, revision, control)?;
        let chosen = match &name.file {
            Some(file) => named(&name.repo, file, &listing.files),
            None => select(&name.repo, &listing.files),
        }?;
        repo.create()?;
        let commit = listing.commit.as_str();
        let source = Source { hub: self, client, repo, name: &name.repo, revision, commit, control };
        let wanted = all_files(&source, &chosen)?;
        let total = wanted.iter().try_fold(0_u64, |sum, f| sum.checked_add(*listing.sizes.get(f)?));
        self.check_room(repo, &listing, &wanted, &name.repo)?;
        let mut bar = Bar::new(control, format!("download {name}"), total.unwrap_or(0));
        for file in &wanted {
            source.file(file, &mut bar)?;
        }
        bar.finish();
        repo.write_ref(revision, commit)?;
        let folder = repo.commit(commit);
        Ok(chosen.open.map_or(folder.clone(), |file| folder.join(file)))
    }

    /// Which files a revision has, and which commit it is.
    fn listing(&self, client: &Client, name: &HubName, revision: &str, control: &Control) -> Result<Listing> {
        let revision_part = utf8_percent_encode(revision, PART);
        let url = format!("{}/api/models/{}/revision/{revision_part}?blobs=true", self.endpoint, name.repo);
        let about =
            About { host: client.host(), repo: &name.repo, revision, file: None, has_token: client.has_token() };
        let ask = || -> Result<Vec<u8>, Failure> {
            let answer = client.get(&url, 0, control)?;
            match answer.head.status {
                200 => answer.read(MOST_LISTING, control),
                status => Err(of_status(status, answer.head.code.as_deref(), about)),
            }
        };
        let mut patience = Patience::new(self.pause);
        loop {
            match ask() {
                Ok(text) => return Listing::read(&text, client.host()),
                Err(Failure::Final(e)) => return Err(e),
                Err(Failure::Lost(why)) => patience.wait(&why, control)?,
            }
        }
    }

    /// Refuses a download that the disk cannot hold.
    fn check_room(&self, repo: &Repo, listing: &Listing, wanted: &[String], name: &str) -> Result<()> {
        let folder = repo.commit(&listing.commit);
        let missing = wanted.iter().filter(|f| !folder.join(f).is_file());
        let sizes = missing.filter_map(|f| listing.sizes.get(f));
        let needs = sizes.fold(0_u64, |sum, n| sum.saturating_add(*n)).saturating_sub(repo.begun());
        match free_space(&self.cache) {
            Some(free) if needs > free => {
                let place = self.cache.display();
                Err(no_room(format!(
                    "{name} needs {} on the disk of {place}, and {} are free",
                    bytes(needs),
                    bytes(free)
                )))
            }
            _ => Ok(()),
        }
    }
}

/// The files to fetch, those that an index names included.
fn all_files(source: &Source, chosen: &Selection) -> Result<Vec<String>> {
    let mut wanted = chosen.files.clone();
    if let Some(index) = &chosen.index {
        source.file(index, &mut Bar::hidden(source.control))?;
        let shards = in_index(&source.repo.commit(source.commit).join(index))?;
        wanted.extend(shards);
    }
    Ok(wanted)
}

/// What a folder of the cache has of a model: the path to open, `None` where files are missing. Only with its tokenizer
/// is a folder a whole model.
fn local(name: &HubName, snapshot: &Path, whole: bool) -> Result<Option<PathBuf>> {
    let all = files(snapshot);
    let has = |file: &str| all.iter().any(|f| f == file);
    if let Some(file) = &name.file {
        let there = match file.ends_with(".gguf") {
            true => parts(file, &all).is_some(),
            false => has(file) && (has("config.json") || !whole),
        };
        return Ok(there.then(|| snapshot.join(file)));
    }
    let chosen = select(&name.repo, &all)?;
    if let Some(index) = &chosen.index
        && in_index(&snapshot.join(index))?.iter().any(|shard| !has(shard))
    {
        return Ok(None);
    }
    Ok(match chosen.open {
        Some(file) => Some(snapshot.join(file)),
        None => (has("tokenizer.json") || !whole).then(|| snapshot.to_owned()),
    })
}

impl Listing {
    /// Reads the hub's answer. Nothing in it is believed: it decides about names of files.
    fn read(text: &[u8], host: &str) -> Result<Self> {
        let odd = |problem: &str| Error::network(format!("{host}: {problem}"), "check HF_ENDPOINT");
        let answer: Value =
            serde_json::from_slice(text).map_err(|_| odd("expected a listing in JSON, found something else"))?;
        let commit = answer.get("sha").and_then(Value::as_str).filter(|c| is_plain(c));
        let commit = commit.ok_or_else(|| odd("expected the commit of the model, found none"))?.to_owned();
        let (mut files, mut sizes) = (Vec::new(), HashMap::new());
        for entry in answer.get("siblings").and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = entry.get("rfilename").and_then(Value::as_str) else { continue };
            if leads_out(name) {
                return Err(odd(&format!(
                    "the model has a file {name:?}, whose name leads out of its folder: refused"
                )));
            }
            if !is_safe_path(name) {
                continue;
            }
            if let Some(size) = entry.get("size").and_then(Value::as_u64) {
                sizes.insert(name.to_owned(), size);
            }
            files.push(name.to_owned());
        }
        files.sort();
        Ok(Self { commit, files, sizes })
    }
}

fn leads_out(name: &str) -> bool {
    name.starts_with('/') || name.contains('\\') || name.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn listing(text: &str) -> Result<Listing> {
        Listing::read(text.as_bytes(), "hub")
    }

    #[test]
    fn a_listing_is_read_and_not_believed() {
        let found = listing(
            r#"{"sha": "abc", "siblings": [{"rfilename": "b", "size": 5}, {"rfilename": "a"}, {"rfilename": "c\n"}]}"#,
        );
        let found = found.unwrap();
        assert_eq!((found.commit.as_str(), found.sizes.get("b")), ("abc", Some(&5)));
        assert_eq!(found.files, ["a", "b"]);
        for name in ["../x", "a/../../x", "/etc/passwd", "a\\\\b"] {
            let e = listing(&format!(r#"{{"sha": "abc", "siblings": [{{"rfilename": "{name}"}}]}}"#)).err().unwrap();
            assert!(e.to_string().contains("leads out of its folder"), "{e}");
        }
        for text in ["<html>", "{}", r#"{"sha": "../x"}"#] {
            assert!(listing(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_whole_in_the_cache_is_known_without_asking() {
        let dir = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| std::fs::write(dir.path().join(file), text).unwrap();
        let name = HubName::parse("org/m").unwrap();
        let here = |whole: bool| local(&name, dir.path(), whole).ok().flatten();
        assert_eq!(here(true), None);
        put("config.json", "{}");
        put("model.safetensors.index.json", r#"{"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}"#);
        put("1.safetensors", "");
        assert_eq!(here(false), None);
        put("2.safetensors", "");
        assert_eq!((here(true), here(false)), (None, Some(dir.path().to_owned())));
        let cache = tempfile::tempdir().unwrap();
        let snapshot = Repo::new(cache.path(), "org/m").commit("abc");
        std::fs::create_dir_all(snapshot.parent().unwrap()).unwrap();
        std::fs::rename(dir.path(), &snapshot).unwrap();
        std::fs::create_dir(dir.path()).unwrap();
        Repo::new(cache.path(), "org/m").write_ref("main", "abc").unwrap();
        // Nobody listens there: what is here without a tokenizer is taken all the same.
        let unreachable = Hub { pause: std::time::Duration::ZERO, ..Hub::new(cache.path(), "http://127.0.0.1:9") };
        assert_eq!(unreachable.find(&name, false, &Control::default()).unwrap(), snapshot);
        std::fs::remove_dir(dir.path()).unwrap();
        std::fs::rename(&snapshot, dir.path()).unwrap();
        put("tokenizer.json", "{}");
        assert_eq!(here(true), Some(dir.path().to_owned()));
        let file = HubName::parse("org/m/x-00001-of-00002.gguf").unwrap();
        put("x-00001-of-00002.gguf", "");
        assert_eq!(local(&file, dir.path(), true).unwrap(), None);
        put("x-00002-of-00002.gguf", "");
        assert_eq!(local(&file, dir.path(), true).unwrap(), Some(dir.path().join("x-00001-of-00002.gguf")));
    }
}
