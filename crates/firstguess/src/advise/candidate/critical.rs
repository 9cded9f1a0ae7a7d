//! The edge of chaos with the smallest useful bias variance: gradients keep their size, and the signal starts where it stays.

use super::{Case, Proposal};
use crate::spec::Spec;
use crate::spec::weights::WeightFamily;

pub(super) fn propose(case: &Case<'_>) -> Result<Proposal, String> {
    let spec = at_the_edge(case, WeightFamily::Normal)?;
    Ok(Proposal::new(
        "critical, normal weights",
        "the edge of chaos: gradients keep their size from layer to layer (schoenholz2017, hayou2019)",
        spec,
    ))
}

/// The critical variances, drawn from this law; the first layer brings the inputs to the variance at rest.
pub(super) fn at_the_edge(case: &Case<'_>, family: WeightFamily) -> Result<Spec, String> {
    let edge = case.edge.as_ref().map_err(Clone::clone)?;
    let mut spec = edge.spec(case.spec, case.data);
    spec.init.weight_law = (family != WeightFamily::Normal).then_some(family);
    Ok(spec)
}
