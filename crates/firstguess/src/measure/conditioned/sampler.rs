//! One network whose weights are never drawn, forward and backward.

use super::factor::{Factor, Path, live_columns, orthonormal_rows};
use super::rows::{Rows, representatives};
use super::{Law, Paths};
use crate::math::stream::{Purpose, Seed, Stream};
use crate::net::gemm::{Matrix, MatrixMut, Product, multiply};
use crate::net::sample::{SampleError, fill_weights};
use crate::net::{LayerLaw, NetError, Place, Program};
use crate::spec::scheme::LayerInit;
use crate::spec::weights::WeightFamily;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatMut, MatRef, Par};

/// Values of a panel of normals: half a megabyte, which stays in the cache.
const PANEL_VALUES: usize = 1 << 17;

/// Weights drawn at once where a layer is sampled directly.
const WEIGHT_VALUES: usize = 1 << 18;

/// Buffers that are reused from network to network.
#[derive(Debug, Default)]
pub(in crate::measure) struct Scratch {
    normals: Vec<f32>,
    factor: Vec<f32>,
    bias: Vec<f32>,
    gathered: Vec<f32>,
    gradients: Vec<f32>,
    result: Vec<f32>,
    orthonormal: Vec<f32>,
}

/// One network: what its layers have drawn so far.
pub(in crate::measure) struct Sampler<'l, 's> {
    law: &'l Law<'l>,
    scratch: &'s mut Scratch,
    seed: Seed,
    draw: u64,
    /// Which gradient goes backward, from 1.
    signal: u32,
    layers: Vec<Drawn>,
    paths: Vec<Paths>,
}

/// How the forward products of a layer were drawn.
#[derive(Debug)]
enum Drawn {
    Direct,
    /// By the factor of the data, which all draws share.
    Shared,
    Own(Factor),
}

/// Columns of a panel over `rows` rows.
fn panel_width(rows: usize) -> usize {
    (PANEL_VALUES / rows.max(1) / 64 * 64).clamp(64, 2048)
}

impl<'l, 's> Sampler<'l, 's> {
    pub(in crate::measure) fn new(
        law: &'l Law<'l>,
        scratch: &'s mut Scratch,
        seed: Seed,
        draw: u64,
    ) -> Self {
        let count = law.inits.len();
        let layers = (0..count).map(|_| Drawn::Direct).collect();
        Self { law, scratch, seed, draw, signal: 0, layers, paths: vec![Paths::default(); count] }
    }

    /// Which paths the layers took.
    pub(in crate::measure) fn into_paths(self) -> Vec<Paths> {
        self.paths
    }

    /// Normals of one layer: of the forward pass, or of one of the gradients.
    fn stream(&self, position: usize, signal: u32) -> Stream {
        // Fewer than 2¹⁶ layers have weights.
        let index = u32::try_from(position + 1).unwrap_or(u32::MAX);
        Stream::new(self.seed, self.draw, index | (signal << 16), Purpose::Conditioned)
    }

    fn weight_stream(&self, position: usize) -> Stream {
        let index = u32::try_from(position + 1).unwrap_or(u32::MAX);
        Stream::new(self.seed, self.draw, index, Purpose::Weights)
    }

