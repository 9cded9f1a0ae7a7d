//! Weights refined on data: each layer scaled until its pre-activations have the mean square that is wanted (`mishkin2016`).
//!
//! For networks without theory: whatever the layers before one do, its own scale is measured and set, from the input to the
//! logits. One network at a time, biases are left alone.

use super::Masks;
use super::error::NetError;
use super::program::{Program, Record};
use super::tape::{LayerView, Tape};
use super::weights::Weights;
use crate::spec::network::Network;

/// Relative distance from the target at which a layer is let be.
const TOLERANCE: f64 = 0.01;

/// Passes for one layer; without biases one is enough.
const PASSES: usize = 10;

/// What was done to a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Rescaled {
    /// Mean square pre-activation of each layer when its turn came.
    pub before: Vec<f64>,
    /// The same afterwards.
    pub after: Vec<f64>,
    /// Factor on the weights of each layer.
    pub factors: Vec<f64>,
}

/// Why a network could not be refined.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum RescaleError {
    /// The target is no variance.
    #[error("the target of the refinement must be positive and at most 1e6, got {target}")]
    Target { target: f64 },

    /// Nothing comes through: no factor on zero gives anything else.
    #[error(
        "layer {index} gives {found} for these inputs, so that no factor brings it to the target; use another scheme or inputs \
         that are not all zero"
    )]
    Silent { index: usize, found: &'static str },

    /// The network could not be run.
    #[error(transparent)]
    Net(#[from] NetError),
}

/// Scales the weights of each layer in turn so that the mean square of its pre-activations over `inputs` is `target`.
///
/// `inputs` are `[batch, features]`. Biases stay: they count towards the mean square. The result depends on the weights and
/// the inputs alone.
///
/// # Errors
///
/// [`RescaleError`]: a layer that is silent on these inputs, or a pass that fails.
///
/// # References
///
/// `mishkin2016` (arXiv:1511.06422) on orthogonal weights, with the variance where we take the mean square: a common offset of
/// all inputs counts as signal here.
///
/// # Examples
///
/// ```
/// use firstguess::math::stream::Seed;
/// use firstguess::net::{Weights, rescale_layers};
/// use firstguess::spec::{Activation, Architecture, InitScheme, Shape};
/// let network = Architecture::mlp(&Activation::Tanh, 5, 64, 10).resolve(&Shape::flat(8)?)?;
/// let init = InitScheme::new("orthogonal".parse()?);
/// let layers = network.weights().iter().map(|w| init.layer(w)).collect::<Result<Vec<_>, _>>()?;
/// let mut weights = Weights::draw(&network, &layers, Seed(0), 0)?;
/// let inputs: Vec<f32> = (0..80_u8).map(|i| f32::from(i % 7) - 3.0).collect();
/// let done = rescale_layers(&network, &mut weights, &inputs, 1.0)?;
/// assert!(done.after.iter().all(|q| (q - 1.0).abs() < 0.01));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn rescale_layers(
    network: &Network,
    weights: &mut Weights<f32>,
    inputs: &[f32],
    target: f64,
) -> Result<Rescaled, RescaleError> {
    if !(target > 0.0 && target <= 1e6) {
        return Err(RescaleError::Target { target });
    }
    let program = Program::new(network, Record::Nothing);
    let mut tape = Tape::new(&program);
    let mut done = Rescaled { before: Vec::new(), after: Vec::new(), factors: Vec::new() };
    for index in 1..=weights.layers.len() {
        let (mut before, mut factor) = (None, 1.0);
        for pass in 0.. {
            let found = mean_square(&mut tape, weights, inputs, index)?;
            let first = *before.get_or_insert(found);
            let silent = RescaleError::Silent { index, found: "zero" };
            if found == 0.0 {
                return Err(silent);
            }
            if (found / target - 1.0).abs() <= TOLERANCE || pass == PASSES {
                done.before.push(first);
                done.after.push(found);
                done.factors.push(factor);
                break;
            }
            let step = (target / found).sqrt();
            factor *= step;
            #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
            let single = step as f32;
            for weight in &mut weights.layers[index - 1].weight {
                *weight *= single;
            }
        }
    }
    Ok(done)
}

