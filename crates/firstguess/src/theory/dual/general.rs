//! Moments of any function: a Hermite series where it converges, else nested Gauss–Legendre panels.
//!
//! A named activation is known to bend around zero and its breakpoints only, on its length scale: panels laid out for that
//! resolve it. Expressions, compositions and tables get panels that halve themselves until nothing moves.

use super::even_rule::EvenRule;
use super::panels::{PER_PANEL, Panels, close_edges, conditional, nested};
use super::resolved::Resolved;
use super::series::{Series, dot};
use super::{Correlation, FourthMoments, Moments, Pointwise};
use crate::math::quadrature::{GAUSSIAN_RANGE, GaussLegendre};
use crate::math::special::normal_density;
use crate::spec::activation::Activation;
use crate::spec::activation::{Kink, Parity};
use std::f64::consts::PI;
use std::sync::OnceLock;

/// Points per panel of the rules whose panels are known to fit.
const FITTED: usize = 20;

/// Where the normal law wants panels to end, in standard deviations.
const BELL: [f64; 3] = [1.5, 3.0, 6.0];

/// The same for a product with Hermite polynomials of degree [`TERMS`].
const FINE_BELL: [f64; 6] = [1.5, 3.0, 4.5, 6.0, 8.0, 10.0];

/// Hermite terms, and the largest `|c|` at which they leave nothing whatever the function: `0.8^160` and `0.5^56` are
/// below 1e-15.
const TERMS: usize = 160;
const MODERATE: f64 = 0.8;
const FEW_TERMS: usize = 56;
const SMALL: f64 = 0.5;

/// Below this `1 - c` the difference form is extrapolated from here, where it still has ten digits.
const SMALL_COMPLEMENT: f64 = 1e-8;

/// What is known of the function before any variance is.
#[derive(Debug, Clone)]
pub(super) struct General {
    function: Pointwise,
    breaks: Vec<f64>,
    /// Where panels should end though nothing bends: the function is not analytic there.
    seams: Vec<f64>,
    kinks: Vec<Kink>,
    parity: Parity,
    /// For functions that are analytic on the whole line.
    even: Option<EvenRule>,
    /// Whether the panels can be laid out beforehand.
    known: bool,
    /// Resolved once for all variances.
    resolved: OnceLock<Option<Resolved>>,
}

impl General {
    pub(super) fn new(function: &Pointwise) -> Self {
        let mut general = Self::unknown(function);
        let known = match function.functions() {
            [Activation::Expression(_) | Activation::LogPeriodic { .. }] => false,
            // Next to θ = 2 a pair bends sharply at zero.
            [Activation::GaussianPair(pair)] => {
                let seam = pair.table().seam();
                general.seams.extend(seam.into_iter().flat_map(|at| [-at, at]));
                pair.table().breaks().iter().all(|at| *at == 0.0 || at.abs() >= 1.0)
            }
            functions => functions.len() == 1,
        };
        general.known = known && !function.bends_at_every_scale();
        general
    }

