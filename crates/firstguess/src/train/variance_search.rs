//! The gain at which SGD keeps the norm of the weights: `r = V_T/V_0 = 1`, found by pilot trainings (horii2026 has the
//! condition; the search is ours).
//!
//! ```text
//! f(g) = mean over seeds of ln( V_T(g)/V_0(g) )
//! ```
//!
//! Every gain scales the same draw of the weights and sees the samples in the same order, so that f is smooth in g; the
//! ratio is to the realised `V_0`. Norms of small networks grow and those of large ones shrink: a scan of gains brackets the
//! change of sign, a safeguarded secant in `ln g` (Illinois) finds it.

mod starts;

use super::noise::Point;
use super::optimizer::{Method, Optimizer};
use super::trainer::{Programs, Task, TrainError, Trainer};
use crate::math::roots::log_grid;
use crate::math::stream::Seed;
use crate::measure::Progress;
use crate::net::Weights;
use crate::spec::Dataset;
use crate::spec::loss::LossSchedule;
use crate::spec::network::{Network, Node, Op};
use crate::spec::scheme::LayerInit;
use crate::spec::weights::WeightFamily;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use starts::{Outcome, StartReport};

/// Points at which the norms of a training are noted, its start and end among them.
const COURSE: usize = 21;

/// Pilots of the secant at most; bisection alone halves the bracket as often.
const SECANTS: usize = 24;

/// Examples on which the curvature is looked at before steps are made longer.
const CURVATURE_EXAMPLES: usize = 256;

/// What is searched, on what, and how long pilots are.
#[derive(Debug, Clone, Copy)]
pub struct VarianceSearch<'a> {
    /// The network.
    pub network: &'a Network,
    /// The base profile, gain 1: a gain g multiplies the variance of every weight by g².
    pub base: &'a [LayerInit],
    /// Labelled training examples.
    pub data: &'a Dataset,
    /// Examples kept apart.
    pub validation: Option<&'a Dataset>,
    /// What is minimised.
    pub loss: &'a LossSchedule,
    /// Plain SGD.
    pub optimizer: &'a Optimizer,
    /// Examples per step.
    pub batch: usize,
    /// Steps of the trainings compared at the end.
    pub steps: usize,
    /// Pilots take steps so many times longer and so many times fewer, at the same product of rate and steps.
    pub shorten: f64,
    /// Seed of every random number.
    pub seed: Seed,
    /// Trainings of each gain.
    pub seeds: usize,
    /// Whether biases are trained; otherwise they stay as drawn.
    pub train_biases: bool,
    /// Whether biases count in V.
    pub include_biases: bool,
    /// Smallest and largest gain of the scan.
    pub gains: (f64, f64),
    /// Gains of the scan.
    pub scan: usize,
    /// `|f|` at which the search ends.
    pub tolerance: f64,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum SearchError {
    /// The condition is about something else.
    #[error("the condition r = 1 does not apply: {reason}")]
    Inapplicable { reason: String },

    /// Longer steps would not be the same dynamics.
    #[error(
        "pilots with steps {shorten} times longer have rate times largest curvature {product:.2} at gain {gain}, and it must stay \
         below 1: shorten by less than {most:.2}"
    )]
    TooFast { shorten: f64, gain: f64, product: f64, most: f64 },

    /// f has one sign.
    #[error("no gain from {low:.4} to {high:.4} keeps the norm of the weights: {reason}")]
    NoCrossing { low: f64, high: f64, reason: String },

    /// Numbers out of range.
    #[error("{what} is {value}; {domain}")]
    Range { what: &'static str, value: f64, domain: &'static str },

    /// A training could not be run.
    #[error(transparent)]
    Train(#[from] TrainError),
}

/// One layer of one training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LayerDrift {
    /// Its weights, K_l.
    pub parameters: usize,
    /// Mean square of a weight at the start.
    pub initial: f64,
    /// ... and at the end.
    pub last: f64,
}

/// One pilot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pilot {
    /// Number of the seed.
    pub replicate: u64,
    /// `V_T/V_0` of everything that counts.
    pub ratio: f64,
    /// Layer by layer, weights alone.
    pub layers: Vec<LayerDrift>,
    /// Step and `‖W‖²` along the way.
    pub course: Vec<(usize, f64)>,
}

/// All pilots of one gain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GainPoint {
    /// The gain.
    pub gain: f64,
    /// f, absent if a pilot diverged.
    pub log_ratio: Option<f64>,
    /// Its standard error over seeds; absent with one.
    pub std_error: Option<f64>,
    /// The pilots that came to an end.
    pub pilots: Vec<Pilot>,
    /// Where the first that did not left the range of numbers.
    pub diverged: Option<String>,
}

