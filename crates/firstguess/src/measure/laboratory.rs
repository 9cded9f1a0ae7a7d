//! The Gaussianity laboratory: how normal the pre-activations of narrow deep networks are, by width and depth.
//!
//! Square networks without data: the first pre-activations are independent normals, as Gaussian weights on one input of
//! fixed norm give them. Thousands of networks of each width, all their units pooled.

use super::estimate::Estimate;
use super::gaussianity::{GaussianityMeasurement, Sample};
use super::run::Progress;
use crate::math::stream::{Purpose, Seed, Stream};
use crate::net::activation;
use crate::net::sample::{SampleError, fill_weights, orthogonal};
use crate::spec::Activation;
use crate::spec::weights::WeightFamily;
use rayon::prelude::*;
use serde::Serialize;

/// The widest layer.
pub const MAX_WIDTH: usize = 4096;
/// The deepest layer.
pub const MAX_LAYER: usize = 10_000;
/// Networks of one width, at most.
pub const MAX_NETWORKS: usize = 1_000_000;
/// Weights drawn in all, at most: some minutes.
pub const MAX_WORK: f64 = 2e11;
/// Values kept at one width, at most: 1 GiB.
const MAX_VALUES: f64 = 268_435_456.0;
/// `√N · sup |F̂ - Φ|` exceeds this once in a thousand samples of a normal law.
const KOLMOGOROV_ONE_IN_A_THOUSAND: f64 = 1.95;
/// Networks that a task draws together.
const BATCH: usize = 64;
/// Weights that a task holds, unless a single layer is larger.
const BATCH_WEIGHTS: usize = 1 << 18;

/// What is tested.
///
/// ```text
/// Z^1_i ~ N(0, q₁) independent,   Z^{l+1}_j = Σ_i W_ji φ(Z^l_i) + b_j,   Var W = σ_w²/n,   b ~ N(0, σ_b²)
/// ```
///
/// # Examples
///
/// ```
/// use firstguess::math::stream::Seed;
/// use firstguess::measure::laboratory::Laboratory;
/// let sign = Laboratory {
///     weight_variance: 1.0,
///     networks: 2000,
///     ..Laboratory::new("sign".parse()?, Seed(0))
/// };
/// // Gaussian weights and |φ| = 1: exactly normal at every width and depth.
/// let cells = sign.run(&[3], &[2, 5], &mut ())?;
/// assert!(cells.iter().all(|cell| cell.is_gaussian()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Laboratory {
    /// φ.
    pub activation: Activation,
    /// The law of the weights, up to scale.
    pub weights: WeightFamily,
    /// `σ_w²`, the variance of a weight times the width.
    pub weight_variance: f64,
    /// `σ_b²` of the Gaussian biases.
    pub bias_variance: f64,
    /// `q₁`, the variance of the first pre-activations.
    pub first_variance: f64,
    /// Whether activations are divided by their root mean square over the layer.
    pub rms_normalized: bool,
    /// Networks of each width.
    pub networks: usize,
    /// Fixes every random number.
    pub seed: Seed,
}

/// One width and one layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// Units per layer.
    pub width: usize,
    /// The layer, from 1.
    pub layer: usize,
    /// Mean square pre-activation.
    pub second_moment: Estimate,
    /// Distances from the normal law.
    #[serde(flatten)]
    pub gaussianity: GaussianityMeasurement,
}

impl Cell {
    /// Whether both distances, raw and standardised, are such as a normal sample shows in 999 of 1000 cases.
    ///
    /// Not finite values count as not Gaussian.
    pub fn is_gaussian(&self) -> bool {
        let limit = KOLMOGOROV_ONE_IN_A_THOUSAND / self.gaussianity.effective_sample.sqrt();
        self.gaussianity.ks_raw.value <= limit && self.gaussianity.ks_standardised.value <= limit
    }
}

