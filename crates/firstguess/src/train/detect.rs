//! Training to find wrong labels: held-out probabilities by folds, and margins during training.

use super::label_errors::margins::{Margins, Run, flag, margin, threshold_samples, threshold_sets};
use super::optimizer::Optimizer;
use super::trainer::{Programs, Task, TrainError, Trainer};
use crate::math::stream::{Purpose, Seed, Stream};
use crate::measure::Progress;
use crate::net::loss::each_row;
use crate::spec::Dataset;
use crate::spec::loss::LossSchedule;
use crate::spec::network::Network;
use crate::spec::scheme::LayerInit;
use rayon::prelude::*;

/// The verdict of one run of margins, and the mean margin of each example in it.
pub type MarginRun = (Run, Vec<Option<f64>>);

/// How networks are trained for detection.
#[derive(Debug, Clone, Copy)]
pub struct Detector<'a> {
    /// The network.
    pub network: &'a Network,
    /// The draw of each layer with weights.
    pub inits: &'a [LayerInit],
    /// Examples with the labels that are doubted.
    pub data: &'a Dataset,
    /// What is minimised.
    pub loss: &'a LossSchedule,
    /// How.
    pub optimizer: &'a Optimizer,
    /// Examples per step.
    pub batch: usize,
    /// Passes over the training data.
    pub epochs: usize,
    /// Seed of every random number.
    pub seed: Seed,
}

