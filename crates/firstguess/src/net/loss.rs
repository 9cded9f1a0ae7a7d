//! Losses at the logits, with their gradients.

use super::error::NetError;
use super::scalar::Scalar;

/// A loss and its gradient, example by example.
#[derive(Debug, Clone, PartialEq)]
pub struct LossGradient<T = f32> {
    /// `L_i`, one per example.
    pub values: Vec<f64>,
    /// `dL_i/dlogits`, `[batch, classes]`; not divided by the batch size.
    pub gradient: Vec<T>,
}

/// Cross-entropy of the softmax of the logits, per example.
///
/// ```text
/// L_i = ln Σ_k exp(z_k) - z_y,    dL_i/dz_k = p_k - [k = y],    p = softmax(z)
/// ```
///
/// `logits` is `[batch, classes]`. One logit (`classes = 1`) is a binary classifier by its sign, label 1 for `z > 0`:
/// `L = ln(1 + exp(∓z))`, `dL/dz = σ(z) - y`. Computed in f64 with the largest logit taken out: finite for finite logits.
///
/// # Errors
///
/// [`NetError::Length`] unless there is one label per row of logits, [`NetError::Label`] for a label without a class.
///
/// # Examples
///
/// ```
/// use firstguess::net::loss::cross_entropy;
/// let loss = cross_entropy(&[0.0_f32, 0.0], 2, &[1])?;
/// assert!((loss.values[0] - 2_f64.ln()).abs() < 1e-15);
/// assert_eq!(loss.gradient, [0.5, -0.5]);
/// # Ok::<(), firstguess::net::NetError>(())
/// ```
pub fn cross_entropy<T: Scalar>(
    logits: &[T],
    classes: usize,
    labels: &[u32],
) -> Result<LossGradient<T>, NetError> {
    let expected = labels.len().saturating_mul(classes);
    if classes == 0 || logits.len() != expected {
        return Err(NetError::Length {
            what: "the logits",
            expected: format!("{} x {classes}", labels.len()),
            found: logits.len(),
        });
    }
    let outcomes = classes.max(2);
    if let Some(example) = labels.iter().position(|label| *label as usize >= outcomes) {
        let label = labels[example];
        return Err(NetError::Label { example, label, classes: outcomes });
    }
    let mut values = Vec::with_capacity(labels.len());
    let mut gradient = Vec::with_capacity(logits.len());
    for (row, label) in logits.chunks_exact(classes).zip(labels) {
        if let [logit] = row {
            let z = logit.to_f64();
            // The logit in favour of the label.
            let signed = if *label == 1 { z } else { -z };
            values.push((-signed).max(0.0) + (-signed.abs()).exp().ln_1p());
            let wrong = logistic(-signed);
            gradient.push(T::from_f64(if *label == 1 { -wrong } else { wrong }));
            continue;
        }
        let largest = row.iter().map(|z| z.to_f64()).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = row.iter().map(|z| (z.to_f64() - largest).exp()).sum();
        let own = row[*label as usize].to_f64() - largest;
        values.push(total.ln() - own);
        for (class, z) in row.iter().enumerate() {
            let exp = (z.to_f64() - largest).exp();
            gradient.push(T::from_f64(if class == *label as usize {
                // p_y - 1 without its cancellation where the class is nearly certain.
                -others(row, class, largest) / total
            } else {
                exp / total
            }));
        }
    }
    Ok(LossGradient { values, gradient })
}

/// `Σ_{k ≠ class} exp(z_k - largest)`.
fn others<T: Scalar>(row: &[T], class: usize, largest: f64) -> f64 {
    let rest = row.iter().enumerate().filter(|(k, _)| *k != class);
    rest.map(|(_, z)| (z.to_f64() - largest).exp()).sum()
}

/// `1/(1 + exp(-x))`.
fn logistic(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}
