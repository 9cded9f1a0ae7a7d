//! Closed-form kernels: the ReLU family (`cho2009`), erf (`williams1998`), sine, sign and GELU.

use super::general::General;
use super::{Correlation, Moments, Pointwise};
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
    /// `x Φ(x)`; the difference form comes from the series, which does not cancel.
    Gelu(Box<General>),
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
            [Activation::Gelu] => Some(Self::Gelu(Box::new(General::new(function)))),
            _ => None,
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
            Self::Gelu(general) => Moments {
                mean: q / (TAU * (1.0 + q)).sqrt(),
                second: gelu_kernel(q, q, q),
                derivative_second: gelu_slope(q, q, q),
                second_slope: general.moments(q).second_slope,
            },
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
            Self::Gelu(_) => gelu_kernel(q1, q2, c * (q1 * q2).sqrt()),
        }
    }

    pub(super) fn kernel_at(&self, q: f64, at: Correlation) -> f64 {
        self.kernel(q, q, at.c)
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
            Self::Gelu(_) => gelu_slope(q, q, q * at.c),
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
            Self::Gelu(general) => general.at(q).difference(at),
        }
    }
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

/// `d/dC` of [`gelu_kernel`]: `E[φ'(u)φ'(v)]`.
fn gelu_slope(q1: f64, q2: f64, covariance: f64) -> f64 {
    let (p1, p2) = (1.0 + q1, 1.0 + q2);
    let norm = p1 * p2;
    let square = covariance * covariance;
    let root = gelu_root(q1, q2, covariance);
    let numerator = q1 * q2 - square + square / p1 + square / p2;
    let numerator_slope = 2.0 * covariance * (1.0 / p1 + 1.0 / p2 - 1.0);
    0.25 + (covariance / norm.sqrt()).clamp(-1.0, 1.0).asin() / TAU
        + covariance / (TAU * root)
        + (numerator_slope + numerator * covariance / (root * root)) / (2.0 * PI * root)
}

/// `√((1+q1)(1+q2) - C²)`, with `q1 q2 - C²` taken as a factored difference.
fn gelu_root(q1: f64, q2: f64, covariance: f64) -> f64 {
    let geometric = (q1 * q2).sqrt();
    ((geometric - covariance) * (geometric + covariance) + 1.0 + q1 + q2).sqrt()
}
