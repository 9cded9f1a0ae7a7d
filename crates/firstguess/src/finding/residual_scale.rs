//! The last weights of residual branches were not scaled down.
//!
//! A stream of `n` branches adds up `n` terms. Drawn like all others, they let the variance of the stream grow with the depth, in
//! networks without normalisation exponentially; the usual remedy draws the last layer of every branch smaller by `1/√n`
//! (`1/√(2L)` for a transformer of `L` blocks). Code that initialises all layers alike afterwards undoes it without a word.
//!
//! ## When
//!
//! Error, if the model draws the layers that end its branches smaller than the others, and the file holds them larger by `√n` or
//! `√(2n)` to 10 %; `n` is the number of branches. Warning for files of GPT-2's names (`h.0.mlp.c_proj.weight`) whose projections
//! have the scale of the other layers to 10 %, where no law is known.
//!
//! ## What to do
//!
//! Scale them after all other draws.
//!
//! References: `yang2017`.

use super::audited::{evidence, exact, factors, which, worst};
use super::{Finding, Severity, short};
use crate::audit::{Audit, Role, TensorAudit};

/// Relative distance within which a factor is the missing one.
const CLOSE: f64 = 0.1;

/// Blocks from which the factor is clear of 1.
const BLOCKS: usize = 6;

pub(super) fn judge(audit: &Audit) -> Option<Finding> {
    let found: Vec<&TensorAudit> =
        audit.tensors.iter().filter(|tensor| unscaled(tensor, audit.branches)).collect();
    if let Some((tensor, factor)) = worst(&found) {
        return Some(Finding {
            id: "residual-scale",
            severity: Severity::Error,
            title: format!(
                "residual branches end unscaled in {}: at worst {} times the law (`{}`), 1/√{} is missing",
                which(&found, audit.weights().count()),
                short(factor),
                tensor.name,
                audit.branches
            ),
            explanation: EXPLANATION.to_owned(),
            evidence: factors(&found),
            remedy: Some(REMEDY.to_owned()),
            references: &["yang2017"],
        });
    }
    by_name(audit)
}

const EXPLANATION: &str =
    "Unscaled branches add up over the depth: the stream grows, and with it every later gradient.";
const REMEDY: &str =
    "multiply the last weights of each branch by 1/√(number of branches), after all other draws";

/// Whether the factor `1/√n` is what is missing.
pub(super) fn unscaled(tensor: &TensorAudit, branches: usize) -> bool {
    let (Some(expected), Some(deviation)) = (&tensor.expected, &tensor.deviation) else {
        return false;
    };
    let n = branches as f64;
    expected.role == Role::Weight
        && expected.scaled_branch
        && [n, 2.0 * n].iter().any(|n| (deviation.factor / n.sqrt()).ln().abs() < CLOSE)
}

/// GPT-2's own code scales its projections; a file of its names that does not has lost the scale.
fn by_name(audit: &Audit) -> Option<Finding> {
    if audit.law.is_some() {
        return None;
    }
    let in_block = |tensor: &&TensorAudit| {
        let mut parts = tensor.name.split('.');
        let block = parts.any(|part| part == "h")
            && parts.next().is_some_and(|number| number.parse::<usize>().is_ok());
        block && tensor.role == Role::Weight && tensor.statistics.is_finite()
    };
    let ends = |tensor: &&TensorAudit| tensor.name.ends_with("c_proj.weight");
    let all: Vec<&TensorAudit> = audit.tensors.iter().filter(in_block).collect();
    let (projections, others): (Vec<&TensorAudit>, Vec<&TensorAudit>) =
        all.into_iter().partition(|tensor| ends(tensor));
    if projections.len() < 2 * BLOCKS || others.is_empty() {
        return None;
    }
    let scale = |found: &[&TensorAudit]| {
        let mut sizes: Vec<f64> = found.iter().map(|t| t.statistics.root_mean_square).collect();
        sizes.sort_unstable_by(f64::total_cmp);
        sizes[sizes.len() / 2]
    };
    let ratio = scale(&projections) / scale(&others);
    if !((ratio.ln()).abs() < CLOSE) {
        return None;
    }
    let wanted = (projections.len() as f64).sqrt().recip();
    Some(Finding {
        id: "residual-scale",
        severity: Severity::Warning,
        title: format!(
            "{} projections into the stream have the scale of the other layers (ratio {}), where GPT-2 has {}",
            projections.len(),
            short(ratio),
            short(wanted)
        ),
        explanation: EXPLANATION.to_owned(),
        evidence: evidence(&projections, "root mean square", |tensor| {
            (Some(wanted * scale(&others)), exact(tensor.statistics.root_mean_square))
        }),
        remedy: Some(REMEDY.to_owned()),
        references: &["yang2017"],
    })
}
