//! Two classes: the guess fraction `G₀ = Φ(√γ δ)` and its largest share, in closed form.

use super::{PrejudiceError, checked_gamma, checked_probability, gamma_of_correlation};
use crate::math::quadrature::{GAUSSIAN_RANGE, GaussianRule};
use crate::math::special::{LN_SQRT_2PI, normal_cdf, normal_quantile, normal_survival};
use std::f64::consts::PI;

/// The share of all inputs that an untrained two-class network assigns to class 0.
///
/// ```text
/// G₀ = Φ(√γ δ),   δ ~ N(0, 1)
/// ```
///
/// Random through the weights; exact for infinitely wide networks on inputs of one common correlation `c = γ/(1 + γ)`.
/// `γ = 0` is the point mass at 1/2 and `γ = ∞` puts half of its mass on 0 and half on 1; every method covers both.
///
/// # References
///
/// `francazi2024` (arXiv:2306.00809) for the sampling formula; moments and laws of the largest share derived in
/// `docs/theory/guess-fraction.md`.
///
/// # Examples
///
/// ```
/// # use firstguess::theory::prejudice::GuessFraction;
/// // γ = 1: the fraction is uniform, so one class gets more than 90 % of the inputs in a fifth of all networks.
/// let law = GuessFraction::new(1.0)?;
/// assert!((law.max_survival(0.9) - 0.2).abs() < 1e-14);
/// assert!((law.mean_max() - 0.75).abs() < 1e-15);
/// # Ok::<(), firstguess::theory::prejudice::PrejudiceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GuessFraction {
    gamma: f64,
    /// `√γ`.
    slope: f64,
}

impl GuessFraction {
    /// The law at drift ratio `gamma` in [0, ∞].
    ///
    /// # Errors
    ///
    /// [`PrejudiceError`] if `gamma` is negative or NaN.
    pub fn new(gamma: f64) -> Result<Self, PrejudiceError> {
        Ok(Self::of_checked(checked_gamma(gamma)?))
    }

    pub(super) fn of_checked(gamma: f64) -> Self {
        Self { gamma, slope: gamma.sqrt() }
    }

    /// The law at correlation `c` in [0, 1] of two inputs, `γ = c/(1 - c)`.
    ///
    /// # Errors
    ///
    /// [`PrejudiceError`] if `c` is NaN or outside [0, 1].
    pub fn from_correlation(c: f64) -> Result<Self, PrejudiceError> {
        Self::new(gamma_of_correlation(c)?)
    }

    /// The drift ratio `γ`.
    pub fn gamma(&self) -> f64 {
        self.gamma
    }

    /// The correlation `c = γ/(1 + γ)` of two inputs.
    pub fn correlation(&self) -> f64 {
        if self.gamma > 1.0 {
            1.0 / (1.0 + 1.0 / self.gamma)
        } else {
            self.gamma / (1.0 + self.gamma)
        }
    }

    /// `tan arcsin c = γ/√(1 + 2γ)`, and never `c` itself: near 1 the arcsine would see only rounding.
    fn tangent(&self) -> f64 {
        if self.gamma > 1.0 {
            self.slope / (2.0 + 1.0 / self.gamma).sqrt()
        } else {
            self.gamma / (1.0 + 2.0 * self.gamma).sqrt()
        }
    }

    /// Density of `G₀` at `g`; NaN for NaN.
    ///
    /// ```text
    /// p(g) = exp{ (1 - 1/γ) [Φ⁻¹(g)]² / 2 } / √γ
    /// ```
    ///
    /// Bell-shaped below `γ = 1`, flat at 1, infinite at both ends above. A point mass shows as ∞.
    pub fn density(&self, g: f64) -> f64 {
        self.ln_density(g).exp()
    }

