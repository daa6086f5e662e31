//! Singular values by one-sided Jacobi rotations (Hestenes 1958; Demmel and Veselić 1992) after a pivoted QR decomposition: simple, and
//! more accurate on small singular values than the bidiagonal methods.

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

/// A column of the matrix as it turns into u·s, its squared length, and what its rotations add up to.
struct Column {
    a: Vec<f64>,
    square: f64,
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
        memory::room_for("svd", 2 * self.elements() + 2 * m.min(n).saturating_mul(m.min(n)), 2 * size_of::<f64>())?;
        // Rotating the shorter side's columns is less work: a wide matrix is decomposed as its transpose.
        let wide = m < n;
        let (rows, columns) = if wide { (n, m) } else { (m, n) };
        let flat = self.values()?.collect::<f64>(control, &self.describe("read"))?;
        if let Some(bad) = flat.iter().find(|v| !v.is_finite()) {
            return Err(Error::Numeric(format!("svd needs finite values, and the matrix holds {bad}")));
        }
        // Squares of values near the ends of the range would overflow or vanish.
        let scale = flat.iter().fold(0f64, |s, v| s.max(v.abs()));
        let divisor = if scale > 0.0 { scale } else { 1.0 };
        let at =
            |r: usize, c: usize| flat.get(if wide { c * n + r } else { r * n + c }).copied().unwrap_or(0.0) / divisor;
        let qr = Qr::of((0..columns).map(|c| (0..rows).map(|r| at(r, c)).collect()).collect(), control)?;

        // With a·p = q·r and rᵀ·j = w·s, a is (q·j)·s·(p·w)ᵀ. The columns of rᵀ are nearly orthogonal already (Drmač and Veselić 2008).
        let mut work: Vec<Column> = (0..columns)
            .map(|i| {
                let mut v = vec![0.0; columns];
                v.iter_mut().skip(i).take(1).for_each(|x| *x = 1.0);
                Column { a: qr.row(i), square: 0.0, v }
            })
            .collect();
        rotate_until_orthogonal(&mut work, control, &self.describe("svd of"))?;
        let mut order: Vec<(f64, Column)> = work.into_iter().map(|c| (dot(&c.a, &c.a).sqrt(), c)).collect();
        order.sort_by(|x, y| y.0.total_cmp(&x.0));
        let tiny = order.first().map_or(0.0, |o| o.0) * f64::EPSILON * rows as f64;
        for (s, c) in &mut order {
            let inverse = if *s > tiny { 1.0 / *s } else { 0.0 };
            c.a.iter_mut().for_each(|v| *v *= inverse);
        }
        complete(&mut order, tiny);
        order.par_iter_mut().for_each(|(_, c)| {
            c.a = qr.unpermuted(&c.a);
            c.v = qr.applied(&c.v);
            // Of the transpose, the left vectors are the right ones of the matrix itself.
            let right = if wide { &c.v } else { &c.a };
            let largest = right.iter().copied().fold(0.0, |b: f64, v| if v.abs() > b.abs() { v } else { b });
            if largest < 0.0 {
                c.a.iter_mut().chain(c.v.iter_mut()).for_each(|v| *v = -*v);
            }
        });
        let k = columns;
        let s: Vec<f64> = order.iter().map(|o| o.0 * scale).collect();
        let left: Vec<f64> = order.iter().flat_map(|o| o.1.v.iter().copied()).collect();
        let right: Vec<f64> = order.iter().flat_map(|o| o.1.a.iter().copied()).collect();
        let (left, right) = (Self::from_values(left, &[k, rows])?, Self::from_values(right, &[k, columns])?);
        let (u, vt) = if wide { (right, left) } else { (left, right) };
        let dtype = sum_type(self.dtype());
        Ok(Svd { u: u.t()?.cast(dtype)?, s: Self::from_values(s, &[k])?.cast(dtype)?, vt: vt.cast(dtype)? })
    }
}

/// Householder's decomposition with the longest remaining column first: `a · p = q · r`.
struct Qr {
    /// The columns of a; above the diagonal those of r, at it r's diagonal.
    columns: Vec<Vec<f64>>,
    /// Reflection k: its vector, from row k on, and 2 / |v|².
    reflections: Vec<(Vec<f64>, f64)>,
    /// Column i of a · p is column `order[i]` of a.
    order: Vec<usize>,
    rows: usize,
}

