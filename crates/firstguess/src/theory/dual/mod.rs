//! Gaussian moments of an activation: the dual activation and all that the mean-field maps are made of.
//!
//! For `u, v` jointly normal with variances `q` and correlation `c = 1 - ε`:
//!
//! ```text
//! kernel      k(c) = E[φ(u) φ(v)]
//! slope            = E[φ'(u) φ'(v)] = dk / d(q c)                 (price1958)
//! difference  D(ε) = ½ E[(φ(u) - φ(v))²] = k(1) - k(c)            without cancellation as ε → 0
//! ```
//!
//! Closed forms serve straight pieces, the squared ReLU, erf, GELU, sine and sign; smooth functions, and all functions at
//! moderate correlations, a Hermite series; everything else Gauss–Legendre panels split where the function breaks or bends.

mod closed;
mod even_rule;
mod general;
mod panels;
mod pointwise;
mod pooled;
mod resolved;
mod series;
mod straight;
mod tabulated;

pub use pointwise::Pointwise;
pub use pooled::{MAX_POOL, Pooling};
pub(in crate::theory) use tabulated::{MomentTable, NODES, PIECE, converged, place};

use crate::spec::activation::{Activation, Parity};
use crate::spec::layer::PoolKind;
use crate::theory::NoTheory;
use closed::Closed;
use general::General;
use pooled::{Between, Pooled, PooledAt};
use std::sync::OnceLock;
use tabulated::{Tabulated, TabulatedAt};

/// A correlation that keeps its digits at both ends: `c` near zero and `1 - c` near zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    /// `c`.
    pub c: f64,
    /// `ε = 1 - c`.
    pub complement: f64,
}

impl Correlation {
    /// From `c` in [-1, 1].
    pub fn new(c: f64) -> Self {
        Self { c, complement: 1.0 - c }
    }

    /// From `1 - c` in [0, 2].
    pub fn from_complement(complement: f64) -> Self {
        Self { c: 1.0 - complement, complement }
    }

    /// `c = T/(V + T)`, `1 - c = V/(V + T)`.
    pub fn from_spread(v: f64, t: f64) -> Self {
        let q = v + t;
        Self { c: t / q, complement: v / q }
    }
}

/// One-point moments at variance `q`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// `E[φ(h)]`.
    pub mean: f64,
    /// `E[φ(h)²]`.
    pub second: f64,
    /// `E[φ'(h)²]`; infinite where `φ` jumps.
    pub derivative_second: f64,
    /// `d E[φ(h)²] / dq`.
    pub second_slope: f64,
}

/// One-point moments of fourth order, behind the fluctuations of finite width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FourthMoments {
    /// `E[φ(h)⁴]`.
    pub value: f64,
    /// `E[φ'(h)⁴]`.
    pub slope: f64,
    /// `E[φ(h)² φ'(h)²]`.
    pub mixed: f64,
}

/// The Gaussian moments of one elementwise function.
///
/// # Examples
///
/// ```
/// use firstguess::spec::Activation;
/// use firstguess::theory::dual::{Correlation, Dual};
/// let relu = Dual::new(&Activation::Relu);
/// assert_eq!(relu.at(2.0).moments().second, 1.0);
/// let same = relu.at(2.0).kernel(Correlation::new(1.0));
/// assert!((same - 1.0).abs() < 1e-15);
/// ```
#[derive(Debug, Clone)]
pub struct Dual {
    function: Pointwise,
    pooling: Option<Pooling>,
    form: Form,
    /// Prepared on first use: deep in a vanishing signal every layer asks for it.
    tangent: OnceLock<Option<Box<Dual>>>,
}

/// Two are equal if they are prepared for the same function and the same pool.
impl PartialEq for Dual {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function && self.pooling == other.pooling
    }
}

impl std::fmt::Display for Dual {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pooling {
            Some(pooling) => write!(f, "{} then {pooling}", self.function),
            None => self.function.fmt(f),
        }
    }
}

#[derive(Debug, Clone)]
enum Form {
    Closed(Closed),
    General(Box<General>),
    Pooled(Pooled),
    Tabulated(Tabulated),
}

impl Dual {
    /// Prepares the moments of one activation.
    pub fn new(activation: &Activation) -> Self {
        Self::of(Pointwise::from(activation))
    }

