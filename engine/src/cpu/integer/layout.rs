//! How weights and activations lie in memory while they are multiplied.
//!
//! One instruction multiplies 64 bytes without a sign with as many that have one and adds four products each to sixteen
//! sums. The lanes are rows of the matrix: a [`Quads`] has four columns of sixteen rows. The four numbers of a token
//! that they meet are the same in all lanes, so sums come out in the order of the output.

/// Columns that share a scale, at most: the blocks of both operands.
pub const BLOCK: usize = 32;

/// Quads in a block.
pub const QUADS: usize = BLOCK / 4;

/// Rows in a vector.
pub const LANES: usize = 16;

/// Vectors multiplied together.
pub const VECTORS: usize = 4;

/// Rows multiplied together.
pub const ROWS: usize = VECTORS * LANES;

/// Tokens multiplied together. With four vectors, twelve sums in whole numbers and twelve in `f32` leave registers for
/// the operands, and twelve are under way at once, which is more than the instruction takes steps.
pub const TOKENS: usize = 3;

/// Sixteen numbers, aligned as a cache line.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub struct Lanes(pub [f32; LANES]);

/// Four columns of sixteen rows: four bytes for each row, aligned as a cache line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Quads(pub [u8; 4 * LANES]);

/// [`BLOCK`] columns of [`ROWS`] rows of weights.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Weights {
    /// The whole numbers.
    pub quads: [[Quads; VECTORS]; QUADS],
    /// Scales of the two halves of the block; where they share one, it is the first.
    pub scales: [[Lanes; VECTORS]; 2],
    /// Minimums, to be added, of types that have them.
    pub minimums: [[Lanes; VECTORS]; 2],
}

/// [`BLOCK`] columns of [`TOKENS`] tokens in `P` planes of bytes, of which the first counts 256 times the second.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Tokens<const P: usize> {
    /// Four bytes with a sign for each token.
    pub quads: [[[[i8; 4]; TOKENS]; QUADS]; P],
    /// What a unit stands for.
    pub scales: [f32; TOKENS],
    /// Sums of the whole numbers: of all columns, of the first half and of the second.
    pub sums: [[i32; TOKENS]; 3],
}

/// Sums of [`TOKENS`] tokens with [`ROWS`] rows.
pub type Sums = [[Lanes; VECTORS]; TOKENS];

impl Lanes {
    /// All zero.
    pub const ZERO: Self = Self([0.0; LANES]);
}

impl Weights {
    /// Nothing.
    pub const ZERO: Self = Self {
        quads: [[Quads([0; 4 * LANES]); VECTORS]; QUADS],
        scales: [[Lanes::ZERO; VECTORS]; 2],
        minimums: [[Lanes::ZERO; VECTORS]; 2],
    };
}

impl<const P: usize> Tokens<P> {
    /// Nothing.
    pub const ZERO: Self =
        Self { quads: [[[[0; 4]; TOKENS]; QUADS]; P], scales: [0.0; TOKENS], sums: [[0; TOKENS]; 3] };
}
