//! `m.hooks()`, `m.run_with_cache(…)`, `m.run_with_hooks(…)`, and the traces they leave.

use super::{hooks, table};
use crate::display::Bundle;
use crate::script::error::{ScriptResult, guard};
use crate::script::model::ModelHandle;
use crate::script::options::{OptionSpec, Options};
use crate::script::{Host, define, define_type, property, tokens};
use minerva_engine::Token;
use minerva_engine::model::Model;
use minerva_engine::tensor::Tensor;
use minerva_engine::trace::{self, Selection, Trace};
use rhai::{Array, Dynamic, Engine, Map, NativeCallContext, Variant};
use std::sync::Arc;

/// The options of `run_with_cache`.
const CACHE: &[OptionSpec] =
    &[OptionSpec::new::<Array>("hooks", "functions that replace activations, as in run_with_hooks")];

/// A trace in a script.
#[derive(Clone)]
pub struct TraceHandle {
    model: Model,
    trace: Arc<Trace>,
}

impl TraceHandle {
    /// The hook points whose activations were kept.
    pub fn names(&self) -> Vec<String> {
        self.trace.activations.names().map(str::to_owned).collect()
    }
}

/// Registers the methods that run a model with open eyes.
pub fn register(engine: &mut Engine, host: &Host) {
    let doc = "What happened in a pass: r[\"name\"] is the activation at a hook point.";
    let example = "let r = c.run_with_cache(\"To be\", \"blocks.*.hook_resid_post\");\nr[\"blocks.0.hook_resid_post\"].shape.len() // → 2";
    define_type::<TraceHandle>(engine, "Trace", doc, example);
    let control = host.control();
    host.shows::<TraceHandle>(engine, move |t| show(t, &control));
    property("logits", &["r: Trace", "Tensor"], "The logits, a tensor [positions, vocabulary].")
        .register_into_engine(engine, |t: &mut TraceHandle| t.trace.logits.clone());
    property("tokens", &["r: Trace", "array"], "The text of each token that was fed.")
        .register_into_engine(engine, |t: &mut TraceHandle| table::token_array(&t.model, &t.trace.tokens));
    property("ids", &["r: Trace", "array"], "The ids of the tokens that were fed.")
        .register_into_engine(engine, |t: &mut TraceHandle| tokens::to_array(&t.trace.tokens));
    property("names", &["r: Trace", "array"], "The hook points whose activations were kept.")
        .register_into_engine(engine, |t: &mut TraceHandle| -> Array {
            t.names().into_iter().map(Dynamic::from).collect()
        });
    engine.register_indexer_get(|t: &mut TraceHandle, name: &str| guard(|| t.trace.activations.get(name).cloned()));
    listing(engine);
    caching(engine, host);
    hooking(engine, host);
}

fn listing(engine: &mut Engine) {
    let doc = "The hook points of the model, as a table of names and shapes: the places in a pass where activations can be read and replaced.";
    define("hooks", &["m: Model", "array"], doc)
        .example("c.hooks()")
        .register_into_engine(engine, |m: &mut ModelHandle| points(&m.get()?, "*"));
    let doc = "The hook points whose names match a pattern.";
    define("hooks", &["m: Model", "pattern: string", "array"], doc)
        .example("c.hooks(\"blocks.0.attn.*\")")
        .register_into_engine(engine, |m: &mut ModelHandle, pattern: &str| points(&m.get()?, pattern));
}

fn caching(engine: &mut Engine, host: &Host) {
    let doc = "Feeds a text in one pass and keeps every activation: r.logits, r.tokens, r.names, r[\"name\"]. Of an array of texts, which may differ in length, an array of traces: each as if its text were alone, nothing filled up.";
    let h = host.clone();
    define("run_with_cache", &["m: Model", "text: string|array", "Trace"], doc)
        .example("let r = c.run_with_cache(\"To be\");")
        .register_into_engine(engine, move |context: NativeCallContext<'_>, m: ModelHandle, text: Dynamic| {
            cache(&context, &h, &m, &text, &"*".into(), Map::new())
        });
    let doc = "Feeds a text in one pass and keeps the activations at the hook points that match a pattern or an array of them.";
    let h = host.clone();
    define("run_with_cache", &["m: Model", "text: string|array", "patterns: string|array", "Trace"], doc)
        .example("c.run_with_cache(\"To be\", [\"blocks.*.hook_resid_post\", \"blocks.1.attn.hook_pattern\"])")
        .register_into_engine(
            engine,
            move |context: NativeCallContext<'_>, m: ModelHandle, text: Dynamic, patterns: Dynamic| {
                cache(&context, &h, &m, &text, &patterns, Map::new())
            },
        );
    let doc = "As run_with_cache, with hooks in the same pass: activations are kept as they go on after the hooks.";
    let h = host.clone();
    define(
        "run_with_cache",
        &["m: Model", "text: string|array", "patterns: string|array", "options: map", "Trace"],
        doc,
    )
        .example("c.run_with_cache(\"To be\", \"blocks.*.hook_resid_post\", #{ hooks: [[\"blocks.0.hook_mlp_out\", |x| x * 0.0]] })")
        .options(&[CACHE])
        .register_into_engine(
        engine,
        move |context: NativeCallContext<'_>, m: ModelHandle, text: Dynamic, patterns: Dynamic, options: Map| {
            cache(&context, &h, &m, &text, &patterns, options)
        },
    );
}

