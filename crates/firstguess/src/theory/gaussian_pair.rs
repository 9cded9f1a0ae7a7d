//! What follows from the activation of a Gaussian pair: slopes, criticality, and how Gaussianity fades with depth.

use crate::math::quadrature::GaussianRule;
use crate::spec::gaussian_pair::{Branch, PairError, PairTable};

/// Quadrature points per smooth piece of φ.
const POINTS_PER_PANEL: usize = 40;
/// Above this the leading order in 1/width is off by more than a factor 2 from the fourth layer on.
const LARGEST_DEEP_EXCESS: f64 = 0.3;
/// The same for the third layer.
const LARGEST_FIRST_EXCESS: f64 = 1.5;
/// The deepest network that the kurtosis is listed for.
const MAX_DEPTH: usize = 1_000_000;

/// Constants of a pair at the variance fixed point `q* = 1`.
///
/// All follow from `W` and φ with `X ~ N(0, 1)`; `σ_w²` multiplies `E W²`, so that `σ_w² = 1` is the pair itself.
///
/// # Accuracy
///
/// Relative error ≤ 1e-11.
///
/// # References
///
/// `wolinski2025` (arXiv:2205.12379), `schoenholz2017` for χ; constants derived in docs/theory/gaussian-pairs.md, section 7.
///
/// # Examples
///
/// ```
/// use firstguess::spec::gaussian_pair::{Branch, PairError, PairFamily, PairTable};
/// use firstguess::theory::gaussian_pair::{Criticality, PairTheory};
/// let phi = PairTable::new(PairFamily::Weibull { theta: 2.0 }, Branch::Odd)?;
/// let theory = PairTheory::new(&phi);
/// assert!((theory.chi - 1.277975596582).abs() < 1e-11);
/// let Criticality::Critical { weight_variance, bias_variance } = theory.critical else {
///     unreachable!("odd branches can be made critical")
/// };
/// assert!((weight_variance - 0.782487).abs() < 1e-6 && (bias_variance - 0.217513).abs() < 1e-6);
/// # Ok::<(), PairError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairTheory {
    /// `E W²`.
    pub weight_second_moment: f64,
    /// `χ = E W² · E φ'(X)²`: slope of the correlation map at 1, and the gradient growth per layer.
    pub chi: f64,
    /// `v = E W² · E[φ φ' X]`: slope of the variance map at `q* = 1`.
    pub elasticity: f64,
    /// `K = kurt φ(X) - 1`, from `kurt W · kurt φ(X) = 3`.
    pub activation_kurtosis_less_one: f64,
    /// `E W² (E φ)²`: the correlation after one layer of uncorrelated inputs.
    pub correlation_map_at_zero: f64,
    /// `E W² (E φ')²`: slope of the correlation map at 0.
    pub correlation_slope_at_zero: f64,
    /// Where the pair is critical and still Gaussian.
    pub critical: Criticality,
}

/// Whether some `(σ_w², σ_b²)` makes a pair critical at `q* = 1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Criticality {
    /// `σ_w² = 1/χ`, `σ_b² = 1 - 1/χ`: χ becomes 1 and the marginal law stays N(0, 1).
    Critical {
        /// Factor on the pair's weight variance.
        weight_variance: f64,
        /// Variance of the Gaussian bias.
        bias_variance: f64,
    },
    /// No such point.
    Never {
        /// Why.
        reason: &'static str,
    },
}

/// How far a predicted kurtosis can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Exactly Gaussian at every width.
    Exact,
    /// Leading order in 1/width: within 15 % at layer 3; deeper a lower estimate, at most a factor 2 below simulation.
    LeadingOrder,
    /// Beyond the leading order: of the right sign, not of the right size.
    Unreliable,
}

/// The predicted excess kurtosis of the pre-activations of one layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerKurtosis {
    /// Layer, from 1.
    pub layer: usize,
    /// `E Z⁴/(E Z²)² - 3`.
    pub excess_kurtosis: f64,
    /// How far to trust it.
    pub validity: Validity,
}

