//! Why a finite network could not be drawn or run.

use super::sample::SampleError;

/// Why a finite network could not be drawn or run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum NetError {
    /// A value overflowed, or a function was undefined where it was evaluated.
    #[error(
        "the {pass} gives {found} at `{kind}` after weight layer {index}; {}",
        overflow_hint(*found)
    )]
    NonFinite { pass: Pass, kind: String, index: usize, found: NonFinite },

    /// An input value is NaN or infinite.
    #[error("input value {position} is {value}; inputs must be finite")]
    Input { position: usize, value: f64 },

    /// A slice has another length than the network needs.
    #[error("{what} must have {expected} values, got {found}")]
    Length { what: &'static str, expected: String, found: usize },

    /// More memory than a run may take, or than the machine gives.
    #[error(
        "{what} needs {needed} bytes, more than {available}; use fewer inputs at a time, or a smaller network"
    )]
    Memory { what: &'static str, needed: u64, available: String },

    /// A batch whose statistics say nothing.
    #[error(
        "`batch_norm` after weight layer {index} takes its statistics from one value per channel; give it more inputs"
    )]
    BatchTooSmall { index: usize },

    /// Something was asked of a pass that has not been run, or that has not kept it.
    #[error("{0}")]
    NotRecorded(&'static str),

    /// A label that names no class.
    #[error("label {label} of example {example}; there are {classes} classes")]
    Label { example: usize, label: u32, classes: usize },

    /// The weights of a layer cannot be drawn as asked.
    #[error("weight layer {index}: {source}")]
    Sample { index: usize, source: SampleError },
}

/// The direction in which a number ran through the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// From inputs to logits.
    Forward,
    /// From the gradient of the logits to that of the weights.
    Backward,
}

impl std::fmt::Display for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Forward => "forward pass",
            Self::Backward => "backward pass",
        })
    }
}

/// What stands where a number should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonFinite {
    /// An infinity: the values outgrew their type.
    Infinity,
    /// Not a number.
    NaN,
}

impl std::fmt::Display for NonFinite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Infinity => "infinity",
            Self::NaN => "NaN",
        })
    }
}

fn overflow_hint(found: NonFinite) -> &'static str {
    match found {
        NonFinite::Infinity => "a smaller weight variance or a shallower network stays in range",
        NonFinite::NaN => {
            "an activation is undefined there, or infinities met; look at the layers before it"
        }
    }
}
