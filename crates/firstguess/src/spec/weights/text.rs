//! Reading and writing weight laws as text, and why a text is none.

use super::{WEIGHT_FAMILIES, WeightFamily, WeightFamilyEntry, WeightParameter};
use std::fmt;
use std::str::FromStr;

/// Why a weight law was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum WeightError {
    /// No family has this name.
    #[error("unknown weight law `{name}`: did you mean `{nearest}`?")]
    UnknownFamily { name: String, nearest: &'static str },

    /// A parametric family was named without its parameter.
    #[error("weight law `{family}` needs its {parameter}, as in `{example}`")]
    MissingParameter { family: &'static str, parameter: String, example: String },

    /// A family without parameters was given one.
    #[error("weight law `{family}` takes no parameter, got `{found}`")]
    UnexpectedParameter { family: &'static str, found: String },

    /// The text between the parentheses is not the numbers that the family takes, or a parenthesis is missing.
    #[error("weight law `{text}` is not of the form `{example}`")]
    Malformed { text: String, example: String },

    /// The parameter lies outside the range of the family.
    #[error("{parameter} of weight law `{family}` must be {domain}, got {value}")]
    OutOfDomain { family: &'static str, parameter: &'static str, domain: &'static str, value: f64 },
}

impl fmt::Display for WeightFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&call(self.entry().name, &self.parameters()))
    }
}

/// `name`, or `name(1,2)`.
fn call(name: &str, parameters: &[f64]) -> String {
    if parameters.is_empty() {
        return name.to_owned();
    }
    let numbers: Vec<String> = parameters.iter().map(ToString::to_string).collect();
    format!("{name}({})", numbers.join(","))
}

impl WeightParameter {
    pub(super) fn check(&self, family: &'static str, value: f64) -> Result<(), WeightError> {
        if (self.allows)(value) {
            return Ok(());
        }
        let (parameter, domain) = (self.name, self.domain);
        Err(WeightError::OutOfDomain { family, parameter, domain, value })
    }
}

impl WeightFamilyEntry {
    /// How the family is written: `normal`, `weibull(3)`.
    pub fn example(&self) -> String {
        let examples: Vec<f64> = self.parameters.iter().map(|p| p.example).collect();
        call(self.name, &examples)
    }
}

impl FromStr for WeightFamily {
    type Err = WeightError;

    fn from_str(text: &str) -> Result<Self, WeightError> {
        let text = text.trim();
        let (name, argument) = match text.split_once('(') {
            Some((name, rest)) => (name.trim_end(), Some(rest)),
            None => (text, None),
        };
        let Some(entry) = WEIGHT_FAMILIES.iter().find(|entry| entry.name == name) else {
            return Err(WeightError::UnknownFamily {
                name: name.to_owned(),
                nearest: nearest(name),
            });
        };
        let malformed =
            || WeightError::Malformed { text: text.to_owned(), example: entry.example() };
        match (entry.parameters.is_empty(), argument) {
            (true, None) => Ok((entry.build)(&[])),
            (true, Some(_)) => {
                let found = text[name.len()..].to_owned();
                Err(WeightError::UnexpectedParameter { family: entry.name, found })
            }
            (false, None) => {
                let names: Vec<&str> = entry.parameters.iter().map(|p| p.name).collect();
                Err(WeightError::MissingParameter {
                    family: entry.name,
                    parameter: names.join(" and "),
                    example: entry.example(),
                })
            }
            (false, Some(rest)) => {
                let inner = rest.trim_end().strip_suffix(')').ok_or_else(malformed)?;
                let values: Vec<f64> = inner
                    .split(',')
                    .map(|value| value.trim().parse().map_err(|_| malformed()))
                    .collect::<Result<_, _>>()?;
                if values.len() != entry.parameters.len() {
                    return Err(malformed());
                }
                for (parameter, value) in entry.parameters.iter().zip(&values) {
                    parameter.check(entry.name, *value)?;
                }
                Ok((entry.build)(&values))
            }
        }
    }
}

fn nearest(name: &str) -> &'static str {
    let mut best = ("normal", f64::NEG_INFINITY);
    for entry in WEIGHT_FAMILIES {
        let likeness = strsim::jaro_winkler(&name.to_lowercase(), entry.name);
        if likeness > best.1 {
            best = (entry.name, likeness);
        }
    }
    best.0
}

impl TryFrom<String> for WeightFamily {
    type Error = WeightError;

    fn try_from(text: String) -> Result<Self, WeightError> {
        text.parse()
    }
}

impl From<WeightFamily> for String {
    fn from(family: WeightFamily) -> Self {
        family.to_string()
    }
}
