//! The product's shapes and its split into tasks.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::form::{Form, takes};
use super::isa::Isa;
use super::layout::{BLOCK, ROWS, TOKENS};
use super::rounded::Rounded;
use super::task::Task;
use super::weights::Weights;
use crate::error::{Error, Result};

/// Tokens from which on this is faster than the product in `f32`, measured.
pub const LEAST: usize = 3;

/// Groups of tokens for which it pays to pack weights once more.
const ENOUGH: usize = 48;

/// `Y[m, n] = X[m, k] · W[n, k]ᵀ` of rounded activations, exact but for the rounding of the sums in `f32`.
///
/// `out` is row-major `[m, n]` with `stride` numbers from one row to the next, so that several products can share one
/// buffer; what lies between the rows is left alone. The work is spread over the current pool of rayon's threads. `stop`
/// is asked several times a millisecond on each of them; once it says yes, the product ends with
/// [`Error::Interrupted`], and `out` holds nothing of use.
///
/// # Errors
/// A type that [`takes`] refuses, sizes that do not fit together, and `stop`.
pub fn product(
    x: &Rounded,
    weights: &dyn Weights,
    out: &mut [f32],
    stride: usize,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<()> {
    product_with(Isa::best(), x, weights, out, stride, stop)
}

/// [`product`] with other instructions than the best.
pub(super) fn product_with(
    isa: Isa,
    x: &Rounded,
    weights: &dyn Weights,
    out: &mut [f32],
    stride: usize,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<()> {
    let (m, n, dtype) = (x.m(), weights.n(), weights.dtype());
    let Some(form) = Form::of(dtype) else {
        let known: Vec<&str> = crate::format::DType::ALL.iter().filter(|d| takes(**d)).map(|d| d.name()).collect();
        return Err(Error::argument("weights of a product in whole numbers", known.join(", "), dtype.name()));
    };
    if weights.k() != x.k() || !x.k().is_multiple_of(form.block.max(BLOCK)) {
        let expected = format!("activations of {} features, in whole blocks of {dtype}", weights.k());
        return Err(Error::argument("product", expected, x.k().to_string()));
    }
    if m == 0 || n == 0 {
        return Ok(());
    }
    let needed = (m - 1).checked_mul(stride).and_then(|numbers| numbers.checked_add(n));
    if stride < n || needed.is_none_or(|needed| out.len() < needed) {
        let found = format!("{} numbers, {stride} from row to row", out.len());
        return Err(Error::argument("product's output", format!("{m} rows of {n} numbers"), found));
    }
    let out: Vec<&mut [f32]> = out.chunks_mut(stride).take(m).filter_map(|row| row.get_mut(..n)).collect();
    if x.k() == 0 {
        out.into_iter().for_each(|row| row.fill(0.0));
        return Ok(());
    }
    let failed = AtomicBool::new(false);
    let stop = || failed.load(Ordering::Relaxed) || stop();
    let task = Task { isa, form, x, weights, stop: &stop };
    let groups = 0..m.div_ceil(TOKENS);
    let share = share(n.div_ceil(ROWS) * groups.len(), rayon::current_num_threads());
    split(&task, Region { rows: 0, out, groups }, share, &failed)
}

/// A rectangle of the output.
struct Region<'a> {
    /// The first row of weights, which is the column of the output where `out` starts.
    rows: usize,
    /// The region's numbers of each token.
    out: Vec<&'a mut [f32]>,
    /// The groups of its tokens.
    groups: Range<usize>,
}

/// How large a task is, in panels of rows times groups of tokens, so that every thread gets several.
fn share(all: usize, threads: usize) -> usize {
    if threads == 1 { all } else { (all / (8 * threads)).max(1) }
}

/// Halves a region until it is one task's share.
///
/// Each token's numbers are cut as slices, so tasks write straight to their columns of the output and the compiler
/// knows that they do not meet.
fn split(task: &Task, region: Region, share: usize, failed: &AtomicBool) -> Result<()> {
    let Region { rows, mut out, groups } = region;
    let width = out.first().map_or(0, |row| row.len());
    let panels = width.div_ceil(ROWS);
    // Cutting between tokens packs the weights once more.
    let small = panels < 2 && groups.len() < 2 * ENOUGH;
    if panels * groups.len() <= share || small {
        let result = task.run(rows, &mut out, groups);
        if result.is_err() {
            failed.store(true, Ordering::Relaxed);
        }
        return result;
    }
    let (left, right) = if panels > 1 {
        let middle = panels / 2 * ROWS;
        let (left, right) = out.into_iter().map(|row| row.split_at_mut(middle)).unzip();
        (Region { rows, out: left, groups: groups.clone() }, Region { rows: rows + middle, out: right, groups })
    } else {
        let middle = groups.len() / 2;
        let others = out.split_off(middle * TOKENS);
        let middle = groups.start + middle;
        (Region { rows, out, groups: groups.start..middle }, Region { rows, out: others, groups: middle..groups.end })
    };
    let (left, right) = rayon::join(|| split(task, left, share, failed), || split(task, right, share, failed));
    // A task that only stopped because another failed must not hide why.
    match (left, right) {
        (Err(Error::Interrupted), Err(other)) => Err(other),
        (left, right) => left.and(right),
    }
}
