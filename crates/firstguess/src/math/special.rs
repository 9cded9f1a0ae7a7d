//! The normal distribution and the gamma function, accurate in the tails.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI, SQRT_2};

/// `1 / √(2π)`, the height of the standard normal density.
pub const FRAC_1_SQRT_2PI: f64 = 0.398_942_280_401_432_7;

/// `ln √(2π)`.
pub const LN_SQRT_2PI: f64 = 0.918_938_533_204_672_8;

/// Density of the standard normal law, `exp(-x²/2) / √(2π)`.
pub fn normal_density(x: f64) -> f64 {
    FRAC_1_SQRT_2PI * (-0.5 * x * x).exp()
}

/// `Φ(x) = P(z ≤ x)` for a standard normal `z`, relatively accurate in the left tail.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// `1 - Φ(x)`, relatively accurate in the right tail.
pub fn normal_survival(x: f64) -> f64 {
    0.5 * libm::erfc(x * FRAC_1_SQRT_2)
}

/// `ln Φ(x)` without underflow, for any finite `x`.
///
/// # Accuracy
///
/// Relative error ≤ 1e-13. Below -14 the continued fraction of Mills' ratio takes over, long before `Φ` underflows.
pub fn ln_normal_cdf(x: f64) -> f64 {
    if x > 5.0 {
        return (-normal_survival(x)).ln_1p();
    }
    if x > -14.0 {
        return normal_cdf(x).ln();
    }
    let t = -x;
    // Mills' ratio: Φ(-t)/φ(t) = 1/(t + 1/(t + 2/(t + ...))); 40 terms are plenty from t = 14 on.
    let tail = (1..=40).rev().fold(t, |tail, k| t + f64::from(k) / tail);
    -0.5 * t * t - LN_SQRT_2PI - tail.ln()
}

/// `Φ⁻¹(p)` for `p` in (0, 1); ±∞ at the ends and NaN outside.
///
/// # Accuracy
///
/// Relative error ≤ 4e-15 for `p` down to 1e-300. For `p` close to 1 call [`normal_upper_quantile`] with `1 - p`.
///
/// # References
///
/// Acklam's rational start, then Halley steps on `ln Φ`.
pub fn normal_quantile(p: f64) -> f64 {
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    if p == 1.0 {
        return f64::INFINITY;
    }
    if p > 0.5 {
        return -lower_quantile(1.0 - p);
    }
    lower_quantile(p)
}

/// The `x` with `1 - Φ(x) = p`, accurate for tiny `p`.
pub fn normal_upper_quantile(p: f64) -> f64 {
    -normal_quantile(p)
}

fn lower_quantile(p: f64) -> f64 {
    let mut x = acklam_start(p);
    for _ in 0..3 {
        // Newton on ln Φ keeps relative accuracy in the tail; Halley's term makes the step cubic.
        let cdf = normal_cdf(x);
        if cdf == 0.0 {
            break;
        }
        let ratio = normal_density(x) / cdf;
        let error = (cdf / p).ln() / ratio;
        let step = error / (1.0 + 0.5 * error * (x + ratio));
        x -= step;
        if step.abs() <= 1e-16 * x.abs().max(1e-3) {
            break;
        }
    }
    x
}

fn acklam_start(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e1,
        2.209460984245205e2,
        -2.759285104469687e2,
        1.383577518672690e2,
        -3.066479806614716e1,
        2.506628277459239,
    ];
    const B: [f64; 5] = [
        -5.447609879822406e1,
        1.615858368580409e2,
        -1.556989798598866e2,
        6.680131188771972e1,
        -1.328068155288572e1,
    ];
    const C: [f64; 6] = [
        -7.784894002430293e-3,
        -3.223964580411365e-1,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const D: [f64; 4] =
        [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416];
    let horner = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |acc, c| acc * x + c);
    if p < 0.02425 {
        let q = (-2.0 * p.ln()).sqrt();
        return horner(&C, q) / (horner(&D, q) * q + 1.0);
    }
    let q = p - 0.5;
    let r = q * q;
    horner(&A, r) * q / (horner(&B, r) * r + 1.0)
}

