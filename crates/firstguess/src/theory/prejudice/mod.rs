//! How unevenly an untrained network guesses: the law of the share of inputs that each class receives.
//!
//! At fixed weights the logits of a wide network spread around centres that the weights drew. With `V` the variance of a
//! logit over the data and `T` the variance of the centres over the weights, everything here depends on the drift ratio
//! `γ = T/V` alone, or equally on the correlation `c = γ/(1 + γ)` of two inputs.
//!
//! - [`GuessFraction`]: two classes, closed forms;
//! - [`GuessLaw`]: any number of classes; [`ShareTable`]: its mean shares, tabulated;
//! - [`head_drift`]: the drift ratio behind an output layer with variances of its own;
//! - [`class_gradients`]: how much harder the disfavoured class pulls.

mod agreement;
mod binary;
mod gradients;
mod largest_share;
mod multiclass;
mod ordered;
mod share_table;

pub use binary::GuessFraction;
pub use gradients::{ClassGradients, class_gradients};
pub use largest_share::LargestShare;
pub use multiclass::{DEFAULT_PROBABILITIES, GuessLaw, MAX_CLASSES, expected_maximum};
pub use share_table::ShareTable;

/// A parameter outside the set on which these laws are defined.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{parameter}` must be {domain}, got {value}")]
pub struct PrejudiceError {
    /// Which parameter.
    pub parameter: &'static str,
    /// What it may be.
    pub domain: &'static str,
    /// What it was.
    pub value: f64,
}

impl PrejudiceError {
    fn unless(
        holds: bool,
        parameter: &'static str,
        domain: &'static str,
        value: f64,
    ) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self { parameter, domain, value }) }
    }
}

/// A number from a deterministic rule, with an estimate of its absolute error.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Approximation {
    /// The number.
    pub value: f64,
    /// Estimated absolute error: the change under a coarser rule, or the spread between blocks of one rule. Never below
    /// the rounding of `value`; not a proven bound.
    pub error: f64,
}

impl Approximation {
    /// A closed form: only rounding is left.
    fn exact(value: f64) -> Self {
        Self { value, error: 4.0 * f64::EPSILON * value.abs() }
    }

    /// The finer of two rules, charged with their difference.
    fn refined(coarse: f64, fine: f64) -> Self {
        Self { value: fine, error: (fine - coarse).abs() + 1e-13 * fine.abs() }
    }

    fn map_linear(self, scale: f64, shift: f64) -> Self {
        let value = scale * self.value + shift;
        Self { value, error: scale.abs() * self.error + f64::EPSILON * value.abs() }
    }
}

/// The drift ratio behind an output layer that has its own variances.
///
/// ```text
/// γ_out = (σ_w² T' + σ_b²) / (σ_w² V'),   T' = E[φ(u)φ(v)],   V' = E[φ(u)²] - T'
/// ```
///
/// `u` and `v` are the last hidden pre-activations of two inputs. Infinite where the two moments agree to rounding: the
/// network then gives every input the same class. Where `V'` is known without the subtraction, call
/// [`head_drift_from_spread`], which loses no digit.
///
/// # Errors
///
/// [`PrejudiceError`] if an argument is negative, NaN or infinite, if the cross moment exceeds the second moment, or if all
/// variances vanish, which leaves 0/0.
///
/// # References
///
/// Derived in `docs/theory/guess-fraction.md`.
///
/// # Examples
///
/// ```
/// # use firstguess::theory::prejudice::head_drift;
/// // One ReLU layer of unit variance on uncorrelated inputs: E[φ²] = 1/2, E[φφ] = 1/2π.
/// let gamma = head_drift(2.0, 0.0, 0.5, 0.5 / std::f64::consts::PI)?;
/// assert!((gamma - 1.0 / (std::f64::consts::PI - 1.0)).abs() < 1e-14);
/// # Ok::<(), firstguess::theory::prejudice::PrejudiceError>(())
/// ```
pub fn head_drift(
    weight_variance_out: f64,
    bias_variance_out: f64,
    mean_second_moment: f64,
    cross_moment: f64,
) -> Result<f64, PrejudiceError> {
    let valid = mean_second_moment.is_finite() && mean_second_moment >= 0.0;
    PrejudiceError::unless(
        valid,
        "mean_second_moment",
        "finite and at least 0",
        mean_second_moment,
    )?;
    let valid = (0.0..=mean_second_moment).contains(&cross_moment);
    PrejudiceError::unless(valid, "cross_moment", "between 0 and the second moment", cross_moment)?;
    let spread = mean_second_moment - cross_moment;
    head_drift_from_spread(weight_variance_out, bias_variance_out, spread, cross_moment)
}

