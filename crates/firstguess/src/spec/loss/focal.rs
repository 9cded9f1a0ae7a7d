//! The focal loss.

use super::Term;

/// `-(1 - p)^g ln p`: easy samples count less (`lin2017`).
///
/// ```text
/// w(p) = (1-p)^g - g p (1-p)^(g-1) ln p
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Focal {
    /// The exponent; 0 is cross-entropy.
    pub g: f64,
}

impl Focal {
    pub(super) fn term(self, ln_p: f64, detach_weight: bool) -> Term {
        let g = self.g;
        if g == 0.0 {
            return super::cross_entropy::term(ln_p);
        }
        let rest = -ln_p.exp_m1();
        if rest == 0.0 {
            return Term { value: 0.0, weight: 0.0 };
        }
        let factor = rest.powf(g);
        // p ln p is zero where p underflows.
        let slope = if detach_weight { 0.0 } else { g * factor / rest * ln_p.exp() * ln_p };
        Term { value: -factor * ln_p, weight: factor - slope }
    }
}
