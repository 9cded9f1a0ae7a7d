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
//! Note, if the data have no example of some classes: the verdict leaves those out, and with examples of one class alone there
//! is none. Where the values left the range of f32 in all networks there is none either: `non-finite` says so.
//!
//! ## What to do
//!
//! Start with cross-entropy and switch when few samples are masked or reversed (`blurry(0.3)@guard(0.2)`), use a smaller
//! exponent or cutoff, or remove the bias (centre the inputs, see `biased-start`). `firstguess losses` compares all losses.
//!
//! References: `pellegrino2025`, `pellegrino2025b`.

use super::{Case, Evidence, Finding, Severity, percent};
use crate::loss_doctor::{Diagnosis, LossDiagnosis, Verdict};
use crate::spec::loss::Switch;

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    let (schedule, found) = case.loss?;
    let diagnosis = found.losses.first()?;
    let severity = match diagnosis.verdict {
        // Without any network left the finding on them says it.
        None if found.bias.draws == 0 => return None,
        None | Some(Verdict::Corrects) => return incomplete(case, found, diagnosis),
        Some(Verdict::Slow) => Severity::Note,
        Some(Verdict::Neutral) => Severity::Warning,
        Some(Verdict::Runaway) => Severity::Error,
    };
    let scheduled = schedule.switch != Switch::AtOnce;
    let severity = match severity {
        Severity::Error if scheduled => Severity::Warning,
        _ if scheduled => Severity::Note,
        other => other,
    };
    let what = match diagnosis.verdict {
        Some(Verdict::Runaway) => "makes the first guess worse",
        Some(Verdict::Neutral) => "leaves the first guess as it is",
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
    let mut explanation = format!(
        "{} of the samples would be masked and {} pushed away from their label at the start.",
        percent((1.0 - force.active_fraction.value - force.reversed_fraction.value).max(0.0)),
        percent(force.reversed_fraction.value)
    );
    for caveat in found.bias.caveats() {
        explanation += &format!(" Note: {caveat}.");
    }
    Some(Finding {
        id: "loss-unfit",
        severity,
        title: format!("`{}` {what}: {}", force.loss, diagnosis.reason),
        explanation,
        evidence: evidence(case, diagnosis),
        remedy,
        references: REFERENCES,
    })
}

const REFERENCES: &[&str] = &["pellegrino2025", "pellegrino2025b"];

/// The note on a loss that nothing was found against, where the data lack classes.
fn incomplete(case: &Case<'_>, found: &Diagnosis, diagnosis: &LossDiagnosis) -> Option<Finding> {
    let (bias, loss) = (&found.bias, &diagnosis.force.loss);
    let absent = bias.classes_without_examples.len();
    if absent == 0 {
        return None;
    }
    let title = match diagnosis.verdict {
        None => format!("`{loss}` cannot be judged: {}", diagnosis.reason),
        Some(_) => {
            format!(
                "`{loss}` is judged by examples of {} of {} classes",
                bias.classes - absent,
                bias.classes
            )
        }
    };
    let explanation = match diagnosis.verdict {
        None => "Losses differ in what they do to a class that is guessed too often.".to_owned(),
        Some(_) => bias.caveats().join(". ") + ".",
    };
    Some(Finding {
        id: "loss-unfit",
        severity: Severity::Note,
        title,
        explanation,
        evidence: evidence(case, diagnosis),
        remedy: Some("judge it on data with examples of every class".to_owned()),
        references: REFERENCES,
    })
}

fn evidence(case: &Case<'_>, diagnosis: &LossDiagnosis) -> Vec<Evidence> {
    let force = &diagnosis.force;
    vec![
        Evidence::new("force on the favoured class", None, Some(force.favoured)),
        Evidence::new("the same over that of cross-entropy", None, Some(force.relative)),
        Evidence::new("share of networks with the wrong sign", None, Some(force.negative_fraction)),
        case.share_evidence(),
    ]
}
