//! From a graph to layers of our vocabulary, with the weights that the file holds.
//!
//! The graph is run once on a few random inputs, which gives every shape. Then it is read backwards from its output: each step takes
//! the node that makes a value, or a whole subgraph between two values, for one layer. Subgraphs of elementwise operators are told
//! apart by what they compute, not by how an exporter writes them: they are run and compared with each activation and each
//! normalisation. Where two paths meet in a sum, their last common value is where a residual block begins.

mod function;
mod leaf;
mod paths;
mod reach;

use firstguess::math::stream::Seed;
use firstguess::spec::layer::{BranchScale, Layer};
use firstguess::spec::network::Architecture;

use super::OnnxModel;
use super::error::{OnnxError, Operator};
use super::feed::Feed;
use super::graph::Graph;
use super::tensor::Array;

pub(super) use paths::Observed;
pub(super) use reach::{Reach, Reached};

/// The layers of a model, and what stands in its file beside them.
#[derive(Debug, Clone)]
pub struct Translation {
    /// The layers, from input to logits.
    pub architecture: Architecture,
    /// Weights as found, in the order of the layers' `index`.
    pub weights: Vec<FoundWeights>,
    /// What was left out or looked at differently, for the user.
    pub notes: Vec<String>,
}

/// The weights of one layer as the file holds them.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundWeights {
    /// Name of the weight tensor.
    pub name: String,
    /// Dense: `[fan_in, outputs]`. Convolution: `[outputs, channels_in / groups, kernel, kernel]`. Row-major.
    pub weight: Vec<f32>,
    /// `[outputs]`; `None` for a layer without biases.
    pub bias: Option<Vec<f32>>,
    /// The value that the product makes, before the bias where that is added apart.
    pub(super) output: usize,
}

/// One layer, with the weights of it or of the layers in it.
#[derive(Debug)]
enum Piece {
    Leaf(Layer, Option<FoundWeights>),
    Residual { branch: Vec<Piece>, shortcut: Vec<Piece>, scale: f64 },
}

impl Piece {
    fn has_weights(&self) -> bool {
        match self {
            Self::Leaf(_, weights) => weights.is_some(),
            Self::Residual { branch, shortcut, .. } => {
                branch.iter().chain(shortcut).any(Self::has_weights)
            }
        }
    }

    /// The layer; its weights go to `found` in the order of the layers' index: shortcut before branch.
    fn into_layer(self, found: &mut Vec<FoundWeights>) -> Layer {
        match self {
            Self::Leaf(layer, weights) => {
                found.extend(weights);
                layer
            }
            Self::Residual { branch, shortcut, scale } => {
                let shortcut = shortcut.into_iter().map(|piece| piece.into_layer(found)).collect();
                let branch = branch.into_iter().map(|piece| piece.into_layer(found)).collect();
                Layer::Residual { branch, shortcut, branch_scale: BranchScale::Factor(scale) }
            }
        }
    }
}

impl OnnxModel {
    /// Finds the layers of our vocabulary in the model.
    ///
    /// # Errors
    ///
    /// [`OnnxError::Unsupported`] with the nodes that have no layer, or [`OnnxError::Run`] where the model does not fit together.
    pub fn translate(&self) -> Result<Translation, OnnxError> {
        let unknown = super::evaluate::unknown(&self.graph);
        if !unknown.is_empty() {
            let advice =
                "Nothing can be translated whose shapes are unknown; check it as it is".to_owned();
            return Err(OnnxError::Unsupported { operators: unknown, advice });
        }
        if let [_, _, ..] = self.graph.inputs[..] {
            let (names, count) = (self.input_names().join(", "), self.graph.inputs.len());
            return Err(OnnxError::malformed(
                format!("takes {count} inputs ({names})"),
                "one input, from which a chain of layers leads to the scores; check this model as it is",
            ));
        }
        let feed = Feed::made_up(&self.graph)?;
        let rows = Feed::fixed_batch(&self.graph)?.unwrap_or(2);
        feed.check_rows(rows)?;
        let inputs = feed.arrays(rows, &feed.make_up(rows, Seed(0)))?;
        let observed = Observed::new(&self.graph, inputs)?;
        let mut reader = Reader { graph: &self.graph, observed: &observed, notes: Vec::new() };
        let end = reader.logits(self.graph.output);
        let pieces = reader.sequence(self.graph.root, end)?;
        let mut notes = reader.notes;
        notes.extend(folded_norms(&self.graph, &observed));
        let mut weights = Vec::new();
        let layers = pieces.into_iter().map(|piece| piece.into_layer(&mut weights)).collect();
        Ok(Translation { architecture: Architecture { layers }, weights, notes })
    }
}

