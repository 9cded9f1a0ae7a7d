//! Weight laws, and which of them have a Gaussian partner.

use super::PairError;
use crate::math::complex_gamma::ln_gamma_ratio;
use crate::math::incomplete::incomplete_gamma;
use crate::math::special::{gamma, normal_quantile};

/// The smallest Weibull exponent above 2 that the numerics take.
const SMALLEST_POWER: f64 = 2.005;
/// The largest shape of generalised-gamma weights that the numerics take.
const LARGEST_SHAPE: f64 = 50.0;
/// The largest power of generalised-gamma weights other than Weibull's ∞.
const LARGEST_POWER: f64 = 1e6;
/// The largest sphere: beyond, φ is the identity to four digits.
const LARGEST_DIMENSION: u32 = 10_000;

/// A symmetric weight law to be paired, by name. Some of these have no partner: [`PairWeights::new`] says why.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum PairFamily {
    /// `P(|W| > t) = exp(-t^θ)`, for θ = 2 or θ ≥ 2.005; `theta = ∞` is the random sign.
    Weibull {
        /// Exponent θ.
        theta: f64,
    },
    /// `W = ±χ_d/√d`; `|φ|` is bounded by √d. `d = 2` is the Weibull pair θ = 2, `d = 3` gives the error function.
    Sphere {
        /// Dimension `d ≥ 2`.
        dimension: u32,
    },
    /// Density `k |w|^(k-1) / 2` on [-1, 1]; `k = 1` is the uniform law.
    Bounded {
        /// Exponent `k ≥ 1`.
        exponent: f64,
    },
    /// `|W|^b ~ Gamma(a)`, for `b ≥ 2` and `a ≥ 1/b`.
    GeneralizedGamma {
        /// Shape `a`.
        shape: f64,
        /// Power `b`.
        power: f64,
    },
    /// Normal weights: only φ = ±1 fits.
    Gaussian,
    /// Double-exponential weights: no partner.
    Laplace,
    /// Student's t with any number of degrees of freedom: no partner.
    StudentT,
    /// `|W|` log-normal: no partner.
    LogNormal,
    /// Weights that vanish with a probability (sparse initialization, dropout): no partner.
    Sparse {
        /// `P(W = 0)`.
        zero_probability: f64,
    },
}

/// The laws that the families reduce to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Magnitude {
    /// `|W| = 1`.
    Sign,
    /// `P(|W| < t) = t^k` on [0, 1].
    Power { exponent: f64 },
    /// `|W| = scale · Gamma(shape)^(1/power)`.
    Gamma { shape: f64, power: f64, scale: f64 },
}

/// A symmetric weight law that has a Gaussian partner, with its facts.
///
/// # Examples
///
/// ```
/// use firstguess::spec::gaussian_pair::{PairError, PairFamily, PairWeights};
/// // Rayleigh-type weights, W² ~ Exp(1): E W² = 1, kurtosis 2.
/// let weights = PairWeights::new(PairFamily::Weibull { theta: 2.0 })?;
/// assert!((weights.second_moment() - 1.0).abs() < 1e-15);
/// assert!((weights.kurtosis() - 2.0).abs() < 1e-14);
/// // ReLU-like activations and heavy tails are refused with the reason.
/// assert!(matches!(PairWeights::new(PairFamily::StudentT), Err(PairError::HeavyTails { .. })));
/// # Ok::<(), PairError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairWeights {
    family: PairFamily,
    magnitude: Magnitude,
}

impl PairWeights {
    /// Checks that the family has a partner.
    ///
    /// # Errors
    ///
    /// [`PairError`] says why: a parameter out of its domain or NaN, tails heavier than Gaussian, an atom at zero, a
    /// negative density, or numerics that would not converge (2 < θ < 2.005).
    pub fn new(family: PairFamily) -> Result<Self, PairError> {
        let magnitude = match family {
            PairFamily::Weibull { theta } => weibull(theta)?,
            PairFamily::Sphere { dimension } => sphere(dimension)?,
            PairFamily::Bounded { exponent } => {
                if !(1.0..=1e9).contains(&exponent) {
                    return Err(PairError::OutOfDomain {
                        parameter: "exponent",
                        domain: "between 1 and 1e9 (below 1 the density of |φ(X)| would be negative)",
                        value: exponent,
                    });
                }
                Magnitude::Power { exponent }
            }
            PairFamily::GeneralizedGamma { shape, power } => generalized_gamma(shape, power)?,
            PairFamily::Gaussian => return Err(PairError::ConstantActivation),
            PairFamily::Laplace => return Err(PairError::HeavyTails { law: "Laplace".into() }),
            PairFamily::StudentT => return Err(PairError::HeavyTails { law: "Student-t".into() }),
            PairFamily::LogNormal => {
                return Err(PairError::HeavyTails { law: "log-normal".into() });
            }
            PairFamily::Sparse { zero_probability } => {
                if !(zero_probability > 0.0 && zero_probability <= 1.0) {
                    return Err(PairError::OutOfDomain {
                        parameter: "zero_probability",
                        domain: "in (0, 1]",
                        value: zero_probability,
                    });
                }
                return Err(PairError::AtomAtZero { probability: zero_probability });
            }
        };
        Ok(Self { family, magnitude })
    }

