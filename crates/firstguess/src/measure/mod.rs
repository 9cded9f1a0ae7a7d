//! Monte Carlo on finite networks: every number is an [`Estimate`] with its standard error.

pub mod estimate;
pub mod moments;
pub mod prejudice;

pub use estimate::Estimate;
