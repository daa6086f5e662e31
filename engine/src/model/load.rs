//! From a path to a [`Model`]: detect, route, read, check, load.

use super::{BackendChoice, DeviceChoice, LoadOptions, Model, WeightDType, resolve};
use crate::Token;
use crate::backend::candle::ConfigSource;
use crate::backend::{self, Backend, BackendKind, HAS_LLAMA_CPP, route};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::{self, DType, Detected, Format, QUANTIZABLE, TensorFile, gguf::GgufFile, hub::HubFolder};
use crate::memory;
use crate::sample;
use crate::tokenizer::Tokenizer;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// What to do when a model does not fit.
const HELP: &str = "unload a model, lower #{ context: … }, take a smaller quantization, or load with #{ memory_check: false } to try all the same";

/// What a model file is once it is opened: everything a backend needs, and no weight read yet.
#[derive(Debug)]
enum Source {
    Gguf(Arc<GgufFile>),
    Hub(Box<HubFolder>),
}

impl Source {
    fn open(detected: &Detected) -> Result<Self> {
        Ok(match detected.format {
            Format::Gguf => Self::Gguf(Arc::new(GgufFile::open(&detected.path)?)),
            Format::HubFolder => Self::Hub(Box::new(HubFolder::open(&detected.path)?)),
            // Weights alone are no model: their folder has the config and the tokenizer.
            Format::Safetensors | Format::PyTorch | Format::ShardIndex => {
                Self::Hub(Box::new(HubFolder::around(format::open(&detected.path)?)?))
            }
        })
    }

    fn file(&self) -> Arc<dyn TensorFile> {
        match self {
            Self::Gguf(file) => file.clone(),
            Self::Hub(folder) => folder.weights.clone(),
        }
    }

    fn config(&self) -> ConfigSource<'_> {
        match self {
            Self::Gguf(_) => ConfigSource::Gguf,
            Self::Hub(folder) => ConfigSource::Hub(&folder.config),
        }
    }

    fn tokenizer(&self) -> Result<Tokenizer> {
        match self {
            Self::Gguf(file) => Tokenizer::from_gguf(file.metadata(), file.path()),
            Self::Hub(folder) => match &folder.tokenizer_json {
                Some(path) => Ok(Tokenizer::from_file(path, folder.tokenizer_config.as_ref())?
                    .with_end_of_generation(end_tokens(folder))),
                None => Err(Error::format(folder.weights.path(), "expected a tokenizer.json beside the weights, found none")
                    .with_help("copy it from the model's repository; a model with only a tokenizer.model needs converting to GGUF first")),
            },
        }
    }
}

/// The end-of-generation tokens that `generation_config.json` and `config.json` name: one id or a list.
fn end_tokens(folder: &HubFolder) -> Vec<Token> {
    let generation = folder.generation_config.as_ref().and_then(|c| c.get("eos_token_id"));
    let ids = |value: &serde_json::Value| -> Vec<Token> {
        let id = |v: &serde_json::Value| v.as_u64().and_then(|n| Token::try_from(n).ok());
        value.as_array().map_or_else(|| id(value).into_iter().collect(), |all| all.iter().filter_map(id).collect())
    };
    generation.or_else(|| folder.config.get("eos_token_id")).map(ids).unwrap_or_default()
}

/// Loads a model. `name` is a path, `"sample"`, or a name on the hub: taken from the local cache, or downloaded into it.
///
/// Weights are mapped where the backend can use them in place. Before anything is allocated, what the load needs is held
/// against what is free.
///
/// # Errors
/// Everything that can be wrong with a file, with the options, or between the two; see [`Error`].
pub fn load(name: &str, options: &LoadOptions, control: &Control) -> Result<Model> {
    let start = Instant::now();
    let path = if name == "sample" { sample_for(options)? } else { resolve(name, &options.hub, control)? };
    let detected = format::detect(&path)?;
    let plan = route(detected.format, options.backend)?;
    let source = Source::open(&detected)?;
    let tokenizer = source.tokenizer()?;

    let mut first_error: Option<Error> = None;
    for kind in &plan.backends {
        match load_on(*kind, &source, options, control) {
            Ok(backend) => {
                tokenizer.check_fits(backend.info().vocab_size)?;
                let (context, trained) = (backend.info().context, backend.info().context_trained);
                if context > trained {
                    control.warn(format!(
                        "a context of {context} is more than the {trained} tokens this model was trained for: expect nonsense past them"
                    ));
                }
                let why = match first_error {
                    Some(e) => format!("{kind} took it, because the first choice could not: {e}"),
                    None => plan.why,
                };
                if plan.backends.first() != Some(kind) {
                    control.warn(why.clone());
                }
                return Ok(Model::new(source.file(), tokenizer, backend, why, start.elapsed()));
            }
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(second) => {
                first_error = Some(match first_error {
                    None => second,
                    Some(first) => Error::unsupported(
                        format!(
                            "no backend can take this file\n{}: {first}\n{kind}: {second}",
                            plan.backends.first().map_or("first", |k| k.name())
                        ),
                        "",
                    ),
                });
            }
        }
    }
    let error = first_error.unwrap_or_else(|| Error::unsupported("no backend takes this file", ""));
    Err(advise(error, &detected, options))
}

/// The form of the sample model that the backend asked for reads by itself.
fn sample_for(options: &LoadOptions) -> Result<PathBuf> {
    sample::path(match options.backend {
        BackendChoice::Only(BackendKind::Candle) => sample::Form::Hub,
        _ => sample::Form::Gguf,
    })
}