    fn init(&self, position: usize) -> &'l LayerInit {
        &self.law.inits[position]
    }

    /// Draws the bias that the layer would have anyway, times `scale`.
    #[expect(clippy::cast_possible_truncation, reason = "networks run in f32")]
    fn fill_bias(&mut self, place: Place, scale: f64) -> Result<(), NetError> {
        let init = self.init(place.position);
        let index = u32::try_from(place.position + 1).unwrap_or(u32::MAX);
        let stream = Stream::new(self.seed, self.draw, index, Purpose::Bias);
        let family = if init.uniform_bias { WeightFamily::Uniform } else { WeightFamily::Normal };
        let bias = &mut self.scratch.bias;
        bias.clear();
        bias.resize(place.dense.outputs, 0.0);
        fill_weights(family, init.bias_variance.sqrt(), &stream, 0, bias)
            .map_err(|source| fail(place, source))?;
        if scale != 1.0 {
            bias.iter_mut().for_each(|b| *b = (f64::from(*b) * scale) as f32);
        }
        Ok(())
    }

    /// `H = σ F Z + b` on the distinct rows.
    fn sample(&mut self, place: Place, factor: &Factor, output: &mut [f32]) {
        let init = self.init(place.position);
        let stream = self.stream(place.position, 0);
        let (rows, outputs) = (factor.rows(), place.dense.outputs);
        let biased = init.bias_variance > 0.0;
        let Scratch { normals, factor: single, bias, .. } = &mut *self.scratch;
        factor.single(init.weight_std(place.dense.inputs), single);
        for (start, width) in panels(outputs, panel_width(rows)) {
            fill_panel(&stream, rows, start, width, normals);
            if biased {
                for row in output.chunks_exact_mut(outputs) {
                    row[start..start + width].copy_from_slice(&bias[start..start + width]);
                }
            }
            let product = if biased { Accum::Add } else { Accum::Replace };
            let target = panel_mut(&mut output[start..], rows, width, outputs);
            let z = MatRef::from_row_major_slice(&normals[..], rows, width);
            let f = MatRef::from_row_major_slice(&single[..], rows, rows);
            lower_times(target, product, f, z);
        }
    }

    /// `H = A W + b` by panels of weights, those of dead columns left out.
    fn sample_directly(
        &mut self,
        place: Place,
        input: &[f32],
        output: &mut [f32],
    ) -> Result<(), NetError> {
        let (inputs, outputs) = (place.dense.inputs, place.dense.outputs);
        let std = self.init(place.position).weight_std(inputs);
        let stream = self.weight_stream(place.position);
        let Scratch { normals: weights, bias, result: part, .. } = &mut *self.scratch;
        for row in output.chunks_exact_mut(outputs) {
            row.copy_from_slice(bias);
        }
        let rows = output.len() / outputs;
        let live = live_columns(input, inputs);
        for columns in live.chunks((WEIGHT_VALUES / outputs).clamp(64, inputs.max(64))) {
            weights.clear();
            weights.resize(columns.len() * outputs, 0.0);
            let (first, last) = (columns[0], columns[columns.len() - 1]);
            if last - first + 1 == columns.len() {
                draw_rows(std, &stream, first, outputs, weights).map_err(|e| fail(place, e))?;
            } else {
                for (column, weights) in columns.iter().zip(weights.chunks_exact_mut(outputs)) {
                    draw_rows(std, &stream, *column, outputs, weights)
                        .map_err(|e| fail(place, e))?;
                }
            }
            part.clear();
            for row in input.chunks_exact(inputs) {
                part.extend(columns.iter().map(|j| row[*j]));
            }
            multiply(
                Product::Add,
                Matrix::new(part, rows, columns.len()),
                Matrix::new(weights, columns.len(), outputs),
                MatrixMut::new(output, outputs),
            );
        }
        Ok(())
    }

    /// `G Wᵀ` with the weights of [`Sampler::sample_directly`], drawn again.
    fn gradient_directly(
        &mut self,
        place: Place,
        output_gradient: &[f32],
        input_gradient: &mut [f32],
    ) -> Result<(), NetError> {
        let (inputs, outputs) = (place.dense.inputs, place.dense.outputs);
        let std = self.init(place.position).weight_std(inputs);
        let stream = self.weight_stream(place.position);
        let weights = &mut self.scratch.normals;
        for (start, width) in panels(inputs, (WEIGHT_VALUES / outputs).clamp(64, inputs.max(64))) {
            weights.clear();
            weights.resize(width * outputs, 0.0);
            draw_rows(std, &stream, start, outputs, weights).map_err(|e| fail(place, e))?;
            multiply(
                Product::Replace,
                Matrix::new(output_gradient, place.batch, outputs),
                Matrix::new(weights, width, outputs).transposed(),
                MatrixMut::new(&mut input_gradient[start..], inputs),
            );
        }
        Ok(())
    }

    /// `G W` given `H`, on distinct rows: `σ (X A + M Z' )` with `X = (G Zᵀ - M Z' Aᵀ F⁻ᵀ) F⁻¹`.
    fn condition(
        &mut self,
        place: Place,
        factor: &Factor,
        [input, gradient]: [&[f32]; 2],
        result: &mut [f32],
    ) -> Path {
        let (inputs, outputs) = (place.dense.inputs, place.dense.outputs);
        let (rows, gradients) = (factor.rows(), gradient.len() / outputs);
        // M Mᵀ = G Gᵀ: the gradients themselves where they have fewer columns than rows.
        let root =
            if outputs > gradients { Factor::of(gradient, gradients, outputs) } else { None };
        let rank = if root.is_some() { gradients } else { outputs };
        let path = root.as_ref().map_or(Path::Direct, |root| root.path);
        let (forward, backward) =
            (self.stream(place.position, 0), self.stream(place.position, self.signal));
        let std = self.init(place.position).weight_std(inputs);
        let Scratch { normals, factor: single, orthonormal, .. } = &mut *self.scratch;

        let mut products = Mat::<f64>::zeros(gradients, rows);
        let mut part = vec![0.0_f32; gradients * rows];
        for (start, width) in panels(outputs, panel_width(rows)) {
            fill_panel(&forward, rows, start, width, normals);
            let g = Matrix::new(&gradient[start..], gradients, width).with_stride(outputs);
            let z = Matrix::new(normals, rows, width).transposed();
            multiply(Product::Replace, g, z, MatrixMut::new(&mut part, rows));
            add_to(&mut products, &part);
        }

        // Rows with orthonormal differences need no F: A = F Qᵀ.
        let orthogonal = factor.path == Path::Orthogonal;
        if orthogonal {
            orthonormal_rows(input, rows, inputs, orthonormal);
        }
        let basis: &[f32] = if orthogonal { orthonormal } else { input };
        let double = factor.path == Path::Double;
        if let Some(root) = &root {
            root.single(1.0, single);
        }
        let mut overlaps = Mat::<f64>::zeros(gradients, rows);
        for (start, width) in panels(inputs, panel_width(rank)) {
            fill_panel(&backward, rank, start, width, normals);
            let target = panel_mut(&mut result[start..], gradients, width, inputs);
            let z = MatRef::from_row_major_slice(&normals[..], rank, width);
            if root.is_some() {
                let m = MatRef::from_row_major_slice(&single[..], rank, rank);
                lower_times(target, Accum::Replace, m, z);
            } else {
                let m = MatRef::from_row_major_slice(gradient, gradients, outputs);
                faer::linalg::matmul::matmul(target, Accum::Replace, m, z, 1.0, Par::Seq);
            }
            if double {
                let fresh = widened(&result[start..], gradients, width, inputs);
                let a = widened(&basis[start..], rows, width, inputs);
                overlaps += fresh * a.transpose();
            } else {
                let fresh = Matrix::new(&result[start..], gradients, width).with_stride(inputs);
                let a = Matrix::new(&basis[start..], rows, width).with_stride(inputs).transposed();
                multiply(Product::Replace, fresh, a, MatrixMut::new(&mut part, rows));
                add_to(&mut overlaps, &part);
            }
        }
        let coefficients =
            if orthogonal { &products - &overlaps } else { factor.condition(&products, &overlaps) };
        add_multiple(&coefficients, basis, double, std, result, inputs);
        path
    }
}

