//! One training, step by step.

use super::batches::Batches;
use super::optimizer::{Memory, Optimizer};
use crate::math::stream::Seed;
use crate::net::error::{NonFinite, Pass};
use crate::net::loss::each_row;
use crate::net::{Masks, NetError, Program, Record, Scalar, Tape, Wanted, Weights};
use crate::spec::Dataset;
use crate::spec::error::SpecError;
use crate::spec::loss::{Loss, LossSchedule, Pull, Switch};
use crate::spec::network::Network;
use crate::spec::scheme::LayerInit;
use serde::Serialize;
use std::ops::Range;

/// Examples that go through together in evaluation.
pub const EVALUATION_BATCH: usize = 1024;

/// A network laid out for training and for evaluation; shared by all trainings of it.
#[derive(Debug, Clone)]
pub struct Programs {
    train: Program,
    evaluate: Program,
}

impl Programs {
    /// Lays out a network.
    pub fn new(network: &Network) -> Self {
        Self {
            train: Program::new(network, Record::WeightGradients),
            evaluate: Program::new(network, Record::Nothing),
        }
    }
}

/// What one training is: everything that fixes its outcome.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The network.
    pub network: &'a Network,
    /// The draw of each layer with weights.
    pub inits: &'a [LayerInit],
    /// Labelled training examples.
    pub data: &'a Dataset,
    /// What is minimised, and when.
    pub loss: &'a LossSchedule,
    /// How.
    pub optimizer: &'a Optimizer,
    /// Examples per step.
    pub batch: usize,
    /// Steps in all; the learning-rate schedule ends there.
    pub steps: usize,
    /// Fixes weights, order and masks together with `replicate`.
    pub seed: Seed,
    /// Number of the training among those of one seed.
    pub replicate: u64,
}

/// Why a training could not be run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum TrainError {
    /// Training needs labels.
    #[error("`{name}` has no labels; training needs one per example")]
    Unlabelled { name: String },

    /// More classes than the network tells apart.
    #[error("the data have {classes} classes, the network tells {logits} apart")]
    Classes { classes: usize, logits: usize },

    /// No step, no batch, or no seed.
    #[error("`{what}` must be at least 1")]
    Nothing { what: &'static str },

    /// Too few or too many parts.
    #[error("{folds} folds of {examples} examples; from 2 to the number of examples are possible")]
    Folds { folds: usize, examples: usize },

    /// More margin runs than sets of threshold samples that share no example.
    #[error(
        "{runs} margin runs need as many disjoint sets of threshold samples; {examples} examples in {classes} classes give \
         {sets}"
    )]
    MarginRuns { runs: usize, sets: usize, examples: usize, classes: usize },

    /// Margins are averaged up to the first drop of the learning rate, when not every example has been met.
    #[error(
        "margins are averaged up to the first drop of the learning rate, which comes after {steps} steps: less than the \
         {per_epoch} of an epoch, so that some examples have none"
    )]
    EarlyDrop { steps: usize, per_epoch: usize },

    /// The question is ill-formed.
    #[error(transparent)]
    Spec(#[from] SpecError),

    /// The network could not be drawn or run.
    #[error(transparent)]
    Net(#[from] NetError),

    /// The numbers left their range.
    #[error("{0}")]
    Diverged(Divergence),

    /// The data could not be divided.
    #[error(transparent)]
    Data(#[from] crate::spec::DatasetError),

    /// [`Progress::cancelled`](crate::measure::Progress::cancelled) said so.
    #[error("cancelled after {done} of {total} trainings")]
    Cancelled { done: usize, total: usize },
}

/// Where and when a training left the range of numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("diverged at step {step}: the {pass} gives {found} at `{kind}` after weight layer {layer}")]
pub struct Divergence {
    /// Steps done before.
    pub step: usize,
    /// Index of the layer with weights at or after which it was seen.
    pub layer: usize,
    /// What was computed there.
    pub kind: String,
    /// `forward pass` or `backward pass`.
    pub pass: &'static str,
    /// `infinity` or `NaN`.
    pub found: &'static str,
}

impl Divergence {
    fn of(error: &NetError, step: usize) -> Option<Self> {
        let NetError::NonFinite { pass, kind, index, found } = error else { return None };
        Some(Self {
            step,
            layer: *index,
            kind: kind.clone(),
            pass: match pass {
                Pass::Forward => "forward pass",
                Pass::Backward => "backward pass",
            },
            found: match found {
                NonFinite::Infinity => "infinity",
                NonFinite::NaN => "NaN",
            },
        })
    }
}

/// A network in training.
///
/// The caller drives it: [`Trainer::step`] until [`Trainer::is_done`], and between steps whatever is to be seen of the
/// weights, the last minibatch or an evaluation.
///
/// # Examples
///
/// ```
/// use firstguess::math::stream::Seed;
/// use firstguess::spec::{Activation, Architecture, Dataset, InitScheme, Loss, Shape};
/// use firstguess::train::{Optimizer, Programs, Task, Trainer};
///
/// // Exclusive or.
/// let data = Dataset::new("xor", Shape::flat(2)?, vec![1.0, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0, -1.0])?
///     .with_labels(vec![0, 1, 1, 0], 2)?;
/// let network = Architecture::mlp(&Activation::Tanh, 2, 16, 2).resolve(&data.shape())?;
/// let init = InitScheme::explicit(1.0, 0.1);
/// let inits = network.weights().iter().map(|w| init.layer(w)).collect::<Result<Vec<_>, _>>()?;
/// let (loss, optimizer) = (Loss::CROSS_ENTROPY.into(), Optimizer::adam(0.05));
/// let programs = Programs::new(&network);
/// let mut trainer = Trainer::<f32>::new(&programs, Task {
///     network: &network, inits: &inits, data: &data, loss: &loss, optimizer: &optimizer,
///     batch: 4, steps: 100, seed: Seed(0), replicate: 0,
/// })?;
/// while !trainer.is_done() {
///     trainer.step()?;
/// }
/// assert_eq!(trainer.score(&data)?.accuracy, 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Trainer<'a, T = f32> {
    task: Task<'a>,
    labels: &'a [u32],
    weights: Weights<T>,
    gradient: Weights<T>,
    memory: Memory<T>,
    tape: Tape<'a, T>,
    evaluation: Tape<'a, T>,
    batches: Batches,
    indices: Vec<u32>,
    input: Vec<T>,
    batch_labels: Vec<u32>,
    slope: Vec<T>,
    batch_loss: f64,
    done: usize,
    guard: Guard,
    fixed_biases: bool,
}

/// How many samples the loss would leave alone or push away, over half an epoch.
#[derive(Debug, Clone, Copy, Default)]
struct Guard {
    released: bool,
    seen: usize,
    backed_off: usize,
    share: Option<f64>,
}

/// How well a network does on a data set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Share of examples guessed right.
    pub accuracy: f64,
    /// Mean cross-entropy in nats.
    pub cross_entropy: f64,
}

