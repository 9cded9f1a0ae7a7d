//! The dense layer.

use super::gemm::{Matrix, MatrixMut, Product, multiply};
use super::scalar::Scalar;
use super::weights::LayerWeights;

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
        let product = if weights.bias.iter().all(|b| *b == T::ZERO) {
            Product::Replace
        } else {
            for row in output.chunks_exact_mut(self.outputs) {
                row.copy_from_slice(&weights.bias);
            }
            Product::Add
        };
        multiply(
            product,
            Matrix::new(input, batch, self.inputs),
            self.matrix(weights),
            MatrixMut::new(output, self.outputs),
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
        let gradient = Matrix::new(output_gradient, batch, self.outputs);
        multiply(
            Product::Replace,
            gradient,
            self.matrix(weights).transposed(),
            MatrixMut::new(input_gradient, self.inputs),
        );
    }

    /// Adds `xᵀ dL/dh` and the sum of `dL/dh` over the batch.
    pub(super) fn weight_gradient<T: Scalar>(
        self,
        batch: usize,
        input: &[T],
        output_gradient: &[T],
        gradient: &mut LayerWeights<T>,
    ) {
        let input = Matrix::new(input, batch, self.inputs).transposed();
        let along = Matrix::new(output_gradient, batch, self.outputs);
        multiply(Product::Add, input, along, MatrixMut::new(&mut gradient.weight, self.outputs));
        // Panels of columns, so that the sums over the batch can be held in f64.
        for (panel, bias) in gradient.bias.chunks_mut(64).enumerate() {
            let mut sums = [0.0_f64; 64];
            for row in output_gradient.chunks_exact(self.outputs) {
                for (sum, g) in sums.iter_mut().zip(&row[panel * 64..]) {
                    *sum += g.to_f64();
                }
            }
            for (total, sum) in bias.iter_mut().zip(sums) {
                *total += T::from_f64(sum);
            }
        }
    }

    fn matrix<T>(self, weights: &LayerWeights<T>) -> Matrix<'_, T> {
        Matrix::new(&weights.weight, self.inputs, self.outputs)
    }
}
