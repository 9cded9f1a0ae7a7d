//! The network is so narrow for its depth that single networks differ widely from the mean.
//!
//! Each layer of width N adds (E φ⁴/(E φ²)² - 1)/N to the variance of ln q over networks (5/N for ReLU). When depth over width
//! adds up to more than one, the mean that theory speaks of is carried by rare networks, and the typical network's signal is
//! much smaller: exp(-variance/2) of it.
//!
//! ## When
//!
//! Note, if the predicted variance of ln q at the logits is above 0.5; warning above 3.
//!
//! ## What to do
//!
//! Widen the layers, shorten the network, or normalise: each layer's statistics are then exact at any width.
//!
//! References: `hanin2018`; the coefficient is derived in docs/theory/mean-field.md.

use super::{Case, Evidence, Finding, Severity, short};
use crate::theory::predict::LayerPrediction;

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    let last = case.prediction.layers.last()?;
    let variance = last.ln_q_variance.clone().ok()?;
    let severity = match variance {
        value if value > 3.0 => Severity::Warning,
        value if value > 0.5 => Severity::Note,
        _ => return None,
    };
    Some(Finding {
        id: "narrow-network",
        severity,
        title: format!(
            "narrow for its depth: the variance of ln q over networks is {}, the typical network's q is {} of the mean",
            short(variance),
            short((-0.5 * variance).exp())
        ),
        explanation:
            "Means over networks are carried by rare draws here; single networks differ by factors."
                .to_owned(),
        evidence: evidence(case, variance),
        remedy: Some("widen the layers, shorten the network, or normalise".to_owned()),
        references: &["hanin2018"],
    })
}

fn evidence(case: &Case<'_>, variance: f64) -> Vec<Evidence> {
    let measured = case.measurement.layers.last();
    let mut lines = vec![Evidence::new(
        "variance over networks of ln q at the logits",
        Some(variance),
        measured.map(|layer| layer.ln_q.variance),
    )];
    // Means of logarithms are where the typical network shows.
    let corrected =
        |layer: Option<&LayerPrediction>| layer.and_then(|layer| layer.finite_width.clone().ok());
    if let Some(at) = corrected(case.prediction.layers.last()) {
        lines.push(Evidence::new(
            "mean of ln q at the logits, at this width",
            Some(at.ln_q_mean),
            measured.map(|layer| layer.ln_q.mean),
        ));
    }
    if let Some(at) = corrected(case.prediction.layers.first()) {
        lines.push(Evidence::new(
            "mean of ln of the squared gradient at layer 1, at this width",
            Some(at.ln_gradient_mean),
            case.measurement.layers.first().map(|layer| layer.ln_cotangent_gradient),
        ));
    }
    lines
}
