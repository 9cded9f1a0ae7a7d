//! The one matrix product of the networks.
//!
//! On one thread: draws run in parallel, not the products inside them. The kernels are those of `faer`, which chooses
//! AVX-512 or AVX2 at run time and is safe to call.

use super::scalar::Scalar;
use faer::linalg::matmul::matmul;
use faer::traits::ComplexField;
use faer::{Accum, MatMut, MatRef, Par};

/// A row-major matrix in a slice, transposed or not.
#[derive(Debug)]
pub struct Matrix<'a, T> {
    data: &'a [T],
    /// Rows and columns as stored.
    rows: usize,
    columns: usize,
    /// From the start of a row to that of the next.
    stride: usize,
    transposed: bool,
}

impl<T> Clone for Matrix<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Matrix<'_, T> {}

impl<'a, T> Matrix<'a, T> {
    /// A matrix whose `rows · columns` values are the first of `data`, row after row.
    pub fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self { data, rows, columns, stride: columns, transposed: false }
    }

    /// The same with rows that start `stride` values after each other.
    #[must_use]
    pub fn with_stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// The same values with rows and columns exchanged.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    /// So many stored rows from `first` on.
    fn rows(self, first: usize, rows: usize) -> Self {
        Self { data: &self.data[first * self.stride..], rows, ..self }
    }

    /// Rows and columns as multiplied.
    fn shape(&self) -> (usize, usize) {
        if self.transposed { (self.columns, self.rows) } else { (self.rows, self.columns) }
    }
}

/// A row-major matrix that takes a product.
#[derive(Debug)]
pub struct MatrixMut<'a, T> {
    data: &'a mut [T],
    stride: usize,
}

impl<'a, T> MatrixMut<'a, T> {
    /// A matrix in `data` whose rows start `stride` values after each other; the factors give its shape.
    pub fn new(data: &'a mut [T], stride: usize) -> Self {
        Self { data, stride }
    }

    fn reborrow(&mut self) -> MatrixMut<'_, T> {
        MatrixMut { data: self.data, stride: self.stride }
    }
}

/// What is done with `A B`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// `out = A B`.
    Replace,
    /// `out = out + A B`.
    Add,
}

/// Terms that the kernels add up before they touch the result, on x86; elsewhere it depends on the caches.
pub(super) const DEPTH: usize = 512;

/// Most rows of a transposed left factor that one product takes.
///
/// Its columns are read at the stride of its rows; beyond some hundred of them that costs half the speed (weight gradients
/// of 1000 examples and 1024 units: 69 to 121 GFLOP/s by panels of 128, on a busy machine).
const PANEL: usize = 128;

impl Product {
    /// The product on either type; [`multiply`] is the way in.
    pub(crate) fn run<T: ComplexField + Copy>(
        self,
        scale: T,
        left: Matrix<'_, T>,
        right: Matrix<'_, T>,
        mut out: MatrixMut<'_, T>,
    ) {
        if !left.transposed || right.transposed || left.rows <= PANEL {
            return self.run_panel(scale, left, right, out);
        }
        let mut product = self;
        for first in (0..left.rows).step_by(PANEL) {
            let rows = PANEL.min(left.rows - first);
            let (left, right) = (left.rows(first, rows), right.rows(first, rows));
            product.run_panel(scale, left, right, out.reborrow());
            product = Self::Add;
        }
    }

