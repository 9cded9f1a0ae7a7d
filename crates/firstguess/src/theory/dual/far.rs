//! A function seen from far away: evaluated once on panels that resolve it, for every large variance alike.

use super::Pointwise;
use super::panels::close_edges;
use crate::math::quadrature::{GAUSSIAN_RANGE, GaussLegendre};
use crate::math::special::normal_density;

/// Points per panel.
const PER_PANEL: usize = 24;

/// Largest standard deviation that is served.
const LARGEST_ROOT: f64 = 1e6;

/// Panels at most; a function that needs more is integrated anew at every variance.
const PANELS: usize = 400;

/// The function at the points of panels that widen with the distance from its bends.
#[derive(Debug, Clone)]
pub(super) struct Far {
    points: Vec<Point>,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    h: f64,
    /// Of the rule, without any density.
    weight: f64,
    value: f64,
    slope: f64,
}

impl Far {
    /// `None` if the panels would be too many.
    pub(super) fn new(function: &Pointwise, breaks: &[f64]) -> Option<Self> {
        let range = GAUSSIAN_RANGE * LARGEST_ROOT;
        let mut edges = breaks.to_vec();
        edges.push(0.0);
        let centres = edges.clone();
        let mut width = 3.0 * function.length_scale();
        while width < range {
            edges.extend(centres.iter().flat_map(|centre| [centre - width, centre + width]));
            width *= 3.0;
        }
        close_edges(&mut edges, -range, range);
        let rule = GaussLegendre::cached(PER_PANEL);
        let fill = |a: f64, b: f64| -> Vec<Point> {
            let (half, middle) = (0.5 * (b - a), 0.5 * (a + b));
            let points = rule.nodes.iter().zip(&rule.weights).map(|(x, w)| {
                let h = middle + half * x;
                let (value, slope) = function.value_and_derivative(h);
                Point { h, weight: half * w, value, slope }
            });
            points.collect()
        };
        let mut stack: Vec<(f64, f64, Vec<Point>, u32)> =
            edges.windows(2).rev().map(|p| (p[0], p[1], fill(p[0], p[1]), 0)).collect();
        let (mut points, mut panels) = (Vec::new(), 0);
        while let Some((a, b, whole, depth)) = stack.pop() {
            let middle = 0.5 * (a + b);
            let (left, right) = (fill(a, middle), fill(middle, b));
            let settled = {
                let (one, two, three) = (sums(&whole), sums(&left), sums(&right));
                (0..3).all(|k| {
                    let scale = one[k + 3].max(two[k + 3] + three[k + 3]);
                    (two[k] + three[k] - one[k]).abs() <= 1e-13 * scale || scale < 1e-30
                })
            };
            if settled || depth >= 14 {
                points.extend(left);
                points.extend(right);
                panels += 1;
                if panels > PANELS {
                    return None;
                }
            } else {
                stack.push((middle, b, right, depth + 1));
                stack.push((a, middle, left, depth + 1));
            }
        }
        points.iter().all(|p| p.value.is_finite() && p.slope.is_finite()).then_some(Self { points })
    }

    pub(super) fn reaches(q: f64) -> bool {
        q <= LARGEST_ROOT * LARGEST_ROOT
    }

    /// `E φ`, `E φ²`, `E φ'²` and `E φ φ' h / q`.
    pub(super) fn sums(&self, q: f64) -> [f64; 4] {
        let root = q.sqrt();
        let range = GAUSSIAN_RANGE * root;
        let first = self.points.partition_point(|p| p.h < -range);
        let last = self.points.partition_point(|p| p.h <= range);
        let mut sums = [0.0; 4];
        for p in &self.points[first..last] {
            let weight = p.weight * normal_density(p.h / root) / root;
            sums[0] += weight * p.value;
            sums[1] += weight * p.value * p.value;
            sums[2] += weight * p.slope * p.slope;
            sums[3] += weight * p.value * p.slope * p.h / q;
        }
        sums
    }
}

/// Integrals of `φ`, `φ²`, `φ'²` over a panel, and of their sizes.
fn sums(points: &[Point]) -> [f64; 6] {
    let mut sums = [0.0; 6];
    for p in points {
        let parts = [p.value, p.value * p.value, p.slope * p.slope];
        for (k, part) in parts.into_iter().enumerate() {
            sums[k] += p.weight * part;
            sums[k + 3] += p.weight * part.abs();
        }
    }
    sums
}
