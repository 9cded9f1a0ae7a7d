//! From the layers as written to a network whose every shape is known.

use super::activation::Activation;
use super::error::{LayerPath, SpecError};
use super::layer::{ConvWindow, Layer, Norm, OwnVariances, PoolKind};
use super::shape::{Shape, ShapeError};
use serde::{Deserialize, Serialize};

/// Widest layer that is accepted: 2^20 units.
pub const MAX_UNITS: usize = 1 << 20;

/// Most layers after repeats are written out.
pub const MAX_LAYERS: usize = 50_000;

/// Deepest nesting of repeats and residual blocks.
pub const MAX_NESTING: usize = 16;

/// The layers of a network as the user wrote them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// In order from input to logits.
    pub layers: Vec<Layer>,
}

/// A network with repeats written out and every shape checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Shape of one input.
    pub input: Shape,
    /// The layers in order.
    pub nodes: Vec<Node>,
    /// Number of layers that hold weights, nested ones included.
    pub weight_layers: usize,
    /// Number of residual blocks, nested ones included.
    pub residual_blocks: usize,
}

/// One layer of a [`Network`].
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it computes.
    pub op: Op,
    /// Shape of what goes in.
    pub input: Shape,
    /// Shape of what comes out.
    pub output: Shape,
}

/// What a [`Node`] computes.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// A dense layer.
    Dense(WeightLayer),
    /// A convolution.
    Conv(WeightLayer, ConvWindow),
    /// An elementwise function.
    Activation(Activation),
    /// Pooling over units (flat input) or windows (image).
    Pool {
        /// What is taken.
        kind: PoolKind,
        /// Window.
        size: usize,
        /// Step.
        stride: usize,
        /// Places added on each side.
        padding: usize,
    },
    /// Mean over positions.
    GlobalAveragePool,
    /// A normalisation.
    Norm(Norm),
    /// Dropout with this keep probability.
    Dropout {
        /// Probability of keeping a unit.
        keep: f64,
    },
    /// An image seen as a vector.
    Flatten,
    /// `shortcut(x) + branch_scale · branch(x)`.
    Residual {
        /// The branch.
        branch: Vec<Node>,
        /// The shortcut; empty for the identity.
        shortcut: Vec<Node>,
        /// Factor on the branch.
        branch_scale: f64,
    },
}

/// What the initialization needs to know of a layer that holds weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightLayer {
    /// Position among the layers with weights, from 1: the `index` of the reports.
    pub index: usize,
    /// Inputs that one output sums over.
    pub fan_in: usize,
    /// Outputs that one input feeds.
    pub fan_out: usize,
    /// Rows of the weight matrix: output units or channels.
    pub outputs: usize,
    /// Positions under the kernel of a convolution; 1 for a dense layer. Each sees `fan_in / taps` channels.
    pub taps: usize,
    /// Variances set by this layer itself.
    pub own: OwnVariances,
}

impl Op {
    /// Name of the kind, as in spec files and reports.
    pub fn kind(&self) -> String {
        match self {
            Self::Dense(_) => "dense".to_owned(),
            Self::Conv(..) => "conv".to_owned(),
            Self::Activation(activation) => activation.to_string(),
            Self::Pool { kind, .. } => kind.key().to_owned(),
            Self::GlobalAveragePool => "global_average_pool".to_owned(),
            Self::Norm(norm) => norm.name().to_owned(),
            Self::Dropout { .. } => "dropout".to_owned(),
            Self::Flatten => "flatten".to_owned(),
            Self::Residual { .. } => "residual".to_owned(),
        }
    }
}

impl Architecture {
    /// A multilayer perceptron: `depth` dense layers, an activation between each two of them.
    pub fn mlp(activation: &Activation, depth: usize, width: usize, outputs: usize) -> Self {
        let mut layers = Vec::new();
        if depth > 1 {
            layers.push(Layer::Repeat {
                count: depth - 1,
                layers: vec![
                    Layer::Dense { units: width, own: OwnVariances::default() },
                    Layer::Activation(activation.clone()),
                ],
            });
        }
        layers.push(Layer::Dense { units: outputs, own: OwnVariances::default() });
        Self { layers }
    }

