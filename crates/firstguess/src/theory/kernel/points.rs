//! A set of points of the infinite-width space, by their squared norms, their means and their mutual distances.
//!
//! ```text
//! M_a = E[x_a²],   m_a = E[x_a],   d_ab = ½ E[(x_a - x_b)²],   K_ab = ½(M_a + M_b) - d_ab
//! ```
//!
//! `E` is the mean over the units of a layer. Distances instead of covariances: biases and batch centring leave them alone,
//! and as all inputs merge (`c → 1`) the data variance `V = mean d` keeps every digit, where `mean K_aa - mean K_ab` cancels.

use rayon::prelude::*;

/// Columns that are summed together.
const BLOCK: usize = 256;

/// Points with their packed strict lower triangle of distances, row after row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Points {
    /// `M_a`.
    pub(super) second: Vec<f64>,
    /// `m_a`; zero for the outputs of a layer with weights.
    pub(super) mean: Vec<f64>,
    /// `d_ab`, `b < a`, at `a(a-1)/2 + b`.
    distance: Vec<f64>,
    count: usize,
}

/// One row of the triangle on its way through a map.
pub(super) struct Row<'a> {
    /// The point `a` that the row belongs to.
    pub(super) index: usize,
    /// `d_ab` for `b < a`.
    pub(super) distance: &'a mut [f64],
}

