//! A layer's units are saturated: the activation is flat where they stand.
//!
//! On the flanks of tanh, sigmoid or erf the slope is near zero. A network that starts there learns slowly, however large
//! its loss is.
//!
//! ## When
//!
//! Error, if more than 90 % of a layer's pre-activations sit where the slope is below 1 % of the steepest slope; warning
//! above half. The zero side of a clipped rectifier (ReLU6) does not count: units that stay there are dead, not saturated.
//!
//! ## What to do
//!
//! Lower the weight variance, or scale the inputs to unit variance per feature.
//!
//! References: `glorot2010`.

use super::{Case, Evidence, Finding, Severity, percent};

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    let (index, saturated) = case
        .measurement
        .layers
        .iter()
        .map(|layer| (layer.index, layer.saturated_fraction))
        .filter(|(_, saturated)| saturated.is_known())
        .max_by(|a, b| a.1.value.total_cmp(&b.1.value))?;
    let severity = match saturated.value {
        value if value > 0.9 => Severity::Error,
        value if value > 0.5 => Severity::Warning,
        _ => return None,
    };
    Some(Finding {
        id: "saturated-units",
        severity,
        title: format!("{} of layer {index} is saturated", percent(saturated.value)),
        explanation: "The activation is flat there: gradients through these units are almost zero."
            .to_owned(),
        evidence: vec![Evidence::new(
            format!("saturated share of layer {index}"),
            None,
            Some(saturated),
        )],
        remedy: Some(
            "lower the weight variance, or scale the inputs to unit variance per feature"
                .to_owned(),
        ),
        references: &["glorot2010"],
    })
}
