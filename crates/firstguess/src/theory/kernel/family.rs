//! The functions `f_q(z) = φ(√q z)/√M(q)` at a few variances, and their two-point moments by quadrature.
#![expect(
    clippy::inline_always,
    reason = "a call that is not inlined into the dispatched loop is compiled for the baseline instruction set"
)]

use crate::math::chebyshev::ChebyshevBasis;
use crate::math::elementary;
use crate::math::quadrature::{GAUSSIAN_RANGE, GaussLegendre};
use crate::math::special::normal_density;
use crate::theory::NoTheory;
use crate::theory::dual::Pointwise;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};
use std::f64::consts::TAU;

/// Points per panel of the rules in one variable, and of those in two.
const LINE: usize = 16;
const PLANE: usize = 12;

/// The functions `f_q` at the nodes of the window.
pub(super) struct Family<'a> {
    function: &'a Pointwise,
    pub(super) roots: Vec<f64>,
    /// `1/√M`.
    units: Vec<f64>,
    /// Places in `z` that panels must not straddle.
    edges: Vec<f64>,
}

impl<'a> Family<'a> {
    pub(super) fn new(function: &'a Pointwise, variances: &[f64]) -> Result<Self, NoTheory> {
        let roots: Vec<f64> = variances.iter().map(|q| q.sqrt()).collect();
        let edges = edges(function, &roots)?;
        let mut family = Self { function, units: vec![1.0; roots.len()], roots, edges };
        let (points, weights) = family.line();
        family.units = family
            .roots
            .iter()
            .map(|root| {
                let second: f64 = points
                    .iter()
                    .zip(&weights)
                    .map(|(z, w)| w * function.value(root * z).powi(2))
                    .sum();
                if second > 0.0 { second.sqrt().recip() } else { 1.0 }
            })
            .collect();
        Ok(family)
    }

    /// Distance over which the function bends.
    pub(super) fn bend(&self) -> f64 {
        self.function.length_scale()
    }

    /// A rule for `E` in one variable.
    pub(super) fn line(&self) -> (Vec<f64>, Vec<f64>) {
        let rule = GaussLegendre::cached(LINE);
        let (mut points, mut weights) = (Vec::new(), Vec::new());
        for panel in self.edges.windows(2) {
            let (half, mid) = (0.5 * (panel[1] - panel[0]), 0.5 * (panel[0] + panel[1]));
            for (x, w) in rule.nodes.iter().zip(&rule.weights) {
                let z = mid + half * x;
                points.push(z);
                weights.push(half * w * normal_density(z));
            }
        }
        (points, weights)
    }

    /// `f_q` at the points of a rule, for any variance.
    pub(super) fn normalised(&self, q: f64, points: &[f64], weights: &[f64]) -> Vec<f64> {
        let root = q.sqrt();
        let values: Vec<f64> = points.iter().map(|z| self.function.value(root * z)).collect();
        let second: f64 = values.iter().zip(weights).map(|(v, w)| w * v * v).sum();
        let unit = if second > 0.0 { second.sqrt().recip() } else { 1.0 };
        values.into_iter().map(|v| v * unit).collect()
    }

    /// Chebyshev coefficients of `f_q` in `ln q` at the points, `[order][points]`.
    pub(super) fn coefficients(&self, points: &[f64], basis: &ChebyshevBasis) -> Vec<f64> {
        let order = self.roots.len();
        let mut rows = vec![0.0; order * points.len()];
        for (k, z) in points.iter().enumerate() {
            let values: Vec<f64> = self
                .roots
                .iter()
                .zip(&self.units)
                .map(|(root, unit)| unit * self.function.value(root * z))
                .collect();
            for (i, c) in basis.coefficients(&values).into_iter().enumerate() {
                rows[i * points.len() + k] = c;
            }
        }
        rows
    }

    /// `Δ/(1 - c)` of all pairs of nodes at one angle, `[order][order]`.
    pub(super) fn ratio(&self, angle: f64, grid: &Grid) -> Vec<f64> {
        let half_sine = (0.5 * angle).sin();
        let complement = 2.0 * half_sine * half_sine;
        let gram = if angle.sin() >= NARROW {
            let kernel = grid.kernel(angle);
            grid.same.iter().zip(kernel).map(|(same, k)| same - k).collect()
        } else {
            self.rotated(angle)
        };
        gram.into_iter().map(|x: f64| x / complement).collect()
    }

