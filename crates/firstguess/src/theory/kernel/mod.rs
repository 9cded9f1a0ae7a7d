//! The infinite-width kernel of the user's own inputs, carried through the whole network.
//!
//! ```text
//! K⁰_ab = x_a·x_b/N₀,   K¹ = σ_w² K⁰ + σ_b²,   K^{l+1}_ab = σ_w² E[φ(u)φ(v)] + σ_b²,   (u, v) ~ N(0, K^l on {a, b})
//! ```
//!
//! What is held is not `K_ab` but its diagonal and the complements `1 - c_ab` of the correlations, from which the spread `V`
//! of the data keeps every digit as all inputs merge. One triangle of f64, changed in place: 400 MB for 10 000 inputs.

mod angle;
mod element;
mod family;
mod gradient;
mod guess;
mod hermite;
mod look;
pub(in crate::theory) mod piecewise;
mod points;
mod pooled;
mod positions;
mod raw;
mod signal;
mod spatial;
mod statistics;
mod table;
mod vector;

pub use guess::{ClassShares, Factor, LogitKernel};
pub use statistics::{LayerStatistics, PositionDistances};

use super::dual::Pointwise;
use super::{NoTheory, Predicted};
use crate::spec::Dataset;
use crate::spec::layer::PoolKind;
use crate::spec::network::{Network, Node, Op, WeightLayer};
use crate::spec::scheme::LayerInit;
use crate::spec::weights::WeightFamily;
use element::Element;
use gradient::Step;
use look::{
    has_weights, image_extent, image_input, largest_image, padded, sees_across, unit_by_unit,
};
use points::Points;
use positions::GroupDistances;
use raw::Raw;
use signal::{Layout, Signal};
use spatial::Window;
use statistics::{Labels, between_positions, statistics};

/// Numbers held at most, unless asked otherwise: 2^28 distances are 2 GiB, 23 000 inputs of a perceptron.
pub const DEFAULT_MAX_ENTRIES: usize = 1 << 28;

/// What the kernel says of one layer with weights, or of the sum at the end of a residual block.
#[derive(Debug, Clone, PartialEq)]
pub struct DataLayer {
    /// Position among the layers with weights, from 1; of a residual block, the last one inside it.
    pub index: usize,
    /// `dense`, `conv` or `residual`.
    pub kind: String,
    /// `σ_w²`; none for a residual sum.
    pub weight_variance: Option<f64>,
    /// `σ_b²`; none for a residual sum.
    pub bias_variance: Option<f64>,
    /// What is known of the outputs, positions averaged; or why nothing is.
    pub statistics: Result<LayerStatistics, NoTheory>,
    /// `χ` from here to the next layer with weights of the same sequence, mean over the inputs: the factor by which the
    /// squared norm of the gradient changes on the way back.
    pub chi: Predicted,
    /// Estimated error of a covariance, relative to the variances. Batch norm adds the fluctuation of a unit's own
    /// variance over the batch, which only averages out where many directions share it.
    pub error: f64,
}

/// The kernel of a data set at every layer of a network.
///
/// # Examples
///
/// ```
/// use firstguess::spec::{Activation, Architecture, Dataset, InitScheme, Shape};
/// use firstguess::theory::kernel::DataKernel;
/// let shape = Shape::flat(3)?;
/// let data = Dataset::new("three", shape, vec![1., 0., 0., 0., 1., 0., 0., 0., 1.])?;
/// let network = Architecture::mlp(&Activation::Relu, 3, 64, 2).resolve(&shape)?;
/// let inits = vec![InitScheme::explicit(2.0, 0.0).layer(&network.weights()[0])?; 3];
/// let kernel = DataKernel::new(&network, &inits, &data);
/// let first = kernel.layers[0].statistics.as_ref().map_err(ToString::to_string)?;
/// // Orthogonal inputs start without drift, and each ReLU adds some.
/// assert!(first.t.abs() < 1e-15);
/// let last = kernel.layers[2].statistics.as_ref().map_err(ToString::to_string)?;
/// assert!(last.gamma() > 0.9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct DataKernel {
    /// Layers with weights and residual sums, in order.
    pub layers: Vec<DataLayer>,
    /// The kernel of the logits, for the first guess.
    pub logits: Result<LogitKernel, NoTheory>,
}

