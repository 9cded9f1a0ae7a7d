//! What each loss would do to the first guess: the force on the output biases, sample by sample, at initialization.
//!
//! ```text
//! G_k = E_i[ ∂ℓ_i/∂z_k ],    favoured class: the one that a network guesses most
//! ```
//!
//! The mean gives every label the same weight, so that an uneven data set does not count as bias. One forward pass serves
//! all losses. The per-sample mean is not the formula at the mean probabilities: with saturated outputs they differ in sign.

use super::Overflow;
use super::draw::Lost;
use super::ensemble::Losses;
use super::estimate::{Estimate, Running, RunningRatio};
use super::job::lost;
use super::run::{MeasureError, Options, Progress};
use crate::math::stream::Seed;
use crate::net::loss::each_row;
use crate::net::{Masks, NetError, Program, Record, Tape, Weights};
use crate::spec::Dataset;
use crate::spec::loss::{Loss, Pull, Row};
use crate::spec::network::Network;
use crate::spec::scheme::LayerInit;
use rayon::prelude::*;
use serde::Serialize;

/// Examples that go through together. Normalisations over the batch take their statistics from so many.
const ROWS: usize = 1024;

/// The forces of several losses over an ensemble of untrained networks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BiasMeasurement {
    /// Classes that the network tells apart.
    pub classes: usize,
    /// Networks whose numbers stayed in range.
    pub draws: u64,
    /// Networks in which they did not.
    pub lost: u64,
    /// Where that happened.
    pub overflow: Option<Overflow>,
    /// Classes that the network tells apart and of which the data have no example: no force on them can be seen.
    pub classes_without_examples: Vec<usize>,
    /// Share of the examples, labels weighted equally, that go to the class guessed most.
    pub largest_share: Estimate,
    /// Mean probability of that class.
    pub favoured_probability: Estimate,
    /// Mean largest probability.
    pub mean_max_softmax: Estimate,
    /// One entry per loss, in the order given.
    pub losses: Vec<ForceMeasurement>,
}

impl BiasMeasurement {
    /// Why no loss can be judged by these numbers, in a sentence; `None` where they can be.
    pub fn obstacle(&self) -> Option<String> {
        if self.draws == 0 {
            let place = self.overflow.as_ref().map_or_else(String::new, |overflow| {
                format!(", first at layer {} ({})", overflow.layer, overflow.kind)
            });
            return Some(format!(
                "in all {} networks the values left the range of f32 (3e38){place}: there is no first guess to correct, and \
                 no loss could train these networks",
                self.lost
            ));
        }
        let present = self.classes - self.classes_without_examples.len();
        if present < 2 {
            return Some(format!(
                "of the {} classes that the network tells apart the data have examples of one alone: always guessing it would \
                 be right, so there is no bias to correct",
                self.classes
            ));
        }
        None
    }

    /// What a verdict on these numbers leaves out, in sentences without a full stop.
    pub fn caveats(&self) -> Vec<String> {
        let mut caveats = Vec::new();
        if self.lost > 0 {
            let place = self.overflow.as_ref().map_or_else(String::new, |overflow| {
                format!(" (first at layer {}, {})", overflow.layer, overflow.kind)
            });
            caveats.push(format!(
                "judged by {} of {} networks: in the other {} the values left the range of f32{place}",
                self.draws,
                self.draws + self.lost,
                self.lost
            ));
        }
        if !self.classes_without_examples.is_empty() {
            caveats.push(format!(
                "the data have no example of {} of the {} classes ({}): every loss lowers those, so the verdict is about the \
                 others",
                self.classes_without_examples.len(),
                self.classes,
                listed(&self.classes_without_examples)
            ));
        }
        caveats
    }
}

/// The first few of some classes.
fn listed(classes: &[usize]) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<String> = classes.iter().take(SHOWN).map(usize::to_string).collect();
    if classes.len() > SHOWN {
        names.push("…".to_owned());
    }
    names.join(", ")
}

/// The force of one loss.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForceMeasurement {
    /// The loss.
    pub loss: Loss,
    /// `G` on the favoured class: descent lowers its bias where this is positive.
    pub favoured: Estimate,
    /// The same over that of cross-entropy in the same networks.
    pub relative: Estimate,
    /// Share of the networks in which it is negative.
    pub negative_fraction: Estimate,
    /// Share of the examples that the loss pulls towards their label.
    pub active_fraction: Estimate,
    /// Share of the examples that it pushes away.
    pub reversed_fraction: Estimate,
    /// Mean of `Σ_k |∂ℓ/∂z_k|`.
    pub gradient: Estimate,
}

/// One network.
struct Draw {
    largest_share: f64,
    favoured_probability: f64,
    softmax: f64,
    cross_entropy: f64,
    /// Force, active, reversed, gradient of each loss.
    losses: Vec<[f64; 4]>,
}