/// What the search came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Crossing {
    /// g*.
    pub gain: f64,
    /// f there and its error.
    pub point: GainPoint,
    /// Standard error of g* from that of f and its slope; absent with one seed.
    pub gain_error: Option<f64>,
    /// Every gain tried, in order of size.
    pub points: Vec<GainPoint>,
    /// Changes of sign from growing to shrinking in the scan; the first is taken.
    pub crossings: usize,
}

impl VarianceSearch<'_> {
    /// Finds g*. `known` has points of an earlier call that are taken instead of being computed; `keep` is given each new
    /// one, so that it can be stored.
    ///
    /// # Errors
    ///
    /// [`SearchError`] where the condition does not apply (other rules than SGD, weight decay, normalisations over the batch or
    /// the layer), no gain meets it, or a training cannot be run.
    pub fn run(
        &self,
        known: &[GainPoint],
        keep: &mut dyn FnMut(&GainPoint),
        progress: &mut dyn Progress,
    ) -> Result<Crossing, SearchError> {
        self.applies()?;
        let programs = Programs::new(self.network);
        self.stability(&programs)?;
        let total = self.scan + 6;
        progress.advance(0, total);
        let mut points: Vec<GainPoint> = Vec::new();
        let mut at = |gain: f64, points: &mut Vec<GainPoint>| -> Result<Option<f64>, SearchError> {
            let (done, total) = (points.len(), total.max(points.len() + 1));
            if progress.cancelled() {
                return Err(TrainError::Cancelled { done, total }.into());
            }
            let same = |point: &&GainPoint| (point.gain / gain - 1.0).abs() < 1e-12;
            let point = if let Some(point) = known.iter().find(same) {
                point.clone()
            } else {
                let point = self.point(&programs, gain)?;
                keep(&point);
                point
            };
            let value = point.log_ratio;
            points.push(point);
            progress.advance(done + 1, total);
            Ok(value)
        };
        let mut scanned = Vec::new();
        for gain in log_grid(self.gains.0, self.gains.1, self.scan) {
            let value = at(gain, &mut points)?;
            scanned.push((gain.ln(), value));
        }
        let brackets: Vec<[(f64, f64); 2]> = scanned
            .windows(2)
            .filter_map(|pair| {
                let (a, b) = ((pair[0].0, pair[0].1?), (pair[1].0, pair[1].1?));
                (a.1 > 0.0 && b.1 <= 0.0).then_some([a, b])
            })
            .collect();
        let Some([mut a, mut b]) = brackets.first().copied() else {
            return Err(self.no_crossing(&points));
        };
        let mut best = if a.1.abs() < b.1.abs() { a } else { b };
        let mut side = 0;
        for _ in 0..SECANTS {
            if best.1.abs() < self.tolerance || (b.0 - a.0).abs() < 1e-9 {
                break;
            }
            let mut x = (a.0 * b.1 - b.0 * a.1) / (b.1 - a.1);
            let margin = 1e-3 * (b.0 - a.0);
            if !(x > a.0 + margin && x < b.0 - margin) {
                x = 0.5 * (a.0 + b.0);
            }
            let Some(f) = at(x.exp(), &mut points)? else {
                return Err(self.no_crossing(&points));
            };
            if f.abs() < best.1.abs() {
                best = (x, f);
            }
            // Illinois: the end that stays twice counts half.
            if f > 0.0 {
                a = (x, f);
                if side == 1 {
                    b.1 *= 0.5;
                }
                side = 1;
            } else {
                b = (x, f);
                if side == -1 {
                    a.1 *= 0.5;
                }
                side = -1;
            }
        }
        let gain = best.0.exp();
        points.sort_by(|x, y| x.gain.total_cmp(&y.gain));
        let index = points.iter().position(|p| p.gain == gain).unwrap_or(0);
        let point = points[index].clone();
        let slope = slope(&points, index);
        let gain_error =
            point.std_error.zip(slope).map(|(error, slope)| gain * error / slope.abs());
        Ok(Crossing { gain, point, gain_error, points, crossings: brackets.len() })
    }

    fn applies(&self) -> Result<(), SearchError> {
        let no = |reason: &str| Err(SearchError::Inapplicable { reason: reason.to_owned() });
        if !matches!(self.optimizer.method, Method::Sgd { momentum: 0.0, .. }) {
            return no("it is derived for plain SGD; use the optimizer `sgd`");
        }
        if self.optimizer.weight_decay > 0.0 || self.loss.loss.weight_penalty() > 0.0 {
            return no(
                "weight decay pulls every norm down whatever the loss does; train without it",
            );
        }
        if self.optimizer.clip.is_some() {
            return no("clipping makes steps that are not those of the loss; train without it");
        }
        if let Some(name) = normalisation(&self.network.nodes) {
            return Err(SearchError::Inapplicable {
                reason: format!(
                    "behind `{name}` the scale of the weights does not change the network, and their norm only grows"
                ),
            });
        }
        let positive = "positive and finite";
        for (what, value) in [
            ("the smallest gain", self.gains.0),
            ("the largest gain", self.gains.1),
            ("the tolerance", self.tolerance),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return Err(SearchError::Range { what, value, domain: positive });
            }
        }
        if self.gains.0 >= self.gains.1 {
            let domain = "above the smallest gain";
            return Err(SearchError::Range {
                what: "the largest gain",
                value: self.gains.1,
                domain,
            });
        }
        if !(self.shorten.is_finite() && self.shorten >= 1.0 && self.shorten <= self.steps as f64) {
            let domain = "from 1 to the number of steps";
            return Err(SearchError::Range { what: "the shortening", value: self.shorten, domain });
        }
        for (what, value) in [("seeds", self.seeds), ("gains to scan", self.scan / 2)] {
            if value == 0 {
                return Err(TrainError::Nothing { what }.into());
            }
        }
        Ok(())
    }

    /// Longer steps only where they are below the inverse of the largest curvature.
    fn stability(&self, programs: &Programs) -> Result<(), SearchError> {
        if self.shorten <= 1.0 {
            return Ok(());
        }
        let few: Vec<usize> = (0..self.data.examples().min(CURVATURE_EXAMPLES)).collect();
        let data = self.data.subset(&few).map_err(TrainError::from)?;
        // Gains far from the base profile are caught by their divergence.
        let weights =
            Weights::draw(self.network, self.base, self.seed, 0).map_err(TrainError::from)?;
        let parts = (&data, self.loss, self.optimizer);
        let mut point = Point::new(programs, self.network, &weights, parts, self.train_biases)?;
        let curvature = point.largest_curvature(12, self.seed)?;
        let product = self.optimizer.rate * self.shorten * curvature;
        if product >= 1.0 {
            let most = 1.0 / (self.optimizer.rate * curvature);
            return Err(SearchError::TooFast { shorten: self.shorten, gain: 1.0, product, most });
        }
        Ok(())
    }

    fn no_crossing(&self, points: &[GainPoint]) -> SearchError {
        let values: Vec<f64> = points.iter().filter_map(|point| point.log_ratio).collect();
        let diverged = points.iter().find_map(|point| Some((point.gain, point.diverged.as_ref()?)));
        let reason = match diverged {
            Some((gain, why)) => format!("at gain {gain:.4} a pilot {why}; try a smaller learning rate"),
            None if values.iter().all(|f| *f > 0.0) => {
                "it grows at all of them; the learning rate may be too large or the training too long, or the \
                 crossing lies at larger gains"
                    .to_owned()
            }
            None if values.iter().all(|f| *f <= 0.0) => {
                "it shrinks at all of them; the training may be too short, or the crossing lies at smaller gains"
                    .to_owned()
            }
            None => "it shrinks at small gains and grows at large ones, the opposite of the theory".to_owned(),
        };
        SearchError::NoCrossing { low: self.gains.0, high: self.gains.1, reason }
    }

    /// The draw of each layer at a gain.
    pub fn inits(&self, gain: f64) -> Vec<LayerInit> {
        scaled(self.base, gain)
    }

    /// All pilots of one gain, one per thread.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 1 to the number of steps, which is an integer"
    )]
    fn point(&self, programs: &Programs, gain: f64) -> Result<GainPoint, SearchError> {
        let inits = self.inits(gain);
        let optimizer = self.optimizer.at(self.optimizer.rate * self.shorten);
        let steps = (self.steps as f64 / self.shorten).round().max(1.0) as usize;
        let runs: Vec<Result<Pilot, TrainError>> = (0..self.seeds as u64)
            .into_par_iter()
            .map(|replicate| self.pilot(programs, &inits, (&optimizer, steps), replicate))
            .collect();
        let (mut pilots, mut diverged) = (Vec::new(), None);
        for run in runs {
            match run {
                Ok(pilot) => pilots.push(pilot),
                Err(TrainError::Diverged(why)) => diverged = diverged.or(Some(why.to_string())),
                Err(error) => return Err(error.into()),
            }
        }
        let logs: Vec<f64> = pilots.iter().map(|pilot| pilot.ratio.ln()).collect();
        let estimate = crate::measure::Estimate::mean(logs);
        let fine = diverged.is_none() && estimate.value.is_finite();
        Ok(GainPoint {
            gain,
            log_ratio: fine.then_some(estimate.value),
            std_error: if fine { estimate.std_error } else { None },
            pilots,
            diverged,
        })
    }

    /// One pilot: its norms before, along the way and after.
    fn pilot(
        &self,
        programs: &Programs,
        inits: &[LayerInit],
        (optimizer, steps): (&Optimizer, usize),
        replicate: u64,
    ) -> Result<Pilot, TrainError> {
        let mut trainer = self.trainer(programs, inits, (optimizer, steps), replicate)?;
        let start = layers(trainer.weights());
        let before = self.norm(trainer.weights());
        let mut course = vec![(0, before)];
        while !trainer.is_done() {
            trainer.step()?;
            let done = trainer.steps_done();
            if done * (COURSE - 1) / steps > (done - 1) * (COURSE - 1) / steps {
                course.push((done, self.norm(trainer.weights())));
            }
        }
        let after = self.norm(trainer.weights());
        let layers = start
            .into_iter()
            .zip(layers(trainer.weights()))
            .map(|((parameters, initial), (_, last))| LayerDrift { parameters, initial, last })
            .collect();
        Ok(Pilot { replicate, ratio: after / before, layers, course })
    }

    fn trainer<'a>(
        &'a self,
        programs: &'a Programs,
        inits: &'a [LayerInit],
        (optimizer, steps): (&'a Optimizer, usize),
        replicate: u64,
    ) -> Result<Trainer<'a, f32>, TrainError> {
        let task = Task {
            network: self.network,
            inits,
            data: self.data,
            loss: self.loss,
            optimizer,
            batch: self.batch,
            steps,
            seed: self.seed,
            replicate,
        };
        Ok(Trainer::new(programs, task)?.with_fixed_biases(!self.train_biases))
    }

    fn norm(&self, weights: &Weights<f32>) -> f64 {
        let of = |values: &[f32]| values.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>();
        let biases = |bias: &[f32]| if self.include_biases { of(bias) } else { 0.0 };
        weights.layers.iter().map(|layer| of(&layer.weight) + biases(&layer.bias)).sum()
    }
}