    /// The family this law was asked for by.
    pub fn family(&self) -> PairFamily {
        self.family
    }

    pub(super) fn magnitude(&self) -> Magnitude {
        self.magnitude
    }

    /// `E|W|^z`.
    ///
    /// ```text
    /// generalised gamma  scale^z Γ(a + z/b)/Γ(a)     (Weibull: a = 1, b = θ)
    /// bounded            k/(k + z)
    /// ```
    ///
    /// Infinite where the moment diverges (`z` too negative); NaN for NaN.
    pub fn absolute_moment(&self, z: f64) -> f64 {
        match self.magnitude {
            Magnitude::Sign => {
                if z.is_nan() {
                    z
                } else {
                    1.0
                }
            }
            Magnitude::Power { exponent } => {
                if z <= -exponent {
                    f64::INFINITY
                } else {
                    exponent / (exponent + z)
                }
            }
            Magnitude::Gamma { shape, power, scale } => {
                let shifted = shape + z / power;
                if shifted <= 0.0 {
                    f64::INFINITY
                } else if shifted.max(shape) < 20.0 {
                    scale.powf(z) * gamma(shifted) / gamma(shape)
                } else {
                    (z * scale.ln() + ln_gamma_ratio(shifted, shape)).exp()
                }
            }
        }
    }

    /// `E W²`; the weights are not normalised, so that `E W² · E φ(X)² = 1`.
    pub fn second_moment(&self) -> f64 {
        self.absolute_moment(2.0)
    }

    /// `E W⁴ / (E W²)²`; its product with the kurtosis of `φ(X)` is 3.
    pub fn kurtosis(&self) -> f64 {
        self.absolute_moment(4.0) / self.second_moment().powi(2)
    }

    /// `P(|W| > t)`, relatively accurate in the tail; 1 for `t ≤ 0`.
    pub fn survival(&self, t: f64) -> f64 {
        if t.is_nan() {
            return t;
        }
        if t <= 0.0 {
            return 1.0;
        }
        match self.magnitude {
            Magnitude::Sign => f64::from(u8::from(t < 1.0)),
            Magnitude::Power { exponent } => -(exponent * t.min(1.0).ln()).exp_m1(),
            Magnitude::Gamma { shape, power, scale } => {
                let x = (t / scale).powf(power);
                if shape == 1.0 { (-x).exp() } else { incomplete_gamma(shape, x).1 }
            }
        }
    }

    /// `W` from a uniform `u` in (0, 1): the sign from the half that `u` lies in, the magnitude by inversion.
    ///
    /// Decreasing in each half; exact in law. Ends outside (0, 1) are clamped; NaN gives NaN.
    pub fn sample(&self, u: f64) -> f64 {
        if u.is_nan() {
            return u;
        }
        let u = u.clamp(0.0, 1.0);
        let (survival, sign) = if u < 0.5 { (2.0 * u, 1.0) } else { (2.0 * (1.0 - u), -1.0) };
        sign * self.upper_quantile(survival.max(f64::MIN_POSITIVE))
    }

    /// The `t` with `P(|W| > t) = s`, for `s` in (0, 1].
    fn upper_quantile(&self, s: f64) -> f64 {
        match self.magnitude {
            Magnitude::Sign => 1.0,
            Magnitude::Power { exponent } => ((-s).ln_1p() / exponent).exp(),
            Magnitude::Gamma { shape, power, scale } => {
                let x = if shape == 1.0 { -s.ln() } else { gamma_upper_quantile(shape, s) };
                scale * x.powf(1.0 / power)
            }
        }
    }
}

