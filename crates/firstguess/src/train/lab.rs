//! Many trainings, side by side: arms of initializations and losses, paired by seed.

use super::compare::{Band, Paired, band, correct, paired, share_band};
use super::dynamics::{Probe, Snapshot, debias_step};
use super::optimizer::Optimizer;
use super::trainer::{Divergence, Programs, Score, Task, TrainError, Trainer};
use crate::math::stream::Seed;
use crate::measure::Progress;
use crate::spec::Dataset;
use crate::spec::loss::LossSchedule;
use crate::spec::network::Network;
use crate::spec::scheme::LayerInit;
use rayon::prelude::*;
use serde::Serialize;

/// One way to start and to train.
#[derive(Debug, Clone)]
pub struct Arm {
    /// What it is called in tables.
    pub name: String,
    /// The network.
    pub network: Network,
    /// The draw of each layer with weights.
    pub inits: Vec<LayerInit>,
    /// What is minimised.
    pub loss: LossSchedule,
    /// How; its rate is the one of a run without a sweep.
    pub optimizer: Optimizer,
}

/// What all arms share.
#[derive(Debug, Clone, Copy)]
pub struct Lab<'a> {
    /// Training examples with labels.
    pub data: &'a Dataset,
    /// On what the dynamics are watched.
    pub probe: &'a Probe,
    /// Examples kept apart, on which rates are chosen and arms compared; the probe without them.
    pub validation: Option<&'a Dataset>,
    /// Examples per step.
    pub batch: usize,
    /// Steps of each training.
    pub steps: usize,
    /// Steps between two snapshots; the last step has one too.
    pub every: usize,
    /// Seed of every random number.
    pub seed: Seed,
    /// Trainings of each arm.
    pub seeds: usize,
    /// Trainings of each arm and rate from which the rate is chosen; their seeds are not those of the comparison.
    pub selection_seeds: usize,
}

/// One training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Position of the arm.
    pub arm: usize,
    /// Learning rate.
    pub rate: f64,
    /// Number of the seed.
    pub replicate: u64,
    /// What was seen, in order; up to the divergence, if it diverged.
    pub snapshots: Vec<Snapshot>,
    /// At the end, on what was kept apart (else on the probe); absent if it diverged.
    pub score: Option<Score>,
    /// First step at which no class was favoured; absent if none was seen.
    pub debias_step: Option<usize>,
    /// Where the numbers left their range, if they did.
    pub diverged: Option<Divergence>,
}

/// One learning rate tried for one arm.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RatePoint {
    /// The rate.
    pub rate: f64,
    /// Accuracy at the end over the trainings that did not diverge.
    pub accuracy: Option<Band>,
    /// Trainings that diverged.
    pub diverged: usize,
}

/// The curves of one arm: bands over seeds at each snapshot, trainings that diverged up to their last.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Curves {
    /// Steps of the snapshots.
    pub steps: Vec<usize>,
    /// Share of the class guessed most.
    pub largest_share: Vec<Band>,
    /// Normalised entropy of the class shares.
    pub share_entropy: Vec<Band>,
    /// Mean largest softmax.
    pub mean_largest_softmax: Vec<Band>,
    /// Accuracy on the probe.
    pub accuracy: Vec<Band>,
    /// Cross-entropy on the probe.
    pub cross_entropy: Vec<Band>,
    /// Loss on the probe.
    pub loss: Vec<Band>,
    /// Share of examples pulled towards their label.
    pub active_fraction: Vec<Band>,
    /// Share of examples pushed away from it.
    pub reversed_fraction: Vec<Band>,
    /// Means over seeds by class: shares of the guesses, `[snapshots][classes]`. Seeds favour different classes.
    pub class_shares: Rows,
    /// Mean probabilities by class.
    pub mean_probabilities: Rows,
    /// Accuracy by label.
    pub class_accuracy: Rows,
    /// Loss by label.
    pub class_loss: Rows,
    /// Mean `Σ_k |∂ℓ/∂z_k|` by label.
    pub class_gradient: Rows,
    /// Force on the output biases by class.
    pub force: Rows,
    /// Norm of the gradient by layer with weights.
    pub layer_gradients: Rows,
}

/// One row per snapshot; null where no seed has a value.
pub type Rows = Vec<Vec<Option<f64>>>;

/// One arm over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmReport {
    /// Its name.
    pub name: String,
    /// The loss.
    pub loss: String,
    /// The rate used.
    pub rate: f64,
    /// Rates tried; empty without a sweep.
    pub rates: Vec<RatePoint>,
    /// Whether the best rate is the smallest or largest tried, so that a better one may lie beyond.
    pub rate_at_edge: bool,
    /// Accuracy at the end.
    pub accuracy: Option<Band>,
    /// Cross-entropy at the end.
    pub cross_entropy: Option<Band>,
    /// Mean over the run of the largest share.
    pub mean_largest_share: Option<Band>,
    /// Median over seeds of the step at which no class is favoured; absent where half of them never get there.
    pub median_debias_step: Option<usize>,
    /// Seeds that got there.
    pub debiased: usize,
    /// Seeds.
    pub seeds: usize,
    /// Seeds that diverged.
    pub diverged: usize,
    /// Course of the training.
    pub curves: Curves,
}

