//! The loops over rows and columns.

#![allow(clippy::needless_range_loop)] // counted loops over arrays, which become registers

use std::arch::x86_64::*;

use super::blocks::*;
use super::call::Job;
use super::few::Chunk;
use crate::format::DType;

/// How far ahead of their turn weights are asked for, at least, in bytes: about what memory delivers while an answer is
/// on its way.
const AHEAD: usize = 4096;

/// What four blocks of a row are: `scale * (number - offset)`, or `scale * number + minimum`.
pub struct Part {
    /// The whole numbers, first halves and second halves.
    pub numbers: [__m512i; 2],
    /// Scales of the first and the second halves, four times for each block; equal where a block has one.
    pub scales: [__m512; 2],
    /// Minimums, four times for each block.
    pub minimums: __m512,
}

/// Products of rows with vectors, to `[rows, m]` of `out`. `x` has chunk after chunk of one vector, then of the next.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vbmi")]
pub fn dot<const P: usize>(job: &Job<'_>, x: &[Chunk<P>], out: &mut [f32]) {
    match job.m {
        1 => dot_few::<P, 4, 1>(job, x, out),
        2 => dot_few::<P, 2, 2>(job, x, out),
        // Three are done as four, the last of them twice: less code, and the weights are read once.
        _ => dot_few::<P, 2, 4>(job, x, out),
    }
}

/// [`dot`] for up to `M` vectors, `R` rows at a time.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vbmi")]
fn dot_few<const P: usize, const R: usize, const M: usize>(job: &Job<'_>, x: &[Chunk<P>], out: &mut [f32]) {
    // Bytes and chunks per stored unit, the offset's power of two, and the parts of a unit. Blocks of 32 values are
    // taken four at a time, each with its scale.
    match job.dtype {
        DType::Q4_0 => typed::<P, R, M, 72, 1, 3, false, false, _>(job, x, out, |_| (), |b, _, _| q4_0(b)),
        DType::Q4_1 => typed::<P, R, M, 80, 1, 0, true, false, _>(job, x, out, |_| (), |b, _, _| q4_1(b)),
        DType::Q5_0 => typed::<P, R, M, 88, 1, 4, false, false, _>(job, x, out, |_| (), |b, _, _| q5_0(b)),
        DType::Q5_1 => typed::<P, R, M, 96, 1, 0, true, false, _>(job, x, out, |_| (), |b, _, _| q5_1(b)),
        DType::IQ4_NL => typed::<P, R, M, 72, 1, 7, false, false, _>(job, x, out, |_| (), |b, _, _| iq4_nl(b)),
        DType::Q8_0 => typed::<P, R, M, 136, 1, 7, false, false, _>(job, x, out, |_| (), |b, _, _| q8_0(b)),
        DType::Q4_K => {
            typed::<P, R, M, 144, 2, 0, true, false, _>(job, x, out, |b| k_head(b), |b, head, i| q4_k(b, head, i))
        }
        DType::Q5_K => {
            typed::<P, R, M, 176, 2, 0, true, false, _>(job, x, out, |b| k_head(b), |b, head, i| q5_k(b, head, i))
        }
        // Two rows are as many as the registers are enough for.
        DType::Q6_K => {
            typed::<P, 2, M, 210, 2, 5, false, true, _>(job, x, out, |b| q6_k_head(b), |b, head, i| q6_k(b, head, i))
        }
        _ => {}
    }
}

/// [`dot_few`] for a type whose units are `B` bytes and `C` chunks; its numbers are 2 to the power of `OFFSET` too large
/// if there are no minimums. `head` reads what all of a unit share, `part` a chunk of it.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vbmi")]
#[inline]
fn typed<
    const P: usize,
    const R: usize,
    const M: usize,
    const B: usize,
    const C: usize,
    const OFFSET: u32,
    const MINIMUMS: bool,
    const HALVES: bool,
    H: Copy,
>(
    job: &Job<'_>,
    x: &[Chunk<P>],
    out: &mut [f32],
    head: impl Fn(&[u8; B]) -> H,
    part: impl Fn(&[u8; B], &H, usize) -> Part,
) {
    let vectors = vectors::<P, M, C>(job, x);
    // Four lanes for each block that is left behind the last whole unit of a row: fewer than four blocks.
    let whole = job.row_bytes / B * B;
    let left: u16 = !(u16::MAX << (16 * (job.row_bytes - whole) / B));
    for (g, (bytes, out)) in job.rows.chunks(R * job.row_bytes).zip(out.chunks_mut(R * job.m)).enumerate() {
        let rows = group::<B, R>(bytes, job.row_bytes);
        let mut sums = [[_mm512_setzero_ps(); M]; R];
        let units = rows.iter().map(|row| row.len()).chain(vectors.iter().map(|x| x.len())).min().unwrap_or(0);
        for at in 0..units {
            for r in 0..R {
                // The next rows, piece by piece while these are done: several short streams at once are more than the
                // processor foresees.
                for line in (0..B).step_by(64) {
                    prefetch(bytes, bytes.len().max(AHEAD) + (at * R + r) * B + line);
                }
                let unit = &rows[r][at];
                let head = head(unit);
                for i in 0..C {
                    let part = part(unit, &head, i);
                    for m in 0..M {
                        sums[r][m] = add::<P, OFFSET, MINIMUMS, HALVES>(&part, &vectors[m][at][i], sums[r][m]);
                    }
                }
            }
        }
        if left > 0 {
            for r in 0..R {
                // A whole unit is read here too, which goes on into the next row; past the last one there are zeros.
                let at = (g * R + r) * job.row_bytes + whole;
                let mut copy = [0; B];
                let unit = match job.rows.get(at..).and_then(<[u8]>::first_chunk) {
                    Some(unit) => unit,
                    None => {
                        let rest = job.rows.get(at..).unwrap_or_default();
                        copy[..rest.len()].copy_from_slice(rest);
                        &copy
                    }
                };
                let mut part = part(unit, &head(unit), 0);
                part.scales = part.scales.map(|scales| _mm512_maskz_mov_ps(left, scales));
                part.minimums = _mm512_maskz_mov_ps(left, part.minimums);
                for m in 0..M {
                    if let Some(x) = vectors[m].get(units) {
                        sums[r][m] = add::<P, OFFSET, MINIMUMS, HALVES>(&part, &x[0], sums[r][m]);
                    }
                }
            }
        }
        for (out, sums) in out.chunks_mut(job.m).zip(&sums) {
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = _mm512_reduce_add_ps(*sum);
            }
        }
    }
}

