//! Normalised losses.

use super::{Focal, Row};

/// A loss over its sum over all labels (`ma2020`): of the cross-entropy (g = 0), or of the focal loss.
///
/// ```text
/// n/D,   n = f_y,  D = Σ_k f_k,  f_k = -(1-p_k)^g ln p_k
/// d(n/D)/dz_j = [ (w_y (p_j - δ_jy)) D - n (p_j Σ_k w_k - w_j) ]/D²
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalized {
    /// Exponent of the focal loss.
    pub g: f64,
}

impl Normalized {
    pub(super) fn add(self, factor: f64, row: &Row, label: usize, gradient: &mut [f64]) -> f64 {
        let at = |k: usize| Focal { g: self.g }.term(row.ln_p(k), false);
        let (mut total, mut weights) = (0.0, 0.0);
        for k in 0..row.classes() {
            let term = at(k);
            total += term.value;
            weights += term.weight;
        }
        let own = at(label);
        // One class takes all that is not label's own: a ratio of sums, each of which may be huge.
        let (share, scale) = (own.value / total, factor / total);
        for (j, slot) in gradient.iter_mut().enumerate() {
            let towards = if j == label { row.ln_p(j).exp_m1() } else { row.p(j) };
            *slot += scale * (own.weight * towards - share * (row.p(j) * weights - at(j).weight));
        }
        factor * share
    }
}
