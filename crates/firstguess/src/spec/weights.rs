//! The laws that weights are drawn from: names, parameters, moments, distribution functions.
//!
//! Every law is symmetric about zero and standardised to unit variance; a scheme multiplies by its standard deviation.
//! [`WEIGHT_FAMILIES`] is the one list behind names, parsing and documentation.

use crate::math::complex_gamma::ln_gamma_ratio;
use crate::math::incomplete::{incomplete_beta, incomplete_gamma};
use crate::math::special::{ln_gamma, normal_density};
use serde::{Deserialize, Serialize};
use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI, SQRT_2};

mod text;
pub use text::WeightError;

/// The family of laws that the entries of a weight tensor follow, up to scale.
///
/// Written `normal`, `weibull(3)`, `student_t(5)` …: see [`WEIGHT_FAMILIES`].
///
/// # Examples
///
/// ```
/// use firstguess::spec::weights::WeightFamily;
/// let law: WeightFamily = "student_t(5)".parse()?;
/// assert_eq!(law, WeightFamily::StudentT { degrees_of_freedom: 5.0 });
/// assert_eq!(law.kurtosis(), Some(9.0)); // 3 (5 - 2)/(5 - 4)
/// assert_eq!(law.to_string(), "student_t(5)");
/// assert!("student_t(2)".parse::<WeightFamily>().is_err()); // infinite variance
/// # Ok::<(), firstguess::spec::weights::WeightError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum WeightFamily {
    /// Gaussian.
    #[default]
    Normal,
    /// Uniform on an interval.
    Uniform,
    /// Gaussian cut at two standard deviations of the uncut parent, then rescaled to the exact variance.
    TruncatedNormal,
    /// A semi-orthogonal matrix, uniform (Haar) among all such.
    Orthogonal,
    /// A convolution kernel whose centre tap is semi-orthogonal and whose other taps are zero.
    DeltaOrthogonal,
    /// One value with random sign.
    Rademacher,
    /// `P(|w| > t) = exp(-(t/λ)^shape)` with random sign.
    SymmetricWeibull {
        /// Shape θ: 1 is Laplace, 2 the Rayleigh law with random sign, ∞ Rademacher.
        shape: f64,
    },
    /// Student's t.
    StudentT {
        /// Above 2 for a finite variance; the kurtosis is finite above 4.
        degrees_of_freedom: f64,
    },
    /// Two-sided exponential.
    Laplace,
    /// `±χ_d/√d`: the length of a `d`-dimensional Gaussian vector, with random sign.
    Sphere {
        /// 1 is the normal law, 3 Maxwell's law with random sign.
        dimension: u32,
    },
    /// `|w|` has density `k w^{k-1}` on `[0, 1]` before scaling; random sign.
    BoundedPower {
        /// Exponent k: 1 is the uniform law.
        exponent: f64,
    },
    /// `|w|^power ~ Gamma(shape)` before scaling; random sign.
    GeneralizedGamma {
        /// Shape a of the gamma law.
        shape: f64,
        /// Power b.
        power: f64,
    },
}

/// A row of [`WEIGHT_FAMILIES`].
#[derive(Debug, Clone, Copy)]
pub struct WeightFamilyEntry {
    /// Name in specs and on the command line.
    pub name: &'static str,
    /// One sentence for the reference pages.
    pub summary: &'static str,
    /// Density or tail of the law at unit variance.
    pub formula: &'static str,
    /// The parameters in parentheses, in the order of the call.
    pub parameters: &'static [WeightParameter],
    build: fn(&[f64]) -> WeightFamily,
}

/// A parameter of a weight family.
#[derive(Debug, Clone, Copy)]
pub struct WeightParameter {
    /// Name, as in the documentation.
    pub name: &'static str,
    /// A customary value.
    pub example: f64,
    /// The allowed values in words.
    pub domain: &'static str,
    allows: fn(f64) -> bool,
}

