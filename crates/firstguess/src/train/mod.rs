//! The laboratory: small networks are trained to see what an initialization and a loss come to.
//!
//! In reading order: [`optimizer`] has the update rules; [`trainer`] runs one training, step by step; [`dynamics`] looks at
//! a network in training; [`lab`] runs many trainings in parallel, [`compare`] puts them side by side; [`detect`] trains
//! to find wrong labels, with the counting of [`label_errors`]; [`variance_search`] finds the gain at which the weights
//! keep their norm, [`noise`] measures gradient noise and curvature.
//!
//! A training is fixed by its seed and replicate: the weights, the order of the samples and the dropout masks come from
//! streams of their own. Two arms with the same seed and replicate share all three (common random numbers), so that
//! their difference is the arms' alone.
//!
//! Normalisations have unit gain and zero shift and no trainable parameter. In training they take the statistics of the
//! minibatch; in evaluation those of the evaluation batch, never running means: batch norm is then a function of up to
//! [`trainer::EVALUATION_BATCH`] examples at once. Dropout is off in evaluation.

pub mod batches;
pub mod compare;
pub mod detect;
pub mod dynamics;
pub mod lab;
pub mod label_errors;
pub mod noise;
pub mod optimizer;
pub mod trainer;
pub mod variance_search;

#[cfg(test)]
mod tests;

pub use dynamics::{Probe, Snapshot};
pub use lab::{Arm, Lab, LabReport};
pub use optimizer::{Method, Optimizer, RateSchedule};
pub use trainer::{Divergence, Programs, Task, TrainError, Trainer};