fn weibull(theta: f64) -> Result<Magnitude, PairError> {
    if theta.is_nan() || theta <= 0.0 {
        return Err(PairError::OutOfDomain {
            parameter: "theta",
            domain: "2, at least 2.005, or infinite",
            value: theta,
        });
    }
    if theta == f64::INFINITY {
        return Ok(Magnitude::Sign);
    }
    if theta < 2.0 {
        return Err(PairError::HeavyTails { law: format!("Weibull (theta = {theta} < 2)") });
    }
    checked_gamma(1.0, theta)
}

fn sphere(dimension: u32) -> Result<Magnitude, PairError> {
    if dimension == 1 {
        return Err(PairError::ConstantActivation);
    }
    if !(2..=LARGEST_DIMENSION).contains(&dimension) {
        return Err(PairError::OutOfDomain {
            parameter: "dimension",
            domain: "between 2 and 10000",
            value: f64::from(dimension),
        });
    }
    let d = f64::from(dimension);
    Ok(Magnitude::Gamma { shape: 0.5 * d, power: 2.0, scale: (2.0 / d).sqrt() })
}

fn generalized_gamma(shape: f64, power: f64) -> Result<Magnitude, PairError> {
    if !(shape > 0.0 && shape <= LARGEST_SHAPE) {
        return Err(PairError::OutOfDomain {
            parameter: "shape",
            domain: "positive and at most 50",
            value: shape,
        });
    }
    if !(power > 0.0 && power <= LARGEST_POWER) {
        return Err(PairError::OutOfDomain {
            parameter: "power",
            domain: "2, or between 2.005 and 1e6",
            value: power,
        });
    }
    if power < 2.0 {
        let law = format!("generalised-gamma (power = {power} < 2)");
        return Err(PairError::HeavyTails { law });
    }
    if power == 2.0 && shape == 0.5 {
        return Err(PairError::ConstantActivation);
    }
    if shape * power < 1.0 {
        return Err(PairError::NegativeDensity { shape, power });
    }
    checked_gamma(shape, power)
}

fn checked_gamma(shape: f64, power: f64) -> Result<Magnitude, PairError> {
    if power > 2.0 && power < SMALLEST_POWER {
        return Err(PairError::TooCloseToTwo { power });
    }
    Ok(Magnitude::Gamma { shape, power, scale: 1.0 })
}

