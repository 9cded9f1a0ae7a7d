//! The weight variance at which gradients come through the whole network unchanged, borders and head included.
//!
//! Zero padding takes something from every convolution, so that the edge of chaos of the layers alone is ordered for the network:
//! the smaller the images and the deeper the network, the more.

use super::super::edge::Edge;
use super::{Case, Proposal};

pub(super) fn propose(case: &Case<'_>) -> Result<Proposal, String> {
    if !case.has_convolutions() {
        return Err("without convolutions nothing is lost at borders".to_owned());
    }
    if case.network.residual_blocks > 0 {
        return Err("a residual stream has no edge of chaos".to_owned());
    }
    let edge = Edge::of_whole_network(case.network, case.input())?;
    Ok(Proposal::new(
        "critical for the whole network, normal weights",
        "the edge of chaos with what convolutions lose at the borders of these images",
        edge.spec(case.spec, case.data),
    ))
}
