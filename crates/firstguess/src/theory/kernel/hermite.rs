//! Hermite coefficients of a smooth function at the variance of every input.

use super::points::Points;
use super::vector::{HermiteMap, Powers, WIDTH, apply};
use crate::math::quadrature::GaussianRule;
use crate::spec::activation::Parity;
use crate::theory::dual::Pointwise;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use std::sync::OnceLock;

/// Terms kept at most: enough for tanh up to a variance of 5.
const TERMS: usize = 512;

/// Terms computed before convergence is looked at again: the last block has to be negligible as a whole.
const BLOCK: usize = 16;

/// Inputs whose function values are held at once.
const CHUNK: usize = 64;

/// What may be left out of `Σ n a_n²`, relative to `E φ²`: the error of `E φ'²`. A covariance errs a hundred times less.
const CONVERGED: f64 = 1e-11;

/// Normalised Hermite polynomials times the weights of the rule, `[terms][nodes]`.
struct Basis {
    points: Vec<f64>,
    weights: Vec<f64>,
    rows: Vec<f64>,
}

fn basis() -> &'static Basis {
    static BASIS: OnceLock<Basis> = OnceLock::new();
    BASIS.get_or_init(|| {
        let rule = GaussianRule::new(&[-6.0, -3.0, 0.0, 3.0, 6.0], 64);
        let n = rule.points.len();
        let mut rows = vec![0.0; TERMS * n];
        for (i, (z, weight)) in rule.points.iter().zip(&rule.weights).enumerate() {
            let (mut previous, mut current) = (0.0, 1.0);
            for term in 0..TERMS {
                rows[term * n + i] = current * weight;
                let k = term as f64;
                (previous, current) =
                    (current, (z * current - k.sqrt() * previous) / (k + 1.0).sqrt());
            }
        }
        Basis { points: rule.points, weights: rule.weights, rows }
    })
}

/// The coefficients of one layer.
pub(super) struct Series {
    /// `[terms][stride]`, without the terms that the parity excludes.
    rows: Vec<f64>,
    stride: usize,
    powers: Powers,
    inputs: usize,
}

impl Series {
    /// The series at every variance, or `None` where it does not converge for one of them.
    pub(super) fn new(function: &Pointwise, variances: &[f64]) -> Option<Self> {
        let powers = match function.parity() {
            Parity::Odd => Powers::Odd,
            Parity::Even => Powers::Even,
            Parity::Neither => Powers::All,
        };
        let basis = basis();
        let all = basis.points.len();
        // Half of the line says everything about a function with a symmetry.
        let (first_node, double) = if powers == Powers::All { (0, 1.0) } else { (all / 2, 2.0) };
        let nodes = all - first_node;
        let stride = variances.len() + WIDTH;
        let used: Vec<usize> = (0..TERMS)
            .filter(|n| match powers {
                Powers::All => true,
                Powers::Odd => n % 2 == 1,
                Powers::Even => n % 2 == 0,
            })
            .collect();
        let mut rows: Vec<f64> = Vec::new();
        let values: Vec<(Vec<f64>, Vec<f64>)> = variances
            .par_chunks(CHUNK)
            .map(|chunk| {
                let mut values = Vec::with_capacity(chunk.len() * nodes);
                let mut seconds = Vec::with_capacity(chunk.len());
                for q in chunk {
                    let root = q.sqrt();
                    let start = values.len();
                    values.extend(
                        basis.points[first_node..]
                            .iter()
                            .map(|z| double * function.value(root * z)),
                    );
                    let squares = values[start..].iter().zip(&basis.weights[first_node..]);
                    seconds.push(squares.map(|(v, w)| v * v * w).sum::<f64>() / double);
                }
                (values, seconds)
            })
            .collect();
        let mut kept = 0;
        for block in used.chunks(BLOCK) {
            let (low, high) = (block[0], block[block.len() - 1]);
            let step = if powers == Powers::All { 1 } else { 2 };
            let table = MatRef::from_row_major_slice_with_stride(
                &basis.rows[low * all + first_node..],
                block.len(),
                nodes,
                step * all,
            );
            let parts: Vec<Vec<f64>> = values
                .par_iter()
                .map(|(chunk, seconds)| {
                    let mut part = vec![0.0; block.len() * seconds.len()];
                    matmul(
                        MatMut::from_row_major_slice_mut(&mut part, block.len(), seconds.len()),
                        Accum::Replace,
                        table,
                        MatRef::from_row_major_slice(chunk, seconds.len(), nodes).transpose(),
                        1.0,
                        Par::Seq,
                    );
                    part
                })
                .collect();
            let start = rows.len();
            rows.resize(start + block.len() * stride, 0.0);
            for (chunk, part) in parts.iter().enumerate() {
                let count = values[chunk].1.len();
                for (row, line) in part.chunks_exact(count).enumerate() {
                    let at = start + row * stride + chunk * CHUNK;
                    rows[at..at + count].copy_from_slice(line);
                }
            }
            kept += block.len();
            let seconds = values.iter().flat_map(|(_, seconds)| seconds);
            let worst = worst_tail(&rows[start..], stride, block, seconds);
            if worst <= 10.0 * CONVERGED {
                let found = squares(&rows, stride, variances.len());
                let seconds = values.iter().flat_map(|(_, seconds)| seconds);
                // A function that oscillates fast has no low terms at all: an empty start is not convergence.
                if !found.iter().zip(seconds).all(|(f, s)| (f - s).abs() <= 1e-12 * s) {
                    return None;
                }
                let mut series = Self { rows, stride, powers, inputs: variances.len() };
                series.trim(&used[..kept]);
                return Some(series);
            }
            // Far from it: not worth the remaining terms.
            if high > 120 && worst > 1e-2 {
                return None;
            }
        }
        None
    }