/// Every weight family: the one list behind names, parsing and documentation.
pub const WEIGHT_FAMILIES: &[WeightFamilyEntry] = &[
    WeightFamilyEntry {
        name: "normal",
        summary: "Gaussian weights.",
        formula: "f(w) = exp(-w²/2)/√(2π)",
        parameters: &[],
        build: |_| WeightFamily::Normal,
    },
    WeightFamilyEntry {
        name: "uniform",
        summary: "Uniform weights.",
        formula: "f(w) = 1/(2√3) for |w| < √3",
        parameters: &[],
        build: |_| WeightFamily::Uniform,
    },
    WeightFamilyEntry {
        name: "truncated_normal",
        summary: "Gaussian weights cut at two standard deviations of the parent, rescaled to the exact variance.",
        formula: "w = z/0.8796 given |z| < 2, z standard normal",
        parameters: &[],
        build: |_| WeightFamily::TruncatedNormal,
    },
    WeightFamilyEntry {
        name: "orthogonal",
        summary: "A semi-orthogonal matrix, uniform among all such.",
        formula: "W Wᵀ = I or Wᵀ W = I",
        parameters: &[],
        build: |_| WeightFamily::Orthogonal,
    },
    WeightFamilyEntry {
        name: "delta_orthogonal",
        summary: "A convolution kernel with a semi-orthogonal centre tap and zeros elsewhere.",
        formula: "W[centre] semi-orthogonal, else 0",
        parameters: &[],
        build: |_| WeightFamily::DeltaOrthogonal,
    },
    WeightFamilyEntry {
        name: "rademacher",
        summary: "One magnitude with random sign.",
        formula: "P(w = 1) = P(w = -1) = 1/2",
        parameters: &[],
        build: |_| WeightFamily::Rademacher,
    },
    WeightFamilyEntry {
        name: "weibull",
        summary: "Weibull magnitudes with random sign: the weights of the Gaussian pairs.",
        formula: "P(|w| > t) = exp(-(t/λ)^θ), λ = Γ(1 + 2/θ)^{-1/2}",
        parameters: &[WeightParameter {
            name: "shape",
            example: 3.0,
            domain: "in [0.1, 1000000]",
            allows: |x| (0.1..=1e6).contains(&x),
        }],
        build: |p| WeightFamily::SymmetricWeibull { shape: p[0] },
    },
    WeightFamilyEntry {
        name: "student_t",
        summary: "Student's t: heavy tails, infinite kurtosis up to 4 degrees of freedom.",
        formula: "f(w) ∝ (1 + w²/(ν - 2))^{-(ν + 1)/2}",
        parameters: &[WeightParameter {
            name: "degrees_of_freedom",
            example: 5.0,
            domain: "above 2 (finite variance) and at most 10000",
            allows: |x| x > 2.0 && x <= 1e4,
        }],
        build: |p| WeightFamily::StudentT { degrees_of_freedom: p[0] },
    },
    WeightFamilyEntry {
        name: "laplace",
        summary: "Two-sided exponential weights.",
        formula: "f(w) = exp(-√2 |w|)/√2",
        parameters: &[],
        build: |_| WeightFamily::Laplace,
    },
    WeightFamilyEntry {
        name: "sphere",
        summary: "Length of a Gaussian vector with random sign; 3 is Maxwell's law.",
        formula: "w = ±χ_d/√d",
        parameters: &[WeightParameter {
            name: "dimension",
            example: 3.0,
            domain: "a whole number from 1 to 10000",
            allows: |x| x.fract() == 0.0 && (1.0..=1e4).contains(&x),
        }],
        build: |p| WeightFamily::Sphere { dimension: whole(p[0]) },
    },
    WeightFamilyEntry {
        name: "bounded_power",
        summary: "Bounded magnitudes with a power density and random sign; 1 is the uniform law.",
        formula: "f(|w|) = k |w|^{k-1}/s^k for |w| < s = √((k + 2)/k)",
        parameters: &[WeightParameter {
            name: "exponent",
            example: 2.0,
            domain: "in [0.1, 1000000]",
            allows: |x| (0.1..=1e6).contains(&x),
        }],
        build: |p| WeightFamily::BoundedPower { exponent: p[0] },
    },
    WeightFamilyEntry {
        name: "generalized_gamma",
        summary: "A power of a gamma variate with random sign: the weights of further Gaussian pairs.",
        formula: "|w|^b ~ Gamma(a) before scaling; weibull(θ) is a = 1, b = θ",
        parameters: &[
            WeightParameter {
                name: "shape",
                example: 1.5,
                domain: "in [0.01, 100]",
                allows: |x| (0.01..=100.0).contains(&x),
            },
            WeightParameter {
                name: "power",
                example: 3.0,
                domain: "in [0.5, 1000000]",
                allows: |x| (0.5..=1e6).contains(&x),
            },
        ],
        build: |p| WeightFamily::GeneralizedGamma { shape: p[0], power: p[1] },
    },
];

