//! Dropout.

use super::scalar::Scalar;
use crate::math::stream::{Purpose, Seed, Stream};

/// Which units dropout takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Masks {
    /// None: the layer is the identity, as at test time.
    #[default]
    Off,
    /// A mask for each draw; the same address gives the same mask in the forward and the backward pass.
    Draw {
        /// Seed of the run.
        seed: Seed,
        /// Number of the draw, or of the training step.
        draw: u64,
    },
}

/// Inverted dropout: a unit is kept with probability `keep` and then divided by it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dropout {
    pub(super) keep: f64,
    /// Position among the dropout layers, from 1.
    pub(super) ordinal: u32,
}

impl Dropout {
    /// `output = input · mask / keep`. Linear with a diagonal matrix: the backward pass is the same function of the
    /// gradient.
    pub(super) fn apply<T: Scalar>(self, masks: Masks, input: &[T], output: &mut [T]) {
        let Masks::Draw { seed, draw } = masks else {
            output.copy_from_slice(input);
            return;
        };
        let stream = Stream::new(seed, draw, self.ordinal, Purpose::Dropout);
        let scale = T::from_f64(1.0 / self.keep);
        let mut words = [0_u32; 1024];
        let parts = input.chunks(words.len()).zip(output.chunks_mut(words.len()));
        for ((input, output), first) in parts.zip((0..).step_by(words.len())) {
            let words = &mut words[..input.len()];
            stream.fill_u32(first, words);
            for ((y, x), word) in output.iter_mut().zip(input).zip(&*words) {
                let kept = f64::from(*word) < self.keep * 4_294_967_296.0;
                *y = if kept { *x * scale } else { T::ZERO };
            }
        }
    }
}
