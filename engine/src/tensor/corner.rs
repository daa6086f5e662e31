//! The corner of a tensor's values, laid out as NumPy does it: precision 4, three items at each edge, 80 columns.

use crate::error::Result;
use crate::format::DType;
use crate::tensor::Tensor;
use crate::tensor::elementwise::is_integer;
use crate::tensor::values::Values;

const PRECISION: usize = 4;
const EDGE: usize = 3;
const WIDTH: usize = 80;
/// Up to this many values are shown in full.
const WHOLE: usize = 100;

/// The values that are shown: of each dimension the first and last few, or all.
enum Shown {
    Value(f64),
    Gap,
    List(Vec<Shown>),
}

impl Tensor {
    /// The first and last values of every dimension, in brackets; all of them when they are few.
    pub fn corner(&self) -> Result<String> {
        self.corner_within(WIDTH)
    }

    /// The same in lines of at most this many columns, as far as one value fits.
    pub fn corner_within(&self, columns: usize) -> Result<String> {
        let whole = self.elements() <= WHOLE;
        let values = self.values()?;
        let shown = pick(&values, self.shape(), 0, whole)?;
        let mut all = Vec::new();
        flatten(&shown, &mut all);
        let style = Style::of(self.dtype(), &all);
        Ok(layout(&shown, &style, 1, columns.min(WIDTH)))
    }
}

fn pick(values: &Values, shape: &[usize], start: usize, whole: bool) -> Result<Shown> {
    let Some((length, inner)) = shape.split_first() else {
        let mut one = [0f64];
        values.read(start, &mut one)?;
        return Ok(Shown::Value(one[0]));
    };
    // Matrices of a deeper tensor: the first and the last are enough to see what they are like.
    let edge = if inner.len() >= 2 { 1 } else { EDGE };
    let step: usize = inner.iter().product();
    let cut = !whole && *length > 2 * edge;
    let (head, tail) = if cut { (edge, *length - edge) } else { (*length, *length) };
    let mut list = Vec::new();
    for range in [0..head, tail..*length] {
        if cut && range.start == tail {
            list.push(Shown::Gap);
        }
        if inner.is_empty() {
            let mut run = vec![0f64; range.len()];
            values.read(start + range.start, &mut run)?;
            list.extend(run.into_iter().map(Shown::Value));
        } else {
            for i in range {
                list.push(pick(values, inner, start + i * step, whole)?);
            }
        }
    }
    Ok(Shown::List(list))
}

fn flatten(shown: &Shown, out: &mut Vec<f64>) {
    match shown {
        Shown::Value(v) => out.push(*v),
        Shown::Gap => {}
        Shown::List(list) => list.iter().for_each(|s| flatten(s, out)),
    }
}

/// How the shown values are written so that they line up.
struct Style {
    kind: Kind,
    width: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Bool,
    Integer,
    Fixed,
    Exponent,
}

impl Style {
    fn of(dtype: DType, values: &[f64]) -> Self {
        let largest = values.iter().filter(|v| v.is_finite()).fold(0f64, |m, v| m.max(v.abs()));
        let kind = match dtype {
            DType::BOOL => Kind::Bool,
            _ if is_integer(dtype) => Kind::Integer,
            // Fixed digits would be too many, or too few to tell the values apart.
            _ if largest >= 1e6 || (largest > 0.0 && largest < 1e-3) => Kind::Exponent,
            _ => Kind::Fixed,
        };
        let mut style = Self { kind, width: 0 };
        style.width = values.iter().map(|v| style.plain(*v).chars().count()).max().unwrap_or(0);
        style
    }

    fn plain(&self, v: f64) -> String {
        if v.is_nan() {
            return "nan".to_owned();
        }
        if v.is_infinite() {
            return if v > 0.0 { "inf" } else { "-inf" }.to_owned();
        }
        match self.kind {
            Kind::Bool => (v != 0.0).to_string(),
            Kind::Integer => format!("{v:.0}"),
            Kind::Fixed => format!("{v:.PRECISION$}"),
            Kind::Exponent => {
                let text = format!("{v:.PRECISION$e}");
                let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
                let power: i32 = power.parse().unwrap_or(0);
                format!("{digits}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
            }
        }
    }

    fn write(&self, v: f64) -> String {
        format!("{:>width$}", self.plain(v), width = self.width)
    }
}

/// NumPy's `_formatArray`: `indent` spaces hang under an open bracket, `width` columns are left for a line.
fn layout(shown: &Shown, style: &Style, indent: usize, width: usize) -> String {
    let list = match shown {
        Shown::Value(v) => return style.write(*v),
        Shown::Gap => return "...".to_owned(),
        Shown::List(list) => list,
    };
    let hanging = " ".repeat(indent);
    let depth = depth(shown);
    let mut text = String::new();
    if depth == 1 {
        let mut line = hanging.clone();
        for (i, item) in list.iter().enumerate() {
            let word = layout(item, style, indent + 1, width.saturating_sub(1));
            if line.chars().count() + word.chars().count() > width.saturating_sub(1) && line.len() > hanging.len() {
                text.push_str(line.trim_end());
                text.push('\n');
                line.clone_from(&hanging);
            }
            line.push_str(&word);
            if i + 1 < list.len() {
                line.push_str(", ");
            }
        }
        text.push_str(&line);
    } else {
        for (i, item) in list.iter().enumerate() {
            text.push_str(&hanging);
            text.push_str(&layout(item, style, indent + 1, width.saturating_sub(1)));
            if i + 1 < list.len() {
                text.push(',');
                text.push_str(&"\n".repeat(depth - 1));
            }
        }
    }
    format!("[{}]", text.get(indent.min(text.len())..).unwrap_or_default())
}

fn depth(shown: &Shown) -> usize {
    match shown {
        Shown::List(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
