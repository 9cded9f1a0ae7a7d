//! Phase diagrams: the limit of infinite depth over a grid of variances, from moments tabulated once.
//!
//! Every number that a cell needs is a smooth function of `ln q` (and of the angle `θ = arccos c`), so that an activation
//! is integrated at a few hundred points and the 65 536 cells of a 256 × 256 grid only evaluate polynomials.

mod block;
mod curves;
mod diagram;
mod neutrality;

pub use curves::{Curves, EdgeCurve, Point};
pub use diagram::{Axis, PhaseDiagram};

use super::critical::CriticalPoint;
use super::dual::{Correlation, Dual, MomentTable, Moments};
use super::mean_field::LayerVariance;
use super::phase::{Phase, Prejudice, classified, scan_grid};
use super::{NoTheory, critical};
use crate::math::roots;

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
    table: MomentTable,
    /// `ln q` and moments on the grid on which roots are looked for.
    scan: Vec<(f64, Moments)>,
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
        Self { phi, unit, table: MomentTable::default(), scan }
    }

    fn moments(&self, ln_q: f64) -> Moments {
        match self.unit {
            Some(unit) => Moments { second: ln_q.exp() * unit.second, ..unit },
            None => self.table.moments(self.phi, ln_q),
        }
    }

    /// `1 - c*` of the map `c' = 1 - scale · D(c)` at this variance, for a slope above 1 at `c = 1`.
    fn separated_complement(&mut self, ln_q: f64, scale: f64) -> f64 {
        let (q, phi) = (ln_q.exp(), self.phi);
        let solve = |excess: &mut dyn FnMut(f64) -> f64| {
            if excess(0.0) >= 0.0 {
                return 1.0;
            }
            roots::brent(excess, -36.0, 0.0, 1e-14).map_or(0.0, f64::exp)
        };
        if let Some(row) = self.table.row(phi, ln_q) {
            return solve(&mut |ln_eps| scale * q * row.at(ln_eps.exp()) - 1.0);
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
    (cell.phase, cell.prejudice) = classified(cell.chi_1, cell.c_star_complement);
    cell
}

#[cfg(test)]
mod tests;
