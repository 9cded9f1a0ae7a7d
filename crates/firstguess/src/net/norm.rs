//! Normalisations with unit gain and zero shift, as at initialization.

use super::scalar::Scalar;
use crate::spec::layer::Norm;
use crate::spec::shape::Shape;

/// Added to every variance, as in the frameworks.
pub const EPSILON: f64 = 1e-5;

/// `y = (x - m) / √(v + ε)`, with `m` and `v` the mean and the variance over a group of values; for RMS norm `m = 0`.
///
/// The groups are the units (or channels) of a batch, or parts of one example. The backward pass goes through the
/// statistics:
///
/// ```text
/// dL/dx = (g - mean(g) - y mean(g y)) / √(v + ε),   g = dL/dy     (without mean(g) for RMS norm)
/// ```
///
/// Statistics are sums in f64, the variance that of the centred values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Normalization {
    pub(super) name: &'static str,
    over: Over,
    centred: bool,
}

/// Which values share their statistics.
#[derive(Debug, Clone, Copy)]
enum Over {
    /// Those of one channel, in every example and at every position.
    Batch { channels: usize, positions: usize },
    /// So many consecutive ones of one example.
    Example { size: usize, groups: usize },
}

impl Normalization {
    pub(super) fn new(norm: Norm, input: Shape) -> Self {
        let size = input.size();
        let channels = input.as_image().map_or(size, |[channels, _, _]| channels);
        let over = match norm {
            Norm::Batch => Over::Batch { channels, positions: size / channels },
            Norm::Layer | Norm::Rms => Over::Example { size, groups: 1 },
            Norm::Group(groups) => Over::Example { size: size / groups, groups },
        };
        Self { name: norm.name(), over, centred: norm != Norm::Rms }
    }

    /// Statistics kept per example, and whatever the batch.
    pub(super) fn statistics(&self) -> (usize, usize) {
        match self.over {
            Over::Batch { channels, .. } => (0, 3 * channels),
            Over::Example { groups, .. } => (groups, 0),
        }
    }

    /// Whether a batch of that size has more than one value per batch statistic.
    pub(super) fn has_statistics(&self, batch: usize) -> bool {
        match self.over {
            Over::Batch { positions, .. } => batch * positions > 1,
            Over::Example { .. } => true,
        }
    }

    pub(super) fn forward<T: Scalar>(
        &self,
        input: &[T],
        output: &mut [T],
        inverse_std: &mut Vec<f64>,
    ) {
        inverse_std.clear();
        match self.over {
            Over::Batch { channels, positions } => {
                let count = (input.len() / channels) as f64;
                let mut mean = vec![0.0; channels];
                by_channel(positions, input, input, &mut mean, |_, x, _| x);
                scale(&mut mean, 1.0 / count);
                inverse_std.resize(channels, 0.0);
                by_channel(positions, input, input, inverse_std, |c, x, _| (x - mean[c]).powi(2));
                for sum in inverse_std.iter_mut() {
                    *sum = 1.0 / (*sum / count + EPSILON).sqrt();
                }
                let planes = input.chunks_exact(positions).zip(output.chunks_exact_mut(positions));
                for ((input, output), c) in planes.zip((0..channels).cycle()) {
                    for (y, x) in output.iter_mut().zip(input) {
                        *y = T::from_f64((x.to_f64() - mean[c]) * inverse_std[c]);
                    }
                }
            }
            Over::Example { size, .. } => {
                for (input, output) in input.chunks_exact(size).zip(output.chunks_exact_mut(size)) {
                    let mean =
                        if self.centred { sum(input, input, |x, _| x) / size as f64 } else { 0.0 };
                    let variance = sum(input, input, |x, _| (x - mean).powi(2)) / size as f64;
                    let inverse = 1.0 / (variance + EPSILON).sqrt();
                    inverse_std.push(inverse);
                    for (y, x) in output.iter_mut().zip(input) {
                        *y = T::from_f64((x.to_f64() - mean) * inverse);
                    }
                }
            }
        }
    }

    /// `normalised` is the output of the forward pass.
    pub(super) fn backward<T: Scalar>(
        &self,
        normalised: &[T],
        output_gradient: &[T],
        input_gradient: &mut [T],
        inverse_std: &[f64],
    ) {
        match self.over {
            Over::Batch { channels, positions } => {
                let count = (normalised.len() / channels) as f64;
                let (mut mean, mut along) = (vec![0.0; channels], vec![0.0; channels]);
                by_channel(positions, output_gradient, normalised, &mut mean, |_, g, _| g);
                by_channel(positions, output_gradient, normalised, &mut along, |_, g, y| g * y);
                scale(&mut mean, 1.0 / count);
                scale(&mut along, 1.0 / count);
                let planes = normalised
                    .chunks_exact(positions)
                    .zip(output_gradient.chunks_exact(positions))
                    .zip(input_gradient.chunks_exact_mut(positions));
                for (((y, g), result), c) in planes.zip((0..channels).cycle()) {
                    project(y, g, result, [inverse_std[c], mean[c], along[c]]);
                }
            }
            Over::Example { size, .. } => {
                let groups = normalised
                    .chunks_exact(size)
                    .zip(output_gradient.chunks_exact(size))
                    .zip(input_gradient.chunks_exact_mut(size));
                for (((y, g), result), inverse) in groups.zip(inverse_std) {
                    let mean = if self.centred { sum(g, g, |g, _| g) / size as f64 } else { 0.0 };
                    let along = sum(y, g, |y, g| y * g);
                    project(y, g, result, [*inverse, mean, along / size as f64]);
                }
            }
        }
    }
}

fn scale(sums: &mut [f64], factor: f64) {
    for sum in sums {
        *sum *= factor;
    }
}

/// `(g - mean - y along) · inverse`.
fn project<T: Scalar>(y: &[T], g: &[T], result: &mut [T], [inverse, mean, along]: [f64; 3]) {
    for ((result, y), g) in result.iter_mut().zip(y).zip(g) {
        *result = T::from_f64((g.to_f64() - mean - y.to_f64() * along) * inverse);
    }
}

/// Sum of `f` over pairs of values, in eight partial sums.
fn sum<T: Scalar>(a: &[T], b: &[T], f: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0.0; 8];
    let (firsts, seconds) = (a.chunks_exact(lanes.len()), b.chunks_exact(lanes.len()));
    let rest = firsts.remainder().iter().zip(seconds.remainder());
    let rest: f64 = rest.map(|(a, b)| f(a.to_f64(), b.to_f64())).sum();
    for (first, second) in firsts.zip(seconds) {
        for (lane, (a, b)) in lanes.iter_mut().zip(first.iter().zip(second)) {
            *lane += f(a.to_f64(), b.to_f64());
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Adds `f(channel, a, b)` over examples and positions to the sums of the channels.
fn by_channel<T: Scalar>(
    positions: usize,
    a: &[T],
    b: &[T],
    sums: &mut [f64],
    f: impl Fn(usize, f64, f64) -> f64,
) {
    let size = sums.len() * positions;
    for (a, b) in a.chunks_exact(size).zip(b.chunks_exact(size)) {
        if positions == 1 {
            for ((c, sum), (a, b)) in sums.iter_mut().enumerate().zip(a.iter().zip(b)) {
                *sum += f(c, a.to_f64(), b.to_f64());
            }
        } else {
            let planes = a.chunks_exact(positions).zip(b.chunks_exact(positions));
            for ((c, total), (a, b)) in sums.iter_mut().enumerate().zip(planes) {
                *total += sum(a, b, |a, b| f(c, a, b));
            }
        }
    }
}
