//! The closed vocabulary of activations: what each one is, as a function on the real line.
//!
//! An activation is added here and nowhere else: a variant, a line of [`VOCABULARY`], and its arms in the `match`es of
//! this file. Parsing, printing, help texts, expressions and the networks then know it.

mod error;
pub mod expression;
mod pair;
mod scalar;
mod text;

use std::f64::consts::FRAC_2_SQRT_PI;
use std::sync::Arc;

pub use error::ActivationError;
pub use expression::Expression;
pub use pair::PairActivation;
use serde::{Deserialize, Serialize};

use super::gaussian_pair::{Branch, PairError};

/// A scalar function `φ` applied to every pre-activation.
///
/// The text form is the canonical name, with parameters in parentheses where they differ from the defaults; `parse`
/// also takes PyTorch's class names and any expression in `x`.
///
/// # Examples
///
/// ```
/// use firstguess::spec::activation::Activation;
///
/// let gentle: Activation = "leaky_relu(0.1)".parse()?;
/// assert_eq!(gentle, Activation::LeakyRelu { slope: 0.1 });
/// assert_eq!(gentle.value_and_derivative(-2.0), (-0.2, 0.1));
///
/// let quick_gelu: Activation = "x*sigmoid(1.702*x)".parse()?;
/// assert!((quick_gelu.value(1.0) - 0.845_795_765_6).abs() < 1e-9);
/// # Ok::<(), firstguess::spec::activation::ActivationError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
#[expect(missing_docs, reason = "VOCABULARY has the formula of each variant and of its parameters")]
pub enum Activation {
    Linear,
    Relu,
    LeakyRelu { slope: f64 },
    Abs,
    Elu { alpha: f64 },
    Selu,
    Celu { alpha: f64 },
    Gelu,
    GeluTanh,
    Silu,
    Mish,
    Softplus,
    Sigmoid,
    Tanh,
    HardTanh,
    HardSwish,
    Erf,
    Sin,
    Sign,
    Relu6,
    SquaredRelu,
    ShiftedRelu { shift: f64 },
    LogPeriodic { delta: f64, omega: f64 },
    GaussianPair(PairActivation),
    Expression(Arc<Expression>),
}

/// One line of the vocabulary, for parsing and for help texts.
#[derive(Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Canonical name.
    pub name: &'static str,
    /// Other names understood, in lower case.
    pub aliases: &'static [&'static str],
    /// The parameters, in the order of the call.
    pub parameters: &'static [Parameter],
    /// The function in plain text.
    pub formula: &'static str,
    /// What PyTorch calls it, where it has it.
    pub pytorch: Option<&'static str>,
    build: Build,
}

/// From one number per parameter, each already in its domain, to the activation.
#[derive(Debug)]
enum Build {
    Plain(fn(&[f64]) -> Activation),
    /// Tabulated, which may fail.
    Pair(Branch),
}

impl Build {
    fn call(&self, parameters: &[f64]) -> Result<Activation, PairError> {
        match self {
            Self::Plain(build) => Ok(build(parameters)),
            Self::Pair(branch) => {
                let theta = parameters.first().copied().unwrap_or(f64::NAN);
                PairActivation::new(theta, *branch).map(Activation::GaussianPair)
            }
        }
    }
}

/// A parameter of an activation.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// The value taken where the call leaves it out.
    pub default: Option<f64>,
    /// The values allowed.
    pub domain: Domain,
}

/// The set that a parameter must lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Domain {
    /// Any finite number.
    Finite,
    /// Finite and above zero.
    Positive,
    /// Above zero; infinity is allowed.
    PositiveOrInfinite,
    /// Above zero, at most one.
    UnitInterval,
}

const fn parameter(name: &'static str, default: Option<f64>, domain: Domain) -> Parameter {
    Parameter { name, default, domain }
}

const fn entry(
    name: &'static str,
    formula: &'static str,
    pytorch: Option<&'static str>,
    build: fn(&[f64]) -> Activation,
) -> Entry {
    Entry { name, aliases: &[], parameters: &[], formula, pytorch, build: Build::Plain(build) }
}

const fn pair(name: &'static str, formula: &'static str, branch: Branch) -> Entry {
    const THETA: &[Parameter] = &[parameter("theta", None, Domain::PositiveOrInfinite)];
    let build = Build::Pair(branch);
    Entry { name, aliases: &[], parameters: THETA, formula, pytorch: None, build }
}

impl Entry {
    const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn with(mut self, parameters: &'static [Parameter]) -> Self {
        self.parameters = parameters;
        self
    }
}

