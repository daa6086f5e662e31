//! Arithmetic: types, broadcasting, integers, and the errors a person meets.

use super::*;

fn ints(values: &[i64]) -> Tensor {
    Tensor::from_integers(values.to_vec(), &[values.len()]).unwrap()
}

#[test]
fn types_are_promoted() {
    let t = |d| Tensor::ones(&[2]).unwrap().cast(d).unwrap();
    use DType::{BF16, BOOL, F16, F32, F64, I64, U8};
    let table = [
        (F16, F16, F16),
        (F16, BF16, F32),
        (F16, F32, F32),
        (BF16, F64, F64),
        (I64, F16, F16),
        (U8, I64, I64),
        (U8, BOOL, I64),
    ];
    for (a, b, expected) in table {
        assert_eq!(t(a).binary(Binary::Add, &t(b), &Control::default()).unwrap().dtype(), expected, "{a} + {b}");
        assert_eq!(t(b).binary(Binary::Add, &t(a), &Control::default()).unwrap().dtype(), expected, "{b} + {a}");
    }
    assert_eq!(t(I64).binary(Binary::Div, &t(I64), &Control::default()).unwrap().dtype(), F32);
    assert_eq!(t(F16).binary_scalar(Binary::Mul, 0.5, &Control::default()).unwrap().dtype(), F16);
    assert_eq!(t(I64).binary_scalar(Binary::Mul, 0.5, &Control::default()).unwrap().dtype(), F32);
    assert_eq!(t(I64).binary_scalar(Binary::Mul, 2.0, &Control::default()).unwrap().dtype(), I64);
    assert_eq!(t(F16).binary(Binary::Lt, &t(F32), &Control::default()).unwrap().dtype(), BOOL);
    assert_eq!(t(F16).mean(0).unwrap().dtype(), F32);
    assert_eq!(t(I64).sum(0).unwrap().dtype(), I64);
}

#[test]
fn shapes_broadcast() {
    let (column, row) = (count(&[3, 1]), count(&[2]));
    let sum = column.binary(Binary::Add, &row, &Control::default()).unwrap();
    assert_eq!((sum.shape(), sum.to_vec().unwrap()), (&[3, 2][..], vec![0., 1., 1., 2., 2., 3.]));
    let e = count(&[3, 2]).binary(Binary::Mul, &count(&[3]), &Control::default()).unwrap_err().to_string();
    assert_eq!(
        e,
        "*: expected shapes that broadcast (equal or 1, aligned at the last dimension), found [3, 2] and [3]"
    );
    assert_eq!(count(&[0, 3]).binary(Binary::Add, &count(&[3]), &Control::default()).unwrap().shape(), [0, 3]);
    // A result that cannot fit is refused before it is allocated.
    let wide = Tensor::zeros(&[1, 1 << 24]).unwrap();
    let tall = wide.t().unwrap();
    assert!(matches!(wide.binary(Binary::Add, &tall, &Control::default()), Err(Error::Memory { .. })));
}

#[test]
fn numbers_work_from_both_sides() {
    let t = ints(&[1, 2, 4]);
    assert_eq!(t.scalar_binary(Binary::Sub, 10.0, &Control::default()).unwrap().to_vec_i64().unwrap(), [9, 8, 6]);
    assert_eq!(t.scalar_binary(Binary::Div, 1.0, &Control::default()).unwrap().to_vec().unwrap(), [1.0, 0.5, 0.25]);
    assert_eq!(t.binary_scalar(Binary::Pow, 2.0, &Control::default()).unwrap().to_vec_i64().unwrap(), [1, 4, 16]);
    assert_eq!(t.scalar_binary(Binary::Pow, 2.0, &Control::default()).unwrap().to_vec().unwrap(), [2., 4., 16.]);
    // numpy: np.array([-7, 7]) % 3, np.array([-7.5, 7.5]) % -2
    assert_eq!(
        ints(&[-7, 7]).binary_scalar(Binary::Rem, 3.0, &Control::default()).unwrap().to_vec_i64().unwrap(),
        [2, 1]
    );
    let f = Tensor::from_vec(vec![-7.5, 7.5], &[2]).unwrap();
    assert_eq!(f.binary_scalar(Binary::Rem, -2.0, &Control::default()).unwrap().to_vec().unwrap(), [-1.5, -0.5]);
    assert_eq!(ints(&[5]).binary_scalar(Binary::Rem, 0.0, &Control::default()).unwrap().to_vec_i64().unwrap(), [0]);
    // As in NumPy, an F32 0.1 equals the number 0.1.
    let tenth = Tensor::full(&[1], 0.1).unwrap();
    assert_eq!(tenth.binary_scalar(Binary::Eq, 0.1, &Control::default()).unwrap().to_vec().unwrap(), [1.0]);
    // 2^53 + 1 is not a double: integers stay integers.
    let big = ints(&[9_007_199_254_740_993]);
    assert_eq!(
        big.binary_scalar(Binary::Add, 2.0, &Control::default()).unwrap().item_i64().unwrap(),
        9_007_199_254_740_995
    );
}