    /// Prepares the moments of a composition.
    pub fn of(function: Pointwise) -> Self {
        let form = Closed::of(&function)
            .map_or_else(|| Form::General(Box::new(General::new(&function))), Form::Closed);
        Self { function, pooling: None, form, tangent: OnceLock::new() }
    }

    /// Prepares the moments of a pool over `size` units of one function: the multi-node activation of `arxiv2505_12096`.
    ///
    /// `correlation` is that of any two of these units for one input: 0 for the units of a dense layer. A pool over one
    /// unit is no pool at all. The function is applied first, then the pool; all moments are deterministic.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] for a size beyond [`MAX_POOL`], a correlation outside [0, 1], the largest or smallest of units whose
    /// function turns more than eight times, and that of units of a correlation strictly between 0 and 1 under a function that
    /// turns or jumps.
    ///
    /// # Accuracy
    ///
    /// One-point moments 1e-12. Two-point moments 1e-11 of `E p²`, and relative as `c → 1`, where the function is
    /// monotone; 1e-8 where it turns. Correlated units: 1e-10 for every correlation from 1e-9 to 1 - 1e-9 while the bends of the
    /// function are wider than a third of `√q`; 1e-8 at a tenth, 1e-7 where it has corners too. The tables of the first call for a size and
    /// correlation take 0.2 to 0.3 s, as much again below `c = 0`.
    ///
    /// # Examples
    ///
    /// ```
    /// use firstguess::spec::{Activation, layer::PoolKind};
    /// use firstguess::theory::dual::Dual;
    /// let pooled = Dual::pooled((&Activation::Relu).into(), PoolKind::Max, 2, 0.0)?;
    /// // 1/σ_w² at which the variance is kept, and at which gradients are: not the same.
    /// let moments = pooled.moments(1.0);
    /// assert!((moments.second - 0.9091549431).abs() < 1e-10);
    /// assert!((moments.derivative_second - 0.75).abs() < 1e-12);
    /// # Ok::<(), firstguess::theory::NoTheory>(())
    /// ```
    pub fn pooled(
        function: Pointwise,
        kind: PoolKind,
        size: usize,
        correlation: f64,
    ) -> Result<Self, NoTheory> {
        Self::with_pooling(function, Some(Pooling { kind, size, correlation }))
    }

    /// [`Dual::pooled`], or [`Dual::of`] without a pool.
    ///
    /// # Errors
    ///
    /// Those of [`Dual::pooled`].
    pub fn with_pooling(function: Pointwise, pooling: Option<Pooling>) -> Result<Self, NoTheory> {
        // Equal units pool to themselves.
        match pooling {
            Some(pool) if !(pool.size == 1 || pool.correlation == 1.0) => {
                let form = Form::Pooled(Pooled::new(&function, pool)?);
                Ok(Self { function, pooling, form, tangent: OnceLock::new() })
            }
            _ => Ok(Self::of(function)),
        }
    }

    /// The same function with every closed form left aside: the independent second route of the tests.
    pub fn by_quadrature(activation: &Activation) -> Self {
        let function = Pointwise::from(activation);
        let form = Form::General(Box::new(General::unknown(&function)));
        Self { function, pooling: None, form, tangent: OnceLock::new() }
    }

    /// The same function, to 1e-10 and fast, for maps that are asked at very many variances.
    ///
    /// Closed forms and positively homogeneous functions are fast as they are.
    #[must_use]
    pub(in crate::theory) fn tabulated(self) -> Self {
        if matches!(self.form, Form::Closed(_) | Form::Tabulated(_)) || self.homogeneous().is_some()
        {
            return self;
        }
        let (function, pooling) = (self.function.clone(), self.pooling);
        Self {
            function,
            pooling,
            form: Form::Tabulated(Tabulated::new(self)),
            tangent: OnceLock::new(),
        }
    }

    /// The pool that follows the function.
    pub fn pooling(&self) -> Option<Pooling> {
        self.pooling
    }

    /// What is left of it close to zero, where its value there is zero: a positively homogeneous form.
    pub fn tangent_at_zero(&self) -> Option<&Self> {
        let tangent = self.tangent.get_or_init(|| {
            Self::with_pooling(self.function.tangent_at_zero()?, self.pooling).ok().map(Box::new)
        });
        tangent.as_deref()
    }

    /// What it looks like from far away, where it ends in straight lines: a positively homogeneous form.
    pub fn tangent_at_infinity(&self) -> Option<Self> {
        Self::with_pooling(self.function.tangent_at_infinity()?, self.pooling).ok()
    }

