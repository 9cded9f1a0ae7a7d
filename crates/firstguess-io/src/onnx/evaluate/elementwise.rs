//! Operators that act on each element, with broadcasting.

use ndarray::{ArrayD, IxDyn, Zip};

use super::{Call, Operation};
use crate::onnx::tensor::{Array, elements};

pub(super) const OPERATORS: &[(&str, Operation)] = &[
    ("Identity", |call| Ok(call.input(0)?.clone())),
    ("Dropout", |call| Ok(call.input(0)?.clone())),
    ("Cast", cast),
    ("CastLike", |call| Ok(call.input(0)?.clone())),
    ("Add", |call| arithmetic(call, |a, b| a + b, i64::wrapping_add)),
    ("Sub", |call| arithmetic(call, |a, b| a - b, i64::wrapping_sub)),
    ("Mul", |call| arithmetic(call, |a, b| a * b, i64::wrapping_mul)),
    ("Div", |call| arithmetic(call, |a, b| a / b, |a, b| a.checked_div(b).unwrap_or(0))),
    ("Pow", power),
    ("Mod", modulo),
    ("Min", |call| fold(call, f32::min, i64::min)),
    ("Max", |call| fold(call, f32::max, i64::max)),
    ("Sum", |call| fold(call, |a, b| a + b, i64::wrapping_add)),
    ("Greater", |call| compare(call, |a, b| a > b)),
    ("GreaterOrEqual", |call| compare(call, |a, b| a >= b)),
    ("Less", |call| compare(call, |a, b| a < b)),
    ("LessOrEqual", |call| compare(call, |a, b| a <= b)),
    ("Equal", |call| compare(call, |a, b| a == b)),
    ("Not", |call| Ok(Array::Bool(truth(call, 0)?.mapv(|b| !b)))),
    ("And", |call| both(truth(call, 0)?, truth(call, 1)?, |a, b| a && b).map(Array::Bool)),
    ("Or", |call| both(truth(call, 0)?, truth(call, 1)?, |a, b| a || b).map(Array::Bool)),
    ("Xor", |call| both(truth(call, 0)?, truth(call, 1)?, |a, b| a != b).map(Array::Bool)),
    ("IsNaN", |call| Ok(Array::Bool(call.float(0)?.mapv(f32::is_nan)))),
    ("IsInf", |call| Ok(Array::Bool(call.float(0)?.mapv(f32::is_infinite)))),
    ("Where", select),
    ("Round", |call| map(call, f32::round_ties_even)),
    ("Floor", |call| map(call, f32::floor)),
    ("Ceil", |call| map(call, f32::ceil)),
    ("Sqrt", |call| map(call, f32::sqrt)),
    ("Reciprocal", |call| map(call, f32::recip)),
    ("Exp", |call| map(call, f32::exp)),
    ("Log", |call| map(call, f32::ln)),
    ("Neg", |call| either(call, |x| -x, i64::wrapping_neg)),
    ("Abs", |call| either(call, f32::abs, i64::wrapping_abs)),
    ("Sign", |call| map(call, |x| if x == 0.0 { 0.0 } else { x.signum() })),
    ("Sin", |call| map(call, f32::sin)),
    ("Cos", |call| map(call, f32::cos)),
    ("Erf", |call| map(call, libm::erff)),
    ("Tanh", |call| map(call, f32::tanh)),
    ("Sigmoid", |call| map(call, sigmoid)),
    ("Relu", |call| map(call, |x| x.max(0.0))),
    ("Softplus", |call| map(call, softplus)),
    ("Softsign", |call| map(call, |x| x / (1.0 + x.abs()))),
    ("Mish", |call| map(call, |x| x * softplus(x).tanh())),
    ("HardSwish", |call| map(call, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0))),
    ("HardSigmoid", |call| {
        let (a, b) =
            (call.node.float("alpha").unwrap_or(0.2), call.node.float("beta").unwrap_or(0.5));
        map(call, |x| (a * x + b).clamp(0.0, 1.0))
    }),
    ("LeakyRelu", |call| {
        let a = call.node.float("alpha").unwrap_or(0.01);
        map(call, |x| if x < 0.0 { a * x } else { x })
    }),
    ("Elu", |call| {
        let a = call.node.float("alpha").unwrap_or(1.0);
        map(call, |x| if x < 0.0 { a * x.exp_m1() } else { x })
    }),
    ("Celu", |call| {
        let a = call.node.float("alpha").unwrap_or(1.0);
        map(call, |x| if x < 0.0 { a * (x / a).exp_m1() } else { x })
    }),
    ("Selu", |call| {
        let a = call.node.float("alpha").unwrap_or(1.673_263_2);
        let g = call.node.float("gamma").unwrap_or(1.050_701);
        map(call, |x| if x < 0.0 { g * a * x.exp_m1() } else { g * x })
    }),
    ("Gelu", |call| {
        if call.node.text("approximate") == Some("tanh") {
            map(call, |x| 0.5 * x * (1.0 + (0.797_884_6 * (x + 0.044_715 * x * x * x)).tanh()))
        } else {
            map(call, |x| 0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2)))
        }
    }),
    ("Swish", |call| {
        let a = call.node.float("alpha").unwrap_or(1.0);
        map(call, |x| x * sigmoid(a * x))
    }),
    ("PRelu", |call| {
        let (x, slope) = (call.float(0)?, call.float(1)?);
        both(x, slope, |x, a| if x < 0.0 { a * x } else { x }).map(Array::Float)
    }),
    ("Clip", clip),
];

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn truth<'a>(call: &Call<'a>, position: usize) -> Result<&'a ArrayD<bool>, String> {
    match call.input(position)? {
        Array::Bool(array) => Ok(array),
        _ => Err("takes truth values".to_owned()),
    }
}

