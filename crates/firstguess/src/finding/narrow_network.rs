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
        evidence: vec![Evidence::new(
            "variance over networks of ln q at the logits",
            Some(variance),
            case.measurement.layers.last().map(|layer| layer.ln_q.variance),
        )],
        remedy: Some("widen the layers, shorten the network, or normalise".to_owned()),
        references: &["hanin2018"],
    })
}
