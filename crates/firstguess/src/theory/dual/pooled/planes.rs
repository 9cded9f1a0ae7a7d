//! The joint law of two maxima of equicorrelated units, on a grid that does not depend on the function.
//!
//! Of each of two inputs with correlation `c = cos θ` the units are `√ρ x + √(1-ρ) z_k`. In the coordinates
//!
//! ```text
//! u = (A + B)/2,   w = (B - A)/(2 sin ½θ)
//! ```
//!
//! of the chosen units `A` and `B`, the law of `√(1-ρ) (max z, max z')` is smooth down to `θ = 0`, and the shared part
//! smooths it by `N(0, ρ cos²½θ)` along `u` and `N(0, ρ)` along `w`.

use super::axis::{Axis, PER_PANEL, lagrange, smoothing};
use super::edges::{close, crossings, split, thin};
use super::extreme::largest_lower_end;
use crate::math::bivariate_normal::Gap;
use crate::math::quadrature::GaussLegendre;
use crate::math::special::{normal_cdf, normal_survival};
use std::f64::consts::{FRAC_1_PI, TAU};

/// `x²/2` beyond which the density of two maxima is below the rounding of what has been summed.
const DECAY: f64 = 38.0;

/// Widths of panels over the narrowest scale of what is interpolated, and of what is only summed.
const INTERPOLATED: f64 = 1.7;
const SUMMED: f64 = 2.0;

/// Panels on which a density stays below this share of its peak are dropped.
const NEGLIGIBLE: f64 = 1e-20;

/// Where a function bends, in standard deviations.
#[derive(Debug, Clone)]
pub(super) struct Bends {
    /// Edges of panels that resolve it.
    pub(super) features: Vec<f64>,
    /// Its corners, among them.
    pub(super) kinks: Vec<f64>,
    /// Panels no wider than this resolve the rest.
    pub(super) finest: f64,
}

/// The law of `(A, B)` at one angle: `E f(A, B) = Σ (same + different) f` over `w > 0`, for symmetric `f`.
#[derive(Debug, Clone)]
pub(super) struct Plane {
    /// `sin ½θ`.
    sine: f64,
    u: Axis,
    w: Axis,
    /// Densities in `(u, w)`, one row per `w`: where one and the same unit is chosen for both inputs, and where not.
    same: Vec<f64>,
    different: Vec<f64>,
}

/// Widths of the largest of `size` normals: its narrowest scale next to that of one.
pub(super) fn narrowest(size: f64) -> f64 {
    1.0 / (1.0 + 0.4 * (2.0 * size.ln()).sqrt())
}

impl Plane {
    /// For `size ≥ 2` units with correlation `0 ≤ ρ < 1`, at `0 < 1 - c < 2`.
    pub(super) fn new(size: f64, rho: f64, complement: f64) -> Self {
        let sine = (0.5 * complement).sqrt();
        let cosine = (1.0 - 0.5 * complement).sqrt();
        let own = (1.0 - rho).sqrt();
        let scale = narrowest(size);
        let scale_w = (scale / sine).min(1.0);
        let reach = (2.0 * (DECAY + 2.0 * size.ln())).sqrt();
        let low = largest_lower_end(size).max(-reach);
        // A law that is narrower than the panels is integrated against the interpolated source.
        let wide = rho / (1.0 - rho) >= 1.0;
        let width = if wide { SUMMED } else { INTERPOLATED };
        // At c < 0 the law bends within cos ½θ of m = 0.
        let scale_m = |m: f64| {
            let bend = if complement <= 1.0 { 0.0 } else { 0.35 * m.abs() };
            scale.min(scale * cosine + bend)
        };
        let m = Axis::marching(low, reach, |m| width * scale_m(m));
        let w = Axis::marching(0.0, reach, |_| width * scale_w);
        let mut source =
            Source { size, sine, cosine, m, w, same: Vec::new(), different: Vec::new() };
        source.fill(complement);
        if rho == 0.0 {
            let Source { m, w, same, different, .. } = source;
            let mut plane = Self { sine, u: m, w, same, different };
            plane.trim();
            return plane;
        }
        let shared = rho.sqrt() * cosine * reach;
        let (target_low, target_high) =
            ((own * low - shared).max(-reach), (own * reach + shared).min(reach));
        let blend =
            |scale: f64, shared: f64| (rho * shared * shared + (1.0 - rho) * scale * scale).sqrt();
        let u = Axis::marching(target_low, target_high, |u| {
            INTERPOLATED * blend(scale_m(u / own), cosine)
        });
        let target_w = Axis::marching(0.0, reach, |_| INTERPOLATED * blend(scale_w, 1.0));
        let from_m = smoothing(&source.m, &u.nodes, own, rho.sqrt() * cosine, false);
        let from_w = smoothing(&source.w, &target_w.nodes, own, rho.sqrt(), true);
        let spread = |density: &[f64]| {
            let along_m = product(density, source.m.nodes.len(), &from_m, u.nodes.len());
            // The smoothing of `w` acts from the left.
            product(
                &transposed(&from_w, target_w.nodes.len()),
                source.w.nodes.len(),
                &along_m,
                u.nodes.len(),
            )
        };
        let (same, different) = (spread(&source.same), spread(&source.different));
        let mut plane = Self { sine, u, w: target_w, same, different };
        plane.trim();
        plane
    }

