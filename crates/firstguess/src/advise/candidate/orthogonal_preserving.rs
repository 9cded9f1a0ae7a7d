//! Orthogonal weights that keep the signal at variance one, whatever the gradients do.
//!
//! Where the variance at rest of the edge of chaos repels (GELU, SiLU, Mish), narrow networks leave it. At unit variance such an
//! activation is off the edge by a few percent per layer, and orthogonal weights let the variance scatter less: over some
//! twenty layers that loses less than the drift does. This is what LSUV (`mishkin2016`) comes to, without its passes.

use super::super::edge::Edge;
use super::orthogonal::family;
use super::{Case, Proposal};

pub(super) fn propose(case: &Case<'_>) -> Result<Proposal, String> {
    case.plain()?;
    let dual = case.dual()?;
    if dual.homogeneous().is_some() {
        return Err("a homogeneous activation keeps every variance where it is critical".to_owned());
    }
    let second = dual.moments(1.0).second;
    if !(second.is_finite() && second > 0.0) {
        return Err(format!("E φ(z)² = {second}: no weight variance keeps the signal"));
    }
    let (law, name) = family(case);
    let mut spec = Edge::keeping(1.0 / second, 1.0).spec(case.spec, case.data);
    spec.init.weight_law = Some(law);
    Ok(Proposal::new(
        format!("variance kept at one, {name} weights"),
        "σ_w² = 1/E φ(z)²: signals keep their size; gradients change by what the activation makes of that (mishkin2016)",
        spec,
    ))
}
