//! The forward pass.

use super::dropout::Masks;
use super::error::{NetError, Pass};
use super::program::{Record, StepOp};
use super::scalar::Scalar;
use super::tape::{LayerView, Tape};
use super::weights::Weights;
use std::mem::take;

impl<T: Scalar> Tape<'_, T> {
    /// Runs a batch through the network and returns the logits, `[batch, logits]`.
    ///
    /// `input` is `[batch, features]` (of images `[batch, channels, height, width]`), row-major. `observer` sees the
    /// output of every layer with weights, the pre-activations, in the order of `index`. Normalisations take the
    /// statistics of this batch, as in training.
    ///
    /// # Errors
    ///
    /// [`NetError::NonFinite`] where a layer first gives an infinity or NaN; [`NetError::Input`] for one in the input;
    /// [`NetError::Length`] for slices that do not fit; [`NetError::Memory`] for a batch too large;
    /// [`NetError::BatchTooSmall`] where batch norm would see one value per channel.
    pub fn forward(
        &mut self,
        weights: &Weights<T>,
        input: &[T],
        masks: Masks,
        mut observer: impl FnMut(LayerView<'_, T>),
    ) -> Result<&[T], NetError> {
        let program = self.program;
        (self.batch, self.masks, self.input_gradient) = (0, masks, false);
        let batch = input.len() / program.input_size;
        if batch == 0 || input.len() != batch * program.input_size {
            return Err(NetError::Length {
                what: "the input",
                expected: format!("a positive multiple of {}", program.input_size),
                found: input.len(),
            });
        }
        if let Some(position) = input.iter().position(|x| *x * T::ZERO != T::ZERO) {
            return Err(NetError::Input { position, value: input[position].to_f64() });
        }
        program.check_weights(weights)?;
        self.prepare(batch)?;
        self.values[program.values[0].slot][..input.len()].copy_from_slice(input);
        for position in 0..program.steps.len() {
            self.forward_step(position, weights, batch, &mut observer)?;
        }
        self.batch = batch;
        Ok(self.logits())
    }

    fn forward_step(
        &mut self,
        position: usize,
        weights: &Weights<T>,
        batch: usize,
        observer: &mut impl FnMut(LayerView<'_, T>),
    ) -> Result<(), NetError> {
        let program = self.program;
        let step = &program.steps[position];
        let out = &program.values[step.output];
        // The buffer leaves its place so that others can be read beside it.
        let mut buffer = take(&mut self.values[out.slot]);
        let output = &mut buffer[..out.size * batch];
        let read = |value: usize| {
            let value = &program.values[value];
            &self.values[value.slot][..value.size * batch]
        };
        let input = read(step.input.value);
        let saved = &mut self.saved[position];
        let layer = step.index.checked_sub(1).map(|position| &weights.layers[position]);
        match (&step.op, layer) {
            (StepOp::Dense(dense), Some(layer)) => dense.forward(layer, batch, input, output),
            (StepOp::Conv(conv), Some(layer)) => {
                conv.forward(layer, input, output, &mut self.patches);
            }
            // A layer with weights always has an index.
            (StepOp::Dense(_) | StepOp::Conv(_), None) => {}
            (StepOp::Activation(activation), _) => T::activate(activation, input, output),
            (StepOp::Pool(pool), _) => {
                let keep = program.record > Record::Nothing;
                pool.forward(input, output, keep.then_some(&mut saved.indices));
            }
            (StepOp::GlobalAverage(pool), _) => pool.forward(input, output),
            (StepOp::Norm(norm), _) => {
                if !norm.has_statistics(batch) {
                    return Err(NetError::BatchTooSmall { index: step.index });
                }
                norm.forward(input, output, &mut saved.inverse_std);
            }
            (StepOp::Dropout(dropout), _) => dropout.apply(self.masks, input, output),
            (StepOp::Sum(sum), _) => {
                let branch = step.branch.map_or(input, |branch| read(branch.value));
                sum.forward(input, branch, output);
            }
        }
        step.check_finite(Pass::Forward, output)?;
        if let Some(view) = step.view(batch, output, Some(input)) {
            observer(view);
        }
        self.values[out.slot] = buffer;
        Ok(())
    }
}
