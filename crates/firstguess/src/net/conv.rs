//! The two-dimensional convolution.

use super::gemm::{Matrix, MatrixMut, Product, multiply, multiply_scaled};
use super::reduce;
use super::scalar::Scalar;
use super::shifted::Frame;
use super::weights::LayerWeights;
use crate::spec::layer::ConvWindow;
use crate::spec::shape::Shape;
use std::ops::Range;

/// Patch values made at a time: a quarter of a mebibyte in f32, which leaves the cache room for the weights.
const PANEL: usize = 1 << 16;

/// Cross-correlation with a square kernel, zero padding and groups, as the frameworks call a convolution.
///
/// ```text
/// h[o, y, x] = b[o] + Σ_{c, i, j} W[o, c, i, j] · input[c, y·stride + i - padding, x·stride + j - padding]
/// ```
///
/// with `c` over the channels of the group of `o`. At stride 1 the padded images are shifted under the taps
/// ([`super::shifted`]). Else each example is unfolded into a matrix of patches, one column per output position, and
/// multiplied by the weights; so many rows of positions at a time that the patches stay in cache.
#[derive(Debug, Clone)]
pub(super) struct Conv {
    input: [usize; 3],
    output: [usize; 3],
    window: ConvWindow,
    shifted: Option<Shifted>,
}

/// Where the taps stand in the padded input, and those of the turned kernel in the padded gradient of the output.
#[derive(Debug, Clone)]
struct Shifted {
    forward: Frame,
    backward: Frame,
}

/// Fewest outputs of a group for which rows of eight are worth their while.
const SHIFTED_OUTPUTS: usize = 4;

impl Conv {
    /// A convolution between two image shapes that have been checked against each other.
    pub(super) fn new(input: Shape, output: Shape, window: ConvWindow) -> Self {
        let image = |shape: Shape| shape.as_image().unwrap_or([shape.size(), 1, 1]);
        let mut conv = Self { input: image(input), output: image(output), window, shifted: None };
        let ConvWindow { kernel, stride, padding, groups } = window;
        if stride == 1 && kernel > 1 && padding < kernel && conv.group_channels() >= SHIFTED_OUTPUTS
        {
            conv.shifted = Some(Shifted {
                forward: Frame::new(conv.input, padding, kernel, groups),
                backward: Frame::new(conv.output, kernel - 1 - padding, kernel, groups),
            });
        }
        conv
    }

    /// The same with every example unfolded, whatever the stride.
    #[cfg(test)]
    pub(super) fn unfolded(self) -> Self {
        Self { shifted: None, ..self }
    }

    /// Inputs that one output sums over.
    pub(super) fn fan_in(&self) -> usize {
        self.input[0] / self.window.groups * self.window.kernel * self.window.kernel
    }

    /// Output channels.
    pub(super) fn outputs(&self) -> usize {
        self.output[0]
    }

    /// Output positions.
    pub(super) fn positions(&self) -> usize {
        self.output[1] * self.output[2]
    }

    fn input_size(&self) -> usize {
        self.input.iter().product()
    }

    /// Whether the patches of an example are the example itself.
    fn is_pointwise(&self) -> bool {
        let ConvWindow { kernel, stride, padding, .. } = self.window;
        (kernel, stride, padding) == (1, 1, 0)
    }

    /// Values of the space that the passes work in; zero where they need none.
    pub(super) fn patch_size(&self) -> usize {
        if let Some(Shifted { forward, backward }) = &self.shifted {
            return forward
                .correlation_size(self.outputs())
                .max(forward.gradient_size(self.outputs()))
                .max(backward.correlation_size(self.input[0]));
        }
        if self.is_pointwise() { 0 } else { self.patch_rows() * self.panel_rows() * self.output[2] }
    }

    /// Values of one patch, all groups together.
    fn patch_rows(&self) -> usize {
        self.fan_in() * self.window.groups
    }

    /// Rows of the output image whose patches are made at a time.
    fn panel_rows(&self) -> usize {
        let [_, rows, columns] = self.output;
        if self.is_pointwise() {
            rows
        } else {
            (PANEL / (self.patch_rows() * columns)).clamp(1, rows)
        }
    }

    /// The rows of the output image, panel by panel.
    fn panels(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (step, rows) = (self.panel_rows(), self.output[1]);
        (0..rows).step_by(step).map(move |first| first..(first + step).min(rows))
    }

