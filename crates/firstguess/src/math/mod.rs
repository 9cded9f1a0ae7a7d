//! Numerical vocabulary in f64, without nouns of the domain.

pub mod bivariate_normal;
pub mod chebyshev;
pub mod complex_gamma;
pub(crate) mod elementary;
pub mod incomplete;
pub mod quadrature;
pub mod roots;
pub mod special;
pub mod stream;
pub mod vectorized;
