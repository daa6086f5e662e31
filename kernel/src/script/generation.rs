//! Generations, their options, and sampling from a row of logits.

use super::error::{ScriptResult, guard, raise};
use super::options::{OptionSpec, Options};
use super::{Host, define, define_type, property, tokens};
use crate::display::tokens::Shown;
use crate::display::{self, Bundle, escape_html, type_name};
use minerva_engine::generate::{FinishReason, GenerateOptions, Generation, Sampler, SamplerOptions};
use minerva_engine::model::Model;
use minerva_engine::tensor::Tensor;
use minerva_engine::{Control, Error};
use rhai::{Array, Dynamic, Engine, ImmutableString, Map};
use std::sync::Arc;

/// The options of everything that chooses tokens.
pub const SAMPLING: &[OptionSpec] = &[
    OptionSpec::new::<f32>("temperature", "divides the logits; 0 takes the likeliest token always")
        .or("0.8")
        .also(&["temp"]),
    OptionSpec::new::<usize>("top_k", "keep this many of the likeliest tokens; 0 keeps all").or("40"),
    OptionSpec::new::<f32>("top_p", "keep the fewest tokens whose probabilities reach this together; 1 keeps all")
        .or("0.95"),
    OptionSpec::new::<f32>("min_p", "keep tokens at least this fraction as likely as the likeliest; 0 keeps all")
        .or("0.05"),
    OptionSpec::new::<f32>("repeat_penalty", "divides the logits of recent tokens; 1 changes nothing")
        .or("1.0")
        .also(&["repetition_penalty"]),
    OptionSpec::new::<usize>("repeat_last_n", "how many tokens count as recent").or("64"),
    OptionSpec::new::<f32>(
        "frequency_penalty",
        "subtracted from the logit of a recent token once for each time it occurred",
    )
    .or("0.0"),
    OptionSpec::new::<f32>("presence_penalty", "subtracted from the logit of a recent token once").or("0.0"),
    OptionSpec::new::<u64>("seed", "where chance begins; the result says which it was").or("another each time"),
    OptionSpec::new::<bool>("do_sample", "false takes the likeliest token always").or("true"),
];

/// The options of everything that generates, beside those of sampling.
pub const GENERATE: &[OptionSpec] = &[
    OptionSpec::new::<usize>("max_tokens", "stop after this many tokens")
        .or("256")
        .also(&["max_new_tokens", "n_predict"]),
    OptionSpec::new::<Vec<String>>("stop", "stop before any of these strings; they are not part of the text")
        .also(&["stop_strings"]),
    OptionSpec::new::<usize>("logprobs", "record the log-probability of each token and of this many others")
        .also(&["top_logprobs"]),
    OptionSpec::new::<bool>("ignore_eos", "go on past the model's own end").or("false"),
    OptionSpec::new::<bool>("stream", "show the text while it is generated").or("where a person watches"),
    OptionSpec::new::<Array>(
        "hooks",
        "functions that see or replace activations, as in run_with_hooks; they see the prompt, then each token",
    ),
];

/// A finished generation in a script.
#[derive(Clone)]
pub struct GenerationHandle {
    model: Model,
    generation: Arc<Generation>,
    /// Whether a person has seen the text already.
    streamed: bool,
}

impl GenerationHandle {
    /// Wraps a generation of `model`.
    pub fn new(model: Model, generation: Generation, streamed: bool) -> Self {
        Self { model, generation: Arc::new(generation), streamed }
    }
}

/// The options of a call that generates.
pub struct GenerateCall {
    /// For the engine.
    pub options: GenerateOptions,
    /// Hooks for every pass, `[[pattern, function], …]`, where there are any.
    pub hooks: Option<Array>,
    stream: Option<bool>,
}

impl GenerateCall {
    /// Reads the options of `function`.
    pub fn new(function: &'static str, map: Map) -> ScriptResult<Self> {
        Self::read(Options::of(function, &[GENERATE, SAMPLING], map))
    }

