//! Another activation with its own law of the weights, `gaussian_pair(2)`: pre-activations stay exactly normal at every width
//! (`wolinski2025`). For dense networks with an odd activation, of which it is a relative.

use super::super::layers;
use super::{Case, Proposal};
use crate::spec::activation::{Activation, Parity};
use crate::spec::network::Op;
use crate::spec::scheme::{InitScheme, Scheme};

pub(super) fn propose(case: &Case<'_>) -> Result<Proposal, String> {
    let activation = case.plain()?;
    if activation.parity() != Parity::Odd || activation.homogeneity().is_some() {
        return Err(format!("a pair replaces odd, curved activations; {activation} is none"));
    }
    let mut dense = true;
    case.network.visit(&mut |node| dense &= !matches!(node.op, Op::Conv(..)));
    if !dense {
        return Err("pairs are for dense layers".to_owned());
    }
    let pair: Activation = "gaussian_odd(2)".parse().map_err(|_| "no such pair".to_owned())?;
    let scheme: Scheme = "gaussian_pair(2)".parse().map_err(|_| "no such pair".to_owned())?;
    let mut spec = case.spec.clone();
    spec.init = InitScheme::new(scheme);
    layers::strip(&mut spec.network.layers);
    layers::replace_activations(&mut spec.network.layers, &pair);
    Ok(Proposal::new(
        format!("{activation} replaced by {pair}, Rayleigh weights with random sign"),
        "pre-activations keep the law N(0, 1) exactly, at every width (wolinski2025)",
        spec,
    ))
}
