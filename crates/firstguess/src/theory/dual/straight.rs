//! Continuous functions made of straight pieces: every moment is an orthant probability in closed form.
//!
//! ```text
//! φ(x) = α x + β + Σ_k s_k t_k 1[t_k > 0],   t_k = σ_k (x - b_k),   σ_k = ±1 away from zero
//! E[φ'(u)φ'(v)] = α² + 2α Σ σ_k s_k Q(h_k) + Σ_jk σ_j σ_k s_j s_k P(t_j(u) > 0, t_k(v) > 0),   h_k = |b_k|/√q
//! D(ε) = q ∫₀^ε E[φ'(u)φ'(v)] dε'
//! ```
//!
//! The line is that of the piece around zero and the rest is added outwards, so that small variances lose no digits; the
//! integral keeps the digits of `D` as `ε → 0` because its integrand needs none beyond absolute ones. The kernel errs by 2e-15 of
//! `q`, which a bounded function feels: 2e-9 at a variance of a million.

use super::{Correlation, Moments, Pointwise};
use crate::math::quadrature::GaussLegendre;
use crate::math::special::{normal_cdf, normal_density, normal_survival};
use crate::spec::activation::{Activation, Segment};
use crate::theory::kernel::piecewise::orthant;
use std::sync::Arc;

/// Points per panel of the integral over the correlation.
const PER_PANEL: usize = 20;

/// Beyond this `1 - c` the plain subtraction keeps its digits.
const WIDE: f64 = 0.25;

/// Pieces narrower than this, in standard deviations, are integrated.
const NARROW: f64 = 3.0;

/// One kink: the slope that is added beyond it.
#[derive(Debug, Clone, Copy)]
struct Kink {
    at: f64,
    side: f64,
    slope: f64,
}

/// The function, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Straight {
    pieces: Vec<Segment>,
    slope: f64,
    offset: f64,
    kinks: Vec<Kink>,
    rules: [Arc<GaussLegendre>; 3],
}

impl Straight {
    /// `None` if the function bends or jumps anywhere, or is a composition.
    pub(super) fn of(function: &Pointwise) -> Option<Self> {
        let [single]: &[Activation; 1] = function.functions().try_into().ok()?;
        let pieces = single.piecewise_linear()?;
        if single.kinks().iter().any(|kink| kink.value_jump != 0.0) {
            return None;
        }
        let home = pieces.iter().rposition(|piece| piece.start <= 0.0)?;
        let kinks = pieces
            .windows(2)
            .enumerate()
            .map(|(left, pair)| {
                // Right of home a kink adds the slope of what is beyond it; left of home likewise, seen from the right.
                let slope = pair[1].slope - pair[0].slope;
                let side = if left >= home { 1.0 } else { -1.0 };
                Kink { at: pair[1].start, side, slope }
            })
            .collect();
        Some(Self {
            slope: pieces[home].slope,
            offset: pieces[home].intercept,
            pieces,
            kinks,
            rules: [6, 12, 20].map(GaussLegendre::cached),
        })
    }

    pub(super) fn moments(&self, q: f64) -> Moments {
        let root = q.sqrt();
        let (mut mean, mut second, mut derivative_second) = (0.0, 0.0, 0.0);
        for (index, piece) in self.pieces.iter().enumerate() {
            let end = self.pieces.get(index + 1).map_or(f64::INFINITY, |next| next.start);
            let (a, b) = (piece.start / root, end / root);
            let (slope, intercept) = (piece.slope, piece.intercept);
            if b - a < NARROW {
                // Moments of a narrow piece are differences of nearly equal numbers: integrated instead.
                let rule = &self.rules[2];
                let (half, middle) = (0.5 * (b - a), 0.5 * (a + b));
                for (x, w) in rule.nodes.iter().zip(&rule.weights) {
                    let z = middle + half * x;
                    let weight = half * w * normal_density(z);
                    let value = slope * root * z + intercept;
                    mean += weight * value;
                    second += weight * value * value;
                    derivative_second += weight * slope * slope;
                }
                continue;
            }
            // Far tails by their survival, or the difference would be rounding.
            let mass = if a > 0.0 {
                normal_survival(a) - normal_survival(b)
            } else {
                normal_cdf(b) - normal_cdf(a)
            };
            let at = |z: f64| if z.is_finite() { z * normal_density(z) } else { 0.0 };
            let first = root * (density(a) - density(b));
            let square = q * (mass + at(a) - at(b));
            mean += slope * first + intercept * mass;
            second += slope * slope * square
                + 2.0 * slope * intercept * first
                + intercept * intercept * mass;
            derivative_second += slope * slope * mass;
        }
        // d/dq E φ² = E[φ'² + φφ''], and φ'' is a point mass at each kink.
        let bends = self.kinks.iter().map(|kink| {
            let value = self.value_at(kink.at);
            value * kink.slope * density(kink.at / root) / root
        });
        let second_slope = derivative_second + bends.sum::<f64>();
        Moments { mean, second, derivative_second, second_slope }
    }

