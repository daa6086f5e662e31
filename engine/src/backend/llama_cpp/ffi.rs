//! llama.cpp's entry points, declared as functions that may unwind.
//!
//! `llama-cpp-sys-2` declares them `extern "C"`, across which unwinding aborts the process. ggml's answer to a failed
//! assertion is an abort callback, and the one that `guard` installs leaves by unwinding: every function through which
//! an assertion can fail is therefore declared again here, with the same signature and the `"C-unwind"` ABI.

use llama_cpp_sys_2 as sys;
use std::ffi::{c_char, c_void};

/// ggml's abort callback, allowed to unwind.
pub type AbortCallback = extern "C-unwind" fn(message: *const c_char);

unsafe extern "C-unwind" {
    pub fn ggml_set_abort_callback(callback: Option<AbortCallback>) -> Option<AbortCallback>;
    pub fn llama_model_load_from_file(path: *const c_char, params: sys::llama_model_params) -> *mut sys::llama_model;
    pub fn llama_init_from_model(
        model: *mut sys::llama_model,
        params: sys::llama_context_params,
    ) -> *mut sys::llama_context;
    pub fn llama_free(context: *mut sys::llama_context);
    pub fn llama_decode(context: *mut sys::llama_context, batch: sys::llama_batch) -> i32;
    pub fn llama_get_logits(context: *mut sys::llama_context) -> *mut f32;
    pub fn llama_memory_seq_rm(memory: sys::llama_memory_t, seq: i32, from: i32, to: i32) -> bool;
    pub fn llama_memory_seq_cp(memory: sys::llama_memory_t, from: i32, to: i32, p0: i32, p1: i32);
    pub fn llama_state_seq_get_size(context: *mut sys::llama_context, seq: i32) -> usize;
    pub fn llama_state_seq_get_data(context: *mut sys::llama_context, out: *mut u8, size: usize, seq: i32) -> usize;
    pub fn llama_state_seq_set_data(context: *mut sys::llama_context, data: *const u8, size: usize, seq: i32) -> usize;
    #[cfg(test)]
    pub fn ggml_abort(file: *const c_char, line: i32, format: *const c_char, ...) -> !;
}

/// A pointer for a callback's `user_data`.
pub fn user_data<T>(value: &T) -> *mut c_void {
    std::ptr::from_ref(value).cast_mut().cast()
}