    /// Reads options of which some were taken already: those of [`GENERATE`] and [`SAMPLING`] are left.
    pub fn read(mut o: Options) -> ScriptResult<Self> {
        let mut options = GenerateOptions { sampler: sampler_options(&mut o)?, ..GenerateOptions::default() };
        if let Some(max) = o.get("max_tokens")? {
            options.max_tokens = Some(max);
        }
        options.stop = o.get("stop")?.unwrap_or_default();
        options.logprobs = o.get("logprobs")?;
        options.ignore_eos = o.get("ignore_eos")?.unwrap_or(false);
        let stream = o.get("stream")?;
        let hooks = o.get("hooks")?;
        o.finish()?;
        options.validate().map_err(raise)?;
        Ok(Self { options, hooks, stream })
    }

    /// Where events go, and whether text is among them.
    pub fn control(&self, host: &Host) -> (Control, bool) {
        let stream = self.stream.unwrap_or(host.streams());
        (host.control_streaming(stream), stream)
    }
}

fn sampler_options(o: &mut Options) -> ScriptResult<SamplerOptions> {
    let d = SamplerOptions::default();
    let s = SamplerOptions {
        temperature: o.get("temperature")?.unwrap_or(d.temperature),
        top_k: o.get("top_k")?.unwrap_or(d.top_k),
        top_p: o.get("top_p")?.unwrap_or(d.top_p),
        min_p: o.get("min_p")?.unwrap_or(d.min_p),
        repeat_penalty: o.get("repeat_penalty")?.unwrap_or(d.repeat_penalty),
        repeat_last_n: o.get("repeat_last_n")?.unwrap_or(d.repeat_last_n),
        frequency_penalty: o.get("frequency_penalty")?.unwrap_or(d.frequency_penalty),
        presence_penalty: o.get("presence_penalty")?.unwrap_or(d.presence_penalty),
        seed: o.get("seed")?,
    };
    // Hugging Face's way to ask for the likeliest token.
    Ok(match o.get("do_sample")? {
        Some(false) => SamplerOptions { temperature: 0.0, ..s },
        _ => s,
    })
}

/// Registers generations, `sample` and `distribution`.
pub fn register(engine: &mut Engine, host: &Host) {
    let doc = "A finished generation: the text, its tokens, why it ended and how long it took.";
    let example = "let g = m.generate(\"ROMEO:\", #{ max_tokens: 5, seed: 42, logprobs: 2 });\ng.finish_reason // → \"length\"\ng.tokens.len() // → 5\ng.logprobs[0].top.len() // → 2";
    define_type::<GenerationHandle>(engine, "Generation", doc, example);
    host.shows::<GenerationHandle>(engine, show);
    property(
        "text",
        &["g: Generation", "string"],
        "What was generated, without the prompt and without the string it stopped at.",
    )
    .register_into_engine(engine, |g: &mut GenerationHandle| g.generation.text.clone());
    property("tokens", &["g: Generation", "array"], "The ids of the generated tokens.")
        .register_into_engine(engine, |g: &mut GenerationHandle| tokens::to_array(&g.generation.tokens));
    property(
        "finish_reason",
        &["g: Generation", "string"],
        "Why it ended: \"eos\", \"stop\", \"length\" or \"context\".",
    )
    .register_into_engine(engine, |g: &mut GenerationHandle| g.generation.finish.name());
    property("stop", &["g: Generation", "string"], "The string it stopped at; () when it ended otherwise.")
        .register_into_engine(engine, |g: &mut GenerationHandle| match &g.generation.finish {
            FinishReason::Stop(s) => Dynamic::from(s.clone()),
            _ => Dynamic::UNIT,
        });
    property("seed", &["g: Generation", "int"], "Where chance began; the same seed gives the same tokens.")
        .register_into_engine(engine, |g: &mut GenerationHandle| i64::try_from(g.generation.seed).unwrap_or(i64::MAX));
    property("timings", &["g: Generation", "map"], "Seconds and tokens of prompt and generation.")
        .register_into_engine(engine, |g: &mut GenerationHandle| timings(&g.generation));
    property(
        "logprobs",
        &["g: Generation", "array"],
        "Of each token its id, text and log-probability, and the likeliest others: as many as the option asked for.",
    )
    .register_into_engine(engine, logprobs);

    let doc = "Draws a token id from a row of logits.";
    define("sample", &["logits: Tensor", "int"], doc)
        .example("sample(m.logits(\"To be\")[-1], #{ temperature: 0.7, seed: 1 })")
        .register_into_engine(engine, |row: Tensor| sample(&row, Map::new()));
    define("sample", &["logits: Tensor", "options: map", "int"], doc)
        .options(&[SAMPLING])
        .example("sample(m.logits(\"To be\")[-1], #{ temperature: 0 }) == m.next(\"To be\", 1)[0].token // → true")
        .register_into_engine(engine, |row: Tensor, options: Map| sample(&row, options));
    let doc = "What a sampler with these options would choose among: token ids and probabilities, likeliest first.";
    define("distribution", &["logits: Tensor", "array"], doc)
        .example("distribution(m.logits(\"To be\")[-1], #{ top_k: 5 })")
        .register_into_engine(engine, |row: Tensor| distribution(&row, Map::new()));
    define("distribution", &["logits: Tensor", "options: map", "array"], doc)
        .options(&[SAMPLING])
        .example("distribution(m.logits(\"To be\")[-1], #{ top_k: 5 }).len() <= 5 // → true")
        .register_into_engine(engine, |row: Tensor, options: Map| distribution(&row, options));
}

