//! What one does with a model.

use super::error::{ScriptResult, guard, raise, raise_text};
use super::generation::{GENERATE, GenerateCall, GenerationHandle, SAMPLING, messages};
use super::options::{OptionSpec, Options};
use super::session::SessionHandle;
use super::tensor::TensorList;
use super::trace::hooks;
use super::{Host, define, define_type, property, tokens};
use crate::display::Bundle;
use minerva_engine::model::Model;
use minerva_engine::tensor::Tensor;
use minerva_engine::tokenizer::ChatOptions;
use minerva_engine::{Error, Token, trace};
use rhai::{Array, Dynamic, Engine, Map, NativeCallContext};
use std::sync::{Arc, PoisonError, RwLock};

/// The options of `chat` beside those of `generate`.
const CHAT: &[OptionSpec] = &[
    OptionSpec::new::<String>("template", "a chat template of your own, in Jinja").or("the model's"),
    OptionSpec::new::<Map>("variables", "values for the template beside the messages"),
];

/// The options of `perplexity`.
const PERPLEXITY: &[OptionSpec] = &[OptionSpec::new::<usize>("window", "tokens per window")
    .also(&["n_ctx", "context"])
    .or("512, or the context if that is less")];

/// A model in a script. Copies are the same model; `unload` takes it away from all of them.
#[derive(Clone)]
pub struct ModelHandle {
    name: Arc<str>,
    model: Arc<RwLock<Option<Model>>>,
}

impl ModelHandle {
    /// Wraps a model that goes by this name.
    pub fn new(name: &str, model: Model) -> Self {
        Self { name: name.into(), model: Arc::new(RwLock::new(Some(model))) }
    }

    /// The model, or an error when it was unloaded.
    pub fn get(&self) -> ScriptResult<Model> {
        let model = self.model.read().unwrap_or_else(PoisonError::into_inner).clone();
        model.ok_or_else(|| {
            raise_text(
                "ModelError",
                format!("model {:?} was unloaded\nhelp: load({:?}) loads it again", self.name, self.name),
            )
        })
    }

    /// A handle of its own for another model of the same name.
    pub(super) fn with(&self, model: Model) -> Self {
        Self::new(&self.name, model)
    }

    /// Gives the model's memory back, for every copy of this handle.
    pub fn unload(&self) {
        *self.model.write().unwrap_or_else(PoisonError::into_inner) = None;
        minerva_engine::memory::give_back();
    }
}

/// Registers the methods of a model.
pub fn register(engine: &mut Engine, host: &Host) {
    let doc =
        "A model that was loaded: its tokenizer, its weights, and a backend that computes. Copies are the same model.";
    define_type::<ModelHandle>(
        engine,
        "Model",
        doc,
        "let m = load(\"sample\");\nm.generate(\"ROMEO:\", #{ max_tokens: 20 })",
    );
    host.shows::<ModelHandle>(engine, show);
    about(engine);
    text(engine);
    generating(engine, host);
    numbers(engine, host);
    weights(engine);
}

fn about(engine: &mut Engine) {
    let doc = "What was loaded: architecture, sizes, types, backend and why it was chosen, memory.";
    define("info", &["m: Model", "map"], doc)
        .example("m.info().architecture // → \"llama\"")
        .register_into_engine(engine, |m: &mut ModelHandle| m.get().map(|m| info(&m)));
    property("name", &["m: Model", "string"], "The name it was loaded by.")
        .register_into_engine(engine, |m: &mut ModelHandle| m.name.to_string());
    let doc = "The template that turns a conversation into text, as the model's file has it; () where it has none.";
    property("chat_template", &["m: Model", "string"], doc).register_into_engine(
        engine,
        |m: &mut ModelHandle| -> ScriptResult {
            Ok(m.get()?.tokenizer().chat_template().map_or(Dynamic::UNIT, |t| t.to_owned().into()))
        },
    );
}

fn text(engine: &mut Engine) {
    let doc = "The token ids a text becomes, beginning-of-sequence token included where the model wants one.";
    define("tokens", &["m: Model", "text: string", "array"], doc).example("m.tokens(\"To be\")").register_into_engine(
        engine,
        |m: &mut ModelHandle, text: &str| -> ScriptResult<Array> {
            let model = m.get()?;
            Ok(tokens::to_array(&guard(|| model.tokens(text))?))
        },
    );
    let doc = "The text of one token id or of an array of them, special tokens written out.";
    define("decode", &["m: Model", "ids: int|array", "string"], doc)
        .example("m.decode([1, 2, 3])")
        .register_into_engine(engine, |m: &mut ModelHandle, ids: Dynamic| -> ScriptResult<String> {
            let (model, ids) = (m.get()?, tokens::ids(&ids)?);
            guard(|| model.tokenizer().decode(&ids, false))
        });
    let doc = "The text a conversation becomes through the model's chat template, up to where the model answers.";
    define("chat_text", &["m: Model", "messages: array", "string"], doc)
        .example_not_run("m.chat_text([#{ role: \"user\", content: \"Hi\" }])     // a model with a chat template")
        .register_into_engine(engine, |m: &mut ModelHandle, conversation: Dynamic| -> ScriptResult<String> {
            let (model, conversation) = (m.get()?, messages(&conversation)?);
            guard(|| model.chat_text(&conversation, &ChatOptions::default()))
        });
}

