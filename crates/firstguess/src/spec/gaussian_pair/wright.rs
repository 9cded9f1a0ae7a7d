//! The law of `|Y|` for generalised-gamma weights of power above 2: an entire series for the bulk, a contour for the tail.
//!
//! ```text
//! E|Y|^z = 2^(z/2) Γ((1+z)/2) Γ(a) / (√π Γ(a + z/b))
//! F(y)   = √(2/π) Γ(a) Σ_k (-1)^k y^(2k+1) / ((2k+1) 2^k k! Γ(a - (2k+1)/b))
//! S(y)   = (1/2πi) ∫_{c>0} E|Y|^z y^(-z) dz/z
//! ```
//!
//! Derived in docs/theory/gaussian-pairs.md, sections 3 and 4.

use super::{Level, Point};
use crate::math::complex_gamma::{Complex, digamma, gamma_ratio, ln_gamma_ratio, trigamma};
use crate::math::special::{gamma, ln_gamma, reciprocal_gamma};
use std::f64::consts::{LN_2, PI, SQRT_2};

/// The series is used while the sum of its magnitudes stays below this: one digit and a half is lost at most.
const LARGEST_MAGNITUDE: f64 = 30.0;
/// ... and while the tail that it leaves is above this, so that `1 - F` keeps its digits.
const SMALLEST_SERIES_TAIL: f64 = 0.03;
/// Terms below this, relative to the first, are dropped from the series.
const SERIES_CUT: f64 = 1e-18;
/// Lengths of the series that are told apart.
const RUNGS: usize = 8;
/// Contour nodes below this, relative to the largest, are dropped.
const CONTOUR_CUT: f64 = 3e-18;
/// No contour needs more nodes: the decay is slowest at power 2.005.
const MAX_NODES: usize = 1_000_000;
/// A contour is rebuilt where its terms cancel to less than this.
const SMALLEST_COHERENCE: f64 = 0.05;
/// The phases are recomputed after this many multiplications.
const RESYNC: usize = 64;

/// The law of `|Y|`, with its series coefficients.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wright {
    shape: f64,
    power: f64,
    /// `b'` with `1/b + 1/b' = 1/2`: the tail is `exp(-B y^b')`.
    conjugate: f64,
    ln_rate: f64,
    /// `f(y) = Σ density[k] y^(2k)`.
    density: Vec<f64>,
    /// Terms needed up to each eighth of `switch`.
    lengths: [usize; RUNGS],
    /// The largest `y` for the series.
    switch: f64,
    /// `S(switch)`.
    switch_survival: f64,
}

/// What the series or the contour says at one point.
#[derive(Debug, Clone, Copy)]
pub(super) struct TailValue {
    pub(super) ln_survival: f64,
    /// `y f(y)/S(y)`.
    pub(super) log_slope: f64,
    /// The sum of the contour over the sum of its magnitudes: small where terms cancel.
    coherence: f64,
}

impl Wright {
    /// Builds the series for checked parameters: `power ≥ 2.005`, `shape ≥ 1/power`.
    pub(super) fn new(shape: f64, power: f64) -> Self {
        let conjugate = 2.0 * (power / (power - 2.0));
        // B = b^(1 - b'/2)/b'.
        let ln_rate = (1.0 - 0.5 * conjugate) * power.ln() - conjugate.ln();
        let mut law = Self {
            shape,
            power,
            conjugate,
            ln_rate,
            density: Vec::new(),
            lengths: [0; RUNGS],
            switch: 0.0,
            switch_survival: 1.0,
        };
        law.fill_series();
        law
    }

    pub(super) fn conjugate(&self) -> f64 {
        self.conjugate
    }

    /// Root mean square: the scale on which the series is tried.
    fn scale(&self) -> f64 {
        (0.5 * ln_gamma_ratio(self.shape, self.shape + 2.0 / self.power)).exp()
    }