    /// The same without trust in the function's length scale: the independent route of the tests.
    pub(super) fn unknown(function: &Pointwise) -> Self {
        let breaks = function.breakpoints();
        Self {
            even: breaks.is_empty().then(|| EvenRule::largest_of(1.0)),
            breaks,
            seams: Vec::new(),
            kinks: function.kinks(),
            parity: function.parity(),
            function: function.clone(),
            known: false,
            resolved: OnceLock::new(),
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
        if self.known {
            return self.moments_on(&self.fitted(q, &BELL), FITTED, q);
        }
        if let Some(resolved) = self.resolved(q) {
            return self.finish(resolved.sums(q), q);
        }
        let panels = Panels::resolve(&self.function, &self.breaks, q);
        self.moments_on(&panels, PER_PANEL, q)
    }

    /// For looking for roots, where many variances are asked for and few are kept: 1e-13.
    pub(super) fn scan_moments(&self, q: f64) -> Option<Moments> {
        let resolved = self.resolved(q)?;
        Some(self.finish(resolved.sums(q), q))
    }

    /// The same for `E[φ(u)φ(v)]` at a correlation within ½: 1e-5 of `E φ²`.
    pub(super) fn scan_kernel(&self, q: f64, c: f64) -> Option<f64> {
        let resolved = self.resolved(q).filter(|_| c.abs() <= SMALL)?;
        Some(resolved.rough_kernel(q, c))
    }

    fn resolved(&self, q: f64) -> Option<&Resolved> {
        if !Resolved::reaches(q) {
            return None;
        }
        let new = || {
            (!self.function.bends_at_every_scale())
                .then(|| {
                    let breaks = [&self.breaks[..], &self.seams].concat();
                    Resolved::new(&self.function, &breaks, self.known)
                })
                .flatten()
        };
        self.resolved.get_or_init(new).as_ref()
    }

    /// Panels that fit a known function and the bell of variance `q`.
    fn fitted(&self, q: f64, bell: &[f64]) -> Panels {
        let root = q.sqrt();
        let range = GAUSSIAN_RANGE * root;
        let mut edges = vec![0.0];
        edges.extend_from_slice(&self.breaks);
        let bends = edges.clone();
        let mut width = 3.0 * self.function.length_scale();
        while width < range {
            edges.extend(bends.iter().flat_map(|bend| [bend - width, bend + width]));
            width *= 4.0;
        }
        edges.extend_from_slice(&self.seams);
        edges.extend(bell.iter().flat_map(|z| [-z * root, z * root]));
        close_edges(&mut edges, -range, range);
        Panels { edges, root }
    }

    /// `a_n²` of the first `terms` Hermite coefficients.
    fn hermite(&self, q: f64, terms: usize) -> Vec<f64> {
        let root = q.sqrt();
        let (mut points, mut weighted) = (Vec::new(), Vec::new());
        let mut add = |h: f64, weight: f64| {
            points.push(h / root);
            weighted.push(weight * self.function.value(h));
        };
        if let Some(even) = self.even.as_ref().filter(|_| EvenRule::resolves(&self.function, q)) {
            even.for_each_point(|z, weight| add(root * z, weight));
        } else if self.known {
            self.fitted(q, &FINE_BELL).for_each_point(PER_PANEL, add);
        } else {
            let mut panels = Panels::resolve(&self.function, &self.breaks, q);
            let range = GAUSSIAN_RANGE * root;
            panels.edges.extend(FINE_BELL.iter().flat_map(|z| [-z * root, z * root]));
            close_edges(&mut panels.edges, -range, range);
            panels.for_each_point(PER_PANEL, add);
        }
        let (mut previous, mut current) = (vec![0.0; points.len()], vec![1.0; points.len()]);
        let mut squares = Vec::with_capacity(terms);
        for term in 0..terms {
            let absent = match self.parity {
                Parity::Odd => term % 2 == 0,
                Parity::Even => term % 2 == 1,
                Parity::Neither => false,
            };
            let coefficient = if absent { 0.0 } else { dot(&weighted, &current) };
            squares.push(coefficient * coefficient);
            let (order, next) = ((term as f64).sqrt(), 1.0 / (term as f64 + 1.0).sqrt());
            for ((z, before), now) in points.iter().zip(&mut previous).zip(&mut current) {
                let after = (z * *now - order * *before) * next;
                (*before, *now) = (*now, after);
            }
        }
        squares
    }

    fn moments_on(&self, panels: &Panels, per_panel: usize, q: f64) -> Moments {
        let mut sums = [0.0; 4];
        panels.for_each_point(per_panel, |h, weight| {
            let (value, first) = self.function.value_and_derivative(h);
            sums[0] += weight * value;
            sums[1] += weight * value * value;
            sums[2] += weight * first * first;
            sums[3] += weight * value * first * h / q;
        });
        self.finish(sums, q)
    }

    /// Moments from `E φ`, `E φ²`, `E φ'²` and `E φ φ' h / q`.
    fn finish(&self, [mut mean, second, mut derivative, mut slope]: [f64; 4], q: f64) -> Moments {
        let root = q.sqrt();
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
        GeneralAt {
            general: self,
            q,
            panels: OnceLock::new(),
            moments: OnceLock::new(),
            series: OnceLock::new(),
            few: OnceLock::new(),
            moderate: OnceLock::new(),
            reference: OnceLock::new(),
        }
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
    panels.for_each_point(PER_PANEL, |h, weight| sum += weight * f(function.value(h)));
    sum
}

/// Moments of fourth order on panels that resolve `φ`.
pub(super) fn fourth_moments(function: &Pointwise, q: f64) -> FourthMoments {
    let panels = Panels::resolve(function, &function.breakpoints(), q);
    let mut sums = FourthMoments { value: 0.0, slope: 0.0, mixed: 0.0 };
    panels.for_each_point(PER_PANEL, |h, weight| {
        let (value, slope) = function.value_and_derivative(h);
        let (value, slope) = (value * value, slope * slope);
        sums.value += weight * value * value;
        sums.slope += weight * slope * slope;
        sums.mixed += weight * value * slope;
    });
    sums
}

/// [`General`] at one variance; each part is prepared when it is first asked for.
#[derive(Debug, Clone)]
pub(super) struct GeneralAt<'a> {
    general: &'a General,
    q: f64,
    panels: OnceLock<Panels>,
    moments: OnceLock<Moments>,
    /// The whole series, of a smooth function.
    series: OnceLock<Option<Series>>,
    /// Its beginnings, enough for small and for moderate correlations of any function.
    few: OnceLock<Series>,
    moderate: OnceLock<Series>,
    /// The difference at [`SMALL_COMPLEMENT`].
    reference: OnceLock<f64>,
}

impl GeneralAt<'_> {
    pub(super) fn moments(&self) -> Moments {
        *self.moments.get_or_init(|| self.general.moments(self.q))
    }