/// Two arms compared, seed by seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Name of the first arm.
    pub first: String,
    /// Name of the second.
    pub second: String,
    /// Second minus first: accuracy at the end.
    pub accuracy: Option<Paired>,
    /// Second minus first: mean over the run of the largest share.
    pub mean_largest_share: Option<Paired>,
}

/// Everything that a laboratory found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabReport {
    /// The arms in their order.
    pub arms: Vec<ArmReport>,
    /// Each pair of arms.
    pub comparisons: Vec<Comparison>,
    /// Every training of the comparison.
    #[serde(skip)]
    pub runs: Vec<Run>,
}

/// A random part of the data for training, and the rest: `share` of the examples, at least one on each side.
///
/// # Errors
///
/// [`TrainError::Data`] for a set too small to be divided.
pub fn hold_out(data: &Dataset, share: f64, seed: Seed) -> Result<(Dataset, Dataset), TrainError> {
    let parts = data.split(&[1.0 - share, share], seed)?;
    let [train, held_out] =
        <[Dataset; 2]>::try_from(parts).map_err(|_| TrainError::Nothing { what: "validation" })?;
    Ok((train, held_out))
}

/// First replicate of the trainings that choose a rate: no comparison reaches it.
const SELECTION: u64 = 1 << 15;

impl Lab<'_> {
    /// Trains every arm on every seed and compares.
    ///
    /// With several `rates` each arm is first trained at each of them on `selection_seeds` seeds of their own, and takes the
    /// one with the highest mean accuracy among those at which nothing diverged: an arm that needs another rate is not
    /// beaten by the choice of one. The result depends on the seed alone, not on the number of threads.
    ///
    /// # Errors
    ///
    /// [`TrainError`] for a network or data that cannot be trained. Divergence is no error: it is in the report.
    pub fn run(
        &self,
        arms: &[Arm],
        rates: &[f64],
        progress: &mut dyn Progress,
    ) -> Result<LabReport, TrainError> {
        for (what, value) in [("steps", self.steps), ("seeds", self.seeds), ("arms", arms.len())] {
            if value == 0 {
                return Err(TrainError::Nothing { what });
            }
        }
        let programs: Vec<Programs> = arms.iter().map(|arm| Programs::new(&arm.network)).collect();
        let sweeps = rates.len() > 1;
        let selection = if sweeps { self.selection_seeds.max(1) } else { 0 };
        let mut jobs = Vec::new();
        for arm in 0..arms.len() {
            for rate in rates {
                jobs.extend((0..selection as u64).map(|s| (arm, *rate, SELECTION + s)));
            }
        }
        let total = jobs.len() + arms.len() * self.seeds;
        let tried = self.train(arms, &programs, &jobs, false, (0, total), progress)?;
        let mut chosen = Vec::new();
        for (position, arm) in arms.iter().enumerate() {
            let own = rates.first().copied().unwrap_or(arm.optimizer.rate);
            let points: Vec<RatePoint> = if sweeps {
                rates.iter().map(|rate| RatePoint::of(&tried, position, *rate)).collect()
            } else {
                Vec::new()
            };
            chosen.push((RatePoint::best(&points).unwrap_or(own), points));
        }
        let done = jobs.len();
        let jobs: Vec<(usize, f64, u64)> = chosen
            .iter()
            .enumerate()
            .flat_map(|(arm, (rate, _))| (0..self.seeds as u64).map(move |s| (arm, *rate, s)))
            .collect();
        let runs = self.train(arms, &programs, &jobs, true, (done, total), progress)?;
        Ok(LabReport::new(arms, chosen, runs))
    }

    /// Trains `(arm, rate, replicate)` for each job, in parallel; the results are in the order of the jobs.
    fn train(
        &self,
        arms: &[Arm],
        programs: &[Programs],
        jobs: &[(usize, f64, u64)],
        watch: bool,
        (mut done, total): (usize, usize),
        progress: &mut dyn Progress,
    ) -> Result<Vec<Run>, TrainError> {
        let mut runs = Vec::with_capacity(jobs.len());
        progress.advance(done, total);
        for part in jobs.chunks(4 * rayon::current_num_threads().max(1)) {
            if progress.cancelled() {
                return Err(TrainError::Cancelled { done, total });
            }
            let trained: Vec<Result<Run, TrainError>> = part
                .par_iter()
                .map(|(arm, rate, replicate)| {
                    self.one(&arms[*arm], *arm, &programs[*arm], *rate, *replicate, watch)
                })
                .collect();
            for run in trained {
                runs.push(run?);
            }
            done += part.len();
            progress.advance(done, total);
        }
        Ok(runs)
    }

    fn one(
        &self,
        arm: &Arm,
        position: usize,
        programs: &Programs,
        rate: f64,
        replicate: u64,
        watch: bool,
    ) -> Result<Run, TrainError> {
        let optimizer = arm.optimizer.at(rate);
        let task = Task {
            network: &arm.network,
            inits: &arm.inits,
            data: self.data,
            loss: &arm.loss,
            optimizer: &optimizer,
            batch: self.batch,
            steps: self.steps,
            seed: self.seed,
            replicate,
        };
        let mut snapshots = Vec::new();
        let mut trainer = Trainer::<f32>::new(programs, task)?;
        let outcome = self.watch(&mut trainer, watch, &mut snapshots);
        let (score, diverged) = match outcome {
            Ok(score) => (Some(score), None),
            Err(TrainError::Diverged(divergence)) => (None, Some(divergence)),
            Err(error) => return Err(error),
        };
        let debias_step = debias_step(&snapshots);
        Ok(Run { arm: position, rate, replicate, snapshots, score, debias_step, diverged })
    }

    fn watch(
        &self,
        trainer: &mut Trainer<'_, f32>,
        watch: bool,
        snapshots: &mut Vec<Snapshot>,
    ) -> Result<Score, TrainError> {
        let every = self.every.max(1);
        while !trainer.is_done() {
            if watch && trainer.steps_done().is_multiple_of(every) {
                snapshots.push(Snapshot::take(trainer, self.probe)?);
            }
            trainer.step()?;
        }
        if watch {
            snapshots.push(Snapshot::take(trainer, self.probe)?);
        }
        trainer.score(self.validation.unwrap_or(self.probe.data()))
    }
}

