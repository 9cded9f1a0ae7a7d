//! Gauss–Legendre quadrature, and Gaussian expectations over panels split where the integrand breaks.

use super::special::normal_density;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the standard normal law is cut: the mass beyond is 4e-33.
pub const GAUSSIAN_RANGE: f64 = 12.0;

/// Nodes and weights of the `n`-point Gauss–Legendre rule on [-1, 1].
///
/// Newton's iteration on the Legendre polynomial from the cosine start; nodes ascend.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussLegendre {
    /// Nodes in (-1, 1), ascending.
    pub nodes: Vec<f64>,
    /// Positive weights, summing to 2.
    pub weights: Vec<f64>,
}

impl GaussLegendre {
    /// Builds the rule with `n ≥ 1` points; exact for polynomials of degree `2n - 1`.
    pub fn new(n: usize) -> Self {
        let n = n.max(1);
        let mut nodes = vec![0.0; n];
        let mut weights = vec![0.0; n];
        for i in 0..n.div_ceil(2) {
            let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..100 {
                let (value, derivative) = legendre(n, x);
                slope = derivative;
                let step = value / derivative;
                x -= step;
                if step.abs() < 1e-16 {
                    break;
                }
            }
            let weight = 2.0 / ((1.0 - x * x) * slope * slope);
            nodes[i] = -x;
            nodes[n - 1 - i] = x;
            weights[i] = weight;
            weights[n - 1 - i] = weight;
        }
        if n % 2 == 1 {
            nodes[n / 2] = 0.0;
        }
        Self { nodes, weights }
    }

    /// The rule with `n` points, built once per process.
    pub fn cached(n: usize) -> Arc<Self> {
        static RULES: Mutex<Option<HashMap<usize, Arc<GaussLegendre>>>> = Mutex::new(None);
        let mut rules = RULES.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = rules.get_or_insert_with(HashMap::new);
        Arc::clone(rules.entry(n).or_insert_with(|| Arc::new(Self::new(n))))
    }

    /// `∫_a^b f(x) dx`.
    pub fn integrate(&self, a: f64, b: f64, mut f: impl FnMut(f64) -> f64) -> f64 {
        let (half, mid) = (0.5 * (b - a), 0.5 * (a + b));
        let mut sum = 0.0;
        for (x, w) in self.nodes.iter().zip(&self.weights) {
            sum += w * f(mid + half * x);
        }
        half * sum
    }
}

/// Legendre polynomial of degree `n` and its derivative at `x`.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut previous, mut current) = (1.0, x);
    for k in 2..=n {
        let k = k as f64;
        (previous, current) = (current, ((2.0 * k - 1.0) * x * current - (k - 1.0) * previous) / k);
    }
    (current, n as f64 * (x * current - previous) / (x * x - 1.0))
}

/// Points and weights of a rule for `E[f(z)]`, `z` standard normal: `Σ w_i f(z_i)`.
///
/// Gauss–Legendre on the panels between the given break points inside ±[`GAUSSIAN_RANGE`], the normal density folded into
/// the weights. Smooth pieces converge geometrically; Gauss–Hermite would converge like `1/n` at a kink.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianRule {
    /// Abscissae, ascending.
    pub points: Vec<f64>,
    /// Weights, the density included.
    pub weights: Vec<f64>,
}

impl GaussianRule {
    /// A rule with `per_panel` points between consecutive `breaks` (any order; those outside the range are dropped).
    pub fn new(breaks: &[f64], per_panel: usize) -> Self {
        let mut edges: Vec<f64> =
            breaks.iter().copied().filter(|b| b.abs() < GAUSSIAN_RANGE).collect();
        edges.push(-GAUSSIAN_RANGE);
        edges.push(GAUSSIAN_RANGE);
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        let rule = GaussLegendre::cached(per_panel);
        let capacity = (edges.len() - 1) * per_panel;
        let (mut points, mut weights) =
            (Vec::with_capacity(capacity), Vec::with_capacity(capacity));
        for panel in edges.windows(2) {
            let (half, mid) = (0.5 * (panel[1] - panel[0]), 0.5 * (panel[0] + panel[1]));
            for (x, w) in rule.nodes.iter().zip(&rule.weights) {
                let z = mid + half * x;
                points.push(z);
                weights.push(half * w * normal_density(z));
            }
        }
        Self { points, weights }
    }

    /// `E[f(z)]`.
    pub fn expect(&self, mut f: impl FnMut(f64) -> f64) -> f64 {
        let mut sum = 0.0;
        for (z, w) in self.points.iter().zip(&self.weights) {
            sum += w * f(*z);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gauss_quad::GaussLegendre as Oracle;

    #[test]
    fn nodes_and_weights_agree_with_an_independent_library() {
        for n in [2_usize, 3, 16, 41, 64] {
            let ours = GaussLegendre::new(n);
            let theirs = Oracle::new(n.try_into().expect("n ≥ 2"));
            let mut pairs: Vec<(f64, f64)> =
                theirs.as_node_weight_pairs().iter().map(|(x, w)| (*x, *w)).collect();
            pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
            for (i, (x, w)) in pairs.iter().enumerate() {
                assert!((ours.nodes[i] - x).abs() < 1e-14, "n = {n}, node {i}");
                assert!((ours.weights[i] - w).abs() < 1e-14, "n = {n}, weight {i}");
            }
        }
    }

    #[test]
    fn the_gaussian_rule_gives_moments_and_a_split_kink() {
        let rule = GaussianRule::new(&[0.0], 48);
        for (k, moment) in [(0, 1.0), (2, 1.0), (4, 3.0), (6, 15.0)] {
            assert!((rule.expect(|z| z.powi(k)) / moment - 1.0).abs() < 1e-13, "moment {k}");
        }
        let relu_mean = rule.expect(|z| z.max(0.0));
        assert!((relu_mean - super::super::special::FRAC_1_SQRT_2PI).abs() < 1e-15);
    }
}
