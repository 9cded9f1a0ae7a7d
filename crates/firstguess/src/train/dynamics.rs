//! What the early dynamics of a network look like from outside.

use super::trainer::{TrainError, Trainer};
use crate::math::stream::Seed;
use crate::net::Scalar;
use crate::net::loss::each_row;
use crate::spec::Dataset;
use crate::spec::loss::{Loss, Pull};
use serde::Serialize;

/// The examples on which a training is watched: as many of each class, chosen by the seed.
#[derive(Debug, Clone)]
pub struct Probe {
    data: Dataset,
    /// Whether every class has the same number of examples.
    balanced: bool,
}

impl Probe {
    /// At most `examples` of the data, the same number of every class that has any.
    ///
    /// # Errors
    ///
    /// [`TrainError::Unlabelled`] without labels.
    pub fn new(data: &Dataset, examples: usize, seed: Seed) -> Result<Self, TrainError> {
        let labels =
            data.labels().ok_or_else(|| TrainError::Unlabelled { name: data.name().to_owned() })?;
        let counts = data.class_counts();
        let present = counts.iter().filter(|count| **count > 0).count().max(1);
        let smallest = counts.iter().copied().filter(|count| *count > 0).min().unwrap_or(1);
        let each = smallest.min((examples / present).max(1));
        let mut order = vec![0; labels.len()];
        // A permutation that no epoch uses.
        super::batches::permutation(seed, u64::MAX >> 16, usize::MAX, &mut order);
        let mut taken = vec![0; counts.len()];
        let mut chosen = Vec::new();
        for index in order {
            let class = labels[index as usize] as usize;
            if taken[class] < each {
                taken[class] += 1;
                chosen.push(index as usize);
            }
        }
        chosen.sort_unstable();
        Ok(Self { data: data.subset(&chosen)?, balanced: present == counts.len() })
    }

    /// The examples.
    pub const fn data(&self) -> &Dataset {
        &self.data
    }

    /// Whether every class has the same number of examples.
    pub const fn is_balanced(&self) -> bool {
        self.balanced
    }
}

/// A network at one moment of its training, seen through a probe in evaluation mode.
///
/// Vectors by class have one entry per logit (two for one logit). Vectors by label are null for classes without examples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    /// Steps done.
    pub step: usize,
    /// Passes over the training data.
    pub epoch: f64,
    /// Share of the loss in what is minimised, beside cross-entropy.
    pub loss_share: f64,
    /// `f_k`: share of the examples that are guessed to be class k.
    pub class_shares: Vec<f64>,
    /// `p̄_k`: mean probability of class k.
    pub mean_probabilities: Vec<f64>,
    /// `max_k f_k`.
    pub largest_share: f64,
    /// Entropy of `f` over `ln C`.
    pub share_entropy: f64,
    /// Entropy of `p̄` over `ln C`.
    pub probability_entropy: f64,
    /// Mean over examples of the largest softmax probability.
    pub mean_largest_softmax: f64,
    /// Share of examples guessed right.
    pub accuracy: f64,
    /// The same by label.
    pub class_accuracy: Vec<Option<f64>>,
    /// Mean of the loss in its own right, whatever the schedule minimises now.
    pub loss: f64,
    /// Mean cross-entropy.
    pub cross_entropy: f64,
    /// Mean loss by label.
    pub class_loss: Vec<Option<f64>>,
    /// Mean `Σ_k |∂ℓ/∂z_k|` by label.
    pub class_gradient: Vec<Option<f64>>,
    /// Mean `Σ_k |∂ℓ/∂z_k|`.
    pub gradient: f64,
    /// `G_k = E ∂ℓ/∂z_k`: the force on the output biases.
    pub force: Vec<f64>,
    /// Share of examples that the loss pulls towards their label.
    pub active_fraction: f64,
    /// Share of examples that it pushes away from it.
    pub reversed_fraction: f64,
    /// Norm of the gradient of the mean loss in the weights of each layer, first layer first.
    pub layer_gradients: Vec<f64>,
}