/// The whole units of each row of a group; where there are fewer than `R`, the last one again.
fn group<const B: usize, const R: usize>(bytes: &[u8], row_bytes: usize) -> [&[[u8; B]]; R] {
    let mut units = [&[][..]; R];
    let mut rows = bytes.chunks_exact(row_bytes);
    let mut last = &[][..];
    for units in &mut units {
        last = rows.next().map_or(last, |row| row.as_chunks().0);
        *units = last;
    }
    units
}

/// The units of each vector, `C` chunks each; where fewer than `M` came, the last one again.
fn vectors<'a, const P: usize, const M: usize, const C: usize>(
    job: &Job<'_>,
    x: &'a [Chunk<P>],
) -> [&'a [[Chunk<P>; C]]; M] {
    let mut all = [&[][..]; M];
    let mut vectors = x.chunks_exact((x.len() / job.m).max(1)).map(|x| x.as_chunks().0);
    let mut last = &[][..];
    for vector in &mut all {
        last = vectors.next().unwrap_or(last);
        *vector = last;
    }
    all
}

/// Adds the product of four blocks to `sums`: exact but for the scales, since a sum of eight products with two planes
/// is at most 8 * 255 * 32512.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vbmi")]
#[inline]
fn add<const P: usize, const OFFSET: u32, const MINIMUMS: bool, const HALVES: bool>(
    part: &Part,
    x: &Chunk<P>,
    sums: __m512,
) -> __m512 {
    let scales = load(&x.scales);
    let none = _mm512_setzero_si512();
    // What is taken off, 2 to the power of OFFSET times the sum of the vector's numbers.
    let less = |part: usize| match MINIMUMS {
        true => none,
        false => _mm512_sub_epi32(none, _mm512_slli_epi32::<OFFSET>(load_whole(&x.sums[part]))),
    };
    if HALVES {
        let mut sums = sums;
        for half in 0..2 {
            let mut dots = less(half);
            if P == 2 {
                let upper = _mm512_dpbusd_epi32(none, part.numbers[half], load_bytes(&x.numbers[0][half]));
                dots = _mm512_add_epi32(dots, _mm512_slli_epi32::<8>(upper));
            }
            dots = _mm512_dpbusd_epi32(dots, part.numbers[half], load_bytes(&x.numbers[P - 1][half]));
            sums = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), _mm512_mul_ps(part.scales[half], scales), sums);
        }
        return sums;
    }
    let product = |start, plane: usize| {
        let dots = _mm512_dpbusd_epi32(start, part.numbers[0], load_bytes(&x.numbers[plane][0]));
        _mm512_dpbusd_epi32(dots, part.numbers[1], load_bytes(&x.numbers[plane][1]))
    };
    let mut dots = less(2);
    if P == 2 {
        dots = _mm512_add_epi32(dots, _mm512_slli_epi32::<8>(product(none, 0)));
    }
    dots = product(dots, P - 1);
    let sums = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), _mm512_mul_ps(part.scales[0], scales), sums);
    if MINIMUMS {
        return _mm512_fmadd_ps(part.minimums, load(&x.products), sums);
    }
    sums
}

/// Sixteen numbers from memory.
#[target_feature(enable = "avx512f")]
#[inline]
fn load(from: &[f32; 16]) -> __m512 {
    // SAFETY: 64 readable bytes, and the instruction asks for no alignment.
    unsafe { _mm512_loadu_ps(from.as_ptr()) }
}

/// Sixteen whole numbers from memory.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_whole(from: &[i32; 16]) -> __m512i {
    // SAFETY: 64 readable bytes, and the instruction asks for no alignment.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

/// 64 bytes from memory.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_bytes(from: &[i8; 64]) -> __m512i {
    // SAFETY: 64 readable bytes, and the instruction asks for no alignment.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

/// Asks for the bytes `ahead` of the start of `from`, which may be past its end, to be brought nearer: nothing is read
/// that the program sees, and no address faults.
#[inline]
#[target_feature(enable = "sse")]
fn prefetch(from: &[u8], ahead: usize) {
    _mm_prefetch::<_MM_HINT_T0>(from.as_ptr().wrapping_add(ahead).cast());
}
