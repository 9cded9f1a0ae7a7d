//! Values that nobody draws: NaN, infinities, numbers below the normal range or of absurd size.
//!
//! `torch.empty`, a `meta` tensor that was materialised, or a parameter that a loader forgot hold whatever stood in memory before.
//! Often that is zeros and a few numbers like 1e-41 or 4e+28; one of them spoils every output.
//!
//! ## When
//!
//! Error, if a tensor holds NaN or infinity, a number above 1e8, one more than a thousand standard deviations of its law away, or
//! denormal numbers in more than a thousandth of its places.
//!
//! ## What to do
//!
//! Draw the named tensors (`reset_parameters`, `firstguess init`), and look for a loader with `strict=False` or a module that is
//! made on the device `meta`. Embeddings and positional tables are forgotten most.
//!
//! References: none; what no law gives needs none.

use super::audited::{evidence, exact, which};
use super::{Finding, Severity};
use crate::audit::{Audit, TensorAudit};
use crate::spec::weights::WeightFamily;

/// Standard deviations that no draw is away.
const ABSURD: f64 = 1e3;

pub(super) fn judge(audit: &Audit) -> Option<Finding> {
    let found: Vec<&TensorAudit> = audit.tensors.iter().filter(|tensor| spoiled(tensor)).collect();
    if found.is_empty() {
        return None;
    }
    let sum = |count: fn(&TensorAudit) -> usize| found.iter().map(|t| count(t)).sum::<usize>();
    Some(Finding {
        id: "uninitialised-memory",
        severity: Severity::Error,
        title: format!(
            "what nobody draws stands in {}: {} NaN, {} infinities, {} denormal numbers, {} above 1e8",
            which(&found, audit.tensors.len()),
            sum(|t| t.statistics.nan),
            sum(|t| t.statistics.infinite),
            sum(|t| t.statistics.denormal),
            sum(|t| t.statistics.huge),
        ),
        explanation: "That is memory that was never written, or a training that had blown up."
            .to_owned(),
        evidence: evidence(&found, "values out of any law", |tensor| {
            let s = &tensor.statistics;
            (Some(0.0), exact((s.nan + s.infinite + s.denormal + s.huge) as f64))
        }),
        remedy: Some("draw these tensors; look for a loader that left them out".to_owned()),
        references: &[],
    })
}

fn spoiled(tensor: &TensorAudit) -> bool {
    let s = &tensor.statistics;
    let heavy = |family| matches!(family, WeightFamily::StudentT { .. });
    let absurd = tensor
        .expected
        .as_ref()
        .is_some_and(|e| e.std > 0.0 && !heavy(e.family) && s.largest > ABSURD * e.std);
    !s.is_finite() || s.huge > 0 || s.denormal * 1000 > s.count || absurd
}
