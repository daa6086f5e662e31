//! From a GGUF file to a backend.

use super::NAME;
use super::check::Header;
use super::context::Context;
use super::ffi;
use super::guard::{self, Log};
use super::memory::kv_bytes_per_token;
use super::options::LlamaOptions;
use super::sequence::LlamaSequence;
use super::step::{BATCH, Steps};
use super::warm::warm;
use crate::backend::{Backend, BackendKind, ModelInfo, Sequence};
use crate::backend::{context_for, default_threads};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::{DType, TensorFile};
use llama_cpp_sys_2 as sys;
use std::ffi::{CString, c_void};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

/// Forks that share a cache with their root. llama.cpp's bookkeeping per decode grows with the square of it.
const SEQUENCES: usize = 16;

/// A model that llama.cpp has loaded.
pub struct Model {
    pointer: NonNull<sys::llama_model>,
    options: LlamaOptions,
    info: ModelInfo,
    steps: Steps,
    shares_cache: bool,
}

// SAFETY: a loaded llama_model is only read; llama.cpp's contexts on other threads share it.
unsafe impl Send for Model {}
// SAFETY: as above.
unsafe impl Sync for Model {}

/// Loads a GGUF file through llama.cpp.
///
/// Progress is reported in bytes of weights; an interrupt stops the load. What llama.cpp refuses is an error with its own
/// reason, and so is an assertion that fails inside its loader.
pub fn load(file: &dyn TensorFile, options: &LlamaOptions, control: &Control) -> Result<Arc<dyn Backend>> {
    let header = Header::read(file)?;
    refuse_encoders(file, &header)?;
    let gpus = options.device.resolve()?;
    let path = file.path();
    let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    warm(path, &format!("read {name}"), control)?;

    // A null-terminated list; empty for the processor alone.
    let mut handles: Vec<sys::ggml_backend_dev_t> = gpus.iter().map(|(_, handle)| *handle).collect();
    handles.push(std::ptr::null_mut());
    let progress = Progress::new(control, format!("load {name}"), file.tensors().iter().map(|t| t.bytes).sum());
    // SAFETY: returns a plain struct.
    let mut params = unsafe { sys::llama_model_default_params() };
    params.devices = handles.as_mut_ptr();
    params.n_gpu_layers = options.gpu_layers.map_or(-1, |n| i32::try_from(n).unwrap_or(i32::MAX));
    params.load_mode = if options.no_mmap { sys::LLAMA_LOAD_MODE_NONE } else { sys::LLAMA_LOAD_MODE_AUTO };
    params.progress_callback = Some(on_progress);
    params.progress_callback_user_data = ffi::user_data(&progress);
    let c_path = c_path(path)?;
    // SAFETY: path, devices and progress live for the call, and llama.cpp keeps none of them.
    let (result, log) = guard::call(|| unsafe { ffi::llama_model_load_from_file(c_path.as_ptr(), params) });
    if let (Err(interrupted), Ok(Some(loaded))) = (control.check(), result.as_ref().map(|p| NonNull::new(*p))) {
        // SAFETY: just loaded, and nobody else has it.
        unsafe { sys::llama_model_free(loaded.as_ptr()) };
        return Err(interrupted);
    }
    control.check()?;
    let refused = |reason: String| Error::Backend {
        backend: NAME,
        problem: format!("{}: {reason}", path.display()),
        help: help_for(&reason),
    };
    let pointer = match result {
        Ok(pointer) => NonNull::new(pointer).ok_or_else(|| {
            refused(log.reason().unwrap_or_else(|| "llama.cpp refused the file without a reason".into()))
        })?,
        Err(aborted) => return Err(refused(format!("the file breaks an assumption of llama.cpp ({})", aborted.0))),
    };
    let device = gpus.first().map_or_else(|| "cpu".to_owned(), |(d, _)| d.name.clone());
    let threads = options.threads.unwrap_or_else(default_threads).max(1);
    let info = describe(file, &header, options, pointer, &log, device, threads);
    // SAFETY: a live model.
    let recurrent =
        unsafe { sys::llama_model_is_recurrent(pointer.as_ptr()) || sys::llama_model_is_hybrid(pointer.as_ptr()) };
    let model = Model {
        pointer,
        options: options.clone(),
        info,
        steps: Steps::new(&header, file, threads, !gpus.is_empty()),
        shares_cache: !recurrent,
    };
    let model = Arc::new(model);
    Context::probe(model.clone(), &control.interrupt).map_err(|e| about(path, e))?;
    progress.finish();
    Ok(Arc::new(LlamaCpp(model)))
}