impl PairTheory {
    /// Integrates the constants of a tabulated pair.
    pub fn new(phi: &PairTable) -> Self {
        let rule = GaussianRule::new(&phi.breaks(), POINTS_PER_PANEL);
        let weights = phi.weights();
        let second_moment = weights.second_moment();
        let (mut squared_slope, mut cross, mut mean_slope) = (0.0, 0.0, 0.0);
        for (x, weight) in rule.points.iter().zip(&rule.weights) {
            let slope = phi.derivative(*x);
            squared_slope += weight * slope * slope;
            cross += weight * slope * phi.value(*x) * x;
            mean_slope += weight * slope;
        }
        let chi = second_moment * squared_slope;
        let mean = match phi.branch() {
            Branch::Odd => 0.0,
            Branch::Positive => phi.law().moment(1.0),
        };
        Self {
            weight_second_moment: second_moment,
            chi,
            elasticity: second_moment * cross,
            activation_kurtosis_less_one: 3.0 / weights.kurtosis() - 1.0,
            correlation_map_at_zero: second_moment * mean * mean,
            correlation_slope_at_zero: second_moment * mean_slope * mean_slope,
            critical: criticality(phi.branch(), chi),
        }
    }

    /// Predicted excess kurtosis, layer by layer, of a finite network of independent inputs `Z¹`.
    ///
    /// The neurons of a layer share the norm of the layer before. To leading order in `1/n`, with `v` and `K` of the
    /// pair and `ρ_l` the covariance of two neurons' squared activations,
    ///
    /// ```text
    /// ρ_1 = 0,   ρ_{l+1} = (σ_w² v)² [K/n + (1 - 1/n) ρ_l],   excess_l = 3 σ_w⁴ (1 - 1/n) ρ_{l-1}
    /// ```
    ///
    /// Layers 1 and 2 are exact, and every layer of width 1 (a chain of independent factors). Each entry carries its
    /// [`Validity`]; where `v` is near 1 (odd φ with large θ) the deep entries are not to be trusted.
    ///
    /// `weight_variance` is `σ_w²`; the marginal law stays N(0, 1) only with a Gaussian bias of variance `1 - σ_w²`.
    ///
    /// # Errors
    ///
    /// [`PairError::OutOfDomain`] unless `0 < weight_variance ≤ 1`, `width ≥ 1` and `depth ≤ 10⁶`.
    ///
    /// # References
    ///
    /// Derived and compared with simulation in docs/theory/gaussian-pairs.md, section 6.3.
    pub fn kurtosis_by_depth(
        &self,
        weight_variance: f64,
        width: usize,
        depth: usize,
    ) -> Result<Vec<LayerKurtosis>, PairError> {
        if !(weight_variance > 0.0 && weight_variance <= 1.0) {
            return Err(PairError::OutOfDomain {
                parameter: "weight_variance",
                domain: "in (0, 1]",
                value: weight_variance,
            });
        }
        if width == 0 {
            return Err(PairError::OutOfDomain {
                parameter: "width",
                domain: "at least 1",
                value: 0.0,
            });
        }
        if depth > MAX_DEPTH {
            return Err(PairError::OutOfDomain {
                parameter: "depth",
                domain: "at most 1000000",
                value: depth as f64,
            });
        }
        let n = width as f64;
        let others = 1.0 - 1.0 / n;
        let contraction = (weight_variance * self.elasticity).powi(2);
        let mut covariance = 0.0;
        let mut layers = Vec::with_capacity(depth);
        for layer in 1..=depth {
            // `covariance` is ρ of the layer before: zero for layers 1 and 2.
            let excess_kurtosis = 3.0 * weight_variance.powi(2) * others * covariance;
            let validity = match layer {
                _ if width == 1 || layer <= 2 => Validity::Exact,
                3 if excess_kurtosis <= LARGEST_FIRST_EXCESS => Validity::LeadingOrder,
                _ if excess_kurtosis <= LARGEST_DEEP_EXCESS => Validity::LeadingOrder,
                _ => Validity::Unreliable,
            };
            layers.push(LayerKurtosis { layer, excess_kurtosis, validity });
            if layer >= 2 {
                let source = self.activation_kurtosis_less_one / n;
                covariance = contraction * (source + others * covariance);
            }
        }
        Ok(layers)
    }
}

/// What stays Gaussian at every width, and what does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Claim {
    /// The network.
    pub network: &'static str,
    /// Whether its pre-activations stay Gaussian in narrow deep networks.
    pub holds: Verdict,
    /// What was proved or measured: the distance from N(0, 1) at width 3, layer 50.
    pub evidence: &'static str,
}

