//! Functions made of lines and parabolas: every product of two pieces is a truncated moment in closed form.
//!
//! ```text
//! φ(x) = α x + β + Σ_k (v_k + s_k t + p_k t²) 1[t > 0],   t = ±(x - b_k)
//! ```
//!
//! The line is that of the piece around zero, the rest is added outwards, so that small variances lose no digits. Needed
//! because kinks away from zero make `k(q_a, q_b, c)` break as `|√q_a - √q_b|³` where inputs merge: no table holds that.

use super::hermite::normalise;
use super::points::Points;
use super::vector::{HermiteMap, Powers, WIDTH, apply_and_repair};
use crate::math::quadrature::GaussLegendre;
use crate::math::special::{normal_cdf, normal_density};
use crate::spec::activation::{Activation, Parity};
use crate::theory::dual::Pointwise;
use std::f64::consts::TAU;
use std::sync::Arc;

/// One joint: what is added beyond it.
#[derive(Debug, Clone, Copy)]
struct Joint {
    /// Where.
    at: f64,
    /// +1 if it acts to the right, -1 to the left.
    side: f64,
    /// Coefficients of `1, t, t²`.
    powers: [f64; 3],
}

/// The function, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Piecewise {
    slope: f64,
    offset: f64,
    joints: Vec<Joint>,
    powers: Powers,
    rules: [Arc<GaussLegendre>; 3],
}

/// What one input contributes on its own.
struct Own {
    root: f64,
    /// Distance of each joint in standard deviations, along its side.
    heights: Vec<f64>,
    /// `E` of the sum of all that is added, and of its derivative.
    mean: f64,
    slope: f64,
}

impl Piecewise {
    /// `None` if the function has other pieces than lines and parabolas.
    pub(super) fn of(function: &Pointwise) -> Option<Self> {
        let mut joints = Vec::new();
        let (slope, offset) = match function.functions() {
            [Activation::SquaredRelu] => {
                joints.push(Joint { at: 0.0, side: 1.0, powers: [0.0, 0.0, 1.0] });
                (0.0, 0.0)
            }
            [Activation::HardSwish] => {
                // x(x + 3)/6 in the middle: the parabola is added on both sides of zero and taken back beyond ±3.
                let sixth = 1.0 / 6.0;
                for side in [1.0, -1.0] {
                    joints.push(Joint { at: 0.0, side, powers: [0.0, 0.0, sixth] });
                }
                // Right: x - x(x + 3)/6 = -(t² + 3t)/6 at x = 3 + t; left: -x(x + 3)/6 = -(t² + 3t)/6 at x = -3 - t.
                for side in [1.0, -1.0] {
                    let powers = [0.0, -0.5, -sixth];
                    joints.push(Joint { at: 3.0 * side, side, powers });
                }
                (0.5, 0.0)
            }
            [single] => {
                let pieces = single.piecewise_linear()?;
                let home = pieces.iter().rposition(|piece| piece.start <= 0.0)?;
                for side in [1.0, -1.0] {
                    let mut inner = home;
                    loop {
                        let next = if side > 0.0 { inner + 1 } else { inner.wrapping_sub(1) };
                        let Some(outer) = pieces.get(next) else { break };
                        let at = if side > 0.0 { outer.start } else { pieces[inner].start };
                        let slope = outer.slope - pieces[inner].slope;
                        let jump = slope * at + (outer.intercept - pieces[inner].intercept);
                        joints.push(Joint { at, side, powers: [jump, side * slope, 0.0] });
                        inner = next;
                    }
                }
                (pieces[home].slope, pieces[home].intercept)
            }
            _ => return None,
        };
        let rules = [6, 12, 20].map(GaussLegendre::cached);
        let powers = if function.parity() == Parity::Odd { Powers::Odd } else { Powers::All };
        Some(Self { slope, offset, joints, powers, rules })
    }

