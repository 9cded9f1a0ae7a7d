//! How far the vocabulary reaches into a model: the part of it, from the input on, that specs can write down.

use firstguess::spec::layer::{Layer, Norm};

use super::{FoundWeights, Observed, Piece, Reader};
use crate::onnx::error::{OnnxError, Operator};
use crate::onnx::evaluate;
use crate::onnx::graph::{Graph, Node};

/// A node that the vocabulary does not have, and what that means.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::onnx) struct Blocked {
    pub(in crate::onnx) operator: Operator,
    pub(in crate::onnx) reason: String,
}

/// The layers from the input on.
#[derive(Debug)]
pub(in crate::onnx) struct Reached {
    pub(in crate::onnx) layers: Vec<Layer>,
    /// Weights as found, in the order of the layers' `index`.
    pub(in crate::onnx) weights: Vec<FoundWeights>,
    /// What ended the translation, nearest to the input first; empty where it reaches the logits.
    pub(in crate::onnx) blocked: Vec<Blocked>,
    pub(in crate::onnx) notes: Vec<String>,
    /// The value that holds the logits.
    pub(in crate::onnx) logits: usize,
}

impl Reached {
    /// Why the translation ends before the logits.
    pub(in crate::onnx) fn ended(&self) -> Option<String> {
        self.blocked.first().map(|blocked| format!("{} {}", blocked.operator, blocked.reason))
    }
}

/// Reads a graph as far as the vocabulary goes.
pub(in crate::onnx) struct Reach<'a> {
    graph: &'a Graph,
    observed: &'a Observed,
}

impl<'a> Reach<'a> {
    pub(in crate::onnx) const fn new(graph: &'a Graph, observed: &'a Observed) -> Self {
        Self { graph, observed }
    }

