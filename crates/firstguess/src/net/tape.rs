//! The buffers of one run through a network, forward and backward.

use super::activation;
use super::drawing::Drawing;
use super::dropout::Masks;
use super::error::{NetError, Pass};
use super::live::LiveInputs;
use super::program::{Program, Record, Step, StepOp};
use super::reduce::non_finite;
use super::scalar::Scalar;
use super::source::LayerLaw;
use super::weights::{LayerWeights, Weights, grow};

/// The buffers of one network on one thread, reused from run to run.
///
/// [`Tape::forward`] fills it, [`Tape::backward`] reads it. Between runs of the same batch size nothing is allocated.
///
/// # Examples
///
/// One draw of a network, its logits, and the squared gradient at every weight layer:
///
/// ```
/// use firstguess::math::stream::Seed;
/// use firstguess::net::{Masks, Program, Record, Tape, Wanted, Weights, loss};
/// use firstguess::spec::{Activation, Architecture, InitScheme, Shape};
///
/// let network = Architecture::mlp(&Activation::Relu, 4, 100, 10).resolve(&Shape::flat(64)?)?;
/// let init = InitScheme::explicit(2.0, 0.0);
/// let layers = network.weights().iter().map(|w| init.layer(w)).collect::<Result<Vec<_>, _>>()?;
/// let program = Program::new(&network, Record::Gradients);
/// let mut weights: Weights = Weights::zeros(&network)?;
/// let mut tape = Tape::new(&program);
///
/// weights.redraw(&layers, Seed(0), 0)?;
/// let inputs = vec![0.5; 2 * 64];
/// let logits = tape.forward(&weights, &inputs, Masks::Off, |_| {})?;
/// let loss = loss::cross_entropy(logits, 10, &[3, 7])?;
/// let mut squares = vec![0.0; 4];
/// tape.backward(&weights, &loss.gradient, Wanted::default(), |layer| {
///     squares[layer.index - 1] = layer.values.iter().map(|g| g * g).sum::<f32>();
/// })?;
/// assert!(squares.iter().all(|square| *square > 0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Tape<'p, T = f32> {
    pub(super) program: &'p Program,
    pub(super) values: Vec<Vec<T>>,
    pub(super) gradients: Vec<Vec<T>>,
    pub(super) saved: Vec<Saved>,
    /// The second term of a gradient that is a sum.
    pub(super) term: Vec<T>,
    /// What convolutions work in.
    pub(super) patches: Vec<T>,
    /// The input of a dense layer, computed again.
    pub(super) again: Vec<T>,
    /// Whether values may be carried as multiples of a power of two, and of which, one for each value and its gradient.
    pub(super) carrying: bool,
    pub(super) exponents: Vec<i32>,
    pub(super) gradient_exponents: Vec<i32>,
    /// The layer at work, where weights are made and not kept.
    pub(super) drawn: LayerWeights<T>,
    /// What of its input is not zero.
    pub(super) live: LiveInputs<T>,
    /// Examples of the last complete forward pass; zero before there was one.
    pub(super) batch: usize,
    pub(super) masks: Masks,
    /// Whether the last backward pass reached the input.
    pub(super) input_gradient: bool,
}

/// What a step keeps beside its values.
#[derive(Debug, Clone, Default)]
pub(super) struct Saved {
    /// Which input each output of a maximum came from.
    pub(super) indices: Vec<u32>,
    /// Of each normalised group, one over its standard deviation.
    pub(super) inverse_std: Vec<f64>,
}

/// The output of a layer with weights, or the gradient of the loss with respect to it.
#[derive(Debug, Clone, Copy)]
pub struct LayerView<'a, T = f32> {
    /// Position among the layers with weights, from 1.
    pub index: usize,
    /// What kind of layer it is.
    pub kind: WeightKind,
    /// Examples.
    pub batch: usize,
    /// Output units of a dense layer, output channels of a convolution.
    pub units: usize,
    /// Positions of an output image; 1 for a dense layer.
    pub positions: usize,
    /// `[batch, units, positions]`: pre-activations, or their gradients.
    pub values: &'a [T],
    /// Values stand for `2^exponent` times themselves: not 0 only on a tape that carries them ([`Tape::carrying`]).
    pub exponent: i32,
    /// What went into the layer, `[batch, …]`. In a backward pass only under [`Record::WeightGradients`].
    pub input: Option<&'a [T]>,
}

