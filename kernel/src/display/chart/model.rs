//! What a chart says, before anything of it is drawn.

use super::color::Rgb;
use super::grid::Grid;
use super::scale::Scale;
use std::sync::Arc;

/// A chart. Cloning it shares its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Stands above it; may be empty.
    pub title: String,
    /// Along the data: positions, categories, the columns of a grid.
    pub x: Axis,
    /// Across: values, the rows of a grid.
    pub y: Axis,
    /// The whole picture in pixels; a grid without a size takes one that suits its cells.
    pub width: Option<f64>,
    /// As `width`.
    pub height: Option<f64>,
    /// Says what the colours are. `None`: where there is more than one.
    pub legend: Option<bool>,
    /// Light lines at the ticks of the values.
    pub grid_lines: bool,
    /// Behind pictures in files; `None` is transparent. A notebook's own background shows through in Vega-Lite.
    pub background: Option<Rgb>,
    /// Bars lie: categories run downwards, values to the right.
    pub horizontal: bool,
    /// How bars of several series share a place.
    pub stack: Stack,
    /// What is drawn.
    pub content: Content,
    /// What a reader must know of what was left out; shown below the title.
    pub notes: Vec<String>,
    /// What was left out without a trace in the picture; in its description only.
    pub aside: Option<String>,
}

/// One of the two axes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Axis {
    /// What it measures; may be empty.
    pub label: String,
    /// Logarithmic.
    pub log: bool,
    /// Ends that were asked for.
    pub range: (Option<f64>, Option<f64>),
    /// Names instead of numbers: position `i` is `categories[i]`. Empty on a numeric axis.
    pub categories: Vec<String>,
}

/// What a chart draws.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Series over two axes.
    Series(Vec<Series>),
    /// A heatmap.
    Grid(Grid),
}

/// How bars of several series share a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stack {
    /// Side by side; histograms over one another.
    Beside,
    /// One on top of the other.
    OnTop,
}

/// One line, cloud of points, set of bars.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name in the legend; may be empty.
    pub name: String,
    /// How it is drawn.
    pub mark: Mark,
    /// Positions: numbers, or indices of categories.
    pub x: Arc<Vec<f64>>,
    /// Values; NaN is a gap.
    pub y: Arc<Vec<f64>>,
    /// The colour that was asked for.
    pub color: Option<Rgb>,
    /// 0 to 1.
    pub opacity: f64,
}

/// How a series is drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// A line, with a point at each value or without.
    Line {
        /// Its width in pixels.
        width: f64,
        /// With a point at each value.
        points: bool,
    },
    /// Points.
    Point {
        /// Diameter in pixels.
        size: f64,
    },
    /// Bars around their positions.
    Bar,
    /// Bars between borders, one more than there are values: a histogram.
    Bins {
        /// The borders, ascending.
        edges: Arc<Vec<f64>>,
    },
}

/// Width of a chart where none is asked for.
pub const WIDTH: f64 = 560.0;
/// Height of a chart where none is asked for.
pub const HEIGHT: f64 = 340.0;

impl Chart {
    /// A chart of this content with nothing else said.
    pub fn new(content: Content) -> Self {
        Self {
            title: String::new(),
            x: Axis::default(),
            y: Axis::default(),
            width: None,
            height: None,
            legend: None,
            grid_lines: true,
            background: Some(Rgb([255, 255, 255])),
            horizontal: false,
            stack: Stack::Beside,
            content,
            notes: Vec::new(),
            aside: None,
        }
    }

    /// Its series; none where it is a heatmap.
    pub fn series(&self) -> &[Series] {
        match &self.content {
            Content::Series(series) => series,
            Content::Grid(_) => &[],
        }
    }

    /// The colour of series `i`.
    pub fn color(&self, i: usize) -> Rgb {
        let all = self.series();
        all.get(i).and_then(|s| s.color).unwrap_or_else(|| Rgb::of_series(i, all.len()))
    }

    /// Whether a legend names the series.
    pub fn has_legend(&self) -> bool {
        let named = self.series().iter().filter(|s| !s.name.is_empty()).count();
        named > 0 && self.legend.unwrap_or(named > 1)
    }

    /// Whether any of its marks are bars.
    pub fn has_bars(&self) -> bool {
        self.series().iter().any(Series::is_bars)
    }

    /// The numbers of the axis along the data. Of categories: half a place before the first to half a place after the last.
    pub fn x_scale(&self) -> Scale {
        if !self.x.categories.is_empty() {
            return Scale { low: -0.5, high: self.x.categories.len() as f64 - 0.5, log: false };
        }
        let bars = self.series().iter().any(|s| s.mark == Mark::Bar);
        let values = self.series().iter().flat_map(|s| match &s.mark {
            Mark::Bins { edges } => edges.iter(),
            _ => s.x.iter(),
        });
        let (min, max) = ends(values.copied(), self.x.log);
        let half = if bars && !self.x.log { 0.5 * self.bar_step() } else { 0.0 };
        let lines = self.series().iter().all(|s| matches!(s.mark, Mark::Line { .. } | Mark::Bins { .. }));
        let (min, max) = if lines || bars || self.x.log { (min - half, max + half) } else { padded(min, max) };
        Scale::fit(min, max, self.x.log, self.x.range, false, false)
    }