impl<'a, T: Scalar> Trainer<'a, T> {
    /// A network before its first step.
    ///
    /// # Errors
    ///
    /// [`TrainError`] for data without labels or with more classes than logits, a step count or batch of zero, numbers of
    /// the optimizer out of range, or a network too large.
    pub fn new(programs: &'a Programs, task: Task<'a>) -> Result<Self, TrainError> {
        let weights = Weights::draw(task.network, task.inits, task.seed, task.replicate)?;
        Self::from_weights(programs, task, weights)
    }

    /// The same, from weights given.
    ///
    /// # Errors
    ///
    /// As [`Trainer::new`].
    pub fn from_weights(
        programs: &'a Programs,
        task: Task<'a>,
        weights: Weights<T>,
    ) -> Result<Self, TrainError> {
        let labels = task
            .data
            .labels()
            .ok_or_else(|| TrainError::Unlabelled { name: task.data.name().to_owned() })?;
        let (classes, logits) = (task.data.classes(), task.network.logits());
        if classes > logits.max(2) {
            return Err(TrainError::Classes { classes, logits });
        }
        for (what, value) in [("steps", task.steps), ("batch", task.batch)] {
            if value == 0 {
                return Err(TrainError::Nothing { what });
            }
        }
        task.optimizer.validate()?;
        let gradient = Weights::zeros(task.network)?;
        Ok(Self {
            memory: Memory::new(task.optimizer, &weights),
            tape: Tape::new(&programs.train),
            evaluation: Tape::new(&programs.evaluate),
            batches: Batches::new(task.data.examples(), task.batch, task.seed, task.replicate),
            indices: Vec::new(),
            input: Vec::new(),
            batch_labels: Vec::new(),
            slope: Vec::new(),
            batch_loss: f64::NAN,
            done: 0,
            guard: Guard::default(),
            fixed_biases: false,
            task,
            labels,
            weights,
            gradient,
        })
    }

    /// The same training with the biases left as they were drawn.
    #[must_use]
    pub fn with_fixed_biases(mut self, fixed: bool) -> Self {
        self.fixed_biases = fixed;
        self
    }

