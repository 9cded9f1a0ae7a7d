//! Why a text is not an activation.

use super::VOCABULARY;
use crate::spec::gaussian_pair::PairError;

/// Why a text was refused as an activation: what was found, where, and what is allowed.
///
/// Positions count characters from 1.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum ActivationError {
    /// Nothing but white space.
    #[error("the activation is empty")]
    Empty,

    /// A plain name or call that the vocabulary lacks.
    #[error("unknown activation `{name}`{}", did_you_mean(*.suggestion))]
    UnknownName { name: String, suggestion: Option<&'static str> },

    /// Too many or too few parameters.
    #[error("`{name}` takes {takes}, got {got}")]
    ParameterCount { name: &'static str, takes: String, got: usize },

    /// A parameter outside its domain.
    #[error("`{parameter}` of `{name}` must be {domain}, got {value}")]
    ParameterDomain { name: &'static str, parameter: &'static str, domain: String, value: f64 },

    /// An exponent without a Gaussian pair.
    #[error("`{name}`: {source}")]
    Pair { name: &'static str, source: PairError },

    /// An expression longer than anyone writes.
    #[error("the expression has {length} characters, at most {limit} are allowed")]
    TooLong { length: usize, limit: usize },

    /// An expression nested deeper than anyone writes.
    #[error("the expression is nested too deeply at character {position}")]
    TooDeep { position: usize },

    /// Not the grammar of an expression.
    #[error("in `{text}`: expected {expected} at character {position}, found {found}")]
    Syntax { text: String, position: usize, expected: &'static str, found: String },

    /// A function that expressions lack.
    #[error("unknown function `{name}` at character {position}{}", did_you_mean(*.suggestion))]
    UnknownFunction { name: String, position: usize, suggestion: Option<&'static str> },

    /// A name other than `x` and the constants.
    #[error("unknown variable `{name}` at character {position}{}", did_you_mean(*.suggestion))]
    UnknownVariable { name: String, position: usize, suggestion: Option<&'static str> },

    /// A function called with the wrong number of arguments.
    #[error("`{name}` at character {position} takes {takes} argument(s), got {got}")]
    ArgumentCount { name: String, position: usize, takes: usize, got: usize },

    /// An expression without `x`.
    #[error("`{text}` does not depend on x")]
    Constant { text: String },

    /// A value or slope that is infinite or NaN.
    #[error("`{text}` is not finite at x = {at}")]
    NotFinite { text: String, at: f64 },

    /// Too many jumps, or an oscillation too fast to follow.
    #[error("`{text}` jumps or turns abruptly more than {limit} times between -40 and 40")]
    TooRough { text: String, limit: usize },

    /// Growth as fast as `exp(x²)`.
    #[error("`{text}` grows so fast that its Gaussian moments are infinite")]
    InfiniteMoments { text: String },
}

impl ActivationError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Empty | Self::UnknownName { .. } => {
                let names: Vec<&str> = VOCABULARY.iter().map(|entry| entry.name).collect();
                format!("known: {}; or an expression in x such as `x*sigmoid(1.702*x)`", names.join(", "))
            }
            Self::ParameterCount { name, .. }
            | Self::ParameterDomain { name, .. }
            | Self::Pair { name, .. } => VOCABULARY
                .iter()
                .find(|entry| entry.name == *name)
                .map_or_else(String::new, |entry| format!("{name} is {}", entry.formula)),
            Self::TooLong { .. } | Self::TooDeep { .. } => "write a shorter expression".to_owned(),
            Self::Syntax { .. } => {
                "expressions use + - * / ^, parentheses and functions of x; write 2*x, not 2x".to_owned()
            }
            Self::UnknownFunction { .. } | Self::ArgumentCount { .. } => {
                format!("functions: {}", super::expression::function_names().join(", "))
            }
            Self::UnknownVariable { .. } => "the only variable is x; constants are pi and e".to_owned(),
            Self::TooRough { .. } => "slow the oscillation down".to_owned(),
            Self::Constant { .. } => "an activation is a function of x".to_owned(),
            Self::NotFinite { .. } => {
                "an activation must have a finite value at every real x: guard it, as in log(1 + x^2)".to_owned()
            }
            Self::InfiniteMoments { .. } => {
                "an activation may grow like exp(|x|), not like exp(x^2)".to_owned()
            }
        }
    }
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// User text fit for a message: control characters escaped, cut after 60 characters.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push_str("...");
    }
    shown
}

/// The candidate nearest to a misspelt name, if any is near.
pub(super) fn nearest(
    name: &str,
    candidates: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