/// Kinds of layers with weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightKind {
    /// A dense layer.
    Dense,
    /// A convolution.
    Conv,
}

/// What a backward pass computes beside the gradients at the weight layers.
#[derive(Debug)]
pub struct Wanted<'w, T = f32> {
    /// Where the gradients of the weights are added to what is there.
    pub weights: Option<&'w mut Weights<T>>,
    /// Whether [`Tape::input_gradient`] is wanted.
    pub input: bool,
}

impl<T> Default for Wanted<'_, T> {
    fn default() -> Self {
        Self { weights: None, input: false }
    }
}

impl<'p, T: Scalar> Tape<'p, T> {
    /// A tape without buffers; they come with the first run.
    pub fn new(program: &'p Program) -> Self {
        Self {
            program,
            values: vec![Vec::new(); program.slots.len()],
            gradients: vec![Vec::new(); program.gradient_slots.len()],
            saved: vec![Saved::default(); program.steps.len()],
            term: Vec::new(),
            patches: Vec::new(),
            again: Vec::new(),
            carrying: false,
            exponents: vec![0; program.values.len()],
            gradient_exponents: vec![0; program.values.len()],
            drawn: LayerWeights::default(),
            live: LiveInputs::default(),
            batch: 0,
            masks: Masks::Off,
            input_gradient: false,
        }
    }

    /// The same tape, whose values stand for a power of two times themselves where they would leave the range of the type.
    ///
    /// Forward in networks of homogeneous layers (linear, ReLU, leaky ReLU, absolute value; no normalisation), backward in
    /// any. Within the range nothing changes, beyond it digits are those of a type without limits. Observers see the
    /// exponent in [`LayerView::exponent`]. Not for gradients of weights.
    #[must_use]
    pub fn carrying(self) -> Self {
        Self { carrying: true, ..self }
    }

    /// Logits stand for `2^exponent` times themselves.
    pub fn logits_exponent(&self) -> i32 {
        self.exponents[self.program.output]
    }

    /// The logits of the last forward pass, `[batch, logits]`; empty before there was one.
    pub fn logits(&self) -> &[T] {
        self.value(self.program.output)
    }

    /// Examples in the last forward pass; zero before there was one, or after one that failed.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// `dL/dx` of the last backward pass, `[batch, inputs]`, if that was wanted.
    pub fn input_gradient(&self) -> Option<&[T]> {
        let value = &self.program.values[0];
        let gradient = self.gradients.get(value.gradient_slot).filter(|_| self.input_gradient)?;
        gradient.get(..value.size * self.batch)
    }

    /// One intermediate result, `[batch, size]`.
    pub(super) fn value(&self, value: usize) -> &[T] {
        let value = &self.program.values[value];
        self.values[value.slot].get(..value.size * self.batch).unwrap_or_default()
    }

