//! Calling into llama.cpp: what it logs is captured, and an abort inside it becomes an error.
//!
//! llama.cpp answers a file it refuses with a null pointer and a log line, and a broken invariant (`GGML_ASSERT`,
//! `GGML_ABORT`) by ending the process. Inside [`call`] the first keeps its log lines, and the second is caught: ggml
//! calls its abort callback before it aborts, and ours leaves by unwinding, through C++ frames whose destructors run.
//!
//! Two limits. An assertion that fails on a thread of llama.cpp's own (a worker of a parallel graph computation) cannot
//! be caught, since there is nobody below it on its stack; nor can one that fails in the calling thread inside a parallel
//! region, which the other threads would wait for. Both end the process as llama.cpp meant, with its message. So does
//! a fault of the processor, such as a division by zero: `check` keeps those away from the loader.

use super::ffi;
use llama_cpp_sys_2 as sys;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_void};
use std::panic::AssertUnwindSafe;

/// What a call that llama.cpp aborted says: `file:line: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aborted(pub String);

/// What llama.cpp logged during a call.
#[derive(Debug, Clone, Default)]
pub struct Log(Vec<Line>);

#[derive(Debug, Clone)]
struct Line {
    level: sys::ggml_log_level,
    text: String,
}

/// More than llama.cpp's loader says about the largest model; a runaway logger is cut off here.
const MAX_LINES: usize = 4096;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static LINES: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f`, which calls into llama.cpp, with its log captured and its aborts caught.
///
/// After an abort whatever `f` was working on is in an unknown state and must not be used again. Panics that are not
/// llama.cpp's pass through.
pub fn call<T>(f: impl FnOnce() -> T) -> (Result<T, Aborted>, Log) {
    let outermost = DEPTH.replace(DEPTH.get() + 1) == 0;
    if outermost {
        LINES.with_borrow_mut(Vec::clear);
    }
    let result = std::panic::catch_unwind(AssertUnwindSafe(f));
    DEPTH.set(DEPTH.get() - 1);
    let log = if outermost { Log(LINES.take()) } else { Log::default() };
    match result {
        Ok(value) => (Ok(value), log),
        Err(payload) => match payload.downcast::<Aborted>() {
            Ok(aborted) => (Err(*aborted), log),
            Err(other) => std::panic::resume_unwind(other),
        },
    }
}

impl Log {
    /// llama.cpp's own reason for a refusal: its first error line, or else its last warning, without function names.
    pub fn reason(&self) -> Option<String> {
        let errors = self.0.iter().filter(|l| l.level == sys::GGML_LOG_LEVEL_ERROR);
        let warnings = self.0.iter().rev().filter(|l| l.level == sys::GGML_LOG_LEVEL_WARN);
        errors.chain(warnings).map(|l| plain(&l.text)).find(|text| !text.is_empty())
    }

    /// Every line's text, without the function name in front.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|l| plain_ref(&l.text))
    }
}

/// `llama_model_load: error loading model: missing tensor` -> `missing tensor`.
fn plain(text: &str) -> String {
    let text = plain_ref(text);
    text.strip_prefix("error loading model: ").unwrap_or(text).trim().to_owned()
}

fn plain_ref(text: &str) -> &str {
    match text.split_once(": ") {
        Some((function, rest)) if function.chars().all(|c| c.is_ascii_alphanumeric() || "_:~<>".contains(c)) => rest,
        _ => text,
    }
}

/// llama.cpp's log callback: keeps the line for the [`call`] that runs on this thread, if one does.
pub extern "C" fn on_log(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if DEPTH.get() == 0 || text.is_null() || level == sys::GGML_LOG_LEVEL_DEBUG {
        return;
    }
    // SAFETY: llama.cpp passes a NUL-terminated string that lives for the call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    LINES.with_borrow_mut(|lines| {
        if level == sys::GGML_LOG_LEVEL_CONT {
            if let Some(last) = lines.last_mut() {
                last.text.push_str(text.trim_end_matches('\n'));
            }
        } else if lines.len() < MAX_LINES {
            lines.push(Line { level, text: text.trim_end().to_owned() });
        }
    });
}

/// ggml's abort callback: back to [`call`] where that is possible, else the message and the abort that ggml goes on to.
pub extern "C-unwind" fn on_abort(message: *const c_char) {
    let message = if message.is_null() {
        String::from("unknown reason")
    } else {
        // SAFETY: ggml passes a NUL-terminated string that lives for the call.
        unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned()
    };
    if DEPTH.get() > 0 && !in_parallel_region() {
        // resume_unwind and not panic!: no panic hook, nothing is printed.
        std::panic::resume_unwind(Box::new(Aborted(short(&message))));
    }
    // ggml aborts the process when this returns, and its own report is off while a callback is installed.
    let report = format!("llama.cpp: {message}\n");
    // SAFETY: the buffer is valid for its length; standard error is open or the write fails harmlessly.
    unsafe { libc::write(libc::STDERR_FILENO, report.as_ptr().cast(), report.len()) };
}

/// Drops the directories of the machine that built llama.cpp from `/long/path/file.cpp:12: message`.
fn short(message: &str) -> String {
    match message.split_once(": ") {
        Some((place, rest)) => format!("{}: {rest}", place.rsplit(['/', '\\']).next().unwrap_or(place)),
        None => message.to_owned(),
    }
}

/// Whether the calling thread is inside an OpenMP parallel region, whose other threads would wait for it for ever.
#[cfg(unix)]
fn in_parallel_region() -> bool {
    // Asked for by name, since a build without OpenMP has no such function to link.
    // SAFETY: a NUL-terminated name; OpenMP declares `int omp_in_parallel(void)`.
    unsafe {
        let symbol = libc::dlsym(libc::RTLD_DEFAULT, c"omp_in_parallel".as_ptr());
        if symbol.is_null() {
            return false;
        }
        let in_parallel: extern "C" fn() -> i32 = std::mem::transmute(symbol);
        in_parallel() != 0
    }
}

#[cfg(not(unix))]
fn in_parallel_region() -> bool {
    false
}

/// Installs both callbacks; once per process, before anything else of llama.cpp runs.
pub fn install() {
    // SAFETY: both callbacks are valid for the life of the process and use thread-local state alone.
    unsafe {
        sys::llama_log_set(Some(on_log), std::ptr::null_mut());
        ffi::ggml_set_abort_callback(Some(on_abort));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn an_abort_inside_ggml_becomes_an_error_and_the_process_goes_on() {
        super::super::runtime::init();
        let (result, _) = call(|| {
            // SAFETY: NUL-terminated strings, and a format without arguments. Never returns normally.
            unsafe { ffi::ggml_abort(c"/build/somewhere/ggml.c".as_ptr(), 7, c"GGML_ASSERT(false) failed".as_ptr()) }
        });
        let result: Result<(), Aborted> = result;
        assert_eq!(result, Err(Aborted("ggml.c:7: GGML_ASSERT(false) failed".into())));
        // and again: nothing was left behind by the first
        let (result, _) = call(|| 5);
        assert_eq!(result, Ok(5));
    }

    #[test]
    fn other_panics_pass_through() {
        let outcome = std::panic::catch_unwind(|| call(|| std::panic::resume_unwind(Box::new("mine"))).0);
        assert_eq!(*outcome.unwrap_err().downcast::<&str>().unwrap(), "mine");
        assert_eq!(DEPTH.get(), 0);
    }

    #[test]
    fn the_reason_is_the_first_error_without_function_names() {
        let line = |level, text: &str| Line { level, text: text.into() };
        let log = Log(vec![
            line(sys::GGML_LOG_LEVEL_WARN, "load: something odd"),
            line(
                sys::GGML_LOG_LEVEL_ERROR,
                "llama_model_load: error loading model: missing tensor 'token_embd.weight'",
            ),
            line(sys::GGML_LOG_LEVEL_ERROR, "llama_model_load_from_file_impl: failed to load model"),
        ]);
        assert_eq!(log.reason().as_deref(), Some("missing tensor 'token_embd.weight'"));
        assert_eq!(Log(vec![line(sys::GGML_LOG_LEVEL_WARN, "f: x: y")]).reason().as_deref(), Some("x: y"));
        assert_eq!(Log::default().reason(), None);
    }
}
