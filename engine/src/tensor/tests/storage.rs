//! Values wherever they are and however they are stored.

use super::*;
use half::{bf16, f16};

#[test]
fn every_plain_type_is_read_from_a_file() {
    let c = Control::default();
    macro_rules! check {
        ($dtype:ident, $t:ty, $values:expr, $loaded:ident) => {{
            let values: [$t; 4] = $values;
            let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let t = in_file(DType::$dtype, &[2, 2], data);
            let loaded = t.load(&c).unwrap();
            assert!(!t.is_loaded() && loaded.is_loaded());
            assert_eq!((loaded.dtype(), loaded.name()), (DType::$loaded, Some("w")));
            let expected: Vec<f64> = values.iter().map(|v| v.to_string().parse().unwrap()).collect();
            assert_eq!(t.to_vec_f64().unwrap(), expected);
            assert_eq!(loaded.to_vec_f64().unwrap(), expected);
            assert_eq!(t.index(-1).unwrap().to_vec_f64().unwrap(), expected[2..]);
            assert_eq!(t.to_bytes(&c).unwrap().0, DType::$loaded);
        }};
    }
    check!(F64, f64, [0.1, -2.0, 1e300, 3.0], F64);
    check!(F32, f32, [0.5, -2.0, 16777217.0, 3.0], F32);
    check!(F16, f16, [0.5, -2.0, 65504.0, 3.0].map(f16::from_f32), F16);
    check!(BF16, bf16, [0.5, -2.0, 1024.0, 3.0].map(bf16::from_f32), BF16);
    check!(I8, i8, [-128, 127, 0, 1], I16);
    check!(I16, i16, [-32768, 127, 0, 1], I16);
    check!(I32, i32, [i32::MIN, 127, 0, 1], I32);
    check!(I64, i64, [-(1 << 52), 127, 0, 1], I64);
    check!(U8, u8, [255, 127, 0, 1], U8);
    check!(U16, u16, [65535, 127, 0, 1], U32);
    check!(U32, u32, [u32::MAX, 127, 0, 1], U32);
    check!(U64, u64, [1 << 52, 127, 0, 1], I64);
    check!(BOOL, u8, [1, 0, 0, 1], BOOL);
}

#[test]
fn half_types_round_as_numpy_does() {
    let t = Tensor::from_values(vec![0.1, 2.5, -1.7, 1e-4, 300.2], &[5]).unwrap();
    // numpy: a.astype(np.float16)
    let expected = [0.0999755859375, 2.5, -1.7001953125, 0.00010001659393310547, 300.25];
    assert_eq!(t.cast(DType::F16).unwrap().to_vec_f64().unwrap(), expected);
    // The upper half of the F32 pattern, rounded to even: 0.1 is 0x3dcccccd.
    let b = t.cast(DType::BF16).unwrap().to_vec_f64().unwrap();
    assert_eq!(b[0], f64::from(f32::from_bits(0x3dcd_0000)));
    // numpy: np.float16(0.1) + np.float16(2.5)
    let h = t.cast(DType::F16).unwrap();
    assert_eq!(
        h.index(0).unwrap().binary(Binary::Add, &h.index(1).unwrap(), &Control::default()).unwrap().item().unwrap(),
        2.599609375
    );
    // 1 + 2048 steps of 1 stand still in F16 at 2048; sums are not computed in it.
    let ones = Tensor::ones(&[5000]).unwrap().cast(DType::F16).unwrap();
    assert_eq!(ones.sum(0).unwrap().item().unwrap(), 5000.0);
}

/// One block of Q8_0: an F16 scale of 0.5, then 32 signed bytes.
fn q8(first: i8) -> Vec<u8> {
    let mut block = f16::from_f32(0.5).to_le_bytes().to_vec();
    block.extend((0..32).map(|i| (first + i) as u8));
    block
}

