//! The network is biased and ordered: its first guess is frozen in.
//!
//! The untrained network sends most inputs to one class, and its gradients die on the way back to the first layer. Either
//! alone can be lived with. Together they are fatal: training would have to undo the bias through layers that receive no
//! signal, so the network keeps its first guess, the loss stays at that of a constant answer, and it looks as if the
//! learning rate were too small.
//!
//! The usual check, "the loss at initialization is ln K", does not see it: logits that are tiny and equal for all inputs
//! give ln K exactly.
//!
//! ## When
//!
//! Error, if the mean share of the most guessed class is above its value at γ = 1 (the border of neutrality) and the mean
//! square of the gradient at the first layer is below e⁻⁶ of that at the logits: more than six gradient depth scales.
//!
//! ## What to do
//!
//! Put the initialization at the edge of chaos (`firstguess critical`): for ReLU, He scaling without biases. PyTorch's
//! default for `nn.Linear` has `σ_w²` = 1/3, six times too small for ReLU; it must be replaced in deep plain networks.
//! Residual branches or a normalisation after each layer also help.
//!
//! References: `bassi2026`, `schoenholz2017`, `francazi2024`.

use super::{Case, Finding, Severity, percent, short};

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    if !(case.is_biased() && case.gradients_vanish()) {
        return None;
    }
    let left = case.ln_gradient()?.exp();
    Some(Finding {
        id: "frozen-bias",
        severity: Severity::Error,
        title: format!(
            "{} of the inputs go to one class, and the gradients that could correct it vanish (factor {} over {} layers)",
            percent(case.largest_share().value),
            short(left),
            case.hops()
        ),
        explanation: "The network is in the ordered phase: inputs merge on the way forward, gradients die on the way \
                      back. The bias of the first guess is frozen in and training will not start."
            .to_owned(),
        evidence: vec![case.share_evidence(), case.gradient_evidence()],
        remedy: Some(case.critical_advice()),
        references: &["bassi2026", "schoenholz2017", "francazi2024"],
    })
}