impl Detector<'_> {
    fn task<'t>(
        &'t self,
        data: &'t Dataset,
        network: &'t Network,
        inits: &'t [LayerInit],
        replicate: u64,
    ) -> Task<'t> {
        let batches =
            super::batches::Batches::new(data.examples(), self.batch, self.seed, replicate);
        Task {
            network,
            inits,
            data,
            loss: self.loss,
            optimizer: self.optimizer,
            batch: self.batch,
            steps: self.epochs.saturating_mul(batches.per_epoch()),
            seed: self.seed,
            replicate,
        }
    }

    /// Steps of a margin run: up to the first drop of the learning rate, where the margins are read off
    /// ([`Optimizer::first_drop`]), or all; and the steps of an epoch.
    pub fn margin_steps(&self) -> (usize, usize) {
        let examples = self.data.examples();
        let per_epoch =
            super::batches::Batches::new(examples, self.batch, self.seed, 0).per_epoch().max(1);
        let all = self.epochs.saturating_mul(per_epoch);
        (self.optimizer.first_drop(per_epoch).map_or(all, |drop| drop.min(all)), per_epoch)
    }

    /// Whether so many margin runs can have threshold samples of their own, and see every example once.
    ///
    /// # Errors
    ///
    /// [`TrainError::MarginRuns`] for more runs than disjoint sets of threshold samples, [`TrainError::EarlyDrop`] where the
    /// learning rate drops within the first epoch.
    pub fn check_margin_runs(&self, runs: usize) -> Result<(), TrainError> {
        let (examples, classes) = (self.data.examples(), self.data.classes());
        let sets = threshold_sets(examples, classes);
        if runs > sets {
            return Err(TrainError::MarginRuns { runs, sets, examples, classes });
        }
        let (steps, per_epoch) = self.margin_steps();
        if runs > 0 && steps < per_epoch {
            return Err(TrainError::EarlyDrop { steps, per_epoch });
        }
        Ok(())
    }

    /// Probabilities of every example by a network that has not seen it: `[examples, classes]`.
    ///
    /// The examples are divided at random into `folds` parts of sizes that differ by one; each part is judged by a network
    /// trained on the others from fresh weights. Logits beyond the classes of the data are left out of the softmax.
    ///
    /// # Errors
    ///
    /// [`TrainError`]; a training that diverges is one, for its probabilities would mean nothing.
    pub fn held_out_probabilities(
        &self,
        folds: usize,
        progress: &mut dyn Progress,
    ) -> Result<Vec<f64>, TrainError> {
        let examples = self.data.examples();
        if folds < 2 || folds > examples {
            return Err(TrainError::Folds { folds, examples });
        }
        let part_of = parts(examples, folds, self.seed);
        let (classes, logits) = (self.data.classes(), self.network.logits());
        let mut all = vec![0.0; examples * classes];
        let programs = Programs::new(self.network);
        let mut done = 0;
        progress.advance(done, folds);
        let numbers: Vec<usize> = (0..folds).collect();
        for group in numbers.chunks(rayon::current_num_threads().max(1)) {
            if progress.cancelled() {
                return Err(TrainError::Cancelled { done, total: folds });
            }
            let judged: Vec<Result<_, TrainError>> = group
                .par_iter()
                .map(|fold| {
                    let (held, seen): (Vec<usize>, Vec<usize>) =
                        (0..examples).partition(|i| part_of[*i] == *fold);
                    let (train, test) = (self.data.subset(&seen)?, self.data.subset(&held)?);
                    let task = self.task(&train, self.network, self.inits, *fold as u64);
                    let mut trainer = Trainer::<f32>::new(&programs, task)?;
                    while !trainer.is_done() {
                        trainer.step()?;
                    }
                    let mut rows: Vec<f64> = Vec::with_capacity(held.len() * classes);
                    let labels = test.labels().unwrap_or_default();
                    let mut failed = None;
                    trainer.evaluate(&test, |range, values| {
                        let outcome = each_row(values, logits, &labels[range], |row, _| {
                            let kept = &row.probabilities()[..classes];
                            let total: f64 = kept.iter().sum();
                            rows.extend(kept.iter().map(|p| p / total));
                        });
                        failed = failed.take().or(outcome.err());
                    })?;
                    failed.map_or(Ok((held, rows)), |error| Err(error.into()))
                })
                .collect();
            for fold in judged {
                let (held, rows) = fold?;
                for (index, row) in held.into_iter().zip(rows.chunks_exact(classes)) {
                    all[index * classes..(index + 1) * classes].copy_from_slice(row);
                }
            }
            done += group.len();
            progress.advance(done, folds);
        }
        Ok(all)
    }

    /// Runs of the area under the margin, each with threshold samples of its own.
    ///
    /// `network` and `inits` are those of [`Detector`] with one logit more, for the class that does not exist. Margins are
    /// taken in training mode, before each step, up to the first drop of the learning rate ([`Detector::margin_steps`]);
    /// the training ends there.
    ///
    /// # Errors
    ///
    /// As [`Detector::held_out_probabilities`] and [`Detector::check_margin_runs`].
    pub fn margin_runs(
        &self,
        network: &Network,
        inits: &[LayerInit],
        runs: usize,
        progress: &mut dyn Progress,
    ) -> Result<Vec<MarginRun>, TrainError> {
        self.check_margin_runs(runs)?;
        let (examples, classes) = (self.data.examples(), self.data.classes());
        let (until, _) = self.margin_steps();
        let programs = Programs::new(network);
        progress.advance(0, runs);
        let found: Vec<Result<_, TrainError>> = (0..runs)
            .into_par_iter()
            .map(|run| {
                let staged = threshold_samples(examples, classes, run, self.seed);
                let mut labels = self.data.labels().unwrap_or_default().to_vec();
                for sample in &staged {
                    labels[*sample] = u32::try_from(classes).unwrap_or(u32::MAX);
                }
                let data = self.data.clone().with_labels(labels, classes + 1)?;
                let task = self.task(&data, network, inits, run as u64);
                let mut trainer = Trainer::<f32>::new(&programs, task)?;
                let mut margins = Margins::new(examples);
                let (labels, logits) = (data.labels().unwrap_or_default(), network.logits());
                while trainer.steps_done() < until {
                    trainer.step()?;
                    let rows = trainer.batch_logits().chunks_exact(logits);
                    for (index, row) in trainer.batch_indices().iter().zip(rows) {
                        let index = *index as usize;
                        margins.record(index, margin(row, labels[index]));
                    }
                }
                let areas = margins.areas();
                Ok((flag(&areas, &staged), areas))
            })
            .collect();
        progress.advance(runs, runs);
        found.into_iter().collect()
    }
}

/// The part of each example, parts of sizes that differ by one.
fn parts(examples: usize, folds: usize, seed: Seed) -> Vec<usize> {
    let mut keys = vec![0.0; examples];
    Stream::new(seed, 1, 0, Purpose::Split).fill_uniform_f64(0, &mut keys);
    let mut order: Vec<usize> = (0..examples).collect();
    order.sort_by(|a, b| keys[*a].total_cmp(&keys[*b]));
    let mut part_of = vec![0; examples];
    for (position, example) in order.into_iter().enumerate() {
        part_of[example] = position % folds;
    }
    part_of
}