    /// Drops the last terms as long as what all that is dropped adds to `Σ n a_n²` stays below the tolerance.
    fn trim(&mut self, terms: &[usize]) {
        let total = squares(&self.rows, self.stride, self.inputs);
        let mut dropped = vec![0.0; self.inputs];
        let mut keep = terms.len();
        while keep > 2 {
            let row = &self.rows[(keep - 1) * self.stride..][..self.inputs];
            let n = terms[keep - 1] as f64;
            for (sum, a) in dropped.iter_mut().zip(row) {
                *sum += n * a * a;
            }
            if dropped.iter().zip(&total).any(|(d, t)| *d > CONVERGED * t) {
                break;
            }
            keep -= 1;
        }
        self.rows.truncate(keep * self.stride);
    }

    /// How many terms were kept.
    #[cfg(test)]
    pub(super) fn terms(&self) -> usize {
        self.rows.len() / self.stride
    }

    /// Number of the term that row `k` stands for.
    fn term(&self, k: usize) -> usize {
        match self.powers {
            Powers::All => k,
            Powers::Odd => 2 * k + 1,
            Powers::Even => 2 * k,
        }
    }

    /// `(E φ, E φ², E φ'²)` of each input.
    pub(super) fn moments(&self, variances: &[f64]) -> Vec<[f64; 3]> {
        let mut moments = vec![[0.0; 3]; self.inputs];
        for (k, row) in self.rows.chunks_exact(self.stride).enumerate() {
            let n = self.term(k);
            for ((moment, a), q) in moments.iter_mut().zip(row).zip(variances) {
                if n == 0 {
                    moment[0] = *a;
                }
                moment[1] += a * a;
                moment[2] += n as f64 * (a / q.sqrt()) * (a / q.sqrt());
            }
        }
        moments
    }

    /// Maps the angles of Gaussian points whose `E φ²` is `seconds`.
    pub(super) fn map(mut self, points: &mut Points, seconds: &[f64]) {
        normalise(&mut self.rows, self.stride, seconds);
        apply(points, HermiteMap { rows: &self.rows, stride: self.stride, powers: self.powers });
    }
}

/// Brings the functions to unit norm; one that vanishes stays zero.
pub(super) fn normalise(rows: &mut [f64], stride: usize, seconds: &[f64]) {
    let units: Vec<f64> =
        seconds.iter().map(|m| if *m > 0.0 { m.sqrt().recip() } else { 0.0 }).collect();
    for row in rows.chunks_exact_mut(stride) {
        row.iter_mut().zip(&units).for_each(|(a, unit)| *a *= unit);
    }
}

/// The largest over the inputs of `Σ n a_n² / E φ²` in one block of terms.
fn worst_tail<'a>(
    rows: &[f64],
    stride: usize,
    terms: &[usize],
    seconds: impl Iterator<Item = &'a f64>,
) -> f64 {
    let seconds: Vec<f64> = seconds.copied().collect();
    let mut tail = vec![0.0; seconds.len()];
    for (row, n) in rows.chunks_exact(stride).zip(terms) {
        for (sum, a) in tail.iter_mut().zip(row) {
            *sum += *n as f64 * a * a;
        }
    }
    tail.iter().zip(&seconds).map(|(t, s)| if *s > 0.0 { t / s } else { 0.0 }).fold(0.0, f64::max)
}

/// `Σ a_n²` of each input.
fn squares(rows: &[f64], stride: usize, inputs: usize) -> Vec<f64> {
    let mut sums = vec![0.0; inputs];
    for row in rows.chunks_exact(stride) {
        for (sum, a) in sums.iter_mut().zip(row) {
            *sum += a * a;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Odd functions have half the terms, and the fast path must not be lost to that: a table takes twenty times as long.
    #[test]
    fn smooth_functions_of_common_inputs_have_short_series() {
        let variances = [0.3, 0.7, 1.0];
        for name in ["tanh", "silu", "gelu", "softplus", "x^2*tanh(x)"] {
            let series = Series::new(&Pointwise::from(&name.parse().expect(name)), &variances);
            let terms = series.map(|series| series.terms());
            assert!(terms.is_some_and(|terms| terms <= 160), "{name}: {terms:?}");
        }
    }
}