    /// Logarithm of [`density`](Self::density): finite where the density itself over- or underflows.
    pub fn ln_density(&self, g: f64) -> f64 {
        if g.is_nan() {
            return f64::NAN;
        }
        if !(0.0..=1.0).contains(&g) {
            return f64::NEG_INFINITY;
        }
        let atom = |here: bool| if here { f64::INFINITY } else { f64::NEG_INFINITY };
        if self.gamma == 0.0 {
            return atom(g == 0.5);
        }
        if self.gamma == f64::INFINITY {
            return atom(g == 0.0 || g == 1.0);
        }
        let height = -0.5 * self.gamma.ln();
        let x = normal_quantile(g);
        if self.gamma == 1.0 || x == 0.0 {
            return height;
        }
        // x/√γ first: 1/γ alone overflows for subnormal γ.
        let (narrow, scaled) = (self.gamma - 1.0, x / self.slope);
        height + 0.5 * narrow * scaled * scaled
    }

    /// `P(G₀ ≤ g) = Φ(Φ⁻¹(g)/√γ)`, relatively accurate in the left tail; NaN for NaN.
    pub fn cdf(&self, g: f64) -> f64 {
        if g.is_nan() {
            return f64::NAN;
        }
        if g < 0.0 {
            return 0.0;
        }
        if g >= 1.0 {
            return 1.0;
        }
        if self.gamma == 0.0 {
            return if g >= 0.5 { 1.0 } else { 0.0 };
        }
        if self.gamma == f64::INFINITY {
            return 0.5;
        }
        normal_cdf(normal_quantile(g) / self.slope)
    }

    /// `P(G₀ > g)`, relatively accurate in the right tail; NaN for NaN.
    pub fn survival(&self, g: f64) -> f64 {
        if self.gamma == 0.0 || self.gamma == f64::INFINITY || !(0.0..1.0).contains(&g) {
            return 1.0 - self.cdf(g);
        }
        normal_survival(normal_quantile(g) / self.slope)
    }

    /// The `g` with `P(G₀ ≤ g) = p`: `Φ(√γ Φ⁻¹(p))`.
    ///
    /// # Errors
    ///
    /// [`PrejudiceError`] if `p` is NaN or outside [0, 1].
    pub fn quantile(&self, p: f64) -> Result<f64, PrejudiceError> {
        Ok(normal_cdf(self.scaled_quantile(checked_probability(p)?)))
    }

    /// `1 - quantile(p)`, without the rounding of the subtraction.
    ///
    /// # Errors
    ///
    /// [`PrejudiceError`] if `p` is NaN or outside [0, 1].
    pub fn quantile_complement(&self, p: f64) -> Result<f64, PrejudiceError> {
        Ok(normal_survival(self.scaled_quantile(checked_probability(p)?)))
    }

    fn scaled_quantile(&self, p: f64) -> f64 {
        if self.gamma == 0.0 {
            return 0.0;
        }
        let x = normal_quantile(p);
        if x == 0.0 && self.gamma == f64::INFINITY {
            return f64::NEG_INFINITY; // the lower atom holds all p up to 1/2
        }
        if x == 0.0 { 0.0 } else { self.slope * x }
    }

    /// `E G₀ = 1/2`.
    pub fn mean(&self) -> f64 {
        0.5
    }

    /// `Var G₀ = arcsin(c)/2π`, relatively accurate for every `γ`.
    pub fn variance(&self) -> f64 {
        self.tangent().atan() / (2.0 * PI)
    }

    /// `E[G₀(1 - G₀)] = arccos(c)/2π = 1/4 - Var G₀`, relatively accurate for every `γ`.
    pub fn mean_product(&self) -> f64 {
        1.0_f64.atan2(self.tangent()) / (2.0 * PI)
    }

    /// `E G₀^k`, the probability that `k` inputs all get class 0.
    ///
    /// Closed up to `k = 3`. From 4 on (an orthant probability without elementary form) by quadrature in `δ`.
    ///
    /// # Accuracy
    ///
    /// Absolute error ≤ 1e-13.
    pub fn moment(&self, k: u32) -> f64 {
        match k {
            0 => 1.0,
            1 => 0.5,
            2 => 0.25 + self.variance(),
            3 => 0.125 + 1.5 * self.variance(),
            _ => self.expect(|g| g.powf(f64::from(k))),
        }
    }

