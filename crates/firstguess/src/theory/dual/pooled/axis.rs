//! One axis of a tabulated density: panels with Gauss–Legendre nodes, interpolation, and smoothing by a normal law.

use crate::math::quadrature::GaussLegendre;
use crate::math::special::normal_density;
use std::sync::OnceLock;

/// Nodes of a panel.
pub(super) const PER_PANEL: usize = 16;

/// Points of the rule for a polynomial under a normal density no wider than the panel.
const NARROW: usize = 24;

/// Standard deviations of a normal law that matter.
const RANGE: f64 = 9.0;

/// Panels that follow each other without gaps.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) edges: Vec<f64>,
    pub(super) nodes: Vec<f64>,
}

impl Axis {
    /// From `low` to `high` in panels about as wide as `width` says at each place; an edge at zero if it lies between.
    pub(super) fn marching(low: f64, high: f64, width: impl Fn(f64) -> f64) -> Self {
        let mut edges = Vec::new();
        let mut march = |from: f64, to: f64| {
            let mut path = vec![from];
            let mut x = from;
            let direction = (to - from).signum();
            while (to - x) * direction > 0.0 {
                x += direction * width(x);
                path.push(x);
            }
            // The last step went too far: shrink all of them.
            let stretch = (to - from) / (x - from);
            edges.extend(path.iter().map(|x| from + stretch * (x - from)));
        };
        if low < 0.0 && high > 0.0 {
            march(0.0, low);
            march(0.0, high);
        } else if low >= 0.0 {
            march(low, high);
        } else {
            march(high, low);
        }
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        Self::new(edges)
    }

    fn new(edges: Vec<f64>) -> Self {
        let rule = GaussLegendre::cached(PER_PANEL);
        let nodes = edges
            .windows(2)
            .flat_map(|panel| {
                let (half, middle) = (0.5 * (panel[1] - panel[0]), 0.5 * (panel[0] + panel[1]));
                rule.nodes.iter().map(move |x| middle + half * x)
            })
            .collect();
        Self { edges, nodes }
    }

    pub(super) fn panels(&self) -> usize {
        self.edges.len() - 1
    }

    /// The panels `from..to`.
    pub(super) fn part(&self, (from, to): (usize, usize)) -> Self {
        Self::new(self.edges[from..=to].to_vec())
    }

    pub(super) fn ends(&self) -> (f64, f64) {
        (self.edges[0], self.edges[self.edges.len() - 1])
    }

    /// The panel that holds `x`, or the nearest.
    pub(super) fn panel_of(&self, x: f64) -> usize {
        self.edges.partition_point(|edge| *edge <= x).clamp(1, self.panels()) - 1
    }

    /// What has these values at the nodes; zero outside.
    pub(super) fn interpolate(&self, values: &[f64], x: f64) -> f64 {
        let (low, high) = self.ends();
        if !(low..=high).contains(&x) {
            return 0.0;
        }
        let home = self.panel_of(x);
        let (a, b) = (self.edges[home], self.edges[home + 1]);
        let values = &values[home * PER_PANEL..(home + 1) * PER_PANEL];
        lagrange((x - 0.5 * (a + b)) / (0.5 * (b - a))).iter().zip(values).map(|(l, v)| l * v).sum()
    }
}

/// The values at `t` in [-1, 1] of the polynomials that are 1 at one Gauss–Legendre node and 0 at the others.
pub(super) fn lagrange(t: f64) -> [f64; PER_PANEL] {
    // Nodes and barycentric weights (-1)^j √((1 - x²) w).
    static TABLE: OnceLock<([f64; PER_PANEL], [f64; PER_PANEL])> = OnceLock::new();
    let (nodes, factors) = TABLE.get_or_init(|| {
        let rule = GaussLegendre::cached(PER_PANEL);
        let (mut nodes, mut factors) = ([0.0; PER_PANEL], [0.0; PER_PANEL]);
        for (j, (x, w)) in rule.nodes.iter().zip(&rule.weights).enumerate() {
            let sign = if j % 2 == 0 { 1.0 } else { -1.0 };
            nodes[j] = *x;
            factors[j] = sign * ((1.0 - x * x) * w).sqrt();
        }
        (nodes, factors)
    });
    let mut values = [0.0; PER_PANEL];
    let mut sum = 0.0;
    for ((value, node), factor) in values.iter_mut().zip(nodes).zip(factors) {
        *value = factor / (t - node);
        sum += *value;
    }
    if sum.is_finite() {
        for value in &mut values {
            *value /= sum;
        }
        return values;
    }
    for (value, node) in values.iter_mut().zip(nodes) {
        *value = f64::from(u8::from(*node == t));
    }
    values
}

/// The matrix that takes values on `source` to those of the law of `scale · X + spread · N(0, 1)` at `targets`.
///
/// One row per node of the source. `even` mirrors the source, which then starts at zero, to the other side.
pub(super) fn smoothing(
    source: &Axis,
    targets: &[f64],
    scale: f64,
    spread: f64,
    even: bool,
) -> Vec<f64> {
    let columns = targets.len();
    let mut matrix = vec![0.0; source.nodes.len() * columns];
    let width = spread / scale;
    let rule = GaussLegendre::cached(PER_PANEL);
    let narrow = GaussLegendre::cached(NARROW);
    let density = |x: f64, centre: f64| normal_density((x - centre) / width) / (width * scale);
    let mirrors: &[f64] = if even { &[1.0, -1.0] } else { &[1.0] };
    for (home, panel) in source.edges.windows(2).enumerate() {
        let (half, middle) = (0.5 * (panel[1] - panel[0]), 0.5 * (panel[0] + panel[1]));
        let rows = home * PER_PANEL;
        for (column, target) in targets.iter().enumerate() {
            for mirror in mirrors {
                let centre = mirror * target / scale;
                if half <= width {
                    for (j, (x, w)) in rule.nodes.iter().zip(&rule.weights).enumerate() {
                        let place = (rows + j) * columns + column;
                        matrix[place] += half * w * density(middle + half * x, centre);
                    }
                    continue;
                }
                let low = panel[0].max(centre - RANGE * width);
                let high = panel[1].min(centre + RANGE * width);
                if low >= high {
                    continue;
                }
                let parts = ((high - low) / (1.5 * width)).ceil().max(1.0);
                let step = 0.5 * (high - low) / parts;
                let mut start = low + step;
                while start < high {
                    for (x, w) in narrow.nodes.iter().zip(&narrow.weights) {
                        let at = start + step * x;
                        let weight = step * w * density(at, centre);
                        for (j, value) in lagrange((at - middle) / half).iter().enumerate() {
                            matrix[(rows + j) * columns + column] += weight * value;
                        }
                    }
                    start += 2.0 * step;
                }
            }
        }
    }
    matrix
}
