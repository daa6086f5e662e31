//! Pictures of numbers as PNG, inline in HTML.

use super::escape_html;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minerva_engine::tensor::{Pixels, Scale, number};

/// Small pictures are enlarged towards this many pixels a side, in whole steps, so that every value stays a sharp square.
pub const TARGET: usize = 288;
/// The largest square one value becomes.
const LARGEST: usize = 24;

/// RGBA pixels as a PNG file. `None` for an empty picture, or one that PNG cannot hold.
pub fn png(width: usize, height: usize, rgba: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (w, h) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    if w == 0 || h == 0 {
        return None;
    }
    let mut encoder = png::Encoder::new(&mut out, w, h);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(rgba).ok()?;
    writer.finish().ok()?;
    Some(out)
}

/// A picture enlarged towards `target` pixels a side, so that a person can see its values: width, height, RGBA.
pub fn enlarged(p: &Pixels, target: usize) -> (usize, usize, Vec<u8>) {
    let square = (target / p.width.max(p.height).max(1)).clamp(1, LARGEST);
    // A few rows or columns alone are a strip, not a hairline.
    let strip = |n: usize| square.max(LARGEST / n.max(1));
    let (fx, fy) = (strip(p.width), strip(p.height));
    let mut out = Vec::with_capacity(p.rgba.len() * fx * fy);
    for row in p.rgba.chunks_exact((p.width * 4).max(4)) {
        let line: Vec<u8> = row.as_chunks::<4>().0.iter().flat_map(|c| std::iter::repeat_n(*c, fx)).flatten().collect();
        (0..fy).for_each(|_| out.extend_from_slice(&line));
    }
    (p.width * fx, p.height * fy, out)
}

/// A PNG file as the address of an image.
pub fn data_url(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(png))
}

/// A picture as an `<img>`, enlarged where it is small; empty where there is nothing to see.
pub fn image(p: &Pixels, title: &str, target: usize) -> String {
    let (width, height, rgba) = enlarged(p, target);
    let Some(file) = png(width, height, &rgba) else { return String::new() };
    let (src, title) = (data_url(&file), escape_html(title));
    // The grey of the frame is seen on white and on black.
    format!(
        "<img src=\"{src}\" width=\"{width}\" height=\"{height}\" alt=\"{title}\" title=\"{title}\" \
         style=\"border:1px solid rgba(128,128,128,0.5);image-rendering:pixelated;max-width:100%;height:auto\">"
    )
}

/// What the colours mean: the lowest value, a strip of colours, the highest.
pub fn legend(scale: &Scale) -> String {
    const WIDTH: usize = 96;
    let line: Vec<u8> = (0..WIDTH).flat_map(|x| scale.color(x as f64 / (WIDTH - 1) as f64)).collect();
    let rgba = line.repeat(10);
    let Some(file) = png(WIDTH, 10, &rgba) else { return String::new() };
    let nan = match scale.nan {
        true if scale.diverging => " · NaN yellow",
        true => " · NaN magenta",
        false => "",
    };
    format!(
        "<small>{} <img src=\"{}\" width=\"{WIDTH}\" height=\"10\" alt=\"to\" \
         style=\"border:1px solid rgba(128,128,128,0.5);vertical-align:middle\"> {}{nan}</small>",
        number(scale.low),
        data_url(&file),
        number(scale.high),
    )
}
