//! The laws of `|Y|` with closed forms: bounded weights (Gaussian tails) and spheres (bounded support).

use super::{Level, Point};
use crate::math::complex_gamma::ln_gamma_ratio;
use crate::math::incomplete::incomplete_beta;
use crate::math::special::{FRAC_1_SQRT_2PI, central_probability, normal_density};
use std::f64::consts::{LN_2, PI};

/// `√(2/π)`, the density of `|N(0, 1)|` at 0.
const HALF_NORMAL_PEAK: f64 = 2.0 * FRAC_1_SQRT_2PI;
/// Iterations of the safeguarded Newton method.
const MAX_ITERATIONS: usize = 200;

/// The partner of bounded weights with exponent `k`; `1/k = 0` is the half-normal law.
///
/// ```text
/// f(y) = √(2/π) e^(-y²/2) (1 - 1/k + y²/k),   F(y) = erf(y/√2) - (y/k) √(2/π) e^(-y²/2)
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct GaussianTail {
    pub(super) inverse_exponent: f64,
}

impl GaussianTail {
    pub(super) fn density(self, y: f64) -> f64 {
        let u = self.inverse_exponent;
        2.0 * normal_density(y) * (1.0 - u + u * y * y)
    }

    /// Relatively accurate near 0, where the closed form cancels for `k` near 1.
    pub(super) fn cdf(self, y: f64) -> f64 {
        let u = self.inverse_exponent;
        if y > 1.0 {
            return central_probability(y) - 2.0 * u * y * normal_density(y);
        }
        // Σ_j (-y²/2)^j / j! · (1/(2j+1) - u)
        let square = -0.5 * y * y;
        let (mut power, mut sum) = (1.0, 0.0);
        for j in 0..24 {
            let j = f64::from(j);
            sum += power * (1.0 / (2.0 * j + 1.0) - u);
            power *= square / (j + 1.0);
        }
        HALF_NORMAL_PEAK * y * sum
    }

    /// `S(y)/(2 e^(-y²/2)/√(2π))`: Mills' ratio plus the polynomial part.
    fn scaled_survival(self, y: f64) -> f64 {
        mills_ratio(y) + self.inverse_exponent * y
    }

    pub(super) fn ln_survival(self, y: f64) -> f64 {
        if y < 0.5 {
            return (-self.cdf(y)).ln_1p();
        }
        HALF_NORMAL_PEAK.ln() - 0.5 * y * y + self.scaled_survival(y).ln()
    }

    /// `ln(S/f)`.
    fn ln_ratio(self, y: f64) -> f64 {
        let u = self.inverse_exponent;
        (self.scaled_survival(y) / (1.0 - u + u * y * y)).ln()
    }

    pub(super) fn solve(self, level: Level) -> Point {
        if level.ln_survival > -LN_2 {
            // On the cube: near k = 1 the distribution function is cubic at 0.
            let y = newton_in_bracket(0.0, 2.5, level.cdf.min(1.0), |y| {
                (self.cdf(y) / level.cdf - 1.0, self.density(y) / level.cdf)
            });
            return Point { y, ln_ratio: level.ln_survival - self.density(y).ln() };
        }
        let guess = (-2.0 * level.ln_survival).sqrt();
        let y = newton_in_bracket(0.5, guess + 3.0, guess, |y| {
            (level.ln_survival - self.ln_survival(y), (-self.ln_ratio(y)).exp())
        });
        Point { y, ln_ratio: self.ln_ratio(y) }
    }
}

/// `(1 - Φ(y))/φ(y)` without underflow.
pub(super) fn mills_ratio(y: f64) -> f64 {
    if y > 14.0 {
        return 1.0 / (1..=40).rev().fold(y, |tail, k| y + f64::from(k) / tail);
    }
    libm::erfc(y * std::f64::consts::FRAC_1_SQRT_2) * 0.5 / normal_density(y)
}

/// `|Y|² / R² ~ Beta(½, q)`: the partner of `|W|² ~ Gamma(q + ½)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Arc {
    /// The bound `R`.
    pub(super) radius: f64,
    /// The second Beta parameter, `(d - 1)/2` for the sphere.
    pub(super) q: f64,
}

impl Arc {
    /// `ln f(0)`.
    fn ln_peak(self) -> f64 {
        (2.0 / self.radius).ln() - 0.5 * PI.ln() + ln_gamma_ratio(self.q + 0.5, self.q)
    }

