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
    let mut loss = LossGradient { values: Vec::new(), gradient: Vec::new() };
    cross_entropy_into(logits, classes, labels, &mut loss)?;
    Ok(loss)
}

/// [`cross_entropy`] in place of what `loss` holds: from the second batch on nothing is allocated.
///
/// # Errors
///
/// As [`cross_entropy`]; `loss` is then left as it was.
pub fn cross_entropy_into<T: Scalar>(
    logits: &[T],
    classes: usize,
    labels: &[u32],
    loss: &mut LossGradient<T>,
) -> Result<(), NetError> {
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
    let LossGradient { values, gradient } = loss;
    values.clear();
    values.reserve(labels.len());
    gradient.clear();
    gradient.reserve(logits.len());
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
        let label = *label as usize;
        let (top, largest) = largest(row);
        // The sum is 1 from the largest logit and the rest, which may be far below 1.
        let rest = exponentials_but(row, top, largest);
        values.push(rest.ln_1p() - (row[label].to_f64() - largest));
        for (class, z) in row.iter().enumerate() {
            gradient.push(T::from_f64(if class == label {
                // p_y - 1 without its cancellation where the class is nearly certain.
                -exponentials_but(row, label, largest) / (1.0 + rest)
            } else {
                (z.to_f64() - largest).exp() / (1.0 + rest)
            }));
        }
    }
    Ok(())
}

/// The place and the value of the largest logit, the first of equals.
fn largest<T: Scalar>(row: &[T]) -> (usize, f64) {
    row.iter().enumerate().fold((0, f64::NEG_INFINITY), |best, (class, z)| {
        if z.to_f64() > best.1 { (class, z.to_f64()) } else { best }
    })
}

/// `Σ_{k ≠ class} exp(z_k - largest)`.
fn exponentials_but<T: Scalar>(row: &[T], class: usize, largest: f64) -> f64 {
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
