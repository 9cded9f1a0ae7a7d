//! The initial variance that the dynamics of SGD prefer: the Gibbs law, its divergence from the initial law, the condition
//! r = 1 (horii2026), and every closed form of the quadratic model.
//!
//! A step of SGD with rate α on minibatches of b is, for small α, a diffusion with noise scale `ε = α/b`. With isotropic
//! gradient noise `Σ = s² I` its quasi-stationary density is `C₁ exp(-L/T)` with `T = αs²/(2b)`, and
//!
//! ```text
//! 0 ≤ KL(p_ss‖p₀) = ln C₁ - E L/T + (K/2) ln(2πσ₀²) + E‖W‖²/(2σ₀²)
//! ```
//!
//! bounds the mean loss. The bound is smallest at `σ₀² = E‖W‖²/K`, which is `r = 1`. The source prints the minimum with
//! `ln(2πe C₁)`; the algebra gives `ln(2πe) + (2/K) ln C₁`, and that is what [`SgdNoise::bound`] takes on there (a test).
//!
//! Anisotropic noise has the covariance of a Lyapunov equation (mandt2017), [`Quadratic`], and the same condition.

use super::NoTheory;
use serde::Serialize;
use std::f64::consts::{E, PI};

/// Isotropic gradient noise of SGD.
///
/// # Examples
///
/// ```
/// use firstguess::theory::optimal_variance::SgdNoise;
/// let noise = SgdNoise { rate: 0.05, batch: 10.0, variance: 4.0 };
/// assert!((noise.stationary_variance(1.0) - 0.01).abs() < 1e-15);
/// assert!((noise.loss_per_parameter() - 0.005).abs() < 1e-15);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SgdNoise {
    /// Learning rate α.
    pub rate: f64,
    /// Examples per step, b.
    pub batch: f64,
    /// Variance of one component of the gradient of one sample, `s² = tr Σ/K`.
    pub variance: f64,
}

impl SgdNoise {
    /// The temperature of the Gibbs law, `T = αs²/(2b)`.
    pub fn temperature(&self) -> f64 {
        self.rate * self.variance / (2.0 * self.batch)
    }

    /// Logarithm of the Gibbs density at a point with this loss, given `ln C₁`.
    pub fn ln_density(&self, loss: f64, ln_normaliser: f64) -> f64 {
        ln_normaliser - loss / self.temperature()
    }

    /// `(1/K) ln C₁` of the basin `L = a‖W‖²/2`: `(1/2) ln(ab/(παs²))`.
    pub fn ln_normaliser_per_parameter(&self, curvature: f64) -> f64 {
        0.5 * (curvature * self.batch / (PI * self.rate * self.variance)).ln()
    }

    /// Stationary variance of a parameter in a basin of curvature a: `T/a`.
    pub fn stationary_variance(&self, curvature: f64) -> f64 {
        self.temperature() / curvature
    }

    /// The same for discrete steps, exactly: `αs²/(ba(2 - αa))`; absent where steps of this rate do not come to rest.
    pub fn discrete_variance(&self, curvature: f64) -> Option<f64> {
        let (step, a) = (self.rate * curvature, curvature);
        (step > 0.0 && step < 2.0)
            .then(|| self.rate * self.variance / (self.batch * a * (2.0 - step)))
    }

    /// Mean loss per parameter that the noise alone keeps up, `αs²/(4b)`, whatever the curvature.
    pub fn loss_per_parameter(&self) -> f64 {
        0.5 * self.temperature()
    }

    /// The bound on the mean loss per parameter at initial variance `σ₀²`, with the mean square `V̄` of a parameter at the
    /// end and `(1/K) ln C₁`:
    ///
    /// ```text
    /// B(σ₀²) = T [ (1/2) ln(2πσ₀²) + (1/K) ln C₁ + V̄/(2σ₀²) ]
    /// ```
    pub fn bound(&self, initial: f64, mean_square: f64, ln_normaliser_per_parameter: f64) -> f64 {
        let entropy = 0.5 * (2.0 * PI * initial).ln();
        self.temperature() * (entropy + ln_normaliser_per_parameter + mean_square / (2.0 * initial))
    }

    /// The bound at its minimum `σ₀² = V̄`, in closed form: `(T/2) [ln V̄ + ln(2πe) + (2/K) ln C₁]`.
    pub fn smallest_bound(&self, mean_square: f64, ln_normaliser_per_parameter: f64) -> f64 {
        0.5 * self.temperature()
            * (mean_square.ln() + (2.0 * PI * E).ln() + 2.0 * ln_normaliser_per_parameter)
    }
}