    /// `E f(G₀) = E f(Φ(√γ δ))`, by quadrature in `δ`, where the integrand is smooth even for `γ > 1`.
    ///
    /// # Accuracy
    ///
    /// Absolute error near 1e-13 times the size of `f` for an `f` smooth on [0, 1/2] and on [1/2, 1]; a kink elsewhere costs
    /// digits.
    pub fn expect(&self, mut f: impl FnMut(f64) -> f64) -> f64 {
        if self.gamma == 0.0 {
            return f(0.5);
        }
        if self.gamma == f64::INFINITY {
            return 0.5 * (f(0.0) + f(1.0));
        }
        let slope = self.slope;
        GaussianRule::new(&step_breaks(slope), 32).expect(|d| f(normal_cdf(slope * d)))
    }

    /// Mean share of the favoured class, `E max(G₀, 1 - G₀) = 1/2 + arctan(√γ)/π`.
    pub fn mean_max(&self) -> f64 {
        0.5 + self.mean_max_excess()
    }

    /// `mean_max - 1/2 = arctan(√γ)/π`, relatively accurate for small `γ`.
    pub fn mean_max_excess(&self) -> f64 {
        self.slope.atan() / PI
    }

    /// Mean share of the other class, `1 - mean_max = arctan(1/√γ)/π`, relatively accurate for large `γ`.
    pub fn mean_minority(&self) -> f64 {
        1.0_f64.atan2(self.slope) / PI
    }

    /// Probability that the favoured class gets more than `m` of the inputs, `2Φ(-Φ⁻¹(m)/√γ)`; NaN for NaN.
    pub fn max_survival(&self, m: f64) -> f64 {
        if m.is_nan() {
            return f64::NAN;
        }
        if m < 0.5 {
            return 1.0;
        }
        if m >= 1.0 || self.gamma == 0.0 {
            return 0.0;
        }
        if self.gamma == f64::INFINITY {
            return 1.0;
        }
        2.0 * normal_survival(normal_quantile(m) / self.slope)
    }

    /// Probability that the other class gets less than `x` of the inputs: [`max_survival`](Self::max_survival) at `1 - x`,
    /// relatively accurate for tiny `x`.
    pub fn minority_cdf(&self, x: f64) -> f64 {
        if x.is_nan() {
            return f64::NAN;
        }
        if x <= 0.0 {
            return 0.0;
        }
        if x > 0.5 {
            return 1.0;
        }
        if self.gamma == 0.0 {
            return 0.0;
        }
        if self.gamma == f64::INFINITY {
            return 1.0;
        }
        2.0 * normal_cdf(normal_quantile(x) / self.slope)
    }

    /// The `m` with `P(max(G₀, 1 - G₀) ≤ m) = p`.
    ///
    /// # Errors
    ///
    /// [`PrejudiceError`] if `p` is NaN or outside [0, 1].
    pub fn max_quantile(&self, p: f64) -> Result<f64, PrejudiceError> {
        Ok(1.0 - self.max_quantile_complement(p)?)
    }

    /// `1 - max_quantile(p)`, the share of the other class, relatively accurate for large `γ`.
    ///
    /// # Errors
    ///
    /// [`PrejudiceError`] if `p` is NaN or outside [0, 1].
    pub fn max_quantile_complement(&self, p: f64) -> Result<f64, PrejudiceError> {
        let p = checked_probability(p)?;
        if self.gamma == 0.0 {
            return Ok(0.5);
        }
        if self.gamma == f64::INFINITY {
            return Ok(0.0);
        }
        let x = normal_quantile(0.5 * (1.0 - p));
        Ok(if x == 0.0 { 0.5 } else { normal_cdf(self.slope * x) })
    }

    /// Probability that two inputs get the same class, `1/2 + arcsin(c)/π`.
    pub fn agreement(&self) -> f64 {
        0.5 + self.tangent().atan() / PI
    }

    /// `1 - agreement = arccos(c)/π`, relatively accurate for large `γ`.
    pub fn disagreement(&self) -> f64 {
        2.0 * self.mean_product()
    }

