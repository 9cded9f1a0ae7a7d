//! The same variances with orthogonal weights: over networks of finite width gradients scatter less.
//!
//! Convolutions without stride are drawn delta-orthogonal, which carries every spatial frequency alike (`xiao2018`).

use super::critical::at_the_edge;
use super::{Case, Proposal};
use crate::spec::weights::WeightFamily;

pub(super) fn propose(case: &Case<'_>) -> Result<Proposal, String> {
    let (law, name) = family(case);
    let spec = at_the_edge(case, law)?;
    Ok(Proposal::new(
        format!("critical, {name} weights"),
        "the edge of chaos; orthogonal weights keep norms at finite width too (saxe2014, xiao2018)",
        spec,
    ))
}

/// The orthogonal law that suits the layers, and its name.
pub(super) fn family(case: &Case<'_>) -> (WeightFamily, &'static str) {
    if case.has_convolutions() {
        (WeightFamily::DeltaOrthogonal, "delta-orthogonal")
    } else {
        (WeightFamily::Orthogonal, "orthogonal")
    }
}
