//! The loops over rows, blocks and vectors, written once for every set of vector instructions.
//!
//! A module of kernels brings the vector type `V` of `WIDTH` numbers, `zero`, `load`, `store`, `mul`, `fma`, `add` and
//! `sum` on it, and for each storage type a function that puts a part of a block into registers. A macro and not
//! generic functions, because a function with instructions that the processor may lack cannot implement a trait.

use crate::format::DType;

/// The product of some rows with some vectors, arguments checked.
pub(super) struct Product<'a> {
    /// Whole rows, one after the other.
    pub rows: &'a [u8],
    /// Bytes of one row.
    pub row_bytes: usize,
    /// Whole vectors, one after the other.
    pub x: &'a [f32],
    /// Values of a row and of a vector.
    pub cols: usize,
    /// How many vectors, 1 to 4.
    pub m: usize,
}

/// How far ahead of their turn weights are asked for, at least, in bytes: about what memory delivers while an answer is
/// on its way.
#[cfg(target_arch = "x86_64")]
pub(super) const AHEAD: usize = 4096;

/// How many of `cols` values the kernels do: those in whole blocks of theirs, which for plain numbers are groups of 64.
pub(super) fn covered(dtype: DType, cols: usize) -> usize {
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 => cols / 64 * 64,
        DType::Q4_0 | DType::Q4_1 | DType::Q5_0 | DType::Q5_1 | DType::Q8_0 => cols / 32 * 32,
        DType::Q2_K | DType::Q3_K | DType::Q4_K | DType::Q5_K | DType::Q6_K => cols / 256 * 256,
        _ => 0,
    }
}

/// The whole blocks of each vector; where fewer than `M` came, the last one again.
pub(super) fn vectors<'a, const N: usize, const M: usize>(job: &Product<'a>) -> [&'a [[f32; N]]; M] {
    let mut parts: [&[[f32; N]]; M] = [&[]; M];
    let mut vectors = job.x.chunks_exact(job.cols);
    let mut last: &[[f32; N]] = &[];
    for part in &mut parts {
        last = vectors.next().map_or(last, |x| x.as_chunks().0);
        *part = last;
    }
    parts
}

/// The whole blocks of each row of a group; where there are fewer than `R`, the last one again.
#[cfg(target_arch = "x86_64")]
pub(super) fn group<const B: usize, const R: usize>(bytes: &[u8], row_bytes: usize) -> [&[[u8; B]]; R] {
    let mut parts: [&[[u8; B]]; R] = [&[]; R];
    let mut rows = bytes.chunks_exact(row_bytes);
    let mut last: &[[u8; B]] = &[];
    for part in &mut parts {
        last = rows.next().map_or(last, |row| row.as_chunks().0);
        *part = last;
    }
    parts
}

/// `N` of a block's bytes from `at` on, which the types make sure are there.
#[inline(always)]
pub(super) fn part<const N: usize>(block: &[u8], at: usize) -> &[u8; N] {
    block.get(at..).and_then(|b| b.first_chunk()).unwrap_or(&[0; N])
}

/// The eight scales (low half) and eight minimums (high half) of a Q4_K or Q5_K block, 6 bits each in 12 bytes.
#[inline(always)]
pub(super) fn scales_and_minimums(packed: &[u8; 12]) -> u128 {
    let word = |at| u32::from_le_bytes(*part(packed, at));
    let (s, m, upper) = (word(0), word(4), word(8));
    // Four bytes at a time: six bits each in the first two words, and in their two upper bits the upper bits of what
    // has its four lower bits in the third.
    let words = [
        s & 0x3f3f_3f3f,
        (upper & 0x0f0f_0f0f) | ((s >> 2) & 0x3030_3030),
        m & 0x3f3f_3f3f,
        ((upper >> 4) & 0x0f0f_0f0f) | ((m >> 2) & 0x3030_3030),
    ];
    words.iter().rev().fold(0, |all, word| (all << 32) | u128::from(*word))
}

