//! Finite networks: one file per layer kind, forward and backward side by side.
//!
//! In reading order: [`Weights`] are drawn from a seed by the samplers of [`sample`]; a [`Program`] is the network as a
//! list of steps over buffers; a [`Tape`] holds the buffers of one thread and runs forward and backward; [`loss`] gives the
//! gradient at the logits. Where weights are used once, a [`Recipe`] makes them in passing instead. Every batch is row-major, `[batch, features]` or `[batch, channels, height, width]`.
//!
//! Networks run in f32, with statistics in f64, or wholly in f64 ([`Scalar`]). A run uses one thread: draws run in
//! parallel, each with its own weights and tape. The same seed and draw give the same bits on any number of threads.

pub mod activation;
mod backward;
mod conv;
mod dense;
mod drawing;
mod dropout;
pub mod error;
mod forward;
pub mod gemm;
mod live;
pub mod loss;
pub mod norm;
mod pool;
mod program;
mod reduce;
mod rescale;
mod residual;
pub mod sample;
mod scalar;
pub(crate) mod scale;
mod shifted;
mod source;
mod state;
mod tape;
mod weights;

#[cfg(test)]
mod tests;

pub use drawing::{Drawing, Recipe};
pub use dropout::Masks;
pub use error::NetError;
pub use program::{MAX_BYTES, Program, Record};
pub use rescale::{RescaleError, Rescaled, rescale_layers};
pub use scalar::Scalar;
pub(crate) use source::{LayerLaw, Place};
pub use state::{NamedTensor, StateLayer, named_tensors, state_layers};
pub(crate) use tape::Source;
pub use tape::{LayerView, Tape, Wanted, WeightKind};
pub use weights::{LayerWeights, Weights};