/// Why nothing was measured.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum LaboratoryError {
    /// A size outside its range.
    #[error("`{parameter}` must be between {low} and {high}, got {value}")]
    OutOfRange { parameter: &'static str, low: usize, high: usize, value: usize },

    /// A variance outside its range.
    #[error("`{parameter}` must be {domain}, got {value}")]
    OutOfDomain { parameter: &'static str, domain: &'static str, value: f64 },

    /// More than anyone waits for.
    #[error(
        "{work:.1e} weights would be drawn (networks × depth × width²) and {values:.1e} values kept, at most {MAX_WORK:.0e} \
         and {MAX_VALUES:.0e} are allowed: lower the number of networks, the widths or the depths"
    )]
    TooLarge { work: f64, values: f64 },

    /// Weights that belong to convolutions, or cannot be drawn.
    #[error(transparent)]
    Weights(#[from] SampleError),

    /// [`Progress::cancelled`] said so.
    #[error("cancelled after {done} of {total} networks")]
    Cancelled { done: usize, total: usize },
}

impl Laboratory {
    /// Gaussian weights of variance 1, no bias, 10 000 networks.
    pub const fn new(activation: Activation, seed: Seed) -> Self {
        Self {
            activation,
            weights: WeightFamily::Normal,
            weight_variance: 1.0,
            bias_variance: 0.0,
            first_variance: 1.0,
            rms_normalized: false,
            networks: 10_000,
            seed,
        }
    }

    /// Measures every width at every layer, in this order.
    ///
    /// A network is fixed by the seed, its width and its number: the result has the same bits for any number of threads.
    ///
    /// # Errors
    ///
    /// [`LaboratoryError`]: sizes or variances out of range, weights that depend on the shape of a convolution, or
    /// cancellation.
    pub fn run(
        &self,
        widths: &[usize],
        layers: &[usize],
        progress: &mut dyn Progress,
    ) -> Result<Vec<Cell>, LaboratoryError> {
        self.check(widths, layers)?;
        let total = self.networks * widths.len();
        let mut cells = Vec::with_capacity(widths.len() * layers.len());
        let mut done = 0;
        progress.advance(done, total);
        for &width in widths {
            let capacity = self.networks * width;
            let mut samples: Vec<Sample> =
                layers.iter().map(|_| Sample::pooled(width, capacity)).collect();
            let batch = (BATCH_WEIGHTS / (width * width)).clamp(1, BATCH);
            let round = batch * 4 * rayon::current_num_threads();
            for start in (0..self.networks).step_by(round) {
                if progress.cancelled() {
                    return Err(LaboratoryError::Cancelled { done, total });
                }
                let end = self.networks.min(start + round);
                let drawn: Vec<_> = (start..end)
                    .step_by(batch)
                    .collect::<Vec<_>>()
                    .into_par_iter()
                    .map(|first| self.batch(width, layers, first, end.min(first + batch)))
                    .collect();
                for part in drawn {
                    for (sample, values) in samples.iter_mut().zip(part?) {
                        values.chunks_exact(width).for_each(|network| sample.push(network));
                    }
                }
                done += end - start;
                progress.advance(done, total);
            }
            let measured: Vec<Cell> = layers
                .par_iter()
                .zip(samples.par_iter())
                .map(|(&layer, sample)| Cell {
                    width,
                    layer,
                    second_moment: sample.second_moment(),
                    gaussianity: sample.finish(),
                })
                .collect();
            cells.extend(measured);
        }
        Ok(cells)
    }

