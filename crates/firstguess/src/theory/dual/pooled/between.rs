//! The largest or smallest of several units between inputs of different variance, where the function is monotone.
//!
//! With `g = p/√E p²`, `S` the chosen unit and `A`, `B` those of two inputs at the angle `θ`:
//!
//! ```text
//! 1 - E[p_a p_b]/√(E p_a² E p_b²) = ½ E[(g_a(S) - g_b(S))²] + √(q_a q_b/(E p_a² E p_b²)) ∫₀^θ E[φ'(√q_a A) φ'(√q_b B)] sin t dt
//! ```
//!
//! Both terms are sums of what is not negative; over `(ln q_a - ln q_b)²` and `1 - cos θ` they are smooth in all three.

use super::angles::{AngleTable, BeyondTable, grown, ratio};
use super::correlated::Correlated;
use super::extreme::Extreme;
use super::planes::{Bends, Plane};
use crate::math::chebyshev::ChebyshevBasis;
use crate::theory::NoTheory;
use crate::theory::dual::Correlation;
use rayon::prelude::*;

/// Error of a complement that a table may have.
const TOLERANCE: f64 = 1e-10;

/// Most nodes in `ln q`.
const MOST: usize = 36;

/// Half the width in `ln q` of the strip on which moments of a function with bends of width one are analytic.
const STRIP: f64 = 2.6;

/// Panels as wide as this, in units of the sharpest bend, are as good as polynomial; and narrowest ones that are worth it.
const BEND: f64 = 3.0;
const FINEST: f64 = 0.4;

/// `1 - c` from which on pairs of independent units are summed over their law.
const OPPOSITE: f64 = 1.5;

/// Opposite inputs are a limit that costs nothing to miss by this little.
const LARGEST: f64 = 2.0 - 1e-10;

/// Range of `ln q` beyond which corners that move with the variance leave too much to a series.
const CORNERS: f64 = 1e-3;

/// Weights below this change nothing.
const NEGLIGIBLE: f64 = 1e-16;

/// Complements of the correlations of pooled values for all variances between two ends.
#[derive(Debug, Clone)]
pub(in crate::theory) struct Between {
    low: f64,
    high: f64,
    nodes: usize,
    /// Chebyshev coefficients in both `ln q`: of the first term over `(ln q_a - ln q_b)²`.
    apart: Vec<f64>,
    /// The same for each coefficient in the angle, of the second term over `1 - cos θ`.
    turned: Vec<f64>,
    /// Of what the second term grows by beyond `c = 0`.
    beyond: Option<Vec<f64>>,
}

/// One variance, placed in a table.
#[derive(Debug, Clone)]
pub(in crate::theory) struct Place {
    ln_q: f64,
    polynomials: Vec<f64>,
}

/// The table, seen from one variance.
pub(in crate::theory) struct Seen<'a> {
    place: &'a Place,
    apart: Vec<f64>,
    turned: Vec<f64>,
    beyond: Option<Vec<f64>>,
}

impl Extreme {
    /// `Σ weight` of a rule for the chosen unit that resolves the function at all these variances.
    fn for_each_of(&self, variances: &[f64], mut f: impl FnMut(f64, f64)) {
        let [low, high] = ends(variances);
        let mut kinks: Vec<f64> = Vec::new();
        for q in variances {
            kinks.extend(self.kinks(q.sqrt()));
        }
        for (z, weight) in self.unit_points([low, high], &kinks) {
            f(z, weight);
        }
    }

