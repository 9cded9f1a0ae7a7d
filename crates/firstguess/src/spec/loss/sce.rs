//! The symmetric cross-entropy.

use super::Term;

/// `a CE + b RCE` (`wang2019`): (0.01, 1) for MNIST, (0.1, 1) for CIFAR-10, (6, 0.1) for CIFAR-100.
///
/// ```text
/// w(p) = a + b A p
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sce {
    /// Factor of the cross-entropy.
    pub a: f64,
    /// Factor of the reverse cross-entropy.
    pub b: f64,
}

impl Sce {
    pub(super) fn term(self, ln_p: f64) -> Term {
        let reverse = super::rce::term(ln_p);
        Term {
            value: -self.a * ln_p + self.b * reverse.value,
            weight: self.a + self.b * reverse.weight,
        }
    }
}