impl LayerLaw<f32> for Sampler<'_, '_> {
    fn check(&self, program: &Program) -> Result<(), NetError> {
        let (expected, found) = (program.weight_layers(), self.law.inits.len());
        if expected == found {
            return Ok(());
        }
        let what = "the initialization, in layers,";
        Err(NetError::Length { what, expected: expected.to_string(), found })
    }

    fn begin_backward(&mut self) {
        self.signal += 1;
    }

    fn forward(
        &mut self,
        place: Place,
        bias_scale: f64,
        input: &[f32],
        output: &mut [f32],
    ) -> Result<(), NetError> {
        let law = self.law;
        self.fill_bias(place, bias_scale)?;
        let (inputs, outputs) = (place.dense.inputs, place.dense.outputs);
        let mut distinct = std::mem::take(&mut self.scratch.gathered);
        let mut drawn = std::mem::take(&mut self.scratch.gradients);
        let (input, rows) = law.rows.as_ref().map_or((input, place.batch), |rows| {
            rows.gather(input, inputs, &mut distinct);
            (&distinct[..], rows.distinct())
        });
        let target: &mut [f32] = if law.rows.is_some() {
            drawn.clear();
            drawn.resize(rows * outputs, 0.0);
            &mut drawn
        } else {
            &mut output[..]
        };
        let layer = if law.direct[place.position] {
            Drawn::Direct
        } else if place.on_data {
            match law.on_data(input, rows, inputs) {
                Some(_) => Drawn::Shared,
                None => Drawn::Direct,
            }
        } else {
            Factor::of(input, rows, inputs).map_or(Drawn::Direct, Drawn::Own)
        };
        let path = match &layer {
            Drawn::Direct => {
                self.sample_directly(place, input, target)?;
                Path::Direct
            }
            Drawn::Own(factor) => {
                self.sample(place, factor, target);
                factor.path
            }
            Drawn::Shared => law.on_data(input, rows, inputs).map_or(Path::Direct, |factor| {
                self.sample(place, factor, target);
                factor.path
            }),
        };
        if let Some(rows) = &law.rows {
            rows.scatter(&drawn, outputs, output);
        }
        self.paths[place.position].forward = Some(path);
        // Factors are only needed for the way back.
        let keep = law.backward || matches!(layer, Drawn::Direct | Drawn::Shared);
        self.layers[place.position] = if keep { layer } else { Drawn::Direct };
        (self.scratch.gathered, self.scratch.gradients) = (distinct, drawn);
        Ok(())
    }

