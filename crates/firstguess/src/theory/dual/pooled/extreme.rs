//! The largest or smallest of `K` units.
//!
//! Where `φ` is monotone the largest value is the value of the largest (or smallest) pre-activation, and two inputs
//! have the joint law of the maxima, `Φ₂(x, y; c)^K`. Hoeffding's identity gives the difference without cancellation:
//!
//! ```text
//! ½E[(g(X) - g(Y))²] = 2 ∫∫_{s<t} g'(s) g'(t) [Φ(s)^K - Φ₂(s, t)^K] ds dt,   Φ(s) - Φ₂(s, t) = P(u ≤ s, v > t)
//! ```

use super::angles::{AngleTable, BeyondTable, difference_beyond};
use super::correlated::Correlated;
use super::edges::{close, crossings, thin};
use super::levels::{Intervals, Levels, Straddle};
use super::planes::Plane;
use crate::math::bivariate_normal::Gap;
use crate::math::quadrature::GaussLegendre;
use crate::math::special::{ln_normal_cdf, normal_cdf, normal_density};
use crate::spec::activation::Kink;
use crate::theory::NoTheory;
use crate::theory::dual::even_rule::{EvenRule, largest_density};
use crate::theory::dual::panels::Panels;
use crate::theory::dual::{Correlation, Moments, Pointwise};
use std::f64::consts::TAU;
use std::sync::{Arc, OnceLock};

/// Points per panel: of the one-point rule, and of each direction of the two-point rule.
const ONE_POINT: usize = 32;
const TWO_POINT: usize = 16;

/// `x²/2` beyond which a normal density is below the rounding of what has been summed.
const DECAY: f64 = 44.0;

/// The largest (`sign` 1) or smallest (-1) of `K` values `φ(h)`.
#[derive(Debug, Clone)]
pub(in crate::theory::dual) struct Extreme {
    function: Pointwise,
    breaks: Vec<f64>,
    jumps: Vec<Kink>,
    size: f64,
    law: Law,
    even: Option<EvenRule>,
    /// The laws of units that are correlated; only under a monotone function.
    correlated: Option<Arc<Correlated>>,
    /// Two-point moments at `q = 1`, of a homogeneous function.
    unit: Tables,
}

/// Two-point moments at one variance, filled on first use.
#[derive(Debug, Clone, Default)]
pub(super) struct Tables {
    near: OnceLock<AngleTable>,
    /// For `c < 0`, of correlated units.
    beyond: OnceLock<BeyondTable>,
}

#[derive(Debug, Clone)]
enum Law {
    /// `p = φ(sign · max h)`.
    Monotone {
        sign: f64,
    },
    Levels(Levels),
}

/// `D` and `E[∂p_a ∂p_b]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) difference: f64,
    pub(super) slope: f64,
}

impl Extreme {
    pub(super) fn new(
        function: &Pointwise,
        sign: f64,
        size: usize,
        correlation: f64,
    ) -> Result<Self, NoTheory> {
        let (sign, levels) = Levels::new(function, sign)?;
        let jumps: Vec<Kink> =
            function.kinks().into_iter().filter(|kink| kink.value_jump != 0.0).collect();
        let refused = match (&levels, jumps.is_empty()) {
            _ if correlation == 0.0 => None,
            (Some(_), _) => Some("turns"),
            (None, false) => Some("jumps"),
            (None, true) => None,
        };
        if let Some(what) = refused {
            return Err(NoTheory::new(format!(
                "the largest or smallest of several units of {function}, which {what}, has a theory at correlations 0 \
                 and 1 of these units, not between: got {correlation}"
            )));
        }
        let mut breaks = function.breakpoints();
        let law = match levels {
            None => Law::Monotone { sign },
            Some(levels) => {
                breaks.extend(levels.special_points());
                breaks.sort_by(f64::total_cmp);
                breaks.dedup_by(|a, b| (*a - *b).abs() <= 1e-12 * b.abs().max(1.0));
                Law::Levels(levels)
            }
        };
        let size = size as f64;
        let smooth = breaks.is_empty();
        let correlated = (correlation > 0.0).then(|| Correlated::of(size, correlation));
        let even = smooth.then(|| match &correlated {
            Some(law) => EvenRule::of_density(|z| law.density(z)),
            None => EvenRule::largest_of(size),
        });
        let function = function.clone();
        Ok(Self { function, jumps, breaks, size, law, even, correlated, unit: Tables::default() })
    }

