//! Moments of any function: a Hermite series where it converges, else nested Gauss–Legendre panels.

use super::even_rule::EvenRule;
use super::series::Series;
use super::{Correlation, FourthMoments, Moments, Pointwise};
use crate::math::quadrature::{GAUSSIAN_RANGE, GaussLegendre};
use crate::math::special::{FRAC_1_SQRT_2PI, normal_density};
use crate::spec::activation::{Kink, Parity};
use std::f64::consts::PI;

/// Points per panel of every rule here.
const PER_PANEL: usize = 32;

/// Below this `1 - c` the difference form is extrapolated from here, where it still has ten digits.
const SMALL_COMPLEMENT: f64 = 1e-8;

/// What is known of the function before any variance is.
#[derive(Debug, Clone)]
pub(super) struct General {
    function: Pointwise,
    breaks: Vec<f64>,
    kinks: Vec<Kink>,
    parity: Parity,
    /// For functions that are analytic on the whole line.
    even: Option<EvenRule>,
}

impl General {
    pub(super) fn new(function: &Pointwise) -> Self {
        let breaks = function.breakpoints();
        Self {
            even: breaks.is_empty().then(|| EvenRule::largest_of(1.0)),
            breaks,
            kinks: function.kinks(),
            parity: function.parity(),
            function: function.clone(),
        }
    }

    pub(super) fn moments(&self, q: f64) -> Moments {
        if let Some(mut moments) =
            self.even.as_ref().and_then(|e| e.moments(&self.function, 1.0, q))
        {
            if self.parity == Parity::Odd {
                moments.mean = 0.0;
            }
            return moments;
        }
        let panels = Panels::resolve(&self.function, &self.breaks, q);
        self.moments_on(&panels, q)
    }

    fn moments_on(&self, panels: &Panels, q: f64) -> Moments {
        let root = q.sqrt();
        let [mut mean, mut second, mut derivative, mut slope] = [0.0; 4];
        panels.for_each_point(|h, weight| {
            let (value, first) = self.function.value_and_derivative(h);
            mean += weight * value;
            second += weight * value * value;
            derivative += weight * first * first;
            slope += weight * value * first * h / q;
        });
        if self.parity == Parity::Odd {
            mean = 0.0;
        }
        for kink in self.kinks.iter().filter(|k| k.value_jump != 0.0) {
            // d/dq E φ² has the jump of φ² at the kink, carried by the density there.
            let density = normal_density(kink.at / root) / root;
            let (left, right) = self.sides(kink);
            derivative = f64::INFINITY;
            slope += 0.5 * (right * right - left * left) * density * kink.at / q;
        }
        Moments { mean, second, derivative_second: derivative, second_slope: slope }
    }

    fn sides(&self, kink: &Kink) -> (f64, f64) {
        let step = 1e-12 * kink.at.abs().max(1.0);
        (self.function.value(kink.at - step), self.function.value(kink.at + step))
    }

    pub(super) fn at(&self, q: f64) -> GeneralAt<'_> {
        let panels = Panels::resolve(&self.function, &self.breaks, q);
        let moments = self.moments_on(&panels, q);
        let series = if self.breaks.is_empty() {
            Series::of(|h| self.function.value(h), q, moments.second, self.parity)
        } else {
            None
        };
        GeneralAt { general: self, q, panels, moments, series }
    }

    pub(super) fn cross_kernel(&self, q1: f64, q2: f64, c: f64) -> f64 {
        // The wider of the two variances resolves the function for both.
        let (wide, narrow) = if q1 >= q2 { (q1, q2) } else { (q2, q1) };
        let panels = Panels::resolve(&self.function, &self.breaks, wide);
        nested(&panels, (narrow, wide), Correlation::new(c), &self.breaks, |u| {
            self.function.value(u)
        })
    }
}

