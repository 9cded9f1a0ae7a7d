//! What the question asks with: the initialization as it stands.

use super::{Case, Proposal};

pub(super) fn propose(case: &Case<'_>) -> Result<Proposal, String> {
    let scheme = &case.spec.init.scheme;
    Ok(Proposal::new(
        format!("as it stands: {scheme}"),
        "what there is already, and stays unless another is better",
        case.spec.clone(),
    ))
}
