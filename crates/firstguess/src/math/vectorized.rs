//! Elementary functions in f32 that compilers turn into vector code.
//!
//! Each is a straight line of additions, products, quotients and selections, so that a loop over it vectorises when it
//! is compiled for the instruction set at hand ([`pulp::Arch::dispatch`]). Products and sums stay separate: a fused
//! multiply-add rounds once where the portable build rounds twice, and a seed must give the same bits everywhere.
//!
//! # Accuracy
//!
//! At every f32: 4 units in the last place or 2e-7, whichever is larger. Results below 1e-37 may be zero. NaN gives
//! NaN, infinities their limits. Polynomials: own weighted minimax fits.
#![expect(
    clippy::inline_always,
    reason = "a call that is not inlined into the dispatched loop is compiled for the baseline instruction set"
)]

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, LOG2_E, SQRT_2};
use std::f64::consts::FRAC_2_PI;
use std::hint::select_unpredictable; // a branch around one side would keep a loop from vectorising

/// Adding and subtracting it rounds to an integer; the sum's low bits hold that integer in two's complement.
const ROUNDER: f32 = 12_582_912.0; // 1.5 · 2²³
/// `ln 2` in two parts; the first has 10 bits, so that its product with an exponent is exact.
const LN_2_HIGH: f32 = 0.693_359_375;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// `1 / √(2π)`.
const FRAC_1_SQRT_2PI: f32 = 0.398_942_28;

/// `exp x`. Zero below -86.6, where the result would be 2.5e-38.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let (mantissa, half_scale) = exp_parts(clamp(x, -86.6, 88.8));
    let result = (1.0 + mantissa) * half_scale * 2.0;
    select_unpredictable(x < -86.6, 0.0, result)
}

/// `exp x - 1`, relatively accurate near zero, for `x` up to 88.
#[inline(always)]
pub fn exp_m1(x: f32) -> f32 {
    let (mantissa, half_scale) = exp_parts(clamp(x, -80.0, 88.0));
    let scale = half_scale * 2.0;
    mantissa * scale + (scale - 1.0)
}

/// `(p, 2ⁿ⁻¹)` with `exp x = (1 + p) 2ⁿ` and `|p|` below about 0.42.
#[inline(always)]
fn exp_parts(x: f32) -> (f32, f32) {
    let shifted = x * LOG2_E + ROUNDER;
    let n = shifted - ROUNDER;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let mut p = 1.395_059_4e-3_f32;
    p = p * r + 8.368_954e-3;
    p = p * r + 4.166_620_6e-2;
    p = p * r + 1.666_651_8e-1;
    p = p * r + 0.5;
    let half_scale = f32::from_bits(shifted.to_bits().wrapping_add(126) << 23);
    (p * r * r + r, half_scale)
}

/// `ln(1 + y)` for `y` in [0, 1].
#[inline(always)]
pub fn ln_1p_unit(y: f32) -> f32 {
    // 2 atanh(s): the argument never exceeds 1/3.
    let s = y / (2.0 + y);
    let z = s * s;
    let mut p = 1.401_224_3e-1_f32;
    p = p * z + 1.399_956_8e-1;
    p = p * z + 2.001_085e-1;
    p = p * z + 3.333_320_6e-1;
    2.0 * (p * z * s + s)
}

/// `tanh x`.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let z = x * x;
    let mut p = -5.717_011e-3_f32;
    p = p * z + 2.065_055_5e-2;
    p = p * z - 5.374_348_5e-2;
    p = p * z + 1.333_149_1e-1;
    p = p * z - 3.333_328_4e-1;
    let small = p * z * x + x;
    let e = exp(-2.0 * x.abs());
    let large = ((1.0 - e) / (1.0 + e)).copysign(x);
    select_unpredictable(x.abs() < 0.625, small, large)
}

/// `(1/(1 + exp(-x)), 1/(1 + exp(x)))`: the second is one minus the first without its cancellation.
#[inline(always)]
pub fn sigmoid_pair(x: f32) -> (f32, f32) {
    let e = exp(-x.abs());
    let near_one = 1.0 / (1.0 + e);
    let near_zero = e * near_one;
    let left = x < 0.0;
    (
        select_unpredictable(left, near_zero, near_one),
        select_unpredictable(left, near_one, near_zero),
    )
}

