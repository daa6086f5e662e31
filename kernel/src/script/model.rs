//! `load(…)` and what one does with a model.

use super::error::{ScriptResult, guard, raise, raise_text};
use super::generation::{GenerateCall, GenerationHandle, messages};
use super::options::Options;
use super::session::SessionHandle;
use super::tensor::TensorList;
use super::trace::hooks;
use super::{Host, define, tokens};
use crate::display::{Bundle, type_name};
use minerva_engine::format::DType;
use minerva_engine::model::{self, LoadOptions, Model};
use minerva_engine::sample::Form;
use minerva_engine::tensor::Tensor;
use minerva_engine::tokenizer::ChatOptions;
use minerva_engine::{Error, Token, trace};
use rhai::{Array, Dynamic, Engine, Map, NativeCallContext};
use std::sync::{Arc, PoisonError, RwLock};

/// A model in a script. Copies are the same model; `unload` takes it away from all of them.
#[derive(Clone)]
pub struct ModelHandle {
    name: Arc<str>,
    model: Arc<RwLock<Option<Model>>>,
}

impl ModelHandle {
    fn new(name: &str, model: Model) -> Self {
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

    fn unload(&self) {
        *self.model.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Registers `load`, `unload` and the methods of a model.
pub fn register(engine: &mut Engine, host: &Host) {
    engine.register_type_with_name::<ModelHandle>("Model");
    host.shows::<ModelHandle>(engine, show);
    loading(engine, host);
    about(engine);
    text(engine);
    generating(engine, host);
    numbers(engine, host);
    weights(engine);
}

fn loading(engine: &mut Engine, host: &Host) {
    let doc = "Loads a model: a .gguf or .safetensors file, a folder with config.json, a hub name in the local cache, or \"sample\".\n\n```\nlet m = load(\"sample\");\n```";
    let h = host.clone();
    define("load", &["path: string", "Model"], doc)
        .register_into_engine(engine, move |name: &str| load(&h, name, Map::new()));
    let doc = "Loads a model with options: backend, device, dtype, quantize, activations, context, threads, gpu_layers, flash_attention, cache_type, memory_check.\n\n```\nlet m = load(\"sample\", #{ backend: \"candle\", context: 512 });\n```";
    let h = host.clone();
    define("load", &["path: string", "options: map", "Model"], doc)
        .register_into_engine(engine, move |name: &str, options: Map| load(&h, name, options));
    let doc = "Gives a model's memory back. Sessions of it live on until they go too.\n\n```\nunload(m);\n```";
    define("unload", &["m: Model"], doc).register_into_engine(engine, |m: &mut ModelHandle| m.unload());
    let doc = "Where the built-in sample model lies as a file: \"gguf\" or \"safetensors\".\n\n```\nopen(sample_path(\"gguf\"))\n```";
    define("sample_path", &["form: string", "string"], doc).register_into_engine(engine, |form: &str| {
        let form = match form {
            "gguf" => Form::Gguf,
            "safetensors" => Form::Hub,
            other => {
                return Err(raise(Error::argument("sample_path", "\"gguf\" or \"safetensors\"", format!("{other:?}"))));
            }
        };
        guard(|| minerva_engine::sample::path(form)).map(|p| p.display().to_string())
    });
}

fn about(engine: &mut Engine) {
    let doc = "What was loaded: architecture, sizes, types, backend and why it was chosen, memory.";
    define("info", &["m: Model", "map"], doc)
        .register_into_engine(engine, |m: &mut ModelHandle| m.get().map(|m| info(&m)));
    engine.register_get("name", |m: &mut ModelHandle| m.name.to_string());
    engine.register_get("chat_template", |m: &mut ModelHandle| -> ScriptResult {
        Ok(m.get()?.tokenizer().chat_template().map_or(Dynamic::UNIT, |t| t.to_owned().into()))
    });
}

fn text(engine: &mut Engine) {
    let doc = "The token ids a text becomes, beginning-of-sequence token included where the model wants one.\n\n```\nm.tokens(\"To be\")\n```";
    define("tokens", &["m: Model", "text: string", "array"], doc).register_into_engine(
        engine,
        |m: &mut ModelHandle, text: &str| -> ScriptResult<Array> {
            let model = m.get()?;
            Ok(tokens::to_array(&guard(|| model.tokens(text))?))
        },
    );
    let doc = "The text of one token id or of an array of them, special tokens written out.";
    define("decode", &["m: Model", "ids: int|array", "string"], doc).register_into_engine(
        engine,
        |m: &mut ModelHandle, ids: Dynamic| -> ScriptResult<String> {
            let (model, ids) = (m.get()?, tokens::ids(&ids)?);
            guard(|| model.tokenizer().decode(&ids, false))
        },
    );
    let doc = "The text a conversation becomes through the model's chat template, up to where the model answers.";
    define("chat_text", &["m: Model", "messages: array", "string"], doc).register_into_engine(
        engine,
        |m: &mut ModelHandle, conversation: Dynamic| -> ScriptResult<String> {
            let (model, conversation) = (m.get()?, messages(&conversation)?);
            guard(|| model.chat_text(&conversation, &ChatOptions::default()))
        },
    );
}

fn generating(engine: &mut Engine, host: &Host) {
    let doc = "Continues a prompt (text or token ids). The text streams where this session streams.\n\n```\nm.generate(\"ROMEO:\")\n```";
    let h = host.clone();
    define("generate", &["m: Model", "prompt: string|array", "Generation"], doc).register_into_engine(
        engine,
        move |context: NativeCallContext<'_>, m: ModelHandle, prompt: Dynamic| {
            generate(&context, &h, &m, &prompt, Map::new())
        },
    );
    let doc = "Continues a prompt with options: max_tokens, temperature, top_k, top_p, min_p, repeat_penalty, repeat_last_n, frequency_penalty, presence_penalty, seed, stop, logprobs, ignore_eos, stream, hooks (as in run_with_hooks; they see the prompt, then each token).\n\n```\nm.generate(\"ROMEO:\", #{ max_tokens: 20, seed: 42 })\n```";
    let h = host.clone();
    define("generate", &["m: Model", "prompt: string|array", "options: map", "Generation"], doc).register_into_engine(
        engine,
        move |context: NativeCallContext<'_>, m: ModelHandle, prompt: Dynamic, options: Map| {
            generate(&context, &h, &m, &prompt, options)
        },
    );
    let doc = "Answers a conversation through the model's chat template: a string, or an array of #{ role, content }.\n\n```\nm.chat([#{ role: \"user\", content: \"Hi\" }])\n```";
    let h = host.clone();
    define("chat", &["m: Model", "messages: string|array", "Generation"], doc).register_into_engine(
        engine,
        move |context: NativeCallContext<'_>, m: ModelHandle, messages: Dynamic| {
            chat(&context, &h, &m, &messages, Map::new())
        },
    );
    let doc = "Answers a conversation, with the options of generate and `template`: a chat template of your own.";
    let h = host.clone();
    define("chat", &["m: Model", "messages: string|array", "options: map", "Generation"], doc).register_into_engine(
        engine,
        move |context: NativeCallContext<'_>, m: ModelHandle, messages: Dynamic, options: Map| {
            chat(&context, &h, &m, &messages, options)
        },
    );
    let doc = "A session: a sequence with its cache, to feed step by step, fork and truncate.\n\n```\nlet s = m.session();\ns.feed(\"To be\");\n```";
    define("session", &["m: Model", "Session"], doc).register_into_engine(
        engine,
        |m: &mut ModelHandle| -> ScriptResult<SessionHandle> {
            let model = m.get()?;
            Ok(SessionHandle::new(guard(|| model.session())?))
        },
    );
}

