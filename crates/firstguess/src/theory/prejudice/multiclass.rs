//! Any number of classes.

use super::agreement::{Agreement, Correlation, mean_of_maximum};
use super::{
    Approximation, GuessFraction, LargestShare, PrejudiceError, checked_gamma,
    gamma_of_correlation, ordered,
};

/// More classes than any network has; beyond this the tails of the rules are not checked.
pub const MAX_CLASSES: usize = 1_000_000_000;

/// Probabilities at which quantiles of the largest share are reported unless others are asked for.
pub const DEFAULT_PROBABILITIES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// `e_N`, the mean of the largest of `count` standard normals; 0 for `count ≤ 1`.
///
/// # Accuracy
///
/// Absolute error ≤ 1e-12.
///
/// # References
///
/// Derived in `docs/theory/guess-fraction.md`.
pub fn expected_maximum(count: usize) -> f64 {
    if count <= 1 { 0.0 } else { mean_of_maximum(count.min(MAX_CLASSES)) }
}

/// How an untrained network shares the inputs among `N ≥ 2` classes.
///
/// ```text
/// G_k = ∫ φ(t - s m_k) Π_{j≠k} Φ(t - s m_j) dt,   s = √γ,   m_1, …, m_N ~ N(0, 1) independent
/// ```
///
/// Random through the centres `m`; exact for infinitely wide networks on inputs of one common correlation. Every answer is
/// deterministic: means and agreement are integrals, quantiles come from a fixed low-discrepancy rule.
///
/// # References
///
/// Derived in `docs/theory/guess-fraction.md`.
///
/// # Examples
///
/// ```
/// # use firstguess::theory::prejudice::GuessLaw;
/// // Ten classes at γ = 10: one class gets three quarters of the inputs.
/// let law = GuessLaw::new(10, 10.0)?;
/// assert!((law.mean_max().value - 0.7511).abs() < 0.0042);
/// # Ok::<(), firstguess::theory::prejudice::PrejudiceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GuessLaw {
    classes: usize,
    gamma: f64,
}

impl GuessLaw {
    /// The law for `classes` classes at drift ratio `gamma` in [0, ∞].
    ///
    /// # Errors
    ///
    /// [`PrejudiceError`] if `classes` is below 2 or above [`MAX_CLASSES`], or `gamma` is negative or NaN.
    pub fn new(classes: usize, gamma: f64) -> Result<Self, PrejudiceError> {
        let valid = (2..=MAX_CLASSES).contains(&classes);
        PrejudiceError::unless(valid, "classes", "between 2 and 1e9", classes as f64)?;
        Ok(Self { classes, gamma: checked_gamma(gamma)? })
    }

    /// The law at correlation `c` in [0, 1] of two inputs.
    ///
    /// # Errors
    ///
    /// [`PrejudiceError`] as for [`new`](Self::new), or if `c` is NaN or outside [0, 1].
    pub fn from_correlation(classes: usize, c: f64) -> Result<Self, PrejudiceError> {
        Self::new(classes, gamma_of_correlation(c)?)
    }

    /// Number of classes `N`.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Drift ratio `γ`.
    pub fn gamma(&self) -> f64 {
        self.gamma
    }

    /// Probability that two inputs get the same class, `A_N = Σ_k E G_k²`.
    ///
    /// # Accuracy
    ///
    /// Absolute error ≤ 1e-9, in practice 1e-12, for every `N` and `γ`, at a cost that does not grow with `N`.
    pub fn agreement(&self) -> Approximation {
        self.of_inputs().value
    }

    /// `1 - A_N`, relatively accurate for large `γ`.
    pub fn disagreement(&self) -> Approximation {
        self.of_inputs().deficit
    }

    /// `Var G_k = A_N/N - 1/N²`, relatively accurate for small `γ`.
    pub fn variance_of_one_class(&self) -> Approximation {
        self.of_inputs().excess.map_linear(1.0 / self.classes as f64, 0.0)
    }

    /// Mean share of the favoured class, `E max_k G_k`.
    ///
    /// The favoured class is the one with the largest centre, so the mean share is the chance that centres and logits, of
    /// correlation `√c`, have their maximum in the same place: the agreement at `√c` in place of `c`.
    ///
    /// # Accuracy
    ///
    /// As [`agreement`](Self::agreement).
    ///
    /// # Examples
    ///
    /// ```
    /// # use firstguess::theory::prejudice::{GuessFraction, GuessLaw};
    /// let two = GuessLaw::new(2, 3.0)?.mean_max().value;
    /// assert!((two - GuessFraction::new(3.0)?.mean_max()).abs() < 1e-14);
    /// # Ok::<(), firstguess::theory::prejudice::PrejudiceError>(())
    /// ```
    pub fn mean_max(&self) -> Approximation {
        self.of_centres().value
    }

