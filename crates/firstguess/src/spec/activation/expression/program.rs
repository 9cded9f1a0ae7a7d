//! Expressions as stack programs over dual numbers.

use std::f64::consts::{LN_2, LN_10};

use crate::math::special;
use crate::spec::activation::scalar;

/// A function of one number as `v -> (f(v), f'(v))`; never called with NaN.
type Unary = fn(f64) -> (f64, f64);

/// The functions of one argument. Names of the vocabulary mean the activation with its default parameters.
static UNARY: &[(&str, Unary)] = &[
    ("exp", |v| (v.exp(), v.exp())),
    ("expm1", |v| (v.exp_m1(), v.exp())),
    ("ln", ln),
    ("log", ln),
    ("log1p", |v| (v.ln_1p(), 1.0 / (1.0 + v))),
    ("log2", |v| (v.log2(), 1.0 / (v * LN_2))),
    ("log10", |v| (v.log10(), 1.0 / (v * LN_10))),
    ("sqrt", |v| (v.sqrt(), 0.5 / v.sqrt())),
    ("cbrt", |v| (v.cbrt(), 1.0 / (3.0 * v.cbrt() * v.cbrt()))),
    ("abs", scalar::abs),
    ("sign", |v| (scalar::sign(v), 0.0)),
    ("sin", |v| (v.sin(), v.cos())),
    ("cos", |v| (v.cos(), -v.sin())),
    ("tan", |v| (v.tan(), 1.0 + v.tan() * v.tan())),
    ("asin", |v| (v.asin(), 1.0 / (1.0 - v * v).sqrt())),
    ("acos", |v| (v.acos(), -1.0 / (1.0 - v * v).sqrt())),
    ("atan", |v| (v.atan(), 1.0 / (1.0 + v * v))),
    ("sinh", |v| (v.sinh(), v.cosh())),
    ("cosh", |v| (v.cosh(), v.sinh())),
    ("tanh", scalar::tanh),
    ("asinh", |v| (v.asinh(), 1.0 / v.hypot(1.0))),
    ("acosh", |v| (v.acosh(), 1.0 / ((v - 1.0) * (v + 1.0)).sqrt())),
    ("atanh", |v| (v.atanh(), 1.0 / (1.0 - v * v))),
    ("erf", scalar::erf),
    ("erfc", |v| (libm::erfc(v), -scalar::erf(v).1)),
    ("sigmoid", scalar::sigmoid),
    ("softplus", scalar::softplus),
    ("relu", |v| scalar::leaky_relu(v, 0.0)),
    ("relu6", |v| scalar::clamp(v, 0.0, 6.0)),
    ("leaky_relu", |v| scalar::leaky_relu(v, 0.01)),
    ("elu", |v| scalar::elu(v, 1.0)),
    ("celu", |v| scalar::celu(v, 1.0)),
    ("selu", scalar::selu),
    ("gelu", scalar::gelu),
    ("gelu_tanh", scalar::gelu_tanh),
    ("silu", scalar::silu),
    ("mish", scalar::mish),
    ("hard_tanh", |v| scalar::clamp(v, -1.0, 1.0)),
    ("hard_swish", scalar::hard_swish),
    ("squared_relu", scalar::squared_relu),
    ("normal_cdf", |v| (special::normal_cdf(v), special::normal_density(v))),
];

/// The functions of two arguments.
static BINARY: &[(&str, Op)] = &[("min", Op::Min), ("max", Op::Max)];

fn ln(v: f64) -> (f64, f64) {
    (v.ln(), 1.0 / v)
}

/// The functions that expressions know.
pub fn function_names() -> Vec<&'static str> {
    UNARY.iter().map(|(name, _)| *name).chain(BINARY.iter().map(|(name, _)| *name)).collect()
}

/// Whether expressions know a function of this name.
pub(in super::super) fn is_function(name: &str) -> bool {
    function(name).is_some()
}

/// The instruction that calls a function, and how many arguments it takes.
pub(super) fn function(name: &str) -> Option<(Op, usize)> {
    if let Some(index) = UNARY.iter().position(|(known, _)| *known == name) {
        return Some((Op::Call(index), 1));
    }
    BINARY.iter().find(|(known, _)| *known == name).map(|(_, op)| (*op, 2))
}

/// One instruction: takes its arguments from the stack and leaves its result there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Op {
    X,
    Number(f64),
    Call(usize),
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Min,
    Max,
}

