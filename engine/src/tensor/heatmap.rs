//! A tensor as a picture: one pixel per value, or per block of values where there are more values than pixels.

use crate::control::Control;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::meter::Meter;
use rayon::prelude::*;

/// A picture of a matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green, blue and opacity per pixel, row by row.
    pub rgba: Vec<u8>,
    /// What the colours mean.
    pub scale: Scale,
}

/// What the colours of a picture mean. A value beyond the ends has the colour of the end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The value of the colour at 0.
    pub low: f64,
    /// The value of the colour at 1.
    pub high: f64,
    /// Blue through transparent (zero) to red, for values of both signs; else viridis.
    pub diverging: bool,
    /// Whether a NaN is in the picture (yellow on diverging colours, magenta on viridis).
    pub nan: bool,
}

impl Eq for Scale {}

/// matplotlib's viridis (CC0) at equal distances.
const VIRIDIS: [[u8; 3]; 9] = [
    [0x44, 0x01, 0x54],
    [0x47, 0x2d, 0x7b],
    [0x3b, 0x52, 0x8b],
    [0x2c, 0x72, 0x8e],
    [0x21, 0x91, 0x8c],
    [0x28, 0xae, 0x80],
    [0x5e, 0xc9, 0x62],
    [0xad, 0xdc, 0x30],
    [0xfd, 0xe7, 0x25],
];
const NEGATIVE: [u8; 3] = [0x2f, 0x6f, 0xde];
const POSITIVE: [u8; 3] = [0xe0, 0x3c, 0x31];

impl Scale {
    /// The colour at `t` between 0 and 1, as red, green, blue, opacity. Zero is transparent on the diverging scale, so that it is
    /// light on a light page and dark on a dark one.
    pub fn color(&self, t: f64) -> [u8; 4] {
        let t = t.clamp(0.0, 1.0);
        if self.diverging {
            let signed = 2.0 * t - 1.0;
            let [r, g, b] = if signed < 0.0 { NEGATIVE } else { POSITIVE };
            return [r, g, b, (signed.abs() * 255.0).round() as u8];
        }
        let at = t * (VIRIDIS.len() - 1) as f64;
        let low = (at as usize).min(VIRIDIS.len() - 2);
        let part = at - low as f64;
        let channel = |c: usize| {
            let get = |i: usize| VIRIDIS.get(i).and_then(|v| v.get(c)).copied().map_or(0.0, f64::from);
            (get(low) + (get(low + 1) - get(low)) * part).round() as u8
        };
        [channel(0), channel(1), channel(2), 255]
    }

    fn of(&self, v: f64) -> [u8; 4] {
        if v.is_nan() {
            return if self.diverging { [0xff, 0xd0, 0x00, 255] } else { [0xff, 0x00, 0xc8, 255] };
        }
        let span = self.high - self.low;
        self.color(if v == f64::INFINITY {
            1.0
        } else if v == f64::NEG_INFINITY || span <= 0.0 {
            0.0
        } else {
            (v - self.low) / span
        })
    }
}

/// A matrix as fewer cells than it has values.
#[derive(Debug, Clone, PartialEq)]
pub struct Cells {
    /// Cells per row.
    pub columns: usize,
    /// Rows of cells.
    pub rows: usize,
    /// Rows and columns of the values themselves.
    pub source: (usize, usize),
    /// Rows and columns of values that a cell stands for; the last ones for fewer.
    pub block: (usize, usize),
    /// A value per cell, row by row; `None` past the end of a wrapped vector.
    pub values: Vec<Option<f64>>,
}

/// What stands for several values. NaN wins in both: one is never hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// Their mean.
    Mean,
    /// The one farthest from zero, so that outliers survive.
    Farthest,
}

impl Tensor {
    /// A picture of at most `max_side` pixels a side. A matrix is shown as it is, deeper tensors with their outer dimensions one below
    /// the other, a vector as one row or wrapped like text. A pixel that stands for many values shows the one farthest from zero, so that
    /// outliers survive; NaN wins over everything. Colours end at the 99.5th percentile, so that one outlier does not fade the rest.
    pub fn heatmap(&self, max_side: usize, control: &Control) -> Result<Pixels> {
        let Cells { columns: width, rows: height, values, .. } =
            self.pooled(max_side, Pool::Farthest, false, control)?;
        let scale = scale_of(&values);
        let rgba = values.iter().flat_map(|c| c.map_or([0; 4], |v| scale.of(v))).collect();
        Ok(Pixels { width, height, rgba, scale })
    }

