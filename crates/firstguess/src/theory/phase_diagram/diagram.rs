//! A whole phase diagram: the grid, the edge of chaos and the neutrality line.

use super::super::NoTheory;
use super::super::critical::{
    CriticalPoint, HomogeneousCriticality, NeutralityPoint, homogeneous_criticality,
};
use super::super::dual::Dual;
use super::super::mean_field::LayerVariance;
use super::curves::{Curves, View};
use super::neutrality::Neutrality;
use super::{Cell, PhaseTable};

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
    /// The elementwise function, or the layers of a block.
    pub activation: String,
    /// Whether depth repeats blocks of several layers: `χ₁` is then the factor of one block.
    pub blocks: bool,
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
    /// Both lines, fine enough to draw.
    pub curves: Curves,
    /// A point that someone asks about.
    pub point: Option<Cell>,
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
        let mut neutral = Neutrality::new(phi);
        let view = View { weight: weight_variance, bias: bias_variance };
        Self {
            activation: phi.function().to_string(),
            blocks: false,
            pool: phi.pooling().map(|pooling| pooling.to_string()),
            cells: table.diagram(&weight_variances, &bias_variances),
            edge_of_chaos: table.edge_of_chaos(&bias_variances),
            neutrality: bias_variances.iter().map(|bias| neutral.at(*bias)).collect(),
            homogeneous: homogeneous_criticality(phi).filter(|both| both.eta != 1.0),
            curves: Curves::new(&mut table, view, |bias| {
                neutral.at(bias).ok().map(|point| point.weight_variance)
            }),
            weight_variances,
            bias_variances,
            point: None,
        }
    }

    /// The diagram with one more point on it: the limit of infinite depth at these variances, wherever they are.
    #[must_use]
    pub fn with_point(self, phi: &Dual, layer: LayerVariance) -> Self {
        Self { point: Some(PhaseTable::new(phi).cell(layer)), ..self }
    }

    /// The cell at a column (weight variance) and a row (bias variance).
    pub fn cell(&self, column: usize, row: usize) -> Option<&Cell> {
        if column >= self.weight_variances.len() {
            return None;
        }
        self.cells.get(row * self.weight_variances.len() + column)
    }
}
