//! A scene as SVG. Text is outlines, so that it looks the same everywhere; text that the font lacks stays text.

use super::color::Rgb;
use super::glyphs::{self, Step};
use super::scene::{Anchor, Paint, Rect, Scene, Shape, Text};
use crate::display::escape_html;
use crate::display::picture;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Cells up to this many are rectangles; more are an image.
const MOST_RECTS: usize = 4096;

/// The scene as an SVG document.
pub fn svg(scene: &Scene) -> String {
    let (w, h) = (number(scene.width), number(scene.height));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\">\n\
         <title>{}</title>\n",
        escape_html(&scene.description)
    );
    defs(&mut out, scene);
    if let Some(background) = scene.background {
        let _ = writeln!(out, "<rect width=\"{w}\" height=\"{h}\" fill=\"{}\"/>", background.css());
    }
    let mut clips = 0;
    for shape in &scene.shapes {
        match shape {
            Shape::Lines { parts, paint, width, clip } => {
                lines(&mut out, parts, *paint, *width, clip.as_ref(), &mut clips)
            }
            Shape::Rects { rects, paint } => {
                let d: String = rects.iter().map(rect_path).collect();
                let _ = writeln!(out, "<path d=\"{d}\" {}/>", fill(*paint));
            }
            Shape::Circles { centres, radius, paint } => {
                let _ = writeln!(out, "<g {}>", fill(*paint));
                for (x, y) in centres {
                    let _ = writeln!(
                        out,
                        "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"/>",
                        number(*x),
                        number(*y),
                        number(*radius)
                    );
                }
                out.push_str("</g>\n");
            }
            Shape::Text(text) => write_text(&mut out, text),
            Shape::Cells { rect, columns, rows, colors } => cells(&mut out, rect, *columns, *rows, colors),
        }
    }
    out.push_str("</svg>\n");
    out
}

fn defs(out: &mut String, scene: &Scene) {
    let texts = scene.shapes.iter().filter_map(|s| if let Shape::Text(t) = s { Some(&t.text) } else { None });
    let used: BTreeSet<u16> =
        texts.filter(|t| glyphs::covers(t)).flat_map(|t| glyphs::place(t).0).map(|p| p.glyph).collect();
    out.push_str("<defs>\n");
    for glyph in used {
        let mut d = String::new();
        for step in glyphs::outline(glyph) {
            // A thousandth of an em is finer than any screen.
            let list = |v: &[f64]| v.iter().map(|v| number(v * 1000.0)).collect::<Vec<_>>().join(" ");
            let _ = match step {
                Step::Move(x, y) => write!(d, "M{}", list(&[x, y])),
                Step::Line(x, y) => write!(d, "L{}", list(&[x, y])),
                Step::Quad(v) => write!(d, "Q{}", list(&v)),
                Step::Cubic(v) => write!(d, "C{}", list(&v)),
                Step::Close => write!(d, "Z"),
            };
        }
        if !d.is_empty() {
            let _ = writeln!(out, "<path id=\"inter{glyph}\" d=\"{d}\"/>");
        }
    }
    out.push_str("</defs>\n");
}

fn write_text(out: &mut String, t: &Text) {
    let (x, y) = (number(t.at.0), number(t.at.1));
    let turn = if t.angle == 0.0 { String::new() } else { format!(" rotate({})", number(t.angle)) };
    if !glyphs::covers(&t.text) {
        let anchor = match t.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = writeln!(
            out,
            "<text transform=\"translate({x} {y}){turn}\" font-family=\"Inter, Helvetica, Arial, sans-serif\" \
             font-size=\"{}\" text-anchor=\"{anchor}\" fill=\"{}\">{}</text>",
            number(t.size),
            t.color.css(),
            escape_html(&t.text)
        );
        return;
    }
    let (placed, length) = glyphs::place(&t.text);
    let scale = t.size / 1000.0;
    let _ = writeln!(
        out,
        "<g aria-label=\"{}\" fill=\"{}\" transform=\"translate({x} {y}){turn} scale({scale})\">",
        escape_html(&t.text),
        t.color.css()
    );
    for p in placed.iter().filter(|p| !glyphs::outline(p.glyph).is_empty()) {
        let x = (p.x - t.anchor.share() * length) * 1000.0;
        let _ = writeln!(out, "<use href=\"#inter{}\" x=\"{}\"/>", p.glyph, number(x));
    }
    out.push_str("</g>\n");
}

