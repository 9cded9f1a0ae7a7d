//! The weights are larger or smaller than their law says.
//!
//! The standard deviation of the weights is the one number that an initialization is about: gradients change by its square in
//! every layer. A wrong one has usually been computed right for something else: a variance given as a standard deviation, the
//! half-width of a uniform law, a truncated law that was not rescaled, a gain that is missing or applied twice.
//!
//! ## When
//!
//! Error, if the root mean square of a weight tensor differs from its law by more than six standard errors and 2 % (warning up to
//! 10 %), and it is neither a wrong fan (`fan-mode`) nor a missing scale of branches (`residual-scale`).
//!
//! ## What to do
//!
//! Look for the mistake that the finding names, and draw the tensors again. A file that was trained has other weights than it was
//! drawn with: audit the file of the start.
//!
//! References: `he2015`, `glorot2010`.

use super::audited::{factors, times, which, worst};
use super::fan_mode::explained;
use super::residual_scale::unscaled;
use super::{Finding, Severity};
use crate::audit::{Audit, Role, TensorAudit};

/// Deviation below which networks do not mind much.
const SLIGHT: f64 = 0.1;

pub(super) fn judge(audit: &Audit) -> Option<Finding> {
    let found: Vec<&TensorAudit> = audit
        .tensors
        .iter()
        .filter(|tensor| tensor.role == Role::Weight && tensor.deviation.is_some())
        .filter(|tensor| explained(tensor).is_none() && !unscaled(tensor, audit.branches))
        .collect();
    let (tensor, factor) = worst(&found)?;
    let why = tensor.deviation.as_ref().and_then(|deviation| deviation.explanation.as_ref());
    let why = why.map_or_else(String::new, |explanation| format!(": {}", explanation.text));
    let slight = factor.ln().abs() < SLIGHT;
    Some(Finding {
        id: "weight-scale",
        severity: if slight { Severity::Warning } else { Severity::Error },
        title: format!(
            "the scale of {} is wrong, at worst {} that of the law (`{}`){why}",
            which(&found, audit.weights().count()),
            times(factor),
            tensor.name
        ),
        explanation: "Signals and gradients change by the square of this factor in every layer."
            .to_owned(),
        evidence: factors(&found),
        remedy: Some("draw these tensors with the standard deviation of the law".to_owned()),
        references: &["he2015", "glorot2010"],
    })
}