/// Says which file a failed probe was about.
fn about(path: &Path, error: Error) -> Error {
    match error {
        Error::Backend { backend, problem, .. } => {
            Error::Backend { backend, help: help_for(&problem), problem: format!("{}: {problem}", path.display()) }
        }
        other => other,
    }
}

/// Encoders give embeddings and no next token; say so before gigabytes are read.
fn refuse_encoders(file: &dyn TensorFile, header: &Header) -> Result<()> {
    let key = format!("{}.attention.causal", header.architecture);
    let causal = file.metadata().get(&key).and_then(serde_json::Value::as_bool).unwrap_or(true);
    let encoder = file.tensors().iter().any(|t| t.name.starts_with("enc.blk."));
    if causal && !encoder {
        return Ok(());
    }
    Err(Error::unsupported(
        format!("{}: {} is an encoder and predicts no next token", file.path().display(), header.architecture),
        "its tensors can still be looked at with open(path).tensors()",
    ))
}

impl Model {
    /// llama.cpp's pointer.
    pub fn as_ptr(&self) -> *mut sys::llama_model {
        self.pointer.as_ptr()
    }

    /// Rows of the output layer.
    pub fn vocab(&self) -> usize {
        self.info.vocab_size
    }

    /// Tokens a sequence can hold.
    pub fn context(&self) -> usize {
        self.info.context
    }

    /// Batch sizes.
    pub fn steps(&self) -> &Steps {
        &self.steps
    }

    /// Sequences that share one cache. The state of a recurrent model is not made of tokens that could be shared.
    pub fn sequences_per_context(&self) -> usize {
        if self.shares_cache { SEQUENCES } else { 1 }
    }

    /// What every context of this load is made with. The abort callback is the context's to add.
    pub fn context_params(&self) -> sys::llama_context_params {
        // SAFETY: returns a plain struct.
        let mut params = unsafe { sys::llama_context_default_params() };
        let threads = i32::try_from(self.info.threads).unwrap_or(i32::MAX);
        let cells = self.info.context.next_multiple_of(256);
        params.n_ctx = u32::try_from(cells).unwrap_or(u32::MAX - 255);
        params.n_batch = BATCH as u32;
        params.n_ubatch = BATCH as u32;
        params.n_seq_max = self.sequences_per_context() as u32;
        params.kv_unified = true;
        params.n_outputs_max = self.steps.rows().min(BATCH) as u32;
        params.n_threads = threads;
        params.n_threads_batch = threads;
        params.flash_attn_type = self.options.flash_attention.to_sys();
        params.type_k = self.options.cache_type.to_sys();
        params.type_v = self.options.cache_type.to_sys();
        params
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: the model is ours, and every context holds an Arc of it.
        unsafe { sys::llama_model_free(self.pointer.as_ptr()) }
    }
}

/// The backend: a handle to the model.
struct LlamaCpp(Arc<Model>);

impl Backend for LlamaCpp {
    fn kind(&self) -> BackendKind {
        BackendKind::LlamaCpp
    }

    fn info(&self) -> &ModelInfo {
        &self.0.info
    }

    fn sequence(&self) -> Result<Box<dyn Sequence>> {
        Ok(Box::new(LlamaSequence::new(self.0.clone())?))
    }
}

impl std::fmt::Debug for LlamaCpp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LlamaCpp").field("info", &self.0.info).finish_non_exhaustive()
    }
}

