//! Singular values by one-sided Jacobi rotations (Hestenes 1958; Demmel and Veselić 1992): slow, simple, and more accurate on small
//! singular values than the bidiagonal methods.

use crate::control::Control;
use crate::error::{Error, Result};
use crate::tensor::elementwise::sum_type;
use crate::tensor::meter::Meter;
use crate::tensor::{Tensor, memory};
use rayon::prelude::*;

/// `a = u · diag(s) · vt`, in the reduced form: with k = min(m, n), u is [m, k], s is [k], vt is [k, n].
#[derive(Debug, Clone)]
pub struct Svd {
    /// Left singular vectors, one per column.
    pub u: Tensor,
    /// Singular values, largest first.
    pub s: Tensor,
    /// Right singular vectors, one per row.
    pub vt: Tensor,
}

/// A column of the matrix as it turns into u·s, and what its rotations add up to.
struct Column {
    a: Vec<f64>,
    v: Vec<f64>,
}

/// Sweeps after which a matrix that still rotates is given up; ten are usual.
const SWEEPS: usize = 60;

impl Tensor {
    /// The singular value decomposition of a matrix, in double precision; results are F32 (F64 from F64). A matrix with NaN or infinity
    /// has none. The sign of each pair of vectors is fixed by making the largest entry of the right one positive.
    pub fn svd(&self, control: &Control) -> Result<Svd> {
        let [m, n] = *self.shape() else {
            let found = format!("shape {:?}", self.shape());
            return Err(
                Error::argument("svd", "a matrix", found).with_help("take one matrix of it: t[0], or reshape it")
            );
        };
        memory::room_for("svd", self.elements() + m.min(n).saturating_mul(m.min(n)), 2 * size_of::<f64>())?;
        // Rotating the shorter side's columns is less work: a wide matrix is decomposed as its transpose.
        let wide = m < n;
        let (rows, columns) = if wide { (n, m) } else { (m, n) };
        let flat = self.values()?.collect::<f64>(control, &self.describe("read"))?;
        if let Some(bad) = flat.iter().find(|v| !v.is_finite()) {
            return Err(Error::Numeric(format!("svd needs finite values, and the matrix holds {bad}")));
        }
        let at = |r: usize, c: usize| flat.get(if wide { c * n + r } else { r * n + c }).copied().unwrap_or(0.0);
        let mut work: Vec<Column> = (0..columns)
            .map(|c| {
                let mut v = vec![0.0; columns];
                v.iter_mut().skip(c).take(1).for_each(|x| *x = 1.0);
                Column { a: (0..rows).map(|r| at(r, c)).collect(), v }
            })
            .collect();
        // Squares of values near the ends of the range would overflow or vanish.
        let scale = flat.iter().fold(0f64, |s, v| s.max(v.abs()));
        if scale > 0.0 {
            work.iter_mut().flat_map(|c| c.a.iter_mut()).for_each(|v| *v /= scale);
        }
        rotate_until_orthogonal(&mut work, control, &self.describe("svd of"))?;

        let mut order: Vec<(f64, Column)> = work.into_iter().map(|c| (dot(&c.a, &c.a).sqrt(), c)).collect();
        order.sort_by(|x, y| y.0.total_cmp(&x.0));
        let tiny = order.first().map_or(0.0, |o| o.0) * f64::EPSILON * rows as f64;
        for (s, c) in &mut order {
            if *s > tiny {
                let inverse = 1.0 / *s;
                c.a.iter_mut().for_each(|v| *v *= inverse);
            } else {
                c.a.iter_mut().for_each(|v| *v = 0.0);
            }
        }
        complete(&mut order, tiny);
        for (_, c) in &mut order {
            // Of the transpose, the left vectors are the right ones of the matrix itself.
            let right = if wide { &c.a } else { &c.v };
            let largest = right.iter().copied().fold(0.0, |b: f64, v| if v.abs() > b.abs() { v } else { b });
            if largest < 0.0 {
                c.a.iter_mut().chain(c.v.iter_mut()).for_each(|v| *v = -*v);
            }
        }
        let k = columns;
        let s: Vec<f64> = order.iter().map(|o| o.0 * scale).collect();
        let left: Vec<f64> = order.iter().flat_map(|o| o.1.a.iter().copied()).collect();
        let right: Vec<f64> = order.iter().flat_map(|o| o.1.v.iter().copied()).collect();
        let (left, right) = (Self::from_values(left, &[k, rows])?, Self::from_values(right, &[k, columns])?);
        let (u, vt) = if wide { (right, left) } else { (left, right) };
        let dtype = sum_type(self.dtype());
        Ok(Svd { u: u.t()?.cast(dtype)?, s: Self::from_values(s, &[k])?.cast(dtype)?, vt: vt.cast(dtype)? })
    }
}

