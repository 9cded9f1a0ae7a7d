//! Phase diagrams: the limit of infinite depth over a grid of variances, from moments tabulated once.
//!
//! Every number that a cell needs is a smooth function of `ln q` (and of the angle `θ = arccos c`), so that an activation
//! is integrated at a few hundred points and the 65 536 cells of a 256 × 256 grid only evaluate polynomials.

mod curves;
mod diagram;
mod neutrality;

pub use curves::{Curves, EdgeCurve, Point};
pub use diagram::{Axis, PhaseDiagram};

use super::critical::CriticalPoint;
use super::dual::{Correlation, Dual, Moments};
use super::mean_field::LayerVariance;
use super::phase::{EDGE_TOLERANCE, Phase, Prejudice, scan_grid};
use super::{NoTheory, critical};
use crate::math::chebyshev::{ChebyshevBasis, clenshaw};
use crate::math::roots;
use std::collections::HashMap;
use std::f64::consts::FRAC_PI_2;
use std::sync::Arc;

/// Width of one piece in `ln q`, and nodes in it.
const PIECE: f64 = 1.25;
const NODES: usize = 16;

/// Nodes in the angle.
const ANGLES: usize = 40;

/// Coefficients that are left at the end of a converged piece, relative to the largest.
const CONVERGED: f64 = 3e-12;

/// Inputs whose `1 - c*` is below this count as merged where gradients are critical.
const MERGED: f64 = 1e-2;

/// One cell of a phase diagram: centred, uncorrelated inputs of mean square 1, infinitely many equal layers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// `σ_w²`.
    pub weight_variance: f64,
    /// `σ_b²`.
    pub bias_variance: f64,
    /// `q*`; zero where the variance vanishes, infinite where it grows without bound, none where every value stays.
    pub q_star: Option<f64>,
    /// `χ₁`; none where the activation has no limit there.
    pub chi_1: Option<f64>,
    /// `1 - c*`.
    pub c_star_complement: Option<f64>,
    /// The phase.
    pub phase: Option<Phase>,
    /// The bias of the deep network.
    pub prejudice: Option<Prejudice>,
}

impl Cell {
    /// `c*`.
    pub fn c_star(&self) -> Option<f64> {
        self.c_star_complement.map(|complement| 1.0 - complement)
    }

    /// `γ* = c*/(1 - c*)`, infinite where all inputs merge.
    pub fn gamma_star(&self) -> Option<f64> {
        self.c_star_complement.map(|complement| (1.0 - complement) / complement)
    }
}

/// Moments of one activation, tabulated as they are asked for.
///
/// # Accuracy
///
/// 1e-10 relative to the exact moments; pieces on which the polynomials do not converge are integrated directly.
///
/// # Examples
///
/// ```
/// use firstguess::spec::Activation;
/// use firstguess::theory::{dual::Dual, phase_diagram::PhaseTable};
/// let tanh = Dual::new(&Activation::Tanh);
/// let mut table = PhaseTable::new(&tanh);
/// let cells = table.diagram(&[1.5, 3.0], &[0.1]);
/// assert!((cells[1].c_star().expect("bounded") - 0.47753934).abs() < 1e-7);
/// ```
#[derive(Debug)]
pub struct PhaseTable<'a> {
    phi: &'a Dual,
    /// Moments at unit variance, where the activation is positively homogeneous.
    unit: Option<Moments>,
    pieces: HashMap<i64, Piece>,
    angles: HashMap<i64, Option<AnglePiece>>,
    basis: Arc<ChebyshevBasis>,
    /// `ln q` and moments on the grid on which roots are looked for.
    scan: Vec<(f64, Moments)>,
}

/// `ln E φ²`, `E φ'²/(E φ²/q)` and the slope, relative, over one piece.
#[derive(Debug)]
enum Piece {
    Table([Vec<f64>; 3]),
    Direct,
}