/// Convolutions behind which an exporter may have folded batch normalisations, of how many.
///
/// In evaluation mode torch's exporters fold them: the network in the file then has no normalisation, which at initialization is a
/// different network. What is left of one is a convolution with no bias, or with a bias of zeros under an invented name.
pub(super) fn folded_convolutions(graph: &Graph, observed: &Observed) -> Option<(usize, usize)> {
    let trace = |node: &&super::graph::Node| match node.inputs.get(2).copied().flatten() {
        None => true,
        Some(bias) => {
            let zero = observed
                .fixed(bias)
                .and_then(|b| b.float().ok())
                .is_some_and(|b| b.iter().all(|b| *b == 0.0));
            zero && graph.names[bias].rsplit('.').next() != Some("bias")
        }
    };
    let convolutions: Vec<_> = graph.nodes.iter().filter(|node| node.kind == "Conv").collect();
    let folded = convolutions.iter().copied().filter(trace).count();
    let normalised = graph.nodes.iter().any(|node| node.kind.ends_with("Normalization"));
    (folded > 0 && !normalised).then_some((folded, convolutions.len()))
}

fn folded_norms(graph: &Graph, observed: &Observed) -> Option<String> {
    folded_convolutions(graph, observed).map(|(folded, convolutions)| {
        format!(
            "{folded} of {convolutions} convolutions have no bias and no normalisation behind them. If the model has batch normalisations, the \
             exporter has folded them into the convolutions, and this is not the network that will be trained: export it with \
             training=TrainingMode.PRESERVE, do_constant_folding=False, dynamo=False"
        )
    })
}

/// Most layers that are found: as many as a spec may have.
const MAX_PIECES: usize = firstguess::spec::network::MAX_LAYERS;

/// Deepest nesting of residual blocks.
const MAX_NESTING: usize = firstguess::spec::network::MAX_NESTING;

struct Reader<'a> {
    graph: &'a Graph,
    observed: &'a Observed,
    notes: Vec<String>,
}