    /// The values in at most `max_side` cells a side, laid out as [`Tensor::heatmap`] does. Each cell stands for a block of the
    /// same size.
    pub fn cells(&self, max_side: usize, pool: Pool, control: &Control) -> Result<Cells> {
        self.pooled(max_side, pool, true, control)
    }

    /// With `even`, blocks have the same size; without, `max_side` is reached where there is more than that.
    fn pooled(&self, max_side: usize, pool: Pool, even: bool, control: &Control) -> Result<Cells> {
        if max_side == 0 || max_side > 1 << 13 {
            return Err(Error::argument("heatmap", "a side from 1 to 8192 pixels", max_side.to_string()));
        }
        let n = self.elements();
        let (rows, columns) = match *self.shape() {
            _ if n == 0 => (0, 0),
            [.., columns] if self.rank() > 1 => (n / columns, columns),
            _ if n > max_side => (n.div_ceil(max_side), max_side),
            _ => (1, n),
        };
        let count = |n: usize| if even { n.div_ceil(n.div_ceil(max_side).max(1)) } else { n.min(max_side) };
        let begin = |i: usize, of: usize, n: usize| if even { (i * n.div_ceil(max_side)).min(n) } else { i * n / of };
        let (height, width) = (count(rows), count(columns));
        let values = self.values()?;
        let meter = Meter::new(control, self.describe("heatmap of"), n, "values");
        let lines = (0..height)
            .into_par_iter()
            .map(|y| {
                let mut line = vec![Pooled::default(); width];
                let mut buffer = vec![0f64; columns];
                for row in begin(y, height, rows)..begin(y + 1, height, rows) {
                    let start = row * columns;
                    // The last row of a wrapped vector may end early.
                    buffer.truncate(n - start);
                    meter.step(buffer.len())?;
                    values.read(start, &mut buffer)?;
                    for (x, cell) in line.iter_mut().enumerate() {
                        let (from, to) = (begin(x, width, columns), begin(x + 1, width, columns));
                        let part = buffer.get(from..to.min(buffer.len()));
                        part.unwrap_or_default().iter().for_each(|v| cell.add(*v, pool));
                    }
                }
                Ok(line.iter().map(|cell| cell.value(pool)).collect())
            })
            .collect::<Result<Vec<Vec<Option<f64>>>>>()?;
        meter.finish();
        let block = (rows.div_ceil(max_side), columns.div_ceil(max_side));
        let values = lines.into_iter().flatten().collect();
        Ok(Cells { columns: width, rows: height, source: (rows, columns), block, values })
    }
}

#[derive(Clone, Copy, Default)]
struct Pooled {
    count: usize,
    sum: f64,
    farthest: Option<f64>,
}

impl Pooled {
    fn add(&mut self, v: f64, pool: Pool) {
        match pool {
            Pool::Farthest => self.farthest = farther(self.farthest, v),
            Pool::Mean => {
                self.count += 1;
                self.sum += v;
            }
        }
    }

    fn value(&self, pool: Pool) -> Option<f64> {
        match pool {
            Pool::Farthest => self.farthest,
            Pool::Mean => (self.count > 0).then(|| self.sum / self.count as f64),
        }
    }
}

fn farther(cell: Option<f64>, v: f64) -> Option<f64> {
    match cell {
        Some(c) if c.is_nan() || c.abs() >= v.abs() => cell,
        _ => Some(v),
    }
}

fn scale_of(cells: &[Option<f64>]) -> Scale {
    let mut sizes: Vec<f64> = cells.iter().flatten().filter(|v| v.is_finite()).map(|v| v.abs()).collect();
    let nan = cells.iter().flatten().any(|v| v.is_nan());
    let diverging = cells.iter().flatten().any(|v| *v < 0.0);
    let at = (sizes.len().saturating_sub(1)) * 995 / 1000;
    // Of few values none is an outlier.
    let at = if sizes.len() < 1000 { sizes.len().saturating_sub(1) } else { at };
    let mut end = if sizes.is_empty() { 0.0 } else { *sizes.select_nth_unstable_by(at, f64::total_cmp).1 };
    if end == 0.0 {
        end = sizes.iter().copied().fold(0.0, f64::max);
    }
    Scale { low: if diverging { -end } else { 0.0 }, high: end, diverging, nan }
}