fn generating(engine: &mut Engine, host: &Host) {
    let doc = "Continues a prompt (text or token ids). The text streams where this session streams.";
    let h = host.clone();
    define("generate", &["m: Model", "prompt: string|array", "Generation"], doc)
        .example("m.generate(\"ROMEO:\")")
        .register_into_engine(engine, move |context: NativeCallContext<'_>, m: ModelHandle, prompt: Dynamic| {
            generate(&context, &h, &m, &prompt, Map::new())
        });
    let doc = "Continues a prompt (text or token ids). The text streams where this session streams.";
    let h = host.clone();
    define("generate", &["m: Model", "prompt: string|array", "options: map", "Generation"], doc)
        .options(&[GENERATE, SAMPLING])
        .example("m.generate(\"ROMEO:\", #{ max_tokens: 20, seed: 42 })")
        .register_into_engine(
            engine,
            move |context: NativeCallContext<'_>, m: ModelHandle, prompt: Dynamic, options: Map| {
                generate(&context, &h, &m, &prompt, options)
            },
        );
    let doc = "Answers a conversation through the model's chat template: a string, or an array of #{ role, content }.";
    let h = host.clone();
    define("chat", &["m: Model", "messages: string|array", "Generation"], doc)
        .example_not_run("m.chat([#{ role: \"user\", content: \"Hi\" }])     // a model with a chat template")
        .register_into_engine(engine, move |context: NativeCallContext<'_>, m: ModelHandle, messages: Dynamic| {
            chat(&context, &h, &m, &messages, Map::new())
        });
    let doc = "Answers a conversation through the model's chat template: a string, or an array of #{ role, content }.";
    let h = host.clone();
    define("chat", &["m: Model", "messages: string|array", "options: map", "Generation"], doc)
        .options(&[CHAT, GENERATE, SAMPLING])
        .example("let template = \"{% for x in messages %}{{ x.content }}\\n{% endfor %}\";\nm.chat(\"Hi\", #{ template: template, max_tokens: 8 })")
        .register_into_engine(
        engine,
        move |context: NativeCallContext<'_>, m: ModelHandle, messages: Dynamic, options: Map| {
            chat(&context, &h, &m, &messages, options)
        },
    );
    let doc = "A session: a sequence with its cache, to feed step by step, fork and truncate.";
    define("session", &["m: Model", "Session"], doc)
        .example("let s = m.session();\ns.feed(\"To be\");")
        .register_into_engine(engine, |m: &mut ModelHandle| -> ScriptResult<SessionHandle> {
            let model = m.get()?;
            Ok(SessionHandle::new(guard(|| model.session())?))
        });
}

fn numbers(engine: &mut Engine, host: &Host) {
    let doc = "The logits of a text as a tensor [positions, vocabulary]: row i predicts token i + 1. Of an array of texts, which may differ in length, an array of tensors.";
    let h = host.clone();
    define("logits", &["m: Model", "text: string|array", "Tensor"], doc)
        .example("let l = m.logits(\"To be\");")
        .register_into_engine(engine, move |m: &mut ModelHandle, text: Dynamic| logits(&h, m, &text));
    let doc = "The likeliest next tokens, as a table.";
    let h = host.clone();
    define("next", &["m: Model", "text: string|array", "array"], doc)
        .example("m.next(\"To be, or not to\", 5)")
        .register_into_engine(engine, move |m: &mut ModelHandle, text: Dynamic| next(&h, m, &text, 10));
    let h = host.clone();
    define("next", &["m: Model", "text: string|array", "n: int", "array"], doc)
        .example("m.next(\"To be\", 3).len() // → 3")
        .register_into_engine(engine, move |m: &mut ModelHandle, text: Dynamic, n: i64| next(&h, m, &text, n));
    let doc = "How well the model predicts a text file, cut into windows that do not overlap: a map of perplexity, nll, scored, windows.";
    let h = host.clone();
    define("perplexity", &["m: Model", "path: string", "map"], doc)
        .example("m.perplexity(\"text.txt\").perplexity")
        .register_into_engine(engine, move |m: &mut ModelHandle, path: &str| perplexity(&h, m, path, Map::new()));
    let h = host.clone();
    define("perplexity", &["m: Model", "path: string", "options: map", "map"], doc)
        .options(&[PERPLEXITY])
        .example("m.perplexity(\"text.txt\", #{ window: 64 }).windows")
        .register_into_engine(engine, move |m: &mut ModelHandle, path: &str, options: Map| {
            perplexity(&h, m, path, options)
        });
    let doc = "How likely the model finds a text: tokens, the log-probability of each after the first, their sum, perplexity.";
    let h = host.clone();
    define("score", &["m: Model", "text: string|array", "map"], doc)
        .example("m.score(\"To be, or not to be\").perplexity")
        .register_into_engine(engine, move |m: &mut ModelHandle, text: Dynamic| score(&h, m, &text));
}

