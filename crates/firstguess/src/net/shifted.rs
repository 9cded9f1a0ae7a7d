//! Convolutions of stride 1 without unfolding: every tap is the padded image, shifted.
//!
//! In an image padded to `width` columns, the input under tap `(i, j)` of output position `q = y·width + x` stands at
//! `q + i·width + j`, for all positions at once. A sum over taps is then a sum of shifted planes with scalar factors: there
//! is no matrix of patches to write and to pack. Positions in the last `kernel - 1` columns of each row are computed and
//! not used.
#![expect(
    clippy::inline_always,
    reason = "a call that is not inlined into the dispatched loop is compiled for the baseline instruction set"
)]
#![expect(
    clippy::needless_range_loop,
    reason = "constant bounds, so that the sums stay in registers"
)]

use pulp::{Arch, Simd, WithSimd};
use std::ops::Add;

/// The vector operations that the kernels need.
pub trait Lanes: Copy + Default + Add<Output = Self> + 'static {
    /// A register of these values.
    type Vector<S: Simd>: Copy;
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;
    /// `a·b + c`.
    fn mul_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
    fn plus<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// The whole vectors at the start of a slice.
    fn vectors<S: Simd>(values: &[Self]) -> &[Self::Vector<S>];
    fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [Self::Vector<S>];
}

macro_rules! lanes {
    ($scalar:ty, $vector:ident, $splat:ident, $mul_add:ident, $add:ident, $as:ident, $as_mut:ident) => {
        impl Lanes for $scalar {
            type Vector<S: Simd> = S::$vector;
            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> S::$vector {
                simd.$splat(value)
            }
            #[inline(always)]
            fn mul_add<S: Simd>(
                simd: S,
                a: S::$vector,
                b: S::$vector,
                c: S::$vector,
            ) -> S::$vector {
                simd.$mul_add(a, b, c)
            }
            #[inline(always)]
            fn plus<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$add(a, b)
            }
            #[inline(always)]
            fn vectors<S: Simd>(values: &[Self]) -> &[S::$vector] {
                S::$as(values).0
            }
            #[inline(always)]
            fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [S::$vector] {
                S::$as_mut(values).0
            }
        }
    };
}

lanes!(f32, f32s, splat_f32s, mul_add_e_f32s, add_f32s, as_simd_f32s, as_mut_simd_f32s);
lanes!(f64, f64s, splat_f64s, mul_add_e_f64s, add_f64s, as_simd_f64s, as_mut_simd_f64s);

/// Outputs that are computed together, and by which weights are packed.
pub(super) const ROWS: usize = 8;

/// Vectors of positions that are computed together.
const VECTORS: usize = 3;

/// Positions are computed by a multiple of this many: [`VECTORS`] of the widest registers.
const POSITIONS: usize = 16 * VECTORS;

/// Taps whose gradients are added up together.
const TAPS: usize = 9;

/// Outputs whose gradients are added up together: two of the widest registers.
const OUTPUTS: usize = 32;

/// Padded images, and where the taps of a kernel stand in them.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    image: [usize; 3],
    padding: usize,
    kernel: usize,
    groups: usize,
    /// Of one group: channel, row, column. Filled up with zeros to a multiple of `TAPS`.
    offsets: Vec<usize>,
}

impl Frame {
    pub(super) fn new(image: [usize; 3], padding: usize, kernel: usize, groups: usize) -> Self {
        let mut frame = Self { image, padding, kernel, groups, offsets: Vec::new() };
        let (width, plane) = (frame.width(), frame.plane());
        for channel in 0..image[0] / groups {
            for i in 0..kernel {
                frame.offsets.extend((0..kernel).map(|j| channel * plane + i * width + j));
            }
        }
        frame.offsets.resize(frame.taps().next_multiple_of(TAPS), 0);
        frame
    }

    /// Inputs under the kernel of one group.
    pub(super) fn taps(&self) -> usize {
        self.image[0] / self.groups * self.kernel * self.kernel
    }

    fn width(&self) -> usize {
        self.image[2] + 2 * self.padding
    }

    fn plane(&self) -> usize {
        (self.image[1] + 2 * self.padding) * self.width()
    }

    /// Rows and columns of the output.
    fn output(&self) -> [usize; 2] {
        [1, 2].map(|side| self.image[side] + 2 * self.padding + 1 - self.kernel)
    }

    /// Output positions with the unused ones between rows.
    fn positions(&self) -> usize {
        let [rows, columns] = self.output();
        (rows - 1) * self.width() + columns
    }