    /// Calls `f(h, weight)` on a rule for the law of the chosen unit's `h`.
    fn for_each_point(&self, q: f64, mut f: impl FnMut(f64, f64)) {
        let root = q.sqrt();
        let panels = Panels::resolve(&self.function, &self.breaks, q);
        let (sign, reach) = match self.law {
            Law::Monotone { sign } => (sign, (2.0 * (DECAY + self.size.ln())).sqrt()),
            Law::Levels(_) => (1.0, 12.0),
        };
        let mut edges: Vec<f64> = panels.edges().iter().map(|e| sign * e / root).collect();
        edges.extend(self.graded_breaks(root).iter().map(|e| sign * e));
        edges.extend((-12..=12).map(f64::from));
        close(&mut edges, -reach, reach);
        let rule = GaussLegendre::cached(ONE_POINT);
        let mut scratch = Intervals::new();
        for panel in edges.windows(2) {
            let (half, middle) = (0.5 * (panel[1] - panel[0]), 0.5 * (panel[0] + panel[1]));
            for (x, w) in rule.nodes.iter().zip(&rule.weights) {
                let z = middle + half * x;
                let density = match &self.law {
                    Law::Monotone { .. } => self.largest(z),
                    Law::Levels(levels) => {
                        let share = levels.share_below(root * z, root, &mut scratch);
                        self.size * normal_density(z) * share.powf(self.size - 1.0)
                    }
                };
                f(sign * root * z, w * half * density);
            }
        }
    }

    /// Panel edges that close in on the breaks of level sets from both sides, in units of the standard deviation.
    fn graded_breaks(&self, root: f64) -> Vec<f64> {
        if matches!(self.law, Law::Monotone { .. }) {
            return Vec::new();
        }
        let near = [0.0, 0.003, 0.03, 0.2];
        self.breaks
            .iter()
            .flat_map(|b| near.iter().flat_map(move |d| [b / root - d, b / root + d]))
            .collect()
    }

    pub(super) fn moments(&self, q: f64) -> Moments {
        if let (Some(even), Law::Monotone { sign }) = (&self.even, &self.law)
            && let Some(moments) = even.moments(&self.function, *sign, q)
        {
            return moments;
        }
        let [mut mean, mut second, mut derivative, mut slope] = [0.0; 4];
        self.for_each_point(q, |h, weight| {
            let (value, first) = self.function.value_and_derivative(h);
            mean += weight * value;
            second += weight * value * value;
            derivative += weight * first * first;
            slope += weight * value * first * h / q;
        });
        let root = q.sqrt();
        for jump in &self.jumps {
            let (left, right) = sides(&self.function, jump);
            let density = self.density_at(jump.at / root) / root;
            derivative = f64::INFINITY;
            slope += 0.5 * (right * right - left * left) * density * jump.at / q;
        }
        Moments { mean, second, derivative_second: derivative, second_slope: slope }
    }

    pub(super) fn function(&self) -> &Pointwise {
        &self.function
    }

    /// Sign of the extreme of the units that a monotone function without jumps passes on.
    pub(super) fn direction(&self) -> Option<f64> {
        match self.law {
            Law::Monotone { sign } if self.jumps.is_empty() => Some(sign),
            _ => None,
        }
    }

    /// The laws of the largest unit, correlated or not.
    pub(super) fn law_of_units(&self) -> Arc<Correlated> {
        self.correlated.clone().unwrap_or_else(|| Correlated::of(self.size, 0.0))
    }

