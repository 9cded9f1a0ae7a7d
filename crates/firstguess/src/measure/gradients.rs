//! Sizes of the backward signal, layer by layer, relative to what entered at the logits.

use super::estimate::{Estimate, Running, RunningRatio};
use crate::net::scale::power_of_two;
use serde::Serialize;

/// Backward signal of one network at one layer, over the examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerGradient {
    /// Mean over examples of `|δ|²`, summed over units.
    pub mean: f64,
    /// Median over examples of `|δ|²`.
    pub median: f64,
    /// Both stand for `4^exponent` times themselves.
    pub exponent: i32,
}

/// Appends `|δ(a)|²` of every row of `[rows, units]` to `norms`, in f64.
pub fn squared_norms(block: &[f32], units: usize, norms: &mut Vec<f64>) {
    if units == 0 {
        return;
    }
    norms.extend(
        block
            .chunks_exact(units)
            .map(|row| row.iter().map(|&d| f64::from(d) * f64::from(d)).sum::<f64>()),
    );
}

impl LayerGradient {
    /// The same of norms that stand for `4^exponent` times themselves.
    #[must_use]
    pub const fn times_power_of_four(self, exponent: i32) -> Self {
        Self { exponent: self.exponent + exponent, ..self }
    }

    /// Mean and median of squared norms, one per example; reorders them. `None` if there is none or one is infinite or NaN.
    ///
    /// The mean runs over the order given: the same rows give the same bits.
    pub fn of(norms: &mut [f64]) -> Option<Self> {
        let mean = norms.iter().sum::<f64>() / norms.len() as f64;
        if !mean.is_finite() {
            return None;
        }
        Some(Self { mean, median: median(norms)?, exponent: 0 })
    }
}

/// Median by selection, the mean of the two middle values where the number is even.
fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (lower, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let below = lower.iter().copied().max_by(f64::total_cmp).filter(|_| even);
    Some(below.map_or(upper, |below| f64::midpoint(below, upper)))
}

/// Backward signal of one layer over the ensemble, relative to the logits.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunningGradient {
    ratio: RunningRatio,
    ln_ratio: Running,
    median: RunningRatio,
    vanished: u64,
}

/// The backward signal at one layer relative to the logits.
///
/// Theory's counterpart is the product of the multipliers `χ` from this layer up to the logits, without factors of width:
/// norms are summed over units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GradientMeasurement {
    /// `E|δ_l|² / E|δ_L|²`. In deep networks few draws carry it: compare `ln_ratio` too.
    pub ratio: Estimate,
    /// Mean over networks of `ln(|δ_l|² / |δ_L|²)`, each averaged over examples first.
    pub ln_ratio: Estimate,
    /// The same ratio of the means over networks of the medians over examples.
    pub median_ratio: Estimate,
}

impl GradientMeasurement {
    /// No value, for this reason.
    pub const fn missing(reason: &'static str) -> Self {
        let none = Estimate::missing(reason);
        Self { ratio: none, ln_ratio: none, median_ratio: none }
    }
}

impl RunningGradient {
    /// Adds one network: the signal at this layer and at the logits.
    pub fn push(&mut self, layer: LayerGradient, logits: LayerGradient) {
        let exponent = layer.exponent - logits.exponent;
        let scale = power_of_two(2 * exponent);
        self.ratio.push(scale * layer.mean, logits.mean);
        self.median.push(scale * layer.median, logits.median);
        if layer.mean > 0.0 && logits.mean > 0.0 {
            let shift = 2.0 * f64::from(exponent) * std::f64::consts::LN_2;
            self.ln_ratio.push((layer.mean / logits.mean).ln() + shift);
        } else {
            self.vanished += 1;
        }
    }

    /// The estimates so far; `absent` says why there are none, where no network was added.
    pub fn finish(&self, absent: &'static str) -> GradientMeasurement {
        if self.ratio.n() == 0 {
            return GradientMeasurement::missing(absent);
        }
        let ln_ratio = if self.vanished > 0 {
            Estimate {
                n: self.ratio.n(),
                ..Estimate::missing("the backward signal is exactly zero in some draw")
            }
        } else {
            self.ln_ratio.mean()
        };
        GradientMeasurement {
            ratio: self.ratio.estimate(),
            ln_ratio,
            median_ratio: self.median.estimate(),
        }
    }
}

/// Squared loss gradient at the logits of one network, apart for the most guessed class.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LogitGradient {
    /// Mean over all examples.
    pub all: f64,
    /// Mean over the examples labelled with the most guessed class, if there are any.
    pub favoured: Option<f64>,
    /// Mean over the other examples, if there are any.
    pub unfavoured: Option<f64>,
}

impl LogitGradient {
    /// Means of squared norms, one per labelled example, apart by whether the label is the `favoured` class.
    pub fn of(norms: &[f64], labels: &[u32], favoured: usize) -> Self {
        let (mut sums, mut counts) = ([0.0; 2], [0_usize; 2]);
        for (norm, &label) in norms.iter().zip(labels) {
            let group = usize::from(label as usize != favoured);
            sums[group] += norm;
            counts[group] += 1;
        }
        let mean = |group: usize| (counts[group] > 0).then(|| sums[group] / counts[group] as f64);
        Self {
            all: (sums[0] + sums[1]) / (counts[0] + counts[1]).max(1) as f64,
            favoured: mean(0),
            unfavoured: mean(1),
        }
    }
}

/// [`LogitGradient`] over the ensemble.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunningLogitGradient {
    all: Running,
    favoured: Running,
    unfavoured: Running,
}

/// Mean squared loss gradient at the logits, `|δ_L|²` summed over classes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LogitGradientMeasurement {
    /// Over all examples.
    pub all: Estimate,
    /// Over examples labelled with the class that their network guesses most.
    pub favoured: Estimate,
    /// Over examples with any other label.
    pub unfavoured: Estimate,
}

