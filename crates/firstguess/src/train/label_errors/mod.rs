//! Which labels are wrong: from held-out probabilities ([`confident`]) or from margins during training ([`margins`]).
//!
//! Both only rank and count: whether the flagged labels were wrong is known where the truth is, and [`metrics`] says how well they
//! were found.

pub mod confident;
pub mod margins;
pub mod metrics;
mod prune;
mod rounding;

pub use confident::{ConfidentLearning, Probabilities, ProbabilityError};
pub use margins::Margins;
pub use metrics::Detection;
pub use prune::{Method, Pruning, Ranking};

#[cfg(test)]
mod tests;