/// `E[f(φ(√q z))]` on panels that resolve `φ`.
pub(super) fn expectation(function: &Pointwise, q: f64, f: impl Fn(f64) -> f64) -> f64 {
    let panels = Panels::resolve(function, &function.breakpoints(), q);
    let mut sum = 0.0;
    panels.for_each_point(|h, weight| sum += weight * f(function.value(h)));
    sum
}

/// Moments of fourth order on panels that resolve `φ`.
pub(super) fn fourth_moments(function: &Pointwise, q: f64) -> FourthMoments {
    let panels = Panels::resolve(function, &function.breakpoints(), q);
    let mut sums = FourthMoments { value: 0.0, slope: 0.0, mixed: 0.0 };
    panels.for_each_point(|h, weight| {
        let (value, slope) = function.value_and_derivative(h);
        let (value, slope) = (value * value, slope * slope);
        sums.value += weight * value * value;
        sums.slope += weight * slope * slope;
        sums.mixed += weight * value * slope;
    });
    sums
}

/// [`General`] at one variance.
#[derive(Debug, Clone)]
pub(super) struct GeneralAt<'a> {
    general: &'a General,
    q: f64,
    panels: Panels,
    moments: Moments,
    series: Option<Series>,
}

impl GeneralAt<'_> {
    pub(super) fn moments(&self) -> Moments {
        self.moments
    }

    pub(super) fn kernel(&self, at: Correlation) -> f64 {
        if let Some(series) = &self.series {
            return series.kernel(at.c);
        }
        if self.general.parity == Parity::Odd && at.c.abs() < 1e-7 {
            // The nested rule has absolute accuracy only; here the kernel is linear to 14 digits.
            return at.c * self.q * self.slope(Correlation::new(0.0));
        }
        if at.c >= 0.9 {
            return self.moments.second - self.difference(at);
        }
        self.nested_kernel(at)
    }

    fn nested_kernel(&self, at: Correlation) -> f64 {
        nested(&self.panels, (self.q, self.q), at, &self.general.breaks, |u| {
            self.general.function.value(u)
        })
    }

    pub(super) fn slope(&self, at: Correlation) -> f64 {
        if let Some(series) = &self.series {
            return series.slope(at.c);
        }
        let jumps: Vec<&Kink> = self.general.kinks.iter().filter(|k| k.value_jump != 0.0).collect();
        if at.complement <= 0.0 {
            return self.moments.derivative_second;
        }
        let derivative = |u: f64| self.general.function.value_and_derivative(u).1;
        let mut sum = nested(&self.panels, (self.q, self.q), at, &self.general.breaks, derivative);
        let root = self.q.sqrt();
        let spread = (at.complement * (1.0 + at.c)).sqrt();
        for kink in &jumps {
            // A jump adds a point mass to φ', on one side and on both.
            let density = normal_density(kink.at / root) / root;
            let inner = conditional(&self.panels, self.q, at.c * kink.at, spread, derivative);
            sum += 2.0 * kink.value_jump * density * inner;
            for other in &jumps {
                let z = (other.at - at.c * kink.at) / (root * spread);
                sum += kink.value_jump * other.value_jump * density * normal_density(z)
                    / (root * spread);
            }
        }
        sum
    }

    pub(super) fn difference(&self, at: Correlation) -> f64 {
        if let Some(series) = &self.series {
            return series.difference(at);
        }
        if at.complement > 0.1 {
            return self.moments.second - self.nested_kernel(at);
        }
        if at.complement >= SMALL_COMPLEMENT {
            return self.rotated_difference(at.complement);
        }
        let reference = self.rotated_difference(SMALL_COMPLEMENT);
        let ratio = at.complement / SMALL_COMPLEMENT;
        if self.moments.derivative_second.is_infinite() {
            // Jumps: D ~ √ε.
            return reference * ratio.sqrt();
        }
        // D/(qε) = E φ'² - B √ε - C ε: B from the corners, C from the reference point.
        let corner = self.corner_coefficient();
        let first = self.moments.derivative_second;
        let at_reference = reference / (self.q * SMALL_COMPLEMENT);
        let linear = (first - at_reference - corner * SMALL_COMPLEMENT.sqrt()) * ratio;
        self.q * at.complement * (first - corner * at.complement.sqrt() - linear)
    }

    /// `B = 2/(3√π) Σ Δ² φ_N(x/√q)`, over the slope jumps `Δ` (derived in docs/theory/mean-field.md).
    fn corner_coefficient(&self) -> f64 {
        let root = self.q.sqrt();
        let corners: f64 = self
            .general
            .kinks
            .iter()
            .map(|k| k.slope_jump * k.slope_jump * normal_density(k.at / root))
            .sum();
        2.0 / (3.0 * PI.sqrt()) * corners
    }

    /// `½ E[(φ(S+R) - φ(S-R))²]` with independent `S ~ N(0, q(1+c)/2)`, `R ~ N(0, q(1-c)/2)`.
    fn rotated_difference(&self, complement: f64) -> f64 {
        let function = &self.general.function;
        let spread_r = (0.5 * self.q * complement).sqrt();
        let spread_s = (0.5 * self.q * (2.0 - complement)).sqrt();
        let rule = GaussLegendre::cached(PER_PANEL);
        let mut outer: Vec<f64> = self.panels.edges.iter().map(|e| e.abs() / spread_r).collect();
        close_edges(&mut outer, 0.0, GAUSSIAN_RANGE);
        let mut inner = Vec::new();
        let mut total = 0.0;
        for panel in outer.windows(2) {
            total += rule.integrate(panel[0], panel[1], |z| {
                let r = spread_r * z;
                inner.clear();
                inner.extend(
                    self.panels.edges.iter().flat_map(|e| [(e - r) / spread_s, (e + r) / spread_s]),
                );
                inner.push(0.0);
                close_edges(&mut inner, -GAUSSIAN_RANGE, GAUSSIAN_RANGE);
                let mut sum = 0.0;
                for piece in inner.windows(2) {
                    sum += rule.integrate(piece[0], piece[1], |y| {
                        let s = spread_s * y;
                        let gap = function.value(s + r) - function.value(s - r);
                        gap * gap * normal_density(y)
                    });
                }
                normal_density(z) * sum
            });
        }
        // ½ from the definition, 2 from R < 0.
        total
    }
}

