//! Closed-form kernels: the ReLU family (`cho2009`), straight pieces, erf (`williams1998`), sine, sign and GELU.

use super::straight::Straight;
use super::{Correlation, Moments, Pointwise};
use crate::math::quadrature::GaussLegendre;
use crate::spec::activation::Activation;
use std::f64::consts::{FRAC_2_PI, PI, TAU};

/// A function whose kernel has a closed form.
#[derive(Debug, Clone)]
pub(super) enum Closed {
    /// `φ(x) = odd·x + even·|x|`: linear, ReLU, leaky ReLU, absolute value.
    Homogeneous { odd: f64, even: f64 },
    /// The error function.
    Erf,
    /// The sine.
    Sine,
    /// The sign.
    Sign,
    /// `x Φ(x)`.
    Gelu,
    /// `max(x, 0)²`.
    SquaredRelu,
    /// Straight pieces with kinks away from zero.
    Straight(Straight),
}

impl Closed {
    pub(super) fn of(function: &Pointwise) -> Option<Self> {
        if let Some(h) = function.homogeneity() {
            return Some(Self::Homogeneous {
                odd: 0.5 * (h.positive_slope + h.negative_slope),
                even: 0.5 * (h.positive_slope - h.negative_slope),
            });
        }
        match function.functions() {
            [Activation::Erf] => Some(Self::Erf),
            [Activation::Sin] => Some(Self::Sine),
            [Activation::Sign] => Some(Self::Sign),
            [Activation::Gelu] => Some(Self::Gelu),
            [Activation::SquaredRelu] => Some(Self::SquaredRelu),
            _ => Straight::of(function).map(Self::Straight),
        }
    }

    pub(super) fn moments(&self, q: f64) -> Moments {
        match self {
            Self::Homogeneous { odd, even } => {
                let square = odd * odd + even * even;
                Moments {
                    mean: even * (FRAC_2_PI * q).sqrt(),
                    second: square * q,
                    derivative_second: square,
                    second_slope: square,
                }
            }
            Self::Erf => Moments {
                mean: 0.0,
                second: FRAC_2_PI * (2.0 * q / (1.0 + 2.0 * q)).asin(),
                derivative_second: 2.0 * FRAC_2_PI / (1.0 + 4.0 * q).sqrt(),
                second_slope: 2.0 * FRAC_2_PI / ((1.0 + 2.0 * q) * (1.0 + 4.0 * q).sqrt()),
            },
            Self::Sine => Moments {
                mean: 0.0,
                second: -0.5 * (-2.0 * q).exp_m1(),
                derivative_second: 0.5 * (1.0 + (-2.0 * q).exp()),
                second_slope: (-2.0 * q).exp(),
            },
            Self::Sign => Moments {
                mean: 0.0,
                second: 1.0,
                derivative_second: f64::INFINITY,
                second_slope: 0.0,
            },
            Self::Gelu => Moments {
                mean: q / (TAU * (1.0 + q)).sqrt(),
                second: gelu_kernel(q, q, q),
                derivative_second: gelu_slope(q, Correlation::new(1.0)),
                second_slope: gelu_second_slope(q),
            },
            Self::SquaredRelu => Moments {
                mean: 0.5 * q,
                second: 1.5 * q * q,
                derivative_second: 2.0 * q,
                second_slope: 3.0 * q,
            },
            Self::Straight(straight) => straight.moments(q),
        }
    }

    pub(super) fn kernel(&self, q1: f64, q2: f64, c: f64) -> f64 {
        match self {
            Self::Homogeneous { odd, even } => {
                let scale = (q1 * q2).sqrt();
                scale * (odd * odd * c + even * even * abs_kernel(c))
            }
            Self::Erf => {
                let norm = ((1.0 + 2.0 * q1) * (1.0 + 2.0 * q2)).sqrt();
                FRAC_2_PI * (2.0 * c * (q1 * q2).sqrt() / norm).clamp(-1.0, 1.0).asin()
            }
            Self::Sine => {
                let (half, covariance) = (0.5 * (q1 + q2), c * (q1 * q2).sqrt());
                sine_product(half, covariance)
            }
            Self::Sign => FRAC_2_PI * c.asin(),
            Self::Gelu => gelu_kernel(q1, q2, c * (q1 * q2).sqrt()),
            Self::SquaredRelu => {
                let (theta, sine) = angle(Correlation::new(c));
                let bend = 3.0 * sine * c + (PI - theta) * (1.0 + 2.0 * c * c);
                q1 * q2 / TAU * bend
            }
            Self::Straight(straight) => straight.kernel(q1, q2, Correlation::new(c)),
        }
    }