    /// Points and weights for the largest unit of variance 1, in panels that end at `kinks` and resolve both variances.
    pub(super) fn unit_points(&self, variances: [f64; 2], kinks: &[f64]) -> Vec<(f64, f64)> {
        let Some(sign) = self.direction() else { return Vec::new() };
        let reach = (2.0 * (DECAY + self.size.ln())).sqrt();
        let mut edges: Vec<f64> = kinks.iter().map(|kink| sign * kink).collect();
        for q in variances {
            let panels = Panels::resolve(&self.function, &self.breaks, q);
            edges.extend(panels.edges().iter().map(|e| sign * e / q.sqrt()));
        }
        edges.extend((-12..=12).map(f64::from));
        close(&mut edges, -reach, reach);
        let rule = GaussLegendre::cached(ONE_POINT);
        let mut points = Vec::new();
        for panel in edges.windows(2) {
            let (half, middle) = (0.5 * (panel[1] - panel[0]), 0.5 * (panel[0] + panel[1]));
            points.extend(rule.nodes.iter().zip(&rule.weights).map(|(x, w)| {
                let z = middle + half * x;
                (z, w * half * self.largest(z))
            }));
        }
        points
    }

    /// Density of the chosen unit's `h/√q`; jumps occur in monotone functions only.
    fn density_at(&self, x: f64) -> f64 {
        let sign = if let Law::Monotone { sign } = self.law { sign } else { 1.0 };
        self.largest(sign * x)
    }

    /// Density of the largest of the units, of variance 1.
    fn largest(&self, z: f64) -> f64 {
        match &self.correlated {
            Some(law) => law.density(z),
            None => largest_density(self.size, z),
        }
    }

    /// `E f(p)`.
    pub(super) fn expectation(&self, q: f64, f: impl Fn(f64) -> f64) -> f64 {
        let mut sum = 0.0;
        self.for_each_point(q, |h, weight| sum += weight * f(self.function.value(h)));
        sum
    }