    /// Writes out the repeats and checks every shape, for inputs of the given shape.
    ///
    /// # Errors
    ///
    /// [`SpecError`] with the place of the layer: a shape that does not fit, a size of zero or beyond [`MAX_UNITS`], more
    /// than [`MAX_LAYERS`] layers, or an output that is not a vector of class scores.
    pub fn resolve(&self, input: &Shape) -> Result<Network, SpecError> {
        let blocks = count_residuals(&self.layers, 0)?;
        let mut builder = Builder { weight_layers: 0, layers: 0, blocks };
        let nodes = builder.sequence(&self.layers, input, &LayerPath::default(), 0)?;
        let network = Network {
            input: *input,
            nodes,
            weight_layers: builder.weight_layers,
            residual_blocks: blocks,
        };
        if network.weight_layers == 0 {
            return Err(SpecError::NoLogits {
                problem: "has no layer with weights".to_owned(),
                hint: "end it with a dense layer of one unit per class, such as { dense = 10 }",
            });
        }
        if network.output().as_image().is_some() {
            return Err(SpecError::NoLogits {
                problem: format!(
                    "ends in shape {}, not in a vector of class scores",
                    network.output()
                ),
                hint: "add \"flatten\" or \"global_average_pool\" and a dense layer",
            });
        }
        Ok(network)
    }
}

impl Network {
    /// Shape of the output.
    pub fn output(&self) -> Shape {
        self.nodes.last().map_or(self.input, |node| node.output)
    }

    /// Number of logits.
    pub fn logits(&self) -> usize {
        self.output().size()
    }

    /// Every layer with weights, in the order of their `index`.
    pub fn weights(&self) -> Vec<WeightLayer> {
        let mut found = Vec::with_capacity(self.weight_layers);
        self.visit(&mut |node| {
            if let Op::Dense(weights) | Op::Conv(weights, _) = &node.op {
                found.push(*weights);
            }
        });
        found
    }

    /// Number of weights and biases (normalisations have none that count at initialization).
    pub fn parameters(&self) -> u64 {
        self.weights()
            .iter()
            .map(|w| (w.fan_in as u64 + 1).saturating_mul(w.outputs as u64))
            .fold(0, u64::saturating_add)
    }

    /// The activations in the order in which they stand, repeats included.
    pub fn activations(&self) -> Vec<Activation> {
        let mut found = Vec::new();
        self.visit(&mut |node| {
            if let Op::Activation(activation) = &node.op {
                found.push(activation.clone());
            }
        });
        found
    }

    /// Calls `f` on every node, nested ones included, shortcut before branch.
    pub fn visit(&self, f: &mut impl FnMut(&Node)) {
        fn walk(nodes: &[Node], f: &mut impl FnMut(&Node)) {
            for node in nodes {
                f(node);
                if let Op::Residual { branch, shortcut, .. } = &node.op {
                    walk(shortcut, f);
                    walk(branch, f);
                }
            }
        }
        walk(&self.nodes, f);
    }
}

fn count_residuals(layers: &[Layer], nesting: usize) -> Result<usize, SpecError> {
    if nesting > MAX_NESTING {
        return Err(SpecError::Conflict(format!(
            "layers are nested more than {MAX_NESTING} levels deep"
        )));
    }
    let mut total = 0_usize;
    for layer in layers {
        total = total.saturating_add(match layer {
            Layer::Residual { branch, shortcut, .. } => 1_usize
                .saturating_add(count_residuals(branch, nesting + 1)?)
                .saturating_add(count_residuals(shortcut, nesting + 1)?),
            Layer::Repeat { count, layers } => {
                count.saturating_mul(count_residuals(layers, nesting + 1)?)
            }
            _ => 0,
        });
    }
    Ok(total)
}

struct Builder {
    weight_layers: usize,
    layers: usize,
    blocks: usize,
}

