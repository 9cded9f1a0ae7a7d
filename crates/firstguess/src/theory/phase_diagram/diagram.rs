//! A whole phase diagram: the grid, the edge of chaos and the neutrality line.

use super::super::NoTheory;
use super::super::critical::{
    CriticalPoint, HomogeneousCriticality, NeutralityPoint, homogeneous_criticality,
};
use super::super::dual::Dual;
use super::{Cell, PhaseTable, neutrality};

/// Evenly spaced values of one variance, both ends included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    /// The first value.
    pub low: f64,
    /// The last value.
    pub high: f64,
    /// How many, at least 2.
    pub points: usize,
}

impl Axis {
    /// The values, ascending.
    pub fn values(self) -> Vec<f64> {
        let last = self.points.saturating_sub(1).max(1);
        // Both ends exact.
        (0..self.points)
            .map(|i| {
                let part = i as f64 / last as f64;
                self.low * (1.0 - part) + self.high * part
            })
            .collect()
    }
}

/// The phases of infinitely many equal layers over a grid of variances.
///
/// # Examples
///
/// ```
/// use firstguess::spec::Activation;
/// use firstguess::theory::{dual::Dual, phase_diagram::{Axis, PhaseDiagram}};
/// let tanh = Dual::new(&Activation::Tanh);
/// let diagram = PhaseDiagram::new(
///     &tanh,
///     Axis { low: 0.5, high: 4.0, points: 8 },
///     Axis { low: 0.05, high: 0.2, points: 4 },
/// );
/// assert_eq!(diagram.cells.len(), 32);
/// let edge = diagram.edge_of_chaos[0].as_ref().expect("tanh has an edge");
/// assert!((edge[0].weight_variance - 1.76095464).abs() < 1e-7);
/// let neutral = diagram.neutrality[3].as_ref().expect("and a neutrality line");
/// assert!((neutral.weight_variance - 3.76109504).abs() < 1e-6);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseDiagram {
    /// The elementwise function.
    pub activation: String,
    /// The pool after it, in words.
    pub pool: Option<String>,
    /// Values of `σ_w²`, ascending.
    pub weight_variances: Vec<f64>,
    /// Values of `σ_b²`, ascending.
    pub bias_variances: Vec<f64>,
    /// Every cell, row after row of equal bias variance.
    pub cells: Vec<Cell>,
    /// The edge of chaos at each bias variance, or why there is none.
    pub edge_of_chaos: Vec<Result<Vec<CriticalPoint>, NoTheory>>,
    /// Where `c* = ½` at each bias variance, or why nowhere.
    pub neutrality: Vec<Result<NeutralityPoint, NoTheory>>,
    /// Both critical weight variances where signals and gradients do not agree on one: pooled ReLU and its kind.
    pub homogeneous: Option<HomogeneousCriticality>,
}

impl PhaseDiagram {
    /// The diagram of an activation, or of a pool over one, for centred, uncorrelated inputs of mean square 1.
    ///
    /// # Accuracy
    ///
    /// As [`PhaseTable`]; the lines 1e-9.
    ///
    /// # References
    ///
    /// `arxiv2505_12096` for the phases and lines; all points are bracketed roots, derived in docs/theory/mean-field.md.
    pub fn new(phi: &Dual, weight_variance: Axis, bias_variance: Axis) -> Self {
        let (weight_variances, bias_variances) = (weight_variance.values(), bias_variance.values());
        let mut table = PhaseTable::new(phi);
        Self {
            activation: phi.function().to_string(),
            pool: phi.pooling().map(|pooling| pooling.to_string()),
            cells: table.diagram(&weight_variances, &bias_variances),
            edge_of_chaos: table.edge_of_chaos(&bias_variances),
            neutrality: neutrality::line(phi, &bias_variances),
            homogeneous: homogeneous_criticality(phi).filter(|both| both.eta != 1.0),
            weight_variances,
            bias_variances,
        }
    }

    /// The cell at a column (weight variance) and a row (bias variance).
    pub fn cell(&self, column: usize, row: usize) -> Option<&Cell> {
        if column >= self.weight_variances.len() {
            return None;
        }
        self.cells.get(row * self.weight_variances.len() + column)
    }
}
