//! Whether this processor has what the program was compiled for.

/// The processor's features that the compiler was allowed to use and that this processor lacks.
pub fn missing() -> Vec<&'static str> {
    features().into_iter().filter(|f| f.compiled && !f.present).map(|f| f.name).collect()
}

/// The error for a person.
pub fn message(missing: &[&str]) -> String {
    format!(
        "minerva: this program was built for a processor with {}, which this one does not have\n\
         help: build it on this machine (make), or build one that runs anywhere with AVX2 (make portable)",
        missing.join(", ")
    )
}

struct Feature {
    name: &'static str,
    compiled: bool,
    present: bool,
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<Feature> {
    macro_rules! features {
        ($($name:tt)*) => {
            vec![$(Feature { name: $name, compiled: cfg!(target_feature = $name), present: std::arch::is_x86_feature_detected!($name) },)*]
        };
    }
    features!("sse4.2" "avx" "avx2" "fma" "f16c" "bmi1" "bmi2" "avxvnni" "avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl" "avx512vbmi" "avx512vnni" "avx512bf16" "avx512fp16")
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<Feature> {
    macro_rules! features {
        ($($name:tt)*) => {
            vec![$(Feature { name: $name, compiled: cfg!(target_feature = $name), present: std::arch::is_aarch64_feature_detected!($name) },)*]
        };
    }
    features!("neon" "dotprod" "fp16" "i8mm" "bf16" "sve")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<Feature> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn this_processor_runs_what_was_built_for_it() {
        assert_eq!(missing(), Vec::<&str>::new());
        let text = message(&["avx512f", "avx512bw"]);
        assert!(text.contains("avx512f, avx512bw") && text.contains("make portable"), "{text}");
    }
}