    /// Zero beyond the bound.
    pub(super) fn density(self, y: f64) -> f64 {
        if y > self.radius {
            return 0.0;
        }
        let gap = (self.radius - y) * (self.radius + y) / (self.radius * self.radius);
        ((self.q - 1.0) * gap.ln() + self.ln_peak()).exp()
    }

    pub(super) fn cdf(self, y: f64) -> f64 {
        self.tails_at(y).0
    }

    pub(super) fn ln_survival(self, y: f64) -> f64 {
        self.tails_at(y).1.ln()
    }

    fn tails_at(self, y: f64) -> (f64, f64) {
        let t = (y / self.radius).min(1.0);
        let (square, gap) = (t * t, (1.0 - t) * (1.0 + t));
        // Each tail from its own side: the complement of the other would cancel.
        (incomplete_beta(0.5, self.q, square, gap), incomplete_beta(self.q, 0.5, gap, square))
    }

    /// Solves on the angle: `y = R cos ω` or, near 0, `y = R sin ψ`, so that both ends keep their digits.
    pub(super) fn solve(self, level: Level) -> Point {
        if level.ln_survival > -LN_2 {
            let slope = (self.ln_peak() + self.radius.ln()).exp();
            let start = (level.cdf / slope).min(1.0);
            let angle = newton_in_bracket(0.0, 0.5 * PI, start, |angle| {
                let (sin, cos) = angle.sin_cos();
                let cdf = incomplete_beta(0.5, self.q, sin * sin, cos * cos);
                let density = slope * ((2.0 * self.q - 1.0) * cos.ln()).exp();
                (cdf / level.cdf - 1.0, density / level.cdf)
            });
            let (sin, cos) = angle.sin_cos();
            let ln_density = self.ln_peak() + (2.0 * self.q - 2.0) * cos.ln();
            return Point { y: self.radius * sin, ln_ratio: level.ln_survival - ln_density };
        }
        // S ≈ f(0) R ω^(2q)/(2q) for small ω: nearly linear in ln ω.
        let ln_slope = self.ln_peak() + self.radius.ln();
        let start = (level.ln_survival + (2.0 * self.q).ln() - ln_slope) / (2.0 * self.q);
        let ln_survival = |ln_angle: f64| {
            let angle = ln_angle.exp();
            if angle < 1e-8 {
                return ln_slope + 2.0 * self.q * ln_angle - (2.0 * self.q).ln();
            }
            let (sin, cos) = angle.sin_cos();
            let upper = incomplete_beta(self.q, 0.5, sin * sin, cos * cos);
            if upper > 0.0 { upper.ln() } else { f64::NEG_INFINITY }
        };
        let ln_sine =
            |ln_angle: f64| if ln_angle < -18.0 { ln_angle } else { ln_angle.exp().sin().ln() };
        let high = (0.5 * PI).ln();
        let low = start.min(high) - 3.0;
        let mut ln_angle = newton_in_bracket(low, high, start.min(high - 1e-3), |u| {
            let value = ln_survival(u);
            let ln_f = ln_slope + (2.0 * self.q - 1.0) * ln_sine(u) + u;
            (value - level.ln_survival, (ln_f - value).exp())
        });
        if !ln_angle.is_finite() {
            ln_angle = start;
        }
        let ln_density = self.ln_peak() + (2.0 * self.q - 2.0) * ln_sine(ln_angle);
        let y = self.radius * ln_angle.exp().cos();
        Point { y, ln_ratio: level.ln_survival - ln_density }
    }
}

/// The root of an increasing function given with its derivative, inside `[low, high]`.
fn newton_in_bracket(
    mut low: f64,
    mut high: f64,
    start: f64,
    mut f: impl FnMut(f64) -> (f64, f64),
) -> f64 {
    let mut x = if start > low && start < high { start } else { 0.5 * (low + high) };
    for _ in 0..MAX_ITERATIONS {
        let (value, slope) = f(x);
        if value > 0.0 {
            high = x;
        } else {
            low = x;
        }
        let mut next = x - value / slope;
        if !(next >= low && next <= high) {
            next = 0.5 * (low + high);
        }
        let change = (next - x).abs();
        x = next;
        if change <= 2e-16 * x.abs() {
            break;
        }
    }
    x
}