    fn panels(&self) -> &Panels {
        let general = self.general;
        self.panels.get_or_init(|| Panels::resolve(&general.function, &general.breaks, self.q))
    }

    fn series(&self) -> Option<&Series> {
        let general = self.general;
        let series = self.series.get_or_init(|| {
            let smooth = general.breaks.is_empty();
            smooth
                .then(|| {
                    Series::of(&general.function, self.q, self.moments().second, general.parity)
                })
                .flatten()
        });
        series.as_ref()
    }

    /// The series, where it serves this correlation.
    fn series_at(&self, c: f64) -> Option<&Series> {
        let start = |terms| Series::from_squares(self.general.hermite(self.q, terms), self.q);
        if c.abs() <= SMALL {
            return Some(self.few.get_or_init(|| start(FEW_TERMS)));
        }
        self.series()
            .or_else(|| (c.abs() <= MODERATE).then(|| self.moderate.get_or_init(|| start(TERMS))))
    }

    pub(super) fn kernel(&self, at: Correlation) -> f64 {
        if let Some(series) = self.series_at(at.c) {
            return series.kernel(at.c);
        }
        if at.c > 0.0 {
            return self.moments().second - self.difference(at);
        }
        self.nested_kernel(at)
    }

    fn nested_kernel(&self, at: Correlation) -> f64 {
        nested(self.panels(), (self.q, self.q), at, &self.general.breaks, |u| {
            self.general.function.value(u)
        })
    }

