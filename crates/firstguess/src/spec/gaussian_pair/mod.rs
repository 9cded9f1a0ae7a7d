//! Gaussian pairs: a weight law and an activation whose product is exactly normal.
//!
//! For weights `W` with random sign and `X ~ N(0, 1)`, the activation φ is chosen so that
//!
//! ```text
//! W · φ(X) ~ N(0, 1)      hence      (1/√n) Σ_i W_i φ(X_i) ~ N(0, 1) for every width n
//! ```
//!
//! when the `X_i` are independent. The moments decide everything: `E|φ(X)|^z = E|G|^z / E|W|^z` fixes the law of
//! `|φ(X)|`, and φ carries the normal law onto it.
//!
//! 1. [`PairFamily`] names a weight law; [`PairWeights`] is one that has a partner.
//! 2. [`MagnitudeLaw`] is the law of `|φ(X)|`.
//! 3. [`PairTable`] is φ itself, odd or positive, with its derivative.
//!
//! The first two layers of a network with such weights are exactly Gaussian at every width. From the third on the neurons
//! of a layer share the norm of the layer before; [`crate::theory::gaussian_pair`] predicts the deviation.
//!
//! # References
//!
//! `wolinski2025` (arXiv:2205.12379) for the Weibull pairs; the other families and all numerics are derived in
//! docs/theory/gaussian-pairs.md.

mod closed;
mod error;
mod family;
mod far;
mod fast;
mod law;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod wright;

pub use error::PairError;
pub use family::{PairFamily, PairWeights};
pub use law::MagnitudeLaw;
pub use table::{Branch, PairTable};

/// A level of probability seen from both ends, so that neither tail loses digits.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Level {
    /// Probability below.
    cdf: f64,
    /// Logarithm of the probability above.
    ln_survival: f64,
}

/// A solved quantile.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    /// The quantile.
    y: f64,
    /// `ln(S(y)/f(y))`, the logarithm of the reciprocal hazard rate.
    ln_ratio: f64,
}
