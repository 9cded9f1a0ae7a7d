//! Convolutions at infinitely many channels (`xiao2018`).
//!
//! ```text
//! Σ'_{αα'} = σ_w² · mean over the window of k(Σ_{α+β, α'+β}) + σ_b²
//! ```
//!
//! Positions share their weights, so that every pair of positions (of one input or of two) has a covariance of its own.
//! Away from the border each keeps to the maps of a dense layer: the same q*, χ₁ and edge of chaos. Patterns over
//! positions decay faster, by [`mode_factor`]; zero padding takes its share at the border, which [`Window`] counts.

use crate::spec::layer::ConvWindow;

/// The geometry of a window that slides over `[height, width]` positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Positions before.
    pub input: [usize; 2],
    /// Positions after.
    pub output: [usize; 2],
    /// Side of the square window.
    pub side: usize,
    /// Step.
    pub stride: usize,
    /// Zeros on each side.
    pub padding: usize,
    /// Whether only the middle of the window has weight (delta-orthogonal kernels).
    pub centre_only: bool,
}

impl Window {
    /// That of a convolution from `input` to `output` positions.
    pub fn of(
        window: &ConvWindow,
        input: [usize; 2],
        output: [usize; 2],
        centre_only: bool,
    ) -> Self {
        let ConvWindow { kernel, stride, padding, .. } = *window;
        Self { input, output, side: kernel, stride, padding, centre_only }
    }

    /// Positions of the input that output position `[row, column]` sees, and the share of the weight on each.
    pub fn taps(&self, row: usize, column: usize) -> (impl Iterator<Item = usize> + use<>, f64) {
        let middle = (self.side - 1) / 2;
        let (first, last, share) = if self.centre_only {
            (middle, middle + 1, 1.0)
        } else {
            (0, self.side, 1.0 / (self.side * self.side) as f64)
        };
        let [height, width] = self.input;
        let (stride, padding) = (self.stride, self.padding);
        let inside = move |out: usize, tap: usize, extent: usize| {
            (out * stride + tap).checked_sub(padding).filter(|at| *at < extent)
        };
        let rows = (first..last).filter_map(move |tap| inside(row, tap, height));
        let taps = rows.flat_map(move |y| {
            (first..last)
                .filter_map(move |tap| inside(column, tap, width))
                .map(move |x| y * width + x)
        });
        (taps, share)
    }

    /// Every output position, row by row.
    pub fn outputs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let [height, width] = self.output;
        (0..height).flat_map(move |row| (0..width).map(move |column| (row, column)))
    }

    /// Of what a window sees inside the image, the share that another one sees through the same taps, on average over pairs
    /// of different positions: 1 without padding.
    ///
    /// Opposite borders lose opposite taps to the padding, so that covariances of positions lose more than variances.
    pub fn common_share(&self) -> f64 {
        let positions = (self.output[0] * self.output[1]) as f64;
        if self.centre_only || positions < 2.0 {
            return 1.0;
        }
        let (mut single, mut pairs) = (1.0, 1.0);
        for (input, output) in self.input.iter().zip(&self.output) {
            let present = |tap: usize| {
                let inside = |out: &usize| {
                    (out * self.stride + tap)
                        .checked_sub(self.padding)
                        .is_some_and(|at| at < *input)
                };
                (0..*output).filter(inside).count() as f64 / *output as f64
            };
            let shares: Vec<f64> = (0..self.side).map(present).collect();
            single *= shares.iter().sum::<f64>() / self.side as f64;
            pairs *= shares.iter().map(|share| share * share).sum::<f64>() / self.side as f64;
        }
        if single == 0.0 {
            return 0.0;
        }
        // All pairs hold each position once with itself.
        (positions * pairs / single - 1.0) / (positions - 1.0)
    }

    /// Weighted sum of `values` over the window of each output position; what lies in the padding counts as zero.
    pub fn gather(&self, values: &[f64]) -> Vec<f64> {
        self.outputs()
            .map(|(row, column)| {
                let (taps, share) = self.taps(row, column);
                share * taps.filter_map(|at| values.get(at)).sum::<f64>()
            })
            .collect()
    }

    /// The adjoint of [`Window::gather`]: what each input position receives from the outputs that see it.
    pub fn scatter(&self, values: &[f64]) -> Vec<f64> {
        let mut received = vec![0.0; self.input[0] * self.input[1]];
        for ((row, column), value) in self.outputs().zip(values) {
            let (taps, share) = self.taps(row, column);
            for at in taps {
                if let Some(sum) = received.get_mut(at) {
                    *sum += share * value;
                }
            }
        }
        received
    }
}

