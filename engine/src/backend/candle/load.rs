//! From a file of weights and a configuration to a backend.

use super::gradients;
use super::hooked;
use super::options::CandleOptions;
use super::pool::Pool;
use super::sequence::CandleSequence;
use crate::Token;
use crate::backend::{
    Backend, BackendKind, Gradients, Logits, Metric, ModelInfo, Sequence, context_for, default_threads,
};
use crate::control::Control;
use crate::error::Result;
use crate::format::TensorFile;
use crate::transformer::{
    Config, FileSource, Footprint, HookPoint, Names, Naming, Point, Spec, Steering, Storage, Tap, Transformer, Weights,
    arch,
};
use candle_core::{DeviceLocation, Tensor};
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
    let storage =
        Storage { dtype: options.dtype, quantize: options.quantize, rounding: options.activations.rounding() };
    let mut source = FileSource::new(file.clone(), &spec, &names, storage, &options.device, control)?;
    let weights = Weights::build(&spec, &names, &mut source)?;
    let footprint = source.footprint().clone();
    let context = context_for(options.context, spec.context_trained);
    let threads = options.threads.unwrap_or_else(default_threads).max(1);
    let pool = Pool::new(threads)?;
    let info = info(&spec, &footprint, context, threads, options);
    let model = Transformer::new(spec, weights, context, &options.device)?;
    let cache = if options.half_cache { candle_core::DType::F16 } else { candle_core::DType::F32 };
    let model = model.with_cache_type(cache);
    source.finish();
    let points = model.hook_points();
    let (model, points, pool) = (Arc::new(model), points.into(), Arc::new(pool));
    Ok(Arc::new(CandleBackend(Arc::new(Loaded { model, points, pool, steering: Steering::default(), info }))))
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

/// A loaded model, shared by its sequences. A copy is the same model.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub(super) model: Arc<Transformer>,
    pub(super) points: Arc<[HookPoint]>,
    pub(super) pool: Arc<Pool>,
    pub(super) steering: Steering,
    info: ModelInfo,
}

impl Loaded {
    /// For a pass that nobody looks into.
    pub(super) fn tap(&self) -> Tap<'_> {
        Tap::none().steered(&self.steering)
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

    fn hook_points(&self) -> Result<Vec<HookPoint>> {
        Ok(self.0.points.to_vec())
    }

    fn batch(&self, prompts: &[Vec<Token>], control: &Control) -> Result<Vec<Logits>> {
        hooked::batch(&self.0, prompts, control)
    }

    fn unembed(&self, residual: &Tensor, control: &Control) -> Result<Logits> {
        hooked::unembed(&self.0, residual, control)
    }

    fn gradients(
        &self,
        tokens: &[Token],
        points: &[(Point, usize)],
        position: usize,
        metric: &Metric<'_>,
        control: &Control,
    ) -> Result<Gradients> {
        gradients::gradients(&self.0, tokens, points, position, metric, control)
    }

    fn steered(&self, additions: &[(Point, usize, Tensor)]) -> Result<Arc<dyn Backend>> {
        let mut loaded = Loaded::clone(&self.0);
        for (point, layer, value) in additions {
            let value = value.to_dtype(candle_core::DType::F32)?.to_device(loaded.model.device())?;
            loaded.steering.push(*point, *layer, &value)?;
        }
        Ok(Arc::new(Self(Arc::new(loaded))))
    }
}
