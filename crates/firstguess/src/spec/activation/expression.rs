//! Activations given as an expression in `x`.

mod analysis;
mod jumps;
mod parser;
mod program;

use super::{ActivationError, Kink, Parity, Segment};
use analysis::Analysis;
use program::Program;

pub use program::function_names;
pub(super) use program::is_function;

/// A function of `x` written by the user, such as `x*sigmoid(1.702*x)`.
///
/// Operators `+ - * / ^` (`**` is `^`; `-x^2` is `-(x^2)`, `2^3^2` is `2^(3^2)`), parentheses, the constants `pi` and
/// `e`, and the functions of [`function_names`]. The slope is exact: it is carried along by dual numbers. Kinks, parity
/// and range are found numerically when the expression is parsed.
///
/// # Examples
///
/// ```
/// use firstguess::spec::activation::Expression;
///
/// let bump = Expression::parse("exp(-x^2)")?;
/// assert_eq!(bump.value_and_derivative(0.0), (1.0, 0.0));
/// # Ok::<(), firstguess::spec::activation::ActivationError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    program: Program,
    analysis: Analysis,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Expression {
    /// Reads an expression and checks that it can serve as an activation.
    ///
    /// # Errors
    ///
    /// Every variant of [`ActivationError`] but those of names and parameters: bad grammar, no `x`, a value that is not
    /// finite at 0 or somewhere on `[-40, 40]`, growth like `exp(x²)`.
    pub fn parse(text: &str) -> Result<Self, ActivationError> {
        let program = parser::parse(text)?;
        let text = canonical(text);
        if !program.uses_x() {
            return Err(ActivationError::Constant { text: super::error::shown(&text) });
        }
        let analysis = Analysis::new(&program, &text)?;
        Ok(Self { text, program, analysis })
    }

    /// The value of an expression without `x`.
    pub(super) fn constant(text: &str) -> Option<f64> {
        let program = parser::parse(text).ok()?;
        (!program.uses_x()).then(|| program.dual(0.0).0)
    }

    /// The expression without white space; it parses to an equal expression.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// `(φ(x), φ'(x))`. Where the value is finite but the slope is not (at a vertical tangent), the slope given is 0.
    pub fn value_and_derivative(&self, x: f64) -> (f64, f64) {
        let ([value], [derivative]) = self.values_and_derivatives(&[x]);
        (value, derivative)
    }

    /// `φ` and `φ'` at several points, faster than one by one.
    pub fn values_and_derivatives<const N: usize>(&self, x: &[f64; N]) -> ([f64; N], [f64; N]) {
        let (values, mut derivatives) = self.program.duals(x);
        for (derivative, value) in derivatives.iter_mut().zip(&values) {
            if value.is_nan() {
                *derivative = f64::NAN;
            } else if value.is_finite() && !derivative.is_finite() {
                *derivative = 0.0;
            }
        }
        (values, derivatives)
    }

    pub(super) fn kinks(&self) -> &[Kink] {
        &self.analysis.smoothness.kinks
    }

    pub(super) fn breakpoints(&self) -> &[f64] {
        &self.analysis.smoothness.breakpoints
    }

    pub(super) fn parity(&self) -> Parity {
        self.analysis.parity
    }

    pub(super) fn piecewise_linear(&self) -> Option<Vec<Segment>> {
        self.analysis.pieces.clone()
    }

    pub(super) fn range(&self) -> (f64, f64) {
        self.analysis.range
    }

    pub(super) fn length_scale(&self) -> f64 {
        self.analysis.smoothness.length_scale
    }
}

fn canonical(text: &str) -> String {
    text.replace("**", "^").chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
#[path = "expression/tests.rs"]
mod tests;