/// Parent standard deviations at which the truncated normal is cut.
pub const TRUNCATION: f64 = 2.0;

/// Standard deviation of a standard normal cut at ±[`TRUNCATION`].
pub const TRUNCATED_STD: f64 = 0.879_625_661_034_239_8;

impl WeightFamily {
    /// The row of [`WEIGHT_FAMILIES`] that names this family.
    pub fn entry(&self) -> &'static WeightFamilyEntry {
        let index = match self {
            Self::Normal => 0,
            Self::Uniform => 1,
            Self::TruncatedNormal => 2,
            Self::Orthogonal => 3,
            Self::DeltaOrthogonal => 4,
            Self::Rademacher => 5,
            Self::SymmetricWeibull { .. } => 6,
            Self::StudentT { .. } => 7,
            Self::Laplace => 8,
            Self::Sphere { .. } => 9,
            Self::BoundedPower { .. } => 10,
            Self::GeneralizedGamma { .. } => 11,
        };
        &WEIGHT_FAMILIES[index]
    }

    /// The values of the family's parameters, in the order of the call.
    pub fn parameters(&self) -> Vec<f64> {
        match *self {
            Self::SymmetricWeibull { shape } => vec![shape],
            Self::StudentT { degrees_of_freedom } => vec![degrees_of_freedom],
            Self::Sphere { dimension } => vec![f64::from(dimension)],
            Self::BoundedPower { exponent } => vec![exponent],
            Self::GeneralizedGamma { shape, power } => vec![shape, power],
            _ => Vec::new(),
        }
    }

    /// Whether the entries are independent draws from one law, whatever the shape of the tensor.
    pub fn is_independent(&self) -> bool {
        !matches!(self, Self::Orthogonal | Self::DeltaOrthogonal)
    }

    /// Checks the parameter. A family that was parsed has passed; one built by hand may not.
    ///
    /// # Errors
    ///
    /// [`WeightError::OutOfDomain`] if the parameter is NaN or outside the family's range.
    pub fn check(&self) -> Result<(), WeightError> {
        let entry = self.entry();
        for (parameter, value) in entry.parameters.iter().zip(self.parameters()) {
            parameter.check(entry.name, value)?;
        }
        Ok(())
    }

    /// `E w⁴ / (E w²)²`, exact: 3 for the normal law, ∞ for Student's t up to 4 degrees of freedom.
    ///
    /// `None` where the entries are no independent draws of one law (`orthogonal`, `delta_orthogonal`): their kurtosis
    /// depends on the shape of the tensor.
    pub fn kurtosis(&self) -> Option<f64> {
        Some(match *self {
            Self::Orthogonal | Self::DeltaOrthogonal => return None,
            Self::Normal => 3.0,
            Self::Uniform => 1.8,
            Self::TruncatedNormal => {
                let edge = 2.0 * TRUNCATION * normal_density(TRUNCATION) / kept();
                let variance = 1.0 - edge;
                (3.0 * variance - edge * TRUNCATION * TRUNCATION) / (variance * variance)
            }
            Self::Rademacher => 1.0,
            Self::SymmetricWeibull { shape } => {
                (ln_gamma(1.0 + 4.0 / shape) - 2.0 * ln_gamma(1.0 + 2.0 / shape)).exp()
            }
            Self::StudentT { degrees_of_freedom: nu } if nu <= 4.0 => f64::INFINITY,
            Self::StudentT { degrees_of_freedom: nu } => 3.0 * (nu - 2.0) / (nu - 4.0),
            Self::Laplace => 6.0,
            Self::Sphere { dimension } => 1.0 + 2.0 / f64::from(dimension),
            Self::BoundedPower { exponent: k } => (k + 2.0) * (k + 2.0) / (k * (k + 4.0)),
            Self::GeneralizedGamma { shape, power } => gamma_moment(shape, power, 4.0),
        })
    }

    /// `E |w|^z` of the unit-variance law for real `z`; ∞ where the integral diverges.
    ///
    /// `None` for the families without independent entries.
    ///
    /// # References
    ///
    /// Derived in docs/theory/gaussian-pairs.md (Mellin transforms).
    pub fn absolute_moment(&self, z: f64) -> Option<f64> {
        // The density behaves as |w|^{lowest - 1} at zero, and as |w|^{-highest - 1} far out.
        let (lowest, highest) = match *self {
            Self::Orthogonal | Self::DeltaOrthogonal => return None,
            Self::Rademacher => (f64::INFINITY, f64::INFINITY),
            Self::SymmetricWeibull { shape } => (shape, f64::INFINITY),
            Self::StudentT { degrees_of_freedom } => (1.0, degrees_of_freedom),
            Self::Sphere { dimension } => (f64::from(dimension), f64::INFINITY),
            Self::BoundedPower { exponent } => (exponent, f64::INFINITY),
            Self::GeneralizedGamma { shape, power } => (shape * power, f64::INFINITY),
            _ => (1.0, f64::INFINITY),
        };
        if z.is_nan() {
            return Some(f64::NAN);
        }
        if z <= -lowest || z >= highest {
            return Some(f64::INFINITY);
        }
        Some(match *self {
            Self::Normal => chi_moment(1.0, z),
            Self::Uniform => power_moment(1.0, z),
            Self::TruncatedNormal => truncated_moment(z),
            Self::SymmetricWeibull { shape } => weibull_moment(shape, z),
            Self::StudentT { degrees_of_freedom: nu } => {
                let ln_chi =
                    ln_gamma(0.5 * (1.0 + z)) + ln_gamma(0.5 * (nu - z)) - ln_gamma(0.5 * nu);
                (0.5 * z * (nu - 2.0).ln() + ln_chi).exp() / PI.sqrt()
            }
            Self::Laplace => (ln_gamma(1.0 + z) - 0.5 * LN_2 * z).exp(),
            Self::Sphere { dimension } => chi_moment(f64::from(dimension), z),
            Self::BoundedPower { exponent } => power_moment(exponent, z),
            Self::GeneralizedGamma { shape, power } => gamma_moment(shape, power, z),
            Self::Rademacher | Self::Orthogonal | Self::DeltaOrthogonal => 1.0,
        })
    }

    /// `P(|w| > t)` of the unit-variance law, relatively accurate far out; 1 for negative `t`.
    ///
    /// `None` for the families without independent entries.
    pub fn absolute_survival(&self, t: f64) -> Option<f64> {
        if !self.is_independent() {
            return None;
        }
        if t.is_nan() {
            return Some(f64::NAN);
        }
        if t < 0.0 {
            return Some(1.0);
        }
        Some(match *self {
            Self::Normal | Self::Orthogonal | Self::DeltaOrthogonal => {
                libm::erfc(t * FRAC_1_SQRT_2)
            }
            Self::Uniform => power_survival(1.0, t),
            Self::TruncatedNormal => {
                let beyond = libm::erfc(TRUNCATION * FRAC_1_SQRT_2);
                let tail = libm::erfc(t * TRUNCATED_STD * FRAC_1_SQRT_2);
                ((tail - beyond) / kept()).max(0.0)
            }
            Self::Rademacher => f64::from(u8::from(t < 1.0)),
            Self::SymmetricWeibull { shape } => (-(t * weibull_root(shape)).powf(shape)).exp(),
            Self::StudentT { degrees_of_freedom: nu } => {
                // T² = w² ν/(ν - 2), so that ν + T² = ν (ν - 2 + w²)/(ν - 2).
                let whole = nu - 2.0 + t * t;
                if whole == f64::INFINITY {
                    return Some(0.0);
                }
                incomplete_beta(0.5 * nu, 0.5, (nu - 2.0) / whole, t * t / whole)
            }
            Self::Laplace => (-SQRT_2 * t).exp(),
            Self::Sphere { dimension } => {
                let half = 0.5 * f64::from(dimension);
                incomplete_gamma(half, half * t * t).1
            }
            Self::BoundedPower { exponent } => power_survival(exponent, t),
            Self::GeneralizedGamma { shape, power } => {
                let x = (t * gamma_root(shape, power)).powf(power);
                if x == f64::INFINITY { 0.0 } else { incomplete_gamma(shape, x).1 }
            }
        })
    }

    /// `P(w ≤ x)` of the unit-variance law, relatively accurate in the left tail.
    ///
    /// `None` for the families without independent entries.
    pub fn cdf(&self, x: f64) -> Option<f64> {
        if *self == Self::Rademacher && x == -1.0 {
            return Some(0.5); // the one atom on the left: ≤ and < differ
        }
        let tail = 0.5 * self.absolute_survival(x.abs())?;
        Some(if x < 0.0 { tail } else { 1.0 - tail })
    }

    /// Density of the unit-variance law at `x`; ∞ at zero for a Weibull shape or an exponent below 1.
    ///
    /// `None` where there is no density (`rademacher`) or no law of one entry (`orthogonal`, `delta_orthogonal`).
    pub fn density(&self, x: f64) -> Option<f64> {
        let t = x.abs();
        if t == f64::INFINITY && self.is_independent() && *self != Self::Rademacher {
            return Some(0.0);
        }
        let on_the_line = match *self {
            Self::Orthogonal | Self::DeltaOrthogonal | Self::Rademacher => return None,
            Self::Normal => normal_density(t),
            Self::Uniform => 0.5 * power_density(1.0, t),
            Self::TruncatedNormal if t * TRUNCATED_STD > TRUNCATION => 0.0,
            Self::TruncatedNormal => TRUNCATED_STD * normal_density(t * TRUNCATED_STD) / kept(),
            Self::SymmetricWeibull { shape } => {
                let root = weibull_root(shape);
                let y = t * root;
                let decay = y.powf(shape);
                // Past the underflow the power in front may be infinite.
                if decay > 745.0 {
                    return Some(0.0);
                }
                0.5 * root * shape * y.powf(shape - 1.0) * (-decay).exp()
            }
            Self::StudentT { degrees_of_freedom: nu } => {
                let norm = ln_gamma(0.5 * (nu + 1.0)) - ln_gamma(0.5 * nu);
                (norm - 0.5 * (nu + 1.0) * (t * t / (nu - 2.0)).ln_1p()).exp()
                    / (PI * (nu - 2.0)).sqrt()
            }
            Self::Laplace => FRAC_1_SQRT_2 * (-SQRT_2 * t).exp(),
            Self::Sphere { dimension } => {
                let d = f64::from(dimension);
                let ln_power = if dimension == 1 { 0.0 } else { (d - 1.0) * t.ln() };
                let ln_norm = 0.5 * d * (0.5 * d).ln() - ln_gamma(0.5 * d);
                (ln_norm + ln_power - 0.5 * d * t * t).exp()
            }
            Self::BoundedPower { exponent } => 0.5 * power_density(exponent, t),
            Self::GeneralizedGamma { shape, power } => {
                let root = gamma_root(shape, power);
                let decay = (t * root).powf(power);
                if decay > 745.0 {
                    return Some(0.0);
                }
                let rise = (t * root).powf(shape * power - 1.0);
                0.5 * root * power * rise * (-decay - ln_gamma(shape)).exp()
            }
        };
        Some(on_the_line)
    }
}