/// `1/√π`, the mean of ReLU at pre-activation variance 2.
const RELU_MEAN: f64 = 0.5 * FRAC_2_SQRT_PI;

/// Every named activation, in the order in which help texts list them.
pub static VOCABULARY: &[Entry] = &[
    entry("linear", "x", Some("Identity"), |_| Activation::Linear).or(&["identity", "x"]),
    entry("relu", "max(x, 0)", Some("ReLU"), |_| Activation::Relu),
    entry("leaky_relu", "x if x > 0 else slope*x", Some("LeakyReLU"), |p| Activation::LeakyRelu {
        slope: p[0],
    })
    .or(&["leakyrelu"])
    .with(&[parameter("slope", Some(0.01), Domain::Finite)]),
    entry("abs", "|x|", Some("torch.abs"), |_| Activation::Abs),
    entry("elu", "x if x > 0 else alpha*(exp(x) - 1)", Some("ELU"), |p| Activation::Elu {
        alpha: p[0],
    })
    .with(&[parameter("alpha", Some(1.0), Domain::Finite)]),
    entry("selu", "1.0507*x if x > 0 else 1.7581*(exp(x) - 1)", Some("SELU"), |_| Activation::Selu),
    entry("celu", "x if x > 0 else alpha*(exp(x/alpha) - 1)", Some("CELU"), |p| Activation::Celu {
        alpha: p[0],
    })
    .with(&[parameter("alpha", Some(1.0), Domain::Positive)]),
    entry("gelu", "x*Phi(x), Phi the normal distribution function", Some("GELU"), |_| {
        Activation::Gelu
    }),
    entry(
        "gelu_tanh",
        "x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x^3)))/2",
        Some("GELU(approximate='tanh')"),
        |_| Activation::GeluTanh,
    )
    .or(&["gelu_new", "gelu_pytorch_tanh"]),
    entry("silu", "x*sigmoid(x)", Some("SiLU"), |_| Activation::Silu).or(&["swish"]),
    entry("mish", "x*tanh(softplus(x))", Some("Mish"), |_| Activation::Mish),
    entry("softplus", "log(1 + exp(x))", Some("Softplus"), |_| Activation::Softplus),
    entry("sigmoid", "1/(1 + exp(-x))", Some("Sigmoid"), |_| Activation::Sigmoid).or(&["logistic"]),
    entry("tanh", "tanh(x)", Some("Tanh"), |_| Activation::Tanh),
    entry("hard_tanh", "min(max(x, -1), 1)", Some("Hardtanh"), |_| Activation::HardTanh)
        .or(&["hardtanh"]),
    entry("hard_swish", "x*min(max(x + 3, 0), 6)/6", Some("Hardswish"), |_| Activation::HardSwish)
        .or(&["hardswish"]),
    entry("erf", "2/sqrt(pi) * integral of exp(-t^2) from 0 to x", Some("torch.erf"), |_| {
        Activation::Erf
    }),
    entry("sin", "sin(x)", Some("torch.sin"), |_| Activation::Sin).or(&["sine"]),
    entry("sign", "-1, 0 or 1", Some("torch.sign"), |_| Activation::Sign).or(&["sgn"]),
    entry("relu6", "min(max(x, 0), 6)", Some("ReLU6"), |_| Activation::Relu6).or(&["relu_6"]),
    entry("squared_relu", "max(x, 0)^2", None, |_| Activation::SquaredRelu)
        .or(&["relu_squared", "relu2"]),
    entry("shifted_relu", "max(x, 0) - shift; by default 1/sqrt(pi)", None, |p| {
        Activation::ShiftedRelu { shift: p[0] }
    })
    .with(&[parameter("shift", Some(RELU_MEAN), Domain::Finite)]),
    entry("log_periodic", "x*exp(delta/omega*sin(omega*log|x|))", None, |p| {
        Activation::LogPeriodic { delta: p[0], omega: p[1] }
    })
    .with(&[
        parameter("delta", None, Domain::UnitInterval),
        parameter("omega", None, Domain::Positive),
    ]),
    pair(
        "gaussian_odd",
        "odd; times a Weibull(theta) weight, N(0,1) stays N(0,1); theta = 2, from 2.005 on, or inf",
        Branch::Odd,
    ),
    pair(
        "gaussian_positive",
        "positive; times a Weibull(theta) weight, N(0,1) stays N(0,1); theta = 2, from 2.005 on, or inf",
        Branch::Positive,
    ),
];