fn hooking(engine: &mut Engine, host: &Host) {
    let doc = "Feeds a text with functions as hooks and returns the logits, a tensor [positions, vocabulary]; of an array of texts, an array of them, and the functions see one text after the other. A function gets the activation (and its name, if it takes two) and returns what goes on in its place; () changes nothing.";
    let h = host.clone();
    define("run_with_hooks", &["m: Model", "text: string|array", "hooks: array", "Tensor"], doc)
        .example("c.run_with_hooks(\"To be\", [[\"blocks.1.hook_resid_post\", |x| x * 0.0]])")
        .register_into_engine(
            engine,
            move |context: NativeCallContext<'_>, m: ModelHandle, text: Dynamic, list: Array| {
                const NAME: &str = "run_with_hooks";
                let model = m.get()?;
                let run = |ids: &[Token]| -> ScriptResult<Tensor> {
                    let control = h.control();
                    hooks::run(&context, NAME, &list, |hooks| trace::run_with_hooks(&model, ids, hooks, &control))
                };
                each(&h, NAME, &model, &text, run)
            },
        );
}

fn points(model: &Model, pattern: &str) -> ScriptResult<Array> {
    let known = guard(|| model.backend().hook_points())?;
    let chosen = guard(|| Selection::new(&known, &[pattern]))?;
    let row = |name: &str, shape: String| {
        let mut map = Map::new();
        map.insert("name".into(), name.into());
        map.insert("shape".into(), shape.into());
        Dynamic::from(map)
    };
    Ok(chosen.points().iter().map(|p| row(&p.name, p.shape_text())).collect())
}

fn cache(
    context: &NativeCallContext<'_>,
    host: &Host,
    m: &ModelHandle,
    text: &Dynamic,
    patterns: &Dynamic,
    options: Map,
) -> ScriptResult {
    const NAME: &str = "run_with_cache";
    let model = m.get()?;
    let keep = hooks::patterns(NAME, patterns)?;
    let mut o = Options::of(NAME, &[CACHE], options);
    let list = o.get::<Array>("hooks")?.unwrap_or_default();
    o.finish()?;
    let run = |ids: &[Token]| -> ScriptResult<TraceHandle> {
        let trace = hooks::run(context, NAME, &list, |hooks| trace::run(&model, ids, &keep, hooks, &host.control()))?;
        Ok(TraceHandle { model: model.clone(), trace: Arc::new(trace) })
    };
    each(host, NAME, &model, text, run)
}

/// The outcome of one text, or an array of those of several.
fn each<T: Variant + Clone>(
    host: &Host,
    name: &str,
    model: &Model,
    text: &Dynamic,
    run: impl Fn(&[Token]) -> ScriptResult<T>,
) -> ScriptResult {
    let Some(prompts) = tokens::prompts(model, text)? else {
        return run(&tokens::prompt(model, text)?).map(Dynamic::from);
    };
    let (control, total) = (host.control(), prompts.len() as u64);
    let mut all = Array::with_capacity(prompts.len());
    for prompt in &prompts {
        control.progress(name, all.len() as u64, total, "texts");
        all.push(Dynamic::from(run(prompt)?));
    }
    control.progress(name, total, total, "texts");
    Ok(all.into())
}

fn show(t: &TraceHandle, control: &minerva_engine::Control) -> Bundle {
    let line = format!("Trace of {}", table::fed(&t.model, &t.trace.tokens));
    table::bundle(&line, &t.trace.activations, control)
}
