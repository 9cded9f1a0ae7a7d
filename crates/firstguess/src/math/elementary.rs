//! Logarithm, exponential, sine and cosine that vectorise and give the same bits on every machine.
//!
//! The random streams promise equal bits whatever the instruction set, so these functions hold nothing but IEEE
//! additions, products, quotients, conversions and selections. In particular no fused multiply-add: it rounds once where
//! the portable build rounds twice. Arguments outside the stated ranges give unspecified finite or infinite values, never
//! a panic.
#![expect(
    clippy::inline_always,
    reason = "a call that is not inlined into the dispatched loop is compiled for the baseline instruction set"
)]
#![expect(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "bit fields of floats: every cast keeps the bits that are meant"
)]

use std::f32::consts::TAU as TAU_F32;
use std::f64::consts::FRAC_PI_2;

/// `-ln((x + ½) / 2³²)` in f32, relatively accurate at both ends.
///
/// Near 1 the complement `2³² - x - ½` is used, so that the smallest values are resolved to 2⁻³³.
///
/// # Accuracy
///
/// Relative error ≤ 3e-7 for every `x`.
///
/// # References
///
/// Polynomial of Cephes `logf`.
#[inline(always)]
pub(crate) fn minus_ln_uniform_f32(x: u32) -> f32 {
    const HALF_SQRT_BITS: u32 = 0x3f35_04f3; // √½
    let bits = (x as f32 + 0.5).to_bits();
    let exponent = (bits.wrapping_sub(HALF_SQRT_BITS) as i32) >> 23;
    let mantissa = f32::from_bits(bits.wrapping_sub((exponent << 23) as u32)); // in [√½, √2)
    let complement = (!x) as f32 + 0.5;
    let f = if exponent == 32 { complement * -(0.5_f32.powi(32)) } else { mantissa - 1.0 };
    let z = f * f;
    let mut p = 7.037_683_629_2e-2_f32;
    p = p * f - 1.151_461_031_0e-1;
    p = p * f + 1.167_699_874_0e-1;
    p = p * f - 1.242_014_084_6e-1;
    p = p * f + 1.424_932_278_7e-1;
    p = p * f - 1.666_805_766_5e-1;
    p = p * f + 2.000_071_476_5e-1;
    p = p * f - 2.499_999_399_3e-1;
    p = p * f + 3.333_333_117_4e-1;
    let e = (exponent - 32) as f32;
    let low = f * z * p - e * 2.121_944_4e-4 - 0.5 * z;
    -(low + f + e * 0.693_359_375)
}

/// `(cos, sin)` of the angle `2π (x + ½) / 2³²` in f32.
///
/// The quadrant is split off in integers, hence no cancellation anywhere on the circle.
///
/// # Accuracy
///
/// Absolute error ≤ 1.2e-7.
///
/// # References
///
/// Polynomials of Cephes `sinf` and `cosf`.
#[inline(always)]
pub(crate) fn cos_sin_turn_f32(x: u32) -> (f32, f32) {
    let quadrant = x.wrapping_add(1 << 29) >> 30;
    let rest = x.wrapping_sub(quadrant << 30) as i32; // in [-2²⁹, 2²⁹)
    let a = (rest as f32 + 0.5) * (TAU_F32 * 0.5_f32.powi(32)); // in (-π/4, π/4)
    let z = a * a;
    let sine_tail = (-1.951_529_589_1e-4 * z + 8.332_160_873_6e-3) * z - 1.666_665_461_1e-1;
    let sine = sine_tail * z * a + a;
    let cosine_tail =
        (2.443_315_711_809_948e-5 * z - 1.388_731_625_493_765e-3) * z + 4.166_664_568_298_827e-2;
    let cosine = cosine_tail * z * z - 0.5 * z + 1.0;
    let odd = quadrant & 1 == 1;
    let (c, s) = if odd { (sine, cosine) } else { (cosine, sine) };
    // The cosine is negative in quadrants 1 and 2, the sine in 2 and 3.
    let cosine_sign = (quadrant.wrapping_add(1) & 2) << 30;
    let sine_sign = (quadrant & 2) << 30;
    (f32::from_bits(c.to_bits() ^ cosine_sign), f32::from_bits(s.to_bits() ^ sine_sign))
}