/// `D/(q ε)` over `ln q` and `θ`: for each power of the angle a polynomial in `ln q`.
#[derive(Debug)]
struct AnglePiece {
    by_angle: Vec<Vec<f64>>,
}

impl<'a> PhaseTable<'a> {
    /// A table that is filled as cells ask for it.
    pub fn new(phi: &'a Dual) -> Self {
        let unit = phi.homogeneous().map(|_| phi.moments(1.0));
        let scan = if unit.is_some() {
            Vec::new()
        } else {
            scan_grid(phi).into_iter().map(|ln_q| (ln_q, phi.scan_moments(ln_q.exp()))).collect()
        };
        Self {
            phi,
            unit,
            pieces: HashMap::new(),
            angles: HashMap::new(),
            basis: Arc::new(ChebyshevBasis::new(NODES)),
            scan,
        }
    }

    fn place(ln_q: f64) -> (i64, f64) {
        let position = ln_q / PIECE;
        let index = position.floor();
        #[expect(clippy::cast_possible_truncation, reason = "ln q of an f64 is below 710")]
        let key = index as i64;
        (key, 2.0 * (position - index) - 1.0)
    }

    fn nodes_of(&self, key: i64) -> Vec<f64> {
        let start = key as f64 * PIECE;
        self.basis.nodes.iter().map(|t| start + 0.5 * PIECE * (t + 1.0)).collect()
    }

    fn piece(&mut self, key: i64) -> &Piece {
        if !self.pieces.contains_key(&key) {
            let moments: Vec<(f64, Moments)> = self
                .nodes_of(key)
                .into_iter()
                .map(|ln_q| (ln_q.exp(), self.phi.moments(ln_q.exp())))
                .collect();
            let fits = |f: &dyn Fn(f64, &Moments) -> f64| {
                let values: Vec<f64> = moments.iter().map(|(q, m)| f(*q, m)).collect();
                self.basis.coefficients(&values)
            };
            let table = [
                fits(&|_, m| m.second.ln()),
                fits(&|q, m| q * m.derivative_second / m.second),
                fits(&|q, m| q * m.second_slope / m.second),
            ];
            let piece = if table.iter().all(|c| converged(c)) {
                Piece::Table(table)
            } else {
                Piece::Direct
            };
            self.pieces.insert(key, piece);
        }
        self.pieces.get(&key).unwrap_or(&Piece::Direct)
    }

    /// `E φ²`, `E φ'²` and `d E φ²/dq`; the mean is not tabulated.
    fn moments(&mut self, ln_q: f64) -> Moments {
        let q = ln_q.exp();
        if let Some(unit) = self.unit {
            return Moments { second: q * unit.second, ..unit };
        }
        let (key, t) = Self::place(ln_q);
        let phi = self.phi;
        match self.piece(key) {
            Piece::Direct => phi.moments(q),
            Piece::Table([ln_second, slope, second_slope]) => {
                let second = clenshaw(ln_second, t).exp();
                Moments {
                    mean: f64::NAN,
                    second,
                    derivative_second: clenshaw(slope, t) * second / q,
                    second_slope: clenshaw(second_slope, t) * second / q,
                }
            }
        }
    }

    fn angle_piece(&mut self, key: i64) -> Option<&AnglePiece> {
        if !self.angles.contains_key(&key) {
            let angles = ChebyshevBasis::new(ANGLES);
            let complements: Vec<f64> = angles.nodes.iter().map(|t| complement_of(*t)).collect();
            let rows: Vec<Vec<f64>> = self
                .nodes_of(key)
                .into_iter()
                .map(|ln_q| {
                    let q = ln_q.exp();
                    let at = self.phi.at(q);
                    let values: Vec<f64> = complements
                        .iter()
                        .map(|eps| at.difference(Correlation::from_complement(*eps)) / (q * eps))
                        .collect();
                    angles.coefficients(&values)
                })
                .collect();
            let by_angle: Vec<Vec<f64>> = (0..ANGLES)
                .map(|k| {
                    let column: Vec<f64> =
                        rows.iter().map(|row| row.get(k).copied().unwrap_or(0.0)).collect();
                    self.basis.coefficients(&column)
                })
                .collect();
            let good = rows.iter().all(|row| converged(row));
            self.angles.insert(key, good.then_some(AnglePiece { by_angle }));
        }
        self.angles.get(&key).and_then(Option::as_ref)
    }

