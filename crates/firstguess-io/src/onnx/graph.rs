//! The graph of a model: numbered values, nodes in an order in which they can be run, functions written out.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::error::{OnnxError, Operator};
use super::proto::{AttributeProto, FunctionProto, ModelProto, NodeProto, ValueInfoProto};
use super::tensor::{self, Array};

/// Most nodes after functions are written out.
const MAX_NODES: usize = 100_000;

/// Most arrays that a model is fed.
pub(super) const MAX_INPUTS: usize = 64;

/// Deepest nesting of functions.
const MAX_NESTING: usize = 16;

/// A model as numbered values and the nodes that make them.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    /// Name of each value.
    pub(super) names: Vec<String>,
    /// Values that the file itself holds, by number.
    pub(super) constants: HashMap<usize, Array>,
    pub(super) inputs: Vec<Input>,
    /// Where every path begins: the one input, or a value of its own from which several are taken.
    pub(super) root: usize,
    pub(super) output: usize,
    /// Outputs of the model that are not looked at.
    pub(super) others: Vec<String>,
    /// Version of the operator set.
    pub(super) opset: i64,
    pub(super) producer: String,
    /// Files beside the model that hold tensors.
    pub(super) outside: Vec<String>,
}

/// One of the arrays that a model is fed.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) value: usize,
    /// Extents as declared; `None` where the file leaves one open.
    pub(super) shape: Vec<Option<usize>>,
    /// Names of open extents: those of one name are equal.
    pub(super) symbols: Vec<Option<String>>,
    pub(super) element: Element,
}

/// What the elements of an array are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Float,
    Int,
    Bool,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: String,
    pub(super) name: String,
    /// `None` for an optional input that is left out.
    pub(super) inputs: Vec<Option<usize>>,
    pub(super) outputs: Vec<Option<usize>>,
    attributes: Vec<AttributeProto>,
}

impl Node {
    pub(super) fn operator(&self) -> Operator {
        Operator { kind: self.kind.clone(), node: self.name.clone() }
    }

    fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name).and_then(|attribute| attribute.i)
    }

    pub(super) fn float(&self, name: &str) -> Option<f32> {
        self.attribute(name).and_then(|attribute| attribute.f)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let bytes = self.attribute(name)?.s.as_deref()?;
        std::str::from_utf8(bytes).ok()
    }

    pub(super) fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    pub(super) fn tensor(&self, name: &str) -> Option<&super::proto::TensorProto> {
        self.attribute(name).and_then(|attribute| attribute.t.as_ref())
    }

    pub(super) fn floats(&self, name: &str) -> Option<&[f32]> {
        self.attribute(name).map(|attribute| attribute.floats.as_slice())
    }
}

impl Graph {
    /// Checks a model and numbers its values.
    pub(super) fn new(model: ModelProto, folder: Option<&Path>) -> Result<Self, OnnxError> {
        let opset = model
            .opset_import
            .iter()
            .find(|set| set.domain.is_empty() || set.domain == "ai.onnx")
            .map_or(1, |set| set.version);
        let producer = [model.producer_name.as_str(), model.producer_version.as_str()].join(" ");
        let Some(graph) = model.graph else {
            return Err(OnnxError::malformed(
                "holds no graph",
                "a file written by an ONNX exporter",
            ));
        };
        let mut builder = Builder {
            names: Vec::new(),
            numbers: HashMap::new(),
            nodes: Vec::new(),
            functions: model
                .functions
                .iter()
                .map(|f| ((f.domain.as_str(), f.name.as_str()), f))
                .collect(),
        };
        let mut constants = HashMap::new();
        let mut outside: Vec<String> = Vec::new();
        for initializer in &graph.initializer {
            if let Some(location) = tensor::location(initializer)
                && !outside.iter().any(|known| known == location)
            {
                outside.push(location.to_owned());
            }
            let value = builder.number(&initializer.name);
            constants.insert(value, tensor::read(initializer, folder)?);
        }
        let fed = graph.input.iter().filter(|info| {
            let value = builder.number(&info.name);
            !constants.contains_key(&value)
        });
        let fed: Vec<&ValueInfoProto> = fed.collect();
        let inputs = fed
            .into_iter()
            .map(|info| declared(info, builder.number(&info.name)))
            .collect::<Result<Vec<_>, _>>()?;
        if inputs.is_empty() || inputs.len() > MAX_INPUTS {
            return Err(OnnxError::malformed(
                format!("is fed {} inputs", inputs.len()),
                format!("one to {MAX_INPUTS}, each a batch of examples"),
            ));
        }
        builder.inline(&graph.node, 0)?;
        // Where there are several, one of this name is what is asked about, else the first.
        let scores = graph.output.iter().find(|info| info.name == "logits");
        let Some(output) = scores.or(graph.output.first()) else {
            return Err(OnnxError::malformed("gives no output", "the class scores"));
        };
        let others =
            graph.output.iter().map(|info| &info.name).filter(|name| **name != output.name);
        let others = others.cloned().collect();
        let output = builder.number(&output.name);
        let Builder { names, nodes, .. } = builder;
        check_order(&nodes, &names, &constants, &inputs, output)?;
        let root = inputs[0].value;
        let graph = Self {
            nodes,
            names,
            constants,
            inputs,
            root,
            output,
            others,
            opset,
            producer,
            outside,
        };
        Ok(graph.without_unused())
    }

