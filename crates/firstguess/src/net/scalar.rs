//! The two number types in which a network can run.

use super::activation;
use super::gemm::{Matrix, MatrixMut, Product};
use super::sample::{SampleError, fill_weights};
use super::shifted::Lanes;
use crate::math::stream::Stream;
use crate::spec::activation::Activation;
use crate::spec::weights::WeightFamily;
use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub};

/// `f32`, in which networks run, or `f64`, where differences between them count: finite differences of a loss, or
/// correlations within 1e-7 of one. Sealed.
pub trait Scalar:
    sealed::Sealed
    + Copy
    + Default
    + PartialOrd
    + Debug
    + Display
    + Send
    + Sync
    + 'static
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + MulAssign
    + Sum
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// A bound that sums and products of a few such values keep away from the largest finite one.
    const SAFE: f64;

    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;

    /// The same value in double precision.
    fn to_f64(self) -> f64;
}

pub(crate) mod sealed {
    use super::{Activation, Lanes, Matrix, MatrixMut, Product, SampleError, Stream, WeightFamily};

    /// The kernels that are written once for each type.
    pub trait Sealed: Sized + Lanes {
        fn multiply(
            product: Product,
            scale: Self,
            left: Matrix<'_, Self>,
            right: Matrix<'_, Self>,
            out: MatrixMut<'_, Self>,
        );
        fn activate(activation: &Activation, input: &[Self], output: &mut [Self]);
        fn activate_backward(
            activation: &Activation,
            input: &[Self],
            output_gradient: &[Self],
            input_gradient: &mut [Self],
        );
        fn draw(
            family: WeightFamily,
            std: f64,
            stream: &Stream,
            first_element: u64,
            out: &mut [Self],
        ) -> Result<(), SampleError>;
    }
}

impl Scalar for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const SAFE: f64 = 1e30;

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "networks run in f32")]
    fn from_f64(value: f64) -> Self {
        value as Self
    }

    #[inline]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl sealed::Sealed for f32 {
    fn multiply(
        product: Product,
        scale: Self,
        left: Matrix<'_, Self>,
        right: Matrix<'_, Self>,
        out: MatrixMut<'_, Self>,
    ) {
        product.run(scale, left, right, out);
    }

    fn activate(activation: &Activation, input: &[Self], output: &mut [Self]) {
        activation::forward(activation, input, output);
    }

    fn activate_backward(
        activation: &Activation,
        input: &[Self],
        output_gradient: &[Self],
        input_gradient: &mut [Self],
    ) {
        activation::backward(activation, input, output_gradient, input_gradient);
    }

    fn draw(
        family: WeightFamily,
        std: f64,
        stream: &Stream,
        first_element: u64,
        out: &mut [Self],
    ) -> Result<(), SampleError> {
        fill_weights(family, std, stream, first_element, out)
    }
}

impl Scalar for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const SAFE: f64 = 1e290;

    #[inline]
    fn from_f64(value: f64) -> Self {
        value
    }

    #[inline]
    fn to_f64(self) -> f64 {
        self
    }
}

impl sealed::Sealed for f64 {
    fn multiply(
        product: Product,
        scale: Self,
        left: Matrix<'_, Self>,
        right: Matrix<'_, Self>,
        out: MatrixMut<'_, Self>,
    ) {
        product.run(scale, left, right, out);
    }

    fn activate(activation: &Activation, input: &[Self], output: &mut [Self]) {
        for (y, x) in output.iter_mut().zip(input) {
            *y = activation.value(*x);
        }
    }

    fn activate_backward(
        activation: &Activation,
        input: &[Self],
        output_gradient: &[Self],
        input_gradient: &mut [Self],
    ) {
        for ((result, x), gradient) in input_gradient.iter_mut().zip(input).zip(output_gradient) {
            *result = activation.derivative(*x) * gradient;
        }
    }

    /// The weights of the f32 network, so that both types compute the same function.
    fn draw(
        family: WeightFamily,
        std: f64,
        stream: &Stream,
        first_element: u64,
        out: &mut [Self],
    ) -> Result<(), SampleError> {
        let mut panel = [0.0_f32; 4096];
        let parts = out.chunks_mut(panel.len()).zip((first_element..).step_by(panel.len()));
        for (part, first) in parts {
            let panel = &mut panel[..part.len()];
            fill_weights(family, std, stream, first, panel)?;
            for (w, single) in part.iter_mut().zip(panel) {
                *w = f64::from(*single);
            }
        }
        Ok(())
    }
}