/// Factor on a wave of perturbations over positions, relative to the uniform one, per layer: the window's transform.
///
/// ```text
/// λ(ω) = ∏_axes sin(k ω/2) / (k sin(ω/2))
/// ```
///
/// `frequency` in radians per position along each axis; a wave decays by `χ₁ λ(ω)` per layer. A delta-orthogonal kernel has
/// one tap and `λ = 1` for every wave: signals travel as deep as in a dense network.
///
/// # References
///
/// `xiao2018`.
///
/// # Examples
///
/// ```
/// use firstguess::theory::convolution::mode_factor;
/// assert_eq!(mode_factor(3, [0.0, 0.0]), 1.0);
/// // The checkerboard along one axis: |1 - 1 + 1|/3.
/// assert!((mode_factor(3, [std::f64::consts::PI, 0.0]).abs() - 1.0 / 3.0).abs() < 1e-15);
/// ```
pub fn mode_factor(side: usize, frequency: [f64; 2]) -> f64 {
    frequency
        .iter()
        .map(|w| {
            let half = 0.5 * w;
            let below = side as f64 * half.sin();
            if below.abs() < 1e-12 {
                // Multiples of 2π are the uniform wave again, seen by an odd window; an even one alternates.
                let turns = (w / std::f64::consts::TAU).round();
                if side.is_multiple_of(2) && turns % 2.0 != 0.0 { -1.0 } else { 1.0 }
            } else {
                (side as f64 * half).sin() / below
            }
        })
        .product()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(side: usize, stride: usize, padding: usize, extent: usize) -> Window {
        let out = (extent + 2 * padding - side) / stride + 1;
        Window {
            input: [extent, extent],
            output: [out, out],
            side,
            stride,
            padding,
            centre_only: false,
        }
    }

    #[test]
    fn windows_lose_what_lies_in_the_padding() {
        let seen = window(3, 1, 1, 4).gather(&[1.0; 16]);
        assert!((seen[0] - 4.0 / 9.0).abs() < 1e-15);
        assert!((seen[1] - 6.0 / 9.0).abs() < 1e-15);
        assert!((seen[5] - 1.0).abs() < 1e-15);
        let centre = Window { centre_only: true, ..window(3, 1, 1, 4) };
        assert_eq!(centre.gather(&[1.0; 16]), vec![1.0; 16]);
        let valid = window(2, 2, 0, 4);
        assert_eq!(valid.gather(&[1.0; 16]), vec![1.0; 4]);
    }

    /// `⟨y, A x⟩ = ⟨Aᵀ y, x⟩`.
    #[test]
    fn scatter_is_the_adjoint_of_gather() {
        for w in [window(3, 1, 1, 5), window(3, 2, 1, 6), window(2, 2, 0, 4), window(5, 3, 2, 7)] {
            let x: Vec<f64> =
                (0..w.input[0] * w.input[1]).map(|i| (i as f64 * 0.7).sin()).collect();
            let y: Vec<f64> =
                (0..w.output[0] * w.output[1]).map(|i| (i as f64 * 1.3).cos()).collect();
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let (left, right) = (dot(&y, &w.gather(&x)), dot(&w.scatter(&y), &x));
            assert!((left - right).abs() < 1e-13, "{w:?}: {left} {right}");
        }
    }

    #[test]
    fn common_taps_are_counted_over_pairs() {
        for w in [window(3, 1, 1, 3), window(3, 2, 1, 7), window(5, 1, 2, 4), window(3, 1, 0, 5)] {
            let taps: Vec<Vec<(usize, usize)>> = w
                .outputs()
                .map(|(row, column)| {
                    let valid = |out: usize, tap: usize| {
                        (out * w.stride + tap)
                            .checked_sub(w.padding)
                            .is_some_and(|at| at < w.input[0])
                    };
                    (0..w.side)
                        .flat_map(|y| (0..w.side).map(move |x| (y, x)))
                        .filter(|(y, x)| valid(row, *y) && valid(column, *x))
                        .collect()
                })
                .collect();
            let single: usize = taps.iter().map(Vec::len).sum();
            let mut common = 0;
            for (i, a) in taps.iter().enumerate() {
                for (j, b) in taps.iter().enumerate() {
                    common += if i == j { 0 } else { a.iter().filter(|t| b.contains(t)).count() };
                }
            }
            let expected = common as f64 / (single * (taps.len() - 1)) as f64;
            assert!((w.common_share() - expected).abs() < 1e-14, "{w:?}: {expected}");
        }
    }

    /// A wave over a ring of positions, averaged over the window, against its transform.
    #[test]
    fn waves_shrink_by_the_transform_of_the_window() {
        for side in [2, 3, 5] {
            for turns in 0..8 {
                let omega = std::f64::consts::TAU * f64::from(turns) / 8.0;
                let offset = (side as f64 - 1.0) / 2.0;
                let mean: f64 = (0..side).map(|t| (omega * (t as f64 - offset)).cos()).sum::<f64>()
                    / side as f64;
                assert!((mode_factor(side, [omega, 0.0]) - mean).abs() < 1e-14, "{side} {turns}");
            }
        }
    }
}
