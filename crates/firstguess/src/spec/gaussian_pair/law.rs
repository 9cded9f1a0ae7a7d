//! The law of `|φ(X)|` that a weight law asks for.

use super::closed::{Arc, GaussianTail};
use super::family::Magnitude;
use super::wright::{Wright, WrightSolver};
use super::{Level, PairWeights, Point};
use crate::math::special::gamma;
use std::f64::consts::{LN_2, PI, SQRT_2};

/// Beyond this `w = B y^b'` the survival function is far below the smallest f64.
const LARGEST_W: f64 = 1e4;

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    GaussianTail(GaussianTail),
    Arc(Arc),
    Wright(Box<Wright>),
}

/// The law of `|Y| = |φ(X)|`: the one law on `[0, ∞)` with `W·Y ~ N(0, 1)`.
///
/// ```text
/// E|Y|^z = 2^(z/2) Γ((1+z)/2) / (√π E|W|^z)
/// ```
///
/// # Accuracy
///
/// Relative error ≤ 1e-12 of the density, of the survival function and of the distribution function (1e-11 for powers
/// between 2.005 and 2.05).
///
/// # References
///
/// Derived in docs/theory/gaussian-pairs.md, sections 3 and 9.
///
/// # Examples
///
/// ```
/// use firstguess::spec::gaussian_pair::{MagnitudeLaw, PairError, PairFamily, PairWeights};
/// let weights = PairWeights::new(PairFamily::Weibull { theta: 3.0 })?;
/// let law = MagnitudeLaw::new(&weights);
/// assert!((law.cdf(1.0) - 0.583509118522462).abs() < 1e-14);
/// assert!((weights.second_moment() * law.moment(2.0) - 1.0).abs() < 1e-14);
/// # Ok::<(), PairError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MagnitudeLaw {
    weights: PairWeights,
    kind: Kind,
}

impl MagnitudeLaw {
    /// The partner law of checked weights; about 20 µs for the series where there is no closed form.
    pub fn new(weights: &PairWeights) -> Self {
        let kind = match weights.magnitude() {
            Magnitude::Sign => Kind::GaussianTail(GaussianTail { inverse_exponent: 0.0 }),
            Magnitude::Power { exponent } => {
                Kind::GaussianTail(GaussianTail { inverse_exponent: exponent.recip() })
            }
            Magnitude::Gamma { shape, power, scale } => {
                if power == 2.0 {
                    Kind::Arc(Arc { radius: SQRT_2 / scale, q: shape - 0.5 })
                } else {
                    Kind::Wright(Box::new(Wright::new(shape, power)))
                }
            }
        };
        Self { weights: *weights, kind }
    }

    /// The weights of the pair.
    pub fn weights(&self) -> &PairWeights {
        &self.weights
    }

    /// Density at `y`; zero for negative `y`.
    pub fn density(&self, y: f64) -> f64 {
        if y < 0.0 || y == f64::INFINITY {
            return 0.0;
        }
        if y.is_nan() {
            return y;
        }
        match &self.kind {
            Kind::GaussianTail(law) => law.density(y),
            Kind::Arc(law) => law.density(y),
            Kind::Wright(law) => law.bulk(y).map_or_else(
                || {
                    if law.w_of(y.ln()) > LARGEST_W {
                        return 0.0;
                    }
                    let tail = law.tail(y);
                    (tail.ln_survival + tail.log_slope.ln() - y.ln()).exp()
                },
                |(_, density)| density,
            ),
        }
    }

    /// `P(|Y| ≤ y)`, relatively accurate near 0.
    pub fn cdf(&self, y: f64) -> f64 {
        if y <= 0.0 {
            return 0.0;
        }
        match &self.kind {
            Kind::GaussianTail(law) => law.cdf(y),
            Kind::Arc(law) => law.cdf(y),
            Kind::Wright(law) => {
                law.bulk(y).map_or_else(|| -self.ln_survival(y).exp_m1(), |(cdf, _)| cdf)
            }
        }
    }

    /// `P(|Y| > y)`, relatively accurate in the tail.
    pub fn survival(&self, y: f64) -> f64 {
        self.ln_survival(y).exp()
    }

    /// `ln P(|Y| > y)`, meaningful far below the smallest f64; -∞ beyond a bounded support, or below -1e200.
    pub fn ln_survival(&self, y: f64) -> f64 {
        if y <= 0.0 {
            return 0.0;
        }
        if y.is_nan() {
            return y;
        }
        if y == f64::INFINITY {
            return f64::NEG_INFINITY;
        }
        match &self.kind {
            Kind::GaussianTail(law) => law.ln_survival(y),
            Kind::Arc(law) => law.ln_survival(y),
            Kind::Wright(law) => law.bulk(y).map_or_else(
                || {
                    let w = law.w_of(y.ln());
                    if w > 1e200 {
                        f64::NEG_INFINITY
                    } else if w > LARGEST_W {
                        law.far_ln_survival(y)
                    } else {
                        law.tail(y).ln_survival
                    }
                },
                |(cdf, _)| (-cdf).ln_1p(),
            ),
        }
    }

