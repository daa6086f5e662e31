//! Where everything goes: title, axes, legend, plot.

use super::axes::{self, Along, MIDDLE, SMALL, Ticks};
use super::color::Rgb;
use super::glyphs;
use super::grid;
use super::legend::{self, Place};
use super::marks;
use super::model::{Chart, Content, HEIGHT, WIDTH};
use super::scene::{Anchor, Rect, Scene, Shape, Text};

/// Pixels of the title.
const LARGE: f64 = 15.0;
/// Pixels left free at the edges.
const EDGE: f64 = 10.0;

/// Colours of all that is not data, for a light or a dark background.
#[derive(Debug, Clone, Copy)]
pub struct Ink {
    /// Text.
    pub text: Rgb,
    /// Text of less weight.
    pub soft: Rgb,
    /// Axes and ticks.
    pub line: Rgb,
    /// Lines behind the data.
    pub grid: Rgb,
}

impl Ink {
    /// The colours that are read on this background; a transparent one is taken for paper.
    pub fn on(background: Option<Rgb>) -> Self {
        match background.is_none_or(Rgb::is_light) {
            true => Self {
                text: Rgb::hex(0x22_2222),
                soft: Rgb::hex(0x66_6666),
                line: Rgb::hex(0x55_5555),
                grid: Rgb::hex(0xe8_e8e8),
            },
            false => Self {
                text: Rgb::hex(0xe8_e8e8),
                soft: Rgb::hex(0xaa_aaaa),
                line: Rgb::hex(0xa0_a0a0),
                grid: Rgb::hex(0x3c_3c3c),
            },
        }
    }
}

/// What stands around a plot.
pub struct Around {
    /// Ticks below.
    pub below: Ticks,
    /// Ticks at the left.
    pub beside: Ticks,
    /// Label below.
    pub below_label: String,
    /// Label at the left.
    pub beside_label: String,
    /// Pixels for a legend above.
    pub above: f64,
    /// Pixels for a legend or a colour bar at the right.
    pub right: f64,
}

/// The picture of a chart.
pub fn scene(chart: &Chart) -> Scene {
    let ink = Ink::on(chart.background);
    let mut shapes = Vec::new();
    let (width, height) = match &chart.content {
        Content::Grid(grid) => grid::draw(chart, grid, &ink, &mut shapes),
        Content::Series(_) => series(chart, &ink, &mut shapes),
    };
    Scene { width, height, background: chart.background, description: chart.description(), shapes }
}

fn series(chart: &Chart, ink: &Ink, shapes: &mut Vec<Shape>) -> (f64, f64) {
    let (width, height) = (chart.width.unwrap_or(WIDTH), chart.height.unwrap_or(HEIGHT));
    let (x, y) = (chart.x_scale(), chart.y_scale());
    let data = match chart.x.categories.is_empty() {
        true => Along::Numbers { scale: x, whole: chart.x_is_whole() },
        false => Along::Names(chart.x.categories.clone()),
    };
    let values = Along::Numbers { scale: y, whole: chart.y_is_whole() };
    let place = legend::place(chart, width);
    let mut around = Around {
        below: data.below(width),
        beside: values.beside(height),
        below_label: chart.x.label.clone(),
        beside_label: chart.y.label.clone(),
        above: if place == Some(Place::Above) { legend::ROW } else { 0.0 },
        right: if place == Some(Place::Right) { legend::column_width(chart) } else { 0.0 },
    };
    if chart.horizontal {
        std::mem::swap(&mut around.below_label, &mut around.beside_label);
    }
    let mut plot = Rect { left: 0.0, top: 0.0, right: width - 90.0, bottom: height - 60.0 };
    // The ticks depend on the plot's size and the plot's size on the ticks: twice is enough.
    for _ in 0..2 {
        let (below, beside) = if chart.horizontal { (&values, &data) } else { (&data, &values) };
        around.below = below.below(plot.width());
        around.beside = beside.beside(plot.height());
        let m = margins(chart, &around);
        plot = Rect { left: m.left, top: m.top, right: width - m.right, bottom: height - m.bottom };
        plot.right = plot.right.max(plot.left + 20.0);
        plot.bottom = plot.bottom.max(plot.top + 20.0);
    }
    // Whole pixels are sharp.
    for side in [&mut plot.left, &mut plot.top, &mut plot.right, &mut plot.bottom] {
        *side = (*side - 0.5).round() + 0.5;
    }
    if chart.grid_lines {
        let lines = match chart.horizontal {
            true => ticks_across(&around.below, &plot),
            false => ticks_up(&around.beside, &plot),
        };
        shapes.push(axes::hair(lines, ink.grid));
    }
    marks::draw(chart, &x, &y, &plot, ink, shapes);
    frame(chart, &around, &plot, ink, shapes);
    // Bars stand on the line of the values' axis; categories need no line of their own.
    shapes
        .push(axes::thin(vec![vec![(plot.left, plot.top), (plot.left, plot.bottom), (plot.right, plot.bottom)]], ink));
    match place {
        Some(Place::Above) => legend::draw_above(chart, plot.left, plot.top - legend::ROW, ink, shapes),
        Some(Place::Right) => legend::draw_right(chart, &plot, ink, shapes),
        None => {}
    }
    (width, height)
}

