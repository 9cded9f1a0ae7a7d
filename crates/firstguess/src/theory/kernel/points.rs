//! A set of points of the infinite-width space, by their squared norms, their means and their mutual angles.
//!
//! ```text
//! M_a = E[x_a²],   m_a = E[x_a],   ε_ab = 1 - K_ab/√(M_a M_b),   d_ab = ½ E[(x_a - x_b)²] = ½(√M_a - √M_b)² + √(M_a M_b) ε_ab
//! ```
//!
//! `E` is the mean over the units of a layer. Complements of correlations instead of covariances: as all inputs merge (`c → 1`)
//! the data variance `V = mean d` keeps every digit, where `mean K_aa - mean K_ab` cancels; and a small input beside a large
//! one keeps its angle, where distances would lose it in the large one's norm. Elementwise maps of unit norm act on `ε` itself.

use rayon::prelude::*;

/// Columns that are summed together.
const BLOCK: usize = 256;

/// Points with their packed strict lower triangle of complements, row after row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Points {
    /// `M_a`.
    pub(super) second: Vec<f64>,
    /// `m_a`; zero for the outputs of a layer with weights.
    pub(super) mean: Vec<f64>,
    /// `ε_ab`, `b < a`, at `a(a-1)/2 + b`; 1 where one of the two is the origin.
    complement: Vec<f64>,
    count: usize,
}

/// One row of the triangle on its way through a map.
pub(super) struct Row<'a> {
    /// The point `a` that the row belongs to.
    pub(super) index: usize,
    /// `ε_ab` for `b < a`.
    pub(super) complement: &'a mut [f64],
}

/// `d` of two points from the roots of their squared norms.
pub(super) fn distance_of(root_a: f64, root_b: f64, complement: f64) -> f64 {
    let gap = root_a - root_b;
    0.5 * gap * gap + root_a * root_b * complement
}

/// `ε` in [0, 2] of two points from the roots of their squared norms; 1 where one is the origin.
pub(super) fn complement_of(root_a: f64, root_b: f64, distance: f64) -> f64 {
    let scale = root_a * root_b;
    if scale == 0.0 {
        return 1.0;
    }
    let gap = root_a - root_b;
    ((distance - 0.5 * gap * gap) / scale).clamp(0.0, 2.0)
}

impl Points {
    /// Points on one ray from the origin, to be told apart.
    pub(super) fn new(second: Vec<f64>, mean: Vec<f64>) -> Self {
        let count = second.len();
        Self { second, mean, complement: vec![0.0; count * count.saturating_sub(1) / 2], count }
    }

