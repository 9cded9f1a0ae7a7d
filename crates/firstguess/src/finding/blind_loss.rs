//! The loss at initialization is ln K although the guesses are anything but uniform.
//!
//! "Check that the initial loss is ln K" is the most repeated advice on initialization. It tests that the logits are small,
//! not that the guesses are spread: a network that sends every input to one class by a hair passes it.
//!
//! ## When
//!
//! Note, if the mean cross-entropy is within 5 % of ln K while one class gets more than half of the inputs and more than at
//! γ = 1.
//!
//! ## What to do
//!
//! Do not rely on that check: read the class shares and the gradient profile instead.
//!
//! References: `francazi2024`.

use super::{Case, Evidence, Finding, Severity, percent};

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    let loss = case.measurement.loss.cross_entropy;
    let expected = (case.classes() as f64).ln();
    let close = (loss.value / expected - 1.0).abs() < 0.05;
    if !(close && case.is_biased() && case.largest_share().value > 0.5) {
        return None;
    }
    Some(Finding {
        id: "blind-loss",
        severity: Severity::Note,
        title: format!(
            "the loss at initialization is {:.3}, ln {} = {expected:.3}: the usual check passes although {} of the \
             inputs go to one class",
            loss.value,
            case.classes(),
            percent(case.largest_share().value)
        ),
        explanation: "That check only tests that the logits are small.".to_owned(),
        evidence: vec![
            Evidence::new("cross-entropy", case.prediction.loss.clone().ok(), Some(loss)),
            case.share_evidence(),
        ],
        remedy: None,
        references: &["francazi2024"],
    })
}