    /// `[batch, channels_in, height, width] → [batch, channels, height', width']`.
    pub(super) fn forward<T: Scalar>(
        &self,
        weights: &LayerWeights<T>,
        input: &[T],
        output: &mut [T],
        patches: &mut [T],
    ) {
        if let Some(Shifted { forward, .. }) = &self.shifted {
            let weight = |output: usize, tap: usize| weights.weight[output * self.fan_in() + tap];
            forward.correlate(input, Some(&weights.bias), weight, output, patches);
            return;
        }
        let examples = input.chunks_exact(self.input_size());
        let outputs = output.chunks_exact_mut(self.outputs() * self.positions());
        for (example, output) in examples.zip(outputs) {
            for (row, bias) in output.chunks_exact_mut(self.positions()).zip(&weights.bias) {
                row.fill(*bias);
            }
            for panel in self.panels() {
                let patches = self.unfold(example, patches, &panel);
                let first = panel.start * self.output[2];
                for (group, output) in output.chunks_exact_mut(self.group_output()).enumerate() {
                    multiply(
                        Product::Add,
                        self.matrix(&weights.weight, group),
                        self.patches(patches, group, &panel),
                        MatrixMut::new(&mut output[first..], self.positions()),
                    );
                }
            }
        }
    }

    /// `dL/dinput`: the patches' gradients, folded back.
    pub(super) fn input_gradient<T: Scalar>(
        &self,
        weights: &LayerWeights<T>,
        output_gradient: &[T],
        input_gradient: &mut [T],
        patches: &mut [T],
    ) {
        if let Some(Shifted { backward, .. }) = &self.shifted {
            let (area, fan_in) = (self.window.kernel * self.window.kernel, self.fan_in());
            let channels_in = fan_in / area;
            // The kernel turned by half a turn, from the outputs of the group to its inputs.
            let weight = |input: usize, tap: usize| {
                let (group, channel) = (input / channels_in, input % channels_in);
                let output = group * self.group_channels() + tap / area;
                weights.weight[output * fan_in + channel * area + (area - 1 - tap % area)]
            };
            backward.correlate(output_gradient, None, weight, input_gradient, patches);
            return;
        }
        let examples = output_gradient.chunks_exact(self.outputs() * self.positions());
        let inputs = input_gradient.chunks_exact_mut(self.input_size());
        let pointwise = self.is_pointwise();
        for (gradient, input_gradient) in examples.zip(inputs) {
            if !pointwise {
                input_gradient.fill(T::ZERO);
            }
            for panel in self.panels() {
                let columns = panel.len() * self.output[2];
                let target = if pointwise { &mut *input_gradient } else { &mut *patches };
                let targets = target.chunks_exact_mut(self.fan_in() * columns);
                for (group, target) in targets.enumerate().take(self.window.groups) {
                    multiply(
                        Product::Replace,
                        self.matrix(&weights.weight, group).transposed(),
                        self.along(gradient, group, &panel),
                        MatrixMut::new(target, columns),
                    );
                }
                if !pointwise {
                    self.fold(patches, input_gradient, &panel);
                }
            }
        }
    }

    /// Adds `dL/dW` and `dL/db`, times `scale`.
    pub(super) fn weight_gradient<T: Scalar>(
        &self,
        scale: T,
        input: &[T],
        output_gradient: &[T],
        gradient: &mut LayerWeights<T>,
        patches: &mut [T],
    ) {
        for along in output_gradient.chunks_exact(self.outputs() * self.positions()) {
            for (sum, row) in gradient.bias.iter_mut().zip(along.chunks_exact(self.positions())) {
                *sum += scale * T::from_f64(reduce::sum(row));
            }
        }
        if let Some(Shifted { forward, .. }) = &self.shifted {
            let fan_in = self.fan_in();
            let add = |output: usize, tap: usize, sum: T| {
                gradient.weight[output * fan_in + tap] += scale * sum;
            };
            forward.weight_gradient(input, output_gradient, add, patches);
            return;
        }
        let examples = output_gradient.chunks_exact(self.outputs() * self.positions());
        for (along, example) in examples.zip(input.chunks_exact(self.input_size())) {
            for panel in self.panels() {
                let patches = self.unfold(example, patches, &panel);
                let group_size = self.group_channels() * self.fan_in();
                for (group, weight) in gradient.weight.chunks_exact_mut(group_size).enumerate() {
                    multiply_scaled(
                        Product::Add,
                        scale,
                        self.along(along, group, &panel),
                        self.patches(patches, group, &panel).transposed(),
                        MatrixMut::new(weight, self.fan_in()),
                    );
                }
            }
        }
    }

