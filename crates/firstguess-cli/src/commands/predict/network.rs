//! MODEL: the network of a spec file, on its data.

use firstguess::math::stream::Seed;
use firstguess::predict_on;
use firstguess::spec::weights::WeightFamily;
use serde_json::json;

use super::{Answer, Bulk, Guess, LayerState};
use crate::commands::model::Model;
use crate::table::given;

pub(super) fn answer(model: Model) -> Answer {
    let Model { spec, data, network, init, layers } = model;
    // One logit classifies by its sign.
    let classes = network.logits().max(2);
    // The same prediction as in a check: that of these inputs, where their kernel can be carried along.
    let prediction = predict_on(&network, &layers, &data, classes, Seed(spec.measure.seed));
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
        "name": spec.name,
        "data": data.name(),
        "input_gamma": prediction.input.gamma(),
        "kernel_inputs": prediction.kernel_inputs,
        "init": init,
        "depth": network.weight_layers,
    });
    if let (Ok(bulk), Some(fields)) = (&bulk, question.as_object_mut()) {
        fields.insert("activation".to_owned(), bulk.phi.function().to_string().into());
        fields.insert("weight_variance".to_owned(), bulk.weight_variance.into());
        fields.insert("bias_variance".to_owned(), bulk.bias_variance.into());
    }
    // The law of the repeated layers: the first one's may be another.
    let law = layers.get(layers.len() / 2).map_or(WeightFamily::Normal, |layer| layer.family);
    let preserved = bulk.as_ref().map_err(Clone::clone).and_then(|bulk| bulk.preserved(&law));
    let periodic = bulk.as_ref().ok().and_then(Bulk::periodic);
    if let Some(fields) = question.as_object_mut() {
        fields.insert("weight_law".to_owned(), law.to_string().into());
    }
    let layers = prediction.layers.into_iter().map(|layer| LayerState {
        kind: if layer.kind.starts_with("conv") { "conv" } else { "dense" },
        spread: layer.spread,
        ln_gradient: layer.ln_gradient,
        finite_width: Some(layer.finite_width),
        on_data: layer.on_data,
    });
    Answer {
        subject: format!(
            "{}: {} layers with weights on {}; {repeated}",
            spec.name,
            network.weight_layers,
            data.name()
        ),
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
