//! Which engine draws the networks, and what it says about itself.

use super::conditioned::{self, Law, Path};
use super::run::{MeasureError, Options};
use crate::net::MAX_BYTES;
use crate::net::Program;
use crate::spec::Dataset;
use crate::spec::experiment::Engine;
use crate::spec::network::Network;
use crate::spec::scheme::LayerInit;
use serde::Serialize;

/// How the networks were drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EngineReport {
    /// `direct`: with weights; `conditioned`: without.
    pub engine: &'static str,
    /// Why this one.
    pub reason: String,
    /// Of the conditioned engine, how each layer was sampled, in the order of their index.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerPaths>,
}

/// How one layer was sampled, in networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LayerPaths {
    /// Position among the layers with weights, from 1.
    pub index: usize,
    /// The pre-activations.
    pub forward: PathCounts,
    /// The gradients, one or two for each network.
    pub backward: PathCounts,
}

/// How often each path was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PathCounts {
    /// Cholesky factor of a Gram matrix of f32 products.
    pub gram_f32: u64,
    /// The same in f64, where rows nearly depend on each other.
    pub gram_f64: u64,
    /// QR factorization, where they do.
    pub qr: u64,
    /// Weights drawn after all: more inputs than live units before the layer, or cheaper.
    pub direct: u64,
}

impl PathCounts {
    pub(super) fn add(&mut self, path: Path) {
        *match path {
            Path::Single => &mut self.gram_f32,
            Path::Double => &mut self.gram_f64,
            Path::Orthogonal => &mut self.qr,
            Path::Direct => &mut self.direct,
        } += 1;
    }
}

/// The engine of a measurement.
pub(super) enum Choice<'a> {
    Direct,
    Conditioned(Box<Law<'a>>),
}

/// What the conditioned engine must save before `auto` takes it: its cost model is good to some ten percent.
const WORTH_IT: f64 = 0.8;

/// The engine that was asked for, or the cheaper one; and why.
pub(super) fn choose<'a>(
    network: &Network,
    inits: &'a [LayerInit],
    data: &Dataset,
    options: &Options,
    program: &Program,
) -> Result<(Choice<'a>, String), MeasureError> {
    let law = |by_cost| Law::new(network, inits, data, options.gradients, by_cost);
    match (options.engine, conditioned::obstacle(network, inits)) {
        (Engine::Direct, _) => Ok((Choice::Direct, "asked for".to_owned())),
        (Engine::Conditioned, None) => {
            Ok((Choice::Conditioned(Box::new(law(false))), "asked for".to_owned()))
        }
        (Engine::Conditioned, Some(problem)) => Err(MeasureError::Engine { problem }),
        (Engine::Auto, Some(problem)) => Ok((Choice::Direct, problem)),
        (Engine::Auto, None) => {
            if program.bytes::<f32>(data.examples()) > MAX_BYTES {
                let why = "all inputs at once, as sampling without weights needs them, take too much memory";
                return Ok((Choice::Direct, why.to_owned()));
            }
            let law = law(true);
            let [without, with] = law.costs(network, data);
            if network.parameters().saturating_mul(4) > MAX_BYTES {
                let why = "the weights would not fit into memory";
                return Ok((Choice::Conditioned(Box::new(law)), why.to_owned()));
            }
            if without < WORTH_IT * with {
                let why = format!("about {:.1} times as fast as drawing weights", with / without);
                return Ok((Choice::Conditioned(Box::new(law)), why));
            }
            let why = if without < with {
                "sampling without weights would save less than a fifth".to_owned()
            } else {
                format!("about {:.1} times as fast as sampling without weights", without / with)
            };
            Ok((Choice::Direct, why))
        }
    }
}