/// Mean square of one layer's pre-activations; what later layers do does not matter.
fn mean_square(
    tape: &mut Tape<'_, f32>,
    weights: &Weights<f32>,
    inputs: &[f32],
    wanted: usize,
) -> Result<f64, RescaleError> {
    let mut found = None;
    let outcome = tape.forward(weights, inputs, Masks::Off, |view: LayerView<'_, f32>| {
        if view.index == wanted {
            let sum: f64 = view.values.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
            found = Some(sum / view.values.len() as f64);
        }
    });
    match (found, outcome) {
        (Some(found), _) if found.is_finite() => Ok(found),
        (Some(_), _) => Err(RescaleError::Silent { index: wanted, found: "infinity" }),
        (None, Err(error)) => Err(error.into()),
        (None, Ok(_)) => Err(RescaleError::Silent { index: wanted, found: "nothing" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::stream::{Purpose, Seed, Stream};
    use crate::spec::network::Architecture;
    use crate::spec::scheme::InitScheme;
    use crate::spec::shape::Shape;

    fn drawn(json: &str, shape: &Shape, init: &InitScheme) -> (Network, Weights<f32>) {
        let layers = serde_json::from_str(json).unwrap();
        let network = Architecture { layers }.resolve(shape).unwrap();
        let inits: Vec<_> = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
        let weights = Weights::draw(&network, &inits, Seed(1), 0).unwrap();
        (network, weights)
    }

    fn cloud(features: usize, examples: usize) -> Vec<f32> {
        let mut inputs = vec![0.0; features * examples];
        Stream::new(Seed(9), 0, 0, Purpose::Data).fill_normal_f32(0, &mut inputs);
        inputs
    }

    /// Streams, norms, pools and convolutions: every layer ends at the target, whatever stands before it.
    #[test]
    fn every_layer_of_any_architecture_reaches_the_target() {
        let shape = Shape::image(2, 6, 6).unwrap();
        let json = r#"[{"conv":6},"relu",{"residual":["batch_norm","gelu",{"conv":6},"tanh",{"conv":6}]},{"max_pool":2},
            {"residual":["layer_norm",{"conv":6,"kernel":1}]},"flatten",{"dense":20},"silu",{"dense":4}]"#;
        for bias in [0.0, 0.1] {
            let (network, mut weights) = drawn(json, &shape, &InitScheme::explicit(0.3, bias));
            let before = weights.clone();
            let done = rescale_layers(&network, &mut weights, &cloud(72, 40), 1.5).unwrap();
            assert_eq!(done.after.len(), 6);
            for (layer, q) in done.after.iter().enumerate() {
                assert!((q / 1.5 - 1.0).abs() < 0.011, "layer {layer}: {done:?}");
                let ratio = weights.layers[layer].weight[3] / before.layers[layer].weight[3];
                assert!((f64::from(ratio) / done.factors[layer] - 1.0).abs() < 1e-5);
                assert_eq!(weights.layers[layer].bias, before.layers[layer].bias);
            }
        }
    }

    #[test]
    fn silence_and_absurd_targets_are_refused() {
        let shape = Shape::flat(4).unwrap();
        let init = InitScheme::explicit(1.0, 0.0);
        let (network, mut weights) = drawn(r#"[{"dense":8},"relu",{"dense":2}]"#, &shape, &init);
        let error = rescale_layers(&network, &mut weights, &[0.0; 12], 1.0).unwrap_err();
        assert!(error.to_string().contains("layer 1 gives zero"), "{error}");
        for target in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = rescale_layers(&network, &mut weights, &cloud(4, 3), target).unwrap_err();
            assert!(matches!(error, RescaleError::Target { .. }), "{error}");
        }
    }
}