    /// Drops outer panels that hold nothing.
    fn trim(&mut self) {
        let columns = self.u.nodes.len();
        let total = |row: usize, column: usize| {
            self.same[row * columns + column] + self.different[row * columns + column]
        };
        let rows = self.w.nodes.len();
        let peak_of = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
            rows.flat_map(|row| columns.clone().map(move |column| (row, column)))
                .map(|(row, column)| total(row, column))
                .fold(0.0, f64::max)
        };
        let least = NEGLIGIBLE * peak_of(0..rows, 0..columns);
        let panel = |index: usize| index * PER_PANEL..(index + 1) * PER_PANEL;
        let matters_u: Vec<bool> =
            (0..self.u.panels()).map(|p| peak_of(0..rows, panel(p)) > least).collect();
        let matters_w: Vec<bool> =
            (0..self.w.panels()).map(|p| peak_of(panel(p), 0..columns) > least).collect();
        let ends = |matters: &[bool]| {
            let first = matters.iter().position(|m| *m).unwrap_or(0);
            let last = matters.iter().rposition(|m| *m).unwrap_or(0);
            (first, last + 1)
        };
        let (u, w) = (ends(&matters_u), ends(&matters_w));
        let cut = |values: &[f64]| -> Vec<f64> {
            (w.0 * PER_PANEL..w.1 * PER_PANEL)
                .flat_map(|row| {
                    let start = row * columns;
                    values[start + u.0 * PER_PANEL..start + u.1 * PER_PANEL].iter().copied()
                })
                .collect()
        };
        self.same = cut(&self.same);
        self.different = cut(&self.different);
        self.u = self.u.part(u);
        self.w = self.w.part(w);
    }

    /// Calls `f(A, B, weight)`, `A ≤ B`, on a rule for the law in which pairs of different units count `share` times.
    ///
    /// The integrand bends at the same places in `A` and in `B`.
    pub(super) fn for_each_pair(
        &self,
        share: f64,
        bends: &Bends,
        mut f: impl FnMut(f64, f64, f64),
    ) {
        let Bends { features, kinks, finest } = bends;
        let rule = GaussLegendre::cached(PER_PANEL);
        let columns = self.u.nodes.len();
        let mut outer = self.w.edges.clone();
        // Where the images of two features cross.
        outer.extend(crossings(features, self.sine));
        let cosine = (1.0 - self.sine * self.sine).sqrt();
        if cosine < 0.7 {
            // The law is narrow along u: what it does there comes back along w where a kink crosses it.
            let places = |k: f64| self.u.edges.iter().map(move |u| (u - k).abs() / self.sine);
            outer.extend(kinks.iter().flat_map(|k| places(*k)));
        }
        let (first, last) = self.w.ends();
        close(&mut outer, first, last);
        thin(&mut outer, 0.02_f64.min(0.3 * cosine), &crossings(kinks, self.sine));
        split(&mut outer, finest / self.sine);
        let mut along_u = self.u.edges.clone();
        split(&mut along_u, *finest);
        let (low, high) = self.u.ends();
        let mut row = vec![0.0; columns];
        let mut edges = Vec::new();
        for panel in outer.windows(2) {
            let (half_w, middle_w) = (0.5 * (panel[1] - panel[0]), 0.5 * (panel[0] + panel[1]));
            for (x, weight_w) in rule.nodes.iter().zip(&rule.weights) {
                let w = middle_w + half_w * x;
                let weight_w = half_w * weight_w;
                self.row(w, share, &mut row);
                let d = self.sine * w;
                edges.clear();
                edges.extend_from_slice(&along_u);
                edges.extend(features.iter().flat_map(|e| [e - d, e + d]));
                close(&mut edges, low, high);
                for piece in edges.windows(2) {
                    let home = self.u.panel_of(0.5 * (piece[0] + piece[1]));
                    let values = &row[home * PER_PANEL..(home + 1) * PER_PANEL];
                    let (a, b) = (self.u.edges[home], self.u.edges[home + 1]);
                    let whole = piece[0] == a && piece[1] == b;
                    let (half, middle) = (0.5 * (piece[1] - piece[0]), 0.5 * (piece[0] + piece[1]));
                    for (index, (y, weight_u)) in rule.nodes.iter().zip(&rule.weights).enumerate() {
                        let u = middle + half * y;
                        let density = if whole {
                            values[index]
                        } else {
                            let place = (u - 0.5 * (a + b)) / (0.5 * (b - a));
                            lagrange(place).iter().zip(values).map(|(l, v)| l * v).sum()
                        };
                        f(u - d, u + d, weight_w * half * weight_u * density);
                    }
                }
            }
        }
    }

    /// `same + share · different` along `u` at one `w`.
    fn row(&self, w: f64, share: f64, row: &mut [f64]) {
        let columns = self.u.nodes.len();
        let home = self.w.panel_of(w);
        let (a, b) = (self.w.edges[home], self.w.edges[home + 1]);
        row.fill(0.0);
        for (index, factor) in lagrange((w - 0.5 * (a + b)) / (0.5 * (b - a))).iter().enumerate() {
            if *factor == 0.0 {
                continue;
            }
            let start = (home * PER_PANEL + index) * columns;
            let (same, different) =
                (&self.same[start..start + columns], &self.different[start..start + columns]);
            for ((sum, same), different) in row.iter_mut().zip(same).zip(different) {
                *sum += factor * (same + share * different);
            }
        }
    }
}

