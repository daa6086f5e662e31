//! What this processor can do, asked in one place. The standard library looks once and remembers.

/// AVX2, FMA and F16C: vectors of 8 numbers.
#[cfg(target_arch = "x86_64")]
pub fn avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
}

/// AVX-512 F, BW, VL and DQ, and what [`avx2`] asks for: vectors of 16 numbers.
#[cfg(target_arch = "x86_64")]
pub fn avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && avx2()
}

/// What [`avx512`] asks for, and VNNI: products of whole numbers, four in the place of one.
#[cfg(target_arch = "x86_64")]
pub fn avx512_vnni() -> bool {
    avx512() && is_x86_feature_detected!("avx512vnni")
}

/// What [`avx512_vnni`] asks for, and VBMI: bytes of a vector in any order.
#[cfg(target_arch = "x86_64")]
pub fn avx512_vbmi() -> bool {
    avx512_vnni() && is_x86_feature_detected!("avx512vbmi")
}
