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
//! Closed forms serve the ReLU family, erf, sine and sign; smooth functions a Hermite series; everything else
//! Gauss–Legendre panels split where the function breaks or bends.

mod closed;
mod general;
mod pointwise;
mod series;

pub use pointwise::Pointwise;

use crate::spec::activation::{Activation, Parity};
use closed::Closed;
use general::General;

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
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Closed(Closed),
    General(General),
}

impl Dual {
    /// Prepares the moments of one activation.
    pub fn new(activation: &Activation) -> Self {
        Self::of(Pointwise::from(activation))
    }

    /// Prepares the moments of a composition.
    pub fn of(function: Pointwise) -> Self {
        let form = Closed::of(&function)
            .map_or_else(|| Form::General(General::new(&function)), Form::Closed);
        Self { function, form }
    }

    /// The same function with every closed form left aside: the independent second route of the tests.
    pub fn by_quadrature(activation: &Activation) -> Self {
        let function = Pointwise::from(activation);
        Self { form: Form::General(General::new(&function)), function }
    }

    /// The function itself.
    pub fn function(&self) -> &Pointwise {
        &self.function
    }

    /// Slopes `(left, right)` where the function is positively homogeneous.
    pub fn homogeneous(&self) -> Option<(f64, f64)> {
        self.function.homogeneity().map(|h| (h.negative_slope, h.positive_slope))
    }

    /// Whether `φ(-x) = -φ(x)`.
    pub fn is_odd(&self) -> bool {
        self.function.parity() == Parity::Odd
    }

    /// One-point moments at variance `q ≥ 0`.
    pub fn moments(&self, q: f64) -> Moments {
        if q <= 0.0 {
            return self.moments_at_zero();
        }
        match &self.form {
            Form::Closed(closed) => closed.moments(q),
            Form::General(general) => general.moments(q),
        }
    }

    /// The two-point moments at a common variance `q > 0`, prepared for many correlations.
    pub fn at(&self, q: f64) -> DualAt<'_> {
        let state = match &self.form {
            Form::Closed(closed) => State::Closed(closed),
            Form::General(general) => State::General(general.at(q)),
        };
        DualAt { dual: self, q, state }
    }

    /// `E[φ(u) φ(v)]` for variances `q1`, `q2` and correlation `c`.
    ///
    /// # Accuracy
    ///
    /// Absolute error below 1e-12 of `√(E φ(u)² E φ(v)²)` with a closed form, 1e-10 without.
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
        }
    }

    /// `E[φ(√q z)⁴]`, by quadrature for every function.
    pub fn fourth_moment(&self, q: f64) -> f64 {
        if q <= 0.0 {
            return self.function.value(0.0).powi(4);
        }
        general::expectation(&self.function, q, |value| value.powi(4))
    }

    fn moments_at_zero(&self) -> Moments {
        let (value, _) = self.function.value_and_derivative(0.0);
        // Both one-sided slopes count where the function has a corner at zero.
        let step = f64::MIN_POSITIVE.sqrt();
        let (left, right) = (
            self.function.value_and_derivative(-step).1,
            self.function.value_and_derivative(step).1,
        );
        let jumps = self.function.kinks().iter().any(|k| k.value_jump != 0.0 && k.at == 0.0);
        let slope2 = if jumps { f64::INFINITY } else { 0.5 * (left * left + right * right) };
        // φ² ≈ φ(0)² + 2φ(0)φ'(0)h + (φ'² + φφ'')h²: the last term needs φ'', which vanishes from view when φ(0) = 0.
        let second_slope = if value == 0.0 {
            slope2
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
        }
    }

    /// `E[φ(u) φ(v)]`.
    pub fn kernel(&self, correlation: Correlation) -> f64 {
        match &self.state {
            State::Closed(closed) => closed.kernel_at(self.q, correlation),
            State::General(at) => at.kernel(correlation),
        }
    }

    /// `E[φ'(u) φ'(v)]`, the slope of the kernel in the covariance; infinite at `c = ±1` where `φ` jumps.
    pub fn slope(&self, correlation: Correlation) -> f64 {
        match &self.state {
            State::Closed(closed) => closed.slope(self.q, correlation),
            State::General(at) => at.slope(correlation),
        }
    }

    /// `½ E[(φ(u) - φ(v))²]`, relatively accurate as `1 - c → 0`.
    pub fn difference(&self, correlation: Correlation) -> f64 {
        match &self.state {
            State::Closed(closed) => closed.difference(self.q, correlation),
            State::General(at) => at.difference(correlation),
        }
    }

    /// The prepared function.
    pub fn dual(&self) -> &Dual {
        self.dual
    }
}

#[cfg(test)]
mod tests;
