//! Pooling over windows, and over all positions.

use super::scalar::Scalar;
use crate::spec::layer::PoolKind;
use crate::spec::shape::Shape;

/// The largest, the mean or the smallest value of each window.
///
/// An image is pooled channel by channel over square windows, a vector over runs of consecutive units. Among equal
/// extremes the first one takes the gradient, as in PyTorch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pool {
    pub(super) kind: PoolKind,
    channels: usize,
    input: [usize; 2],
    output: [usize; 2],
    window: [usize; 2],
    stride: usize,
}

impl Pool {
    pub(super) fn new(
        kind: PoolKind,
        size: usize,
        stride: usize,
        input: Shape,
        output: Shape,
    ) -> Self {
        let plane = |shape: Shape| match shape.as_image() {
            Some([channels, height, width]) => (channels, [height, width]),
            None => (1, [1, shape.size()]),
        };
        let (channels, input_plane) = plane(input);
        let window = if input.as_image().is_some() { [size, size] } else { [1, size] };
        Self { kind, channels, input: input_plane, output: plane(output).1, window, stride }
    }

    /// Indices that one example keeps: one per output, none of an average.
    pub(super) fn index_size(&self) -> usize {
        match self.kind {
            PoolKind::Average => 0,
            PoolKind::Max | PoolKind::Min => self.channels * self.output[0] * self.output[1],
        }
    }

    /// Pools a batch; `indices` receives where each extreme stood within its example.
    pub(super) fn forward<T: Scalar>(
        &self,
        input: &[T],
        output: &mut [T],
        indices: Option<&mut Vec<u32>>,
    ) {
        let count = 1.0 / (self.window[0] * self.window[1]) as f64;
        let mut indices = indices.map(|indices| indices.iter_mut());
        let mut outputs = output.iter_mut();
        for example in input.chunks_exact(self.channels * self.input[0] * self.input[1]) {
            self.for_each_window(|corner| {
                let Some(output) = outputs.next() else { return };
                let (value, index) = match self.kind {
                    PoolKind::Max => self.extreme(example, corner, |x, best| x > best),
                    PoolKind::Min => self.extreme(example, corner, |x, best| x < best),
                    PoolKind::Average => {
                        let mut sum = 0.0;
                        for row in self.rows(corner) {
                            sum += example[row].iter().map(|x| x.to_f64()).sum::<f64>();
                        }
                        *output = T::from_f64(sum * count);
                        return;
                    }
                };
                *output = value;
                if let Some(slot) = indices.as_mut().and_then(Iterator::next) {
                    *slot = index;
                }
            });
        }
    }

    /// Sends each gradient to the unit that was taken, or in equal parts to all units of the window.
    pub(super) fn backward<T: Scalar>(
        &self,
        output_gradient: &[T],
        input_gradient: &mut [T],
        indices: &[u32],
    ) {
        input_gradient.fill(T::ZERO);
        let examples =
            input_gradient.chunks_exact_mut(self.channels * self.input[0] * self.input[1]);
        let per_example = self.channels * self.output[0] * self.output[1];
        let along = output_gradient.chunks_exact(per_example);
        match self.kind {
            PoolKind::Average => {
                let count = T::from_f64(1.0 / (self.window[0] * self.window[1]) as f64);
                for (example, along) in examples.zip(along) {
                    let mut along = along.iter();
                    self.for_each_window(|corner| {
                        let share = along.next().map_or(T::ZERO, |g| *g * count);
                        for row in self.rows(corner) {
                            for x in &mut example[row] {
                                *x += share;
                            }
                        }
                    });
                }
            }
            PoolKind::Max | PoolKind::Min => {
                let indices = indices.chunks_exact(per_example);
                for ((example, along), indices) in examples.zip(along).zip(indices) {
                    for (g, index) in along.iter().zip(indices) {
                        example[*index as usize] += *g;
                    }
                }
            }
        }
    }

    /// The first value of the window that none other beats, and its place.
    #[expect(clippy::cast_possible_truncation, reason = "an example has at most 2^26 values")]
    fn extreme<T: Scalar>(
        &self,
        example: &[T],
        corner: usize,
        beats: impl Fn(T, T) -> bool,
    ) -> (T, u32) {
        let (mut best, mut index) = (example[corner], corner);
        for row in self.rows(corner) {
            for (x, position) in example[row.clone()].iter().zip(row) {
                if beats(*x, best) {
                    (best, index) = (*x, position);
                }
            }
        }
        (best, index as u32)
    }

    /// The rows of the window whose first unit is `corner`.
    fn rows(&self, corner: usize) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let [_, width] = self.input;
        let [high, wide] = self.window;
        (0..high).map(move |i| corner + i * width..corner + i * width + wide)
    }

    /// Calls `f` with the first unit of every window of one example, in the order of the outputs.
    fn for_each_window(&self, mut f: impl FnMut(usize)) {
        let [height, width] = self.input;
        for channel in 0..self.channels {
            for y in 0..self.output[0] {
                for x in 0..self.output[1] {
                    f((channel * height + y * self.stride) * width + x * self.stride);
                }
            }
        }
    }
}

/// The mean of each channel over all positions.
#[derive(Debug, Clone, Copy)]
pub(super) struct GlobalAverage {
    positions: usize,
}

impl GlobalAverage {
    pub(super) fn new(input: Shape, output: Shape) -> Self {
        Self { positions: input.size() / output.size() }
    }

    pub(super) fn forward<T: Scalar>(self, input: &[T], output: &mut [T]) {
        for (y, plane) in output.iter_mut().zip(input.chunks_exact(self.positions)) {
            let sum: f64 = plane.iter().map(|x| x.to_f64()).sum();
            *y = T::from_f64(sum / self.positions as f64);
        }
    }

    pub(super) fn backward<T: Scalar>(self, output_gradient: &[T], input_gradient: &mut [T]) {
        let share = T::from_f64(1.0 / self.positions as f64);
        for (plane, g) in input_gradient.chunks_exact_mut(self.positions).zip(output_gradient) {
            plane.fill(*g * share);
        }
    }
}
