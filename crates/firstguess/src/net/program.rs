//! From a network to a list of steps over numbered buffers.
//!
//! Repeats and residual blocks are flattened: a step reads one value (a residual sum two), writes one, and every value
//! knows the buffer that holds it. Buffers are reused as soon as nothing later reads them, the backward pass included,
//! so that a forward pass alone takes two of them whatever the depth.

use super::conv::Conv;
use super::dense::Dense;
use super::dropout::Dropout;
use super::error::NetError;
use super::norm::Normalization;
use super::pool::{GlobalAverage, Pool};
use super::residual::ResidualSum;
use super::source::Place;
use crate::spec::activation::Activation;
use crate::spec::network::{Network, Node, Op};

/// Most bytes that the buffers of one network, or its weights, may take.
pub const MAX_BYTES: u64 = 8 << 30;

/// What a forward pass keeps for the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Record {
    /// Nothing: forward only, in the least memory.
    Nothing,
    /// What the gradients of the pre-activations and of the input need.
    Gradients,
    /// What gives the inputs of dense layers again too: networks sampled without weights go backward from them.
    Inputs,
    /// The inputs of the weight layers too, which the gradients of the weights need.
    WeightGradients,
}

/// A network as a list of steps, with a buffer assigned to every value. Immutable; shared by all threads.
///
/// # Examples
///
/// ```
/// use firstguess::net::{Program, Record};
/// use firstguess::spec::{Activation, Architecture, Shape};
/// let network = Architecture::mlp(&Activation::Relu, 50, 1024, 10).resolve(&Shape::flat(784)?)?;
/// let forward = Program::new(&network, Record::Nothing);
/// let backward = Program::new(&network, Record::Gradients);
/// // Bytes for 1000 inputs in f32: the forward pass alone does not grow with depth.
/// assert!(forward.bytes::<f32>(1000) < 10 << 20);
/// assert!(backward.bytes::<f32>(1000) > 150 << 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) values: Vec<Value>,
    /// Values per example that each forward buffer holds at most.
    pub(super) slots: Vec<usize>,
    /// The same for the gradients.
    pub(super) gradient_slots: Vec<usize>,
    /// Values per example of the largest gradient that is added up from two sources.
    pub(super) sum_size: usize,
    /// Values per example of the largest layer input that is computed again.
    pub(super) again_size: usize,
    /// Whether a factor on the input, biases included, is a factor on every value.
    pub(super) homogeneous: bool,
    pub(super) record: Record,
    pub(super) input_size: usize,
    pub(super) output: usize,
    pub(super) weight_layers: usize,
}

/// What one layer reads, does and writes.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) op: StepOp,
    pub(super) input: Operand,
    /// The branch of a residual sum.
    pub(super) branch: Option<Operand>,
    pub(super) output: usize,
    /// Layers with weights up to here, this one included.
    pub(super) index: usize,
    /// The activation step that computes the input of a dense layer again, where that is not kept.
    pub(super) again: Option<usize>,
}

/// A value that a step reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operand {
    pub(super) value: usize,
    /// Whether a later step has already sent it a gradient, to which this one's is added.
    pub(super) adds: bool,
}

#[derive(Debug, Clone)]
pub(super) enum StepOp {
    Dense(Dense),
    Conv(Conv),
    Activation(Activation),
    Pool(Pool),
    GlobalAverage(GlobalAverage),
    Norm(Normalization),
    Dropout(Dropout),
    Sum(ResidualSum),
}

/// One intermediate result: the input of the network, or the output of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    /// Values per example.
    pub(super) size: usize,
    pub(super) slot: usize,
    pub(super) gradient_slot: usize,
    /// Whether it depends on a weight, so that the backward pass must reach it.
    pub(super) trained: bool,
}

