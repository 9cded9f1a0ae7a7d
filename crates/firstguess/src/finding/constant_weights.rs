//! All weights of a tensor are equal, so that its units are copies of each other.
//!
//! Units with the same weights give the same outputs and get the same gradients: they stay equal for ever, and the layer has the
//! width of one. Zeros are the same, and let nothing through besides.
//!
//! ## When
//!
//! Error, if a weight matrix or kernel with a law of positive variance holds one value throughout; warning where no law is known,
//! because zeros may be meant there (the last layer of a residual branch, one factor of an adapter).
//!
//! ## What to do
//!
//! Draw the tensor. Where zeros are meant, tell the model so (`weight_variance = 0` on the layer) or leave the finding out
//! (`--ignore constant-weights`).
//!
//! References: none.

use super::audited::{evidence, exact, which};
use super::{Finding, Severity, short};
use crate::audit::Role;
use crate::audit::{Audit, TensorAudit};

pub(super) fn judge(audit: &Audit) -> Option<Finding> {
    let found: Vec<&TensorAudit> = audit
        .tensors
        .iter()
        .filter(|tensor| matches!(tensor.role, Role::Weight | Role::Embedding))
        .filter(|tensor| tensor.statistics.constant && tensor.statistics.is_finite())
        .filter(|tensor| tensor.expected.as_ref().is_none_or(|expected| expected.std > 0.0))
        .collect();
    let first = found.first()?;
    let lawful = found.iter().any(|tensor| tensor.expected.is_some());
    Some(Finding {
        id: "constant-weights",
        severity: if lawful { Severity::Error } else { Severity::Warning },
        title: format!(
            "all weights of {} are equal ({})",
            which(&found, audit.weights().count()),
            short(first.statistics.mean)
        ),
        explanation: "Units with equal weights compute the same and stay equal in training."
            .to_owned(),
        evidence: evidence(&found, "root mean square", |tensor| {
            let law = tensor.expected.as_ref().map(|expected| expected.std);
            (law, exact(tensor.statistics.root_mean_square))
        }),
        remedy: Some("draw the tensor, or say that zeros are meant".to_owned()),
        references: &[],
    })
}
