//! Ticks along the two sides of a plot: which, what they read, how much room they take.

use super::color::Rgb;
use super::frame::Ink;
use super::glyphs;
use super::scale::Scale;
use super::scene::{Anchor, Paint, Rect, Shape, Text};

/// Pixels of tick labels.
pub const SMALL: f64 = 11.5;
/// Pixels of axis labels.
pub const MIDDLE: f64 = 13.0;
/// Length of a tick.
const TICK: f64 = 4.0;
/// From a tick to its label.
const GAP: f64 = 4.0;
/// Longer names are shortened.
const LONGEST: f64 = 150.0;

/// What stands along an axis.
#[derive(Debug, Clone, PartialEq)]
pub enum Along {
    /// Numbers; only whole ones where they count something.
    Numbers {
        /// Their scale.
        scale: Scale,
        /// No ticks between whole numbers.
        whole: bool,
    },
    /// Names at equal distances.
    Names(Vec<String>),
}

/// Ticks of one side.
#[derive(Debug, Clone, PartialEq)]
pub struct Ticks {
    /// Place from 0 to 1, and what it reads.
    pub at: Vec<(f64, String)>,
    /// Degrees that the labels are turned by.
    pub angle: f64,
    /// Pixels from the plot to the far end of the labels.
    pub depth: f64,
    /// Pixels that labels reach beyond the beginning of the axis.
    pub before: f64,
    /// Pixels that labels reach beyond its end.
    pub after: f64,
}

impl Along {
    fn numbers(&self, about: usize) -> Vec<(f64, String)> {
        let Self::Numbers { scale, whole } = self else { return Vec::new() };
        let ticks = scale.ticks_of(about, *whole);
        let labels = scale.labels(&ticks);
        ticks.iter().map(|v| scale.unit(*v)).zip(labels).collect()
    }

    /// Ticks below a plot of this width.
    pub fn below(&self, width: f64) -> Ticks {
        if let Self::Names(names) = self {
            return below_names(names, width);
        }
        let mut about = (width / 75.0).floor().clamp(2.0, 10.0) as usize;
        loop {
            let at = self.numbers(about);
            let total: f64 = at.iter().map(|(_, label)| glyphs::width(label, SMALL) + 14.0).sum();
            if total <= width + 14.0 || about <= 2 {
                let half = |label: Option<&(f64, String)>, beyond: fn(f64) -> f64| {
                    label.map_or(0.0, |(u, l)| (glyphs::width(l, SMALL) / 2.0 - beyond(*u) * width).max(0.0))
                };
                let (before, after) = (half(at.first(), |u| u), half(at.last(), |u| 1.0 - u));
                return Ticks { at, angle: 0.0, depth: TICK + GAP + SMALL, before, after };
            }
            about -= 1;
        }
    }

    /// Ticks beside a plot of this height.
    pub fn beside(&self, height: f64) -> Ticks {
        let at = match self {
            Self::Names(names) => {
                let band = height / names.len().max(1) as f64;
                let every = every(names.len(), (SMALL + 2.0) / band);
                let place = |i: usize| 1.0 - (i as f64 + 0.5) / names.len() as f64;
                names
                    .iter()
                    .enumerate()
                    .step_by(every)
                    .map(|(i, n)| (place(i), glyphs::fit(n, SMALL, LONGEST)))
                    .collect()
            }
            Self::Numbers { .. } => self.numbers((height / 45.0).floor().clamp(2.0, 10.0) as usize),
        };
        let widest = at.iter().map(|(_, l): &(f64, String)| glyphs::width(l, SMALL)).fold(0.0, f64::max);
        Ticks { at, angle: 0.0, depth: TICK + GAP + widest, before: SMALL / 2.0, after: SMALL / 2.0 }
    }
}