    /// Whether `E[p_a p_b]` is proportional to the covariance: linear units, or a mean over them.
    pub fn is_linear(&self) -> bool {
        let straight = self.homogeneous().is_some_and(|(left, right)| left == right);
        straight && self.pooling.is_none_or(|pool| pool.kind == PoolKind::Average)
    }

    /// The function itself, before any pool.
    pub fn function(&self) -> &Pointwise {
        &self.function
    }

    /// Slopes `(left, right)` of the function where it, and so any pool over it, is positively homogeneous.
    pub fn homogeneous(&self) -> Option<(f64, f64)> {
        self.function.homogeneity().map(|h| (h.negative_slope, h.positive_slope))
    }

    /// Whether it changes its sign with its arguments; the largest of several units does not.
    pub fn is_odd(&self) -> bool {
        self.function.parity() == Parity::Odd
            && self.pooling.is_none_or(|pool| pool.kind == PoolKind::Average)
    }

    /// One-point moments at variance `q ≥ 0`.
    pub fn moments(&self, q: f64) -> Moments {
        if q <= 0.0 {
            return self.moments_at_zero();
        }
        match &self.form {
            Form::Closed(closed) => closed.moments(q),
            Form::General(general) => general.moments(q),
            Form::Pooled(pooled) => pooled.moments(q),
            Form::Tabulated(tabulated) => tabulated.moments(q),
        }
    }

    /// [`Dual::moments`] to 1e-13 and fast, for scans that look at many variances and keep few.
    pub(in crate::theory) fn scan_moments(&self, q: f64) -> Moments {
        match &self.form {
            Form::General(general) => general.scan_moments(q),
            _ => None,
        }
        .unwrap_or_else(|| self.moments(q))
    }

    /// `E[φ(u)φ(v)]` at `|c| ≤ ½`, to 1e-5 of `E φ²` and fast, for such scans.
    pub(in crate::theory) fn scan_kernel(&self, q: f64, c: Correlation) -> f64 {
        match &self.form {
            Form::General(general) => general.scan_kernel(q, c.c),
            _ => None,
        }
        .unwrap_or_else(|| self.at(q).kernel(c))
    }

    /// The two-point moments at a common variance `q > 0`, prepared for many correlations.
    pub fn at(&self, q: f64) -> DualAt<'_> {
        let state = match &self.form {
            Form::Closed(closed) => State::Closed(closed),
            Form::General(general) => State::General(general.at(q)),
            Form::Pooled(pooled) => State::Pooled(pooled.at(q)),
            Form::Tabulated(tabulated) => State::Tabulated(tabulated.at(q)),
        };
        DualAt { dual: self, q, state }
    }

    /// `E[φ(u) φ(v)]` for variances `q1`, `q2` and correlation `c`.
    ///
    /// # Accuracy
    ///
    /// Absolute error below 1e-12 of `√(E φ(u)² E φ(v)²)` with a closed form, 1e-10 without. The largest or smallest of several
    /// units of a function that turns or jumps is known at one variance: unequal ones are replaced by their geometric mean.
    pub fn cross_kernel(&self, q1: f64, q2: f64, c: f64) -> f64 {
        let c = c.clamp(-1.0, 1.0);
        if q1 <= 0.0 || q2 <= 0.0 {
            let zero = self.function.value(0.0);
            let other = if q1 <= 0.0 { q2 } else { q1 };
            return zero * self.moments(other).mean;
        }
        match &self.form {
            Form::Closed(closed) => closed.kernel(q1, q2, c),
            Form::General(general) => general.cross_kernel(q1, q2, c),
            Form::Pooled(pooled) => pooled.cross_kernel(q1, q2, Correlation::new(c)),
            Form::Tabulated(tabulated) => tabulated.exact().cross_kernel(q1, q2, c),
        }
    }

    /// The largest or smallest of several units for all variances between two ends, below `c = 0` too where that is asked for.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] for anything but such a pool, for functions that turn or jump, and for variances too far apart for a table.
    pub(in crate::theory) fn between(
        &self,
        low: f64,
        high: f64,
        negative: bool,
    ) -> Result<Between, NoTheory> {
        match &self.form {
            Form::Pooled(Pooled::Extreme(extreme)) => extreme.between(low, high, negative),
            _ => Err(NoTheory::new("no pool of the largest or smallest")),
        }
    }

    /// `E[φ(√q z)⁴]`, by quadrature for every function.
    pub fn fourth_moment(&self, q: f64) -> f64 {
        if q <= 0.0 {
            return self.function.value(0.0).powi(4);
        }
        match &self.form {
            Form::Pooled(pooled) => return pooled.fourth_moment(q),
            Form::Tabulated(tabulated) => return tabulated.exact().fourth_moment(q),
            Form::Closed(_) | Form::General(_) => {}
        }
        general::expectation(&self.function, q, |value| value.powi(4))
    }

    /// `E φ⁴`, `E φ'⁴` and `E φ² φ'²` at variance `q > 0`, by quadrature; none for a pool.
    pub fn fourth_moments(&self, q: f64) -> Option<FourthMoments> {
        self.pooling.is_none().then(|| general::fourth_moments(&self.function, q))
    }

    fn moments_at_zero(&self) -> Moments {
        let value = self.function.value(0.0);
        // Both one-sided slopes count where the function has a corner at zero.
        let step = f64::MIN_POSITIVE.sqrt();
        let (left, right) = (
            self.function.value_and_derivative(-step).1,
            self.function.value_and_derivative(step).1,
        );
        let jumps = self.function.kinks().iter().any(|k| k.value_jump != 0.0 && k.at == 0.0);
        let tangent = Self::with_pooling(Pointwise::straight(left, right), self.pooling);
        let unit = tangent.map(|tangent| tangent.moments(1.0));
        let slope2 = match unit {
            Ok(unit) if !jumps => unit.derivative_second,
            _ => f64::INFINITY,
        };
        // φ² ≈ φ(0)² + 2φ(0)φ'(0)h + (φ'² + φφ'')h²: the last term needs φ'', which vanishes from view when φ(0) = 0.
        let second_slope = if value == 0.0 {
            unit.map_or(slope2, |unit| if jumps { slope2 } else { unit.second })
        } else {
            let q = 1e-8;
            (self.moments(q).second - value * value) / q
        };
        Moments { mean: value, second: value * value, derivative_second: slope2, second_slope }
    }
}