/// A profile with every standard deviation of a weight times a gain.
pub fn scaled(base: &[LayerInit], gain: f64) -> Vec<LayerInit> {
    let scale = |init: &LayerInit| LayerInit {
        weight_variance: init.weight_variance * gain * gain,
        ..init.clone()
    };
    base.iter().map(scale).collect()
}

/// One variance for the weights of all layers, of the norm that He's normal weights have; biases start at zero.
pub fn uniform(network: &Network) -> Vec<LayerInit> {
    let layers = network.weights();
    let sizes = layers.iter().map(|layer| (layer.fan_in * layer.outputs) as f64);
    let square: f64 = layers.iter().map(|layer| 2.0 * layer.outputs as f64).sum();
    let variance = square / sizes.sum::<f64>();
    layers
        .iter()
        .map(|layer| LayerInit {
            family: WeightFamily::Normal,
            weight_variance: variance * layer.fan_in as f64,
            bias_variance: 0.0,
            uniform_bias: false,
        })
        .collect()
}

fn layers(weights: &Weights<f32>) -> Vec<(usize, f64)> {
    let square = |values: &[f32]| values.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>();
    let mean = |values: &[f32]| (values.len(), square(values) / values.len() as f64);
    weights.layers.iter().map(|layer| mean(&layer.weight)).collect()
}

fn normalisation(nodes: &[Node]) -> Option<String> {
    nodes.iter().find_map(|node| match &node.op {
        Op::Norm(_) => Some(node.op.kind()),
        Op::Residual { branch, shortcut, .. } => {
            normalisation(branch).or_else(|| normalisation(shortcut))
        }
        _ => None,
    })
}

/// d f/d ln g by the neighbours of a point.
fn slope(points: &[GainPoint], index: usize) -> Option<f64> {
    let (low, high) =
        (points.get(index.saturating_sub(1))?, points.get(index + 1).or(points.last())?);
    let run = (high.gain / low.gain).ln();
    let slope = (high.log_ratio? - low.log_ratio?) / run;
    (run > 0.0 && slope != 0.0).then_some(slope)
}

#[cfg(test)]
mod tests;
