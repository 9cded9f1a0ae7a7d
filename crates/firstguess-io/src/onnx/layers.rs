//! The layers with weights of a graph, in the order in which they are run, whether the vocabulary has them or not.

use std::collections::HashMap;

use firstguess::measure::found_law::{Fans, FoundLaw, layer_init, read_biases, read_weights};
use firstguess::measure::observed::{LayerKind, Layout};
use firstguess::spec::Activation;
use firstguess::spec::scheme::LayerInit;
use ndarray::{ArrayD, Axis};

use super::error::OnnxError;
use super::graph::{Graph, Node};
use super::tensor::Array;
use super::translate::{Observed, Reach};

/// One layer with weights.
#[derive(Debug)]
pub(super) struct WeightNode {
    /// Where it is in the model: `layer1.0.conv2`.
    pub(super) path: String,
    /// The operator: `Conv`, `Gemm`, `MatMul`.
    pub(super) class: String,
    pub(super) kind: LayerKind,
    pub(super) units: usize,
    pub(super) fans: Fans,
    /// Numbers of the values: the weight, the bias, the product, and the product with the bias.
    pub(super) weight: usize,
    pub(super) bias: Option<usize>,
    pub(super) product: usize,
    pub(super) output: usize,
    pub(super) layout: Layout,
    /// Positions of one example; `None` where the run did not come so far.
    pub(super) positions: Option<usize>,
    pub(super) weights: u64,
    /// Whether the file has the weights as `[units, fan_in]`, or transposed.
    pub(super) by_unit: bool,
    pub(super) weight_shape: Vec<usize>,
    pub(super) bias_shape: Vec<usize>,
    /// Places of exact zeros in the weights as the file has them.
    pub(super) zeros: Vec<usize>,
    /// Factors on weights and biases that the operator brings.
    pub(super) factors: [f32; 2],
    pub(super) laws: Laws,
    /// The activation that the layer feeds, and the value that enters it.
    pub(super) activation: Option<(Activation, usize)>,
}

/// What a layer's weights and biases follow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Laws {
    pub(super) weight: FoundLaw,
    pub(super) bias: Option<FoundLaw>,
    /// Share of the weights that are not exactly zero.
    pub(super) density: f64,
}

impl Laws {
    /// The law of the weights that are not exactly zero.
    pub(super) fn init_at_full_density(&self, fans: Fans) -> LayerInit {
        layer_init(&self.weight, self.bias.as_ref(), fans)
    }

    /// The draw of the layer as theory and our own networks take it.
    pub(super) fn init(&self, fans: Fans) -> LayerInit {
        let init = self.init_at_full_density(fans);
        // Masks and other zeros stay: they are not part of the law.
        let weight_variance =
            init.weight_variance * if self.weight.constant { 1.0 } else { self.density };
        LayerInit { weight_variance, ..init }
    }
}

impl WeightNode {
    /// How it is drawn anew, in words.
    pub(super) fn redraw(&self) -> String {
        let bias = match &self.laws.bias {
            Some(law) if !(law.constant && law.mean == 0.0) => format!("; bias: {law}"),
            _ => String::new(),
        };
        format!("law read off the weights: weight: {}{bias}", self.laws.weight)
    }

    /// Multiplications for one example; a table is read, not multiplied.
    pub(super) fn work(&self) -> u64 {
        let weights =
            if self.kind == LayerKind::Embedding { self.units as u64 } else { self.weights };
        weights.saturating_mul(self.positions.unwrap_or(1) as u64)
    }

    pub(super) fn parameters(&self) -> u64 {
        self.weights + self.bias.map_or(0, |_| self.units as u64)
    }
}

/// The layers with weights of a graph that was run once on `batch` examples.
pub(super) fn find(
    graph: &Graph,
    observed: &Observed,
    batch: usize,
) -> Result<Vec<WeightNode>, OnnxError> {
    let mut readers: HashMap<usize, Vec<&Node>> = HashMap::new();
    for node in &graph.nodes {
        for value in node.inputs.iter().flatten() {
            readers.entry(*value).or_default().push(node);
        }
    }
    let mut found = Vec::new();
    for node in &graph.nodes {
        if let Some(layer) = weight_node(graph, observed, &readers, node, batch)? {
            found.push(layer);
        }
    }
    for (source, activation) in Reach::new(graph, observed).activations() {
        let before = observed.maker(graph, source).filter(|n| n.kind.ends_with("Normalization"));
        let normalised = before.and_then(|node| node.inputs.first().copied().flatten());
        let enters =
            |layer: &&mut WeightNode| layer.output == source || Some(layer.output) == normalised;
        if let Some(layer) = found.iter_mut().find(enters) {
            layer.activation = Some((activation, source));
        }
    }
    Ok(found)
}

/// A matrix as `[units, fan_in]`, row-major, and whether the file has it so or transposed.
struct Matrix {
    rows: Vec<f32>,
    fans: Fans,
    by_unit: bool,
}

