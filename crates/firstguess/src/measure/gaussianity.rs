//! How Gaussian a pre-activation is over fresh networks, the input fixed.

use super::estimate::Estimate;
use crate::math::special::{ln_normal_cdf, normal_cdf};
use serde::Serialize;

/// Values of a few units at one input, over networks.
///
/// Stored network by network: units of one network share its norms, so errors are taken over networks.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    units: usize,
    capacity: usize,
    values: Vec<f32>,
}

/// Distances of the law of a pre-activation from the normal law.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GaussianityMeasurement {
    /// `sup |F̂(h) - Φ(h)|`: scale and shape together.
    pub ks_raw: Estimate,
    /// The same after division by the root mean square: shape alone.
    pub ks_standardised: Estimate,
    /// `E h⁴ / (E h²)² - 3`. Biased towards zero where tails are heavy and networks few.
    pub excess_kurtosis: Estimate,
    /// `∫ (F̂ - Φ)² / (Φ(1-Φ)) dΦ` of the standardised sample: the Anderson-Darling statistic per value, tails included.
    pub anderson_darling: Estimate,
    /// What `ks_raw` and `ks_standardised` show at most, on average, where the law is normal: `0.87/√effective_sample`.
    pub noise_floor: Estimate,
    /// What `anderson_darling` is on average where the law is normal, at most: `1/effective_sample`.
    pub anderson_darling_floor: f64,
    /// Independent values to which the sample amounts.
    pub effective_sample: f64,
}

impl GaussianityMeasurement {
    /// No value, for this reason.
    pub const fn missing(reason: &'static str) -> Self {
        let none = Estimate::missing(reason);
        Self {
            ks_raw: none,
            ks_standardised: none,
            excess_kurtosis: none,
            anderson_darling: none,
            noise_floor: none,
            anderson_darling_floor: f64::INFINITY,
            effective_sample: 0.0,
        }
    }
}

/// Units read from one network.
const UNITS: usize = 8;

/// Mean of `√N · sup |F̂ - Φ|`: `√(π/2) ln 2` (Kolmogorov).
const KOLMOGOROV_MEAN: f64 = 0.868_731_160_636_159_4;

impl Sample {
    /// An empty sample of at most `capacity` values of a layer with this many units.
    pub fn new(units: usize, capacity: usize) -> Self {
        Self { units: units.min(UNITS), capacity, values: Vec::new() }
    }

    /// An empty sample that takes every unit of a layer: for layers of which no more is asked than their law.
    pub fn pooled(units: usize, capacity: usize) -> Self {
        Self { units, capacity, values: Vec::new() }
    }

    /// The units that are read from each network: evenly spread over a layer with `units` of them.
    pub fn chosen(units: usize) -> impl Iterator<Item = usize> {
        let count = units.min(UNITS);
        (0..count).map(move |k| k * units / count)
    }

    /// Adds one network's values at the chosen units, unless the sample is full.
    pub fn push(&mut self, values: &[f32]) {
        if values.len() == self.units && self.values.len() + self.units <= self.capacity {
            self.values.extend_from_slice(values);
        }
    }

    /// Networks in the sample.
    pub fn draws(&self) -> usize {
        self.values.len().checked_div(self.units).unwrap_or(0)
    }

    /// Mean square, with networks as the independent units.
    pub fn second_moment(&self) -> Estimate {
        if self.units == 0 {
            return Estimate::missing("no unit was sampled");
        }
        let square = |network: &[f32]| {
            network.iter().map(|h| f64::from(*h).powi(2)).sum::<f64>() / self.units as f64
        };
        Estimate::mean(self.values.chunks_exact(self.units).map(square))
    }

