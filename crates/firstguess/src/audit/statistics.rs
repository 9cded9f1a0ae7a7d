//! What the values of one tensor are like.

use super::Pool;
use crate::spec::weights::WeightFamily;
use serde::Serialize;
use std::collections::HashSet;

/// Values of a pool that are compared with a law.
pub(super) const SAMPLE: usize = 1 << 16;

/// Values taken of one tensor for that.
const PER_TENSOR: usize = 1 << 13;

/// Values of a tensor below which its own scale is too rough for a comparison of laws.
const LEAST: usize = 256;

/// The same for a comparison of tails.
const LEAST_FOR_TAILS: usize = 1000;

/// Rows whose mutual products say whether a matrix is orthogonal.
const ROWS: usize = 48;

/// Sizes that no weight has: left-over memory.
const HUGE: f32 = 1e8;

/// Moments and accidents of one tensor. Rows are what the first axis counts: outputs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// Values.
    pub count: usize,
    /// Their mean, over the finite ones.
    pub mean: f64,
    /// Square root of the mean square.
    pub root_mean_square: f64,
    /// Largest in size.
    pub largest: f64,
    /// NaN among them.
    pub nan: usize,
    /// Infinities among them.
    pub infinite: usize,
    /// Numbers below the normal range, which no law gives.
    pub denormal: usize,
    /// Numbers above 1e8 in size.
    pub huge: usize,
    /// Zeros.
    pub zeros: usize,
    /// Whether all values are equal, and there are several.
    pub constant: bool,
    /// Rows.
    pub rows: usize,
    /// Rows of zeros in a tensor that is not all zero.
    pub zero_rows: usize,
    /// Inputs whose weights are all zero.
    pub zero_columns: usize,
    /// Rows that another row repeats bit by bit.
    pub repeated_rows: usize,
    /// Root mean square cosine of the angles between rows (or columns, whichever are fewer) times the root of their length: 1 for
    /// independent entries, 0 for orthogonal ones; absent where there are too few.
    pub coherence: Option<f64>,
}

impl Statistics {
    pub(super) fn of(shape: &[usize], values: &[f32]) -> Self {
        let (mut sum, mut squares, mut finite) = (0.0, 0.0, 0_usize);
        let (mut nan, mut infinite, mut denormal, mut huge, mut zeros) = (0, 0, 0, 0, 0);
        let mut largest = 0.0_f64;
        for value in values {
            if value.is_nan() {
                nan += 1;
                continue;
            }
            if value.is_infinite() {
                infinite += 1;
                continue;
            }
            let x = f64::from(*value);
            denormal += usize::from(value.is_subnormal());
            huge += usize::from(value.abs() > HUGE);
            zeros += usize::from(*value == 0.0);
            largest = largest.max(x.abs());
            sum += x;
            squares += x * x;
            finite += 1;
        }
        let n = finite.max(1) as f64;
        let rows = if shape.len() >= 2 { shape[0] } else { 0 };
        let row = if rows > 0 { values.len() / rows } else { 0 };
        let clean = nan + infinite == 0 && zeros < values.len();
        let (mut zero_rows, mut repeated_rows, mut zero_columns) = (0, 0, 0);
        if rows > 1 && row > 0 && clean {
            let mut seen = HashSet::new();
            let mut touched = vec![false; row];
            for part in values.chunks_exact(row) {
                let zero = part.iter().all(|x| *x == 0.0);
                zero_rows += usize::from(zero);
                // Two random rows of four numbers differ.
                let bits: Vec<u32> = part.iter().map(|x| x.to_bits()).collect();
                repeated_rows += usize::from(!zero && row >= 4 && !seen.insert(bits));
                for (touched, x) in touched.iter_mut().zip(part) {
                    *touched |= *x != 0.0;
                }
            }
            // Positions of one input channel count together.
            let taps: usize = shape[2..].iter().product::<usize>().max(1);
            zero_columns =
                touched.chunks(taps).filter(|taps| taps.iter().all(|touched| !touched)).count();
        }
        Self {
            count: values.len(),
            mean: sum / n,
            root_mean_square: (squares / n).sqrt(),
            largest,
            nan,
            infinite,
            denormal,
            huge,
            zeros,
            constant: values.len() > 1 && values.windows(2).all(|pair| pair[0] == pair[1]),
            rows,
            zero_rows,
            zero_columns,
            repeated_rows,
            coherence: clean.then(|| coherence(rows, row, values)).flatten(),
        }
    }

    /// Whether every value is finite.
    pub fn is_finite(&self) -> bool {
        self.nan + self.infinite == 0
    }

    /// Adds values of this tensor, brought to variance one, to the pool of their law.
    pub(super) fn pool(&self, family: WeightFamily, values: &[f32], pools: &mut Vec<Pool>) {
        let scale = self.root_mean_square;
        if !self.is_finite() || self.constant || scale == 0.0 || self.count < LEAST {
            return;
        }
        let at = pools.iter().position(|pool| pool.family == family).unwrap_or_else(|| {
            pools.push(Pool { family, values: Vec::new(), largest: 0.0, count: 0 });
            pools.len() - 1
        });
        let pool = &mut pools[at];
        if self.count >= LEAST_FOR_TAILS {
            pool.largest = pool.largest.max(self.largest / scale);
            pool.count += self.count;
        }
        if pool.has_room() {
            // Spread over the tensor: an odd step meets every column.
            let step = (values.len() / PER_TENSOR).max(1) | 1;
            pool.values.extend(values.iter().step_by(step).map(|x| f64::from(*x) / scale));
        }
    }
}

/// See [`Statistics::coherence`].
fn coherence(rows: usize, row: usize, values: &[f32]) -> Option<f64> {
    // Fewer pairs may be orthogonal by chance.
    if rows < 8 || row < 8 {
        return None;
    }
    // The shorter side can be orthogonal.
    let (count, length) = if rows <= row { (rows, row) } else { (row, rows) };
    let at = |vector: usize, entry: usize| {
        let index = if rows <= row { vector * row + entry } else { entry * row + vector };
        f64::from(values[index])
    };
    let used = count.min(ROWS);
    let step = count / used;
    let norms: Vec<f64> = (0..used)
        .map(|v| (0..length).map(|e| at(v * step, e) * at(v * step, e)).sum::<f64>().sqrt())
        .collect();
    let (mut sum, mut pairs) = (0.0, 0.0);
    for a in 0..used {
        for b in 0..a {
            let norm = norms[a] * norms[b];
            if norm > 0.0 {
                let dot: f64 = (0..length).map(|e| at(a * step, e) * at(b * step, e)).sum();
                sum += (dot / norm) * (dot / norm);
                pairs += 1.0;
            }
        }
    }
    (pairs > 0.0).then(|| (sum / pairs * length as f64).sqrt())
}