fn weights(engine: &mut Engine) {
    let doc = "The model's tensors, without reading their values.";
    let list = |m: &ModelHandle, glob: &str| -> ScriptResult<TensorList> {
        let file = m.get()?.file();
        guard(|| Tensor::matching(&file, glob).map(TensorList))
    };
    define("tensors", &["m: Model", "TensorList"], doc)
        .example("m.tensors()")
        .register_into_engine(engine, move |m: &mut ModelHandle| list(m, "*"));
    let doc = "The model's tensors whose names match a pattern, without reading their values.";
    define("tensors", &["m: Model", "pattern: string", "TensorList"], doc)
        .example("m.tensors(\"*attn_q*\")")
        .register_into_engine(engine, move |m: &mut ModelHandle, glob: &str| list(m, glob));
    let doc = "One of the model's weights by its name in the file.";
    define("tensor", &["m: Model", "name: string", "Tensor"], doc)
        .example("m.tensor(\"blk.0.attn_q.weight\")")
        .register_into_engine(engine, |m: &mut ModelHandle, name: &str| -> ScriptResult<Tensor> {
            let file = m.get()?.file();
            guard(|| Tensor::from_file_named(file, name))
        });
}

fn generate(
    context: &NativeCallContext<'_>,
    host: &Host,
    m: &ModelHandle,
    prompt: &Dynamic,
    options: Map,
) -> ScriptResult<GenerationHandle> {
    let model = m.get()?;
    let call = GenerateCall::new("generate", options)?;
    let ids = tokens::prompt(&model, prompt)?;
    continued(context, host, model, &ids, &call)
}

/// Generates after `ids`, with hooks where the call has some.
fn continued(
    context: &NativeCallContext<'_>,
    host: &Host,
    model: Model,
    ids: &[Token],
    call: &GenerateCall,
) -> ScriptResult<GenerationHandle> {
    let (control, streamed) = call.control(host);
    let result = match &call.hooks {
        None => guard(|| model.generate_tokens(ids, &call.options, &control))?,
        Some(list) => {
            hooks::run(context, "generate", list, |hooks| trace::generate(&model, ids, &call.options, hooks, &control))?
        }
    };
    Ok(GenerationHandle::new(model, result, streamed))
}

fn chat(
    context: &NativeCallContext<'_>,
    host: &Host,
    m: &ModelHandle,
    conversation: &Dynamic,
    options: Map,
) -> ScriptResult<GenerationHandle> {
    let model = m.get()?;
    let mut o = Options::of("chat", &[CHAT, GENERATE, SAMPLING], options);
    let mut chat = ChatOptions { template: o.get("template")?, ..ChatOptions::default() };
    if let Some(variables) = o.get::<Map>("variables")? {
        let json = serde_json::to_value(Dynamic::from_map(variables))
            .map_err(|e| raise_text("ArgumentError", e.to_string()))?;
        chat.variables = json.as_object().cloned().unwrap_or_default();
    }
    let call = GenerateCall::read(o)?;
    let conversation = messages(conversation)?;
    let ids = guard(|| model.tokenizer().encode_chat(&model.chat_text(&conversation, &chat)?))?;
    continued(context, host, model, &ids, &call)
}

fn logits(host: &Host, m: &ModelHandle, text: &Dynamic) -> ScriptResult {
    let model = m.get()?;
    if let Some(prompts) = tokens::prompts(&model, text)? {
        let all = guard(|| trace::run_batch(&model, &prompts, &host.control()))?;
        return Ok(Dynamic::from_array(all.into_iter().map(Dynamic::from).collect()));
    }
    let ids = tokens::prompt(&model, text)?;
    guard(|| {
        let logits = model.logits(&ids, &host.control())?;
        let shape = [logits.rows(), logits.vocab()];
        Tensor::from_vec(logits.into_data(), &shape)
    })
    .map(Dynamic::from)
}

