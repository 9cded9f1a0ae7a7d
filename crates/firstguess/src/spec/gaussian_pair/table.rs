//! φ and φ′ of a Gaussian pair as piecewise Chebyshev series.

use super::closed::mills_ratio;
use super::far::FarTable;
use super::fast::FastTable;
use super::law::Solver;
use super::{Level, MagnitudeLaw, PairError, PairFamily, PairWeights};
use crate::math::chebyshev::{ChebyshevBasis, clenshaw};
use crate::math::special::{
    FRAC_1_SQRT_2PI, central_probability, ln_normal_cdf, normal_cdf, normal_density,
    normal_survival,
};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2, LN_2};
use std::sync::OnceLock;

/// The table covers `|x| ≤ 16`; the normal law leaves 1e-57 outside.
const RANGE: f64 = 16.0;
/// Nodes and coefficients per segment.
const NODES: usize = 24;
/// A segment is split until its last coefficients fall below this, relative to its smallest value.
const RESOLUTION: f64 = 2e-14;
/// ... or until splitting no longer helps and they are below this: rounding of the quantiles themselves.
const NOISE: f64 = 5e-13;
/// No admissible law needs more segments.
const MAX_SEGMENTS: usize = 64;

/// Which measure-preserving map carries the normal law onto `|φ(X)|`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Branch {
    /// `φ(x) = sgn(x) H(2Φ(|x|) - 1)`, with `H` the quantile function of `|Y|`.
    Odd,
    /// `φ(x) = H(Φ(x))`: positive, increasing, zero at `-∞`.
    Positive,
}

/// What is divided out of a segment before it is interpolated.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Factor {
    One,
    /// `x`
    Linear,
    /// `exp(-rate x²)`
    Gaussian(f64),
}

impl Factor {
    fn at(self, x: f64) -> f64 {
        match self {
            Self::One => 1.0,
            Self::Linear => x,
            Self::Gaussian(rate) => (-rate * x * x).exp(),
        }
    }

    fn ln_at(self, x: f64) -> f64 {
        match self {
            Self::One => 0.0,
            Self::Linear => x.ln(),
            Self::Gaussian(rate) => -rate * x * x,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Series {
    factor: Factor,
    coefficients: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq)]
struct Segment {
    low: f64,
    high: f64,
    value: Series,
    derivative: Series,
}

impl Segment {
    fn evaluate(&self, series: &Series, x: f64) -> f64 {
        let t = (2.0 * x - self.low - self.high) / (self.high - self.low);
        series.factor.at(x) * clenshaw(&series.coefficients, t)
    }
}

/// φ of the sphere of dimension 2 or 3, and of the random sign.
#[derive(Debug, Clone, Copy, PartialEq)]
enum ClosedForm {
    /// `R sin(½π F)`
    Sine { radius: f64 },
    /// `R F`
    Linear { radius: f64 },
    /// `x`, odd branch only.
    Identity,
}

/// The activation of a Gaussian pair, with its derivative.
///
/// ```text
/// odd       φ(x) = sgn(x) H(erf(|x|/√2))
/// positive  φ(x) = H(Φ(x))
/// φ'(x) = c e^(-x²/2)/√(2π) / f(φ(x)),   c = 2 (odd), 1 (positive)
/// ```
///
/// `H` and `f` are the quantile function and the density of the [`MagnitudeLaw`].
///
/// # Accuracy
///
/// Relative error of the value and of the derivative ≤ 1e-12 for `|x| ≤ 16` (≤ 2e-14 for the value from θ = 2.05 on).
/// Beyond, where the normal law leaves 1e-57, families without a closed form continue by the saddle-point formula of the
/// tail, matched in value and slope: relative error ≤ 1e-6.
///
/// # References
///
/// `wolinski2025` (arXiv:2205.12379) for the Weibull pair; numerics derived in docs/theory/gaussian-pairs.md, section 4.
///
/// # Examples
///
/// ```
/// use firstguess::spec::gaussian_pair::{Branch, PairError, PairFamily, PairTable};
/// let phi = PairTable::new(PairFamily::Weibull { theta: 3.0 }, Branch::Odd)?;
/// assert!((phi.value(1.0) - 1.182051839054898).abs() < 1e-13);
/// // Maxwell weights turn the error function into an exactly Gaussian-preserving activation.
/// let erf = PairTable::new(PairFamily::Sphere { dimension: 3 }, Branch::Odd)?;
/// assert!((erf.value(0.5) - 3.0_f64.sqrt() * 0.38292492254802624).abs() < 1e-14);
/// # Ok::<(), PairError>(())
/// ```
#[derive(Debug, Clone)]
pub struct PairTable {
    law: MagnitudeLaw,
    branch: Branch,
    closed_form: Option<ClosedForm>,
    segments: Vec<Segment>,
    far: FarMatch,
    far_table: OnceLock<FarTable>,
    fast: OnceLock<Option<FastTable>>,
}

/// How the asymptotic continuation is bent to meet the table: `1 + amount (16/x)^power`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct FarMatch {
    amount: f64,
    power: f64,
}

impl PairTable {
    /// Tabulates φ and φ′ of a family on a branch: below a millisecond for powers ≥ 2.05.
    ///
    /// # Errors
    ///
    /// What [`PairWeights::new`] refuses; [`PairError::Cusp`] where the slope at 0 is infinite;
    /// [`PairError::Unresolved`] where φ bends too sharply, next to such an edge.
    pub fn new(family: PairFamily, branch: Branch) -> Result<Self, PairError> {
        let law = MagnitudeLaw::new(&PairWeights::new(family)?);
        let closed_form = closed_form(&law, branch);
        let segments =
            if closed_form.is_some() { Vec::new() } else { build_segments(&law, branch)? };
        let mut table = Self {
            law,
            branch,
            closed_form,
            segments,
            far: FarMatch { amount: 0.0, power: 2.0 },
            far_table: OnceLock::new(),
            fast: OnceLock::new(),
        };
        table.match_far();
        Ok(table)
    }

