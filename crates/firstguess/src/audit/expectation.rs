//! Which law belongs to which tensor.

use super::explanation::explain;
use super::{Deviation, Law, Role, Statistics};
use crate::net::{NamedTensor, StateLayer, state_layers};
use crate::spec::error::SpecError;
use crate::spec::layer::OwnVariances;
use crate::spec::network::WeightLayer;
use crate::spec::scheme::{InitScheme, LayerInit};
use crate::spec::weights::WeightFamily;
use serde::Serialize;

/// The law that one tensor should follow.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expectation {
    /// Weight or bias.
    pub role: Role,
    /// Position of its layer among the layers with weights, from 1.
    pub index: usize,
    /// Law of the entries.
    pub family: WeightFamily,
    /// Their standard deviation.
    pub std: f64,
    /// Inputs that one output sums over.
    pub fan_in: usize,
    /// Outputs that one input feeds.
    pub fan_out: usize,
    /// Positions under the kernel.
    pub taps: usize,
    /// Whether it ends a residual branch and is drawn smaller than others for it.
    pub scaled_branch: bool,
}

/// Why weights could not be compared with a law.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum AuditError {
    /// A layer of the network has no tensor.
    #[error(
        "layer {index} of the model needs a weight of shape {expected:?} (PyTorch's layout, `{name}` by name); the file has {found}"
    )]
    Fit { index: usize, name: String, expected: Vec<usize>, found: String },

    /// The scheme has no variances.
    #[error(transparent)]
    Scheme(#[from] SpecError),
}

/// Relative deviation of the scale that is never called one: rounding of constants, truncation, half precision.
const NEGLIGIBLE: f64 = 0.02;

/// Standard errors from which a deviation is one.
const SIGMAS: f64 = 6.0;

impl Expectation {
    /// Relative standard error of the root mean square of so many values of the law.
    fn scale_error(&self, count: usize) -> f64 {
        // Orthogonal matrices have their mean square fixed.
        let kurtosis = self.family.kurtosis().unwrap_or(1.0);
        if kurtosis.is_infinite() { 0.25 } else { ((kurtosis - 1.0) / (4.0 * count as f64)).sqrt() }
    }

    pub(super) fn deviation(&self, found: &Statistics) -> Option<Deviation> {
        if !found.is_finite() || found.constant || found.count < 2 || self.std == 0.0 {
            return None;
        }
        let factor = found.root_mean_square / self.std;
        let std_error = self.scale_error(found.count);
        let limit = (SIGMAS * std_error).max(NEGLIGIBLE);
        if factor.ln().abs() <= limit {
            return None;
        }
        // What explains it must be as close as the law would have been.
        let explanation = explain(self, factor, limit);
        Some(Deviation { factor, std_error, explanation })
    }

    fn weight(layer: &WeightLayer, init: &LayerInit, scaled_branch: bool) -> Self {
        Self {
            role: Role::Weight,
            index: layer.index,
            family: init.family,
            std: init.weight_std(layer.fan_in),
            fan_in: layer.fan_in,
            fan_out: layer.fan_out,
            taps: layer.taps,
            scaled_branch,
        }
    }

    fn bias(layer: &WeightLayer, init: &LayerInit) -> Self {
        let family = if init.uniform_bias { WeightFamily::Uniform } else { WeightFamily::Normal };
        Self {
            role: Role::Bias,
            family,
            std: init.bias_variance.sqrt(),
            ..Self::weight(layer, init, false)
        }
    }
}

/// One entry per tensor.
pub(super) fn expectations(
    tensors: &[NamedTensor],
    law: Law<'_>,
) -> Result<Vec<Option<Expectation>>, AuditError> {
    match law {
        Law::Unknown => Ok(vec![None; tensors.len()]),
        Law::Scheme(scheme) => of_scheme(tensors, scheme),
        Law::Network(network, inits) => {
            let layers = state_layers(network);
            of_network(tensors, &layers, inits)
        }
    }
}