#[test]
fn comparisons_and_choices() {
    let t = Tensor::from_vec(vec![1., f32::NAN, 3.], &[3]).unwrap();
    let two = |op| t.binary_scalar(op, 2.0, &Control::default()).unwrap().to_vec().unwrap();
    assert_eq!(two(Binary::Lt), [1., 0., 0.]);
    assert_eq!(two(Binary::Ne), [1., 1., 1.]);
    assert_eq!(two(Binary::Ge), [0., 0., 1.]);
    let m = t.binary_scalar(Binary::Maximum, 2.0, &Control::default()).unwrap().to_vec().unwrap();
    assert!(m[0] == 2.0 && m[1].is_nan() && m[2] == 3.0);
    let m = t.scalar_binary(Binary::Minimum, 2.0, &Control::default()).unwrap().to_vec().unwrap();
    assert!(m[0] == 1.0 && m[1].is_nan() && m[2] == 2.0);
    let c = t.clamp(1.5, 2.5, &Control::default()).unwrap().to_vec().unwrap();
    assert!(c[0] == 1.5 && c[1].is_nan() && c[2] == 2.5);
    let finite = t.unary(Unary::IsFinite, &Control::default()).unwrap();
    assert_eq!(finite.dtype(), DType::BOOL);
    let repaired = t.where_else(&finite, &Tensor::zeros(&[1]).unwrap(), &Control::default()).unwrap();
    assert_eq!(repaired.to_vec().unwrap(), [1., 0., 3.]);
}

/// Expected values: NumPy 2.4, and C's erf for gelu, at -2.5, -0.5, 0, 1.5.
#[test]
fn functions_are_numpys() {
    let t = Tensor::from_values(vec![-2.5, -0.5, 0.0, 1.5], &[4]).unwrap();
    let at = |op| t.unary(op, &Control::default()).unwrap().to_vec_f64().unwrap();
    close(&at(Unary::Exp), &[0.0820849986238988, 0.6065306597126334, 1.0, 4.4816890703380645], 1e-15, "exp");
    close(&at(Unary::Tanh), &[-0.9866142981514303, -0.46211715726000974, 0.0, 0.9051482536448664], 1e-15, "tanh");
    close(&at(Unary::Sigmoid), &[0.07585818002124355, 0.3775406687981454, 0.5, 0.8175744761936437], 1e-15, "sigmoid");
    close(&at(Unary::Silu), &[-0.18964545005310887, -0.1887703343990727, 0.0, 1.2263617142904655], 1e-15, "silu");
    close(&at(Unary::Gelu), &[-0.015524163314440398, -0.15426876936299344, 0.0, 1.399789198096713], 1e-12, "gelu");
    close(
        &at(Unary::GeluTanh),
        &[-0.015084266089998577, -0.15428599017485606, 0.0, 1.3995715769802328],
        1e-12,
        "gelu_tanh",
    );
    close(&at(Unary::Sqrt), &[f64::NAN, f64::NAN, 0.0, 1.224744871391589], 1e-15, "sqrt");
    close(&at(Unary::Log), &[f64::NAN, f64::NAN, f64::NEG_INFINITY, 0.4054651081081644], 1e-15, "log");
    close(&at(Unary::Round), &[-2.0, -0.0, 0.0, 2.0], 0.0, "round");
    close(&at(Unary::Sign), &[-1.0, -1.0, 0.0, 1.0], 0.0, "sign");
    let far = Tensor::from_vec(vec![-1000.0, 1000.0], &[2]).unwrap();
    assert_eq!(far.unary(Unary::Sigmoid, &Control::default()).unwrap().to_vec().unwrap(), [0.0, 1.0]);
    assert_eq!(ints(&[-3, 3]).unary(Unary::Abs, &Control::default()).unwrap().to_vec_i64().unwrap(), [3, 3]);
    assert_eq!(ints(&[-3, 3]).unary(Unary::Neg, &Control::default()).unwrap().dtype(), DType::I64);
    assert_eq!(ints(&[1, 4]).unary(Unary::Sqrt, &Control::default()).unwrap().to_vec().unwrap(), [1.0, 2.0]);
}