impl RunningLogitGradient {
    /// Adds one network.
    pub fn push(&mut self, draw: &LogitGradient) {
        self.all.push(draw.all);
        if let Some(favoured) = draw.favoured {
            self.favoured.push(favoured);
        }
        if let Some(unfavoured) = draw.unfavoured {
            self.unfavoured.push(unfavoured);
        }
    }

    /// The estimates so far; `absent` says why there are none, where no network was added.
    pub fn finish(&self, absent: &'static str) -> LogitGradientMeasurement {
        let or = |running: &Running, reason| {
            if running.n() == 0 { Estimate::missing(reason) } else { running.mean() }
        };
        let none = if self.all.n() == 0 { absent } else { "no example has such a label" };
        LogitGradientMeasurement {
            all: or(&self.all, absent),
            favoured: or(&self.favoured, none),
            unfavoured: or(&self.unfavoured, none),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::stream::{Purpose, Seed, Stream};
    use crate::measure::prejudice::Guesses;
    use crate::net::loss::cross_entropy;

    /// The engine's loss gradient is the slope of the loss that `prejudice` adds up on its own.
    #[test]
    fn loss_and_gradient_come_from_two_routes_and_agree() {
        let step = 1e-2_f32;
        for (logits, label) in
            [(vec![0.3, -1.2, 0.8], 0), (vec![2.0, 1.0], 1), (vec![0.7], 1), (vec![-0.4], 0)]
        {
            let width = logits.len();
            let found = cross_entropy(&logits, width, &[label]).unwrap();
            let loss = |logits: &[f32]| {
                let mut guesses = Guesses::new(width);
                guesses.add(logits, width, Some(&[label]));
                guesses.loss().unwrap()
            };
            assert!((loss(&logits) - found.values[0]).abs() < 1e-14);
            for k in 0..width {
                let (mut up, mut down) = (logits.clone(), logits.clone());
                up[k] += step;
                down[k] -= step;
                let slope = (loss(&up) - loss(&down)) / f64::from(up[k] - down[k]);
                // Third derivatives below 0.2: the difference is off by at most step²/6 · 0.2 = 4e-6.
                assert!((slope - f64::from(found.gradient[k])).abs() < 1e-5, "{logits:?}, {k}");
            }
        }
    }

    #[test]
    fn medians_and_means_of_norms() {
        let mut norms = Vec::new();
        squared_norms(&[3.0, 4.0, 0.0, 1.0, 1.0, 1.0, 1e-30, 0.0], 2, &mut norms);
        assert_eq!(norms[..3], [25.0, 1.0, 2.0]);
        // Squares of small f32 do not underflow.
        assert!((norms[3] / 1e-60 - 1.0).abs() < 1e-6);
        let found = LayerGradient::of(&mut norms).unwrap();
        assert_eq!((found.mean, found.median), (7.0, 1.5));
        assert_eq!(LayerGradient::of(&mut [9.0, 1.0, 2.0]).unwrap().median, 2.0);
        assert_eq!(LayerGradient::of(&mut []), None);
        assert_eq!(LayerGradient::of(&mut [1.0, f64::INFINITY]), None);
    }

    #[test]
    fn a_vanished_signal_has_a_ratio_but_no_logarithm() {
        let at = |mean| LayerGradient { mean, median: mean, exponent: 0 };
        let mut running = RunningGradient::default();
        running.push(at(2.0), at(4.0));
        running.push(at(0.0), at(4.0));
        let found = running.finish("absent");
        assert_eq!(found.ratio.value, 0.25);
        assert!(found.ln_ratio.reason.unwrap().contains("exactly zero"));
        let none = RunningGradient::default().finish("absent");
        assert_eq!((none.ln_ratio.reason, none.ratio.reason), (Some("absent"), Some("absent")));
    }

    /// Two logits with centres of variance T and data variance V: the published conditional means.
    ///
    /// (V, T) = (1, 10): favoured .137471, unfavoured 1.544480; (1, 0.05): .549869, .731778 (quadrature). 3000 networks of
    /// 200 inputs see errors of 0.011 and 0.02 in the first two, 0.006 in the others.
    #[test]
    fn favoured_examples_have_the_smaller_gradient() {
        for (t, favoured, unfavoured) in [(10.0, 0.137471, 1.544480), (0.05, 0.549869, 0.731778)] {
            let inputs = 200;
            let mut running = RunningLogitGradient::default();
            let mut z = vec![0.0_f32; 2 * inputs + 2];
            let labels: Vec<u32> = (0..200).map(|a| a % 2).collect();
            for draw in 0..3000 {
                Stream::new(Seed(8), draw, 0, Purpose::Test).fill_normal_f32(0, &mut z);
                let (centres, rest) = z.split_at(2);
                let logits: Vec<f32> = rest
                    .chunks_exact(2)
                    .flat_map(|h| [0, 1].map(|k| h[k] + centres[k] * f32::sqrt(t)))
                    .collect();
                let gradient = cross_entropy(&logits, 2, &labels).unwrap().gradient;
                let mut norms = Vec::new();
                squared_norms(&gradient, 2, &mut norms);
                // The class of the larger centre is the favoured one in the limit of much data.
                let larger = usize::from(centres[1] > centres[0]);
                running.push(&LogitGradient::of(&norms, &labels, larger));
            }
            let found = running.finish("absent");
            for (estimate, truth) in [(found.favoured, favoured), (found.unfavoured, unfavoured)] {
                let z = estimate.z_score(truth).unwrap();
                assert!(z.abs() < 4.0, "T = {t}: {estimate:?} vs {truth}, z = {z}");
            }
        }
    }
}