    fn reader(&self) -> Reader<'a> {
        Reader { graph: self.graph, observed: self.observed, notes: Vec::new() }
    }

    /// The layers from the input to the logits, or as many of them as can be written down.
    pub(in crate::onnx) fn translate(&self) -> Result<Reached, OnnxError> {
        let mut reader = self.reader();
        let start = self.graph.root;
        let logits = reader.logits(self.graph.output);
        let (mut at, mut pieces, mut blocked) = (logits, Vec::new(), Vec::new());
        while at != start {
            let known = reader.notes.len();
            let stop = match self.step(&mut reader, at) {
                Ok((found, source)) => {
                    pieces.extend(found);
                    at = source;
                    continue;
                }
                Err(stop) => stop,
            };
            // What lies behind is out of reach, and what was read of it worth nothing.
            pieces.clear();
            reader.notes.truncate(known);
            let Some(earlier) = self.observed.parting(at) else {
                return Err(OnnxError::malformed(
                    format!(
                        "leads from its output to `{}`, which is not its input",
                        self.graph.names[at]
                    ),
                    "an output that depends on the input",
                ));
            };
            if blocked.last().is_none_or(|last: &Blocked| last.operator != stop.operator) {
                blocked.push(stop);
            }
            at = earlier;
        }
        pieces.reverse();
        blocked.reverse();
        let mut weights = Vec::new();
        let layers =
            pieces.into_iter().map(|piece: Piece| piece.into_layer(&mut weights)).collect();
        Ok(Reached { layers, weights, blocked, notes: reader.notes, logits })
    }

    fn step(&self, reader: &mut Reader<'a>, at: usize) -> Result<(Option<Piece>, usize), Blocked> {
        let node = self.observed.maker(self.graph, at);
        if !self.observed.is_reached(at) {
            return Err(self.unreached(at, node));
        }
        let Some(node) = node else {
            let operator =
                Operator { kind: "value".to_owned(), node: self.graph.names[at].clone() };
            return Err(Blocked { operator, reason: "does not come from the input".to_owned() });
        };
        // Where paths from several inputs meet there is no layer, whatever the operator.
        if self.graph.inputs.len() > 1
            && self.observed.parting(at) == Some(self.graph.root)
            && node.inputs.iter().flatten().filter(|value| self.observed.is_data(**value)).count()
                > 1
        {
            let reason = "joins several inputs of the model: theory carries one".to_owned();
            return Err(Blocked { operator: node.operator(), reason });
        }
        match reader.step(self.graph.root, at, node, 0) {
            Ok(step) => Ok((step.piece, step.source)),
            Err(OnnxError::Run { operator, problem }) => Err(Blocked { operator, reason: problem }),
            Err(OnnxError::Unsupported { operators, .. }) => {
                let operator = operators.into_iter().next().unwrap_or_else(|| node.operator());
                let reason = self.reason(&operator);
                Err(Blocked { operator, reason })
            }
            Err(other) => Err(Blocked { operator: node.operator(), reason: other.to_string() }),
        }
    }

    /// The node that keeps a value from being known.
    fn unreached(&self, at: usize, node: Option<&Node>) -> Blocked {
        let (mut waiting, mut seen) = (vec![at], vec![false; self.graph.names.len()]);
        while let Some(value) = waiting.pop() {
            if std::mem::replace(&mut seen[value], true) {
                continue;
            }
            let Some(maker) = self.observed.maker(self.graph, value) else { continue };
            if !evaluate::is_known(maker) {
                let reason = "is an operator that is not run here".to_owned();
                return Blocked { operator: maker.operator(), reason };
            }
            waiting.extend(maker.inputs.iter().flatten());
        }
        let unknown = || Operator { kind: "value".to_owned(), node: self.graph.names[at].clone() };
        let operator = node.map_or_else(unknown, Node::operator);
        Blocked { operator, reason: "could not be run".to_owned() }
    }

    /// Whether a node picks rows of a constant table.
    fn is_lookup(&self, node: Option<&Node>) -> bool {
        let table = node.and_then(|node| node.inputs.first().copied().flatten());
        table.is_some_and(|table| !self.observed.is_data(table))
    }

    /// Why an operator that runs has no layer.
    fn reason(&self, operator: &Operator) -> String {
        let node = self.graph.nodes.iter().find(|node| node.operator() == *operator);
        let sources: Vec<usize> = node.map_or_else(Vec::new, |node| {
            node.inputs.iter().flatten().copied().filter(|v| self.observed.is_data(*v)).collect()
        });
        let axes = sources.first().map_or(0, |value| self.observed.shape(*value).len());
        match operator.kind.as_str() {
            "Concat" => "joins several paths: the vocabulary has sums of paths only".to_owned(),
            "MatMul" if sources.len() > 1 => {
                "multiplies two values that both depend on the input, as attention does: not in the vocabulary".to_owned()
            }
            "MatMul" | "Gemm" | "Add" if axes > 2 => {
                "acts on every position of a sequence: the vocabulary has dense layers of vectors only".to_owned()
            }
            "Gather" if self.is_lookup(node) => "looks up rows of a table, which the vocabulary has not".to_owned(),
            "Softmax" => "inside the network, as attention has it, is not in the vocabulary".to_owned(),
            _ => "is no layer of the vocabulary".to_owned(),
        }
    }

    /// The activation that each value enters, where it is one of the vocabulary: the largest subgraph counts.
    pub(in crate::onnx) fn activations(&self) -> Vec<(usize, firstguess::spec::Activation)> {
        let mut reader = self.reader();
        let mut found: Vec<(usize, firstguess::spec::Activation)> = Vec::new();
        for node in &self.graph.nodes {
            let Some(at) = node.outputs.first().copied().flatten() else { continue };
            if !self.observed.is_data(at) || !self.observed.is_reached(at) {
                continue;
            }
            let Ok(Some(step)) = reader.function(self.graph.root, at) else { continue };
            if let Some(Piece::Leaf(Layer::Activation(activation), None)) = step.piece {
                found.retain(|(source, _)| *source != step.source);
                found.push((step.source, activation));
            }
        }
        found
    }

    /// Whether a layer of the translation normalises over the batch.
    pub(in crate::onnx) fn has_batch_norm(layers: &[Layer]) -> bool {
        layers.iter().any(|layer| match layer {
            Layer::Norm(norm) => *norm == Norm::Batch,
            Layer::Residual { branch, shortcut, .. } => {
                Self::has_batch_norm(branch) || Self::has_batch_norm(shortcut)
            }
            Layer::Repeat { layers, .. } => Self::has_batch_norm(layers),
            _ => false,
        })
    }
}