fn load_on(kind: BackendKind, source: &Source, options: &LoadOptions, control: &Control) -> Result<Arc<dyn Backend>> {
    control.check()?;
    let file = source.file();
    let name = file.path().file_name().map_or_else(|| "the model".into(), |n| n.to_string_lossy().into_owned());
    let room =
        |needs: u64| if options.memory_check { memory::check(&format!("loading {name}"), needs, HELP) } else { Ok(()) };
    match kind {
        BackendKind::Candle => {
            only_for_llama_cpp(options)?;
            let options = candle_options(options)?;
            room(backend::candle::memory_needs(&*file, source.config(), &options)?)?;
            backend::candle::load(file, source.config(), &options, control)
        }
        #[cfg(feature = "llama-cpp")]
        BackendKind::LlamaCpp => {
            only_for_candle(options)?;
            let options = llama_options(options)?;
            room(backend::llama_cpp::memory_needs(&*file, &options)?.total())?;
            backend::llama_cpp::load(&*file, &options, control)
        }
        #[cfg(not(feature = "llama-cpp"))]
        BackendKind::LlamaCpp => Err(Error::unsupported("this build does not contain llama.cpp", "")),
    }
}

/// As [`only_for_llama_cpp`], the other way round.
#[cfg(feature = "llama-cpp")]
fn only_for_candle(options: &LoadOptions) -> Result<()> {
    let given = [
        ("dtype", options.dtype != WeightDType::Auto),
        ("quantize", options.quantize.is_some()),
        ("activations", options.activations != super::Activations::Auto),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((name, _)) => Err(Error::unsupported(
            format!(
                "the option {name} is candle's: llama_cpp computes with weights as the file stores them, in its own way"
            ),
            format!("leave {name} out, or use #{{ backend: \"candle\" }}"),
        )),
    }
}

/// A choice that would have no effect is refused, not ignored.
fn only_for_llama_cpp(options: &LoadOptions) -> Result<()> {
    let given = [("gpu_layers", options.gpu_layers.is_some()), ("flash_attention", options.flash_attention.is_some())];
    match given.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((name, _)) => Err(Error::unsupported(
            format!("the option {name} is llama_cpp's, and this model runs on candle"),
            format!("leave {name} out, or use #{{ backend: \"llama_cpp\" }} with a GGUF file"),
        )),
    }
}

fn candle_options(options: &LoadOptions) -> Result<backend::candle::CandleOptions> {
    let half_cache = match options.cache_type.as_deref() {
        None | Some("f32") => false,
        Some("f16") => true,
        Some(other) => {
            return Err(Error::unsupported(
                format!("the candle backend does not keep keys and values as {other:?}"),
                "it has \"f32\" and \"f16\"; llama_cpp has this one",
            ));
        }
    };
    if options.quantize.is_some() && options.dtype != WeightDType::Auto {
        return Err(Error::unsupported("quantize and dtype exclude each other", "leave one of them out"));
    }
    if let Some(dtype) = options.quantize.filter(|d| !QUANTIZABLE.contains(d) || !d.is_quantized()) {
        let names: Vec<&str> = QUANTIZABLE.iter().filter(|d| d.is_quantized()).map(|d| d.name()).collect();
        return Err(Error::argument("quantize", format!("one of {}", names.join(", ")), dtype.name()));
    }
    Ok(backend::candle::CandleOptions {
        context: options.context,
        threads: options.threads,
        device: candle_device(options.device)?,
        dtype: match options.dtype {
            WeightDType::Auto => None,
            WeightDType::F32 => Some(DType::F32),
            WeightDType::F16 => Some(DType::F16),
            WeightDType::BF16 => Some(DType::BF16),
        },
        quantize: options.quantize,
        activations: options.activations,
        half_cache,
    })
}

fn candle_device(choice: DeviceChoice) -> Result<candle_core::Device> {
    use candle_core::Device;
    let missing = |e: candle_core::Error, feature: &str| {
        Error::from(e).with_help(format!(
            "this needs such a device and a build with --features {feature}; #{{ device: \"cpu\" }} always works"
        ))
    };
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda(n) => Device::new_cuda(n).map_err(|e| missing(e, "cuda")),
        DeviceChoice::Metal => Device::new_metal(0).map_err(|e| missing(e, "metal")),
        DeviceChoice::Auto => Ok(Device::new_cuda(0).or_else(|_| Device::new_metal(0)).unwrap_or(Device::Cpu)),
    }
}

#[cfg(feature = "llama-cpp")]
fn llama_options(options: &LoadOptions) -> Result<backend::llama_cpp::LlamaOptions> {
    use backend::llama_cpp::{CacheType, Device, FlashAttention, LlamaOptions};
    let cache_type = options.cache_type.as_deref().map(CacheType::parse).transpose()?.unwrap_or_default();
    Ok(LlamaOptions {
        cache_type,
        context: options.context,
        threads: options.threads,
        device: match options.device {
            DeviceChoice::Auto => Device::Auto,
            DeviceChoice::Cpu => Device::Cpu,
            DeviceChoice::Cuda(n) => Device::Named(format!("cuda:{n}")),
            DeviceChoice::Metal => Device::Named("metal".into()),
        },
        gpu_layers: options.gpu_layers,
        flash_attention: match options.flash_attention {
            None => FlashAttention::Auto,
            Some(true) => FlashAttention::On,
            Some(false) => FlashAttention::Off,
        },
        ..LlamaOptions::default()
    })
}

/// A refusal by the only backend that was tried: says that there is another one.
fn advise(error: Error, detected: &Detected, options: &LoadOptions) -> Error {
    let another = detected.format == Format::Gguf && HAS_LLAMA_CPP && options.backend == BackendChoice::Auto;
    match &error {
        Error::Backend { help, .. } if another && help.is_empty() => error.with_help(
            "another backend may take it: #{ backend: \"candle\" }, or #{ backend: \"fallback\" } to try both",
        ),
        _ => error,
    }
}
