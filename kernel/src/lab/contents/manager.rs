//! The folder that is served.

use super::locks::Locks;
use super::places::{self, Place};
use super::trust::Notary;
use crate::lab::error::{ApiError, ApiResult};
use crate::lab::events::Events;
use crate::lab::paths::Folders;
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};

/// What happens is told under this name.
const SCHEMA: &str = "contents_service/v1";

/// Files and notebooks below one folder. Nothing outside it can be named.
pub struct Contents {
    pub(super) root: PathBuf,
    /// Whether names that begin with a point are listed and can be opened.
    pub(super) hidden: bool,
    pub(super) notary: Notary,
    /// Checkpoints of files in folders that cannot be written.
    pub(super) aside: PathBuf,
    pub(super) locks: Locks,
    events: Events,
}

impl Contents {
    /// Serves a folder that exists. Makes the user's key for trusted notebooks where there is none.
    pub fn new(root: PathBuf, hidden: bool, folders: &Folders, events: Events) -> Result<Self, String> {
        let canonical = fs::canonicalize(&root)
            .map_err(|e| format!("cannot serve {}: {e}\nhelp: name a folder that exists", root.display()))?;
        if !canonical.is_dir() {
            return Err(format!("cannot serve {}: expected a folder, found a file", root.display()));
        }
        let notary = Notary::open(&folders.data)?;
        let aside =
            folders.data.join("checkpoints").join(super::model::sha256(canonical.as_os_str().as_encoded_bytes()));
        Ok(Self { root: canonical, hidden, notary, aside, locks: Locks::default(), events })
    }

    /// The folder, with all links followed.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a path of the API leads, whether or not something is there. Never outside the root.
    pub fn resolve(&self, api_path: &str) -> ApiResult<PathBuf> {
        Ok(self.place(api_path)?.path)
    }

    /// Where a path leads that a front end wants to see: what is hidden is not found.
    pub(super) fn place(&self, api: &str) -> ApiResult<Place> {
        if self.is_hidden(api) {
            return Err(no_such(api));
        }
        places::locate(&self.root, api)
    }

    /// Refuses to change what is hidden. `what`: "create", "rename", "copy", "delete".
    pub(super) fn refuse_hidden(&self, api: &str, what: &str) -> ApiResult<()> {
        // A link itself is renamed and deleted, wherever it leads.
        let itself = matches!(what, "rename" | "delete");
        let link = || places::entry(&self.root, api).ok().filter(|entry| entry.path.is_symlink());
        let hidden = match itself.then(link).flatten() {
            Some(link) => !self.hidden && (places::is_hidden(api) || self.is_stored_hidden(&link)),
            None => self.is_hidden(api),
        };
        if hidden {
            let help = "its name begins with a point, here or where a link leads, and hidden files are not served";
            return Err(ApiError::bad_request(format!("Cannot {what} file or directory '{api}': {help}")));
        }
        Ok(())
    }

    /// Whether a path is hidden, or leads to what is. One file can have several names, through links and, where case
    /// makes no difference, by spelling: the one that counts is the one that it is stored under.
    pub(super) fn is_hidden(&self, api: &str) -> bool {
        let stored = |place: Place| self.is_stored_hidden(&place);
        !self.hidden && (places::is_hidden(api) || places::locate(&self.root, api).is_ok_and(stored))
    }

    fn is_stored_hidden(&self, place: &Place) -> bool {
        let below = place.path.strip_prefix(&self.root).unwrap_or(Path::new(""));
        below.iter().any(|part| part.as_encoded_bytes().starts_with(b"."))
    }

    /// Tells whoever listens.
    pub(super) fn emit(&self, action: &str, path: &str, source: Option<&str>) {
        let mut data = Map::new();
        data.insert("action".to_owned(), Value::from(action));
        data.insert("path".to_owned(), Value::from(path));
        if let Some(source) = source {
            data.insert("source_path".to_owned(), Value::from(source));
        }
        self.events.emit(SCHEMA, Value::Object(data));
    }
}

/// 404, in the words of Jupyter Server.
pub fn no_such(api: &str) -> ApiError {
    ApiError::not_found(format!("file or directory '{api}' does not exist"))
}