    /// `E max_k G_k - 1/N`, relatively accurate for small `γ`.
    pub fn mean_max_excess(&self) -> Approximation {
        self.of_centres().excess
    }

    /// `1 - E max_k G_k`, relatively accurate for large `γ`.
    pub fn mean_minority(&self) -> Approximation {
        self.of_centres().deficit
    }

    /// Mean share of the class in place `rank`, 1 for the favoured one: `E G_(rank)`.
    ///
    /// # Accuracy
    ///
    /// Absolute error ≤ 1e-7, for few classes near 1e-12.
    ///
    /// # Errors
    ///
    /// [`PrejudiceError`] if `rank` is 0 or exceeds the number of classes.
    pub fn mean_ordered_fraction(&self, rank: usize) -> Result<Approximation, PrejudiceError> {
        let valid = (1..=self.classes).contains(&rank);
        PrejudiceError::unless(valid, "rank", "between 1 and the number of classes", rank as f64)?;
        if rank == 1 {
            return Ok(self.mean_max());
        }
        if self.classes == 2 {
            return Ok(self.mean_minority());
        }
        if self.gamma == 0.0 {
            return Ok(Approximation::exact(1.0 / self.classes as f64));
        }
        if self.gamma == f64::INFINITY {
            return Ok(Approximation::exact(0.0));
        }
        let share = |size| ordered::mean_share(self.classes, rank, self.gamma.sqrt(), size);
        Ok(Approximation::refined(share(ordered::COARSE), share(ordered::FINE)))
    }

    /// The first `count` mean ordered shares, `E G_(1) ≥ E G_(2) ≥ …`; at most one per class.
    ///
    /// Each costs tens of milliseconds: ask for the few that a plot shows.
    pub fn mean_ordered_fractions(&self, count: usize) -> Vec<Approximation> {
        (1..=count.min(self.classes))
            .map_while(|rank| self.mean_ordered_fraction(rank).ok())
            .collect()
    }

    /// The law of the largest share.
    ///
    /// # Accuracy
    ///
    /// Closed form for two classes. Else a sample of fixed size, whose error each answer carries: typically below 1e-3 in
    /// probability. Above 64 classes the bulk of the centres enters through its mean and the fluctuation of that mean.
    pub fn largest_share(&self) -> LargestShare {
        LargestShare::new(self.classes, self.binary())
    }

    /// Quantiles of the largest share at `probabilities`, in their order.
    ///
    /// # Errors
    ///
    /// [`PrejudiceError`] if a probability is NaN or outside [0, 1].
    pub fn max_quantiles(
        &self,
        probabilities: &[f64],
    ) -> Result<Vec<Approximation>, PrejudiceError> {
        let law = self.largest_share();
        probabilities.iter().map(|p| law.quantile(*p)).collect()
    }

    fn binary(&self) -> GuessFraction {
        GuessFraction::of_checked(self.gamma)
    }

    fn of_inputs(&self) -> Agreement {
        Agreement::new(self.classes, Correlation::of_inputs(self.gamma))
    }