/// Measures the forces of `losses` over `draws` networks.
///
/// Dropout is off. Network `d` is fixed by `(seed, d)`, as in [`run`](super::run()): the same networks, on the same data.
///
/// # Errors
///
/// [`MeasureError`] for data that do not fit, have no labels, or if cancelled.
pub fn loss_forces(
    network: &Network,
    init: &[LayerInit],
    data: &Dataset,
    losses: &[Loss],
    (seed, draws): (Seed, usize),
    progress: &mut dyn Progress,
) -> Result<BiasMeasurement, MeasureError> {
    let labels =
        data.labels().ok_or_else(|| MeasureError::Unlabelled { name: data.name().to_owned() })?;
    super::run::check(network, data, &Options::new(seed, draws))?;
    let program = Program::new(network, Record::Nothing);
    let counts = data.class_counts();
    let classes = super::prejudice::classes_of(network.logits());
    let absent =
        (0..classes).filter(|class| counts.get(*class).is_none_or(|count| *count == 0)).collect();
    let present = counts.iter().filter(|count| **count > 0).count();
    // Every label weighs the same in total.
    let share: Vec<f64> =
        counts.iter().map(|count| 1.0 / (*count as f64 * present as f64)).collect();
    let job = Job { network, init, data, labels, losses, share: &share, program: &program, seed };
    let mut seen = Seen::new(losses.len());
    let chunk = 4 * rayon::current_num_threads().max(1);
    progress.advance(0, draws);
    for start in (0..draws).step_by(chunk) {
        if progress.cancelled() {
            return Err(MeasureError::Cancelled { done: start, total: draws });
        }
        let end = draws.min(start + chunk);
        let found: Vec<Result<Result<Draw, Lost>, NetError>> =
            (start..end).into_par_iter().map(|draw| job.measure(draw as u64)).collect();
        for draw in found {
            seen.push(draw?);
        }
        progress.advance(end, draws);
    }
    Ok(seen.finish(losses, classes, absent))
}

struct Job<'a> {
    network: &'a Network,
    init: &'a [LayerInit],
    data: &'a Dataset,
    labels: &'a [u32],
    losses: &'a [Loss],
    share: &'a [f64],
    program: &'a Program,
    seed: Seed,
}

impl Job<'_> {
    /// The forces in one network, or where its numbers left their range.
    fn measure(&self, draw: u64) -> Result<Result<Draw, Lost>, NetError> {
        let weights: Weights = Weights::draw(self.network, self.init, self.seed, draw)?;
        let mut tape = Tape::new(self.program);
        let (examples, features) = (self.data.examples(), self.data.features());
        let logits = self.network.logits();
        let mut rows: Vec<(Row, usize)> = Vec::with_capacity(examples);
        let parts = examples.div_ceil(ROWS);
        for part in 0..parts {
            let range = part * examples / parts..(part + 1) * examples / parts;
            let inputs = &self.data.inputs()[range.start * features..range.end * features];
            match tape.forward(&weights, inputs, Masks::Off, |_| {}) {
                Ok(values) => each_row(values, logits, &self.labels[range], |row, label| {
                    rows.push((row.clone(), label));
                })?,
                Err(error) => return lost(error).map(Err),
            }
        }
        Ok(Ok(self.forces(&rows)))
    }

    fn forces(&self, rows: &[(Row, usize)]) -> Draw {
        let classes = rows.first().map_or(2, |(row, _)| row.classes());
        let (mut shares, mut probabilities) = (vec![0.0; classes], vec![0.0; classes]);
        let mut softmax = 0.0;
        for (row, label) in rows {
            let weight = self.share[*label];
            shares[row.guess()] += weight;
            softmax += weight * row.p(row.guess());
            for (sum, p) in probabilities.iter_mut().zip(row.probabilities()) {
                *sum += weight * p;
            }
        }
        let favoured =
            (0..classes).fold(0, |best, k| if shares[k] > shares[best] { k } else { best });
        let mut gradient = vec![0.0; classes];
        let mut of = |loss: &Loss| {
            let mut sums = [0.0; 4];
            for (row, label) in rows {
                let weight = self.share[*label];
                loss.evaluate(row, *label, &mut gradient);
                sums[0] += weight * gradient[favoured];
                match loss.pull(row.ln_p(*label)) {
                    Pull::Towards => sums[1] += weight,
                    Pull::Away => sums[2] += weight,
                    Pull::Masked => {}
                }
                sums[3] += weight * gradient.iter().map(|g| g.abs()).sum::<f64>();
            }
            sums
        };
        let cross_entropy = of(&Loss::CROSS_ENTROPY)[0];
        Draw {
            losses: self.losses.iter().map(of).collect(),
            cross_entropy,
            softmax,
            largest_share: shares[favoured],
            favoured_probability: probabilities[favoured],
        }
    }
}