/// The law of two maxima of independent units in `(m, w)`, rows in `w`: `2 sin ½θ` for the area, 2 for the sign of `w`.
struct Source {
    size: f64,
    sine: f64,
    cosine: f64,
    m: Axis,
    w: Axis,
    same: Vec<f64>,
    different: Vec<f64>,
}

impl Source {
    fn fill(&mut self, complement: f64) {
        let columns = self.m.nodes.len();
        let area = columns * self.w.nodes.len();
        self.same = vec![0.0; area];
        self.different = vec![0.0; area];
        let mut gap = Gap::default();
        if complement <= 1.0 {
            for j in 0..self.w.nodes.len() {
                let d = self.sine * self.w.nodes[j];
                gap.set(d, complement);
                for i in 0..columns {
                    let m = self.m.nodes[i];
                    self.put(i, j, (normal_cdf(m - d) - gap.probability(m)).max(0.0));
                }
            }
            return;
        }
        // v turned round is positively correlated with u: P(u ≤ s, v ≤ t) is a gap of that pair, or 1 less two of them.
        for i in 0..columns {
            let m = self.m.nodes[i];
            gap.set(m.abs(), 2.0 - complement);
            for j in 0..self.w.nodes.len() {
                let d = self.sine * self.w.nodes[j];
                let (from, to) = (-(m + d), m - d);
                let between = match m {
                    _ if m <= 0.0 => 0.0,
                    _ if from > 0.0 => normal_survival(from) - normal_survival(to),
                    _ => normal_cdf(to) - normal_cdf(from),
                };
                self.put(i, j, between + gap.probability(d));
            }
        }
    }

    /// Both densities at a node, from `Φ₂` there.
    fn put(&mut self, i: usize, j: usize, both_below: f64) {
        let (m, w, k) = (self.m.nodes[i], self.w.nodes[j], self.size);
        let (sine, cosine) = (self.sine, self.cosine);
        let place = j * self.m.nodes.len() + i;
        let rest = both_below.powf(k - 2.0);
        let bell = (-0.5 * (w * w + (m / cosine) * (m / cosine))).exp() * FRAC_1_PI / cosine;
        self.same[place] = k * rest * both_below * bell;
        let (tilt, turn) = (m * sine / cosine, w * cosine);
        let alone = (-(m * m + sine * sine * w * w)).exp() / TAU;
        let slopes = alone * normal_cdf(tilt + turn) * normal_cdf(tilt - turn);
        self.different[place] = 4.0 * sine * k * (k - 1.0) * rest * slopes;
    }
}

/// `left · right`, row by row, with `inner` columns on the left and `columns` on the right.
fn product(left: &[f64], inner: usize, right: &[f64], columns: usize) -> Vec<f64> {
    let mut result = Vec::with_capacity(left.len() / inner * columns);
    for row in left.chunks_exact(inner) {
        let start = result.len();
        result.resize(start + columns, 0.0);
        let sums = &mut result[start..];
        for (factor, values) in row.iter().zip(right.chunks_exact(columns)) {
            if *factor != 0.0 {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += factor * value;
                }
            }
        }
    }
    result
}

fn transposed(matrix: &[f64], columns: usize) -> Vec<f64> {
    let rows = matrix.len() / columns;
    (0..matrix.len()).map(|i| matrix[(i % rows) * columns + i / rows]).collect()
}
