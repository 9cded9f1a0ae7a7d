//! The lines of a phase diagram as curves fine enough to draw: a point per row of a grid is not, where a line is nearly level.

use super::super::critical::{HomogeneousCriticality, homogeneous_criticality};
use super::{Axis, PhaseTable};

/// `(σ_w², σ_b²)`.
pub type Point = (f64, f64);

/// A piece of the edge of chaos.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeCurve {
    /// Whether the variance settles at its fixed point there.
    pub stable: bool,
    /// Places along it.
    pub points: Vec<Point>,
}

/// Both lines of a phase diagram.
///
/// # Accuracy
///
/// Straight lines between the points stay within 1/5000 of the sides of the diagram.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curves {
    /// The edge of chaos, in the order of `q*`.
    pub edge_of_chaos: Vec<EdgeCurve>,
    /// Where `c* = ½`, in the order of `σ_b²`.
    pub neutrality: Vec<Vec<Point>>,
    /// The critical weight variances of a positively homogeneous form, at which the edge is an upright line.
    pub homogeneous: Option<HomogeneousCriticality>,
}

/// Largest distance of a curve from its chords, as a part of the diagram's sides.
const TOLERANCE: f64 = 1.0 / 5000.0;

/// Halvings of a step at least, where it crosses the diagram, and at most.
const HALVINGS: (u32, u32) = (3, 14);

/// A jump over more than this part of the diagram in the smallest step is none of the curve.
const JUMP: f64 = 0.02;

/// The part of the plane that is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) weight: Axis,
    pub(super) bias: Axis,
}

impl View {
    /// Places in the diagram, 0 to 1 along each side.
    fn place(&self, (weight, bias): Point) -> Point {
        let part = |axis: Axis, value: f64| (value - axis.low) / (axis.high - axis.low);
        (part(self.weight, weight), part(self.bias, bias))
    }

    /// Whether a chord may cross the diagram.
    fn crosses(&self, a: Point, b: Point) -> bool {
        let (a, b) = (self.place(a), self.place(b));
        let meets = |x: f64, y: f64| x.min(y) <= 1.0 && x.max(y) >= 0.0;
        meets(a.0, b.0) && meets(a.1, b.1)
    }

    fn distance(&self, a: Point, b: Point) -> f64 {
        let (a, b) = (self.place(a), self.place(b));
        (a.0 - b.0).hypot(a.1 - b.1)
    }

    /// Distance of a point from a chord.
    fn off(&self, point: Point, from: Point, to: Point) -> f64 {
        let (p, a, b) = (self.place(point), self.place(from), self.place(to));
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let length = dx.hypot(dy);
        if length < 1e-12 {
            return (p.0 - a.0).hypot(p.1 - a.1);
        }
        ((p.0 - a.0) * dy - (p.1 - a.1) * dx).abs() / length
    }
}

/// A point of a curve, and what else is to be known of it.
type Found = Option<(Point, bool)>;

/// A curve between the values of a parameter, finer where it bends; pieces end where it has no point or jumps.
pub(super) fn traced(
    view: View,
    grid: &[f64],
    mut at: impl FnMut(f64) -> Found,
) -> Vec<Vec<(Point, bool)>> {
    let mut pieces: Vec<Vec<(Point, bool)>> = Vec::new();
    let Some((first, rest)) = grid.split_first() else { return pieces };
    let mut last = (*first, at(*first));
    pieces.push(last.1.into_iter().collect());
    for &end in rest {
        let next = (end, at(end));
        let mut steps = vec![(next, 0)];
        // Depth first, the nearer half on top.
        while let Some((target, depth)) = steps.pop() {
            if depth < HALVINGS.1 && unfinished(view, last, target, depth, &mut at, &mut steps) {
                continue;
            }
            match (last.1, target.1) {
                (Some((a, _)), Some((b, stable))) => {
                    let jumps =
                        view.crosses(a, b) && depth >= HALVINGS.1 && view.distance(a, b) > JUMP;
                    match pieces.last_mut() {
                        Some(piece) if !jumps => piece.push((b, stable)),
                        _ => pieces.push(vec![(b, stable)]),
                    }
                }
                (None, Some(point)) => pieces.push(vec![point]),
                _ => {}
            }
            last = target;
        }
    }
    pieces.retain(|piece| piece.len() > 1);
    pieces
}

