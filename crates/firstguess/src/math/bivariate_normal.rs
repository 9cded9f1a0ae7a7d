//! The standard bivariate normal distribution function, relatively accurate in its tails and as `|c| → 1`.
//!
//! With `c = cos θ`, `m = (x + y)/2` and `d = |y - x|/2`, the derivative of the distribution function in the correlation
//! is a density, and its integral over the angle has a positive integrand whatever the arguments:
//!
//! ```text
//! dΦ₂/dc = φ₂,   φ₂(x, y; cos 2β) = exp(-½[m²/cos²β + d²/sin²β]) / (2π sin 2β)
//! ```
//!
//! Every probability here is a sum of such integrals and of products of `Φ`, so that nothing cancels.

use super::quadrature::GaussLegendre;
use super::special::normal_cdf;
use std::f64::consts::{FRAC_1_PI, FRAC_PI_4};

/// `v²/2` beyond which `exp(-v²/2)` is below the rounding of what has been summed.
const DECAY: f64 = 38.0;

/// Widest panel in the logarithm of the distance.
const LOG_PANEL: f64 = 7.0;

/// `P(u ≤ m - d, v > m + d)` for correlation `1 - ε`, at one half-gap `d` and many `m`.
///
/// ```text
/// P = (1/π) ∫₀^{θ/2} exp(-½[m²/cos²β + d²/sin²β]) dβ,   sin²(θ/2) = ε/2
/// ```
///
/// The substitution `v = d / sin β` and a logarithmic scale make the integrand smooth however small `d` and `ε` are.
///
/// # Accuracy
///
/// Relative error ≤ 1e-12 for `ε ≤ 1`, and ≤ 1e-9 of its value at `d = 0` for `1 < ε ≤ 1.9`.
#[derive(Debug, Clone, Default)]
pub struct Gap {
    /// `weight · exp(-rate m²)`, summed.
    weights: Vec<f64>,
    rates: Vec<f64>,
}

impl Gap {
    /// Prepares the half-gap `d ≥ 0` at correlation `1 - complement`, `0 < complement < 2`.
    pub fn new(half_gap: f64, complement: f64) -> Self {
        let mut gap = Self::default();
        gap.set(half_gap, complement);
        gap
    }

    /// [`Gap::new`] into the memory of an old one.
    pub fn set(&mut self, half_gap: f64, complement: f64) {
        self.weights.clear();
        self.rates.clear();
        let sine = (0.5 * complement).sqrt();
        if half_gap <= 0.0 {
            let rule = GaussLegendre::cached(32);
            let half = 0.5 * sine.min(1.0).asin();
            for (x, w) in rule.nodes.iter().zip(&rule.weights) {
                let cosine = (half * (1.0 + x)).cos();
                self.weights.push(FRAC_1_PI * half * w);
                self.rates.push(0.5 / (cosine * cosine));
            }
            return;
        }
        let start = half_gap / sine;
        let (low, high) = (start.ln(), 0.5 * (start * start + 2.0 * DECAY).ln());
        let per_panel = match start {
            _ if complement > 1.0 => 48,
            w if w < 0.3 => 32,
            w if w < 2.0 => 24,
            _ => 16,
        };
        let width = (high - low) / ((high - low) / LOG_PANEL).ceil().max(1.0);
        let rule = GaussLegendre::cached(per_panel);
        let mut middle = low + 0.5 * width;
        while middle < high {
            for (x, w) in rule.nodes.iter().zip(&rule.weights) {
                let y = middle + 0.5 * width * x;
                let v = y.exp();
                let square = 1.0 - (half_gap / v) * (half_gap / v);
                if square <= 0.0 {
                    continue;
                }
                let decay = (-0.5 * v * v - y).exp();
                self.weights.push(FRAC_1_PI * half_gap * 0.5 * width * w * decay / square.sqrt());
                self.rates.push(0.5 / square);
            }
            middle += width;
        }
    }

    /// `P(u ≤ m - d, v > m + d)`.
    pub fn probability(&self, m: f64) -> f64 {
        let square = m * m;
        self.weights.iter().zip(&self.rates).map(|(w, rate)| w * (-rate * square).exp()).sum()
    }
}

