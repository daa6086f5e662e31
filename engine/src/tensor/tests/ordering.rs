//! Top-k, sorting, running sums, distances.

use super::*;

#[test]
fn topk_is_ordered_and_ties_go_to_the_lower_position() {
    let c = Control::default();
    let t = Tensor::from_vec(vec![1., 5., 3., 5., 5., 2.], &[6]).unwrap();
    let (values, at) = t.topk(4, -1, &c).unwrap();
    assert_eq!(values.to_vec().unwrap(), [5., 5., 5., 3.]);
    assert_eq!((at.dtype(), at.to_vec_i64().unwrap()), (DType::I64, vec![1, 3, 4, 2]));
    let (values, at) = t.topk(2, 0, &c).unwrap();
    assert_eq!((values.to_vec().unwrap(), at.to_vec_i64().unwrap()), (vec![5., 5.], vec![1, 3]));
    let (none, _) = t.topk(0, 0, &c).unwrap();
    assert_eq!(none.shape(), [0]);
    let e = t.topk(7, 0, &c).unwrap_err().to_string();
    assert_eq!(e, "topk: expected a k of at most 6, the length of dimension 0, found 7");
    // NaN counts as largest, as in PyTorch, and is seen.
    let t = Tensor::from_vec(vec![1., f32::NAN, f32::INFINITY, -1.], &[4]).unwrap();
    assert_eq!(t.topk(3, -1, &c).unwrap().1.to_vec_i64().unwrap(), [1, 2, 0]);
    // Along the first dimension: the columns of [[0, 9], [8, 1], [4, 5]].
    let t = Tensor::from_vec(vec![0., 9., 8., 1., 4., 5.], &[3, 2]).unwrap();
    let (values, at) = t.topk(2, 0, &c).unwrap();
    assert_eq!((values.shape(), values.to_vec().unwrap()), (&[2, 2][..], vec![8., 9., 4., 5.]));
    assert_eq!(at.to_vec_i64().unwrap(), [1, 0, 2, 2]);
}

#[test]
fn topk_of_many_equals_the_sorted_head() {
    let c = Control::default();
    let t = Tensor::randn(&[3, 5000], 3).unwrap();
    let (top, at) = t.topk(50, -1, &c).unwrap();
    let (sorted, order) = t.sort(-1, true, &c).unwrap();
    assert_eq!(top.to_vec().unwrap(), sorted.slice(":, :50").unwrap().to_vec().unwrap());
    assert_eq!(at.to_vec_i64().unwrap(), order.slice(":, :50").unwrap().to_vec_i64().unwrap());
}

#[test]
fn sorting_is_stable_with_nan_last() {
    let c = Control::default();
    let t = Tensor::from_vec(vec![2., f32::NAN, 1., 2., -1.], &[5]).unwrap();
    let (values, at) = t.sort(0, false, &c).unwrap();
    assert_eq!(values.to_vec().unwrap()[..4], [-1., 1., 2., 2.]);
    assert_eq!(at.to_vec_i64().unwrap(), [4, 2, 0, 3, 1]);
    let sums = count(&[2, 3]).cumsum(0, &c).unwrap();
    assert_eq!(sums.to_vec().unwrap(), [0., 1., 2., 3., 5., 7.]);
}

#[test]
fn distances() {
    let c = Control::default();
    let a = Tensor::from_vec(vec![1., 2., 3.], &[3]).unwrap();
    let b = Tensor::from_vec(vec![1., 2.5, 2.], &[3]).unwrap();
    let d = a.compare(&b, &c).unwrap();
    assert_eq!((d.n, d.equal, d.max_abs_diff, d.mean_abs_diff), (3, 1, 1.0, 0.5));
    // numpy: ((a-b)**2).sum() / (b**2).sum() and a@b / |a| / |b|
    close(
        &[d.nmse, d.mse, d.cosine],
        &[0.1111111111111111, 0.4166666666666667, 0.9561828874675149],
        1e-15,
        "distances",
    );
    assert_eq!(a.dot(&b).unwrap(), 12.0);
    assert!(a.allclose(&b, 0.5, 0.0).unwrap() && !a.allclose(&b, 0.1, 0.0).unwrap());
    let nan = Tensor::from_vec(vec![f32::NAN, f32::INFINITY, 1.0], &[3]).unwrap();
    assert!(!nan.allclose(&nan, 1.0, 1.0).unwrap());
    let inf = nan.slice("1:").unwrap();
    assert!(inf.allclose(&inf, 0.0, 0.0).unwrap());
    assert!(!Tensor::ones(&[2]).unwrap().allclose(&inf, 1.0, 1.0).unwrap());
    assert!(a.compare(&nan, &c).unwrap().max_abs_diff.is_nan());
    let e = a.compare(&count(&[4]), &c).unwrap_err().to_string();
    assert_eq!(e, "compare: expected two tensors of one shape, [3], found [4]");
}