/// A program whose stack never exceeds [`Program::STACK`].
#[derive(Debug, Clone, Default)]
pub(super) struct Program {
    ops: Vec<Op>,
    height: usize,
    tallest: usize,
    uses_x: bool,
}

impl Program {
    /// The tallest stack allowed, and one that is enough for most: each evaluation clears it.
    const STACK: usize = 32;
    const SMALL_STACK: usize = 4;

    /// Appends an instruction. `None`: the stack would grow too tall.
    pub(super) fn push(&mut self, op: Op) -> Option<()> {
        match op {
            Op::X | Op::Number(_) => self.height += 1,
            Op::Call(_) | Op::Negate => {}
            _ => self.height -= 1,
        }
        self.uses_x |= op == Op::X;
        self.tallest = self.tallest.max(self.height);
        self.ops.push(op);
        (self.height <= Self::STACK).then_some(())
    }

    pub(super) fn uses_x(&self) -> bool {
        self.uses_x
    }

    /// The value and the slope at `x`.
    pub(super) fn dual(&self, x: f64) -> (f64, f64) {
        let ([value], [slope]) = self.duals(&[x]);
        (value, slope)
    }

    /// The values and the slopes at several points: one pass over the program for all.
    pub(super) fn duals<const N: usize>(&self, x: &[f64; N]) -> ([f64; N], [f64; N]) {
        if self.tallest <= Self::SMALL_STACK {
            self.run::<N, { Self::SMALL_STACK }>(x)
        } else {
            self.run::<N, { Self::STACK }>(x)
        }
    }

    /// `STACK` is at least the height that the program needs.
    fn run<const N: usize, const STACK: usize>(&self, x: &[f64; N]) -> ([f64; N], [f64; N]) {
        let mut values = [[0.0; N]; STACK];
        let mut slopes = [[0.0; N]; STACK];
        let mut top = 0; // entries on the stack
        for &op in &self.ops {
            match op {
                Op::X => {
                    (values[top], slopes[top]) = (*x, [1.0; N]);
                    top += 1;
                }
                Op::Number(number) => {
                    (values[top], slopes[top]) = ([number; N], [0.0; N]);
                    top += 1;
                }
                Op::Call(index) => {
                    let f = UNARY[index].1;
                    let (value, slope) = (&mut values[top - 1], &mut slopes[top - 1]);
                    for i in 0..N {
                        (value[i], slope[i]) = chain(f, value[i], slope[i]);
                    }
                }
                Op::Negate => {
                    for i in 0..N {
                        values[top - 1][i] = -values[top - 1][i];
                        slopes[top - 1][i] = -slopes[top - 1][i];
                    }
                }
                _ => {
                    top -= 1;
                    for i in 0..N {
                        let a = (values[top - 1][i], slopes[top - 1][i]);
                        let b = (values[top][i], slopes[top][i]);
                        (values[top - 1][i], slopes[top - 1][i]) = binary(op, a, b);
                    }
                }
            }
        }
        (values[0], slopes[0])
    }
}

fn chain(f: Unary, value: f64, slope: f64) -> (f64, f64) {
    if value.is_nan() {
        return (value, value);
    }
    let (result, derivative) = f(value);
    (result, product(derivative, slope))
}

/// `a·b` with `0·∞ = 0`: a slope of zero stays zero whatever it is multiplied by.
fn product(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 { 0.0 } else { a * b }
}

/// Both numbers are (value, slope).
#[inline]
fn binary(op: Op, (a, da): (f64, f64), (b, db): (f64, f64)) -> (f64, f64) {
    match op {
        Op::Add => (a + b, da + db),
        Op::Subtract => (a - b, da - db),
        Op::Multiply => (a * b, product(da, b) + product(a, db)),
        Op::Divide => {
            let quotient = a / b;
            (quotient, (da - product(quotient, db)) / b)
        }
        Op::Power => power((a, da), (b, db)),
        // NaN must not lose to a number, as it does in `f64::min`.
        Op::Min if a <= b || a.is_nan() => (a, da),
        Op::Max if a >= b || a.is_nan() => (a, da),
        _ => (b, db),
    }
}

fn power((a, da): (f64, f64), (b, db): (f64, f64)) -> (f64, f64) {
    let value = a.powf(b);
    let by_base = if da == 0.0 { 0.0 } else { product(b, a.powf(b - 1.0)) * da };
    let by_exponent = if db == 0.0 { 0.0 } else { product(value, a.ln()) * db };
    (value, by_base + by_exponent)
}
