//! What the kernel says about itself.

use super::wire::PROTOCOL_VERSION;
use crate::session::language_info::{self, RHAI_VERSION};
use serde_json::{Value, json};

/// The content of a `kernel_info_reply`.
pub fn reply() -> Value {
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL_VERSION,
        "implementation": "minerva",
        "implementation_version": env!("CARGO_PKG_VERSION"),
        "language_info": language_info::value(),
        "banner": format!(
            "Minerva {}: local language models in Rhai {RHAI_VERSION}. Try: load(\"sample\").generate(\"Once\")",
            env!("CARGO_PKG_VERSION")
        ),
        "debugger": false,
        "supported_features": [],
        "help_links": [
            { "text": "Minerva", "url": env!("CARGO_PKG_REPOSITORY") },
            { "text": "The Rhai book", "url": "https://rhai.rs/book" },
        ],
    })
}
