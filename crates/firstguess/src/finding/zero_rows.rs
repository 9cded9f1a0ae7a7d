//! Some units have no weights at all: rows or columns of zeros.
//!
//! A row of zeros is a unit that sees no input, a column of zeros an input that no unit sees. No law with a density draws one
//! zero; they come from tensors that were filled in part, enlarged by padding, or pruned.
//!
//! ## When
//!
//! Error, if a weight matrix or kernel that is not all zero has a row or a column of zeros. One row of zeros in an embedding is
//! its padding and no finding.
//!
//! ## What to do
//!
//! Draw the whole tensor. If it was enlarged, draw the new rows from the law of the others.
//!
//! References: none.

use super::audited::{evidence, exact, which};
use super::{Finding, Severity};
use crate::audit::{Audit, Role, TensorAudit};

pub(super) fn judge(audit: &Audit) -> Option<Finding> {
    let empty = |tensor: &&TensorAudit| match tensor.role {
        Role::Weight => tensor.statistics.zero_rows + tensor.statistics.zero_columns > 0,
        Role::Embedding => tensor.statistics.zero_rows > 1,
        _ => false,
    };
    let found: Vec<&TensorAudit> = audit.tensors.iter().filter(empty).collect();
    if found.is_empty() {
        return None;
    }
    let rows: usize = found.iter().map(|tensor| tensor.statistics.zero_rows).sum();
    let columns: usize = found.iter().map(|tensor| tensor.statistics.zero_columns).sum();
    Some(Finding {
        id: "zero-rows",
        severity: Severity::Error,
        title: format!(
            "{rows} units without weights and {columns} inputs that no unit sees, in {}",
            which(&found, audit.weights().count())
        ),
        explanation: "A unit without weights gives a constant; no law draws one.".to_owned(),
        evidence: evidence(&found, "rows of zeros", |tensor| {
            (Some(0.0), exact(tensor.statistics.zero_rows as f64))
        }),
        remedy: Some("draw the whole tensor from one law".to_owned()),
        references: &[],
    })
}
