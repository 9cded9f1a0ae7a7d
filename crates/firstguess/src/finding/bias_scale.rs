//! The biases are not what the scheme draws.
//!
//! Most schemes start biases at zero; PyTorch's layers draw them unless told otherwise, and a function that initialises weights
//! often leaves them alone. In a deep network that is not harmless: the bias variance moves the fixed point and the edge of chaos,
//! and alone can favour a class.
//!
//! ## When
//!
//! Warning, if biases are not zero where the law says zero, or their root mean square differs from the law by more than six standard
//! errors and 2 %, or they are all zero where the law draws them.
//!
//! ## What to do
//!
//! Draw the biases as the scheme says (`nn.init.zeros_`), or say what they are (`bias_variance` in the model).
//!
//! References: `francazi2024`.

use super::audited::{evidence, which};
use super::{Finding, Severity, short};
use crate::audit::{Audit, Role, TensorAudit};
use crate::measure::Estimate;

pub(super) fn judge(audit: &Audit) -> Option<Finding> {
    let biases = || audit.tensors.iter().filter(|tensor| tensor.role == Role::Bias);
    let found: Vec<&TensorAudit> = biases().filter(|tensor| is_off(tensor)).collect();
    let first = found.first()?;
    let law = first.expected.as_ref().map_or(0.0, |expected| expected.std);
    Some(Finding {
        id: "bias-scale",
        severity: Severity::Warning,
        title: format!(
            "the biases in {} are not those of the law: root mean square {} instead of {}",
            which(&found, biases().count()),
            short(first.statistics.root_mean_square),
            short(law)
        ),
        explanation: "Biases move the variance at rest and the critical point, and may favour a class by themselves."
            .to_owned(),
        evidence: evidence(&found, "root mean square", |tensor| {
            let s = &tensor.statistics;
            let error = s.root_mean_square / (2.0 * s.count.max(1) as f64).sqrt();
            let law = tensor.expected.as_ref().map(|expected| expected.std);
            (law, Estimate::new(s.root_mean_square, Some(error), s.count as u64))
        }),
        remedy: Some("draw the biases as the scheme says".to_owned()),
        references: &["francazi2024"],
    })
}

fn is_off(tensor: &TensorAudit) -> bool {
    let Some(expected) = &tensor.expected else { return false };
    let s = &tensor.statistics;
    if !s.is_finite() {
        return false;
    }
    let zero = s.root_mean_square == 0.0;
    (expected.std == 0.0) != zero && s.count >= 2 || tensor.deviation.is_some()
}
