//! Mean absolute error up to a factor of two: `1 - p`, weight p.

use super::Term;

pub(super) fn term(ln_p: f64) -> Term {
    Term { value: -ln_p.exp_m1(), weight: ln_p.exp() }
}