/// [`Dual`] at one variance.
#[derive(Debug, Clone)]
pub struct DualAt<'a> {
    dual: &'a Dual,
    q: f64,
    state: State<'a>,
}

#[derive(Debug, Clone)]
enum State<'a> {
    Closed(&'a Closed),
    General(general::GeneralAt<'a>),
    Pooled(PooledAt<'a>),
    Tabulated(TabulatedAt<'a>),
}

impl DualAt<'_> {
    /// The variance.
    pub fn q(&self) -> f64 {
        self.q
    }

    /// One-point moments.
    pub fn moments(&self) -> Moments {
        match &self.state {
            State::Closed(closed) => closed.moments(self.q),
            State::General(at) => at.moments(),
            State::Pooled(at) => at.moments(),
            State::Tabulated(at) => at.moments(),
        }
    }

    /// `E[φ(u) φ(v)]`.
    pub fn kernel(&self, correlation: Correlation) -> f64 {
        match &self.state {
            State::Closed(closed) => closed.kernel_at(self.q, correlation),
            State::General(at) => at.kernel(correlation),
            State::Pooled(at) => at.kernel(correlation),
            State::Tabulated(at) => at.kernel(correlation),
        }
    }

    /// `E[φ'(u) φ'(v)]`, the slope of the kernel in the covariance; infinite at `c = ±1` where `φ` jumps.
    pub fn slope(&self, correlation: Correlation) -> f64 {
        match &self.state {
            State::Closed(closed) => closed.slope(self.q, correlation),
            State::General(at) => at.slope(correlation),
            State::Pooled(at) => at.slope(correlation),
            State::Tabulated(at) => at.slope(correlation),
        }
    }

    /// `½ E[(φ(u) - φ(v))²]`, relatively accurate as `1 - c → 0`.
    pub fn difference(&self, correlation: Correlation) -> f64 {
        match &self.state {
            State::Closed(closed) => closed.difference(self.q, correlation),
            State::General(at) => at.difference(correlation),
            State::Pooled(at) => at.difference(correlation),
            State::Tabulated(at) => at.difference(correlation),
        }
    }

    /// The prepared function.
    pub fn dual(&self) -> &Dual {
        self.dual
    }
}

#[cfg(test)]
mod tests;