impl DataKernel {
    /// Carries `data` through `network`, drawn as `inits` say (one per layer with weights, in order).
    ///
    /// Exact at infinite width; where a layer has no theory, it and all after it say so. The same bits whatever the
    /// number of threads.
    ///
    /// # References
    ///
    /// `lee2018`, `matthews2018`; convolutions `novak2019`; derived in docs/theory/kernel.md.
    pub fn new(network: &Network, inits: &[LayerInit], data: &Dataset) -> Self {
        Self::bounded(network, inits, data, DEFAULT_MAX_ENTRIES)
    }

    /// The most inputs, at most `limit`, whose kernel `network` is carried through with so many numbers held at once.
    ///
    /// Convolutions hold one triangle per position, or one over all positions of all inputs where a layer mixes them.
    pub fn inputs_within(network: &Network, limit: usize, max_entries: usize) -> usize {
        let fits = |inputs: usize| Self::entries(network, inputs) <= max_entries;
        // Monotone: halve.
        let (mut low, mut high) = (0, limit);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if fits(middle) { low = middle } else { high = middle - 1 }
        }
        low
    }

    /// Numbers of 8 bytes that the kernel of so many inputs holds at once.
    pub fn entries(network: &Network, inputs: usize) -> usize {
        let positions = largest_image(&network.nodes);
        if positions == 1 {
            triangle(inputs)
        } else if sees_across(&network.nodes) {
            // Before and after a layer.
            triangle(inputs.saturating_mul(positions)).saturating_mul(2)
        } else {
            triangle(inputs).saturating_mul(2 * positions)
        }
    }

    /// The same, holding at most so many numbers at once; where a layer needs more, it has no theory.
    pub fn bounded(
        network: &Network,
        inits: &[LayerInit],
        data: &Dataset,
        max_entries: usize,
    ) -> Self {
        let labels = data.labels().map(|of| Labels { of, classes: data.classes() });
        let across = sees_across(&network.nodes);
        let mut walk = Walk::new(inits, max_entries);
        walk.labels = labels;
        walk.across = across;
        let outcome = if data.shape().size() == network.input.size() {
            walk.sequence(&network.nodes, Carried::Raw(Raw::new(data)))
        } else {
            Err(NoTheory::new(format!(
                "the network takes shape {}, the data have {}",
                network.input,
                data.shape()
            )))
        };
        let logits = outcome.and_then(|stream| walk.logits(stream));
        if let Err(reason) = &logits {
            walk.give_up(&network.weights(), reason);
        }
        if !across {
            walk.fill_positions(network, data);
        }
        Self { layers: walk.layers, logits }
    }
}

/// Inputs on their way.
enum Carried {
    Raw(Raw),
    Signal(Signal),
}

struct Walk<'a> {
    inits: &'a [LayerInit],
    labels: Option<Labels<'a>>,
    max_entries: usize,
    /// Whether a layer needs covariances between positions.
    across: bool,
    /// Groups of inputs whose positions are carried along for their own sake, up to the end of the image; 0 if none are.
    groups: usize,
    /// Of each group, the mean product of positions of two inputs, and in each record the mean distances.
    products: Vec<f64>,
    distances: Vec<Vec<GroupDistances>>,
    elements: Vec<Element>,
    layers: Vec<DataLayer>,
    /// Record of the last layer with weights in this sequence.
    previous: Option<usize>,
}

impl<'a> Walk<'a> {
    fn new(inits: &'a [LayerInit], max_entries: usize) -> Self {
        Self {
            inits,
            labels: None,
            max_entries,
            across: false,
            groups: 0,
            products: Vec::new(),
            distances: Vec::new(),
            elements: Vec::new(),
            layers: Vec::new(),
            previous: None,
        }
    }

    fn sequence(&mut self, nodes: &[Node], mut stream: Carried) -> Result<Carried, NoTheory> {
        for (at, node) in nodes.iter().enumerate() {
            stream = match stream {
                Carried::Raw(raw) => self.raw(node, raw)?,
                // Units keep the variances of their positions for what acts on each of them.
                Carried::Signal(signal)
                    if node.op == Op::Flatten && unit_by_unit(&nodes[at + 1..]) =>
                {
                    Carried::Signal(signal)
                }
                Carried::Signal(signal) => Carried::Signal(self.signal(node, signal)?),
            };
        }
        if let Carried::Signal(signal) = &mut stream {
            signal.settle(&mut self.elements)?;
        }
        Ok(stream)
    }

