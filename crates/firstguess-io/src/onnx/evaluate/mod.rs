//! Runs a graph on a batch of inputs, in plain f32, as the file says: the weights as found.
//!
//! One function per family of operators; [`OPERATORS`] is the one list. Operators take arrays and give arrays, with shapes checked by
//! each of them: a model that does not fit together is refused with the name of the node.

mod elementwise;
mod gather;
mod normalize;
mod shape;
mod window;

use std::collections::HashMap;

use ndarray::{ArrayD, Axis, Ix2, IxDyn};

pub(super) use window::{Window, windows};

use super::error::{OnnxError, Operator};
use super::graph::{Graph, Node};
use super::tensor::Array;

/// The inputs of a node while it runs.
pub(super) struct Call<'a> {
    pub(super) node: &'a Node,
    pub(super) inputs: Vec<Option<&'a Array>>,
    pub(super) opset: i64,
    /// Whether batch normalisations take the statistics of the batch, without gains and shifts, as training begins.
    pub(super) fresh: bool,
}

impl<'a> Call<'a> {
    /// An input that the operator cannot do without.
    pub(super) fn input(&self, position: usize) -> Result<&'a Array, String> {
        self.optional(position).ok_or_else(|| format!("has no input {position}"))
    }

    pub(super) fn optional(&self, position: usize) -> Option<&'a Array> {
        self.inputs.get(position).copied().flatten()
    }

    pub(super) fn float(&self, position: usize) -> Result<&'a ArrayD<f32>, String> {
        self.input(position)?.float()
    }

    /// Integers that stand in an attribute up to some opset and in an input afterwards.
    pub(super) fn integers(
        &self,
        attribute: &str,
        position: usize,
    ) -> Result<Option<Vec<i64>>, String> {
        if let Some(values) = self.node.ints(attribute).filter(|values| !values.is_empty()) {
            return Ok(Some(values.to_vec()));
        }
        self.optional(position).map(Array::integers).transpose()
    }
}

type Operation = fn(&Call<'_>) -> Result<Array, String>;

/// Every operator that is run, by its name in the ONNX specification.
const OPERATORS: &[&[(&str, Operation)]] = &[
    elementwise::OPERATORS,
    shape::OPERATORS,
    gather::OPERATORS,
    window::OPERATORS,
    normalize::OPERATORS,
    LINEAR,
];

const LINEAR: &[(&str, Operation)] = &[("MatMul", matmul), ("Gemm", gemm)];

fn operation(kind: &str) -> Option<Operation> {
    OPERATORS.iter().flat_map(|group| *group).find(|(name, _)| *name == kind).map(|(_, run)| *run)
}

/// The operators of a graph that [`run`] does not know.
pub(super) fn unknown(graph: &Graph) -> Vec<Operator> {
    graph.nodes.iter().filter(|node| !is_known(node)).map(Node::operator).collect()
}

/// What a run puts in place of what the file says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Changes<'a> {
    /// Values that are these, whatever makes them.
    pub(super) values: Option<&'a HashMap<usize, Array>>,
    /// Whether batch normalisations take the statistics of the batch, without gains and shifts, as training begins.
    pub(super) fresh: bool,
}

impl Changes<'_> {
    fn value(&self, value: usize) -> Option<&Array> {
        self.values.and_then(|values| values.get(&value))
    }
}

/// Runs the graph on one batch, calls `see` with every value that is made, in order, and gives the output.
///
/// A value is dropped as soon as nothing later reads it. Nodes that are not known, and those behind them, are left out: the output
/// is `None` where it is among them.
pub(super) fn run(
    graph: &Graph,
    inputs: Vec<(usize, Array)>,
    changes: Changes<'_>,
    mut see: impl FnMut(usize, &Array),
) -> Result<Option<ArrayD<f32>>, OnnxError> {
    let mut last_read: HashMap<usize, usize> = HashMap::new();
    for (position, node) in graph.nodes.iter().enumerate() {
        for value in node.inputs.iter().flatten() {
            last_read.insert(*value, position);
        }
    }
    last_read.insert(graph.output, usize::MAX);
    let mut values: HashMap<usize, Array> = inputs.into_iter().collect();
    for (position, node) in graph.nodes.iter().enumerate() {
        let find = |value: &usize| {
            let found = changes.value(*value).or_else(|| values.get(value));
            found.or_else(|| graph.constants.get(value))
        };
        let reached = node.inputs.iter().flatten().all(|value| find(value).is_some());
        if !reached || !is_known(node) {
            continue;
        }
        for (output, result) in node.outputs.iter().zip(run_node(graph, node, changes.fresh, find)?)
        {
            if let Some(output) = output {
                see(*output, changes.value(*output).unwrap_or(&result));
                values.insert(*output, result);
            }
        }
        for value in node.inputs.iter().flatten() {
            if last_read.get(value) == Some(&position) {
                values.remove(value);
            }
        }
    }
    let output =
        values.remove(&graph.output).or_else(|| graph.constants.get(&graph.output).cloned());
    let Some(output) = output else { return Ok(None) };
    output.into_float().map(Some).map_err(|problem| {
        OnnxError::malformed(format!("has an output that {problem}"), "class scores")
    })
}

