//! Gradient noise and curvature at a point: what the dynamics of SGD depend on there.

use super::optimizer::Optimizer;
use super::trainer::{Programs, Task, TrainError, Trainer};
use crate::math::stream::{Purpose, Seed, Stream};
use crate::measure::Estimate;
use crate::net::Weights;
use crate::net::loss::each_row;
use crate::spec::Dataset;
use crate::spec::loss::LossSchedule;
use crate::spec::network::Network;
use serde::Serialize;

/// Largest change of one weight in a finite difference of gradients; in f64 the kinks of ReLU are then rarely met.
const STEP: f64 = 1e-6;

/// Gradient noise, curvature and norm drift on some examples, in f64.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NoiseMeasure {
    /// Parameters that count, K.
    pub parameters: usize,
    /// Examples looked at.
    pub examples: usize,
    /// Mean loss.
    pub loss: f64,
    /// Trace of the covariance of the gradient over samples, without bias.
    pub tr_sigma: f64,
    /// Square of the norm of the mean gradient.
    pub gradient_square: f64,
    /// Trace of the Hessian by random signs (Hutchinson), with its error over probes.
    pub tr_hessian: Estimate,
    /// Largest eigenvalue of the Hessian, from below.
    pub largest_curvature: f64,
    /// `<W_l, ∂L/∂W_l>` of each layer with weights: minus half the drift of its squared norm.
    pub norm_drift: Vec<f64>,
    /// `S = E Σ_k z_k ∂L/∂z_k`: what every entry of `norm_drift` is in a network that is homogeneous in each layer.
    pub logit_drift: f64,
    /// `‖W‖²/K`.
    pub mean_square: f64,
}

/// A point in the space of weights, looked at in f64.
#[derive(Debug)]
pub struct Point<'a> {
    trainer: Trainer<'a, f64>,
    data: &'a Dataset,
    loss: &'a LossSchedule,
    biases: bool,
}

/// Loss, logit drift and gradient on some examples.
struct Gradient {
    loss: f64,
    logit_drift: f64,
    weights: Weights<f64>,
}

impl<'a> Point<'a> {
    /// The point at these weights. `biases` says whether biases are parameters that move.
    ///
    /// # Errors
    ///
    /// As [`Trainer::new`].
    pub fn new(
        programs: &'a Programs,
        network: &'a Network,
        weights: &Weights<f32>,
        (data, loss, optimizer): (&'a Dataset, &'a LossSchedule, &'a Optimizer),
        biases: bool,
    ) -> Result<Self, TrainError> {
        let mut precise: Weights<f64> = Weights::zeros(network)?;
        for (to, from) in precise.layers.iter_mut().zip(&weights.layers) {
            let copy = |to: &mut [f64], from: &[f32]| {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = f64::from(*from));
            };
            copy(&mut to.weight, &from.weight);
            copy(&mut to.bias, &from.bias);
        }
        let task = Task {
            network,
            inits: &[],
            data,
            loss,
            optimizer,
            batch: 1,
            steps: 1,
            seed: Seed(0),
            replicate: 0,
        };
        let trainer = Trainer::from_weights(programs, task, precise)?;
        Ok(Self { trainer, data, loss, biases })
    }

    fn gradient(&mut self, data: &Dataset) -> Result<Gradient, TrainError> {
        let labels =
            data.labels().ok_or_else(|| TrainError::Unlabelled { name: data.name().to_owned() })?;
        let logits = self.trainer.task().network.logits();
        let first = usize::from(logits == 1);
        let scale = 1.0 / data.examples() as f64;
        let loss = &self.loss.loss;
        let (mut total, mut drift) = (0.0, 0.0);
        let mut one = vec![0.0; logits.max(2)];
        let mut weights = self.trainer.gradient(data, |range, values, slope| {
            each_row(values, logits, &labels[range], |row, label| {
                total += loss.evaluate(row, label, &mut one);
                drift += (first..one.len()).map(|k| row.logit(k) * one[k]).sum::<f64>();
                slope.extend(one[first..].iter().map(|g| g * scale));
            })
        })?;
        if !self.biases {
            weights.layers.iter_mut().for_each(|layer| layer.bias.fill(0.0));
        }
        Ok(Gradient { loss: total * scale, logit_drift: drift * scale, weights })
    }

    /// Hessian times direction, by central differences of gradients; the weights come back as they were.
    fn hessian_times(&mut self, direction: &Weights<f64>) -> Result<Weights<f64>, TrainError> {
        let start = self.trainer.weights().clone();
        let largest = entries(direction).fold(0.0_f64, |m, v| m.max(v.abs()));
        let step = STEP / largest.max(f64::MIN_POSITIVE);
        let data = self.data;
        moved(self.trainer.weights_mut(), &start, direction, step);
        let ahead = self.gradient(data);
        moved(self.trainer.weights_mut(), &start, direction, -step);
        let behind = self.gradient(data);
        *self.trainer.weights_mut() = start;
        let (mut ahead, behind) = (ahead?.weights, behind?.weights);
        for (a, b) in entries_mut(&mut ahead).zip(entries(&behind)) {
            *a = (*a - b) / (2.0 * step);
        }
        Ok(ahead)
    }

