//! The inputs themselves, until the first layer with weights makes them Gaussian: every operation on them is exact.

use super::points::{Points, Row, complement_of};
use crate::spec::Dataset;
use crate::spec::layer::{Norm, PoolKind};
use crate::spec::shape::Shape;
use crate::theory::dual::Pointwise;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Inputs `[examples, shape…]`.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    values: Vec<f64>,
    pub(super) shape: Shape,
    pub(super) examples: usize,
}

/// Rows of the Gram matrix that are multiplied at once.
const BLOCK: usize = 128;

/// A distance below this part of the squared norms has lost digits to the product and is taken from the difference.
const CLOSE: f64 = 1e-5;

impl Raw {
    pub(super) fn new(data: &Dataset) -> Self {
        Self {
            values: data.inputs().iter().map(|x| f64::from(*x)).collect(),
            shape: data.shape(),
            examples: data.examples(),
        }
    }

    fn features(&self) -> usize {
        self.shape.size()
    }

    pub(super) fn reshape(&mut self, shape: Shape) {
        self.shape = shape;
    }

    pub(super) fn activate(&mut self, function: &Pointwise) {
        self.values.par_iter_mut().for_each(|x| *x = function.value(*x));
    }

    /// A normalisation; groups without spread become zero.
    pub(super) fn normalize(&mut self, norm: Norm) {
        let features = self.features();
        let channels = self.shape.as_image().map_or(features, |[channels, ..]| channels);
        let run = match norm {
            Norm::Batch => return self.normalize_batch(channels),
            Norm::Group(groups) => features / groups.max(1),
            Norm::Layer | Norm::Rms => features,
        };
        for group in self.values.chunks_exact_mut(run.max(1)) {
            let count = group.len() as f64;
            let mean = if norm == Norm::Rms { 0.0 } else { group.iter().sum::<f64>() / count };
            let variance = group.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
            let unit = if variance > 0.0 { variance.sqrt().recip() } else { 0.0 };
            for x in group {
                *x = (*x - mean) * unit;
            }
        }
    }

    fn normalize_batch(&mut self, channels: usize) {
        let features = self.features();
        let run = features / channels;
        let count = (self.examples * run) as f64;
        for channel in 0..channels {
            let of_row = channel * run..(channel + 1) * run;
            let rows = || self.values.chunks_exact(features).flat_map(|row| &row[of_row.clone()]);
            let mean = rows().sum::<f64>() / count;
            let variance = rows().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
            let unit = if variance > 0.0 { variance.sqrt().recip() } else { 0.0 };
            for row in self.values.chunks_exact_mut(features) {
                row[of_row.clone()].iter_mut().for_each(|x| *x = (*x - mean) * unit);
            }
        }
    }

    /// Pooling into `output`, over windows of `[size, stride, padding]`.
    pub(super) fn pool(
        &mut self,
        kind: PoolKind,
        [size, stride, padding]: [usize; 3],
        output: Shape,
    ) {
        let features = self.features();
        let [channels, height, width] = self.shape.as_image().unwrap_or([1, 1, features]);
        let [_, out_height, out_width] = output.as_image().unwrap_or([1, 1, output.size()]);
        let is_image = self.shape.as_image().is_some();
        let (rows, above) = if is_image { (size, padding) } else { (1, 0) };
        // Of the window, what lies in the image.
        let inside = |start: usize, size: usize, padding: usize, extent: usize| {
            start.saturating_sub(padding)..(start + size - padding).min(extent)
        };
        let mut pooled = Vec::with_capacity(self.examples * output.size());
        for image in self.values.chunks_exact(features) {
            for channel in 0..channels {
                for (y, x) in (0..out_height).flat_map(|y| (0..out_width).map(move |x| (y, x))) {
                    let columns = inside(x * stride, size, padding, width);
                    let window = inside(y * stride, rows, above, height).flat_map(|row| {
                        let start = (channel * height + row) * width;
                        &image[start + columns.start..start + columns.end]
                    });
                    pooled.push(match kind {
                        PoolKind::Max => window.fold(f64::NEG_INFINITY, |m, v| m.max(*v)),
                        PoolKind::Min => window.fold(f64::INFINITY, |m, v| m.min(*v)),
                        PoolKind::Average => window.sum::<f64>() / (rows * size) as f64,
                    });
                }
            }
        }
        (self.values, self.shape) = (pooled, output);
    }

    /// Mean over positions.
    pub(super) fn average(&mut self, output: Shape) {
        let run = self.features() / output.size().max(1);
        self.values =
            self.values.chunks_exact(run).map(|x| x.iter().sum::<f64>() / run as f64).collect();
        self.shape = output;
    }

    /// Every value as a unit of one point.
    pub(super) fn points(&self) -> Points {
        gram(self.values.clone(), self.examples)
    }

    /// The channels at one position.
    pub(super) fn points_at(&self, position: usize) -> Points {
        gram(self.gather(&std::iter::once(position)), self.examples)
    }