/// The messages of a conversation: a string is what the user says, a map is one message, an array is all of them.
pub fn messages(value: &Dynamic) -> ScriptResult<Vec<serde_json::Value>> {
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return Ok(vec![serde_json::json!({ "role": "user", "content": text.as_str() })]);
    }
    let wrong = |found: &str| {
        raise(Error::argument("chat", "a string, or an array of #{ role: \"user\", content: \"…\" }", found))
    };
    let message = |value: &Dynamic| -> ScriptResult<serde_json::Value> {
        let map = value.read_lock::<Map>().ok_or_else(|| wrong(&type_name(value)))?;
        for key in ["role", "content"] {
            if !map.contains_key(key) {
                return Err(wrong(&format!("a message without `{key}`")));
            }
        }
        drop(map);
        serde_json::to_value(value).map_err(|e| wrong(&e.to_string()))
    };
    if value.is_map() {
        return Ok(vec![message(value)?]);
    }
    match value.read_lock::<Array>() {
        Some(array) if array.is_empty() => Err(wrong("an empty array")),
        Some(array) => array.iter().map(message).collect(),
        None => Err(wrong(&type_name(value))),
    }
}

fn sampler(options: Map, function: &'static str) -> ScriptResult<Sampler> {
    let mut o = Options::of(function, &[SAMPLING], options);
    let sampler = sampler_options(&mut o)?;
    o.finish()?;
    if sampler.repeat_penalty != 1.0 || sampler.frequency_penalty != 0.0 || sampler.presence_penalty != 0.0 {
        let what = format!("{function}: penalties");
        let error = Error::argument(what, "none, for one row of logits has no history", "some");
        return Err(raise(error.with_help("penalties work in generate")));
    }
    Sampler::new(sampler).map_err(raise)
}

/// The values of a row of logits: one dimension, or one row of two.
fn row(tensor: &Tensor, function: &str) -> ScriptResult<Vec<f32>> {
    match tensor.shape() {
        [_] | [1, _] => guard(|| tensor.to_vec()),
        shape => Err(raise(
            Error::argument(function, "one row of logits, shape [vocabulary]", format!("shape {shape:?}"))
                .with_help("take a row first: the last one is l[-1]"),
        )),
    }
}

fn sample(tensor: &Tensor, options: Map) -> ScriptResult<i64> {
    let mut sampler = sampler(options, "sample")?;
    let row = row(tensor, "sample")?;
    guard(|| sampler.sample(&row, &[])).map(i64::from)
}

