//! Storage types against implementations that are not ours: candle's, the float8 types of candle, and ggml itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{DType, QUANTIZABLE, dequantize, quantize};
use candle_core::quantized::QTensor;
use candle_core::{Device, Tensor};

/// Values of every size, both signs and zero; the same each time.
fn wave(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * 0.731).sin() * (1.0 + (i / 64) as f32 * 0.1) * f32::from(i % 17 != 0)).collect()
}

fn read(dtype: DType, bytes: &[u8], n: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; n];
    dequantize(dtype, bytes, &mut out).unwrap();
    out
}

#[test]
fn every_quantized_type_equals_candle_in_both_directions() {
    // More than one parallel piece, and a last one that is not full.
    let n = (1 << 17) + 256 * 3;
    let values = wave(n);
    let dense = Tensor::from_slice(&values, n, &Device::Cpu).unwrap();
    for dtype in DType::ALL.iter().copied().filter(|d| d.is_quantized()) {
        let Some(theirs) = dtype.to_candle_quantized() else { continue };
        assert!(dtype.computable().is_ok(), "{dtype}");
        let reference = QTensor::quantize(&dense, theirs).unwrap();
        let expected = reference.dequantize(&Device::Cpu).unwrap().to_vec1::<f32>().unwrap();
        let bytes = reference.data().unwrap();
        assert_eq!(read(dtype, &bytes, n), expected, "{dtype}");
        if QUANTIZABLE.contains(&dtype) {
            assert_eq!(quantize(&values, dtype).unwrap(), &*bytes, "{dtype}");
        }
        // At every misalignment that a block can have.
        for shift in 1..4 {
            let mut shifted = vec![0; shift];
            shifted.extend_from_slice(&bytes[..dtype.block_bytes() * 8]);
            assert_eq!(read(dtype, &shifted[shift..], dtype.block() * 8), expected[..dtype.block() * 8], "{dtype}");
        }
    }
}

#[test]
fn round_trips_stay_within_the_step_of_the_type() {
    let values = wave(2048);
    let power: f32 = values.iter().map(|v| v * v).sum();
    // Normalized mean squared error; each bound is a little above what the type's bits allow on this wave.
    for (dtype, most) in [
        (DType::F32, 0.0),
        (DType::F64, 0.0),
        (DType::F16, 1e-7),
        (DType::BF16, 1e-5),
        (DType::Q8_0, 3e-5),
        (DType::Q6_K, 5e-4),
        (DType::Q5_1, 1e-3),
        (DType::Q5_0, 2e-3),
        (DType::Q5_K, 2e-3),
        (DType::Q4_1, 4e-3),
        (DType::Q4_K, 6e-3),
        (DType::Q4_0, 8e-3),
        (DType::Q3_K, 3e-2),
        (DType::Q2_K, 1e-1),
    ] {
        let back = read(dtype, &quantize(&values, dtype).unwrap(), values.len());
        let error: f32 = back.iter().zip(&values).map(|(a, b)| (a - b) * (a - b)).sum::<f32>() / power;
        assert!(error <= most, "{dtype}: {error} > {most}");
        assert!(error > most / 100.0 || most == 0.0, "{dtype}: {error} is too good for {most}: the bound says nothing");
    }
    assert_eq!(QUANTIZABLE.len(), 14, "every type that can be written is in the table above");
}

#[test]
fn small_floats_equal_candle() {
    let all: Vec<u8> = (0..=255).collect();
    for (ours, theirs) in [(DType::F8_E4M3, candle_core::DType::F8E4M3)] {
        let tensor = Tensor::from_raw_buffer(&all, theirs, &[256], &Device::Cpu).unwrap();
        let expected = tensor.to_dtype(candle_core::DType::F32).unwrap().to_vec1::<f32>().unwrap();
        for (raw, (a, b)) in read(ours, &all, 256).into_iter().zip(expected).enumerate() {
            assert!(a == b || (a.is_nan() && b.is_nan()), "{ours} {raw:#x}: {a} and {b}");
        }
    }
    // OCP's tables: E5M2's largest, its smallest subnormal, infinity; E8M0's extremes, one, and NaN.
    assert_eq!(read(DType::F8_E5M2, &[0x7B, 0x01, 0xFC], 3), [57344.0, 2.0_f32.powi(-16), f32::NEG_INFINITY]);
    assert_eq!(read(DType::F8_E8M0, &[0, 127, 254], 3), [2.0_f32.powi(-127), 1.0, 2.0_f32.powi(127)]);
    assert!(read(DType::F8_E8M0, &[255], 1)[0].is_nan());
}