/// Whether a claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Proved.
    Exactly,
    /// Approximately: no deviation beyond the noise of 10⁵ values.
    ToTheNoise,
    /// Near one end of the family only.
    NearThetaTwo,
    /// It does not.
    Never,
}

impl Verdict {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exactly => "exactly",
            Self::ToTheNoise => "to the noise",
            Self::NearThetaTwo => "near θ = 2 only",
            Self::Never => "never",
        }
    }
}

/// Which claims of Gaussian pre-activations hold, at widths from 3 and depths to 50: docs/theory/gaussian-pairs.md, section 5.
///
/// `tests/gaussian_pairs.rs` measures every one of them.
pub const CLAIMS: [Claim; 5] = [
    Claim {
        network: "pairs, layers 1 and 2",
        holds: Verdict::Exactly,
        evidence: "proved, at every width",
    },
    Claim { network: "positive branch, θ ≤ 3", holds: Verdict::ToTheNoise, evidence: "KS .002" },
    Claim {
        network: "odd branch",
        holds: Verdict::NearThetaTwo,
        evidence: "KS .011 at θ = 2, .08 at 3",
    },
    Claim { network: "ReLU", holds: Verdict::Never, evidence: "KS .50; an atom at zero" },
    Claim {
        network: "RMS norm, Gaussian weights",
        holds: Verdict::Exactly,
        evidence: "proved if φ is never 0",
    },
];

