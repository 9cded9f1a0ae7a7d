//! The pull of each class on the logits of an untrained two-class network under softmax cross-entropy.

use super::PrejudiceError;
use super::binary::{GuessFraction, step_breaks};
use crate::math::quadrature::{GaussLegendre, GaussianRule};
use crate::math::roots::brent;
use crate::math::special::{normal_cdf, normal_density, sigmoid};

/// Squared norm of the logit gradient, by class of the sample. `2` is the largest possible value.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct ClassGradients {
    /// Mean over samples of the class that the network favours.
    pub favoured_mean: f64,
    /// Mean over samples of the other class.
    pub unfavoured_mean: f64,
    /// Median over samples of the favoured class and over networks.
    pub favoured_median: f64,
    /// Median over samples of the other class and over networks.
    pub unfavoured_median: f64,
}

/// Squared logit gradients of binary softmax cross-entropy at initialization, split by favoured and other class.
///
/// ```text
/// |∂loss/∂logits|² = 2(1 - p_y)² = 2σ(∓D)²,   D = |μ₁ - μ₂| + √(2V) z,   μ₁ - μ₂ ~ N(0, 2T)
/// ```
///
/// `D`, the gap in favour of the favoured class, is skew-normal with shape `√(T/V)` and scale `√(2V + 2T)`, so both means are
/// one-dimensional integrals. `v` (variance over the data at fixed weights) and `t` (variance of the centres) are in logit².
/// Every layer below multiplies both classes alike: the ratio does not depend on depth.
///
/// # Errors
///
/// [`PrejudiceError`] if `v` or `t` is negative, NaN or infinite.
///
/// # Accuracy
///
/// Relative error near 1e-12.
///
/// # References
///
/// Derived in `docs/theory/mean-field.md`, on gradients.
///
/// # Examples
///
/// ```
/// # use firstguess::theory::prejudice::class_gradients;
/// let pull = class_gradients(1.0, 10.0)?;
/// assert!(pull.unfavoured_mean > 11.0 * pull.favoured_mean);
/// # Ok::<(), firstguess::theory::prejudice::PrejudiceError>(())
/// ```
pub fn class_gradients(v: f64, t: f64) -> Result<ClassGradients, PrejudiceError> {
    for (parameter, value) in [("v", v), ("t", t)] {
        let valid = value.is_finite() && value >= 0.0;
        PrejudiceError::unless(valid, parameter, "finite and at least 0", value)?;
    }
    let scale = (v.sqrt().hypot(t.sqrt())) * std::f64::consts::SQRT_2;
    if scale == 0.0 {
        return Ok(ClassGradients {
            favoured_mean: 0.5,
            unfavoured_mean: 0.5,
            favoured_median: 0.5,
            unfavoured_median: 0.5,
        });
    }
    let shape = t.sqrt() / v.sqrt(); // ∞ without spread over the data
    // Twice the CDF folds the half-normal centre into the normal density; 0·∞ at the edge is a null set.
    let skew = |z: f64| if z == 0.0 { 1.0 } else { 2.0 * normal_cdf(shape * z) };
    let mut breaks = step_breaks(shape);
    breaks.extend(step_breaks(scale));
    let rule = GaussianRule::new(&breaks, 32);
    let mean = |sign: f64| {
        rule.expect(|z| {
            let miss = sigmoid(sign * scale * z);
            2.0 * skew(z) * miss * miss
        })
    };
    let gap = scale * median_of_skew_normal(shape)?;
    let squared = |x: f64| 2.0 * sigmoid(x) * sigmoid(x);
    Ok(ClassGradients {
        favoured_mean: mean(-1.0),
        unfavoured_mean: mean(1.0),
        favoured_median: squared(-gap),
        unfavoured_median: squared(gap),
    })
}

