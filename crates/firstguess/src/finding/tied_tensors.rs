//! Two tensors are equal: tied, or copied.
//!
//! Language models often use one matrix for the embedding and the output. A file then holds it once or twice. If the model is to
//! have two matrices, they were copied by mistake.
//!
//! ## When
//!
//! Note, if two tensors of the same shape are equal bit by bit and one of them is an embedding or a head by its name. Any other
//! pair of equal tensors is `duplicated-draws`.
//!
//! ## What to do
//!
//! Nothing if they are tied on purpose; remember that a tied matrix cannot have the scale of both its uses.
//!
//! References: none.

use super::audited::exact;
use super::{Evidence, Finding, Severity};
use crate::audit::{Audit, Duplicate};

/// Parts of names under which one matrix serves twice.
const TIED: [&str; 7] =
    ["embed", "wte", "lm_head", "tok", "shared", "decoder.weight", "head.weight"];

pub(super) fn may_be_tied(pair: &Duplicate) -> bool {
    let tied = |name: &str| TIED.iter().any(|part| name.to_lowercase().contains(part));
    pair.identical && (tied(&pair.first) || tied(&pair.second))
}

pub(super) fn judge(audit: &Audit) -> Option<Finding> {
    let pairs: Vec<&Duplicate> = audit.duplicates.iter().filter(|pair| may_be_tied(pair)).collect();
    let first = pairs.first()?;
    Some(Finding {
        id: "tied-tensors",
        severity: Severity::Note,
        title: format!("`{}` and `{}` are equal: tied", first.first, first.second),
        explanation: "One matrix serves twice; if it should not, it was copied.".to_owned(),
        evidence: pairs
            .iter()
            .map(|pair| {
                let quantity = format!("correlation of `{}` and `{}`", pair.first, pair.second);
                Evidence::new(quantity, None, Some(exact(pair.correlation)))
            })
            .collect(),
        remedy: None,
        references: &[],
    })
}