/// The divergence of centred normal laws of K parameters whose variances have the ratio r: `(K/2)(r - 1 - ln r)`.
///
/// The score of a run (or, with the numbers of one layer, of that layer): zero at r = 1.
pub fn divergence(parameters: f64, ratio: f64) -> f64 {
    let excess = ratio - 1.0;
    if excess.abs() < 1e-4 {
        // x - ln(1 + x), where the difference would lose its digits.
        let series = excess * excess * (0.5 - excess / 3.0 + excess * excess / 4.0);
        return 0.5 * parameters * series;
    }
    0.5 * parameters * (excess - ratio.ln())
}

/// The score of a run layer by layer: the sum of [`divergence`] over `(K_l, r_l)`.
pub fn divergence_of_layers(layers: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    layers.into_iter().map(|(parameters, ratio)| divergence(parameters, ratio)).sum()
}

/// The law of SGD in the basin `L = W'AW/2` with gradient noise of any covariance: normal with covariance C.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quadratic {
    /// Covariance of the parameters, row by row.
    pub covariance: Vec<f64>,
    /// Mean loss, `tr(AC)/2`.
    pub loss: f64,
    dimension: usize,
}

impl Quadratic {
    /// The diffusion: `AC + CA = (α/b) Σ`. Both matrices are symmetric, row by row; A is positive definite.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] for matrices of other sizes, not symmetric, or A not positive definite.
    pub fn diffusion(a: &[f64], noise: &[f64], rate: f64, batch: f64) -> Result<Self, NoTheory> {
        Self::solve(a, noise, rate, batch, 0.0)
    }

    /// Discrete steps, exactly: `C - (1 - αA) C (1 - αA) = (α²/b) Σ`.
    ///
    /// # Errors
    ///
    /// As [`Quadratic::diffusion`], and where α times the largest eigenvalue of A is 2 or more: such steps do not come to rest.
    pub fn discrete(a: &[f64], noise: &[f64], rate: f64, batch: f64) -> Result<Self, NoTheory> {
        Self::solve(a, noise, rate, batch, rate)
    }

    fn solve(a: &[f64], noise: &[f64], rate: f64, batch: f64, step: f64) -> Result<Self, NoTheory> {
        let n = a.len().isqrt();
        if n == 0 || n * n != a.len() || noise.len() != a.len() {
            return Err(NoTheory::new(format!(
                "the curvature has {} entries and the noise {}: both must be square and of one size",
                a.len(),
                noise.len()
            )));
        }
        for (what, matrix) in [("curvature", a), ("noise", noise)] {
            let scale = matrix.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
            let even =
                |i: usize, j: usize| (matrix[i * n + j] - matrix[j * n + i]).abs() <= 1e-12 * scale;
            if !scale.is_finite() || (0..n).any(|i| (0..i).any(|j| !even(i, j))) {
                return Err(NoTheory::new(format!("the {what} is not a symmetric matrix")));
            }
        }
        let (values, vectors) = symmetric_eigen(a, n);
        if let Some(least) = values.iter().copied().reduce(f64::min).filter(|least| *least <= 0.0) {
            return Err(NoTheory::new(format!(
                "the curvature has the eigenvalue {least:.3e}: it must be positive definite, or nothing is stationary"
            )));
        }
        if let Some(most) =
            values.iter().copied().reduce(f64::max).filter(|most| step * most >= 2.0)
        {
            return Err(NoTheory::new(format!(
                "rate times largest curvature is {:.3}: from 2 on the steps do not come to rest",
                step * most
            )));
        }
        // In the eigenbasis of A each entry stands alone.
        let mut inner = rotated(noise, &vectors, n, true);
        for i in 0..n {
            for j in 0..n {
                let (x, y) = (values[i], values[j]);
                inner[i * n + j] *= rate / batch / (x + y - step * x * y);
            }
        }
        let loss = 0.5 * (0..n).map(|i| values[i] * inner[i * n + i]).sum::<f64>();
        Ok(Self { covariance: rotated(&inner, &vectors, n, false), loss, dimension: n })
    }

    /// `tr C/K`: the initial variance at which the divergence is smallest.
    pub fn optimal_variance(&self) -> f64 {
        let n = self.dimension;
        (0..n).map(|i| self.covariance[i * n + i]).sum::<f64>() / n as f64
    }

    /// The divergence from `N(0, σ₀² I)`: `(1/2)[-ln det C - K + K ln σ₀² + (tr C + ‖μ‖²)/σ₀²]`, where the basin lies at μ.
    /// Infinite where the noise leaves a direction alone.
    pub fn divergence(&self, initial: f64, mean: &[f64]) -> f64 {
        let k = self.dimension as f64;
        let centre: f64 = mean.iter().map(|m| m * m).sum();
        let (values, _) = symmetric_eigen(&self.covariance, self.dimension);
        let ln_det: f64 = values.iter().map(|v| v.max(0.0).ln()).sum();
        let square = (k * self.optimal_variance() + centre) / initial;
        0.5 * (-ln_det - k + k * initial.ln() + square)
    }
}

