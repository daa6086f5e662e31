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

/// One register of `cpuid`'s answer to a leaf and subleaf.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Register {
    Eax,
    Ebx,
    Ecx,
    Edx,
}

/// What the processor and the system say of themselves. `is_x86_feature_detected!` is no help here: it answers yes,
/// unasked, for whatever the program was compiled with.
#[cfg(target_arch = "x86_64")]
fn ask(leaf: u32, subleaf: u32) -> [u32; 4] {
    use std::arch::x86_64::{__cpuid_count, __get_cpuid_max};
    if __get_cpuid_max(0).0 < leaf {
        return [0; 4];
    }
    let answer = __cpuid_count(leaf, subleaf);
    [answer.eax, answer.ebx, answer.ecx, answer.edx]
}

/// Which vector registers the system saves: bits of XCR0, 0 where it saves none.
#[cfg(target_arch = "x86_64")]
fn saved_registers(leaf_1_ecx: u32) -> u64 {
    const OSXSAVE: u32 = 1 << 27;
    if leaf_1_ecx & OSXSAVE == 0 {
        return 0;
    }
    let (low, high): (u32, u32);
    // SAFETY: OSXSAVE says that the system has enabled XGETBV; reading XCR0 changes nothing.
    unsafe {
        std::arch::asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Name, leaf, subleaf, register and bit of each feature (Intel SDM, volume 2, CPUID).
#[cfg(target_arch = "x86_64")]
macro_rules! table {
    ($($name:tt $leaf:literal $subleaf:literal $register:ident $bit:literal;)*) => {
        [$(($name, cfg!(target_feature = $name), $leaf, $subleaf, Register::$register, $bit),)*]
    };
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<Feature> {
    let saved = saved_registers(ask(1, 0)[2]);
    features_of(&ask, saved)
}

/// The features of a processor that answers `ask`, under a system that saves the registers `saved`.
#[cfg(target_arch = "x86_64")]
fn features_of(ask: &dyn Fn(u32, u32) -> [u32; 4], saved: u64) -> Vec<Feature> {
    const AVX_STATE: u64 = 0b110;
    const AVX512_STATE: u64 = 0b1110_0110;
    let table = table! {
        "sse4.2" 1 0 Ecx 20; "fma" 1 0 Ecx 12; "avx" 1 0 Ecx 28; "f16c" 1 0 Ecx 29;
        "bmi1" 7 0 Ebx 3; "avx2" 7 0 Ebx 5; "bmi2" 7 0 Ebx 8;
        "avx512f" 7 0 Ebx 16; "avx512dq" 7 0 Ebx 17; "avx512cd" 7 0 Ebx 28; "avx512bw" 7 0 Ebx 30; "avx512vl" 7 0 Ebx 31;
        "avx512vbmi" 7 0 Ecx 1; "avx512vnni" 7 0 Ecx 11; "avx512fp16" 7 0 Edx 23;
        "avxvnni" 7 1 Eax 4; "avx512bf16" 7 1 Eax 5;
    };
    table
        .into_iter()
        .map(|(name, compiled, leaf, subleaf, register, bit)| {
            let [eax, ebx, ecx, edx] = ask(leaf, subleaf);
            let word = match register {
                Register::Eax => eax,
                Register::Ebx => ebx,
                Register::Ecx => ecx,
                Register::Edx => edx,
            };
            let state = match name {
                "sse4.2" | "bmi1" | "bmi2" => 0,
                name if name.starts_with("avx512") => AVX512_STATE,
                _ => AVX_STATE,
            };
            Feature { name, compiled, present: word >> bit & 1 == 1 && saved & state == state }
        })
        .collect()
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
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_processor_without_them_is_found_out() {
        let none = |_, _| [0; 4];
        let all = |_, _| [u32::MAX; 4];
        assert!(features_of(&none, u64::MAX).iter().all(|f| !f.present));
        assert!(features_of(&all, u64::MAX).iter().all(|f| f.present));
        // A system that does not save the wide registers takes what needs them away.
        let narrow: Vec<_> = features_of(&all, 0b110).into_iter().filter(|f| !f.present).map(|f| f.name).collect();
        assert!(narrow.contains(&"avx512f") && !narrow.contains(&"avx2"), "{narrow:?}");
        for f in features() {
            let known = match f.name {
                "avx2" => std::arch::is_x86_feature_detected!("avx2"),
                "fma" => std::arch::is_x86_feature_detected!("fma"),
                "avx512f" => std::arch::is_x86_feature_detected!("avx512f"),
                "avx512vnni" => std::arch::is_x86_feature_detected!("avx512vnni"),
                "avx512bf16" => std::arch::is_x86_feature_detected!("avx512bf16"),
                _ => continue,
            };
            assert_eq!(f.present, known, "{}", f.name);
        }
    }

    #[test]
    fn the_error_names_what_is_missing() {
        let text = message(&["avx512f", "avx512bw"]);
        assert!(text.contains("avx512f, avx512bw") && text.contains("make portable"), "{text}");
    }
}
