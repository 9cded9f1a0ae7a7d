//! Networks without weights: exactly the law of their pre-activations and gradients, from Gram matrices.
//!
//! For independent normal weights of variance `σ²` and inputs `A` (`[batch, inputs]`) of a dense layer, `H = A Wᵀ + b` given
//! `A` is
//!
//! ```text
//! H = σ F Z + b,   F Fᵀ = A Aᵀ,   Z standard normal, [batch, outputs]
//! ```
//!
//! and, given `H` too, `G W` for any gradient `G` at the outputs that later layers send back is
//!
//! ```text
//! G W = σ [ (G Zᵀ - M Z' Q) Qᵀ + M Z' ],   M Mᵀ = G Gᵀ,   Qᵀ = F⁻¹ A,   Z' standard normal, [batch, inputs]
//! ```
//!
//! `W` seen through `A` is known from `Z`, the rest of it is fresh. Fresh weights instead would be wrong: a gradient that
//! depends on the output is correlated with the weights (at width 48 and five layers by a factor of ten in its square).
//! Batch times width random numbers replace width squared ones.
//!
//! Valid for dense layers with independent normal weights and biases of any law. Between them may stand anything that has
//! no weights, residual sums included, since every weight acts on one matrix only. Each gradient sent backward has the
//! exact law by itself; two gradients of one draw are independent given the forward pass, which with weights they are not.
//!
//! # References
//!
//! Derived in docs/theory/ensembles.md.

mod cost;
mod factor;
mod rows;
mod sampler;
#[cfg(test)]
mod tests;

pub(super) use factor::Path;
pub(super) use sampler::{Sampler, Scratch};

use super::engine::PathCounts;
use crate::spec::Dataset;
use crate::spec::network::{Network, Op};
use crate::spec::scheme::LayerInit;
use crate::spec::weights::WeightFamily;
use cost::Sizes;
use factor::Factor;
use rows::Rows;
use std::sync::OnceLock;

/// What the networks of an ensemble share.
#[derive(Debug)]
pub(super) struct Law<'a> {
    inits: &'a [LayerInit],
    /// Layers whose weights are drawn all the same, because that is cheaper.
    direct: Vec<bool>,
    /// The distinct inputs, where some are equal and stay so.
    rows: Option<Rows>,
    /// Whether gradients go backward.
    backward: bool,
    /// The factor of the data; `None` inside where there is none.
    data: OnceLock<Option<Factor>>,
}

/// Which paths one layer of one network took: forward, and backward by gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Paths {
    forward: Option<Path>,
    backward: [Option<Path>; 2],
}

impl Paths {
    fn mark_backward(&mut self, signal: usize, path: Path) {
        if let Some(slot) = self.backward.get_mut(signal) {
            *slot = Some(path);
        }
    }

    pub(super) fn count(self, forward: &mut PathCounts, backward: &mut PathCounts) {
        self.forward.into_iter().for_each(|path| forward.add(path));
        self.backward.into_iter().flatten().for_each(|path| backward.add(path));
    }
}

impl<'a> Law<'a> {
    /// The law of networks on these data; with `by_cost`, layers that are cheaper with weights get them.
    pub(super) fn new(
        network: &Network,
        inits: &'a [LayerInit],
        data: &Dataset,
        gradients: bool,
        by_cost: bool,
    ) -> Self {
        let rows =
            if rows_stay_equal(network) { Rows::of(data.inputs(), data.features()) } else { None };
        let sizes = sizes(data, rows.as_ref(), gradients);
        let direct = network
            .weights()
            .iter()
            .map(|layer| {
                by_cost && cost::direct(layer, sizes, false) < cost::conditioned(layer, sizes)
            })
            .collect();
        Self { inits, direct, rows, backward: gradients, data: OnceLock::new() }
    }

    /// The factor of the data, found once; `None` where the rows outnumber the features that live.
    fn on_data(&self, input: &[f32], rows: usize, columns: usize) -> Option<&Factor> {
        self.data.get_or_init(|| Factor::of(input, rows, columns)).as_ref()
    }

    /// Nanoseconds of a draw as it will be made, and of one with weights.
    pub(super) fn costs(&self, network: &Network, data: &Dataset) -> [f64; 2] {
        let sizes = sizes(data, self.rows.as_ref(), self.backward);
        let mut costs = [0.0; 2];
        for (layer, direct) in network.weights().iter().zip(&self.direct) {
            costs[0] += if *direct {
                cost::direct(layer, sizes, false)
            } else {
                cost::conditioned(layer, sizes)
            };
            costs[1] += cost::direct(layer, sizes, true);
        }
        costs
    }
}

fn sizes(data: &Dataset, rows: Option<&Rows>, gradients: bool) -> Sizes {
    let examples = data.examples();
    let signals = if gradients { 1 + usize::from(data.labels().is_some()) } else { 0 };
    Sizes { examples, distinct: rows.map_or(examples, Rows::distinct), signals }
}

/// Whether equal inputs give equal values everywhere: not under masks of their own.
fn rows_stay_equal(network: &Network) -> bool {
    let mut equal = true;
    network.visit(&mut |node| equal &= !matches!(node.op, Op::Dropout { .. }));
    equal
}

/// Why the weights of a network cannot be left out; `None` where they can.
pub(super) fn obstacle(network: &Network, inits: &[LayerInit]) -> Option<String> {
    let mut found = None;
    network.visit(&mut |node| {
        let problem = match &node.op {
            Op::Conv(weights, _) => Some(format!(
                "layer {} is a convolution, whose weights act on many positions",
                weights.index
            )),
            Op::Dense(weights) => inits.get(weights.index - 1).and_then(|init| {
                let normal = matches!(
                    init.family,
                    WeightFamily::Normal | WeightFamily::Sphere { dimension: 1 }
                );
                (!normal).then(|| format!("layer {} has {} weights", weights.index, init.family))
            }),
            _ => None,
        };
        if found.is_none() {
            found = problem;
        }
    });
    found
}