/// `ln(1 + exp x)`.
#[inline(always)]
pub fn softplus(x: f32) -> f32 {
    (if x > 0.0 { x } else { 0.0 }) + ln_1p_unit(exp(-x.abs()))
}

/// The normal density `exp(-x²/2) / √(2π)`.
#[inline(always)]
pub fn normal_density(x: f32) -> f32 {
    FRAC_1_SQRT_2PI * exp(-0.5 * x * x)
}

/// `P(z > x)` of a standard normal `z`, for `x ≥ 0`.
#[inline(always)]
fn upper_tail(x: f32) -> f32 {
    // exp(x²/2) P(z > x) is a smooth function of 1/(1 + x/4).
    let x = select_unpredictable(x > 13.5, 13.5, x);
    let t = 1.0 / (1.0 + 0.25 * x);
    let mut p = 3.448_079e-2_f32;
    p = p * t - 1.990_609_3e-1;
    p = p * t + 4.017_504_5e-1;
    p = p * t - 3.424_419_2e-1;
    p = p * t + 3.119_428e-1;
    p = p * t - 2.439_404e-2;
    p = p * t + 1.229_620_4e-1;
    p = p * t + 9.451_845e-2;
    p = p * t + 1.002_658_9e-1;
    p = p * t - 2.353_980_2e-5;
    p * exp(-0.5 * x * x)
}

/// `Φ(x)`, the normal distribution function.
#[inline(always)]
pub fn normal_cdf(x: f32) -> f32 {
    let tail = upper_tail(x.abs());
    let far = select_unpredictable(x < 0.0, tail, 1.0 - tail);
    let near = 0.5 + 0.5 * erf_small(FRAC_1_SQRT_2 * x);
    select_unpredictable(x.abs() < 1.0, near, far)
}

/// `erf x`.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let large = (1.0 - 2.0 * upper_tail(SQRT_2 * x.abs())).copysign(x);
    select_unpredictable(x.abs() < 1.0, erf_small(x), large)
}

/// `erf x` for `|x|` up to 1.
#[inline(always)]
fn erf_small(x: f32) -> f32 {
    let z = x * x;
    let mut p = 7.889_109e-5_f32;
    p = p * z - 8.020_838_4e-4;
    p = p * z + 5.189_535_3e-3;
    p = p * z - 2.685_444_4e-2;
    p = p * z + 1.128_36e-1;
    p = p * z - 3.761_262_6e-1;
    p = p * z + FRAC_2_SQRT_PI;
    p * x
}

/// `erf' x = 2/√π exp(-x²)`.
#[inline(always)]
pub fn erf_derivative(x: f32) -> f32 {
    FRAC_2_SQRT_PI * exp(-x * x)
}

/// Arguments beyond this are reduced by the standard library.
pub const SIN_COS_LIMIT: f32 = 1e5;

/// `(sin x, cos x)` for `|x|` up to [`SIN_COS_LIMIT`], reduced in f64.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the result is wanted in f32")]
pub fn sin_cos(x: f32) -> (f32, f32) {
    const ROUNDER: f64 = 6_755_399_441_055_744.0; // 1.5 · 2⁵²
    /// `π/2` in two parts; the first has 33 bits, so that its product with a quadrant number is exact.
    const HALF_PI_HIGH: f64 = 1.570_796_326_734_125_6;
    const HALF_PI_LOW: f64 = 6.077_100_506_506_192e-11;
    let x = f64::from(x);
    let shifted = x * FRAC_2_PI + ROUNDER;
    let n = shifted - ROUNDER;
    let r = (x - n * HALF_PI_HIGH) - n * HALF_PI_LOW;
    let z = r * r;
    // Taylor: the first terms left out are below 2e-9 on [-π/4, π/4].
    let sine = r + r * z * (-1.0 / 6.0 + z * (1.0 / 120.0 + z * (-1.0 / 5040.0 + z / 362_880.0)));
    let cosine = 1.0
        + z * (-0.5
            + z * (1.0 / 24.0 + z * (-1.0 / 720.0 + z * (1.0 / 40_320.0 - z / 3_628_800.0))));
    let quadrant = shifted.to_bits();
    let odd = quadrant & 1 == 1;
    let s = select_unpredictable(odd, cosine, sine);
    let c = select_unpredictable(odd, sine, cosine);
    // The sine is negative in quadrants 2 and 3, the cosine in 1 and 2.
    let sine = f64::from_bits(s.to_bits() ^ ((quadrant & 2) << 62));
    let cosine = f64::from_bits(c.to_bits() ^ ((quadrant.wrapping_add(1) & 2) << 62));
    (sine as f32, cosine as f32)
}