#[test]
fn quantized_values_are_decoded_where_they_are_needed() {
    let c = Control::default();
    let t = in_file(DType::Q8_0, &[2, 2, 32], [q8(0), q8(10), q8(20), q8(30)].concat());
    assert_eq!((t.dtype(), t.bytes()), (DType::Q8_0, 136));
    let row = t.slice("1, 0").unwrap();
    assert!(!row.is_loaded());
    assert_eq!(row.to_vec().unwrap(), (20..52).map(|i| i as f32 / 2.0).collect::<Vec<_>>());
    // A window that starts and ends inside blocks.
    let part = row.slice("3:7").unwrap();
    assert_eq!(part.to_vec().unwrap(), [11.5, 12.0, 12.5, 13.0]);
    assert_eq!(t.slice(":, 1, -1").unwrap().to_vec().unwrap(), [20.5, 30.5]);
    assert_eq!(t.mean(-1).unwrap().to_vec().unwrap(), [7.75, 12.75, 17.75, 22.75]);
    assert_eq!(t.mean(0).unwrap().index(0).unwrap().to_vec().unwrap()[..2], [5.0, 5.5]);
    let x = Tensor::ones(&[32]).unwrap();
    assert_eq!(t.matmul(&x, &c).unwrap().to_vec().unwrap(), [248.0, 408.0, 568.0, 728.0]);
    assert_eq!(t.load(&c).unwrap().dtype(), DType::F32);
    assert_eq!(t.binary_scalar(Binary::Mul, 2.0, &Control::default()).unwrap().dtype(), DType::F32);
    let s = t.stats(&c).unwrap();
    assert_eq!((s.n, s.min, s.max, s.mean), (128, 0.0, 30.5, 15.25));
}

#[test]
fn types_that_cannot_be_computed_are_described() {
    let t = in_file(DType::IQ2_XXS, &[256], vec![0; 66]);
    let text = t.text(&Control::default()).unwrap();
    assert_eq!(text, "w iq2_xxs[256] n=256 (66 B) values of type IQ2_XXS cannot be computed");
    assert!(t.stats(&Control::default()).unwrap_err().to_string().contains("IQ2_XXS"));
}

#[test]
fn a_file_that_is_too_short_is_an_error_not_a_panic() {
    let t = in_file(DType::F32, &[8], vec![0; 30]);
    let e = t.to_vec().unwrap_err().to_string();
    assert_eq!(e, "one.safetensors: tensor \"w\" has less data than its shape needs");
    let t = in_file(DType::Q8_0, &[64], q8(0));
    assert!(t.stats(&Control::default()).is_err());
}

#[test]
fn what_is_saved_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let c = Control::default();
    let half = wavy(&[3, 5]).cast(DType::F16).unwrap();
    half.save(&path, &c).unwrap();
    let file = crate::format::open(&path).unwrap();
    let back = Tensor::from_file_named(file.clone(), "tensor").unwrap();
    assert_eq!((back.dtype(), back.shape()), (DType::F16, &[3, 5][..]));
    assert_eq!(back.to_vec().unwrap(), half.to_vec().unwrap());
    let mask = half.binary_scalar(Binary::Gt, 0.0, &Control::default()).unwrap();
    let ids = Tensor::arange(0.0, 4.0, 1.0).unwrap();
    let turned = half.t().unwrap();
    save_all(&path, &[("mask", &mask), ("ids", &ids), ("turned", &turned)], &c).unwrap();
    let file = crate::format::open(&path).unwrap();
    for (name, t) in [("mask", &mask), ("ids", &ids), ("turned", &turned)] {
        let back = Tensor::from_file_named(file.clone(), name).unwrap();
        assert_eq!((back.dtype(), back.shape(), back.to_vec().unwrap()), (t.dtype(), t.shape(), t.to_vec().unwrap()));
    }
    // The old file is still mapped by the first handle and must not have changed under it.
    assert_eq!(back.to_vec().unwrap(), half.to_vec().unwrap());
    assert!(half.save(folder.path().join("x.bin"), &c).is_err());
    assert!(save_all(&path, &[("a", &mask), ("a", &ids)], &c).unwrap_err().to_string().contains("names that differ"));
    let quantized = in_file(DType::Q8_0, &[32], q8(0));
    quantized.save(&path, &c).unwrap();
    let back = Tensor::from_file_named(crate::format::open(&path).unwrap(), "w").unwrap();
    assert_eq!((back.dtype(), back.to_vec().unwrap()), (DType::F32, quantized.to_vec().unwrap()));
}