    /// Output channels of one group.
    fn group_channels(&self) -> usize {
        self.outputs() / self.window.groups
    }

    /// Output values of one group of one example.
    fn group_output(&self) -> usize {
        self.group_channels() * self.positions()
    }

    /// The weights of one group, `[channels / groups, fan_in]`.
    fn matrix<'a, T>(&self, weights: &'a [T], group: usize) -> Matrix<'a, T> {
        let (rows, columns) = (self.group_channels(), self.fan_in());
        Matrix::new(&weights[group * rows * columns..], rows, columns)
    }

    /// The patches of one group on one panel, `[fan_in, positions of the panel]`.
    fn patches<'a, T>(
        &self,
        patches: &'a [T],
        group: usize,
        panel: &Range<usize>,
    ) -> Matrix<'a, T> {
        let (rows, columns) = (self.fan_in(), panel.len() * self.output[2]);
        Matrix::new(&patches[group * rows * columns..], rows, columns)
    }

    /// The output gradients of one group of one example on one panel, `[channels / groups, positions of the panel]`.
    fn along<'a, T>(&self, gradient: &'a [T], group: usize, panel: &Range<usize>) -> Matrix<'a, T> {
        let columns = self.output[2];
        let gradient = &gradient[group * self.group_output() + panel.start * columns..];
        Matrix::new(gradient, self.group_channels(), panel.len() * columns)
            .with_stride(self.positions())
    }

    /// The patches of one panel of one example, `[channels_in · kernel², positions of the panel]`.
    fn unfold<'a, T: Scalar>(
        &self,
        example: &'a [T],
        patches: &'a mut [T],
        panel: &Range<usize>,
    ) -> &'a [T] {
        if self.is_pointwise() {
            return example;
        }
        if self.window.padding > 0 {
            patches[..self.patch_rows() * panel.len() * self.output[2]].fill(T::ZERO);
        }
        let stride = self.window.stride;
        self.for_each_run(panel, |patch, pixel, length| {
            let run = &mut patches[patch..patch + length];
            if stride == 1 {
                run.copy_from_slice(&example[pixel..pixel + length]);
            } else {
                for (slot, x) in run.iter_mut().zip(example[pixel..].iter().step_by(stride)) {
                    *slot = *x;
                }
            }
        });
        patches
    }

    /// Adds every patch value of a panel to the pixel that it came from.
    fn fold<T: Scalar>(&self, patches: &[T], example: &mut [T], panel: &Range<usize>) {
        let stride = self.window.stride;
        self.for_each_run(panel, |patch, pixel, length| {
            let run = &patches[patch..patch + length];
            if stride == 1 {
                for (x, value) in example[pixel..pixel + length].iter_mut().zip(run) {
                    *x += *value;
                }
            } else {
                for (x, value) in example[pixel..].iter_mut().step_by(stride).zip(run) {
                    *x += *value;
                }
            }
        });
    }

    /// Calls `run(patch, pixel, length)` for every row of a panel's patch values that lies inside the image: `length`
    /// values from offset `patch` on, which are the pixels from offset `pixel` on, `stride` apart.
    fn for_each_run(&self, panel: &Range<usize>, mut run: impl FnMut(usize, usize, usize)) {
        let ConvWindow { kernel, stride, padding, .. } = self.window;
        let ([channels, height, width], [_, rows, columns]) = (self.input, self.output);
        // Output positions along one side whose tap `offset` falls inside an image of that extent.
        let inside = |offset: usize, extent: usize, outputs: usize| {
            let first = padding.saturating_sub(offset).div_ceil(stride);
            let end = (extent + padding).saturating_sub(offset).div_ceil(stride).min(outputs);
            first..end.max(first)
        };
        for channel in 0..channels {
            for i in 0..kernel {
                let down = inside(i, height, rows);
                let down = down.start.max(panel.start)..down.end.min(panel.end);
                for j in 0..kernel {
                    let tap = (channel * kernel + i) * kernel + j;
                    let across = inside(j, width, columns);
                    if across.is_empty() {
                        continue;
                    }
                    for y in down.clone() {
                        let row = channel * height + (y * stride + i - padding);
                        run(
                            (tap * panel.len() + y - panel.start) * columns + across.start,
                            row * width + (across.start * stride + j - padding),
                            across.len(),
                        );
                    }
                }
            }
        }
    }
}
