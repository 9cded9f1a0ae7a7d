//! Squared errors.

use super::Row;

/// `(1/C) Σ_k (p_k - δ_ky)²`, adding `factor` times the gradient and returning `factor` times the value.
pub(super) fn probabilities(factor: f64, row: &Row, label: usize, gradient: &mut [f64]) -> f64 {
    let classes = row.classes() as f64;
    let off = |k: usize| if k == label { row.ln_p(k).exp_m1() } else { row.p(k) };
    let (mut value, mut mean) = (0.0, 0.0);
    for k in 0..row.classes() {
        value += off(k) * off(k);
        mean += off(k) * row.p(k);
    }
    for (j, slot) in gradient.iter_mut().enumerate() {
        *slot += factor * 2.0 / classes * row.p(j) * (off(j) - mean);
    }
    factor * value / classes
}

/// `(1/C) Σ_k (z_k - δ_ky)²` on the logits themselves.
pub(super) fn logits(factor: f64, row: &Row, label: usize, gradient: &mut [f64]) -> f64 {
    let classes = row.classes() as f64;
    let mut value = 0.0;
    for (k, slot) in gradient.iter_mut().enumerate() {
        let off = row.logit(k) - f64::from(u8::from(k == label));
        value += off * off;
        *slot += factor * 2.0 / classes * off;
    }
    factor * value / classes
}