    /// `1 - c*` of the map `c' = 1 - scale · D(c)` at this variance, for a slope above 1 at `c = 1`.
    fn separated_complement(&mut self, ln_q: f64, scale: f64) -> f64 {
        let (q, phi) = (ln_q.exp(), self.phi);
        let (key, t) = Self::place(ln_q);
        let solve = |excess: &mut dyn FnMut(f64) -> f64| {
            if excess(0.0) >= 0.0 {
                return 1.0;
            }
            roots::brent(excess, -36.0, 0.0, 1e-14).map_or(0.0, f64::exp)
        };
        if let Some(piece) = self.angle_piece(key) {
            let row: Vec<f64> = piece.by_angle.iter().map(|column| clenshaw(column, t)).collect();
            return solve(&mut |ln_eps| scale * q * clenshaw(&row, unit_of(ln_eps.exp())) - 1.0);
        }
        let at = phi.at(q);
        solve(&mut |ln_eps| {
            let eps = ln_eps.exp();
            scale * at.difference(Correlation::from_complement(eps)) / eps - 1.0
        })
    }

    /// The limit of infinite depth at one pair of variances.
    ///
    /// The same numbers as [`asymptotics`](super::phase::asymptotics), to 1e-9.
    pub fn cell(&mut self, layer: LayerVariance) -> Cell {
        let mut cell = Cell {
            weight_variance: layer.weight,
            bias_variance: layer.bias,
            q_star: None,
            chi_1: None,
            c_star_complement: None,
            phase: None,
            prejudice: None,
        };
        let ln_q = match self.unit {
            Some(unit) => homogeneous_fate(unit, layer),
            None => self.fate(layer),
        };
        let Some(ln_q) = ln_q else {
            return self.scale_free(cell, layer);
        };
        cell.q_star = Some(ln_q.exp());
        let moments = self.moments(ln_q);
        let chi = layer.weight * moments.derivative_second;
        if chi.is_finite() {
            cell.chi_1 = Some(chi);
        }
        let q = layer.weight * moments.second + layer.bias;
        let slope = self.slope_at_one(ln_q, moments);
        cell.c_star_complement = Some(if layer.bias == 0.0 && self.phi.is_odd() {
            1.0
        } else if layer.weight * slope <= 1.0 + 1e-13 {
            0.0
        } else {
            self.separated_complement(ln_q, layer.weight / q)
        });
        named(cell)
    }

    /// Slope of the kernel at `c = 1`: `E φ'²`, but where pooled units are correlated.
    fn slope_at_one(&self, ln_q: f64, moments: Moments) -> f64 {
        if self.phi.pooling().is_some_and(|pool| pool.correlation > 0.0) {
            return self.phi.at(ln_q.exp()).slope(Correlation::new(1.0));
        }
        moments.derivative_second
    }