    /// The branch asked for.
    pub fn branch(&self) -> Branch {
        self.branch
    }

    /// The law of `|φ(X)|`.
    pub fn law(&self) -> &MagnitudeLaw {
        &self.law
    }

    /// The weights that go with φ.
    pub fn weights(&self) -> &PairWeights {
        self.law.weights()
    }

    /// Where the pieces of φ meet, for a quadrature that wants smooth panels: ascending, both signs.
    pub fn breaks(&self) -> Vec<f64> {
        let mut breaks: Vec<f64> = if self.segments.is_empty() {
            [1.0, 2.0, 4.0, 8.0].iter().flat_map(|b| [-b, *b]).chain([0.0]).collect()
        } else {
            self.segments.iter().flat_map(|s| [s.low, s.high, -s.low, -s.high]).collect()
        };
        breaks.sort_by(f64::total_cmp);
        breaks.dedup();
        breaks
    }

    /// `|x|` beyond which φ is continued by its tail: there it is smooth up to its slope only. None of closed forms.
    pub fn seam(&self) -> Option<f64> {
        (!self.segments.is_empty()).then_some(RANGE)
    }

    /// `φ(x)`. NaN for NaN.
    pub fn value(&self, x: f64) -> f64 {
        if x.is_nan() {
            return x;
        }
        match self.branch {
            Branch::Odd => self.half_line(x.abs()).copysign(x),
            Branch::Positive => self.half_line(x),
        }
    }

    /// `φ'(x)`. NaN for NaN.
    pub fn derivative(&self, x: f64) -> f64 {
        if x.is_nan() {
            return x;
        }
        match self.branch {
            Branch::Odd => self.half_line_derivative(x.abs()),
            Branch::Positive => self.half_line_derivative(x),
        }
    }

    /// `φ` of a slice, in f32: piecewise cubics on a uniform grid.
    ///
    /// Elements beyond the shorter of the slices are left alone. The first call builds the grid.
    ///
    /// # Accuracy
    ///
    /// Within 4 units in the last place of the rounded f64 value (and 1e-37 absolute).
    pub fn fill_f32(&self, x: &[f32], value: &mut [f32]) {
        #[expect(clippy::cast_possible_truncation, reason = "the result is f32 by purpose")]
        let exact = |x: f32| self.value(f64::from(x)) as f32;
        match self.fast() {
            Some(fast) => fast.fill_value(x, value, exact),
            None => value.iter_mut().zip(x).for_each(|(out, x)| *out = exact(*x)),
        }
    }

    /// `φ'` of a slice, as [`PairTable::fill_f32`].
    pub fn fill_derivative_f32(&self, x: &[f32], derivative: &mut [f32]) {
        #[expect(clippy::cast_possible_truncation, reason = "the result is f32 by purpose")]
        let exact = |x: f32| self.derivative(f64::from(x)) as f32;
        match self.fast() {
            Some(fast) => fast.fill_derivative(x, derivative, exact),
            None => derivative.iter_mut().zip(x).for_each(|(out, x)| *out = exact(*x)),
        }
    }

    fn fast(&self) -> Option<&FastTable> {
        let build = || {
            FastTable::new(self.branch == Branch::Odd, &|x| self.value(x), &|x| self.derivative(x))
        };
        self.fast.get_or_init(build).as_ref()
    }

