//! Monte Carlo on finite networks: every number is an [`Estimate`] with its standard error.
//!
//! [`run`] draws an ensemble of networks, sends the data forward and gradients backward, and returns a [`Measurement`]
//! whose field names are those of the reports.

pub mod class_pairs;
mod conditioned;
mod draw;
pub mod engine;
mod ensemble;
pub mod estimate;
pub mod found_law;
pub mod gaussianity;
pub mod gradients;
mod job;
pub mod laboratory;
pub mod loss_force;
pub mod moments;
pub mod observed;
pub mod prejudice;
mod run;
pub mod stopping;
pub mod tangent;
#[cfg(test)]
mod tests;
pub mod units;

pub use estimate::Estimate;
pub use loss_force::{BiasMeasurement, ForceMeasurement, loss_forces};
pub use run::{MeasureError, Options, Progress, run, run_found};
pub use stopping::Overrun;

use class_pairs::ClassCorrelation;
use engine::EngineReport;
use gradients::LogitGradientMeasurement;
use moments::LnMoment;
use prejudice::PrejudiceMeasurement;
use serde::Serialize;
use stopping::Stop;

/// What an ensemble of untrained networks does to a data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measurement {
    /// Networks drawn.
    pub draws: usize,
    /// Why no more of them.
    pub stop: Stop,
    /// How they were drawn.
    pub sampling: EngineReport,
    /// Inputs sent through each.
    pub examples: usize,
    /// Inputs, the first of the data set, whose gradients were measured.
    pub gradient_examples: usize,
    /// Classes told apart.
    pub classes: usize,
    /// The seed of every random number.
    pub seed: u64,
    /// One entry for each layer with weights, in the order of their index.
    pub layers: Vec<LayerMeasurement>,
    /// What the networks guess.
    pub prejudice: PrejudiceMeasurement,
    /// The loss at initialization.
    pub loss: LossMeasurement,
    /// The data themselves.
    pub input: InputMeasurement,
    /// Where values left the range of f32, if they did. In networks of homogeneous layers they are carried on as multiples of
    /// a power of two; else estimates of later layers rest on the other networks.
    pub overflow: Option<Overflow>,
    /// Where gradients left the range of f32, if they did.
    pub gradient_overflow: Option<Overflow>,
}

/// The pre-activations of one layer with weights, forward and backward.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerMeasurement {
    /// Position among the layers with weights, from 1.
    pub index: usize,
    /// `dense` or `conv`.
    pub kind: &'static str,
    /// Units, or channels.
    pub units: usize,
    /// Positions of each channel, which count as further inputs; 1 for a dense layer.
    pub positions: usize,
    /// Mean square pre-activation, `E h²`.
    pub q: Estimate,
    /// Data variance at fixed weights.
    pub v: Estimate,
    /// Variance of the centres, unbiased at finite data.
    pub t: Estimate,
    /// `T/q`: the correlation of two inputs.
    pub c: Estimate,
    /// `T/V`: the drift ratio.
    pub gamma: Estimate,
    /// Mean and variance over networks of `ln q`.
    pub ln_q: LnMoment,
    /// Correlation between inputs by the pair of their classes; absent without labels, or with more than a hundred classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_correlation: Option<ClassCorrelation>,
    /// Share of units with one value for every input, up to single precision.
    pub constant_units: Estimate,
    /// `E|δ_l|²/E|δ_L|²` for the gradient of the cross-entropy, norms summed over units.
    pub gradient: Estimate,
    /// Mean over networks of the logarithm of the same ratio.
    pub ln_gradient: Estimate,
    /// The same ratio for the medians over inputs.
    pub median_gradient: Estimate,
    /// As `gradient`, for a standard normal gradient at the logits: what the product of `χ` predicts.
    pub cotangent_gradient: Estimate,
    /// As `ln_gradient`, for the random gradient.
    pub ln_cotangent_gradient: Estimate,
    /// As `median_gradient`, for the random gradient.
    pub median_cotangent_gradient: Estimate,
    /// Share of units whose activation has zero slope for every input.
    pub dead_fraction: Estimate,
    /// Share of values at which a bounded activation has less than a hundredth of its largest slope.
    pub saturated_fraction: Estimate,
    /// Kolmogorov-Smirnov distance from N(0, 1) over networks, at the first input.
    pub ks_raw: Estimate,
    /// The same after division by the root mean square.
    pub ks_standardised: Estimate,
    /// Excess kurtosis over networks, at the first input.
    pub excess_kurtosis: Estimate,
    /// Anderson-Darling statistic of the standardised sample, per value.
    pub anderson_darling: Estimate,
    /// Kolmogorov-Smirnov distance that a normal law shows on average in such a sample.
    pub noise_floor: Estimate,
    /// Independent values to which that sample amounts.
    pub effective_sample: f64,
}

/// The loss of untrained networks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LossMeasurement {
    /// Mean cross-entropy in nats.
    pub cross_entropy: Estimate,
    /// `ln K`, the loss of a network that knows nothing and claims nothing.
    pub ln_classes: f64,
    /// Squared gradient at the logits, apart for the most guessed class.
    pub logit_gradient: LogitGradientMeasurement,
}

/// What the data bring along.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InputMeasurement {
    /// `γ₁ = |x̄|²/tr Σ`: the drift ratio that the mean input alone causes in the first layer.
    pub offset: Option<f64>,
    /// Mean square of an input value.
    pub second_moment: f64,
    /// Why there is no offset, if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where numbers left the range of f32.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overflow {
    /// Index of the layer with weights at or after which it happened: the first on the way, over all networks.
    pub layer: usize,
    /// What was computed there: `dense`, an activation, …
    pub kind: String,
    /// `infinity` or `NaN`.
    pub found: &'static str,
    /// Share of the networks to which it happened anywhere.
    pub fraction_of_draws: f64,
}