    fn fill_series(&mut self) {
        let scale = self.scale();
        let largest_y = 1.95 * scale;
        let front = (2.0 / PI).sqrt() * gamma(self.shape);
        let mut factor = front;
        let mut ln_factor = front.ln();
        let mut small = 0;
        let mut largest = 0.0_f64;
        for k in 0..600 {
            let order = f64::from(2 * k + 1);
            let x = self.shape - order / self.power;
            let coefficient = if 1.0 - x < 100.0 {
                factor * reciprocal_gamma(x)
            } else {
                // Γ(1 - x) overflows where 1/k! underflows: join them in the logarithm.
                let reduced = x - 2.0 * (x / 2.0).round();
                let sine = if reduced.fract() == 0.0 { 0.0 } else { (PI * reduced).sin() };
                let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
                sign * sine / PI * (ln_factor + ln_gamma(1.0 - x)).exp()
            };
            self.density.push(coefficient);
            let step = 2.0 * f64::from(k + 1);
            factor *= -1.0 / step;
            ln_factor -= step.ln();
            let term =
                (coefficient.abs().max(1e-300).ln() + 2.0 * f64::from(k) * largest_y.ln()).exp();
            largest = largest.max(term);
            small = if term < SERIES_CUT * largest { small + 1 } else { 0 };
            // Zeros of 1/Γ come singly; four small terms in a row are the end.
            if small >= 4 {
                break;
            }
        }
        // Walk up until the series would lose digits.
        let step = 0.05 * scale;
        let mut y = step;
        while y <= largest_y {
            let square = y * y;
            let (mut magnitude, mut power, mut last) = (0.0, y, 0.0);
            for (k, c) in self.density.iter().enumerate() {
                last = c.abs() * power / (2 * k + 1) as f64;
                magnitude += last * (2 * k + 1) as f64 * scale / y;
                power *= square;
            }
            let survival = 1.0 - self.series(y).0;
            if magnitude > LARGEST_MAGNITUDE
                || survival < SMALLEST_SERIES_TAIL
                || (last > SERIES_CUT && self.density.len() == 600)
            {
                break;
            }
            (self.switch, self.switch_survival) = (y, survival);
            y += step;
        }
        // Small arguments need few terms.
        let first = self.density.first().map_or(0.0, |c| c.abs());
        let floor = (SERIES_CUT * first.max(self.switch_survival / scale)).ln();
        let reach = self.switch.max(step);
        self.lengths = std::array::from_fn(|rung| {
            let ln_y = (reach * (rung + 1) as f64 / RUNGS as f64).ln();
            let needed = self.density.iter().enumerate().rev().find(|(k, c)| {
                c.abs().max(f64::MIN_POSITIVE).ln() + 2.0 * *k as f64 * ln_y > floor
            });
            needed.map_or(1, |(k, _)| k + 1)
        });
    }

    /// `(F(y), f(y))` by the series.
    fn series(&self, y: f64) -> (f64, f64) {
        let square = y * y;
        let (mut cdf, mut density) = (0.0, 0.0);
        let length = self
            .lengths
            .iter()
            .enumerate()
            .find(|(rung, _)| y * RUNGS as f64 <= self.switch * (rung + 1) as f64)
            .map_or(self.density.len(), |(_, length)| *length);
        for (k, c) in self.density.iter().enumerate().take(length).rev() {
            density = density * square + c;
            cdf = cdf * square + c / (2 * k + 1) as f64;
        }
        (y * cdf, density)
    }

    /// `(F(y), f(y))` relatively accurate for small `y`; `None` beyond the series.
    pub(super) fn bulk(&self, y: f64) -> Option<(f64, f64)> {
        (y <= self.switch).then(|| self.series(y))
    }

    /// Logarithm of the survival function and its slope, by the contour, for `y > 0`.
    pub(super) fn tail(&self, y: f64) -> TailValue {
        Contour::new(self, y.ln(), 1.0).evaluate(y.ln())
    }

    /// `w = B y^b'`, in which `ln S` is nearly linear, from `ln y`.
    pub(super) fn w_of(&self, ln_y: f64) -> f64 {
        (self.ln_rate + self.conjugate * ln_y).exp()
    }

    /// `(w/B)^(1/b')` from `ln w`: the quantile to leading order.
    pub(super) fn leading_quantile(&self, ln_w: f64) -> f64 {
        ((ln_w - self.ln_rate) / self.conjugate).exp()
    }

    fn ln_y_of(&self, w: f64) -> f64 {
        (w.ln() - self.ln_rate) / self.conjugate
    }

    /// `ln y` whose saddle is at `c`.
    fn ln_y_at_saddle(&self, c: f64) -> f64 {
        0.5 * LN_2 + 0.5 * digamma(0.5 * (1.0 + c))
            - digamma(self.shape + c / self.power) / self.power
            - 1.0 / c
    }

