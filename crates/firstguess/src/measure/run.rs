//! The ensemble: draws networks, sends the data through, adds up.

use super::Measurement;
use super::draw::{Draw, Plan};
use super::ensemble::{Ensemble, Question};
use super::job::{Job, PASS_MEMORY, Programs};
use crate::math::stream::Seed;
use crate::net::NetError;
use crate::spec::experiment::MAX_DRAWS;
use crate::spec::network::Network;
use crate::spec::scheme::LayerInit;
use crate::spec::{Dataset, Shape};
use rayon::prelude::*;

/// What to measure, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Fixes every random number.
    pub seed: Seed,
    /// Networks to draw.
    pub draws: usize,
    /// Whether gradients run backward, which takes about three times as long and more memory.
    pub gradients: bool,
    /// Whether pre-activations at the first input are kept and compared with the normal law.
    pub gaussianity: bool,
}

impl Options {
    /// Everything, for this many networks.
    pub const fn new(seed: Seed, draws: usize) -> Self {
        Self { seed, draws, gradients: true, gaussianity: true }
    }
}

/// Told how far a measurement has come, and asked whether to go on. Called on the thread that runs it.
///
/// `()` says nothing and never stops.
pub trait Progress {
    /// `done` of `total` networks are measured.
    fn advance(&mut self, done: usize, total: usize);

    /// Whether to stop.
    fn cancelled(&mut self) -> bool {
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

    /// The networks could not be drawn or run.
    #[error(transparent)]
    Net(#[from] NetError),

    /// [`Progress::cancelled`] said so.
    #[error("cancelled after {done} of {total} networks")]
    Cancelled { done: usize, total: usize },
}

/// Measures an ensemble of networks on a data set.
///
/// Network `d` is fixed by `(seed, d)` alone, and networks are added up in order: the result has the same bits for any
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
    let plan = Plan::new(network);
    let programs = Programs::new(network);
    let job = Job::new(network, init, data, options, &plan, &programs, pass_memory);
    let mut ensemble = Ensemble::new(&plan, data.examples());
    let (chunk, total) = (job.draws_at_once(), options.draws);
    let mut done = 0;
    progress.advance(0, total);
    while done < total {
        if progress.cancelled() {
            return Err(MeasureError::Cancelled { done, total });
        }
        let until = total.min(done + chunk);
        let drawn: Vec<Result<Draw, NetError>> =
            (done..until).into_par_iter().map(|draw| job.measure(draw as u64)).collect();
        for draw in drawn {
            ensemble.push(&draw?);
        }
        done = until;
        progress.advance(done, total);
    }
    Ok(ensemble.finish(&plan, &Question::new(options, data, job.gradient_examples())))
}

fn check(network: &Network, data: &Dataset, options: &Options) -> Result<(), MeasureError> {
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
