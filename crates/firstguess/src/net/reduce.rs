//! Sums and checks over whole buffers, at the speed at which they are read.
#![expect(
    clippy::inline_always,
    reason = "a call that is not inlined into the dispatched loop is compiled for the baseline instruction set"
)]

use super::error::NonFinite;
use super::scalar::Scalar;
use pulp::{Arch, Simd, WithSimd};

/// Sums side by side: their order is fixed, so that every instruction set gives the same bits.
const SUMS: usize = 16;

/// `Σ x` in f64.
pub(super) fn sum<T: Scalar>(values: &[T]) -> f64 {
    Arch::new().dispatch(Sum(values))
}

struct Sum<'a, T>(&'a [T]);

impl<T: Scalar> WithSimd for Sum<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let mut sums = [0.0; SUMS];
        let chunks = self.0.chunks_exact(SUMS);
        let rest: f64 = chunks.remainder().iter().map(|x| x.to_f64()).sum();
        for chunk in chunks {
            for (sum, x) in sums.iter_mut().zip(chunk) {
                *sum += x.to_f64();
            }
        }
        sums.iter().sum::<f64>() + rest
    }
}

/// Adds `scale · Σ x` over the rows of a matrix to each of `totals`, one per column; sums in f64.
pub(super) fn add_column_sums<T: Scalar>(scale: T, matrix: &[T], totals: &mut [T]) {
    Arch::new().dispatch(ColumnSums { scale, matrix, totals });
}

struct ColumnSums<'a, T> {
    scale: T,
    matrix: &'a [T],
    totals: &'a mut [T],
}

impl<T: Scalar> WithSimd for ColumnSums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        const COLUMNS: usize = 64;
        let columns = self.totals.len();
        for (panel, totals) in self.totals.chunks_mut(COLUMNS).enumerate() {
            let mut sums = [0.0_f64; COLUMNS];
            for row in self.matrix.chunks_exact(columns) {
                let row = &row[panel * COLUMNS..];
                if let Some(row) = row.first_chunk::<COLUMNS>() {
                    for (sum, x) in sums.iter_mut().zip(row) {
                        *sum += x.to_f64();
                    }
                } else {
                    for (sum, x) in sums.iter_mut().zip(row) {
                        *sum += x.to_f64();
                    }
                }
            }
            for (total, sum) in totals.iter_mut().zip(sums) {
                *total += self.scale * T::from_f64(sum);
            }
        }
    }
}

/// The largest magnitude; NaN or infinite if any value is.
pub(super) fn largest<T: Scalar>(values: &[T]) -> f64 {
    Arch::new().dispatch(Largest(values))
}

struct Largest<'a, T>(&'a [T]);

impl<T: Scalar> WithSimd for Largest<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        // x·0 is NaN for an infinity or NaN, and a sum keeps it.
        let (mut high, mut low, mut finite) = ([T::ZERO; SUMS], [T::ZERO; SUMS], [T::ZERO; SUMS]);
        let chunks = self.0.chunks_exact(SUMS);
        let rest = chunks.remainder();
        for chunk in chunks {
            for lane in 0..SUMS {
                let x = chunk[lane];
                high[lane] = if x > high[lane] { x } else { high[lane] };
                low[lane] = if x < low[lane] { x } else { low[lane] };
                finite[lane] += x * T::ZERO;
            }
        }
        let mut largest = 0.0_f64;
        for x in high.iter().chain(&low).chain(rest) {
            largest = largest.max(x.to_f64().abs());
        }
        for x in finite.iter().copied().chain(rest.iter().map(|x| *x * T::ZERO)) {
            largest += x.to_f64();
        }
        largest
    }
}

/// What the first value that is no number is, if there is one.
pub(super) fn non_finite<T: Scalar>(values: &[T]) -> Option<NonFinite> {
    if Arch::new().dispatch(Finite(values)) {
        return None;
    }
    let first = values.iter().find(|x| !is_finite(**x))?;
    Some(if first.to_f64().is_nan() { NonFinite::NaN } else { NonFinite::Infinity })
}

#[inline(always)]
fn is_finite<T: Scalar>(x: T) -> bool {
    x * T::ZERO == T::ZERO
}

struct Finite<'a, T>(&'a [T]);

impl<T: Scalar> WithSimd for Finite<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        // x·0 is zero unless x is infinite or NaN, and NaN stays NaN in a sum.
        const LANES: usize = 64;
        let mut lanes = [T::ZERO; LANES];
        let chunks = self.0.chunks_exact(LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane += *x * T::ZERO;
            }
        }
        lanes.iter().chain(rest).all(|x| is_finite(*x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_value_is_found_wherever_it_stands() {
        for position in 0..200 {
            let mut values = vec![1e38_f32; 200];
            assert_eq!(non_finite(&values), None);
            assert_eq!(largest(&values), f64::from(1e38_f32));
            values[position] = f32::NEG_INFINITY;
            assert_eq!(non_finite(&values), Some(NonFinite::Infinity));
            assert!(!largest(&values).is_finite());
            values[position] = f32::NAN;
            assert_eq!(non_finite(&values), Some(NonFinite::NaN));
            assert!(!largest(&values).is_finite());
            values[position] = -2e38;
            assert_eq!(largest(&values), f64::from(2e38_f32));
        }
    }

    #[test]
    fn sums_are_those_of_one_loop() {
        for (rows, columns) in [(1, 1), (3, 63), (5, 64), (7, 65), (2, 200)] {
            let matrix: Vec<f32> = (0..rows * columns).map(|i| ((i * 37) % 101) as f32).collect();
            let total: f64 = matrix.iter().map(|x| f64::from(*x)).sum();
            assert_eq!(sum(&matrix), total);
            let mut totals = vec![1.0; columns];
            add_column_sums(-2.0, &matrix, &mut totals);
            for (column, total) in totals.iter().enumerate() {
                let sum: f32 = matrix.iter().skip(column).step_by(columns).sum();
                assert_eq!(*total, 1.0 - 2.0 * sum, "{rows} x {columns}, {column}");
            }
        }
    }
}
