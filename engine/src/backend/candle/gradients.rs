//! Derivatives of a metric by activations, block by block.
//!
//! The way there runs without a record and keeps the residual stream before each block; on the way back each block is run
//! once more with a record, which goes when its derivatives are known. So the record of one block is all that is held, and
//! blocks before the first point asked for are not gone back through.

use super::hooked::{check, room, transient};
use super::load::Loaded;
use crate::Token;
use crate::backend::{Gradients, Metric};
use crate::control::Control;
use crate::error::Result;
use crate::transformer::{Hooks, Pass, Point, Tap};
use candle_core::{DType, Tensor, Var};
use std::collections::{HashMap, HashSet};

/// Values of a block's record, by those of its activations: what is asked for, what the steps between keep, and
/// derivatives of both.
const RECORD: usize = 6;

/// See [`crate::backend::Backend::gradients`].
pub(super) fn gradients(
    loaded: &Loaded,
    tokens: &[Token],
    points: &[(Point, usize)],
    position: usize,
    metric: &Metric<'_>,
    control: &Control,
) -> Result<Gradients> {
    check(loaded, tokens)?;
    let wanted: HashSet<_> = points.iter().copied().collect();
    afford(loaded, tokens.len(), &wanted)?;
    loaded.pool.run(|| {
        let mut back = Backward { loaded, control, wanted: &wanted, found: HashMap::new() };
        let value = back.run(tokens, position, metric)?;
        let in_order = loaded.points.iter().map(|p| (p.point, p.layer));
        let gradients = in_order.filter_map(|(p, l)| back.found.remove(&(p, l)).map(|g| (p, l, g))).collect();
        Ok(Gradients { value, gradients })
    })
}

fn afford(loaded: &Loaded, len: usize, wanted: &HashSet<(Point, usize)>) -> Result<()> {
    let size = |all: &mut dyn Iterator<Item = usize>| all.fold(0, usize::saturating_add);
    let results =
        size(&mut loaded.points.iter().filter(|p| wanted.contains(&(p.point, p.layer))).map(|p| p.elements(len, 0)));
    let layers = loaded.model.spec().layers.len();
    let block = |layer| size(&mut loaded.points.iter().filter(|p| p.layer == layer).map(|p| p.elements(len, 0)));
    let record = (0..layers).map(block).max().unwrap_or(0).saturating_mul(RECORD);
    let streams = len.saturating_mul(loaded.model.spec().hidden_size).saturating_mul(layers);
    let logits = 3 * loaded.model.spec().vocab_size;
    let all = [results, record, streams, logits, transient(loaded, len, 0, false)];
    room(len, all.into_iter().fold(0, usize::saturating_add))
}

struct Backward<'a> {
    loaded: &'a Loaded,
    control: &'a Control,
    wanted: &'a HashSet<(Point, usize)>,
    found: HashMap<(Point, usize), Tensor>,
}

