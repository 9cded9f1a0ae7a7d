//! The asymmetric generalised cross-entropy.

use super::Term;

/// `((a+1)^q - (a+p)^q)/q` (`zhou2021`).
///
/// ```text
/// w(p) = p (a+p)^(q-1)
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agce {
    /// The shift, above 0.
    pub a: f64,
    /// The exponent, above 0.
    pub q: f64,
}

impl Agce {
    pub(super) fn term(self, ln_p: f64) -> Term {
        let Self { a, q } = self;
        let (p, rest) = (ln_p.exp(), -ln_p.exp_m1());
        let value = if rest < 0.5 {
            // (a+1)^q (1 - (1 - rest/(a+1))^q)/q without cancellation.
            -(a + 1.0).powf(q) * (q * (-rest / (a + 1.0)).ln_1p()).exp_m1() / q
        } else {
            ((a + 1.0).powf(q) - (a + p).powf(q)) / q
        };
        Term { value, weight: p * (a + p).powf(q - 1.0) }
    }
}
