//! One error type for the engine. Each variant says what was wrong, what was found and what to do next.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in the engine.
///
/// Texts are for a person: the first line states the problem, a following line that starts with `help:` says what to
/// do. Errors are cheap to clone, so that a front end can keep one and show it again.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// The bytes of a file are not what they should be: truncated, corrupt, contradictory.
    #[error("{}: {problem}{}", path.display(), help_line(help))]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        problem: String,
        /// What to do next; may be empty.
        help: String,
    },
    /// A well-formed request for something that cannot be done here.
    #[error("{what}{}", help_line(help))]
    Unsupported {
        /// What is not supported.
        what: String,
        /// What to do instead; may be empty.
        help: String,
    },
    /// A name that does not exist.
    #[error("{kind} {name:?} not found{}{}", nearest.as_ref().map(|n| format!("; did you mean {n:?}?")).unwrap_or_default(), help_line(help))]
    NotFound {
        /// What kind of thing: `"tensor"`, `"option"`, `"model file"`.
        kind: &'static str,
        /// The name asked for.
        name: String,
        /// The nearest name that exists.
        nearest: Option<String>,
        /// What to do next; may be empty.
        help: String,
    },
    /// An argument of the wrong type, range or shape.
    #[error("{what}: expected {expected}, found {found}{}", help_line(help))]
    Argument {
        /// The argument or operation.
        what: String,
        /// What would be right.
        expected: String,
        /// What came.
        found: String,
        /// What to do next; may be empty.
        help: String,
    },
    /// More memory than there is; said before anything is allocated.
    #[error("{what} needs {}, and {} are available{}", bytes(*needs), bytes(*available), help_line(help))]
    Memory {
        /// What was asked for.
        what: String,
        /// Bytes needed.
        needs: u64,
        /// Bytes available.
        available: u64,
        /// What to do next; may be empty.
        help: String,
    },
    /// More tokens than the context holds.
    #[error(
        "{tokens} tokens do not fit the context of {context}{}",
        help_line("shorten the prompt or max_tokens, or load with a larger #{ context: … }")
    )]
    ContextOverflow {
        /// Tokens asked for, those already in the context included.
        tokens: usize,
        /// Tokens the context holds.
        context: usize,
    },
    /// A backend failed or refused.
    #[error("{backend}: {problem}{}", help_line(help))]
    Backend {
        /// Its name, `llama_cpp` or `candle`.
        backend: &'static str,
        /// What it said.
        problem: String,
        /// What to do next; may be empty.
        help: String,
    },
    /// The network, or a server on it, failed or refused.
    #[error("{problem}{}", help_line(help))]
    Network {
        /// Who failed, and how.
        problem: String,
        /// What to do next; may be empty.
        help: String,
    },
    /// Numbers that must be finite are not.
    #[error("{0}")]
    Numeric(String),
    /// Someone asked for a stop.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// An I/O error on `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_owned(), source: Arc::new(source) }
    }

    /// A file whose bytes are wrong.
    pub fn format(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::Format { path: path.as_ref().to_owned(), problem: problem.into(), help: String::new() }
    }

    /// Something that cannot be done, and what to do instead.
    pub fn unsupported(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into(), help: help.into() }
    }

    /// A wrong argument.
    pub fn argument(what: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Argument { what: what.into(), expected: expected.into(), found: found.into(), help: String::new() }
    }

    /// An unknown name; the nearest of `known` is suggested when it is near enough.
    pub fn not_found<'a>(kind: &'static str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self::NotFound { kind, name: name.to_owned(), nearest: nearest(name, known), help: String::new() }
    }

    /// An unknown tensor of a file: the nearest is suggested, or those most like it.
    pub(crate) fn no_tensor<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let error = Self::not_found("tensor", name, known.iter().copied());
        let alike = match &error {
            Self::NotFound { nearest: None, .. } => most_alike(name, known.iter().copied()),
            _ => String::new(),
        };
        error.with_help(format!("{alike}the file has {} tensors; list them with tensors(\"*\")", known.len()))
    }

    /// A backend's failure.
    pub fn backend(backend: &'static str, problem: impl Into<String>) -> Self {
        Self::Backend { backend, problem: problem.into(), help: String::new() }
    }

    /// A failure of the network or of a server, and what to do about it.
    pub fn network(problem: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Network { problem: problem.into(), help: help.into() }
    }

    /// The same error with advice. Variants that have no place for advice are returned as they are.
    #[must_use]
    pub fn with_help(mut self, advice: impl Into<String>) -> Self {
        match &mut self {
            Self::Format { help, .. }
            | Self::Unsupported { help, .. }
            | Self::NotFound { help, .. }
            | Self::Argument { help, .. }
            | Self::Memory { help, .. }
            | Self::Backend { help, .. }
            | Self::Network { help, .. } => *help = advice.into(),
            Self::Io { .. } | Self::ContextOverflow { .. } | Self::Numeric(_) | Self::Interrupted => {}
        }
        self
    }
}

