//! Centre and data variance of every unit of one network, and what they add up to: `q`, `V` and `T` of a layer.

use super::estimate::{Estimate, Running, RunningRatio};
use crate::net::scale::power_of_two;
use serde::Serialize;

/// Sums over the data, per unit, for one layer of one network.
///
/// Fed in any number of blocks of rows; one pass, `O(rows · units)`, f64 sums of f32 values.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitSums {
    rows: u64,
    /// The first row. Sums are of differences from it: where all inputs look alike to a unit (`c → 1`), its variance
    /// would otherwise drown in the rounding of the square of its mean.
    pivot: Vec<f64>,
    sum: Vec<f64>,
    squares: Vec<f64>,
    /// Everything stands for `2^exponent` times itself.
    exponent: i32,
}

/// What one network shows at one layer.
///
/// ```text
/// μ_i, V_i = mean and variance (divisor D - 1) of unit i over D inputs
/// V = mean_i V_i,   T = mean_i μ_i² - V/D,   q = mean_ia h_i(a)² = V + T
/// ```
///
/// `T` is the mean of `h(a)·h(b)/units` over pairs `a ≠ b`: unbiased for finite data, hence negative now and then.
///
/// # References
///
/// Derived in docs/theory/mean-field.md, section 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerMoments {
    /// Mean square pre-activation.
    pub q: f64,
    /// `ln q`, finite where `q` is beyond the range of f64 too.
    pub ln_q: f64,
    /// Data variance and variance of the centres; `None` for a single input.
    pub v_and_t: Option<(f64, f64)>,
    /// Share of units with the same value, up to single precision, for every input; `None` for a single input.
    pub constant_units: Option<f64>,
}

impl UnitSums {
    /// Empty sums for a layer with this many units.
    pub fn new(units: usize) -> Self {
        Self {
            rows: 0,
            pivot: vec![0.0; units],
            sum: vec![0.0; units],
            squares: vec![0.0; units],
            exponent: 0,
        }
    }

    /// Number of units.
    pub fn units(&self) -> usize {
        self.pivot.len()
    }

    /// Adds pre-activations `[rows, units]`. A last incomplete row is not read.
    pub fn add(&mut self, block: &[f32]) {
        self.add_scaled(block, 0);
    }

    /// The same of values that stand for `2^exponent` times themselves.
    pub fn add_scaled(&mut self, block: &[f32], exponent: i32) {
        if self.units() == 0 {
            return;
        }
        let factor = self.factor(exponent);
        for row in block.chunks_exact(self.units()) {
            if self.rows == 0 {
                for (pivot, &h) in self.pivot.iter_mut().zip(row) {
                    *pivot = factor * f64::from(h);
                }
            }
            self.rows += 1;
            let sums = self.sum.iter_mut().zip(&mut self.squares);
            for ((&h, &pivot), (sum, square)) in row.iter().zip(&self.pivot).zip(sums) {
                let difference = factor * f64::from(h) - pivot;
                *sum += difference;
                *square += difference * difference;
            }
        }
    }

    /// Adds images `[batch, units, positions]`: every position counts as one more input of the same unit.
    pub fn add_planes(&mut self, block: &[f32], positions: usize) {
        self.add_planes_scaled(block, positions, 0);
    }

    /// The same of values that stand for `2^exponent` times themselves.
    pub fn add_planes_scaled(&mut self, block: &[f32], positions: usize, exponent: i32) {
        let units = self.units();
        if units == 0 || positions == 0 {
            return;
        }
        let factor = self.factor(exponent);
        for image in block.chunks_exact(units * positions) {
            for (unit, plane) in image.chunks_exact(positions).enumerate() {
                if self.rows == 0 {
                    self.pivot[unit] = factor * f64::from(plane[0]);
                }
                for &h in plane {
                    let difference = factor * f64::from(h) - self.pivot[unit];
                    self.sum[unit] += difference;
                    self.squares[unit] += difference * difference;
                }
            }
            self.rows += positions as u64;
        }
    }

    /// What turns values of this exponent into those of the sums; the first block sets it.
    fn factor(&mut self, exponent: i32) -> f64 {
        if self.rows == 0 {
            self.exponent = exponent;
        }
        power_of_two(exponent - self.exponent)
    }