    /// Values of the padded image of one example, and those that the last vectors may read beyond it.
    fn size(&self) -> usize {
        self.image[0] * self.plane() + POSITIONS
    }

    /// Puts an example where the zeros around it already are.
    fn place<T: Copy>(&self, example: &[T], planes: &mut [T]) {
        let [_, height, width] = self.image;
        let padded = planes.chunks_exact_mut(self.plane());
        for (plane, padded) in example.chunks_exact(height * width).zip(padded) {
            let rows = padded.chunks_exact_mut(self.width()).skip(self.padding);
            for (row, padded) in plane.chunks_exact(width).zip(rows) {
                padded[self.padding..self.padding + width].copy_from_slice(row);
            }
        }
    }

    /// Values that [`Frame::correlate`] needs to work in.
    pub(super) fn correlation_size(&self, outputs: usize) -> usize {
        let rows = self.groups * (outputs / self.groups).next_multiple_of(ROWS);
        self.size() + rows * self.taps() + ROWS * self.positions().next_multiple_of(POSITIONS)
    }

    /// `out[r, y, x] = start[r] + Σ weight(r, k) · input` over the taps `k` of the group of `r`, for every example.
    ///
    /// `weight` takes the output and the tap within its group.
    pub(super) fn correlate<T: Lanes>(
        &self,
        input: &[T],
        start: Option<&[T]>,
        weight: impl Fn(usize, usize) -> T,
        output: &mut [T],
        scratch: &mut [T],
    ) {
        let [rows, columns] = self.output();
        let examples = input.len() / self.image.iter().product::<usize>();
        let outputs = output.len() / (rows * columns) / examples;
        let (per_group, taps) = (outputs / self.groups, self.taps());
        let stride = self.positions().next_multiple_of(POSITIONS);
        let tiles = per_group.div_ceil(ROWS);
        let (planes, scratch) = scratch.split_at_mut(self.size());
        let (packed, scratch) = scratch.split_at_mut(self.groups * tiles * ROWS * taps);
        let wide = &mut scratch[..ROWS * stride];
        planes.fill(T::default());
        for (tile, packed) in packed.chunks_exact_mut(ROWS * taps).enumerate() {
            let (group, first) = (tile / tiles, tile % tiles * ROWS);
            for (k, packed) in packed.chunks_exact_mut(ROWS).enumerate() {
                for (r, slot) in packed.iter_mut().enumerate() {
                    *slot = if first + r < per_group {
                        weight(group * per_group + first + r, k)
                    } else {
                        T::default()
                    };
                }
            }
        }
        let group_planes = self.image[0] / self.groups * self.plane();
        let examples = input.chunks_exact(self.image.iter().product());
        let results = output.chunks_exact_mut(outputs * rows * columns);
        for (example, result) in examples.zip(results) {
            self.place(example, planes);
            let groups = result.chunks_exact_mut(per_group * rows * columns);
            for (group, result) in groups.enumerate() {
                let tile_outputs = result.chunks_mut(ROWS * rows * columns);
                for (tile, result) in tile_outputs.enumerate() {
                    let first = group * per_group + tile * ROWS;
                    let mut from = [T::default(); ROWS];
                    if let Some(start) = start {
                        let start = &start[first..(group + 1) * per_group];
                        for (slot, value) in from.iter_mut().zip(start) {
                            *slot = *value;
                        }
                    }
                    Correlate {
                        planes: &planes[group * group_planes..],
                        offsets: &self.offsets[..taps],
                        weights: &packed[(group * tiles + tile) * ROWS * taps..][..ROWS * taps],
                        start: from,
                        wide: &mut *wide,
                        stride,
                        width: self.width(),
                        result,
                        size: rows * columns,
                        columns,
                    }
                    .run();
                }
            }
        }
    }

    /// Values that [`Frame::weight_gradient`] needs to work in.
    pub(super) fn gradient_size(&self, outputs: usize) -> usize {
        let [rows, columns] = self.output();
        let stride = (outputs / self.groups).next_multiple_of(OUTPUTS);
        self.size() + (rows * columns + self.groups * self.offsets.len()) * stride
    }

