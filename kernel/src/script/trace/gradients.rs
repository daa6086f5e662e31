//! `m.gradients(…)`: derivatives of what a model says by what happens inside it.

use super::{hooks, table};
use crate::display::{Bundle, type_name};
use crate::script::error::{ScriptResult, guard, raise};
use crate::script::model::ModelHandle;
use crate::script::options::{OptionSpec, Options};
use crate::script::{Host, define, define_type, property, tokens};
use minerva_engine::model::Model;
use minerva_engine::tensor::number;
use minerva_engine::tokenizer::Encode;
use minerva_engine::trace::{self, GradientTrace, Target};
use minerva_engine::{Control, Error, Token};
use rhai::{Array, Dynamic, Engine, ImmutableString, Map};
use std::sync::Arc;

/// The options of `gradients`.
const GRADIENTS: &[OptionSpec] = &[
    OptionSpec::new::<Dynamic>(
        "token",
        "the token whose prediction counts, an id or the text of one token; must be given",
    ),
    OptionSpec::new::<Dynamic>("minus", "a second token: then it is the difference of the two logits"),
    OptionSpec::new::<i64>("position", "where the prediction is made; -1 is the last").or("-1"),
];

/// Gradients in a script.
#[derive(Clone)]
pub struct GradientsHandle {
    model: Model,
    target: Target,
    found: Arc<GradientTrace>,
}

impl GradientsHandle {
    /// The hook points.
    pub fn names(&self) -> Vec<String> {
        self.found.gradients.names().map(str::to_owned).collect()
    }
}

/// Registers `gradients` and what it returns.
pub fn register(engine: &mut Engine, host: &Host) {
    let doc = "How a prediction depends on activations: g[\"name\"] is the gradient at a hook point.";
    let example = "let g = c.gradients(\"To be\", \"blocks.0.hook_resid_pre\", #{ token: \",\" });\ng[\"blocks.0.hook_resid_pre\"].shape.len() // → 2";
    define_type::<GradientsHandle>(engine, "Gradients", doc, example);
    let control = host.control();
    host.shows::<GradientsHandle>(engine, move |g| show(g, &control));
    property(
        "value",
        &["g: Gradients", "float"],
        "What the gradients are of: the log-probability, or the difference of logits.",
    )
    .register_into_engine(engine, |g: &mut GradientsHandle| f64::from(g.found.value));
    property("tokens", &["g: Gradients", "array"], "The text of each token that was fed.")
        .register_into_engine(engine, |g: &mut GradientsHandle| table::token_array(&g.model, &g.found.tokens));
    property("ids", &["g: Gradients", "array"], "The ids of the tokens that were fed.")
        .register_into_engine(engine, |g: &mut GradientsHandle| tokens::to_array(&g.found.tokens));
    property("names", &["g: Gradients", "array"], "The hook points.")
        .register_into_engine(engine, |g: &mut GradientsHandle| -> Array {
            g.found.gradients.names().map(|n| Dynamic::from(n.to_owned())).collect()
        });
    engine.register_indexer_get(|g: &mut GradientsHandle, name: &str| guard(|| g.found.gradients.get(name).cloned()));
    let doc = "How a prediction depends on activations: the derivative of a token's log-probability at a position by each value at the hook points, or with `minus`, of the difference of two tokens' logits.";
    let h = host.clone();
    define(
        "gradients",
        &["m: Model", "text: string|array", "patterns: string|array", "options: map", "Gradients"],
        doc,
    )
    .options(&[GRADIENTS])
    .example("c.gradients(\"To be\", \"blocks.*.hook_resid_pre\", #{ token: \",\", minus: \".\" })")
    .register_into_engine(engine, move |m: &mut ModelHandle, text: Dynamic, patterns: Dynamic, options: Map| {
        gradients(&h, m, &text, &patterns, options)
    });
}

fn gradients(
    host: &Host,
    m: &ModelHandle,
    text: &Dynamic,
    patterns: &Dynamic,
    options: Map,
) -> ScriptResult<GradientsHandle> {
    let model = m.get()?;
    let ids = tokens::prompt(&model, text)?;
    let patterns = hooks::patterns("gradients", patterns)?;
    let mut o = Options::of("gradients", &[GRADIENTS], options);
    let position = o.get::<i64>("position")?.unwrap_or(-1);
    let (plus, minus) = (o.get::<Dynamic>("token")?, o.get::<Dynamic>("minus")?);
    o.finish()?;
    let missing = || {
        let error = Error::argument("gradients: option token", "the token whose prediction counts", "none");
        raise(error.with_help("as in #{ token: \",\" }, an id or the text of one token"))
    };
    let token = token(&model, "gradients", "token", &plus.ok_or_else(missing)?)?;
    let minus = minus.map(|value| self::token(&model, "gradients", "minus", &value)).transpose()?;
    let target = Target { position, token, minus };
    let found = guard(|| trace::gradients(&model, &ids, &patterns, target, &host.control()))?;
    Ok(GradientsHandle { model, target, found: Arc::new(found) })
}

/// A token by its id, or by a text that is one token.
pub(super) fn token(model: &Model, function: &str, option: &str, value: &Dynamic) -> ScriptResult<Token> {
    let wrong = |found: String| {
        raise(Error::argument(format!("{function}: option {option}"), "a token id, or a text of one token", found))
    };
    if let Some(text) = value.read_lock::<ImmutableString>() {
        let found = guard(|| model.tokenizer().encode(&text, Encode { add_special: false, parse_special: true }))?;
        return match found.as_slice() {
            [one] => Ok(*one),
            many => Err(wrong(format!("{:?}, which is {} tokens", text.as_str(), many.len()))),
        };
    }
    let id = value.as_int().ok().and_then(|id| Token::try_from(id).ok());
    id.ok_or_else(|| wrong(value.as_int().map_or_else(|_| type_name(value), |n| n.to_string())))
}

fn show(g: &GradientsHandle, control: &Control) -> Bundle {
    let text = |token| table::token_texts(&g.model, &[token]).unwrap_or_default().concat();
    let what = match g.target.minus {
        Some(minus) => format!("logit of {:?} minus logit of {:?}", text(g.target.token), text(minus)),
        None => format!("log-probability of {:?}", text(g.target.token)),
    };
    let (value, position) = (number(f64::from(g.found.value)), g.target.position);
    let line = format!(
        "Gradients of the {what} at position {position}, which is {value}; {}",
        table::fed(&g.model, &g.found.tokens)
    );
    table::bundle(&line, &g.found.gradients, control)
}
