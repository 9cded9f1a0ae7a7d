//! He's rule: `σ_w² = 2`, no biases; exactly critical for ReLU (`he2015`).

use super::super::layers;
use super::{Case, Proposal};
use crate::spec::Spec;
use crate::spec::scheme::{Draw, InitScheme, Scheme};

pub(super) fn propose(case: &Case<'_>) -> Result<Proposal, String> {
    let mut spec = Spec { init: InitScheme::new(Scheme::He(Draw::Normal)), ..case.spec.clone() };
    layers::strip(&mut spec.network.layers);
    Ok(Proposal::new("He, normal weights", "σ_w² = 2: critical for ReLU (he2015)", spec))
}
