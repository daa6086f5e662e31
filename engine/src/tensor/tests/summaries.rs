//! The one line, and statistics of what is not a number.

use super::*;

fn line(t: &Tensor) -> String {
    t.summary(&Control::default()).unwrap()
}

#[test]
fn the_line_is_that_of_the_design() {
    // NumPy counts 457, 574, 819, 2838, 3461, 819, 575 and 457 of them in eight bins.
    let values: Vec<f32> = (0..10_000).map(|i| (i as f32 / 10_000.0 - 0.5).powi(3) * 8.0).collect();
    let t = Tensor::from_vec(values, &[100, 100]).unwrap().cast(DType::F16).unwrap();
    assert_eq!(line(&t), "f16[100, 100] n=10000 (20.0 kB) x∈[-1 |▂▂▂▇█▂▂▂| 1.00] μ=-1.00e-4 σ=0.378");
    assert_eq!(line(&count(&[4]).named("w")), "w f32[4] n=4 (16 B) x∈[0 |█ █  █ █| 3] μ=1.50 σ=1.12");
}

#[test]
fn what_is_wrong_is_flagged() {
    assert_eq!(line(&Tensor::zeros(&[2, 2]).unwrap()), "f32[2, 2] n=4 (16 B) all zeros");
    assert_eq!(line(&Tensor::full(&[2], 0.5).unwrap()), "f32[2] n=2 (8 B) x=0.500");
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let t = Tensor::from_vec(vec![1., 2., nan, nan, inf, -inf], &[6]).unwrap();
    assert_eq!(line(&t), "f32[6] n=6 (24 B) x∈[1 |█      █| 2] μ=1.50 σ=0.500 NaN! (2) +Inf! (1) -Inf! (1)");
    assert_eq!(line(&Tensor::from_vec(vec![nan; 3], &[3]).unwrap()), "f32[3] n=3 (12 B) all NaN!");
    assert_eq!(line(&Tensor::full(&[], 2.5).unwrap()), "f32[] 2.5000");
    assert_eq!(line(&count(&[0, 5])), "f32[0, 5] n=0 (0 B)");
    assert_eq!(count(&[0, 5]).text(&Control::default()).unwrap(), "f32[0, 5] n=0 (0 B)\n[]");
    let thousand = Tensor::arange(0., 1000., 1.).unwrap();
    assert_eq!(line(&thousand), "i64[1000] n=1000 (8.0 kB) x∈[0 |████████| 999] μ=500 σ=289");
    let s = Tensor::from_vec(vec![nan; 3], &[3]).unwrap().stats(&Control::default()).unwrap();
    assert!(s.nan == 3 && s.finite() == 0 && s.min.is_nan() && s.mean.is_nan());
}

#[test]
fn numbers_have_three_digits() {
    let table = [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-12.0, "-12"),
        (2.64159, "2.64"),
        (-0.39, "-0.390"),
        (123.456, "123"),
        (12345.6, "12346"),
        (123456.7, "1.23e5"),
        (0.00123456, "0.00123"),
        (0.000123456, "1.23e-4"),
        (1e30, "1.00e30"),
        (f64::NAN, "nan"),
        (f64::NEG_INFINITY, "-inf"),
        (-100.0, "-100"),
        (0.05, "0.0500"),
    ];
    for (v, expected) in table {
        assert_eq!(number(v), expected);
    }
}

#[test]
fn long_work_reports_progress_and_short_work_does_not() {
    use std::sync::Mutex;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let control = Control::new(crate::Interrupt::default(), move |e| {
        if let crate::Event::Progress { done, total, .. } = e {
            sink.lock().unwrap().push((done, total));
        }
    });
    count(&[1000]).stats(&control).unwrap();
    assert!(seen.lock().unwrap().is_empty());
    let meter = super::super::meter::Meter::new(&control, "slow", 12, "values");
    for _ in 0..12 {
        std::thread::sleep(std::time::Duration::from_millis(60));
        meter.step(1).unwrap();
    }
    meter.finish();
    let seen = seen.lock().unwrap();
    assert!(seen.len() >= 2 && seen.last() == Some(&(12, 12)), "{seen:?}");
    assert_eq!(seen.iter().filter(|(d, t)| d == t).count(), 1, "{seen:?}");
}
