//! Losses at the logits of a batch, with their gradients; the formulas are those of [`crate::spec::loss`].

use super::error::NetError;
use super::scalar::Scalar;
use crate::spec::loss::{Loss, Row};

/// A loss and its gradient, example by example.
#[derive(Debug, Clone, PartialEq)]
pub struct LossGradient<T = f32> {
    /// `L_i`, one per example.
    pub values: Vec<f64>,
    /// `dL_i/dlogits`, `[batch, classes]`; not divided by the batch size.
    pub gradient: Vec<T>,
}

/// Any loss of the vocabulary, per example.
///
/// `logits` is `[batch, classes]`. One logit (`classes = 1`) is a binary classifier by its sign, label 1 for `z > 0`: the
/// row `(0, z)`. The formulas are those of [`Loss::evaluate`], in f64.
///
/// # Errors
///
/// [`NetError::Length`] unless there is one label per row of logits, [`NetError::Label`] for a label without a class.
///
/// # Examples
///
/// ```
/// use firstguess::{net::loss::evaluate, spec::Loss};
/// let found = evaluate(&Loss::CROSS_ENTROPY, &[0.0_f32, 0.0], 2, &[1])?;
/// assert!((found.values[0] - 2_f64.ln()).abs() < 1e-15);
/// assert_eq!(found.gradient, [0.5, -0.5]);
/// # Ok::<(), firstguess::net::NetError>(())
/// ```
pub fn evaluate<T: Scalar>(
    loss: &Loss,
    logits: &[T],
    classes: usize,
    labels: &[u32],
) -> Result<LossGradient<T>, NetError> {
    let mut found = LossGradient { values: Vec::new(), gradient: Vec::new() };
    evaluate_into(loss, logits, classes, labels, &mut found)?;
    Ok(found)
}

/// [`evaluate`] in place of what `found` holds, whose memory is used again.
///
/// # Errors
///
/// As [`evaluate`]; `found` is then left as it was.
pub fn evaluate_into<T: Scalar>(
    loss: &Loss,
    logits: &[T],
    classes: usize,
    labels: &[u32],
    found: &mut LossGradient<T>,
) -> Result<(), NetError> {
    check(logits, classes, labels)?;
    found.values.clear();
    found.values.reserve(labels.len());
    found.gradient.clear();
    found.gradient.reserve(logits.len());
    let mut slope = vec![0.0; classes.max(2)];
    each_row(logits, classes, labels, |row, label| {
        found.values.push(loss.evaluate(row, label, &mut slope));
        // Of the row (0, z) only z is free.
        found.gradient.extend(slope[usize::from(classes == 1)..].iter().map(|g| T::from_f64(*g)));
    })
}

/// [`evaluate`] of the cross-entropy.
///
/// ```text
/// L_i = ln Σ_k exp(z_k) - z_y,    dL_i/dz_k = p_k - [k = y],    p = softmax(z)
/// ```
///
/// # Errors
///
/// As [`evaluate`].
pub fn cross_entropy<T: Scalar>(
    logits: &[T],
    classes: usize,
    labels: &[u32],
) -> Result<LossGradient<T>, NetError> {
    evaluate(&Loss::CROSS_ENTROPY, logits, classes, labels)
}

/// [`evaluate_into`] of the cross-entropy.
///
/// # Errors
///
/// As [`evaluate_into`].
pub fn cross_entropy_into<T: Scalar>(
    logits: &[T],
    classes: usize,
    labels: &[u32],
    found: &mut LossGradient<T>,
) -> Result<(), NetError> {
    evaluate_into(&Loss::CROSS_ENTROPY, logits, classes, labels, found)
}

/// Calls `f` with the softmax and the label of every row, in order; of one logit, with the row `(0, z)`.
///
/// # Errors
///
/// As [`evaluate`].
pub fn each_row<T: Scalar>(
    logits: &[T],
    classes: usize,
    labels: &[u32],
    mut f: impl FnMut(&Row, usize),
) -> Result<(), NetError> {
    check(logits, classes, labels)?;
    let mut row = Row::default();
    for (logits, label) in logits.chunks_exact(classes).zip(labels) {
        row.set(logits.iter().map(|z| z.to_f64()));
        f(&row, *label as usize);
    }
    Ok(())
}

/// One label per row, each of them a class.
fn check<T>(logits: &[T], classes: usize, labels: &[u32]) -> Result<(), NetError> {
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f64; 9] = [0.3, -1.2, 2.0, 1.0, 1.0, 1.0, -4.0, 0.5, 3.5];
    const LABELS: [u32; 3] = [0, 2, 1];

    #[test]
    fn values_and_gradients_agree_with_the_formula_and_with_differences() {
        let loss = cross_entropy(&LOGITS, 3, &LABELS).unwrap();
        for (example, (row, label)) in LOGITS.chunks(3).zip(LABELS).enumerate() {
            let total: f64 = row.iter().map(|z| z.exp()).sum();
            let expected = -(row[label as usize].exp() / total).ln();
            assert!((loss.values[example] - expected).abs() < 1e-14);
        }
        for i in 0..LOGITS.len() {
            let at = |h: f64| {
                let mut logits = LOGITS;
                logits[i] += h;
                cross_entropy(&logits, 3, &LABELS).unwrap().values.iter().sum::<f64>()
            };
            let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((loss.gradient[i] - difference).abs() < 1e-9, "{i}: {difference}");
        }
    }

    /// Softmax over (0, z) is the logistic function of z.
    #[test]
    fn one_logit_is_two_of_which_the_first_is_zero() {
        for z in [-800.0_f64, -30.0, -0.7, 0.0, 2.0, 50.0, 800.0] {
            for label in [0, 1] {
                let one = cross_entropy(&[z], 1, &[label]).unwrap();
                let two = cross_entropy(&[0.0, z], 2, &[label]).unwrap();
                assert!((one.values[0] - two.values[0]).abs() <= 1e-13 * two.values[0]);
                assert!((one.gradient[0] - two.gradient[1]).abs() <= 1e-13 * two.gradient[1].abs());
            }
        }
    }

    #[test]
    fn huge_logits_stay_finite_and_small_gradients_keep_their_digits() {
        let loss = cross_entropy(&[3e38_f32, -3e38, 3e38], 3, &[1]).unwrap();
        assert!((loss.values[0] / 6e38 - 1.0).abs() < 1e-6);
        assert_eq!(loss.gradient, [0.5, -1.0, 0.5]);
        let sure = cross_entropy(&[60.0_f64, 0.0], 2, &[0]).unwrap();
        assert!((sure.gradient[0] / -(-60_f64).exp() - 1.0).abs() < 1e-14, "{sure:?}");
    }

    #[test]
    fn labels_and_lengths_are_checked() {
        let error = cross_entropy(&LOGITS, 3, &[0, 3, 1]).unwrap_err().to_string();
        assert!(error.contains("label 3 of example 1"), "{error}");
        assert!(cross_entropy(&[0.0], 1, &[2]).is_err());
        for (classes, labels) in [(0, &LABELS[..]), (4, &LABELS), (3, &LABELS[..2])] {
            assert!(matches!(
                cross_entropy(&LOGITS, classes, labels),
                Err(NetError::Length { .. })
            ));
        }
    }
}