    /// The distances from the normal law.
    ///
    /// ```text
    /// raw: sup |F̂(h) - Φ(h)|;   standardised: the same of h / RMS
    /// ```
    ///
    /// # Accuracy
    ///
    /// The error of a distance `D` is that of `F̂` where the supremum is reached. Effective sample size: the number of
    /// values over the factor by which dependence within a network widens `F̂`, measured at the deciles.
    ///
    /// # References
    ///
    /// Protocol derived in docs/theory/gaussian-pairs.md, section 6.
    pub fn finish(&self) -> GaussianityMeasurement {
        let draws = self.draws();
        if draws == 0 {
            return GaussianityMeasurement::missing("no network was sampled");
        }
        let values: Vec<f64> = self.values.iter().map(|&h| f64::from(h)).collect();
        let second = values.iter().map(|h| h * h).sum::<f64>() / values.len() as f64;
        if !second.is_finite() {
            return GaussianityMeasurement::missing("a value is infinite or NaN");
        }
        let raw = Ordered::new(&values, self.units, 1.0);
        if second == 0.0 {
            const ALL_ZERO: &str = "every value is zero";
            let widening = raw.widening(draws);
            return GaussianityMeasurement {
                ks_raw: raw.kolmogorov(draws, widening),
                noise_floor: raw.noise_floor(draws, widening),
                anderson_darling_floor: widening / values.len() as f64,
                effective_sample: values.len() as f64 / widening,
                ..GaussianityMeasurement::missing(ALL_ZERO)
            };
        }
        let standard = Ordered::new(&values, self.units, second.sqrt());
        let widening = standard.widening(draws);
        GaussianityMeasurement {
            ks_raw: raw.kolmogorov(draws, raw.widening(draws)),
            ks_standardised: standard.kolmogorov(draws, widening),
            excess_kurtosis: excess_kurtosis(&values, self.units),
            anderson_darling: standard.anderson_darling_estimate(draws),
            noise_floor: standard.noise_floor(draws, widening),
            anderson_darling_floor: widening / values.len() as f64,
            effective_sample: values.len() as f64 / widening,
        }
    }
}

/// `E h⁴/(E h²)² - 3` with networks as the independent units.
fn excess_kurtosis(values: &[f64], units: usize) -> Estimate {
    let draws: Vec<(f64, f64)> = values
        .chunks_exact(units)
        .map(|network| {
            let mean = |k: i32| network.iter().map(|h| h.powi(k)).sum::<f64>() / units as f64;
            (mean(4), mean(2))
        })
        .collect();
    let n = draws.len() as f64;
    let fourth = draws.iter().map(|d| d.0).sum::<f64>() / n;
    let second = draws.iter().map(|d| d.1).sum::<f64>() / n;
    let kurtosis = fourth / second / second;
    // First-order change of the quotient with one network's pair of moments.
    let squares: f64 = draws
        .iter()
        .map(|(a, b)| (a / second / second - 2.0 * kurtosis * (b / second) + kurtosis).powi(2))
        .sum();
    let error = (draws.len() > 1).then(|| (squares / (n * (n - 1.0))).sqrt());
    Estimate::new(kurtosis - 3.0, error, draws.len() as u64)
}

/// Values in ascending order, each with the network it comes from.
struct Ordered {
    values: Vec<(f64, usize)>,
    units: usize,
}

impl Ordered {
    fn new(values: &[f64], units: usize, scale: f64) -> Self {
        let mut values: Vec<(f64, usize)> =
            values.iter().enumerate().map(|(k, h)| (h / scale, k / units)).collect();
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { values, units }
    }

    /// `sup |F̂ - Φ|` and `F̂` where it is reached.
    fn supremum(&self) -> (f64, f64) {
        let n = self.values.len() as f64;
        let mut best = (0.0, 0.5);
        for (k, (value, _)) in self.values.iter().enumerate() {
            let cdf = normal_cdf(*value);
            for step in [k as f64 / n, (k + 1) as f64 / n] {
                if (step - cdf).abs() > best.0 {
                    best = ((step - cdf).abs(), step);
                }
            }
        }
        best
    }

    fn kolmogorov(&self, draws: usize, widening: f64) -> Estimate {
        let (distance, at) = self.supremum();
        let size = self.values.len() as f64 / widening;
        let error = (draws > 1).then(|| (at * (1.0 - at) / size).sqrt());
        Estimate::new(distance, error, draws as u64)
    }

    /// `0.87/√(effective size)`, whose own error is the spread of Kolmogorov's law.
    fn noise_floor(&self, draws: usize, widening: f64) -> Estimate {
        // Var(√N D) = π²/12 - π/2 ln² 2.
        const KOLMOGOROV_STD: f64 = 0.260_332_869_187_206_8;
        let root = (self.values.len() as f64 / widening).sqrt();
        Estimate::new(KOLMOGOROV_MEAN / root, Some(KOLMOGOROV_STD / root), draws as u64)
    }

