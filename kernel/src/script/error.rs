//! The engine's errors as the script's, and native calls that cannot take the session down.

use super::{define_type, property};
use crate::panics;
use minerva_engine::Error;
use rhai::{Dynamic, Engine, EvalAltResult, Position};

/// A script function's result.
pub type ScriptResult<T = Dynamic> = Result<T, Box<EvalAltResult>>;

/// An error as a script sees it in `catch (e)`: `e.kind`, `e.message`, or simply `e` as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    /// The kind, a name such as `ArgumentError`.
    pub kind: &'static str,
    /// What happened; lines that start with `help: ` say what to do.
    pub message: String,
}

impl std::fmt::Display for ScriptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// Token of a termination that comes from an interrupt.
pub(crate) const INTERRUPTED: &str = "interrupted";

/// An engine error as the script's. Its text stays as it is; an interrupt terminates, and no `catch` stops it.
pub fn raise(error: Error) -> Box<EvalAltResult> {
    let kind = match &error {
        Error::Interrupted => {
            return Box::new(EvalAltResult::ErrorTerminated(INTERRUPTED.into(), Position::NONE));
        }
        Error::Io { .. } => "IoError",
        Error::Format { .. } => "FormatError",
        Error::Unsupported { .. } => "UnsupportedError",
        Error::NotFound { .. } => "NotFoundError",
        Error::Argument { .. } => "ArgumentError",
        Error::Memory { .. } => "MemoryError",
        Error::ContextOverflow { .. } => "ContextOverflowError",
        Error::Backend { .. } => "BackendError",
        Error::Network { .. } => "NetworkError",
        Error::Numeric(_) => "NumericError",
        _ => "Error",
    };
    raise_text(kind, error.to_string())
}

/// A script error of our own; `message` may end in lines that start with `help: `.
pub fn raise_text(kind: &'static str, message: impl Into<String>) -> Box<EvalAltResult> {
    let value = Dynamic::from(ScriptError { kind, message: message.into() });
    Box::new(EvalAltResult::ErrorRuntime(value, Position::NONE))
}

/// Runs engine code for a script function: its error becomes the script's, and a panic becomes an error before it can
/// reach a value that is locked for this very call.
pub fn guard<T>(work: impl FnOnce() -> Result<T, Error>) -> ScriptResult<T> {
    match panics::catch(work) {
        Ok(result) => result.map_err(raise),
        Err(panic) => Err(raise_text("InternalError", panic.to_string())),
    }
}

/// Makes [`ScriptError`] usable in scripts.
pub(super) fn register(engine: &mut Engine) {
    let doc = "What went wrong, as catch gets it; as text it is its message.";
    let example =
        "let kind = ();\ntry { load(\"no-such-model\") } catch (e) { kind = e.kind; }\nkind // → \"NotFoundError\"";
    define_type::<ScriptError>(engine, "Error", doc, example);
    property("kind", &["e: Error", "string"], "One word, such as \"ArgumentError\".")
        .register_into_engine(engine, |e: &mut ScriptError| e.kind.to_owned());
    property("message", &["e: Error", "string"], "What happened, and in lines that start with `help:` what to do.")
        .register_into_engine(engine, |e: &mut ScriptError| e.message.clone());
    for name in ["to_string", "to_debug", "print", "debug"] {
        engine.register_fn(name, |e: &mut ScriptError| e.message.clone());
    }
}
