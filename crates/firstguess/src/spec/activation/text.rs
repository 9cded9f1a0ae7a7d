//! Reading and writing activations as text.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::error::{nearest, shown};
use super::{Activation, ActivationError, Domain, Entry, Expression, PairActivation, VOCABULARY};

impl Domain {
    fn contains(self, value: f64) -> bool {
        match self {
            Self::Finite => value.is_finite(),
            Self::Positive => value.is_finite() && value > 0.0,
            Self::PositiveOrInfinite => value > 0.0,
            Self::UnitInterval => value > 0.0 && value <= 1.0,
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finite => "finite",
            Self::Positive => "finite and > 0",
            Self::PositiveOrInfinite => "> 0, or inf",
            Self::UnitInterval => "> 0 and <= 1",
        })
    }
}

/// The line of the vocabulary with this name or alias, whatever the case.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    let name = name.to_ascii_lowercase();
    VOCABULARY.iter().find(|entry| entry.name == name || entry.aliases.contains(&name.as_str()))
}

impl Entry {
    /// The activation with these leading parameters and defaults for the rest.
    ///
    /// # Errors
    ///
    /// [`ActivationError::ParameterCount`], [`ActivationError::ParameterDomain`] and [`ActivationError::Pair`].
    pub fn with_parameters(&self, given: &[f64]) -> Result<Activation, ActivationError> {
        let required = self.parameters.iter().filter(|p| p.default.is_none()).count();
        if given.len() > self.parameters.len() || given.len() < required {
            return Err(ActivationError::ParameterCount {
                name: self.name,
                takes: self.signature(),
                got: given.len(),
            });
        }
        let mut values = Vec::with_capacity(self.parameters.len());
        for (i, parameter) in self.parameters.iter().enumerate() {
            let value = given.get(i).copied().or(parameter.default).unwrap_or(f64::NAN);
            if !parameter.domain.contains(value) {
                return Err(ActivationError::ParameterDomain {
                    name: self.name,
                    parameter: parameter.name,
                    domain: parameter.domain.to_string(),
                    value,
                });
            }
            values.push(value);
        }
        self.build.call(&values).map_err(|source| ActivationError::Pair { name: self.name, source })
    }

    fn signature(&self) -> String {
        if self.parameters.is_empty() {
            return "no parameters".to_owned();
        }
        let names: Vec<&str> = self.parameters.iter().map(|p| p.name).collect();
        format!("({})", names.join(", "))
    }
}

impl FromStr for Activation {
    type Err = ActivationError;

    fn from_str(text: &str) -> Result<Self, ActivationError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ActivationError::Empty);
        }
        if is_name(text) {
            return match find(text) {
                Some(entry) => entry.with_parameters(&[]),
                None => Err(unknown(text)),
            };
        }
        if let Some((name, arguments)) = call(text) {
            // `tanh(x)` is `tanh`; numbers are parameters; anything else is left to the expression parser.
            if arguments.trim() == "x"
                && let Some(entry) = find(name)
                && let Ok(activation) = entry.with_parameters(&[])
            {
                return Ok(activation);
            }
            if let Some(entry) = find(name)
                && let super::Build::Pair(branch) = entry.build
                && !arguments.trim().is_empty()
                && constants(arguments).is_none()
            {
                return arguments
                    .parse()
                    .and_then(|family| PairActivation::of(family, branch))
                    .map(Self::GaussianPair)
                    .map_err(|source| ActivationError::Pair { name: entry.name, source });
            }
            if let Some(parameters) = constants(arguments) {
                return match find(name) {
                    Some(entry) => entry.with_parameters(&parameters),
                    // `cos(2)` is a constant, not a misspelt activation: let the expression parser say so.
                    None if super::expression::is_function(name) => {
                        Expression::parse(text).map(|e| Self::Expression(Arc::new(e)))
                    }
                    None => Err(unknown(name)),
                };
            }
        }
        Expression::parse(text).map(|expression| Self::Expression(Arc::new(expression)))
    }
}

fn unknown(name: &str) -> ActivationError {
    let lower: String = name.chars().take(60).collect::<String>().to_ascii_lowercase();
    ActivationError::UnknownName {
        suggestion: nearest(&lower, VOCABULARY.iter().map(|entry| entry.name)),
        name: shown(name),
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `name(arguments)` where the parenthesis that opens after the name closes at the end.
fn call(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once('(')?;
    let arguments = rest.strip_suffix(')')?;
    let mut depth = 0_usize;
    for c in arguments.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    let name = name.trim();
    (depth == 0 && is_name(name)).then_some((name, arguments))
}

/// The arguments as numbers, if each is a number or an expression without `x`.
fn constants(arguments: &str) -> Option<Vec<f64>> {
    if arguments.trim().is_empty() {
        return Some(vec![]);
    }
    arguments
        .split(',')
        .map(|argument| {
            // Infinity and NaN are numbers outside every domain: refused there, with the domain.
            argument.trim().parse().ok().or_else(|| Expression::constant(argument))
        })
        .collect()
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, parameters) = match (self, self.call()) {
            (Self::Expression(expression), _) => return f.write_str(expression.text()),
            (Self::GaussianPair(pair), _) => return write!(f, "{pair:?}"),
            (_, Some(call)) => call,
            (_, None) => return Err(fmt::Error),
        };
        f.write_str(name)?;
        let defaults = find(name).is_some_and(|entry| {
            entry.parameters.iter().map(|p| p.default).eq(parameters.iter().map(|p| Some(*p)))
        });
        if defaults {
            return Ok(());
        }
        // `{:?}` is the shortest text that reads back as the same number, with an exponent where that is shorter.
        let numbers: Vec<String> = parameters
            .iter()
            .map(|p| {
                let text = format!("{p:?}");
                text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
            })
            .collect();
        write!(f, "({})", numbers.join(","))
    }
}

impl TryFrom<String> for Activation {
    type Error = ActivationError;

    fn try_from(text: String) -> Result<Self, ActivationError> {
        text.parse()
    }
}

impl From<Activation> for String {
    fn from(activation: Activation) -> Self {
        activation.to_string()
    }
}