    /// Variance of `F̂` over that of as many independent values, averaged over the deciles; at least 1.
    fn widening(&self, draws: usize) -> f64 {
        if draws < 2 {
            // Nothing tells: the whole network may be one value.
            return self.units as f64;
        }
        let (mut between, mut within) = (0.0, 0.0);
        let mut below = vec![0.0_f64; draws];
        let mut done = 0;
        for decile in 1..10 {
            let until = self.values.len() * decile / 10;
            for (_, network) in &self.values[done..until] {
                below[*network] += 1.0;
            }
            done = until;
            let p = until as f64 / self.values.len() as f64;
            let mean = p * self.units as f64;
            between +=
                below.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / (draws - 1) as f64;
            within += self.units as f64 * p * (1.0 - p);
        }
        if within == 0.0 { 1.0 } else { (between / within).clamp(1.0, self.units as f64) }
    }

    /// `ln Φ(h)` and `ln Φ(-h)` of every value: the costly part of the Anderson-Darling statistic.
    fn ln_tails(&self) -> Vec<[f64; 2]> {
        self.values.iter().map(|(h, _)| [ln_normal_cdf(*h), ln_normal_cdf(-*h)]).collect()
    }

    /// The Anderson-Darling statistic over the size of the sample, networks of group `left_out` of `groups` removed.
    fn anderson_darling(&self, tails: &[[f64; 2]], left_out: Option<(usize, usize)>) -> f64 {
        let kept: Vec<[f64; 2]> = self
            .values
            .iter()
            .zip(tails)
            .filter(|((_, network), _)| {
                left_out.is_none_or(|(group, groups)| network % groups != group)
            })
            .map(|(_, tails)| *tails)
            .collect();
        let n = kept.len() as f64;
        let sum: f64 = kept
            .iter()
            .zip(kept.iter().rev())
            .enumerate()
            .map(|(k, ([low, _], [_, high]))| (2 * k + 1) as f64 * (low + high))
            .sum();
        -1.0 - sum / (n * n)
    }