    /// An operation on the inputs themselves.
    fn raw(&mut self, node: &Node, mut raw: Raw) -> Result<Carried, NoTheory> {
        match &node.op {
            Op::Activation(activation) => raw.activate(&Pointwise::from(activation)),
            Op::Flatten => raw.reshape(node.output),
            Op::Norm(norm) => raw.normalize(*norm),
            Op::Pool { kind, size, stride, padding } => {
                raw.pool(*kind, [*size, *stride, *padding], node.output);
            }
            Op::GlobalAveragePool => raw.average(node.output),
            Op::Dense(_) => {
                let entries = triangle(raw.examples);
                self.check(entries)?;
                let signal = Signal::new(vec![raw.points()], Layout::Flat, raw.examples);
                return self.signal(node, signal).map(Carried::Signal);
            }
            Op::Conv(_, window) if window.groups > 1 => {
                return Err(NoTheory::new(
                    "groups of input channels have kernels of their own, and few channels each",
                ));
            }
            Op::Conv(..) | Op::Dropout { .. } | Op::Residual { .. } => {
                let signal = self.lift(&raw)?;
                return self.signal(node, signal).map(Carried::Signal);
            }
        }
        Ok(Carried::Raw(raw))
    }

    /// Inputs as points, with their positions.
    fn lift(&mut self, raw: &Raw) -> Result<Signal, NoTheory> {
        let Some([_, height, width]) = raw.shape.as_image() else {
            self.check(triangle(raw.examples))?;
            let mut signal = Signal::new(vec![raw.points()], Layout::Flat, raw.examples);
            signal.gaussian = Err(not_gaussian_inputs());
            return Ok(signal);
        };
        let (extent, positions) = ([height, width], height * width);
        if !self.across {
            self.products = raw.position_products(self.groups.max(1));
        }
        let everywhere = triangle(raw.examples.saturating_mul(positions));
        let (sets, layout) = if self.groups > 0 {
            (raw.points_everywhere(positions, self.groups), Layout::All { extent })
        } else if self.across && everywhere <= self.max_entries {
            (raw.points_everywhere(positions, 1), Layout::All { extent })
        } else {
            self.check(triangle(raw.examples).saturating_mul(positions))?;
            ((0..positions).map(|p| raw.points_at(p)).collect(), Layout::Equal { extent })
        };
        let mut signal = Signal::new(sets, layout, raw.examples);
        signal.gaussian = Err(not_gaussian_inputs());
        Ok(signal)
    }

    fn check(&self, entries: usize) -> Result<(), NoTheory> {
        if entries <= self.max_entries {
            return Ok(());
        }
        Err(NoTheory::new(format!(
            "the kernel has {entries} entries, at most {} are held: use fewer inputs",
            self.max_entries
        )))
    }

