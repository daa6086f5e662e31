//! The product's shapes and its split into tasks.

use std::sync::atomic::{AtomicBool, Ordering};

use super::isa::Isa;
use super::pack::{Packed, Panel};
use super::task::Task;
use super::weights::Weights;
use super::write::UNIT;
use crate::error::{Error, Result};

/// `Y[m, n] = X[m, k] · W[n, k]ᵀ`, exact but for the rounding of the sums in `f32`.
///
/// `out` is row-major `[m, n]` with `stride` numbers from one row to the next, so that several products can share one
/// buffer; what lies between the rows is left alone. The work is spread over the current pool of rayon's threads. `stop`
/// is asked several times a millisecond on each of them; once it says yes, the product ends with
/// [`Error::Interrupted`], and `out` holds nothing of use.
pub fn product(
    x: &Packed,
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
    x: &Packed,
    weights: &dyn Weights,
    out: &mut [f32],
    stride: usize,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<()> {
    let (m, n) = (x.m(), weights.n());
    if weights.k() != x.k() {
        return Err(Error::argument("product", format!("activations of {} features", weights.k()), x.k().to_string()));
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
    let task = Task { isa, x, weights, stop: &stop };
    let units = n.div_ceil(UNIT);
    let share = share(units * x.panels().len(), rayon::current_num_threads());
    split(&task, Region { rows: 0, out, panels: x.panels() }, share, &failed)
}

/// A rectangle of the output.
struct Region<'a, 'b> {
    /// The first row of weights, which is the column of the output where `out` starts.
    rows: usize,
    /// The region's numbers of each token.
    out: Vec<&'a mut [f32]>,
    /// The panels of its tokens.
    panels: &'b [Panel],
}

/// How large a task is, in units of rows times panels, so that every thread gets several and none is tiny.
fn share(all: usize, threads: usize) -> usize {
    (all / (8 * threads)).max(16.min(all / (2 * threads))).max(1)
}

/// Halves a region until it is one task's share.
///
/// Each token's numbers are cut as slices, so tasks write straight to their columns of the output and the compiler
/// knows that they do not meet.
fn split(task: &Task, region: Region, share: usize, failed: &AtomicBool) -> Result<()> {
    let Region { rows, mut out, panels } = region;
    let width = out.first().map_or(0, |row| row.len());
    let units = width.div_ceil(UNIT);
    if units * panels.len() <= share || (units < 2 && panels.len() < 2) {
        let result = task.run(rows, &mut out, panels);
        if result.is_err() {
            failed.store(true, Ordering::Relaxed);
        }
        return result;
    }
    // Cutting between tokens expands the weights once more, so it waits until the rows are few.
    let (left, right) = if units > 2 || panels.len() < 4 && units > 1 {
        let middle = units / 2 * UNIT;
        let (left, right) = out.into_iter().map(|row| row.split_at_mut(middle)).unzip();
        (Region { rows, out: left, panels }, Region { rows: rows + middle, out: right, panels })
    } else {
        let (left, right) = panels.split_at(panels.len() / 2);
        let others = out.split_off(left.iter().map(|panel| panel.tokens).sum());
        (Region { rows, out, panels: left }, Region { rows, out: others, panels: right })
    };
    let (left, right) = rayon::join(|| split(task, left, share, failed), || split(task, right, share, failed));
    // A task that only stopped because another failed must not hide why.
    match (left, right) {
        (Err(Error::Interrupted), Err(other)) => Err(other),
        (left, right) => left.and(right),
    }
}
