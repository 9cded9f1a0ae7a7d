//! Weights that are made where a pass needs them, and never kept.

use super::error::NetError;
use super::weights::{Geometry, LayerSource, geometry};
use crate::math::stream::Seed;
use crate::spec::network::Network;
use crate::spec::scheme::LayerInit;

/// Most weights of a dense layer that are made at a time: 16 MiB in f32.
const PANEL: usize = 4 << 20;

/// Most results of a dense layer that are worked on at a time: 2 MiB in f32.
const RESULTS: usize = 1 << 19;

/// How every layer of a network is drawn.
///
/// The random numbers are addressed by element, so that a pass can make the weights of one layer, or some columns of a very
/// wide one, where it needs them: [`Tape::forward_drawn`](super::Tape::forward_drawn) runs a network whose weights would
/// fit into no memory. Making a weight costs a thirtieth of using it on a thousand inputs.
///
/// # Examples
///
/// ```
/// use firstguess::math::stream::Seed;
/// use firstguess::net::{Masks, Program, Record, Recipe, Tape, Weights};
/// use firstguess::spec::{Activation, Architecture, InitScheme, Shape};
/// let network = Architecture::mlp(&Activation::Tanh, 3, 64, 10).resolve(&Shape::flat(64)?)?;
/// let init = InitScheme::explicit(2.0, 0.1);
/// let layers = network.weights().iter().map(|w| init.layer(w)).collect::<Result<Vec<_>, _>>()?;
/// let program = Program::new(&network, Record::Nothing);
/// let (mut made, mut kept) = (Tape::new(&program), Tape::new(&program));
/// let inputs = [0.5_f32; 64];
///
/// let recipe = Recipe::new(&network, &layers)?;
/// made.forward_drawn(&recipe.draw(Seed(0), 7), &inputs, Masks::Off, |_| {})?;
/// let weights = Weights::draw(&network, &layers, Seed(0), 7)?;
/// kept.forward(&weights, &inputs, Masks::Off, |_| {})?;
/// assert_eq!(made.logits(), kept.logits());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    layers: Vec<(Geometry, LayerInit)>,
    panel: usize,
}

impl Recipe {
    /// `inits` has one entry for each layer with weights, in the order of their index.
    ///
    /// # Errors
    ///
    /// [`NetError::Length`] unless there is one `init` per layer.
    pub fn new(network: &Network, inits: &[LayerInit]) -> Result<Self, NetError> {
        let geometry = geometry(network);
        if inits.len() != geometry.len() {
            return Err(NetError::Length {
                what: "the initialization, in layers,",
                expected: geometry.len().to_string(),
                found: inits.len(),
            });
        }
        Ok(Self { layers: geometry.into_iter().zip(inits.iter().cloned()).collect(), panel: PANEL })
    }

    /// The weights of one draw: those of [`Weights::draw`](super::Weights::draw) at the same seed and number.
    pub fn draw(&self, seed: Seed, draw: u64) -> Drawing<'_> {
        Drawing { recipe: self, seed, draw }
    }

    /// The same with so many weights at a time.
    #[cfg(test)]
    pub(super) fn with_panel(self, panel: usize) -> Self {
        Self { panel, ..self }
    }
}

/// The weights of one draw, not made yet.
#[derive(Debug, Clone, Copy)]
pub struct Drawing<'r> {
    recipe: &'r Recipe,
    seed: Seed,
    draw: u64,
}

impl<'r> Drawing<'r> {
    /// The layer at a position, from zero.
    pub(super) fn layer(&self, position: usize) -> LayerSource<'r> {
        let (geometry, init) = &self.recipe.layers[position];
        LayerSource {
            geometry: *geometry,
            init,
            index: position + 1,
            seed: self.seed,
            draw: self.draw,
        }
    }

    /// Whether any part of a layer can be made without the rest.
    pub(super) fn is_drawn_in_parts(&self, position: usize) -> bool {
        self.recipe.layers[position].1.family.is_independent()
    }

    /// Columns of a dense layer to make at a time: the caches hold what the product of a batch with them adds to.
    pub(super) fn panel_columns(&self, position: usize, batch: usize) -> usize {
        let (Geometry { fan_in, outputs, .. }, _) = self.recipe.layers[position];
        if !self.is_drawn_in_parts(position) {
            return outputs;
        }
        let within = |values: usize, rows: usize| {
            if rows.saturating_mul(outputs) <= values {
                return outputs;
            }
            // Groups of 64 weights are the unit in which they are made.
            (values / rows / 64 * 64).clamp(64, outputs.max(64))
        };
        within(self.recipe.panel, fan_in).min(within(RESULTS, batch))
    }

    /// Number of layers, and entries and outputs of each.
    pub(super) fn shapes(&self) -> impl ExactSizeIterator<Item = (usize, usize)> {
        self.recipe.layers.iter().map(|(layer, _)| (layer.fan_in * layer.outputs, layer.outputs))
    }
}
