//! The kernel of any other function as a table over both variances and the angle.
//!
//! ```text
//! f_q(z) = φ(√q z)/√M(q),   Δ(q_a, q_b, θ) = ½E[(f_a(u) - f_a(v))(f_b(u) - f_b(v))],   cos θ = c
//! ε' = ½E(f_a - f_b)² + Δ(q_a, q_b, θ)
//! ```
//!
//! The table holds `Δ/(1 - c)`, which has a limit at `θ = 0`, so that nothing cancels as inputs merge: Chebyshev series in
//! `ln q` of both inputs, and in `θ` on panels halved until the series has converged. Correlating contracts, so whatever
//! the angle, interpolating in the variances errs by no more than twice the error of `f_q` itself (derived in
//! docs/theory/kernel.md).

use super::family::{Family, Grid};
use super::points::Points;
use crate::math::chebyshev::ChebyshevBasis;
use crate::spec::activation::Parity;
use crate::theory::NoTheory;
use crate::theory::dual::{Moments, Pointwise};
use rayon::prelude::*;
use std::cell::OnceCell;
use std::f64::consts::{FRAC_PI_2, PI};

/// Chebyshev nodes per panel in the angle.
const ANGLES: usize = 16;

/// Most panels in the angle.
const MAX_PANELS: usize = 96;

/// What the table may err by, relative to `√(M_a M_b)`.
const TOLERANCE: f64 = 1e-10;

/// Numbers of nodes in `ln q` that are tried.
const ORDERS: [usize; 10] = [2, 3, 4, 6, 8, 11, 15, 20, 26, 34];

/// Margin in `ln q` around the variances asked for, so that the next layers may find their own inside: at least, and per width.
const MARGIN: f64 = 0.2;
const RELATIVE_MARGIN: f64 = 0.08;

/// See the module.
pub(super) struct Table {
    low: f64,
    high: f64,
    order: usize,
    even_or_odd: Parity,
    panels: Vec<Panel>,
    /// Lower triangular factor of the products of the terms of `f_q` in `ln q`.
    factor: Vec<f64>,
    error: f64,
}

struct Panel {
    start: f64,
    end: f64,
    /// `[angle][order][order]`, Chebyshev coefficients in all three.
    coefficients: Vec<f64>,
}

impl Table {
    /// Prepares a window that holds every positive variance.
    pub(super) fn new(function: &Pointwise, variances: &[f64]) -> Result<Self, NoTheory> {
        let logs = variances.iter().filter(|q| **q > 0.0).map(|q| q.ln());
        let (mut low, mut high) =
            logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
        if low > high {
            (low, high) = (0.0, 0.0);
        }
        let margin = MARGIN + RELATIVE_MARGIN * (high - low);
        (low, high) = (low - margin, high + margin);
        let parity = function.parity();
        let (order, variance_error, family) = choose_order(function, low, high)?;
        let basis = ChebyshevBasis::new(order);
        let factor = factor(&family, &basis);
        let end = if parity == Parity::Neither { PI } else { FRAC_PI_2 };
        let (panels, angle_error) = resolve_angles(&family, &basis, end);
        Ok(Self {
            low,
            high,
            order,
            even_or_odd: parity,
            panels,
            factor,
            error: 2.0 * variance_error + angle_error,
        })
    }

    /// Whether every positive variance lies in the window.
    pub(super) fn covers(&self, variances: &[f64]) -> bool {
        variances.iter().all(|q| *q == 0.0 || (self.low..=self.high).contains(&q.ln()))
    }

    /// Bound on the error of a covariance, relative to `√(M_a M_b)`.
    pub(super) fn error(&self) -> f64 {
        self.error
    }

    /// Maps the angles of Gaussian points whose variances the window holds; `zero` is `φ(0)`.
    pub(super) fn map(&self, points: &mut Points, zero: f64, moments: &[Moments]) {
        let n = self.order;
        let origin: Vec<bool> = points.second.iter().map(|q| *q == 0.0).collect();
        let terms: Vec<Vec<f64>> = points.second.iter().map(|q| self.terms(*q)).collect();
        let features: Vec<Vec<f64>> = terms.iter().map(|t| self.feature(t)).collect();
        points.for_each_row(|row| {
            let a = row.index;
            let own = moments[a].second;
            // The series in the angle and the other variance, at this variance.
            let sections: Vec<OnceCell<Vec<f64>>> = vec![OnceCell::new(); self.panels.len()];
            let section = |at: usize| {
                sections[at].get_or_init(|| {
                    // Only of panels that hold an angle: rows may be short.
                    let blocks = self.panels[at].coefficients.chunks_exact(n * n);
                    blocks.flat_map(|block| contract(block, &terms[a])).collect()
                })
            };
            for (b, e) in row.complement.iter_mut().enumerate() {
                if origin[a] || origin[b] {
                    // φ(0) against a mean.
                    let product = (own * moments[b].second).sqrt();
                    let mean = if origin[a] { moments[b].mean } else { moments[a].mean };
                    let c = if product > 0.0 { zero * mean / product } else { 0.0 };
                    *e = (1.0 - c).clamp(0.0, 2.0);
                    continue;
                }
                let shift: f64 =
                    features[a].iter().zip(&features[b]).map(|(x, y)| (x - y) * (x - y)).sum();
                *e = match self.turn(*e, section, &terms[b]) {
                    Turn::Ahead(delta) => 0.5 * shift + delta,
                    Turn::Back(delta) => {
                        // k(-c) = ± k(c): the covariance changes its sign, the squares do not.
                        let ahead = 1.0 - 0.5 * shift - delta;
                        if self.even_or_odd == Parity::Odd { 1.0 + ahead } else { 1.0 - ahead }
                    }
                }
                .clamp(0.0, 2.0);
            }
        });
    }

