//! The trapezoid rule for smooth integrands: it converges geometrically, and halving the step tells how far it is.

use super::{Moments, Pointwise};
use crate::math::special::{ln_normal_cdf, normal_density};

/// Finest step; coarser ones skip points.
const STEP: f64 = 1.0 / 32.0;

/// Strides that are tried, each against the one before.
const STRIDES: [usize; 4] = [16, 8, 4, 2];

/// The stride of [`EvenRule::for_each_point`].
const KERNEL_STRIDE: usize = 4;

/// Two steps that agree to this much leave an error of its square.
const AGREEMENT: f64 = 1e-9;

/// Points of the density of the largest of `size` standard normals.
#[derive(Debug, Clone)]
pub(super) struct EvenRule {
    points: Vec<f64>,
    /// Density times [`STEP`].
    weights: Vec<f64>,
}

impl EvenRule {
    /// `size · φ(z) Φ(z)^(size-1)`, where it is not negligible.
    pub(super) fn largest_of(size: f64) -> Self {
        Self::of_density(|z| largest_density(size, z))
    }

    /// A smooth density, where it is not negligible.
    pub(super) fn of_density(density: impl Fn(f64) -> f64) -> Self {
        let (mut points, mut weights) = (Vec::new(), Vec::new());
        for i in -400_i32..=400 {
            let z = f64::from(i) * STEP;
            let weight = STEP * density(z);
            // Polynomial growth of the integrand leaves nothing of weights below this.
            if weight > 1e-24 {
                points.push(z);
                weights.push(weight);
            }
        }
        Self { points, weights }
    }

    /// Whether [`EvenRule::for_each_point`] resolves the function at variance `q`.
    pub(super) fn resolves(function: &Pointwise, q: f64) -> bool {
        q.sqrt() * STEP * KERNEL_STRIDE as f64 <= 0.5 * function.length_scale()
    }

    /// Calls `f(z, weight)` on points dense enough for a product with Hermite polynomials.
    pub(super) fn for_each_point(&self, mut f: impl FnMut(f64, f64)) {
        for (z, weight) in self.points.iter().zip(&self.weights).step_by(KERNEL_STRIDE) {
            f(*z, weight * KERNEL_STRIDE as f64);
        }
    }

    /// The moments of `p = φ(sign √q z)`, or `None` where the rule cannot tell that it has converged.
    pub(super) fn moments(&self, function: &Pointwise, sign: f64, q: f64) -> Option<Moments> {
        let root = q.sqrt();
        // Bends between the points would be missed by every stride alike.
        if root * STEP > 0.25 * function.length_scale() {
            return None;
        }
        let mut previous: Option<[f64; 4]> = None;
        let mut values: Vec<Option<(f64, f64)>> = vec![None; self.points.len()];
        for stride in STRIDES {
            let mut sums = [0.0; 4];
            for i in (0..self.points.len()).step_by(stride) {
                let h = sign * root * self.points[i];
                let (value, first) =
                    *values[i].get_or_insert_with(|| function.value_and_derivative(h));
                let weight = self.weights[i] * stride as f64;
                sums[0] += weight * value;
                sums[1] += weight * value * value;
                sums[2] += weight * first * first;
                sums[3] += weight * value * first * h;
            }
            let scales = [sums[1].sqrt(), sums[1], sums[2], sums[1].max(q * sums[2])];
            let agrees = previous.is_some_and(|before| {
                (0..4).all(|k| (sums[k] - before[k]).abs() <= AGREEMENT * scales[k])
            });
            let resolved = root * STEP * stride as f64 <= 0.5 * function.length_scale();
            if agrees && resolved {
                let [mean, second, derivative_second, slope] = sums;
                return Some(Moments { mean, second, derivative_second, second_slope: slope / q });
            }
            previous = Some(sums);
        }
        None
    }
}

/// Density of the largest of `size` standard normals.
pub(super) fn largest_density(size: f64, z: f64) -> f64 {
    if size == 1.0 {
        return normal_density(z);
    }
    size * normal_density(z) * ((size - 1.0) * ln_normal_cdf(z)).exp()
}
