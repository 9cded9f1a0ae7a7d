//! The inputs are not centred, and that alone biases the first layer.
//!
//! The first pre-activations of a network without biases have γ₁ = |x̄|²/tr Σ: the squared mean of the inputs over their total
//! variance. Pixels between 0 and 1, or images scaled by one mean per channel, keep a mean image; every class score then
//! starts with a common offset, which deeper layers amplify, whatever the activation.
//!
//! ## When
//!
//! Warning, if γ₁ of the data is above 0.25.
//!
//! ## What to do
//!
//! Subtract the mean of each feature over the training set (standardize = "feature"). One mean for the whole set, or one
//! per channel, leaves the mean image.
//!
//! References: derived in docs/theory/mean-field.md; `francazi2024` shows the effect of shifted data.

use super::{Case, Evidence, Finding, Severity, short};

const OFFSET: f64 = 0.25;

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    let gamma = case.prediction.input.gamma();
    if gamma.is_nan() || gamma <= OFFSET {
        return None;
    }
    let measured = case.first().map(|layer| layer.gamma);
    Some(Finding {
        id: "input-offset",
        severity: Severity::Warning,
        title: format!("the inputs are not centred: their offset alone gives γ₁ = {}", short(gamma)),
        explanation: "The mean of the inputs gives every class score a common offset before any layer has acted; depth \
                      amplifies it, whatever the activation."
            .to_owned(),
        evidence: vec![Evidence::new("γ of the first layer", Some(gamma), measured)],
        remedy: Some(
            "centre each feature over the training set (standardize = \"feature\"); one mean per channel is not enough"
                .to_owned(),
        ),
        references: &["francazi2024"],
    })
}
