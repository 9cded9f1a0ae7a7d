//! The ensemble: draws networks, sends the data through, adds up.

use super::Measurement;
use super::draw::{Draw, Plan};
use super::engine::{Choice, choose};
use super::ensemble::{Ensemble, Question};
use super::job::{Job, PASS_MEMORY, Programs};
use super::stopping::{Watched, next_look};
use crate::math::stream::Seed;
use crate::net::{NetError, Program, Record, Weights};
use crate::spec::experiment::{Engine, MAX_DRAWS};
use crate::spec::network::Network;
use crate::spec::scheme::LayerInit;
use crate::spec::{Dataset, Shape};
use rayon::prelude::*;

/// What to measure, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Fixes every random number.
    pub seed: Seed,
    /// Networks to draw, at most.
    pub draws: usize,
    /// Whether gradients run backward, which takes about three times as long and more memory.
    pub gradients: bool,
    /// Whether pre-activations at the first input are kept and compared with the normal law.
    pub gaussianity: bool,
    /// Whether layers are looked at; else class shares and loss only, which need the least time and memory.
    pub layers: bool,
    /// How networks are drawn.
    pub engine: Engine,
    /// Relative standard error of the mean square logit, the largest share, the agreement and the loss at which enough
    /// networks are drawn.
    pub precision: Option<f64>,
}

impl Options {
    /// Everything, for this many networks.
    pub const fn new(seed: Seed, draws: usize) -> Self {
        Self {
            seed,
            draws,
            gradients: true,
            gaussianity: true,
            layers: true,
            engine: Engine::Auto,
            precision: None,
        }
    }

    /// Class shares and loss only.
    pub const fn shares_only(seed: Seed, draws: usize) -> Self {
        Self { gradients: false, gaussianity: false, layers: false, ..Self::new(seed, draws) }
    }
}

/// Told how far a measurement has come, and asked whether to go on. Called on the thread that runs it.
///
/// `()` says nothing and never stops.
pub trait Progress {
    /// `done` of `total` networks are measured.
    fn advance(&mut self, done: usize, total: usize);

    /// Whether to give up.
    fn cancelled(&mut self) -> bool {
        false
    }

    /// Whether the `done` networks are enough and the `next` should not be drawn; at least one is.
    fn enough(&mut self, _done: usize, _next: usize) -> bool {
        false
    }
}

impl Progress for () {
    fn advance(&mut self, _done: usize, _total: usize) {}
}

/// Why nothing was measured.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum MeasureError {
    /// No network, or absurdly many.
    #[error("`draws` must be between 1 and {MAX_DRAWS}, got {draws}")]
    Draws { draws: usize },

    /// The data do not fit the network.
    #[error("the network takes inputs of shape {expected}, the data have {found}")]
    Input { expected: Shape, found: Shape },

    /// A label has no logit.
    #[error("the data have {classes} classes, the network tells {logits} apart")]
    Classes { classes: usize, logits: usize },

    /// Labels are needed for this.
    #[error("`{name}` has no labels, which this needs")]
    Unlabelled { name: String },

    /// The engine cannot draw such networks.
    #[error(
        "the conditioned engine needs dense layers with independent normal weights, but {problem}; use the engine `direct` \
         or `auto`"
    )]
    Engine { problem: String },

    /// Weight gradients from Gram matrices are not to be had for such networks.
    #[error(
        "the tangent kernel is measured for dense networks on at most 1000 inputs, got {problem}; take fewer inputs or \
         another network"
    )]
    Tangent { problem: String },

    /// The networks could not be drawn or run.
    #[error(transparent)]
    Net(#[from] NetError),

    /// [`Progress::cancelled`] said so.
    #[error("cancelled after {done} of {total} networks")]
    Cancelled { done: usize, total: usize },
}