impl RatePoint {
    fn of(runs: &[Run], arm: usize, rate: f64) -> Self {
        let mine = runs.iter().filter(|run| run.arm == arm && run.rate == rate);
        let scores: Vec<f64> = mine.clone().filter_map(|run| Some(run.score?.accuracy)).collect();
        Self {
            rate,
            accuracy: share_band(&scores),
            diverged: mine.filter(|run| run.score.is_none()).count(),
        }
    }

    /// Fewest diverged first, then the highest accuracy, then the smaller rate.
    fn best(points: &[Self]) -> Option<f64> {
        let accuracy = |point: &Self| point.accuracy.map_or(0.0, |band| band.mean);
        let better = |a: &&Self, b: &&Self| {
            (b.diverged.cmp(&a.diverged))
                .then(accuracy(a).total_cmp(&accuracy(b)))
                .then(b.rate.total_cmp(&a.rate))
        };
        points.iter().max_by(better).map(|point| point.rate)
    }
}

impl Run {
    fn mean_largest_share(&self) -> Option<f64> {
        let n = self.snapshots.len();
        let total: f64 = self.snapshots.iter().map(|snapshot| snapshot.largest_share).sum();
        (n > 0 && self.diverged.is_none()).then(|| total / n as f64)
    }
}

impl LabReport {
    fn new(arms: &[Arm], chosen: Vec<(f64, Vec<RatePoint>)>, runs: Vec<Run>) -> Self {
        let of = |arm: usize| runs.iter().filter(move |run| run.arm == arm);
        let reports = arms
            .iter()
            .zip(chosen)
            .enumerate()
            .map(|(position, (arm, (rate, rates)))| {
                let mine: Vec<&Run> = of(position).collect();
                ArmReport::new(arm, rate, rates, &mine)
            })
            .collect();
        let mut comparisons = Vec::new();
        for second in 1..arms.len() {
            for first in 0..second {
                let both = |value: fn(&Run) -> Option<f64>| {
                    let values = |arm| of(arm).map(value).collect::<Vec<_>>();
                    paired(&values(first), &values(second))
                };
                comparisons.push(Comparison {
                    first: arms[first].name.clone(),
                    second: arms[second].name.clone(),
                    accuracy: both(|run| Some(run.score?.accuracy)),
                    mean_largest_share: both(Run::mean_largest_share),
                });
            }
        }
        let tests = comparisons.iter_mut().filter_map(|c| c.accuracy.as_mut());
        correct(&mut tests.collect::<Vec<_>>());
        let tests = comparisons.iter_mut().filter_map(|c| c.mean_largest_share.as_mut());
        correct(&mut tests.collect::<Vec<_>>());
        Self { arms: reports, comparisons, runs }
    }