    /// Second derivative of `ln m(z) - ln z` at `c`: also `d ln y/dc` along the saddles.
    fn curvature(&self, c: f64) -> f64 {
        let b = self.power;
        let normal = 0.25 * trigamma(0.5 * (1.0 + c));
        (normal - trigamma(self.shape + c / b) / (b * b) + 1.0 / (c * c)).max(1e-300)
    }

    /// `ln m(c)` on the real axis.
    fn ln_moment(&self, c: f64) -> f64 {
        0.5 * LN_2 * c
            + ln_gamma_ratio(0.5 * (1.0 + c), self.shape + c / self.power)
            + ln_gamma(self.shape)
            - 0.5 * PI.ln()
    }

    /// `ln S` at the point whose saddle is `c`, by the saddle-point formula.
    ///
    /// ```text
    /// S(y) ≈ m(c) y^(-c) / (c √(2π s²)),   s² = (ln m(z) - ln z)'' at c
    /// ```
    fn ln_survival_at_saddle(&self, c: f64) -> f64 {
        let variance = 2.0 * PI * self.curvature(c);
        self.ln_moment(c) - c * self.ln_y_at_saddle(c) - c.ln() - 0.5 * variance.ln()
    }

    /// `ln S` far in the tail, relatively accurate to a few parts in `w²`.
    pub(super) fn far_ln_survival(&self, y: f64) -> f64 {
        let start = 1.0 + self.conjugate * self.w_of(y.ln());
        self.ln_survival_at_saddle(saddle(self, y.ln(), start.min(1e300)).0)
    }

    /// The quantile far in the tail by the saddle-point formula, for `ln_survival ≪ -10`.
    ///
    /// Uniform in the power, unlike the leading asymptotics `S ~ C w^(-a) e^(-w)`, which need `w ≫ b`.
    pub(super) fn far_quantile(&self, ln_survival: f64) -> Point {
        let mut c = (-self.conjugate * ln_survival).max(1.0);
        for _ in 0..50 {
            // d ln S/dc ≈ -c s² along the saddles.
            let residual = self.ln_survival_at_saddle(c) - ln_survival;
            let change = (residual / (c * c * self.curvature(c))).clamp(-0.5, 1.0);
            c *= 1.0 + change;
            if change.abs() < 1e-14 {
                break;
            }
        }
        let ln_y = self.ln_y_at_saddle(c);
        // d ln S/d ln y = -c - ½ d ln s²/d ln y; a difference is enough for the small second term.
        let (low, high) = (self.curvature(0.999 * c), self.curvature(1.001 * c));
        let bend = (high / low).ln() / (0.002 * c) / self.curvature(c);
        Point { y: ln_y.exp(), ln_ratio: ln_y - (c + 0.5 * bend).ln() }
    }
}

/// The vertical line through a saddle, with the transform sampled on it.
#[derive(Debug, Clone)]
struct Contour {
    c: f64,
    step: f64,
    /// `ln y` of the saddle.
    ln_y: f64,
    /// Distance in `ln y` over which the line stays near the saddle.
    spread: f64,
    /// `ln(h/π)` plus the scale taken out of the samples.
    ln_scale: f64,
    /// `Σ |m(z)/z|`.
    mass: f64,
    /// `m(c + it)` and `m(c + it)/(c + it)`, the first halved.
    samples: Vec<(Complex, Complex)>,
}

impl Contour {
    fn new(law: &Wright, ln_y: f64, start: f64) -> Self {
        let (c, spread) = saddle(law, ln_y, start);
        let step = 0.72 * (2.0 * PI * c / 39.0).min(PI * SQRT_2 / (spread * 39.0_f64.sqrt()));
        // The value on the real axis is taken out, so that nothing overflows far in the tail.
        let (p, q) = (0.5 * (1.0 + c), law.shape + c / law.power);
        let ln_peak = 0.5 * LN_2 * c + ln_gamma_ratio(p, q);
        let gap = 1.0 / law.conjugate;
        let mut mass = 0.0;
        let mut samples: Vec<(Complex, Complex)> = Vec::with_capacity(64);
        for j in 0..MAX_NODES {
            let z = Complex::new(c, step * j as f64);
            let m = gamma_ratio(
                Complex::new(0.5 * (1.0 + z.re), 0.5 * z.im),
                Complex::new(law.shape + z.re / law.power, z.im / law.power),
                Complex::new(0.5 - law.shape + z.re * gap, z.im * gap),
                Complex::new(0.5 * LN_2 * c - ln_peak, 0.5 * LN_2 * z.im),
            );
            let m = if j == 0 { m.scaled(0.5) } else { m };
            let over_z = m.times(z.reciprocal());
            mass += over_z.norm_squared().sqrt();
            samples.push((m, over_z));
            if m.norm_squared() < CONTOUR_CUT * CONTOUR_CUT {
                break;
            }
        }
        let ln_scale = (step / PI).ln() + ln_peak + ln_gamma(law.shape) - 0.5 * PI.ln();
        Self { c, step, ln_y, spread, ln_scale, mass, samples }
    }

