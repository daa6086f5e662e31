//! Activation patching (Meng et al., 2022): which places of a pass carry what two prompts differ in.

use crate::Token;
use crate::backend::{Rows, Sequence};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::generate::{log_softmax_at, top};
use crate::model::Model;
use crate::tensor::Tensor;
use crate::transformer::{Dim, HookPoint, Hooks, Point};
use candle_core::Tensor as Candle;

/// What is replaced at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchBy {
    /// The activation of one token.
    Position,
    /// What one head has, for all tokens.
    Head,
}

/// What is measured, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchOptions {
    /// The token whose prediction counts; `None`: the likeliest after the clean prompt.
    pub answer: Option<Token>,
    /// With another token: the difference of the two logits. Without: the answer's log-probability.
    pub wrong: Option<Token>,
    /// The position whose prediction counts; negative from the end: -1 is what comes after the last token.
    pub position: i64,
    /// `None`: by head at the points that have heads, else by position.
    pub by: Option<PatchBy>,
    /// Whether scores are scaled so that 0 is the corrupt prompt and 1 the clean one.
    pub normalize: bool,
}

impl Default for PatchOptions {
    fn default() -> Self {
        Self { answer: None, wrong: None, position: -1, by: None, normalize: true }
    }
}

/// What each patch did.
#[derive(Debug, Clone)]
pub struct Patching {
    /// The hook point, without its block: `hook_resid_pre`.
    pub point: &'static str,
    /// What was replaced at a time.
    pub by: PatchBy,
    /// The tokens activations were taken from.
    pub clean: Vec<Token>,
    /// The tokens they were put into.
    pub corrupt: Vec<Token>,
    /// The token whose prediction counts.
    pub answer: Token,
    /// The token it is compared with.
    pub wrong: Option<Token>,
    /// The metric after the clean prompt.
    pub clean_value: f32,
    /// The metric after the corrupt prompt.
    pub corrupt_value: f32,
    /// Whether `scores` are scaled: 0 corrupt, 1 clean.
    pub normalized: bool,
    /// The blocks that have the point: the rows of `scores`.
    pub layers: Vec<usize>,
    /// The metric of the corrupt prompt with one place patched, `[layers, positions]` or `[layers, heads]`.
    pub scores: Tensor,
}