    fn check(&self, widths: &[usize], layers: &[usize]) -> Result<(), LaboratoryError> {
        let in_range = |parameter, value: usize, low, high| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(LaboratoryError::OutOfRange { parameter, low, high, value })
            }
        };
        in_range("networks", self.networks, 2, MAX_NETWORKS)?;
        for &width in widths {
            in_range("width", width, 1, MAX_WIDTH)?;
        }
        for &layer in layers {
            in_range("depth", layer, 1, MAX_LAYER)?;
        }
        for (parameter, value) in [
            ("weight_variance", self.weight_variance),
            ("bias_variance", self.bias_variance),
            ("first_variance", self.first_variance),
        ] {
            if !(0.0..=1e6).contains(&value) {
                let domain = "finite, ≥ 0 and at most 1e6";
                return Err(LaboratoryError::OutOfDomain { parameter, domain, value });
            }
        }
        if self.weights == WeightFamily::DeltaOrthogonal {
            return Err(SampleError::NotIndependent { family: self.weights }.into());
        }
        let depth = layers.iter().max().copied().unwrap_or(0) as f64;
        let networks = self.networks as f64;
        let work: f64 = widths.iter().map(|&n| networks * depth * (n * n) as f64).sum();
        let widest = widths.iter().max().copied().unwrap_or(0) as f64;
        let values = networks * widest * layers.len() as f64;
        if work > MAX_WORK || values > MAX_VALUES {
            return Err(LaboratoryError::TooLarge { work, values });
        }
        Ok(())
    }

    /// The pre-activations of the networks `first..until` at each of the layers: `[network, unit]`.
    fn batch(
        &self,
        width: usize,
        layers: &[usize],
        first: usize,
        until: usize,
    ) -> Result<Vec<Vec<f32>>, LaboratoryError> {
        let networks = until - first;
        // Widths have networks of their own.
        let address = |network: usize| ((width as u64) << 32) | (first + network) as u64;
        let stream = |network: usize, layer: usize, purpose: Purpose| {
            // At most `MAX_LAYER`.
            let layer = u32::try_from(layer).unwrap_or(u32::MAX);
            Stream::new(self.seed, address(network), layer, purpose)
        };
        let mut z = vec![0.0_f32; networks * width];
        for (network, z) in z.chunks_exact_mut(width).enumerate() {
            stream(network, 1, Purpose::Weights).fill_normal_f32(0, z);
        }
        scale(&mut z, self.first_variance.sqrt());
        let depth = layers.iter().max().copied().unwrap_or(0);
        let mut seen = vec![Vec::new(); layers.len()];
        let keep = |seen: &mut [Vec<f32>], layer: usize, z: &[f32]| {
            for (at, values) in layers.iter().zip(seen) {
                if *at == layer {
                    *values = z.to_vec();
                }
            }
        };
        keep(&mut seen, 1, &z);
        let std = (self.weight_variance / width as f64).sqrt();
        let square = width * width;
        let together = (BATCH_WEIGHTS / (square * networks)).clamp(1, depth.max(1));
        let mut a = vec![0.0_f32; networks * width];
        let mut weights = vec![0.0_f32; networks * together * square];
        let mut bias = vec![0.0_f32; width];
        for start in (2..=depth).step_by(together) {
            let end = depth.min(start + together - 1);
            for (network, weights) in weights.chunks_exact_mut(together * square).enumerate() {
                if self.weights == WeightFamily::Orthogonal {
                    for (layer, matrix) in (start..=end).zip(weights.chunks_exact_mut(square)) {
                        let stream = stream(network, layer, Purpose::Weights);
                        let gain = self.weight_variance.sqrt();
                        matrix.copy_from_slice(&orthogonal(width, width, gain, &stream)?);
                    }
                } else {
                    let stream = stream(network, 2, Purpose::Weights);
                    let element = ((start - 2) * square) as u64;
                    fill_weights(self.weights, std, &stream, element, weights)?;
                }
            }
            for layer in start..=end {
                activation::forward(&self.activation, &z, &mut a);
                if self.rms_normalized {
                    a.chunks_exact_mut(width).for_each(normalize);
                }
                for network in 0..networks {
                    let row = network * width..(network + 1) * width;
                    let z = &mut z[row.clone()];
                    z.fill(0.0);
                    if self.bias_variance > 0.0 {
                        let stream = stream(network, layer, Purpose::Bias);
                        stream.fill_normal_f32(0, &mut bias);
                        z.copy_from_slice(&bias);
                        scale(z, self.bias_variance.sqrt());
                    }
                    let at = (network * together + layer - start) * square;
                    let matrix = weights[at..at + square].chunks_exact(width);
                    for (a, column) in a[row].iter().zip(matrix) {
                        for (z, w) in z.iter_mut().zip(column) {
                            *z += a * w;
                        }
                    }
                }
                keep(&mut seen, layer, &z);
            }
        }
        Ok(seen)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "networks compute in f32")]
fn scale(values: &mut [f32], factor: f64) {
    for value in values {
        *value *= factor as f32;
    }
}

