//! What a report says of a model that was handed in, beside the measurement.

use crate::check::model::Model;
use crate::measure::{Estimate, Measurement};
use serde::Serialize;

/// The model behind a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelSummary {
    /// How the networks were drawn, in one line.
    pub redraw: String,
    /// The layers with weights, in the order of their index.
    pub modules: Vec<ModuleSummary>,
    /// The one network whose weights were handed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_found: Option<AsFound>,
    /// What else a reader should know.
    pub notes: Vec<String>,
}

/// One layer with weights.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModuleSummary {
    /// Position, from 1: the `index` of the measurement and the prediction.
    pub index: usize,
    /// Where it is in the model.
    pub path: String,
    /// Its class.
    pub class: String,
    /// Weights and biases of its own.
    pub parameters: u64,
    /// How it was drawn anew.
    pub redraw: String,
    /// Why theory says nothing of it, where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_theory: Option<String>,
}

/// What the handed-in weights themselves do: one network, no error.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AsFound {
    /// Share of the most guessed class.
    pub largest_share: Estimate,
    /// Cross-entropy.
    pub cross_entropy: Estimate,
    /// `ln` of the gradient's mean square at the first layer relative to the logits.
    pub ln_gradient: Option<Estimate>,
    /// Mean square pre-activation of each layer.
    pub q: Vec<Estimate>,
    /// Correlation of two inputs at each layer.
    pub c: Vec<Estimate>,
    /// Drift ratio of each layer.
    pub gamma: Vec<Estimate>,
}

impl ModelSummary {
    /// Of a model, and of what its own weights do.
    pub(crate) fn new(model: &Model, as_found: Option<&Measurement>) -> Self {
        let modules = (1..).zip(&model.layers).map(|(index, layer)| ModuleSummary {
            index,
            path: layer.path.clone(),
            class: layer.class.clone(),
            parameters: layer.parameters,
            redraw: layer.redraw.clone(),
            no_theory: layer.no_theory.clone(),
        });
        Self {
            redraw: model.redraw.clone(),
            modules: modules.collect(),
            as_found: as_found.map(AsFound::of),
            notes: model.notes.clone(),
        }
    }
}

impl AsFound {
    fn of(found: &Measurement) -> Self {
        Self {
            largest_share: found.prejudice.largest_share,
            cross_entropy: found.loss.cross_entropy,
            ln_gradient: found.layers.first().map(|layer| layer.ln_cotangent_gradient),
            q: found.layers.iter().map(|layer| layer.q).collect(),
            c: found.layers.iter().map(|layer| layer.c).collect(),
            gamma: found.layers.iter().map(|layer| layer.gamma).collect(),
        }
    }
}