fn weight_node(
    graph: &Graph,
    observed: &Observed,
    readers: &HashMap<usize, Vec<&Node>>,
    node: &Node,
    batch: usize,
) -> Result<Option<WeightNode>, OnnxError> {
    let value = |position: usize| node.inputs.get(position).copied().flatten();
    let Some(product) = node.outputs.first().copied().flatten() else { return Ok(None) };
    let (Some(mut source), Some(mut weight)) = (value(0), value(1)) else { return Ok(None) };
    if node.kind == "Gather" {
        // Rows of a table that the input looks up.
        (source, weight) = (weight, source);
    }
    if !observed.is_data(source) || observed.is_data(weight) {
        return Ok(None);
    }
    let Some(array) = observed.fixed(weight).and_then(|array| array.float().ok()) else {
        return Ok(None);
    };
    let spatial = observed.shape(product).len() > 2;
    let (kind, layout, mut matrix) = match node.kind.as_str() {
        "Conv" if array.ndim() > 2 => (LayerKind::Conv, Layout::Planes, kernels(array)),
        "Gemm" if array.ndim() == 2 => {
            let transposed = node.int("transB").unwrap_or(0) != 0;
            (LayerKind::Dense, Layout::UnitsLast, matrix(array, transposed))
        }
        "MatMul" if array.ndim() == 2 => {
            (LayerKind::Dense, Layout::UnitsLast, matrix(array, false))
        }
        "Gather" if array.ndim() == 2 && node.int("axis").unwrap_or(0) == 0 => {
            (LayerKind::Embedding, Layout::UnitsLast, matrix(array, false))
        }
        _ => return Ok(None),
    };
    let layout = if kind == LayerKind::Conv && !spatial { Layout::UnitsLast } else { layout };
    let units = matrix.fans.units;
    let (bias, output) = match (value(2), node.kind.as_str()) {
        (bias @ Some(_), "Conv" | "Gemm") => (bias, product),
        (_, "Gather") => (None, product),
        _ => added_bias(observed, readers, product, units)
            .map_or((None, product), |(bias, sum)| (Some(bias), sum)),
    };
    let unusable = |value: usize| {
        OnnxError::malformed(
            format!("has weights `{}` with an infinite value or NaN in them", graph.names[value]),
            "finite weights; a model that diverged can be neither run nor drawn anew",
        )
    };
    let factor = |name: &str| {
        let given = node.float(name).filter(|_| node.kind == "Gemm");
        given.unwrap_or(1.0)
    };
    let factors = [factor("alpha"), factor("beta")];
    matrix.rows.iter_mut().for_each(|w| *w *= factors[0]);
    let nonzero = matrix.rows.iter().filter(|w| **w != 0.0).count();
    let density = nonzero as f64 / matrix.rows.len().max(1) as f64;
    let law = read_weights(&matrix.rows, matrix.fans).ok_or_else(|| unusable(weight))?;
    let values = bias.and_then(|bias| Some((bias, observed.fixed(bias)?.float().ok()?)));
    let bias_shape = values.as_ref().map_or_else(Vec::new, |(_, array)| array.shape().to_vec());
    let bias_law = values
        .map(|(bias, array)| {
            let values: Vec<f32> = array.iter().map(|b| factors[1] * b).collect();
            read_biases(&values, &law, matrix.fans).ok_or_else(|| unusable(bias))
        })
        .transpose()?;
    let zeros = array.iter().enumerate().filter(|(_, w)| **w == 0.0).map(|(place, _)| place);
    let zeros = if law.constant { Vec::new() } else { zeros.collect() };
    let shape = observed.shape(output);
    let positions = observed
        .is_reached(output)
        .then(|| shape.iter().product::<usize>() / (units * batch).max(1))
        .map(|positions| positions.max(1));
    Ok(Some(WeightNode {
        path: path_of(graph, observed, node, weight),
        class: node.kind.clone(),
        kind,
        units,
        fans: matrix.fans,
        weight,
        bias: bias_law.and(bias),
        product,
        output,
        layout,
        positions,
        weights: array.len() as u64,
        by_unit: matrix.by_unit,
        weight_shape: array.shape().to_vec(),
        bias_shape,
        zeros,
        factors,
        laws: Laws { weight: law, bias: bias_law, density },
        activation: None,
    }))
}

fn matrix(array: &ArrayD<f32>, transposed: bool) -> Matrix {
    let by_unit = if transposed { array.view() } else { array.t() };
    let (units, inputs) = (by_unit.len_of(Axis(0)), by_unit.len_of(Axis(1)));
    let rows = by_unit.iter().copied().collect();
    Matrix { rows, fans: Fans { inputs, outputs: units, units }, by_unit: transposed }
}

fn kernels(array: &ArrayD<f32>) -> Matrix {
    let units = array.len_of(Axis(0));
    let inputs = array.len() / units.max(1);
    let taps: usize = array.shape().iter().skip(2).product();
    let fans = Fans { inputs, outputs: units * taps, units };
    Matrix { rows: array.iter().copied().collect(), fans, by_unit: true }
}

/// A vector that is added to a product, and the sum.
fn added_bias(
    observed: &Observed,
    readers: &HashMap<usize, Vec<&Node>>,
    product: usize,
    units: usize,
) -> Option<(usize, usize)> {
    let [node] = readers.get(&product)?[..] else { return None };
    let ("Add", [Some(a), Some(b)]) = (node.kind.as_str(), &node.inputs[..]) else { return None };
    let other = if *a == product { *b } else { *a };
    let fits = match observed.fixed(other)? {
        Array::Float(array) => array.len() == units && array.shape().last() == Some(&units),
        _ => false,
    };
    let sum = node.outputs.first().copied().flatten()?;
    (fits && !observed.is_data(other)).then_some((other, sum))
}

/// The module that a weight belongs to, or the node where the exporter has renamed it.
fn path_of(graph: &Graph, observed: &Observed, node: &Node, weight: usize) -> String {
    let mut value = weight;
    // Exporters transpose and cast on the way.
    while let Some(maker) = observed.maker(graph, value) {
        match (maker.kind.as_str(), maker.inputs.first()) {
            ("Transpose" | "Identity" | "Cast" | "CastLike" | "Reshape", Some(Some(earlier))) => {
                value = *earlier;
            }
            _ => break,
        }
    }
    let name = &graph.names[value];
    let module = name.strip_suffix(".weight").filter(|module| !module.is_empty());
    module.map_or_else(|| node.name.trim_start_matches('/').to_owned(), ToOwned::to_owned)
}
