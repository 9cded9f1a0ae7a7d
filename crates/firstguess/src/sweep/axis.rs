//! One direction of a grid: a list, a range, or several of them side by side.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::GridError;
use super::key::canonical;

/// Fields that change together: one of them, or a zip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Axis {
    /// All with equally many values.
    pub fields: Vec<Field>,
}

/// A field and what it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// An option of the command (`weight_variance`), or a path into the spec (`init.bias_variance`, `network.layers.0.dense`).
    pub name: String,
    /// Its values, in order.
    pub values: Values,
}

/// What a field takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Values {
    /// Evenly spaced numbers.
    Range(Range),
    /// These.
    List(Vec<Value>),
}

/// Evenly spaced numbers, both ends included.
///
/// ```text
/// linear: x_i = start + i (stop - start)/(num - 1)
/// log:    x_i = exp(ln start (1 - i/(num - 1)) + ln stop i/(num - 1))
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The first value.
    pub start: f64,
    /// The last value.
    pub stop: f64,
    /// How many.
    pub num: u64,
    /// In what they are evenly spaced.
    #[serde(default)]
    pub scale: Scale,
    /// Rounded to whole numbers: widths, depths.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub round: bool,
}

/// In what the values of a range are evenly spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// In themselves.
    #[default]
    Linear,
    /// In their logarithms.
    Log,
}

/// Whole numbers up to here are exact in a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Rounded ranges are looked through for repetitions: that many at most.
const MOST_ROUNDED: u64 = 1_000_000;

impl Axis {
    /// Number of values.
    pub fn len(&self) -> u64 {
        self.fields.first().map_or(0, |field| field.values.len())
    }

    /// Whether there is no value at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this is a direction: values that distinguish points, in fields of equal length.
    pub(super) fn validate(&self) -> Result<(), GridError> {
        for field in &self.fields {
            field.validate()?;
        }
        let Some(first) = self.fields.first() else {
            return Err(GridError::Empty { field: "zip".to_owned() });
        };
        for other in &self.fields[1..] {
            if other.values.len() != first.values.len() {
                return Err(GridError::Unequal {
                    first: first.name.clone(),
                    first_len: first.values.len(),
                    other: other.name.clone(),
                    other_len: other.values.len(),
                });
            }
        }
        self.distinct()
    }

    /// Side by side values may recur, as long as no whole row does.
    fn distinct(&self) -> Result<(), GridError> {
        // An unrounded range with two different ends has no value twice.
        let distinct = |values: &Values| matches!(values, Values::Range(range) if !range.round);
        if self.fields.iter().any(|field| distinct(&field.values)) {
            return Ok(());
        }
        let mut seen = std::collections::HashSet::new();
        for at in 0..self.len() {
            let row: Vec<String> =
                self.fields.iter().map(|field| canonical(&field.values.at(at))).collect();
            let row = row.join(", ");
            if !seen.insert(row.clone()) {
                let names: Vec<&str> = self.fields.iter().map(|f| f.name.as_str()).collect();
                return Err(GridError::RepeatedValue { field: names.join(", "), value: row });
            }
        }
        Ok(())
    }
}

impl Field {
    fn validate(&self) -> Result<(), GridError> {
        match &self.values {
            Values::List(values) if values.is_empty() => {
                Err(GridError::Empty { field: self.name.clone() })
            }
            Values::List(_) => Ok(()),
            Values::Range(range) => range.validate(&self.name),
        }
    }
}

impl Values {
    /// Number of values.
    pub fn len(&self) -> u64 {
        match self {
            Self::Range(range) => range.num,
            Self::List(values) => values.len() as u64,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Value number `index`; null beyond the end.
    pub fn at(&self, index: u64) -> Value {
        match self {
            Self::Range(range) => range.at(index),
            Self::List(values) => usize::try_from(index)
                .ok()
                .and_then(|index| values.get(index))
                .cloned()
                .unwrap_or(Value::Null),
        }
    }
}

impl Range {
    fn validate(&self, field: &str) -> Result<(), GridError> {
        let refuse = |found: String, allowed: &'static str| {
            Err(GridError::Range { field: field.to_owned(), found, allowed })
        };
        for end in [self.start, self.stop] {
            if !end.is_finite() {
                return Err(GridError::NotFinite { field: field.to_owned(), value: end });
            }
        }
        if self.num == 0 {
            return refuse("has `num = 0`".to_owned(), "give at least one value");
        }
        if self.num > 1 && self.start == self.stop {
            return refuse(
                format!("goes from {} to {} in {} values", self.start, self.stop, self.num),
                "two ends that differ, or num = 1",
            );
        }
        if self.scale == Scale::Log && !(self.start > 0.0 && self.stop > 0.0) {
            return refuse(
                format!("goes from {} to {} with scale log", self.start, self.stop),
                "both ends must be above 0",
            );
        }
        if self.round && self.num > MOST_ROUNDED {
            return refuse(format!("rounds {} values", self.num), "at most 1000000 are rounded");
        }
        // Neighbours that a double cannot tell apart would be one point twice.
        let closest = (self.start - self.stop).abs() / (self.num.saturating_sub(1).max(1)) as f64;
        let largest = self.start.abs().max(self.stop.abs());
        if self.scale == Scale::Linear && self.num > 1 && closest < largest * 4.0 * f64::EPSILON {
            return refuse(
                format!("has {} values between {} and {}", self.num, self.start, self.stop),
                "fewer: neighbours would be equal",
            );
        }
        if self.scale == Scale::Log {
            let step = (libm::log(self.stop) - libm::log(self.start)).abs();
            if self.num > 1 && step / self.num as f64 <= 1e3 * f64::EPSILON {
                return refuse(
                    format!("has {} values between {} and {}", self.num, self.start, self.stop),
                    "fewer: neighbours would be equal",
                );
            }
        }
        Ok(())
    }

    /// The step between whole numbers, where all values are whole.
    fn whole_step(&self) -> Option<f64> {
        let steps = self.num.saturating_sub(1).max(1) as f64;
        let step = (self.stop - self.start) / steps;
        let whole = [self.start, self.stop, step].iter().all(|value| value.fract() == 0.0);
        (self.scale == Scale::Linear && whole && self.is_exact()).then_some(step)
    }

    fn is_exact(&self) -> bool {
        self.start.abs().max(self.stop.abs()) < EXACT
    }

    /// Whether it has whole numbers only.
    pub(super) fn is_whole(&self) -> bool {
        let one = self.num == 1 && self.start.fract() == 0.0;
        self.is_exact() && (self.round || one || self.whole_step().is_some())
    }

    fn at(&self, index: u64) -> Value {
        let last = self.num.saturating_sub(1);
        // The ends as they were given, the rest by one formula in portable arithmetic: the same digits on every machine.
        let value = if index == 0 {
            self.start
        } else if index >= last {
            self.stop
        } else {
            let part = index as f64 / last as f64;
            match self.scale {
                // As NumPy's linspace, digit for digit.
                Scale::Linear => self.start + (self.stop - self.start) / last as f64 * index as f64,
                Scale::Log => {
                    libm::exp(libm::log(self.start) * (1.0 - part) + libm::log(self.stop) * part)
                }
            }
        };
        number(if self.round { value.round() } else { value })
    }
}

/// Whole numbers without a point, so that they serve as depths and widths.
#[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
pub(super) fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < EXACT {
        return Value::from(value as i64);
    }
    Value::from(value)
}
