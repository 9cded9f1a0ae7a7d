//! The line on which half the correlation survives, at many bias variances from one scan.

use super::super::critical::{NeutralityPoint, homogeneous_criticality, neutrality};
use super::super::dual::{Correlation, Dual};
use super::super::dual::{NODES, PIECE, converged, place};
use super::super::{NoTheory, critical};
use crate::math::chebyshev::{ChebyshevBasis, clenshaw};
use crate::math::roots;
use std::collections::HashMap;

/// Variances between which the line is looked for, and the steps of the scan, in `ln q`.
const RANGE: (f64, f64) = (-20.0, 14.0);
const STEPS: usize = 68;

/// `ρ(q) = E[φ(u)φ(v)]/E φ²` at `c = ½`, and the bias variance that it asks for.
///
/// With `σ_w² = (q - σ_b²)/E φ²` the condition `c* = ½` reads
///
/// ```text
/// (q - σ_b²) ρ + σ_b² = q/2,   so   σ_b² = q (½ - ρ)/(1 - ρ)
/// ```
struct Half<'a> {
    phi: &'a Dual,
    basis: ChebyshevBasis,
    pieces: HashMap<i64, Option<Vec<f64>>>,
    /// `(ln q, σ_b²/q)` on the scan.
    scan: Vec<(f64, f64)>,
}

impl<'a> Half<'a> {
    fn new(phi: &'a Dual) -> Self {
        let scan = (0..=STEPS)
            .map(|i| RANGE.0 + (RANGE.1 - RANGE.0) * i as f64 / STEPS as f64)
            .map(|ln_q| (ln_q, bias_share(exact(phi, ln_q))))
            .collect();
        Self { phi, basis: ChebyshevBasis::new(NODES), pieces: HashMap::new(), scan }
    }

    /// `σ_b²/q` at this variance.
    fn share(&mut self, ln_q: f64) -> f64 {
        let (key, t) = place(ln_q);
        let (phi, basis) = (self.phi, &self.basis);
        let piece = self.pieces.entry(key).or_insert_with(|| {
            let start = key as f64 * PIECE;
            let values: Vec<f64> =
                basis.nodes.iter().map(|t| exact(phi, start + 0.5 * PIECE * (t + 1.0))).collect();
            let series = basis.coefficients(&values);
            converged(&series).then_some(series)
        });
        bias_share(match piece {
            Some(series) => clenshaw(series, t),
            None => exact(phi, ln_q),
        })
    }

    /// The point at the smallest variance.
    fn point(&mut self, bias: f64) -> Option<NeutralityPoint> {
        let excess = |ln_q: f64, share: f64| share - bias * (-ln_q).exp();
        let bracket = self.scan.windows(2).find_map(|pair| {
            let [(low, a), (high, b)] = [pair[0], pair[1]];
            let (at_low, at_high) = (excess(low, a), excess(high, b));
            // Beneath σ_b² itself no weight variance is left; near q = 0 straight starts leave rounding for roots.
            let above = high.exp() > bias && (bias > 0.0 || low >= -9.0);
            ((at_low > 0.0) != (at_high > 0.0) && above && !at_low.is_nan() && !at_high.is_nan())
                .then_some((low, high))
        });
        let (low, high) = bracket?;
        let ln_q = roots::brent(
            |ln_q| {
                let share = self.share(ln_q);
                excess(ln_q, share)
            },
            low,
            high,
            1e-14,
        )?;
        let q_star = ln_q.exp();
        let weight_variance = (q_star - bias) / self.phi.moments(q_star).second;
        (weight_variance > 0.0 && weight_variance.is_finite())
            .then_some(NeutralityPoint { weight_variance, q_star })
    }
}

fn exact(phi: &Dual, ln_q: f64) -> f64 {
    let at = phi.at(ln_q.exp());
    at.kernel(Correlation::new(0.5)) / at.moments().second
}

fn bias_share(ratio: f64) -> f64 {
    (0.5 - ratio) / (1.0 - ratio)
}

/// The neutrality point at any bias variance.
pub(super) struct Neutrality<'a> {
    phi: &'a Dual,
    /// Scale-free forms and corners are cases of their own, and cheap.
    special: bool,
    half: Option<Half<'a>>,
}

impl<'a> Neutrality<'a> {
    pub(super) fn new(phi: &'a Dual) -> Self {
        let special = phi.is_linear() || homogeneous_criticality(phi).is_some();
        Self { phi, special, half: None }
    }

    pub(super) fn at(&mut self, bias: f64) -> Result<NeutralityPoint, NoTheory> {
        let phi = self.phi;
        if self.special || (bias == 0.0 && phi.is_odd()) {
            return neutrality(phi, bias);
        }
        let half = self.half.get_or_insert_with(|| Half::new(phi));
        half.point(bias).ok_or_else(critical::never_neutral)
    }
}
