//! Which hook points a model has, and the shapes of what passes them.

use super::hooks::Point;
use super::model::Transformer;
use super::weights::{FeedForward, Weight};
use candle_core::D;

/// One dimension of an activation, before anyone knows how long the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dim {
    /// Tokens of the pass.
    Pos,
    /// Tokens that attention looks at: those of the pass and those in the cache before them.
    Keys,
    /// A size of the model.
    Size(usize),
}

impl Dim {
    /// Its size in a pass over `pos` tokens that follow `before` others.
    pub fn size(self, pos: usize, before: usize) -> usize {
        match self {
            Self::Pos => pos,
            Self::Keys => before + pos,
            Self::Size(n) => n,
        }
    }
}

/// `pos`, `keys` or the number.
impl std::fmt::Display for Dim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pos => f.write_str("pos"),
            Self::Keys => f.write_str("keys"),
            Self::Size(n) => write!(f, "{n}"),
        }
    }
}

/// A hook point of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookPoint {
    /// Which point.
    pub point: Point,
    /// The block; 0 for points outside the blocks.
    pub layer: usize,
    /// `blocks.3.attn.hook_q`.
    pub name: String,
    /// Of the activation of one prompt, without the dimension of a batch.
    pub shape: Vec<Dim>,
}

impl HookPoint {
    /// `[pos, 96]`.
    pub fn shape_text(&self) -> String {
        let dims: Vec<String> = self.shape.iter().map(Dim::to_string).collect();
        format!("[{}]", dims.join(", "))
    }

    /// Values in a pass over `pos` tokens that follow `before` others.
    pub fn elements(&self, pos: usize, before: usize) -> usize {
        self.shape.iter().fold(1, |product: usize, dim| product.saturating_mul(dim.size(pos, before)))
    }
}

impl Transformer {
    /// Every hook point that a pass of this model comes by, in the order of the pass.
    pub fn hook_points(&self) -> Vec<HookPoint> {
        let layers = 0..self.spec().layers.len();
        let blocks = layers.flat_map(|layer| Point::ALL.map(|point| (point, layer))).filter(|(p, _)| p.in_block());
        let around = |point| std::iter::once((point, 0));
        around(Point::Embed)
            .chain(blocks)
            .chain(around(Point::FinalNormalized))
            .filter_map(|(point, layer)| {
                let shape = self.hook_shape(point, layer)?;
                Some(HookPoint { point, layer, name: point.name(layer), shape })
            })
            .collect()
    }

    /// The shape at a point; `None` where the pass does not come by.
    fn hook_shape(&self, point: Point, layer: usize) -> Option<Vec<Dim>> {
        use Dim::{Keys, Pos, Size};
        let spec = self.spec();
        let per_head = |heads| vec![Pos, Size(heads), Size(spec.head_dim)];
        let hidden = || vec![Pos, Size(spec.hidden_size)];
        Some(match point {
            Point::Q | Point::RotQ | Point::Z => per_head(spec.heads),
            Point::K | Point::V | Point::RotK => per_head(spec.kv_heads),
            Point::AttnScores | Point::Pattern => vec![Size(spec.heads), Pos, Keys],
            Point::MlpPre | Point::MlpPreLinear | Point::MlpPost => {
                let FeedForward::Dense(mlp) = &self.weights().blocks.get(layer)?.mlp else { return None };
                if point == Point::MlpPreLinear && mlp.gate.is_none() {
                    return None;
                }
                let width = match &mlp.up.weight {
                    Weight::Dense(tensor) => tensor.dim(D::Minus2).ok()?,
                    Weight::Stored(matrix) => matrix.shape()[0],
                };
                vec![Pos, Size(width)]
            }
            Point::RouterLogits | Point::ExpertWeights | Point::ExpertIndices => {
                let FeedForward::Experts { experts, .. } = &self.weights().blocks.get(layer)?.mlp else { return None };
                let used = spec.experts.map_or(0, |e| e.used);
                vec![Pos, Size(if point == Point::ExpertIndices { used } else { experts.len() })]
            }
            Point::ResidMid if spec.parallel => return None,
            _ => hidden(),
        })
    }
}
