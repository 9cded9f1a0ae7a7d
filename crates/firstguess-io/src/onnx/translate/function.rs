//! Subgraphs told apart by what they compute: activations and normalisations, however an exporter writes them.

use firstguess::spec::Activation;
use firstguess::spec::layer::{Layer, Norm};
use ndarray::{ArrayD, Axis, IxDyn};

use super::paths::random;
use super::{Reader, Step};
use crate::onnx::error::OnnxError;
use crate::onnx::graph::Node;
use crate::onnx::tensor::Array;

/// Most nodes of a subgraph that is one function.
const MAX_NODES: usize = 24;

/// Operators that act on each element.
const ELEMENTWISE: &[&str] = &[
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "Min",
    "Max",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Where",
    "Sqrt",
    "Reciprocal",
    "Exp",
    "Log",
    "Neg",
    "Abs",
    "Sign",
    "Sin",
    "Cos",
    "Erf",
    "Tanh",
    "Sigmoid",
    "Relu",
    "Softplus",
    "Softsign",
    "Mish",
    "HardSwish",
    "HardSigmoid",
    "LeakyRelu",
    "Elu",
    "Celu",
    "Selu",
    "Gelu",
    "Swish",
    "PRelu",
    "Clip",
    "Cast",
    "CastLike",
    "Identity",
];

/// Relative agreement that makes two f32 functions one.
const TOLERANCE: f64 = 2e-5;

/// Points, and what a subgraph makes of them.
type Samples = (Vec<f32>, Vec<f32>);

/// A subgraph that ends at one value and reads one other.
struct Region<'a> {
    nodes: Vec<&'a Node>,
    source: usize,
    target: usize,
}

impl Reader<'_> {
    /// The smallest subgraph ending at `at` that is an activation or a normalisation, or an affine map that a fresh initialization
    /// sets to the identity.
    pub(super) fn function(&mut self, start: usize, at: usize) -> Result<Option<Step>, OnnxError> {
        let mut source = at;
        // The end of a written-out layer normalisation is an RMS normalisation of the centred values.
        let mut smaller = None;
        let mut written = None;
        while source != start
            && let Some(earlier) = self.observed.parting(source)
        {
            source = earlier;
            let Some(nodes) = self.observed.region(self.graph, source, at, MAX_NODES) else {
                break;
            };
            let region = Region { nodes, source, target: at };
            let known = |node: &&Node| {
                ELEMENTWISE.contains(&node.kind.as_str()) || node.kind == "ReduceMean"
            };
            if !region.nodes.iter().all(known) {
                break;
            }
            if self.observed.shape(source) != self.observed.shape(at) {
                continue;
            }
            match self.named(&region)? {
                Some(Layer::Norm(Norm::Rms)) => {
                    smaller.get_or_insert(source);
                    continue;
                }
                Some(layer) => return Ok(Some(Step::layer(layer, source))),
                None if smaller.is_some() => continue,
                None => {}
            }
            // Exporters write one function in several steps: the longest stretch without a name is one expression.
            if let Some(activation) = self.expression(&region)? {
                written = Some(Step::layer(Layer::Activation(activation), source));
                continue;
            }
            if let Some(step) = self.affine(&region) {
                return Ok(Some(step));
            }
        }
        Ok(smaller.map(|source| Step::layer(Layer::Norm(Norm::Rms), source)).or(written))
    }

    fn run(&self, region: &Region<'_>, input: ArrayD<f32>) -> Result<ArrayD<f32>, OnnxError> {
        self.observed.run_region(self.graph, &region.nodes, region.source, input, region.target)
    }

    fn named(&self, region: &Region<'_>) -> Result<Option<Layer>, OnnxError> {
        if region.nodes.iter().any(|node| node.kind == "ReduceMean") {
            return self.normalisation(region);
        }
        let Some((points, values)) = self.sampled(region)? else { return Ok(None) };
        Ok(candidates(region)
            .into_iter()
            .find(|a| agrees(a, &points, &values))
            .map(Layer::Activation))
    }

    /// The subgraph as an expression, where our expressions have all its operators.
    fn expression(&self, region: &Region<'_>) -> Result<Option<Activation>, OnnxError> {
        let Some(activation) = expression(self, region).and_then(|text| text.parse().ok()) else {
            return Ok(None);
        };
        let sampled = self.sampled(region)?;
        Ok(sampled
            .is_some_and(|(points, values)| agrees(&activation, &points, &values))
            .then_some(activation))
    }

    /// What the subgraph makes of numbers from -8 to 8; `None` where it is not the same function for every unit.
    fn sampled(&self, region: &Region<'_>) -> Result<Option<Samples>, OnnxError> {
        if !self.scalar_constants(region) {
            return Ok(None);
        }
        let shape = self.observed.shape(region.source);
        let count = shape.iter().product::<usize>().max(1);
        let points: Vec<f32> = (0..256_u16).map(|i| -8.0 + f32::from(i) / 16.0 + 0.013).collect();
        let mut values = Vec::with_capacity(points.len());
        for chunk in points.chunks(count) {
            let mut input = vec![0.0; count];
            input[..chunk.len()].copy_from_slice(chunk);
            let array = ArrayD::from_shape_vec(IxDyn(shape), input)
                .map_err(|error| OnnxError::malformed(error.to_string(), "shapes that fit"))?;
            let output = self.run(region, array)?;
            values.extend(output.iter().take(chunk.len()).copied());
        }
        Ok(Some((points, values)))
    }

    /// Whether everything a subgraph reads but its source is a single number.
    fn scalar_constants(&self, region: &Region<'_>) -> bool {
        region.nodes.iter().all(|node| {
            node.inputs.iter().flatten().all(|value| {
                self.observed.is_data(*value)
                    || self.observed.fixed(*value).is_none_or(|array| {
                        array.scalar().is_some() || matches!(array, Array::Bool(_))
                    })
            })
        })
    }

    fn normalisation(&self, region: &Region<'_>) -> Result<Option<Layer>, OnnxError> {
        let shape = self.observed.shape(region.source).to_vec();
        let [rows, units] = shape[..] else { return Ok(None) };
        let input = random(&shape)?.mapv(|x| 3.0 * x + 2.0);
        let Ok(output) = self.run(region, input.clone()) else { return Ok(None) };
        if output.shape() != [rows, units] {
            return Ok(None);
        }
        for (norm, centred) in [(Norm::Layer, true), (Norm::Rms, false)] {
            let same = input.axis_iter(Axis(0)).zip(output.axis_iter(Axis(0))).all(|(x, y)| {
                let count = units.max(1) as f64;
                let mean = if centred {
                    x.iter().map(|v| f64::from(*v)).sum::<f64>() / count
                } else {
                    0.0
                };
                let square = x.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
                let inverse = 1.0 / square.sqrt();
                x.iter()
                    .zip(y)
                    .all(|(x, y)| ((f64::from(*x) - mean) * inverse - f64::from(*y)).abs() < 1e-3)
            });
            if same {
                return Ok(Some(Layer::Norm(norm)));
            }
        }
        Ok(None)
    }

    /// A gain and a shift for each unit or channel, as they stand behind a normalisation.
    fn affine(&mut self, region: &Region<'_>) -> Option<Step> {
        let [node] = region.nodes[..] else { return None };
        let neutral = match node.kind.as_str() {
            "Mul" | "Div" => 1.0,
            "Add" | "Sub" => 0.0,
            _ => return None,
        };
        let other = node.inputs.iter().flatten().find(|value| !self.observed.is_data(**value));
        let Some(Array::Float(values)) = other.and_then(|value| self.observed.fixed(*value)) else {
            return None;
        };
        if values.len() < 2 {
            return None;
        }
        if values.iter().any(|x| *x != neutral) {
            self.notes.push(format!(
                "{} has gains or shifts of its own, which a fresh initialization sets to one and zero",
                node.operator()
            ));
        }
        Some(Step::nothing(region.source))
    }
}