/// candle's errors carry a backtrace when one is asked for; a person gets the message alone.
impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or("unknown error");
        Self::backend("candle", first)
    }
}

/// The known name nearest to `name`, when it is near enough to be a likely slip: a few letters, or the same words in
/// another order, as in `y_log` for `log_y`.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let lower = name.to_lowercase();
    let words = |name: &str| {
        let mut words: Vec<String> = name.to_lowercase().split(['_', '.', '-']).map(str::to_owned).collect();
        words.sort_unstable();
        words
    };
    let own = words(name);
    let distance = |k: &str| match words(k) == own {
        true => usize::from(lower != k.to_lowercase()),
        false => strsim::damerau_levenshtein(&lower, &k.to_lowercase()),
    };
    known
        .into_iter()
        .map(|k| (distance(k), k))
        .filter(|(distance, k)| *distance <= (k.chars().count().max(lower.chars().count()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k.to_owned())
}

/// `the most alike are "a", "b"; `, or nothing: the known names that have most in common with one that is far from all.
pub(crate) fn most_alike<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 3;
    /// Shares of common pairs of letters; names below have nothing to do with each other.
    const LEAST: f64 = 0.35;
    let lower = name.to_lowercase();
    let score = |k: &str| {
        let k = k.to_lowercase();
        let part = if k.contains(&lower) { 1.0 } else { 0.0 };
        part + strsim::sorensen_dice(&lower, &k)
    };
    let mut scored: Vec<(f64, &str)> = known.into_iter().map(|k| (score(k), k)).filter(|(s, _)| *s >= LEAST).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let names: Vec<String> = scored.iter().take(MOST).map(|(_, k)| format!("{k:?}")).collect();
    match names.len() {
        0 => String::new(),
        1 => format!("the most alike is {}; ", names.join(", ")),
        _ => format!("the most alike are {}; ", names.join(", ")),
    }
}

/// Bytes for a person: `1.7 MB`, decimal units as file managers and the hub use them.
pub fn bytes(n: u64) -> String {
    const UNITS: [(&str, f64); 4] = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    for (unit, size) in UNITS {
        if n as f64 >= size {
            return format!("{:.1} {unit}", n as f64 / size);
        }
    }
    format!("{n} B")
}

fn help_line(help: &str) -> String {
    if help.is_empty() { String::new() } else { format!("\nhelp: {help}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_only_when_near() {
        let known = ["temperature", "top_k", "top_p"];
        assert_eq!(nearest("temprature", known).as_deref(), Some("temperature"));
        assert_eq!(nearest("seed", known), None);
        assert_eq!(nearest("y_log", ["log_x", "log_y"]).as_deref(), Some("log_y"), "the same words");
        let e = Error::not_found("option", "temprature", known);
        assert_eq!(e.to_string(), "option \"temprature\" not found; did you mean \"temperature\"?");
    }

    #[test]
    fn names_that_have_much_in_common_are_told_where_none_is_near() {
        let known = ["output.weight", "blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.1.attn_q.weight"];
        let e = Error::no_tensor("attn_q", known).to_string();
        assert!(e.contains("the most alike are \"blk.0.attn_q.weight\", \"blk.1.attn_q.weight\""), "{e}");
        assert!(e.contains("the file has 4 tensors"), "{e}");
        let e = Error::no_tensor("output.wieght", known).to_string();
        assert!(e.contains("did you mean \"output.weight\"?") && !e.contains("alike"), "{e}");
        assert!(!Error::no_tensor("zzz", known).to_string().contains("alike"));
    }

    #[test]
    fn sizes_read_as_on_the_hub() {
        assert_eq!(bytes(98_000_000), "98.0 MB");
        assert_eq!(bytes(12), "12 B");
    }
}
