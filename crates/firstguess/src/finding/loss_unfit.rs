//! The loss cannot undo the first guess.
//!
//! Robust losses back off from samples that look mislabelled, that is from samples whose label the network finds
//! improbable. At a biased start those are all the samples of the classes that are not favoured: a loss that leaves them
//! alone, or pushes them away, learns inside the favoured class and stalls the others. Cross-entropy always corrects.
//!
//! The verdict is read off one forward pass: the mean force `G` of the loss on the output bias of the favoured class, sample
//! by sample, against that of cross-entropy on the same networks.
//!
//! ## When
//!
//! Only where a loss was named (`check --loss`). Error, if `G` has the wrong sign, or the loss is a blurry loss (not
//! detached) with an exponent at which even uniform guesses are unstable (0.272 for ten classes); warning, if `G` is below
//! 1 % of that of cross-entropy; note, if below 10 %. A schedule with cross-entropy first is judged by its loss, one step
//! milder: whether the warm-up is long enough only training shows.
//!
//! ## What to do
//!
//! Start with cross-entropy and switch when few samples are masked or reversed (`blurry(0.3)@guard(0.2)`), use a smaller
//! exponent or cutoff, or remove the bias (centre the inputs, see `biased-start`). `firstguess losses` compares all losses.
//!
//! References: `pellegrino2025`, `pellegrino2025b`.

use super::{Case, Evidence, Finding, Severity, percent};
use crate::loss_doctor::Verdict;
use crate::spec::loss::Switch;

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    let (schedule, diagnosis) = case.loss?;
    let severity = match diagnosis.verdict {
        Verdict::Corrects => return None,
        Verdict::Slow => Severity::Note,
        Verdict::Neutral => Severity::Warning,
        Verdict::Runaway => Severity::Error,
    };
    let scheduled = schedule.switch != Switch::AtOnce;
    let severity = match severity {
        Severity::Error if scheduled => Severity::Warning,
        _ if scheduled => Severity::Note,
        other => other,
    };
    let what = match diagnosis.verdict {
        Verdict::Runaway => "makes the first guess worse",
        Verdict::Neutral => "leaves the first guess as it is",
        _ => "corrects the first guess slowly",
    };
    let force = &diagnosis.force;
    let remedy = match &diagnosis.suggested {
        _ if scheduled => Some(
            "verify with `firstguess train` that the warm-up is long enough; a guard needs no guess".to_owned(),
        ),
        Some(suggested) => Some(format!(
            "start with cross-entropy: `{suggested}`; or take another loss (`firstguess losses`)"
        )),
        None => None,
    };
    Some(Finding {
        id: "loss-unfit",
        severity,
        title: format!("`{}` {what}: {}", force.loss, diagnosis.reason),
        explanation: format!(
            "{} of the samples would be masked and {} pushed away from their label at the start.",
            percent(1.0 - force.active_fraction.value - force.reversed_fraction.value),
            percent(force.reversed_fraction.value)
        ),
        evidence: vec![
            Evidence::new("force on the favoured class", None, Some(force.favoured)),
            Evidence::new("the same over that of cross-entropy", None, Some(force.relative)),
            Evidence::new(
                "share of networks with the wrong sign",
                None,
                Some(force.negative_fraction),
            ),
            case.share_evidence(),
        ],
        remedy,
        references: &["pellegrino2025", "pellegrino2025b"],
    })
}
