//! The piecewise-zero loss.

use super::Term;

/// `-ln p` if `p ≥ c`, else 0: improbable labels are left alone (`pellegrino2025b`).
///
/// ```text
/// w(p) = 1 if p ≥ c, else 0
/// ```
///
/// The jump of the value at `c` is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PiecewiseZero {
    /// The cutoff; 0 is cross-entropy.
    pub c: f64,
}

impl PiecewiseZero {
    pub(super) fn term(self, ln_p: f64) -> Term {
        if ln_p >= self.c.ln() {
            super::cross_entropy::term(ln_p)
        } else {
            Term { value: 0.0, weight: 0.0 }
        }
    }
}
