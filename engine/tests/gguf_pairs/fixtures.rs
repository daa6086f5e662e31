//! The checkpoints, what was computed for them, and the loads that tests compare.

use minerva_engine::backend::candle::{CandleOptions, ConfigSource, load};
use minerva_engine::backend::{Backend, Rows};
use minerva_engine::convert::{GgufOptions, GgufReport, hub_to_gguf};
use minerva_engine::format::hub::HubFolder;
use minerva_engine::format::{DType, Metadata, dequantize, open};
use minerva_engine::{Control, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why GGUF cannot hold a checkpoint; `hub_to_gguf` says so.
pub const REFUSED: &[(&str, &str)] =
    &[("falcon_alibi", "llama.cpp's Falcon has rotary embeddings, parallel halves and no biases, always")];

/// Why a file of a checkpoint cannot give the reference's logits, whoever reads it.
pub const UNSAYABLE: &[(&str, &str)] =
    &[("llama_dynamic", "GGUF has no dynamic scaling, and the reference is longer than the context of training")];

/// One checkpoint.
pub struct Fixture {
    pub name: String,
    folder: PathBuf,
}

/// What `transformers` computed.
pub struct Reference {
    pub ids: Vec<u32>,
    pub logits: Vec<f32>,
}

impl Fixture {
    pub fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/reference-models");
        let mut all: Vec<Self> = std::fs::read_dir(root)
            .unwrap()
            .map(|e| e.unwrap())
            .map(|e| Self { name: e.file_name().to_string_lossy().into_owned(), folder: e.path() })
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(all.len() >= 40, "the reference models are missing");
        all
    }

    /// All that GGUF can hold.
    pub fn writable() -> impl Iterator<Item = Self> {
        Self::all().into_iter().filter(|f| !has(REFUSED, &f.name))
    }

    pub fn write(&self, dtype: DType, to: &Path) -> Result<GgufReport> {
        self.write_edited(dtype, to, |_| {})
    }

    /// Writes the model that it would be with another configuration.
    pub fn write_edited(&self, dtype: DType, to: &Path, edit: fn(&mut Metadata)) -> Result<GgufReport> {
        let options = GgufOptions { without_vocabulary: true, ..GgufOptions::default() };
        let mut hub = HubFolder::open(&self.folder).unwrap();
        edit(&mut hub.config);
        hub_to_gguf(&hub, to, dtype, &options, &Control::default())
    }

    pub fn reference(&self) -> Reference {
        self.read("reference.safetensors").unwrap()
    }

    /// The reference of a prompt that is no longer than what the model was first trained for, where there is one.
    pub fn short_reference(&self) -> Option<Reference> {
        self.read("reference.short.safetensors")
    }

    fn read(&self, name: &str) -> Option<Reference> {
        let path = self.folder.join(name);
        if !path.exists() {
            return None;
        }
        let file = open(path).unwrap();
        let read = |name: &str| {
            let index = file.index_of(name).unwrap();
            let info = &file.tensors()[index];
            let mut values = vec![0.0; info.elements()];
            dequantize(info.dtype, file.data(index).unwrap(), &mut values).unwrap();
            values
        };
        let ids = read("input_ids").into_iter().map(|id| id as u32).collect();
        Some(Reference { ids, logits: read("logits") })
    }
}

/// Whether a table names a checkpoint.
pub fn has<T>(table: &[(&str, T)], name: &str) -> bool {
    table.iter().any(|(n, _)| *n == name)
}

/// A context for the reference's tokens, in which scaling that begins beyond the context of training is on.
pub fn context(tokens: usize) -> usize {
    tokens.max(64)
}

/// Our load of a GGUF file; `dtype` as in the file unless another is asked for.
pub fn ours(path: &Path, dtype: Option<DType>, context: usize) -> Arc<dyn Backend> {
    let options = CandleOptions { context: Some(context), threads: Some(2), dtype, ..CandleOptions::default() };
    load(open(path).unwrap(), ConfigSource::Gguf, &options, &Control::default())
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Logits of every position.
pub fn logits(backend: &dyn Backend, ids: &[u32]) -> Vec<f32> {
    backend.sequence().unwrap().feed(ids, Rows::All, &Control::default()).unwrap().into_data()
}

pub fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    // Not `max`, which would lose a NaN.
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |worst, d| if d <= worst { worst } else { d })
}

/// Normalized mean squared error.
pub fn nmse(a: &[f32], truth: &[f32]) -> f64 {
    assert_eq!(a.len(), truth.len());
    let power: f64 = truth.iter().map(|v| f64::from(*v).powi(2)).sum();
    a.iter().zip(truth).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>() / power
}

/// Whether an error is too large, or no number.
pub fn exceeds(error: f64, limit: f64) -> bool {
    error.is_nan() || error > limit
}

/// Panics with all that went wrong, so that one run tells everything.
pub fn report(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