    fn own(&self, q: f64) -> Own {
        // The origin itself is taken as the limit.
        let root = q.sqrt().max(1e-150);
        let heights: Vec<f64> = self.joints.iter().map(|j| j.side * j.at / root).collect();
        let (mut mean, mut slope) = (0.0, 0.0);
        for (joint, &h) in self.joints.iter().zip(&heights) {
            let (density, above) = (normal_density(h), normal_cdf(-h));
            let first = root * (density - h * above);
            let square = root * root * (above - h * (density - h * above));
            let [v, s, p] = joint.powers;
            mean += v * above + s * first + p * square;
            slope += joint.side * (s * above + 2.0 * p * first + v * density / root);
        }
        Own { root, heights, mean, slope }
    }

    /// `E[φ(u)φ(v)]` at `c = 1 - complement`.
    fn kernel(&self, a: &Own, b: &Own, complement: f64) -> f64 {
        let covariance = a.root * b.root * (1.0 - complement);
        let mut sum = self.slope * covariance * (self.slope + a.slope + b.slope)
            + self.offset * (self.offset + a.mean + b.mean);
        for (first, &h) in self.joints.iter().zip(&a.heights) {
            if h > FAR {
                continue;
            }
            for (second, &k) in self.joints.iter().zip(&b.heights) {
                if k > FAR {
                    continue;
                }
                let facing = first.side * second.side > 0.0;
                let along = if facing { complement } else { 2.0 - complement };
                let moments = truncated_moments(h, k, along, &self.rules);
                let (mut power_a, mut product) = (1.0, 0.0);
                for (of_a, row) in first.powers.iter().zip(&moments) {
                    let mut power_b = 1.0;
                    for (of_b, moment) in second.powers.iter().zip(row) {
                        let weight = of_a * of_b;
                        if weight != 0.0 {
                            product += weight * power_a * power_b * moment;
                        }
                        power_b *= b.root;
                    }
                    power_a *= a.root;
                }
                sum += product;
            }
        }
        sum
    }

    /// `(E φ, E φ²)` at variance `q`.
    pub(super) fn moments(&self, q: f64) -> [f64; 2] {
        let own = self.own(q);
        [self.offset + own.mean, self.kernel(&own, &own, 0.0)]
    }

    /// Maps the angles of Gaussian points; `second` is `E φ²` of each.
    ///
    /// Up to [`TURN`] a Hermite series is exact to rounding and much faster; beyond it the closed form takes over.
    pub(super) fn map(&self, points: &mut Points, second: &[f64]) {
        let own: Vec<Own> = points.second.iter().map(|q| self.own(*q)).collect();
        let stride = own.len() + WIDTH;
        let mut rows = self.series(&own, stride);
        normalise(&mut rows, stride, second);
        let mut missing = vec![1.0; own.len()];
        for row in rows.chunks_exact(stride) {
            missing.iter_mut().zip(row).for_each(|(left, a)| *left -= a * a);
        }
        let map = HermiteMap { rows: &rows, stride, powers: self.powers };
        apply_and_repair(points, map, |a, before, after| {
            for (b, (complement, mapped)) in before.iter().zip(after).enumerate() {
                let exact = if (1.0 - complement).abs() <= TURN {
                    *mapped + 0.5 * (missing[a] + missing[b])
                } else {
                    let product = second[a].sqrt() * second[b].sqrt();
                    1.0 - self.kernel(&own[a], &own[b], *complement) / product
                };
                *mapped = exact.clamp(0.0, 2.0);
            }
        });
    }

