//! The untrained network favours a class, and that is no fault.
//!
//! Random weights send more inputs to some classes than to others. At the edge of chaos, where networks train best, this
//! bias is even large: deep networks there give almost all inputs one class. But gradients survive the depth, so the bias
//! is transient: it is absorbed in the first steps of training, before anything else is learnt.
//!
//! ## When
//!
//! Note, if the mean share of the most guessed class is above its value at γ = 1 while gradients neither vanish nor explode
//! over the depth.
//!
//! ## What to do
//!
//! Nothing, as a rule. If the first steps matter (few-shot training, imbalanced data, a loss that ignores unlikely classes),
//! centre the inputs or use an odd activation: both start neutral. Losses that back off from unlikely labels need a
//! warm-up with cross-entropy.
//!
//! References: `bassi2026`, `francazi2024`.

use super::{Case, Finding, Severity, percent};

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    if !case.is_biased() || case.gradients_vanish() || case.gradients_explode() {
        return None;
    }
    Some(Finding {
        id: "biased-start",
        severity: Severity::Note,
        title: format!(
            "fine: gradients survive the depth, so training will undo the bias of the first guess ({} of the inputs go to \
             one class)",
            percent(case.largest_share().value)
        ),
        explanation: format!(
            "Balanced guesses would be {} per class. At the edge of chaos the bias is large and transient: the first steps \
             of training absorb it.",
            percent(1.0 / case.classes() as f64)
        ),
        evidence: vec![case.share_evidence(), case.gradient_evidence()],
        remedy: None,
        references: &["bassi2026", "francazi2024"],
    })
}