    /// `T_i` of the place of `ln q` in the window.
    fn terms(&self, q: f64) -> Vec<f64> {
        let x = if q > 0.0 { q.ln() } else { self.low };
        chebyshev_terms(2.0 * (x - self.low) / (self.high - self.low) - 1.0, self.order)
    }

    /// Coordinates in which the distance of two inputs is `E(f_a - f_b)²`.
    fn feature(&self, terms: &[f64]) -> Vec<f64> {
        let n = self.order;
        (0..n)
            .map(|column| (column..n).map(|row| self.factor[row * n + column] * terms[row]).sum())
            .collect()
    }

    fn turn<'a>(
        &self,
        complement: f64,
        section: impl Fn(usize) -> &'a Vec<f64>,
        terms: &[f64],
    ) -> Turn {
        let back = self.even_or_odd != Parity::Neither && complement > 1.0;
        let eps = if back { 2.0 - complement } else { complement };
        let angle = 2.0 * (0.5 * eps).sqrt().min(1.0).asin();
        let last = self.panels.len() - 1;
        let at = self.panels.partition_point(|panel| panel.end < angle).min(last);
        let panel = &self.panels[at];
        let t = (2.0 * (angle - panel.start) / (panel.end - panel.start) - 1.0).clamp(-1.0, 1.0);
        let (mut previous, mut current, mut sum) = (t, 1.0, 0.0);
        for line in section(at).chunks_exact(self.order) {
            let value: f64 = line.iter().zip(terms).map(|(x, y)| x * y).sum();
            sum += value * current;
            (previous, current) = (current, 2.0 * t * current - previous);
        }
        if back { Turn::Back(eps * sum) } else { Turn::Ahead(eps * sum) }
    }
}

/// `Δ` at the angle itself, or at its supplement.
enum Turn {
    Ahead(f64),
    Back(f64),
}

/// `T_0 .. T_{n-1}` at `t`.
fn chebyshev_terms(t: f64, n: usize) -> Vec<f64> {
    let mut terms = Vec::with_capacity(n);
    let (mut previous, mut current) = (t, 1.0);
    for _ in 0..n {
        terms.push(current);
        (previous, current) = (current, 2.0 * t * current - previous);
    }
    terms
}

/// `Σ_i t_i block_ij`.
fn contract(block: &[f64], terms: &[f64]) -> Vec<f64> {
    let n = terms.len();
    let mut sums = vec![0.0; n];
    for (row, t) in block.chunks_exact(n).zip(terms) {
        for (sum, x) in sums.iter_mut().zip(row) {
            *sum += t * x;
        }
    }
    sums
}

/// Variances at the nodes of a window.
fn node_variances(low: f64, high: f64, basis: &ChebyshevBasis) -> Vec<f64> {
    basis.nodes.iter().map(|t| (low + 0.5 * (t + 1.0) * (high - low)).exp()).collect()
}

/// The smallest order at which `f_q` is interpolated well between the nodes, with what is left of the error.
fn choose_order(
    function: &Pointwise,
    low: f64,
    high: f64,
) -> Result<(usize, f64, Family<'_>), NoTheory> {
    let mut best: Option<(usize, f64, Family<'_>)> = None;
    for order in ORDERS {
        let basis = ChebyshevBasis::new(order);
        let family = Family::new(function, &node_variances(low, high, &basis))?;
        let (points, weights) = family.line();
        let mut worst = 0.0_f64;
        let coefficients = family.coefficients(&points, &basis);
        for i in 0..=4 {
            // Between nodes, and at the ends, where interpolation is at its worst.
            let t = -1.0 + 2.0 * f64::from(i) / 4.0 + if i == 2 { 0.037 } else { 0.0 };
            let q = (low + 0.5 * (t + 1.0) * (high - low)).exp();
            let exact = family.normalised(q, &points, &weights);
            let terms = chebyshev_terms(t, order);
            let mut error = 0.0;
            for (k, weight) in weights.iter().enumerate() {
                let value: f64 = terms
                    .iter()
                    .enumerate()
                    .map(|(i, t)| t * coefficients[i * points.len() + k])
                    .sum();
                error += weight * (value - exact[k]) * (value - exact[k]);
            }
            worst = worst.max(error.sqrt());
        }
        let better = best.as_ref().is_none_or(|(_, error, _)| worst < 0.5 * error);
        if better {
            best = Some((order, worst, family));
        }
        if worst <= TOLERANCE {
            break;
        }
    }
    best.ok_or_else(|| NoTheory::new("the kernel has no table"))
}

/// Factor of `E[c_i c_j]`, the products of the terms of `f_q` in `ln q`.
fn factor(family: &Family<'_>, basis: &ChebyshevBasis) -> Vec<f64> {
    let n = family.roots.len();
    let (points, weights) = family.line();
    let rows = family.coefficients(&points, basis);
    let mut gram = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let (a, b) = (&rows[i * points.len()..], &rows[j * points.len()..]);
            gram[i * n + j] = weights.iter().zip(a).zip(b).map(|((w, x), y)| w * x * y).sum();
        }
    }
    // The constant term drops out of every difference: it comes last, where it disturbs nothing.
    let mut lower = vec![0.0; n * n];
    for j in 1..n {
        let mut pivot = gram[j * n + j];
        for k in 1..j {
            pivot -= lower[j * n + k] * lower[j * n + k];
        }
        if pivot <= 1e-24 {
            continue;
        }
        let root = pivot.sqrt();
        lower[j * n + j] = root;
        for i in j + 1..n {
            let mut sum = gram[i * n + j];
            for k in 1..j {
                sum -= lower[i * n + k] * lower[j * n + k];
            }
            lower[i * n + j] = sum / root;
        }
    }
    lower
}

