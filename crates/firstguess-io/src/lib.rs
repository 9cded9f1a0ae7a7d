//! Bytes to data sets, specs and weights.