    fn signal(&mut self, node: &Node, mut signal: Signal) -> Result<Signal, NoTheory> {
        if let Op::Activation(activation) = &node.op {
            signal.pending.push(activation.clone());
            return Ok(signal);
        }
        if let Op::Pool { kind: kind @ (PoolKind::Max | PoolKind::Min), size, padding, .. } =
            &node.op
            && *size > 1
        {
            if node.input.as_image().is_some() {
                return Err(NoTheory::new(format!(
                    "`{}` of neighbouring positions, which are correlated, has no kernel",
                    kind.key()
                )));
            }
            if *padding > 0 {
                return Err(padded(*kind));
            }
            signal.pool_units(*kind, *size)?;
            return Ok(signal);
        }
        if self.groups > 0 && matches!(node.op, Op::Flatten | Op::Dense(_)) {
            return Err(NoTheory::new("the positions end here"));
        }
        signal.settle(&mut self.elements)?;
        match &node.op {
            // Activations wait; a pool of one is none.
            Op::Activation(_) | Op::Pool { kind: PoolKind::Max | PoolKind::Min, .. } => {}
            Op::Flatten => {
                if signal.layout.positions() > 1 && signal.gaussian.is_ok() {
                    signal.gaussian = Err(NoTheory::new(
                        "the units of a flattened image have the variances of their positions",
                    ));
                }
                signal.flatten();
            }
            Op::Dense(weights) => {
                signal.flatten();
                self.weights(node, *weights, &mut signal)?;
            }
            Op::Conv(weights, shape) => {
                let Some([channels, ..]) = node.input.as_image() else {
                    return Err(NoTheory::new("a convolution of a vector"));
                };
                let output = image_extent(node);
                let init = self.init(*weights)?;
                let window =
                    Window { kernel: shape.kernel, stride: shape.stride, padding: shape.padding };
                let mut taps = window.all(image_input(node), output);
                if init.family == WeightFamily::DeltaOrthogonal {
                    // Only the centre of the kernel has weights, the whole of the variance.
                    // An even kernel has its centre at (k-1)/2, as the networks draw it.
                    let middle = (shape.kernel - 1) / 2;
                    let centre = middle * shape.kernel + middle;
                    taps = taps.into_iter().map(|t| vec![t[centre]]).collect();
                }
                let positions = signal.layout.positions() + output[0] * output[1];
                let held = match signal.layout {
                    Layout::All { .. } => {
                        let per_set = signal.examples_per_set();
                        let after = triangle(per_set.saturating_mul(output[0] * output[1]));
                        let before = triangle(signal.sets[0].len());
                        // One set after another changes.
                        let others = signal.sets.len() - 1;
                        others.saturating_mul(after.max(before)) + after + before
                    }
                    _ => triangle(signal.examples).saturating_mul(positions),
                };
                self.check(held.saturating_sub(triangle(signal.examples)))?;
                spatial::convolve(&mut signal, output, &taps);
                self.weights(node, *weights, &mut signal)?;
                if shape.groups > 1 && channels / shape.groups < 8 {
                    signal.gaussian = Err(NoTheory::new(format!(
                        "{} input channels per group are too few for Gaussian outputs",
                        channels / shape.groups
                    )));
                }
            }
            Op::Pool { kind: PoolKind::Average, size, stride, padding } => {
                if node.input.as_image().is_some() {
                    let window = Window { kernel: *size, stride: *stride, padding: *padding };
                    let output = image_extent(node);
                    let windows = window.all(image_input(node), output);
                    spatial::average(&mut signal, Layout::All { extent: output }, &windows)?;
                } else if *padding > 0 {
                    return Err(padded(PoolKind::Average));
                } else {
                    signal.average_units(*size);
                }
            }
            Op::GlobalAveragePool => {
                let all = vec![(0..signal.layout.positions()).map(Some).collect()];
                spatial::average(&mut signal, Layout::Flat, &all)?;
            }
            Op::Norm(norm) => {
                let channels = node.input.as_image().map_or(node.input.size(), |[c, ..]| c);
                signal.normalize(*norm, channels)?;
            }
            Op::Dropout { keep } => signal.drop_out(*keep),
            Op::Residual { branch, shortcut, branch_scale } => {
                self.residual(&mut signal, branch, shortcut, *branch_scale)?;
            }
        }
        Ok(signal)
    }

    fn init(&self, weights: WeightLayer) -> Result<LayerInit, NoTheory> {
        let init = weights.index.checked_sub(1).and_then(|at| self.inits.get(at));
        init.cloned()
            .ok_or_else(|| NoTheory::new(format!("layer {} has no initialization", weights.index)))
    }

    fn weights(
        &mut self,
        node: &Node,
        weights: WeightLayer,
        signal: &mut Signal,
    ) -> Result<(), NoTheory> {
        let init = self.init(weights)?;
        let chi = signal.through_weights(init.weight_variance, init.bias_variance);
        if let Some(previous) = self.previous.and_then(|at| self.layers.get_mut(at)) {
            previous.chi = Ok(chi);
        }
        self.previous = Some(self.layers.len());
        let positions = signal.layout.positions();
        signal.close_factors(Step::Layer(self.layers.len()), positions);
        self.record(
            weights.index,
            node.op.kind(),
            Some((init.weight_variance, init.bias_variance)),
            signal,
        )
    }