fn criticality(branch: Branch, chi: f64) -> Criticality {
    // Odd φ has no constant Hermite term, hence χ ≥ 1; rounding may leave the identity a hair below.
    if chi >= 1.0 || branch == Branch::Odd {
        let weight_variance = (1.0 / chi).min(1.0);
        return Criticality::Critical { weight_variance, bias_variance: 1.0 - weight_variance };
    }
    Criticality::Never {
        reason: "the positive branch is ordered: χ < 1 at q* = 1, and a smaller σ_w² with Gaussian bias only lowers \
                 it; its mean correlates any two inputs after one layer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::gaussian_pair::PairFamily;

    fn table(family: PairFamily, branch: Branch) -> PairTable {
        PairTable::new(family, branch).expect("a pair")
    }

    fn weibull(theta: f64, branch: Branch) -> PairTheory {
        PairTheory::new(&table(PairFamily::Weibull { theta }, branch))
    }

    /// 12-digit values of an independent computation: midpoint rule with exact φ′.
    #[test]
    fn slopes_of_the_weibull_pairs_match_their_reference() {
        for (theta, chi, elasticity, slope_at_zero) in [
            (2.0, 1.277975596582, 0.371075914465, 0.899518673387),
            (3.0, 1.046430187664, 0.693128028930, 0.980196713847),
            (10.0, 1.000536809439, 0.961153884319, 0.999737871873),
            (f64::INFINITY, 1.0, 1.0, 1.0),
        ] {
            let odd = weibull(theta, Branch::Odd);
            assert!((odd.chi - chi).abs() < 2e-12, "θ = {theta}: {}", odd.chi);
            assert!((odd.elasticity - elasticity).abs() < 2e-12, "θ = {theta}");
            assert!((odd.correlation_slope_at_zero - slope_at_zero).abs() < 2e-12, "θ = {theta}");
            assert_eq!(odd.correlation_map_at_zero, 0.0);
        }
        let eight = 8.0 / std::f64::consts::PI.powi(2);
        for (theta, chi, elasticity, at_zero) in [
            (2.0, 0.226724920529, 0.0, eight),
            (3.0, 0.294888, 0.261626, 0.720713),
            (10.0, 0.379418, 0.494359, 0.645835),
            (f64::INFINITY, 0.391220, 0.529338, 2.0 / std::f64::consts::PI),
        ] {
            let positive = weibull(theta, Branch::Positive);
            assert!((positive.chi - chi).abs() < 6e-7, "θ = {theta}: {}", positive.chi);
            assert!((positive.elasticity - elasticity).abs() < 6e-7, "θ = {theta}");
            assert!((positive.correlation_map_at_zero - at_zero).abs() < 6e-7, "θ = {theta}");
        }
        assert!((weibull(2.0, Branch::Positive).chi - 0.226724920529).abs() < 2e-12);
        assert!(weibull(2.0, Branch::Positive).elasticity.abs() < 1e-14);
    }

    /// Spheres and bounded weights, verified by quadrature to 1e-12 where printed.
    #[test]
    fn slopes_of_the_other_families_match_their_reference() {
        for (dimension, chi, elasticity, kurtosis) in [
            (2, 1.27798, 0.37108, 0.5),
            (3, 1.102658, 0.55133, 0.8),
            (4, 1.05407, 0.65283, 1.0),
            (8, 1.01250, 0.81895, 1.4),
        ] {
            // Printed to five digits.
            let odd = PairTheory::new(&table(PairFamily::Sphere { dimension }, Branch::Odd));
            assert!((odd.chi - chi).abs() < 1e-5, "d = {dimension}: {}", odd.chi);
            assert!((odd.elasticity - elasticity).abs() < 1e-5, "d = {dimension}");
            assert!((odd.activation_kurtosis_less_one - kurtosis).abs() < 1e-13, "{dimension}");
        }
        // φ = √3 erf(x/√2): E φ'² = (6/π) E e^(-x²) exactly.
        let erf = PairTheory::new(&table(PairFamily::Sphere { dimension: 3 }, Branch::Odd));
        assert!((erf.chi - 2.0 * 3.0_f64.sqrt() / std::f64::consts::PI).abs() < 1e-14);
        for (dimension, chi, elasticity) in [(3, 0.27566, 0.13783), (4, 0.30131, 0.22220)] {
            let theory =
                PairTheory::new(&table(PairFamily::Sphere { dimension }, Branch::Positive));
            assert!((theory.chi - chi).abs() < 1e-5, "d = {dimension}: {}", theory.chi);
            assert!((theory.elasticity - elasticity).abs() < 1e-5, "d = {dimension}");
        }
        let bounded = table(PairFamily::Bounded { exponent: 2.0 }, Branch::Odd);
        let bounded = PairTheory::new(&bounded);
        assert!((bounded.chi - 1.03991).abs() < 1e-5, "{}", bounded.chi);
        assert!((bounded.elasticity - 0.78166).abs() < 1e-5);
        assert!((bounded.activation_kurtosis_less_one - 1.25).abs() < 1e-13);
    }

    /// `V'(1) = ½ E W² E[φ² (X² - 1)]` by Stein's identity uses no φ′; the trapezoid rule no panels.
    #[test]
    fn both_slopes_agree_with_a_second_route() {
        for family in [
            PairFamily::Weibull { theta: 2.05 },
            PairFamily::Weibull { theta: 5.0 },
            PairFamily::Sphere { dimension: 5 },
            PairFamily::GeneralizedGamma { shape: 0.8, power: 3.0 },
            PairFamily::Bounded { exponent: 1.5 },
        ] {
            for branch in [Branch::Odd, Branch::Positive] {
                let phi = table(family, branch);
                let theory = PairTheory::new(&phi);
                let (mut stein, mut squared_slope, mut square) = (0.0, 0.0, 0.0);
                let step = 1.0 / 32.0;
                for i in -350..350 {
                    let x = step * (f64::from(i) + 0.5);
                    let weight = step * crate::math::special::normal_density(x);
                    let value = phi.value(x);
                    stein += weight * 0.5 * value * value * (x * x - 1.0);
                    square += weight * value * value;
                    squared_slope += weight * phi.derivative(x).powi(2);
                }
                let m2 = theory.weight_second_moment;
                assert!((m2 * square - 1.0).abs() < 1e-13, "{family:?} {branch:?}");
                assert!((m2 * stein - theory.elasticity).abs() < 1e-12, "{family:?} {branch:?}");
                assert!(
                    (m2 * squared_slope / theory.chi - 1.0).abs() < 1e-11,
                    "{family:?} {branch:?}"
                );
            }
        }
    }

    #[test]
    fn odd_branches_have_a_critical_point_and_positive_ones_do_not() {
        for (theta, weight, bias) in
            [(2.0, 0.782487, 0.217513), (3.0, 0.955630, 0.044370), (10.0, 0.999463, 0.000537)]
        {
            let Criticality::Critical { weight_variance, bias_variance } =
                weibull(theta, Branch::Odd).critical
            else {
                panic!("θ = {theta} is critical somewhere");
            };
            assert!((weight_variance - weight).abs() < 6e-7 && (bias_variance - bias).abs() < 6e-7);
            assert_eq!(weight_variance + bias_variance, 1.0);
        }
        assert!(matches!(weibull(3.0, Branch::Positive).critical, Criticality::Never { .. }));
    }

    /// Monte Carlo of section 6.3: 200 000 networks per cell, layer 3.
    #[test]
    fn the_third_layer_matches_simulated_networks() {
        for (theta, branch, width, measured) in [
            (3.0, Branch::Odd, 3, 0.36),
            (3.0, Branch::Odd, 5, 0.24),
            (3.0, Branch::Odd, 10, 0.14),
            (10.0, Branch::Odd, 3, 1.13),
            (10.0, Branch::Odd, 5, 0.78),
            (10.0, Branch::Odd, 10, 0.47),
            (10.0, Branch::Positive, 3, 0.30),
            (10.0, Branch::Positive, 5, 0.21),
            (10.0, Branch::Positive, 10, 0.13),
        ] {
            let theory = weibull(theta, branch);
            let layers = theory.kurtosis_by_depth(1.0, width, 3).expect("in range");
            let third = layers[2];
            assert!(
                (third.excess_kurtosis / measured - 1.0).abs() < 0.15,
                "θ = {theta}, n = {width}: {third:?}"
            );
            assert_eq!(third.validity, Validity::LeadingOrder);
            assert_eq!((layers[1].excess_kurtosis, layers[1].validity), (0.0, Validity::Exact));
        }
    }

    /// Layer 50 of 60 000 simulated networks: trusted entries are within [1, 2] of the prediction, up to noise 0.02.
    #[test]
    fn deep_layers_keep_what_their_validity_promises() {
        for (theta, branch, width, measured) in [
            (3.0, Branch::Odd, 10, 0.30),
            (3.0, Branch::Odd, 30, 0.11),
            (2.05, Branch::Odd, 5, 0.08),
            (2.0, Branch::Odd, 3, 0.11),
            (2.0, Branch::Odd, 10, 0.03),
            (5.0, Branch::Positive, 10, 0.09),
            (2.0, Branch::Positive, 5, 0.0),
        ] {
            let layers = weibull(theta, branch).kurtosis_by_depth(1.0, width, 50).expect("ok");
            let last = layers[49];
            assert_eq!(last.validity, Validity::LeadingOrder, "θ = {theta}, n = {width}");
            let predicted = last.excess_kurtosis;
            assert!(
                measured > predicted - 0.02 && measured < 2.0 * predicted + 0.02,
                "θ = {theta}, n = {width}: {predicted} vs {measured}"
            );
        }
        for (theta, width) in [(3.0, 3), (10.0, 10), (10.0, 30)] {
            let layers = weibull(theta, Branch::Odd).kurtosis_by_depth(1.0, width, 50).expect("ok");
            assert_eq!(layers[49].validity, Validity::Unreliable);
        }
        // θ = 2 with its critical bias, width 5: simulated 0.01.
        let theory = weibull(2.0, Branch::Odd);
        let critical = theory.kurtosis_by_depth(1.0 / theory.chi, 5, 50).expect("ok");
        assert!((critical[49].excess_kurtosis - 0.0133).abs() < 5e-4);
    }

    #[test]
    fn a_chain_of_single_neurons_is_exact_and_bad_arguments_are_refused() {
        let theory = weibull(10.0, Branch::Odd);
        for layer in theory.kurtosis_by_depth(1.0, 1, 20).expect("ok") {
            assert_eq!((layer.excess_kurtosis, layer.validity), (0.0, Validity::Exact));
        }
        assert!(theory.kurtosis_by_depth(1.0, 4, 0).expect("ok").is_empty());
        for (variance, width, depth) in
            [(f64::NAN, 3, 3), (0.0, 3, 3), (1.1, 3, 3), (1.0, 0, 3), (1.0, 3, usize::MAX)]
        {
            assert!(matches!(
                theory.kurtosis_by_depth(variance, width, depth),
                Err(PairError::OutOfDomain { .. })
            ));
        }
    }
}