/// Names that stand side by side where there is room, and aslant where there is not.
fn below_names(names: &[String], width: f64) -> Ticks {
    let band = width / names.len().max(1) as f64;
    let place = |i: usize| (i as f64 + 0.5) / names.len() as f64;
    let widest = names.iter().map(|n| glyphs::width(n, SMALL)).fold(0.0, f64::max);
    if widest + 6.0 <= band {
        let at = names.iter().enumerate().map(|(i, n)| (place(i), n.clone())).collect();
        return Ticks { at, angle: 0.0, depth: TICK + GAP + SMALL, before: 0.0, after: 0.0 };
    }
    let every = every(names.len(), 1.3 * SMALL / band);
    let at: Vec<(f64, String)> =
        names.iter().enumerate().step_by(every).map(|(i, n)| (place(i), glyphs::fit(n, SMALL, LONGEST))).collect();
    let slant = std::f64::consts::FRAC_1_SQRT_2;
    let longest = at.iter().map(|(_, n)| glyphs::width(n, SMALL)).fold(0.0, f64::max);
    let before = at.iter().map(|(u, n)| glyphs::width(n, SMALL) * slant - u * width).fold(0.0, f64::max);
    Ticks { at, angle: -45.0, depth: TICK + GAP + (longest + SMALL) * slant, before, after: 0.0 }
}

/// Of many names every so manieth is written.
fn every(count: usize, crowded: f64) -> usize {
    (crowded.ceil() as usize).clamp(1, count.max(1))
}

/// The ticks and their labels below a plot.
pub fn draw_below(ticks: &Ticks, plot: &Rect, ink: &Ink, shapes: &mut Vec<Shape>) {
    let x = |u: f64| plot.left + u * plot.width();
    let marks = ticks.at.iter().map(|(u, _)| vec![(x(*u), plot.bottom), (x(*u), plot.bottom + TICK)]).collect();
    shapes.push(thin(marks, ink));
    for (u, label) in &ticks.at {
        let (anchor, at) = match ticks.angle == 0.0 {
            true => (Anchor::Middle, (x(*u), plot.bottom + TICK + GAP + 0.8 * SMALL)),
            false => (Anchor::End, (x(*u) + 0.3 * SMALL, plot.bottom + TICK + GAP + 0.5 * SMALL)),
        };
        shapes.push(text(label, at, SMALL, anchor, ticks.angle, ink));
    }
}

/// The ticks and their labels at the left of a plot.
pub fn draw_beside(ticks: &Ticks, plot: &Rect, ink: &Ink, shapes: &mut Vec<Shape>) {
    let y = |u: f64| plot.bottom - u * plot.height();
    let marks = ticks.at.iter().map(|(u, _)| vec![(plot.left - TICK, y(*u)), (plot.left, y(*u))]).collect();
    shapes.push(thin(marks, ink));
    for (u, label) in &ticks.at {
        let at = (plot.left - TICK - GAP, y(*u) + 0.36 * SMALL);
        shapes.push(text(label, at, SMALL, Anchor::End, 0.0, ink));
    }
}

/// Thin lines in the colour of axes.
pub fn thin(parts: Vec<Vec<(f64, f64)>>, ink: &Ink) -> Shape {
    hair(parts, ink.line)
}

/// Thin lines, on whole pixels, so that they are sharp.
pub fn hair(mut parts: Vec<Vec<(f64, f64)>>, color: Rgb) -> Shape {
    let sharp = |v: f64| (v - 0.5).round() + 0.5;
    parts.iter_mut().flatten().for_each(|(x, y)| (*x, *y) = (sharp(*x), sharp(*y)));
    Shape::Lines { parts, paint: Paint { color, opacity: 1.0 }, width: 1.0, clip: None }
}

/// A text in the colour of text.
pub fn text(text: &str, at: (f64, f64), size: f64, anchor: Anchor, angle: f64, ink: &Ink) -> Shape {
    Shape::Text(Text { at, text: text.to_owned(), size, anchor, angle, color: ink.text })
}