/// Divides by the root mean square; a row of zeros stays one.
fn normalize(row: &mut [f32]) {
    let square: f64 = row.iter().map(|a| f64::from(*a).powi(2)).sum();
    if square > 0.0 {
        scale(row, (row.len() as f64 / square).sqrt());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laboratory(activation: &str, weights: &str, weight_variance: f64) -> Laboratory {
        Laboratory {
            weights: weights.parse().expect(weights),
            weight_variance,
            networks: 4000,
            ..Laboratory::new(activation.parse().expect(activation), Seed(3))
        }
    }

    #[test]
    fn exact_networks_stay_at_the_noise_and_relu_does_not() {
        let layers = [1, 2, 12];
        let sign = laboratory("sign", "normal", 1.0);
        let rms =
            Laboratory { rms_normalized: true, ..laboratory("leaky_relu(0.1)", "normal", 1.0) };
        for exact in [sign, rms] {
            for cell in exact.run(&[4], &layers, &mut ()).expect("in range") {
                assert!(cell.is_gaussian(), "{cell:?}");
                assert!(cell.second_moment.z_score(1.0).expect("error").abs() < 4.0, "{cell:?}");
                let statistic = cell.gaussianity.anderson_darling.value;
                assert!(statistic < 6.0 * cell.gaussianity.anderson_darling_floor, "{cell:?}");
            }
        }
        let relu = laboratory("relu", "normal", 2.0).run(&[4], &layers, &mut ()).expect("ok");
        let verdicts: Vec<bool> = relu.iter().map(Cell::is_gaussian).collect();
        assert_eq!(verdicts, [true, false, false]);
    }

    /// Orthogonal matrices keep the norm: of a linear network, exactly, at every depth; a bias adds its variance.
    #[test]
    fn weights_and_biases_have_their_variances() {
        let orthogonal = laboratory("linear", "orthogonal", 1.0);
        let orthogonal = Laboratory { networks: 300, ..orthogonal };
        let cells = orthogonal.run(&[5], &[1, 9], &mut ()).expect("in range");
        let difference = cells[0].second_moment.value - cells[1].second_moment.value;
        assert!(difference.abs() < 1e-5, "{cells:?}");
        let biased = Laboratory {
            bias_variance: 0.5,
            first_variance: 3.0,
            ..laboratory("linear", "laplace", 0.25)
        };
        let cells = biased.run(&[6, 20], &[1, 2], &mut ()).expect("in range");
        for (cell, expected) in cells.iter().zip([3.0, 1.25, 3.0, 1.25]) {
            assert!(cell.second_moment.z_score(expected).expect("error").abs() < 4.0, "{cell:?}");
        }
    }

    #[test]
    fn threads_and_the_order_of_the_question_do_not_change_a_bit() {
        let tanh = Laboratory { networks: 500, ..laboratory("tanh", "weibull(3)", 1.5) };
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
        let alone = one.install(|| tanh.run(&[3], &[4], &mut ())).expect("ok");
        let both = tanh.run(&[9, 3], &[2, 4, 30], &mut ()).expect("ok");
        assert_eq!(alone[0], both[4]);
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let tanh = laboratory("tanh", "normal", 1.0);
        let refused = |laboratory: &Laboratory, widths: &[usize], layers: &[usize]| {
            laboratory.run(widths, layers, &mut ()).expect_err("refused").to_string()
        };
        assert!(refused(&tanh, &[0], &[2]).contains("`width`"));
        assert!(refused(&tanh, &[3], &[0]).contains("`depth`"));
        assert!(refused(&tanh, &[4096], &[10_000]).contains("lower the number"));
        let one = Laboratory { networks: 1, ..tanh.clone() };
        assert!(refused(&one, &[3], &[2]).contains("`networks`"));
        let nan = Laboratory { weight_variance: f64::NAN, ..tanh };
        assert!(refused(&nan, &[3], &[2]).contains("weight_variance"));
        let delta = laboratory("tanh", "delta_orthogonal", 1.0);
        assert!(refused(&delta, &[3], &[2]).contains("delta_orthogonal"));
        // Overflow is a cell without a value, not an error.
        let growing = Laboratory { networks: 10, ..laboratory("x^2+x", "normal", 1e6) };
        let cells = growing.run(&[3], &[30], &mut ()).expect("runs");
        assert!(!cells[0].gaussianity.ks_raw.is_known() && !cells[0].is_gaussian());
    }
}