    /// Variance of the counted fraction over `n_data` inputs: [`variance`](Self::variance) plus binomial noise.
    ///
    /// ```text
    /// Var Ĝ₀ = Var G₀ + E[G₀(1 - G₀)]/D
    /// ```
    ///
    /// The inputs are exchangeable, drawn anew with every network; a fixed data set keeps its own correlations.
    ///
    /// # Errors
    ///
    /// [`PrejudiceError`] if `n_data` is zero.
    pub fn variance_of_count_fraction(&self, n_data: usize) -> Result<f64, PrejudiceError> {
        PrejudiceError::unless(n_data > 0, "n_data", "at least 1", 0.0)?;
        Ok(self.variance() + self.mean_product() / n_data as f64)
    }
}

/// Panel edges for `E f(Φ(slope δ))`: unit-sized in `δ`, and where the step is steeper also in `slope δ`.
pub(super) fn step_breaks(slope: f64) -> Vec<f64> {
    let mut breaks = vec![0.0];
    let mut edges = |unit: f64| {
        for i in 1..=6 {
            let edge = 1.6 * unit * f64::from(i);
            breaks.extend([-edge, edge]);
        }
    };
    edges(1.0);
    // Below 1e-300 a panel would vanish; such a step weighs nothing anyway.
    if slope > 1.0 && slope < 1e300 {
        edges(1.0 / slope);
        // Between the step and the unit panels the integrand is a plateau times the density: no further edge is needed.
    }
    breaks.retain(|b| b.abs() < GAUSSIAN_RANGE);
    breaks
}