    fn evaluate(&self, ln_y: f64) -> TailValue {
        let rate = -self.step * ln_y;
        let (sin, cos) = rate.sin_cos();
        let turn = Complex::new(cos, sin);
        let (mut density, mut survival) = (0.0, 0.0);
        for (block, samples) in self.samples.chunks(RESYNC).enumerate() {
            let (sin, cos) = (rate * (block * RESYNC) as f64).sin_cos();
            let mut phase = Complex::new(cos, sin);
            for (m, over_z) in samples {
                density += m.re * phase.re - m.im * phase.im;
                survival += over_z.re * phase.re - over_z.im * phase.im;
                phase = phase.times(turn);
            }
        }
        TailValue {
            ln_survival: survival.ln() + self.ln_scale - self.c * ln_y,
            log_slope: density / survival,
            coherence: survival / self.mass,
        }
    }
}

/// The real saddle of `ln m(z) - z ln y - ln z`, and the root of the curvature there.
///
/// The first derivative rises from -∞ to ∞, so the root is unique; a few digits of it are enough.
fn saddle(law: &Wright, ln_y: f64, start: f64) -> (f64, f64) {
    let mut c = start.max(1e-3);
    for _ in 0..1000 {
        // Newton in ln c, damped: the slope is nearly linear in the logarithm.
        let slope = law.ln_y_at_saddle(c) - ln_y;
        let change = (slope / (law.curvature(c) * c)).clamp(-1.5, 1.5);
        c *= (-change).exp();
        if change.abs() < 1e-3 {
            break;
        }
    }
    (c, law.curvature(c).sqrt())
}

/// A quantile found by the contour.
#[derive(Debug, Clone, Copy)]
struct Solved {
    /// `-ln S`.
    level: f64,
    ln_y: f64,
    /// `y f(y)/S(y)`.
    slope: f64,
}

/// Solves for quantiles in ascending order, reusing contours and extrapolating the starts.
#[derive(Debug)]
pub(super) struct WrightSolver<'a> {
    law: &'a Wright,
    contour: Option<Contour>,
    /// The last two solutions in the tail, the later one second.
    history: [Option<Solved>; 2],
}

impl<'a> WrightSolver<'a> {
    pub(super) fn new(law: &'a Wright) -> Self {
        Self { law, contour: None, history: [None; 2] }
    }

    /// The quantile at `level`, for `0 < cdf` and a finite `ln_survival`.
    pub(super) fn solve(&mut self, level: Level) -> Point {
        let survival = level.ln_survival.exp();
        if survival > self.law.switch_survival {
            return self.solve_bulk(level.cdf, survival);
        }
        self.solve_tail(-level.ln_survival)
    }

    /// Newton on the series, inside a bracket.
    fn solve_bulk(&self, cdf: f64, survival: f64) -> Point {
        let (mut low, mut high) = (0.0, self.law.switch);
        let slope = self.law.density.first().copied().unwrap_or(1.0);
        let mut y = if slope > 0.0 { cdf / slope } else { f64::INFINITY };
        if !(y > low && y < high) {
            y = 0.5 * high;
        }
        let mut density = slope;
        for _ in 0..100 {
            let (value, f) = self.law.series(y);
            density = f;
            let excess = value - cdf;
            if excess > 0.0 {
                high = y;
            } else {
                low = y;
            }
            let mut next = y - excess / f;
            if !(next >= low && next <= high) {
                next = 0.5 * (low + high);
            }
            let change = (next - y).abs();
            y = next;
            if change <= 4e-16 * y {
                break;
            }
            // The step after a small one only rounds: its density is still needed.
            if change <= 1e-9 * y {
                let (value, f) = self.law.series(y);
                density = f;
                y -= (value - cdf) / f;
                break;
            }
        }
        Point { y, ln_ratio: survival.ln() - density.ln() }
    }

