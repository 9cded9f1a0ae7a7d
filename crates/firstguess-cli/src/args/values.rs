//! What a value on the command line may be: one parser for each kind, with the sentence that refuses.

use firstguess::measure::laboratory;
use firstguess::spec::layer::PoolKind;
use firstguess::spec::weights::{WeightError, WeightFamily};
use firstguess::spec::{Activation, Standardize};
use firstguess::theory::dual::MAX_POOL;

pub(super) fn activation(text: &str) -> Result<Activation, String> {
    text.parse::<Activation>().map_err(|error| format!("{error}\n  {}", error.hint()))
}

/// A pool over units, as `--pool` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolArg {
    pub(crate) kind: PoolKind,
    pub(crate) size: usize,
}

pub(super) fn pool(text: &str) -> Result<PoolArg, String> {
    let (kind, size) =
        text.split_once(':').ok_or("write the kind and the number of units, such as max:2")?;
    let kind = match kind.trim() {
        "max" => PoolKind::Max,
        "average" | "avg" | "mean" => PoolKind::Average,
        "min" => PoolKind::Min,
        _ => return Err("the kind is one of max, average and min".to_owned()),
    };
    Ok(PoolArg { kind, size: count(size, 1, MAX_POOL)? })
}

pub(super) fn standardize(text: &str) -> Result<Standardize, String> {
    match text.trim() {
        "none" => Ok(Standardize::None),
        "unit_range" => Ok(Standardize::UnitRange),
        "global" => Ok(Standardize::Global),
        "channel" => Ok(Standardize::Channel),
        "feature" => Ok(Standardize::Feature),
        _ => Err("the choice is none, unit_range, global, channel or feature".to_owned()),
    }
}

pub(super) fn number(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| "not a number".to_owned())
}

/// Infinities count.
pub(super) fn not_nan(text: &str) -> Result<f64, String> {
    number(text).and_then(|x| if x.is_nan() { Err("must be a number".to_owned()) } else { Ok(x) })
}

pub(super) fn bounded(text: &str, low: f64, high: f64, domain: &str) -> Result<f64, String> {
    let value = number(text)?;
    // NaN lies in no range.
    if (low..=high).contains(&value) { Ok(value.abs()) } else { Err(format!("must be {domain}")) }
}

/// As in a spec file.
pub(super) fn variance(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, 1e6, "finite, at least 0 and at most 1e6")
}

/// Ends of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

pub(super) fn range(text: &str) -> Result<Range, String> {
    let (low, high) = text.split_once(':').ok_or("write both ends, such as 0.5:4")?;
    let (low, high) = (variance(low)?, variance(high)?);
    if low < high {
        Ok(Range { low, high })
    } else {
        Err("the first end must be below the second".to_owned())
    }
}

/// A point of a phase diagram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) weight_variance: f64,
    pub(crate) bias_variance: f64,
}

pub(super) fn point(text: &str) -> Result<Point, String> {
    let (weight, bias) = text
        .split_once(',')
        .ok_or("write the weight variance and the bias variance, such as 2,0.1")?;
    Ok(Point { weight_variance: variance(weight)?, bias_variance: variance(bias)? })
}

pub(super) fn resolution(text: &str) -> Result<usize, String> {
    count(text, 2, 1024)
}

pub(super) fn correlation(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, 1.0, "from 0 to 1")
}

pub(super) fn gamma(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, f64::INFINITY, "at least 0; `inf` is allowed")
}

/// As in a spec file.
pub(super) fn precision(text: &str) -> Result<f64, String> {
    bounded(text, 1e-6, 1.0, "a relative error from 1e-6 to 1, such as 0.01")
}

pub(super) fn seconds(text: &str) -> Result<f64, String> {
    bounded(text, 1e-3, 1e7, "a number of seconds from 0.001 to 1e7")
}

pub(super) fn count(text: &str, low: usize, high: usize) -> Result<usize, String> {
    let refusal = || format!("must be a whole number from {low} to {high}");
    let value = text.trim().parse().map_err(|_| refusal())?;
    if (low..=high).contains(&value) { Ok(value) } else { Err(refusal()) }
}

pub(super) fn depth(text: &str) -> Result<usize, String> {
    count(text, 1, 1_000_000)
}

pub(super) fn draws(text: &str) -> Result<usize, String> {
    count(text, 1, firstguess::spec::experiment::MAX_DRAWS)
}

pub(super) fn samples(text: &str) -> Result<usize, String> {
    count(text, 1, firstguess::spec::experiment::MAX_SAMPLES)
}

pub(super) fn width(text: &str) -> Result<usize, String> {
    count(text, 1, firstguess::spec::network::MAX_UNITS)
}

pub(super) fn narrow(text: &str) -> Result<usize, String> {
    count(text, 1, laboratory::MAX_WIDTH)
}

pub(super) fn layer(text: &str) -> Result<usize, String> {
    count(text, 1, laboratory::MAX_LAYER)
}

pub(super) fn networks(text: &str) -> Result<usize, String> {
    count(text, 2, laboratory::MAX_NETWORKS)
}

pub(super) fn weight_law(text: &str) -> Result<WeightFamily, String> {
    text.parse().map_err(|error: WeightError| error.to_string())
}

pub(super) fn threads(text: &str) -> Result<usize, String> {
    count(text, 1, 1024)
}

pub(super) fn classes(text: &str) -> Result<usize, String> {
    count(text, 2, firstguess::theory::prejudice::MAX_CLASSES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_their_domain_are_refused() {
        for text in ["nan", "-1", "inf", "1e7", "", "two"] {
            assert!(variance(text).is_err(), "{text}");
        }
        assert_eq!(variance(" 1.5 "), Ok(1.5));
        assert_eq!(variance("-0").map(f64::is_sign_positive), Ok(true));
        assert_eq!(gamma("inf"), Ok(f64::INFINITY));
        assert_eq!(pool("avg:4"), Ok(PoolArg { kind: PoolKind::Average, size: 4 }));
        for text in ["max", "max:0", "top:2", "max:two", "max:99999999"] {
            assert!(pool(text).is_err(), "{text}");
        }
        assert_eq!(point("2, 0.1"), Ok(Point { weight_variance: 2.0, bias_variance: 0.1 }));
        for text in ["2", "2,", "2,-1", "nan,0", "1,2,3"] {
            assert!(point(text).is_err(), "{text}");
        }
        for text in ["0", "-3", "1.5", "1000001", "99999999999999999999999"] {
            assert!(depth(text).is_err(), "{text}");
        }
    }
}
