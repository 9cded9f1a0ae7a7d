//! The gain found and its rivals trained in full, paired by seed.

use super::VarianceSearch;
use crate::measure::Progress;
use crate::net::Weights;
use crate::spec::scheme::LayerInit;
use crate::train::compare::{Band, Paired, band, paired, share_band};
use crate::train::trainer::{Divergence, Programs, Score, TrainError};
use rayon::prelude::*;
use serde::Serialize;

/// One training of the comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// `V_T/V_0` of everything that counts.
    pub ratio: Option<f64>,
    /// On the training data.
    pub train: Option<Score>,
    /// On what was kept apart.
    pub validation: Option<Score>,
    /// Where the numbers left their range, if they did.
    pub diverged: Option<Divergence>,
}

/// One way to start, over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StartReport {
    /// Its name.
    pub name: String,
    /// `V_T/V_0`.
    pub ratio: Option<Band>,
    /// Cross-entropy on the training data.
    pub train_loss: Option<Band>,
    /// Accuracy there.
    pub train_accuracy: Option<Band>,
    /// Cross-entropy on what was kept apart.
    pub validation_loss: Option<Band>,
    /// Accuracy there.
    pub validation_accuracy: Option<Band>,
    /// `optimal` minus this one, paired by seed: training loss.
    pub train_loss_difference: Option<Paired>,
    /// Validation loss.
    pub validation_loss_difference: Option<Paired>,
    /// Validation accuracy.
    pub validation_accuracy_difference: Option<Paired>,
    /// Every training.
    pub runs: Vec<Outcome>,
}

impl VarianceSearch<'_> {
    /// Trains the optimal gain and its rivals in full, paired by seed; also the weights at the end of the first training
    /// at the optimal gain, if it came to one.
    ///
    /// # Errors
    ///
    /// [`TrainError`] for what cannot be trained. Divergence is no error: it is in the report.
    pub fn compare(
        &self,
        gain: f64,
        rivals: &[(String, Vec<LayerInit>)],
        progress: &mut dyn Progress,
    ) -> Result<(Vec<StartReport>, Option<Weights<f32>>), TrainError> {
        let programs = Programs::new(self.network);
        let mut starts = vec![("optimal".to_owned(), self.inits(gain))];
        starts.extend_from_slice(rivals);
        let total = starts.len() * self.seeds;
        progress.advance(0, total);
        let mut runs: Vec<Vec<Outcome>> = Vec::new();
        let mut last = None;
        for (_, inits) in &starts {
            if progress.cancelled() {
                return Err(TrainError::Cancelled { done: runs.len() * self.seeds, total });
            }
            let outcomes: Vec<Result<(Outcome, Weights<f32>), TrainError>> = (0..self.seeds as u64)
                .into_par_iter()
                .map(|replicate| self.outcome(&programs, inits, replicate))
                .collect();
            let mut mine = Vec::new();
            for outcome in outcomes {
                let (outcome, weights) = outcome?;
                if runs.is_empty() && mine.is_empty() && outcome.diverged.is_none() {
                    last = Some(weights);
                }
                mine.push(outcome);
            }
            runs.push(mine);
            progress.advance(runs.len() * self.seeds, total);
        }
        let first = runs[0].clone();
        let reports =
            starts.into_iter().zip(runs).enumerate().map(|(position, ((name, _), runs))| {
                StartReport::new(name, runs, &first, position > 0)
            });
        Ok((reports.collect(), last))
    }

    fn outcome(
        &self,
        programs: &Programs,
        inits: &[LayerInit],
        replicate: u64,
    ) -> Result<(Outcome, Weights<f32>), TrainError> {
        let plan = (self.optimizer, self.steps);
        let mut trainer = self.trainer(programs, inits, plan, replicate)?;
        let before = self.norm(trainer.weights());
        let mut go = || -> Result<(Score, Option<Score>), TrainError> {
            while !trainer.is_done() {
                trainer.step()?;
            }
            let train = trainer.score(self.data)?;
            Ok((train, self.validation.map(|data| trainer.score(data)).transpose()?))
        };
        let outcome = match go() {
            Ok((train, validation)) => {
                let ratio = Some(self.norm(trainer.weights()) / before);
                Outcome { ratio, train: Some(train), validation, diverged: None }
            }
            Err(TrainError::Diverged(why)) => {
                Outcome { ratio: None, train: None, validation: None, diverged: Some(why) }
            }
            Err(error) => return Err(error),
        };
        Ok((outcome, trainer.weights().clone()))
    }
}

impl StartReport {
    fn new(name: String, runs: Vec<Outcome>, optimal: &[Outcome], rival: bool) -> Self {
        type Value = fn(&Outcome) -> Option<f64>;
        let over = |value: Value| band(&runs.iter().filter_map(value).collect::<Vec<_>>());
        let shares = |value: Value| share_band(&runs.iter().filter_map(value).collect::<Vec<_>>());
        let test = |value: Value| {
            let all = |runs: &[Outcome]| runs.iter().map(value).collect::<Vec<_>>();
            if rival { paired(&all(&runs), &all(optimal)) } else { None }
        };
        let train_loss: Value = |run| Some(run.train?.cross_entropy);
        let validation_loss: Value = |run| Some(run.validation?.cross_entropy);
        let validation_accuracy: Value = |run| Some(run.validation?.accuracy);
        Self {
            ratio: over(|run| run.ratio),
            train_loss: over(train_loss),
            train_accuracy: shares(|run| Some(run.train?.accuracy)),
            validation_loss: over(validation_loss),
            validation_accuracy: shares(validation_accuracy),
            train_loss_difference: test(train_loss),
            validation_loss_difference: test(validation_loss),
            validation_accuracy_difference: test(validation_accuracy),
            name,
            runs,
        }
    }

    /// Whether the optimal gain has the better validation accuracy, clear of zero by its 95 % interval.
    pub fn is_beaten(&self) -> bool {
        self.validation_accuracy_difference
            .is_some_and(|test| test.difference.low.is_some_and(|low| low > 0.0))
    }
}