fn ticks_up(ticks: &Ticks, plot: &Rect) -> Vec<Vec<(f64, f64)>> {
    let y = |u: f64| plot.bottom - u * plot.height();
    ticks.at.iter().map(|(u, _)| vec![(plot.left, y(*u)), (plot.right, y(*u))]).collect()
}

fn ticks_across(ticks: &Ticks, plot: &Rect) -> Vec<Vec<(f64, f64)>> {
    let x = |u: f64| plot.left + u * plot.width();
    ticks.at.iter().map(|(u, _)| vec![(x(*u), plot.top), (x(*u), plot.bottom)]).collect()
}

/// Pixels around the plot: the sides of a rectangle, each counted inwards.
pub fn margins(chart: &Chart, around: &Around) -> Rect {
    let label = |text: &str| if text.is_empty() { 0.0 } else { MIDDLE + 8.0 };
    let left = EDGE + label(&around.beside_label) + around.beside.depth;
    Rect {
        left: left.max(EDGE + around.below.before),
        top: EDGE
            + head(chart)
            + around.above
            + if head(chart) + around.above > 0.0 { 2.0 } else { around.beside.after },
        right: EDGE + around.right.max(around.below.after) + 4.0,
        bottom: EDGE + around.below.depth + label(&around.below_label),
    }
}

/// Pixels that title and notes take.
fn head(chart: &Chart) -> f64 {
    let title = if chart.title.is_empty() { 0.0 } else { LARGE + 10.0 };
    title + chart.notes.len() as f64 * (SMALL + 5.0)
}

/// Title, notes, ticks and labels.
pub fn frame(chart: &Chart, around: &Around, plot: &Rect, ink: &Ink, shapes: &mut Vec<Shape>) {
    let mut y = EDGE;
    let room = plot.right + around.right - plot.left;
    if !chart.title.is_empty() {
        y += LARGE;
        // A long title begins farther left.
        let wide = glyphs::width(&chart.title, LARGE) > room;
        let (x, room) = if wide { (EDGE, plot.right + around.right - EDGE) } else { (plot.left, room) };
        let title = glyphs::fit(&chart.title, LARGE, room);
        shapes.push(axes::text(&title, (x, y - 2.0), LARGE, Anchor::Start, 0.0, ink));
        y += 10.0;
    }
    for note in &chart.notes {
        y += SMALL + 5.0;
        let wide = glyphs::width(note, SMALL) > room;
        let (x, room) = if wide { (EDGE, plot.right + around.right - EDGE) } else { (plot.left, room) };
        let text = glyphs::fit(note, SMALL, room);
        let at = (x, y - 8.0);
        shapes.push(Shape::Text(Text { at, text, size: SMALL, anchor: Anchor::Start, angle: 0.0, color: ink.soft }));
    }
    axes::draw_below(&around.below, plot, ink, shapes);
    axes::draw_beside(&around.beside, plot, ink, shapes);
    if !around.below_label.is_empty() {
        let label = glyphs::fit(&around.below_label, MIDDLE, plot.right);
        let at = ((plot.left + plot.right) / 2.0, plot.bottom + around.below.depth + 8.0 + 0.75 * MIDDLE);
        shapes.push(axes::text(&label, at, MIDDLE, Anchor::Middle, 0.0, ink));
    }
    if !around.beside_label.is_empty() {
        let label = glyphs::fit(&around.beside_label, MIDDLE, plot.bottom);
        let at = (plot.left - around.beside.depth - 9.0, (plot.top + plot.bottom) / 2.0);
        shapes.push(axes::text(&label, at, MIDDLE, Anchor::Middle, -90.0, ink));
    }
}