fn distribution(tensor: &Tensor, options: Map) -> ScriptResult<Array> {
    let mut sampler = sampler(options, "distribution")?;
    let row = row(tensor, "distribution")?;
    let all = guard(|| sampler.probabilities(&row, &[]))?;
    Ok(all
        .into_iter()
        .map(|(token, p)| {
            let mut map = Map::new();
            map.insert("token".into(), i64::from(token).into());
            map.insert("p".into(), f64::from(p).into());
            map.into()
        })
        .collect())
}

fn timings(g: &Generation) -> Map {
    let t = &g.timings;
    let mut map = Map::new();
    map.insert("prompt_tokens".into(), (t.prompt_tokens as i64).into());
    map.insert("cached_tokens".into(), (t.cached_tokens as i64).into());
    map.insert("prompt".into(), t.prompt.as_secs_f64().into());
    map.insert("prompt_per_second".into(), t.prompt_per_second().into());
    map.insert("first_token".into(), t.first_token.as_secs_f64().into());
    map.insert("generated_tokens".into(), (t.generated_tokens as i64).into());
    map.insert("decode".into(), t.decode.as_secs_f64().into());
    map.insert("decode_per_second".into(), t.decode_per_second().into());
    map
}

fn logprobs(g: &mut GenerationHandle) -> ScriptResult<Array> {
    let text = |token| guard(|| g.model.tokenizer().decode(&[token], false));
    let entries = g.generation.logprobs.iter().map(|entry| -> ScriptResult {
        let mut map = Map::new();
        map.insert("token".into(), i64::from(entry.token).into());
        map.insert("text".into(), text(entry.token)?.into());
        map.insert("logprob".into(), f64::from(entry.logprob).into());
        let top: Array = entry.top.iter().map(|c| tokens::candidate(&g.model, c)).collect::<ScriptResult<_>>()?;
        map.insert("top".into(), top.into());
        Ok(map.into())
    });
    entries.collect()
}

/// The text, unless it was streamed; then how it went, in one line.
fn show(g: &GenerationHandle) -> Bundle {
    let generation = &g.generation;
    let t = &generation.timings;
    let end = match &generation.finish {
        FinishReason::EndOfText => "the model ended".to_owned(),
        FinishReason::Stop(s) => format!("stopped at {s:?}"),
        FinishReason::MaxTokens => "max_tokens".to_owned(),
        FinishReason::Context => "the context is full".to_owned(),
    };
    let cached = if t.cached_tokens > 0 { format!(" ({} cached)", t.cached_tokens) } else { String::new() };
    let line = format!(
        "{} tokens, {end} · prompt {}{cached} · first token {:.0} ms · {:.0} tokens/s · seed {}",
        t.generated_tokens,
        t.prompt_tokens,
        t.first_token.as_secs_f64() * 1e3,
        t.decode_per_second(),
        generation.seed,
    );
    let small = format!("<small style=\"opacity:.7\">{}</small>", escape_html(&line));
    let text = if g.streamed { line.clone() } else { format!("{}\n{line}", generation.text) };
    if let Some(shown) = shown_tokens(g) {
        let html = format!("{}{small}", display::tokens::html(&shown));
        return Bundle::html(html, text).with(display::tokens::MIME, display::tokens::json(&shown));
    }
    if g.streamed {
        return Bundle::html(small, line);
    }
    Bundle::html(format!("<pre style=\"white-space:pre-wrap\">{}</pre>{small}", escape_html(&generation.text)), text)
}

/// The tokens with their probabilities, where these were recorded.
fn shown_tokens(g: &GenerationHandle) -> Option<Vec<Shown>> {
    let tokenizer = g.model.tokenizer();
    let shown = |id, logprob, top| Some(Shown { text: tokenizer.decode(&[id], false).ok()?, id, logprob, top });
    let recorded = &g.generation.logprobs;
    let tokens = recorded.iter().map(|entry| {
        let top = entry.top.iter().map(|c| shown(c.token, c.logprob, Vec::new())).collect::<Option<_>>()?;
        shown(entry.token, entry.logprob, top)
    });
    tokens.collect::<Option<Vec<_>>>().filter(|tokens| !tokens.is_empty())
}