impl StepOp {
    /// Name of the kind, as in spec files and reports.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Dense(_) => "dense".to_owned(),
            Self::Conv(_) => "conv".to_owned(),
            Self::Activation(activation) => activation.to_string(),
            Self::Pool(pool) => pool.kind.key().to_owned(),
            Self::GlobalAverage(_) => "global_average_pool".to_owned(),
            Self::Norm(norm) => norm.name.to_owned(),
            Self::Dropout(_) => "dropout".to_owned(),
            Self::Sum(_) => "residual".to_owned(),
        }
    }

    /// Whether the backward pass reads the step's input and its output.
    fn reads_again(&self, record: Record) -> (bool, bool) {
        match self {
            Self::Dense(_) | Self::Conv(_) => (record == Record::WeightGradients, false),
            Self::Activation(_) => (true, false),
            Self::Norm(_) => (false, true),
            Self::Pool(_) | Self::GlobalAverage(_) | Self::Dropout(_) | Self::Sum(_) => {
                (false, false)
            }
        }
    }

    /// Whether values may leave the order of size of what goes in.
    pub(super) fn grows(&self) -> bool {
        matches!(self, Self::Dense(_) | Self::Conv(_) | Self::Sum(_))
    }

    /// Whether a positive factor on the input (and on the biases) comes out unchanged.
    fn homogeneous(&self) -> bool {
        match self {
            Self::Activation(activation) => matches!(
                activation,
                Activation::Linear
                    | Activation::Relu
                    | Activation::LeakyRelu { .. }
                    | Activation::Abs
            ),
            Self::Norm(_) => false,
            Self::Dense(_)
            | Self::Conv(_)
            | Self::Pool(_)
            | Self::GlobalAverage(_)
            | Self::Dropout(_)
            | Self::Sum(_) => true,
        }
    }

    /// Bytes kept beside the values: per example, and whatever the batch.
    fn kept_bytes(&self, record: Record) -> (u64, u64) {
        match self {
            Self::Pool(pool) if record > Record::Nothing => (4 * pool.index_size() as u64, 0),
            Self::Norm(norm) => {
                let (per_example, fixed) = norm.statistics();
                (8 * per_example as u64, 8 * fixed as u64)
            }
            _ => (0, 0),
        }
    }
}

impl Step {
    /// What a source must know of a dense layer.
    pub(super) fn place(&self, batch: usize) -> Option<Place> {
        let StepOp::Dense(dense) = self.op else { return None };
        let position = self.index.checked_sub(1)?;
        Some(Place { position, dense, batch, on_data: self.input.value == 0 })
    }
}

impl Program {
    /// Lays out the steps and buffers of a checked network.
    pub fn new(network: &Network, record: Record) -> Self {
        let mut builder =
            Builder { steps: Vec::new(), sizes: vec![network.input.size()], index: 0, dropouts: 0 };
        let output = builder.sequence(&network.nodes, 0);
        let Builder { mut steps, sizes, index, .. } = builder;
        let trained = trained(&steps, sizes.len());
        let again_size = if record == Record::Inputs { mark_again(&mut steps, &sizes) } else { 0 };
        let homogeneous = steps.iter().all(|step| step.op.homogeneous());
        let (value_slots, slots) = value_slots(&steps, &sizes, output, record);
        let (gradients, gradient_slots, sum_size) = gradient_slots(&mut steps, &sizes, output);
        let values = (0..sizes.len())
            .map(|v| Value {
                size: sizes[v],
                slot: value_slots[v],
                gradient_slot: gradients[v],
                trained: trained[v],
            })
            .collect();
        Self {
            steps,
            values,
            slots,
            gradient_slots: if record == Record::Nothing { Vec::new() } else { gradient_slots },
            sum_size: if record == Record::Nothing { 0 } else { sum_size },
            again_size,
            homogeneous,
            record,
            input_size: network.input.size(),
            output,
            weight_layers: index,
        }
    }

