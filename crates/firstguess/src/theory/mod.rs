//! Infinite width. Deterministic: never draws a random number.
