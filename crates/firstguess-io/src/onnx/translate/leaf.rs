//! Nodes that are a layer of their own: weights, pools, reshapes, normalisations.

use firstguess::spec::layer::{ConvWindow, Layer, Norm, OwnVariances, PoolKind};

use super::{FoundWeights, Piece, Reader, Step};
use crate::onnx::error::OnnxError;
use crate::onnx::evaluate::{Window, windows};
use crate::onnx::graph::Node;
use crate::onnx::tensor::Array;

impl Reader<'_> {
    /// The layer that a single node is; `None` where it may be part of a larger one.
    pub(super) fn leaf(&mut self, node: &Node) -> Result<Option<Step>, OnnxError> {
        let Some(Some(source)) = node.inputs.first().copied() else { return Ok(None) };
        Ok(match node.kind.as_str() {
            "Identity" | "Cast" | "CastLike" if self.observed.is_data(source) => {
                Some(Step::nothing(source))
            }
            "Dropout" => Some(self.dropout(node, source)),
            "Gemm" => self.gemm(node, source),
            "MatMul" => self.matmul(node, None),
            "Add" => self.biased(node),
            "Conv" => Some(self.conv(node, source)?),
            "MaxPool" => Some(self.pool(node, source, PoolKind::Max)?),
            "AveragePool" => Some(self.pool(node, source, PoolKind::Average)?),
            "GlobalAveragePool" => Some(Step::layer(Layer::GlobalAveragePool, source)),
            "ReduceMean" => self.spatial_mean(node, source),
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => self.reshape(node, source),
            "BatchNormalization" => Some(self.norm(node, source, Norm::Batch, 1)),
            "InstanceNormalization" => self.instance_norm(node, source),
            "GroupNormalization" => {
                let groups =
                    node.int("num_groups").and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
                Some(self.norm(node, source, Norm::Group(groups), 1))
            }
            "LayerNormalization" if self.is_flat(source) => {
                Some(self.norm(node, source, Norm::Layer, 1))
            }
            "RMSNormalization" | "SimplifiedLayerNormalization" if self.is_flat(source) => {
                Some(self.norm(node, source, Norm::Rms, 1))
            }
            _ => None,
        })
    }

    /// `[batch, features]`.
    fn is_flat(&self, value: usize) -> bool {
        self.observed.shape(value).len() == 2
    }

    fn dropout(&self, node: &Node, source: usize) -> Step {
        let ratio =
            node.inputs.get(1).copied().flatten().and_then(|v| self.observed.fixed(v)?.scalar());
        let rate = ratio.or_else(|| node.float("ratio").map(f64::from)).unwrap_or(0.5);
        if rate > 0.0 && rate < 1.0 {
            Step::layer(Layer::Dropout { rate }, source)
        } else {
            Step::nothing(source)
        }
    }

    /// A constant matrix, and its shape.
    fn matrix(&self, value: usize) -> Option<(&ndarray::ArrayD<f32>, [usize; 2])> {
        match self.observed.fixed(value)? {
            Array::Float(array) => match *array.shape() {
                [rows, columns] => Some((array, [rows, columns])),
                _ => None,
            },
            _ => None,
        }
    }

    fn vector(&self, value: usize, length: usize) -> Option<Vec<f32>> {
        match self.observed.fixed(value)? {
            Array::Float(array) if array.len() == length => Some(array.iter().copied().collect()),
            Array::Float(array) if array.len() == 1 => Some(vec![*array.first()?; length]),
            _ => None,
        }
    }

    fn dense(
        &self,
        node: &Node,
        weight: usize,
        transposed: bool,
        factor: f32,
        bias: Option<Vec<f32>>,
        source: usize,
    ) -> Option<Step> {
        if !self.is_flat(source) {
            return None;
        }
        let (array, [rows, columns]) = self.matrix(weight)?;
        let units = if transposed { rows } else { columns };
        let found: Vec<f32> = if transposed {
            array.t().iter().map(|w| factor * w).collect()
        } else {
            array.iter().map(|w| factor * w).collect()
        };
        let output = node.outputs.first().copied().flatten()?;
        let name = self.graph.names[weight].clone();
        let weights = FoundWeights { name, weight: found, bias, output };
        let layer = Layer::Dense { units, own: OwnVariances::default() };
        Some(Step { piece: Some(Piece::Leaf(layer, Some(weights))), source })
    }

    fn gemm(&self, node: &Node, source: usize) -> Option<Step> {
        if node.int("transA").unwrap_or(0) != 0 {
            return None;
        }
        let weight = node.inputs.get(1).copied().flatten()?;
        let transposed = node.int("transB").unwrap_or(0) != 0;
        let (_, [rows, columns]) = self.matrix(weight)?;
        let units = if transposed { rows } else { columns };
        let beta = node.float("beta").unwrap_or(1.0);
        let bias = match node.inputs.get(2).copied().flatten() {
            Some(bias) => Some(self.vector(bias, units)?.iter().map(|b| beta * b).collect()),
            None => None,
        };
        self.dense(node, weight, transposed, node.float("alpha").unwrap_or(1.0), bias, source)
    }

    /// A product with a constant matrix, which may stand behind a transposition.
    fn matmul(&self, node: &Node, bias: Option<usize>) -> Option<Step> {
        let [Some(source), Some(weight)] = node.inputs[..] else { return None };
        let (_, [_, columns]) = self.matrix(weight)?;
        let bias = match bias {
            Some(value) => Some(self.vector(value, columns)?),
            None => None,
        };
        self.dense(node, weight, false, 1.0, bias, source)
    }

    /// A product and the sum behind it.
    fn biased(&self, node: &Node) -> Option<Step> {
        let [Some(a), Some(b)] = node.inputs[..] else { return None };
        let (product, bias) = if self.observed.is_data(a) { (a, b) } else { (b, a) };
        if self.observed.is_data(bias) {
            return None;
        }
        let maker = self.observed.maker(self.graph, product)?;
        if maker.kind == "MatMul" { self.matmul(maker, Some(bias)) } else { None }
    }

    /// One window for both axes, or why not.
    fn square(&self, node: &Node, kernel: &[usize], source: usize) -> Result<Window, OnnxError> {
        let refused = |problem: String| OnnxError::Run { operator: node.operator(), problem };
        let spatial = self.observed.shape(source).get(2..).unwrap_or_default();
        if spatial.len() != 2 || kernel.len() != 2 {
            return Err(refused(format!(
                "slides over {} axes; layers of images, [batch, channels, height, width], are known",
                spatial.len()
            )));
        }
        let found = windows(node, kernel, spatial).map_err(refused)?;
        let (rows, columns) = (found[0], found[1]);
        let alike =
            (rows.kernel, rows.stride, rows.pads) == (columns.kernel, columns.stride, columns.pads);
        if !alike || rows.pads.0 != rows.pads.1 || rows.dilation != 1 || columns.dilation != 1 {
            return Err(refused(
                "has a window that is not square, not padded alike on all sides, or dilated; such layers are not in the vocabulary"
                    .to_owned(),
            ));
        }
        let plain = (spatial[0] + 2 * rows.pads.0).saturating_sub(rows.kernel) / rows.stride + 1;
        if rows.count != plain {
            return Err(refused("has windows that hang over the edge (ceil_mode); such layers are not in the vocabulary".to_owned()));
        }
        Ok(rows)
    }

    fn conv(&self, node: &Node, source: usize) -> Result<Step, OnnxError> {
        let weight = node.inputs.get(1).copied().flatten();
        let array = weight.and_then(|weight| self.observed.fixed(weight));
        let (Some(weight), Some(Array::Float(array))) = (weight, array) else {
            return Err(self.unsupported(node));
        };
        let shape = array.shape().to_vec();
        let window = self.square(node, shape.get(2..).unwrap_or_default(), source)?;
        let channels = shape[0];
        let bias = node.inputs.get(2).copied().flatten();
        let bias = match bias {
            Some(bias) => Some(self.vector(bias, channels).ok_or_else(|| self.unsupported(node))?),
            None => None,
        };
        let groups = node.int("group").and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
        let layer = Layer::Conv {
            channels,
            window: ConvWindow {
                kernel: window.kernel,
                stride: window.stride,
                padding: window.pads.0,
                groups,
            },
            own: OwnVariances::default(),
        };
        let weights = FoundWeights {
            name: self.graph.names[weight].clone(),
            weight: array.iter().copied().collect(),
            bias,
            output: node.outputs.first().copied().flatten().unwrap_or(source),
        };
        Ok(Step { piece: Some(Piece::Leaf(layer, Some(weights))), source })
    }

    fn pool(&self, node: &Node, source: usize, kind: PoolKind) -> Result<Step, OnnxError> {
        let kernel: Vec<usize> = node
            .ints("kernel_shape")
            .unwrap_or_default()
            .iter()
            .map(|n| usize::try_from(*n).unwrap_or(0))
            .collect();
        let spatial = self.observed.shape(source).get(2..).unwrap_or_default();
        if kind == PoolKind::Average && kernel == spatial {
            return Ok(Step::layer(Layer::GlobalAveragePool, source));
        }
        let window = self.square(node, &kernel, source)?;
        let Window { kernel: size, stride, pads: (padding, _), .. } = window;
        let refused = |problem: &str| OnnxError::Run {
            operator: node.operator(),
            problem: problem.to_owned(),
        };
        if padding > size / 2 {
            return Err(refused(
                "pads by more than half of its window; such pools are not in the vocabulary",
            ));
        }
        let counted = node.int("count_include_pad").unwrap_or(0) == 1;
        if padding > 0 && kind == PoolKind::Average && !counted {
            return Err(refused(
                "leaves the padding out of its means (count_include_pad=0); such pools are not in the vocabulary",
            ));
        }
        Ok(Step::layer(Layer::Pool { kind, size, stride, padding }, source))
    }

    /// A mean over both axes of an image.
    fn spatial_mean(&self, node: &Node, source: usize) -> Option<Step> {
        let over = match node.ints("axes").filter(|axes| !axes.is_empty()) {
            Some(axes) => axes.to_vec(),
            None => self.observed.fixed(node.inputs.get(1).copied().flatten()?)?.integers().ok()?,
        };
        let axes = i64::try_from(self.observed.shape(source).len()).ok()?;
        let mut over: Vec<i64> = over.iter().map(|a| if *a < 0 { a + axes } else { *a }).collect();
        over.sort_unstable();
        (axes == 4 && over == [2, 3]).then(|| Step::layer(Layer::GlobalAveragePool, source))
    }

    /// A reshape that makes a vector of each example, or changes nothing.
    fn reshape(&mut self, node: &Node, source: usize) -> Option<Step> {
        let output = node.outputs.first().copied().flatten()?;
        let (before, after) = (self.observed.shape(source), self.observed.shape(output));
        if before == after {
            return Some(Step::nothing(source));
        }
        // The way back of a group normalisation that is written as one of single channels.
        if after.len() > 2
            && let Some(maker) = self.observed.maker(self.graph, source)
            && maker.kind == "InstanceNormalization"
        {
            let grouped = maker.inputs.first().copied().flatten()?;
            return self.instance_norm(maker, grouped);
        }
        let sizes = |shape: &[usize]| shape.get(1..).map(|rest| rest.iter().product::<usize>());
        let same_rows = before.first() == after.first() && sizes(before) == sizes(after);
        if same_rows && after.len() == 2 {
            return Some(Step::layer(Layer::Flatten, source));
        }
        None
    }

    /// A normalisation; gains and shifts other than one and zero are reported.
    fn norm(&mut self, node: &Node, source: usize, norm: Norm, first: usize) -> Step {
        let is = |position: usize, value: f32| {
            let array =
                node.inputs.get(position).copied().flatten().and_then(|v| self.observed.fixed(v));
            array.is_none_or(|array| array.float().is_ok_and(|a| a.iter().all(|x| *x == value)))
        };
        if !(is(first, 1.0) && is(first + 1, 0.0)) {
            self.notes.push(format!(
                "{} has gains or shifts of its own, which a fresh initialization sets to one and zero",
                node.operator()
            ));
        }
        Step::layer(Layer::Norm(norm), source)
    }

    /// Each channel for itself, or torch's way to write a group normalisation: reshape, normalise, reshape back, gain, shift.
    fn instance_norm(&mut self, node: &Node, source: usize) -> Option<Step> {
        let shape = self.observed.shape(source).to_vec();
        if shape.len() == 4 {
            return Some(self.norm(node, source, Norm::Group(shape[1]), 1));
        }
        let reshape = self.observed.maker(self.graph, source)?;
        let image = reshape.inputs.first().copied().flatten()?;
        let before = self.observed.shape(image);
        let grouped =
            reshape.kind == "Reshape" && shape.len() == 3 && before.first() == shape.first();
        (grouped && before.len() >= 2)
            .then(|| Step::layer(Layer::Norm(Norm::Group(shape[1])), image))
    }
}
