//! The forward pass.

use super::drawing::Drawing;
use super::dropout::Masks;
use super::error::{NetError, Pass};
use super::gemm::Product;
use super::live::Factor;
use super::program::{Record, StepOp};
use super::reduce::non_finite;
use super::scalar::Scalar;
use super::scale::{power_of_two, rescale};
use super::source::rescale_bias;
use super::tape::{LayerView, Source, Tape};
use super::weights::{LayerWeights, Weights, grow};
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
        self.run_forward(&mut Source::Kept(weights), input, masks, observer)
    }

    /// [`Tape::forward`] with weights that are made layer by layer, or some columns at a time, and not kept.
    ///
    /// # Errors
    ///
    /// As [`Tape::forward`]; [`NetError::Sample`] for a law that cannot be drawn.
    pub fn forward_drawn(
        &mut self,
        drawing: &Drawing<'_>,
        input: &[T],
        masks: Masks,
        observer: impl FnMut(LayerView<'_, T>),
    ) -> Result<&[T], NetError> {
        self.run_forward(&mut Source::Drawn(*drawing), input, masks, observer)
    }

    /// [`Tape::forward`] on weights from anywhere.
    pub(crate) fn run_forward(
        &mut self,
        source: &mut Source<'_, T>,
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
        if non_finite(input).is_some() {
            let position = input.iter().position(|x| *x * T::ZERO != T::ZERO).unwrap_or_default();
            return Err(NetError::Input { position, value: input[position].to_f64() });
        }
        program.check_source(source)?;
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
        source: &mut Source<'_, T>,
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
        match (&step.op, &mut *source) {
            (StepOp::Dense(_), Source::Sampled(law)) => {
                if let Some(place) = step.place(batch) {
                    law.forward(place, power_of_two(-exponent), input, output)?;
                }
            }
            (StepOp::Dense(dense), Source::Drawn(drawing)) => {
                let (position, drawn) = (step.index - 1, &mut self.drawn);
                let layer = drawing.layer(position);
                grow(&mut drawn.bias, "the biases", dense.outputs)?;
                layer.bias(&mut drawn.bias[..dense.outputs])?;
                let factors = if drawing.is_drawn_in_parts(position) {
                    self.live.factors(input, dense.inputs, dense.outputs)?
                } else {
                    vec![Factor::whole(input, dense.inputs)]
                };
                let width = drawing.panel_columns(position, batch);
                for first in (0..dense.outputs).step_by(width) {
                    let columns = first..dense.outputs.min(first + width);
                    let mut product = dense.begin(columns.clone(), &drawn.bias, output);
                    for Factor { rows, input } in &factors {
                        let len = columns.len() * rows.len();
                        grow(&mut drawn.weight, "the weights", len)?;
                        let weight = &mut drawn.weight[..len];
                        layer.part(*rows, columns.clone(), weight)?;
                        dense.forward_part(product, columns.clone(), weight, *input, output);
                        product = Product::Add;
                    }
                }
            }
            (StepOp::Conv(conv), Source::Drawn(drawing)) => {
                let layer = drawing.layer(step.index - 1);
                fit(&mut self.drawn, conv.fan_in() * conv.outputs(), conv.outputs())?;
                layer.weight(&mut self.drawn.weight)?;
                layer.bias(&mut self.drawn.bias)?;
                conv.forward(&self.drawn, input, output, &mut self.patches);
            }
            (StepOp::Dense(dense), Source::Kept(weights)) => {
                dense.forward(&weights.layers[step.index - 1], batch, input, output);
            }
            (StepOp::Conv(conv), Source::Kept(weights)) => {
                conv.forward(&weights.layers[step.index - 1], input, output, &mut self.patches);
            }
            // Weights change on the way back only, and every law of products is one of dense layers.
            (StepOp::Dense(_), Source::Descending(..))
            | (StepOp::Conv(_), Source::Descending(..) | Source::Sampled(_)) => {}
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
        if exponent != 0 {
            let positions = if let StepOp::Conv(conv) = &step.op { conv.positions() } else { 1 };
            if let Some(bias) = step.bias(source, &self.drawn) {
                rescale_bias(bias, positions, power_of_two(-exponent), output);
            }
        }
        step.check_result(Pass::Forward, output)?;
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

/// Gives a layer that is made anew exactly so many values.
pub(super) fn fit<T: Scalar>(
    layer: &mut LayerWeights<T>,
    entries: usize,
    outputs: usize,
) -> Result<(), NetError> {
    layer.weight.truncate(entries);
    layer.bias.truncate(outputs);
    grow(&mut layer.weight, "the weights", entries)?;
    grow(&mut layer.bias, "the biases", outputs)
}
