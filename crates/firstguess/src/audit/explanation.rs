//! Mistakes that give a scale of just this factor.

use super::Expectation;
use crate::spec::weights::TRUNCATED_STD;
use serde::Serialize;

/// What kind of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The wrong fan, or a framework's default that looks like the rule by name.
    Fan,
    /// Any other.
    Scale,
}

/// A mistake with the factor that it causes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// What kind.
    pub kind: Kind,
    /// In a clause.
    pub text: &'static str,
    /// The factor that it would give.
    pub factor: f64,
}

/// The mistake whose factor is closest to what was found, if one is within `limit` in the logarithm.
///
/// Fans go first: their factors hang on the shape, so that they hardly agree by chance.
pub(super) fn explain(expected: &Expectation, found: f64, limit: f64) -> Option<Explanation> {
    let (fan_in, fan_out) = (expected.fan_in as f64, expected.fan_out as f64);
    let (taps, std) = (expected.taps as f64, expected.std);
    let fans = [
        ("fan_in and fan_out are swapped", (fan_in / fan_out).sqrt()),
        (
            "the mean of fan_in and fan_out was used for fan_in",
            (2.0 * fan_in / (fan_in + fan_out)).sqrt(),
        ),
        ("fan_in was used for the mean of both", ((fan_in + fan_out) / (2.0 * fan_in)).sqrt()),
        ("fan_out was used for the mean of both", ((fan_in + fan_out) / (2.0 * fan_out)).sqrt()),
        ("the positions of the kernel were left out of the fan", taps.sqrt()),
        (
            "PyTorch's default kaiming_uniform_(a=√5) stands for He's rule: √6 too small",
            6.0_f64.sqrt().recip(),
        ),
        (
            "He's rule stands for PyTorch's default kaiming_uniform_(a=√5): √6 too large",
            6.0_f64.sqrt(),
        ),
    ];
    let scales = [
        ("the factor 2 of He's rule is missing", 0.5_f64.sqrt()),
        ("the factor 2 of He's rule is there where it should not be", 2.0_f64.sqrt()),
        ("the factor 2 stands outside the square root", 2.0),
        ("half the standard deviation", 0.5),
        (
            "a standard deviation was given as the half-width of a uniform law",
            3.0_f64.sqrt().recip(),
        ),
        ("the half-width of a uniform law was given as a standard deviation", 3.0_f64.sqrt()),
        ("a truncated normal was not rescaled", TRUNCATED_STD),
        ("a truncated normal was rescaled that is none", TRUNCATED_STD.recip()),
        ("the gain 5/3 of tanh was applied", 5.0 / 3.0),
        ("the variance was given as the standard deviation", std),
        ("the standard deviation was given as the variance", std.sqrt().recip()),
        ("the fan was not divided by", fan_in.sqrt()),
        ("the fan was divided by without a square root", fan_in.sqrt().recip()),
    ];
    let of = |kind, (text, factor): (&'static str, f64)| Explanation { kind, text, factor };
    let all =
        fans.map(|fan| of(Kind::Fan, fan)).into_iter().chain(scales.map(|s| of(Kind::Scale, s)));
    let distance = |explanation: &Explanation| (found / explanation.factor).ln().abs();
    let told = |explanation: &Explanation| {
        // A factor of one explains nothing, and no one forgets a fan of one.
        explanation.factor.ln().abs() > 0.02 && distance(explanation) <= limit
    };
    all.filter(told).min_by(|a, b| {
        let penalty = |e: &Explanation| distance(e) + if e.kind == Kind::Fan { 0.0 } else { limit };
        penalty(a).total_cmp(&penalty(b))
    })
}