    /// Where the variance has no fixed point but zero, infinity or everywhere, the general routine knows what is left.
    fn scale_free(&mut self, mut cell: Cell, layer: LayerVariance) -> Cell {
        if let Some(unit) = self.unit {
            let growth = layer.weight * unit.second;
            cell.q_star = if (growth - 1.0).abs() < 1e-12 && layer.bias == 0.0 {
                None
            } else if growth >= 1.0 - 1e-12 {
                Some(f64::INFINITY)
            } else {
                Some(0.0)
            };
            cell.chi_1 = Some(layer.weight * unit.derivative_second);
            cell.c_star_complement = Some(if self.phi.is_linear() {
                // Uncorrelated inputs stay so, but for what biases add.
                if layer.bias == 0.0 {
                    1.0
                } else if growth > 1.0 + 1e-12 {
                    let centres = layer.bias + layer.bias / (growth - 1.0);
                    layer.weight / (layer.weight + centres)
                } else {
                    0.0
                }
            } else if self.slope_at_one(0.0, unit) <= unit.second * (1.0 + 1e-13) {
                0.0
            } else {
                self.separated_complement(0.0, 1.0 / unit.second)
            });
            return named(cell);
        }
        let first = super::mean_field::Spread::first_layer(layer, 1.0, 0.0);
        let limit = super::phase::asymptotics(self.phi, layer, first);
        cell.q_star = match limit.fate {
            super::phase::VarianceFate::Converges(point) => Some(point.q_star),
            super::phase::VarianceFate::Vanishes => Some(0.0),
            super::phase::VarianceFate::Diverges => Some(f64::INFINITY),
            super::phase::VarianceFate::Kept => None,
        };
        cell.chi_1 = limit.chi_1.ok();
        cell.c_star_complement = limit.c_star_complement.ok();
        cell.phase = limit.phase.ok();
        cell.prejudice = limit.prejudice.ok();
        cell
    }

    /// `ln q*` above zero, reached from `q = σ_w² + σ_b²`.
    fn fate(&mut self, layer: LayerVariance) -> Option<f64> {
        let excess =
            |ln_q: f64, second: f64| (layer.weight * second + layer.bias) / ln_q.exp() - 1.0;
        let start = (layer.weight + layer.bias).ln();
        if !start.is_finite() {
            return None;
        }
        let here = {
            let moments = self.moments(start);
            excess(start, moments.second)
        };
        if here == 0.0 {
            return Some(start);
        }
        // The orbit is monotone and stops at the first root on its way.
        let mut edge = start;
        let upwards = here > 0.0;
        let next = if upwards {
            let at = self.scan.partition_point(|(ln_q, _)| *ln_q <= start);
            self.scan.get(at..)?.iter().map(|(ln_q, m)| (*ln_q, m.second)).find(|(ln_q, second)| {
                let stop = excess(*ln_q, *second) <= 0.0;
                if !stop {
                    edge = *ln_q;
                }
                stop
            })
        } else {
            let at = self.scan.partition_point(|(ln_q, _)| *ln_q < start);
            self.scan.get(..at)?.iter().rev().map(|(ln_q, m)| (*ln_q, m.second)).find(
                |(ln_q, second)| {
                    let stop = excess(*ln_q, *second) >= 0.0;
                    if !stop {
                        edge = *ln_q;
                    }
                    stop
                },
            )
        };
        let (far, _) = next?;
        roots::brent(
            |ln_q| {
                let second = self.moments(ln_q).second;
                excess(ln_q, second)
            },
            edge,
            far,
            1e-14,
        )
    }

    /// Every cell of a grid: rows of equal bias variance, in the order given.
    pub fn diagram(&mut self, weight_variances: &[f64], bias_variances: &[f64]) -> Vec<Cell> {
        let mut cells = Vec::with_capacity(weight_variances.len() * bias_variances.len());
        for &bias in bias_variances {
            for &weight in weight_variances {
                cells.push(self.cell(LayerVariance { weight, bias }));
            }
        }
        cells
    }

