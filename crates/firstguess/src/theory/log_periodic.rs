//! The activation `x exp((δ/ω) sin(ω ln|x|))`, whose variance map has infinitely many fixed points.
//!
//! The picture of the edge of chaos rests on one fixed point that attracts every variance. This activation is strictly
//! increasing, odd and nearly linear, and breaks it: `V(q)/q` is periodic in `ln q`.

use super::NoTheory;
use super::phase::FixedPoint;
use crate::math::complex_gamma::{Complex, gamma_ratio};
use crate::math::roots;
use crate::math::special::ln_gamma;

/// More harmonics than any ω has for which the activation stays within a double: a slow oscillation has many.
const MAX_HARMONICS: usize = 400;
/// Grid points per period and harmonic: a trigonometric polynomial has at most two roots per harmonic.
const GRID_PER_HARMONIC: usize = 64;

/// `p(t) = E[φ(e^(t/2) X)²]/e^t` as a Fourier series in `t = ln q`.
///
/// ```text
/// p(t) = Σ_k c_k e^(ikωt/2),   c_k = (-i)^k I_k(2δ/ω) 2^(1+ikω/2) Γ((3+ikω)/2)/√π,   period 4π/ω
/// ```
///
/// from `e^(a sin θ) = Σ_k (-i)^k I_k(a) e^(ikθ)` and `E|X|^z = 2^(z/2) Γ((1+z)/2)/√π`.
///
/// # Accuracy
///
/// 1e-14.
///
/// # References
///
/// The activation is from `wolinski2025`; the series is derived in docs/theory/gaussian-pairs.md, section 9.
///
/// # Examples
///
/// ```
/// use firstguess::theory::log_periodic::LogPeriodicMap;
/// let map = LogPeriodicMap::new(0.99, 2.0);
/// let (low, high) = map.range();
/// assert!((low - 0.5849).abs() < 1e-4 && (high - 2.0576).abs() < 1e-4);
/// // 1/σ_w² strictly inside: infinitely many fixed points, two per period, one of them stable.
/// let points = map.fixed_points(1.0, 0.0)?.per_period;
/// assert_eq!(points.len(), 2);
/// assert_eq!(points.iter().filter(|point| point.stable).count(), 1);
/// # Ok::<(), firstguess::theory::NoTheory>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LogPeriodicMap {
    omega: f64,
    /// `c_0`.
    mean: f64,
    /// `c_1, c_2, …`
    harmonics: Vec<Complex>,
}

/// All fixed points of the variance map of equal layers, by one period of them.
#[derive(Debug, Clone, PartialEq)]
pub struct PeriodicFixedPoints {
    /// The fixed points within one period from `q = 1` on, ascending. Empty where there is none.
    pub per_period: Vec<FixedPoint>,
    /// `e^(4π/ω)`: every fixed point times any power of this is one.
    pub factor: f64,
    /// The smallest and the largest `V(q)/q`; there are infinitely many fixed points for `1/σ_w²` strictly between.
    pub range: (f64, f64),
    /// Whether the period holds for every variance (no bias), or only for large ones, `q ≫ σ_b²`.
    pub exact: bool,
}

impl LogPeriodicMap {
    /// The map of `log_periodic(δ, ω)`, for δ in (0, 1] and ω > 0.
    pub fn new(delta: f64, omega: f64) -> Self {
        let argument = 2.0 * delta / omega;
        let coefficient = |k: usize| {
            let half = 0.5 * omega * k as f64;
            // Γ(3/2 + i half) by its ratio to Γ(3/2).
            let at = Complex::new(1.5, half);
            let base = Complex::new(1.5, 0.0);
            let difference = Complex::new(0.0, half);
            let exponent = Complex::new(0.0, half * std::f64::consts::LN_2);
            let ratio = gamma_ratio(at, base, difference, exponent);
            // 2 Γ(3/2)/√π = 1, and (-i)^k.
            let value = ratio.scaled(bessel_i(k, argument));
            match k % 4 {
                0 => value,
                1 => Complex::new(value.im, -value.re),
                2 => value.scaled(-1.0),
                _ => Complex::new(-value.im, value.re),
            }
        };
        let mean = bessel_i(0, argument);
        let mut harmonics = Vec::new();
        for k in 1..=MAX_HARMONICS {
            let c = coefficient(k);
            if c.norm_squared().sqrt() < 1e-17 * mean {
                break;
            }
            harmonics.push(c);
        }
        Self { omega, mean, harmonics }
    }