    /// Where the function bends at all these variances.
    pub(super) fn bends(&self, variances: &[f64], sign: f64) -> Bends {
        let kinks: Vec<f64> = variances.iter().flat_map(|q| self.kinks(sign * q.sqrt())).collect();
        let [low, high] = ends(variances);
        let finest = BEND * self.function().length_scale() / high.sqrt();
        // Smooth and not too steep: equal panels do. Else those that were found one by one.
        if kinks.is_empty() && finest >= FINEST {
            return Bends { features: Vec::new(), kinks, finest };
        }
        let mut features = kinks.clone();
        for q in [low, high] {
            features.extend(self.features(q, sign));
        }
        features.sort_by(f64::total_cmp);
        features.dedup_by(|a, b| (*a - *b).abs() <= 1e-9);
        Bends { features, kinks, finest: f64::INFINITY }
    }

    /// `½ E[f_a(A) f_b(B) + f_b(A) f_a(B)]` for each two variances, of the function or of its slope; row by row, `b ≤ a`.
    fn products(
        &self,
        plane: &Plane,
        share: f64,
        (variances, sign): (&[f64], f64),
        f: impl Fn(f64) -> f64,
    ) -> Vec<f64> {
        let n = variances.len();
        let factors: Vec<f64> = variances.iter().map(|q| sign * q.sqrt()).collect();
        let bends = self.bends(variances, sign);
        let mut sums = vec![0.0; n * n];
        let (mut first, mut second) = (vec![0.0; n], vec![0.0; n]);
        plane.for_each_pair(share, &bends, |a, b, weight| {
            if weight.abs() < NEGLIGIBLE {
                return;
            }
            for ((u, v), factor) in first.iter_mut().zip(&mut second).zip(&factors) {
                (*u, *v) = (f(factor * a), f(factor * b));
            }
            let half = 0.5 * weight;
            for (i, row) in sums.chunks_exact_mut(n).enumerate() {
                let (u, v) = (half * first[i], half * second[i]);
                for ((sum, x), y) in row[..=i].iter_mut().zip(&first).zip(&second) {
                    *sum += u * y + v * x;
                }
            }
        });
        sums
    }

    /// `E[f(A) f(B)]` next to `c = -1`, where pairs have lost their digits; `None` elsewhere, and where the function turns or jumps.
    ///
    /// Pairs of different units count `share` times: 1 for values, 0 for slopes of independent units.
    pub(super) fn opposite(
        &self,
        q: f64,
        at: Correlation,
        share: f64,
        f: impl Fn(f64) -> f64,
    ) -> Option<f64> {
        let sign = self.direction().filter(|_| at.complement > OPPOSITE)?;
        let law = self.law_of_units();
        let plane = Plane::new(law.size, law.rho, at.complement.min(LARGEST));
        Some(self.products(&plane, share, (&[q], sign), f)[0])
    }

    /// `E[p_a p_b]` at two variances and any correlation; `None` where the function turns or jumps.
    pub(super) fn cross_kernel(&self, q1: f64, q2: f64, at: Correlation) -> Option<f64> {
        let sign = self.direction()?;
        let value = |x: f64| self.function().value(x);
        if at.complement < 1e-15 {
            let mut sum = 0.0;
            self.for_each_of(&[q1, q2], |z, weight| {
                sum += weight * value(sign * q1.sqrt() * z) * value(sign * q2.sqrt() * z);
            });
            return Some(sum);
        }
        let law = self.law_of_units();
        let plane = Plane::new(law.size, law.rho, at.complement.min(LARGEST));
        Some(self.products(&plane, 1.0, (&[q1, q2], sign), value)[2])
    }

