//! A function evaluated once, on panels that resolve it at every scale: its moments at any variance are sums over these.

use super::Pointwise;
use crate::math::quadrature::{GAUSSIAN_RANGE, GaussLegendre};
use crate::math::special::normal_density;

/// Points per panel.
const PER_PANEL: usize = 20;

/// Each panel is so many times as far from zero as the one before: 20 points leave 1e-15 of a bell of any width.
const RATIO: f64 = 3.0;

/// Standard deviations that are served.
const ROOTS: (f64, f64) = (1e-6, 1e6);

/// Panels at most; a function that needs more is integrated anew at every variance.
const PANELS: usize = 400;

/// Standard deviations below which the bell is a polynomial of [`POWERS`] terms, to 1e-15.
const CENTRE: f64 = 0.03;
const POWERS: usize = 4;

/// Standard deviations below which a point adds nothing to a sum that is wanted to five digits.
const ROUGH_CENTRE: f64 = 0.002;

/// Terms of [`Resolved::rough_kernel`]: `0.5^18` is 4e-6.
const ROUGH_TERMS: usize = 18;
const LANES: usize = 4;

/// The function at the points of panels that widen with the distance from zero and from its bends.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    /// To the left and to the right of zero.
    sides: [Side; 2],
}

/// Half of the line, outwards from zero.
#[derive(Debug, Clone)]
struct Side {
    /// Distances from zero at which panels begin and end.
    edges: Vec<f64>,
    points: Vec<Point>,
    /// For each edge, what lies nearer to zero: the parts of [`Point`] times `(-h²/2)^m/m!`.
    centre: Vec<[[f64; POWERS]; 4]>,
}

/// Between two distances from zero.
#[derive(Debug)]
struct Panel {
    from: f64,
    to: f64,
    points: [Point; PER_PANEL],
}

#[derive(Debug, Clone, Copy)]
struct Point {
    h: f64,
    /// Weight of the rule times `φ`, `φ²`, `φ'²` and `φ φ' h`.
    parts: [f64; 4],
}

impl Resolved {
    /// `None` if the panels would be too many, or the function leaves the numbers. With `trusted`, the function bends on its
    /// length scale around zero and its breaks only, and nothing is checked.
    pub(super) fn new(function: &Pointwise, breaks: &[f64], trusted: bool) -> Option<Self> {
        let [left, right] = [-1.0, 1.0].map(|sign| Side::new(function, breaks, sign, trusted));
        Some(Self { sides: [left?, right?] })
    }

    pub(super) fn reaches(q: f64) -> bool {
        let root = q.sqrt();
        (ROOTS.0..=ROOTS.1).contains(&root)
    }

    /// `E φ`, `E φ²`, `E φ'²` and `E φ φ' h / q`.
    pub(super) fn sums(&self, q: f64) -> [f64; 4] {
        let root = q.sqrt();
        let mut sums = [0.0; 4];
        for side in &self.sides {
            let (from, to) = side.panels_between(CENTRE * root, GAUSSIAN_RANGE * root);
            let top = normal_density(0.0);
            for (sum, terms) in sums.iter_mut().zip(&side.centre[from]) {
                *sum += top * terms.iter().rev().fold(0.0, |sum, term| sum / q + term);
            }
            for point in &side.points[from * PER_PANEL..to * PER_PANEL] {
                let density = normal_density(point.h / root);
                for (sum, part) in sums.iter_mut().zip(point.parts) {
                    *sum += density * part;
                }
            }
        }
        let [mean, second, slope, mixed] = sums.map(|sum| sum / root);
        [mean, second, slope, mixed / q]
    }

    /// `E[φ(u)φ(v)]` for a correlation within ½, to 1e-5 of `E φ²`: for brackets of roots.
    pub(super) fn rough_kernel(&self, q: f64, c: f64) -> f64 {
        let root = q.sqrt();
        // Points share lanes: one long sum would wait for each addition.
        let mut coefficients = [[0.0; LANES]; ROUGH_TERMS];
        let mut add = |points: &[Point; PER_PANEL]| {
            let z: [f64; PER_PANEL] = points.each_ref().map(|point| point.h / root);
            let mut previous = [0.0; PER_PANEL];
            let mut current: [f64; PER_PANEL] =
                std::array::from_fn(|i| normal_density(z[i]) * points[i].parts[0] / root);
            for (n, lanes) in coefficients.iter_mut().enumerate() {
                for i in 0..PER_PANEL {
                    lanes[i % LANES] += current[i];
                }
                let (order, next) = ((n as f64).sqrt(), 1.0 / (n as f64 + 1.0).sqrt());
                for i in 0..PER_PANEL {
                    let after = (z[i] * current[i] - order * previous[i]) * next;
                    (previous[i], current[i]) = (current[i], after);
                }
            }
        };
        for side in &self.sides {
            let (from, to) = side.panels_between(ROUGH_CENTRE * root, GAUSSIAN_RANGE * root);
            let (panels, _) = side.points[from * PER_PANEL..to * PER_PANEL].as_chunks();
            panels.iter().for_each(&mut add);
            // What is nearer sits at zero.
            let [mean, ..] = side.centre[from];
            let mut nearer = [Point { h: 0.0, parts: [0.0; 4] }; PER_PANEL];
            nearer[0].parts[0] = mean[0];
            add(&nearer);
        }
        let coefficients = coefficients.map(|lanes| lanes.iter().sum::<f64>());
        coefficients.iter().rev().fold(0.0, |sum, a| sum * c + a * a)
    }
}

