//! The scale is off by a factor that only the wrong fan gives.
//!
//! A weight's variance is a constant over the number of inputs that a unit sums over, `fan_in`. Taking the other side of the
//! matrix (a transposed layout, `mode="fan_out"`), the mean of both, or leaving out the positions of a kernel gives each layer a
//! factor that hangs on its shape: square layers look right, and the first and the last are wrong. A framework's default may pass
//! for a rule by its name: `kaiming_uniform_(a=√5)` is √6 smaller than He's rule.
//!
//! ## When
//!
//! Error, if the root mean square of a weight tensor differs from its law by more than six standard errors and 2 %, and the factor
//! is `√(fan_in/fan_out)`, `√(2 fan_in/(fan_in + fan_out))`, one of their inverses, the root of the positions under a kernel,
//! `1/√6` or `√6`.
//!
//! ## What to do
//!
//! Use `fan_in` as the law has it: in PyTorch the product of all axes of the weight but the first, in JAX and Keras of all but the
//! last. `kaiming_normal_(w, nonlinearity="relu")` is He's rule.
//!
//! References: `he2015`, `glorot2010`.

use super::audited::{factors, times, which, worst};
use super::{Finding, Severity};
use crate::audit::{Audit, Explanation, Kind, Role, TensorAudit};

pub(super) fn judge(audit: &Audit) -> Option<Finding> {
    let found: Vec<&TensorAudit> = audit
        .tensors
        .iter()
        .filter(|tensor| tensor.role == Role::Weight && explained(tensor).is_some())
        .collect();
    let (tensor, factor) = worst(&found)?;
    let text = explained(tensor)?.text;
    Some(Finding {
        id: "fan-mode",
        severity: Severity::Error,
        title: format!(
            "the scale of {} is wrong, at worst {} that of the law (`{}`): {text}",
            which(&found, audit.weights().count()),
            times(factor),
            tensor.name
        ),
        explanation: "The factor is that of a wrong fan; over the depth such factors multiply."
            .to_owned(),
        evidence: factors(&found),
        remedy: Some("divide by the inputs that one unit sums over, fan_in".to_owned()),
        references: &["he2015", "glorot2010"],
    })
}

pub(super) fn explained(tensor: &TensorAudit) -> Option<&Explanation> {
    let deviation = tensor.deviation.as_ref()?;
    deviation.explanation.as_ref().filter(|explanation| explanation.kind == Kind::Fan)
}
