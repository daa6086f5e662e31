//! Where the hub is, where its cache is, and who asks: as the environment says, in the words of the hub's own tools.

use std::path::{Path, PathBuf};
use std::time::Duration;

const ENDPOINT: &str = "https://huggingface.co";

/// A hub and a cache of it.
#[derive(Clone)]
pub struct Hub {
    /// The folder that holds the `models--org--name` folders.
    pub cache: PathBuf,
    /// The address of the hub, without a slash at its end.
    pub endpoint: String,
    /// An access token, which is sent to the endpoint's host and to no other.
    pub token: Option<String>,
    /// Whether the network is forbidden.
    pub offline: bool,
    /// For how long a server may send nothing.
    pub silence: Duration,
    /// How long to wait before the first of several attempts is repeated; each further wait is twice as long.
    pub pause: Duration,
}

/// What a caller may ask of a model on the hub.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HubOptions {
    /// A branch, a tag or a commit; `None` is `main`.
    pub revision: Option<String>,
    /// Take what is in the cache and ask no server.
    pub local_files_only: bool,
}

impl Hub {
    /// The hub at `endpoint`, with a cache of its own and no token.
    pub fn new(cache: impl Into<PathBuf>, endpoint: &str) -> Self {
        Self {
            cache: cache.into(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: None,
            offline: false,
            silence: Duration::from_secs(30),
            pause: Duration::from_millis(500),
        }
    }

    /// The hub of the environment: `HF_ENDPOINT`, `HF_HUB_CACHE` or `HF_HOME`, `HF_TOKEN` or the file that
    /// `hf auth login` writes, `HF_HUB_OFFLINE`.
    pub fn from_env() -> Self {
        let home = home();
        let cache = var("HF_HUB_CACHE").or_else(|| var("HUGGINGFACE_HUB_CACHE")).map(PathBuf::from);
        let endpoint = var("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        Self {
            token: token(&home),
            offline: is_set("HF_HUB_OFFLINE") || is_set("TRANSFORMERS_OFFLINE"),
            ..Self::new(cache.unwrap_or_else(|| home.join("hub")), &endpoint)
        }
    }
}

/// Without the token.
impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("cache", &self.cache).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// A variable that is set to something.
fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.trim().is_empty())
}

fn is_set(name: &str) -> bool {
    var(name).is_some_and(|v| ["1", "on", "yes", "true"].contains(&v.trim().to_lowercase().as_str()))
}

fn home() -> PathBuf {
    var("HF_HOME").map(PathBuf::from).unwrap_or_else(|| {
        let cache = var("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| std::env::home_dir().map(|h| h.join(".cache"))).unwrap_or_default();
        cache.join("huggingface")
    })
}

fn token(home: &Path) -> Option<String> {
    let given = var("HF_TOKEN").or_else(|| var("HUGGING_FACE_HUB_TOKEN"));
    let file = || {
        let path = var("HF_TOKEN_PATH").map_or_else(|| home.join("token"), PathBuf::from);
        std::fs::read_to_string(path).ok()
    };
    given.or_else(file).map(|t| t.trim().to_owned()).filter(|t| !t.is_empty())
}