/// Runs the clean prompt once and keeps its activations at `point` (`"resid_pre"`, `"attn.hook_z"`) of every block; then,
/// for every block and every position (or head), the corrupt prompt with that activation put in place of its own. Tokens
/// before the first patched one come from the cache; where the prompts begin alike, and after the position whose prediction
/// counts, nothing can change and nothing is run.
///
/// # Errors
/// Prompts of different lengths, or that do not differ up to the position; a point, position or token that is not there; a
/// metric that is the same for both prompts where scores are to be scaled; a backend without hook points.
pub fn patch(
    model: &Model,
    clean: &[Token],
    corrupt: &[Token],
    point: &str,
    options: PatchOptions,
    control: &Control,
) -> Result<Patching> {
    let known = model.backend().hook_points()?;
    let points = points(&known, point)?;
    let (Some(first), Some(shape)) = (points.first(), points.first().map(|p| &p.shape)) else {
        return Err(Error::not_found("hook point", point, []));
    };
    let by = by(first, options.by)?;
    for (name, tokens) in [("clean", clean), ("corrupt", corrupt)] {
        if tokens.is_empty() {
            return Err(Error::argument(format!("patch: the {name} prompt"), "at least one token", "none"));
        }
    }
    same_length(model, clean, corrupt)?;
    let last = super::gradients::position(options.position, clean.len())?;
    let (fed, corrupt_fed) = (clean.get(..=last).unwrap_or(clean), corrupt.get(..=last).unwrap_or(corrupt));
    let Some(differ) = fed.iter().zip(corrupt_fed).position(|(a, b)| a != b) else {
        let what = match clean == corrupt {
            true => "two prompts that differ".to_owned(),
            false => format!("prompts that differ up to position {last}, whose prediction counts"),
        };
        return Err(Error::argument("patch", what, "the same tokens"));
    };

    let mut keep = Keep { points: points.iter().map(|p| (p.point, p.layer)).collect(), kept: Vec::new() };
    let mut sequence = model.backend().sequence()?;
    let clean_row = sequence.feed_with(fed, Rows::Last, &mut keep, control)?.into_data();
    let mut base = model.backend().sequence()?;
    let corrupt_row = base.feed(corrupt_fed, Rows::Last, control)?.into_data();
    drop(sequence);
    let answer = match options.answer {
        Some(answer) => answer,
        None => top(&clean_row, 1)?.first().map_or(0, |best| best.token),
    };
    let metric = |row: &[f32]| metric(row, answer, options.wrong);
    let (clean_value, corrupt_value) = (metric(&clean_row)?, metric(&corrupt_row)?);
    if options.normalize && (clean_value - corrupt_value).abs() < 1e-6 {
        let error =
            Error::argument("patch", "a metric that differs between the prompts", format!("{clean_value} for both"));
        return Err(error.with_help("name another answer, or take scores as they are: #{ normalize: false }"));
    }

    let axes = Axes::of(shape);
    let columns = match by {
        PatchBy::Position => clean.len(),
        PatchBy::Head => axes.heads.map_or(0, |(_, heads)| heads),
    };
    let mut scores = Vec::with_capacity(points.len() * columns);
    let label = format!("patch {}", first.point.short_name());
    let total = (points.len() * columns) as u64;
    for (point, activation) in points.iter().zip(&keep.kept) {
        for column in 0..columns {
            control.check()?;
            control.progress(&label, scores.len() as u64, total, "runs");
            let start = if by == PatchBy::Head { differ } else { column };
            scores.push(if start < differ || start > last {
                corrupt_value
            } else {
                let value = activation.narrow(axes.position, start, last + 1 - start)?;
                let mut replace = Replace { at: (point.point, point.layer), value, by, column, axes };
                metric(&rerun(&*base, corrupt_fed, start, &mut replace, control)?)?
            });
        }
    }
    control.progress(&label, total, total, "runs");
    if options.normalize {
        scores.iter_mut().for_each(|s| *s = (*s - corrupt_value) / (clean_value - corrupt_value));
    }
    Ok(Patching {
        point: first.point.short_name(),
        by,
        clean: clean.to_vec(),
        corrupt: corrupt.to_vec(),
        answer,
        wrong: options.wrong,
        clean_value,
        corrupt_value,
        normalized: options.normalize,
        layers: points.iter().map(|p| p.layer).collect(),
        scores: Tensor::from_vec(scores, &[points.len(), columns])?,
    })
}

/// The last row of logits of `tokens`, of which those before `start` are taken from `base`.
fn rerun(
    base: &dyn Sequence,
    tokens: &[Token],
    start: usize,
    hooks: &mut dyn Hooks,
    control: &Control,
) -> Result<Vec<f32>> {
    let mut sequence = base.fork()?;
    sequence.truncate(start)?;
    Ok(sequence.feed_with(tokens.get(start..).unwrap_or_default(), Rows::Last, hooks, control)?.into_data())
}

fn metric(row: &[f32], answer: Token, wrong: Option<Token>) -> Result<f32> {
    let missing = |token: Token| {
        Error::argument("patch: token", format!("an id below the vocabulary's {}", row.len()), token.to_string())
    };
    let logit = |token: Token| row.get(token as usize).copied().ok_or_else(|| missing(token));
    let value = match wrong {
        Some(wrong) => logit(answer)? - logit(wrong)?,
        None => log_softmax_at(row, answer).ok_or_else(|| missing(answer))?,
    };
    Ok(value)
}

fn same_length(model: &Model, clean: &[Token], corrupt: &[Token]) -> Result<()> {
    if clean.len() == corrupt.len() {
        return Ok(());
    }
    let texts = |tokens: &[Token]| -> Result<String> {
        let shown = tokens.iter().take(24).map(|t| model.tokenizer().decode(&[*t], false));
        Ok(shown.map(|text| text.map(|t| format!("{t:?}"))).collect::<Result<Vec<_>>>()?.join(" "))
    };
    let error = Error::argument(
        "patch",
        "two prompts of the same number of tokens",
        format!("{} (clean) and {} (corrupt)", clean.len(), corrupt.len()),
    );
    Err(error.with_help(format!("clean: {}\ncorrupt: {}", texts(clean)?, texts(corrupt)?)))
}