/// A point where a function or its slope jumps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kink {
    /// Where.
    pub at: f64,
    /// `φ(at+) - φ(at-)`.
    pub value_jump: f64,
    /// `φ'(at+) - φ'(at-)`; infinite where a side has a vertical tangent, so that `E[φ'²]` may be infinite too.
    pub slope_jump: f64,
}

/// Symmetry about zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parity {
    /// `φ(-x) = -φ(x)`.
    Odd,
    /// `φ(-x) = φ(x)`.
    Even,
    /// No symmetry.
    Neither,
}

/// The slopes of a function with `φ(λx) = λφ(x)` for every `λ > 0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Homogeneous {
    /// The slope for `x < 0`.
    pub negative_slope: f64,
    /// The slope for `x > 0`.
    pub positive_slope: f64,
}

/// A straight piece, `φ(x) = slope·x + intercept` from `start` to the start of the next piece.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// Where it begins; the first piece begins at `-∞`.
    pub start: f64,
    /// `φ'` inside the piece.
    pub slope: f64,
    /// The line's value at zero.
    pub intercept: f64,
}

impl Activation {
    /// `φ(x)`.
    pub fn value(&self, x: f64) -> f64 {
        self.value_and_derivative(x).0
    }

    /// `φ'(x)`, with PyTorch's choice at a kink (zero for ReLU at zero).
    pub fn derivative(&self, x: f64) -> f64 {
        self.value_and_derivative(x).1
    }

    /// `(φ(x), φ'(x))`. NaN gives NaN; an infinite `x` gives the limit where there is one.
    ///
    /// At a kink the derivative is PyTorch's. For `hard_swish` it is the documented one, 0 at -3 and 1 at 3: PyTorch 2.6
    /// and older compute -1/2 and 3/2 there. The slope of `log_periodic` at zero, which does not exist, is taken as 1.
    ///
    /// # Accuracy
    ///
    /// A few units in the last place, in the tails too; `softplus` has no threshold.
    #[inline]
    pub fn value_and_derivative(&self, x: f64) -> (f64, f64) {
        if x.is_nan() {
            return (f64::NAN, f64::NAN);
        }
        match self {
            Self::Linear => (x, 1.0),
            Self::Relu => scalar::leaky_relu(x, 0.0),
            Self::LeakyRelu { slope } => scalar::leaky_relu(x, *slope),
            Self::Abs => scalar::abs(x),
            Self::Elu { alpha } => scalar::elu(x, *alpha),
            Self::Selu => scalar::selu(x),
            Self::Celu { alpha } => scalar::celu(x, *alpha),
            Self::Gelu => scalar::gelu(x),
            Self::GeluTanh => scalar::gelu_tanh(x),
            Self::Silu => scalar::silu(x),
            Self::Mish => scalar::mish(x),
            Self::Softplus => scalar::softplus(x),
            Self::Sigmoid => scalar::sigmoid(x),
            Self::Tanh => scalar::tanh(x),
            Self::HardTanh => scalar::clamp(x, -1.0, 1.0),
            Self::HardSwish => scalar::hard_swish(x),
            Self::Erf => scalar::erf(x),
            Self::Sin => (x.sin(), x.cos()),
            Self::Sign => (scalar::sign(x), 0.0),
            Self::Relu6 => scalar::clamp(x, 0.0, 6.0),
            Self::SquaredRelu => scalar::squared_relu(x),
            Self::ShiftedRelu { shift } => {
                let (value, derivative) = scalar::leaky_relu(x, 0.0);
                (value - shift, derivative)
            }
            Self::LogPeriodic { delta, omega } => scalar::log_periodic(x, *delta, *omega),
            Self::GaussianPair(pair) => (pair.table().value(x), pair.table().derivative(x)),
            Self::Expression(expression) => expression.value_and_derivative(x),
        }
    }