/// Sweeps over all pairs of columns, half of them at a time (they are disjoint: a round-robin tournament), until none is rotated.
fn rotate_until_orthogonal(columns: &mut Vec<Column>, control: &Control, label: &str) -> Result<()> {
    let n = columns.len();
    if n < 2 {
        return Ok(());
    }
    let rounds = n - 1 + n % 2;
    let meter = Meter::new(control, label, 10 * rounds, "rounds");
    let long = n * columns.first().map_or(0, |c| c.a.len()) > 1 << 14;
    // The tournament needs an even number; an empty column plays for the missing one.
    let bye = n % 2 == 1;
    if bye {
        columns.push(Column { a: Vec::new(), v: Vec::new() });
    }
    let half = columns.len() / 2;
    let mut sweeps = 0;
    loop {
        let mut rotated = false;
        for _ in 0..rounds {
            // Past the usual number of sweeps the bar stands still at its end rather than lie.
            meter.step(usize::from(sweeps < 10))?;
            let (top, bottom) = columns.split_at_mut(half);
            let turn = |(x, y): (&mut Column, &mut Column)| rotate(x, y);
            rotated |= if long {
                top.par_iter_mut().zip(bottom.par_iter_mut()).map(turn).reduce(|| false, |a, b| a | b)
            } else {
                top.iter_mut().zip(bottom.iter_mut()).map(turn).fold(false, |a, b| a | b)
            };
            advance(columns, half);
        }
        sweeps += 1;
        if !rotated {
            break;
        }
        if sweeps == SWEEPS {
            return Err(Error::Numeric(format!("svd did not converge in {SWEEPS} sweeps")));
        }
    }
    meter.finish();
    if bye {
        columns.retain(|c| !c.a.is_empty());
    }
    Ok(())
}

/// Moves every player but the first one seat on: top row to the right, bottom row to the left.
fn advance(columns: &mut [Column], half: usize) {
    // Seats in circular order: 1, 2, …, half-1, then 2·half-1 down to half.
    let seats: Vec<usize> = (1..half).chain((half..2 * half).rev()).collect();
    for pair in seats.windows(2).rev() {
        if let [a, b] = *pair {
            columns.swap(a, b);
        }
    }
}

/// Makes two columns orthogonal; whether they were not yet.
fn rotate(x: &mut Column, y: &mut Column) -> bool {
    if x.a.is_empty() || y.a.is_empty() {
        return false;
    }
    let (aa, bb, ab) = (dot(&x.a, &x.a), dot(&y.a, &y.a), dot(&x.a, &y.a));
    // Columns of denormal length are zero for every purpose, and their products have no digits left.
    let tiny = 1e-290;
    // LAPACK's dgesvj stops at √m·ε as well: rounding of a product of that length does not allow less.
    let tolerance = f64::EPSILON * (x.a.len() as f64).sqrt().max(10.0);
    if aa < tiny || bb < tiny || ab.abs() <= tolerance * aa.sqrt() * bb.sqrt() {
        return false;
    }
    let zeta = (bb - aa) / (2.0 * ab);
    let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = c * t;
    turn(&mut x.a, &mut y.a, c, s);
    turn(&mut x.v, &mut y.v, c, s);
    true
}

fn turn(x: &mut [f64], y: &mut [f64], c: f64, s: f64) {
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

/// Eight sums at once, which the compiler turns into vector instructions.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let (xs, x_rest) = x.as_chunks::<8>();
    let (ys, y_rest) = y.as_chunks::<8>();
    let mut sums = [0f64; 8];
    for (x, y) in xs.iter().zip(ys) {
        for ((s, x), y) in sums.iter_mut().zip(x).zip(y) {
            *s = x.mul_add(*y, *s);
        }
    }
    sums.iter().sum::<f64>() + x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum::<f64>()
}

/// Columns of singular value zero have no direction of their own: any that is orthogonal to the others completes the basis.
fn complete(order: &mut [(f64, Column)], tiny: f64) {
    let mut unit = 0;
    for i in 0..order.len() {
        let (done, rest) = order.split_at_mut(i);
        let Some((s, column)) = rest.first_mut() else { return };
        if *s > tiny {
            continue;
        }
        *s = s.min(tiny);
        while unit < column.a.len() {
            let mut candidate = vec![0.0; column.a.len()];
            candidate.iter_mut().skip(unit).take(1).for_each(|v| *v = 1.0);
            unit += 1;
            // Twice is enough (Kahan and Parlett).
            for _ in 0..2 {
                for (_, other) in done.iter() {
                    let d = dot(&candidate, &other.a);
                    candidate.iter_mut().zip(&other.a).for_each(|(v, o)| *v -= d * o);
                }
            }
            let norm = dot(&candidate, &candidate).sqrt();
            // Of m unit vectors, one has at least 1/√m of its length in whatever is missing.
            if norm > 0.5 / (column.a.len() as f64).sqrt() {
                candidate.iter_mut().for_each(|v| *v /= norm);
                column.a = candidate;
                break;
            }
        }
    }
}