impl Qr {
    fn of(mut columns: Vec<Vec<f64>>, control: &Control) -> Result<Self> {
        let (n, rows) = (columns.len(), columns.first().map_or(0, Vec::len));
        let mut order: Vec<usize> = (0..n).collect();
        let mut reflections = Vec::with_capacity(n);
        let mut squares: Vec<f64> = columns.iter().map(|c| dot(c, c)).collect();
        for k in 0..n {
            control.check()?;
            let longest = (k..n)
                .max_by(|a, b| squares.get(*a).partial_cmp(&squares.get(*b)).unwrap_or(std::cmp::Ordering::Equal));
            let longest = longest.unwrap_or(k);
            columns.swap(k, longest);
            order.swap(k, longest);
            squares.swap(k, longest);
            let (done, rest) = columns.split_at_mut(k + 1);
            let Some(tail) = done.last_mut().and_then(|c| c.get_mut(k..)) else { continue };
            let length = dot(tail, tail).sqrt();
            let mut v = tail.to_vec();
            let beta = match v.first_mut() {
                Some(first) if length > 0.0 => {
                    let diagonal = if *first > 0.0 { -length } else { length };
                    *first -= diagonal;
                    tail.iter_mut().for_each(|x| *x = 0.0);
                    tail.iter_mut().take(1).for_each(|x| *x = diagonal);
                    2.0 / dot(&v, &v)
                }
                _ => 0.0,
            };
            let reflect = |(column, square): (&mut Vec<f64>, &mut f64)| {
                if let Some(tail) = column.get_mut(k..) {
                    axpy(-beta * dot(&v, tail), &v, tail);
                    *square = tail.get(1..).map_or(0.0, |t| dot(t, t));
                }
            };
            let left = squares.get_mut(k + 1..).unwrap_or_default();
            if rest.len() * v.len() > 1 << 15 {
                rest.par_iter_mut().zip(left.par_iter_mut()).for_each(reflect);
            } else {
                rest.iter_mut().zip(left).for_each(reflect);
            }
            reflections.push((v, beta));
        }
        Ok(Self { columns, reflections, order, rows })
    }

    /// Row i of r.
    fn row(&self, i: usize) -> Vec<f64> {
        let entry = |(j, c): (usize, &Vec<f64>)| if j < i { 0.0 } else { c.get(i).copied().unwrap_or(0.0) };
        self.columns.iter().enumerate().map(entry).collect()
    }

    /// p · x.
    fn unpermuted(&self, x: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; x.len()];
        for (to, v) in self.order.iter().zip(x) {
            out.iter_mut().skip(*to).take(1).for_each(|o| *o = *v);
        }
        out
    }

    /// q · x.
    fn applied(&self, x: &[f64]) -> Vec<f64> {
        let mut out = x.to_vec();
        out.resize(self.rows, 0.0);
        for (k, (v, beta)) in self.reflections.iter().enumerate().rev() {
            if let Some(tail) = out.get_mut(k..) {
                axpy(-beta * dot(v, tail), v, tail);
            }
        }
        out
    }
}

/// y += f · x.
fn axpy(f: f64, x: &[f64], y: &mut [f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y = f.mul_add(*x, *y));
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
        columns.push(Column { a: Vec::new(), square: 0.0, v: Vec::new() });
    }
    let half = columns.len() / 2;
    let mut sweeps = 0;
    loop {
        let mut rotated = false;
        // Rotations update the lengths; rounding adds up only within a sweep.
        columns.par_iter_mut().for_each(|c| c.square = dot(&c.a, &c.a));
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
    let (aa, bb, ab) = (x.square, y.square, dot(&x.a, &y.a));
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
    for (column, old, new) in [(&mut *x, aa, aa - t * ab), (&mut *y, bb, bb + t * ab)] {
        // A difference that lost digits is computed anew.
        column.square = if new > 0.1 * old { new } else { dot(&column.a, &column.a) };
    }
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