    /// The name and the parameters, in the order of the call; `None` for an expression and for a pair.
    fn call(&self) -> Option<(&'static str, Vec<f64>)> {
        Some(match self {
            Self::Linear => ("linear", vec![]),
            Self::Relu => ("relu", vec![]),
            Self::LeakyRelu { slope } => ("leaky_relu", vec![*slope]),
            Self::Abs => ("abs", vec![]),
            Self::Elu { alpha } => ("elu", vec![*alpha]),
            Self::Selu => ("selu", vec![]),
            Self::Celu { alpha } => ("celu", vec![*alpha]),
            Self::Gelu => ("gelu", vec![]),
            Self::GeluTanh => ("gelu_tanh", vec![]),
            Self::Silu => ("silu", vec![]),
            Self::Mish => ("mish", vec![]),
            Self::Softplus => ("softplus", vec![]),
            Self::Sigmoid => ("sigmoid", vec![]),
            Self::Tanh => ("tanh", vec![]),
            Self::HardTanh => ("hard_tanh", vec![]),
            Self::HardSwish => ("hard_swish", vec![]),
            Self::Erf => ("erf", vec![]),
            Self::Sin => ("sin", vec![]),
            Self::Sign => ("sign", vec![]),
            Self::Relu6 => ("relu6", vec![]),
            Self::SquaredRelu => ("squared_relu", vec![]),
            Self::ShiftedRelu { shift } => ("shifted_relu", vec![*shift]),
            Self::LogPeriodic { delta, omega } => ("log_periodic", vec![*delta, *omega]),
            // The argument of a pair is a family, not always a number.
            Self::GaussianPair(_) | Self::Expression(_) => return None,
        })
    }

    /// Where `φ` or `φ'` jumps, in ascending order.
    ///
    /// Empty for `log_periodic`, whose slope oscillates without a limit on either side of zero: see
    /// [`Activation::breakpoints`].
    pub fn kinks(&self) -> Vec<Kink> {
        let kink = |at, slope_jump| Kink { at, value_jump: 0.0, slope_jump };
        let kinks = match self {
            Self::Elu { alpha } => vec![kink(0.0, 1.0 - alpha)],
            Self::Selu => vec![kink(0.0, scalar::SELU_SCALE * (1.0 - scalar::SELU_ALPHA))],
            Self::HardSwish => vec![kink(-3.0, -0.5), kink(3.0, -0.5)],
            Self::Expression(expression) => expression.kinks().to_vec(),
            _ => self.piecewise_linear().map(|pieces| kinks_between(&pieces)).unwrap_or_default(),
        };
        kinks.into_iter().filter(|kink| kink.value_jump != 0.0 || kink.slope_jump != 0.0).collect()
    }

    /// Where `φ` is not analytic, in ascending order: the kinks, and the joints where a higher derivative jumps.
    ///
    /// Split a quadrature here.
    pub fn breakpoints(&self) -> Vec<f64> {
        match self {
            Self::Elu { .. } | Self::Celu { .. } | Self::SquaredRelu | Self::LogPeriodic { .. } => {
                vec![0.0]
            }
            Self::Expression(expression) => expression.breakpoints().to_vec(),
            _ => self.kinks().iter().map(|kink| kink.at).collect(),
        }
    }

    /// Whether `φ` is analytic on the whole line, so that unsplit Gaussian quadrature converges geometrically.
    ///
    /// An expression counts as smooth if no jump of value or slope was found.
    pub fn smooth(&self) -> bool {
        self.breakpoints().is_empty()
    }

    /// The symmetry of `φ`.
    pub fn parity(&self) -> Parity {
        match self {
            Self::Linear
            | Self::Tanh
            | Self::HardTanh
            | Self::Erf
            | Self::Sin
            | Self::Sign
            | Self::LogPeriodic { .. } => Parity::Odd,
            Self::Abs => Parity::Even,
            Self::LeakyRelu { slope } if *slope == 1.0 => Parity::Odd,
            Self::LeakyRelu { slope } if *slope == -1.0 => Parity::Even,
            Self::GaussianPair(pair) if pair.branch() == Branch::Odd => Parity::Odd,
            Self::Expression(expression) => expression.parity(),
            _ => Parity::Neither,
        }
    }

    /// The two slopes if `φ(λx) = λφ(x)` for every `λ > 0`, else `None`.
    pub fn homogeneity(&self) -> Option<Homogeneous> {
        match self.piecewise_linear()?.as_slice() {
            [line] if line.intercept == 0.0 => {
                Some(Homogeneous { negative_slope: line.slope, positive_slope: line.slope })
            }
            [left, right]
                if right.start == 0.0 && left.intercept == 0.0 && right.intercept == 0.0 =>
            {
                Some(Homogeneous { negative_slope: left.slope, positive_slope: right.slope })
            }
            _ => None,
        }
    }

