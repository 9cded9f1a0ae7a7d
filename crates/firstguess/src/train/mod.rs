//! Training on real labels, and what it tells about them.

pub mod label_errors;