    /// `Δ` where the law of `(u, v)` is narrow: its own axes are the variables.
    fn rotated(&self, angle: f64) -> Vec<f64> {
        let order = self.roots.len();
        let (narrow, wide) = ((0.5 * angle).sin(), (0.5 * angle).cos());
        let ahead = narrow <= wide;
        let (narrow, wide) = if ahead { (narrow, wide) } else { (wide, narrow) };
        let rule = GaussLegendre::cached(PLANE);
        let finest = self.edges.iter().filter(|e| **e > 0.0).fold(f64::INFINITY, |m, e| m.min(*e));
        let mut outer: Vec<f64> = vec![2.5 * narrow, 5.5 * narrow];
        // Bends finer than the narrow axis.
        let mut bend = finest;
        while bend < 9.5 * narrow {
            outer.push(bend);
            bend *= 2.0;
        }
        close(&mut outer, 0.0, 9.5 * narrow);
        if !ahead {
            // With c < 0 only exchanging (u, v) by the sign of the wide variable is a symmetry.
            let mirrored: Vec<f64> = outer.iter().map(|e| -e).collect();
            outer.extend(mirrored);
            close(&mut outer, -9.5 * narrow, 9.5 * narrow);
        }
        let reach = 9.5 * wide;
        let start = if ahead { -reach } else { 0.0 };
        let mut gram = vec![0.0; order * order];
        let mut inner = Vec::new();
        let mut rows: Vec<f64> = Vec::new();
        for panel in outer.windows(2) {
            let (half, mid) = (0.5 * (panel[1] - panel[0]), 0.5 * (panel[0] + panel[1]));
            for (x, w) in rule.nodes.iter().zip(&rule.weights) {
                let r = mid + half * x;
                let outer_weight = 2.0 * half * w * normal_density(r / narrow) / narrow;
                inner.clear();
                let mirror = if ahead { 1.0 } else { -1.0 };
                inner.extend(self.edges.iter().flat_map(|e| [e - r, mirror * (e + mirror * r)]));
                close(&mut inner, start, reach);
                rows.clear();
                for piece in inner.windows(2) {
                    let (half, mid) = (0.5 * (piece[1] - piece[0]), 0.5 * (piece[0] + piece[1]));
                    for (x, w) in rule.nodes.iter().zip(&rule.weights) {
                        let s = mid + half * x;
                        let weight = outer_weight * half * w * normal_density(s / wide) / wide;
                        let (u, v) = if ahead { (s + r, s - r) } else { (r + s, r - s) };
                        let root_weight = weight.sqrt();
                        for (root, unit) in self.roots.iter().zip(&self.units) {
                            let gap = self.function.value(root * u) - self.function.value(root * v);
                            rows.push(root_weight * unit * gap);
                        }
                    }
                }
                let matrix = MatRef::from_row_major_slice(&rows, rows.len() / order, order);
                matmul(
                    MatMut::from_row_major_slice_mut(&mut gram, order, order),
                    Accum::Add,
                    matrix.transpose(),
                    matrix,
                    0.5,
                    Par::Seq,
                );
            }
        }
        gram
    }
}

/// Where `sin θ` is below this the law of `(u, v)` is too narrow for a fixed grid.
const NARROW: f64 = 0.1;

/// The functions on a fixed grid of both variables, fine enough for laws no narrower than [`NARROW`].
pub(super) struct Grid {
    points: Vec<f64>,
    weights: Vec<f64>,
    /// `[order][points]`.
    values: Vec<f64>,
    order: usize,
    /// `E f_i f_j` at `θ = 0`.
    same: Vec<f64>,
}

impl Grid {
    pub(super) fn new(family: &Family<'_>) -> Self {
        let mut edges = family.edges.clone();
        // 16 points per 6 widths of the narrowest law, within 9 of the wide one.
        edges.extend((-15..=15).map(|k| f64::from(k) * 0.6));
        close(&mut edges, -9.0, 9.0);
        let rule = GaussLegendre::cached(LINE);
        let (mut points, mut weights) = (Vec::new(), Vec::new());
        for panel in edges.windows(2) {
            let (half, mid) = (0.5 * (panel[1] - panel[0]), 0.5 * (panel[0] + panel[1]));
            for (x, w) in rule.nodes.iter().zip(&rule.weights) {
                points.push(mid + half * x);
                weights.push(half * w);
            }
        }
        let mut values = Vec::with_capacity(family.roots.len() * points.len());
        for (root, unit) in family.roots.iter().zip(&family.units) {
            values.extend(points.iter().map(|z| unit * family.function.value(root * z)));
        }
        let order = family.roots.len();
        let mut same = vec![0.0; order * order];
        for i in 0..order {
            for j in 0..order {
                let (a, b) = (&values[i * points.len()..], &values[j * points.len()..]);
                same[i * order + j] = (points.iter().zip(&weights))
                    .zip(a.iter().zip(b))
                    .map(|((z, w), (x, y))| w * normal_density(*z) * x * y)
                    .sum();
            }
        }
        Self { points, weights, values, order, same }
    }

