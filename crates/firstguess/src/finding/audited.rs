//! What the rules on weights share.

use super::{Evidence, short};
use crate::audit::TensorAudit;
use crate::measure::Estimate;

/// Tensors that are named one by one.
const NAMED: usize = 6;

/// `2 of 40 tensors`, or the name of the only one.
pub(super) fn which(found: &[&TensorAudit], of: usize) -> String {
    match found {
        [one] => format!("`{}`", one.name),
        _ => format!("{} of {of} tensors (the first is `{}`)", found.len(), found[0].name),
    }
}

/// One line of evidence for each of the first tensors.
pub(super) fn evidence(
    found: &[&TensorAudit],
    quantity: &str,
    numbers: impl Fn(&TensorAudit) -> (Option<f64>, Estimate),
) -> Vec<Evidence> {
    found
        .iter()
        .take(NAMED)
        .map(|tensor| {
            let (predicted, measured) = numbers(tensor);
            Evidence::new(format!("{quantity} of `{}`", tensor.name), predicted, Some(measured))
        })
        .collect()
}

/// A count, or another number without an error.
pub(super) fn exact(value: f64) -> Estimate {
    Estimate::new(value, Some(0.0), 1)
}

/// The measured factors, one line per tensor: what was found over the standard deviation of the law.
pub(super) fn factors(found: &[&TensorAudit]) -> Vec<Evidence> {
    evidence(found, "root mean square over the law's standard deviation", |tensor| {
        let estimate = tensor.deviation.as_ref().map(|deviation| {
            let error = deviation.factor * deviation.std_error;
            Estimate::new(deviation.factor, Some(error), tensor.statistics.count as u64)
        });
        (Some(1.0), estimate.unwrap_or_else(|| Estimate::missing("not compared")))
    })
}

/// The factor that is furthest from one, with the tensor that has it.
pub(super) fn worst<'a>(found: &[&'a TensorAudit]) -> Option<(&'a TensorAudit, f64)> {
    let factor = |tensor: &&'a TensorAudit| tensor.deviation.as_ref().map(|d| (*tensor, d.factor));
    found.iter().filter_map(factor).max_by(|a, b| a.1.ln().abs().total_cmp(&b.1.ln().abs()))
}

/// `0.408 times`.
pub(super) fn times(factor: f64) -> String {
    format!("{} times", short(factor))
}