    /// Newton on `ln S`: in the variable `w` in the tail, in `ln y` before it begins.
    fn solve_tail(&mut self, level: f64) -> Point {
        let law = self.law;
        let mut ln_y = self.start(level);
        let mut slope = 1.0;
        let mut previous = f64::INFINITY;
        for _ in 0..100 {
            let w = law.w_of(ln_y);
            let value = self.evaluate(ln_y);
            slope = value.log_slope;
            let residual = value.ln_survival + level;
            if !residual.is_finite() {
                break;
            }
            let change = if w > 1.0 {
                // d ln S/dw = -slope/(b' w); the curvature a/w² is that of the leading asymptotics.
                let rate = slope / (law.conjugate * w);
                let linear = residual / rate;
                let bend = (0.5 * law.shape / (w * w) * linear / rate).clamp(-0.2, 0.2);
                // The step in ln y is kept relative: for large b' it is far below the rounding of y.
                (linear / w * (1.0 + bend)).clamp(-0.7, 3.0).ln_1p() / law.conjugate
            } else {
                // Not past the point where w takes over: beyond it the tail falls off a cliff.
                (residual / slope).clamp(-0.5, (4.0 / w).ln() / law.conjugate)
            };
            ln_y += change;
            let change = change.abs();
            if change < 1e-15 || (change < 1e-11 && change > 0.3 * previous) {
                break;
            }
            // The convergence is quadratic: the next step would only round. The slope still moves.
            if change * law.conjugate.max(10.0) * w.max(1.0) < 1e-8 {
                slope = self.evaluate(ln_y).log_slope;
                break;
            }
            previous = change;
        }
        self.history = [self.history[1], Some(Solved { level, ln_y, slope })];
        Point { y: ln_y.exp(), ln_ratio: ln_y - slope.ln() }
    }

    /// Extrapolates `ln y` from the solutions before.
    fn start(&self, level: f64) -> f64 {
        let law = self.law;
        let switch = || {
            let (cdf, density) = law.series(law.switch);
            let slope = law.switch * density / (1.0 - cdf);
            Solved { level: -law.switch_survival.ln(), ln_y: law.switch.ln(), slope }
        };
        let last = match self.history[1] {
            Some(last) if level >= last.level => last,
            _ if law.switch > 0.0 => switch(),
            // No series at all: w is of the order of the level.
            _ => return law.ln_y_of(level.max(0.1)),
        };
        let w = law.w_of(last.ln_y);
        let step = level - last.level;
        if w < 1.0 {
            let reach = (level.max(1.0) / w).ln() / law.conjugate;
            return last.ln_y + (step / last.slope).min(reach.max(0.0));
        }
        // w is smooth in the level, with slope b' w/slope and a bend that the solution before shows.
        let rate = law.conjugate * w / last.slope;
        let bend = match self.history[0] {
            Some(before) if before.level < last.level && last.level <= level => {
                let w0 = law.w_of(before.ln_y);
                let change = rate - law.conjugate * w0 / before.slope;
                if w0 < 1.0 { 0.0 } else { 0.5 * change / (last.level - before.level) }
            }
            _ => 0.0,
        };
        let guess = w + step * (rate + bend * step).clamp(0.2, 2.0);
        last.ln_y + (guess / w).ln() / law.conjugate
    }

    fn evaluate(&mut self, ln_y: f64) -> TailValue {
        // A contour serves its neighbourhood: beyond, the integrand no longer peaks where the line runs.
        if let Some(contour) = &self.contour
            && (ln_y - contour.ln_y).abs() < contour.spread
        {
            let value = contour.evaluate(ln_y);
            if value.coherence > SMALLEST_COHERENCE {
                return value;
            }
        }
        let w = self.law.w_of(ln_y);
        let start = self.contour.as_ref().map_or(1.0 + self.law.conjugate * w.min(1e3), |c| c.c);
        let contour = Contour::new(self.law, ln_y, start);
        let value = contour.evaluate(ln_y);
        self.contour = Some(contour);
        value
    }
}