    /// Drops nodes whose results nothing uses.
    fn without_unused(mut self) -> Self {
        let mut needed = vec![false; self.names.len()];
        needed[self.output] = true;
        let mut keep = vec![false; self.nodes.len()];
        for (position, node) in self.nodes.iter().enumerate().rev() {
            if node.outputs.iter().flatten().any(|value| needed[*value]) {
                keep[position] = true;
                for value in node.inputs.iter().flatten() {
                    needed[*value] = true;
                }
            }
        }
        let mut keep = keep.into_iter();
        self.nodes.retain(|_| keep.next().unwrap_or(false));
        // An input that nothing reads need not be given, but one is asked about at least.
        if self.inputs.iter().any(|input| needed[input.value]) {
            self.inputs.retain(|input| needed[input.value]);
        }
        if let [input] = &self.inputs[..] {
            self.root = input.value;
        } else {
            self.root = self.names.len();
            self.names.push("the inputs".to_owned());
        }
        self
    }

    /// The one input of floating-point numbers, where the model is fed that and nothing else: theory and gradients know no other.
    pub(super) fn one_of_numbers(&self) -> Option<&Input> {
        match &self.inputs[..] {
            [input] if input.element == Element::Float => Some(input),
            _ => None,
        }
    }

    /// An input as it is declared: `ids` [?, 16] of whole numbers.
    pub(super) fn describe(&self, input: &Input) -> String {
        let extents = input.shape.iter().zip(&input.symbols).map(|(extent, symbol)| {
            extent
                .map_or_else(|| symbol.clone().unwrap_or_else(|| "?".to_owned()), |n| n.to_string())
        });
        let extents: Vec<String> = extents.collect();
        let of = match input.element {
            Element::Float => "",
            Element::Int => " of whole numbers",
            Element::Bool => " of truth values",
        };
        format!("`{}` [{}]{of}", self.names[input.value], extents.join(", "))
    }

    /// Floating-point numbers in the file that some node reads.
    pub(super) fn parameters(&self) -> u64 {
        let read: HashSet<usize> =
            self.nodes.iter().flat_map(|node| node.inputs.iter().flatten().copied()).collect();
        let floats = self
            .constants
            .iter()
            .filter(|(value, array)| read.contains(value) && array.float().is_ok());
        floats.map(|(_, array)| array.shape().iter().product::<usize>() as u64).sum()
    }

    /// The node that makes each value.
    pub(super) fn makers(&self) -> HashMap<usize, usize> {
        let mut makers = HashMap::new();
        for (position, node) in self.nodes.iter().enumerate() {
            makers.extend(node.outputs.iter().flatten().map(|value| (*value, position)));
        }
        makers
    }
}

/// An input as the file declares it.
fn declared(info: &ValueInfoProto, value: usize) -> Result<Input, OnnxError> {
    let tensor = info.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
    let Some(shape) = shape else {
        return Err(OnnxError::malformed(
            format!("does not say the shape of its input `{}`", info.name),
            "an input whose shape is declared, but for the batch",
        ));
    };
    let element = match tensor.map_or(0, |tensor| tensor.elem_type) {
        0 | 1 | 10 | 11 | 16 => Element::Float,
        2..=7 | 12 | 13 => Element::Int,
        9 => Element::Bool,
        kind => {
            return Err(OnnxError::malformed(
                format!("takes elements of type {kind} at its input `{}`", info.name),
                "inputs of floating-point numbers, whole numbers or truth values",
            ));
        }
    };
    let extents = shape.dim.iter().map(|dim| {
        dim.dim_value.and_then(|extent| usize::try_from(extent).ok()).filter(|extent| *extent > 0)
    });
    let symbols = shape.dim.iter().map(|dim| dim.dim_param.clone().filter(|name| !name.is_empty()));
    Ok(Input { value, shape: extents.collect(), symbols: symbols.collect(), element })
}

