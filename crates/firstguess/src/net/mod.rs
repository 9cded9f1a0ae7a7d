//! Finite networks: one file per layer kind, forward and backward side by side.

pub mod sample;