    /// `(tables, their variance)` of a homogeneous function or of correlated units: nothing is computed pair by pair.
    fn tables<'a>(&'a self, q: f64, at_q: &'a Tables) -> (&'a Tables, f64) {
        if self.function.homogeneity().is_some() { (&self.unit, 1.0) } else { (at_q, q) }
    }

    fn near<'a>(&self, tables: &'a Tables, q: f64) -> &'a AngleTable {
        tables.near.get_or_init(|| match (&self.correlated, &self.law) {
            (Some(law), _) => AngleTable::of_slopes(&self.plane_slopes(law, law.near(), q)),
            (None, Law::Monotone { .. }) => AngleTable::of_pairs(|complement| {
                let pair = self.pair(q, complement);
                (pair.difference / q, pair.slope)
            }),
            (None, Law::Levels(levels)) => {
                AngleTable::of_slope(|complement| self.level_slope(levels, q, complement))
            }
        })
    }

    /// `c < 0` between correlated units.
    fn beyond<'a>(&self, law: &Correlated, tables: &'a Tables, q: f64) -> &'a BeyondTable {
        let slopes = || self.plane_slopes(law, law.beyond(), q);
        tables.beyond.get_or_init(|| BeyondTable::of_slopes(&slopes()))
    }

    pub(super) fn slope(&self, q: f64, moments: &Moments, at: Correlation, tables: &Tables) -> f64 {
        if at.complement <= 0.0 {
            return moments.derivative_second;
        }
        let tabulated = self.function.homogeneity().is_some()
            || self.correlated.is_some()
            || matches!(self.law, Law::Levels(_));
        let (tables, q_table) = self.tables(q, tables);
        if AngleTable::covers(at) && tabulated {
            return self.near(tables, q_table).slope(at.complement);
        }
        match (&self.correlated, &self.law) {
            (Some(law), _) => self.beyond(law, tables, q_table).slope(at.complement),
            (None, Law::Levels(levels)) => self.level_slope(levels, q, at.complement),
            (None, Law::Monotone { .. }) => self
                .opposite(q, at, 0.0, |x| self.function.value_and_derivative(x).1)
                .unwrap_or_else(|| self.pair(q, at.complement).slope),
        }
    }

    pub(super) fn difference(
        &self,
        q: f64,
        moments: &Moments,
        at: Correlation,
        tables: &Tables,
    ) -> f64 {
        if at.complement <= 0.0 {
            return 0.0;
        }
        let (tables, q_table) = self.tables(q, tables);
        let homogeneous = self.function.homogeneity().is_some();
        if AngleTable::covers(at) && homogeneous {
            return q * self.near(tables, q_table).difference(at.complement);
        }
        match (&self.correlated, &self.law) {
            (None, Law::Monotone { .. }) => self
                .opposite(q, at, 1.0, |x| self.function.value(x))
                .map_or_else(|| self.pair(q, at.complement).difference, |k| moments.second - k),
            (Some(_), _) | (_, Law::Levels(_)) if AngleTable::covers(at) => {
                q * self.near(tables, q_table).difference(at.complement)
            }
            (Some(law), _) => {
                let at_zero = self.near(tables, q_table).difference(1.0);
                q * (at_zero + self.beyond(law, tables, q_table).growth(at.complement))
            }
            (None, Law::Levels(levels)) => {
                let at_zero = (moments.second - moments.mean * moments.mean) / q;
                q * difference_beyond(at_zero, at.complement, |complement| {
                    self.level_slope(levels, q, complement)
                })
            }
        }
    }

    /// `E[p_a p_b]`.
    pub(super) fn kernel(&self, q: f64, m: &Moments, at: Correlation, tables: &Tables) -> f64 {
        if let (Some(law), Law::Monotone { sign }) = (&self.correlated, &self.law)
            && at.c == 0.5
            && self.function.homogeneity().is_none()
        {
            let factor = sign * q.sqrt();
            let mut sum = 0.0;
            law.half().for_each_pair(1.0, &self.bends(&[q], *sign), |a, b, weight| {
                sum += weight * self.function.value(factor * a) * self.function.value(factor * b);
            });
            return sum;
        }
        m.second - self.difference(q, m, at, tables)
    }

    /// `E[∂p_a ∂p_b]` of correlated units at each plane: two different units of two inputs have `ρ c`.
    fn plane_slopes(&self, law: &Correlated, planes: &[Plane], q: f64) -> Vec<f64> {
        let Law::Monotone { sign } = self.law else { return vec![f64::NAN; planes.len()] };
        let bends = self.bends(&[q], sign);
        let factor = sign * q.sqrt();
        let slope = |x: f64| self.function.value_and_derivative(factor * x).1;
        planes
            .iter()
            .map(|plane| {
                let mut sum = 0.0;
                plane.for_each_pair(law.rho, &bends, |a, b, weight| {
                    let first = slope(a);
                    if first != 0.0 {
                        sum += weight * first * slope(b);
                    }
                });
                sum
            })
            .collect()
    }

    /// Edges, in standard deviations, of panels that resolve `φ` for the two-point rule.
    pub(super) fn features(&self, q: f64, sign: f64) -> Vec<f64> {
        let root = q.sqrt();
        if self.breaks.is_empty() && root <= 2.0 * self.function.length_scale() {
            // The base panels are narrow enough.
            return Vec::new();
        }
        let panels = Panels::resolve(&self.function, &self.breaks, q);
        panels
            .edges()
            .iter()
            .chain(&self.breaks)
            .map(|e| sign * e / root)
            .filter(|e| e.abs() < 11.0)
            .collect()
    }

    /// Breaks in units of `factor`.
    pub(super) fn kinks(&self, factor: f64) -> Vec<f64> {
        self.breaks.iter().map(|b| b / factor).collect()
    }

    /// The rule over `(m, d)`, `s = m - d < t = m + d`: calls `f(s, t, weight, w, gap)` with `d = S w`, `S² = ε/2`.
    fn for_each_pair(
        &self,
        (features, kinks): (&[f64], &[f64]),
        complement: f64,
        (low, high): (f64, f64),
        mut f: impl FnMut(f64, f64, f64, f64, &Gap),
    ) {
        let scale = (0.5 * complement).sqrt();
        let reach = (2.0 * (DECAY + self.size.ln())).sqrt();
        let mut outer = vec![0.0, 1.5, 4.0, reach];
        // Where the images of two features cross.
        outer.extend(crossings(features, scale));
        close(&mut outer, 0.0, reach);
        thin(&mut outer, 0.02, &crossings(kinks, scale));
        let width = 2.0 / (1.0 + 0.4 * (2.0 * self.size.ln()).sqrt());
        let base: Vec<f64> = std::iter::successors(Some(low), |edge| Some(edge + width))
            .take_while(|edge| *edge < high)
            .collect();
        let rule = GaussLegendre::cached(TWO_POINT);
        let mut gap = Gap::default();
        let mut edges = Vec::new();
        for row in outer.windows(2) {
            let (half_w, middle_w) = (0.5 * (row[1] - row[0]), 0.5 * (row[0] + row[1]));
            for (x, weight_w) in rule.nodes.iter().zip(&rule.weights) {
                let w = middle_w + half_w * x;
                let d = scale * w;
                gap.set(d, complement);
                edges.clear();
                edges.extend_from_slice(&base);
                edges.extend(features.iter().flat_map(|e| [e - d, e + d]));
                close(&mut edges, low, high);
                for panel in edges.windows(2) {
                    let (half, middle) = (0.5 * (panel[1] - panel[0]), 0.5 * (panel[0] + panel[1]));
                    for (y, weight_m) in rule.nodes.iter().zip(&rule.weights) {
                        let m = middle + half * y;
                        f(m - d, m + d, half_w * weight_w * half * weight_m, w, &gap);
                    }
                }
            }
        }
    }

    /// Both two-point moments of a monotone function of independent units.
    pub(super) fn pair(&self, q: f64, complement: f64) -> Pair {
        let Law::Monotone { sign } = self.law else {
            return Pair { difference: f64::NAN, slope: f64::NAN };
        };
        let root = q.sqrt();
        let scale = (0.5 * complement).sqrt();
        let cosine = (1.0 - 0.5 * complement).max(0.0).sqrt();
        let features = self.features(q, sign);
        let k = self.size;
        let (mut difference, mut slope) = (0.0, 0.0);
        let high = (2.0 * (DECAY + k.ln())).sqrt();
        // Left of this even the largest unit is not found.
        let low = if k > 1.5 { largest_lower_end(k).max(-high) } else { -high };
        let kinks = self.kinks(root);
        self.for_each_pair((&features, &kinks), complement, (low, high), |s, t, weight, w, gap| {
            let slopes = self.function.value_and_derivative(sign * root * s).1
                * self.function.value_and_derivative(sign * root * t).1;
            if slopes == 0.0 {
                return;
            }
            let m = 0.5 * (s + t);
            let apart = gap.probability(m);
            let single = normal_cdf(s);
            difference += weight * slopes * power_gap(single, apart, k);
            let density = (-0.5 * (w * w + (m / cosine) * (m / cosine))).exp();
            let joint = (single - apart).max(0.0);
            slope += weight * slopes * density * joint.powf(k - 1.0);
        });
        let mut pair = Pair {
            difference: 4.0 * scale * q * difference,
            slope: 2.0 * k * slope / (TAU * cosine),
        };
        if !self.jumps.is_empty() {
            self.add_jumps(&mut pair, q, complement, sign, &features);
        }
        pair
    }

    /// What the jumps of a monotone function add: point masses of its derivative.
    fn add_jumps(&self, pair: &mut Pair, q: f64, complement: f64, sign: f64, features: &[f64]) {
        let root = q.sqrt();
        let k = self.size;
        let sine2 = complement * (2.0 - complement);
        // [Φ(min)^K - Φ₂^K] and φ₂ Φ₂^(K-1) K.
        let at = |a: f64, b: f64| {
            let (s, t) = (a.min(b), a.max(b));
            let apart = Gap::new(0.5 * (t - s), complement).probability(0.5 * (s + t));
            let single = normal_cdf(s);
            let exponent = (s * s + t * t - 2.0 * (1.0 - complement) * s * t) / (2.0 * sine2);
            let density = (-exponent).exp() / (TAU * sine2.sqrt());
            let joint = (single - apart).max(0.0).powf(k - 1.0);
            (power_gap(single, apart, k), k * density * joint)
        };
        let rule = GaussLegendre::cached(ONE_POINT);
        for jump in &self.jumps {
            let place = sign * jump.at / root;
            for other in &self.jumps {
                let (mass, density) = at(place, sign * other.at / root);
                let product = jump.value_jump * other.value_jump;
                pair.difference += product * mass;
                pair.slope += product * density / q;
            }
            let mut edges: Vec<f64> = features.to_vec();
            edges.extend((-12..=12).map(f64::from));
            let mut width = complement.sqrt();
            while width < 24.0 {
                edges.extend([place - width, place + width]);
                width *= 3.0;
            }
            edges.push(place);
            close(&mut edges, -12.0, 12.0);
            for panel in edges.windows(2) {
                let mut mass_sum = 0.0;
                let mut density_sum = 0.0;
                let (half, middle) = (0.5 * (panel[1] - panel[0]), 0.5 * (panel[0] + panel[1]));
                for (x, w) in rule.nodes.iter().zip(&rule.weights) {
                    let z = middle + half * x;
                    let slope = self.function.value_and_derivative(sign * root * z).1;
                    if slope != 0.0 {
                        let (mass, density) = at(place, z);
                        mass_sum += half * w * slope * mass;
                        density_sum += half * w * slope * density;
                    }
                }
                pair.difference += 2.0 * jump.value_jump * root * mass_sum;
                pair.slope += 2.0 * jump.value_jump * density_sum / root;
            }
        }
    }

    /// `E[∂p_a ∂p_b]` of a function that turns.
    fn level_slope(&self, levels: &Levels, q: f64, complement: f64) -> f64 {
        let root = q.sqrt();
        let cosine = (1.0 - 0.5 * complement).max(0.0).sqrt();
        let features: Vec<f64> =
            self.breaks.iter().map(|b| b / root).filter(|b| b.abs() < 9.0).collect();
        let straddle = Straddle::new(complement);
        let mut scratch = [Intervals::new(), Intervals::new()];
        let mut sum = 0.0;
        self.for_each_pair(
            (&features, &features),
            complement,
            (-9.0, 9.0),
            |s, t, weight, w, _| {
                let (x, y) = (root * s, root * t);
                let slopes = self.function.value_and_derivative(x).1
                    * self.function.value_and_derivative(y).1;
                let m = 0.5 * (s + t) / cosine;
                let density = weight * slopes * (-0.5 * (w * w + m * m)).exp();
                if density.abs() > 1e-20 {
                    let share = levels.joint_share((x, y), root, &straddle, &mut scratch);
                    sum += density * share.powf(self.size - 1.0);
                }
            },
        );
        2.0 * self.size * sum / (TAU * cosine)
    }
}

/// `x^K - (x - δ)^K` without cancellation.
fn power_gap(x: f64, delta: f64, k: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let ratio = (delta / x).min(1.0);
    x.powf(k) * -(k * (-ratio).ln_1p()).exp_m1()
}

/// `z` with `Φ(z)^K` about 1e-20.
pub(super) fn largest_lower_end(k: f64) -> f64 {
    let mut z = -12.0;
    while z < 8.0 && k * ln_normal_cdf(z) < -46.0 {
        z += 0.05;
    }
    z
}

/// The values on both sides of a jump.
fn sides(function: &Pointwise, jump: &Kink) -> (f64, f64) {
    let step = 1e-12 * jump.at.abs().max(1.0);
    (function.value(jump.at - step), function.value(jump.at + step))
}
