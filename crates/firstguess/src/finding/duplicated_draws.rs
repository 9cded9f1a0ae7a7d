//! The same random numbers were used twice.
//!
//! A generator that is seeded anew for each layer, a tensor that was copied or broadcast instead of drawn, a deep copy of one
//! block for all: layers (or units of one layer) then start alike up to a factor. Units that repeat each other stay equal for
//! ever; layers that repeat each other are correlated where theory and common sense take them to be independent.
//!
//! ## When
//!
//! Error, if two tensors have the same leading values up to a factor (correlation above 0.9), or rows of one tensor repeat bit by
//! bit. Whole tensors that are equal and may be tied on purpose are a note of their own, `tied-tensors`.
//!
//! ## What to do
//!
//! Seed once, before the first layer. Draw after copying (`copy.deepcopy` and `[block] * n` copy the weights).
//!
//! References: none.

use super::audited::{evidence, exact};
use super::tied_tensors::may_be_tied;
use super::{Evidence, Finding, Severity};
use crate::audit::{Audit, Duplicate, TensorAudit};

pub(super) fn judge(audit: &Audit) -> Option<Finding> {
    let pairs: Vec<&Duplicate> =
        audit.duplicates.iter().filter(|pair| !may_be_tied(pair)).collect();
    let repeated: Vec<&TensorAudit> =
        audit.tensors.iter().filter(|tensor| tensor.statistics.repeated_rows > 0).collect();
    let mut parts = Vec::new();
    if let Some(pair) = pairs.first() {
        let more = if pairs.len() > 1 {
            format!(", and {} more pairs", pairs.len() - 1)
        } else {
            String::new()
        };
        parts.push(format!(
            "`{}` and `{}` share their random numbers{more}",
            pair.first, pair.second
        ));
    }
    if let Some(tensor) = repeated.first() {
        let rows: usize = repeated.iter().map(|tensor| tensor.statistics.repeated_rows).sum();
        parts.push(format!("{rows} units repeat others bit by bit, first in `{}`", tensor.name));
    }
    if parts.is_empty() {
        return None;
    }
    let mut numbers: Vec<Evidence> = pairs
        .iter()
        .take(6)
        .map(|pair| {
            let quantity = format!("correlation of `{}` and `{}`", pair.first, pair.second);
            Evidence::new(quantity, Some(0.0), Some(exact(pair.correlation)))
        })
        .collect();
    numbers.extend(evidence(&repeated, "repeated rows", |tensor| {
        (Some(0.0), exact(tensor.statistics.repeated_rows as f64))
    }));
    Some(Finding {
        id: "duplicated-draws",
        severity: Severity::Error,
        title: parts.join("; "),
        explanation: "Draws that should be independent are copies: equal units stay equal, equal layers are correlated."
            .to_owned(),
        evidence: numbers,
        remedy: Some("seed once before the first layer, and draw after copying modules".to_owned()),
        references: &[],
    })
}