    /// The largest eigenvalue of the Hessian from so many power iterations; a bound from below.
    ///
    /// # Errors
    ///
    /// [`TrainError::Diverged`] where the numbers leave their range.
    pub fn largest_curvature(&mut self, iterations: usize, seed: Seed) -> Result<f64, TrainError> {
        let mut v = self.direction(seed, u64::MAX >> 32);
        let mut value = 0.0;
        for _ in 0..iterations {
            let norm = entries(&v).map(|x| x * x).sum::<f64>().sqrt();
            if norm == 0.0 {
                break;
            }
            entries_mut(&mut v).for_each(|x| *x /= norm);
            let next = self.hessian_times(&v)?;
            value = dot(&v, &next);
            v = next;
        }
        Ok(value)
    }

    /// Random signs, zero where nothing moves.
    fn direction(&self, seed: Seed, probe: u64) -> Weights<f64> {
        let mut v = self.trainer.weights().clone();
        for (index, layer) in (1_u32..).zip(&mut v.layers) {
            let stream = Stream::new(seed, probe, index, Purpose::Cotangent);
            stream.fill_uniform_f64(0, &mut layer.weight);
            let biases = Stream::new(seed, probe, index, Purpose::Noise);
            biases.fill_uniform_f64(0, &mut layer.bias);
            for x in layer.weight.iter_mut().chain(&mut layer.bias) {
                *x = if *x < 0.5 { -1.0 } else { 1.0 };
            }
            if !self.biases {
                layer.bias.fill(0.0);
            }
        }
        v
    }

    /// Everything that the panel of the theory needs, with so many probes of the Hessian.
    ///
    /// # Errors
    ///
    /// [`TrainError::Diverged`] where the numbers leave their range, [`TrainError::Data`] for too few examples.
    pub fn measure(&mut self, probes: usize, seed: Seed) -> Result<NoiseMeasure, TrainError> {
        let data = self.data;
        let mean = self.gradient(data)?;
        let gradient_square = dot(&mean.weights, &mean.weights);
        let n = data.examples();
        let mut squares = 0.0;
        for i in 0..n {
            let one = self.gradient(&data.subset(&[i])?)?;
            squares += dot(&one.weights, &one.weights);
        }
        let spread = squares / n as f64 - gradient_square;
        let tr_sigma = if n > 1 { spread * n as f64 / (n - 1) as f64 } else { f64::NAN };
        let mut traces = Vec::with_capacity(probes);
        for probe in 0..probes as u64 {
            let v = self.direction(seed, probe);
            traces.push(dot(&v, &self.hessian_times(&v)?));
        }
        let weights = self.trainer.weights();
        let norm_drift = weights
            .layers
            .iter()
            .zip(&mean.weights.layers)
            .map(|(w, g)| w.weight.iter().zip(&g.weight).map(|(w, g)| w * g).sum())
            .collect();
        let counted = |weights: &Weights<f64>| {
            weights
                .layers
                .iter()
                .map(|l| l.weight.len() + usize::from(self.biases) * l.bias.len())
                .sum::<usize>()
        };
        let parameters = counted(weights);
        let square: f64 = weights
            .layers
            .iter()
            .map(|l| {
                sum_of_squares(&l.weight) + if self.biases { sum_of_squares(&l.bias) } else { 0.0 }
            })
            .sum();
        Ok(NoiseMeasure {
            parameters,
            examples: n,
            loss: mean.loss,
            tr_sigma: tr_sigma.max(0.0),
            gradient_square,
            tr_hessian: Estimate::mean(traces),
            largest_curvature: self.largest_curvature(12, seed)?,
            norm_drift,
            logit_drift: mean.logit_drift,
            mean_square: square / parameters as f64,
        })
    }
}

fn entries(weights: &Weights<f64>) -> impl Iterator<Item = f64> {
    weights.layers.iter().flat_map(|layer| layer.weight.iter().chain(&layer.bias)).copied()
}

fn entries_mut(weights: &mut Weights<f64>) -> impl Iterator<Item = &mut f64> {
    weights.layers.iter_mut().flat_map(|layer| layer.weight.iter_mut().chain(&mut layer.bias))
}

fn dot(a: &Weights<f64>, b: &Weights<f64>) -> f64 {
    entries(a).zip(entries(b)).map(|(a, b)| a * b).sum()
}

fn sum_of_squares(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum()
}

fn moved(weights: &mut Weights<f64>, start: &Weights<f64>, direction: &Weights<f64>, step: f64) {
    for ((w, x), v) in entries_mut(weights).zip(entries(start)).zip(entries(direction)) {
        *w = x + step * v;
    }
}