    pub(super) fn kernel_at(&self, q: f64, at: Correlation) -> f64 {
        match self {
            Self::Straight(straight) => straight.kernel(q, q, at),
            // The arcsine of a rounded c is off by the root of the rounding.
            Self::Sign if at.complement < 0.5 => 1.0 - self.difference(q, at),
            _ => self.kernel(q, q, at.c),
        }
    }

    pub(super) fn slope(&self, q: f64, at: Correlation) -> f64 {
        match self {
            Self::Homogeneous { odd, even } => {
                odd * odd + even * even * FRAC_2_PI * at.c.clamp(-1.0, 1.0).asin()
            }
            Self::Erf => {
                // (1 + 2q)² - (2qc)², factored so that it survives large q at c → 1.
                let width = (1.0 + 2.0 * q * at.complement) * (1.0 + 2.0 * q * (1.0 + at.c));
                2.0 * FRAC_2_PI / width.sqrt()
            }
            Self::Sine => 0.5 * ((-q * at.complement).exp() + (-q * (1.0 + at.c)).exp()),
            Self::Sign => FRAC_2_PI / (q * (at.complement * (1.0 + at.c)).sqrt()),
            Self::Gelu => gelu_slope(q, at),
            Self::SquaredRelu => {
                let (theta, sine) = angle(at);
                4.0 * q / TAU * (sine + (PI - theta) * at.c)
            }
            Self::Straight(straight) => straight.slope(q, at),
        }
    }

    pub(super) fn difference(&self, q: f64, at: Correlation) -> f64 {
        let eps = at.complement;
        match self {
            Self::Homogeneous { odd, even } => {
                q * (odd * odd * eps + even * even * abs_difference(eps))
            }
            Self::Erf => {
                let a = 2.0 * q / (1.0 + 2.0 * q);
                let b = a * at.c;
                if b <= 0.0 {
                    return FRAC_2_PI * (a.asin() - b.asin());
                }
                // sin(A - B) = (a² - b²) / (a cos B + b cos A), which never subtracts close numbers.
                let cos_a = (1.0 + 4.0 * q).sqrt() / (1.0 + 2.0 * q);
                let cos_b = ((1.0 - a) * (1.0 + a) + (a * a) * eps * (1.0 + at.c)).sqrt();
                let sine = a * a * eps * (1.0 + at.c) / (a * cos_b + b * cos_a);
                FRAC_2_PI * sine.clamp(-1.0, 1.0).asin()
            }
            Self::Sine => {
                let falling = -(-q * eps).exp_m1();
                let rising = if q * eps > 30.0 {
                    (q * eps - 2.0 * q).exp()
                } else {
                    (-2.0 * q).exp() * (q * eps).exp_m1()
                };
                0.5 * (falling + rising)
            }
            Self::Sign => 2.0 * FRAC_2_PI * (0.5 * eps).sqrt().min(1.0).asin(),
            Self::Gelu => gelu_difference(q, eps),
            Self::SquaredRelu => q * q / TAU * squared_relu_difference(at),
            Self::Straight(straight) => straight.difference(q, at),
        }
    }
}

/// `(θ, sin θ)` with `cos θ = c`, each with its digits as `c → 1`.
fn angle(at: Correlation) -> (f64, f64) {
    let half = (0.5 * at.complement).clamp(0.0, 1.0).sqrt();
    (2.0 * half.asin(), (at.complement * (1.0 + at.c)).max(0.0).sqrt())
}

/// `3π - J(θ)` with the kernel `J = 3 sin θ cos θ + (π - θ)(1 + 2 cos² θ)` of the squared ReLU (`cho2009`).
fn squared_relu_difference(at: Correlation) -> f64 {
    let (theta, sine) = angle(at);
    // θ (1 + 2 cos² θ) - 3 sin θ cos θ, a fifth power of x = 2θ.
    let x = 2.0 * theta;
    let bend = if x < 0.3 {
        let x2 = x * x;
        let series = 1.0 / 120.0 - x2 * (1.0 / 2520.0 - x2 * (1.0 / 120_960.0 - x2 / 9_979_200.0));
        x * x2 * x2 * series
    } else {
        theta * (1.0 + 2.0 * at.c * at.c) - 3.0 * sine * at.c
    };
    TAU * sine * sine + bend
}

