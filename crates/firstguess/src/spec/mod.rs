//! What was asked, and the vocabulary it is asked in. Checked once: afterwards a spec cannot be ill-formed.

pub mod activation;
pub mod dataset;
pub mod shape;

pub use dataset::{Binarize, Dataset, DatasetError, Standardize};
pub use shape::{Shape, ShapeError};