/// The sixteen scales of a Q3_K block, 6 bits each in 12 bytes, and still 32 too large.
#[inline(always)]
pub(super) fn scales_of_q3(packed: &[u8; 12]) -> u128 {
    let word = |at| u32::from_le_bytes(*part(packed, at));
    let (a, b, upper) = (word(0), word(4), word(8));
    let with_upper = |low: u32, shift: u32| (low & 0x0f0f_0f0f) | (((upper >> shift) & 0x0303_0303) << 4);
    let words = [with_upper(a, 0), with_upper(b, 2), with_upper(a >> 4, 4), with_upper(b >> 4, 6)];
    words.iter().rev().fold(0, |all, word| (all << 32) | u128::from(*word))
}

/// Calls `$run::<…, B, N, P, …>(…, head, part)` for the type: bytes and values per block, parts that a block is
/// expanded in, what is read once per block, and the expansion of one part. How many vectors a part fills (`K`) is
/// inferred.
#[cfg(target_arch = "x86_64")]
macro_rules! by_type {
    ($dtype:expr, $run:ident [$($const:expr),*] ($($arg:expr),*)) => {
        match $dtype {
            DType::F32 => $run::<_, 256, 64, 1, _ $(, $const)*>($($arg,)* |_| (), |b, _, _| f32s(b)),
            DType::F16 => $run::<_, 128, 64, 1, _ $(, $const)*>($($arg,)* |_| (), |b, _, _| f16s(b)),
            DType::BF16 => $run::<_, 128, 64, 1, _ $(, $const)*>($($arg,)* |_| (), |b, _, _| bf16s(b)),
            DType::Q4_0 => $run::<_, 18, 32, 1, _ $(, $const)*>($($arg,)* |b| q4_0_head(b), |b, h, _| q4_0(b, h)),
            DType::Q4_1 => $run::<_, 20, 32, 1, _ $(, $const)*>($($arg,)* |b| q4_1_head(b), |b, h, _| q4_1(b, h)),
            DType::Q5_0 => $run::<_, 22, 32, 1, _ $(, $const)*>($($arg,)* |b| q5_0_head(b), |b, h, _| q5_0(b, h)),
            DType::Q5_1 => $run::<_, 24, 32, 1, _ $(, $const)*>($($arg,)* |b| q5_1_head(b), |b, h, _| q5_1(b, h)),
            DType::Q8_0 => $run::<_, 34, 32, 1, _ $(, $const)*>($($arg,)* |b| q8_0_head(b), |b, h, _| q8_0(b, h)),
            DType::Q2_K => $run::<_, 84, 256, 4, _ $(, $const)*>($($arg,)* |b| q2_k_head(b), |b, h, i| q2_k(b, h, i)),
            DType::Q3_K => $run::<_, 110, 256, 4, _ $(, $const)*>($($arg,)* |b| q3_k_head(b), |b, h, i| q3_k(b, h, i)),
            DType::Q4_K => $run::<_, 144, 256, 4, _ $(, $const)*>($($arg,)* |b| q4_k_head(b), |b, h, i| q4_k(b, h, i)),
            DType::Q5_K => $run::<_, 176, 256, 4, _ $(, $const)*>($($arg,)* |b| q5_k_head(b), |b, h, i| q5_k(b, h, i)),
            DType::Q6_K => $run::<_, 210, 256, 4, _ $(, $const)*>($($arg,)* |b| q6_k_head(b), |b, h, i| q6_k(b, h, i)),
            _ => {}
        }
    };
}