    /// Makes every buffer large enough for `batch` examples.
    pub(super) fn prepare(&mut self, batch: usize) -> Result<(), NetError> {
        const WHAT: &str = "the pass";
        let program = self.program;
        program.check_memory::<T>(batch)?;
        let pairs =
            [(&mut self.values, &program.slots), (&mut self.gradients, &program.gradient_slots)];
        for (buffers, sizes) in pairs {
            for (buffer, size) in buffers.iter_mut().zip(sizes) {
                grow(buffer, WHAT, size * batch)?;
            }
        }
        grow(&mut self.term, WHAT, program.sum_size * batch)?;
        grow(&mut self.again, WHAT, program.again_size * batch)?;
        for (step, saved) in program.steps.iter().zip(&mut self.saved) {
            match &step.op {
                StepOp::Conv(conv) => grow(&mut self.patches, WHAT, conv.patch_size())?,
                StepOp::Pool(pool) if program.record > Record::Nothing => {
                    grow(&mut saved.indices, WHAT, pool.index_size() * batch)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Where a pass finds its weights.
pub(crate) enum Source<'a, T> {
    Kept(&'a Weights<T>),
    Drawn(Drawing<'a>),
    /// Changed on the way back: the gradient times this is added to them.
    Descending(&'a mut Weights<T>, T),
    /// Nowhere: only the law of the products with them is known.
    Sampled(&'a mut dyn LayerLaw<T>),
}

impl<T: Scalar> Source<'_, T> {
    fn shapes(&self) -> Vec<(usize, usize)> {
        let weights = match self {
            Self::Kept(weights) => weights,
            Self::Drawn(drawing) => return drawing.shapes().collect(),
            Self::Descending(weights, _) => &**weights,
            Self::Sampled(_) => return Vec::new(),
        };
        weights.layers.iter().map(|layer| (layer.weight.len(), layer.bias.len())).collect()
    }
}

impl Program {
    /// Refuses weights that were drawn for another network.
    pub(super) fn check_weights<T: Scalar>(&self, weights: &Weights<T>) -> Result<(), NetError> {
        self.check_source(&Source::Kept(weights))
    }

    pub(super) fn check_source<T: Scalar>(&self, source: &Source<'_, T>) -> Result<(), NetError> {
        if let Source::Sampled(law) = source {
            return law.check(self);
        }
        let mismatch = |what, expected: usize, found: usize| {
            Err(NetError::Length { what, expected: expected.to_string(), found })
        };
        let found = source.shapes();
        if found.len() != self.weight_layers {
            return mismatch("the list of weight layers", self.weight_layers, found.len());
        }
        for step in &self.steps {
            let (entries, outputs) = match &step.op {
                StepOp::Dense(dense) => (dense.inputs * dense.outputs, dense.outputs),
                StepOp::Conv(conv) => (conv.fan_in() * conv.outputs(), conv.outputs()),
                _ => continue,
            };
            let (weights, biases) = found[step.index - 1];
            if weights != entries {
                return mismatch("the weights of a layer", entries, weights);
            }
            if biases != outputs {
                return mismatch("the biases of a layer", outputs, biases);
            }
        }
        Ok(())
    }
}

impl Step {
    /// The bias that a forward step has added as it is; laws of products scale theirs themselves.
    pub(super) fn bias<'s, T>(
        &self,
        source: &'s Source<'_, T>,
        drawn: &'s LayerWeights<T>,
    ) -> Option<&'s [T]> {
        let outputs = match &self.op {
            StepOp::Dense(dense) => dense.outputs,
            StepOp::Conv(conv) => conv.outputs(),
            _ => return None,
        };
        match source {
            Source::Kept(weights) => Some(&weights.layers[self.index - 1].bias),
            Source::Drawn(_) => drawn.bias.get(..outputs),
            Source::Descending(..) | Source::Sampled(_) => None,
        }
    }

    /// What an observer sees of a layer with weights; nothing of other layers.
    pub(super) fn view<'a, T>(
        &self,
        batch: usize,
        values: &'a [T],
        input: Option<&'a [T]>,
        exponent: i32,
    ) -> Option<LayerView<'a, T>> {
        let (kind, units, positions) = match &self.op {
            StepOp::Dense(dense) => (WeightKind::Dense, dense.outputs, 1),
            StepOp::Conv(conv) => (WeightKind::Conv, conv.outputs(), conv.positions()),
            _ => return None,
        };
        let index = self.index;
        Some(LayerView { index, kind, batch, units, positions, values, exponent, input })
    }

    /// An error if any value is infinite or NaN.
    pub(super) fn check_finite<T: Scalar>(&self, pass: Pass, values: &[T]) -> Result<(), NetError> {
        match non_finite(values) {
            None => Ok(()),
            Some(found) => {
                Err(NetError::NonFinite { pass, kind: self.op.kind(), index: self.index, found })
            }
        }
    }

    /// The same of what a step has made of finite values, where it could have made others.
    pub(super) fn check_result<T: Scalar>(&self, pass: Pass, values: &[T]) -> Result<(), NetError> {
        // What only takes or shrinks finite values has finite ones to give.
        let tame = match &self.op {
            StepOp::Activation(activation) => activation::is_contraction(activation),
            StepOp::Pool(pool) => pass == Pass::Forward || pool.is_disjoint(),
            StepOp::GlobalAverage(_) => true,
            _ => false,
        };
        if tame { Ok(()) } else { self.check_finite(pass, values) }
    }
}