    /// The channels at every position, position after position within an example, for each of so many groups of inputs.
    pub(super) fn points_everywhere(&self, positions: usize, groups: usize) -> Vec<Points> {
        let count = self.examples / groups * positions;
        let values = self.gather(&(0..positions));
        let size = (values.len() / (self.examples * positions).max(1) * count).max(1);
        values.chunks_exact(size).map(|group| gram(group.to_vec(), count)).collect()
    }

    /// Mean product of two positions of two inputs, `mean_{a≠b} x̄_a·x̄_b` per channel with the means over positions, in each of
    /// so many groups of inputs.
    pub(super) fn position_products(&self, groups: usize) -> Vec<f64> {
        let [channels, height, width] = self.shape.as_image().unwrap_or([self.features(), 1, 1]);
        let (area, per) = (height * width, self.examples / groups.max(1));
        if per < 2 {
            return vec![0.0; groups];
        }
        let of_group = |inputs: &[f64]| {
            let mut sums = vec![0.0; channels];
            let mut squares = 0.0;
            for (k, plane) in inputs.chunks_exact(area).enumerate() {
                let mean = plane.iter().sum::<f64>() / area as f64;
                sums[k % channels] += mean;
                squares += mean * mean;
            }
            let all: f64 = sums.iter().map(|sum| sum * sum).sum();
            (all - squares) / (channels * per * (per - 1)) as f64
        };
        self.values.chunks_exact(per * self.features()).map(of_group).collect()
    }

    fn gather(&self, positions: &(impl Iterator<Item = usize> + Clone)) -> Vec<f64> {
        let [channels, height, width] = self.shape.as_image().unwrap_or([self.features(), 1, 1]);
        let area = height * width;
        let mut values = Vec::new();
        for image in self.values.chunks_exact(self.features()) {
            for position in positions.clone() {
                values.extend((0..channels).map(|c| image[c * area + position]));
            }
        }
        values
    }
}

/// A norm below this part of another is lost in their distance.
const FAINT: f64 = 1e-3;

/// Points from their coordinates, `[count, units]`.
fn gram(mut values: Vec<f64>, count: usize) -> Points {
    let units = values.len() / count.max(1);
    let scale = 1.0 / units as f64;
    let second: Vec<f64> = values
        .chunks_exact(units)
        .map(|row| row.iter().map(|x| x * x).sum::<f64>() * scale)
        .collect();
    let mean = values.chunks_exact(units).map(|row| row.iter().sum::<f64>() * scale).collect();
    // Distances do not know of the origin, their digits do: move it to the middle of the data.
    let mut centre = vec![0.0; units];
    for row in values.chunks_exact(units) {
        centre.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    for row in values.chunks_exact_mut(units) {
        row.iter_mut().zip(&centre).for_each(|(x, sum)| *x -= sum / count as f64);
    }
    let root: Vec<f64> = second.iter().map(|q| q.sqrt()).collect();
    let norms: Vec<f64> =
        values.chunks_exact(units).map(|row| row.iter().map(|x| x * x).sum::<f64>()).collect();
    let mut points = Points::new(second, mean);
    points.for_each_block(BLOCK, |rows| {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return };
        let (low, high) = (first.index, last.index);
        let mut products = vec![0.0; rows.len() * (high + 1)];
        matmul(
            MatMut::from_row_major_slice_mut(&mut products, rows.len(), high + 1),
            Accum::Replace,
            MatRef::from_row_major_slice(
                &values[low * units..(high + 1) * units],
                rows.len(),
                units,
            ),
            MatRef::from_row_major_slice(&values[..(high + 1) * units], high + 1, units)
                .transpose(),
            1.0,
            Par::Seq,
        );
        for (Row { index: a, complement }, line) in
            rows.iter_mut().zip(products.chunks_exact(high + 1))
        {
            for (b, e) in complement.iter_mut().enumerate() {
                let (small, large) = (root[*a].min(root[b]), root[*a].max(root[b]));
                if small < FAINT * large && small > 0.0 {
                    // The difference is all the larger one: the product itself has the digits.
                    let (x, y) = (&values[*a * units..], &values[b * units..(b + 1) * units]);
                    let product: f64 = x
                        .iter()
                        .zip(y)
                        .zip(&centre)
                        .map(|((x, y), o)| (x + o / count as f64) * (y + o / count as f64))
                        .sum();
                    *e = (1.0 - scale * product / (small * large)).clamp(0.0, 2.0);
                    continue;
                }
                let sum = norms[*a] + norms[b];
                let mut square = sum - 2.0 * line[b];
                if square < CLOSE * sum {
                    let (x, y) = (&values[*a * units..], &values[b * units..(b + 1) * units]);
                    square = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum();
                }
                *e = complement_of(root[*a], root[b], 0.5 * scale * square.max(0.0));
            }
        }
    });
    points
}
