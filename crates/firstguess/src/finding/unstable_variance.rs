//! The variance sits at a fixed point that repels.
//!
//! The recommended variances of SiLU and GELU at small bias variance make gradients critical at a q* from which the variance
//! runs away: F'(q*) is above one. A random network of finite width never sits exactly on q*, so its activations shrink or
//! grow from layer to layer, and it leaves the place where the advice holds.
//!
//! ## When
//!
//! Warning, if the variance map of the hidden layers has a repelling fixed point q* > 0 within a factor of four of the
//! variance that the first layers have, and gradients are within six depth scales over the network.
//!
//! ## What to do
//!
//! Raise the bias variance until the slope at the edge of chaos is below one (`firstguess critical` prints it: for GELU above
//! about 0.17), put a normalisation before the activation, or keep the network shallow.
//!
//! References: `hayou2019`; the slopes are derived in docs/theory/mean-field.md.

use super::{Case, Evidence, Finding, Severity, short};

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    let bulk = case.prediction.bulk.as_ref().ok()?;
    let first = case.prediction.layers.first()?.q().ok()?;
    let near = bulk.limit.fixed_points.iter().find(|point| {
        point.q_star > 0.0
            && point.q_slope > 1.0
            && (point.q_star / first).ln().abs() < 4.0_f64.ln()
    })?;
    if case.gradients_vanish() || case.gradients_explode() {
        return None;
    }
    let last = case.prediction.layers.last()?.q().ok();
    Some(Finding {
        id: "unstable-variance",
        severity: Severity::Warning,
        title: format!(
            "the variance drifts away from its fixed point q* = {}: the slope there is {:.3}, above 1",
            short(near.q_star),
            near.q_slope
        ),
        explanation: "A finite random network never sits exactly on q*: its variance runs off with depth, and with it \
                      everything that was tuned at q*."
            .to_owned(),
        evidence: vec![
            Evidence::new("q of the first layer", Some(first), case.first().map(|layer| layer.q)),
            Evidence::new(
                "q of the logits",
                last,
                case.measurement.layers.last().map(|layer| layer.q),
            ),
        ],
        remedy: Some(
            "raise the bias variance until `firstguess critical` shows a slope below 1, or normalise before the activation"
                .to_owned(),
        ),
        references: &["hayou2019"],
    })
}