/// Panels in `h` on which the function is as good as polynomial for the weight `N(0, q)`.
#[derive(Debug, Clone)]
pub(super) struct Panels {
    edges: Vec<f64>,
    root: f64,
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
    fn for_each_point(&self, mut f: impl FnMut(f64, f64)) {
        let rule = GaussLegendre::cached(PER_PANEL);
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
fn nested(
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
    outer.push(0.0);
    // The inner mean is the function again, seen through c and smoothed.
    outer.extend(panels.edges.iter().map(|e| e / (root_inner * at.c)).filter(|e| e.is_finite()));
    if at.c.abs() > 0.5 {
        // Where the inner variable crosses a break, the inner mean turns within a layer of width s/c.
        for k in breaks {
            let centre = k / (root_inner * at.c);
            let mut width = 2.0 * spread / at.c.abs();
            while width < GAUSSIAN_RANGE {
                outer.extend([centre - width, centre + width]);
                width *= 4.0;
            }
            outer.push(centre);
        }
    }
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

/// `E[f(centre + √q s y)]` over a standard normal `y`.
fn conditional(panels: &Panels, q: f64, centre: f64, spread: f64, f: impl Fn(f64) -> f64) -> f64 {
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
fn close_edges(edges: &mut Vec<f64>, low: f64, high: f64) {
    edges.retain(|e| *e > low && *e < high);
    edges.push(low);
    edges.push(high);
    edges.sort_by(f64::total_cmp);
    edges.dedup_by(|a, b| (*a - *b).abs() <= 1e-13 * (high - low));
}