/// `P(|z| < 2)`, the share of the normal law that truncation keeps.
fn kept() -> f64 {
    libm::erf(TRUNCATION * FRAC_1_SQRT_2)
}

/// `E |w|^z` of the truncated normal: the incomplete gamma function of the moment, its power of the cut taken out so
/// that neither factor underflows.
fn truncated_moment(z: f64) -> f64 {
    let (a, x) = (0.5 * (1.0 + z), 0.5 * TRUNCATION * TRUNCATION);
    let (mut term, mut sum) = (1.0 / a, 1.0 / a);
    for n in 1..60 {
        term *= x / (a + f64::from(n));
        sum += term;
    }
    let edge = TRUNCATION / TRUNCATED_STD;
    TRUNCATION * FRAC_1_SQRT_2 * (-x).exp() / (PI.sqrt() * kept()) * edge.powf(z) * sum
}

/// `E (χ_d/√d)^z`.
fn chi_moment(d: f64, z: f64) -> f64 {
    (ln_gamma(0.5 * (d + z)) - ln_gamma(0.5 * d) + 0.5 * z * (2.0 / d).ln()).exp()
}

/// `Γ(1 + 2/θ)^{1/2}`, the standard deviation of the Weibull magnitude at scale 1.
pub(crate) fn weibull_root(shape: f64) -> f64 {
    (0.5 * ln_gamma(1.0 + 2.0 / shape)).exp()
}

