//! The law of products with weights that do not exist.

use super::dense::Dense;
use super::error::NetError;
use super::program::Program;
use super::scalar::Scalar;

/// The law of what dense layers make of their inputs, and of gradients.
///
/// One object serves one forward pass and the backward passes through it.
pub(crate) trait LayerLaw<T: Scalar> {
    /// Refuses a network that this does not fit.
    fn check(&self, program: &Program) -> Result<(), NetError>;

    /// Told before each backward pass.
    fn begin_backward(&mut self) {}

    /// `[batch, inputs] → [batch, outputs]`, the bias times `bias_scale` included.
    fn forward(
        &mut self,
        place: Place,
        bias_scale: f64,
        input: &[T],
        output: &mut [T],
    ) -> Result<(), NetError>;

    /// `dL/dx` of a dense layer; `input` is what went forward, where the program keeps it.
    fn input_gradient(
        &mut self,
        place: Place,
        input: Option<&[T]>,
        output_gradient: &[T],
        input_gradient: &mut [T],
    ) -> Result<(), NetError>;
}

/// Which dense layer is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Position among the layers with weights, from 0.
    pub(crate) position: usize,
    pub(crate) dense: Dense,
    pub(crate) batch: usize,
    /// Whether it reads the data themselves, the same in every draw.
    pub(crate) on_data: bool,
}

/// Turns a bias that was added as it is into `scale` times that: values carried as multiples of a power of two need it.
pub(super) fn rescale_bias<T: Scalar>(bias: &[T], positions: usize, scale: f64, output: &mut [T]) {
    if scale == 1.0 || bias.iter().all(|b| *b == T::ZERO) {
        return;
    }
    for example in output.chunks_exact_mut(bias.len() * positions) {
        for (plane, b) in example.chunks_exact_mut(positions).zip(bias) {
            let excess = T::from_f64(b.to_f64() * (scale - 1.0));
            for h in plane {
                *h += excess;
            }
        }
    }
}