/// `dot` and `expand` of a module of kernels; `$on` is the attribute that switches its instructions on. `rows` is how
/// many rows are done at a time with one, two and four vectors, as registers allow.
#[cfg(target_arch = "x86_64")]
macro_rules! driver {
    (#[$on:meta], rows: $one:literal, $two:literal, $four:literal) => {
        /// Products of the [`covered`](super::driver::covered) part of rows with the vectors, to `[rows, m]` of `out`.
        #[$on]
        pub(super) fn dot(dtype: DType, job: &Product<'_>, out: &mut [f32]) {
            match job.m {
                1 => by_type!(dtype, dot_typed [$one, 1] (job, out)),
                2 => by_type!(dtype, dot_typed [$two, 2] (job, out)),
                // Three are done as four, the last of them twice: less code, and the weights are read once.
                _ => by_type!(dtype, dot_typed [$four, 4] (job, out)),
            }
        }

        /// Expands as many values to `out` as are in whole blocks.
        #[$on]
        pub(super) fn expand(dtype: DType, bytes: &[u8], out: &mut [f32]) {
            by_type!(dtype, expand_typed [] (bytes, out));
        }

        #[$on]
        fn dot_typed<
            H: Copy,
            const B: usize,
            const N: usize,
            const P: usize,
            const K: usize,
            const R: usize,
            const M: usize,
        >(
            job: &Product<'_>,
            out: &mut [f32],
            head: impl Fn(&[u8; B]) -> H,
            part: impl Fn(&[u8; B], &H, usize) -> [V; K],
        ) {
            let x = driver::vectors::<N, M>(job);
            for (bytes, out) in job.rows.chunks(R * job.row_bytes).zip(out.chunks_mut(R * job.m)) {
                let rows = driver::group::<B, R>(bytes, job.row_bytes);
                let sums = tile::<H, B, N, P, K, R, M>(bytes, &rows, &x, &head, &part);
                for (out, sums) in out.chunks_mut(job.m).zip(&sums) {
                    for (out, lanes) in out.iter_mut().zip(sums) {
                        *out = sum(*lanes);
                    }
                }
            }
        }

        /// All of some rows with all vectors, so that what is loaded of a vector serves every row, and what is
        /// expanded of a row every vector. The products of a part are summed on their own, then added to the whole:
        /// as accurate as many sums side by side, and chains short enough to overlap.
        #[$on]
        #[inline]
        fn tile<
            H: Copy,
            const B: usize,
            const N: usize,
            const P: usize,
            const K: usize,
            const R: usize,
            const M: usize,
        >(
            bytes: &[u8],
            rows: &[&[[u8; B]]; R],
            x: &[&[[f32; N]]; M],
            head: &impl Fn(&[u8; B]) -> H,
            part: &impl Fn(&[u8; B], &H, usize) -> [V; K],
        ) -> [[V; M]; R] {
            let mut sums = [[zero(); M]; R];
            let blocks = rows.iter().map(|row| row.len()).chain(x.iter().map(|x| x.len())).min().unwrap_or(0);
            for at in 0..blocks {
                let (rows, x) = (rows.map(|row| &row[at]), x.map(|x| &x[at]));
                // The next rows, piece by piece while these are done: several short streams at once are more than the
                // processor foresees, and without this matrices larger than the caches take several times as long.
                for line in (0..R * B).step_by(64) {
                    prefetch(bytes, bytes.len().max($crate::cpu::rows::driver::AHEAD) + at * R * B + line);
                }
                // Loops, and not `map` of arrays: that is a function without these instructions, and what has them
                // cannot be inlined there.
                let mut heads = [head(rows[0]); R];
                for r in 1..R {
                    heads[r] = head(rows[r]);
                }
                for i in 0..P {
                    let mut values = [[zero(); K]; M];
                    for m in 0..M {
                        let (x, _) = x[m].as_chunks::<WIDTH>();
                        for k in 0..K {
                            values[m][k] = load(&x[i * K + k]); // once for all rows
                        }
                    }
                    for r in 0..R {
                        let w = part(rows[r], &heads[r], i);
                        for m in 0..M {
                            let mut sum = mul(w[0], values[m][0]);
                            for k in 1..K {
                                sum = fma(w[k], values[m][k], sum);
                            }
                            sums[r][m] = add(sums[r][m], sum);
                        }
                    }
                }
            }
            sums
        }

        #[$on]
        fn expand_typed<H, const B: usize, const N: usize, const P: usize, const K: usize>(
            bytes: &[u8],
            out: &mut [f32],
            head: impl Fn(&[u8; B]) -> H,
            part: impl Fn(&[u8; B], &H, usize) -> [V; K],
        ) {
            let ((blocks, _), (values, _)) = (bytes.as_chunks::<B>(), out.as_chunks_mut::<N>());
            for (block, values) in blocks.iter().zip(values) {
                let head = head(block);
                let (values, _) = values.as_chunks_mut::<WIDTH>();
                for i in 0..P {
                    for (w, values) in part(block, &head, i).into_iter().zip(values.iter_mut().skip(i * K)) {
                        store(values, w);
                    }
                }
            }
        }
    };
}