/// `P(u ≤ a, v > b)` with `a ≤ b` and correlation `1 - complement`: the probability that a pair straddles the gap.
pub fn gap_probability(a: f64, b: f64, complement: f64) -> f64 {
    if a == f64::NEG_INFINITY || b == f64::INFINITY || complement <= 0.0 {
        return 0.0;
    }
    if b == f64::NEG_INFINITY {
        return normal_cdf(a);
    }
    if a == f64::INFINITY {
        return 0.0;
    }
    if complement > 1.0 {
        // u and -v are positively correlated.
        return positive_cdf(a, -b, 2.0 - complement);
    }
    Gap::new(0.5 * (b - a), complement).probability(0.5 * (a + b))
}

/// `Φ₂(x, y; c) = P(u ≤ x, v ≤ y)` for standard normal `u, v` with correlation `c`.
///
/// NaN for NaN arguments; `c` is clamped to [-1, 1].
///
/// # Accuracy
///
/// Relative error ≤ 1e-12 for `c ≥ 0` down to the smallest normal f64, and for `c < 0` where `x + y ≤ 0`.
///
/// # References
///
/// Sheppard's integral over the correlation (`genz2004` reviews it); the panels are our own.
///
/// # Examples
///
/// ```
/// use firstguess::math::bivariate_normal::bivariate_normal_cdf;
/// // A third of the plane: P(u ≤ 0, v ≤ 0) = 1/4 + asin(c)/2π.
/// assert!((bivariate_normal_cdf(0.0, 0.0, 0.5) - 1.0 / 3.0).abs() < 1e-15);
/// ```
pub fn bivariate_normal_cdf(x: f64, y: f64, c: f64) -> f64 {
    if x.is_nan() || y.is_nan() || c.is_nan() {
        return f64::NAN;
    }
    let c = c.clamp(-1.0, 1.0);
    if x.is_infinite() || y.is_infinite() {
        return if x == f64::NEG_INFINITY || y == f64::NEG_INFINITY {
            0.0
        } else {
            normal_cdf(x.min(y))
        };
    }
    if c >= 0.0 {
        return positive_cdf(x, y, 1.0 - c);
    }
    let complement = 1.0 + c;
    if x + y <= 0.0 {
        return gap_probability(x, -y, complement);
    }
    // P(u ≤ x) - P(v > y), and what both leave out.
    let (low, high) = (x.min(y), x.max(y));
    (normal_cdf(low) - normal_cdf(-high)) + gap_probability(-x, y, complement)
}