/// `V' M V` (forward) or `V M V'`.
fn rotated(matrix: &[f64], vectors: &[f64], n: usize, forward: bool) -> Vec<f64> {
    let v = |i: usize, j: usize| if forward { vectors[j * n + i] } else { vectors[i * n + j] };
    let mut half = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            half[i * n + j] = (0..n).map(|k| v(i, k) * matrix[k * n + j]).sum();
        }
    }
    let mut out = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            out[i * n + j] = (0..n).map(|k| half[i * n + k] * v(j, k)).sum();
        }
    }
    out
}

/// Eigenvalues and eigenvectors (columns) of a symmetric matrix by cyclic Jacobi rotations.
fn symmetric_eigen(matrix: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut a = matrix.to_vec();
    let mut v = vec![0.0; n * n];
    (0..n).for_each(|i| v[i * n + i] = 1.0);
    let scale: f64 = a.iter().map(|x| x * x).sum();
    for _ in 0..60 {
        let off: f64 = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| a[i * n + j].powi(2))
            .sum();
        if off <= 1e-32 * scale {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = a[p * n + q];
                if apq == 0.0 {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let c = t.hypot(1.0).recip();
                let s = t * c;
                let turn = |m: &mut [f64], x: usize, y: usize| {
                    let (u, w) = (m[x], m[y]);
                    (m[x], m[y]) = (c * u - s * w, s * u + c * w);
                };
                for k in 0..n {
                    turn(&mut a, k * n + p, k * n + q);
                    turn(&mut v, k * n + p, k * n + q);
                }
                (0..n).for_each(|k| turn(&mut a, p * n + k, q * n + k));
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), v)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::stream::{Purpose, Seed, Stream};

    const CASE: SgdNoise = SgdNoise { rate: 0.05, batch: 10.0, variance: 4.0 };

    fn near(found: f64, expected: f64, error: f64) {
        assert!((found - expected).abs() <= error, "{found} vs {expected}");
    }

    #[test]
    fn the_bound_is_tight_at_its_minimum_and_off_by_the_divergence_elsewhere() {
        let v = CASE.stationary_variance(1.0);
        near(v, 0.01, 1e-15);
        near(CASE.discrete_variance(1.0).unwrap(), 0.0102564, 5e-8);
        assert_eq!(CASE.discrete_variance(40.0), None);
        let ln_c = CASE.ln_normaliser_per_parameter(1.0);
        let ratios = [0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0];
        let bounds = [0.013_069, 0.006_534, 0.005_134, 0.005, 0.005_116, 0.005_966, 0.008_181];
        let divergences = [40.3426, 7.6713, 0.6714, 0.0, 0.5786, 4.8287, 15.9074];
        for ((ratio, bound), kl) in ratios.into_iter().zip(bounds).zip(divergences) {
            let found = CASE.bound(ratio * v, v, ln_c);
            near(found, bound, 6e-7);
            near(divergence(50.0, 1.0 / ratio), kl, 6e-5);
            let gap = CASE.temperature() / 50.0 * divergence(50.0, 1.0 / ratio);
            near(found - CASE.loss_per_parameter(), gap, 1e-15);
        }
        near(CASE.smallest_bound(v, ln_c), CASE.bound(v, v, ln_c), 1e-15);
        // The minimum as printed in the source, with ln(2πe C₁), is another number.
        let printed = 0.5 * CASE.temperature() * (v.ln() + (2.0 * PI * E).ln() + 50.0 * ln_c);
        assert!((printed - 0.005).abs() > 0.1, "{printed}");
        // ... and for large and small variances the bound goes as the limits say.
        let large = CASE.bound(1e8, v, ln_c) - CASE.bound(1e6, v, ln_c);
        near(large, CASE.loss_per_parameter() * 100.0_f64.ln(), 1e-9);
        near(CASE.bound(1e-8, v, ln_c) / (CASE.loss_per_parameter() * v / 1e-8), 1.0, 1e-4);
        near(CASE.ln_density(0.3, 1.0), 1.0 - 0.3 / 0.01, 1e-12);
    }

    #[test]
    fn the_score_is_a_divergence() {
        let rows = [
            (0.9, 2.680e-3, 1e-6),
            (0.97, 2.296e-4, 1e-7),
            (0.99, 2.517e-5, 1e-8),
            (1.01, 2.483e-5, 1e-8),
            (1.03, 2.206e-4, 1e-7),
            (1.1, 2.345e-3, 1e-6),
            (1.5, 0.04727, 1e-5),
            (2.0, 0.15343, 1e-5),
        ];
        for (ratio, expected, error) in rows {
            near(divergence(1.0, ratio), expected, error);
        }
        near(divergence(1.0, 1.0 + 9.999e-5) / divergence(1.0, 1.0 + 1.0001e-4), 0.9996, 1e-5);
        near(divergence_of_layers([(10.0, 2.0), (5.0, 1.0)]), 1.5343, 1e-4);
    }

    #[test]
    fn anisotropic_noise_follows_the_lyapunov_equation() {
        let diagonal = |d: [f64; 3]| {
            let mut m = vec![0.0; 9];
            (0..3).for_each(|i| m[4 * i] = d[i]);
            m
        };
        let law = Quadratic::diffusion(
            &diagonal([1.0, 2.0, 4.0]),
            &diagonal([4.0, 1.0, 0.25]),
            0.1,
            10.0,
        );
        let law = law.unwrap();
        for (found, expected) in law.covariance.iter().zip(diagonal([0.02, 0.0025, 0.000_312_5])) {
            near(*found, expected, 1e-15);
        }
        near(law.optimal_variance(), 0.007_604_17, 5e-9);
        near(law.optimal_variance().sqrt(), 0.087_201_9, 5e-8);
        let (a, noise) = ([2.0, 1.0, 1.0, 3.0], [2.0, 0.5, 0.5, 1.0]);
        let law = Quadratic::diffusion(&a, &noise, 0.1, 10.0).unwrap();
        for (found, expected) in law.covariance.iter().zip([0.0052, -0.0004, -0.0004, 0.0018]) {
            near(*found, expected, 1e-15);
        }
        near(law.optimal_variance(), 0.0035, 1e-15);
        near(law.divergence(0.002, &[0.0, 0.0]), 0.333_545, 5e-7);
        // The mean loss does not depend on the curvature; a mean adds to the square.
        near(law.loss, 0.1 * 3.0 / 40.0, 1e-15);
        near(law.divergence(0.002, &[0.01, 0.02]) - law.divergence(0.002, &[0.0; 2]), 0.125, 1e-12);
        let at = |s: f64| law.divergence(s, &[0.0, 0.0]);
        assert!(at(0.0035) < at(0.0034) && at(0.0035) < at(0.0036));
        // Discrete steps: the defining equation, entry by entry.
        let exact = Quadratic::discrete(&a, &noise, 0.1, 10.0).unwrap();
        let m = [0.8, -0.1, -0.1, 0.7];
        let carried = rotated(&exact.covariance, &m, 2, false);
        for i in 0..4 {
            near(exact.covariance[i] - carried[i], 0.001 * noise[i], 1e-15);
        }
    }

    #[test]
    fn what_has_no_stationary_law_is_refused_with_the_reason() {
        let one = [1.0];
        for (a, noise, rate, part) in [
            (&[-1.0][..], &one[..], 0.1, "positive definite"),
            (&[30.0], &one, 0.1, "come to rest"),
            (&[1.0, 2.0, 0.0, 1.0], &[1.0; 4], 0.1, "symmetric"),
            (&[1.0, 2.0], &[1.0; 4], 0.1, "square"),
        ] {
            let reason = Quadratic::discrete(a, noise, rate, 1.0).unwrap_err().reason;
            assert!(reason.contains(part), "{reason}");
        }
    }

    /// The quadratic model with 50 parameters, step by step.
    #[test]
    fn discrete_descent_comes_to_rest_where_the_closed_forms_say() {
        let (k, steps, discarded) = (50, 30_000, 500);
        let kick = (CASE.variance / CASE.batch).sqrt();
        let (mut w, mut noise) = (vec![0.1; k], vec![0.0; k]);
        let stream = Stream::new(Seed(7), 0, 0, Purpose::Test);
        let mut square = 0.0;
        for step in 0..steps {
            stream.fill_normal_f64((step * k) as u64, &mut noise);
            for (w, xi) in w.iter_mut().zip(&noise) {
                *w -= CASE.rate * (*w + kick * xi);
                square += if step >= discarded { *w * *w } else { 0.0 };
            }
        }
        let found = square / ((steps - discarded) * k) as f64;
        let exact = CASE.discrete_variance(1.0).unwrap();
        // About 20 steps pass until a parameter has forgotten its value: a relative error of 0.5 %.
        near(found / exact, 1.0, 0.02);
        near(0.5 * found, 0.005_119, 1e-4);
    }
}