/// Sums over networks, in their order.
struct Seen {
    lost: Losses,
    largest_share: Running,
    favoured_probability: Running,
    softmax: Running,
    losses: Vec<SeenLoss>,
}

#[derive(Clone, Default)]
struct SeenLoss {
    force: Running,
    relative: RunningRatio,
    negative: Running,
    rest: [Running; 3],
}

impl Seen {
    fn new(losses: usize) -> Self {
        Self {
            lost: Losses::default(),
            largest_share: Running::default(),
            favoured_probability: Running::default(),
            softmax: Running::default(),
            losses: vec![SeenLoss::default(); losses],
        }
    }

    fn push(&mut self, draw: Result<Draw, Lost>) {
        let draw = match draw {
            Ok(draw) => draw,
            Err(lost) => return self.lost.add(&lost, |a, b| a < b),
        };
        self.largest_share.push(draw.largest_share);
        self.favoured_probability.push(draw.favoured_probability);
        self.softmax.push(draw.softmax);
        for (seen, [force, rest @ ..]) in self.losses.iter_mut().zip(draw.losses) {
            seen.force.push(force);
            seen.relative.push(force, draw.cross_entropy);
            seen.negative.push(f64::from(u8::from(force < 0.0)));
            for (running, value) in seen.rest.iter_mut().zip(rest) {
                running.push(value);
            }
        }
    }

    fn finish(self, losses: &[Loss], classes: usize, absent: Vec<usize>) -> BiasMeasurement {
        const LOST: &str = "the values left the range of f32 in every draw";
        let or = |running: &Running| {
            if running.n() == 0 { Estimate::missing(LOST) } else { running.mean() }
        };
        let (draws, lost) = (self.largest_share.n(), self.lost.draws);
        BiasMeasurement {
            classes,
            draws,
            lost,
            overflow: self.lost.report(draws + lost),
            classes_without_examples: absent,
            largest_share: or(&self.largest_share),
            favoured_probability: or(&self.favoured_probability),
            mean_max_softmax: or(&self.softmax),
            losses: losses
                .iter()
                .zip(&self.losses)
                .map(|(loss, seen)| ForceMeasurement {
                    loss: loss.clone(),
                    favoured: or(&seen.force),
                    relative: if seen.force.n() == 0 {
                        Estimate::missing(LOST)
                    } else {
                        seen.relative.estimate()
                    },
                    negative_fraction: or(&seen.negative),
                    active_fraction: or(&seen.rest[0]),
                    reversed_fraction: or(&seen.rest[1]),
                    gradient: or(&seen.rest[2]),
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{InitScheme, Shape};

    /// A network of biases alone has one prediction for every input: the measured force is the formula's.
    #[test]
    fn a_network_of_biases_gives_the_force_of_the_formula() {
        // theory::loss_bias is out of reach here: the formula is written out.
        let inputs = vec![0.0; 30 * 2];
        let labels = (0..30).map(|i| i % 3).collect();
        let data = Dataset::new("zeros", Shape::flat(2).unwrap(), inputs).unwrap();
        let data = data.with_labels(labels, 3).unwrap();
        let architecture = serde_json::from_str(r#"{"layers":[{"dense":3}]}"#).unwrap();
        let architecture: crate::spec::Architecture = architecture;
        let network = architecture.resolve(&data.shape()).unwrap();
        let init = InitScheme::explicit(1.0, 4.0);
        let inits: Vec<_> = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
        let losses: Vec<Loss> =
            ["ce", "bl(0.4)", "pz(0.2)", "mae"].iter().map(|text| text.parse().unwrap()).collect();
        for draw in 0..5 {
            let weights: Weights = Weights::draw(&network, &inits, Seed(4), draw).unwrap();
            let row = Row::new(weights.layers[0].bias.iter().map(|b| f64::from(*b)));
            let job = Job {
                network: &network,
                init: &inits,
                data: &data,
                labels: data.labels().unwrap(),
                losses: &losses,
                share: &[1.0 / 30.0; 3],
                program: &Program::new(&network, Record::Nothing),
                seed: Seed(4),
            };
            let found = job.measure(draw).unwrap().unwrap();
            let favoured = row.guess();
            assert!((found.largest_share - 1.0).abs() < 1e-12);
            assert!((found.favoured_probability - row.p(favoured)).abs() < 1e-12);
            for (loss, [force, ..]) in losses.iter().zip(&found.losses) {
                let w = |k: usize| loss.weight(row.ln_p(k)).unwrap();
                let mean = (w(0) + w(1) + w(2)) / 3.0;
                let expected = row.p(favoured) * mean - w(favoured) / 3.0;
                assert!((force - expected).abs() < 1e-12, "{loss}: {force} vs {expected}");
            }
        }
    }
}