/// `ln x` for a positive normal `x`.
///
/// # Accuracy
///
/// Within 2 units in the last place.
///
/// # References
///
/// Reduction and polynomial of FreeBSD `e_log.c`.
#[inline(always)]
pub(crate) fn ln(x: f64) -> f64 {
    const HALF_SQRT_BITS: u64 = 0x3fe6_a09e_667f_3bcd; // √½
    const LN2_HIGH: f64 = 6.931_471_803_691_238_164_90e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_700_02e-10;
    let bits = x.to_bits();
    let exponent = (bits.wrapping_sub(HALF_SQRT_BITS) >> 52) as u32;
    // Sign extension of the 12-bit field, in 32 bits: 64-bit conversions do not vectorise below AVX-512.
    let exponent = ((exponent << 20) as i32) >> 20;
    let mantissa = f64::from_bits(bits.wrapping_sub(u64::from(exponent as u32) << 52));
    let f = mantissa - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w
        * (3.999_999_999_940_941_908e-1
            + w * (2.222_219_843_214_978_396e-1 + w * 1.531_383_769_920_937_332e-1));
    let odd = z
        * (6.666_666_666_666_735_130e-1
            + w * (2.857_142_874_366_239_149e-1
                + w * (1.818_357_216_161_805_012e-1 + w * 1.479_819_860_511_658_591e-1)));
    let half_square = 0.5 * f * f;
    let e = f64::from(exponent);
    e * LN2_HIGH - ((half_square - (s * (half_square + even + odd) + e * LN2_LOW)) - f)
}

/// `exp x`, the argument clamped to `[-708, 708]`.
///
/// # Accuracy
///
/// Within 2 units in the last place.
///
/// # References
///
/// Reduction and rational approximation of FreeBSD `e_exp.c`.
#[inline(always)]
pub(crate) fn exp(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238_164_90e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_700_02e-10;
    let x = x.clamp(-708.0, 708.0);
    let shifted = x * std::f64::consts::LOG2_E + ROUNDER;
    let k = shifted - ROUNDER;
    let high = x - k * LN2_HIGH;
    let low = k * LN2_LOW;
    let r = high - low;
    let z = r * r;
    let c = r - z
        * (1.666_666_666_666_660_190_37e-1
            + z * (-2.777_777_777_701_559_338_42e-3
                + z * (6.613_756_321_437_934_361_17e-5
                    + z * (-1.653_390_220_546_525_153_90e-6
                        + z * 4.138_136_797_057_238_460_39e-8))));
    let y = 1.0 - ((low - (r * c) / (2.0 - c)) - high);
    // The low bits of the shifted sum are k in two's complement.
    f64::from_bits(y.to_bits().wrapping_add(shifted.to_bits() << 52))
}

/// `exp(x) - 1` for `x ≥ 0`, without cancellation near zero.
///
/// # Accuracy
///
/// Relative error ≤ 1e-14.
#[inline(always)]
pub(crate) fn exp_m1_positive(x: f64) -> f64 {
    // Below 0.02 eight terms of the series are exact to rounding.
    let mut series = 1.0 / 40_320.0;
    for reciprocal_factorial in
        [1.0 / 5_040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0]
    {
        series = series * x + reciprocal_factorial;
    }
    let direct = exp(x) - 1.0;
    if x < 0.02 { series * x } else { direct }
}