#[test]
fn plain_numbers_read_as_they_are() {
    assert_eq!(read(DType::I8, &[0xFF, 5], 2), [-1.0, 5.0]);
    assert_eq!(read(DType::U8, &[0xFF], 1), [255.0]);
    assert_eq!(read(DType::BOOL, &[0, 1, 2], 3), [0.0, 1.0, 1.0]);
    assert_eq!(read(DType::I16, &(-300_i16).to_le_bytes(), 1), [-300.0]);
    assert_eq!(read(DType::U16, &60_000_u16.to_le_bytes(), 1), [60_000.0]);
    assert_eq!(read(DType::I32, &(-70_000_i32).to_le_bytes(), 1), [-70_000.0]);
    assert_eq!(read(DType::U32, &u32::MAX.to_le_bytes(), 1), [u32::MAX as f32]);
    assert_eq!(read(DType::I64, &i64::MIN.to_le_bytes(), 1), [i64::MIN as f32]);
    assert_eq!(read(DType::U64, &u64::MAX.to_le_bytes(), 1), [u64::MAX as f32]);
    assert_eq!(read(DType::F64, &0.1_f64.to_le_bytes(), 1), [0.1]);
    assert_eq!(read(DType::BF16, &[0x80, 0x3F], 1), [1.0]);
    // Unaligned, as in an old safetensors file.
    assert_eq!(read(DType::F32, &[&[9][..], &1.5_f32.to_le_bytes()].concat()[1..], 1), [1.5]);
}

#[test]
fn what_cannot_be_computed_says_so() {
    for dtype in DType::ALL.iter().copied() {
        let n = dtype.block() * 4;
        let bytes = vec![0; dtype.block_bytes() * 4];
        let mut out = vec![1.0; n];
        match dtype.computable() {
            Ok(()) => dequantize(dtype, &bytes, &mut out).unwrap(),
            Err(refusal) => {
                let text = refusal.to_string();
                assert!(text.contains(dtype.name()) && text.contains("\nhelp: "), "{text}");
                assert_eq!(dequantize(dtype, &bytes, &mut out).unwrap_err().to_string(), text);
            }
        }
    }
    let short = dequantize(DType::Q4_0, &[0; 17], &mut [0.0; 32]).unwrap_err().to_string();
    assert!(short.contains("expected 18 bytes for 32 values, found 17 bytes"), "{short}");
    assert!(dequantize(DType::Q4_0, &[0; 18], &mut [0.0; 31]).is_err());
    assert!(quantize(&[0.0; 31], DType::Q4_0).unwrap_err().to_string().contains("a multiple of 32 values"));
    assert!(quantize(&[0.0; 256], DType::IQ2_XS).unwrap_err().to_string().contains("choose one of F32"));
    let mut values = vec![0.0; 64];
    values[40] = f32::NAN;
    assert!(quantize(&values, DType::Q8_0).unwrap_err().to_string().contains("value 40 is NaN"));
    assert!(quantize(&values, DType::F16).is_ok(), "plain floats can say NaN");
}

/// ggml's own tables and arithmetic.
#[cfg(feature = "llama-cpp")]
mod against_ggml {
    use super::*;
    use llama_cpp_sys_2 as sys;
    use std::ffi::{CStr, c_void};

