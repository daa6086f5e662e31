//! The bundle itself: representations of one value by MIME type.

use serde_json::{Map, Value};

/// Representations of one value, keyed by MIME type, as Jupyter's `display_data` carries them.
///
/// Every bundle has `text/plain`: a terminal, a pipe and `nbconvert` have nothing else to show.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bundle {
    /// MIME type -> representation. Text types hold a string, `application/json` and its kin hold the value itself,
    /// binary types such as `image/png` hold base64.
    pub data: Map<String, Value>,
    /// Metadata per MIME type, for example the width of an image.
    pub metadata: Map<String, Value>,
}

impl Bundle {
    /// Plain text alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self::default().with("text/plain", text.into())
    }

    /// HTML, and the plain text for where HTML cannot be shown.
    pub fn html(html: impl Into<String>, text: impl Into<String>) -> Self {
        Self::default().with("text/html", html.into()).with("text/plain", text.into())
    }

    /// Markdown; its source is its plain text.
    pub fn markdown(source: impl Into<String>) -> Self {
        let source = source.into();
        Self::default().with("text/markdown", source.clone()).with("text/plain", source)
    }

    /// The same bundle with one representation more.
    #[must_use]
    pub fn with(mut self, mime: &str, value: impl Into<Value>) -> Self {
        self.data.insert(mime.to_owned(), value.into());
        self
    }

    /// The same bundle with metadata for one MIME type.
    #[must_use]
    pub fn with_metadata(mut self, mime: &str, value: impl Into<Value>) -> Self {
        self.metadata.insert(mime.to_owned(), value.into());
        self
    }

    /// The plain text, empty when there is none.
    pub fn plain(&self) -> &str {
        self.data.get("text/plain").and_then(Value::as_str).unwrap_or_default()
    }
}

/// Text that can stand inside HTML, in an element or in a quoted attribute.
pub fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