    /// `E f_i(u) f_j(v)`.
    fn kernel(&self, angle: f64) -> Vec<f64> {
        let (sine, cosine) = angle.sin_cos();
        let n = self.points.len();
        let mut law = vec![0.0; n * n];
        Arch::new().dispatch(Law { grid: self, sine, cosine, filled: &mut law });
        let values = MatRef::from_row_major_slice(&self.values, self.order, n);
        let mut half = vec![0.0; self.order * n];
        let law = MatRef::from_row_major_slice(&law, n, n);
        matmul(
            MatMut::from_row_major_slice_mut(&mut half, self.order, n),
            Accum::Replace,
            values,
            law,
            1.0,
            Par::Seq,
        );
        let mut kernel = vec![0.0; self.order * self.order];
        matmul(
            MatMut::from_row_major_slice_mut(&mut kernel, self.order, self.order),
            Accum::Replace,
            MatRef::from_row_major_slice(&half, self.order, n),
            values.transpose(),
            1.0,
            Par::Seq,
        );
        kernel
    }
}

/// Fills `[points][points]` with the law of `(u, v)`, weights included.
struct Law<'a> {
    grid: &'a Grid,
    sine: f64,
    cosine: f64,
    filled: &'a mut [f64],
}

impl WithSimd for Law<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { grid, sine, cosine, filled } = self;
        let factor = 1.0 / (TAU * sine);
        let n = grid.points.len();
        for ((row, u), wu) in filled.chunks_exact_mut(n).zip(&grid.points).zip(&grid.weights) {
            let outer = factor * wu * (-0.5 * u * u).exp();
            // Beyond nine widths nothing counts.
            let low = grid.points.partition_point(|v| *v < cosine * u - 9.0 * sine);
            let high = grid.points.partition_point(|v| *v < cosine * u + 9.0 * sine);
            let inside = grid.points[low..high].iter().zip(&grid.weights[low..high]);
            for (x, (v, wv)) in row[low..high].iter_mut().zip(inside) {
                let t = (v - cosine * u) / sine;
                *x = outer * wv * elementary::exp(-0.5 * t * t);
            }
        }
    }
}

/// Panel edges in `z` that resolve the function at every one of these scales.
fn edges(function: &Pointwise, roots: &[f64]) -> Result<Vec<f64>, NoTheory> {
    let (smallest, largest) =
        roots.iter().fold((f64::INFINITY, 0.0_f64), |(l, h), r| (l.min(*r), h.max(*r)));
    let breaks = function.breakpoints();
    let mut edges = vec![0.0];
    for root in roots {
        edges.extend(breaks.iter().map(|b| b / root));
    }
    let mut width = 2.0 * function.length_scale() / largest;
    if function.bends_at_every_scale() && breaks.contains(&0.0) {
        width = width.min(1e-7);
    }
    let centres: Vec<f64> = std::iter::once(0.0)
        .chain(breaks.iter().flat_map(|b| [b / smallest, b / largest]))
        .collect();
    while width < GAUSSIAN_RANGE {
        edges.extend(centres.iter().flat_map(|c| [c - width, c + width]));
        width *= 2.0;
    }
    edges.extend((-5..=5).map(|k| f64::from(k) * 2.0));
    close(&mut edges, -GAUSSIAN_RANGE, GAUSSIAN_RANGE);
    let rule = GaussLegendre::cached(LINE);
    let square = |a: f64, b: f64, root: f64| {
        rule.integrate(a, b, |z| {
            let value = function.value(root * z);
            value * value * normal_density(z)
        })
    };
    let probes = [smallest, (smallest * largest).sqrt(), largest];
    let totals = probes
        .map(|root| edges.windows(2).map(|p| square(p[0], p[1], root)).sum::<f64>().max(1e-300));
    let mut resolved = vec![-GAUSSIAN_RANGE];
    let mut pending: Vec<(f64, f64)> = edges.windows(2).rev().map(|p| (p[0], p[1])).collect();
    while let Some((a, b)) = pending.pop() {
        let middle = 0.5 * (a + b);
        let error = probes
            .iter()
            .zip(&totals)
            .map(|(root, total)| {
                let halves = square(a, middle, *root) + square(middle, b, *root);
                (square(a, b, *root) - halves).abs() / total
            })
            .fold(0.0, f64::max);
        if error <= 1e-13 {
            resolved.push(b);
        } else {
            pending.extend([(middle, b), (a, middle)]);
        }
        if resolved.len() + pending.len() > 1500 {
            return Err(NoTheory::new(format!(
                "`{function}` turns too fast for its kernel to be tabulated at the variance {:.3e}",
                largest * largest
            )));
        }
    }
    Ok(resolved)
}

/// Sorts, clips to `[low, high]`, adds the ends and drops doubles.
fn close(edges: &mut Vec<f64>, low: f64, high: f64) {
    edges.retain(|e| *e > low && *e < high);
    edges.extend([low, high]);
    edges.sort_by(f64::total_cmp);
    edges.dedup_by(|a, b| (*a - *b).abs() <= 1e-13 * (high - low));
}