    /// What is being done.
    pub const fn task(&self) -> &Task<'a> {
        &self.task
    }

    /// Steps done.
    pub const fn steps_done(&self) -> usize {
        self.done
    }

    /// Whether all steps are done.
    pub const fn is_done(&self) -> bool {
        self.done >= self.task.steps
    }

    /// Passes over the data so far, as a fraction.
    pub fn epoch(&self) -> f64 {
        self.done as f64 / self.batches.per_epoch() as f64
    }

    /// Steps in one epoch.
    pub fn steps_per_epoch(&self) -> usize {
        self.batches.per_epoch()
    }

    /// The learning rate of the next step.
    pub fn rate(&self) -> f64 {
        self.task.optimizer.rate_at(self.done, self.task.steps, self.epoch())
    }

    /// Share of the loss in what the next step minimises; the rest is cross-entropy.
    pub fn loss_share(&self) -> f64 {
        self.task.loss.share(self.epoch(), self.guard.released)
    }

    /// Share of samples that the loss would mask or push away, when the guard last measured it.
    pub const fn guard_share(&self) -> Option<f64> {
        self.guard.share
    }

    /// The weights.
    pub const fn weights(&self) -> &Weights<T> {
        &self.weights
    }

    /// The weights, to be looked at from a point nearby.
    pub const fn weights_mut(&mut self) -> &mut Weights<T> {
        &mut self.weights
    }

    /// The samples of the last minibatch, as positions in the data.
    pub fn batch_indices(&self) -> &[u32] {
        &self.indices
    }

    /// The logits of the last minibatch in training mode, before its step: `[batch, logits]`.
    pub fn batch_logits(&self) -> &[T] {
        self.tape.logits()
    }

    /// The mean loss of the last minibatch before its step; NaN before the first.
    pub const fn batch_loss(&self) -> f64 {
        self.batch_loss
    }

    /// One minibatch: forward, backward, update.
    ///
    /// # Errors
    ///
    /// [`TrainError::Diverged`] where the numbers leave their range.
    pub fn step(&mut self) -> Result<(), TrainError> {
        self.take_batch();
        let share = self.loss_share();
        let masks = Masks::Draw {
            seed: self.task.seed,
            // Replicates below 2¹⁶ and steps below 2³² never share a mask.
            draw: (self.task.replicate << 32) | self.done as u64,
        };
        let done = self.done;
        let fail = move |error: NetError| match Divergence::of(&error, done) {
            Some(divergence) => TrainError::Diverged(divergence),
            None => TrainError::Net(error),
        };
        self.tape.forward(&self.weights, &self.input, masks, |_| {}).map_err(fail)?;
        self.loss_gradient(share)?;
        let wanted = Wanted { weights: Some(&mut self.gradient), input: false };
        self.tape.backward(&self.weights, &self.slope, wanted, |_| {}).map_err(fail)?;
        if self.fixed_biases {
            self.gradient.layers.iter_mut().for_each(|layer| layer.bias.fill(T::ZERO));
        }
        let penalty = share * self.task.loss.loss.weight_penalty();
        let rate = self.rate();
        self.memory.update(
            self.task.optimizer,
            rate,
            penalty,
            &mut self.weights,
            &mut self.gradient,
        )?;
        self.done += 1;
        Ok(())
    }

    fn take_batch(&mut self) {
        let samples = self.batches.advance();
        self.indices.clear();
        self.indices.extend_from_slice(samples);
        self.input.clear();
        self.batch_labels.clear();
        let (inputs, features) = (self.task.data.inputs(), self.task.data.features());
        for index in samples {
            let index = *index as usize;
            let row = &inputs[index * features..(index + 1) * features];
            self.input.extend(row.iter().map(|x| T::from_f32(*x)));
            self.batch_labels.push(self.labels[index]);
        }
    }

    /// The gradient of the mean loss at the logits, and what the guard counts.
    fn loss_gradient(&mut self, share: f64) -> Result<(), TrainError> {
        let logits = self.task.network.logits();
        let (loss, ce) = (&self.task.loss.loss, Loss::CROSS_ENTROPY);
        let guarded = matches!(self.task.loss.switch, Switch::Guard { .. }) && !self.guard.released;
        let scale = 1.0 / self.batch_labels.len() as f64;
        let first = usize::from(logits == 1);
        let classes = logits.max(2);
        let (mut slope, mut other) = (vec![0.0; classes], vec![0.0; classes]);
        self.slope.clear();
        let (mut total, mut backed_off) = (0.0, 0);
        let target = &mut self.slope;
        each_row(self.tape.logits(), logits, &self.batch_labels, |row, label| {
            if share > 0.0 {
                total += share * loss.evaluate(row, label, &mut slope);
            } else {
                slope.fill(0.0);
            }
            if share < 1.0 {
                total += (1.0 - share) * ce.evaluate(row, label, &mut other);
            }
            let mixed = slope.iter().zip(&other).map(|(a, b)| share * a + (1.0 - share) * b);
            target.extend(mixed.skip(first).map(|g| T::from_f64(g * scale)));
            backed_off += usize::from(guarded && loss.pull(row.ln_p(label)) != Pull::Towards);
        })?;
        self.batch_loss = total * scale;
        if guarded {
            self.guard_with(backed_off);
        }
        Ok(())
    }

    fn guard_with(&mut self, backed_off: usize) {
        let Switch::Guard { bound } = self.task.loss.switch else { return };
        self.guard.seen += self.batch_labels.len();
        self.guard.backed_off += backed_off;
        if 2 * self.guard.seen >= self.task.data.examples() {
            let share = self.guard.backed_off as f64 / self.guard.seen as f64;
            self.guard = Guard { released: share < bound, share: Some(share), ..Guard::default() };
        }
    }

    /// Logits in evaluation mode: calls `f` with ranges of examples and their logits, in order.
    ///
    /// # Errors
    ///
    /// [`TrainError::Diverged`] where the numbers leave their range; [`TrainError::Net`] for data of another shape.
    pub fn evaluate(
        &mut self,
        data: &Dataset,
        mut f: impl FnMut(Range<usize>, &[T]),
    ) -> Result<(), TrainError> {
        let features = data.features();
        for range in chunks(data.examples()) {
            let rows = &data.inputs()[range.start * features..range.end * features];
            self.input.clear();
            self.input.extend(rows.iter().map(|x| T::from_f32(*x)));
            let done = self.done;
            let logits = self
                .evaluation
                .forward(&self.weights, &self.input, Masks::Off, |_| {})
                .map_err(|error| match Divergence::of(&error, done) {
                    Some(divergence) => TrainError::Diverged(divergence),
                    None => TrainError::Net(error),
                })?;
            f(range, logits);
        }
        Ok(())
    }

    /// Runs examples forward and backward in evaluation mode: `slope` fills the gradient at the logits, `[rows, logits]`,
    /// and the gradients of the weights are added up and returned.
    ///
    /// # Errors
    ///
    /// As [`Trainer::evaluate`].
    pub fn gradient(
        &mut self,
        data: &Dataset,
        mut slope: impl FnMut(Range<usize>, &[T], &mut Vec<T>) -> Result<(), NetError>,
    ) -> Result<Weights<T>, TrainError> {
        let features = data.features();
        let mut total = Weights::zeros(self.task.network)?;
        let done = self.done;
        let fail = move |error: NetError| match Divergence::of(&error, done) {
            Some(divergence) => TrainError::Diverged(divergence),
            None => TrainError::Net(error),
        };
        for range in chunks(data.examples()) {
            let rows = &data.inputs()[range.start * features..range.end * features];
            self.input.clear();
            self.input.extend(rows.iter().map(|x| T::from_f32(*x)));
            self.tape.forward(&self.weights, &self.input, Masks::Off, |_| {}).map_err(fail)?;
            self.slope.clear();
            slope(range, self.tape.logits(), &mut self.slope)?;
            let wanted = Wanted { weights: Some(&mut total), input: false };
            self.tape.backward(&self.weights, &self.slope, wanted, |_| {}).map_err(fail)?;
        }
        Ok(total)
    }

    /// Accuracy and cross-entropy on a data set, in evaluation mode.
    ///
    /// # Errors
    ///
    /// As [`Trainer::evaluate`], and for data without labels.
    pub fn score(&mut self, data: &Dataset) -> Result<Score, TrainError> {
        let labels =
            data.labels().ok_or_else(|| TrainError::Unlabelled { name: data.name().to_owned() })?;
        let logits = self.task.network.logits();
        let (mut right, mut loss, mut failed) = (0_usize, 0.0, None);
        self.evaluate(data, |range, values| {
            let outcome = each_row(values, logits, &labels[range], |row, label| {
                right += usize::from(row.guess() == label);
                loss -= row.ln_p(label);
            });
            failed = failed.take().or(outcome.err());
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        let n = labels.len() as f64;
        Ok(Score { accuracy: right as f64 / n, cross_entropy: loss / n })
    }
}

/// Ranges of at most [`EVALUATION_BATCH`] examples, as equal as can be: none is left with a single example.
fn chunks(examples: usize) -> impl Iterator<Item = Range<usize>> {
    let parts = examples.div_ceil(EVALUATION_BATCH).max(1);
    (0..parts).map(move |part| part * examples / parts..(part + 1) * examples / parts)
}
