//! Numerical vocabulary in f64, without nouns of the domain.

pub mod quadrature;
pub mod roots;
pub mod special;
