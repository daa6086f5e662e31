//! `m.session()`: a sequence driven step by step.

use super::error::{ScriptResult, guard, raise};
use super::generation::{GENERATE, GenerateCall, GenerationHandle, SAMPLING};
use super::{Host, define, define_type, property, tokens};
use crate::display::{Bundle, type_name};
use minerva_engine::Error;
use minerva_engine::generate::top;
use minerva_engine::model::Session;
use minerva_engine::tensor::Tensor;
use rhai::{Array, Dynamic, Engine, ImmutableString, Map};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A session in a script. Copies are the same session; `fork` makes a second one.
#[derive(Clone)]
pub struct SessionHandle(Arc<Mutex<Session>>);

impl SessionHandle {
    /// Wraps a session.
    pub fn new(session: Session) -> Self {
        Self(Arc::new(Mutex::new(session)))
    }

    fn lock(&self) -> MutexGuard<'_, Session> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Registers the methods of a session.
pub fn register(engine: &mut Engine, host: &Host) {
    let doc = "A sequence of tokens with its cache, driven step by step. Copies are the same session; fork makes a second one.";
    let example = "let s = m.session();\ns.feed(\"To be\");\nlet other = s.fork();\nother.feed(\", or not\");\ns.text // → \"<|endoftext|>To be\"";
    define_type::<SessionHandle>(engine, "Session", doc, example);
    host.shows::<SessionHandle>(engine, show);
    property("tokens", &["s: Session", "array"], "The ids of the tokens it holds.")
        .register_into_engine(engine, |s: &mut SessionHandle| tokens::to_array(s.lock().tokens()));
    property("text", &["s: Session", "string"], "What it holds, as text.")
        .register_into_engine(engine, |s: &mut SessionHandle| guard(|| s.lock().text()));
    define("len", &["s: Session", "int"], "How many tokens the session holds.")
        .example("s.len()")
        .register_into_engine(engine, |s: &mut SessionHandle| s.lock().tokens().len() as i64);
    define("truncate", &["s: Session", "n: int"], "Keeps the first n tokens and forgets the rest.")
        .example("s.truncate(2);\ns.len() // → 2")
        .register_into_engine(engine, |s: &mut SessionHandle, n: i64| {
            let wrong = || raise(Error::argument("truncate", "a length of at least 0", n.to_string()));
            let n = usize::try_from(n).map_err(|_| wrong())?;
            guard(|| s.lock().truncate(n))
        });
    let doc = "A second session with the same tokens; what is fed to one does not reach the other.";
    define("fork", &["s: Session", "Session"], doc)
        .example("let other = s.fork();")
        .register_into_engine(engine, |s: &mut SessionHandle| -> ScriptResult<SessionHandle> {
            Ok(SessionHandle::new(guard(|| s.lock().fork())?))
        });
    running(engine, host);
}

fn running(engine: &mut Engine, host: &Host) {
    let h = host.clone();
    define("feed", &["s: Session", "text: string|int|array"], "Appends text, a token id or an array of ids.")
        .example("s.feed(\" or not\");\ns.feed(m.tokens(\"!\")[-1]);")
        .register_into_engine(engine, move |s: &mut SessionHandle, text: Dynamic| feed(&h, s, &text));
    let h = host.clone();
    define("logits", &["s: Session", "Tensor"], "The logits after the last token, a tensor [vocabulary].")
        .example("s.logits().shape.len() // → 1")
        .register_into_engine(engine, move |s: &mut SessionHandle| -> ScriptResult<Tensor> {
            guard(|| {
                let row = s.lock().logits(&h.control())?.to_vec();
                let n = row.len();
                Tensor::from_vec(row, &[n])
            })
        });
    let doc = "The likeliest tokens to come next, as a table.";
    let h = host.clone();
    define("next", &["s: Session", "array"], doc)
        .example("s.next()")
        .register_into_engine(engine, move |s: &mut SessionHandle| next(&h, s, 10));
    let h = host.clone();
    define("next", &["s: Session", "n: int", "array"], doc)
        .example("s.next(3).len() // → 3")
        .register_into_engine(engine, move |s: &mut SessionHandle, n: i64| next(&h, s, n));
    let doc =
        "Generates from here, with the options of a model's generate but hooks; the new tokens stay in the session.";
    let h = host.clone();
    define("generate", &["s: Session", "Generation"], doc)
        .example("s.generate(#{ max_tokens: 20 })")
        .register_into_engine(engine, move |s: &mut SessionHandle| generate(&h, s, Map::new()));
    let h = host.clone();
    define("generate", &["s: Session", "options: map", "Generation"], doc)
        .options(&[GENERATE, SAMPLING])
        .register_into_engine(engine, move |s: &mut SessionHandle, options: Map| generate(&h, s, options));
}

fn feed(host: &Host, s: &SessionHandle, value: &Dynamic) -> ScriptResult<()> {
    let control = host.control();
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return guard(|| s.lock().feed(&text, &control));
    }
    if value.is_array() || value.is_int() {
        let ids = tokens::ids(value)?;
        return guard(|| s.lock().feed_tokens(&ids, &control));
    }
    Err(raise(Error::argument("feed", "a string, a token id or an array of token ids", type_name(value))))
}

fn next(host: &Host, s: &SessionHandle, n: i64) -> ScriptResult<Array> {
    let n = usize::try_from(n).ok().filter(|n| *n > 0);
    let n = n.ok_or_else(|| raise(Error::argument("next", "at least 1 token to show", "fewer")))?;
    let mut session = s.lock();
    let candidates = guard(|| top(session.logits(&host.control())?, n))?;
    let model = session.model().clone();
    candidates.iter().map(|c| tokens::candidate(&model, c)).collect()
}

fn generate(host: &Host, s: &SessionHandle, options: Map) -> ScriptResult<GenerationHandle> {
    let call = GenerateCall::new("generate", options)?;
    if call.hooks.is_some() {
        let help = "use the model's generate: m.generate(s.tokens, #{ hooks: … })";
        return Err(raise(Error::unsupported("a session's generate takes no hooks", help)));
    }
    let (control, streamed) = call.control(host);
    let mut session = s.lock();
    let generation = guard(|| session.generate(&call.options, &control))?;
    Ok(GenerationHandle::new(session.model().clone(), generation, streamed))
}

fn show(s: &SessionHandle) -> Bundle {
    let session = s.lock();
    let text = session.text().unwrap_or_default();
    let tail: String = text.chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
    let cut = if tail.len() < text.len() { "…" } else { "" };
    Bundle::text(format!(
        "Session: {} of {} tokens, {cut}{tail:?}",
        session.tokens().len(),
        session.model().info().context
    ))
}
