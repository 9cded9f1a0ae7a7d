//! The generalised cross-entropy.

use super::Term;

/// `(1 - p^q)/q`: between cross-entropy (q → 0) and the mean absolute error (q = 1) (`zhang2018`).
///
/// ```text
/// w(p) = p^q
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gce {
    /// The exponent, above 0.
    pub q: f64,
}

impl Gce {
    pub(super) fn term(self, ln_p: f64) -> Term {
        let exponent = self.q * ln_p;
        Term { value: -exponent.exp_m1() / self.q, weight: exponent.exp() }
    }
}