    /// `V(q)/q = E[φ(√q X)²]/q` and its derivative by `ln q`.
    pub fn ratio(&self, ln_q: f64) -> (f64, f64) {
        let (mut value, mut slope) = (self.mean, 0.0);
        for (k, c) in (1..).zip(&self.harmonics) {
            let frequency = 0.5 * self.omega * f64::from(k);
            let (sin, cos) = (frequency * ln_q).sin_cos();
            value += 2.0 * (c.re * cos - c.im * sin);
            slope -= 2.0 * frequency * (c.re * sin + c.im * cos);
        }
        (value, slope)
    }

    /// `4π/ω`, the period in `ln q`.
    pub fn period(&self) -> f64 {
        4.0 * std::f64::consts::PI / self.omega
    }

    /// One period, fine enough for every harmonic.
    fn grid(&self) -> Vec<f64> {
        let n = GRID_PER_HARMONIC * self.harmonics.len().max(1);
        (0..=n).map(|i| self.period() * i as f64 / n as f64).collect()
    }

    /// Where `V(q)/q` turns, in `ln q`.
    fn turns(&self) -> Vec<f64> {
        roots::all_roots(|t| self.ratio(t).1, &self.grid(), 1e-14)
    }

    /// The smallest and the largest `V(q)/q`.
    pub fn range(&self) -> (f64, f64) {
        self.turns()
            .iter()
            .map(|t| self.ratio(*t).0)
            .fold((self.mean, self.mean), |(low, high), value| (low.min(value), high.max(value)))
    }

    /// Every fixed point of `q ↦ σ_w² V(q) + σ_b²`, by one period of them, each with its stability.
    ///
    /// Without a bias the set is invariant under the factor `e^(4π/ω)`, exactly. With one, the points given are those that
    /// the fixed points approach as `q/σ_b² → ∞`.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] unless `σ_w²` is positive and finite, and for ω so small that `e^(2δ/ω)` overflows.
    pub fn fixed_points(
        &self,
        weight_variance: f64,
        bias_variance: f64,
    ) -> Result<PeriodicFixedPoints, NoTheory> {
        if !(weight_variance.is_finite() && weight_variance > 0.0) {
            return Err(NoTheory::new(
                "a weight variance of zero leaves no fixed point but the bias",
            ));
        }
        if !self.mean.is_finite() {
            return Err(NoTheory::new(
                "the activation oscillates so slowly that it leaves the range of a double",
            ));
        }
        let target = weight_variance.recip();
        // Between two turns the ratio is monotone: no pair of roots can hide in a cell.
        let mut grid = self.grid();
        grid.extend(self.turns());
        grid.sort_by(f64::total_cmp);
        let found = roots::all_roots(|t| self.ratio(t).0 - target, &grid, 1e-15);
        let mut per_period: Vec<FixedPoint> = found
            .into_iter()
            // The end of the period is its beginning.
            .filter(|t| *t < self.period() * (1.0 - 1e-12))
            .map(|t| {
                let (value, slope) = self.ratio(t);
                // F = σ_w² q p(ln q), F' = σ_w² (p + p').
                let q_slope = weight_variance * (value + slope);
                FixedPoint { q_star: t.exp(), q_slope, stable: q_slope.abs() < 1.0 }
            })
            .collect();
        per_period.sort_by(|a, b| a.q_star.total_cmp(&b.q_star));
        Ok(PeriodicFixedPoints {
            per_period,
            factor: self.period().exp(),
            range: self.range(),
            exact: bias_variance == 0.0,
        })
    }
}

/// Modified Bessel function `I_k(a)` by its series: all terms positive.
fn bessel_i(k: usize, a: f64) -> f64 {
    let half = 0.5 * a;
    let square = half * half;
    let mut term = (k as f64 * half.ln() - ln_gamma(k as f64 + 1.0)).exp();
    let mut sum = 0.0;
    for m in 1..1000 {
        sum += term;
        term *= square / (f64::from(m) * (f64::from(m) + k as f64));
        if term < 1e-18 * sum {
            break;
        }
    }
    sum + term
}

#[cfg(test)]
mod tests {
    use super::super::dual::Dual;
    use super::super::mean_field::LayerVariance;
    use super::super::phase;
    use super::*;
    use crate::spec::Activation;

