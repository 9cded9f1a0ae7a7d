//! A model that someone else runs (a PyTorch module): what was measured of it, beside what theory says of the part of it that
//! the vocabulary of specs can write down.

use crate::finding::{self, Case};
use crate::math::stream::Seed;
use crate::measure::Measurement;
use crate::report::{DataSummary, ModelSummary, NetworkSummary, Report};
use crate::spec::error::SpecError;
use crate::spec::layer::{Layer, OwnVariances};
use crate::spec::network::{Architecture, Network};
use crate::spec::scheme::LayerInit;
use crate::spec::weights::WeightFamily;
use crate::spec::{Dataset, Part, Standardize};
use crate::theory::NoTheory;
use crate::theory::predict::{InputStatistics, LayerPrediction, Prediction};
use serde::{Deserialize, Serialize};

/// One layer with weights of the model, in the order in which the model runs them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelLayer {
    /// Where it is in the model: `layer1.0.conv2`.
    pub path: String,
    /// Its class: `Conv2d`.
    pub class: String,
    /// Kind in reports: `dense`, `conv`, …
    pub kind: String,
    /// Units, or channels.
    pub units: usize,
    /// Weights and biases of its own.
    pub parameters: u64,
    /// How it is drawn anew, in words.
    pub redraw: String,
    /// The law of its weights.
    #[serde(default)]
    pub law: Option<ModelLaw>,
    /// Why theory has nothing to say of it; absent where the translation holds it.
    #[serde(default)]
    pub no_theory: Option<String>,
}

/// The law of one layer's weights and biases, as read off the weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelLaw {
    /// Family of the weights.
    pub family: WeightFamily,
    /// `σ_w² = fan_in · Var W`.
    pub weight_variance: f64,
    /// `σ_b² = Var b`.
    pub bias_variance: f64,
    /// Whether biases are uniform.
    pub uniform_bias: bool,
}

impl From<LayerInit> for ModelLaw {
    fn from(init: LayerInit) -> Self {
        Self {
            family: init.family,
            weight_variance: init.weight_variance,
            bias_variance: init.bias_variance,
            uniform_bias: init.uniform_bias,
        }
    }
}

impl ModelLaw {
    /// The draw of the layer.
    pub const fn init(self) -> LayerInit {
        LayerInit {
            family: self.family,
            weight_variance: self.weight_variance,
            bias_variance: self.bias_variance,
            uniform_bias: self.uniform_bias,
        }
    }
}

/// The part of a model, from its input on, that specs can write down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Translation {
    /// The layers.
    pub layers: Vec<Layer>,
    /// For each layer with weights in them, in the order of a spec, its position in the model, from 0.
    pub order: Vec<usize>,
    /// Why it ends before the logits, if it does.
    #[serde(default)]
    pub ended: Option<String>,
}

/// A model as the one who runs it describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Title of the report.
    pub name: String,
    /// The layers with weights.
    pub layers: Vec<ModelLayer>,
    /// What theory can work with.
    #[serde(default)]
    pub translation: Option<Translation>,
    /// Why there is no translation, where there is none.
    #[serde(default)]
    pub untranslated: Option<String>,
    /// Shape of one example.
    pub input_shape: Vec<usize>,
    /// Outputs per row.
    pub logits: usize,
    /// Labels' classes; 0 without labels.
    pub classes: usize,
    /// How the networks were drawn, in one line.
    pub redraw: String,
    /// Weights and biases in all.
    pub parameters: u64,
    /// What else a reader should know.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Normalisations that seem to be folded into the weights.
    #[serde(default)]
    pub folded: Option<FoldedNorms>,
}

/// Convolutions without a bias of their own and without a normalisation, as exporters leave them where they fold batch
/// normalisations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoldedNorms {
    /// So many convolutions.
    pub folded: usize,
    /// Of so many.
    pub convolutions: usize,
}

/// Judges a model by what was measured of it.
///
/// `data` are the inputs, where they are numbers. `as_found` is the measurement of the one network whose weights were handed
/// in.
///
/// # Errors
///
/// [`SpecError`] where the translation is ill-formed: a fault of the translator, not of the model.
pub fn judge_model(
    model: &Model,
    data: Option<&Dataset>,
    measurement: Measurement,
    as_found: Option<&Measurement>,
) -> Result<Report, SpecError> {
    let seed = Seed(measurement.seed);
    let (network, prediction) = predict_model(model, data, measurement.classes, seed)?;
    let findings = finding::judge(&Case {
        network: network.as_ref(),
        prediction: &prediction,
        measurement: &measurement,
        loss: None,
        model: Some(model),
    });
    let layers = match (&network, &model.translation) {
        (Some(_), Some(translation)) => {
            let layers: Vec<String> = translation.layers.iter().map(ToString::to_string).collect();
            layers.join(" → ")
        }
        _ if model.layers.len() == 1 => "1 layer with weights".to_owned(),
        _ => format!("{} layers with weights", model.layers.len()),
    };
    Ok(Report {
        name: model.name.clone(),
        seed: measurement.seed,
        data: DataSummary {
            name: data.map_or("the given batch", Dataset::name).to_owned(),
            shape: model.input_shape.clone(),
            examples: measurement.examples,
            classes: model.classes,
            standardize: Standardize::None,
            part: Part::default(),
            kept_classes: None,
            binarize: None,
            label_noise: None,
        },
        network: NetworkSummary {
            layers,
            weight_layers: model.layers.len(),
            parameters: model.parameters,
            logits: model.logits,
            init: model.redraw.clone(),
            weight_variance: None,
            bias_variance: None,
        },
        model: Some(ModelSummary::new(model, as_found)),
        prediction,
        measurement,
        findings,
        baselined: Vec::new(),
    })
}