/// `E|u||v|` for unit variances: `(2/π)(√(1-c²) + c asin c)`.
fn abs_kernel(c: f64) -> f64 {
    let c = c.clamp(-1.0, 1.0);
    FRAC_2_PI * (((1.0 - c) * (1.0 + c)).sqrt() + c * c.asin())
}

/// `1 - E|u||v|` for unit variances, from `ε = 1 - c`: `ε + (2/π)(θ cos θ - sin θ)`, `cos θ = c`.
fn abs_difference(eps: f64) -> f64 {
    let theta = 2.0 * (0.5 * eps).sqrt().min(1.0).asin();
    let t2 = theta * theta;
    let bend = if theta < 0.05 {
        -theta * t2 * (1.0 / 3.0 - t2 * (1.0 / 30.0 - t2 * (1.0 / 840.0 - t2 / 45360.0)))
    } else {
        theta * theta.cos() - theta.sin()
    };
    eps + FRAC_2_PI * bend
}

/// `exp(-half) sinh(covariance)` without overflow.
fn sine_product(half: f64, covariance: f64) -> f64 {
    if covariance.abs() < 1.0 {
        return (-half).exp() * covariance.sinh();
    }
    0.5 * ((covariance - half).exp() - (-covariance - half).exp())
}

/// `E[φ(u)φ(v)]` of `φ = x Φ(x)`, derived in docs/theory/mean-field.md.
fn gelu_kernel(q1: f64, q2: f64, covariance: f64) -> f64 {
    let (p1, p2) = (1.0 + q1, 1.0 + q2);
    let norm = p1 * p2;
    let square = covariance * covariance;
    let numerator = q1 * q2 - square + square / p1 + square / p2;
    let root = gelu_root(q1, q2, covariance);
    covariance / 4.0
        + covariance / TAU * (covariance / norm.sqrt()).clamp(-1.0, 1.0).asin()
        + numerator / (TAU * root)
}

/// `d/dC` of [`gelu_kernel`] at a common variance: `E[φ'(u)φ'(v)]`.
fn gelu_slope(q: f64, at: Correlation) -> f64 {
    let (p, covariance) = (1.0 + q, q * at.c);
    // q² - C², factored so that it survives large q at c → 1.
    let rest = q * at.complement * q * (1.0 + at.c);
    let root = (rest + 1.0 + 2.0 * q).sqrt();
    // The terms that cancel for large q, taken together.
    let rest = covariance / p * (4.0 - (2.0 * rest + 3.0 * q + 1.0) / (root * root));
    0.25 + covariance.atan2(root) / TAU + rest / (TAU * root)
}

/// `d/dq E φ² = E[φ'² + φφ'']`, by differentiating [`gelu_kernel`] on the diagonal.
fn gelu_second_slope(q: f64) -> f64 {
    let (p, root) = (1.0 + q, (1.0 + 2.0 * q).sqrt());
    0.25 + (q / p).asin() / TAU
        + q / (TAU * p * root)
        + (2.0 * q - q * q / p - q * q / (1.0 + 2.0 * q)) / (PI * p * root)
}

/// `q ∫₀^ε E[φ'(u)φ'(v)] dε'`: the integrand needs absolute digits only, so that nothing is lost as `ε → 0`.
fn gelu_difference(q: f64, eps: f64) -> f64 {
    let rule = GaussLegendre::cached(20);
    let slope = |e: f64| gelu_slope(q, Correlation::from_complement(e));
    // The kernel is analytic up to ε = -1/q: panels grow from there.
    let (mut sum, mut start, mut width) = (0.0, 0.0, (1.0 / q).min(1.0));
    while start < eps {
        let end = (start + width).min(eps);
        sum += rule.integrate(start, end, slope);
        (start, width) = (end, 3.0 * width);
    }
    q * sum
}

/// `√((1+q1)(1+q2) - C²)`, with `q1 q2 - C²` taken as a factored difference.
fn gelu_root(q1: f64, q2: f64, covariance: f64) -> f64 {
    let geometric = (q1 * q2).sqrt();
    ((geometric - covariance) * (geometric + covariance) + 1.0 + q1 + q2).sqrt()
}
