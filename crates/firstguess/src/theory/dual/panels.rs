//! Panels on which a function under a normal law is as good as polynomial, and the integrals over them.

use super::{Correlation, Pointwise};
use crate::math::quadrature::{GAUSSIAN_RANGE, GaussLegendre};
use crate::math::special::{FRAC_1_SQRT_2PI, normal_density};

/// Points per panel of the rules that look for their own panels.
pub(super) const PER_PANEL: usize = 32;

/// Panels in `h` on which the function is as good as polynomial for the weight `N(0, q)`.
#[derive(Debug, Clone)]
pub(super) struct Panels {
    pub(super) edges: Vec<f64>,
    pub(super) root: f64,
}

impl Panels {
    pub(super) fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// Splits at the breaks, then halves each panel until `E φ` and `E φ²` stand still.
    pub(super) fn resolve(function: &Pointwise, breaks: &[f64], q: f64) -> Self {
        let root = q.sqrt();
        let range = GAUSSIAN_RANGE * root;
        let mut start: Vec<f64> = breaks.to_vec();
        start.push(0.0);
        // Bends sit around zero and the breaks. From far away halving alone would step over them.
        let centres = start.clone();
        let mut width = 3.0 * function.length_scale();
        while width < range {
            start.extend(centres.iter().flat_map(|c| [c - width, c + width]));
            width *= 4.0;
        }
        close_edges(&mut start, -range, range);
        let rule = GaussLegendre::cached(PER_PANEL);
        let sums = |a: f64, b: f64| {
            let mut sums = [0.0; 3];
            let (half, mid) = (0.5 * (b - a), 0.5 * (a + b));
            for (x, w) in rule.nodes.iter().zip(&rule.weights) {
                let h = mid + half * x;
                let (value, first) = function.value_and_derivative(h);
                let weight = w * normal_density(h / root);
                sums[0] += weight * value;
                sums[1] += weight * value * value;
                sums[2] += weight * first * first;
            }
            sums.map(|sum| sum * half / root)
        };
        let mut stack: Vec<(f64, f64, [f64; 3], u32)> =
            start.windows(2).rev().map(|p| (p[0], p[1], sums(p[0], p[1]), 0)).collect();
        let total = |k: usize| stack.iter().map(|(_, _, s, _)| s[k]).sum::<f64>();
        let second = total(1).max(f64::MIN_POSITIVE);
        let scales = [second.sqrt(), second, total(2).max(f64::MIN_POSITIVE)];
        let mut edges = vec![start[0]];
        while let Some((a, b, whole, depth)) = stack.pop() {
            let middle = 0.5 * (a + b);
            let (left, right) = (sums(a, middle), sums(middle, b));
            let error = (0..3)
                .map(|k| (left[k] + right[k] - whole[k]).abs() / scales[k])
                .fold(0.0, f64::max);
            // Fourteen halvings resolve a bend sixteen thousand times narrower than its panel.
            if error <= 4e-15 || depth >= 14 || edges.len() > 2000 {
                edges.push(b);
            } else {
                stack.push((middle, b, right, depth + 1));
                stack.push((a, middle, left, depth + 1));
            }
        }
        Self { edges, root }
    }

    /// Calls `f(h, weight)` on every point of the rule for `E[.]` under `N(0, q)`.
    pub(super) fn for_each_point(&self, per_panel: usize, mut f: impl FnMut(f64, f64)) {
        let rule = GaussLegendre::cached(per_panel);
        for panel in self.edges.windows(2) {
            let (half, mid) = (0.5 * (panel[1] - panel[0]), 0.5 * (panel[0] + panel[1]));
            for (x, w) in rule.nodes.iter().zip(&rule.weights) {
                let h = mid + half * x;
                f(h, w * half / self.root * normal_density(h / self.root));
            }
        }
    }
}