    /// The moments, `None` if nothing was added or a value was infinite or NaN.
    pub fn finish(&self) -> Option<LayerMoments> {
        if self.rows == 0 || self.units() == 0 {
            return None;
        }
        let rows = self.rows as f64;
        let (mut centres, mut inner, mut constant) = (0.0, 0.0, 0_usize);
        for ((&pivot, &sum), &squares) in self.pivot.iter().zip(&self.sum).zip(&self.squares) {
            let centre = pivot + sum / rows;
            // Σ (h - μ)²; rounding can push it below zero.
            let spread = (squares - sum * sum / rows).max(0.0);
            centres += centre * centre;
            inner += spread;
            let resolution = rows * (f64::from(f32::EPSILON) * centre).powi(2);
            constant += usize::from(spread <= resolution);
        }
        let units = self.units() as f64;
        let q = (centres + inner / rows) / units;
        if !q.is_finite() {
            return None;
        }
        let scale = power_of_two(2 * self.exponent);
        let v_and_t = (self.rows > 1).then(|| {
            let v = inner / ((rows - 1.0) * units);
            (scale * v, scale * (centres / units - v / rows))
        });
        let ln_q = q.ln() + 2.0 * f64::from(self.exponent) * std::f64::consts::LN_2;
        let constant_units = (self.rows > 1).then(|| constant as f64 / units);
        Some(LayerMoments { q: scale * q, ln_q, v_and_t, constant_units })
    }
}

/// Moments of one layer over the ensemble.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunningMoments {
    q: Running,
    v: Running,
    t: Running,
    c: RunningRatio,
    gamma: RunningRatio,
    ln_q: Running,
    constant: Running,
}

/// Mean and variance of `ln q` over networks: finite width spreads `q` log-normally, `Var ln q ≈ 5/N` per ReLU layer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LnMoment {
    /// Mean of the logarithm.
    pub mean: Estimate,
    /// Its variance over networks.
    pub variance: Estimate,
}

/// [`LayerMoments`] averaged over the ensemble.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EnsembleMoments {
    /// Mean of `q`.
    pub q: Estimate,
    /// Mean of `V`.
    pub v: Estimate,
    /// Mean of `T`.
    pub t: Estimate,
    /// `Σ T / Σ q`.
    pub c: Estimate,
    /// `Σ T / Σ V`: the mean of single-network ratios would be noisy and biased.
    pub gamma: Estimate,
    /// Mean and variance of `ln q`.
    pub ln_q: LnMoment,
    /// Share of units whose value does not depend on the input.
    pub constant_units: Estimate,
}

impl EnsembleMoments {
    /// Says why nothing was measured.
    pub(super) fn name_absence(&mut self, reason: &'static str) {
        let none = Estimate::missing(reason);
        let ln_q = LnMoment { mean: none, variance: none };
        *self =
            Self { q: none, v: none, t: none, c: none, gamma: none, ln_q, constant_units: none };
    }
}

const ONE_INPUT: &str = "needs two inputs";

impl RunningMoments {
    /// Adds one network.
    pub fn push(&mut self, draw: &LayerMoments) {
        self.q.push(draw.q);
        self.ln_q.push(draw.ln_q);
        if let Some((v, t)) = draw.v_and_t {
            self.v.push(v);
            self.t.push(t);
            self.c.push(t, draw.q);
            self.gamma.push(t, v);
        }
        if let Some(constant) = draw.constant_units {
            self.constant.push(constant);
        }
    }

