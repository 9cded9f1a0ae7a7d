//! Phase diagrams of networks whose depth repeats a block with norms, dropout or residual branches.

use super::curves::{Curves, EdgeCurve, Point};
use super::{Axis, Cell, PhaseDiagram};
use crate::math::roots;
use crate::theory::NoTheory;
use crate::theory::critical::{CriticalPoint, NeutralityPoint};
use crate::theory::mean_field::LayerVariance;
use crate::theory::predict::Block;
use rayon::prelude::*;

/// `χ - 1` and `1 - c* - ½` below this are zero: what is left of a growing stream at [`FAR`].
const LEVEL: f64 = 1e-9;

impl PhaseDiagram {
    /// The diagram of a block: each cell is its [`limit`](Block::limit), all its layers drawn with the same variances.
    ///
    /// # Accuracy
    ///
    /// 1e-9 for cells whose variance settles. The lines are exact at each bias variance and straight between them.
    ///
    /// # Examples
    ///
    /// ```
    /// use firstguess::spec::{Architecture, InitScheme, Shape};
    /// use firstguess::theory::{phase_diagram::{Axis, PhaseDiagram}, predict::Block};
    /// let layers = r#"[{"dense":64},{"repeat":9,"layers":["batch_norm","relu",{"dense":64}]},{"dense":10}]"#;
    /// let network = Architecture { layers: serde_json::from_str(layers)? }.resolve(&Shape::flat(64)?)?;
    /// let init = InitScheme::explicit(1.5, 0.1);
    /// let inits: Result<Vec<_>, _> = network.weights().iter().map(|w| init.layer(w)).collect();
    /// let block = Block::of(&network, &inits?)?;
    /// let axis = Axis { low: 0.5, high: 3.0, points: 3 };
    /// let diagram = PhaseDiagram::of_block(&block, axis, Axis { low: 0.0, high: 0.1, points: 2 });
    /// // Gradients of batch-normalised ReLU grow by π/(π - 1) per block, whatever the variances.
    /// let growth = std::f64::consts::PI / (std::f64::consts::PI - 1.0);
    /// assert!(diagram.cells.iter().all(|cell| (cell.chi_1.expect("settles") - growth).abs() < 1e-9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_block(block: &Block, weight_variance: Axis, bias_variance: Axis) -> Self {
        let (weight_variances, bias_variances) = (weight_variance.values(), bias_variance.values());
        let rows: Vec<Line> = bias_variances
            .par_iter()
            .map(|bias| Line::new(block, &weight_variances, *bias))
            .collect();
        let curves = Curves {
            edge_of_chaos: edge_curves(&rows),
            neutrality: joined(rows.iter().map(|row| {
                let points = row.neutrality.iter();
                points.map(|point| (point.weight_variance, row.bias)).collect()
            })),
            homogeneous: None,
        };
        let (mut cells, mut edge_of_chaos, mut neutrality) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            cells.extend(row.cells);
            edge_of_chaos.push(row.edge);
            neutrality.push(row.neutrality);
        }
        Self {
            activation: block.name(),
            blocks: true,
            pool: None,
            weight_variances,
            bias_variances,
            cells,
            edge_of_chaos,
            neutrality,
            homogeneous: None,
            curves,
            point: None,
        }
    }

    /// The diagram with the limit of one more pair of variances on it.
    #[must_use]
    pub fn with_block(self, block: &Block, layer: LayerVariance) -> Self {
        Self { point: Some(cell(block, layer)), ..self }
    }
}

fn cell(block: &Block, layer: LayerVariance) -> Cell {
    let limit = block.limit(layer);
    Cell {
        weight_variance: layer.weight,
        bias_variance: layer.bias,
        q_star: limit.q_star,
        chi_1: limit.chi.ok(),
        c_star_complement: limit.c_star_complement,
        phase: limit.phase,
        prejudice: limit.prejudice,
    }
}

/// One bias variance.
struct Line {
    bias: f64,
    cells: Vec<Cell>,
    edge: Result<Vec<CriticalPoint>, NoTheory>,
    neutrality: Result<NeutralityPoint, NoTheory>,
}