    /// A table for variances from `low` to `high`, and for correlations below zero too where there are any.
    pub(in crate::theory::dual) fn between(
        &self,
        low: f64,
        high: f64,
        negative: bool,
    ) -> Result<Between, NoTheory> {
        let Some(sign) = self.direction() else {
            return Err(NoTheory::new(format!(
                "the kernel of `{}`, which turns or jumps, under a pool of the largest or smallest is known only where all \
                 inputs have one variance",
                self.function()
            )));
        };
        let range = (high / low).ln();
        if range > CORNERS && self.kinks(1.0).iter().any(|kink| *kink != 0.0) {
            return Err(NoTheory::new(format!(
                "the kernel of `{}`, which has corners away from zero, under a pool of the largest or smallest is known only where \
                 all inputs have about one variance, these reach from {low:.3e} to {high:.3e}",
                self.function()
            )));
        }
        let strip = 2.0 * STRIP / range;
        let rate = (strip + strip.hypot(1.0)).ln();
        let enough = |nodes: &usize| *nodes as f64 * rate >= -TOLERANCE.ln();
        let mut nodes = (3..=MOST).find(enough).unwrap_or(MOST) + 2;
        let law = self.law_of_units();
        while nodes <= MOST {
            let table = self.table_between(&law, (low.ln(), high.ln()), nodes, sign, negative);
            if table.tail() <= TOLERANCE {
                return Ok(table);
            }
            nodes += nodes / 2;
        }
        Err(NoTheory::new(format!(
            "`{}` under a pool of the largest or smallest, for inputs whose variances reach from {low:.3e} to {high:.3e}: too far \
             apart for a table of its kernel",
            self.function()
        )))
    }

    fn table_between(
        &self,
        law: &Correlated,
        (low, high): (f64, f64),
        nodes: usize,
        sign: f64,
        negative: bool,
    ) -> Between {
        let basis = ChebyshevBasis::new(nodes);
        let place = |t: &f64| 0.5 * (low + high) + 0.5 * (high - low) * t;
        let variances: Vec<f64> = basis.nodes.iter().map(|t| place(t).exp()).collect();
        let moments: Vec<_> = variances.iter().map(|q| self.moments(*q)).collect();
        let root: Vec<f64> = moments.iter().map(|m| m.second.sqrt()).collect();
        let factors: Vec<f64> = variances.iter().map(|q| sign * q.sqrt()).collect();

        let mut apart = vec![0.0; nodes * nodes];
        let (mut values, mut rates) = (vec![0.0; nodes], vec![0.0; nodes]);
        self.for_each_of(&variances, |z, weight| {
            for i in 0..nodes {
                let h = factors[i] * z;
                let (value, slope) = self.function().value_and_derivative(h);
                let growth = variances[i] * moments[i].second_slope / moments[i].second;
                values[i] = value / root[i];
                // dg/d ln q.
                rates[i] = 0.5 * (h * slope - value * growth) / root[i];
            }
            for i in 0..nodes {
                for j in 0..i {
                    let gap =
                        (values[i] - values[j]) / (place(&basis.nodes[i]) - place(&basis.nodes[j]));
                    apart[i * nodes + j] += 0.5 * weight * gap * gap;
                }
                apart[i * nodes + i] += 0.5 * weight * rates[i] * rates[i];
            }
        });

        let slope = |x: f64| self.function().value_and_derivative(x).1;
        let matrices = |planes: &[Plane]| -> Vec<Vec<f64>> {
            let each = |plane| self.products(plane, law.rho, (&variances, sign), slope);
            planes.par_iter().map(each).collect()
        };
        // From slopes at all angles to a series for each two variances.
        let series = |matrices: &[Vec<f64>], of: &dyn Fn(&[f64]) -> Vec<f64>| -> Vec<f64> {
            let mut all = Vec::new();
            for i in 0..nodes {
                for j in 0..nodes {
                    let (a, b) = (i.max(j), i.min(j));
                    let scale = (variances[a] * variances[b]).sqrt() / (root[a] * root[b]);
                    let slopes: Vec<f64> =
                        matrices.iter().map(|m| scale * m[a * nodes + b]).collect();
                    all.extend(of(&slopes));
                }
            }
            all
        };
        for i in 0..nodes {
            for j in i + 1..nodes {
                apart[i * nodes + j] = apart[j * nodes + i];
            }
        }
        let turned = series(&matrices(law.near()), &|s| AngleTable::of_slopes(s).into_ratio());
        let beyond = negative
            .then(|| series(&matrices(law.beyond()), &|s| BeyondTable::of_slopes(s).into_areas()));
        Between {
            low,
            high,
            nodes,
            apart: tensor(&basis, &apart),
            turned: tensor(&basis, &turned),
            beyond: beyond.map(|values| tensor(&basis, &values)),
        }
    }
}