fn of_scheme(
    tensors: &[NamedTensor],
    scheme: &InitScheme,
) -> Result<Vec<Option<Expectation>>, AuditError> {
    let mut found: Vec<Option<Expectation>> = vec![None; tensors.len()];
    let mut index = 0;
    for (at, tensor) in tensors.iter().enumerate() {
        if Role::of(&tensor.name, tensor.shape.len()) != Role::Weight {
            continue;
        }
        index += 1;
        let taps: usize = tensor.shape[2..].iter().product::<usize>().max(1);
        let layer = WeightLayer {
            index,
            fan_in: tensor.shape[1] * taps,
            fan_out: tensor.shape[0] * taps,
            outputs: tensor.shape[0],
            taps,
            own: OwnVariances::default(),
        };
        let init = scheme.layer(&layer)?;
        found[at] = Some(Expectation::weight(&layer, &init, false));
        if let Some(bias) = bias_of(tensors, &tensor.name) {
            found[bias] = Some(Expectation::bias(&layer, &init));
        }
    }
    Ok(found)
}

fn of_network(
    tensors: &[NamedTensor],
    layers: &[StateLayer],
    inits: &[LayerInit],
) -> Result<Vec<Option<Expectation>>, AuditError> {
    let mut found: Vec<Option<Expectation>> = vec![None; tensors.len()];
    let usual = usual_variance(layers, inits);
    let mut next = 0;
    for (layer, init) in layers.iter().zip(inits) {
        let name = format!("{}.weight", layer.module);
        let fits = |tensor: &NamedTensor| {
            let turned = layer.shape.len() == 2 && tensor.shape.iter().rev().eq(&layer.shape);
            tensor.shape == layer.shape || turned
        };
        let by_name = tensors.iter().position(|tensor| tensor.name == name && fits(tensor));
        // Under other names: the next that fits, in the order of the file.
        let by_order = || {
            let later = tensors.iter().enumerate().skip(next);
            later
                .filter(|(at, tensor)| found[*at].is_none() && tensor.shape.len() >= 2)
                .find(|(_, tensor)| Role::of(&tensor.name, 2) != Role::Other)
                .filter(|(_, tensor)| fits(tensor))
                .map(|(at, _)| at)
        };
        let Some(at) = by_name.or_else(by_order) else {
            return Err(AuditError::Fit {
                index: layer.layer.index,
                name,
                expected: layer.shape.clone(),
                found: listed(tensors, next),
            });
        };
        next = at + 1;
        let scaled = layer.ends_branch && init.weight_variance < 0.75 * usual;
        found[at] = Some(Expectation::weight(&layer.layer, init, scaled));
        if let Some(bias) = bias_of(tensors, &tensors[at].name) {
            found[bias] = Some(Expectation::bias(&layer.layer, init));
        }
    }
    Ok(found)
}

/// Median weight variance of the layers that end no branch.
fn usual_variance(layers: &[StateLayer], inits: &[LayerInit]) -> f64 {
    let others = layers.iter().zip(inits).filter(|(layer, _)| !layer.ends_branch);
    let mut found: Vec<f64> = others.map(|(_, init)| init.weight_variance).collect();
    found.sort_unstable_by(f64::total_cmp);
    found.get(found.len() / 2).copied().unwrap_or(0.0)
}

fn bias_of(tensors: &[NamedTensor], weight: &str) -> Option<usize> {
    let stem = weight.strip_suffix("weight").or_else(|| weight.strip_suffix("kernel"))?;
    let name = format!("{stem}bias");
    tensors.iter().position(|tensor| tensor.name == name && tensor.shape.len() == 1)
}

fn listed(tensors: &[NamedTensor], from: usize) -> String {
    let left: Vec<String> = tensors
        .iter()
        .skip(from)
        .filter(|tensor| tensor.shape.len() >= 2)
        .take(3)
        .map(|tensor| {
            let name: String = tensor.name.chars().take(60).collect();
            format!("`{name}` of shape {:?}", tensor.shape)
        })
        .collect();
    if left.is_empty() { "none left".to_owned() } else { format!("next {}", left.join(", ")) }
}