/// Whether a node is run here.
pub(super) fn is_known(node: &Node) -> bool {
    node.kind == "Split" || operation(&node.kind).is_some()
}

/// Runs one node on the values that `find` knows, and gives its results.
pub(super) fn run_node<'a>(
    graph: &Graph,
    node: &Node,
    fresh: bool,
    find: impl Fn(&usize) -> Option<&'a Array>,
) -> Result<Vec<Array>, OnnxError> {
    let refused = |problem: String| OnnxError::Run { operator: node.operator(), problem };
    let inputs = node.inputs.iter().map(|value| value.as_ref().and_then(&find)).collect();
    let call = Call { node, inputs, opset: graph.opset, fresh };
    if node.kind == "Split" {
        return shape::split(&call).map_err(refused);
    }
    let operation = operation(&node.kind).ok_or_else(|| refused("is not supported".to_owned()))?;
    Ok(vec![operation(&call).map_err(refused)?])
}

/// `A B` over the last two axes; the others are broadcast.
fn matmul(call: &Call<'_>) -> Result<Array, String> {
    let (a, b) = (call.float(0)?, call.float(1)?);
    let (mut left, mut right) = (a.clone(), b.clone());
    if left.ndim() == 0 || right.ndim() == 0 {
        return Err("multiplies matrices, got a single number".to_owned());
    }
    let (vector_left, vector_right) = (left.ndim() == 1, right.ndim() == 1);
    if vector_left {
        left = left.insert_axis(Axis(0));
    }
    if vector_right {
        right = right.insert_axis(Axis(1));
    }
    let (l, r) = (left.ndim(), right.ndim());
    let (m, k) = (left.shape()[l - 2], left.shape()[l - 1]);
    let (k_right, n) = (right.shape()[r - 2], right.shape()[r - 1]);
    if k != k_right {
        return Err(format!("multiplies shapes {:?} and {:?}", a.shape(), b.shape()));
    }
    let batch = elementwise::common_shape(&left.shape()[..l - 2], &right.shape()[..r - 2])?;
    let mut shape = batch.clone();
    shape.extend([m, n]);
    super::tensor::elements(&shape)?;
    let full = |array: &ArrayD<f32>, tail: [usize; 2]| {
        let mut wanted = batch.clone();
        wanted.extend(tail);
        let spread = array.broadcast(IxDyn(&wanted)).ok_or("cannot be broadcast")?;
        let count = batch.iter().product::<usize>();
        let standard = spread.as_standard_layout().into_owned();
        standard.into_shape_with_order((count, tail[0], tail[1])).map_err(|error| error.to_string())
    };
    let (left, right) = (full(&left, [m, k])?, full(&right, [k, n])?);
    let mut result = ndarray::Array3::<f32>::zeros((left.shape()[0], m, n));
    for ((l, r), mut out) in left.outer_iter().zip(right.outer_iter()).zip(result.outer_iter_mut())
    {
        out.assign(&l.dot(&r));
    }
    if vector_left {
        shape.remove(shape.len() - 2);
    }
    if vector_right {
        shape.pop();
    }
    let result = result.into_shape_with_order(IxDyn(&shape)).map_err(|error| error.to_string())?;
    Ok(Array::Float(result))
}

/// `α op(A) op(B) + β C`.
fn gemm(call: &Call<'_>) -> Result<Array, String> {
    let matrix = |position: usize, flag: &str| {
        let array = call.float(position)?.clone();
        let shape = array.shape().to_vec();
        let matrix = array
            .into_dimensionality::<Ix2>()
            .map_err(|_| format!("takes matrices, got shape {shape:?}"))?;
        Ok::<_, String>(if call.node.int(flag).unwrap_or(0) == 0 {
            matrix
        } else {
            matrix.reversed_axes()
        })
    };
    let (a, b) = (matrix(0, "transA")?, matrix(1, "transB")?);
    if a.ncols() != b.nrows() {
        return Err(format!("multiplies shapes {:?} and {:?}", a.shape(), b.shape()));
    }
    let mut result = a.dot(&b) * call.node.float("alpha").unwrap_or(1.0);
    if let Some(c) = call.optional(2) {
        let c = c.float()?;
        let spread = c
            .broadcast(IxDyn(&[result.nrows(), result.ncols()]))
            .ok_or_else(|| format!("adds shape {:?} to {:?}", c.shape(), result.shape()))?;
        let beta = call.node.float("beta").unwrap_or(1.0);
        result.zip_mut_with(
            &spread.into_dimensionality::<Ix2>().map_err(|e| e.to_string())?,
            |r, c| {
                *r += beta * c;
            },
        );
    }
    Ok(Array::Float(result.into_dyn()))
}

/// An axis counted from the end where negative.
pub(super) fn axis(axis: i64, axes: usize) -> Result<usize, String> {
    let counted =
        if axis < 0 { axis.saturating_add(i64::try_from(axes).unwrap_or(i64::MAX)) } else { axis };
    usize::try_from(counted)
        .ok()
        .filter(|counted| *counted < axes)
        .ok_or_else(|| format!("axis {axis} of {axes}"))
}