/// The vocabulary, with the parameters that stand in the nodes.
fn candidates(region: &Region<'_>) -> Vec<Activation> {
    let mut found = vec![
        Activation::Relu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu,
        Activation::Mish,
        Activation::Softplus,
        Activation::HardTanh,
        Activation::HardSwish,
        Activation::Erf,
        Activation::Sin,
        Activation::Sign,
        Activation::Abs,
        Activation::Selu,
        Activation::Relu6,
        Activation::SquaredRelu,
    ];
    for node in &region.nodes {
        let alpha = node.float("alpha").map(f64::from);
        match node.kind.as_str() {
            "LeakyRelu" => {
                found.push(Activation::LeakyRelu { slope: short(alpha.unwrap_or(0.01)) });
            }
            "Elu" => found.push(Activation::Elu { alpha: short(alpha.unwrap_or(1.0)) }),
            "Celu" => found.push(Activation::Celu { alpha: short(alpha.unwrap_or(1.0)) }),
            _ => {}
        }
    }
    found
}

fn agrees(activation: &Activation, points: &[f32], values: &[f32]) -> bool {
    points.len() == values.len()
        && points.iter().zip(values).all(|(x, y)| {
            let expected = activation.value(f64::from(*x));
            (expected - f64::from(*y)).abs() <= TOLERANCE * (1.0 + expected.abs())
        })
}

/// An f32 parameter as the short decimal it was written as.
fn short(value: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "it was an f32")]
    let text = (value as f32).to_string();
    text.parse().unwrap_or(value)
}

/// A subgraph as an expression in `x`, where our expressions have all its operators.
fn expression(reader: &Reader<'_>, region: &Region<'_>) -> Option<String> {
    let mut texts = std::collections::HashMap::from([(region.source, "x".to_owned())]);
    for node in &region.nodes {
        let argument = |position: usize| -> Option<String> {
            let value = node.inputs.get(position).copied().flatten()?;
            if let Some(text) = texts.get(&value) {
                return Some(text.clone());
            }
            let number = reader.observed.fixed(value)?.scalar()?;
            number.is_finite().then(|| format!("({})", short(number)))
        };
        let (a, b) = (argument(0)?, argument(1));
        let text = match (node.kind.as_str(), b) {
            ("Add", Some(b)) => format!("({a}+{b})"),
            ("Sub", Some(b)) => format!("({a}-{b})"),
            ("Mul", Some(b)) => format!("({a}*{b})"),
            ("Div", Some(b)) => format!("({a}/{b})"),
            ("Pow", Some(b)) => format!("({a}^{b})"),
            ("Min", Some(b)) => format!("min({a},{b})"),
            ("Max", Some(b)) => format!("max({a},{b})"),
            ("Neg", None) => format!("(-{a})"),
            ("Reciprocal", None) => format!("(1/{a})"),
            ("Log", None) => format!("log({a})"),
            ("Identity" | "Cast" | "CastLike", _) => a,
            ("Softsign", None) => format!("({a}/(1+abs({a})))"),
            (kind, None) => format!("{}({a})", kind.to_lowercase()),
            _ => return None,
        };
        if text.len() > 2000 {
            return None;
        }
        texts.insert(node.outputs.first().copied().flatten()?, text);
    }
    texts.remove(&region.target)
}
