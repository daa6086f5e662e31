//! Text as outlines of the embedded font, Inter (OFL), so that a picture depends on no font of the machine.

use std::sync::OnceLock;
use ttf_parser::{Face, GlyphId, OutlineBuilder};

static INTER: &[u8] = include_bytes!("font/inter.otf");

fn face() -> Option<&'static Face<'static>> {
    static FACE: OnceLock<Option<Face<'static>>> = OnceLock::new();
    FACE.get_or_init(|| Face::parse(INTER, 0).ok()).as_ref()
}

/// One glyph of a text: which, and how far from the text's beginning, in ems.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// Its number in the font.
    pub glyph: u16,
    /// Ems from the beginning.
    pub x: f64,
}

/// A step of an outline, in ems, y downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Begins a contour.
    Move(f64, f64),
    /// A straight line.
    Line(f64, f64),
    /// A quadratic curve: control point, end.
    Quad([f64; 4]),
    /// A cubic curve: two control points, end.
    Cubic([f64; 6]),
    /// Ends a contour.
    Close,
}

/// Whether the font has every character of a text.
pub fn covers(text: &str) -> bool {
    text.chars().all(|c| face().is_some_and(|f| f.glyph_index(c).is_some()))
}

/// The glyphs of a text and its length in ems. A character that the font lacks is an empty box.
pub fn place(text: &str) -> (Vec<Placed>, f64) {
    let Some(face) = face() else { return (Vec::new(), 0.0) };
    let em = f64::from(face.units_per_em());
    let (mut out, mut x) = (Vec::new(), 0.0);
    for c in text.chars() {
        let glyph = face.glyph_index(c).unwrap_or(GlyphId(0));
        out.push(Placed { glyph: glyph.0, x });
        x += face.glyph_hor_advance(glyph).map_or(0.5, |a| f64::from(a) / em);
    }
    (out, x)
}

/// The length of a text in pixels.
pub fn width(text: &str, size: f64) -> f64 {
    place(text).1 * size
}

/// The text shortened with an ellipsis to what fits.
pub fn fit(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut short: Vec<char> = text.chars().collect();
    while short.pop().is_some() {
        let candidate: String = short.iter().chain(&['…']).collect();
        if width(&candidate, size) <= room {
            return candidate;
        }
    }
    "…".to_owned()
}

/// The outline of a glyph.
pub fn outline(glyph: u16) -> Vec<Step> {
    let Some(face) = face() else { return Vec::new() };
    let mut pen = Pen { em: f64::from(face.units_per_em()), steps: Vec::new() };
    face.outline_glyph(GlyphId(glyph), &mut pen);
    pen.steps
}

struct Pen {
    em: f64,
    steps: Vec<Step>,
}

impl Pen {
    fn x(&self, v: f32) -> f64 {
        f64::from(v) / self.em
    }

    fn y(&self, v: f32) -> f64 {
        -f64::from(v) / self.em
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.steps.push(Step::Move(self.x(x), self.y(y)));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.steps.push(Step::Line(self.x(x), self.y(y)));
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.steps.push(Step::Quad([self.x(x1), self.y(y1), self.x(x), self.y(y)]));
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.steps.push(Step::Cubic([self.x(x1), self.y(y1), self.x(x2), self.y(y2), self.x(x), self.y(y)]));
    }

    fn close(&mut self) {
        self.steps.push(Step::Close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_what_ticks_and_labels_need() {
        assert!(covers("0123456789−,.×10⁻⁹⁸ Loss (nats) μσ ≤ → Ж é Ġ …"));
        assert!(!covers("漢"));
        assert!(width("wide", 10.0) > width("ill", 10.0));
        assert!(!outline(place("A").0[0].glyph).is_empty());
        assert_eq!(fit("abc", 10.0, 100.0), "abc");
        assert!(fit("a long label", 10.0, 30.0).ends_with('…'));
    }
}