    /// The `y` with `P(|Y| ≤ y) = p`; NaN outside [0, 1]. For `p` close to 1 call [`Self::upper_quantile`].
    pub fn quantile(&self, p: f64) -> f64 {
        if !(0.0..=1.0).contains(&p) {
            return f64::NAN;
        }
        if p == 0.0 {
            return 0.0;
        }
        if p == 1.0 {
            return self.bound();
        }
        self.solver().solve(Level { cdf: p, ln_survival: (-p).ln_1p() }).y
    }

    /// The `y` with `P(|Y| > y) = s`, accurate for tiny `s`; NaN outside [0, 1].
    pub fn upper_quantile(&self, s: f64) -> f64 {
        if !(0.0..=1.0).contains(&s) {
            return f64::NAN;
        }
        if s == 0.0 {
            return self.bound();
        }
        if s == 1.0 {
            return 0.0;
        }
        self.solver().solve(Level { cdf: 1.0 - s, ln_survival: s.ln() }).y
    }

    /// `E|Y|^z`; infinite for `z ≤ -1` (unless `|Y|`'s density vanishes at 0), NaN for NaN.
    ///
    /// ```text
    /// 2^(z/2) Γ((1+z)/2) / (√π E|W|^z)
    /// ```
    pub fn moment(&self, z: f64) -> f64 {
        if z <= -1.0 {
            return f64::INFINITY;
        }
        if z > 300.0 {
            return f64::INFINITY;
        }
        let normal = (0.5 * z * LN_2).exp() * gamma(0.5 * (1.0 + z)) / PI.sqrt();
        normal / self.weights.absolute_moment(z)
    }

    /// The supremum of the support: `√d` for spheres, else infinite.
    pub fn bound(&self) -> f64 {
        if let Kind::Arc(law) = &self.kind { law.radius } else { f64::INFINITY }
    }

    /// An exact draw of `|Y|` from two uniforms `u`, `v` in (0, 1) and a standard exponential `e`.
    ///
    /// For the Weibull family, with `α = 2/θ`,
    ///
    /// ```text
    /// |Y| = √2 cos(πv/2) (e / A(πu))^((1-α)/2),
    /// A(u) = [sin(αu)^α sin((1-α)u)^(1-α) / sin u]^(1/(1-α))
    /// ```
    ///
    /// a positive stable variable under an arcsine; no series, no inversion. The other families invert the distribution
    /// function at `v`.
    pub fn sample(&self, u: f64, v: f64, e: f64) -> f64 {
        let alpha = match self.weights.magnitude() {
            Magnitude::Sign => 0.0,
            Magnitude::Gamma { shape: 1.0, power, .. } => 2.0 / power,
            _ => return self.quantile(v),
        };
        let arcsine = SQRT_2 * (0.5 * PI * v).cos().abs();
        if alpha == 1.0 {
            return arcsine;
        }
        let u = PI * u;
        // (e/A)^((1-α)/2) with the inner power resolved: A^((1-α)/2) is the square root of the bracket.
        let bracket =
            (alpha * u).sin().powf(alpha) * ((1.0 - alpha) * u).sin().powf(1.0 - alpha) / u.sin();
        arcsine * e.powf(0.5 * (1.0 - alpha)) / bracket.sqrt()
    }

    /// A solver that keeps what it learned between ascending levels.
    pub(super) fn solver(&self) -> Solver<'_> {
        match &self.kind {
            Kind::GaussianTail(law) => Solver::GaussianTail(*law),
            Kind::Arc(law) => Solver::Arc(*law),
            Kind::Wright(law) => Solver::Wright(WrightSolver::new(law)),
        }
    }

    /// The circle of a sphere family: `(R, q)`.
    pub(super) fn arc(&self) -> Option<Arc> {
        if let Kind::Arc(law) = &self.kind { Some(*law) } else { None }
    }

    /// The entire-series law, where there is no closed form.
    pub(super) fn wright(&self) -> Option<&Wright> {
        if let Kind::Wright(law) = &self.kind { Some(law) } else { None }
    }
}

/// Solves quantiles of one law.
#[derive(Debug)]
pub(super) enum Solver<'a> {
    GaussianTail(GaussianTail),
    Arc(Arc),
    Wright(WrightSolver<'a>),
}

impl Solver<'_> {
    pub(super) fn solve(&mut self, level: Level) -> Point {
        match self {
            Self::GaussianTail(law) => law.solve(level),
            Self::Arc(law) => law.solve(level),
            Self::Wright(solver) => solver.solve(level),
        }
    }
}