    /// Hermite coefficients of every input by parts, `[terms][stride]`.
    ///
    /// ```text
    /// E[f h_n] = E[f' h_{n-1}]/√n,   E[1[z > h] h_n] = density(h) h_{n-1}(h)/√n
    /// ```
    fn series(&self, own: &[Own], stride: usize) -> Vec<f64> {
        let kept = |n: usize| self.powers == Powers::All || n % 2 == 1;
        let terms: Vec<usize> = (0..TERMS).filter(|n| kept(*n)).collect();
        let mut rows = vec![0.0; terms.len() * stride];
        for (input, of) in own.iter().enumerate() {
            let mut coefficients = vec![0.0; TERMS];
            coefficients[0] = self.offset + of.mean;
            coefficients[1] = of.root * (self.slope + of.slope);
            for (joint, &h) in self.joints.iter().zip(&of.heights) {
                if h > FAR {
                    continue;
                }
                let [v, s, p] = joint.powers;
                let powers = [v, s * of.root, 2.0 * p * of.root * of.root];
                let density = normal_density(h);
                // h_{n-1}, h_{n-2}, h_{n-3} at the joint times the density; the one before the first is the tail.
                let mut h1 = h * density;
                let (mut h2, mut h3) = (density, normal_cdf(-h));
                let mut sign = 1.0;
                for (n, coefficient) in coefficients.iter_mut().enumerate().skip(2) {
                    let order = n as f64;
                    let fall1 = order.sqrt();
                    let fall2 = fall1 * (order - 1.0).sqrt();
                    let fall3 = if n == 2 { fall2 } else { fall2 * (order - 2.0).sqrt() };
                    *coefficient += sign
                        * (powers[0] * h1 / fall1
                            + powers[1] * h2 / fall2
                            + powers[2] * h3 / fall3);
                    sign *= joint.side;
                    let next = (h * h1 - (order - 1.0).sqrt() * h2) / order.sqrt();
                    (h3, h2, h1) = (h2, h1, next);
                }
            }
            for (row, n) in terms.iter().enumerate() {
                rows[row * stride + input] = coefficients[*n];
            }
        }
        rows
    }
}

/// Terms of the Hermite series.
const TERMS: usize = 512;

/// Largest `|c|` at which [`TERMS`] terms leave nothing: `0.96^512` is 8e-10, of coefficients of 1e-5.
const TURN: f64 = 0.96;

/// Beyond so many standard deviations a joint is never reached.
const FAR: f64 = 38.5;

/// `E[(u - h)₊^i (v - k)₊^j]` for `i, j ≤ 2`, standard normal `u, v` of correlation `1 - complement`.
///
/// By parts, from the orthant probability up: `E[u g] = E[∂g/∂u] + c E[∂g/∂v]`.
fn truncated_moments(
    h: f64,
    k: f64,
    complement: f64,
    rules: &[Arc<GaussLegendre>; 3],
) -> [[f64; 3]; 3] {
    let c = 1.0 - complement;
    let r = (complement * (2.0 - complement)).max(0.0).sqrt();
    let probability = orthant(h, k, complement, rules);
    // One variable on its joint, the other beyond its own.
    let conditional = |at: f64, bound: f64| {
        let distance = c * at - bound;
        let g = distance / r.max(1e-200);
        let (above, density) = (normal_cdf(g), normal_density(g));
        let rest = distance * above + r * density;
        [above, rest]
    };
    let (on_h, on_k) = (conditional(h, k), conditional(k, h));
    let (at_h, at_k) = (normal_density(h), normal_density(k));
    let mut m = [[0.0; 3]; 3];
    m[0][0] = probability;
    m[1][0] = -h * probability + at_h * on_h[0] + c * at_k * on_k[0];
    m[0][1] = -k * probability + at_k * on_k[0] + c * at_h * on_h[0];
    m[1][1] = -h * m[0][1] + c * probability + at_h * on_h[1];
    m[2][0] = -h * m[1][0] + probability + c * at_k * on_k[1];
    m[0][2] = -k * m[0][1] + probability + c * at_h * on_h[1];
    m[2][1] = -h * m[1][1] + m[0][1] + c * m[1][0];
    m[1][2] = -k * m[1][1] + m[1][0] + c * m[0][1];
    m[2][2] = -h * m[1][2] + m[0][2] + 2.0 * c * m[1][1];
    m
}

