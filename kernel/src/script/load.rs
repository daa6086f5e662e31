//! `load(…)` and `unload(m)`: models come and go.

use super::error::{ScriptResult, guard, raise};
use super::model::ModelHandle;
use super::options::{OptionSpec, Options};
use super::{Host, define};
use minerva_engine::Error;
use minerva_engine::format::DType;
use minerva_engine::model::{self, LoadOptions};
use minerva_engine::sample::Form;
use rhai::{Dynamic, Engine, Map};

/// The options of `load`.
const LOAD: &[OptionSpec] = &[
    OptionSpec::new::<String>("backend", "who computes; auto takes llama.cpp for GGUF and candle for safetensors and PyTorch, fallback the second when the first cannot")
        .one_of(&["auto", "llama_cpp", "candle", "fallback"])
        .or("\"auto\""),
    OptionSpec::new::<String>("device", "where it computes").such_as(&["auto", "cpu", "cuda", "cuda:1", "metal"]).or("\"auto\""),
    OptionSpec::new::<String>("dtype", "how candle holds dense matrices; auto is as the file has them, in place")
        .one_of(&["auto", "f32", "f16", "bf16"])
        .also(&["torch_dtype"])
        .or("\"auto\""),
    OptionSpec::new::<String>("quantize", "dense matrices are quantized to this type at load; candle only")
        .such_as(&["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q6_K"]),
    OptionSpec::new::<String>("activations", "how they meet quantized matrices: auto is 16-bit whole numbers where the processor is faster with them, as good as f32; int8 is fastest, and as rough as llama.cpp; candle only")
        .one_of(&["auto", "f32", "int16", "int8"])
        .or("\"auto\""),
    OptionSpec::new::<usize>("context", "tokens a sequence can hold").expecting("a number of tokens from 1 on").also(&["n_ctx"]).or("4096, or what the model was trained for if that is less"),
    OptionSpec::new::<usize>("threads", "threads that compute").expecting("a number of threads from 1 on").also(&["n_threads"]).or("one per core"),
    OptionSpec::new::<u32>("gpu_layers", "layers on the GPU; llama.cpp only").also(&["n_gpu_layers"]).or("what device says"),
    OptionSpec::new::<bool>("flash_attention", "llama.cpp only").or("as llama.cpp chooses"),
    OptionSpec::new::<String>("cache_type", "how keys and values are kept; bf16 and q8_0 are llama.cpp's")
        .one_of(&["f16", "f32", "bf16", "q8_0"])
        .or("f16 for llama.cpp, f32 for candle"),
    OptionSpec::new::<bool>("memory_check", "whether a load that needs more memory than is free is refused").or("true"),
    OptionSpec::new::<String>("revision", "branch, tag or commit of a model on the hub").or("\"main\""),
    OptionSpec::new::<bool>("local_files_only", "whether a model on the hub is only looked for in the local cache, as with HF_HUB_OFFLINE=1").or("false"),
];

/// Registers the functions of this file.
pub fn register(engine: &mut Engine, host: &Host) {
    let doc = "Loads a model: a .gguf or .safetensors file, a folder with config.json, a name on the Hugging Face hub, or \"sample\". \
               A model on the hub is taken from the local cache, or downloaded into it; HF_HOME, HF_ENDPOINT and HF_TOKEN mean what they mean to the hub's own tools.";
    let h = host.clone();
    define("load", &["path: string", "Model"], doc)
        .example("let m = load(\"sample\");")
        .example_not_run("load(\"HuggingFaceTB/SmolLM2-135M\")                        // downloaded once, then from the cache\nload(\"org/name/model-Q4_K_M.gguf\")                        // one file of a repository\nload(\"org/name\", #{ revision: \"v1.0\", local_files_only: true })")
        .register_into_engine(engine, move |name: &str| load(&h, name, Map::new()));
    let h = host.clone();
    define("load", &["path: string", "options: map", "Model"], doc)
        .options(&[LOAD])
        .example("let m = load(\"sample\", #{ backend: \"candle\", context: 256 });")
        .register_into_engine(engine, move |name: &str, options: Map| load(&h, name, options));
    define("unload", &["m: Model"], "Gives a model's memory back. Sessions of it live on until they go too.")
        .example("let big = load(\"sample\");\nunload(big);")
        .register_into_engine(engine, |m: &mut ModelHandle| m.unload());
    let doc = "Where the built-in sample model lies as a file: \"gguf\" or \"safetensors\".";
    define("sample_path", &["form: string", "string"], doc)
        .example("open(sample_path(\"gguf\"))")
        .register_into_engine(engine, |form: &str| {
            let form = match form {
                "gguf" => Form::Gguf,
                "safetensors" => Form::Hub,
                other => {
                    let found = format!("{other:?}");
                    return Err(raise(Error::argument("sample_path", "\"gguf\" or \"safetensors\"", found)));
                }
            };
            guard(|| minerva_engine::sample::path(form)).map(|p| p.display().to_string())
        });
}