    /// The arm that does best: fewest seeds diverged, then the highest mean accuracy, then the first; `None` where every training
    /// diverged.
    ///
    /// An accuracy is a mean over the seeds that came to an end: of an arm that most often diverges it is that of the lucky ones.
    pub fn best(&self) -> Option<&ArmReport> {
        let finished = self.arms.iter().filter_map(|arm| Some((arm, arm.accuracy?.mean)));
        finished
            .reduce(|best, other| {
                let better =
                    (best.0.diverged.cmp(&other.0.diverged)).then(other.1.total_cmp(&best.1));
                if better.is_gt() { other } else { best }
            })
            .map(|(arm, _)| arm)
    }

    /// Trainings that diverged.
    pub fn diverged(&self) -> usize {
        self.arms.iter().map(|arm| arm.diverged).sum()
    }

    /// Every trajectory as CSV.
    pub fn csv(&self) -> String {
        super::dynamics::csv(self.runs.iter().map(|run| {
            (self.arms[run.arm].name.as_str(), run.rate, run.replicate, run.snapshots.as_slice())
        }))
    }
}

impl ArmReport {
    fn new(arm: &Arm, rate: f64, rates: Vec<RatePoint>, runs: &[&Run]) -> Self {
        let values = |value: &dyn Fn(&Run) -> Option<f64>| {
            runs.iter().filter_map(|run| value(run)).collect::<Vec<f64>>()
        };
        let mut reached: Vec<usize> = runs.iter().filter_map(|run| run.debias_step).collect();
        reached.sort_unstable();
        let middle = (runs.len() - 1) / 2;
        let ends = [rates.first(), rates.last()];
        Self {
            name: arm.name.clone(),
            loss: arm.loss.to_string(),
            rate,
            rate_at_edge: rates.len() > 1
                && ends.into_iter().flatten().any(|point| point.rate == rate),
            rates,
            accuracy: share_band(&values(&|run| Some(run.score?.accuracy))),
            cross_entropy: band(&values(&|run| Some(run.score?.cross_entropy))),
            mean_largest_share: share_band(&values(&Run::mean_largest_share)),
            median_debias_step: reached.get(middle).copied(),
            debiased: reached.len(),
            seeds: runs.len(),
            diverged: runs.iter().filter(|run| run.diverged.is_some()).count(),
            curves: Curves::new(runs),
        }
    }
}

impl Curves {
    fn new(runs: &[&Run]) -> Self {
        let longest = runs.iter().max_by_key(|run| run.snapshots.len());
        let steps: Vec<usize> =
            longest.map_or_else(Vec::new, |run| run.snapshots.iter().map(|s| s.step).collect());
        let each = |value: fn(&Snapshot) -> f64, band: fn(&[f64]) -> Option<Band>| -> Vec<Band> {
            (0..steps.len())
                .filter_map(|at| {
                    let values: Vec<f64> =
                        runs.iter().filter_map(|run| run.snapshots.get(at)).map(value).collect();
                    band(&values)
                })
                .collect()
        };
        let over = |value| each(value, band);
        let shares = |value| each(value, share_band);
        Self {
            largest_share: shares(|s| s.largest_share),
            share_entropy: shares(|s| s.share_entropy),
            mean_largest_softmax: shares(|s| s.mean_largest_softmax),
            accuracy: shares(|s| s.accuracy),
            cross_entropy: over(|s| s.cross_entropy),
            loss: over(|s| s.loss),
            active_fraction: shares(|s| s.active_fraction),
            reversed_fraction: shares(|s| s.reversed_fraction),
            class_shares: rows(runs, |s| known(&s.class_shares)),
            mean_probabilities: rows(runs, |s| known(&s.mean_probabilities)),
            class_accuracy: rows(runs, |s| s.class_accuracy.clone()),
            class_loss: rows(runs, |s| s.class_loss.clone()),
            class_gradient: rows(runs, |s| s.class_gradient.clone()),
            force: rows(runs, |s| known(&s.force)),
            layer_gradients: rows(runs, |s| known(&s.layer_gradients)),
            steps,
        }
    }
}

fn known(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().map(|value| Some(*value)).collect()
}

/// Means over runs, snapshot by snapshot.
fn rows(runs: &[&Run], of: fn(&Snapshot) -> Vec<Option<f64>>) -> Rows {
    let longest = runs.iter().map(|run| run.snapshots.len()).max().unwrap_or(0);
    (0..longest)
        .map(|at| {
            let seen: Vec<Vec<Option<f64>>> =
                runs.iter().filter_map(|run| run.snapshots.get(at)).map(of).collect();
            let columns = seen.iter().map(Vec::len).max().unwrap_or(0);
            (0..columns)
                .map(|k| {
                    let values: Vec<f64> =
                        seen.iter().filter_map(|row| row.get(k).copied().flatten()).collect();
                    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
                })
                .collect()
        })
        .collect()
}
