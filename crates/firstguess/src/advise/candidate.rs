//! The initializations that advice chooses from: one file each, and one list.
//!
//! A candidate proposes a spec, or says why it has none for this network. What it is worth is not its own judgement: all are
//! measured alike (`objective`).

mod activation_centring;
mod critical;
mod gaussian_pair;
mod he;
mod input_centring;
mod orthogonal;
mod orthogonal_preserving;
mod present;
mod residual_scaling;

use super::edge::Edge;
use crate::spec::Spec;
use crate::spec::activation::Activation;
use crate::spec::dataset::Dataset;
use crate::spec::network::{Network, Op};
use crate::theory::dual::Dual;
use crate::theory::predict::InputStatistics;
use serde::Serialize;

/// What a candidate changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// How weights are drawn, nothing else: only these are recommended.
    Weights,
    /// How inputs are scaled.
    Inputs,
    /// The network itself.
    Model,
}

/// What a candidate proposes.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// In a few words.
    pub title: String,
    /// Why one would want it.
    pub why: String,
    /// The whole question with the change made.
    pub spec: Spec,
    /// The inputs, where they change.
    pub data: Option<Dataset>,
}

impl Proposal {
    fn new(title: impl Into<String>, why: impl Into<String>, spec: Spec) -> Self {
        Self { title: title.into(), why: why.into(), spec, data: None }
    }
}

/// A way to propose.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Stable name.
    pub id: &'static str,
    /// What it changes.
    pub kind: Kind,
    pub(super) propose: fn(&Case<'_>) -> Result<Proposal, String>,
}

const fn candidate(
    id: &'static str,
    kind: Kind,
    propose: fn(&Case<'_>) -> Result<Proposal, String>,
) -> Candidate {
    Candidate { id, kind, propose }
}

/// Every candidate. Of those that are level by the objective the first is taken, so that what is there already stays.
///
/// Those that change more than weights are tried on top of the best that changes weights alone.
pub const CANDIDATES: &[Candidate] = &[
    candidate("present", Kind::Weights, present::propose),
    candidate("orthogonal_critical", Kind::Weights, orthogonal::propose),
    candidate("critical", Kind::Weights, critical::propose),
    candidate("orthogonal_preserving", Kind::Weights, orthogonal_preserving::propose),
    candidate("he", Kind::Weights, he::propose),
    candidate("residual_scaling", Kind::Weights, residual_scaling::propose),
    candidate("input_centring", Kind::Inputs, input_centring::propose),
    candidate("activation_centring", Kind::Model, activation_centring::propose),
    candidate("gaussian_pair", Kind::Model, gaussian_pair::propose),
];

/// What candidates look at.
pub(super) struct Case<'a> {
    /// The question; for candidates that change more than weights, the best answer to it by weights alone.
    pub(super) spec: &'a Spec,
    pub(super) data: &'a Dataset,
    pub(super) network: &'a Network,
    /// The critical variances, or why there are none.
    pub(super) edge: &'a Result<Edge, String>,
}

impl Case<'_> {
    /// The one activation of the network.
    pub(super) fn activation(&self) -> Result<Activation, String> {
        only_activation(self.network)
    }

    /// The same, of a network in which one layer after the other acts, without streams, normalisations and pools.
    pub(super) fn plain(&self) -> Result<Activation, String> {
        let activation = self.activation()?;
        match obstacle(self.network) {
            Some(obstacle) => Err(format!("the network has {obstacle}")),
            None => Ok(activation),
        }
    }

    pub(super) fn dual(&self) -> Result<Dual, String> {
        Ok(Dual::new(&self.activation()?))
    }

    pub(super) fn input(&self) -> InputStatistics {
        InputStatistics::of(self.data)
    }

    pub(super) fn has_convolutions(&self) -> bool {
        let mut found = false;
        self.network.visit(&mut |node| found |= matches!(node.op, Op::Conv(..)));
        found
    }
}

pub(super) fn only_activation(network: &Network) -> Result<Activation, String> {
    let mut found: Vec<Activation> = Vec::new();
    for activation in network.activations() {
        if !found.contains(&activation) {
            found.push(activation);
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err("the network has no activation".to_owned()),
        n => Err(format!("the network has {n} activations")),
    }
}

/// The first thing that makes a network more than layers and activations.
pub(super) fn obstacle(network: &Network) -> Option<String> {
    let mut found = None;
    network.visit(&mut |node| {
        if found.is_none() {
            found = match &node.op {
                Op::Residual { .. } => Some("residual blocks".to_owned()),
                Op::Norm(norm) => Some(format!("a {}", norm.name())),
                Op::Pool { kind, .. } => Some(format!("a {}", kind.key())),
                _ => None,
            };
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_candidate_has_a_name_of_its_own() {
        for (position, candidate) in CANDIDATES.iter().enumerate() {
            assert!(CANDIDATES[..position].iter().all(|other| other.id != candidate.id));
        }
        assert_eq!(CANDIDATES[0].id, "present");
    }
}