    fn input_gradient(
        &mut self,
        place: Place,
        input: Option<&[f32]>,
        output_gradient: &[f32],
        input_gradient: &mut [f32],
    ) -> Result<(), NetError> {
        const WHY: &str = "gradients without weights need the layers' inputs; make the program with Record::Inputs";
        let law = self.law;
        let input = input.ok_or(NetError::NotRecorded(WHY))?;
        let layer = std::mem::replace(&mut self.layers[place.position], Drawn::Direct);
        let slot = self.signal as usize - 1;
        if matches!(layer, Drawn::Direct) {
            self.paths[place.position].mark_backward(slot, Path::Direct);
            return self.gradient_directly(place, output_gradient, input_gradient);
        }
        let (inputs, outputs) = (place.dense.inputs, place.dense.outputs);
        let mut distinct = std::mem::take(&mut self.scratch.gathered);
        let mut gathered = std::mem::take(&mut self.scratch.gradients);
        let mut result = std::mem::take(&mut self.scratch.result);
        let (input, rows) = law.rows.as_ref().map_or((input, place.batch), |rows| {
            rows.gather(input, inputs, &mut distinct);
            (&distinct[..], rows.distinct())
        });
        // Equal rows and rows of zeros would make G Gᵀ singular.
        let few = representatives(law.rows.as_ref(), output_gradient, outputs);
        let path = {
            let gradient = few.as_ref().map_or(output_gradient, |few| {
                few.gather(output_gradient, outputs, &mut gathered);
                &gathered[..]
            });
            let target: &mut [f32] = match &few {
                Some(few) => {
                    result.clear();
                    result.resize(few.distinct() * inputs, 0.0);
                    &mut result
                }
                None => &mut input_gradient[..],
            };
            let factor = match &layer {
                Drawn::Own(factor) => Some(factor),
                _ => law.on_data(input, rows, inputs),
            };
            match factor {
                Some(factor) if !gradient.is_empty() => {
                    self.condition(place, factor, [input, gradient], target)
                }
                _ => Path::Direct,
            }
        };
        if let Some(few) = &few {
            few.scatter(&result, inputs, input_gradient);
        }
        self.paths[place.position].mark_backward(slot, path);
        self.layers[place.position] = layer;
        (self.scratch.gathered, self.scratch.gradients) = (distinct, gathered);
        self.scratch.result = result;
        Ok(())
    }
}

fn fail(place: Place, source: SampleError) -> NetError {
    NetError::Sample { index: place.position + 1, source }
}

/// Start and width of each panel of `columns`.
fn panels(columns: usize, width: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..columns).step_by(width).map(move |start| (start, width.min(columns - start)))
}

