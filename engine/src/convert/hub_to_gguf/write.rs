//! From a folder to a file.

use super::plan::{Plan, Recipe};
use super::{differences, metadata, rows, vocabulary};
use crate::control::Control;
use crate::convert::requantize::file_type;
use crate::convert::target::Targets;
use crate::error::{Error, Result};
use crate::format::gguf::{Value, Writer};
use crate::format::hub::HubFolder;
use crate::format::{DType, TensorInfo};
use crate::transformer::arch::{self, GgufForm};
use crate::transformer::{Config, Naming, Spec, check_weights};
use std::path::Path;

/// What a caller may choose about a GGUF file made of a hub folder.
#[derive(Debug, Clone, Default)]
pub struct GgufOptions {
    /// `general.name`; `None`: what the configuration says, or the folder's name.
    pub name: Option<String>,
    /// Write a file without a vocabulary where the folder has no tokenizer, or none that GGUF can hold. Such a file takes
    /// and gives token ids, not text.
    pub without_vocabulary: bool,
    /// More keys, such as `general.license`; they replace what would be written.
    pub metadata: Vec<(String, Value)>,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GgufReport {
    /// `general.architecture` of the file.
    pub architecture: String,
    /// Number of tensors.
    pub tensors: usize,
    /// What llama.cpp will compute otherwise than the folder means, in words. Each was emitted as a warning too.
    pub differences: Vec<String>,
}

/// Writes the model in `folder` as the GGUF file `to`, its weight matrices stored as `dtype`.
///
/// Norms, biases, routers and learned positions become F32; a matrix whose rows do not fill the blocks of `dtype` takes
/// the next larger type that they fill, F16 at last; a warning counts them. One tensor is in memory at a time; `to` appears
/// whole or not at all.
///
/// # Errors
/// The architecture is not known, GGUF has no form for it or for this model, weights are missing or of the wrong shape,
/// there is no tokenizer that GGUF can hold (unless allowed), `dtype` cannot be written, values are not finite, the
/// system refuses, or [`Error::Interrupted`].
pub fn hub_to_gguf(
    folder: &HubFolder,
    to: impl AsRef<Path>,
    dtype: DType,
    options: &GgufOptions,
    control: &Control,
) -> Result<GgufReport> {
    let file_type = file_type(dtype)?;
    let (spec, form, path) = read(folder)?;
    let names = crate::transformer::Names::in_file(&spec, Naming::Hub, &*folder.weights);
    check_weights(&*folder.weights, &spec, &names)?;
    let plan = Plan::new(&spec, form, names)?;
    let differences = differences::find(&spec, form, plan.folds_scale());

    let mut writer = Writer::new();
    metadata::write(&mut writer, &spec, form, dtype, file_type)?;
    writer.metadata("general.name", name(options, &spec, &path))?;
    for (key, value) in vocabulary::keys(folder, spec.vocab_size, options.without_vocabulary, control)? {
        writer.metadata(&key, value)?;
    }
    for (key, value) in &options.metadata {
        writer.metadata(key, value.clone())?;
    }
    for (name, values) in metadata::tables(&spec, form)? {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        writer.tensor(&name, DType::F32, &[values.len()], bytes)?;
    }
    let recipes = plan.recipes()?;
    let tensors = recipes.len();
    let mut targets = Targets::new(dtype);
    for recipe in recipes {
        let dtype = dtype_of(&recipe, &mut targets);
        let (name, shape) = (recipe.name.clone(), recipe.shape.clone());
        let weights = &*folder.weights;
        writer.tensor_with(&name, dtype, &shape, move || rows::make(weights, &recipe, dtype, control))?;
    }
    for difference in &differences {
        control.warn(format!("llama.cpp and this GGUF file: {difference}"));
    }
    writer.write_with(to, control)?;
    targets.tell(control);
    Ok(GgufReport { architecture: form.architecture.to_owned(), tensors, differences })
}

/// The spec of a folder, the form that GGUF gives it, and where its configuration stands.
fn read(folder: &HubFolder) -> Result<(Spec, &'static GgufForm, std::path::PathBuf)> {
    let weights = folder.weights.path();
    let path = if weights.is_dir() { weights } else { weights.parent().unwrap_or(weights) }.to_owned();
    let spec = arch::from_hub(&Config::hub(&folder.config, &path.join("config.json")))?;
    let Some(form) = arch::gguf_form(&spec.architecture) else {
        let what = format!("architecture {:?} in GGUF", spec.architecture);
        return Err(Error::unsupported(what, "use the folder itself: the candle backend runs it"));
    };
    if let Some(reason) = refused(&spec, form) {
        let what = format!("this {} model in GGUF", spec.architecture);
        return Err(Error::unsupported(what, format!("{reason}; use the folder itself: the candle backend runs it")));
    }
    Ok((spec, form, path))
}

/// Why GGUF cannot hold a model, if it cannot.
fn refused(spec: &Spec, form: &GgufForm) -> Option<String> {
    if let Some(reason) = (form.refuses)(spec) {
        return Some(reason.to_owned());
    }
    let architecture = form.architecture;
    let unread = [
        (spec.output_bias && !form.output_bias, "bias of the projection out of attention"),
        (spec.mlp.bias && !form.mlp_bias, "biases of the MLP"),
        (!spec.tied && form.head == arch::Head::Shared, "output layer apart from the embedding"),
        (spec.head_bias && spec.tied, "bias of an output layer that is the embedding"),
    ];
    let unread = unread.into_iter().find(|(found, _)| *found);
    unread.map(|(_, what)| format!("llama.cpp reads no {what} in files of architecture {architecture:?}"))
}

fn name(options: &GgufOptions, spec: &Spec, path: &Path) -> String {
    let stated = options.name.clone().or_else(|| Some(spec.name.clone())).filter(|n| !n.is_empty());
    let folder = || path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    stated.unwrap_or_else(folder)
}

/// The type that a tensor gets.
fn dtype_of(recipe: &Recipe, targets: &mut Targets) -> DType {
    let info = TensorInfo { name: recipe.name.clone(), dtype: DType::F32, shape: recipe.shape.clone(), bytes: 0 };
    targets.of(&info)
}
