//! The real model that some tests want, fetched by `make model`.

use std::path::PathBuf;

/// The folder that `make model` fills.
pub fn folder() -> PathBuf {
    let var = |name| std::env::var_os(name).map(PathBuf::from);
    var("MINERVA_TEST_MODELS").unwrap_or_else(|| {
        let cache = var("XDG_CACHE_HOME").or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
        cache.unwrap_or_default().join("minerva/test-models")
    })
}

/// SmolLM2-135M-Instruct Q4_1. `None`, said aloud, when it was not fetched.
pub fn smollm2() -> Option<PathBuf> {
    let path = folder().join("SmolLM2-135M-Instruct.Q4_1.gguf");
    if path.exists() {
        return Some(path);
    }
    // Past the test harness, which swallows what passing tests print.
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIPPED: no real model at {}; `make model` fetches it", path.display());
    None
}