/// Columns `start..start + width` of the normals of a layer, `[rows, width]`: the same for any division into panels of the
/// same width.
fn fill_panel(stream: &Stream, rows: usize, start: usize, width: usize, out: &mut Vec<f32>) {
    out.clear();
    out.resize(rows * width, 0.0);
    stream.fill_normal_f32((rows * start) as u64, out);
}

/// The weights of inputs `first..`, as the direct engine has them.
fn draw_rows(
    std: f64,
    stream: &Stream,
    first: usize,
    outputs: usize,
    out: &mut [f32],
) -> Result<(), SampleError> {
    fill_weights(WeightFamily::Normal, std, stream, (first * outputs) as u64, out)
}

/// `rows` rows of `width` values, `stride` values after each other.
fn panel_mut(values: &mut [f32], rows: usize, width: usize, stride: usize) -> MatMut<'_, f32> {
    // As a transposed column-major matrix: the row-major constructor of faer 0.24 writes out of bounds (see `net::gemm`).
    MatMut::from_column_major_slice_with_stride_mut(values, width, rows, stride).transpose_mut()
}

/// `target = lower · z`, or that added to it.
fn lower_times(
    target: MatMut<'_, f32>,
    product: Accum,
    lower: MatRef<'_, f32>,
    z: MatRef<'_, f32>,
) {
    // As for Gram matrices: small triangles are not worth their recursion.
    if lower.nrows() <= 96 {
        faer::linalg::matmul::matmul(target, product, lower, z, 1.0, Par::Seq);
        return;
    }
    triangular::matmul(
        target,
        BlockStructure::Rectangular,
        product,
        lower,
        BlockStructure::TriangularLower,
        z,
        BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
}

fn add_to(sum: &mut Mat<f64>, part: &[f32]) {
    let columns = sum.ncols();
    for (i, row) in part.chunks_exact(columns.max(1)).enumerate().take(sum.nrows()) {
        for (j, x) in row.iter().enumerate() {
            sum[(i, j)] += f64::from(*x);
        }
    }
}

fn widened(values: &[f32], rows: usize, width: usize, stride: usize) -> Mat<f64> {
    Mat::from_fn(rows, width, |i, j| f64::from(values[i * stride + j]))
}

/// `result = std (result + coefficients · basis)`.
#[expect(clippy::cast_possible_truncation, reason = "networks run in f32")]
fn add_multiple(
    coefficients: &Mat<f64>,
    basis: &[f32],
    double: bool,
    std: f64,
    result: &mut [f32],
    columns: usize,
) {
    let (gradients, rows) = (coefficients.nrows(), coefficients.ncols());
    if double {
        // Large coefficients of nearly equal rows cancel: in f64.
        for (start, width) in panels(columns, panel_width(rows)) {
            let sum = coefficients * widened(&basis[start..], rows, width, columns);
            for i in 0..gradients {
                let row = &mut result[i * columns + start..i * columns + start + width];
                for (j, x) in row.iter_mut().enumerate() {
                    *x = (std * (f64::from(*x) + sum[(i, j)])) as f32;
                }
            }
        }
        return;
    }
    let single: Vec<f32> =
        (0..gradients * rows).map(|k| coefficients[(k / rows, k % rows)] as f32).collect();
    multiply(
        Product::Add,
        Matrix::new(&single, gradients, rows),
        Matrix::new(basis, rows, columns),
        MatrixMut::new(result, columns),
    );
    let std = std as f32;
    result.iter_mut().for_each(|x| *x *= std);
}

/// Rows without repetition, for the way there and back.
impl Rows {
    /// The distinct rows of `[rows, width]`.
    fn gather(&self, values: &[f32], width: usize, out: &mut Vec<f32>) {
        out.clear();
        for row in &self.first {
            out.extend_from_slice(&values[row * width..(row + 1) * width]);
        }
    }

    /// Puts distinct rows into all their places; rows that stand for zero become zero.
    fn scatter(&self, distinct: &[f32], width: usize, out: &mut [f32]) {
        for (row, of) in out.chunks_exact_mut(width).zip(&self.of) {
            match of {
                Some(of) => row.copy_from_slice(&distinct[of * width..(of + 1) * width]),
                None => row.fill(0.0),
            }
        }
    }
}
