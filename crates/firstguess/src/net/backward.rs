//! The backward pass.

use super::error::{NetError, Pass};
use super::program::{Operand, Record, Step, StepOp};
use super::residual::ResidualSum;
use super::scalar::Scalar;
use super::scale::{rescale, shift};
use super::source::{Drawn, Source};
use super::tape::{LayerView, Tape, Wanted, non_finite};
use super::weights::Weights;
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
        self.backward_from(&mut Drawn(weights), logits_gradient, wanted, observer)
    }

    /// [`Tape::backward`] on weights that may not exist: the source of the forward pass.
    pub(crate) fn backward_from(
        &mut self,
        source: &mut impl Source<T>,
        logits_gradient: &[T],
        mut wanted: Wanted<'_, T>,
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
        source.check(program)?;
        source.begin_backward();
        if let Some(gradient) = wanted.weights.as_deref() {
            if program.record < Record::WeightGradients {
                return Err(NetError::NotRecorded(
                    "the program keeps no layer inputs; make it with Record::WeightGradients",
                ));
            }
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
            self.backward_step(position, source, &mut wanted, &mut observer)?;
        }
        self.input_gradient = wanted.input;
        Ok(())
    }

    fn backward_step(
        &mut self,
        position: usize,
        source: &mut impl Source<T>,
        wanted: &mut Wanted<'_, T>,
        observer: &mut impl FnMut(LayerView<'_, T>),
    ) -> Result<(), NetError> {
        let program = self.program;
        let step = &program.steps[position];
        let out = &program.values[step.output];
        if !(out.trained || wanted.input) {
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
        if let Some(weights) = wanted.weights.as_deref_mut() {
            self.weight_gradient(step, gradient, weights)?;
        }
        let mut outcome = Ok(());
        for (operand, is_branch) in [(Some(step.input), false), (step.branch, true)] {
            let Some(operand) = operand else { continue };
            if (program.values[operand.value].trained || wanted.input) && outcome.is_ok() {
                outcome = self.operand_gradient(position, operand, is_branch, source, gradient);
            }
        }
        self.gradients[out.gradient_slot] = buffer;
        outcome
    }

    fn weight_gradient(
        &mut self,
        step: &Step,
        output_gradient: &[T],
        gradients: &mut Weights<T>,
    ) -> Result<(), NetError> {
        let Some(layer) = step.index.checked_sub(1).and_then(|i| gradients.layers.get_mut(i))
        else {
            return Ok(());
        };
        match &step.op {
            StepOp::Dense(dense) => {
                let input = self.value(step.input.value);
                dense.weight_gradient(self.batch, input, output_gradient, layer);
            }
            StepOp::Conv(conv) => {
                let mut patches = take(&mut self.patches);
                let input = self.value(step.input.value);
                conv.weight_gradient(input, output_gradient, layer, &mut patches);
                self.patches = patches;
            }
            _ => return Ok(()),
        }
        step.check_finite(Pass::Backward, &layer.weight)?;
        step.check_finite(Pass::Backward, &layer.bias)
    }

    /// The gradient of one operand, put in its place or added to what is there.
    fn operand_gradient(
        &mut self,
        position: usize,
        operand: Operand,
        is_branch: bool,
        source: &mut impl Source<T>,
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
        match &step.op {
            StepOp::Dense(_) => {
                let input = match (program.record, step.again) {
                    (Record::Inputs | Record::WeightGradients, None) => {
                        Some(self.value(operand.value))
                    }
                    (Record::Inputs, Some(activation)) => {
                        let producer = &program.steps[activation];
                        if let StepOp::Activation(activation) = &producer.op {
                            let before = self.value(producer.input.value);
                            T::activate(activation, before, &mut again[..len]);
                        }
                        Some(&again[..len])
                    }
                    _ => None,
                };
                if let Some(place) = step.place(self.batch) {
                    source.input_gradient(place, input, gradient, result)?;
                }
            }
            StepOp::Conv(conv) => {
                if let Some(weights) = source.drawn(step.index.saturating_sub(1)) {
                    conv.input_gradient(weights, gradient, result, &mut self.patches);
                }
            }
            StepOp::Activation(activation) => {
                T::activate_backward(activation, self.value(operand.value), gradient, result);
            }
            StepOp::Pool(pool) => pool.backward(gradient, result, &saved.indices),
            StepOp::GlobalAverage(pool) => pool.backward(gradient, result),
            StepOp::Norm(norm) => {
                norm.backward(self.value(step.output), gradient, result, &saved.inverse_std);
            }
            StepOp::Dropout(dropout) => dropout.apply(self.masks, gradient, result),
            StepOp::Sum(sum) if is_branch => sum.branch_gradient(gradient, result),
            StepOp::Sum(_) => ResidualSum::shortcut_gradient(gradient, result),
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
        let outcome = step.check_finite(Pass::Backward, &target[..len]);
        self.gradients[value.gradient_slot] = target;
        outcome
    }
}
