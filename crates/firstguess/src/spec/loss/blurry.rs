//! The blurry loss.

use super::Term;

/// `-p^g ln p`: improbable labels count less, and below `p* = exp(-1/g)` they are unlearnt (`pellegrino2025b`).
///
/// ```text
/// w(p) = p^g (1 + g ln p),     detached: w(p) = p^g, the gradient of the generalised cross-entropy with q = g
/// ```
///
/// Not monotone: the value is largest at `p*`, and every sample in one class is a minimum too. The training loss measures
/// no progress.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blurry {
    /// The exponent; 0 is cross-entropy.
    pub g: f64,
}

impl Blurry {
    pub(super) fn term(self, ln_p: f64, detach_weight: bool) -> Term {
        let power = (self.g * ln_p).exp();
        let weight = if detach_weight { power } else { power * (1.0 + self.g * ln_p) };
        Term { value: -power * ln_p, weight }
    }

    /// `ln p*`, below which a sample's label is pushed down; minus infinity for g = 0.
    pub fn ln_turn(self) -> f64 {
        -1.0 / self.g
    }

    pub(super) fn reverses(self, ln_p: f64) -> bool {
        self.g > 0.0 && ln_p < self.ln_turn()
    }
}