/// Theory of the translated part, put in the order of the model; the network where all of it could be written down.
///
/// # Errors
///
/// As [`judge_model`].
pub fn predict_model(
    model: &Model,
    data: Option<&Dataset>,
    classes: usize,
    seed: Seed,
) -> Result<(Option<Network>, Prediction), SpecError> {
    let reason =
        model.untranslated.as_deref().unwrap_or("the model has no translation into a spec");
    let (Some(translation), Some(data)) = (&model.translation, data) else {
        return Ok((None, nothing(model, data, reason)));
    };
    let Some(mut inits) = translation
        .order
        .iter()
        .map(|&at| model.layers.get(at).and_then(|layer| layer.law).map(ModelLaw::init))
        .collect::<Option<Vec<LayerInit>>>()
    else {
        let reason = "weights of a layer follow no law of the vocabulary";
        return Ok((None, nothing(model, Some(data), reason)));
    };
    let mut layers = translation.layers.clone();
    if translation.ended.is_some() {
        // A stand-in for what the vocabulary cannot write: nothing is said of it.
        layers.push(Layer::Dense { units: model.logits.max(1), own: OwnVariances::default() });
        inits.push(LayerInit {
            family: WeightFamily::Normal,
            weight_variance: 1.0,
            bias_variance: 0.0,
            uniform_bias: false,
        });
    }
    let network = Architecture { layers }.resolve(&data.shape())?;
    if network.weight_layers != inits.len() {
        return Err(SpecError::Conflict(format!(
            "the translation names {} layers with weights and holds {}",
            inits.len(),
            network.weight_layers
        )));
    }
    let known = super::predict_on(&network, &inits, data, classes, seed);
    let mut prediction = nothing(model, Some(data), reason);
    for (found, &at) in known.layers.iter().zip(&translation.order) {
        let Some(layer) = prediction.layers.get_mut(at) else { continue };
        *layer = LayerPrediction { index: at + 1, ..found.clone() };
    }
    prediction.kernel_inputs = known.kernel_inputs;
    prediction.kernel_gap = known.kernel_gap;
    let Some(why) = &translation.ended else {
        prediction.bulk = known.bulk;
        prediction.block = known.block;
        prediction.prejudice = known.prejudice;
        prediction.loss = known.loss;
        return Ok((Some(network), prediction));
    };
    // Gradients start at the logits, which theory does not reach.
    let beyond = NoTheory::new(format!("theory ends before the logits: {why}"));
    for layer in &mut prediction.layers {
        (layer.chi, layer.ln_gradient) = (Err(beyond.clone()), Err(beyond.clone()));
        layer.finite_width = Err(beyond.clone());
    }
    prediction.bulk = Err(beyond.clone());
    prediction.block = Err(beyond.clone());
    prediction.prejudice = Err(beyond.clone());
    prediction.loss = Err(beyond);
    Ok((None, prediction))
}

/// A prediction that says of every layer why there is none.
fn nothing(model: &Model, data: Option<&Dataset>, reason: &str) -> Prediction {
    // A drift ratio of 0/0: inputs that are no numbers have none.
    let unknown = InputStatistics {
        variance: 0.0,
        offset_square: 0.0,
        position_covariance: 0.0,
        position_offset: 0.0,
    };
    let absent = NoTheory::new(reason);
    let layers = (1..).zip(&model.layers).map(|(index, layer)| {
        let why = layer.no_theory.as_ref().map_or_else(|| absent.clone(), NoTheory::new);
        LayerPrediction {
            index,
            kind: layer.kind.clone(),
            units: layer.units,
            weight_variance: layer.law.map_or(f64::NAN, |law| law.weight_variance),
            bias_variance: layer.law.map_or(f64::NAN, |law| law.bias_variance),
            spread: Err(why.clone()),
            chi: Err(why.clone()),
            ln_gradient: Err(why.clone()),
            ln_q_variance: Err(why.clone()),
            finite_width: Err(why),
            on_data: None,
        }
    });
    Prediction {
        input: data.map_or(unknown, InputStatistics::of),
        kernel_inputs: None,
        kernel_gap: None,
        layers: layers.collect(),
        bulk: Err(absent.clone()),
        block: Err(absent.clone()),
        prejudice: Err(absent.clone()),
        loss: Err(absent),
    }
}