    /// Bytes that the buffers of one pass over `batch` inputs take, the weights not counted. Saturates.
    pub fn bytes<T>(&self, batch: usize) -> u64 {
        let scalar = size_of::<T>() as u64;
        let add = |total: u64, size: &usize| total.saturating_add(*size as u64);
        let sums = self.sum_size as u64 + self.again_size as u64;
        let values = self.slots.iter().chain(&self.gradient_slots).fold(sums, add);
        let (mut per_example, mut fixed, mut patches) = (values.saturating_mul(scalar), 0_u64, 0);
        for step in &self.steps {
            let (each, once) = step.op.kept_bytes(self.record);
            per_example = per_example.saturating_add(each);
            fixed = fixed.saturating_add(once);
            if let StepOp::Conv(conv) = &step.op {
                patches = patches.max(conv.patch_size() as u64);
            }
        }
        let fixed = fixed.saturating_add(patches.saturating_mul(scalar));
        per_example.saturating_mul(batch as u64).saturating_add(fixed)
    }

    /// Values of one input.
    pub fn input_size(&self) -> usize {
        self.input_size
    }

    /// Number of logits.
    pub fn logits(&self) -> usize {
        self.values[self.output].size
    }

    /// Number of layers with weights.
    pub fn weight_layers(&self) -> usize {
        self.weight_layers
    }

    /// What a forward pass keeps.
    pub fn record(&self) -> Record {
        self.record
    }

    /// Refuses a batch whose buffers would not fit.
    pub(super) fn check_memory<T>(&self, batch: usize) -> Result<(), NetError> {
        let needed = self.bytes::<T>(batch);
        if needed > MAX_BYTES {
            return Err(NetError::Memory {
                what: "the pass",
                needed,
                available: format!("the {MAX_BYTES} that it may take"),
            });
        }
        Ok(())
    }
}

struct Builder {
    steps: Vec<Step>,
    /// Size of each value; the first is the input.
    sizes: Vec<usize>,
    index: usize,
    dropouts: u32,
}

impl Builder {
    /// Appends the steps of `nodes` on value `input` and returns the value they end in.
    fn sequence(&mut self, nodes: &[Node], input: usize) -> usize {
        nodes.iter().fold(input, |value, node| self.node(node, value))
    }

    fn node(&mut self, node: &Node, input: usize) -> usize {
        let op = match &node.op {
            // A vector is what every buffer holds already.
            Op::Flatten => return input,
            Op::Residual { branch, shortcut, branch_scale } => {
                let carried = self.sequence(shortcut, input);
                let branch = self.sequence(branch, input);
                let sum = ResidualSum { branch_scale: *branch_scale };
                return self.push(StepOp::Sum(sum), carried, Some(branch), node);
            }
            Op::Dense(weights) => {
                self.index += 1;
                StepOp::Dense(Dense { inputs: weights.fan_in, outputs: weights.outputs })
            }
            Op::Conv(_, window) => {
                self.index += 1;
                StepOp::Conv(Conv::new(node.input, node.output, *window))
            }
            Op::Activation(activation) => StepOp::Activation(activation.clone()),
            Op::Pool { kind, size, stride, padding } => {
                let window = [*size, *stride, *padding];
                StepOp::Pool(Pool::new(*kind, window, node.input, node.output))
            }
            Op::GlobalAveragePool => {
                StepOp::GlobalAverage(GlobalAverage::new(node.input, node.output))
            }
            Op::Norm(norm) => StepOp::Norm(Normalization::new(*norm, node.input)),
            Op::Dropout { keep } => {
                self.dropouts += 1;
                StepOp::Dropout(Dropout { keep: *keep, ordinal: self.dropouts })
            }
        };
        self.push(op, input, None, node)
    }

    fn push(&mut self, op: StepOp, input: usize, branch: Option<usize>, node: &Node) -> usize {
        let operand = |value| Operand { value, adds: false };
        let output = self.sizes.len();
        self.sizes.push(node.output.size());
        self.steps.push(Step {
            op,
            input: operand(input),
            branch: branch.map(operand),
            output,
            index: self.index,
            again: None,
        });
        output
    }
}

/// Hands out buffers by size and takes them back.
#[derive(Default)]
struct Slots {
    sizes: Vec<usize>,
    free: Vec<usize>,
}

