//! Bias against trainability: what other weight variances would do to both.

use super::objective::Objective;
use crate::check::{concrete_init, layer_inits};
use crate::spec::Spec;
use crate::spec::dataset::Dataset;
use crate::spec::scheme::InitScheme;
use crate::theory::critical::neutrality;
use crate::theory::dual::Dual;
use crate::theory::predict::{InputStatistics, predict};
use serde::Serialize;

/// Factors on the recommended weight variance.
const FACTORS: [f64; 5] = [0.5, 0.8, 1.0, 1.25, 2.0];

/// One weight variance, every layer alike, by theory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TradeOffPoint {
    /// `σ_w²`.
    pub weight_variance: f64,
    /// `σ_b²`.
    pub bias_variance: f64,
    /// Whether it is the recommended one, or the one at which guesses are spread evenly in deep networks.
    pub role: &'static str,
    /// Mean share of the class guessed most.
    pub largest_share: Option<f64>,
    /// `ln` of the gradient's mean square, first layer over logits.
    pub ln_gradient: Option<f64>,
}

/// Theory along the weight variance, through the recommended one; empty where its scheme is no plain pair of variances.
pub(super) fn trade_off(
    spec: &Spec,
    data: &Dataset,
    activation: Option<&Dual>,
) -> Vec<TradeOffPoint> {
    let (Some(weight), bias) = (spec.init.weight_variance, spec.init.bias_variance.unwrap_or(0.0))
    else {
        return Vec::new();
    };
    let mut places: Vec<(f64, &'static str)> = FACTORS
        .iter()
        .map(|factor| (factor * weight, if *factor == 1.0 { "recommended" } else { "" }))
        .collect();
    if let Some(neutral) = activation.and_then(|dual| neutrality(dual, bias).ok()) {
        places.push((neutral.weight_variance, "neutral"));
    }
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    let input = InputStatistics::of(data);
    let at = |(weight_variance, role): (f64, &'static str)| {
        let init = InitScheme { weight_variance: Some(weight_variance), ..spec.init.clone() };
        let network = spec.network.resolve(&data.shape()).ok()?;
        let inits = layer_inits(&concrete_init(&init, &network).ok()?, &network).ok()?;
        let objective = {
            let prediction = predict(&network, &inits, input, data.classes());
            Objective::new(&network, &prediction, None)
        };
        Some(TradeOffPoint {
            weight_variance,
            bias_variance: bias,
            role,
            largest_share: objective.largest_share.predicted,
            ln_gradient: objective.ln_gradient,
        })
    };
    places.into_iter().filter_map(at).collect()
}
