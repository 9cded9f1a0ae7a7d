//! Gradients explode over the depth.
//!
//! In the chaotic phase the mean square of the gradient grows by a factor χ > 1 per layer. Over many layers the first ones
//! receive steps that are orders of magnitude larger than the last: no single learning rate serves both, and training
//! diverges or has to crawl. The forward variance says nothing of this: a tanh network with a generous gain keeps its
//! activations perfectly stable while its gradients grow by decades.
//!
//! ## When
//!
//! Error, if the gradient's mean square at the first layer is more than a thousand times that at the logits.
//!
//! ## What to do
//!
//! Lower the weight variance to the edge of chaos (`firstguess critical --activation ...`). Gradient clipping hides the
//! symptom; per-layer learning rates or residual branches treat it.
//!
//! References: `poole2016`, `schoenholz2017`.

use super::{Case, Finding, Severity, short};

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    if !case.gradients_explode() {
        return None;
    }
    let ln = case.ln_gradient()?;
    let decades = ln / std::f64::consts::LN_10;
    let per_layer = (ln / case.hops().max(1) as f64).exp();
    Some(Finding {
        id: "exploding-gradients",
        severity: Severity::Error,
        title: format!(
            "gradients explode: their mean square grows by 10^{decades:.1} over {} layers ({} per layer)",
            case.hops(),
            short(per_layer)
        ),
        explanation: "The network is in the chaotic phase. Its activations may look perfectly stable: only the way back \
                      shows it."
            .to_owned(),
        evidence: vec![case.gradient_evidence()],
        remedy: Some(case.critical_advice()),
        references: &["poole2016", "schoenholz2017"],
    })
}