    /// With the jackknife over sixteen groups of networks.
    fn anderson_darling_estimate(&self, draws: usize) -> Estimate {
        const GROUPS: usize = 16;
        let tails = self.ln_tails();
        let value = self.anderson_darling(&tails, None);
        let groups = GROUPS.min(draws);
        let error = (groups > 1).then(|| {
            let partial: Vec<f64> = (0..groups)
                .map(|group| self.anderson_darling(&tails, Some((group, groups))))
                .collect();
            let mean = partial.iter().sum::<f64>() / groups as f64;
            let squares: f64 = partial.iter().map(|p| (p - mean).powi(2)).sum();
            (squares * (groups - 1) as f64 / groups as f64).sqrt()
        });
        Estimate::new(value, error, draws as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::stream::{Purpose, Seed, Stream};

    /// `draws` networks of eight units: `scale(network's own normal) · z`.
    #[expect(clippy::cast_possible_truncation, reason = "networks compute in f32")]
    fn sample(draws: u64, scale: impl Fn(f64) -> f64) -> Sample {
        let mut sample = Sample::new(UNITS, usize::MAX);
        let mut z = [0.0_f64; UNITS + 1];
        for draw in 0..draws {
            Stream::new(Seed(11), draw, 0, Purpose::Test).fill_normal_f64(0, &mut z);
            let own = scale(z[UNITS]);
            let values: Vec<f32> = z[..UNITS].iter().map(|z| (own * z) as f32).collect();
            sample.push(&values);
        }
        sample
    }

    #[test]
    fn a_normal_sample_lies_at_the_noise_floor() {
        let found = sample(2000, |_| 1.0).finish();
        let floor = found.noise_floor.value;
        assert!((floor / (0.8687 / 16_000_f64.sqrt()) - 1.0).abs() < 0.05, "{floor}");
        // Kolmogorov: 1.95/√N is exceeded once in a thousand.
        for ks in [found.ks_raw, found.ks_standardised] {
            assert!(ks.value < floor * 1.95 / 0.87, "{ks:?}");
        }
        // Kurtosis errors of √(24/16 000) = 0.039.
        assert!(found.excess_kurtosis.z_score(0.0).unwrap().abs() < 4.0);
        assert!((found.excess_kurtosis.std_error.unwrap() / 0.0387 - 1.0).abs() < 0.15);
        // N times the statistic has mean 1 and exceeds 6 once in a thousand.
        assert!(found.anderson_darling.value * 16_000.0 < 6.0);
    }

    /// Variance 2 against 1: 0.083 raw, nothing once standardised.
    #[test]
    fn scale_and_shape_are_told_apart() {
        let found = sample(4000, |_| 2.0_f64.sqrt()).finish();
        // sup |Φ(x/√2) - Φ(x)| is at x² = 2 ln 2: 0.0830.
        let at = (2.0 * 2.0_f64.ln()).sqrt();
        let truth = normal_cdf(at) - normal_cdf(at / 2.0_f64.sqrt());
        assert!((truth - 0.083).abs() < 1e-3);
        assert!(found.ks_raw.z_score(truth).unwrap().abs() < 4.0, "{:?}", found.ks_raw);
        assert!(found.ks_standardised.value < 0.015);
    }

    /// Norms that vary from network to network by half: E s⁴/(E s²)² = 1.25² for s² = 0.5 or 1.5 … the kurtosis is exact.
    #[test]
    fn shared_norms_give_kurtosis_and_fewer_independent_values() {
        // s² is ½ or 3/2: E s⁴ = 5/4, so the kurtosis is 3 · 5/4.
        let found =
            sample(4000, |own| if own > 0.0 { 1.5_f64.sqrt() } else { 0.5_f64.sqrt() }).finish();
        let z = found.excess_kurtosis.z_score(0.75).unwrap();
        assert!(z.abs() < 4.0, "{:?}, z = {z}", found.excess_kurtosis);
        assert!(found.effective_sample < 0.95 * 32_000.0, "{}", found.effective_sample);
        assert!(found.ks_standardised.value > 2.0 * found.noise_floor.value);
        // Every unit of a network the same: one value per network.
        let mut copies = Sample::new(UNITS, usize::MAX);
        for draw in 0..2000 {
            let z = Stream::new(Seed(12), draw, 0, Purpose::Test).normal_at(0);
            copies.push(&[z; UNITS]);
        }
        let size = copies.finish().effective_sample;
        assert!((size / 2000.0 - 1.0).abs() < 0.01, "{size}");
    }

    /// Small samples by hand: F̂ steps from 0 to 1 at 0.
    #[test]
    fn distances_equal_their_definitions() {
        let found = Sample { units: 1, capacity: 4, values: vec![0.0, 0.0] }.finish();
        assert_eq!(found.ks_raw.value, 0.5);
        assert!(!found.ks_standardised.is_known() && !found.excess_kurtosis.is_known());
        let two = Sample { units: 1, capacity: 4, values: vec![-1.0, 1.0] }.finish();
        let expected = 0.5 - normal_cdf(-1.0);
        assert!((two.ks_raw.value - expected).abs() < 1e-12);
        assert_eq!(two.excess_kurtosis.value, -2.0);
        // A² = -2 - ½ [1·2 ln Φ(-1) + 3·2 ln Φ(1)], per value.
        let [low, high] = [normal_cdf(-1.0).ln(), normal_cdf(1.0).ln()];
        let statistic = (-2.0 - 0.5 * (2.0 * low + 6.0 * high)) / 2.0;
        assert!((two.anderson_darling.value - statistic).abs() < 1e-12);
    }

    #[test]
    fn degenerate_samples_give_reasons() {
        assert!(Sample::new(4, 100).finish().ks_raw.reason.is_some());
        let one = Sample { units: 2, capacity: 2, values: vec![0.5, -0.25] }.finish();
        assert_eq!(one.ks_raw.std_error, None);
        assert_eq!(one.effective_sample, 1.0);
        let bad = Sample { units: 1, capacity: 2, values: vec![f32::NAN, 1.0] }.finish();
        assert!(!bad.ks_raw.is_known());
        let mut full = Sample::new(4, 6);
        full.push(&[1.0; 4]);
        full.push(&[1.0; 4]);
        assert_eq!(full.draws(), 1);
        assert_eq!(Sample::chosen(3).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(Sample::chosen(80).collect::<Vec<_>>(), [0, 10, 20, 30, 40, 50, 60, 70]);
    }
}