    fn half_line(&self, x: f64) -> f64 {
        if let Some(form) = self.closed_form {
            let p = match self.branch {
                Branch::Odd => central_probability(x),
                Branch::Positive => normal_cdf(x),
            };
            return match form {
                ClosedForm::Sine { radius } => radius * (FRAC_PI_2 * p).sin(),
                ClosedForm::Linear { radius } => radius * p,
                ClosedForm::Identity => x,
            };
        }
        if x < -RANGE {
            // |Y| has density f(0) there, to 1e-57.
            return normal_cdf(x) / self.law.density(0.0);
        }
        if let Some(segment) = self.segment(x) {
            // Rounding must not lift φ over its bound.
            return segment.evaluate(&segment.value, x).min(self.law.bound());
        }
        self.far(x).0
    }

    fn half_line_derivative(&self, x: f64) -> f64 {
        if let Some(form) = self.closed_form {
            let (density, rest) = match self.branch {
                Branch::Odd => (2.0 * normal_density(x), libm::erfc(x * FRAC_1_SQRT_2)),
                Branch::Positive => (normal_density(x), normal_survival(x)),
            };
            return match form {
                // The sine of the complement is the cosine without its cancellation.
                ClosedForm::Sine { radius } => {
                    radius * FRAC_PI_2 * density * (FRAC_PI_2 * rest).sin()
                }
                ClosedForm::Linear { radius } => radius * density,
                ClosedForm::Identity => 1.0,
            };
        }
        if x < -RANGE {
            return normal_density(x) / self.law.density(0.0);
        }
        if let Some(segment) = self.segment(x) {
            return segment.evaluate(&segment.derivative, x);
        }
        self.far(x).1
    }

    fn segment(&self, x: f64) -> Option<&Segment> {
        self.segments.iter().find(|segment| x <= segment.high)
    }

    /// Value and slope beyond the table of the centre.
    fn far(&self, x: f64) -> (f64, f64) {
        // Bounded families are next to their bound there, and have no logarithm of a slope.
        if self.law.wright().is_none() {
            return self.matched_far(x);
        }
        let table = self.far_table.get_or_init(|| FarTable::new(RANGE, |x| self.matched_far(x)));
        table.at(x).unwrap_or_else(|| self.matched_far(x))
    }

    fn matched_far(&self, x: f64) -> (f64, f64) {
        let (value, slope) = self.unmatched_far(x);
        if self.far.amount == 0.0 || x == f64::INFINITY {
            return (value, slope);
        }
        let bend = self.far.amount * (RANGE / x).powf(self.far.power);
        (value * (1.0 + bend), slope * (1.0 + bend) - value * bend * self.far.power / x)
    }

    fn unmatched_far(&self, x: f64) -> (f64, f64) {
        if x == f64::INFINITY {
            // Sublinear or bounded, save for Gaussian tails.
            let linear = self.law.wright().is_none() && self.law.arc().is_none();
            return (self.law.bound(), f64::from(u8::from(linear)));
        }
        if x > 1e100 {
            // x² overflows soon: leading order only.
            return match self.law.wright() {
                Some(law) => {
                    let value = law.leading_quantile(2.0 * x.ln() - LN_2);
                    (value, 2.0 / law.conjugate() * (value / x))
                }
                None if self.law.arc().is_some() => (self.law.bound(), 0.0),
                None => (x, 1.0),
            };
        }
        let level = level(self.branch, x);
        let point = match self.law.wright() {
            Some(law) => law.far_quantile(level.ln_survival),
            None => self.law.solver().solve(level),
        };
        (point.y, (point.ln_ratio - mills_ratio(x).ln()).exp())
    }