    /// The edge of chaos at each bias variance, ascending in `q*`: the curve of a phase diagram.
    ///
    /// The same points as [`edge_of_chaos`](critical::edge_of_chaos), to 1e-9.
    ///
    /// # Errors
    ///
    /// Each entry has its own [`NoTheory`] where there is no such point.
    pub fn edge_of_chaos(
        &mut self,
        bias_variances: &[f64],
    ) -> Vec<Result<Vec<CriticalPoint>, NoTheory>> {
        let jumps = self.phi.moments(1.0).derivative_second.is_infinite();
        bias_variances
            .iter()
            .map(|&bias| {
                // Corners and scale-free forms have no curve.
                if self.unit.is_some() || jumps || bias == 0.0 {
                    return critical::edge_of_chaos(self.phi, bias);
                }
                let points = self.edge_at(bias);
                if points.is_empty() { critical::edge_of_chaos(self.phi, bias) } else { Ok(points) }
            })
            .collect()
    }

    fn edge_at(&mut self, bias: f64) -> Vec<CriticalPoint> {
        let excess =
            |ln_q: f64, m: &Moments| 1.0 - (m.second / m.derivative_second + bias) / ln_q.exp();
        let brackets: Vec<(f64, f64)> = self
            .scan
            .windows(2)
            .filter(|pair| {
                let (a, b) = (excess(pair[0].0, &pair[0].1), excess(pair[1].0, &pair[1].1));
                (a > 0.0) != (b > 0.0) && !a.is_nan() && !b.is_nan()
            })
            .map(|pair| (pair[0].0, pair[1].0))
            .collect();
        brackets
            .into_iter()
            .filter_map(|(low, high)| {
                let ln_q = roots::brent(
                    |ln_q| {
                        let moments = self.moments(ln_q);
                        excess(ln_q, &moments)
                    },
                    low,
                    high,
                    1e-14,
                )?;
                let moments = self.moments(ln_q);
                let weight_variance = 1.0 / moments.derivative_second;
                let q_slope = weight_variance * moments.second_slope;
                weight_variance.is_finite().then_some(CriticalPoint {
                    weight_variance,
                    q_star: Ok(ln_q.exp()),
                    q_slope,
                    stable: q_slope.abs() < 1.0,
                })
            })
            .collect()
    }
}

/// `ln q*` of a positively homogeneous form with a bias, below the point where variances grow.
fn homogeneous_fate(unit: Moments, layer: LayerVariance) -> Option<f64> {
    let growth = layer.weight * unit.second;
    (layer.bias > 0.0 && growth < 1.0 - 1e-12).then(|| (layer.bias / (1.0 - growth)).ln())
}

fn named(mut cell: Cell) -> Cell {
    let Some(eps) = cell.c_star_complement else { return cell };
    if let Some(chi) = cell.chi_1 {
        let near = (chi - 1.0).abs() <= EDGE_TOLERANCE && (eps < MERGED || chi <= 1.0);
        cell.phase = Some(if near {
            Phase::EdgeOfChaos
        } else if chi < 1.0 {
            Phase::Ordered
        } else {
            Phase::Chaotic
        });
    }
    let at_edge = cell.phase == Some(Phase::EdgeOfChaos);
    cell.prejudice = Some(if eps <= 0.0 || (at_edge && eps < MERGED) {
        Prejudice::DeepPrejudice
    } else if eps > 0.5 {
        Prejudice::Neutrality
    } else {
        Prejudice::Prejudice
    });
    cell
}

fn converged(coefficients: &[f64]) -> bool {
    let largest = coefficients.iter().fold(0.0_f64, |a, c| a.max(c.abs()));
    let tail = coefficients.iter().rev().take(2).fold(0.0_f64, |a, c| a.max(c.abs()));
    largest.is_finite() && tail <= CONVERGED * largest
}

/// `1 - cos θ` for `θ = π/4 (t + 1)`.
fn complement_of(t: f64) -> f64 {
    let half = 0.25 * FRAC_PI_2 * (t + 1.0);
    2.0 * half.sin() * half.sin()
}

fn unit_of(complement: f64) -> f64 {
    4.0 * (0.5 * complement).sqrt().min(1.0).asin() / FRAC_PI_2 - 1.0
}

#[cfg(test)]
mod tests;
