//! What one run of a graph shows of its values, and where paths through it part and meet.

use std::collections::HashMap;

use ndarray::{ArrayD, IxDyn};

use crate::onnx::error::OnnxError;
use crate::onnx::evaluate;
use crate::onnx::graph::{Graph, Node};
use crate::onnx::tensor::{Array, elements};
use firstguess::math::stream::{Purpose, Seed, Stream};

/// The values of a graph, seen once.
#[derive(Debug)]
pub(in crate::onnx) struct Observed {
    shapes: HashMap<usize, Vec<usize>>,
    /// Values that do not depend on the data: weights, and numbers made from them or from shapes.
    fixed: HashMap<usize, Array>,
    /// Whether each value depends on the data.
    data: Vec<bool>,
    makers: HashMap<usize, usize>,
    /// For each value that depends on the data, the last value that every path from the input to it goes through.
    parting: HashMap<usize, usize>,
}

impl Observed {
    /// Runs the graph on these inputs, by number.
    pub(in crate::onnx) fn new(
        graph: &Graph,
        inputs: Vec<(usize, Array)>,
    ) -> Result<Self, OnnxError> {
        let makers = graph.makers();
        let mut data = vec![false; graph.names.len()];
        let mut order = HashMap::from([(graph.root, 0_usize)]);
        let mut parting: HashMap<usize, usize> = HashMap::new();
        for input in &graph.inputs {
            data[input.value] = true;
            order.insert(input.value, 0);
            if input.value != graph.root {
                parting.insert(input.value, graph.root);
            }
        }
        for (position, node) in graph.nodes.iter().enumerate() {
            // Shapes depend on the size of the batch, not on what is in it.
            if matches!(node.kind.as_str(), "Shape" | "Size") {
                continue;
            }
            let sources: Vec<usize> =
                node.inputs.iter().flatten().copied().filter(|v| data[*v]).collect();
            let Some(common) = sources.iter().copied().reduce(|a, b| meet(&parting, &order, a, b))
            else {
                continue;
            };
            for value in node.outputs.iter().flatten() {
                data[*value] = true;
                order.insert(*value, position + 1);
                parting.insert(*value, common);
            }
        }
        let mut fixed = graph.constants.clone();
        let mut shapes: HashMap<usize, Vec<usize>> =
            graph.constants.iter().map(|(value, array)| (*value, array.shape().to_vec())).collect();
        shapes.extend(inputs.iter().map(|(value, array)| (*value, array.shape().to_vec())));
        evaluate::run(graph, inputs, evaluate::Changes::default(), |value, array| {
            shapes.insert(value, array.shape().to_vec());
            if !data[value] {
                fixed.insert(value, array.clone());
            }
        })?;
        Ok(Self { shapes, fixed, data, makers, parting })
    }

    pub(in crate::onnx) fn shape(&self, value: usize) -> &[usize] {
        self.shapes.get(&value).map_or(&[], Vec::as_slice)
    }

    /// Whether the run came so far: nothing is known of values behind a node that cannot be run.
    pub(in crate::onnx) fn is_reached(&self, value: usize) -> bool {
        self.shapes.contains_key(&value)
    }

    pub(in crate::onnx) fn fixed(&self, value: usize) -> Option<&Array> {
        self.fixed.get(&value)
    }

    pub(in crate::onnx) fn is_data(&self, value: usize) -> bool {
        self.data[value]
    }

    /// The node that makes a value.
    pub(in crate::onnx) fn maker<'a>(&self, graph: &'a Graph, value: usize) -> Option<&'a Node> {
        self.makers.get(&value).and_then(|position| graph.nodes.get(*position))
    }

    /// The last value that every path to this one goes through; `None` at the input.
    pub(in crate::onnx) fn parting(&self, value: usize) -> Option<usize> {
        self.parting.get(&value).copied()
    }

    /// The nodes between two values, in order; `None` where there are more than `most`, or where a path leads past `source`.
    pub(in crate::onnx) fn region<'a>(
        &self,
        graph: &'a Graph,
        source: usize,
        target: usize,
        most: usize,
    ) -> Option<Vec<&'a Node>> {
        let (mut found, mut waiting) = (Vec::new(), vec![target]);
        while let Some(value) = waiting.pop() {
            if value == source || !self.data[value] {
                continue;
            }
            let position = *self.makers.get(&value)?;
            if !found.contains(&position) {
                found.push(position);
                waiting.extend(graph.nodes[position].inputs.iter().flatten());
            }
            if found.len() > most {
                return None;
            }
        }
        found.sort_unstable();
        Some(found.into_iter().map(|position| &graph.nodes[position]).collect())
    }

    /// Runs a region on an array that takes the place of `source`.
    pub(in crate::onnx) fn run_region(
        &self,
        graph: &Graph,
        region: &[&Node],
        source: usize,
        input: ArrayD<f32>,
        target: usize,
    ) -> Result<ArrayD<f32>, OnnxError> {
        let mut values = HashMap::from([(source, Array::Float(input))]);
        for node in region {
            let results = evaluate::run_node(graph, node, false, |value| {
                values.get(value).or_else(|| self.fixed.get(value))
            })?;
            for (output, result) in node.outputs.iter().zip(results) {
                values.extend(output.map(|output| (output, result)));
            }
        }
        let missing = || {
            OnnxError::malformed("has a part without a result", "values that depend on the input")
        };
        let output = values.remove(&target).ok_or_else(missing)?;
        output
            .into_float()
            .map_err(|problem| OnnxError::malformed(problem, "floating-point values"))
    }
}

/// Where the paths to two values last went through one value.
fn meet(
    parting: &HashMap<usize, usize>,
    order: &HashMap<usize, usize>,
    mut a: usize,
    mut b: usize,
) -> usize {
    let place = |value: usize| order.get(&value).copied().unwrap_or(0);
    while a != b {
        // Values stand behind those they are made from: the later one goes back.
        let later = if place(a) >= place(b) { &mut a } else { &mut b };
        match parting.get(later) {
            Some(earlier) => *later = *earlier,
            None => return *later,
        }
    }
    a
}

/// Standard normal numbers, the same for every run.
pub(in crate::onnx) fn random(shape: &[usize]) -> Result<ArrayD<f32>, OnnxError> {
    let refused = |problem| OnnxError::malformed(format!("has {problem}"), "smaller inputs");
    let mut values = vec![0.0; elements(shape).map_err(refused)?];
    Stream::new(Seed(0), 0, 0, Purpose::Data).fill_normal_f32(0, &mut values);
    ArrayD::from_shape_vec(IxDyn(shape), values)
        .map_err(|error| OnnxError::malformed(error.to_string(), "smaller inputs"))
}