#[test]
fn errors_say_what_was_expected() {
    let control = Control::default();
    let (a, b) = (count(&[2, 3]), count(&[2, 3]));
    let e = a.matmul(&b, &control).unwrap_err().to_string();
    assert_eq!(
        e,
        "matmul: expected [2, 3] × [.., 3, ..], found [2, 3] × [2, 3]\nhelp: transpose the second: a.matmul(b.T)"
    );
    assert!(Tensor::full(&[], 1.0).unwrap().matmul(&a, &control).is_err());
    let e = a.index(2).unwrap_err().to_string();
    assert_eq!(e, "dimension 0 of shape [2, 3]: expected an index from -2 to 1, found 2");
    let e = a.slice("0, 0, 0").unwrap_err().to_string();
    assert_eq!(e, "index of shape [2, 3]: expected at most 2 indices, found 3 indices");
    assert!(a.slice("::0").unwrap_err().to_string().contains("a step other than 0"));
    assert!(a.slice("1.5").unwrap_err().to_string().contains("\"1.5\""));
    for bad in ["", "a", "1:2:3:4", "[1", "1]", "[[0]]", "..., ...", "1,,2", "[1.5]", ":-", "0x1"] {
        assert!(a.slice(bad).is_err(), "{bad:?}");
    }
    assert!(a.slice(":9223372036854775807:9223372036854775807").is_ok());
    assert!(a.slice("-9223372036854775808::-9223372036854775808").is_ok());
    assert!(a.item().unwrap_err().to_string().contains("item(): expected a tensor of one element, found shape [2, 3]"));
    let e = a.reduce(Reduction::Mean, 2, false, &control).unwrap_err().to_string();
    assert_eq!(e, "mean: expected a dimension from -2 to 1, found 2");
    assert!(Tensor::zeros(&[usize::MAX, usize::MAX]).is_err());
    assert!(matches!(Tensor::zeros(&[1 << 45]), Err(Error::Memory { .. })));
    let e = Tensor::from_vec(vec![1.0], &[2]).unwrap_err().to_string();
    assert_eq!(e, "tensor: expected 2 values for shape [2], found 1 values");
}

#[test]
fn long_products_are_computed_in_blocks_and_can_be_interrupted() {
    // 2100 × 512 × 1024 multiplications are more than one block.
    let a = Tensor::randn(&[2100, 512], 1).unwrap();
    let b = Tensor::randn(&[512, 1024], 2).unwrap();
    let control = Control::default();
    let whole = a.matmul(&b, &control).unwrap();
    let last = a.slice("-1").unwrap().matmul(&b, &control).unwrap();
    assert!(whole.slice("-1").unwrap().nmse(&last).unwrap() < 1e-10);
    control.interrupt.raise();
    assert!(matches!(a.matmul(&b, &control), Err(Error::Interrupted)));
    assert!(matches!(a.stats(&control), Err(Error::Interrupted)));
    assert!(matches!(a.svd(&control), Err(Error::Interrupted)));
    assert!(matches!(a.topk(1, -1, &control), Err(Error::Interrupted)));
    assert!(matches!(a.unary(Unary::Exp, &control), Err(Error::Interrupted)));
}

#[test]
fn tensors_from_nothing() {
    assert_eq!(Tensor::arange(0.0, 5.0, 2.0).unwrap().to_vec_i64().unwrap(), [0, 2, 4]);
    assert_eq!(Tensor::arange(5.0, 0.0, -2.0).unwrap().to_vec_i64().unwrap(), [5, 3, 1]);
    assert_eq!(Tensor::arange(0.0, 1.0, 0.25).unwrap().to_vec().unwrap(), [0., 0.25, 0.5, 0.75]);
    assert_eq!(Tensor::arange(3.0, 0.0, 1.0).unwrap().shape(), [0]);
    assert!(Tensor::arange(0.0, 1.0, 0.0).is_err() && Tensor::arange(0.0, 1e300, 1.0).is_err());
    assert_eq!(Tensor::linspace(0.0, 1.0, 5).unwrap().to_vec().unwrap(), [0., 0.25, 0.5, 0.75, 1.]);
    assert_eq!(Tensor::eye(2).unwrap().to_vec().unwrap(), [1., 0., 0., 1.]);
    assert_eq!(Tensor::eye(0).unwrap().shape(), [0, 0]);
    let (a, b) = (Tensor::randn(&[100_001], 7).unwrap(), Tensor::randn(&[100_001], 7).unwrap());
    assert_eq!(a.max_abs_diff(&b).unwrap(), 0.0);
    assert!(a.max_abs_diff(&Tensor::randn(&[100_001], 8).unwrap()).unwrap() > 1.0);
    let s = a.stats(&Control::default()).unwrap();
    // Five standard errors of the mean and of the deviation of 1e5 normal values.
    assert!(s.mean.abs() < 0.016 && (s.std - 1.0).abs() < 0.012, "{s:?}");
    let u = Tensor::rand(&[100_000], 7).unwrap().stats(&Control::default()).unwrap();
    assert!(u.min >= 0.0 && u.max < 1.0 && (u.mean - 0.5).abs() < 0.005, "{u:?}");
    let d = count(&[3]).diag().unwrap();
    assert_eq!(d.to_vec().unwrap(), [0., 0., 0., 0., 1., 0., 0., 0., 2.]);
    assert_eq!(count(&[2, 3]).diag().unwrap().to_vec().unwrap(), [0., 4.]);
    assert_eq!(count(&[2, 3]).triangle(true, 0).unwrap().to_vec().unwrap(), [0., 0., 0., 3., 4., 0.]);
    assert_eq!(count(&[2, 3]).triangle(false, 1).unwrap().to_vec().unwrap(), [0., 1., 2., 0., 0., 5.]);
}
