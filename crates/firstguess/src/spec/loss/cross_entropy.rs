//! Cross-entropy: `-ln p`, weight 1.

use super::Term;

pub(super) const fn term(ln_p: f64) -> Term {
    Term { value: -ln_p, weight: 1.0 }
}
