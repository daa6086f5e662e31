//! Tokens to lanes and back: a square of sixteen by sixteen numbers turned over.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m512, _mm512_add_ps, _mm512_permutex2var_ps, _mm512_setr_epi32, _mm512_setzero_ps};

#[cfg(target_arch = "x86_64")]
use super::lanes::x86::{load16, store16};
use super::lanes::{LANES, Lanes};

/// A square of numbers, row by row.
pub type Square = [Lanes; LANES];

/// The square with rows and columns exchanged.
///
/// Four times, row `i` and row `i + 8` are shuffled together like two halves of a pack of cards. One such step rotates
/// the eight bits of an element's address (four of the row, four of the column) by one, so four of them exchange row
/// and column. Each shuffle is one instruction where vectors are wide enough.
#[inline(always)]
pub fn transpose(mut square: Square) -> Square {
    for _ in 0..4 {
        let mut next = [Lanes::ZERO; LANES];
        for i in 0..LANES / 2 {
            let (a, b) = (&square[i].0, &square[i + LANES / 2].0);
            let mut low = [0.0; LANES];
            let mut high = [0.0; LANES];
            for j in 0..LANES / 2 {
                low[2 * j] = a[j];
                low[2 * j + 1] = b[j];
                high[2 * j] = a[j + LANES / 2];
                high[2 * j + 1] = b[j + LANES / 2];
            }
            next[2 * i] = Lanes(low);
            next[2 * i + 1] = Lanes(high);
        }
        square = next;
    }
    square
}

/// [`transpose`] with AVX-512, where the compiler does not see that a shuffle is one instruction.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
pub fn transpose_avx512(square: Square) -> Square {
    let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    let mut rows = [_mm512_setzero_ps(); LANES];
    for (row, from) in rows.iter_mut().zip(&square) {
        *row = load16(&from.0);
    }
    for _ in 0..4 {
        let mut next = rows;
        for i in 0..LANES / 2 {
            next[2 * i] = _mm512_permutex2var_ps(rows[i], low, rows[i + LANES / 2]);
            next[2 * i + 1] = _mm512_permutex2var_ps(rows[i], high, rows[i + LANES / 2]);
        }
        rows = next;
    }
    let mut turned = square;
    for (to, row) in turned.iter_mut().zip(rows) {
        store16(&mut to.0, row);
    }
    turned
}

/// The sum of each row.
#[inline(always)]
pub fn fold(square: Square) -> Lanes {
    let mut sums = Lanes::ZERO;
    for (sum, row) in sums.0.iter_mut().zip(&square) {
        let mut row = row.0;
        for width in [8, 4, 2, 1] {
            for i in 0..width {
                row[i] += row[i + width];
            }
        }
        *sum = row[0];
    }
    sums
}

/// [`fold`] with AVX-512: the steps of [`transpose`], where each adds the two halves it shuffled and so leaves half as
/// many rows.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
pub fn fold_avx512(square: Square) -> Lanes {
    let mut rows = [_mm512_setzero_ps(); LANES];
    for (row, from) in rows.iter_mut().zip(&square) {
        *row = load16(&from.0);
    }
    let [row] = halve::<2, 1>(halve::<4, 2>(halve::<8, 4>(halve::<16, 8>(rows))));
    let mut sums = Lanes::ZERO;
    store16(&mut sums.0, row);
    sums
}

/// One step of [`fold_avx512`], from `N` rows to `H`, half as many.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
fn halve<const N: usize, const H: usize>(rows: [__m512; N]) -> [__m512; H] {
    let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    let mut halved = [_mm512_setzero_ps(); H];
    for (i, sum) in halved.iter_mut().enumerate() {
        let (a, b) = (rows[i], rows[i + H]);
        *sum = _mm512_add_ps(_mm512_permutex2var_ps(a, low, b), _mm512_permutex2var_ps(a, high, b));
    }
    halved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        let mut square = [Lanes::ZERO; LANES];
        for (i, row) in square.iter_mut().enumerate() {
            for (j, x) in row.0.iter_mut().enumerate() {
                *x = (100 * i + j) as f32;
            }
        }
        for (i, row) in transpose(square).iter().enumerate() {
            assert_eq!(row.0, square.map(|column| column.0[i]));
        }
    }

    #[test]
    fn rows_are_added_up() {
        let mut square = [Lanes::ZERO; LANES];
        for (i, row) in square.iter_mut().enumerate() {
            row.0 = [i as f32; LANES];
            row.0[i] += 0.5;
        }
        assert_eq!(fold(square).0, std::array::from_fn(|i| 16.0 * i as f32 + 0.5));
    }
}
