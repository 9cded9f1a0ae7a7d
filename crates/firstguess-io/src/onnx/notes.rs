//! What a reader should know of a model, in words.

use super::OnnxModel;
use super::error::Operator;
use super::layers::WeightNode;
use super::translate::Reached;

/// Operators and layers that notes name one by one.
const NAMED: usize = 8;

impl OnnxModel {
    /// What was read, what is not run, and what ends theory.
    pub(super) fn notes(
        &self,
        layers: &[WeightNode],
        beyond: &[WeightNode],
        unknown: &[Operator],
        reached: &Reached,
        stand_ins: Option<String>,
        single: bool,
    ) -> Vec<String> {
        let mut notes = Vec::new();
        let producer = self.producer();
        let by =
            if producer.is_empty() { String::new() } else { format!(", written by {producer}") };
        notes.push(format!("ONNX, operator set {}{by}", self.graph.opset));
        if !self.graph.outside.is_empty() {
            notes.push(format!(
                "weights were read from {} beside the model",
                self.graph.outside.join(", ")
            ));
        }
        let graph = &self.graph;
        if graph.one_of_numbers().is_none() {
            let fed: Vec<String> = graph.inputs.iter().map(|input| graph.describe(input)).collect();
            notes.push(format!("inputs: {}", fed.join(", ")));
        }
        if let Some(stand_ins) = stand_ins {
            notes.push(format!("no data were given: {stand_ins}, their labels random"));
        }
        if !graph.others.is_empty() {
            notes.push(format!(
                "of the model's outputs `{}` is taken for the class scores; not looked at: {}",
                graph.names[graph.output],
                graph.others.join(", ")
            ));
        }
        if single {
            notes.push(
                "the model declares a batch of any size but takes one input at a time".to_owned(),
            );
        }
        notes.extend(reached.notes.iter().cloned());
        if !unknown.is_empty() {
            let names: Vec<String> = unknown.iter().take(NAMED).map(ToString::to_string).collect();
            let more = if unknown.len() > NAMED {
                format!(" and {} more", unknown.len() - NAMED)
            } else {
                String::new()
            };
            notes.push(format!(
                "operators that are not run here: {}{more}; what depends on them is not measured",
                names.join(", ")
            ));
        }
        for layer in beyond.iter().take(NAMED) {
            notes.push(format!(
                "not measured, behind them: {} ({} {}, fan-in {}), {}",
                layer.path,
                layer.kind.name(),
                layer.units,
                layer.fans.inputs,
                layer.redraw()
            ));
        }
        if beyond.len() > NAMED {
            notes.push(format!("not measured, behind them: {} more layers", beyond.len() - NAMED));
        }
        // What is not run is named above.
        let run = |operator: &Operator| !unknown.contains(operator);
        let blocked: Vec<_> = reached.blocked.iter().filter(|b| run(&b.operator)).collect();
        for blocked in blocked.iter().take(NAMED) {
            notes.push(format!("no theory of {}: it {}", blocked.operator, blocked.reason));
        }
        if blocked.len() > NAMED {
            notes.push(format!("no theory of {} more operators", blocked.len() - NAMED));
        }
        let lawless: Vec<&str> = layers
            .iter()
            .filter(|layer| layer.laws.weight.family.is_none() && !layer.laws.weight.constant)
            .map(|layer| layer.path.as_str())
            .collect();
        if !lawless.is_empty() {
            let shown = lawless[..lawless.len().min(4)].join(", ");
            let more = if lawless.len() > 4 { ", …" } else { "" };
            notes.push(format!(
                "the weights of {} of {} layers ({shown}{more}) follow no law of the vocabulary, as trained ones do not: they are \
                 drawn anew as normal ones of the same variance",
                lawless.len(), layers.len()
            ));
        }
        let normalised = self.graph.nodes.iter().any(|node| node.kind == "BatchNormalization");
        if normalised {
            notes.push(
                "batch normalisations take the statistics in the file as found, and those of the batch in networks drawn anew, as \
                 training begins"
                    .to_owned(),
            );
        }
        notes
    }
}

/// The laws of all layers, the most common first.
pub(super) fn redraw_in_one_line(layers: &[WeightNode]) -> String {
    let mut laws: Vec<(String, usize)> = Vec::new();
    for layer in layers {
        let law = layer.laws.weight.name();
        match laws.iter_mut().find(|(known, _)| *known == law) {
            Some((_, count)) => *count += 1,
            None => laws.push((law, 1)),
        }
    }
    laws.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let shown =
        laws.iter().take(3).map(|(law, count)| format!("{law} ({count} of {})", layers.len()));
    let more = if laws.len() > 3 { ", …" } else { "" };
    format!(
        "drawn anew by the laws read off the weights: {}{more}",
        shown.collect::<Vec<_>>().join(", ")
    )
}
