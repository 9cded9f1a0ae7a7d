//! Why an ONNX file could not be used.

use std::fmt;
use std::io;

use crate::DataError;

/// Why an ONNX file could not be read, run or turned into layers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum OnnxError {
    /// The operating system refused.
    #[error("cannot read `{file}`: {source}")]
    Io { file: String, source: io::Error },

    /// More bytes than are read.
    #[error(
        "`{file}` holds more than the {limit} bytes that are read at most. Export a smaller variant of the model: \
         initialization does not depend on its size"
    )]
    TooLarge { file: String, limit: u64 },

    /// The bytes are no usable model.
    #[error("the ONNX model {found}. Allowed: {allowed}")]
    Malformed { found: String, allowed: String },

    /// Operators that are not run here.
    #[error("the ONNX model has operators that are not supported: {}. {advice}", list(operators))]
    Unsupported { operators: Vec<Operator>, advice: String },

    /// A node whose inputs or attributes do not fit it.
    #[error("the ONNX model cannot be run: {operator}: {problem}")]
    Run { operator: Operator, problem: String },

    /// Inputs of another shape.
    #[error(
        "the ONNX model takes inputs of shape {expected}, the data have {found}. Give an array [examples, ...] of the shape that the model \
         takes, as in numpy.savez(\"data.npz\", x=inputs, y=labels)"
    )]
    Inputs { expected: String, found: String },

    /// Arrays that are no inputs or labels.
    #[error(transparent)]
    Data(#[from] DataError),

    /// The check itself could not be made.
    #[error(transparent)]
    Check(#[from] firstguess::CheckError),
}

/// A node of the graph, as it is named in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// `Conv`, `Gemm`, …
    pub kind: String,
    /// Name of the node, or of its first output where it has none.
    pub node: String,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (node `{}`)", self.kind, self.node)
    }
}

/// Most operators that a message names one by one.
const NAMED: usize = 8;

fn list(operators: &[Operator]) -> String {
    let mut text: Vec<_> = operators.iter().take(NAMED).map(ToString::to_string).collect();
    if operators.len() > NAMED {
        text.push(format!("and {} more", operators.len() - NAMED));
    }
    text.join(", ")
}

impl OnnxError {
    pub(super) fn malformed(found: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self::Malformed { found: found.into(), allowed: allowed.into() }
    }
}