    /// Calls `add(output, tap, Σ gradient · input)` for every weight, the sum over examples and positions.
    pub(super) fn weight_gradient<T: Lanes>(
        &self,
        input: &[T],
        gradient: &[T],
        mut add: impl FnMut(usize, usize, T),
        scratch: &mut [T],
    ) {
        let [rows, columns] = self.output();
        let examples = input.len() / self.image.iter().product::<usize>();
        let outputs = gradient.len() / (rows * columns) / examples;
        let per_group = outputs / self.groups;
        let stride = per_group.next_multiple_of(OUTPUTS);
        let (planes, scratch) = scratch.split_at_mut(self.size());
        let (along, scratch) = scratch.split_at_mut(rows * columns * stride);
        let sums = &mut scratch[..self.groups * self.offsets.len() * stride];
        for buffer in [&mut *planes, &mut *along, &mut *sums] {
            buffer.fill(T::default());
        }
        let group_planes = self.image[0] / self.groups * self.plane();
        let pairs = input
            .chunks_exact(self.image.iter().product())
            .zip(gradient.chunks_exact(outputs * rows * columns));
        for (example, gradient) in pairs {
            self.place(example, planes);
            let groups = gradient
                .chunks_exact(per_group * rows * columns)
                .zip(sums.chunks_exact_mut(self.offsets.len() * stride));
            for (group, (gradient, sums)) in groups.enumerate() {
                Outer {
                    planes: &planes[group * group_planes..],
                    offsets: &self.offsets,
                    width: self.width(),
                    columns,
                    gradient,
                    along: &mut *along,
                    sums,
                    stride,
                }
                .run();
            }
        }
        for (group, sums) in sums.chunks_exact(self.offsets.len() * stride).enumerate() {
            for (tap, sums) in sums.chunks_exact(stride).take(self.taps()).enumerate() {
                for (output, sum) in sums[..per_group].iter().enumerate() {
                    add(group * per_group + output, tap, *sum);
                }
            }
        }
    }
}

/// `wide[r, q] = Σ_k weights[k, r] · planes[offsets[k] + q]`; the result is `start[r]` more, and has the used columns alone.
struct Correlate<'a, T> {
    planes: &'a [T],
    offsets: &'a [usize],
    /// `[k, ROWS]`.
    weights: &'a [T],
    start: [T; ROWS],
    /// `[ROWS, stride]`.
    wide: &'a mut [T],
    /// A multiple of `POSITIONS`.
    stride: usize,
    /// Columns of the padded image.
    width: usize,
    /// At most `ROWS` outputs of `size` values each, in rows of `columns`.
    result: &'a mut [T],
    size: usize,
    columns: usize,
}

impl<T: Lanes> Correlate<'_, T> {
    fn run(self) {
        Arch::new().dispatch(self);
    }

    /// `R` rows at a time: as many as leave their sums in registers.
    #[inline(always)]
    fn tiles<S: Simd, const R: usize>(&mut self, simd: S) {
        let step = VECTORS * (size_of::<T::Vector<S>>() / size_of::<T>());
        for first in (0..ROWS).step_by(R) {
            for q in (0..self.stride).step_by(step) {
                let mut sums = [[T::splat(simd, T::default()); VECTORS]; R];
                for (weights, offset) in self.weights.chunks_exact(ROWS).zip(self.offsets) {
                    let x = T::vectors::<S>(&self.planes[offset + q..offset + q + step]);
                    let [a, b, c] = *x else { return };
                    for r in 0..R {
                        let w = T::splat(simd, weights[first + r]);
                        sums[r][0] = T::mul_add(simd, w, a, sums[r][0]);
                        sums[r][1] = T::mul_add(simd, w, b, sums[r][1]);
                        sums[r][2] = T::mul_add(simd, w, c, sums[r][2]);
                    }
                }
                for r in 0..R {
                    let at = (first + r) * self.stride + q;
                    T::vectors_mut::<S>(&mut self.wide[at..at + step]).copy_from_slice(&sums[r]);
                }
            }
        }
    }

    #[inline(always)]
    fn take_columns<S: Simd>(&mut self, simd: S) {
        let lanes = size_of::<T::Vector<S>>() / size_of::<T>();
        let whole = self.columns / lanes * lanes;
        let outputs =
            self.wide.chunks_exact(self.stride).zip(self.result.chunks_exact_mut(self.size));
        for ((wide, result), start) in outputs.zip(self.start) {
            let rows = wide.chunks(self.width).zip(result.chunks_exact_mut(self.columns));
            for (wide, row) in rows {
                let sums = T::vectors::<S>(&wide[..whole]);
                for (to, sum) in T::vectors_mut::<S>(&mut row[..whole]).iter_mut().zip(sums) {
                    *to = T::plus(simd, *sum, T::splat(simd, start));
                }
                for (to, sum) in row[whole..].iter_mut().zip(&wide[whole..]) {
                    *to = *sum + start;
                }
            }
        }
    }
}