    fn run_panel<T: ComplexField>(
        self,
        scale: T,
        left: Matrix<'_, T>,
        right: Matrix<'_, T>,
        out: MatrixMut<'_, T>,
    ) {
        fn view<T>(matrix: Matrix<'_, T>) -> MatRef<'_, T> {
            let Matrix { data, rows, columns, stride, transposed } = matrix;
            let view = MatRef::from_row_major_slice_with_stride(data, rows, columns, stride);
            if transposed { view.transpose() } else { view }
        }
        let accumulate = match self {
            Self::Replace => Accum::Replace,
            Self::Add => Accum::Add,
        };
        let (rows, columns) = (left.shape().0, right.shape().1);
        // As a transposed column-major matrix: `from_row_major_slice_with_stride_mut` of faer 0.24 exchanges the strides and
        // writes out of bounds (faer-rs pull request 267).
        let MatrixMut { data, stride } = out;
        let out = MatMut::from_column_major_slice_with_stride_mut(data, columns, rows, stride);
        matmul(out.transpose_mut(), accumulate, view(left), view(right), scale, Par::Seq);
    }
}

/// `out = A B` or `out = out + A B`, all row-major, `A` of shape `[m, k]`, `B` of shape `[k, n]`, `out` of `[m, n]`.
///
/// # Panics
///
/// If a slice is shorter than its shape or the inner sides differ: the callers have made both from one checked network.
pub fn multiply<T: Scalar>(
    product: Product,
    left: Matrix<'_, T>,
    right: Matrix<'_, T>,
    out: MatrixMut<'_, T>,
) {
    T::multiply(product, T::ONE, left, right, out);
}

/// `out = scale · A B` or `out = out + scale · A B`, as [`multiply`].
///
/// # Panics
///
/// As [`multiply`].
pub fn multiply_scaled<T: Scalar>(
    product: Product,
    scale: T,
    left: Matrix<'_, T>,
    right: Matrix<'_, T>,
    out: MatrixMut<'_, T>,
) {
    T::multiply(product, scale, left, right, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(a: &[f64], b: &[f64], [m, k, n]: [usize; 3]) -> Vec<f64> {
        let mut out = vec![0.0; m * n];
        for i in 0..m {
            for j in 0..n {
                out[i * n + j] = (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum();
            }
        }
        out
    }

    fn transpose(a: &[f64], rows: usize, columns: usize) -> Vec<f64> {
        (0..rows * columns).map(|i| a[i % rows * columns + i / rows]).collect()
    }

    /// Shapes on both sides of the library's thresholds, and its special cases: one row, one column, one inner product.
    #[test]
    fn products_agree_with_three_loops_in_every_orientation() {
        for [m, k, n] in
            [[1, 1, 1], [1, 7, 5], [5, 7, 1], [6, 1, 9], [3, 4, 5], [37, 65, 130], [9, 300, 20]]
        {
            let a: Vec<f64> = (0..m * k).map(|i| ((i * 37 + 11) % 17) as f64 - 8.0).collect();
            let b: Vec<f64> = (0..k * n).map(|i| ((i * 29 + 5) % 19) as f64 - 9.0).collect();
            let expected = naive(&a, &b, [m, k, n]);
            let (a_turned, b_turned) = (transpose(&a, m, k), transpose(&b, k, n));
            let lefts = [Matrix::new(&a, m, k), Matrix::new(&a_turned, k, m).transposed()];
            let rights = [Matrix::new(&b, k, n), Matrix::new(&b_turned, n, k).transposed()];
            for left in lefts {
                for right in rights {
                    let mut out = vec![f64::NAN; m * n];
                    multiply(Product::Replace, left, right, MatrixMut::new(&mut out, n));
                    assert_eq!(out, expected, "{m} {k} {n}");
                    multiply(Product::Add, left, right, MatrixMut::new(&mut out, n));
                    assert!(out.iter().zip(&expected).all(|(twice, once)| *twice == 2.0 * once));
                    let add = Product::Add;
                    multiply_scaled(add, -0.5, left, right, MatrixMut::new(&mut out, n));
                    assert!(out.iter().zip(&expected).all(|(found, once)| *found == 1.5 * once));
                }
            }
        }
    }
    /// Columns 1 to 3 of a matrix of five, times the same of another, into columns 2 to 4 of a third.
    #[test]
    fn parts_of_rows_are_multiplied_in_place() {
        let a: Vec<f64> = (0..20).map(f64::from).collect();
        let b: Vec<f64> = (0..15).map(|i| f64::from(i * i)).collect();
        let mut out = [-1.0; 4 * 6];
        let left = Matrix::new(&a[1..], 4, 3).with_stride(5);
        let right = Matrix::new(&b[1..], 3, 3).with_stride(5);
        multiply(Product::Replace, left, right, MatrixMut::new(&mut out[2..], 6));
        for i in 0..4 {
            for j in 0..6 {
                let product: f64 =
                    (0..3).map(|l| a[5 * i + 1 + l] * b[(5 * l + j).max(1) - 1]).sum();
                let expected = if (2..5).contains(&j) { product } else { -1.0 };
                assert_eq!(out[6 * i + j], expected, "{i} {j}");
            }
        }
    }
}
