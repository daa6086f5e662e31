//! `m.hooks()`, `m.run_with_cache(…)`, `m.run_with_hooks(…)`, and the traces they leave.

use super::{hooks, table};
use crate::display::Bundle;
use crate::script::error::{ScriptResult, guard};
use crate::script::model::ModelHandle;
use crate::script::options::Options;
use crate::script::{Host, define, tokens};
use minerva_engine::Token;
use minerva_engine::model::Model;
use minerva_engine::tensor::Tensor;
use minerva_engine::trace::{self, Selection, Trace};
use rhai::{Array, Dynamic, Engine, Map, NativeCallContext, Variant};
use std::sync::Arc;

/// A trace in a script.
#[derive(Clone)]
pub struct TraceHandle {
    model: Model,
    trace: Arc<Trace>,
}

/// Registers the methods that run a model with open eyes.
pub fn register(engine: &mut Engine, host: &Host) {
    engine.register_type_with_name::<TraceHandle>("Trace");
    let control = host.control();
    host.shows::<TraceHandle>(engine, move |t| show(t, &control));
    engine.register_get("logits", |t: &mut TraceHandle| t.trace.logits.clone());
    engine.register_get("tokens", |t: &mut TraceHandle| table::token_array(&t.model, &t.trace.tokens));
    engine.register_get("ids", |t: &mut TraceHandle| tokens::to_array(&t.trace.tokens));
    engine.register_get("names", |t: &mut TraceHandle| names(t));
    engine.register_indexer_get(|t: &mut TraceHandle, name: &str| guard(|| t.trace.activations.get(name).cloned()));
    listing(engine);
    caching(engine, host);
    hooking(engine, host);
}

fn listing(engine: &mut Engine) {
    let doc = "The hook points of the model, as a table of names and shapes: the places in a pass where activations can be read and replaced.\n\n```\nm.hooks()\n```";
    define("hooks", &["m: Model", "array"], doc)
        .register_into_engine(engine, |m: &mut ModelHandle| points(&m.get()?, "*"));
    let doc = "The hook points whose names match a pattern.\n\n```\nm.hooks(\"blocks.0.attn.*\")\n```";
    define("hooks", &["m: Model", "pattern: string", "array"], doc)
        .register_into_engine(engine, |m: &mut ModelHandle, pattern: &str| points(&m.get()?, pattern));
}

fn caching(engine: &mut Engine, host: &Host) {
    let doc = "Feeds a text in one pass and keeps every activation: r.logits, r.tokens, r.names, r[\"name\"]. Of an array of texts, which may differ in length, an array of traces: each as if its text were alone, nothing filled up.\n\n```\nlet r = m.run_with_cache(\"To be\");\n```";
    let h = host.clone();
    define("run_with_cache", &["m: Model", "text: string|array", "Trace"], doc).register_into_engine(
        engine,
        move |context: NativeCallContext<'_>, m: ModelHandle, text: Dynamic| {
            cache(&context, &h, &m, &text, &"*".into(), Map::new())
        },
    );
    let doc = "Feeds a text in one pass and keeps the activations at the hook points that match a pattern or an array of them.\n\n```\nm.run_with_cache(\"To be\", [\"blocks.*.hook_resid_post\", \"blocks.3.attn.hook_pattern\"])\n```";
    let h = host.clone();
    define("run_with_cache", &["m: Model", "text: string|array", "patterns: string|array", "Trace"], doc)
        .register_into_engine(
            engine,
            move |context: NativeCallContext<'_>, m: ModelHandle, text: Dynamic, patterns: Dynamic| {
                cache(&context, &h, &m, &text, &patterns, Map::new())
            },
        );
    let doc = "As run_with_cache, with hooks in the same pass: activations are kept as they go on after the hooks. Options: hooks.\n\n```\nm.run_with_cache(\"To be\", \"blocks.*.hook_resid_post\", #{ hooks: [[\"blocks.0.hook_mlp_out\", |x| x * 0.0]] })\n```";
    let h = host.clone();
    define(
        "run_with_cache",
        &["m: Model", "text: string|array", "patterns: string|array", "options: map", "Trace"],
        doc,
    )
    .register_into_engine(
        engine,
        move |context: NativeCallContext<'_>, m: ModelHandle, text: Dynamic, patterns: Dynamic, options: Map| {
            cache(&context, &h, &m, &text, &patterns, options)
        },
    );
}

fn hooking(engine: &mut Engine, host: &Host) {
    let doc = "Feeds a text with functions as hooks and returns the logits, a tensor [positions, vocabulary]; of an array of texts, an array of them, and the functions see one text after the other. A function gets the activation (and its name, if it takes two) and returns what goes on in its place; () changes nothing.\n\n```\nm.run_with_hooks(\"To be\", [[\"blocks.1.hook_resid_post\", |x| x * 0.0]])\n```";
    let h = host.clone();
    define("run_with_hooks", &["m: Model", "text: string|array", "hooks: array", "Tensor"], doc).register_into_engine(
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
    let mut o = Options::new(NAME, options);
    let list = o.take::<Array>("hooks", &[])?.unwrap_or_default();
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

fn names(t: &TraceHandle) -> Array {
    t.trace.activations.names().map(|n| Dynamic::from(n.to_owned())).collect()
}

fn show(t: &TraceHandle, control: &minerva_engine::Control) -> Bundle {
    let line = format!("Trace of {}", table::fed(&t.model, &t.trace.tokens));
    table::bundle(&line, &t.trace.activations, control)
}