    fn of_centres(&self) -> Agreement {
        Agreement::new(self.classes, Correlation::of_centres(self.gamma))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::special::{ln_normal_cdf, normal_density, normal_quantile};
    use std::f64::consts::PI;

    fn law(classes: usize, gamma: f64) -> GuessLaw {
        GuessLaw::new(classes, gamma).expect("valid")
    }

    /// Independent values: quadrature (absolute 1e-6) and simulation (three standard errors).
    #[test]
    fn reference_values_hold() {
        let mild = 1.0 / (PI - 1.0);
        for (n, gamma, agreement) in [
            (2, 0.01, 0.503152),
            (2, mild, 0.603115),
            (2, 100.0, 0.955171),
            (3, 0.01, 0.336884),
            (3, 0.1, 0.366394),
            (3, mild, 0.454861),
            (3, 1.0, 0.534638),
            (3, 3.0, 0.670986),
            (3, 10.0, 0.800427),
            (3, 100.0, 0.933352),
            (10, 0.1, 0.125643),
            (10, 10.0, 0.660996),
        ] {
            let got = law(n, gamma).agreement();
            assert!(
                (got.value - agreement).abs() < 1e-6 && got.error < 1e-9,
                "{n} {gamma}: {got:?}"
            );
        }
        for (n, gamma, mean_max) in [
            (3, 0.01, 0.3695),
            (3, 0.1, 0.4477),
            (3, mild, 0.5654),
            (3, 1.0, 0.6435),
            (3, 3.0, 0.7577),
            (3, 10.0, 0.8561),
            (3, 100.0, 0.9528),
            (10, 0.1, 0.1995),
            (10, 10.0, 0.7511),
        ] {
            let got = law(n, gamma).mean_max();
            assert!(
                (got.value - mean_max).abs() < 0.0042 && got.error < 1e-9,
                "{n} {gamma}: {got:?}"
            );
        }
    }

    #[test]
    fn two_classes_follow_the_closed_forms() {
        for gamma in [0.0, 1e-12, 0.3, 1.0, 50.0, 1e12, f64::INFINITY] {
            let (two, closed) = (law(2, gamma), GuessFraction::new(gamma).expect("valid"));
            for (got, want) in [
                (two.agreement(), closed.agreement()),
                (two.disagreement(), closed.disagreement()),
                (two.variance_of_one_class(), closed.variance()),
                (two.mean_max(), closed.mean_max()),
                (two.mean_minority(), closed.mean_minority()),
                (two.mean_max_excess(), closed.mean_max_excess()),
            ] {
                assert!((got.value - want).abs() <= 1e-14 * want, "{gamma}: {got:?} {want}");
            }
            let quantile = two.largest_share().quantile(0.3).expect("in range").value;
            assert_eq!(Ok(quantile), closed.max_quantile(0.3));
        }
    }

    /// The asymptotes, relatively: nothing cancels at either end.
    #[test]
    fn both_limits_follow_their_asymptotes() {
        for n in [3, 4, 7, 37, 1000, 50_000] {
            let (e, count) = (expected_maximum(n), n as f64);
            let weak = law(n, 1e-14);
            let slope = e * e / (count - 1.0);
            assert!((weak.mean_max_excess().value / (1e-7 * slope) - 1.0).abs() < 1e-5, "{n}");
            let variance = weak.variance_of_one_class().value;
            assert!((variance / (1e-14 * slope / count) - 1.0).abs() < 1e-9, "{n}");
            for (gamma, tolerance) in [(1e8_f64, 2e-4), (1e12, 2e-6), (1e200, 1e-10)] {
                let strong = law(n, gamma);
                let minority = e / (PI * gamma).sqrt();
                assert!(
                    (strong.mean_minority().value / minority - 1.0).abs() < tolerance,
                    "{n} {gamma}"
                );
                // 1 - A = e_N √(2/(πγ)): κ is larger by √2.
                let split = strong.disagreement().value / (minority * 2.0_f64.sqrt());
                assert!((split - 1.0).abs() < tolerance, "{n} {gamma}: {split}");
            }
        }
    }

    /// Given the centre, then over the noise: another integral for the same mean. The shares descend and add up.
    #[test]
    fn ordered_shares_descend_and_add_up() {
        for n in [3, 5, 10] {
            for gamma in [1e-6, 0.1, 1.0, 30.0, 1e8] {
                let shares = law(n, gamma).mean_ordered_fractions(n + 3);
                assert_eq!(shares.len(), n);
                let sum: f64 = shares.iter().map(|share| share.value).sum();
                assert!((sum - 1.0).abs() < 1e-9, "{n} {gamma}: {sum}");
                assert!(shares.is_sorted_by(|a, b| a.value >= b.value), "{n} {gamma}: {shares:?}");
            }
        }
        for n in [3, 100, 50_000] {
            for gamma in [1e-4, 1.0, 100.0] {
                let other = ordered::mean_share(n, 1, f64::sqrt(gamma), ordered::FINE);
                let mean = law(n, gamma).mean_max().value;
                assert!((other - mean).abs() < 1e-7, "{n} {gamma}: {other} {mean}");
            }
        }
    }

    /// The lattice behind the quantiles returns the mean that the integral gives.
    #[test]
    fn the_sampled_law_has_the_exact_mean() {
        for n in [3, 65, 1000, 50_000] {
            for gamma in [1e-4, 1.0, 20.0, 1e5] {
                let (law, exact) = (law(n, gamma).largest_share(), law(n, gamma).mean_max().value);
                let mean = law.sampled_moments()[0];
                assert!(
                    (mean.value - exact).abs() < 3.0 * mean.error,
                    "{n} {gamma}: {mean:?} {exact}"
                );
                assert!(mean.error < 3e-4, "{n} {gamma}: {mean:?}");
            }
        }
    }

    /// A small generator of its own for the simulation below: splitmix64.
    struct SplitMix(u64);

    impl SplitMix {
        fn normal(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            normal_quantile(((z >> 11) as f64 + 0.5) / (1_u64 << 53) as f64)
        }
    }

    /// Shares by their definition, one network after another: agreement and largest share.
    fn simulate(classes: usize, gamma: f64, draws: usize) -> (Vec<f64>, Vec<f64>) {
        let (slope, mut random) = (gamma.sqrt(), SplitMix(classes as u64));
        let (mut agreements, mut maxima) = (Vec::new(), Vec::new());
        for _ in 0..draws {
            let centres: Vec<f64> = (0..classes).map(|_| slope * random.normal()).collect();
            let top = centres.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mut shares = vec![0.0; classes];
            for step in 0..180 {
                let t = top - 9.0 + 0.1 * f64::from(step);
                let ln_cdf: Vec<f64> = centres.iter().map(|m| ln_normal_cdf(t - m)).collect();
                let all: f64 = ln_cdf.iter().sum();
                for k in 0..classes {
                    shares[k] += 0.1 * normal_density(t - centres[k]) * (all - ln_cdf[k]).exp();
                }
            }
            agreements.push(shares.iter().map(|g| g * g).sum());
            maxima.push(shares.iter().copied().fold(0.0, f64::max));
        }
        (agreements, maxima)
    }

    fn z_score(sample: &[f64], theory: f64) -> f64 {
        let n = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / n;
        let squares: f64 = sample.iter().map(|x| (x - mean).powi(2)).sum();
        (mean - theory) / (squares / (n * (n - 1.0))).sqrt()
    }

    /// 56 checks at |z| < 4: a fresh seed fails by luck 4 times in 1000; 2 % in the means and 0.04 in a probability are seen.
    #[test]
    fn simulated_networks_agree() {
        for (n, gamma, draws) in [
            (3, 0.1, 4000),
            (3, 1.0, 4000),
            (4, 10.0, 4000),
            (10, 0.5, 3000),
            (37, 3.0, 2500),
            (100, 0.05, 2500),
            (100, 1.0, 2500),
            (100, 30.0, 2500),
        ] {
            let law = law(n, gamma);
            let (agreements, maxima) = simulate(n, gamma, draws);
            let z = z_score(&agreements, law.agreement().value);
            assert!(z.abs() < 4.0, "agreement {n} {gamma}: z = {z}");
            let z = z_score(&maxima, law.mean_max().value);
            assert!(z.abs() < 4.0, "mean_max {n} {gamma}: z = {z}");
            let quantiles = law.max_quantiles(&DEFAULT_PROBABILITIES).expect("in range");
            for (p, quantile) in DEFAULT_PROBABILITIES.into_iter().zip(quantiles) {
                let below: Vec<f64> =
                    maxima.iter().map(|m| if *m <= quantile.value { 1.0 } else { 0.0 }).collect();
                let z = z_score(&below, p);
                assert!(z.abs() < 4.0, "quantile {n} {gamma} {p}: {quantile:?}, z = {z}");
            }
        }
    }

    #[test]
    fn quantiles_ascend_and_the_survival_inverts_them() {
        for n in [3, 200] {
            let law = law(n, 2.0).largest_share();
            let mut previous = 1.0 / n as f64;
            for p in [0.0, 0.05, 0.5, 0.95, 1.0] {
                let quantile = law.quantile(p).expect("in range").value;
                assert!(quantile >= previous && quantile <= 1.0, "{n} {p}");
                let survival = law.survival(quantile).value;
                assert!((survival - (1.0 - p)).abs() < 1e-4, "{n} {p}: {survival}");
                previous = quantile;
            }
            assert!(law.quantile(f64::NAN).is_err() && law.quantile(-0.1).is_err());
            assert!(law.survival(f64::NAN).value.is_nan());
        }
    }

    #[test]
    fn degenerate_and_hostile_arguments() {
        for (n, gamma) in [(0, 1.0), (1, 1.0), (MAX_CLASSES + 1, 1.0), (3, f64::NAN), (3, -1.0)] {
            assert!(GuessLaw::new(n, gamma).is_err());
        }
        assert!(GuessLaw::from_correlation(3, 1.1).is_err());
        assert!(law(5, 1.0).mean_ordered_fraction(0).is_err());
        assert!(law(5, 1.0).mean_ordered_fraction(6).is_err());
        for n in [3, 50_000, MAX_CLASSES] {
            let even = 1.0 / n as f64;
            let (point, certain) = (law(n, 0.0), law(n, f64::INFINITY));
            assert_eq!((point.agreement().value, point.mean_max().value), (even, even));
            assert_eq!((certain.agreement().value, certain.mean_minority().value), (1.0, 0.0));
            assert_eq!(point.mean_ordered_fraction(2).expect("a rank").value, even);
            assert_eq!(certain.mean_ordered_fraction(2).expect("a rank").value, 0.0);
            assert_eq!(certain.max_quantiles(&[0.05]).expect("in range")[0].value, 1.0);
        }
        for (n, gamma) in [(3, 5e-324), (3, f64::MAX), (MAX_CLASSES, 1.0), (65, 1e12)] {
            let law = law(n, gamma);
            let share = law.largest_share().quantile(0.5).expect("in range").value;
            for value in [law.agreement().value, law.mean_max().value, share] {
                assert!((0.0..=1.0).contains(&value), "{n} {gamma}: {value}");
            }
            assert!(law.mean_max().value >= law.agreement().value, "{n} {gamma}");
        }
    }
}