/// Puts both halves of a step on the stack, if it is to be halved.
fn unfinished(
    view: View,
    last: (f64, Found),
    target: (f64, Found),
    depth: u32,
    at: &mut impl FnMut(f64) -> Found,
    steps: &mut Vec<((f64, Found), u32)>,
) -> bool {
    let middle = 0.5 * (last.0 + target.0);
    let found = match (last.1, target.1) {
        (None, None) => return false,
        (Some((a, _)), Some((b, _))) if !view.crosses(a, b) => return false,
        (Some((a, _)), Some((b, _))) => {
            let found = at(middle);
            let straight = found.is_some_and(|(m, _)| view.off(m, a, b) <= TOLERANCE);
            if straight && depth >= HALVINGS.0 {
                return false;
            }
            found
        }
        // An end is looked for as long as it can be seen.
        _ => at(middle),
    };
    steps.push((target, depth + 1));
    steps.push(((middle, found), depth + 1));
    true
}

impl Curves {
    /// Of this form; `neutral` gives the neutrality point at a bias variance.
    pub(super) fn new(
        table: &mut PhaseTable<'_>,
        view: View,
        neutral: impl FnMut(f64) -> Option<f64>,
    ) -> Self {
        let homogeneous = homogeneous_criticality(table.phi);
        let edge_of_chaos = if homogeneous.is_some() { Vec::new() } else { edge(table, view) };
        Self { edge_of_chaos, neutrality: neutrality(view, neutral), homogeneous }
    }
}

/// The edge by its variance: `σ_w² = 1/E φ'²`, `σ_b² = q - E φ²/E φ'²`. It has no folds in `q`, whatever it does in `σ_b²`.
fn edge(table: &mut PhaseTable<'_>, view: View) -> Vec<EdgeCurve> {
    if table.phi.moments(1.0).derivative_second.is_infinite() {
        return Vec::new();
    }
    let grid: Vec<f64> = table.scan.iter().map(|(ln_q, _)| *ln_q).collect();
    let pieces = traced(view, &grid, |ln_q| {
        let moments = table.moments(ln_q);
        let weight = 1.0 / moments.derivative_second;
        let bias = ln_q.exp() - weight * moments.second;
        // Rounding, at the corner where all of it is tiny.
        let bias = if bias.abs() < 1e-12 * ln_q.exp() { 0.0 } else { bias };
        let stable = (weight * moments.second_slope).abs() < 1.0;
        (weight.is_finite() && bias.is_finite()).then_some(((weight, bias), stable))
    });
    let mut curves: Vec<EdgeCurve> = Vec::new();
    for piece in pieces {
        let mut begins = true;
        for (point, stable) in piece {
            match curves.last_mut() {
                Some(curve) if !begins && curve.stable == stable => curve.points.push(point),
                Some(curve) if !begins => {
                    // Both sides of a change share its place.
                    curve.points.push(point);
                    curves.push(EdgeCurve { stable, points: vec![point] });
                }
                _ => curves.push(EdgeCurve { stable, points: vec![point] }),
            }
            begins = false;
        }
    }
    curves.retain(|curve| curve.points.windows(2).any(|pair| view.crosses(pair[0], pair[1])));
    curves
}

/// Steps of the bias variance before they are halved.
const STEPS: u32 = 24;

fn neutrality(view: View, mut neutral: impl FnMut(f64) -> Option<f64>) -> Vec<Vec<Point>> {
    let grid: Vec<f64> = (0..=STEPS)
        .map(|i| {
            let part = f64::from(i) / f64::from(STEPS);
            view.bias.low * (1.0 - part) + view.bias.high * part
        })
        .collect();
    let pieces = traced(view, &grid, |bias| {
        neutral(bias).filter(|weight| weight.is_finite()).map(|weight| ((weight, bias), true))
    });
    pieces.into_iter().map(|piece| piece.into_iter().map(|(point, _)| point).collect()).collect()
}