fn weibull_moment(shape: f64, z: f64) -> f64 {
    (ln_gamma(1.0 + z / shape) - 0.5 * z * ln_gamma(1.0 + 2.0 / shape)).exp()
}

/// `√(E |w|²)` of the generalised gamma magnitude at scale 1.
pub(crate) fn gamma_root(shape: f64, power: f64) -> f64 {
    (0.5 * ln_gamma_ratio(shape + 2.0 / power, shape)).exp()
}

fn gamma_moment(shape: f64, power: f64, z: f64) -> f64 {
    let ratio = |z: f64| ln_gamma_ratio(shape + z / power, shape);
    (ratio(z) - 0.5 * z * ratio(2.0)).exp()
}

/// Upper end of the unit-variance law with `f(|w|) ∝ |w|^{k-1}`.
pub(crate) fn power_edge(k: f64) -> f64 {
    ((k + 2.0) / k).sqrt()
}

fn power_moment(k: f64, z: f64) -> f64 {
    k / (k + z) * power_edge(k).powf(z)
}

fn power_survival(k: f64, t: f64) -> f64 {
    let share = t / power_edge(k);
    if share >= 1.0 { 0.0 } else { -(k * share.ln()).exp_m1() }
}

fn power_density(k: f64, t: f64) -> f64 {
    let share = t / power_edge(k);
    if share > 1.0 { 0.0 } else { k * share.powf(k - 1.0) / power_edge(k) }
}

/// A whole number within the range of its parameter; 0, which no range holds, otherwise.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "guarded: a whole number from 1 to 10000"
)]
fn whole(x: f64) -> u32 {
    if x.fract() == 0.0 && (1.0..=1e4).contains(&x) { x as u32 } else { 0 }
}

#[cfg(test)]
mod tests;