/// The hook points of all blocks that `name` says: `resid_pre`, `hook_resid_pre`, `z`, `attn.hook_z`.
fn points<'a>(known: &'a [HookPoint], name: &str) -> Result<Vec<&'a HookPoint>> {
    let blocks = || known.iter().filter(|p| p.point.in_block());
    let is_called = |point: Point| {
        let short = point.short_name();
        let bare = short.replace("hook_", "");
        // `normalized` alone is two points, and so none.
        let alone = bare.rsplit('.').next().filter(|n| *n != "normalized");
        name == short || name == bare || Some(name) == alone
    };
    let found: Vec<_> = blocks().filter(|p| is_called(p.point)).collect();
    if found.is_empty() {
        let names: Vec<String> =
            blocks().filter(|p| p.layer == 0).map(|p| p.point.short_name().replace("hook_", "")).collect();
        let error = Error::not_found("hook point", name, names.iter().map(String::as_str));
        return Err(error.with_help(format!("a block has {}", names.join(", "))));
    }
    Ok(found)
}

fn by(point: &HookPoint, asked: Option<PatchBy>) -> Result<PatchBy> {
    let heads = Axes::of(&point.shape).heads.is_some();
    match asked {
        Some(PatchBy::Head) if !heads => {
            let error = Error::argument("patch: by", "\"position\", for this point has no heads", "\"head\"");
            Err(error.with_help("points with heads: z, q, k, v, pattern, attn_scores"))
        }
        Some(by) => Ok(by),
        None if heads => Ok(PatchBy::Head),
        None => Ok(PatchBy::Position),
    }
}

/// Where positions and heads are in an activation with a batch of one.
#[derive(Clone, Copy)]
struct Axes {
    position: usize,
    /// The dimension, and its size.
    heads: Option<(usize, usize)>,
}

impl Axes {
    fn of(shape: &[Dim]) -> Self {
        let position = shape.iter().position(|d| *d == Dim::Pos).map_or(1, |d| d + 1);
        let heads = shape.iter().enumerate().find_map(|(i, d)| match d {
            Dim::Size(n) if shape.len() == 3 => Some((i + 1, *n)),
            _ => None,
        });
        Self { position, heads }
    }
}

/// Keeps activations as they pass, with their batch of one.
struct Keep {
    points: Vec<(Point, usize)>,
    kept: Vec<Candle>,
}

impl Hooks for Keep {
    fn wants(&self, point: Point, layer: usize) -> bool {
        self.points.contains(&(point, layer))
    }

    fn visit(&mut self, _: Point, _: usize, value: Candle) -> Result<Candle> {
        self.kept.push(value.clone());
        Ok(value)
    }
}

/// Puts part of `value`, which begins at the pass's first position, in place of what comes.
struct Replace {
    at: (Point, usize),
    value: Candle,
    by: PatchBy,
    column: usize,
    axes: Axes,
}

impl Hooks for Replace {
    fn wants(&self, point: Point, layer: usize) -> bool {
        self.at == (point, layer)
    }

    fn visit(&mut self, _: Point, _: usize, x: Candle) -> Result<Candle> {
        let (axis, at) = match (self.by, self.axes.heads) {
            (PatchBy::Head, Some((axis, _))) => (axis, self.column),
            _ => (self.axes.position, 0),
        };
        let size = x.dim(axis)?;
        let parts = [x.narrow(axis, 0, at)?, self.value.narrow(axis, at, 1)?, x.narrow(axis, at + 1, size - at - 1)?];
        let parts: Vec<_> = parts.into_iter().filter(|p| p.elem_count() > 0).collect();
        Ok(Candle::cat(&parts, axis)?.contiguous()?)
    }
}