/// `Φ₂` for a correlation `1 - complement ≥ 0`: the independent product and the integral from correlation 0 on.
fn positive_cdf(x: f64, y: f64, complement: f64) -> f64 {
    if complement <= 0.0 {
        return normal_cdf(x.min(y));
    }
    let (m, d) = (0.5 * (x + y), 0.5 * (y - x).abs());
    let decayed = d / (2.0 * (d * d + DECAY)).sqrt();
    let low = (0.5 * complement).sqrt().asin().max(decayed.min(1.0).asin());
    let integrand = |beta: f64| {
        let (sine, cosine) = beta.sin_cos();
        let (s, c) = (d / sine, m / cosine);
        (-0.5 * (s * s + c * c)).exp()
    };
    let rule = GaussLegendre::cached(20);
    let mut high = FRAC_PI_4;
    let mut sum = 0.0;
    // Halving panels resolve the decay at β ~ d and the bell of width 1/m; without a gap one panel does the rest.
    while high > low {
        let settled = d < 1e-17 * high.max(1e-290) && high < 0.3 / m.abs().max(1.0);
        let next =
            if settled { low } else { (0.5 * high).max(high - 2.0 / m.abs().max(1.0)).max(low) };
        sum += rule.integrate(next, high, integrand);
        if next < 1e-300 {
            break;
        }
        high = next;
    }
    normal_cdf(x) * normal_cdf(y) + FRAC_1_PI * sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::special::{normal_density, normal_survival};

    /// Forty-digit arithmetic.
    #[test]
    fn reference_values_hold_in_the_tails_and_near_the_ends() {
        for (x, y, c, expected) in [
            (0.3, -0.7, 0.6, 0.21716722545190637),
            (-3.0, -4.0, 0.2, 4.4363175006006314e-7),
            (-8.0, -8.5, 0.5, 9.9947874347024497e-23),
            (-20.0, -19.0, 0.9, 4.0423996088190854e-91),
            (-5.0, -5.0, 0.0, 8.2169123660812674e-14),
            (1.0, 2.0, 0.99, 0.84134474606854104),
            (-2.0, -2.01, 0.9999, 0.022108884613535205),
            (-3.0, -1.0, -0.5, 1.6973854874369712e-6),
            (-6.0, 2.0, -0.3, 5.5586973053588983e-10),
            (2.0, -1.5, -0.95, 0.044707192504673182),
            (-0.1, 0.05, -0.999, 0.0011781099981448423),
            (3.0, 3.0, -0.9, 0.99730020393673981),
            (-1.0, -1.0, 0.999999, 0.15851873656915985),
        ] {
            for value in [bivariate_normal_cdf(x, y, c), bivariate_normal_cdf(y, x, c)] {
                let error = (value / expected - 1.0).abs();
                assert!(error < 2e-12, "{x} {y} {c}: {value} {expected} {error:e}");
            }
        }
    }

    #[test]
    fn limits_are_exact() {
        for (x, y) in [(0.4, -1.3), (-6.0, -2.0), (2.0, 2.0)] {
            let product = normal_cdf(x) * normal_cdf(y);
            assert!((bivariate_normal_cdf(x, y, 0.0) / product - 1.0).abs() < 1e-14);
            assert_eq!(bivariate_normal_cdf(x, y, 1.0), normal_cdf(x.min(y)));
            let opposite = (normal_cdf(x) - normal_cdf(-y)).max(0.0);
            assert!((bivariate_normal_cdf(x, y, -1.0) - opposite).abs() < 1e-16);
            assert!((bivariate_normal_cdf(x, f64::INFINITY, 0.3) - normal_cdf(x)).abs() < 1e-16);
        }
        for c in [-1.0, -0.8, 0.0, 0.7, 0.999999999, 1.0_f64] {
            let orthant = 0.25 + c.asin() / std::f64::consts::TAU;
            assert!((bivariate_normal_cdf(0.0, 0.0, c) - orthant).abs() < 1e-15, "{c}");
        }
        assert!(bivariate_normal_cdf(f64::NAN, 0.0, 0.0).is_nan());
    }

    /// `P(u ≤ a, v > b) = ∫ φ(u) Φ((c u - b)/√(1-c²)) du`: another integral altogether.
    #[test]
    fn gaps_agree_with_the_conditional_integral() {
        let rule = GaussLegendre::cached(64);
        for complement in [1e-12, 1e-6, 1e-3, 0.1, 0.6, 1.0_f64] {
            let c = 1.0 - complement;
            let r = (complement * (1.0 + c)).sqrt();
            for a in [-4.0, -1.0, 0.2, 2.5] {
                for scaled in [0.0, 1e-4, 0.03, 0.7, 3.0] {
                    let gap = scaled * r;
                    // u = a - r t: the layer below a in which v can be above b.
                    let integral: f64 = [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 40.0]
                        .windows(2)
                        .map(|p| {
                            rule.integrate(p[0], p[1], |t| {
                                let u = a - r * t;
                                let reach = c * t + (gap + complement * a) / r;
                                r * normal_density(u) * normal_survival(reach)
                            })
                        })
                        .sum();
                    // From the half-gap itself: b - a would be rounded.
                    let value = Gap::new(0.5 * gap, complement).probability(a + 0.5 * gap);
                    let scale = gap_probability(a, a, complement);
                    assert!(
                        (value - integral).abs() < 1e-11 * scale,
                        "{complement} {a} {scaled}: {value} {integral}"
                    );
                }
            }
        }
    }

    /// One half-gap, many centres: the same probabilities as one at a time.
    #[test]
    fn the_prepared_gap_serves_every_centre() {
        let gap = Gap::new(0.05, 0.02);
        for m in [-7.0, -1.0, 0.0, 3.0] {
            let alone = gap_probability(m - 0.05, m + 0.05, 0.02);
            assert!((gap.probability(m) / alone - 1.0).abs() < 1e-14);
            let rest = normal_cdf(m - 0.05) - bivariate_normal_cdf(m - 0.05, m + 0.05, 0.98);
            assert!((gap.probability(m) - rest).abs() < 1e-15);
        }
    }
}