/// `ln Γ(x)` for `x > 0`.
pub fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// `Γ(x)`.
pub fn gamma(x: f64) -> f64 {
    libm::tgamma(x)
}

/// `1/Γ(x)`, zero at the poles of `Γ`.
pub fn reciprocal_gamma(x: f64) -> f64 {
    if x > 0.5 {
        return if x > 170.0 { (-libm::lgamma(x)).exp() } else { 1.0 / libm::tgamma(x) };
    }
    // Reflection: 1/Γ(x) = Γ(1 - x) sin(πx) / π, the sine reduced so that integers give exact zeros.
    let reduced = x - 2.0 * (x / 2.0).round();
    let sine = if reduced.fract() == 0.0 { 0.0 } else { (PI * reduced).sin() };
    if sine == 0.0 {
        return 0.0;
    }
    if 1.0 - x > 170.0 {
        return sine.signum() * (libm::lgamma(1.0 - x) + (sine.abs() / PI).ln()).exp();
    }
    libm::tgamma(1.0 - x) * sine / PI
}

/// Error function.
pub fn erf(x: f64) -> f64 {
    libm::erf(x)
}

/// `ln(1 + exp(x))` without overflow.
pub fn softplus(x: f64) -> f64 {
    if x > 36.0 { x + (-x).exp() } else { x.exp().ln_1p() }
}

/// Logistic function `1 / (1 + exp(-x))` without overflow.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// `erf(x/√2) = P(|z| < x)`, exact near zero where `2Φ(x) - 1` cancels.
pub fn central_probability(x: f64) -> f64 {
    libm::erf(x / SQRT_2)
}

/// `ln 2`, re-exported for bit-entropy conversions.
pub const LN_TWO: f64 = LN_2;

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{Continuous, ContinuousCDF, Normal};

    #[test]
    fn the_cdf_agrees_with_an_independent_library() {
        let normal = Normal::standard();
        for i in -60..=60 {
            let x = f64::from(i) / 10.0;
            assert!((normal_cdf(x) / normal.cdf(x) - 1.0).abs() < 1e-9, "at {x}");
            assert!((normal_density(x) / normal.pdf(x) - 1.0).abs() < 1e-13, "at {x}");
        }
    }

    /// Values of 40-digit arithmetic.
    #[test]
    fn the_tails_keep_their_relative_accuracy() {
        for (x, ln_cdf) in [(-10.0, -53.231285150512471), (-40.0, -804.60844201375379)] {
            assert!((ln_normal_cdf(x) / ln_cdf - 1.0).abs() < 1e-12, "{x}: {}", ln_normal_cdf(x));
        }
        // Both branches meet.
        assert!((ln_normal_cdf(-14.0 + 1e-12) / ln_normal_cdf(-14.0) - 1.0).abs() < 1e-11);
    }

    #[test]
    fn the_quantile_inverts_the_cdf_down_to_the_smallest_probabilities() {
        for p in [1e-300, 1e-100, 1e-20, 1e-5, 0.02, 0.024249, 0.02426, 0.3, 0.5] {
            let x = normal_quantile(p);
            assert!((normal_cdf(x) / p - 1.0).abs() < 1e-12, "{p}: {x}");
        }
        assert_eq!(normal_quantile(0.5), 0.0);
        assert!(normal_quantile(f64::NAN).is_nan());
        assert!(normal_quantile(-0.1).is_nan());
    }

    #[test]
    fn the_reciprocal_gamma_vanishes_at_the_poles_and_inverts_elsewhere() {
        for n in 0..5 {
            assert_eq!(reciprocal_gamma(-f64::from(n)), 0.0);
        }
        for x in [-3.7, -0.5, 0.3, 1.0, 2.5, 10.0] {
            assert!((reciprocal_gamma(x) * libm::tgamma(x) - 1.0).abs() < 1e-13, "{x}");
        }
    }
}