/// The `x` with `Q(a, x) = s`: bisection in the logarithm, then Newton.
fn gamma_upper_quantile(a: f64, s: f64) -> f64 {
    // Wilson and Hilferty's cube gives the start; the bracket makes every step safe.
    let z = -normal_quantile(s.clamp(1e-300, 1.0 - 1e-16));
    let cube = 1.0 - 1.0 / (9.0 * a) + z / (3.0 * a.sqrt());
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut x = if cube > 0.1 { a * cube.powi(3) } else { 0.5 * a * (1.0 - s).max(1e-16) };
    let ln_gamma_a = crate::math::special::ln_gamma(a);
    for _ in 0..200 {
        let (lower, upper) = incomplete_gamma(a, x);
        // The smaller tail carries the digits.
        let excess = if s < 0.5 { upper - s } else { (1.0 - s) - lower };
        if excess > 0.0 {
            low = x;
        } else {
            high = x;
        }
        let density = ((a - 1.0) * x.ln() - x - ln_gamma_a).exp();
        let mut next = x + excess / density;
        if !(next > low && next < high) {
            next = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * x + 1.0 };
        }
        if (next - x).abs() <= 1e-15 * x {
            return next;
        }
        x = next;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(family: PairFamily) -> PairWeights {
        PairWeights::new(family).expect("has a partner")
    }

    fn all() -> Vec<PairWeights> {
        [
            PairFamily::Weibull { theta: 2.0 },
            PairFamily::Weibull { theta: 2.5 },
            PairFamily::Weibull { theta: 10.0 },
            PairFamily::Sphere { dimension: 3 },
            PairFamily::Sphere { dimension: 200 },
            PairFamily::Bounded { exponent: 2.0 },
            PairFamily::GeneralizedGamma { shape: 0.6, power: 3.0 },
            PairFamily::GeneralizedGamma { shape: 4.0, power: 2.5 },
        ]
        .into_iter()
        .map(weights)
        .collect()
    }

    /// Moments against `∫ z t^(z-1) P(|W| > t) dt`: the moment formula and the tail are separate code.
    #[test]
    fn moments_integrate_the_survival_function() {
        let rule = crate::math::quadrature::GaussLegendre::new(40);
        for w in all() {
            for z in [1.0, 2.0, 4.0] {
                let mut integral = 0.0;
                for i in 0..60 {
                    let a = 0.1 * f64::from(i);
                    integral += rule.integrate(a, a + 0.1, |t| z * t.powf(z - 1.0) * w.survival(t));
                }
                let moment = w.absolute_moment(z);
                assert!((integral / moment - 1.0).abs() < 1e-9, "{:?} {z}", w.family());
            }
        }
    }

    #[test]
    fn samples_invert_the_tail_and_cover_both_signs() {
        for w in all() {
            for u in [1e-12, 0.01, 0.2, 0.4, 0.499, 0.6, 0.99] {
                let sample = w.sample(u);
                let survival = if u < 0.5 { 2.0 * u } else { 2.0 * (1.0 - u) };
                assert_eq!(sample > 0.0, u < 0.5, "{:?}", w.family());
                let error = (w.survival(sample.abs()) - survival).abs();
                assert!(error < 1e-12 * survival.max(1e-3), "{:?} {u}: {error:e}", w.family());
            }
            assert!(w.sample(0.0).is_finite() && w.sample(f64::NAN).is_nan());
        }
        assert_eq!(weights(PairFamily::Weibull { theta: f64::INFINITY }).sample(0.7), -1.0);
    }

    /// E W² of section 3.6's table, and k/(k+2), d/d.
    #[test]
    fn second_moments_take_their_tabulated_values() {
        for (family, expected) in [
            (PairFamily::Weibull { theta: 2.05 }, 0.98993203),
            (PairFamily::Weibull { theta: 3.0 }, 0.90274529),
            (PairFamily::Weibull { theta: 4.0 }, 0.88622693),
            (PairFamily::Weibull { theta: 10.0 }, 0.91816874),
            (PairFamily::Bounded { exponent: 2.0 }, 0.5),
            (PairFamily::Sphere { dimension: 7 }, 1.0),
            (PairFamily::Sphere { dimension: 5000 }, 1.0),
        ] {
            assert!((weights(family).second_moment() - expected).abs() < 6e-9, "{family:?}");
        }
        assert_eq!(
            weights(PairFamily::Bounded { exponent: 2.0 }).absolute_moment(-2.0),
            f64::INFINITY
        );
    }

    #[test]
    fn laws_without_a_partner_are_refused_with_the_reason() {
        let refused = |family| PairWeights::new(family).expect_err("refused");
        let theta = |theta| refused(PairFamily::Weibull { theta });
        assert!(matches!(theta(1.999), PairError::HeavyTails { .. }));
        assert!(matches!(theta(2.0049), PairError::TooCloseToTwo { .. }));
        for bad in [f64::NAN, -1.0, 0.0, f64::NEG_INFINITY] {
            assert!(matches!(theta(bad), PairError::OutOfDomain { .. }), "{bad}");
        }
        assert_eq!(refused(PairFamily::Gaussian), PairError::ConstantActivation);
        assert_eq!(refused(PairFamily::Sphere { dimension: 1 }), PairError::ConstantActivation);
        assert!(matches!(
            refused(PairFamily::Sphere { dimension: 0 }),
            PairError::OutOfDomain { .. }
        ));
        for heavy in [PairFamily::Laplace, PairFamily::StudentT, PairFamily::LogNormal] {
            assert!(refused(heavy).to_string().contains("heavier"));
        }
        assert!(refused(PairFamily::Sparse { zero_probability: 0.5 }).to_string().contains("0.5"));
        assert!(matches!(
            refused(PairFamily::GeneralizedGamma { shape: 0.3, power: 3.0 }),
            PairError::NegativeDensity { .. }
        ));
        assert_eq!(
            refused(PairFamily::GeneralizedGamma { shape: 0.5, power: 2.0 }),
            PairError::ConstantActivation
        );
        assert!(matches!(
            refused(PairFamily::GeneralizedGamma { shape: 2.0, power: 1.0 }),
            PairError::HeavyTails { .. }
        ));
        for bad in [0.5, f64::NAN, f64::INFINITY] {
            assert!(matches!(
                refused(PairFamily::Bounded { exponent: bad }),
                PairError::OutOfDomain { .. }
            ));
        }
    }
}