    /// Points from their distances.
    pub(super) fn from_distances(
        second: Vec<f64>,
        mean: Vec<f64>,
        distance: impl Fn(usize, usize) -> f64 + Sync,
    ) -> Self {
        let mut points = Self::new(second, mean);
        let root = points.roots();
        points.map(|a, b, _| complement_of(root[a], root[b], distance(a, b)));
        points
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// `√M_a`.
    pub(super) fn roots(&self) -> Vec<f64> {
        self.second.iter().map(|q| q.sqrt()).collect()
    }

    /// `ε_ab`, in either order.
    pub(super) fn complement(&self, a: usize, b: usize) -> f64 {
        let (low, high) = (a.min(b), a.max(b));
        if low == high { 0.0 } else { self.complement[high * (high - 1) / 2 + low] }
    }

    /// `K_ab`.
    pub(super) fn covariance(&self, a: usize, b: usize) -> f64 {
        if a == b {
            return self.second[a];
        }
        self.second[a].sqrt() * self.second[b].sqrt() * (1.0 - self.complement(a, b))
    }

    /// `ε_ab` for `b < a`.
    pub(super) fn row(&self, a: usize) -> &[f64] {
        let start = a * a.saturating_sub(1) / 2;
        &self.complement[start..start + a]
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
        let mut rest = &mut self.complement[..];
        for index in 0..n {
            let (complement, tail) = rest.split_at_mut(index);
            rows.push(Row { index, complement });
            rest = tail;
        }
        rows
    }

    /// One value per row, in order.
    pub(super) fn rows<T: Send>(&self, f: impl Fn(usize, &[f64]) -> T + Sync) -> Vec<T> {
        (0..self.len()).into_par_iter().with_max_len(16).map(|a| f(a, self.row(a))).collect()
    }

    /// `ε_ab ← f(a, b, ε_ab)`, held to [0, 2].
    pub(super) fn map(&mut self, f: impl Fn(usize, usize, f64) -> f64 + Sync) {
        self.for_each_row(|row| {
            for (b, e) in row.complement.iter_mut().enumerate() {
                *e = f(row.index, b, *e).clamp(0.0, 2.0);
            }
        });
    }

    /// `d_ab ← f(a, b, d_ab)` for points whose squared norms become `second`.
    pub(super) fn map_distances(
        &mut self,
        second: Vec<f64>,
        f: impl Fn(usize, usize, f64) -> f64 + Sync,
    ) {
        let before = self.roots();
        self.second = second;
        let after = self.roots();
        self.map(|a, b, e| {
            complement_of(after[a], after[b], f(a, b, distance_of(before[a], before[b], e)))
        });
    }

    /// What has become the origin is uncorrelated with everything.
    pub(super) fn free_origins(&mut self) {
        if self.second.iter().all(|q| *q > 0.0) {
            return;
        }
        let origin: Vec<bool> = self.second.iter().map(|q| *q == 0.0).collect();
        self.map(|a, b, e| if origin[a] || origin[b] { 1.0 } else { e });
    }

    /// A layer with weights: `q = σ_w² M + σ_b²`.
    ///
    /// ```text
    /// ε' = [σ_w² σ_b² (√M_a - √M_b)² / (√(q_a q_b) + σ_w² √(M_a M_b) + σ_b²) + σ_w² √(M_a M_b) ε] / √(q_a q_b)
    /// ```
    ///
    /// Sums of what is not negative: nothing cancels, whatever the norms.
    pub(super) fn through_weights(&mut self, weight: f64, bias: f64) {
        let before = self.roots();
        for q in &mut self.second {
            *q = weight * *q + bias;
        }
        self.mean.fill(0.0);
        if bias == 0.0 {
            return self.free_origins();
        }
        let after = self.roots();
        self.for_each_row(|row| {
            let (own, own_after) = (before[row.index], after[row.index]);
            let others = before.iter().zip(&after);
            for (e, (other, other_after)) in row.complement.iter_mut().zip(others) {
                let (scale, gap) = (weight * own * other, own - other);
                let product = own_after * other_after;
                let turned = weight * bias * gap * gap / (product + scale + bias);
                *e = (turned + scale * *e) / product;
            }
        });
    }

    /// `x_a ← α_a x_a`, `α_a > 0`: angles stay.
    pub(super) fn scale(&mut self, factors: &[f64]) {
        for ((q, m), f) in self.second.iter_mut().zip(&mut self.mean).zip(factors) {
            *q *= f * f;
            *m *= f;
        }
    }

    /// `x_a ← x_a - m̄_a`, `m̄_a` a number per point (its own mean over units and positions).
    pub(super) fn subtract(&mut self, offsets: &[f64]) {
        let mut mean = std::mem::take(&mut self.mean);
        let second = (self.second.iter().zip(&mean).zip(offsets))
            .map(|((q, m), o)| (q + o * (o - 2.0 * m)).max(0.0))
            .collect();
        self.map_distances(second, |a, b, d| {
            let gap = offsets[a] - offsets[b];
            d - gap * (mean[a] - mean[b]) + 0.5 * gap * gap
        });
        mean.iter_mut().zip(offsets).for_each(|(m, o)| *m -= o);
        self.mean = mean;
    }

    /// `mean_b d_ab` for each `a`, the zero at `b = a` included.
    pub(super) fn mean_distances(&self) -> Vec<f64> {
        let n = self.len();
        let root = self.roots();
        let mut sums: Vec<f64> = self.rows(|a, row| {
            row.iter().zip(&root).map(|(e, other)| distance_of(root[a], *other, *e)).sum()
        });
        // Columns, in fixed blocks so that the order of the sum is fixed too.
        let columns: Vec<f64> = (0..n.div_ceil(BLOCK))
            .into_par_iter()
            .flat_map_iter(|block| {
                let (low, high) = (block * BLOCK, ((block + 1) * BLOCK).min(n));
                let mut sums = vec![0.0; high - low];
                for a in low..n {
                    let row = &self.row(a)[low.min(a)..high.min(a)];
                    for ((sum, e), other) in sums.iter_mut().zip(row).zip(&root[low..high]) {
                        *sum += distance_of(root[a], *other, *e);
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
        let root = self.roots();
        let sums = self.rows(|a, row| {
            row.iter().zip(&root).map(|(e, other)| distance_of(root[a], *other, *e)).sum::<f64>()
        });
        2.0 * sums.into_iter().sum::<f64>() / (n * n)
    }

    /// Removes the mean over the points from every unit and divides by the typical standard deviation over them.
    ///
    /// Returns the variance that was divided by.
    pub(super) fn standardize_over_points(&mut self) -> f64 {
        let mean = self.mean_distances();
        let variance = mean.iter().sum::<f64>() / mean.len() as f64;
        let unit = if variance > 0.0 { variance.recip() } else { 0.0 };
        let second = mean.iter().map(|own| ((2.0 * own - variance) * unit).max(0.0)).collect();
        self.map_distances(second, |_, _, d| d * unit);
        let centre = self.mean.iter().sum::<f64>() / self.mean.len() as f64;
        for m in &mut self.mean {
            *m = (*m - centre) * unit.sqrt();
        }
        variance
    }

    /// `x ← x + s·y`, for `y` whose units are independent of those of `x`.
    pub(super) fn add(&mut self, other: &Self, factor: f64) {
        let square = factor * factor;
        let mean = std::mem::take(&mut self.mean);
        let added = other.roots();
        let second = (self.second.iter().zip(&mean).zip(other.second.iter().zip(&other.mean)))
            .map(|((q, m), (q2, m2))| q + square * q2 + 2.0 * factor * m * m2)
            .collect();
        self.map_distances(second, |a, b, d| {
            let gaps = (mean[a] - mean[b]) * (other.mean[a] - other.mean[b]);
            d + square * distance_of(added[a], added[b], other.row(a)[b]) + factor * gaps
        });
        self.mean = mean.iter().zip(&other.mean).map(|(m, m2)| m + factor * m2).collect();
    }
}
