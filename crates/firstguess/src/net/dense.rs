//! The dense layer.

use super::gemm::{Matrix, MatrixMut, Product, multiply, multiply_scaled};
use super::reduce;
use super::scalar::Scalar;
use super::weights::LayerWeights;
use std::ops::Range;

/// `h = W x + b` on every example; an image is seen as one vector.
///
/// `W` is stored as `[inputs, outputs]`: with batches of few examples the packing of a transposed operand would take most
/// of the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dense {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

impl Dense {
    /// `[batch, inputs] → [batch, outputs]`.
    pub(super) fn forward<T: Scalar>(
        self,
        weights: &LayerWeights<T>,
        batch: usize,
        input: &[T],
        output: &mut [T],
    ) {
        let all = 0..self.outputs;
        self.forward_columns(all, &weights.weight, &weights.bias, batch, input, output);
    }

    /// Some of the outputs; `weight` has the columns of these alone.
    pub(super) fn forward_columns<T: Scalar>(
        self,
        columns: Range<usize>,
        weight: &[T],
        bias: &[T],
        batch: usize,
        input: &[T],
        output: &mut [T],
    ) {
        let bias = &bias[columns.clone()];
        let product = if bias.iter().all(|b| *b == T::ZERO) {
            Product::Replace
        } else {
            for row in output.chunks_exact_mut(self.outputs) {
                row[columns.clone()].copy_from_slice(bias);
            }
            Product::Add
        };
        multiply(
            product,
            Matrix::new(input, batch, self.inputs),
            Matrix::new(weight, self.inputs, columns.len()),
            MatrixMut::new(&mut output[columns.start..], self.outputs),
        );
    }

    /// `dL/dx = dL/dh Wᵀ`.
    pub(super) fn input_gradient<T: Scalar>(
        self,
        weights: &LayerWeights<T>,
        batch: usize,
        output_gradient: &[T],
        input_gradient: &mut [T],
    ) {
        let all = 0..self.outputs;
        self.input_gradient_columns(all, &weights.weight, batch, output_gradient, input_gradient);
    }

    /// What comes through some of the outputs; the first of them replaces what was there.
    pub(super) fn input_gradient_columns<T: Scalar>(
        self,
        columns: Range<usize>,
        weight: &[T],
        batch: usize,
        output_gradient: &[T],
        input_gradient: &mut [T],
    ) {
        let product = if columns.start == 0 { Product::Replace } else { Product::Add };
        let gradient = &output_gradient[columns.start..];
        multiply(
            product,
            Matrix::new(gradient, batch, columns.len()).with_stride(self.outputs),
            Matrix::new(weight, self.inputs, columns.len()).transposed(),
            MatrixMut::new(input_gradient, self.inputs),
        );
    }

    /// Puts `scale · xᵀ dL/dh`, and `scale` times the sum of `dL/dh` over the batch, in place of what is there or adds it.
    pub(super) fn weight_gradient<T: Scalar>(
        self,
        product: Product,
        scale: T,
        batch: usize,
        input: &[T],
        output_gradient: &[T],
        gradient: &mut LayerWeights<T>,
    ) {
        let input = Matrix::new(input, batch, self.inputs).transposed();
        let along = Matrix::new(output_gradient, batch, self.outputs);
        let weight = MatrixMut::new(&mut gradient.weight, self.outputs);
        multiply_scaled(product, scale, input, along, weight);
        if product == Product::Replace {
            gradient.bias.fill(T::ZERO);
        }
        reduce::add_column_sums(scale, output_gradient, &mut gradient.bias);
    }
}