fn ends(variances: &[f64]) -> [f64; 2] {
    let low = variances.iter().copied().fold(f64::INFINITY, f64::min);
    let high = variances.iter().copied().fold(0.0, f64::max);
    [low, high]
}

/// Coefficients in both directions of values at the nodes, several numbers at each.
fn tensor(basis: &ChebyshevBasis, values: &[f64]) -> Vec<f64> {
    let n = basis.nodes.len();
    let width = values.len() / (n * n);
    let mut result = values.to_vec();
    for stride in [width, n * width] {
        for start in 0..n * n * width {
            if (start / stride) % n != 0 {
                continue;
            }
            let line: Vec<f64> = (0..n).map(|k| result[start + k * stride]).collect();
            for (k, c) in basis.coefficients(&line).into_iter().enumerate() {
                result[start + k * stride] = c;
            }
        }
    }
    result
}

/// `Σ_k weights_k rows_k`.
fn contract(weights: &[f64], rows: &[f64]) -> Vec<f64> {
    let width = rows.len() / weights.len();
    let mut sums = vec![0.0; width];
    for (weight, row) in weights.iter().zip(rows.chunks_exact(width)) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += weight * value;
        }
    }
    sums
}

impl Between {
    /// How much the last coefficients can still change a complement.
    fn tail(&self) -> f64 {
        let n = self.nodes;
        let sum = |values: &[f64]| -> f64 {
            let width = values.len() / (n * n);
            let last = |place: usize| place / n >= n - 2 || place % n >= n - 2;
            let cells = values.chunks_exact(width).enumerate().filter(|(place, _)| last(*place));
            // Several coefficients in the angle: their largest stands for all.
            cells.map(|(_, cell)| cell.iter().fold(0.0, |m: f64, v| m.max(v.abs()))).sum()
        };
        let range = self.high - self.low;
        range * range * sum(&self.apart) + sum(&self.turned)
    }

    /// Places a variance between the ends.
    pub(in crate::theory) fn place(&self, q: f64) -> Place {
        let ln_q = q.ln();
        let t = ((2.0 * ln_q - self.low - self.high) / (self.high - self.low)).clamp(-1.0, 1.0);
        let mut polynomials = vec![1.0, t];
        for k in 2..self.nodes {
            polynomials.push(2.0 * t * polynomials[k - 1] - polynomials[k - 2]);
        }
        Place { ln_q, polynomials }
    }

    /// The table for pairs with this variance.
    pub(in crate::theory) fn from<'a>(&self, place: &'a Place) -> Seen<'a> {
        let seen = |values: &[f64]| contract(&place.polynomials, values);
        Seen {
            place,
            apart: seen(&self.apart),
            turned: seen(&self.turned),
            beyond: self.beyond.as_deref().map(seen),
        }
    }
}

impl Seen<'_> {
    /// `1 - E[p_a p_b]/√(E p_a² E p_b²)` for inputs with correlation `1 - complement`.
    pub(in crate::theory) fn complement(&self, other: &Place, complement: f64) -> f64 {
        let gap = self.place.ln_q - other.ln_q;
        let still = gap * gap * contract(&other.polynomials, &self.apart)[0].max(0.0);
        let series = contract(&other.polynomials, &self.turned);
        let turned = if complement <= 1.0 {
            complement * ratio(&series, complement)
        } else {
            let more = self.beyond.as_deref().map(|beyond| contract(&other.polynomials, beyond));
            ratio(&series, 1.0) + more.map_or(f64::NAN, |more| grown(&more, complement))
        };
        still + turned
    }
}