    fn dual(delta: f64, omega: f64) -> Dual {
        Dual::new(&Activation::LogPeriodic { delta, omega })
    }

    /// The series against the quadrature of the activation itself.
    #[test]
    fn the_series_agrees_with_quadrature() {
        for (delta, omega) in [(0.99, 2.0), (0.99, 3.0), (0.99, 6.0), (0.5, 1.0), (0.2, 10.0)] {
            let (map, dual) = (LogPeriodicMap::new(delta, omega), dual(delta, omega));
            for ln_q in [-7.3, -1.0, 0.0, 0.4, 2.0, 9.1] {
                let q = f64::exp(ln_q);
                let moments = dual.moments(q);
                let (value, slope) = map.ratio(ln_q);
                assert!((moments.second / q / value - 1.0).abs() < 1e-9, "{delta} {omega} {ln_q}");
                let by_quadrature = moments.second_slope;
                assert!((by_quadrature - value - slope).abs() < 1e-7, "{delta} {omega} {ln_q}");
            }
        }
    }

    /// Ranges at δ = 0.99, by an independent quadrature to four digits.
    #[test]
    fn ranges_match_their_reference() {
        for (omega, low, high) in
            [(2.0, 0.5849, 2.0576), (3.0, 0.8215, 1.4125), (6.0, 1.0015, 1.0532)]
        {
            let range = LogPeriodicMap::new(0.99, omega).range();
            assert!((range.0 - low).abs() < 6e-5 && (range.1 - high).abs() < 6e-5, "{range:?}");
        }
    }

    /// The scan of the general theory over 24 decades finds the same points, period by period.
    #[test]
    fn every_fixed_point_of_the_scan_is_one_of_the_period() {
        for (omega, weight) in [(2.0, 1.0), (3.0, 0.9), (6.0, 0.97)] {
            let map = LogPeriodicMap::new(0.99, omega);
            let all = map.fixed_points(weight, 0.0).expect("positive");
            assert_eq!(all.per_period.len(), 2, "ω = {omega}");
            assert_eq!(all.per_period.iter().filter(|point| point.stable).count(), 1);
            assert!(all.exact);
            let layer = LayerVariance { weight, bias: 0.0 };
            let scanned = phase::fixed_points(&dual(0.99, omega), layer);
            let scanned: Vec<_> = scanned.iter().filter(|point| point.q_star > 0.0).collect();
            let decades = 24.0 * std::f64::consts::LN_10;
            let expected = 2.0 * decades / map.period();
            assert!(
                (scanned.len() as f64 - expected).abs() < 3.0,
                "ω = {omega}: {}",
                scanned.len()
            );
            for point in scanned {
                let nearest = all
                    .per_period
                    .iter()
                    .map(|known| {
                        let periods = (point.q_star / known.q_star).ln() / map.period();
                        ((periods - periods.round()).abs(), known)
                    })
                    .min_by(|a, b| a.0.total_cmp(&b.0))
                    .expect("two");
                assert!(nearest.0 < 1e-7, "ω = {omega}: {point:?}");
                assert!((nearest.1.q_slope - point.q_slope).abs() < 1e-5);
                assert_eq!(nearest.1.stable, point.stable);
            }
        }
    }

    #[test]
    fn outside_the_range_there_is_none_and_on_a_bias_the_period_is_a_limit() {
        let map = LogPeriodicMap::new(0.99, 6.0);
        // 1/σ_w² = 1 lies below the range at ω = 6.
        assert!(map.fixed_points(1.0, 0.0).expect("ok").per_period.is_empty());
        let biased = map.fixed_points(0.97, 0.1).expect("ok");
        assert!(!biased.exact && biased.per_period.len() == 2);
        assert!(map.fixed_points(0.0, 0.0).is_err() && map.fixed_points(f64::NAN, 0.0).is_err());
        // Far above the bias the scan finds those points.
        let layer = LayerVariance { weight: 0.97, bias: 1e-9 };
        let scanned = phase::fixed_points(&dual(0.99, 6.0), layer);
        let far = scanned.iter().filter(|point| point.q_star > 1e3).count();
        assert!(far >= 2, "{scanned:?}");
        assert!(scanned.iter().all(|point| point.q_star > 0.0));
    }
}