impl Builder {
    fn sequence(
        &mut self,
        layers: &[Layer],
        input: &Shape,
        path: &LayerPath,
        nesting: usize,
    ) -> Result<Vec<Node>, SpecError> {
        let mut nodes = Vec::new();
        let mut shape = *input;
        for (position, layer) in layers.iter().enumerate() {
            let here = path.child(position);
            if let Layer::Repeat { count, layers } = layer {
                check_size(&here, "repeat", *count, 1, MAX_LAYERS)?;
                // Repeats of nothing count as no layer: nested, they would run for ever.
                check_size(&here, "layers of a repeat", layers.len(), 1, MAX_LAYERS)?;
                for _ in 0..*count {
                    let group = self.sequence(layers, &shape, &here, nesting + 1)?;
                    if let Some(last) = group.last() {
                        shape = last.output;
                    }
                    nodes.extend(group);
                }
                continue;
            }
            let node = self.node(layer, &shape, &here, nesting)?;
            shape = node.output;
            nodes.push(node);
        }
        Ok(nodes)
    }

    fn node(
        &mut self,
        layer: &Layer,
        input: &Shape,
        path: &LayerPath,
        nesting: usize,
    ) -> Result<Node, SpecError> {
        self.layers += 1;
        check_size(path, "layers in all", self.layers, 1, MAX_LAYERS)?;
        let place = Place { layer, input: *input, path };
        let (op, output) = match layer {
            Layer::Dense { units, own } => {
                check_size(path, "dense", *units, 1, MAX_UNITS)?;
                check_own(own, path)?;
                // A dense layer right on an image sees its pixels as one vector, as data sets are fed to perceptrons.
                let weights = WeightLayer {
                    index: self.next_index(),
                    fan_in: input.size(),
                    fan_out: *units,
                    outputs: *units,
                    taps: 1,
                    own: *own,
                };
                (Op::Dense(weights), place.fits(Shape::flat(*units))?)
            }
            Layer::Conv { channels, window, own } => {
                let (mut weights, output) = place.conv(*channels, *window, *own)?;
                weights.index = self.next_index();
                (Op::Conv(weights, *window), output)
            }
            Layer::Activation(activation) => (Op::Activation(activation.clone()), *input),
            Layer::Pool { kind, size, stride, padding } => {
                let op = Op::Pool { kind: *kind, size: *size, stride: *stride, padding: *padding };
                (op, place.pool(*kind, *size, *stride, *padding)?)
            }
            Layer::GlobalAveragePool => {
                let [channels, _, _] = place.image()?;
                (Op::GlobalAveragePool, place.fits(Shape::flat(channels))?)
            }
            Layer::Norm(norm) => (Op::Norm(place.norm(*norm)?), *input),
            Layer::Dropout { rate } => {
                if !(0.0..1.0).contains(rate) {
                    return Err(SpecError::out_of_domain("dropout", "in [0, 1)", *rate));
                }
                (Op::Dropout { keep: 1.0 - rate }, *input)
            }
            Layer::Flatten => (Op::Flatten, place.fits(Shape::flat(input.size()))?),
            Layer::Residual { branch, shortcut, branch_scale } => {
                let branch_scale = branch_scale.factor(self.blocks);
                if !branch_scale.is_finite() {
                    return Err(SpecError::out_of_domain("branch_scale", "finite", branch_scale));
                }
                let shortcut = self.sequence(shortcut, input, path, nesting + 1)?;
                let branch = self.sequence(branch, input, path, nesting + 1)?;
                let output = place.sum(&shortcut, &branch)?;
                (Op::Residual { branch, shortcut, branch_scale }, output)
            }
            // Repeats are written out by `sequence`.
            Layer::Repeat { .. } => (Op::Flatten, *input),
        };
        Ok(Node { op, input: *input, output })
    }

    fn next_index(&mut self) -> usize {
        self.weight_layers += 1;
        self.weight_layers
    }
}

/// One layer where it stands: what it is given, and where a fault in it is to be reported.
struct Place<'a> {
    layer: &'a Layer,
    input: Shape,
    path: &'a LayerPath,
}