    /// Whether all positions are whole, so that ticks between them would mean nothing.
    pub fn x_is_whole(&self) -> bool {
        self.series().iter().all(|s| match &s.mark {
            Mark::Bins { edges } => whole(edges),
            _ => whole(&s.x),
        })
    }

    /// Whether all values are whole.
    pub fn y_is_whole(&self) -> bool {
        self.series().iter().all(|s| whole(&s.y))
    }

    /// The numbers of the axis of the values.
    pub fn y_scale(&self) -> Scale {
        let bars = self.has_bars();
        let values = self.series().iter().flat_map(|s| s.y.iter().copied());
        let (mut min, mut max) = ends(values, self.y.log);
        if self.stack == Stack::OnTop && bars {
            let tops = self.bars().into_iter().flatten().flat_map(|b| [b.base, b.top]);
            (min, max) = ends(tops, self.y.log);
        }
        let x = (self.x.range.0.unwrap_or(f64::NEG_INFINITY), self.x.range.1.unwrap_or(f64::INFINITY));
        if x != (f64::NEG_INFINITY, f64::INFINITY) && !bars {
            // Of a part only what is seen counts.
            let seen = self.series().iter().flat_map(|s| s.x.iter().zip(s.y.iter()));
            let (a, b) = ends(seen.filter(|(v, _)| **v >= x.0 && **v <= x.1).map(|(_, y)| *y), self.y.log);
            if a <= b {
                (min, max) = (a, b);
            }
        }
        Scale::fit(min, max, self.y.log, self.y.range, bars, true)
    }

    /// The least distance between the positions of bars.
    pub fn bar_step(&self) -> f64 {
        if !self.x.categories.is_empty() {
            return 1.0;
        }
        let bars = self.series().iter().filter(|s| s.mark == Mark::Bar);
        let mut all: Vec<f64> = bars.flat_map(|s| s.x.iter().copied()).filter(|v| v.is_finite()).collect();
        all.sort_unstable_by(f64::total_cmp);
        let least = all.windows(2).map(|w| w[1] - w[0]).filter(|d| *d > 0.0).fold(f64::INFINITY, f64::min);
        if least.is_finite() { least } else { 1.0 }
    }

    /// The bars of each series: beside one another or on top, as the chart says.
    pub fn bars(&self) -> Vec<Vec<Bar>> {
        let count = self.series().iter().filter(|s| s.mark == Mark::Bar).count().max(1) as f64;
        let (room, mut place) = (0.8 * self.bar_step(), 0.0);
        let mut piles: std::collections::HashMap<u64, (f64, f64)> = std::collections::HashMap::new();
        let on_top = self.stack == Stack::OnTop;
        let mut out = Vec::new();
        for s in self.series() {
            let spans: Vec<(f64, f64)> = match &s.mark {
                Mark::Bar if on_top => s.x.iter().map(|x| (x - room / 2.0, x + room / 2.0)).collect(),
                Mark::Bar => {
                    let width = room / count;
                    let left = place * width - room / 2.0;
                    place += 1.0;
                    s.x.iter().map(|x| (x + left, x + left + width)).collect()
                }
                Mark::Bins { edges } => edges.iter().copied().zip(edges.iter().skip(1).copied()).collect(),
                _ => Vec::new(),
            };
            let bars = spans.into_iter().zip(s.y.iter()).filter(|(_, y)| !y.is_nan()).map(|((from, to), y)| {
                let mut base = 0.0;
                if on_top {
                    let pile = piles.entry((from + 0.0).to_bits()).or_default();
                    let side = if *y < 0.0 { &mut pile.0 } else { &mut pile.1 };
                    base = *side;
                    *side += y;
                }
                Bar { from, to, base, top: base + y }
            });
            out.push(bars.collect());
        }
        out
    }
}

/// One bar in the numbers of its axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// Where it begins along the data.
    pub from: f64,
    /// Where it ends along the data.
    pub to: f64,
    /// The value it stands on.
    pub base: f64,
    /// The value it reaches.
    pub top: f64,
}

impl Series {
    /// Whether it is drawn as bars.
    pub fn is_bars(&self) -> bool {
        matches!(self.mark, Mark::Bar | Mark::Bins { .. })
    }
}

/// The smallest and the largest of what an axis can show; 0 and 1 where there is nothing.
fn ends(values: impl Iterator<Item = f64>, log: bool) -> (f64, f64) {
    let shown = values.filter(|v| v.is_finite() && (!log || *v > 0.0));
    let (min, max) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    if min <= max { (min, max) } else { (0.0, 1.0) }
}

fn whole(values: &[f64]) -> bool {
    values.iter().all(|v| !v.is_finite() || v.fract() == 0.0)
}

/// Points keep away from the edges.
fn padded(min: f64, max: f64) -> (f64, f64) {
    let room = 0.03 * (max - min);
    if room.is_finite() { (min - room, max + room) } else { (min, max) }
}
