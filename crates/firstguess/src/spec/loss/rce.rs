//! The reverse cross-entropy: `A (1 - p)`, weight A p.

use super::Term;

/// `A = -ln 1e-4`: what the logarithm of a label of zero is clipped to (`wang2019`).
pub const RCE_SCALE: f64 = 9.210_340_371_976_182;

/// The released code also keeps probabilities above 1e-7, which changes the value by less than `1e-6` per class; not done
/// here.
pub(super) fn term(ln_p: f64) -> Term {
    let Term { value, weight } = super::mae::term(ln_p);
    Term { value: RCE_SCALE * value, weight: RCE_SCALE * weight }
}
