//! Pooling over windows, and over all positions.
#![expect(
    clippy::inline_always,
    reason = "a call that is not inlined into the dispatched loop is compiled for the baseline instruction set"
)]
#![expect(
    clippy::needless_range_loop,
    reason = "strided loops over several slices, which vectorise"
)]

use super::scalar::Scalar;
use crate::spec::layer::PoolKind;
use crate::spec::shape::Shape;
use pulp::{Arch, Simd, WithSimd};

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
        match self.kind {
            PoolKind::Average => self.average(input, output),
            PoolKind::Max => self.extremes(input, output, indices, |x, best| x > best),
            PoolKind::Min => self.extremes(input, output, indices, |x, best| x < best),
        }
    }

    fn average<T: Scalar>(&self, input: &[T], output: &mut [T]) {
        let count = 1.0 / (self.window[0] * self.window[1]) as f64;
        let mut outputs = output.iter_mut();
        for example in input.chunks_exact(self.channels * self.input[0] * self.input[1]) {
            self.for_each_window(|corner| {
                let Some(output) = outputs.next() else { return };
                let rows = self.rows(corner);
                let sum = rows.map(|row| example[row].iter().map(|x| x.to_f64()).sum::<f64>());
                *output = T::from_f64(sum.sum::<f64>() * count);
            });
        }
    }

    fn extremes<T: Scalar>(
        &self,
        input: &[T],
        output: &mut [T],
        indices: Option<&mut Vec<u32>>,
        beats: impl Fn(T, T) -> bool + Copy,
    ) {
        let mut unused = Vec::new();
        let indices = indices.unwrap_or_else(|| {
            unused.resize(output.len(), 0);
            &mut unused
        });
        let pass = Extremes { pool: self, input, output, indices, beats };
        Arch::new().dispatch(pass);
    }

    /// Sends each gradient to the unit that was taken, or in equal parts to all units of the window.
    pub(super) fn backward<T: Scalar>(
        &self,
        output_gradient: &[T],
        input_gradient: &mut [T],
        indices: &[u32],
    ) {
        if !(self.is_tiling() && self.kind != PoolKind::Average) {
            input_gradient.fill(T::ZERO);
        }
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
            PoolKind::Max | PoolKind::Min if self.is_disjoint() => {
                let indices = &indices[..output_gradient.len()];
                Arch::new().dispatch(Spread {
                    pool: self,
                    output_gradient,
                    indices,
                    input_gradient,
                });
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

    /// Whether no unit lies in two windows.
    pub(super) fn is_disjoint(&self) -> bool {
        let [high, wide] = self.window;
        (high <= self.stride || self.output[0] == 1) && wide <= self.stride
    }

    /// Whether every unit lies in exactly one window.
    fn is_tiling(&self) -> bool {
        let covered = |side: usize| {
            self.output[side] * self.window[side] == self.input[side]
                && (self.window[side] == self.stride || self.output[side] == 1)
        };
        covered(0) && covered(1) && self.is_disjoint()
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

/// Extremes row by row, so that neighbouring windows share a vector.
struct Extremes<'a, T, B> {
    pool: &'a Pool,
    input: &'a [T],
    output: &'a mut [T],
    indices: &'a mut [u32],
    beats: B,
}

impl<T: Scalar, B: Fn(T, T) -> bool + Copy> Extremes<'_, T, B> {
    /// `STRIDE` is that of the pool, or 0 for any.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "an example has at most 2^26 values")]
    fn rows<const STRIDE: usize>(self) {
        let Pool { channels, input: [height, width], output: [rows, columns], window, .. } =
            *self.pool;
        let (step, beats) = (self.pool.stride, self.beats);
        let stride = if STRIDE == 0 { step } else { STRIDE };
        let examples = self.input.chunks_exact(channels * height * width);
        let size = channels * rows * columns;
        let results = self.output.chunks_exact_mut(size).zip(self.indices.chunks_exact_mut(size));
        for (example, (output, indices)) in examples.zip(results) {
            let lines = output.chunks_exact_mut(columns).zip(indices.chunks_exact_mut(columns));
            for (line, (best, index)) in lines.enumerate() {
                let corner = (line / rows * height + line % rows * step) * width;
                for (tap, (i, j)) in
                    (0..window[0]).flat_map(|i| (0..window[1]).map(move |j| (i, j))).enumerate()
                {
                    let at = corner + i * width + j;
                    let taps = &example[at..=at + (columns - 1) * stride];
                    for x in 0..columns {
                        let value = taps[x * stride];
                        let position = (at + x * stride) as u32;
                        let better = tap == 0 || beats(value, best[x]);
                        best[x] = if better { value } else { best[x] };
                        index[x] = if better { position } else { index[x] };
                    }
                }
            }
        }
    }
}

impl<T: Scalar, B: Fn(T, T) -> bool + Copy> WithSimd for Extremes<'_, T, B> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match self.pool.stride {
            1 => self.rows::<1>(),
            2 => self.rows::<2>(),
            _ => self.rows::<0>(),
        }
    }
}

/// The gradient of disjoint windows: each unit that lies in one takes it or zero.
struct Spread<'a, T> {
    pool: &'a Pool,
    output_gradient: &'a [T],
    indices: &'a [u32],
    input_gradient: &'a mut [T],
}

impl<T: Scalar> Spread<'_, T> {
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "an example has at most 2^26 values")]
    fn rows<const STRIDE: usize>(self) {
        let Pool { channels, input: [height, width], output: [rows, columns], window, .. } =
            *self.pool;
        let step = self.pool.stride;
        let stride = if STRIDE == 0 { step } else { STRIDE };
        let size = channels * rows * columns;
        let examples = self.input_gradient.chunks_exact_mut(channels * height * width);
        let sources = self.output_gradient.chunks_exact(size).zip(self.indices.chunks_exact(size));
        for (example, (gradient, indices)) in examples.zip(sources) {
            let lines = gradient.chunks_exact(columns).zip(indices.chunks_exact(columns));
            for (line, (gradient, indices)) in lines.enumerate() {
                let corner = (line / rows * height + line % rows * step) * width;
                for i in 0..window[0] {
                    let first = corner + i * width;
                    let span = (columns - 1) * stride + window[1];
                    let row = &mut example[first..first + span];
                    for x in 0..columns {
                        for j in 0..window[1] {
                            let position = (first + x * stride + j) as u32;
                            let taken = indices[x] == position;
                            row[x * stride + j] = if taken { gradient[x] } else { T::ZERO };
                        }
                    }
                }
            }
        }
    }
}

impl<T: Scalar> WithSimd for Spread<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match self.pool.stride {
            2 => self.rows::<2>(),
            _ => self.rows::<0>(),
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
