//! Heatmaps.

use super::*;

fn pixel(p: &Pixels, x: usize, y: usize) -> [u8; 4] {
    let at = (y * p.width + x) * 4;
    p.rgba[at..at + 4].try_into().unwrap()
}

#[test]
fn a_small_matrix_has_a_pixel_per_value() {
    let t = Tensor::from_vec(vec![-2., 0., 2., 1., f32::NAN, -1.], &[2, 3]).unwrap();
    let p = t.heatmap(100, &Control::default()).unwrap();
    assert_eq!((p.width, p.height, p.rgba.len()), (3, 2, 24));
    assert_eq!((p.scale.low, p.scale.high, p.scale.diverging, p.scale.nan), (-2.0, 2.0, true, true));
    let [r, _, b, a] = pixel(&p, 0, 0);
    assert!(b > r && a == 255, "negative is blue");
    assert_eq!(pixel(&p, 1, 0)[3], 0, "zero is transparent");
    let [r, _, b, a] = pixel(&p, 2, 0);
    assert!(r > b && a == 255, "positive is red");
    assert_eq!(pixel(&p, 0, 1)[3], 128);
    assert_eq!(pixel(&p, 1, 1), [255, 208, 0, 255], "NaN is yellow");
}

#[test]
fn one_sign_is_viridis() {
    let p = count(&[1, 9]).heatmap(100, &Control::default()).unwrap();
    assert!(!p.scale.diverging);
    assert_eq!(pixel(&p, 0, 0), [0x44, 0x01, 0x54, 255]);
    assert_eq!(pixel(&p, 4, 0), [0x21, 0x91, 0x8c, 255]);
    assert_eq!(pixel(&p, 8, 0), [0xfd, 0xe7, 0x25, 255]);
}

#[test]
fn a_large_matrix_shrinks_and_keeps_its_outliers() {
    let mut values = vec![0.01f32; 1000 * 700];
    values[123 * 700 + 456] = -3.0;
    let t = Tensor::from_vec(values, &[1000, 700]).unwrap();
    let p = t.heatmap(64, &Control::default()).unwrap();
    assert_eq!((p.width, p.height), (64, 64));
    let [r, _, b, a] = pixel(&p, 456 * 64 / 700, 123 * 64 / 1000);
    assert!(b > r && a == 255);
    // One outlier does not fade the rest: the colours end at the 99.5th percentile.
    assert!((p.scale.high - 0.01).abs() < 1e-6, "{:?}", p.scale);
}

#[test]
fn vectors_wrap_and_deep_tensors_stack() {
    let c = Control::default();
    let p = count(&[10]).heatmap(4, &c).unwrap();
    assert_eq!((p.width, p.height), (4, 3));
    assert_eq!((pixel(&p, 1, 2)[3], pixel(&p, 2, 2)[3]), (255, 0), "past the end there is nothing");
    let p = count(&[2, 3, 4]).heatmap(100, &c).unwrap();
    assert_eq!((p.width, p.height), (4, 6));
    let p = count(&[0, 4]).heatmap(100, &c).unwrap();
    assert_eq!((p.width, p.height, p.rgba.len()), (0, 0, 0));
    let p = Tensor::zeros(&[2, 2]).unwrap().heatmap(100, &c).unwrap();
    assert_eq!(p.rgba.len(), 16);
    assert!(count(&[4]).heatmap(0, &c).is_err());
}

#[test]
fn cells_are_means_or_outliers() {
    let c = Control::default();
    let t = count(&[4, 4]);
    let mean = t.cells(2, Pool::Mean, &c).unwrap();
    assert_eq!((mean.rows, mean.columns, mean.source), (2, 2, (4, 4)));
    assert_eq!(mean.values, [Some(2.5), Some(4.5), Some(10.5), Some(12.5)]);
    assert_eq!(t.cells(2, Pool::Farthest, &c).unwrap().values, [Some(5.0), Some(7.0), Some(13.0), Some(15.0)]);
    let uneven = count(&[1, 5]).cells(2, Pool::Mean, &c).unwrap();
    assert_eq!((uneven.columns, uneven.values), (2, vec![Some(1.0), Some(3.5)]), "three, then the two that are left");
    let t = Tensor::from_f64(vec![1.0, f64::NAN, 3.0, 5.0], &[1, 4]).unwrap();
    let means = t.cells(2, Pool::Mean, &c).unwrap().values;
    assert!(means[0].unwrap().is_nan() && means[1] == Some(4.0));
}