/// `x` limited to `[low, high]`; NaN stays NaN.
#[inline(always)]
pub fn clamp(x: f32, low: f32, high: f32) -> f32 {
    let x = select_unpredictable(x < low, low, x);
    select_unpredictable(x > high, high, x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::special;

    /// Every 4 099th f32 pattern of both signs, and the extremes.
    fn all_magnitudes() -> impl Iterator<Item = f32> {
        (0..=u32::MAX / 4099)
            .map(|i| f32::from_bits(i * 4099))
            .chain([0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, 88.722_84, 88.722_83])
            .chain((-1_000_000..=1_000_000_i32).map(|i| i as f32 * 2e-5))
    }

    fn check(
        name: &str,
        fast: impl Fn(f32) -> f32,
        exact: impl Fn(f64) -> f64,
        low: f32,
        high: f32,
    ) {
        for x in all_magnitudes().filter(|x| *x >= low && *x <= high) {
            let expected = exact(f64::from(x));
            #[expect(clippy::cast_possible_truncation, reason = "the rounded reference")]
            let rounded = expected as f32;
            let found = fast(x);
            if rounded.is_infinite() || found.is_infinite() {
                assert_eq!(found, rounded, "{name}({x:e})");
                continue;
            }
            let ulp = f64::from(rounded.abs().next_up() - rounded.abs());
            let error = (f64::from(found) - expected).abs();
            assert!(error <= (4.0 * ulp).max(2e-7), "{name}({x:e}) = {found:e}, not {expected:e}");
        }
    }

    #[test]
    fn every_function_is_accurate_over_its_whole_domain() {
        let (low, high) = (f32::NEG_INFINITY, f32::INFINITY);
        check("exp", exp, f64::exp, low, high);
        check("exp_m1", exp_m1, f64::exp_m1, low, 88.0);
        check("ln_1p_unit", ln_1p_unit, f64::ln_1p, 0.0, 1.0);
        check("tanh", tanh, f64::tanh, low, high);
        check("sigmoid", |x| sigmoid_pair(x).0, special::sigmoid, low, high);
        check("1 - sigmoid", |x| sigmoid_pair(x).1, |x| special::sigmoid(-x), low, high);
        check("softplus", softplus, special::softplus, low, high);
        check("density", normal_density, special::normal_density, low, high);
        check("cdf", normal_cdf, special::normal_cdf, low, high);
        check("erf", erf, libm::erf, low, high);
        check("sin", |x| sin_cos(x).0, f64::sin, -SIN_COS_LIMIT, SIN_COS_LIMIT);
        check("cos", |x| sin_cos(x).1, f64::cos, -SIN_COS_LIMIT, SIN_COS_LIMIT);
    }

    /// Where an absolute error would hide it: small results of the functions that pass through zero or decay.
    #[test]
    fn small_results_keep_their_relative_accuracy() {
        for x in [1e-30_f32, -3e-7, 0.01, -0.3, 0.6] {
            let exact = f64::from(x);
            for (found, expected) in [
                (exp_m1(x), exact.exp_m1()),
                (tanh(x), exact.tanh()),
                (erf(x), libm::erf(exact)),
                (sin_cos(x).0, exact.sin()),
            ] {
                assert!(
                    (f64::from(found) / expected - 1.0).abs() < 3e-7,
                    "{x}: {found} {expected}"
                );
            }
        }
        for x in [-5.0_f32, -9.0] {
            let expected = special::normal_cdf(f64::from(x));
            assert!((f64::from(normal_cdf(x)) / expected - 1.0).abs() < 1e-5, "{x}");
        }
    }

    #[test]
    fn nan_stays_nan() {
        let functions: [fn(f32) -> f32; 9] = [
            exp,
            exp_m1,
            ln_1p_unit,
            tanh,
            softplus,
            normal_cdf,
            erf,
            |x| sigmoid_pair(x).0,
            |x| sin_cos(x).0,
        ];
        for (i, f) in functions.iter().enumerate() {
            assert!(f(f32::NAN).is_nan(), "{i}");
        }
    }
}