impl Snapshot {
    /// Looks at a network in training.
    ///
    /// # Errors
    ///
    /// [`TrainError::Diverged`] where the numbers leave their range.
    pub fn take<T: Scalar>(
        trainer: &mut Trainer<'_, T>,
        probe: &Probe,
    ) -> Result<Self, TrainError> {
        let logits = trainer.task().network.logits();
        let loss = trainer.task().loss.loss.clone();
        let labels = probe.data.labels().unwrap_or_default();
        let (step, epoch, loss_share) =
            (trainer.steps_done(), trainer.epoch(), trainer.loss_share());
        let mut sums = Sums::new(logits.max(2));
        let scale = 1.0 / labels.len().max(1) as f64;
        let first = usize::from(logits == 1);
        let mut slope = vec![0.0; logits.max(2)];
        let gradient = trainer.gradient(&probe.data, |range, values, out| {
            each_row(values, logits, &labels[range], |row, label| {
                let value = loss.evaluate(row, label, &mut slope);
                let ce = -row.ln_p(label);
                sums.add(row.probabilities(), row.guess(), label, value, ce, &slope);
                match loss.pull(row.ln_p(label)) {
                    Pull::Towards => sums.active += 1,
                    Pull::Away => sums.reversed += 1,
                    Pull::Masked => {}
                }
                out.extend(slope[first..].iter().map(|g| T::from_f64(g * scale)));
            })
        })?;
        let layer_gradients = gradient
            .layers
            .iter()
            .map(|layer| layer.weight.iter().map(|g| g.to_f64() * g.to_f64()).sum::<f64>().sqrt())
            .collect();
        Ok(sums.finish([step as f64, epoch, loss_share], layer_gradients))
    }

    /// Whether no class is guessed for more than [`debias_share`] of the examples.
    pub fn is_debiased(&self) -> bool {
        self.largest_share < debias_share(self.class_shares.len())
    }
}

/// Largest share of the guesses up to which a network counts as unbiased: `2/C`, for two classes 3/4.
pub fn debias_share(classes: usize) -> f64 {
    let even = 1.0 / classes.max(1) as f64;
    (2.0 * even).min(f64::midpoint(1.0, even))
}

/// First step at which a training is no longer biased, among its snapshots.
pub fn debias_step(snapshots: &[Snapshot]) -> Option<usize> {
    snapshots.iter().find(|snapshot| snapshot.is_debiased()).map(|snapshot| snapshot.step)
}

struct Sums {
    shares: Vec<f64>,
    probabilities: Vec<f64>,
    largest: f64,
    right: Vec<f64>,
    counts: Vec<f64>,
    loss: Vec<f64>,
    ce: f64,
    gradient: Vec<f64>,
    force: Vec<f64>,
    active: usize,
    reversed: usize,
}

impl Sums {
    fn new(classes: usize) -> Self {
        let zeros = || vec![0.0; classes];
        Self {
            shares: zeros(),
            probabilities: zeros(),
            largest: 0.0,
            right: zeros(),
            counts: zeros(),
            loss: zeros(),
            ce: 0.0,
            gradient: zeros(),
            force: zeros(),
            active: 0,
            reversed: 0,
        }
    }

    fn add(&mut self, p: &[f64], guess: usize, label: usize, loss: f64, ce: f64, slope: &[f64]) {
        self.shares[guess] += 1.0;
        self.largest += p[guess];
        self.counts[label] += 1.0;
        self.right[label] += f64::from(u8::from(guess == label));
        self.loss[label] += loss;
        self.ce += ce;
        for (k, (p, g)) in p.iter().zip(slope).enumerate() {
            self.probabilities[k] += p;
            self.force[k] += g;
            self.gradient[label] += g.abs();
        }
    }

