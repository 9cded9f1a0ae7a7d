//! Most units of a layer are dead: no input moves them.
//!
//! A unit whose activation has zero slope at every input passes no gradient and cannot learn. Some dead ReLU units are
//! normal in biased networks: where the centre of a unit's pre-activation lies far from zero, all inputs fall on one side of
//! the kink, for half of the units on the flat side.
//!
//! ## When
//!
//! Error, if a layer has more than 90 % dead units; warning above 65 %.
//!
//! ## What to do
//!
//! Lower the bias variance, centre the inputs, or use an activation without a flat side (leaky ReLU, GELU).
//!
//! References: `bassi2026`.

use super::{Case, Evidence, Finding, Severity, percent};

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    let worst = case
        .measurement
        .layers
        .iter()
        .map(|layer| (layer.index, layer.dead_fraction))
        .filter(|(_, dead)| dead.is_known())
        .max_by(|a, b| a.1.value.total_cmp(&b.1.value))?;
    let (index, dead) = worst;
    let severity = match dead.value {
        value if value > 0.9 => Severity::Error,
        value if value > 0.65 => Severity::Warning,
        _ => return None,
    };
    Some(Finding {
        id: "dead-units",
        severity,
        title: format!(
            "{} of the units of layer {index} are dead for every input",
            percent(dead.value)
        ),
        explanation: "They pass no gradient and cannot learn.".to_owned(),
        evidence: vec![Evidence::new(format!("dead share of layer {index}"), None, Some(dead))],
        remedy: Some(
            "lower the bias variance, centre the inputs, or use an activation without a flat side"
                .to_owned(),
        ),
        references: &["bassi2026"],
    })
}
