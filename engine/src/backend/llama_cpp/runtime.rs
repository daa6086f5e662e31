//! What is set up once per process: llama.cpp itself, and the devices it found.

use super::guard;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_sys_2 as sys;
use std::ffi::{CStr, c_char};
use std::sync::OnceLock;

/// A device llama.cpp can compute on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its name as scripts say it: `cpu`, `cuda:0`, `metal:0`.
    pub name: String,
    /// What it is, from its driver.
    pub description: String,
    /// Whether it is a graphics processor.
    pub gpu: bool,
    /// Bytes of its memory that are free.
    pub free: u64,
    /// Bytes of its memory.
    pub total: u64,
}

/// Starts llama.cpp, the first time it is called; it runs until the process ends.
pub fn init() {
    static BACKEND: OnceLock<Option<LlamaBackend>> = OnceLock::new();
    BACKEND.get_or_init(|| {
        guard::install();
        // Refused only when it runs already, which is what was wanted.
        LlamaBackend::init().ok()
    });
}

/// Every device of this build, the processor included.
pub fn devices() -> Vec<DeviceInfo> {
    init();
    handles().into_iter().map(describe).collect()
}

/// ggml's handles of every device.
pub fn handles() -> Vec<sys::ggml_backend_dev_t> {
    // SAFETY: the registry is initialized by `init`, and `get` is asked for indices below its count.
    unsafe { (0..sys::ggml_backend_dev_count()).map(|i| sys::ggml_backend_dev_get(i)).collect() }
}

/// What a handle is.
pub fn describe(handle: sys::ggml_backend_dev_t) -> DeviceInfo {
    let (mut free, mut total) = (0usize, 0usize);
    // SAFETY: a handle from the registry stays valid; both strings are static inside ggml.
    let (name, description, kind) = unsafe {
        sys::ggml_backend_dev_memory(handle, &mut free, &mut total);
        (
            text(sys::ggml_backend_dev_name(handle)),
            text(sys::ggml_backend_dev_description(handle)),
            sys::ggml_backend_dev_type(handle),
        )
    };
    let gpu = kind == sys::GGML_BACKEND_DEVICE_TYPE_GPU || kind == sys::GGML_BACKEND_DEVICE_TYPE_IGPU;
    DeviceInfo { name: script_name(&name), description, gpu, free: free as u64, total: total as u64 }
}

/// `CUDA0` -> `cuda:0`, `Metal` -> `metal:0`, `CPU` -> `cpu`.
fn script_name(name: &str) -> String {
    let name = name.to_lowercase();
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    match (letters, name.get(letters.len()..).unwrap_or_default()) {
        ("cpu", _) => "cpu".into(),
        ("mtl", n) => format!("metal:{}", if n.is_empty() { "0" } else { n }),
        (kind, n) => format!("{kind}:{}", if n.is_empty() { "0" } else { n }),
    }
}

fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: ggml's device strings are NUL-terminated and static.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_processor_is_always_a_device() {
        let all = devices();
        let cpu = all.iter().find(|d| d.name == "cpu").unwrap();
        assert!(!cpu.gpu && cpu.total > 0, "{all:?}");
    }

    #[test]
    fn device_names_read_as_in_scripts() {
        assert_eq!(script_name("CUDA0"), "cuda:0");
        assert_eq!(script_name("Vulkan1"), "vulkan:1");
        assert_eq!(script_name("Metal"), "metal:0");
        assert_eq!(script_name("CPU"), "cpu");
    }
}
