//! Numbers overflow at initialization.
//!
//! A signal that grows at every layer leaves the range of 32-bit floats (3e38) before it reaches the logits: the loss is
//! infinity or NaN at the first step.
//!
//! ## When
//!
//! Error, if any drawn network has an infinity or NaN in a layer.
//!
//! ## What to do
//!
//! Lower the weight variance to the edge of chaos, or normalise the activations.
//!
//! References: `he2015`.

use super::{Case, Evidence, Finding, Severity, percent};

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    let overflow = case.measurement.overflow.as_ref()?;
    let layer = case.prediction.layers.iter().find(|layer| layer.index == overflow.layer);
    let ln_q = layer.and_then(|layer| layer.ln_q().ok());
    let mut explanation =
        "32-bit floats end at 3e38; the loss is infinite or NaN at the first step.".to_owned();
    if let Some((schedule, found)) = case.loss.filter(|(_, found)| found.bias.draws == 0) {
        explanation += &format!(
            " Whether `{}` corrects the first guess was not judged: no network of {} stayed in that range.",
            schedule.loss, found.bias.lost
        );
    }
    Some(Finding {
        id: "non-finite",
        severity: Severity::Error,
        title: format!(
            "numbers overflow at layer {} ({}) in {} of the networks",
            overflow.layer,
            overflow.kind,
            percent(overflow.fraction_of_draws)
        ),
        explanation,
        evidence: vec![Evidence::new(
            format!("log10 q of layer {}", overflow.layer),
            ln_q.map(|ln| ln / std::f64::consts::LN_10),
            None,
        )],
        remedy: Some(case.critical_advice()),
        references: &["he2015"],
    })
}