/// `P(u > h, v > k)` to an absolute error of a few 1e-16, at the price of twenty exponentials.
///
/// # References
///
/// `genz2004`.
fn orthant(h: f64, k: f64, complement: f64, rules: &[Arc<GaussLegendre>; 3]) -> f64 {
    let c = 1.0 - complement;
    if c.abs() < 0.925 {
        let rule = match c.abs() {
            size if size < 0.3 => &rules[0],
            size if size < 0.75 => &rules[1],
            _ => &rules[2],
        };
        let (squares, product) = (0.5 * (h * h + k * k), h * k);
        let angle = c.asin();
        let mut sum = 0.0;
        for (x, w) in rule.nodes.iter().zip(&rule.weights) {
            let sine = (0.5 * angle * (1.0 + x)).sin();
            sum += w * ((sine * product - squares) / (1.0 - sine * sine)).exp();
        }
        return sum * angle / (2.0 * TAU) + normal_cdf(-h) * normal_cdf(-k);
    }
    // Near ±1: the integrand is compared with what it is at ±1, where the integral is known.
    let k = if c < 0.0 { -k } else { k };
    let product = h * k;
    let square = complement * (2.0 - complement);
    let mut sum = 0.0;
    if square > 0.0 {
        let root = square.sqrt();
        let gap = (h - k) * (h - k);
        let (first, second) = ((4.0 - product) / 8.0, (12.0 - product) / 16.0);
        let exponent = -0.5 * (gap / square + product);
        if exponent > -100.0 {
            sum = root
                * exponent.exp()
                * (1.0 - first * (gap - square) * (1.0 - second * gap / 5.0) / 3.0
                    + first * second * square * square / 5.0);
        }
        if product > -100.0 {
            let distance = gap.sqrt();
            sum -= (-0.5 * product).exp()
                * TAU.sqrt()
                * normal_cdf(-distance / root)
                * distance
                * (1.0 - first * gap * (1.0 - second * gap / 5.0) / 3.0);
        }
        let half = 0.5 * root;
        for (x, w) in rules[2].nodes.iter().zip(&rules[2].weights) {
            let place = half * (1.0 + x);
            let xs = place * place;
            let rs = (1.0 - xs).sqrt();
            let exponent = -0.5 * (gap / xs + product);
            if exponent > -100.0 {
                let exact = (-product * xs / (2.0 * (1.0 + rs) * (1.0 + rs))).exp() / rs;
                sum +=
                    half * w * exponent.exp() * (exact - (1.0 + first * xs * (1.0 + second * xs)));
            }
        }
        sum /= -TAU;
    }
    if c > 0.0 {
        return sum + normal_cdf(-h.max(k));
    }
    let strip = if k > h {
        if h < 0.0 { normal_cdf(k) - normal_cdf(h) } else { normal_cdf(-h) - normal_cdf(-k) }
    } else {
        0.0
    };
    strip - sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::bivariate_normal::bivariate_normal_cdf;

    /// Genz's formulas against the library's own integral over the correlation.
    #[test]
    fn orthants_agree_with_the_bivariate_normal_distribution() {
        let rules = [6, 12, 20].map(GaussLegendre::cached);
        for c in [-1.0, -0.999_999, -0.95, -0.5, 0.0, 0.2, 0.6, 0.92, 0.93, 0.999, 1.0 - 1e-9, 1.0]
        {
            for h in [-3.0, -0.4, 0.0, 0.3, 0.301, 2.0, 9.0] {
                for k in [-1.0, 0.0, 0.3, 1.9, 2.0, 30.0] {
                    let expected = bivariate_normal_cdf(-h, -k, c);
                    let found = orthant(h, k, 1.0 - c, &rules);
                    // Near -1 the complement itself has lost digits.
                    assert!((found - expected).abs() < 1e-13, "{h} {k} {c}: {found} {expected}");
                }
            }
        }
    }

    /// The pieces put together again are the function.
    #[test]
    fn the_pieces_add_up_to_the_function() {
        for name in ["relu6", "hard_tanh", "hard_swish", "squared_relu", "shifted_relu", "sign"] {
            let function = Pointwise::from(&name.parse::<Activation>().unwrap());
            let pieces = Piecewise::of(&function).unwrap();
            for i in -40..40 {
                let x = f64::from(i) * 0.25 + 0.01;
                let mut sum = pieces.slope * x + pieces.offset;
                for joint in &pieces.joints {
                    let t = joint.side * (x - joint.at);
                    if t > 0.0 {
                        sum += joint.powers[0] + t * (joint.powers[1] + t * joint.powers[2]);
                    }
                }
                assert!((sum - function.value(x)).abs() < 1e-14, "{name} at {x}: {sum}");
            }
        }
    }
}