impl<T: Lanes> WithSimd for Correlate<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // 32 registers or 16.
        if S::F32_LANES >= 16 {
            self.tiles::<S, 8>(simd);
        } else {
            self.tiles::<S, 4>(simd);
        }
        self.take_columns(simd);
    }
}

/// `sums[k, o] += Σ_{y, x} planes[offsets[k] + y·width + x] · along[y, x, o]`.
struct Outer<'a, T> {
    planes: &'a [T],
    /// A multiple of `TAPS`.
    offsets: &'a [usize],
    /// Columns of the padded image.
    width: usize,
    /// Columns of the output.
    columns: usize,
    /// `[outputs, rows, columns]`.
    gradient: &'a [T],
    /// The same as `[rows, columns, stride]`; zero beyond the outputs.
    along: &'a mut [T],
    /// `[k, stride]`.
    sums: &'a mut [T],
    /// A multiple of `OUTPUTS`.
    stride: usize,
}

impl<T: Lanes> Outer<'_, T> {
    fn run(self) {
        Arch::new().dispatch(self);
    }

    /// `K` taps at a time: as many as leave their sums in registers.
    #[inline(always)]
    fn tiles<S: Simd, const K: usize>(self, simd: S) {
        let pair = 2 * (size_of::<T::Vector<S>>() / size_of::<T>());
        let zero = T::splat(simd, T::default());
        let blocks = self.offsets.chunks_exact(K).zip(self.sums.chunks_exact_mut(K * self.stride));
        for (offsets, sums) in blocks {
            for first in (0..self.stride).step_by(pair) {
                // Sums of one example first: a total of thousands would round each new term away bit by bit.
                let mut fresh = [[zero; 2]; K];
                let along = self.along.chunks_exact(self.columns * self.stride);
                for (y, along) in along.enumerate() {
                    let mut rows = [&self.planes[..0]; K];
                    for k in 0..K {
                        rows[k] = &self.planes[offsets[k] + y * self.width..][..self.columns];
                    }
                    for (x, along) in along.chunks_exact(self.stride).enumerate() {
                        let pair = T::vectors::<S>(&along[first..first + pair]);
                        let [a, b] = *pair else { return };
                        for k in 0..K {
                            let value = T::splat(simd, rows[k][x]);
                            fresh[k][0] = T::mul_add(simd, value, a, fresh[k][0]);
                            fresh[k][1] = T::mul_add(simd, value, b, fresh[k][1]);
                        }
                    }
                }
                for k in 0..K {
                    let at = k * self.stride + first;
                    let totals = T::vectors_mut::<S>(&mut sums[at..at + pair]);
                    for (total, fresh) in totals.iter_mut().zip(fresh[k]) {
                        *total = T::plus(simd, *total, fresh);
                    }
                }
            }
        }
    }
}

impl<T: Lanes> WithSimd for Outer<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let positions = self.along.len() / self.stride;
        transpose(self.gradient, positions, self.along, self.stride);
        if S::F32_LANES >= 16 {
            self.tiles::<S, 9>(simd);
        } else {
            self.tiles::<S, 3>(simd);
        }
    }
}

/// `[rows, columns]` to `[columns, stride]`; what lies beyond the rows stays as it is.
#[inline(always)]
fn transpose<T: Copy>(from: &[T], columns: usize, to: &mut [T], stride: usize) {
    const BLOCK: usize = 8;
    let mut blocks = from.chunks_exact(BLOCK * columns);
    for (block, rows) in blocks.by_ref().enumerate() {
        let rows: [&[T]; BLOCK] = std::array::from_fn(|i| &rows[i * columns..(i + 1) * columns]);
        for (q, to) in to.chunks_exact_mut(stride).take(columns).enumerate() {
            let to = &mut to[BLOCK * block..BLOCK * (block + 1)];
            for i in 0..BLOCK {
                to[i] = rows[i][q];
            }
        }
    }
    let done = from.len() / (BLOCK * columns) * BLOCK;
    for (row, values) in blocks.remainder().chunks_exact(columns).enumerate() {
        for (value, to) in values.iter().zip(to.chunks_exact_mut(stride)) {
            to[done + row] = *value;
        }
    }
}