impl Slots {
    /// The smallest free buffer that is large enough, or the largest one made larger, or a new one.
    fn take(&mut self, size: usize) -> usize {
        let fits = |slot: usize| (self.sizes[slot] < size, self.sizes[slot].abs_diff(size));
        let best = (0..self.free.len()).min_by_key(|i| fits(self.free[*i]));
        let slot = if let Some(position) = best {
            self.free.swap_remove(position)
        } else {
            self.sizes.push(0);
            self.sizes.len() - 1
        };
        self.sizes[slot] = self.sizes[slot].max(size);
        slot
    }

    fn give_back(&mut self, slot: usize) {
        self.free.push(slot);
    }
}

fn operands(step: &Step) -> impl Iterator<Item = usize> {
    [Some(step.input.value), step.branch.map(|branch| branch.value)].into_iter().flatten()
}

/// Marks the dense layers whose input an activation gives again; returns the size of the largest one.
fn mark_again(steps: &mut [Step], sizes: &[usize]) -> usize {
    let mut producers = vec![None; sizes.len()];
    let mut largest = 0;
    for position in 0..steps.len() {
        if let StepOp::Dense(_) = steps[position].op {
            let input = steps[position].input.value;
            steps[position].again = producers[input];
            if producers[input].is_some() {
                largest = largest.max(sizes[input]);
            }
        }
        let activation = matches!(steps[position].op, StepOp::Activation(_));
        producers[steps[position].output] = activation.then_some(position);
    }
    largest
}

fn trained(steps: &[Step], values: usize) -> Vec<bool> {
    let mut trained = vec![false; values];
    for step in steps {
        let weights = matches!(step.op, StepOp::Dense(_) | StepOp::Conv(_));
        trained[step.output] = weights || operands(step).any(|value| trained[value]);
    }
    trained
}

/// The forward buffer of each value, and the size of each buffer.
fn value_slots(
    steps: &[Step],
    sizes: &[usize],
    output: usize,
    record: Record,
) -> (Vec<usize>, Vec<usize>) {
    let mut last_read = vec![0; sizes.len()];
    last_read[output] = usize::MAX;
    for (position, step) in steps.iter().enumerate() {
        let (input, result) = match record {
            Record::Nothing => (false, false),
            Record::Inputs if matches!(step.op, StepOp::Dense(_)) => (step.again.is_none(), false),
            _ => step.op.reads_again(record),
        };
        for value in operands(step) {
            last_read[value] = last_read[value].max(position);
        }
        if input {
            last_read[step.input.value] = usize::MAX;
        }
        if result {
            last_read[step.output] = usize::MAX;
        }
    }
    let mut slots = Slots::default();
    let mut of_value = vec![0; sizes.len()];
    of_value[0] = slots.take(sizes[0]);
    for (position, step) in steps.iter().enumerate() {
        of_value[step.output] = slots.take(sizes[step.output]);
        let mut freed = None;
        for value in operands(step) {
            if last_read[value] == position && freed != Some(value) {
                slots.give_back(of_value[value]);
                freed = Some(value);
            }
        }
    }
    (of_value, slots.sizes)
}

/// The buffer of each value's gradient, the size of each buffer, and the largest gradient that is a sum; marks the sums.
fn gradient_slots(
    steps: &mut [Step],
    sizes: &[usize],
    output: usize,
) -> (Vec<usize>, Vec<usize>, usize) {
    let mut slots = Slots::default();
    let mut of_value = vec![None; sizes.len()];
    of_value[output] = Some(slots.take(sizes[output]));
    let mut sum_size = 0;
    for step in steps.iter_mut().rev() {
        for operand in std::iter::once(&mut step.input).chain(&mut step.branch) {
            operand.adds = of_value[operand.value].is_some();
            if operand.adds {
                sum_size = sum_size.max(sizes[operand.value]);
            } else {
                of_value[operand.value] = Some(slots.take(sizes[operand.value]));
            }
        }
        if let Some(slot) = of_value[step.output] {
            slots.give_back(slot);
        }
    }
    (of_value.into_iter().map(Option::unwrap_or_default).collect(), slots.sizes, sum_size)
}