/// Median of the density `2 φ(z) Φ(shape z)`, `shape` in [0, ∞].
fn median_of_skew_normal(shape: f64) -> Result<f64, PrejudiceError> {
    // The mass below zero is the mean minority share; what is missing to 1/2 lies between 0 and the half-normal median.
    let missing = GuessFraction::new(shape * shape)?.mean_max_excess();
    let rule = GaussLegendre::cached(24);
    let inner = (6.0 / shape).min(0.35);
    let mass = |z: f64| {
        let skew =
            |w: f64| 2.0 * normal_density(w) * normal_cdf(if w == 0.0 { 0.0 } else { shape * w });
        let knee = inner.min(z);
        rule.integrate(0.0, knee, skew) + rule.integrate(knee, z, skew)
    };
    // No bracket only if shape = 0, where the median is 0: both ends of the mass then vanish with it.
    Ok(brent(|z| mass(z) - missing, 0.0, 0.7, 1e-15).unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(v: f64, t: f64) -> ClassGradients {
        class_gradients(v, t).expect("valid variances")
    }

    /// Independent values (Gauss–Legendre on the half line of the centre times a fine trapezoid over the data).
    ///
    /// The values in circulation, 0.549869 / 0.731778 and 0.137471 / 1.544480, come from a trapezoid rule of step 0.02 across
    /// the kink of `|μ₁ - μ₂|` and are off by up to 4.4e-5: the second half of the test makes the same error and finds them.
    #[test]
    fn reference_values_hold() {
        for (v, t, exact, kinked) in [
            (1.0, 0.05, [0.549_865_956_390_0, 0.731_781_434_814_5], [0.549869, 0.731778]),
            (1.0, 10.0, [0.137_427_515_462_2, 1.544_522_766_947_7], [0.137471, 1.544480]),
        ] {
            let pull = pull(v, t);
            assert!((pull.favoured_mean - exact[0]).abs() < 1e-12, "{pull:?}");
            assert!((pull.unfavoured_mean - exact[1]).abs() < 1e-12, "{pull:?}");
            let rule = GaussianRule::new(&[-6.0, -3.0, 0.0, 3.0, 6.0], 40);
            for (sign, want) in [(-1.0, kinked[0]), (1.0, kinked[1])] {
                let mut sum = 0.0;
                for i in -500..=500 {
                    let centre = 0.02 * f64::from(i);
                    let mean = rule.expect(|z| {
                        let gap = f64::sqrt(2.0 * t) * centre.abs() + f64::sqrt(2.0 * v) * z;
                        2.0 * sigmoid(sign * gap).powi(2)
                    });
                    sum += 0.02 * normal_density(centre) * mean;
                }
                assert!((sum - want).abs() < 6e-7, "{sum} {want}");
            }
        }
    }

    /// The definition itself: a double integral over centre and data.
    #[test]
    fn the_skew_normal_reduction_agrees_with_the_double_integral() {
        let rule = GaussianRule::new(&[-6.0, -3.0, 0.0, 3.0, 6.0], 40);
        for (v, t) in [(1.0_f64, 0.05_f64), (0.3, 0.8), (4.0, 2.0), (1.0, 10.0)] {
            let mean = |sign: f64| {
                rule.expect(|centre| {
                    rule.expect(|z| {
                        let gap = (2.0 * t).sqrt() * centre.abs() + (2.0 * v).sqrt() * z;
                        2.0 * sigmoid(sign * gap).powi(2)
                    })
                })
            };
            let pull = pull(v, t);
            assert!((pull.favoured_mean - mean(-1.0)).abs() < 1e-10, "{v} {t}: {pull:?}");
            assert!((pull.unfavoured_mean - mean(1.0)).abs() < 1e-10, "{v} {t}: {pull:?}");
        }
    }

    /// q → ∞ at fixed γ: the means tend to twice the shares of the two classes, the medians to 0 and 2.
    #[test]
    fn huge_logits_leave_the_shares() {
        for gamma in [0.2, 1.0, 30.0] {
            let law = GuessFraction::new(gamma).expect("valid");
            let pull = pull(1e12, gamma * 1e12);
            assert!(
                (pull.favoured_mean - 2.0 * law.mean_minority()).abs() < 1e-5,
                "{gamma}: {pull:?}"
            );
            assert!(
                (pull.unfavoured_mean - 2.0 * law.mean_max()).abs() < 1e-5,
                "{gamma}: {pull:?}"
            );
            assert!(pull.favoured_median < 1e-100 && pull.unfavoured_median == 2.0);
        }
    }

    #[test]
    fn the_median_of_the_gap_splits_its_law() {
        // Shape 1 is the larger of two normals: Φ² = 1/2.
        let larger_of_two = crate::math::special::normal_quantile(0.5_f64.sqrt());
        let median = |shape| median_of_skew_normal(shape).expect("valid");
        assert!((median(1.0) - larger_of_two).abs() < 1e-13);
        assert!(median(0.0).abs() < 1e-14);
        assert!((median(f64::INFINITY) - 0.674_489_750_196_081_7).abs() < 1e-12);
        assert!((median(1e9) - 0.674_489_750_196_081_7).abs() < 1e-8);
    }

    #[test]
    fn degenerate_and_hostile_variances() {
        assert_eq!(pull(0.0, 0.0).favoured_mean, 0.5);
        let even = pull(3.0, 0.0);
        assert!((even.favoured_mean - even.unfavoured_mean).abs() < 1e-14);
        let rigid = pull(0.0, 1.0);
        assert!(rigid.favoured_mean < rigid.unfavoured_mean && rigid.favoured_mean > 0.0);
        for bad in [f64::NAN, -1.0, f64::INFINITY] {
            assert!(class_gradients(bad, 1.0).is_err() && class_gradients(1.0, bad).is_err());
        }
        for (v, t) in [(f64::MAX, f64::MAX), (5e-324, 1.0), (1e300, 5e-324)] {
            let pull = pull(v, t);
            assert!(
                pull.favoured_mean.is_finite() && pull.unfavoured_median.is_finite(),
                "{pull:?}"
            );
        }
    }
}
