//! Values carried as multiples of a power of two, where their own size would leave the range of f32.

use super::scalar::Scalar;

/// Beyond this size, or below its inverse, a batch is rescaled: a layer can change sizes by as much again before anything
/// leaves the range of f32.
const LIMIT: i32 = 50;

/// `2^exponent`; zero or infinity beyond the range of f64.
pub(crate) fn power_of_two(exponent: i32) -> f64 {
    2.0_f64.powi(exponent)
}

/// Divides by the power of two that brings the largest value to `[1, 2)`, if it lies far from there; returns its exponent.
///
/// Powers of two change no digit.
pub(super) fn rescale<T: Scalar>(values: &mut [T]) -> i32 {
    let largest = largest(values).to_f64();
    if largest == 0.0 || !largest.is_finite() {
        return 0;
    }
    let exponent = exponent_of(largest);
    if exponent.abs() < LIMIT {
        return 0;
    }
    let factor = T::from_f64(power_of_two(-exponent));
    for value in values {
        *value = *value * factor;
    }
    exponent
}

/// Multiplies by `2^exponent`; what becomes too small to count is zero.
pub(super) fn shift<T: Scalar>(values: &mut [T], exponent: i32) {
    let factor = T::from_f64(power_of_two(exponent));
    for value in values {
        *value = *value * factor;
    }
}

fn exponent_of(value: f64) -> i32 {
    // Values of f32 are normal numbers of f64.
    let biased = (value.to_bits() >> 52) & 0x7ff;
    i32::try_from(biased).unwrap_or(1023) - 1023
}

/// The largest size; sixteen maxima make a loop of vector operations.
fn largest<T: Scalar>(values: &[T]) -> T {
    let size = |x: T| if x < T::ZERO { -x } else { x };
    let larger = |a: T, b: T| if a < b { b } else { a };
    let mut lanes = [T::ZERO; 16];
    let chunks = values.chunks_exact(lanes.len());
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, size(*x));
        }
    }
    lanes.into_iter().chain(rest.iter().map(|x| size(*x))).fold(T::ZERO, larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_far_from_one_are_rescaled_without_losing_a_digit() {
        for (size, expected) in [(1.5_f32, 0), (1e12, 0), (1.1e20, 66), (3e-30, -99), (-3e38, 127)]
        {
            let mut values: Vec<f32> = (0..40_u8).map(|i| size * (f32::from(i) / 64.0)).collect();
            let before = values.clone();
            let exponent = rescale(&mut values);
            // The largest is 39/64 of the size.
            assert!((exponent - expected).abs() <= 1, "{size}: {exponent}");
            for (value, before) in values.iter().zip(before) {
                assert_eq!(f64::from(*value) * power_of_two(exponent), f64::from(before));
            }
        }
        let mut none = [0.0_f32; 3];
        assert_eq!(rescale(&mut none), 0);
    }
}
