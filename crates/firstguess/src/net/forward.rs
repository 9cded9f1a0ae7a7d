//! The forward pass.

use super::dropout::Masks;
use super::error::{NetError, Pass};
use super::program::{Record, StepOp};
use super::scalar::Scalar;
use super::scale::{power_of_two, rescale};
use super::source::{Drawn, Source, rescale_bias};
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
        observer: impl FnMut(LayerView<'_, T>),
    ) -> Result<&[T], NetError> {
        self.forward_from(&mut Drawn(weights), input, masks, observer)
    }

    /// [`Tape::forward`] on weights that may not exist.
    pub(crate) fn forward_from(
        &mut self,
        source: &mut impl Source<T>,
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
        source.check(program)?;
        self.prepare(batch)?;
        self.values[program.values[0].slot][..input.len()].copy_from_slice(input);
        for position in 0..program.steps.len() {
            self.forward_step(position, source, batch, &mut observer)?;
        }
        self.batch = batch;
        Ok(self.logits())
    }

    fn forward_step(
        &mut self,
        position: usize,
        source: &mut impl Source<T>,
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
        let mut exponent = self.exponents[step.input.value];
        // A layer with weights always has an index.
        let layer = step.index.saturating_sub(1);
        match &step.op {
            StepOp::Dense(_) => {
                if let Some(place) = step.place(batch) {
                    source.forward(place, power_of_two(-exponent), input, output)?;
                }
            }
            StepOp::Conv(conv) => {
                if let Some(weights) = source.drawn(layer) {
                    conv.forward(weights, input, output, &mut self.patches);
                    let scale = power_of_two(-exponent);
                    rescale_bias(&weights.bias, conv.positions(), scale, output);
                }
            }
            StepOp::Activation(activation) => T::activate(activation, input, output),
            StepOp::Pool(pool) => {
                let keep = program.record > Record::Nothing;
                pool.forward(input, output, keep.then_some(&mut saved.indices));
            }
            StepOp::GlobalAverage(pool) => pool.forward(input, output),
            StepOp::Norm(norm) => {
                if !norm.has_statistics(batch) {
                    return Err(NetError::BatchTooSmall { index: step.index });
                }
                norm.forward(input, output, &mut saved.inverse_std);
            }
            StepOp::Dropout(dropout) => dropout.apply(self.masks, input, output),
            StepOp::Sum(sum) => {
                let branch = step.branch.map_or(input, |branch| read(branch.value));
                let other = step.branch.map_or(exponent, |branch| self.exponents[branch.value]);
                sum.forward(input, branch, output);
                if other != exponent {
                    let (carried, added) = (exponent, other);
                    exponent = carried.max(added);
                    let shares = [carried, added].map(|e| power_of_two(e - exponent));
                    sum.forward_scaled(shares, input, branch, output);
                }
            }
        }
        step.check_finite(Pass::Forward, output)?;
        if self.carrying && program.homogeneous && step.op.grows() {
            exponent += rescale(output);
        }
        self.exponents[step.output] = exponent;
        if let Some(view) = step.view(batch, output, Some(input), exponent) {
            observer(view);
        }
        self.values[out.slot] = buffer;
        Ok(())
    }
}
