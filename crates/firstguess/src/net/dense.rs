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
        let outputs = 0..self.outputs;
        let product = self.begin(outputs.clone(), &weights.bias, output);
        let input = Matrix::new(input, batch, self.inputs);
        self.forward_part(product, outputs, &weights.weight, input, output);
    }

    /// Puts the bias of some of the outputs where the product will be added to it, unless there is none.
    pub(super) fn begin<T: Scalar>(
        self,
        outputs: Range<usize>,
        bias: &[T],
        output: &mut [T],
    ) -> Product {
        let bias = &bias[outputs.clone()];
        if bias.iter().all(|b| *b == T::ZERO) {
            return Product::Replace;
        }
        for row in output.chunks_exact_mut(self.outputs) {
            row[outputs.clone()].copy_from_slice(bias);
        }
        Product::Add
    }

    /// What some of the inputs give to some of the outputs; `weight` has the rows and columns of these alone.
    pub(super) fn forward_part<T: Scalar>(
        self,
        product: Product,
        outputs: Range<usize>,
        weight: &[T],
        input: Matrix<'_, T>,
        output: &mut [T],
    ) {
        let columns = outputs.len();
        multiply(
            product,
            input,
            Matrix::new(weight, weight.len() / columns, columns),
            MatrixMut::new(&mut output[outputs.start..], self.outputs),
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