fn next(host: &Host, m: &ModelHandle, text: &Dynamic, n: i64) -> ScriptResult<Array> {
    let model = m.get()?;
    let n = usize::try_from(n)
        .ok()
        .filter(|n| *n > 0)
        .ok_or_else(|| raise(Error::argument("next", "at least 1 token to show", n.to_string())))?;
    let ids = tokens::prompt(&model, text)?;
    let candidates = guard(|| model.next(&ids, n, &host.control()))?;
    candidates.iter().map(|c| tokens::candidate(&model, c)).collect()
}

fn score(host: &Host, m: &ModelHandle, text: &Dynamic) -> ScriptResult<Map> {
    let model = m.get()?;
    let ids = tokens::prompt(&model, text)?;
    let score = guard(|| model.score(&ids, &host.control()))?;
    let logprobs: Array = score.logprobs.iter().map(|l| Dynamic::from(f64::from(*l))).collect();
    let mut map = Map::new();
    map.insert("tokens".into(), tokens::to_array(&score.tokens).into());
    map.insert("logprobs".into(), logprobs.into());
    map.insert("total".into(), score.total().into());
    map.insert("perplexity".into(), score.perplexity().into());
    Ok(map)
}

fn perplexity(host: &Host, m: &ModelHandle, path: &str, options: Map) -> ScriptResult<Map> {
    let model = m.get()?;
    let mut o = Options::of("perplexity", &[PERPLEXITY], options);
    let window = o.get::<usize>("window")?.unwrap_or_else(|| model.info().context.min(512));
    o.finish()?;
    let found = guard(|| {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let text = String::from_utf8(bytes).map_err(|e| {
            Error::format(path, format!("expected UTF-8 text, found another byte at {}", e.utf8_error().valid_up_to()))
        })?;
        model.perplexity(&text, window, &host.control())
    })?;
    let mut map = Map::new();
    map.insert("perplexity".into(), found.perplexity.into());
    map.insert("nll".into(), found.nll.into());
    map.insert("scored".into(), int(found.scored as u64));
    map.insert("windows".into(), int(found.windows as u64));
    Ok(map)
}

fn info(m: &Model) -> Map {
    let i = m.info();
    let mut map = Map::new();
    let mut put = |name: &str, value: Dynamic| map.insert(name.into(), value);
    put("name", i.name.clone().into());
    put("path", m.file().path().display().to_string().into());
    put("format", m.file().format().into());
    put("architecture", i.architecture.clone().into());
    put("parameters", int(i.parameters));
    put("dtype", i.dtype.clone().into());
    put("layers", int(i.layers as u64));
    put("hidden_size", int(i.hidden_size as u64));
    put("heads", int(i.heads as u64));
    put("kv_heads", int(i.kv_heads as u64));
    put("vocab_size", int(i.vocab_size as u64));
    put("context", int(i.context as u64));
    put("context_trained", int(i.context_trained as u64));
    put("backend", m.backend().kind().name().into());
    put("why", m.why().to_owned().into());
    put("device", i.device.clone().into());
    put("threads", int(i.threads as u64));
    put("bytes_mapped", int(i.bytes_mapped));
    put("bytes_allocated", int(i.bytes_allocated));
    put("kv_bytes_per_token", int(i.kv_bytes_per_token));
    put("steered_by", m.steers().iter().map(|s| Dynamic::from(s.to_string())).collect::<Array>().into());
    put("load_seconds", m.load_time().as_secs_f64().into());
    map
}

fn int(n: u64) -> Dynamic {
    i64::try_from(n).unwrap_or(i64::MAX).into()
}

fn show(m: &ModelHandle) -> Bundle {
    let Ok(model) = m.get() else { return Bundle::text(format!("Model {:?} (unloaded)", m.name)) };
    let i = model.info();
    let size = |n: u64| minerva_engine::error::bytes(n);
    let steered: String = model.steers().iter().map(|s| format!("; steered by {s}")).collect();
    Bundle::text(format!(
        "Model {:?}: {} {}, {} parameters, {} layers, vocabulary {}, context {}; {} on {} with {} threads; {} mapped, {} allocated{steered}",
        m.name,
        i.architecture,
        i.dtype,
        count(i.parameters),
        i.layers,
        i.vocab_size,
        i.context,
        model.backend().kind(),
        i.device,
        i.threads,
        size(i.bytes_mapped),
        size(i.bytes_allocated),
    ))
}

/// Parameters for a person: `135M`, `1.2B`.
fn count(n: u64) -> String {
    match n {
        1_000_000_000.. => format!("{:.1}B", n as f64 / 1e9),
        10_000_000.. => format!("{:.0}M", n as f64 / 1e6),
        1_000_000.. => format!("{:.1}M", n as f64 / 1e6),
        _ => format!("{:.0}k", n as f64 / 1e3),
    }
}