impl Backward<'_> {
    /// The metric; the derivatives are in `found`.
    fn run(&mut self, tokens: &[Token], position: usize, metric: &Metric<'_>) -> Result<f32> {
        let model = &self.loaded.model;
        let layers = model.spec().layers.len();
        // The derivative by a stream between blocks comes with the block after it.
        let first = self.wanted.iter().map(|(point, layer)| match point {
            Point::Embed => 0,
            Point::FinalNormalized => layers,
            Point::ResidPost => layer + 1,
            _ => *layer,
        });
        let first = first.min().unwrap_or(layers);
        let total = (2 * layers - first) as u64;
        let control = self.control;
        let done = |n: usize| control.progress("gradients", n as u64, total, "blocks");

        let ids = Tensor::from_slice(tokens, (1, tokens.len()), model.device())?;
        let mut pass = model.pass(0, tokens.len(), self.control);
        let mut stream = pass.embed(&ids, &mut self.loaded.tap())?;
        let mut before = Vec::with_capacity(layers - first.min(layers));
        for i in 0..layers {
            done(i);
            if i >= first {
                before.push(stream.clone());
            }
            stream = pass.block(i, stream, None, &mut self.loaded.tap())?;
        }
        let (value, mut gradient) = self.head(&stream, position, metric)?;
        drop(stream);
        for (n, i) in (first..layers).rev().enumerate() {
            done(layers + n);
            self.keep(Point::ResidPost, i, &gradient);
            let Some(x) = before.pop() else { break };
            gradient = self.block(&mut pass, i, &x, &gradient)?;
            self.keep(Point::ResidPre, i, &gradient);
        }
        if first > 0 && first <= layers {
            self.keep(Point::ResidPost, first - 1, &gradient);
        }
        if first == 0 {
            self.keep(Point::Embed, 0, &gradient);
        }
        self.control.progress("gradients", total, total, "blocks");
        Ok(value)
    }

    fn keep(&mut self, point: Point, layer: usize, gradient: &Tensor) {
        if self.wanted.contains(&(point, layer)) {
            self.found.insert((point, layer), gradient.clone());
        }
    }

    /// The metric of what the last block gives, and its derivative by that.
    fn head(&mut self, stream: &Tensor, position: usize, metric: &Metric<'_>) -> Result<(f32, Tensor)> {
        let (model, stream) = (&self.loaded.model, Var::from_tensor(stream)?);
        let mut leaves = Leaves { wanted: self.wanted, made: Vec::new() };
        let mut tap = Tap::new(&mut leaves).steered(&self.loaded.steering);
        let normed = model.final_norm(stream.as_tensor(), &mut tap)?.squeeze(0)?;
        let logits = model.unembed(&normed.narrow(0, position, 1)?, self.control)?.squeeze(0)?;
        let value = metric(&logits)?;
        let gradient = self.backward(&value, &stream, leaves.made)?;
        Ok((value.to_scalar::<f32>()?, gradient))
    }

    /// The derivative by what block `i` is given, from that by what it gives.
    fn block(&mut self, pass: &mut Pass<'_>, i: usize, x: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        let x = Var::from_tensor(x)?;
        let mut leaves = Leaves { wanted: self.wanted, made: Vec::new() };
        let mut tap = Tap::new(&mut leaves).steered(&self.loaded.steering);
        let y = pass.block(i, x.as_tensor().clone(), None, &mut tap)?;
        // A number whose derivative by `y` is `gradient`.
        let along = (y * gradient.detach())?.sum_all()?;
        self.backward(&along, &x, leaves.made)
    }

    fn backward(&mut self, value: &Tensor, input: &Var, leaves: Vec<(Point, usize, Var)>) -> Result<Tensor> {
        let found = value.backward();
        // An interrupt comes through candle as text.
        self.control.check()?;
        let mut found = found?;
        let mut by = |leaf: &Var| match found.remove(leaf) {
            Some(gradient) => Ok(gradient.detach()),
            // Nothing that the metric reads depends on it.
            None => leaf.zeros_like(),
        };
        for (point, layer, leaf) in &leaves {
            self.found.insert((*point, *layer), by(leaf)?);
        }
        Ok(by(input)?)
    }
}

/// Adds to each activation a zero that is a variable: candle keeps the gradients of variables only, and this one's is
/// the activation's. The streams between blocks need none.
struct Leaves<'a> {
    wanted: &'a HashSet<(Point, usize)>,
    made: Vec<(Point, usize, Var)>,
}

impl Hooks for Leaves<'_> {
    fn wants(&self, point: Point, layer: usize) -> bool {
        !matches!(point, Point::ResidPre | Point::ResidPost) && self.wanted.contains(&(point, layer))
    }

    fn visit(&mut self, point: Point, layer: usize, value: Tensor) -> Result<Tensor> {
        let leaf = Var::zeros(value.shape(), DType::F32, value.device())?;
        let sum = (value + leaf.as_tensor())?;
        self.made.push((point, layer, leaf));
        Ok(sum)
    }
}