fn numbers(engine: &mut Engine, host: &Host) {
    let doc = "The logits of a text as a tensor [positions, vocabulary]: row i predicts token i + 1. Of an array of texts, which may differ in length, an array of tensors.\n\n```\nlet l = m.logits(\"To be\");\n```";
    let h = host.clone();
    define("logits", &["m: Model", "text: string|array", "Tensor"], doc)
        .register_into_engine(engine, move |m: &mut ModelHandle, text: Dynamic| logits(&h, m, &text));
    let doc = "The likeliest next tokens, as a table.\n\n```\nm.next(\"To be, or not to\", 5)\n```";
    let h = host.clone();
    define("next", &["m: Model", "text: string|array", "array"], doc)
        .register_into_engine(engine, move |m: &mut ModelHandle, text: Dynamic| next(&h, m, &text, 10));
    let h = host.clone();
    define("next", &["m: Model", "text: string|array", "n: int", "array"], doc)
        .register_into_engine(engine, move |m: &mut ModelHandle, text: Dynamic, n: i64| next(&h, m, &text, n));
    let doc = "How well the model predicts a text file, cut into windows that do not overlap: a map of perplexity, nll, scored, windows. #{ window: 512 } sets their length.\n\n```\nm.perplexity(\"corpus.txt\").perplexity\n```";
    let h = host.clone();
    define("perplexity", &["m: Model", "path: string", "map"], doc)
        .register_into_engine(engine, move |m: &mut ModelHandle, path: &str| perplexity(&h, m, path, Map::new()));
    let h = host.clone();
    define("perplexity", &["m: Model", "path: string", "options: map", "map"], doc)
        .register_into_engine(engine, move |m: &mut ModelHandle, path: &str, options: Map| {
            perplexity(&h, m, path, options)
        });
    let doc = "How likely the model finds a text: tokens, the log-probability of each after the first, their sum, perplexity.\n\n```\nm.score(\"To be, or not to be\").perplexity\n```";
    let h = host.clone();
    define("score", &["m: Model", "text: string|array", "map"], doc)
        .register_into_engine(engine, move |m: &mut ModelHandle, text: Dynamic| score(&h, m, &text));
}

