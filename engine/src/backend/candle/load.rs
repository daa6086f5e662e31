//! From a file of weights and a configuration to a backend.

use super::options::CandleOptions;
use super::sequence::CandleSequence;
use crate::backend::{Backend, BackendKind, ModelInfo, Sequence, context_for, default_threads};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::TensorFile;
use crate::transformer::{Config, FileSource, Footprint, Names, Naming, Spec, Storage, Transformer, Weights, arch};
use candle_core::DeviceLocation;
use std::sync::Arc;

/// Where the configuration of a model stands.
#[derive(Debug, Clone, Copy)]
pub enum ConfigSource<'a> {
    /// In the metadata of the GGUF file itself.
    Gguf,
    /// In a hub `config.json`, parsed.
    Hub(&'a serde_json::Map<String, serde_json::Value>),
}

/// What a model is, from its configuration alone: no weights are read.
///
/// # Errors
/// The configuration is incomplete or contradicts itself, or the architecture cannot be computed here.
pub fn spec(file: &dyn TensorFile, config: ConfigSource) -> Result<Spec> {
    match config {
        ConfigSource::Gguf => arch::from_gguf(file),
        ConfigSource::Hub(map) => {
            let folder = if file.path().is_dir() { Some(file.path()) } else { file.path().parent() };
            let path = folder.unwrap_or(file.path()).join("config.json");
            arch::from_hub(&Config::hub(map, &path))
        }
    }
}

/// Loads a model. On the CPU, matrices are used where they lie in the file's mapping.
///
/// # Errors
/// As [`spec`], and when weights are missing, of the wrong shape, of a type that cannot be computed, or not part of the
/// architecture.
pub fn load(
    file: Arc<dyn TensorFile>,
    config: ConfigSource,
    options: &CandleOptions,
    control: &Control,
) -> Result<Arc<dyn Backend>> {
    let spec = spec(&*file, config)?;
    let naming = match config {
        ConfigSource::Gguf => Naming::Gguf,
        ConfigSource::Hub(_) => Naming::Hub,
    };
    let names = Names::in_file(&spec, naming, &*file);
    let storage = Storage { dtype: options.dtype, quantize: options.quantize };
    let mut source = FileSource::new(file.clone(), &spec, &names, storage, &options.device, control)?;
    let weights = Weights::build(&spec, &names, &mut source)?;
    let footprint = source.footprint().clone();
    let context = context_for(options.context, spec.context_trained);
    let threads = options.threads.unwrap_or_else(default_threads).max(1);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("candle-{i}"))
        .build()
        .map_err(|e| Error::backend("candle", format!("cannot start {threads} threads: {e}")))?;
    let info = info(&spec, &footprint, context, threads, options);
    let model = Transformer::new(spec, weights, context, &options.device)?;
    let cache = if options.half_cache { candle_core::DType::F16 } else { candle_core::DType::F32 };
    let model = model.with_cache_type(cache);
    source.finish();
    Ok(Arc::new(CandleBackend(Arc::new(Loaded { model, pool, info }))))
}

fn info(spec: &Spec, footprint: &Footprint, context: usize, threads: usize, options: &CandleOptions) -> ModelInfo {
    ModelInfo {
        architecture: spec.architecture.clone(),
        name: spec.name.clone(),
        parameters: footprint.parameters,
        vocab_size: spec.vocab_size,
        hidden_size: spec.hidden_size,
        layers: spec.layers.len(),
        heads: spec.heads,
        kv_heads: spec.kv_heads,
        context,
        context_trained: spec.context_trained,
        dtype: footprint.main_dtype().map_or_else(String::new, |d| d.name().to_owned()),
        device: match options.device.location() {
            DeviceLocation::Cpu => "cpu".to_owned(),
            DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
            DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
        },
        threads,
        bytes_mapped: footprint.mapped,
        bytes_allocated: footprint.allocated,
        kv_bytes_per_token: spec.kv_bytes_per_token(options.cache_width()),
    }
}

/// A loaded model, shared by its sequences.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) model: Transformer,
    pool: rayon::ThreadPool,
    info: ModelInfo,
}

impl Loaded {
    /// Runs `work` on the threads of this load, which stay awake through the many short parallel parts of a pass.
    pub(super) fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }
}

#[derive(Debug)]
struct CandleBackend(Arc<Loaded>);

impl Backend for CandleBackend {
    fn kind(&self) -> BackendKind {
        BackendKind::Candle
    }

    fn info(&self) -> &ModelInfo {
        &self.0.info
    }

    fn sequence(&self) -> Result<Box<dyn Sequence>> {
        Ok(Box::new(CandleSequence::new(self.0.clone())))
    }
}
