//! What is drawn, as few kinds of shapes: SVG and PNG are written from the same list.

use super::color::Rgb;

/// A picture of shapes, back to front. Pixels, y downwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Pixels across.
    pub width: f64,
    /// Pixels down.
    pub height: f64,
    /// `None` is transparent.
    pub background: Option<Rgb>,
    /// What it shows, for who cannot see it.
    pub description: String,
    /// Back to front.
    pub shapes: Vec<Shape>,
}

/// One shape.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Straight lines through points; each list is a line of its own.
    Lines {
        /// The points.
        parts: Vec<Vec<(f64, f64)>>,
        /// Colour and opacity.
        paint: Paint,
        /// Width.
        width: f64,
        /// Nothing is drawn outside.
        clip: Option<Rect>,
    },
    /// Filled rectangles.
    Rects {
        /// The rectangles.
        rects: Vec<Rect>,
        /// Colour and opacity.
        paint: Paint,
    },
    /// Filled circles.
    Circles {
        /// The centres.
        centres: Vec<(f64, f64)>,
        /// The radius.
        radius: f64,
        /// Colour and opacity.
        paint: Paint,
    },
    /// A line of text.
    Text(Text),
    /// A grid of coloured cells.
    Cells {
        /// Where.
        rect: Rect,
        /// Cells per row.
        columns: usize,
        /// Rows.
        rows: usize,
        /// A colour per cell, row by row; `None` leaves it open.
        colors: Vec<Option<Rgb>>,
    },
}

/// A line of text.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// Where: the baseline at the anchor.
    pub at: (f64, f64),
    /// What it reads.
    pub text: String,
    /// Pixels of the em.
    pub size: f64,
    /// Which part of it stands at `at`.
    pub anchor: Anchor,
    /// Degrees, clockwise, around `at`.
    pub angle: f64,
    /// Its colour.
    pub color: Rgb,
}

/// Which part of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

impl Anchor {
    /// How much of the text lies before its place.
    pub fn share(self) -> f64 {
        match self {
            Self::Start => 0.0,
            Self::Middle => 0.5,
            Self::End => 1.0,
        }
    }
}

/// A colour with an opacity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paint {
    /// The colour.
    pub color: Rgb,
    /// 0 to 1.
    pub opacity: f64,
}

/// A rectangle, its sides ordered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Left.
    pub left: f64,
    /// Top.
    pub top: f64,
    /// Right.
    pub right: f64,
    /// Bottom.
    pub bottom: f64,
}

impl Rect {
    /// The rectangle between two corners.
    pub fn between(a: (f64, f64), b: (f64, f64)) -> Self {
        Self { left: a.0.min(b.0), top: a.1.min(b.1), right: a.0.max(b.0), bottom: a.1.max(b.1) }
    }

    /// Pixels across.
    pub fn width(&self) -> f64 {
        self.right - self.left
    }

    /// Pixels down.
    pub fn height(&self) -> f64 {
        self.bottom - self.top
    }

    /// The part of it that lies in another one.
    pub fn within(&self, other: &Self) -> Option<Self> {
        let part = Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        };
        (part.left <= part.right && part.top <= part.bottom).then_some(part)
    }
}
