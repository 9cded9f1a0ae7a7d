//! What the measured figures share: inputs, perceptrons, ensembles.

use super::{ReproduceError, Setting};
use crate::math::stream::{Purpose, Seed, Stream};
use crate::measure::{Estimate, Measurement, Options, run};
use crate::spec::layer::Layer;
use crate::spec::{Architecture, Dataset, InitScheme, Shape, SpecError};
use crate::theory::mean_field::LayerVariance;

/// `√N₀ e_a`: mean square 1, products exactly zero, so that few inputs show what infinitely many independent ones would.
pub(super) fn orthogonal_inputs(
    examples: usize,
    features: usize,
) -> Result<Dataset, ReproduceError> {
    let mut values = vec![0.0_f32; examples * features];
    #[expect(clippy::cast_possible_truncation, reason = "inputs are f32")]
    for row in 0..examples {
        values[row * features + row % features] = (features as f64).sqrt() as f32;
    }
    Ok(Dataset::new("orthogonal", Shape::flat(features)?, values)?)
}

/// Independent standard normal features.
pub(super) fn normal_inputs(
    seed: Seed,
    examples: usize,
    features: usize,
) -> Result<Dataset, ReproduceError> {
    let mut values = vec![0.0_f32; examples * features];
    Stream::new(seed, 0, 0, Purpose::Data).fill_normal_f32(0, &mut values);
    Ok(Dataset::new("normal", Shape::flat(features)?, values)?)
}

/// Layers as a spec file writes them.
pub(super) fn layers(json: &str) -> Result<Architecture, ReproduceError> {
    let layers: Vec<Layer> =
        serde_json::from_str(json).map_err(|error| SpecError::Conflict(error.to_string()))?;
    Ok(Architecture { layers })
}

/// A function of a measured number, with the error that its slope there gives.
pub(super) fn mapped(estimate: Estimate, value: impl Fn(f64) -> f64, slope: f64) -> Estimate {
    let error = estimate.std_error.map(|error| (slope * error).abs());
    Estimate::new(value(estimate.value), error, estimate.n)
}

/// An ensemble of networks on inputs.
pub(super) fn measure(
    architecture: &Architecture,
    layer: LayerVariance,
    data: &Dataset,
    draws: usize,
    gradients: bool,
    setting: &mut Setting<'_>,
) -> Result<Measurement, ReproduceError> {
    let network = architecture.resolve(&data.shape())?;
    let inits = crate::layer_inits(&InitScheme::explicit(layer.weight, layer.bias), &network)?;
    let options = Options { gradients, gaussianity: false, ..Options::new(setting.seed, draws) };
    Ok(run(&network, &inits, data, &options, setting.progress)?)
}
