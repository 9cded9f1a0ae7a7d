//! Sums and roundings in the order of the reference, so that counts agree to the last one.
//!
//! A calibrated joint is full of ties: rows with equal counts have equal fractional parts. Which of two equal cells gets the odd
//! example then hangs on the last bit of a sum and on the order of a sort, so both are fixed here: sums are pairwise in blocks of
//! 128 with eight partial sums, as NumPy takes them, and sorts are stable.

/// Values in one block of the pairwise sum.
const BLOCK: usize = 128;

/// NumPy's sum of a contiguous array: its rounding error grows with the logarithm of the length.
pub(super) fn pairwise_sum(values: &[f64]) -> f64 {
    match values.len() {
        0..8 => values.iter().sum(),
        8..=BLOCK => {
            let (eights, rest) = values.as_chunks::<8>();
            let mut partial = [0.0; 8];
            for eight in eights {
                for (sum, value) in partial.iter_mut().zip(eight) {
                    *sum += value;
                }
            }
            let [a, b, c, d, e, f, g, h] = partial;
            let sum = ((a + b) + (c + d)) + ((e + f) + (g + h));
            rest.iter().fold(sum, |sum, value| sum + value)
        }
        length => {
            let half = length / 2;
            let (left, right) = values.split_at(half - half % 8);
            pairwise_sum(left) + pairwise_sum(right)
        }
    }
}

/// Whole numbers with the rounded sum of `values`: each to the nearest (ties to even), then the cells that were rounded furthest
/// from their value are corrected by one.
pub(super) fn preserving_sum(values: &[f64]) -> Vec<u64> {
    let mut whole: Vec<f64> = values.iter().map(|value| value.round_ties_even()).collect();
    let wanted = pairwise_sum(values).round_ties_even();
    loop {
        let missing = wanted - whole.iter().sum::<f64>();
        if missing == 0.0 || values.is_empty() {
            break;
        }
        let mut order: Vec<usize> = (0..values.len()).collect();
        let error = |i: usize| values[i] - whole[i];
        order.sort_by(|&a, &b| error(a).total_cmp(&error(b)));
        let step = if missing > 0.0 {
            order.reverse();
            1.0
        } else {
            -1.0
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a difference of counts"
        )]
        let changes = (missing.abs() as usize).min(values.len());
        for &i in &order[..changes] {
            whole[i] += step;
        }
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of examples"
    )]
    whole.into_iter().map(|count| count.max(0.0) as u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_kept_and_the_largest_remainder_pays() {
        assert_eq!(preserving_sum(&[1.2, 1.2, 1.6]), [1, 1, 2]);
        // 1 + 1 + 1 is one short: the last of three equal remainders goes up.
        assert_eq!(preserving_sum(&[4.0 / 3.0, 4.0 / 3.0, 4.0 / 3.0]), [1, 1, 2]);
        // 2 + 2 + 2 is one too many: the first of three equal ones goes down.
        assert_eq!(preserving_sum(&[5.0 / 3.0, 5.0 / 3.0, 5.0 / 3.0]), [1, 2, 2]);
        // Ties to even.
        assert_eq!(preserving_sum(&[0.5, 1.5]), [0, 2]);
        assert_eq!(preserving_sum(&[]), [0_u64; 0]);
    }

    #[test]
    fn pairwise_sums_are_exact_on_whole_numbers_at_every_length() {
        for length in [0_u32, 1, 7, 8, 9, 127, 128, 129, 1000, 40_000] {
            let values: Vec<f64> = (0..length).map(f64::from).collect();
            let wanted = f64::from(length) * (f64::from(length) - 1.0).max(0.0) / 2.0;
            assert_eq!(pairwise_sum(&values), wanted, "{length}");
        }
    }
}