/// What was loaded, from the header, from llama.cpp and from what it said about its buffers.
fn describe(
    file: &dyn TensorFile,
    header: &Header,
    options: &LlamaOptions,
    pointer: NonNull<sys::llama_model>,
    log: &Log,
    device: String,
    threads: usize,
) -> ModelInfo {
    // SAFETY: a live model.
    let (parameters, vocab) = unsafe {
        let vocab = sys::llama_model_get_vocab(pointer.as_ptr());
        (sys::llama_model_n_params(pointer.as_ptr()), sys::llama_vocab_n_tokens(vocab))
    };
    let (bytes_mapped, bytes_allocated) = buffers(log);
    let text = |key: &str| file.metadata().get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    ModelInfo {
        architecture: header.architecture.clone(),
        name: text("general.name"),
        parameters,
        vocab_size: usize::try_from(vocab).unwrap_or(header.vocab),
        hidden_size: header.hidden,
        layers: header.layers,
        heads: header.heads,
        kv_heads: header.kv_heads.iter().copied().find(|&n| n > 0).unwrap_or(0),
        context: context_for(options.context, header.context_trained),
        context_trained: header.context_trained,
        dtype: most_common(file).to_string(),
        device,
        threads,
        bytes_mapped,
        bytes_allocated,
        kv_bytes_per_token: kv_bytes_per_token(header, options),
    }
}

/// The type of most of the weights.
fn most_common(file: &dyn TensorFile) -> DType {
    let count = |d: DType| file.tensors().iter().filter(|t| t.dtype == d).map(|t| t.elements() as u64).sum::<u64>();
    DType::ALL.iter().copied().max_by_key(|&d| count(d)).unwrap_or(DType::F32)
}

/// Bytes mapped and bytes allocated for weights, from llama.cpp's lines
/// `CPU_Mapped model buffer size = 92.59 MiB` and `CPU_REPACK model buffer size = 20.25 MiB`.
fn buffers(log: &Log) -> (u64, u64) {
    let (mut mapped, mut allocated) = (0.0, 0.0);
    for line in log.lines() {
        let Some((buffer, size)) = line.split_once(" model buffer size =") else { continue };
        let Some(mib) = size.trim().strip_suffix("MiB").and_then(|n| n.trim().parse::<f64>().ok()) else { continue };
        *(if buffer.trim_end().ends_with("_Mapped") { &mut mapped } else { &mut allocated }) += mib;
    }
    let bytes = |mib: f64| (mib * f64::from(1 << 20)) as u64;
    (bytes(mapped), bytes(allocated))
}

/// What to do about llama.cpp's most frequent refusals.
fn help_for(reason: &str) -> String {
    let candle = "try #{ backend: \"candle\" }, or look at the file with open(path)";
    if reason.contains("unknown model architecture") {
        format!("this build's llama.cpp does not know that architecture; {candle}")
    } else if reason.contains("failed to allocate") || reason.contains("unable to allocate") {
        "a smaller quantization or fewer gpu_layers need less memory".into()
    } else {
        format!("the file may be damaged or made for another version; {candle}")
    }
}

fn c_path(path: &Path) -> Result<CString> {
    #[cfg(unix)]
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
    #[cfg(not(unix))]
    let bytes = path.to_str().ok_or_else(|| Error::argument("path", "UTF-8", path.display().to_string()))?.as_bytes();
    CString::new(bytes).map_err(|_| Error::argument("path", "no NUL characters", path.display().to_string()))
}

/// What the progress callback needs.
struct Progress<'a> {
    control: &'a Control,
    label: String,
    total: u64,
    /// Percent reported last, so that a thousand tensors do not make a thousand events.
    percent: std::cell::Cell<u64>,
}

impl<'a> Progress<'a> {
    fn new(control: &'a Control, label: String, total: u64) -> Self {
        Self { control, label, total, percent: std::cell::Cell::new(0) }
    }

    fn report(&self, fraction: f32) {
        let percent = (f64::from(fraction) * 100.0) as u64;
        // The end is reported once, when the model is there.
        if percent > self.percent.get() && percent < 100 {
            self.percent.set(percent);
            self.control.progress(&self.label, self.total * percent / 100, self.total, "B");
        }
    }

    fn finish(&self) {
        self.control.progress(&self.label, self.total, self.total, "B");
    }
}

/// llama.cpp's progress callback: reports, and stops the load by returning false.
extern "C" fn on_progress(fraction: f32, data: *mut c_void) -> bool {
    // SAFETY: the data is the Progress of the call that runs.
    let progress = unsafe { &*data.cast::<Progress<'_>>() };
    // A front end's event handler may panic; that must not cross llama.cpp's frames.
    let reported = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| progress.report(fraction)));
    reported.is_ok() && !progress.control.interrupt.is_raised()
}
