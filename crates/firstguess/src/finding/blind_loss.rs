//! The loss at initialization is ln K although the guesses are anything but uniform.
//!
//! "Check that the initial loss is ln K" is the most repeated advice on initialization. It tests that the logits are small,
//! not that the guesses are spread: a network that sends every input to one class by a hair passes it.
//!
//! ## When
//!
//! Note, if the mean cross-entropy is within 10 % of ln K, so close that a reader of the training log takes it for ln K, while the
//! guesses are far from even. They are if the most guessed class gets more than half of the inputs and more than at γ = 1, or
//! more than twice its balanced share 1/K and more than chance alone would give it with so few inputs.
//!
//! ## What to do
//!
//! Do not rely on that check: read the class shares and the gradient profile instead.
//!
//! References: `francazi2024`.

use super::{Case, Evidence, Finding, Severity, percent};

/// Distance from ln K, relative, at which the usual check is taken as passed.
const PASSES: f64 = 0.1;

/// The share of the most guessed of `classes` that is worth telling of, where guesses on so many inputs were independent and
/// uniform: twice the balanced one, or half again as far from it as the largest of that many counts.
fn uneven(classes: usize, examples: usize) -> f64 {
    let (k, n) = (classes as f64, examples.max(1) as f64);
    1.0 / k + (1.0 / k).max(1.5 * (2.0 * k.ln() / (k * n)).sqrt())
}

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    let loss = case.measurement.loss.cross_entropy;
    let (classes, share) = (case.classes(), case.largest_share().value);
    let expected = (classes as f64).ln();
    let distance = loss.value / expected - 1.0;
    let biased = case.is_biased() && share > 0.5;
    if !(distance.abs() < PASSES && (biased || share > uneven(classes, case.measurement.examples)))
    {
        return None;
    }
    let error = loss.std_error.map_or_else(String::new, |error| format!(" ± {error:.3}"));
    Some(Finding {
        id: "blind-loss",
        severity: Severity::Note,
        title: format!(
            "the loss at initialization is {:.3}{error}, {:.1} % from ln {classes} = {expected:.3}: the usual check passes although {} \
             of the inputs go to one class (balanced: {})",
            loss.value,
            100.0 * distance.abs(),
            percent(share),
            percent(1.0 / classes as f64)
        ),
        explanation: format!(
            "That check only tests that the logits are small. {}",
            if case.is_biased() {
                "The share is beyond that of γ = 1, where the common offset of the logits is as large as their spread over the \
                 inputs: what one such network guesses says more about its weights than about the input."
            } else {
                "The share is below that of γ = 1: the inputs still move the logits more than the weights' common offset does."
            }
        ),
        evidence: vec![
            Evidence::new("cross-entropy", case.prediction.loss.clone().ok(), Some(loss)),
            case.share_evidence(),
        ],
        remedy: None,
        references: &["francazi2024"],
    })
}
