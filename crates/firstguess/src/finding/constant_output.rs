//! The network answers every input with the same numbers.
//!
//! When the data variance of the logits is zero, the network computes a constant: weights of zero, an activation that is
//! flat at every input, or inputs that do not differ. No gradient can tell the inputs apart.
//!
//! ## When
//!
//! Error, if more than 99 % of the logits have one value for every input, up to single precision.
//!
//! ## What to do
//!
//! Look for a layer initialised with zeros, inputs without spread, or a depth far beyond the correlation depth scale.
//!
//! References: `schoenholz2017`.

use super::{Case, Evidence, Finding, Severity};

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    let logits = case.measurement.layers.last()?;
    let constant = logits.constant_units;
    if case.measurement.examples < 2 || !constant.is_known() || constant.value <= 0.99 {
        return None;
    }
    let predicted = case.prediction.layers.last()?.spread.as_ref().ok();
    Some(Finding {
        id: "constant-output",
        severity: Severity::Error,
        title: "the logits are the same for every input".to_owned(),
        explanation: "No gradient can tell the inputs apart.".to_owned(),
        evidence: vec![Evidence::new(
            "data variance V of the logits",
            predicted.map(crate::theory::mean_field::Spread::v),
            Some(logits.v),
        )],
        remedy: Some(case.critical_advice()),
        references: &["schoenholz2017"],
    })
}