fn map(call: &Call<'_>, f: impl Fn(f32) -> f32) -> Result<Array, String> {
    Ok(Array::Float(call.float(0)?.mapv(f)))
}

/// A function of numbers of either type.
fn either(
    call: &Call<'_>,
    float: impl Fn(f32) -> f32,
    int: impl Fn(i64) -> i64,
) -> Result<Array, String> {
    match call.input(0)? {
        Array::Int(array) => Ok(Array::Int(array.mapv(int))),
        _ => map(call, float),
    }
}

/// Remainders: of the sign of the divisor, or of the dividend where `fmod` says so.
fn modulo(call: &Call<'_>) -> Result<Array, String> {
    let of_dividend = call.node.int("fmod").unwrap_or(0) == 1;
    arithmetic(
        call,
        |a, b| if of_dividend { a % b } else { a - b * (a / b).floor() },
        |a, b| {
            let rest = a.checked_rem(b).unwrap_or(0);
            if !of_dividend && rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
        },
    )
}

/// The shape to which two shapes are broadcast.
pub(super) fn common_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let axes = a.len().max(b.len());
    let extent = |shape: &[usize], axis: usize| {
        (axis + shape.len()).checked_sub(axes).map_or(1, |position| shape[position])
    };
    let shape: Result<Vec<usize>, String> = (0..axes)
        .map(|axis| match (extent(a, axis), extent(b, axis)) {
            (m, n) if m == n || n == 1 => Ok(m),
            (1, n) => Ok(n),
            _ => Err(format!("combines shapes {a:?} and {b:?}")),
        })
        .collect();
    let shape = shape?;
    elements(&shape)?;
    Ok(shape)
}

/// `f` of two arrays, broadcast.
pub(super) fn both<A: Copy, B: Copy, T>(
    a: &ArrayD<A>,
    b: &ArrayD<B>,
    f: impl Fn(A, B) -> T,
) -> Result<ArrayD<T>, String> {
    let shape = IxDyn(&common_shape(a.shape(), b.shape())?);
    let apart = || format!("combines shapes {:?} and {:?}", a.shape(), b.shape());
    let a_full = a.broadcast(shape.clone()).ok_or_else(apart)?;
    let b_full = b.broadcast(shape).ok_or_else(apart)?;
    Ok(Zip::from(&a_full).and(&b_full).map_collect(|a, b| f(*a, *b)))
}

fn arithmetic(
    call: &Call<'_>,
    float: impl Fn(f32, f32) -> f32,
    int: impl Fn(i64, i64) -> i64,
) -> Result<Array, String> {
    match (call.input(0)?, call.input(1)?) {
        (Array::Float(a), Array::Float(b)) => both(a, b, float).map(Array::Float),
        (Array::Int(a), Array::Int(b)) => both(a, b, int).map(Array::Int),
        _ => Err("takes two inputs of one type".to_owned()),
    }
}