    fn record(
        &mut self,
        index: usize,
        kind: String,
        variances: Option<(f64, f64)>,
        signal: &Signal,
    ) -> Result<(), NoTheory> {
        if signal.sets.iter().any(|set| set.second.iter().any(|q| !q.is_finite())) {
            return Err(NoTheory::new("the variance overflows in this layer"));
        }
        let result = match signal.layout {
            Layout::All { .. } => {
                // Positions of one input are not different inputs.
                let per_set = signal.examples_per_set();
                let flat: Vec<Points> =
                    signal.sets.iter().map(|set| spatial::flattened(set, per_set)).collect();
                if self.groups > 0 {
                    self.distances.push(positions::distances(&signal.sets, &flat, per_set));
                }
                LayerStatistics {
                    positions: between_positions(&signal.sets, per_set).map(Ok),
                    ..statistics(&flat, self.labels)
                }
            }
            Layout::Equal { extent: [height, width] } => LayerStatistics {
                positions: (height * width > 1)
                    .then(|| Err(positions::not_carried(height * width))),
                ..statistics(&signal.sets, self.labels)
            },
            Layout::Flat => statistics(&signal.sets, self.labels),
        };
        self.layers.push(DataLayer {
            index,
            kind,
            weight_variance: variances.map(|v| v.0),
            bias_variance: variances.map(|v| v.1),
            statistics: Ok(result),
            chi: Err(NoTheory::new("no layer with weights follows in its sequence")),
            error: signal.error,
        });
        Ok(())
    }

    fn residual(
        &mut self,
        signal: &mut Signal,
        branch: &[Node],
        shortcut: &[Node],
        scale: f64,
    ) -> Result<(), NoTheory> {
        if !has_weights(branch) && !has_weights(shortcut) {
            return Err(NoTheory::new(
                "branch and shortcut of a residual block share their units: neither has weights",
            ));
        }
        let outer = self.previous.take();
        let side = |walk: &mut Self, nodes: &[Node], start: Signal| {
            walk.previous = None;
            let start = Signal {
                gradient: vec![1.0; start.examples],
                gradient_before: vec![1.0; start.examples],
                steps: Vec::new(),
                ..start
            };
            match walk.sequence(nodes, Carried::Signal(start))? {
                Carried::Signal(end) => Ok(end),
                Carried::Raw(_) => Err(NoTheory::new("a block of raw inputs")),
            }
        };
        let added = side(self, branch, signal.clone())?;
        let mut carried = if shortcut.is_empty() {
            Signal {
                gradient: vec![1.0; signal.examples],
                gradient_before: vec![1.0; signal.examples],
                ..signal.clone()
            }
        } else {
            side(self, shortcut, signal.clone())?
        };
        self.previous = outer;
        carried.add(&added, scale);
        // The gradients of the two ways are independent: their squares add up.
        let block = (carried.gradient.iter().zip(&carried.gradient_before))
            .zip(added.gradient.iter().zip(&added.gradient_before))
            .map(|((a, b), (c, d))| a * b + scale * scale * c * d);
        let gradient = signal.gradient.iter().zip(block).map(|(g, factor)| g * factor).collect();
        let before = std::mem::take(&mut signal.gradient_before);
        *signal = Signal { gradient, gradient_before: before, steps: vec![Step::Block], ..carried };
        let index = self.layers.last().map_or(0, |layer| layer.index);
        self.record(index, "residual".to_owned(), None, signal)
    }

    fn logits(&mut self, stream: Carried) -> Result<LogitKernel, NoTheory> {
        let Carried::Signal(signal) = stream else {
            return Err(NoTheory::new("no layer has weights"));
        };
        gradient::follow_back(&signal, &mut self.layers);
        signal.gaussian.clone().map_err(|_| {
            NoTheory::new(
                "the outputs are not Gaussian: something follows the last layer with weights",
            )
        })?;
        match (signal.layout, signal.sets.into_iter().next()) {
            (Layout::Flat, Some(points)) => Ok(LogitKernel::new(points, signal.error)),
            _ => Err(NoTheory::new("the outputs have positions")),
        }
    }

    /// Records the reason for every layer with weights that was not reached.
    fn give_up(&mut self, weights: &[WeightLayer], reason: &NoTheory) {
        for layer in weights {
            if self.layers.iter().any(|known| known.index == layer.index) {
                continue;
            }
            let init = layer.index.checked_sub(1).and_then(|at| self.inits.get(at));
            self.layers.push(DataLayer {
                index: layer.index,
                kind: "unreached".to_owned(),
                weight_variance: init.map(|i| i.weight_variance),
                bias_variance: init.map(|i| i.bias_variance),
                statistics: Err(reason.clone()),
                chi: Err(reason.clone()),
                error: f64::NAN,
            });
        }
    }
}

fn not_gaussian_inputs() -> NoTheory {
    NoTheory::new("an activation acts on a sum with the raw inputs, which are not Gaussian")
}

/// `n(n-1)/2`, saturating.
fn triangle(n: usize) -> usize {
    n.saturating_mul(n.saturating_sub(1)) / 2
}

#[cfg(test)]
mod tests;