/// `(cos, sin)` of `2π turn` for `turn` in `[0, 1]`.
///
/// # Accuracy
///
/// Absolute error ≤ 3e-16.
///
/// # References
///
/// Polynomials of FreeBSD `k_sin.c` and `k_cos.c`.
#[inline(always)]
pub(crate) fn cos_sin_turn(turn: f64) -> (f64, f64) {
    let quarters = turn * 4.0;
    let shifted = quarters + ROUNDER;
    let quadrant = shifted.to_bits();
    let a = (quarters - (shifted - ROUNDER)) * FRAC_PI_2; // in [-π/4, π/4]
    let z = a * a;
    let sine_tail = 8.333_333_333_322_489_461_24e-3
        + z * (-1.984_126_982_985_794_931_34e-4
            + z * (2.755_731_370_707_006_767_89e-6
                + z * (-2.505_076_025_340_686_341_95e-8 + z * 1.589_690_995_211_550_102_21e-10)));
    let sine = a + a * z * (-1.666_666_666_666_663_243_48e-1 + z * sine_tail);
    let cosine_tail = 4.166_666_666_666_660_190_37e-2
        + z * (-1.388_888_888_887_410_957_49e-3
            + z * (2.480_158_728_947_672_941_78e-5
                + z * (-2.755_731_435_139_066_330_35e-7
                    + z * (2.087_572_321_298_174_827_90e-9
                        + z * -1.135_964_755_778_819_482_65e-11))));
    let half = 0.5 * z;
    let one_minus = 1.0 - half;
    let cosine = one_minus + (((1.0 - one_minus) - half) + z * z * cosine_tail);
    let odd = quadrant & 1 == 1;
    let (c, s) = if odd { (sine, cosine) } else { (cosine, sine) };
    let cosine_sign = (quadrant.wrapping_add(1) & 2) << 62;
    let sine_sign = (quadrant & 2) << 62;
    (f64::from_bits(c.to_bits() ^ cosine_sign), f64::from_bits(s.to_bits() ^ sine_sign))
}

/// `1.5 · 2⁵²`: adding it rounds to an integer and leaves that integer in the low bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> impl Iterator<Item = u32> {
        let ends = (0..2_000_u32).flat_map(|i| [i, u32::MAX - i, (1 << 31) + i, (1 << 29) - i]);
        // Around √½ · 2³², where the two branches of the logarithm meet.
        let seam = (0..2_000_u32).map(|i| 3_037_000_000 + i);
        ends.chain(seam).chain((0..200_000_u32).map(|i| i.wrapping_mul(2_654_435_769)))
    }

    #[test]
    fn the_single_precision_logarithm_is_relatively_accurate_at_both_ends() {
        for x in words() {
            let complement = (f64::from(u32::MAX - x) + 0.5) / 2f64.powi(32);
            let exact = -(-complement).ln_1p();
            let got = f64::from(minus_ln_uniform_f32(x));
            assert!((got / exact - 1.0).abs() < 3e-7, "{x}: {got} vs {exact}");
        }
    }

    #[test]
    fn the_single_precision_circle_is_accurate_in_every_quadrant() {
        for x in words() {
            let (s, c) = (std::f64::consts::TAU * (f64::from(x) + 0.5) / 2f64.powi(32)).sin_cos();
            let (cosine, sine) = cos_sin_turn_f32(x);
            assert!((f64::from(cosine) - c).abs() < 1.2e-7, "cos at {x}: {cosine} vs {c}");
            assert!((f64::from(sine) - s).abs() < 1.2e-7, "sin at {x}: {sine} vs {s}");
        }
    }

    #[test]
    fn the_double_precision_functions_agree_with_the_standard_library() {
        for i in 1..200_000_u32 {
            let u = (f64::from(i.wrapping_mul(2_654_435_769)) + 0.5) / 2f64.powi(32);
            for x in [u, u * 2f64.powi(-30), 1.0 - u * 2f64.powi(-20), 1e5 * u] {
                assert!((ln(x) / x.ln() - 1.0).abs() < 5e-16, "ln {x}: {} vs {}", ln(x), x.ln());
            }
            for x in [u, -u, 40.0 * (u - 0.5), 1400.0 * (u - 0.5)] {
                assert!((exp(x) / x.exp() - 1.0).abs() < 5e-16, "exp {x}");
            }
            for x in [u, 0.04 * u, 1e-9 * u, 10.0 * u] {
                assert!((exp_m1_positive(x) / x.exp_m1() - 1.0).abs() < 1e-14, "exp_m1 {x}");
            }
            let (cosine, sine) = cos_sin_turn(u);
            let (s, c) = (std::f64::consts::TAU * u).sin_cos();
            // The reference rounds its own argument: 6.28 · 2⁻⁵³.
            assert!((cosine - c).abs() < 1.2e-15 && (sine - s).abs() < 1.2e-15, "turn {u}");
        }
        // Exact where the argument is.
        assert_eq!(cos_sin_turn(0.25), (0.0, 1.0));
        assert_eq!(cos_sin_turn(0.5).0, -1.0);
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(ln(1.0), 0.0);
        assert!(exp(1e300).is_finite() && exp(-1e300) > 0.0);
    }
}