impl Place<'_> {
    fn mismatch(&self, expected: impl Into<String>) -> SpecError {
        SpecError::ShapeMismatch {
            layer: self.path.clone(),
            kind: self.layer.to_string(),
            expected: expected.into(),
            got: self.input,
        }
    }

    fn fits(&self, shape: Result<Shape, ShapeError>) -> Result<Shape, SpecError> {
        shape.map_err(|source| SpecError::Shape { layer: self.path.clone(), source })
    }

    fn image(&self) -> Result<[usize; 3], SpecError> {
        self.input.as_image().ok_or_else(|| self.mismatch("an image [channels, height, width]"))
    }

    /// The weights, still without their index, and the output.
    fn conv(
        &self,
        channels: usize,
        window: ConvWindow,
        own: OwnVariances,
    ) -> Result<(WeightLayer, Shape), SpecError> {
        let [channels_in, height, width] = self.image()?;
        check_size(self.path, "conv", channels, 1, MAX_UNITS)?;
        check_size(self.path, "kernel", window.kernel, 1, 1024)?;
        check_size(self.path, "stride", window.stride, 1, 1024)?;
        check_size(self.path, "padding", window.padding, 0, 1024)?;
        check_size(self.path, "groups", window.groups, 1, channels)?;
        check_own(&own, self.path)?;
        if !(channels_in.is_multiple_of(window.groups) && channels.is_multiple_of(window.groups)) {
            return Err(self.mismatch("input and output channels divisible by `groups`"));
        }
        let out = |extent: usize| {
            (extent + 2 * window.padding)
                .checked_sub(window.kernel)
                .map(|room| room / window.stride + 1)
        };
        let (Some(out_height), Some(out_width)) = (out(height), out(width)) else {
            return Err(self.mismatch("an image at least as large as its kernel"));
        };
        let area = window.kernel * window.kernel;
        let weights = WeightLayer {
            index: 0,
            fan_in: channels_in / window.groups * area,
            fan_out: channels / window.groups * area,
            outputs: channels,
            taps: area,
            own,
        };
        Ok((weights, self.fits(Shape::image(channels, out_height, out_width))?))
    }

    fn pool(
        &self,
        kind: PoolKind,
        size: usize,
        stride: usize,
        padding: usize,
    ) -> Result<Shape, SpecError> {
        check_size(self.path, kind.key(), size, 1, 1 << 16)?;
        check_size(self.path, "stride", stride, 1, 1 << 16)?;
        // Half of a window at most: every window then holds a value.
        check_size(self.path, "padding", padding, 0, size / 2)?;
        let out =
            |extent: usize| (extent + 2 * padding).checked_sub(size).map(|room| room / stride + 1);
        let Some([channels, height, width]) = self.input.as_image() else {
            let units = out(self.input.size());
            return self
                .fits(Shape::flat(units.ok_or_else(|| self.mismatch("at least `size` units"))?));
        };
        match (out(height), out(width)) {
            (Some(height), Some(width)) => self.fits(Shape::image(channels, height, width)),
            _ => Err(self.mismatch("an image at least as large as its window")),
        }
    }

    fn norm(&self, norm: Norm) -> Result<Norm, SpecError> {
        if let Norm::Group(groups) = norm {
            check_size(self.path, "group_norm", groups, 1, MAX_UNITS)?;
            let channels = self.input.extents()[0];
            if !channels.is_multiple_of(groups) {
                return Err(self.mismatch("channels divisible by the number of groups"));
            }
        }
        Ok(norm)
    }

    /// The common shape of a branch and its shortcut.
    fn sum(&self, shortcut: &[Node], branch: &[Node]) -> Result<Shape, SpecError> {
        let got = branch.last().map_or(self.input, |node| node.output);
        let carried = shortcut.last().map_or(self.input, |node| node.output);
        if got == carried {
            return Ok(got);
        }
        Err(SpecError::ShapeMismatch {
            layer: self.path.clone(),
            kind: "residual".to_owned(),
            expected: format!("a branch that ends in the shape of its shortcut, {carried}"),
            got,
        })
    }
}