impl Side {
    fn new(function: &Pointwise, breaks: &[f64], sign: f64, trusted: bool) -> Option<Self> {
        let mut side = Self::empty();
        let edges = Self::first_edges(function, breaks, sign);
        let mut stack: Vec<(Panel, u32)> = edges
            .windows(2)
            .rev()
            .map(|ends| (Panel::new(function, sign, ends[0], ends[1]), 0))
            .collect();
        while let Some((whole, depth)) = stack.pop() {
            if trusted || depth >= 14 {
                side.push(&whole)?;
                continue;
            }
            let middle = 0.5 * (whole.from + whole.to);
            let left = Panel::new(function, sign, whole.from, middle);
            let right = Panel::new(function, sign, middle, whole.to);
            if whole.equals(&left, &right) {
                side.push(&left)?;
                side.push(&right)?;
            } else {
                stack.push((right, depth + 1));
                stack.push((left, depth + 1));
            }
        }
        Some(side)
    }

    fn empty() -> Self {
        Self { edges: vec![0.0], points: Vec::new(), centre: vec![[[0.0; POWERS]; 4]] }
    }

    /// Ends of panels that suit the bell at every scale, and a function that bends around zero and its breaks.
    fn first_edges(function: &Pointwise, breaks: &[f64], sign: f64) -> Vec<f64> {
        let range = GAUSSIAN_RANGE * ROOTS.1;
        let mut edges: Vec<f64> = breaks.iter().map(|at| sign * at).collect();
        let first = 3.0 * function.length_scale().min(1.0);
        let mut width = first;
        while width < range {
            edges.push(width);
            edges.extend(breaks.iter().flat_map(|at| [sign * at - width, sign * at + width]));
            width *= RATIO;
        }
        width = first / RATIO;
        while width > ROOTS.0 {
            edges.push(width);
            width /= RATIO;
        }
        edges.retain(|edge| *edge > 0.0 && *edge < range);
        edges.extend([0.0, range]);
        edges.sort_by(f64::total_cmp);
        edges.dedup_by(|next, before| *next - *before <= 1e-13 * *next);
        edges
    }

    /// Appends the next panel. `None`: there are too many, or the function has left the numbers.
    fn push(&mut self, panel: &Panel) -> Option<()> {
        let mut centre = self.centre.last().copied()?;
        for point in &panel.points {
            let square = -0.5 * point.h * point.h;
            for (terms, part) in centre.iter_mut().zip(point.parts) {
                let mut term = part;
                for (m, sum) in (1..).zip(terms) {
                    *sum += term;
                    term *= square / f64::from(m);
                }
            }
        }
        self.points.extend_from_slice(&panel.points);
        self.edges.push(panel.to);
        self.centre.push(centre);
        let finite = centre.iter().all(|terms| terms[0].is_finite());
        (finite && self.edges.len() <= PANELS / 2).then_some(())
    }

    /// The first panel that is not wholly nearer to zero than `from`, and the first wholly beyond `to`.
    fn panels_between(&self, from: f64, to: f64) -> (usize, usize) {
        let first = self.edges.partition_point(|edge| *edge <= from).saturating_sub(1);
        let last = self.edges.partition_point(|edge| *edge < to).min(self.edges.len() - 1);
        (first, last)
    }
}

impl Panel {
    fn new(function: &Pointwise, sign: f64, from: f64, to: f64) -> Self {
        let rule = GaussLegendre::cached(PER_PANEL);
        let (half, middle) = (0.5 * (to - from), 0.5 * (from + to));
        let h: [f64; PER_PANEL] = std::array::from_fn(|i| sign * (middle + half * rule.nodes[i]));
        let (values, slopes) = function.values_and_derivatives(&h);
        let points = std::array::from_fn(|i| {
            let (weight, value, slope) = (half * rule.weights[i], values[i], slopes[i]);
            let parts = [value, value * value, slope * slope, value * slope * h[i]];
            Point { h: h[i], parts: parts.map(|part| weight * part) }
        });
        Self { from, to, points }
    }

    /// Whether both halves together give the integrals of `φ`, `φ²` and `φ'²`, up to rounding.
    fn equals(&self, left: &Self, right: &Self) -> bool {
        let size = |panel: &Self, k: usize| panel.sum(k, f64::abs);
        (0..3).all(|k| {
            let [whole, left_part, right_part] =
                [self, left, right].map(|panel| panel.sum(k, |part| part));
            let scale = size(self, k).max(size(left, k) + size(right, k));
            (left_part + right_part - whole).abs() <= 1e-13 * scale || scale < 1e-30
        })
    }

    fn sum(&self, k: usize, f: impl Fn(f64) -> f64) -> f64 {
        self.points.iter().map(|point| f(point.parts[k])).sum()
    }
}
