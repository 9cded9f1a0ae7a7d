//! The panel of the theory of the optimal variance at the end of a training: noise and curvature measured, what the
//! stationary law would make of them from theory, and how far the weights are from it.

use crate::theory::optimal_variance::{SgdNoise, divergence, divergence_of_layers};
use crate::train::noise::NoiseMeasure;
use crate::train::variance_search::Pilot;
use serde::Serialize;

/// Initial variances of the bound's curve, in units of the mean square of a weight at the end.
const CURVE: [f64; 9] = [0.0625, 0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0, 16.0];

/// Theory beside measurement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Panel {
    /// What was measured.
    pub measured: NoiseMeasure,
    /// The noise of SGD, with `s² = tr Σ/K`.
    pub noise: SgdNoise,
    /// `αs²/(2b)`.
    pub temperature: f64,
    /// Mean curvature, `tr H/K`.
    pub curvature: f64,
    /// The variance that noise and curvature alone would keep up; absent unless the mean curvature is positive.
    pub gibbs_variance: Option<f64>,
    /// Measured mean square over it: the factor by which noise fails to explain the weights.
    pub excess: Option<f64>,
    /// Loss that noise alone would keep up, `α tr Σ/(4b)`.
    pub noise_loss: f64,
    /// Initial variance and bound on the loss per parameter; empty without a Gibbs variance.
    pub bound: Vec<(f64, f64)>,
}

impl Panel {
    /// The panel of a training with this rate and batch.
    pub fn new(measured: NoiseMeasure, rate: f64, batch: usize) -> Self {
        let k = measured.parameters as f64;
        let noise = SgdNoise { rate, batch: batch as f64, variance: measured.tr_sigma / k };
        let curvature = measured.tr_hessian.value / k;
        let gibbs =
            (curvature > 0.0 && noise.variance > 0.0).then(|| noise.stationary_variance(curvature));
        let bound = gibbs.map_or_else(Vec::new, |_| {
            let normaliser = noise.ln_normaliser_per_parameter(curvature);
            let v = measured.mean_square;
            CURVE.iter().map(|r| (r * v, noise.bound(r * v, v, normaliser))).collect()
        });
        Self {
            noise,
            temperature: noise.temperature(),
            curvature,
            gibbs_variance: gibbs,
            excess: gibbs.map(|v| measured.mean_square / v),
            noise_loss: k * noise.loss_per_parameter(),
            bound,
            measured,
        }
    }
}

/// The score of a pilot: the divergence `(K/2)(r - 1 - ln r)` overall and summed over layers.
pub fn scores(pilot: &Pilot) -> (f64, f64) {
    let parameters: usize = pilot.layers.iter().map(|layer| layer.parameters).sum();
    let layers =
        pilot.layers.iter().map(|layer| (layer.parameters as f64, layer.last / layer.initial));
    (divergence(parameters as f64, pilot.ratio), divergence_of_layers(layers))
}