fn power(call: &Call<'_>) -> Result<Array, String> {
    let base = call.float(0)?;
    #[expect(clippy::cast_precision_loss, reason = "exponents are small")]
    let exponent = match call.input(1)? {
        Array::Float(exponent) => exponent.clone(),
        Array::Int(exponent) => exponent.mapv(|n| n as f32),
        Array::Bool(_) => return Err("takes a number as the exponent".to_owned()),
    };
    both(base, &exponent, |x, n| if n == 2.0 { x * x } else { x.powf(n) }).map(Array::Float)
}

fn fold(
    call: &Call<'_>,
    float: impl Fn(f32, f32) -> f32 + Copy,
    int: impl Fn(i64, i64) -> i64 + Copy,
) -> Result<Array, String> {
    let mut result = call.input(0)?.clone();
    for position in 1..call.inputs.len() {
        result = match (&result, call.input(position)?) {
            (Array::Float(a), Array::Float(b)) => Array::Float(both(a, b, float)?),
            (Array::Int(a), Array::Int(b)) => Array::Int(both(a, b, int)?),
            _ => return Err("takes inputs of one type".to_owned()),
        };
    }
    Ok(result)
}

fn compare(call: &Call<'_>, f: impl Fn(f64, f64) -> bool) -> Result<Array, String> {
    #[expect(clippy::cast_precision_loss, reason = "compared integers are sizes")]
    match (call.input(0)?, call.input(1)?) {
        (Array::Float(a), Array::Float(b)) => both(a, b, |a, b| f(a.into(), b.into())),
        (Array::Int(a), Array::Int(b)) => both(a, b, |a, b| f(a as f64, b as f64)),
        (Array::Bool(a), Array::Bool(b)) => {
            both(a, b, |a, b| f(f64::from(u8::from(a)), f64::from(u8::from(b))))
        }
        _ => Err("compares two inputs of one type".to_owned()),
    }
    .map(Array::Bool)
}

fn select(call: &Call<'_>) -> Result<Array, String> {
    let condition = truth(call, 0)?;
    match (call.input(1)?, call.input(2)?) {
        (Array::Float(yes), Array::Float(no)) => chosen(condition, yes, no).map(Array::Float),
        (Array::Int(yes), Array::Int(no)) => chosen(condition, yes, no).map(Array::Int),
        (Array::Bool(yes), Array::Bool(no)) => chosen(condition, yes, no).map(Array::Bool),
        _ => Err("chooses between two inputs of one type".to_owned()),
    }
}

fn chosen<T: Copy>(
    condition: &ArrayD<bool>,
    yes: &ArrayD<T>,
    no: &ArrayD<T>,
) -> Result<ArrayD<T>, String> {
    let pairs = both(yes, no, |yes, no| (yes, no))?;
    both(condition, &pairs, |c, (yes, no)| if c { yes } else { no })
}

fn clip(call: &Call<'_>) -> Result<Array, String> {
    let bound = |name: &str, position: usize| {
        let given = call.optional(position).and_then(Array::scalar);
        #[expect(clippy::cast_possible_truncation, reason = "networks run in f32")]
        given.map(|x| x as f32).or_else(|| call.node.float(name))
    };
    let low = bound("min", 1).unwrap_or(f32::NEG_INFINITY);
    let high = bound("max", 2).unwrap_or(f32::INFINITY);
    map(call, |x| x.max(low).min(high))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "what the operator is for"
)]
fn cast(call: &Call<'_>) -> Result<Array, String> {
    let to = call.node.int("to").unwrap_or(1);
    let input = call.input(0)?;
    Ok(match (input, to) {
        (Array::Int(array), 1 | 10 | 11 | 16) => Array::Float(array.mapv(|n| n as f32)),
        (Array::Bool(array), 1 | 10 | 11 | 16) => {
            Array::Float(array.mapv(|b| f32::from(u8::from(b))))
        }
        (Array::Float(array), 9) => Array::Bool(array.mapv(|x| x != 0.0)),
        (Array::Int(array), 9) => Array::Bool(array.mapv(|n| n != 0)),
        (Array::Float(_), 1 | 10 | 11 | 16) | (Array::Bool(_), 9) | (Array::Int(_), _) => {
            input.clone()
        }
        (Array::Float(array), _) => Array::Int(array.mapv(|x| x as i64)),
        (Array::Bool(array), _) => Array::Int(array.mapv(i64::from)),
    })
}