impl Line {
    fn new(block: &Block, weights: &[f64], bias: f64) -> Self {
        let at = |weight: f64| cell(block, LayerVariance { weight, bias });
        let cells: Vec<Cell> = weights.iter().map(|weight| at(*weight)).collect();
        let ends =
            (weights.first().copied().unwrap_or(0.0), weights.last().copied().unwrap_or(0.0));
        let over = |cell: &Cell| cell.chi_1.map(|chi| chi - 1.0);
        let edge = crossings(&cells, over, &at);
        let edge = if edge.is_empty() {
            Err(no_edge(block, &cells))
        } else {
            Ok(edge.into_iter().map(|weight| critical(block, weight, bias)).collect())
        };
        let half = crossings(&cells, |cell| cell.c_star_complement.map(|eps| eps - 0.5), &at);
        let neutrality = half.first().map_or_else(
            || {
                Err(NoTheory::new(format!(
                    "no weight variance from {} to {} leaves half of the correlation",
                    ends.0, ends.1
                )))
            },
            |weight| {
                let q_star = at(*weight).q_star.unwrap_or(f64::NAN);
                Ok(NeutralityPoint { weight_variance: *weight, q_star })
            },
        );
        Self { bias, cells, edge, neutrality }
    }
}

/// Why no weight variance of a row is on the edge of chaos alone.
fn no_edge(block: &Block, cells: &[Cell]) -> NoTheory {
    let known: Vec<f64> = cells.iter().filter_map(|cell| cell.chi_1).collect();
    let (Some(first), Some(last)) = (cells.first(), cells.last()) else {
        return NoTheory::new("the diagram has no cells");
    };
    if known.is_empty() {
        let layer = LayerVariance { weight: last.weight_variance, bias: last.bias_variance };
        return block.limit(layer).chi.err().unwrap_or_else(|| NoTheory::new("no limit"));
    }
    if known.iter().all(|chi| (chi - 1.0).abs() < LEVEL) {
        return NoTheory::new("gradients keep their size per block at every weight variance");
    }
    NoTheory::new(format!(
        "no weight variance from {} to {} keeps the gradients of a block",
        first.weight_variance, last.weight_variance
    ))
}

/// Weight variances between neighbouring cells at which `of` changes its sign without a jump.
fn crossings(
    cells: &[Cell],
    of: impl Fn(&Cell) -> Option<f64>,
    at: &impl Fn(f64) -> Cell,
) -> Vec<f64> {
    let signed = |cell: &Cell| of(cell).map(|x| if x.abs() < LEVEL { 0.0 } else { x });
    let mut found = Vec::new();
    let mut last: Option<(f64, f64)> = None;
    for cell in cells {
        let Some(value) = signed(cell) else {
            last = None;
            continue;
        };
        if value == 0.0 {
            continue;
        }
        if let Some((weight, before)) = last
            && before * value < 0.0
        {
            let root = roots::brent(
                |weight| of(&at(weight)).unwrap_or(f64::NAN),
                weight,
                cell.weight_variance,
                1e-12,
            );
            found.extend(root.filter(|weight| of(&at(*weight)).is_some_and(|x| x.abs() < 1e-6)));
        }
        last = Some((cell.weight_variance, value));
    }
    found
}

fn critical(block: &Block, weight: f64, bias: f64) -> CriticalPoint {
    let layer = LayerVariance { weight, bias };
    let limit = block.limit(layer);
    let settled = limit.q_star.filter(|q| q.is_finite() && *q > 0.0);
    let q_star = settled.ok_or_else(|| {
        NoTheory::new(match limit.q_star {
            Some(0.0) => "the variance vanishes with depth",
            Some(_) => "the variance grows with depth",
            None => "every variance is a fixed point",
        })
    });
    let ln_q = q_star.as_ref().map_or(0.0, |q| q.ln());
    let q_slope = block.variance_slope(layer, ln_q, limit.c_star_complement.unwrap_or(1.0));
    CriticalPoint { weight_variance: weight, q_star, q_slope, stable: q_slope.abs() < 1.0 }
}

fn edge_curves(rows: &[Line]) -> Vec<EdgeCurve> {
    let of = |stable: bool| {
        joined(rows.iter().map(|row| {
            let points = row.edge.iter().flatten().filter(|point| point.stable == stable);
            points.map(|point| (point.weight_variance, row.bias)).collect()
        }))
        .into_iter()
        .map(move |points| EdgeCurve { stable, points })
    };
    of(true).chain(of(false)).collect()
}

/// Lines through the points of successive rows, the first to the first and so on; they end where their number changes.
fn joined(rows: impl Iterator<Item = Vec<Point>>) -> Vec<Vec<Point>> {
    let (mut done, mut open): (Vec<Vec<Point>>, Vec<Vec<Point>>) = (Vec::new(), Vec::new());
    for row in rows {
        if row.len() != open.len() {
            done.append(&mut open);
            open = vec![Vec::new(); row.len()];
        }
        for (line, point) in open.iter_mut().zip(row) {
            line.push(point);
        }
    }
    done.append(&mut open);
    done.retain(|line| line.len() > 1);
    done
}

#[cfg(test)]
mod tests;