/// `E[f(u) f(v)]` for variances `(q_outer, q_inner)`: the inner integral runs over `v` given `u`.
pub(super) fn nested(
    panels: &Panels,
    (q_outer, q_inner): (f64, f64),
    at: Correlation,
    breaks: &[f64],
    f: impl Fn(f64) -> f64,
) -> f64 {
    let spread = (at.complement * (1.0 + at.c)).max(0.0).sqrt();
    let (root_outer, root_inner) = (q_outer.sqrt(), q_inner.sqrt());
    let rule = GaussLegendre::cached(PER_PANEL);
    if spread < 1e-12 {
        let sign = at.c.signum();
        let mut sum = 0.0;
        let mut edges: Vec<f64> = panels
            .edges
            .iter()
            .flat_map(|e| [e / root_outer, -e / root_outer, e / root_inner, -e / root_inner])
            .collect();
        close_edges(&mut edges, -GAUSSIAN_RANGE, GAUSSIAN_RANGE);
        for piece in edges.windows(2) {
            sum += rule.integrate(piece[0], piece[1], |z| {
                normal_density(z) * f(root_outer * z) * f(sign * root_inner * z)
            });
        }
        return sum;
    }
    let mut outer: Vec<f64> = panels.edges.iter().map(|e| e / root_outer).collect();
    outer.extend(edges_of_mean(panels, root_inner, at.c, spread, breaks));
    close_edges(&mut outer, -GAUSSIAN_RANGE, GAUSSIAN_RANGE);
    let mut total = 0.0;
    for panel in outer.windows(2) {
        total += rule.integrate(panel[0], panel[1], |x| {
            let inner = conditional(panels, q_inner, at.c * root_inner * x, spread, &f);
            normal_density(x) * f(root_outer * x) * inner
        });
    }
    total
}

/// Edges in `x` of panels that resolve the mean of a function of `root · (c x + spread · y)` over a standard normal `y`.
pub(super) fn edges_of_mean(
    panels: &Panels,
    root: f64,
    c: f64,
    spread: f64,
    breaks: &[f64],
) -> Vec<f64> {
    // It is the function again, seen through c and smoothed.
    let mut edges: Vec<f64> =
        panels.edges.iter().map(|e| e / (root * c)).filter(|e| e.is_finite()).collect();
    edges.push(0.0);
    if c.abs() > 0.5 {
        // Where the inner variable crosses a break, the mean turns within a layer of width s/c.
        for k in breaks {
            let centre = k / (root * c);
            let mut width = 2.0 * spread / c.abs();
            while width < GAUSSIAN_RANGE {
                edges.extend([centre - width, centre + width]);
                width *= 4.0;
            }
            edges.push(centre);
        }
    }
    edges
}

/// `E[f(centre + √q s y)]` over a standard normal `y`.
pub(super) fn conditional(
    panels: &Panels,
    q: f64,
    centre: f64,
    spread: f64,
    f: impl Fn(f64) -> f64,
) -> f64 {
    let width = q.sqrt() * spread;
    let rule = GaussLegendre::cached(PER_PANEL);
    let (low, high) = (centre - GAUSSIAN_RANGE * width, centre + GAUSSIAN_RANGE * width);
    let mut sum = 0.0;
    let mut piece = |a: f64, b: f64| {
        if b > a {
            sum += rule.integrate(a, b, |h| {
                let y = (h - centre) / width;
                (-0.5 * y * y).exp() * f(h)
            });
        }
    };
    // Edges inside the window, with the centre of the bell among them.
    let first = panels.edges.partition_point(|e| *e <= low);
    let last = panels.edges.partition_point(|e| *e < high);
    let mut a = low;
    let mut centred = false;
    for &edge in panels.edges.get(first..last).unwrap_or(&[]).iter().chain([&high]) {
        if !centred && edge >= centre {
            piece(a, centre);
            a = centre;
            centred = true;
        }
        piece(a, edge);
        a = edge;
    }
    sum * FRAC_1_SQRT_2PI / width
}

/// Sorts, clips to `[low, high]`, adds the ends and drops doubles.
pub(super) fn close_edges(edges: &mut Vec<f64>, low: f64, high: f64) {
    edges.retain(|e| *e > low && *e < high);
    edges.push(low);
    edges.push(high);
    edges.sort_by(f64::total_cmp);
    edges.dedup_by(|a, b| (*a - *b).abs() <= 1e-13 * (high - low));
}
