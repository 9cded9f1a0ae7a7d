//! Pooling over windows, and over all positions.
#![expect(
    clippy::inline_always,
    reason = "a call that is not inlined into the dispatched loop is compiled for the baseline instruction set"
)]

use super::scalar::Scalar;
use crate::spec::layer::PoolKind;
use crate::spec::shape::Shape;
use pulp::{Arch, Simd, WithSimd};
use std::hint::select_unpredictable; // a branch would keep a loop from vectorising

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
    /// Places added on each side.
    padding: [usize; 2],
}

/// What of a window lies in the image.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Its first value, within the example.
    first: usize,
    rows: usize,
    columns: usize,
}

impl Pool {
    /// `window` is its side, the step, and the padding.
    pub(super) fn new(
        kind: PoolKind,
        [size, stride, padding]: [usize; 3],
        input: Shape,
        output: Shape,
    ) -> Self {
        let plane = |shape: Shape| match shape.as_image() {
            Some([channels, height, width]) => (channels, [height, width]),
            None => (1, [1, shape.size()]),
        };
        let (channels, input_plane) = plane(input);
        let (window, padding) = match input.as_image() {
            Some(_) => ([size, size], [padding, padding]),
            None => ([1, size], [0, padding]),
        };
        Self {
            kind,
            channels,
            input: input_plane,
            output: plane(output).1,
            window,
            stride,
            padding,
        }
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
            self.for_each_window(|place| {
                let Some(output) = outputs.next() else { return };
                let rows = self.rows(place);
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
        if self.padding != [0, 0] {
            self.padded_extremes(input, output, indices, beats);
            return;
        }
        let pass = Extremes { pool: self, input, output, indices, beats };
        Arch::new().dispatch(pass);
    }

    /// Windows of which some hang over the edge.
    #[expect(clippy::cast_possible_truncation, reason = "an example has at most 2^26 values")]
    fn padded_extremes<T: Scalar>(
        &self,
        input: &[T],
        output: &mut [T],
        indices: &mut [u32],
        beats: impl Fn(T, T) -> bool,
    ) {
        let mut results = output.iter_mut().zip(indices);
        for example in input.chunks_exact(self.channels * self.input[0] * self.input[1]) {
            self.for_each_window(|place| {
                let Some((best, index)) = results.next() else { return };
                (*best, *index) = (example[place.first], place.first as u32);
                for at in self.rows(place).flatten() {
                    if beats(example[at], *best) {
                        (*best, *index) = (example[at], at as u32);
                    }
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
                    self.for_each_window(|place| {
                        let share = along.next().map_or(T::ZERO, |g| *g * count);
                        for row in self.rows(place) {
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
        self.padding == [0, 0]
            && (high <= self.stride || self.output[0] == 1)
            && wide <= self.stride
    }

    /// Whether every unit lies in exactly one window.
    fn is_tiling(&self) -> bool {
        let covered = |side: usize| {
            self.output[side] * self.window[side] == self.input[side]
                && (self.window[side] == self.stride || self.output[side] == 1)
        };
        covered(0) && covered(1) && self.is_disjoint()
    }

    /// The rows of a window.
    fn rows(&self, place: Place) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let [_, width] = self.input;
        let Place { first, rows, columns } = place;
        (0..rows).map(move |i| first + i * width..first + i * width + columns)
    }

    /// Calls `f` with every window of one example, in the order of the outputs.
    fn for_each_window(&self, mut f: impl FnMut(Place)) {
        let [height, width] = self.input;
        // First place inside the image and how many are, along one side.
        let inside = |output: usize, side: usize| {
            let start = output * self.stride;
            let first = start.saturating_sub(self.padding[side]);
            let end = (start + self.window[side] - self.padding[side]).min(self.input[side]);
            (first, end - first)
        };
        for channel in 0..self.channels {
            for y in 0..self.output[0] {
                let (row, rows) = inside(y, 0);
                for x in 0..self.output[1] {
                    let (column, columns) = inside(x, 1);
                    let first = (channel * height + row) * width + column;
                    f(Place { first, rows, columns });
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
    /// Calls `row` with every row of windows and every row of the image under it.
    #[inline(always)]
    fn each_row(self, row: impl Fn(usize, &[T], usize, &mut [T], &mut [u32])) {
        let Pool {
            channels, input: [height, width], output: [rows, columns], window, stride, ..
        } = *self.pool;
        let size = channels * rows * columns;
        let results = self.output.chunks_exact_mut(size).zip(self.indices.chunks_exact_mut(size));
        for (example, (output, indices)) in
            self.input.chunks_exact(channels * height * width).zip(results)
        {
            let lines = output.chunks_exact_mut(columns).zip(indices.chunks_exact_mut(columns));
            for (line, (best, index)) in lines.enumerate() {
                let corner = (line / rows * height + line % rows * stride) * width;
                for i in 0..window[0] {
                    let first = corner + i * width;
                    let taps = &example[first..first + (columns - 1) * stride + window[1]];
                    row(i, taps, first, best, index);
                }
            }
        }
    }

    /// Windows side by side: of `WIDE` columns, and as far apart.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "an example has at most 2^26 values")]
    fn adjacent<const WIDE: usize>(self) {
        let beats = self.beats;
        self.each_row(
            #[inline(always)]
            |i, taps, first, best, index| {
                let mut position = first as u32;
                let windows = taps.as_chunks::<WIDE>().0;
                for ((best, index), taps) in best.iter_mut().zip(index.iter_mut()).zip(windows) {
                    let (mut value, mut at) = (*best, *index);
                    for (j, tap) in taps.iter().enumerate() {
                        let better = (i + j == 0) | beats(*tap, value);
                        value = select_unpredictable(better, *tap, value);
                        at = select_unpredictable(better, position + j as u32, at);
                    }
                    (*best, *index) = (value, at);
                    position += WIDE as u32;
                }
            },
        );
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "an example has at most 2^26 values")]
    fn any(self) {
        let (beats, stride, wide) = (self.beats, self.pool.stride, self.pool.window[1]);
        self.each_row(|i, taps, first, best, index| {
            let corners = (0..taps.len()).step_by(stride);
            for ((best, index), corner) in best.iter_mut().zip(index.iter_mut()).zip(corners) {
                let window = &taps[corner..taps.len().min(corner + wide)];
                for (j, tap) in window.iter().enumerate() {
                    if i + j == 0 || beats(*tap, *best) {
                        (*best, *index) = (*tap, (first + corner + j) as u32);
                    }
                }
            }
        });
    }
}

impl<T: Scalar, B: Fn(T, T) -> bool + Copy> WithSimd for Extremes<'_, T, B> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match (self.pool.window[1], self.pool.stride) {
            (2, 2) => self.adjacent::<2>(),
            (3, 3) => self.adjacent::<3>(),
            _ => self.any(),
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
    /// Windows of at most `WIDE` columns, as far apart; 0 for any.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "an example has at most 2^26 values")]
    fn rows<const WIDE: usize>(self) {
        let Pool {
            channels, input: [height, width], output: [rows, columns], window, stride, ..
        } = *self.pool;
        let size = channels * rows * columns;
        let examples = self.input_gradient.chunks_exact_mut(channels * height * width);
        let sources = self.output_gradient.chunks_exact(size).zip(self.indices.chunks_exact(size));
        for (example, (gradient, indices)) in examples.zip(sources) {
            let lines = gradient.chunks_exact(columns).zip(indices.chunks_exact(columns));
            for (line, (gradient, indices)) in lines.enumerate() {
                let corner = (line / rows * height + line % rows * stride) * width;
                for i in 0..window[0] {
                    let first = corner + i * width;
                    let row = &mut example[first..first + (columns - 1) * stride + window[1]];
                    let sources = gradient.iter().zip(indices);
                    if WIDE > 0 {
                        let mut position = first as u32;
                        // Zero columns do not reach this.
                        let windows = row.chunks_exact_mut(WIDE.max(1));
                        for (to, (g, index)) in windows.zip(sources) {
                            for (j, to) in to.iter_mut().enumerate() {
                                let taken = *index == position + j as u32;
                                *to = select_unpredictable(taken, *g, T::ZERO);
                            }
                            position += WIDE as u32;
                        }
                    } else {
                        for ((g, index), x) in sources.zip((0..).step_by(stride)) {
                            for (j, to) in row[x..x + window[1]].iter_mut().enumerate() {
                                let taken = *index == (first + x + j) as u32;
                                *to = if taken { *g } else { T::ZERO };
                            }
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
        match (self.pool.window[1], self.pool.stride) {
            (2, 2) => self.rows::<2>(),
            (3, 3) => self.rows::<3>(),
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