impl Points {
    /// Points of zero distance, to be filled.
    pub(super) fn new(second: Vec<f64>, mean: Vec<f64>) -> Self {
        let count = second.len();
        Self { second, mean, distance: vec![0.0; count * count.saturating_sub(1) / 2], count }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// `d_ab`, in either order.
    pub(super) fn distance(&self, a: usize, b: usize) -> f64 {
        let (low, high) = (a.min(b), a.max(b));
        if low == high { 0.0 } else { self.distance[high * (high - 1) / 2 + low] }
    }

    /// `K_ab`.
    pub(super) fn covariance(&self, a: usize, b: usize) -> f64 {
        0.5 * (self.second[a] + self.second[b]) - self.distance(a, b)
    }

    /// `d_ab` for `b < a`.
    pub(super) fn row(&self, a: usize) -> &[f64] {
        let start = a * a.saturating_sub(1) / 2;
        &self.distance[start..start + a]
    }

    /// Calls `f` on every row, rows in parallel; each row depends on itself alone, so threads cannot change a bit.
    pub(super) fn for_each_row(&mut self, f: impl Fn(Row<'_>) + Sync) {
        // Short tasks: row a costs a steps.
        self.split().into_par_iter().with_max_len(16).for_each(&f);
    }

    /// The same for so many neighbouring rows at a time.
    pub(super) fn for_each_block(&mut self, rows: usize, f: impl Fn(&mut [Row<'_>]) + Sync) {
        self.split().par_chunks_mut(rows).for_each(&f);
    }

    fn split(&mut self) -> Vec<Row<'_>> {
        let n = self.len();
        let mut rows = Vec::with_capacity(n);
        let mut rest = &mut self.distance[..];
        for index in 0..n {
            let (distance, tail) = rest.split_at_mut(index);
            rows.push(Row { index, distance });
            rest = tail;
        }
        rows
    }

    /// One value per row, in order.
    pub(super) fn rows<T: Send>(&self, f: impl Fn(usize, &[f64]) -> T + Sync) -> Vec<T> {
        (0..self.len()).into_par_iter().with_max_len(16).map(|a| f(a, self.row(a))).collect()
    }

    /// `d_ab ← f(a, b, d_ab)`, never below zero.
    pub(super) fn map(&mut self, f: impl Fn(usize, usize, f64) -> f64 + Sync) {
        self.for_each_row(|row| {
            for (b, d) in row.distance.iter_mut().enumerate() {
                *d = f(row.index, b, *d).max(0.0);
            }
        });
    }

    /// A layer with weights: `q = σ_w² M + σ_b²`; a bias is common to all points and leaves distances alone.
    pub(super) fn through_weights(&mut self, weight: f64, bias: f64) {
        for q in &mut self.second {
            *q = weight * *q + bias;
        }
        self.mean.fill(0.0);
        self.for_each_row(|row| row.distance.iter_mut().for_each(|d| *d *= weight));
    }

    /// `x_a ← α_a x_a`.
    pub(super) fn scale(&mut self, factors: &[f64]) {
        let second = std::mem::take(&mut self.second);
        self.map(|a, b, d| {
            let (fa, fb) = (factors[a], factors[b]);
            fa * fb * d + 0.5 * (fa - fb) * (fa * second[a] - fb * second[b])
        });
        self.second = second;
        for ((q, m), f) in self.second.iter_mut().zip(&mut self.mean).zip(factors) {
            *q *= f * f;
            *m *= f;
        }
    }

    /// `x_a ← x_a - m̄_a`, `m̄_a` a number per point (its own mean over units and positions).
    pub(super) fn subtract(&mut self, offsets: &[f64]) {
        let mean = std::mem::take(&mut self.mean);
        self.map(|a, b, d| {
            let gap = offsets[a] - offsets[b];
            d - gap * (mean[a] - mean[b]) + 0.5 * gap * gap
        });
        self.mean = mean;
        for ((q, m), o) in self.second.iter_mut().zip(&mut self.mean).zip(offsets) {
            *q += o * (o - 2.0 * *m);
            *q = q.max(0.0);
            *m -= o;
        }
    }

    /// `mean_b d_ab` for each `a`, the zero at `b = a` included.
    pub(super) fn mean_distances(&self) -> Vec<f64> {
        let n = self.len();
        let mut sums: Vec<f64> = self.rows(|_, row| row.iter().sum());
        // Columns, in fixed blocks so that the order of the sum is fixed too.
        let columns: Vec<f64> = (0..n.div_ceil(BLOCK))
            .into_par_iter()
            .flat_map_iter(|block| {
                let (low, high) = (block * BLOCK, ((block + 1) * BLOCK).min(n));
                let mut sums = vec![0.0; high - low];
                for a in low..n {
                    let row = self.row(a);
                    for (sum, d) in sums.iter_mut().zip(&row[low.min(a)..high.min(a)]) {
                        *sum += d;
                    }
                }
                sums
            })
            .collect();
        for (sum, column) in sums.iter_mut().zip(columns) {
            *sum = (*sum + column) / n as f64;
        }
        sums
    }

    /// `V_D = mean_ab d_ab` over all pairs, `a = b` included: the data variance of a unit, over exactly these points.
    pub(super) fn data_variance(&self) -> f64 {
        let n = self.len() as f64;
        let sum: f64 = self.rows(|_, row| row.iter().sum::<f64>()).into_iter().sum();
        2.0 * sum / (n * n)
    }

    /// Removes the mean over the points from every unit and divides by the typical standard deviation over them.
    ///
    /// Returns the variance that was divided by.
    pub(super) fn standardize_over_points(&mut self) -> f64 {
        let mean = self.mean_distances();
        let variance = mean.iter().sum::<f64>() / mean.len() as f64;
        let unit = if variance > 0.0 { variance.recip() } else { 0.0 };
        for (q, own) in self.second.iter_mut().zip(&mean) {
            *q = ((2.0 * own - variance) * unit).max(0.0);
        }
        let centre = self.mean.iter().sum::<f64>() / self.mean.len() as f64;
        for m in &mut self.mean {
            *m = (*m - centre) * unit.sqrt();
        }
        self.for_each_row(|row| row.distance.iter_mut().for_each(|d| *d *= unit));
        variance
    }

    /// `x ← x + s·y`, for `y` whose units are independent of those of `x`.
    pub(super) fn add(&mut self, other: &Self, factor: f64) {
        let square = factor * factor;
        let mean = std::mem::take(&mut self.mean);
        self.map(|a, b, d| {
            let gaps = (mean[a] - mean[b]) * (other.mean[a] - other.mean[b]);
            d + square * other.row(a)[b] + factor * gaps
        });
        self.mean = mean;
        for (a, (q, m)) in self.second.iter_mut().zip(&mut self.mean).enumerate() {
            *q += square * other.second[a] + 2.0 * factor * *m * other.mean[a];
            *m += factor * other.mean[a];
        }
    }
}
