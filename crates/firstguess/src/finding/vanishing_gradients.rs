//! Gradients vanish over the depth.
//!
//! The mean square of the gradient shrinks by a factor χ per layer, χ = `σ_w²` E[φ'(√q z)²] below one. After six depth scales
//! (-1/ln χ layers each) less than e⁻⁶ of it reaches the first layers: they stay random while the last ones train, and the
//! network learns as if it were shallow, or not at all.
//!
//! ## When
//!
//! Error, if the gradient's mean square at the first layer is below e⁻⁶ of that at the logits and the network is not
//! biased (with a bias it is `frozen-bias`). Measured with a random cotangent, so that the loss plays no part.
//!
//! ## What to do
//!
//! Raise the weight variance to the edge of chaos (`firstguess critical --activation ...`), shorten the network, or add
//! residual branches.
//!
//! References: `schoenholz2017`, `hayou2019`.

use super::{Case, Finding, Severity, short};

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    if case.is_biased() || !case.gradients_vanish() {
        return None;
    }
    let left = case.ln_gradient()?.exp();
    Some(Finding {
        id: "vanishing-gradients",
        severity: Severity::Error,
        title: format!("gradients vanish: {} of their mean square is left after {} layers", short(left), case.hops()),
        explanation: "The network is in the ordered phase and deeper than six of its depth scales: the first layers \
                      receive no signal to learn from."
            .to_owned(),
        evidence: vec![case.gradient_evidence()],
        remedy: Some(case.critical_advice()),
        references: &["schoenholz2017", "hayou2019"],
    })
}