    pub(super) fn slope(&self, at: Correlation) -> f64 {
        if let Some(series) = self.series_at(at.c) {
            return series.slope(at.c);
        }
        let jumps: Vec<&Kink> = self.general.kinks.iter().filter(|k| k.value_jump != 0.0).collect();
        if at.complement <= 0.0 {
            return self.moments().derivative_second;
        }
        let derivative = |u: f64| self.general.function.value_and_derivative(u).1;
        let mut sum = nested(self.panels(), (self.q, self.q), at, &self.general.breaks, derivative);
        let root = self.q.sqrt();
        let spread = (at.complement * (1.0 + at.c)).sqrt();
        for kink in &jumps {
            // A jump adds a point mass to φ', on one side and on both.
            let density = normal_density(kink.at / root) / root;
            let inner = conditional(self.panels(), self.q, at.c * kink.at, spread, derivative);
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
        if let Some(series) = self.series() {
            return series.difference(at);
        }
        if at.complement > 0.1 {
            return self.moments().second - self.kernel_beyond(at);
        }
        if at.complement >= SMALL_COMPLEMENT {
            return self.rotated_difference(at.complement);
        }
        let reference = *self.reference.get_or_init(|| self.rotated_difference(SMALL_COMPLEMENT));
        let ratio = at.complement / SMALL_COMPLEMENT;
        let first = self.moments().derivative_second;
        if first.is_infinite() {
            // Jumps: D ~ √ε.
            return reference * ratio.sqrt();
        }
        // D/(qε) = E φ'² - B √ε - C ε: B from the corners, C from the reference point.
        let corner = self.corner_coefficient();
        let at_reference = reference / (self.q * SMALL_COMPLEMENT);
        let linear = (first - at_reference - corner * SMALL_COMPLEMENT.sqrt()) * ratio;
        self.q * at.complement * (first - corner * at.complement.sqrt() - linear)
    }

    /// The kernel where the difference is not small.
    fn kernel_beyond(&self, at: Correlation) -> f64 {
        match self.series_at(at.c) {
            Some(series) => series.kernel(at.c),
            None if at.complement < 0.25 => {
                self.moments().second - self.rotated_difference(at.complement)
            }
            None => self.nested_kernel(at),
        }
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
        let lay = self.rotated_panels(spread_r);
        let rule = GaussLegendre::cached(lay.per_panel);
        let mut inner = Vec::new();
        let mut total = 0.0;
        for panel in lay.outer.windows(2) {
            total += rule.integrate(panel[0], panel[1], |z| {
                let r = spread_r * z;
                inner.clear();
                inner.extend(
                    lay.shifted.iter().flat_map(|e| [(e - r) / spread_s, (e + r) / spread_s]),
                );
                inner.extend_from_slice(&lay.fixed);
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

    fn rotated_panels(&self, spread_r: f64) -> Rotated {
        let range = GAUSSIAN_RANGE * self.q.sqrt();
        let mut bends = vec![0.0];
        bends.extend_from_slice(&self.general.breaks);
        // Where the windows of two bends begin to overlap the inner integral changes its form.
        let mut outer: Vec<f64> = bends
            .iter()
            .flat_map(|a| {
                bends.iter().flat_map(move |b| [0.5 * (a - b).abs(), 0.5 * (a + b).abs()])
            })
            .collect();
        if !self.general.known {
            let edges = self.panels().edges.clone();
            outer.extend(edges.iter().map(|edge| edge.abs()));
            for edge in &mut outer {
                *edge /= spread_r;
            }
            close_edges(&mut outer, 0.0, GAUSSIAN_RANGE);
            return Rotated { outer, shifted: edges, fixed: vec![0.0], per_panel: PER_PANEL };
        }
        let mut shifted = bends.clone();
        let mut width = 3.0 * self.general.function.length_scale();
        while width < range {
            outer.push(width);
            shifted.extend(bends.iter().flat_map(|bend| [bend - width, bend + width]));
            width *= 4.0;
        }
        for edge in &mut outer {
            *edge /= spread_r;
        }
        outer.extend(BELL);
        close_edges(&mut outer, 0.0, GAUSSIAN_RANGE);
        let fixed = BELL.iter().flat_map(|z| [-z, *z]).chain([0.0]).collect();
        Rotated { outer, shifted, fixed, per_panel: FITTED }
    }
}

/// Panels of the rotated integral.
struct Rotated {
    /// In standard deviations of `R`.
    outer: Vec<f64>,
    /// Edges that `R` shifts to either side.
    shifted: Vec<f64>,
    /// Edges in standard deviations of `S`.
    fixed: Vec<f64>,
    per_panel: usize,
}