    fn finish(
        mut self,
        [step, epoch, loss_share]: [f64; 3],
        layer_gradients: Vec<f64>,
    ) -> Snapshot {
        let n = self.counts.iter().sum::<f64>().max(1.0);
        let total = |values: &[f64]| values.iter().sum::<f64>() / n;
        let (accuracy, loss, gradient) =
            (total(&self.right), total(&self.loss), total(&self.gradient));
        let by_label = |values: &[f64]| -> Vec<Option<f64>> {
            let pairs = values.iter().zip(&self.counts);
            pairs.map(|(sum, count)| (*count > 0.0).then(|| sum / count)).collect()
        };
        let (class_accuracy, class_loss, class_gradient) =
            (by_label(&self.right), by_label(&self.loss), by_label(&self.gradient));
        for values in [&mut self.shares, &mut self.probabilities, &mut self.force] {
            for value in values {
                *value /= n;
            }
        }
        Snapshot {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count of steps"
            )]
            step: step as usize,
            epoch,
            loss_share,
            largest_share: self.shares.iter().copied().fold(0.0, f64::max),
            share_entropy: entropy(&self.shares),
            probability_entropy: entropy(&self.probabilities),
            mean_largest_softmax: self.largest / n,
            accuracy,
            class_accuracy,
            loss,
            cross_entropy: self.ce / n,
            class_loss,
            class_gradient,
            gradient,
            class_shares: self.shares,
            mean_probabilities: self.probabilities,
            force: self.force,
            active_fraction: self.active as f64 / n,
            reversed_fraction: self.reversed as f64 / n,
            layer_gradients,
        }
    }
}

/// `-Σ x ln x / ln C`.
fn entropy(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().filter(|x| **x > 0.0).map(|x| x * x.ln()).sum();
    (-sum / (shares.len() as f64).ln()).max(0.0)
}

/// The names of the columns of [`csv`], for so many classes and layers.
fn headings(classes: usize, layers: usize) -> String {
    let mut names: Vec<String> = [
        "arm",
        "rate",
        "replicate",
        "step",
        "epoch",
        "loss_share",
        "largest_share",
        "share_entropy",
        "probability_entropy",
        "mean_largest_softmax",
        "accuracy",
        "loss",
        "cross_entropy",
        "gradient",
        "active_fraction",
        "reversed_fraction",
    ]
    .map(str::to_owned)
    .to_vec();
    for name in [
        "class_share",
        "mean_probability",
        "class_accuracy",
        "class_loss",
        "class_gradient",
        "force",
    ] {
        names.extend((0..classes).map(|k| format!("{name}_{k}")));
    }
    names.extend((1..=layers).map(|l| format!("layer_gradient_{l}")));
    names.join(",") + "\n"
}

/// Trajectories as a table in CSV, one line per snapshot: `(arm, rate, replicate, snapshots)`.
///
/// Numbers have all their digits; what has no value is empty. Arms of different networks leave the columns they lack empty.
pub fn csv<'s>(runs: impl Iterator<Item = (&'s str, f64, u64, &'s [Snapshot])> + Clone) -> String {
    let all = || runs.clone().flat_map(|(_, _, _, snapshots)| snapshots);
    let classes = all().map(|s| s.class_shares.len()).max().unwrap_or(0);
    let layers = all().map(|s| s.layer_gradients.len()).max().unwrap_or(0);
    let mut text = headings(classes, layers);
    for (arm, rate, replicate, snapshots) in runs {
        for s in snapshots {
            let arm = if arm.contains([',', '"', '\n']) {
                format!("\"{}\"", arm.replace('"', "\"\""))
            } else {
                arm.to_owned()
            };
            let mut cells = vec![arm, rate.to_string(), replicate.to_string(), s.step.to_string()];
            let scalars = [
                s.epoch,
                s.loss_share,
                s.largest_share,
                s.share_entropy,
                s.probability_entropy,
                s.mean_largest_softmax,
                s.accuracy,
                s.loss,
                s.cross_entropy,
                s.gradient,
                s.active_fraction,
                s.reversed_fraction,
            ];
            cells.extend(scalars.map(|x| x.to_string()));
            let known = |values: &[f64]| values.iter().map(|x| Some(*x)).collect::<Vec<_>>();
            let families = [
                (known(&s.class_shares), classes),
                (known(&s.mean_probabilities), classes),
                (s.class_accuracy.clone(), classes),
                (s.class_loss.clone(), classes),
                (s.class_gradient.clone(), classes),
                (known(&s.force), classes),
                (known(&s.layer_gradients), layers),
            ];
            for (values, columns) in families {
                cells.extend((0..columns).map(|k| {
                    values.get(k).copied().flatten().map_or_else(String::new, |x| x.to_string())
                }));
            }
            text += &cells.join(",");
            text.push('\n');
        }
    }
    text
}

/// Whether a loss can be trusted as a measure of progress: those that back off have a degenerate minimum.
pub const fn measures_progress(loss: &Loss) -> bool {
    !loss.backs_off()
}