struct Builder<'a> {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
    nodes: Vec<Node>,
    functions: HashMap<(&'a str, &'a str), &'a FunctionProto>,
}

impl Builder<'_> {
    fn number(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), self.names.len() - 1);
        self.names.len() - 1
    }

    fn inline(&mut self, nodes: &[NodeProto], nesting: usize) -> Result<(), OnnxError> {
        if nesting > MAX_NESTING {
            return Err(OnnxError::malformed(
                "calls functions within functions without end",
                format!("functions nested at most {MAX_NESTING} deep"),
            ));
        }
        for node in nodes {
            if self.nodes.len() >= MAX_NODES {
                return Err(OnnxError::malformed(
                    format!("has more than {MAX_NODES} nodes"),
                    "smaller models",
                ));
            }
            if let Some(function) =
                self.functions.get(&(node.domain.as_str(), node.op_type.as_str())).copied()
            {
                let body = call(function, node, self.nodes.len() + self.names.len());
                self.inline(&body, nesting + 1)?;
                continue;
            }
            let mut numbered = |names: &[String]| -> Vec<Option<usize>> {
                names.iter().map(|n| (!n.is_empty()).then(|| self.number(n))).collect()
            };
            let (inputs, outputs) = (numbered(&node.input), numbered(&node.output));
            let name = if node.name.is_empty() {
                node.output.first().cloned().unwrap_or_default()
            } else {
                node.name.clone()
            };
            let kind = if node.domain.is_empty() || node.domain == "ai.onnx" {
                node.op_type.clone()
            } else {
                format!("{}.{}", node.domain, node.op_type)
            };
            self.nodes.push(Node {
                kind,
                name,
                inputs,
                outputs,
                attributes: node.attribute.clone(),
            });
        }
        Ok(())
    }
}

/// The body of a function with the caller's names and attributes put in; inner names become unique by `call`.
fn call(function: &FunctionProto, node: &NodeProto, call: usize) -> Vec<NodeProto> {
    let mut names: HashMap<&str, String> = HashMap::new();
    for (formal, actual) in
        function.input.iter().zip(&node.input).chain(function.output.iter().zip(&node.output))
    {
        names.insert(formal, actual.clone());
    }
    // Formal inputs without an actual one are left out.
    for formal in function.input.iter().skip(node.input.len()) {
        names.insert(formal, String::new());
    }
    let rename = |name: &String| {
        if name.is_empty() {
            return String::new();
        }
        names.get(name.as_str()).cloned().unwrap_or_else(|| format!("{name}@{call}"))
    };
    let bind = |attribute: &AttributeProto| {
        if attribute.ref_attr_name.is_empty() {
            return Some(attribute.clone());
        }
        let given = node.attribute.iter().chain(&function.attribute_proto);
        let mut bound = given.into_iter().find(|a| a.name == attribute.ref_attr_name)?.clone();
        bound.name.clone_from(&attribute.name);
        Some(bound)
    };
    function
        .node
        .iter()
        .map(|inner| NodeProto {
            input: inner.input.iter().map(rename).collect(),
            output: inner.output.iter().map(rename).collect(),
            name: format!("{}/{}", node.name, inner.name),
            op_type: inner.op_type.clone(),
            attribute: inner.attribute.iter().filter_map(bind).collect(),
            domain: inner.domain.clone(),
        })
        .collect()
}

/// Whether every value has one source, which stands before whatever reads it, as the format demands.
fn check_order(
    nodes: &[Node],
    names: &[String],
    constants: &HashMap<usize, Array>,
    inputs: &[Input],
    output: usize,
) -> Result<(), OnnxError> {
    let mut known = vec![false; names.len()];
    for input in inputs {
        known[input.value] = true;
    }
    for value in constants.keys() {
        known[*value] = true;
    }
    let unmade = |value: usize| {
        OnnxError::malformed(
            format!("reads a value `{}` before anything makes it", names[value]),
            "graphs whose nodes stand in the order in which they are run",
        )
    };
    for node in nodes {
        if let Some(value) = node.inputs.iter().flatten().find(|value| !known[**value]) {
            return Err(unmade(*value));
        }
        for value in node.outputs.iter().flatten() {
            if std::mem::replace(&mut known[*value], true) {
                return Err(OnnxError::malformed(
                    format!("makes the value `{}` twice", names[*value]),
                    "graphs in which every value has one source",
                ));
            }
        }
    }
    if known[output] { Ok(()) } else { Err(unmade(output)) }
}