/// `ln` of the normal density, for integrands kept in logarithms.
pub(super) fn ln_normal_density(x: f64) -> f64 {
    -0.5 * x * x - LN_SQRT_2PI
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: [f64; 9] = [1e-12, 1e-6, 1e-3, 0.25, 1.0, 10.0, 1e4, 1e8, 1e12];

    fn law(gamma: f64) -> GuessFraction {
        GuessFraction::new(gamma).expect("a valid drift ratio")
    }

    fn close(got: f64, want: f64, relative: f64) -> bool {
        (got - want).abs() <= relative * want.abs()
    }

    /// Independent values (40-digit quadrature), absolute 1e-9.
    #[test]
    fn reference_values_hold() {
        let rows = [
            [
                0.25,
                0.6475836177,
                0.0320471084,
                0.1730706626,
                0.1130125447,
                0.0103741228,
                0.0051870614,
            ],
            [1.0, 0.75, 1.0 / 12.0, 0.25, 0.2, 0.2, 0.1],
            [
                10.0,
                0.9025088855,
                0.1816111741,
                0.3974167611,
                0.3754665227,
                0.685284797,
                0.3426423985,
            ],
            [1e4, 0.9968170072, 0.247749303, 0.4966239545, 0.495893566, 0.9897749778, 0.4948874889],
        ];
        for [gamma, mean_max, variance, third, fourth, above, cdf] in rows {
            let law = law(gamma);
            for (name, got, want) in [
                ("mean_max", law.mean_max(), mean_max),
                ("variance", law.variance(), variance),
                ("third", law.moment(3), third),
                ("fourth", law.moment(4), fourth),
                ("P(max > 0.9)", law.max_survival(0.9), above),
                ("P(G <= 0.1)", law.cdf(0.1), cdf),
            ] {
                assert!((got - want).abs() < 1e-9, "γ = {gamma}, {name}: {got} vs {want}");
            }
        }
    }

    /// γ = 1 spreads G₀ evenly over [0, 1]: every moment is 1/(k + 1), quantile and CDF are the identity.
    #[test]
    fn equal_spreads_make_the_guess_fraction_uniform() {
        let law = law(1.0);
        for g in [1e-200, 0.01, 0.25, 0.5, 0.99] {
            assert!(close(law.density(g), 1.0, 1e-15));
            assert!(close(law.cdf(g), g, 1e-12), "cdf({g})");
            assert!(close(law.quantile(g).expect("in range"), g, 1e-12), "quantile({g})");
        }
        for k in 0..12 {
            assert!((law.moment(k) - 1.0 / f64::from(k + 1)).abs() < 1e-13, "moment {k}");
        }
        assert!((law.moment(1000) - 1.0 / 1001.0).abs() < 1e-13);
    }

    /// The closed moments against the quadrature that serves the higher ones, and both shares against each other.
    #[test]
    fn closed_forms_agree_with_quadrature_at_every_drift() {
        for gamma in WIDE {
            let law = law(gamma);
            for (k, closed) in [(1, 0.5), (2, law.moment(2)), (3, law.moment(3))] {
                let integral = law.expect(|g| g.powi(k));
                assert!(
                    (integral - closed).abs() < 2e-13,
                    "γ = {gamma}, k = {k}: {integral} vs {closed}"
                );
            }
            let minority = law.expect(|g| g.min(1.0 - g));
            assert!((minority - law.mean_minority()).abs() < 2e-13, "γ = {gamma}");
            assert!(close(law.mean_max() + law.mean_minority(), 1.0, 1e-15));
            assert!(close(law.agreement() + law.disagreement(), 1.0, 1e-15));
            assert!(close(law.variance() + law.mean_product(), 0.25, 1e-15));
        }
    }

    /// Series in √γ and 1/√γ, an independent route to the digits that subtraction would lose.
    #[test]
    fn both_limits_keep_their_relative_accuracy() {
        for gamma in [1e-12_f64, 1e-9] {
            let (law, s) = (law(gamma), gamma.sqrt());
            assert!(close(law.mean_max_excess(), s / PI * (1.0 - gamma / 3.0), 1e-14));
            assert!(close(law.variance(), gamma * (1.0 - gamma) / (2.0 * PI), 1e-14));
        }
        for gamma in [1e9_f64, 1e12, 1e300, f64::MAX] {
            let (law, s) = (law(gamma), gamma.sqrt());
            assert!(close(law.mean_minority(), (1.0 / s - 1.0 / (3.0 * s * gamma)) / PI, 1e-14));
            // arccos c = √(2/γ) (1 - 5/(12 γ) ...) from the expansion at c = 1.
            let wanted = (2.0 / gamma).sqrt() * (1.0 - 5.0 / (12.0 * gamma)) / (2.0 * PI);
            assert!(
                close(law.mean_product(), wanted, 1e-14),
                "γ = {gamma}: {} {wanted}",
                law.mean_product()
            );
        }
    }

    #[test]
    fn quantiles_invert_the_laws() {
        for gamma in [1e-6, 0.1, 1.0, 7.0, 100.0] {
            let law = law(gamma);
            for p in [1e-12, 0.05, 0.25, 0.5, 0.8, 0.95] {
                let g = law.quantile(p).expect("in range");
                // Close to 1 a fraction has lost its probability to rounding.
                if g < 1.0 - 1e-8 {
                    assert!((law.cdf(g) - p).abs() < 1e-8, "γ = {gamma}, p = {p}");
                    assert!((law.survival(g) - (1.0 - p)).abs() < 1e-8, "γ = {gamma}, p = {p}");
                }
                let x = law.max_quantile_complement(p).expect("in range");
                assert!((law.minority_cdf(x) - (1.0 - p)).abs() < 1e-9, "γ = {gamma}, p = {p}");
                // A share that rounds to 1 has lost its probability.
                let m = law.max_quantile(p).expect("in range");
                let lost = (law.max_survival(m) - (1.0 - p)).abs();
                assert!(x < 1e-8 || lost < 1e-8, "γ = {gamma}, p = {p}");
                let rest = law.quantile_complement(p).expect("in range");
                assert!((g + rest - 1.0).abs() < 1e-15);
            }
        }
    }

    /// The density integrates to the CDF (in g, away from the singular ends).
    #[test]
    fn the_density_is_the_slope_of_the_cdf() {
        let rule = crate::math::quadrature::GaussLegendre::cached(40);
        for gamma in [0.2, 1.0, 3.0, 50.0] {
            let law = law(gamma);
            let mass = rule.integrate(0.1, 0.7, |g| law.density(g));
            assert!((mass - (law.cdf(0.7) - law.cdf(0.1))).abs() < 1e-10, "γ = {gamma}");
        }
    }

    #[test]
    fn the_degenerate_laws_work_everywhere() {
        let point = law(0.0);
        let split = law(f64::INFINITY);
        assert_eq!((point.mean_max(), point.mean_minority(), point.variance()), (0.5, 0.5, 0.0));
        assert_eq!((split.mean_max(), split.mean_minority(), split.variance()), (1.0, 0.0, 0.25));
        assert_eq!((point.agreement(), split.agreement(), split.disagreement()), (0.5, 1.0, 0.0));
        assert_eq!((point.correlation(), split.correlation()), (0.0, 1.0));
        for k in 1..8 {
            assert!((point.moment(k) - 0.5_f64.powi(k.cast_signed())).abs() < 1e-16);
            assert_eq!(split.moment(k), 0.5);
        }
        assert_eq!(
            (point.cdf(0.49), point.cdf(0.5), split.cdf(0.0), split.cdf(1.0)),
            (0.0, 1.0, 0.5, 1.0)
        );
        assert_eq!((point.survival(0.49), split.survival(0.3)), (1.0, 0.5));
        assert_eq!((point.density(0.5), point.density(0.4)), (f64::INFINITY, 0.0));
        assert_eq!((split.density(0.0), split.density(0.4)), (f64::INFINITY, 0.0));
        for p in [0.0, 0.3, 0.5, 0.7, 1.0] {
            assert_eq!(point.quantile(p), Ok(0.5));
            assert_eq!(point.max_quantile(p), Ok(0.5));
            assert_eq!(split.quantile(p), Ok(if p > 0.5 { 1.0 } else { 0.0 }));
            assert_eq!(split.max_quantile(p), Ok(1.0));
        }
        assert_eq!(
            (point.max_survival(0.4), point.max_survival(0.5), split.max_survival(0.99)),
            (1.0, 0.0, 1.0)
        );
    }

    #[test]
    fn hostile_floats_are_refused_or_carried() {
        assert!(GuessFraction::new(f64::NAN).is_err());
        assert!(GuessFraction::new(-0.1).is_err());
        assert!(GuessFraction::from_correlation(1.5).is_err());
        for gamma in [0.0, f64::MIN_POSITIVE, 5e-324, 1.0, f64::MAX, f64::INFINITY] {
            let law = law(gamma);
            assert!(law.quantile(f64::NAN).is_err() && law.max_quantile(1.1).is_err());
            assert!(law.cdf(f64::NAN).is_nan() && law.density(f64::NAN).is_nan());
            assert!(law.variance_of_count_fraction(0).is_err());
            for x in [0.0, 1e-300, 0.5, 1.0 - 1e-16, 1.0, -1.0, 2.0, f64::INFINITY] {
                for value in [
                    law.density(x),
                    law.cdf(x),
                    law.survival(x),
                    law.max_survival(x),
                    law.minority_cdf(x),
                ] {
                    assert!(!value.is_nan(), "γ = {gamma}, x = {x}");
                }
            }
            for p in [0.0, 1e-300, 0.5, 1.0] {
                assert!(
                    (0.0..=1.0).contains(&law.quantile(p).expect("in range")),
                    "γ = {gamma}, p = {p}"
                );
            }
            assert!((0.0..=1.0).contains(&law.moment(9)));
        }
    }

    /// One input is a fair coin whatever the weights; infinitely many leave the law itself.
    #[test]
    fn counting_adds_binomial_noise() {
        for gamma in [0.0, 0.3, 1e6, f64::INFINITY] {
            let law = law(gamma);
            assert!(close(law.variance_of_count_fraction(1).expect("positive"), 0.25, 1e-15));
            let many = law.variance_of_count_fraction(usize::MAX).expect("positive");
            assert!((many - law.variance()).abs() < 1e-18);
        }
    }
}