    fn value_at(&self, x: f64) -> f64 {
        let piece = self.pieces.iter().rev().find(|piece| piece.start <= x);
        piece.map_or(0.0, |piece| piece.slope * x + piece.intercept)
    }

    /// `E[φ(u)φ(v)]`.
    pub(super) fn kernel(&self, q1: f64, q2: f64, at: Correlation) -> f64 {
        let (root1, root2) = (q1.sqrt(), q2.sqrt());
        let covariance = root1 * root2 * at.c;
        let r = (at.complement * (1.0 + at.c)).max(0.0).sqrt().max(1e-200);
        let (mut mean1, mut mean2, mut slope1, mut slope2, mut product) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for first in &self.kinks {
            let h = first.side * first.at / root1;
            mean1 += first.slope * root1 * ramp(h);
            slope1 += first.side * first.slope * normal_survival(h);
            let k = first.side * first.at / root2;
            mean2 += first.slope * root2 * ramp(k);
            slope2 += first.side * first.slope * normal_survival(k);
            for second in &self.kinks {
                let k = second.side * second.at / root2;
                let facing = first.side * second.side;
                let c = facing * at.c;
                let complement = if facing > 0.0 { at.complement } else { 1.0 + at.c };
                let both = orthant(h, k, complement, &self.rules);
                // k - c h without the rounding of c where the two inputs are nearly one.
                let beyond = |to: f64, from: f64| {
                    if facing > 0.0 { to - from + complement * from } else { to - c * from }
                };
                let (on_h, on_k) = (beyond(k, h) / r, beyond(h, k) / r);
                let ramps = (c + h * k) * both + r * normal_density(h) * normal_density(on_h)
                    - k * normal_density(h) * normal_survival(on_h)
                    - h * normal_density(k) * normal_survival(on_k);
                product += first.slope * second.slope * ramps;
            }
        }
        self.slope * covariance * (self.slope + slope1 + slope2)
            + self.offset * (self.offset + mean1 + mean2)
            + root1 * root2 * product
    }

    /// `E[φ'(u)φ'(v)]`.
    pub(super) fn slope(&self, q: f64, at: Correlation) -> f64 {
        let root = q.sqrt();
        let (mut mean, mut product) = (0.0, 0.0);
        for first in &self.kinks {
            let h = first.side * first.at / root;
            mean += first.side * first.slope * normal_survival(h);
            for second in &self.kinks {
                let k = second.side * second.at / root;
                let facing = first.side * second.side;
                let complement = if facing > 0.0 { at.complement } else { 1.0 + at.c };
                product +=
                    facing * first.slope * second.slope * orthant(h, k, complement, &self.rules);
            }
        }
        self.slope * (self.slope + 2.0 * mean) + product
    }

    /// `½ E[(φ(u) - φ(v))²]`, relatively accurate as `ε → 0`.
    pub(super) fn difference(&self, q: f64, at: Correlation) -> f64 {
        let eps = at.complement;
        if eps > WIDE {
            return self.moments(q).second - self.kernel(q, q, at);
        }
        if eps <= 0.0 {
            return 0.0;
        }
        // ε' = ε t² takes the √ε of a kink out of the integrand.
        let mut edges = vec![0.0, 1.0];
        let root = q.sqrt();
        for first in &self.kinks {
            for second in &self.kinks {
                // Two kinks begin to see each other where √ε' is half their distance.
                let mut t = 0.125 * (first.at - second.at).abs() / (2.0 * root * eps.sqrt());
                while t > 0.0 && t < 1.0 {
                    edges.push(t);
                    t *= 2.0;
                }
            }
        }
        edges.sort_by(f64::total_cmp);
        edges.dedup_by(|a, b| (*a - *b).abs() < 1e-12);
        let rule = GaussLegendre::cached(PER_PANEL);
        let slope = |t: f64| 2.0 * t * self.slope(q, Correlation::from_complement(eps * t * t));
        let mean: f64 =
            edges.windows(2).map(|panel| rule.integrate(panel[0], panel[1], slope)).sum();
        q * eps * mean
    }
}

/// `E[(z - h)₊]`, without cancellation for the `h` that matter.
fn ramp(h: f64) -> f64 {
    (normal_density(h) - h * normal_survival(h)).max(0.0)
}

fn density(z: f64) -> f64 {
    if z.is_finite() { normal_density(z) } else { 0.0 }
}
