//! The axes of a rotary position embedding (arXiv:2104.09864).

/// Which pairs of a head's coordinates a rotary embedding turns together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopeStyle {
    /// `(i, i + dims/2)`: GPT-NeoX, and nearly every checkpoint in the hub's layout.
    HalfSplit,
    /// `(2i, 2i + 1)`: Cohere and GLM; what llama.cpp calls "norm", and its `llama` files have the rows of q and k
    /// permuted for it.
    Interleaved,
}

/// How the rotary frequencies are stretched beyond the context of pre-training.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Every frequency divided by `factor` (position interpolation, arXiv:2306.15595).
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// The base grows with the sequence beyond `original` tokens ("dynamic NTK").
    Dynamic {
        /// How far the context is stretched.
        factor: f64,
        /// Context of pre-training.
        original: f64,
    },
    /// Low frequencies divided, high ones kept, a ramp between (Llama 3.1's report, arXiv:2407.21783).
    Llama3 {
        /// The divisor of low frequencies.
        factor: f64,
        /// Wavelengths longer than `original / low` are divided by `factor`.
        low: f64,
        /// Wavelengths shorter than `original / high` are kept.
        high: f64,
        /// Context of pre-training.
        original: f64,
    },
    /// As `Llama3`, with the ramp over the index of the frequency, and sines and cosines scaled (arXiv:2309.00071).
    Yarn {
        /// The divisor of low frequencies.
        factor: f64,
        /// Context of pre-training.
        original: f64,
        /// Turns within `original` above which a frequency is kept.
        fast: f64,
        /// Turns within `original` below which a frequency is divided.
        slow: f64,
        /// Whether the ends of the ramp are rounded to whole indices.
        truncate: bool,
        /// What cosines and sines are multiplied with.
        magnitude: f64,
    },
    /// Frequency `i` divided by the `i`-th of two tables: one for contexts up to `original`, one beyond
    /// (arXiv:2402.13753).
    Long {
        /// Divisors for a load whose context is at most `original`.
        short: Vec<f32>,
        /// Divisors for a load with a longer context.
        long: Vec<f32>,
        /// Context of pre-training.
        original: usize,
        /// What cosines and sines are multiplied with.
        magnitude: f64,
    },
    /// Frequency `i` divided by the `i`-th value: GGUF stores some scalings as this table, `rope_freqs.weight`.
    Factors(Vec<f32>),
}

/// The rotary position embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// Base of the geometric series of frequencies.
    pub theta: f64,
    /// Coordinates of a head that are turned, from the first on; even, at most the head's width.
    pub dims: usize,
    /// How coordinates are paired.
    pub style: RopeStyle,
    /// How frequencies are stretched.
    pub scaling: RopeScaling,
}
