//! The last weights of every residual branch times `1/√n`, `n` the number of branches: `1/√L` for a stream of `L` branches,
//! `1/√(2L)` for a transformer of `L` blocks of two.
//!
//! Every block multiplies variances and gradients by `1 + s² χ`: unscaled that is exponential in the depth, with `s² = 1/n` it
//! tends to `e^χ` (`yang2017`).

use super::super::layers;
use super::{Case, Proposal};
use crate::spec::Spec;
use crate::spec::layer::OwnVariances;
use crate::spec::network::Op;
use crate::spec::scheme::InitScheme;
use crate::theory::critical::homogeneous_criticality;

pub(super) fn propose(case: &Case<'_>) -> Result<Proposal, String> {
    let blocks = case.network.residual_blocks;
    if blocks == 0 {
        return Err("the network has no residual blocks".to_owned());
    }
    let mut scaled = false;
    case.network.visit(&mut |node| {
        if let Op::Residual { branch_scale, .. } = &node.op {
            scaled |= branch_scale.abs() * (blocks as f64).sqrt() < 1.5 && blocks > 2;
        }
    });
    if scaled {
        return Err("the network scales its branches itself (branch_scale)".to_owned());
    }
    // In a stream of order one any weights of order one will do; those that keep a layer's variance are the natural ones.
    let weight = case
        .dual()
        .ok()
        .and_then(|dual| homogeneous_criticality(&dual))
        .map_or(1.0, |both| both.forward_weight_variance);
    let mut spec = Spec { init: InitScheme::explicit(weight, 0.0), ..case.spec.clone() };
    layers::strip(&mut spec.network.layers);
    let own = OwnVariances { weight_variance: Some(weight / blocks as f64), bias_variance: None };
    if layers::set_branch_ends(&mut spec.network.layers, own) == 0 {
        return Err("no residual branch has weights".to_owned());
    }
    Ok(Proposal::new(
        format!("branches scaled by 1/√{blocks}"),
        "the sum over the stream stays of order one, whatever the depth (yang2017)",
        spec,
    ))
}