fn weights(engine: &mut Engine) {
    let doc = "The model's tensors, without reading their values.";
    let list = |m: &ModelHandle, glob: &str| -> ScriptResult<TensorList> {
        let file = m.get()?.file();
        guard(|| Tensor::matching(&file, glob).map(TensorList))
    };
    define("tensors", &["m: Model", "TensorList"], doc)
        .register_into_engine(engine, move |m: &mut ModelHandle| list(m, "*"));
    let doc = "The model's tensors whose names match a pattern, without reading their values.\n\n```\nm.tensors(\"*attn_q*\")\n```";
    define("tensors", &["m: Model", "pattern: string", "TensorList"], doc)
        .register_into_engine(engine, move |m: &mut ModelHandle, glob: &str| list(m, glob));
    let doc = "One of the model's weights by its name in the file.\n\n```\nm.tensor(\"blk.0.attn_q.weight\")\n```";
    define("tensor", &["m: Model", "name: string", "Tensor"], doc).register_into_engine(
        engine,
        |m: &mut ModelHandle, name: &str| -> ScriptResult<Tensor> {
            let file = m.get()?.file();
            guard(|| Tensor::from_file_named(file, name))
        },
    );
}

fn load(host: &Host, name: &str, options: Map) -> ScriptResult<ModelHandle> {
    let options = load_options(options)?;
    let model = guard(|| model::load(name, &options, &host.control()))?;
    Ok(ModelHandle::new(name, model))
}

fn load_options(map: Map) -> ScriptResult<LoadOptions> {
    let mut o = Options::new("load", map);
    let mut options = LoadOptions::default();
    if let Some(backend) = o.choice("backend", &["auto", "llama_cpp", "candle", "fallback"])? {
        options.backend = backend.parse().map_err(raise)?;
    }
    if let Some(device) = o.take::<String>("device", &[])? {
        options.device = device.parse().map_err(raise)?;
    }
    if let Some(dtype) = o.take::<String>("dtype", &["torch_dtype"])? {
        options.dtype = dtype.parse().map_err(raise)?;
    }
    if let Some(name) = o.take::<String>("quantize", &[])? {
        let unknown = || {
            raise(Error::argument("load: option quantize", "a type such as \"Q4_0\" or \"Q8_0\"", format!("{name:?}")))
        };
        options.quantize = Some(DType::from_name(&name.to_uppercase()).ok_or_else(unknown)?);
    }
    if let Some(form) = o.take::<String>("activations", &[])? {
        options.activations = form.parse().map_err(raise)?;
    }
    options.context = o.take::<usize>("context", &["n_ctx"])?.map(between("context", 1, MOST_CONTEXT)).transpose()?;
    options.threads =
        o.take::<usize>("threads", &["n_threads"])?.map(between("threads", 1, MOST_THREADS)).transpose()?;
    options.gpu_layers = o.take("gpu_layers", &["n_gpu_layers"])?;
    options.flash_attention = o.take("flash_attention", &[])?;
    options.cache_type = o.choice("cache_type", &["f16", "f32", "bf16", "q8_0"])?.map(str::to_owned);
    options.memory_check = o.take("memory_check", &[])?.unwrap_or(true);
    o.finish()?;
    Ok(options)
}

/// llama.cpp counts positions in 32 bits, and rounds up.
const MOST_CONTEXT: usize = i32::MAX as usize - 256;
/// More threads than llama.cpp's kernels can count, and far more than help.
const MOST_THREADS: usize = 512;

fn between(what: &'static str, least: usize, most: usize) -> impl Fn(usize) -> ScriptResult<usize> {
    move |n| {
        if (least..=most).contains(&n) {
            return Ok(n);
        }
        Err(raise(Error::argument(format!("load: option {what}"), format!("{least} to {most}"), n.to_string())))
    }
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
    mut options: Map,
) -> ScriptResult<GenerationHandle> {
    let model = m.get()?;
    let mut chat = ChatOptions::default();
    for (name, value) in [("template", options.remove("template")), ("variables", options.remove("variables"))] {
        match value {
            None => {}
            Some(value) if name == "template" && value.is_string() => chat.template = value.into_string().ok(),
            Some(value) if name == "variables" && value.is_map() => {
                let json = serde_json::to_value(&value).map_err(|e| raise_text("ArgumentError", e.to_string()))?;
                chat.variables = json.as_object().cloned().unwrap_or_default();
            }
            Some(value) => {
                let expected = if name == "template" { "a string" } else { "a map" };
                return Err(raise(Error::argument(format!("chat: option {name}"), expected, type_name(&value))));
            }
        }
    }
    let call = GenerateCall::new("chat", options)?;
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
    let mut o = Options::new("perplexity", options);
    let window = o.take::<usize>("window", &["n_ctx", "context"])?.unwrap_or_else(|| model.info().context.min(512));
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
