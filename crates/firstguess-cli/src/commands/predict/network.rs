//! MODEL: the network of a spec file on its data, or of an ONNX file.

use std::path::Path;

use firstguess::math::stream::Seed;
use firstguess::predict_on;
use firstguess::spec::experiment::MeasureSpec;
use firstguess::spec::scheme::LayerInit;
use firstguess::spec::weights::WeightFamily;
use firstguess::theory::predict::Prediction;
use serde_json::{Value, json};

use super::{Answer, Bulk, Guess, LayerState};
use crate::commands::model::Model;
use crate::commands::onnx::{Question, is_onnx};
use crate::table::given;

/// A network and what theory says of it.
struct Predicted {
    name: String,
    data: String,
    init: Value,
    classes: usize,
    /// The law of the repeated layers: the first one's may be another.
    law: WeightFamily,
    prediction: Prediction,
}

pub(super) fn answer(path: &Path, data: Option<&str>, seed: Option<u64>) -> anyhow::Result<Answer> {
    Ok(told(if is_onnx(path) { of_onnx(path, data, seed)? } else { of_spec(path, data, seed)? }))
}

fn middle(layers: &[LayerInit]) -> WeightFamily {
    layers.get(layers.len() / 2).map_or(WeightFamily::Normal, |layer| layer.family)
}

/// The same of a spec that has been read.
pub(super) fn answer_on(model: Model) -> Answer {
    told(of_model(model))
}

fn of_spec(path: &Path, data: Option<&str>, seed: Option<u64>) -> anyhow::Result<Predicted> {
    Ok(of_model(Model::load_on(path, data, seed)?))
}

fn of_model(model: Model) -> Predicted {
    let Model { spec, data, network, init, layers } = model;
    // One logit classifies by its sign.
    let classes = network.logits().max(2);
    // The same prediction as in a check: that of these inputs, where their kernel can be carried along.
    let prediction = predict_on(&network, &layers, &data, classes, Seed(spec.measure.seed));
    Predicted {
        name: spec.name,
        data: data.name().to_owned(),
        init: json!(init),
        classes,
        law: middle(&layers),
        prediction,
    }
}

fn of_onnx(path: &Path, data: Option<&str>, seed: Option<u64>) -> anyhow::Result<Predicted> {
    let seed = seed.unwrap_or_default();
    let measure = MeasureSpec { seed, ..MeasureSpec::default() };
    let question = Question { path, data, standardize: None, samples: None, measure };
    question.ask(|study| {
        let laws = study.model().layers.iter().map(|layer| json!(layer.law));
        let families: Vec<_> =
            study.model().layers.iter().filter_map(|layer| Some(layer.law?.init())).collect();
        Ok(Predicted {
            name: study.model().name.clone(),
            data: study.data().name().to_owned(),
            init: laws.collect(),
            classes: study.classes(),
            law: middle(&families),
            prediction: study.predict(seed)?,
        })
    })
}

fn told(found: Predicted) -> Answer {
    let Predicted { name, data, init, classes, law, prediction } = found;
    let depth = prediction.layers.len();
    let bulk = prediction.bulk.map(|bulk| {
        let (weight_variance, bias_variance) = (bulk.layer.weight, bulk.layer.bias);
        let phi = bulk.dual();
        Bulk { phi, weight_variance, bias_variance, limit: bulk.limit }
    });
    let repeated = bulk.as_ref().map_or_else(ToString::to_string, |bulk| {
        format!(
            "mostly {}, weight variance {}, bias variance {}",
            bulk.phi.function(),
            given(bulk.weight_variance),
            given(bulk.bias_variance)
        )
    });
    let mut question = json!({
        "name": name,
        "data": data,
        "input_gamma": prediction.input.gamma(),
        "kernel_inputs": prediction.kernel_inputs,
        "init": init,
        "depth": depth,
    });
    if let (Ok(bulk), Some(fields)) = (&bulk, question.as_object_mut()) {
        fields.insert("activation".to_owned(), bulk.phi.function().to_string().into());
        fields.insert("weight_variance".to_owned(), bulk.weight_variance.into());
        fields.insert("bias_variance".to_owned(), bulk.bias_variance.into());
    }
    let preserved = bulk.as_ref().map_err(Clone::clone).and_then(|bulk| bulk.preserved(&law));
    let periodic = bulk.as_ref().ok().and_then(Bulk::periodic);
    if let Some(fields) = question.as_object_mut() {
        fields.insert("weight_law".to_owned(), law.to_string().into());
    }
    let layers = prediction.layers.into_iter().map(|layer| LayerState {
        kind: if layer.kind == "conv" { "conv" } else { "dense" },
        spread: layer.spread,
        ln_gradient: layer.ln_gradient,
        finite_width: Some(layer.finite_width),
        on_data: layer.on_data,
    });
    Answer {
        subject: format!("{name}: {depth} layers with weights on {data}; {repeated}"),
        question: question.as_object().cloned().unwrap_or_default(),
        bulk,
        layers: layers.collect(),
        preserved,
        periodic,
        ended: None,
        two_classes: None,
        guess: Some(Guess { classes, prejudice: prediction.prejudice, loss: prediction.loss }),
    }
}
