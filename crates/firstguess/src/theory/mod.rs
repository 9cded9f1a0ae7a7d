//! Infinite width. Deterministic: never draws a random number.

pub mod convolution;
pub mod critical;
pub mod dual;
pub mod gaussian_pair;
pub mod kernel;
pub mod log_periodic;
pub mod loss_bias;
pub mod mean_field;
pub mod norm;
pub mod optimal_variance;
pub mod phase;
pub mod phase_diagram;
pub mod predict;
pub mod prejudice;
pub mod preserved;
pub mod residual;

use serde::Serialize;

/// Why theory has no value here: a value of its own, never a silent zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{reason}")]
pub struct NoTheory {
    /// The reason, for people.
    pub reason: String,
}

impl NoTheory {
    /// No value, for this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// A predicted number, or why there is none.
pub type Predicted = Result<f64, NoTheory>;