fn check_size(
    path: &LayerPath,
    parameter: &'static str,
    value: usize,
    low: usize,
    high: usize,
) -> Result<(), SpecError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(SpecError::SizeOutOfRange { layer: path.clone(), parameter, low, high, value })
}

fn check_own(own: &OwnVariances, path: &LayerPath) -> Result<(), SpecError> {
    let fields = [("weight_variance", own.weight_variance), ("bias_variance", own.bias_variance)];
    for (name, value) in fields {
        if let Some(value) = value
            && !(value.is_finite() && (0.0..=1e6).contains(&value))
        {
            return Err(SpecError::out_of_domain(
                format!("{name} of {path}"),
                "finite, ≥ 0 and at most 1e6",
                value,
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(json: &str, input: &Shape) -> Result<Network, SpecError> {
        let layers: Vec<Layer> = serde_json::from_str(json).unwrap();
        Architecture { layers }.resolve(input)
    }

    #[test]
    fn repeats_are_written_out_and_numbered() {
        let network = resolve(
            r#"[{"dense":32},"relu",{"repeat":3,"layers":[{"dense":16},"tanh"]},{"dense":10}]"#,
            &Shape::image(1, 8, 8).unwrap(),
        )
        .unwrap();
        assert_eq!(network.nodes.len(), 9);
        assert_eq!(network.weight_layers, 5);
        let fans: Vec<_> =
            network.weights().iter().map(|w| (w.index, w.fan_in, w.outputs)).collect();
        assert_eq!(fans, [(1, 64, 32), (2, 32, 16), (3, 16, 16), (4, 16, 16), (5, 16, 10)]);
        assert_eq!(network.logits(), 10);
        assert_eq!(network.parameters(), 65 * 32 + 33 * 16 + 2 * 17 * 16 + 17 * 10);
    }

    #[test]
    fn convolutions_pools_and_heads_have_the_shapes_of_the_frameworks() {
        let network = resolve(
            r#"[{"conv":8,"kernel":3,"stride":2,"padding":1},"relu",{"max_pool":2},
                {"residual":[{"conv":8},"relu"],"branch_scale":"1/sqrt(depth)"},"global_average_pool",{"dense":10}]"#,
            &Shape::image(3, 32, 32).unwrap(),
        )
        .unwrap();
        let shapes: Vec<String> = network.nodes.iter().map(|n| n.output.to_string()).collect();
        assert_eq!(shapes, ["[8, 16, 16]", "[8, 16, 16]", "[8, 8, 8]", "[8, 8, 8]", "[8]", "[10]"]);
        assert_eq!(network.weights()[0].fan_in, 27);
        assert_eq!(network.residual_blocks, 1);
    }

    #[test]
    fn ill_formed_networks_are_refused_with_their_place() {
        let flat = Shape::flat(64).unwrap();
        for (json, expected) in [
            (r#"[{"dense":0}]"#, "layer 1: `dense` must be between 1"),
            (r#"[{"dense":1000000000}]"#, "layer 1"),
            (r#"["relu"]"#, "no layer with weights"),
            (r#"[{"dense":8},{"conv":8}]"#, "layer 2 (`conv 8 3x3`) takes an image"),
            (r#"[{"repeat":1000000,"layers":[{"dense":8}]}]"#, "`repeat` must be between"),
            (r#"[{"repeat":50000,"layers":[{"dense":8},{"dense":8}]}]"#, "layers in all"),
            (r#"[{"dense":8},{"residual":[{"dense":9}]}]"#, "the shape of its shortcut"),
            (r#"[{"dropout":1.0},{"dense":8}]"#, "`dropout` must be in [0, 1)"),
            (r#"[{"dense":8,"weight_variance":-1.0}]"#, "weight_variance of layer 1"),
        ] {
            let error = resolve(json, &flat).unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
        let image =
            resolve(r#"[{"conv":8}]"#, &Shape::image(1, 8, 8).unwrap()).unwrap_err().to_string();
        assert!(image.contains("global_average_pool"), "{image}");
    }
}
