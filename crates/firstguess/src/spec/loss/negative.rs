//! Normalised negative losses.

use super::{Focal, Row, Term};

/// `1 - (A + l_y)/Σ_k (A + l_k)` with `l_k = (1-p_k)^g ln p_k`: the passive part of the active-negative losses.
///
/// `A = -(1-p_min)^g ln p_min` with `p_min = 1e-7`, and probabilities are kept above `p_min` as in the released code: below
/// it a class has no gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Negative {
    /// Exponent of the focal loss; 0 is the cross-entropy.
    pub g: f64,
}

/// `ln 1e-7`.
const LN_SMALLEST: f64 = -16.118_095_650_958_32;

impl Negative {
    pub(super) fn add(self, factor: f64, row: &Row, label: usize, gradient: &mut [f64]) -> f64 {
        let focal = Focal { g: self.g };
        let ceiling = focal.term(LN_SMALLEST, false).value;
        let at = |k: usize| {
            if row.ln_p(k) > LN_SMALLEST {
                let Term { value, weight } = focal.term(row.ln_p(k), false);
                Term { value: ceiling - value, weight }
            } else {
                Term { value: 0.0, weight: 0.0 }
            }
        };
        // The largest probability is far above p_min: the sum is positive.
        let (mut total, mut weights) = (0.0, 0.0);
        for k in 0..row.classes() {
            let term = at(k);
            total += term.value;
            weights += term.weight;
        }
        let own = at(label);
        let (share, scale) = (own.value / total, factor / total);
        for (j, slot) in gradient.iter_mut().enumerate() {
            let towards = if j == label { row.ln_p(j).exp_m1() } else { row.p(j) };
            *slot += scale * (own.weight * towards - share * (row.p(j) * weights - at(j).weight));
        }
        factor * (1.0 - share)
    }
}