    /// The straight pieces of `φ`, from `-∞` upwards, if it consists of nothing else.
    pub fn piecewise_linear(&self) -> Option<Vec<Segment>> {
        let pieces = |pieces: &[(f64, f64, f64)]| {
            pieces
                .iter()
                .map(|&(start, slope, intercept)| Segment { start, slope, intercept })
                .collect()
        };
        let left = f64::NEG_INFINITY;
        Some(match self {
            Self::Linear => pieces(&[(left, 1.0, 0.0)]),
            Self::Relu => pieces(&[(left, 0.0, 0.0), (0.0, 1.0, 0.0)]),
            Self::LeakyRelu { slope } if *slope == 1.0 => pieces(&[(left, 1.0, 0.0)]),
            Self::LeakyRelu { slope } => pieces(&[(left, *slope, 0.0), (0.0, 1.0, 0.0)]),
            Self::Abs => pieces(&[(left, -1.0, 0.0), (0.0, 1.0, 0.0)]),
            Self::HardTanh => pieces(&[(left, 0.0, -1.0), (-1.0, 1.0, 0.0), (1.0, 0.0, 1.0)]),
            Self::Sign => pieces(&[(left, 0.0, -1.0), (0.0, 0.0, 1.0)]),
            Self::Relu6 => pieces(&[(left, 0.0, 0.0), (0.0, 1.0, 0.0), (6.0, 0.0, 6.0)]),
            Self::ShiftedRelu { shift } => pieces(&[(left, 0.0, -shift), (0.0, 1.0, -shift)]),
            Self::GaussianPair(pair) if pair.is_identity() => pieces(&[(left, 1.0, 0.0)]),
            Self::Expression(expression) => return expression.piecewise_linear(),
            _ => return None,
        })
    }

    /// The infimum and the supremum of `φ`, infinite where it is unbounded.
    ///
    /// # Accuracy
    ///
    /// Exact to rounding for the named activations; found numerically, to about 1e-6, for an expression.
    pub fn range(&self) -> (f64, f64) {
        let infinite = f64::INFINITY;
        match self {
            Self::Linear | Self::LogPeriodic { .. } => (-infinite, infinite),
            Self::LeakyRelu { slope } if *slope > 0.0 => (-infinite, infinite),
            Self::Relu
            | Self::LeakyRelu { .. }
            | Self::Abs
            | Self::SquaredRelu
            | Self::Softplus => (0.0, infinite),
            Self::Elu { alpha } => ((-alpha).min(0.0), infinite),
            Self::Celu { alpha } => (-alpha, infinite),
            Self::Selu => (-scalar::SELU_SCALE * scalar::SELU_ALPHA, infinite),
            // The minima of the next four: roots of φ' in 30-digit arithmetic.
            Self::Gelu => (-0.169971207479903672, infinite),
            Self::GeluTanh => (-0.170040750571254051, infinite),
            Self::Silu => (-0.278464542761073795, infinite),
            Self::Mish => (-0.308843413017250407, infinite),
            Self::HardSwish => (-0.375, infinite),
            Self::Sigmoid => (0.0, 1.0),
            Self::Tanh | Self::HardTanh | Self::Erf | Self::Sin | Self::Sign => (-1.0, 1.0),
            Self::Relu6 => (0.0, 6.0),
            Self::ShiftedRelu { shift } => (-shift, infinite),
            Self::GaussianPair(pair) => pair.range(),
            Self::Expression(expression) => expression.range(),
        }
    }

    /// Whether `φ` stays within finite bounds.
    pub fn is_bounded(&self) -> bool {
        let (low, high) = self.range();
        low.is_finite() && high.is_finite()
    }

    /// The distance in `x` over which `φ` bends between its breakpoints: 1 for `tanh`, about 0.05 for `tanh(20*x)`.
    ///
    /// Quadrature panels should not be much wider. Infinite where `φ` is a polynomial between breakpoints.
    /// `log_periodic` bends over `|x|/ω` near every `x`: the figure given is that at `|x| = 1`.
    pub fn length_scale(&self) -> f64 {
        match self {
            Self::Celu { alpha } => *alpha,
            Self::LogPeriodic { omega, .. } => 1.0 / omega,
            Self::HardSwish | Self::SquaredRelu => f64::INFINITY,
            Self::Expression(expression) => expression.length_scale(),
            _ if self.piecewise_linear().is_some() => f64::INFINITY,
            _ => 1.0,
        }
    }
}

/// The jumps where straight pieces meet.
fn kinks_between(pieces: &[Segment]) -> Vec<Kink> {
    pieces
        .windows(2)
        .map(|pair| {
            let (left, right) = (pair[0], pair[1]);
            let at = right.start;
            let value_jump = (right.slope - left.slope) * at + (right.intercept - left.intercept);
            Kink { at, value_jump, slope_jump: right.slope - left.slope }
        })
        .collect()
}

#[cfg(test)]
#[path = "activation/tests.rs"]
mod tests;
