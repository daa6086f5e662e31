//! The singular value decomposition: against NumPy's singular values, and by its definition.

use super::*;

fn check(a: &Tensor, tolerance: f64) -> Vec<f64> {
    let c = Control::default();
    let f = a.svd(&c).unwrap();
    let (m, n) = (a.shape()[0], a.shape()[1]);
    let k = m.min(n);
    assert_eq!((f.u.shape(), f.s.shape(), f.vt.shape()), (&[m, k][..], &[k][..], &[k, n][..]));
    let back = f.u.binary(Binary::Mul, &f.s, &Control::default()).unwrap().matmul(&f.vt, &c).unwrap();
    let scale = a.norm().unwrap().max(1.0);
    let off = back.max_abs_diff(&a.cast(f.u.dtype()).unwrap()).unwrap();
    assert!(off <= tolerance * scale, "u·s·vt is off by {off}");
    let eye = Tensor::eye(k).unwrap().cast(f.u.dtype()).unwrap();
    for product in [f.u.t().unwrap().matmul(&f.u, &c).unwrap(), f.vt.matmul(&f.vt.t().unwrap(), &c).unwrap()] {
        let off = product.max_abs_diff(&eye).unwrap();
        assert!(off <= tolerance * 10.0, "vectors are not orthonormal: {off}");
    }
    let s = f.s.to_vec_f64().unwrap();
    assert!(s.windows(2).all(|w| w[0] >= w[1]) && s.iter().all(|v| *v >= 0.0), "{s:?}");
    s
}

#[test]
fn singular_values_are_numpys() {
    let m = vec![3., 1., 2., 0., 1., 1., 0., -1., 4., 2., 2., -1., 0., 5., -1., 2., 1., 0., 0., 7.];
    let a = Tensor::from_values(m, &[5, 4]).unwrap();
    let expected = [7.607282605564419, 6.528628492766732, 4.606223680663722, 0.5375544309222565];
    close(&check(&a, 1e-14), &expected, 1e-14, "tall");
    close(&check(&a.t().unwrap(), 1e-14), &expected, 1e-14, "wide");
}

#[test]
fn a_matrix_without_full_rank_still_has_orthonormal_vectors() {
    let s = check(&count(&[3, 4]).cast(DType::F64).unwrap(), 1e-13);
    close(&s, &[22.409298163270435, 1.9553403360142751, 0.0], 1e-14, "rank 2");
    assert_eq!(check(&Tensor::zeros(&[4, 3]).unwrap(), 1e-14), [0.0; 3]);
    close(&check(&Tensor::ones(&[40, 30]).unwrap(), 1e-6)[..2], &[1200f64.sqrt(), 0.0], 1e-6, "rank 1");
    let c = Control::default();
    let low = Tensor::randn(&[90, 5], 1).unwrap().matmul(&Tensor::randn(&[5, 70], 2).unwrap(), &c).unwrap();
    let s = check(&low, 1e-5);
    assert!(s[4] > 1.0 && s[5] < 1e-4, "{s:?}");
    assert_eq!(check(&Tensor::full(&[1, 1], -2.0).unwrap(), 1e-14), [2.0]);
    assert_eq!(count(&[0, 3]).svd(&c).unwrap().u.shape(), [0, 0]);
}

#[test]
fn larger_and_extreme_matrices() {
    check(&Tensor::randn(&[200, 131], 5).unwrap().cast(DType::F64).unwrap(), 1e-13);
    check(&Tensor::randn(&[64, 200], 6).unwrap(), 1e-5);
    // Squares of these would overflow or vanish.
    for factor in [1e200, 1e-200] {
        let t = wavy(&[6, 4]).binary_scalar(Binary::Mul, factor, &Control::default()).unwrap();
        let s = t
            .svd(&Control::default())
            .unwrap()
            .s
            .binary_scalar(Binary::Div, factor, &Control::default())
            .unwrap()
            .to_vec_f64()
            .unwrap();
        let plain = wavy(&[6, 4]).svd(&Control::default()).unwrap().s.to_vec_f64().unwrap();
        close(&s, &plain, 1e-13, "scaled");
    }
    // Columns of very different lengths: each small singular value keeps its digits.
    let graded = Tensor::from_values(vec![1.0, 1e-12, 0.0, 2e-12, 0.0, 0.0], &[3, 2]).unwrap();
    let s = graded.svd(&Control::default()).unwrap().s.to_vec_f64().unwrap();
    assert!((s[0] - 1.0).abs() < 1e-15 && (s[1] / 2e-12 - 1.0).abs() < 1e-6, "{s:?}");
    let nan = Tensor::from_vec(vec![f32::NAN; 4], &[2, 2]).unwrap();
    assert!(nan.svd(&Control::default()).unwrap_err().to_string().contains("finite"));
    assert!(count(&[3]).svd(&Control::default()).is_err());
}
