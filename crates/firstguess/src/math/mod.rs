//! Numerical vocabulary in f64, without nouns of the domain.
