//! A tensor on screen: its line, a picture, its values, its slices.

use super::picture::{TARGET, image, legend};
use super::{Bundle, escape_html};
use minerva_engine::tensor::Tensor;
use minerva_engine::{Control, Error, Result};

/// Pixels a side of the picture of a matrix.
const SIDE: usize = 384;
/// Pixels a side of one slice among many.
const SLICE_SIDE: usize = 160;
/// Slices shown of a tensor with more than two dimensions.
const SLICES: usize = 16;
/// Tensors of up to this many values are read faster than looked at.
const FEW: usize = 12;

/// A tensor as text and HTML. What cannot be read shows its header and says why.
pub fn bundle(t: &Tensor, control: &Control) -> Bundle {
    match text(t, control).and_then(|text| Ok((html(t, control, &text)?, text))) {
        Ok((html, text)) => Bundle::html(html, text),
        Err(error) => Bundle::text(failed(t, &error)),
    }
}

/// A tensor as text alone.
pub fn plain(t: &Tensor, control: &Control) -> String {
    text(t, control).unwrap_or_else(|error| failed(t, &error))
}

fn text(t: &Tensor, control: &Control) -> Result<String> {
    t.text_within(super::width(), control)
}

fn failed(t: &Tensor, error: &Error) -> String {
    format!("{} ({error})", t.header())
}

fn html(t: &Tensor, control: &Control, text: &str) -> Result<String> {
    let (line, values) = text.split_once('\n').unwrap_or((text, ""));
    let mut out = format!("<div><code>{}</code>", flagged(line));
    if values.is_empty() {
        return Ok(out + "</div>");
    }
    // Of few values, or of one value everywhere, a picture says nothing.
    let few = t.elements() <= FEW;
    if !few && line.contains("x∈[") {
        out.push_str(&pictures(t, control)?);
    }
    out.push_str(&format!(
        "<details{}><summary>values</summary><pre>{}</pre></details></div>",
        if few { " open" } else { "" },
        escape_html(values)
    ));
    Ok(out)
}

/// The line with what is wrong in it in red, a red that is seen on white and on black.
fn flagged(line: &str) -> String {
    let mut html = escape_html(line);
    for flag in ["NaN!", "+Inf!", "-Inf!", "all zeros"] {
        html = html.replace(flag, &format!("<b style=\"color:#e5484d\">{flag}</b>"));
    }
    // +Inf! and -Inf! do not overlap, and neither is inside the other flags.
    html
}

fn pictures(t: &Tensor, control: &Control) -> Result<String> {
    if t.rank() <= 2 {
        let p = t.heatmap(SIDE, control)?;
        return Ok(format!("<div>{}</div><div>{}</div>", image(&p, &t.header(), TARGET), legend(&p.scale)));
    }
    let outer: Vec<usize> = t.shape().iter().take(t.rank() - 2).copied().collect();
    let count: usize = outer.iter().product();
    let rows = t.shape().get(t.rank() - 2).copied().unwrap_or(1);
    let columns = t.shape().last().copied().unwrap_or(1);
    let stacked = t.reshape(&[count as i64, rows as i64, columns as i64])?;
    let shown = count.min(SLICES);
    let more = if shown < count { format!(", the first {shown}") } else { String::new() };
    let mut out = format!("<details open><summary>{count} slices [{rows}, {columns}]{more}</summary><div>");
    for i in 0..shown {
        let title = place(i, &outer);
        let p = stacked.index(i as i64)?.heatmap(SLICE_SIDE, control)?;
        out.push_str(&format!(
            "<div style=\"display:inline-block;margin:0 8px 8px 0\"><small>{title}</small><br>{}<br>{}</div>",
            image(&p, &title, SLICE_SIDE),
            legend(&p.scale)
        ));
    }
    out.push_str("</div></details>");
    Ok(out)
}

/// Where the slice at a flat position of the outer dimensions is: `[0, 3]`.
fn place(mut flat: usize, outer: &[usize]) -> String {
    let mut at: Vec<String> = Vec::new();
    for d in outer.iter().rev() {
        at.push((flat % (*d).max(1)).to_string());
        flat /= (*d).max(1);
    }
    at.reverse();
    format!("[{}]", at.join(", "))
}