    /// The estimates so far.
    pub fn finish(&self) -> EnsembleMoments {
        let paired = |estimate: Estimate| {
            if estimate.n == 0 && self.q.n() > 0 { Estimate::missing(ONE_INPUT) } else { estimate }
        };
        EnsembleMoments {
            q: self.q.mean(),
            v: paired(self.v.mean()),
            t: paired(self.t.mean()),
            c: paired(self.c.estimate()),
            gamma: paired(self.gamma.estimate()),
            ln_q: LnMoment { mean: self.ln_q.mean(), variance: self.ln_q.variance() },
            constant_units: paired(self.constant.mean()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::stream::{Purpose, Seed, Stream};

    /// `h_i(a) = √T m_i + √V z_i(a)`: exactly the two-level law that the estimators are for.
    #[expect(clippy::cast_possible_truncation, reason = "networks compute in f32")]
    fn two_level(draw: u64, rows: usize, units: usize, v: f64, t: f64) -> Vec<f32> {
        let mut z = vec![0.0; (rows + 1) * units];
        Stream::new(Seed(3), draw, 0, Purpose::Test).fill_normal_f64(0, &mut z);
        let (centres, rest) = z.split_at(units);
        rest.iter()
            .enumerate()
            .map(|(k, z)| (t.sqrt() * centres[k % units] + v.sqrt() * z) as f32)
            .collect()
    }

    fn moments(block: &[f32], units: usize) -> LayerMoments {
        let mut sums = UnitSums::new(units);
        sums.add(block);
        sums.finish().unwrap()
    }

    /// T against the mean of h(a)·h(b) over the pairs a ≠ b, and q = V + T.
    #[test]
    fn t_is_the_mean_product_over_pairs() {
        let (rows, units) = (7, 5);
        let block = two_level(0, rows, units, 2.0, 3.0);
        let found = moments(&block, units);
        let (v, t) = found.v_and_t.unwrap();
        let row = |a: usize| block[a * units..(a + 1) * units].iter().map(|&h| f64::from(h));
        let mut pairs = 0.0;
        let mut squares = 0.0;
        for a in 0..rows {
            squares += row(a).map(|h| h * h).sum::<f64>();
            for b in (0..rows).filter(|&b| b != a) {
                pairs += row(a).zip(row(b)).map(|(x, y)| x * y).sum::<f64>();
            }
        }
        let expected_t = pairs / (units * rows * (rows - 1)) as f64;
        let expected_q = squares / (units * rows) as f64;
        assert!((t - expected_t).abs() < 1e-12, "{t} vs {expected_t}");
        assert!((found.q - expected_q).abs() < 1e-12);
        assert!((v + t - found.q).abs() < 1e-12);
    }

    /// At D = 3 the uncorrected T is off by V/3 = 0.333, the corrected one by nothing.
    ///
    /// 4000 draws of 20 units see |ΔT| > 0.006 and |ΔV| > 0.004 at four standard errors.
    #[test]
    fn estimators_are_unbiased_at_three_inputs() {
        for (v, t) in [(1.0, 0.1), (1.0, 1.0), (0.2, 5.0)] {
            let mut running = RunningMoments::default();
            for draw in 0..4000 {
                running.push(&moments(&two_level(draw, 3, 20, v, t), 20));
            }
            let found = running.finish();
            for (name, estimate, truth) in [
                ("v", found.v, v),
                ("t", found.t, t),
                ("q", found.q, v + t),
                ("c", found.c, t / (v + t)),
                ("gamma", found.gamma, t / v),
            ] {
                let z = estimate.z_score(truth).unwrap();
                assert!(z.abs() < 4.0, "{name} at ({v}, {t}): {estimate:?}, z = {z}");
            }
        }
    }

    /// A centre 10⁴ times the spread, where E[h²] - E[h]² in f32 keeps no digit.
    #[test]
    fn a_small_variance_survives_a_large_centre() {
        let values = [1e4_f32, 1e4 + 0.5, 1e4 - 0.5, 1e4 + 1.0];
        let (v, t) = moments(&values, 1).v_and_t.unwrap();
        let expected = 5.0 / 12.0; // values 0, ½, -½, 1 about their mean ¼, divisor 3
        assert!((v - expected).abs() < 1e-12, "{v}");
        let square = (1e4_f64 + 0.25).powi(2) - expected / 4.0;
        assert!((t / square - 1.0).abs() < 1e-14);
    }

    #[test]
    fn blocks_and_planes_add_up_to_the_same_sums() {
        let (rows, units) = (6, 4);
        let block = two_level(1, rows, units, 1.0, 1.0);
        let whole = moments(&block, units);
        let mut parts = UnitSums::new(units);
        parts.add(&block[..2 * units]);
        parts.add(&block[2 * units..]);
        assert_eq!(parts.finish(), Some(whole));
        // Two images of three positions each: [2, units, 3].
        let mut planes = vec![0.0_f32; rows * units];
        for (k, &h) in block.iter().enumerate() {
            let (row, unit) = (k / units, k % units);
            planes[((row / 3) * units + unit) * 3 + row % 3] = h;
        }
        let mut sums = UnitSums::new(units);
        sums.add_planes(&planes, 3);
        assert_eq!(sums.finish(), Some(whole));
    }

    #[test]
    fn degenerate_layers_have_no_value_rather_than_a_wrong_one() {
        let one = moments(&[3.0, 4.0], 2);
        let ln_q = 12.5_f64.ln();
        assert_eq!(one, LayerMoments { q: 12.5, ln_q, v_and_t: None, constant_units: None });
        let mut running = RunningMoments::default();
        running.push(&one);
        assert_eq!(running.finish().gamma.reason, Some(ONE_INPUT));
        // Equal rows: no data variance, γ without value.
        let constant = moments(&[3.0, 4.0, 3.0, 4.0], 2);
        assert_eq!(constant.v_and_t, Some((0.0, 12.5)));
        assert_eq!(constant.constant_units, Some(1.0));
        let mut running = RunningMoments::default();
        running.push(&constant);
        let found = running.finish();
        assert!(!found.gamma.is_known() && found.gamma.reason.is_some());
        assert_eq!(found.c.value, 1.0);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for place in 0..4 {
                let mut block = [1.0, 2.0, 3.0, 4.0];
                block[place] = bad;
                let mut sums = UnitSums::new(2);
                sums.add(&block);
                assert_eq!(sums.finish(), None);
            }
        }
        assert_eq!(UnitSums::new(3).finish(), None);
        // The largest f32 is no overflow: sums are f64.
        assert!(moments(&[f32::MAX; 8], 2).q.is_finite());
    }
}
