//! What front ends are told about the language.

use serde_json::{Value, json};

/// `language_info`, as `kernel_info_reply` carries it and as a notebook's metadata keeps it.
///
/// No front end knows Rhai. Its syntax is near enough to Rust's that CodeMirror and Pygments colour it well as that.
pub fn value() -> Value {
    json!({
        "name": "rhai",
        "version": RHAI_VERSION,
        "mimetype": "text/x-rhai",
        "file_extension": ".rhai",
        "pygments_lexer": "rust",
        "codemirror_mode": { "name": "rhai", "mime": "text/x-rustsrc" },
    })
}

/// The workspace pins this version of Rhai.
pub const RHAI_VERSION: &str = "1.27.0";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    #[test]
    fn the_version_of_rhai_is_the_one_that_is_built_in() {
        let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"));
        let (_, after) = lock.split_once("name = \"rhai\"\n").unwrap();
        assert_eq!(after.lines().next().unwrap(), format!("version = \"{}\"", super::RHAI_VERSION));
    }
}
