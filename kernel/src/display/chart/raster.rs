//! A scene as pixels.

use super::color::Rgb;
use super::glyphs::{self, Step};
use super::scene::{Paint, Rect, Scene, Shape, Text};
use crate::display::picture;
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Mask, PathBuilder, Pixmap, PremultipliedColorU8, Stroke, Transform,
};

/// Pixels a side that a picture may have at most.
const LARGEST: f64 = 16_384.0;

/// The scene as a PNG file, `scale` pixels per unit. `None` where that is too large, or nothing.
pub fn png(scene: &Scene, scale: f64) -> Option<Vec<u8>> {
    let (w, h) = ((scene.width * scale).round(), (scene.height * scale).round());
    if !(w >= 1.0 && h >= 1.0 && w <= LARGEST && h <= LARGEST) {
        return None;
    }
    let mut canvas = Canvas { pixmap: Pixmap::new(w as u32, h as u32)?, scale };
    if let Some(Rgb([r, g, b])) = scene.background {
        canvas.pixmap.fill(Color::from_rgba8(r, g, b, 255));
    }
    scene.shapes.iter().for_each(|shape| canvas.draw(shape));
    picture::png(w as usize, h as usize, &canvas.pixmap.take_demultiplied())
}

struct Canvas {
    pixmap: Pixmap,
    scale: f64,
}

impl Canvas {
    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Lines { parts, paint, width, clip } => self.lines(parts, *paint, *width, clip.as_ref()),
            Shape::Rects { rects, paint } => {
                let mut path = PathBuilder::new();
                rects.iter().filter_map(rect).for_each(|r| path.push_rect(r));
                self.fill(path, *paint, self.zoom());
            }
            Shape::Circles { centres, radius, paint } => {
                // One by one, so that where they overlap it grows darker.
                for (x, y) in centres {
                    let mut path = PathBuilder::new();
                    path.push_circle(*x as f32, *y as f32, *radius as f32);
                    self.fill(path, *paint, self.zoom());
                }
            }
            Shape::Text(text) => self.text(text),
            Shape::Cells { rect, columns, rows, colors } => self.cells(rect, *columns, *rows, colors),
        }
    }

    fn zoom(&self) -> Transform {
        Transform::from_scale(self.scale as f32, self.scale as f32)
    }

    fn fill(&mut self, path: PathBuilder, paint: Paint, transform: Transform) {
        if let Some(path) = path.finish() {
            self.pixmap.fill_path(&path, &skia(paint), FillRule::Winding, transform, None);
        }
    }

    fn lines(&mut self, parts: &[Vec<(f64, f64)>], paint: Paint, width: f64, clip: Option<&Rect>) {
        let mut path = PathBuilder::new();
        for part in parts {
            for (i, (x, y)) in part.iter().enumerate() {
                let (x, y) = (*x as f32, *y as f32);
                if i == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
            }
        }
        let Some(path) = path.finish() else { return };
        let stroke =
            Stroke { width: width as f32, line_join: LineJoin::Round, line_cap: LineCap::Butt, ..Stroke::default() };
        let mask = clip.and_then(|clip| {
            let mut mask = Mask::new(self.pixmap.width(), self.pixmap.height())?;
            mask.fill_path(&PathBuilder::from_rect(rect(clip)?), FillRule::Winding, true, self.zoom());
            Some(mask)
        });
        self.pixmap.stroke_path(&path, &skia(paint), &stroke, self.zoom(), mask.as_ref());
    }

    fn text(&mut self, t: &Text) {
        let (placed, length) = glyphs::place(&t.text);
        let mut path = PathBuilder::new();
        for p in placed {
            let dx = p.x - t.anchor.share() * length;
            for step in glyphs::outline(p.glyph) {
                let at = |x: f64, y: f64| (((x + dx) * t.size) as f32, (y * t.size) as f32);
                match step {
                    Step::Move(x, y) => {
                        let (x, y) = at(x, y);
                        path.move_to(x, y);
                    }
                    Step::Line(x, y) => {
                        let (x, y) = at(x, y);
                        path.line_to(x, y);
                    }
                    Step::Quad([a, b, x, y]) => {
                        let ((a, b), (x, y)) = (at(a, b), at(x, y));
                        path.quad_to(a, b, x, y);
                    }
                    Step::Cubic([a, b, c, d, x, y]) => {
                        let ((a, b), (c, d), (x, y)) = (at(a, b), at(c, d), at(x, y));
                        path.cubic_to(a, b, c, d, x, y);
                    }
                    Step::Close => path.close(),
                }
            }
        }
        let place = Transform::from_translate(t.at.0 as f32, t.at.1 as f32);
        let turned = Transform::from_rotate(t.angle as f32).post_concat(place).post_concat(self.zoom());
        self.fill(path, Paint { color: t.color, opacity: 1.0 }, turned);
    }

    /// Each pixel takes the colour of the cell its middle lies in: sharp borders, no seams.
    fn cells(&mut self, rect: &Rect, columns: usize, rows: usize, colors: &[Option<Rgb>]) {
        let (width, height) = (self.pixmap.width() as usize, self.pixmap.height() as usize);
        let edge = |v: f64, most: usize| (v * self.scale).round().clamp(0.0, most as f64) as usize;
        let (left, right) = (edge(rect.left, width), edge(rect.right, width));
        let (top, bottom) = (edge(rect.top, height), edge(rect.bottom, height));
        let pixels = self.pixmap.pixels_mut();
        for y in top..bottom {
            let row = (y - top) * rows / (bottom - top);
            for x in left..right {
                let column = (x - left) * columns / (right - left);
                let Some(Rgb([r, g, b])) = colors.get(row * columns + column).copied().flatten() else { continue };
                let color = PremultipliedColorU8::from_rgba(r, g, b, 255);
                if let (Some(pixel), Some(color)) = (pixels.get_mut(y * width + x), color) {
                    *pixel = color;
                }
            }
        }
    }
}

fn rect(r: &Rect) -> Option<tiny_skia::Rect> {
    tiny_skia::Rect::from_ltrb(r.left as f32, r.top as f32, r.right as f32, r.bottom as f32)
}

fn skia(paint: Paint) -> tiny_skia::Paint<'static> {
    let Rgb([r, g, b]) = paint.color;
    let mut out = tiny_skia::Paint { anti_alias: true, ..tiny_skia::Paint::default() };
    out.set_color_rgba8(r, g, b, (paint.opacity * 255.0).round().clamp(0.0, 255.0) as u8);
    out
}
