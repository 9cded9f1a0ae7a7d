//! MODEL: the network of a spec file on its data, or of an ONNX file.

use std::path::Path;

use anyhow::anyhow;
use firstguess::math::stream::Seed;
use firstguess::spec::experiment::MeasureSpec;
use firstguess::spec::scheme::LayerInit;
use firstguess::spec::weights::WeightFamily;
use firstguess::theory::predict::{InputStatistics, Prediction, predict};
use firstguess::{KernelLimit, predict_within};
use serde_json::{Value, json};

use super::{Answer, Bulk, Guess, LayerState};
use crate::commands::model::Model;
use crate::commands::onnx::{Question, is_onnx};
use crate::table::given;

/// A network and what theory says of it.
struct Predicted {
    name: String,
    data: String,
    examples: usize,
    init: Value,
    classes: usize,
    /// The law of the repeated layers: the first one's may be another.
    law: WeightFamily,
    prediction: Prediction,
}

pub(super) fn answer(
    path: &Path,
    data: Option<&str>,
    samples: Option<usize>,
    seed: Option<u64>,
) -> anyhow::Result<Answer> {
    Ok(told(predicted(path, data, samples, seed)?))
}

/// The prediction of a model for its limit of infinite depth, which does not ask for the kernel of its inputs.
pub(crate) fn prediction(path: &Path, seed: Option<u64>) -> anyhow::Result<Prediction> {
    if is_onnx(path) {
        return Ok(of_onnx(path, None, None, seed)?.prediction);
    }
    let Model { data, network, layers, .. } = Model::load_on(path, None, None, seed)?;
    let classes = network.logits().max(2);
    Ok(predict(&network, &layers, InputStatistics::of(&data), classes))
}

fn predicted(
    path: &Path,
    data: Option<&str>,
    samples: Option<usize>,
    seed: Option<u64>,
) -> anyhow::Result<Predicted> {
    if is_onnx(path) {
        of_onnx(path, data, samples, seed)
    } else {
        of_spec(path, data, samples, seed)
    }
}

fn middle(layers: &[LayerInit]) -> WeightFamily {
    layers.get(layers.len() / 2).map_or(WeightFamily::Normal, |layer| layer.family)
}

/// The same of a spec that has been read.
pub(super) fn answer_on(model: Model) -> Answer {
    let limit = KernelLimit::default();
    told(of_model(model, limit))
}

fn of_spec(
    path: &Path,
    data: Option<&str>,
    samples: Option<usize>,
    seed: Option<u64>,
) -> anyhow::Result<Predicted> {
    let model = Model::load_on(path, data, samples, seed)?;
    let limit = match samples {
        Some(samples) => KernelLimit::of(&model.network, samples.min(model.data.examples()))
            .map_err(|why| anyhow!("--samples {samples}: {why}"))?,
        None => KernelLimit::default(),
    };
    Ok(of_model(model, limit))
}

fn of_model(model: Model, limit: KernelLimit) -> Predicted {
    let Model { spec, data, network, init, layers } = model;
    // One logit classifies by its sign.
    let classes = network.logits().max(2);
    // The same prediction as in a check: that of these inputs, where their kernel can be carried along.
    let prediction =
        predict_within(&network, &layers, &data, classes, Seed(spec.measure.seed), limit);
    Predicted {
        name: spec.name,
        data: data.name().to_owned(),
        examples: data.examples(),
        init: json!(init),
        classes,
        law: middle(&layers),
        prediction,
    }
}

fn of_onnx(
    path: &Path,
    data: Option<&str>,
    samples: Option<usize>,
    seed: Option<u64>,
) -> anyhow::Result<Predicted> {
    let seed = seed.unwrap_or_default();
    let measure = MeasureSpec { seed, ..MeasureSpec::default() };
    let question = Question { path, data, standardize: None, samples, measure };
    question.ask(|study| {
        let laws = study.model().layers.iter().map(|layer| json!(layer.law));
        let families: Vec<_> =
            study.model().layers.iter().filter_map(|layer| Some(layer.law?.init())).collect();
        Ok(Predicted {
            name: study.model().name.clone(),
            data: study.data().name().to_owned(),
            examples: study.data().examples(),
            init: laws.collect(),
            classes: study.classes(),
            law: middle(&families),
            prediction: study.predict(seed)?,
        })
    })
}

fn told(found: Predicted) -> Answer {
    let Predicted { name, data, examples, init, classes, law, prediction } = found;
    let depth = prediction.layers.len();
    let limits = prediction.limits_on(examples);
    let bulk = prediction.bulk.map(|bulk| {
        let (weight_variance, bias_variance) = (bulk.layer.weight, bulk.layer.bias);
        let phi = bulk.dual();
        Bulk { phi, weight_variance, bias_variance, limit: bulk.limit }
    });
    let block = prediction.block.ok();
    let blocks = block
        .as_ref()
        .map(|found| format!("{}, {} times", found.block.name(), found.block.repeats()));
    let repeated = bulk.as_ref().map_or_else(
        |why| blocks.unwrap_or_else(|| why.to_string()),
        |bulk| {
            format!(
                "mostly {}, weight variance {}, bias variance {}",
                bulk.phi.function(),
                given(bulk.weight_variance),
                given(bulk.bias_variance)
            )
        },
    );
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
    if let (Some(found), Some(fields)) = (&block, question.as_object_mut()) {
        fields.insert("activation".to_owned(), found.block.name().into());
    }
    if let (Some(gap), Some(fields)) = (&prediction.kernel_gap, question.as_object_mut()) {
        fields.insert("kernel_inputs_reason".to_owned(), gap.to_string().into());
    }
    let preserved = bulk.as_ref().map_err(Clone::clone).and_then(|bulk| bulk.preserved(&law));
    let periodic = bulk.as_ref().ok().and_then(Bulk::periodic);
    if let Some(fields) = question.as_object_mut() {
        fields.insert("weight_law".to_owned(), law.to_string().into());
    }
    let layers = prediction.layers.into_iter().map(|layer| LayerState {
        kind: if layer.kind == "conv" { "conv" } else { "dense" },
        ln_q: layer.ln_q(),
        spread: layer.spread,
        ln_gradient: layer.ln_gradient,
        finite_width: Some(layer.finite_width),
        on_data: layer.on_data,
    });
    Answer {
        subject: format!("{name}: {depth} layers with weights on {data}; {repeated}"),
        question: question.as_object().cloned().unwrap_or_default(),
        bulk,
        block,
        layers: layers.collect(),
        preserved,
        periodic,
        limits,
        ended: None,
        two_classes: None,
        guess: Some(Guess { classes, prejudice: prediction.prejudice, loss: prediction.loss }),
    }
}