    fn match_far(&mut self) {
        if self.law.wright().is_none() {
            return;
        }
        let (value, slope) = self.unmatched_far(RANGE);
        let amount = self.half_line(RANGE) / value - 1.0;
        let excess = slope * (1.0 + amount) - self.half_line_derivative(RANGE);
        let power = excess * RANGE / (value * amount);
        // The correction must fade; where it is all rounding, any rate will do.
        let power = if power.is_finite() { power.clamp(0.5, 8.0) } else { 2.0 };
        self.far = FarMatch { amount, power };
    }
}

/// The level of probability that φ carries `x` to.
fn level(branch: Branch, x: f64) -> Level {
    let ln_upper = ln_normal_cdf(-x);
    match branch {
        Branch::Odd => Level { cdf: central_probability(x), ln_survival: LN_2 + ln_upper },
        Branch::Positive => Level { cdf: normal_cdf(x), ln_survival: ln_upper },
    }
}

fn closed_form(law: &MagnitudeLaw, branch: Branch) -> Option<ClosedForm> {
    if law.weights().family() == (PairFamily::Weibull { theta: f64::INFINITY }) {
        return (branch == Branch::Odd).then_some(ClosedForm::Identity);
    }
    let arc = law.arc()?;
    if arc.q == 0.5 {
        Some(ClosedForm::Sine { radius: arc.radius })
    } else if arc.q == 1.0 {
        Some(ClosedForm::Linear { radius: arc.radius })
    } else {
        None
    }
}

fn build_segments(law: &MagnitudeLaw, branch: Branch) -> Result<Vec<Segment>, PairError> {
    if law.density(0.0) <= 0.0 {
        return Err(PairError::Cusp);
    }
    let basis = ChebyshevBasis::new(NODES);
    let edges: &[f64] = match branch {
        Branch::Odd => &[0.0, 1.0, 2.0, 4.0, 8.0, RANGE],
        Branch::Positive => &[-RANGE, -8.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0, RANGE],
    };
    let mut pending: Vec<(f64, f64, f64)> =
        edges.windows(2).rev().map(|e| (e[0], e[1], f64::INFINITY)).collect();
    let mut solver = law.solver();
    let mut segments = Vec::with_capacity(edges.len());
    while let Some((low, high, parent_tail)) = pending.pop() {
        let (segment, tail) = build_segment(law, branch, &mut solver, &basis, (low, high));
        if tail <= RESOLUTION || (tail <= NOISE && tail > 0.1 * parent_tail) {
            segments.push(segment);
            continue;
        }
        if segments.len() + pending.len() >= MAX_SEGMENTS || tail.is_nan() {
            return Err(PairError::Unresolved { x: low, segments: MAX_SEGMENTS });
        }
        let middle = 0.5 * (low + high);
        pending.push((middle, high, tail));
        pending.push((low, middle, tail));
    }
    Ok(segments)
}

/// One segment, and the relative size of its last coefficients.
fn build_segment(
    law: &MagnitudeLaw,
    branch: Branch,
    solver: &mut Solver<'_>,
    basis: &ChebyshevBasis,
    (low, high): (f64, f64),
) -> (Segment, f64) {
    let value_factor = match branch {
        Branch::Odd if low == 0.0 => Factor::Linear,
        Branch::Positive if high <= 0.0 => Factor::Gaussian(0.5),
        _ => Factor::One,
    };
    // Towards a bound, R - φ falls like S^(1/q), a Gaussian in x.
    let derivative_factor = match law.arc() {
        _ if high <= 0.0 => Factor::Gaussian(0.5),
        Some(arc) => Factor::Gaussian(0.5 / arc.q),
        None => Factor::One,
    };
    let (mut values, mut derivatives) = (Vec::with_capacity(NODES), Vec::with_capacity(NODES));
    for t in &basis.nodes {
        let x = 0.5 * (low + high) + 0.5 * (high - low) * t;
        let point = solver.solve(level(branch, x));
        let ln_hazard = if x < 0.0 {
            FRAC_1_SQRT_2PI.ln() - 0.5 * x * x - ln_normal_cdf(-x)
        } else {
            -mills_ratio(x).ln()
        };
        values.push(point.y / value_factor.at(x));
        derivatives.push((ln_hazard + point.ln_ratio - derivative_factor.ln_at(x)).exp());
    }
    let (value, value_tail) = interpolate(basis, &values, value_factor);
    let (derivative, derivative_tail) = interpolate(basis, &derivatives, derivative_factor);
    // The derivative is held to a looser standard: its rounding is larger.
    (Segment { low, high, value, derivative }, value_tail.max(0.1 * derivative_tail))
}

fn interpolate(basis: &ChebyshevBasis, values: &[f64], factor: Factor) -> (Series, f64) {
    let coefficients = basis.coefficients(values);
    let smallest = values.iter().fold(f64::INFINITY, |m, v| m.min(v.abs()));
    let last = coefficients.iter().rev().take(2).fold(0.0_f64, |m, c| m.max(c.abs()));
    let bad = values.iter().any(|v| !v.is_finite()) || smallest == 0.0;
    (Series { factor, coefficients }, if bad { f64::NAN } else { last / smallest })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Value and slope of the tabulated continuation against the saddle points themselves, and past its end.
    #[test]
    fn the_far_table_is_what_the_tail_gives() {
        for (theta, branch) in [(2.05, Branch::Odd), (3.0, Branch::Positive), (10.0, Branch::Odd)] {
            let table = PairTable::new(PairFamily::Weibull { theta }, branch).expect("has a table");
            for step in 0..400 {
                let x = RANGE * 10.0_f64.powf(0.0251 * f64::from(step));
                let (value, slope) = table.matched_far(x);
                for (exact, found) in [(value, table.value(x)), (slope, table.derivative(x))] {
                    assert!(
                        (found / exact - 1.0).abs() < 1e-12,
                        "θ = {theta}, x = {x}: {found} vs {exact}"
                    );
                }
            }
        }
    }
}
