//! The backward pass.

use super::drawing::Drawing;
use super::error::{NetError, Pass};
use super::forward::fit;
use super::gemm::Product;
use super::program::{Operand, Record, Step, StepOp};
use super::reduce::{self, non_finite};
use super::residual::ResidualSum;
use super::scalar::Scalar;
use super::scale::{rescale, shift};
use super::tape::{LayerView, Source, Tape, Wanted};
use super::weights::{LayerWeights, Rows, Weights, grow};
use std::mem::{swap, take};

impl<T: Scalar> Tape<'_, T> {
    /// Carries a gradient of the logits, `[batch, logits]`, back through the last forward pass.
    ///
    /// `observer` sees `dL/dh` at every layer with weights, in descending order of `index`. `weights` must be those of the
    /// forward pass. The gradient is that of the sum over the batch: a mean loss divides its logit gradients first.
    ///
    /// # Errors
    ///
    /// [`NetError::NotRecorded`] without a complete forward pass, under [`Record::Nothing`], or for weight gradients
    /// without [`Record::WeightGradients`]; [`NetError::Length`] for slices that do not fit; [`NetError::NonFinite`] where
    /// a gradient overflows.
    pub fn backward(
        &mut self,
        weights: &Weights<T>,
        logits_gradient: &[T],
        wanted: Wanted<'_, T>,
        observer: impl FnMut(LayerView<'_, T>),
    ) -> Result<(), NetError> {
        let sink = wanted.weights.map(|weights| (Product::Add, weights));
        let mut source = Source::Kept(weights);
        self.run_backward(&mut source, logits_gradient, sink, wanted.input, observer)
    }

    /// [`Tape::backward`] after [`Tape::forward_drawn`]: the weights are made once more.
    ///
    /// # Errors
    ///
    /// As [`Tape::backward`]; [`NetError::Sample`] for a law that cannot be drawn.
    pub fn backward_drawn(
        &mut self,
        drawing: &Drawing<'_>,
        logits_gradient: &[T],
        wanted: Wanted<'_, T>,
        observer: impl FnMut(LayerView<'_, T>),
    ) -> Result<(), NetError> {
        let sink = wanted.weights.map(|weights| (Product::Add, weights));
        let mut source = Source::Drawn(*drawing);
        self.run_backward(&mut source, logits_gradient, sink, wanted.input, observer)
    }

    /// The gradients of the weights, in place of what `gradient` holds: for optimizers with a state of their own.
    ///
    /// Saves the clearing of [`Weights::clear`] and the reading of zeros.
    ///
    /// # Errors
    ///
    /// As [`Tape::backward`].
    pub fn weight_gradient(
        &mut self,
        weights: &Weights<T>,
        logits_gradient: &[T],
        gradient: &mut Weights<T>,
    ) -> Result<(), NetError> {
        let sink = Some((Product::Replace, gradient));
        self.run_backward(&mut Source::Kept(weights), logits_gradient, sink, false, |_| {})
    }

    /// A step of plain gradient descent: `W ← W - rate · dL/dW` on the way back, without a buffer for the gradient.
    ///
    /// `observer` sees `dL/dh` at every layer with weights, in descending order of `index`.
    ///
    /// # Errors
    ///
    /// As [`Tape::backward`]; after an overflow the weights of the layers passed so far have been changed.
    pub fn descend(
        &mut self,
        weights: &mut Weights<T>,
        logits_gradient: &[T],
        rate: f64,
        observer: impl FnMut(LayerView<'_, T>),
    ) -> Result<(), NetError> {
        let mut source = Source::Descending(weights, T::from_f64(-rate));
        self.run_backward(&mut source, logits_gradient, None, false, observer)
    }

    /// [`Tape::backward`] on weights from anywhere: those of the forward pass.
    pub(crate) fn run_backward(
        &mut self,
        source: &mut Source<'_, T>,
        logits_gradient: &[T],
        mut sink: Option<(Product, &mut Weights<T>)>,
        input: bool,
        mut observer: impl FnMut(LayerView<'_, T>),
    ) -> Result<(), NetError> {
        let program = self.program;
        self.input_gradient = false;
        if self.batch == 0 {
            return Err(NetError::NotRecorded(
                "a backward pass needs a complete forward pass first",
            ));
        }
        if program.record == Record::Nothing {
            return Err(NetError::NotRecorded(
                "the program records nothing; make it with Record::Gradients",
            ));
        }
        program.check_source(source)?;
        if let Source::Sampled(law) = source {
            law.begin_backward();
        }
        let of_weights = sink.is_some() || matches!(source, Source::Descending(..));
        if of_weights && program.record < Record::WeightGradients {
            return Err(NetError::NotRecorded(
                "the program keeps no layer inputs; make it with Record::WeightGradients",
            ));
        }
        if let Some((_, gradient)) = &sink {
            program.check_weights(gradient)?;
        }
        let output = &program.values[program.output];
        if logits_gradient.len() != output.size * self.batch {
            return Err(NetError::Length {
                what: "the gradient of the logits",
                expected: (output.size * self.batch).to_string(),
                found: logits_gradient.len(),
            });
        }
        if let (Some(found), Some(last)) = (non_finite(logits_gradient), program.steps.last()) {
            let (pass, index) = (Pass::Backward, last.index);
            return Err(NetError::NonFinite { pass, kind: "loss".to_owned(), index, found });
        }
        self.gradients[output.gradient_slot][..logits_gradient.len()]
            .copy_from_slice(logits_gradient);
        self.gradient_exponents[program.output] = 0;
        for position in (0..program.steps.len()).rev() {
            self.backward_step(position, source, &mut sink, input, &mut observer)?;
        }
        self.input_gradient = input;
        Ok(())
    }

    fn backward_step(
        &mut self,
        position: usize,
        source: &mut Source<'_, T>,
        sink: &mut Option<(Product, &mut Weights<T>)>,
        input: bool,
        observer: &mut impl FnMut(LayerView<'_, T>),
    ) -> Result<(), NetError> {
        let program = self.program;
        let step = &program.steps[position];
        let out = &program.values[step.output];
        if !(out.trained || input) {
            return Ok(());
        }
        let buffer = take(&mut self.gradients[out.gradient_slot]);
        let gradient = &buffer[..out.size * self.batch];
        let kept =
            (program.record == Record::WeightGradients).then(|| self.value(step.input.value));
        let exponent = self.gradient_exponents[step.output];
        if let Some(view) = step.view(self.batch, gradient, kept, exponent) {
            observer(view);
        }
        let mut outcome = Ok(());
        for (operand, is_branch) in [(Some(step.input), false), (step.branch, true)] {
            let Some(operand) = operand else { continue };
            if (program.values[operand.value].trained || input) && outcome.is_ok() {
                outcome = self.operand_gradient(position, operand, is_branch, source, gradient);
            }
        }
        // After the gradient of the input: descending changes the weights that it goes through.
        if outcome.is_ok()
            && let Some(layer) = step.index.checked_sub(1)
        {
            outcome = match (sink, &mut *source) {
                (Some((product, weights)), _) => {
                    let layer = &mut weights.layers[layer];
                    self.step_weights(step, gradient, *product, T::ONE, layer)
                }
                (None, Source::Descending(weights, scale)) => {
                    let layer = &mut weights.layers[layer];
                    self.step_weights(step, gradient, Product::Add, *scale, layer)
                }
                _ => Ok(()),
            };
        }
        self.gradients[out.gradient_slot] = buffer;
        outcome
    }

    /// Puts or adds `scale` times the gradients of the weights of a step to `layer`; other steps do nothing.
    fn step_weights(
        &mut self,
        step: &Step,
        output_gradient: &[T],
        product: Product,
        scale: T,
        layer: &mut LayerWeights<T>,
    ) -> Result<(), NetError> {
        let rows = match &step.op {
            StepOp::Dense(dense) => {
                let input = self.value(step.input.value);
                dense.weight_gradient(product, scale, self.batch, input, output_gradient, layer);
                self.batch
            }
            StepOp::Conv(conv) => {
                if product == Product::Replace {
                    layer.weight.fill(T::ZERO);
                    layer.bias.fill(T::ZERO);
                }
                let mut patches = take(&mut self.patches);
                let input = self.value(step.input.value);
                conv.weight_gradient(scale, input, output_gradient, layer, &mut patches);
                self.patches = patches;
                self.batch * conv.positions()
            }
            _ => return Ok(()),
        };
        let input = self.value(step.input.value);
        // The factors are often far smaller than their product; what they bound need not be looked at.
        if layer.weight.len() > input.len() + output_gradient.len() {
            let largest = reduce::largest(input) * reduce::largest(output_gradient);
            if largest * rows as f64 * scale.to_f64().abs().max(1.0) <= T::SAFE {
                return step.check_finite(Pass::Backward, &layer.bias);
            }
        }
        step.check_finite(Pass::Backward, &layer.weight)?;
        step.check_finite(Pass::Backward, &layer.bias)
    }

    /// What went into a dense layer: kept, or computed again by the activation before it; `None` if neither is recorded.
    fn layer_input<'a>(&'a self, step: &Step, again: &'a mut [T]) -> Option<&'a [T]> {
        let program = self.program;
        match (program.record, step.again) {
            (Record::Inputs | Record::WeightGradients, None) => Some(self.value(step.input.value)),
            (Record::Inputs, Some(activation)) => {
                let producer = &program.steps[activation];
                let len = program.values[step.input.value].size * self.batch;
                if let StepOp::Activation(activation) = &producer.op {
                    let before = self.value(producer.input.value);
                    T::activate(activation, before, &mut again[..len]);
                }
                Some(&again[..len])
            }
            _ => None,
        }
    }

    /// The gradient of one operand, put in its place or added to what is there.
    fn operand_gradient(
        &mut self,
        position: usize,
        operand: Operand,
        is_branch: bool,
        source: &mut Source<'_, T>,
        gradient: &[T],
    ) -> Result<(), NetError> {
        let program = self.program;
        let step = &program.steps[position];
        let value = &program.values[operand.value];
        let len = value.size * self.batch;
        let mut target = take(&mut self.gradients[value.gradient_slot]);
        if operand.adds {
            swap(&mut target, &mut self.term);
        }
        let result = &mut target[..len];
        let mut again = take(&mut self.again);
        let saved = &self.saved[position];
        let layer = || step.index - 1;
        match (&step.op, source) {
            (StepOp::Dense(_), Source::Sampled(law)) => {
                let input = self.layer_input(step, &mut again[..]);
                if let Some(place) = step.place(self.batch) {
                    law.input_gradient(place, input, gradient, result)?;
                }
            }
            // Every law of products is one of dense layers.
            (StepOp::Conv(_), Source::Sampled(_)) => {}
            (StepOp::Dense(dense), Source::Drawn(drawing)) => {
                let source = drawing.layer(layer());
                let width = drawing.panel_columns(layer(), 0);
                for first in (0..dense.outputs).step_by(width) {
                    let columns = first..dense.outputs.min(first + width);
                    let len = columns.len() * dense.inputs;
                    grow(&mut self.drawn.weight, "the weights", len)?;
                    let weight = &mut self.drawn.weight[..len];
                    source.part(Rows::All(dense.inputs), columns.clone(), weight)?;
                    dense.input_gradient_columns(columns, weight, self.batch, gradient, result);
                }
            }
            (StepOp::Conv(conv), Source::Drawn(drawing)) => {
                fit(&mut self.drawn, conv.fan_in() * conv.outputs(), conv.outputs())?;
                drawing.layer(layer()).weight(&mut self.drawn.weight)?;
                conv.input_gradient(&self.drawn, gradient, result, &mut self.patches);
            }
            (StepOp::Dense(dense), Source::Kept(weights)) => {
                dense.input_gradient(&weights.layers[layer()], self.batch, gradient, result);
            }
            (StepOp::Dense(dense), Source::Descending(weights, _)) => {
                dense.input_gradient(&weights.layers[layer()], self.batch, gradient, result);
            }
            (StepOp::Conv(conv), Source::Kept(weights)) => {
                conv.input_gradient(&weights.layers[layer()], gradient, result, &mut self.patches);
            }
            (StepOp::Conv(conv), Source::Descending(weights, _)) => {
                conv.input_gradient(&weights.layers[layer()], gradient, result, &mut self.patches);
            }
            (StepOp::Activation(activation), _) => {
                T::activate_backward(activation, self.value(operand.value), gradient, result);
            }
            (StepOp::Pool(pool), _) => pool.backward(gradient, result, &saved.indices),
            (StepOp::GlobalAverage(pool), _) => pool.backward(gradient, result),
            (StepOp::Norm(norm), _) => {
                norm.backward(self.value(step.output), gradient, result, &saved.inverse_std);
            }
            (StepOp::Dropout(dropout), _) => dropout.apply(self.masks, gradient, result),
            (StepOp::Sum(sum), _) if is_branch => sum.branch_gradient(gradient, result),
            (StepOp::Sum(_), _) => ResidualSum::shortcut_gradient(gradient, result),
        }
        self.again = again;
        let mut exponent = self.gradient_exponents[step.output];
        if self.carrying && step.op.grows() {
            exponent += rescale(result);
        }
        if operand.adds {
            let known = self.gradient_exponents[operand.value];
            let common = known.max(exponent);
            if known != exponent {
                shift(result, exponent - common);
                shift(&mut self.term[..len], known - common);
            }
            exponent = common;
            // `term` holds the gradient so far, `target` the new term.
            for (sum, term) in self.term[..len].iter_mut().zip(&*result) {
                *sum += *term;
            }
            swap(&mut target, &mut self.term);
        }
        self.gradient_exponents[operand.value] = exponent;
        let outcome = if operand.adds {
            step.check_finite(Pass::Backward, &target[..len])
        } else {
            step.check_result(Pass::Backward, &target[..len])
        };
        self.gradients[value.gradient_slot] = target;
        outcome
    }
}