fn load(host: &Host, name: &str, options: Map) -> ScriptResult<ModelHandle> {
    let options = load_options(options)?;
    let model = guard(|| model::load(name, &options, &host.control()))?;
    Ok(ModelHandle::new(name, model))
}

fn load_options(map: Map) -> ScriptResult<LoadOptions> {
    let mut o = Options::of("load", &[LOAD], map);
    let mut options = LoadOptions::default();
    if let Some(backend) = o.get::<String>("backend")? {
        options.backend = backend.parse().map_err(raise)?;
    }
    if let Some(device) = o.get::<String>("device")? {
        options.device = device.parse().map_err(raise)?;
    }
    if let Some(dtype) = o.get::<String>("dtype")? {
        options.dtype = dtype.parse().map_err(raise)?;
    }
    if let Some(name) = o.get::<String>("quantize")? {
        let unknown = || {
            raise(Error::argument("load: option quantize", "a type such as \"Q4_0\" or \"Q8_0\"", format!("{name:?}")))
        };
        options.quantize = Some(DType::from_name(&name.to_uppercase()).ok_or_else(unknown)?);
    }
    if let Some(form) = o.get::<String>("activations")? {
        options.activations = form.parse().map_err(raise)?;
    }
    options.context = count(&mut o, "context", "tokens", MOST_CONTEXT)?;
    options.threads = count(&mut o, "threads", "threads", MOST_THREADS)?;
    options.gpu_layers = o.get("gpu_layers")?;
    options.flash_attention = o.get("flash_attention")?;
    options.cache_type = o.get("cache_type")?;
    options.memory_check = o.get("memory_check")?.unwrap_or(true);
    options.hub.revision = o.get("revision")?;
    options.hub.local_files_only = o.get("local_files_only")?.unwrap_or(false);
    o.finish()?;
    Ok(options)
}

/// llama.cpp counts positions in 32 bits, and rounds up.
const MOST_CONTEXT: usize = i32::MAX as usize - 256;
/// More threads than llama.cpp's kernels can count, and far more than help.
const MOST_THREADS: usize = 512;

/// A number of things of which there is at least one.
fn count(o: &mut Options, name: &'static str, things: &str, most: usize) -> ScriptResult<Option<usize>> {
    match o.get::<usize>(name)? {
        Some(n) if !(1..=most).contains(&n) => {
            let expected = format!("a number of {things} from 1 to {most}, or nothing for the usual one");
            Err(o.wrong(name, &expected, &Dynamic::from(n as i64)))
        }
        n => Ok(n),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use crate::session::{Execute, Session, SessionOptions};
    use std::sync::Arc;

    #[test]
    fn odd_numbers_are_met_with_what_is_expected() {
        let mut session = Session::new(SessionOptions::default());
        let mut says = |options: &str| {
            let cell = Execute::cell(format!("load(\"sample\", #{{ {options} }})"), "In[1]");
            session.execute(&cell, Arc::new(|_| {})).result.unwrap_err().evalue
        };
        for (options, expected) in [
            (
                "context: 0",
                "option context: expected a number of tokens from 1 to 2147483391, or nothing for the usual one, found int 0",
            ),
            ("context: -5", "option context: expected a number of tokens from 1 on, found int -5"),
            ("threads: 513", "option threads: expected a number of threads from 1 to 512"),
            ("threads: 1.5", "option threads: expected a number of threads from 1 on, found float 1.5"),
        ] {
            let said = says(options);
            assert!(said.contains(expected), "{options}: {said}");
        }
    }
}