fn lines(
    out: &mut String,
    parts: &[Vec<(f64, f64)>],
    paint: Paint,
    width: f64,
    clip: Option<&Rect>,
    clips: &mut usize,
) {
    let mut d = String::new();
    for part in parts {
        for (i, (x, y)) in part.iter().enumerate() {
            let _ = write!(d, "{}{} {}", if i == 0 { 'M' } else { 'L' }, number(*x), number(*y));
        }
    }
    let mut attribute = String::new();
    if let Some(clip) = clip {
        *clips += 1;
        let _ = writeln!(out, "<clipPath id=\"clip{clips}\"><path d=\"{}\"/></clipPath>", rect_path(clip));
        attribute = format!(" clip-path=\"url(#clip{clips})\"");
    }
    let opacity =
        if paint.opacity < 1.0 { format!(" stroke-opacity=\"{}\"", number(paint.opacity)) } else { String::new() };
    let _ = writeln!(
        out,
        "<path d=\"{d}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"{opacity}{attribute}/>",
        paint.color.css(),
        number(width)
    );
}

fn cells(out: &mut String, rect: &Rect, columns: usize, rows: usize, colors: &[Option<Rgb>]) {
    if columns == 0 || rows == 0 {
        return;
    }
    if colors.len() > MOST_RECTS {
        // Enlarged, since many programs blur small images where they scale them.
        let times = (2.0 * rect.width() / columns as f64).ceil().clamp(1.0, 16.0) as usize;
        let mut rgba = Vec::with_capacity(colors.len() * times * times * 4);
        for row in colors.chunks(columns) {
            let pixel = |c: &Option<Rgb>| c.map_or([0; 4], |Rgb([r, g, b])| [r, g, b, 255]);
            let line: Vec<u8> = row.iter().flat_map(|c| pixel(c).repeat(times)).collect();
            (0..times).for_each(|_| rgba.extend_from_slice(&line));
        }
        let Some(file) = picture::png(columns * times, rows * times, &rgba) else { return };
        let _ = writeln!(
            out,
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
             style=\"image-rendering:pixelated\" href=\"{}\"/>",
            number(rect.left),
            number(rect.top),
            number(rect.width()),
            number(rect.height()),
            picture::data_url(&file)
        );
        return;
    }
    let (w, h) = (rect.width() / columns as f64, rect.height() / rows as f64);
    // Without smoothing, else the background shines through between neighbours.
    out.push_str("<g shape-rendering=\"crispEdges\">\n");
    for (i, color) in colors.iter().enumerate() {
        let Some(color) = color else { continue };
        let (x, y) = (rect.left + (i % columns) as f64 * w, rect.top + (i / columns) as f64 * h);
        let _ = writeln!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>",
            number(x),
            number(y),
            number(w),
            number(h),
            color.css()
        );
    }
    out.push_str("</g>\n");
}

fn rect_path(r: &Rect) -> String {
    format!("M{} {}H{}V{}H{}Z", number(r.left), number(r.top), number(r.right), number(r.bottom), number(r.left))
}

fn fill(paint: Paint) -> String {
    let opacity =
        if paint.opacity < 1.0 { format!(" fill-opacity=\"{}\"", number(paint.opacity)) } else { String::new() };
    format!("fill=\"{}\"{opacity}", paint.color.css())
}

/// Hundredths are enough for pixels.
fn number(v: f64) -> String {
    let text = format!("{v:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}