    #[test]
    fn names_and_sizes_are_those_of_ggml() {
        let mut known = 0;
        for id in 0..sys::GGML_TYPE_COUNT {
            // SAFETY: the id is below GGML_TYPE_COUNT, for which all three only read a static table.
            let (bytes, block, name) = unsafe {
                let name = sys::ggml_type_name(id);
                let name = if name.is_null() { "" } else { CStr::from_ptr(name).to_str().unwrap() };
                (sys::ggml_type_size(id), sys::ggml_blck_size(id), name)
            };
            match DType::from_ggml_id(id) {
                Some(dtype) => {
                    assert_eq!((dtype.block_bytes(), dtype.block() as i64), (bytes, block), "{dtype}");
                    assert!(name.eq_ignore_ascii_case(dtype.name()), "{dtype} is {name}");
                    known += 1;
                }
                None => assert_eq!(bytes, 0, "{id} ({name}) has a size, and we do not know it"),
            }
        }
        assert_eq!(known, DType::ALL.iter().filter(|d| d.ggml_id().is_some()).count());
    }

    /// ggml's reading of stored blocks; `None` for types that it never reads back (those of activations).
    fn ggml_reads(dtype: DType, bytes: &[u8], n: usize) -> Option<Vec<f32>> {
        // SAFETY: a known id; ggml returns a pointer into a static table.
        let traits = unsafe { &*sys::ggml_get_type_traits(dtype.ggml_id()?) };
        let mut out = vec![f32::NAN; n];
        assert_eq!(dtype.bytes_for(n), Some(bytes.len() as u64));
        // SAFETY: `bytes` holds n values, n fills whole blocks, and `out` has room for them.
        unsafe { traits.to_float?(bytes.as_ptr().cast::<c_void>(), out.as_mut_ptr(), n as i64) };
        Some(out)
    }

    fn ggml_stores(dtype: DType, values: &[f32]) -> Option<Vec<u8>> {
        // SAFETY: as above.
        let traits = unsafe { &*sys::ggml_get_type_traits(dtype.ggml_id()?) };
        let mut out = vec![0_u8; dtype.bytes_for(values.len())? as usize];
        // SAFETY: `out` is as long as the values take, and they fill whole blocks.
        unsafe { traits.from_float_ref?(values.as_ptr(), out.as_mut_ptr().cast::<c_void>(), values.len() as i64) };
        Some(out)
    }

    #[test]
    fn every_bit_pattern_reads_as_ggml_reads_it() {
        use rand::{Rng, SeedableRng};
        let n = 256 * 64;
        let mut compared = Vec::new();
        for dtype in DType::ALL.iter().copied().filter(|d| d.is_quantized() && d.computable().is_ok()) {
            let mut bytes = vec![0_u8; n / dtype.block() * dtype.block_bytes()];
            rand_chacha::ChaCha8Rng::seed_from_u64(7).fill_bytes(&mut bytes);
            let Some(expected) = ggml_reads(dtype, &bytes, n) else { continue };
            for (i, (a, b)) in read(dtype, &bytes, n).into_iter().zip(expected).enumerate() {
                // Scales are random too, so infinities and NaNs occur; products of three factors may round apart.
                let same = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-5 * b.abs().max(1e-6);
                assert!(same, "{dtype}, value {i}: {a} and {b}");
            }
            compared.push(dtype.name());
        }
        assert_eq!(compared.len(), 18, "{compared:?}");
    }

    #[test]
    fn values_are_stored_as_ggml_stores_them() {
        let n = 256 * 9;
        let values = wave(n);
        for dtype in QUANTIZABLE.iter().copied().filter(|d| d.is_quantized()) {
            let (ours, theirs) = (quantize(&values, dtype).unwrap(), ggml_stores(dtype, &values).unwrap());
            // Byte for byte the same for the simple types; the K types search for scales, each in its own way.
            if dtype.block() == 32 {
                assert!(ours == theirs, "{dtype} is not stored as ggml stores it");
            }
            let error = |bytes: &[u8]| -> f32 {
                read(dtype, bytes, n).iter().zip(&values).map(|(a, b)| (a - b) * (a - b)).sum()
            };
            let (ours, theirs) = (error(&ours), error(&theirs));
            assert!(ours <= theirs * 1.25, "{dtype}: an error of {ours}, where ggml has {theirs}");
        }
    }
}