/// Measures an ensemble of networks on a data set.
///
/// Network `d` is fixed by `(seed, d)` and the engine, and networks are added up in order: the result has the same bits for any
/// number of threads. Runs on the current rayon pool, one network per thread. Memory does not grow with the number of
/// networks.
///
/// Numbers that leave the range of f32 are no error: layers before them are measured, and
/// [`Measurement::overflow`] says where it happened.
///
/// # Errors
///
/// [`MeasureError`]: data that do not fit the network, a network too large for memory, or cancellation.
///
/// # Examples
///
/// ```
/// use firstguess::math::stream::Seed;
/// use firstguess::measure::{Options, run};
/// use firstguess::spec::{Activation, Architecture, Dataset, InitScheme, Shape};
///
/// let data = Dataset::new("corners", Shape::flat(2)?, vec![1.0, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0, -1.0])?;
/// let network = Architecture::mlp(&Activation::Relu, 3, 64, 2).resolve(&data.shape())?;
/// let he = InitScheme::explicit(2.0, 0.0);
/// let init = network.weights().iter().map(|w| he.layer(w)).collect::<Result<Vec<_>, _>>()?;
///
/// let found = run(&network, &init, &data, &Options::new(Seed(0), 100), &mut ())?;
/// // σ_w² = 2 on inputs of mean square 1.
/// assert!(found.layers[0].q.z_score(2.0).unwrap().abs() < 4.0);
/// // ReLU drifts where the data were centred.
/// assert!(found.layers[2].gamma.value > 0.3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn run(
    network: &Network,
    init: &[LayerInit],
    data: &Dataset,
    options: &Options,
    progress: &mut dyn Progress,
) -> Result<Measurement, MeasureError> {
    run_within(network, init, data, options, progress, PASS_MEMORY)
}

/// [`run`] with so many bytes for the buffers of one pass: fewer divide the data into more batches.
pub(super) fn run_within(
    network: &Network,
    init: &[LayerInit],
    data: &Dataset,
    options: &Options,
    progress: &mut dyn Progress,
    pass_memory: u64,
) -> Result<Measurement, MeasureError> {
    check(network, data, options)?;
    let classes = if data.labels().is_some() { data.classes() } else { 0 };
    let plan = Plan::new(network, options.layers, classes);
    let record = if options.gradients { Record::Inputs } else { Record::Nothing };
    let at_once = Program::new(network, record);
    let (choice, why) = choose(network, init, data, options, &at_once)?;
    let programs = Programs::new(network);
    let job = Job::new(network, init, data, options, &plan, &programs, &choice, pass_memory);
    let mut ensemble = Ensemble::new(&plan, data.examples(), job.engine(why));
    let (chunk, total) = (job.draws_at_once(), options.draws);
    let (mut done, mut look) = (0, next_look(0));
    let mut reason = "draws";
    progress.advance(0, total);
    while done < total {
        if progress.cancelled() {
            return Err(MeasureError::Cancelled { done, total });
        }
        let mut until = total.min(done + chunk);
        if let Some(precision) = options.precision {
            if done == look {
                look = next_look(look);
                if Watched::all_within(&ensemble.watched(), precision) {
                    reason = "precision";
                    break;
                }
            }
            until = until.min(look);
        }
        if done > 0 && progress.enough(done, until - done) {
            reason = "budget";
            break;
        }
        let drawn: Vec<Result<Draw, NetError>> =
            (done..until).into_par_iter().map(|draw| job.measure(draw as u64)).collect();
        for draw in drawn {
            ensemble.push(&draw?);
        }
        done = until;
        progress.advance(done, total);
    }
    let question = Question::new(options, data, job.gradient_examples(), reason);
    Ok(ensemble.finish(&plan, &question))
}

/// Measures the one network whose weights are given: no draw, no standard errors.
///
/// # Errors
///
/// [`MeasureError`]: data that do not fit the network, or weights that do not.
pub fn run_found(
    network: &Network,
    weights: &Weights,
    data: &Dataset,
    options: &Options,
) -> Result<Measurement, MeasureError> {
    let options = Options { draws: 1, engine: Engine::Direct, precision: None, ..*options };
    check(network, data, &options)?;
    let classes = if data.labels().is_some() { data.classes() } else { 0 };
    let plan = Plan::new(network, options.layers, classes);
    let programs = Programs::new(network);
    let choice = Choice::Direct;
    let job = Job::new(network, &[], data, &options, &plan, &programs, &choice, PASS_MEMORY);
    let engine = job.engine("the weights were given".to_owned());
    let mut ensemble = Ensemble::new(&plan, data.examples(), engine);
    ensemble.push(&job.measure_found(weights)?);
    let question = Question::new(&options, data, job.gradient_examples(), "draws");
    Ok(ensemble.finish(&plan, &question))
}

pub(super) fn check(
    network: &Network,
    data: &Dataset,
    options: &Options,
) -> Result<(), MeasureError> {
    if !(1..=MAX_DRAWS).contains(&options.draws) {
        return Err(MeasureError::Draws { draws: options.draws });
    }
    let (expected, found) = (network.input, data.shape());
    if expected != found {
        return Err(MeasureError::Input { expected, found });
    }
    let logits = super::prejudice::classes_of(network.logits());
    if data.classes() > logits {
        return Err(MeasureError::Classes { classes: data.classes(), logits });
    }
    Ok(())
}
