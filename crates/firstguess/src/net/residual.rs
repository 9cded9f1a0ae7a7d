//! The sum at the end of a residual block.

use super::scalar::Scalar;

/// `shortcut + branch_scale · branch`.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResidualSum {
    pub(super) branch_scale: f64,
}

impl ResidualSum {
    pub(super) fn forward<T: Scalar>(self, shortcut: &[T], branch: &[T], output: &mut [T]) {
        let scale = T::from_f64(self.branch_scale);
        for ((y, carried), added) in output.iter_mut().zip(shortcut).zip(branch) {
            *y = *carried + scale * *added;
        }
    }

    /// The same of operands that stand for so many times their values.
    pub(super) fn forward_scaled<T: Scalar>(
        self,
        [shortcut_scale, branch_scale]: [f64; 2],
        shortcut: &[T],
        branch: &[T],
        output: &mut [T],
    ) {
        let carry = T::from_f64(shortcut_scale);
        let scale = T::from_f64(self.branch_scale * branch_scale);
        for ((y, carried), added) in output.iter_mut().zip(shortcut).zip(branch) {
            *y = carry * *carried + scale * *added;
        }
    }

    /// The shortcut takes the gradient as it is.
    pub(super) fn shortcut_gradient<T: Scalar>(output_gradient: &[T], shortcut_gradient: &mut [T]) {
        shortcut_gradient.copy_from_slice(output_gradient);
    }

    /// The branch takes it times `branch_scale`.
    pub(super) fn branch_gradient<T: Scalar>(
        self,
        output_gradient: &[T],
        branch_gradient: &mut [T],
    ) {
        let scale = T::from_f64(self.branch_scale);
        for (result, gradient) in branch_gradient.iter_mut().zip(output_gradient) {
            *result = scale * *gradient;
        }
    }
}