/// [`head_drift`] from the spread `V' = E[(φ(u) - φ(v))²]/2` itself, for correlations close to 1.
///
/// # Errors
///
/// As [`head_drift`].
pub fn head_drift_from_spread(
    weight_variance_out: f64,
    bias_variance_out: f64,
    spread: f64,
    cross_moment: f64,
) -> Result<f64, PrejudiceError> {
    for (parameter, value) in [
        ("weight_variance_out", weight_variance_out),
        ("bias_variance_out", bias_variance_out),
        ("spread", spread),
        ("cross_moment", cross_moment),
    ] {
        let valid = value.is_finite() && value >= 0.0;
        PrejudiceError::unless(valid, parameter, "finite and at least 0", value)?;
    }
    // By ratios: the products of huge moments would overflow, those of tiny ones vanish.
    let gamma = if weight_variance_out > 0.0 {
        if spread == 0.0 && cross_moment == 0.0 && bias_variance_out == 0.0 {
            f64::NAN
        } else {
            (cross_moment + bias_variance_out / weight_variance_out) / spread
        }
    } else if bias_variance_out > 0.0 {
        f64::INFINITY
    } else {
        f64::NAN
    };
    PrejudiceError::unless(
        !gamma.is_nan(),
        "weight_variance_out",
        "positive, with a positive moment behind it, or the bias variance positive",
        weight_variance_out,
    )?;
    Ok(gamma)
}

/// Checks a drift ratio: in [0, ∞], both ends allowed.
fn checked_gamma(gamma: f64) -> Result<f64, PrejudiceError> {
    PrejudiceError::unless(gamma >= 0.0, "gamma", "in [0, infinity]", gamma)?;
    Ok(gamma.abs())
}

/// `γ = c/(1 - c)` of a correlation in [0, 1].
fn gamma_of_correlation(c: f64) -> Result<f64, PrejudiceError> {
    PrejudiceError::unless((0.0..=1.0).contains(&c), "correlation", "in [0, 1]", c)?;
    Ok((c / (1.0 - c)).abs())
}

/// Checks a probability.
fn checked_probability(p: f64) -> Result<f64, PrejudiceError> {
    PrejudiceError::unless((0.0..=1.0).contains(&p), "probability", "in [0, 1]", p)?;
    Ok(p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_keeps_its_drift_near_full_correlation_and_at_extreme_scales() {
        let direct = head_drift_from_spread(2.0, 0.1, 1e-20, 0.5).expect("valid");
        assert!((direct / 5.5e19 - 1.0).abs() < 1e-14, "{direct}");
        let huge = head_drift_from_spread(1e200, 0.0, 1e200, 1e200).expect("valid");
        assert_eq!(huge, 1.0);
        assert_eq!(head_drift(1.0, 0.0, 0.5, 0.5), Ok(f64::INFINITY));
        assert_eq!(head_drift(1.0, 0.0, 1.0, 0.0), Ok(0.0));
        assert_eq!(head_drift(0.0, 0.3, 1.0, 0.0), Ok(f64::INFINITY));
    }

    #[test]
    fn impossible_heads_are_refused() {
        for (w, b, second, cross) in [
            (-1.0, 0.0, 1.0, 0.5),
            (1.0, f64::NAN, 1.0, 0.5),
            (1.0, 0.0, f64::INFINITY, 0.5),
            (1.0, 0.0, 0.5, 1.0),
            (1.0, 0.0, 0.5, -0.1),
            (0.0, 0.0, 0.5, 0.1),
            (1.0, 0.0, 0.0, 0.0),
        ] {
            assert!(head_drift(w, b, second, cross).is_err(), "{w} {b} {second} {cross}");
        }
        assert!(checked_gamma(f64::NAN).is_err());
        assert!(checked_gamma(-1e-300).is_err());
        assert!(gamma_of_correlation(1.0 + 1e-15).is_err());
        assert_eq!(gamma_of_correlation(1.0), Ok(f64::INFINITY));
    }
}