/// Halves panels in the angle until their series have converged.
fn resolve_angles(family: &Family<'_>, basis: &ChebyshevBasis, end: f64) -> (Vec<Panel>, f64) {
    let angles = ChebyshevBasis::new(ANGLES);
    let grid = Grid::new(family);
    let n = family.roots.len();
    let mut pending = vec![(0.0, 0.5 * end)];
    // Towards opposite inputs a function that is bent within a small part of its range has a feature as narrow as that
    // part: too small for the tail of a wide panel to betray it.
    let narrow = family.bend() / family.roots.iter().copied().fold(1e-300, f64::max);
    let mut gap = 0.5 * end;
    while end > FRAC_PI_2 && gap > narrow && gap > 1e-6 {
        pending.push((end - gap, end - 0.5 * gap));
        gap *= 0.5;
    }
    pending.push((end - gap, end));
    let mut panels: Vec<Panel> = Vec::new();
    let mut worst = 0.0_f64;
    while !pending.is_empty() {
        let done = panels.len() + pending.len() >= MAX_PANELS;
        let fitted: Vec<(Panel, f64, f64)> =
            pending.iter().map(|&(start, stop)| fit(family, &grid, &angles, start, stop)).collect();
        pending.clear();
        for (mut panel, error, absolute) in fitted {
            let narrow = panel.end - panel.start < 1e-10;
            if done || narrow || (absolute <= TOLERANCE && error <= 1e-9) {
                worst = worst.max(absolute);
                for block in panel.coefficients.chunks_exact_mut(n * n) {
                    to_coefficients(block, basis);
                }
                panels.push(panel);
            } else {
                let middle = 0.5 * (panel.start + panel.end);
                pending.extend([(panel.start, middle), (middle, panel.end)]);
            }
        }
    }
    panels.sort_by(|a, b| a.start.total_cmp(&b.start));
    (panels, worst)
}

/// The series of one panel, its relative and its absolute error.
fn fit(
    family: &Family<'_>,
    grid: &Grid,
    angles: &ChebyshevBasis,
    start: f64,
    end: f64,
) -> (Panel, f64, f64) {
    let n = family.roots.len();
    let values: Vec<Vec<f64>> = angles
        .nodes
        .par_iter()
        .map(|t| family.ratio(start + 0.5 * (t + 1.0) * (end - start), grid))
        .collect();
    let mut coefficients = vec![0.0; ANGLES * n * n];
    let (mut tail, mut size) = (0.0_f64, f64::MIN_POSITIVE);
    let mut line = vec![0.0; ANGLES];
    for entry in 0..n * n {
        for (x, matrix) in line.iter_mut().zip(&values) {
            *x = matrix[entry];
            size = size.max(x.abs());
        }
        let series = angles.coefficients(&line);
        tail = tail.max(series[ANGLES - 1].abs() + series[ANGLES - 2].abs());
        for (k, c) in series.into_iter().enumerate() {
            coefficients[k * n * n + entry] = c;
        }
    }
    let complement = 2.0 * (0.5 * end).sin().powi(2);
    (Panel { start, end, coefficients }, tail / size, tail * complement)
}

/// Values at the nodes of both variances become coefficients in both.
fn to_coefficients(block: &mut [f64], basis: &ChebyshevBasis) {
    let n = basis.nodes.len();
    for row in block.chunks_exact_mut(n) {
        let series = basis.coefficients(row);
        row.copy_from_slice(&series);
    }
    for column in 0..n {
        let values: Vec<f64> = (0..n).map(|row| block[row * n + column]).collect();
        for (row, c) in basis.coefficients(&values).into_iter().enumerate() {
            block[row * n + column] = c;
        }
    }
}
