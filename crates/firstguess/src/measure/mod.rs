//! Monte Carlo on finite networks: every number is an [`Estimate`] with its standard error.

pub mod estimate;
pub mod gaussianity;
pub mod gradients;
pub mod moments;
pub mod prejudice;
pub mod units;

pub use estimate::Estimate;