impl Reader<'_> {
    /// The value whose largest entry is the guess: a softmax at the end changes neither the guesses nor the loss, which takes logits.
    fn logits(&mut self, output: usize) -> usize {
        let mut end = output;
        while let Some(node) = self.observed.maker(self.graph, end) {
            match (node.kind.as_str(), node.inputs.first()) {
                ("Softmax" | "LogSoftmax", Some(Some(input))) => {
                    self.notes.push(format!(
                        "the {} at the output is left out: it changes no guess, and the loss is taken from the logits",
                        node.kind
                    ));
                    end = *input;
                }
                ("Identity", Some(Some(input))) => end = *input,
                _ => break,
            }
        }
        end
    }

    /// The layers between two values.
    fn sequence(&mut self, start: usize, end: usize) -> Result<Vec<Piece>, OnnxError> {
        self.nested(start, end, 0)
    }

    fn nested(
        &mut self,
        start: usize,
        end: usize,
        nesting: usize,
    ) -> Result<Vec<Piece>, OnnxError> {
        let mut pieces = Vec::new();
        let mut at = end;
        while at != start {
            if pieces.len() > MAX_PIECES || nesting > MAX_NESTING {
                return Err(OnnxError::malformed(
                    "has too many layers",
                    format!("{MAX_PIECES} layers, residual blocks nested {MAX_NESTING} deep"),
                ));
            }
            let Some(node) = self.observed.maker(self.graph, at) else {
                return Err(OnnxError::malformed(
                    format!(
                        "leads from its output to `{}`, which is not its input",
                        self.graph.names[at]
                    ),
                    "a chain of layers, with residual blocks",
                ));
            };
            let step = self.step(start, at, node, nesting)?;
            pieces.extend(step.piece);
            at = step.source;
        }
        pieces.reverse();
        Ok(pieces)
    }

    /// The layer whose result is one value.
    fn step(
        &mut self,
        start: usize,
        at: usize,
        node: &super::graph::Node,
        nesting: usize,
    ) -> Result<Step, OnnxError> {
        if let Some(step) = self.leaf(node)? {
            return Ok(step);
        }
        match self.function(start, at)? {
            Some(step) => Ok(step),
            None => self.residual(node, at, nesting),
        }
    }

    /// A sum of two paths that part at one value.
    fn residual(
        &mut self,
        node: &super::graph::Node,
        at: usize,
        nesting: usize,
    ) -> Result<Step, OnnxError> {
        let paths: Vec<usize> = node
            .inputs
            .iter()
            .flatten()
            .copied()
            .filter(|value| self.observed.is_data(*value))
            .collect();
        let ("Add", [a, b], Some(source)) =
            (node.kind.as_str(), &paths[..], self.observed.parting(at))
        else {
            return Err(self.unsupported(node));
        };
        let ((scale_a, a), (scale_b, b)) = (self.scaled(*a), self.scaled(*b));
        let first = self.nested(source, a, nesting + 1)?;
        let second = self.nested(source, b, nesting + 1)?;
        let weighs = |pieces: &[Piece]| pieces.iter().filter(|piece| piece.has_weights()).count();
        // The branch is the longer path; an identity is always the shortcut.
        let a_is_branch = (weighs(&first), first.len()) >= (weighs(&second), second.len());
        let ((branch, scale), (shortcut, carried)) = if a_is_branch {
            ((first, scale_a), (second, scale_b))
        } else {
            ((second, scale_b), (first, scale_a))
        };
        if carried != 1.0 {
            return Err(self.unsupported(node));
        }
        Ok(Step { piece: Some(Piece::Residual { branch, shortcut, scale }), source })
    }

    /// A value as a number times another.
    fn scaled(&self, value: usize) -> (f64, usize) {
        let node = self.observed.maker(self.graph, value);
        let Some(node) = node.filter(|node| matches!(node.kind.as_str(), "Mul" | "Div")) else {
            return (1.0, value);
        };
        let [Some(first), Some(second)] = node.inputs[..] else { return (1.0, value) };
        let number = |value: usize| self.observed.fixed(value).and_then(Array::scalar);
        match (number(first), number(second), node.kind.as_str()) {
            (None, Some(factor), "Mul") => (factor, first),
            (None, Some(divisor), _) if divisor != 0.0 => (1.0 / divisor, first),
            (Some(factor), None, "Mul") => (factor, second),
            _ => (1.0, value),
        }
    }

    fn unsupported(&self, node: &super::graph::Node) -> OnnxError {
        let mut operators: Vec<Operator> = super::evaluate::unknown(self.graph);
        if !operators.contains(&node.operator()) {
            operators.insert(0, node.operator());
        }
        OnnxError::Unsupported {
            operators,
            advice: "The layers behind them are dense, conv (square, symmetric padding), activations, pools, batch, layer, group and \
                     RMS normalisation, dropout, flatten and residual sums; check other models from Python with firstguess.check"
                .to_owned(),
        }
    }
}

/// One step backwards: a layer (or none, where the node changes nothing), and the value it reads.
struct Step {
    piece: Option<Piece>,
    source: usize,
}

impl Step {
    fn layer(layer: Layer, source: usize) -> Self {
        Self { piece: Some(Piece::Leaf(layer, None)), source }
    }

    fn nothing(source: usize) -> Self {
        Self { piece: None, source }
    }
}
