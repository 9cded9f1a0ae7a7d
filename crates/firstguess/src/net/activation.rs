//! The activation layer: one scalar function over every element.
#![expect(
    clippy::inline_always,
    reason = "a kernel that is not inlined into the dispatched loop is compiled for the baseline instruction set"
)]

use std::hint::select_unpredictable; // a branch around one side would keep a loop from vectorising

use pulp::{Arch, Simd, WithSimd};

use crate::math::vectorized::{self, clamp, sigmoid_pair};
use crate::spec::activation::Activation;

/// `output[i] = φ(input[i])`, for as many elements as the shorter slice has.
///
/// The instruction set is chosen at run time; every one gives the same bits (no fused multiply-add).
///
/// # Accuracy
///
/// 4 units in the last place or 2e-7, whichever is larger, against [`Activation::value`]. `log_periodic` and
/// expressions are evaluated in f64 and rounded.
pub fn forward(activation: &Activation, input: &[f32], output: &mut [f32]) {
    dispatch(activation, &mut Forward { input, output });
}

/// `input_gradient[i] = φ'(pre_activation[i]) · output_gradient[i]`, for as many elements as the shortest slice has.
///
/// The derivative at a kink is that of [`Activation::derivative`]; accuracy and bits as for [`forward`].
pub fn backward(
    activation: &Activation,
    pre_activation: &[f32],
    output_gradient: &[f32],
    input_gradient: &mut [f32],
) {
    dispatch(activation, &mut Backward { pre_activation, output_gradient, input_gradient });
}

/// Whether finite values and gradients stay finite for certain: `|φ(x)| ≤ max(|x|, 1)` and `|φ'| ≤ 1`.
pub(super) fn is_contraction(activation: &Activation) -> bool {
    match activation {
        Activation::Linear
        | Activation::Relu
        | Activation::Abs
        | Activation::Sigmoid
        | Activation::Tanh
        | Activation::HardTanh
        | Activation::Relu6
        | Activation::Sin
        | Activation::Sign => true,
        Activation::LeakyRelu { slope } => slope.abs() <= 1.0,
        _ => false,
    }
}

/// A function of one element as `x -> (φ(x), φ'(x))`.
///
/// A trait, not a closure: a closure cannot be forced inline, and one that is not inlined is compiled for the baseline
/// instruction set.
trait Kernel: Copy {
    fn at(self, x: f32) -> (f32, f32);
}

/// A pass over slices that asks a kernel about every element.
trait Pass {
    fn run(&mut self, kernel: impl Kernel);
    /// Eight elements at a time, for functions too slow to vectorise.
    fn run_by_eight(&mut self, function: impl Fn(&[f64; 8]) -> ([f64; 8], [f64; 8]));
    /// By tables that fill whole slices, with the value and with the derivative.
    fn run_by_slice(
        &mut self,
        value: impl Fn(&[f32], &mut [f32]),
        slope: impl Fn(&[f32], &mut [f32]),
    );
    fn input(&self) -> &[f32];
}

struct Forward<'a> {
    input: &'a [f32],
    output: &'a mut [f32],
}

impl Pass for Forward<'_> {
    #[inline(always)]
    fn run(&mut self, kernel: impl Kernel) {
        for (x, y) in self.input.iter().zip(self.output.iter_mut()) {
            *y = kernel.at(*x).0;
        }
    }

    fn run_by_eight(&mut self, function: impl Fn(&[f64; 8]) -> ([f64; 8], [f64; 8])) {
        for (x, y) in self.input.chunks(8).zip(self.output.chunks_mut(8)) {
            for (y, value) in y.iter_mut().zip(function(&widened(x)).0) {
                *y = narrowed(value);
            }
        }
    }

    fn run_by_slice(&mut self, value: impl Fn(&[f32], &mut [f32]), _: impl Fn(&[f32], &mut [f32])) {
        value(self.input, self.output);
    }

    fn input(&self) -> &[f32] {
        self.input
    }
}

struct Backward<'a> {
    pre_activation: &'a [f32],
    output_gradient: &'a [f32],
    input_gradient: &'a mut [f32],
}

impl Pass for Backward<'_> {
    #[inline(always)]
    fn run(&mut self, kernel: impl Kernel) {
        let inputs = self.pre_activation.iter().zip(self.output_gradient);
        for ((x, gradient), result) in inputs.zip(self.input_gradient.iter_mut()) {
            // Kernels choose slopes by comparisons, which NaN fails.
            *result = select_unpredictable(x.is_nan(), *x, kernel.at(*x).1) * gradient;
        }
    }

    fn run_by_eight(&mut self, function: impl Fn(&[f64; 8]) -> ([f64; 8], [f64; 8])) {
        let inputs = self.pre_activation.chunks(8).zip(self.output_gradient.chunks(8));
        for ((x, gradient), result) in inputs.zip(self.input_gradient.chunks_mut(8)) {
            let slopes = function(&widened(x)).1;
            for ((result, gradient), slope) in result.iter_mut().zip(gradient).zip(slopes) {
                *result = narrowed(slope) * gradient;
            }
        }
    }

    fn run_by_slice(&mut self, _: impl Fn(&[f32], &mut [f32]), slope: impl Fn(&[f32], &mut [f32])) {
        let count = self.output_gradient.len().min(self.input_gradient.len());
        let result = &mut self.input_gradient[..count];
        slope(self.pre_activation, result);
        for (result, gradient) in result.iter_mut().zip(self.output_gradient) {
            *result *= gradient;
        }
    }

    fn input(&self) -> &[f32] {
        self.pre_activation
    }
}

/// Up to eight elements, zeros behind them.
fn widened(x: &[f32]) -> [f64; 8] {
    let mut all = [0.0; 8];
    for (slot, x) in all.iter_mut().zip(x) {
        *slot = f64::from(*x);
    }
    all
}

#[expect(clippy::cast_possible_truncation, reason = "networks compute in f32")]
fn narrowed(x: f64) -> f32 {
    x as f32
}

/// A pass with its kernel, ready to be compiled for each instruction set.
struct Vectorized<'a, P, K>(&'a mut P, K);

impl<P: Pass, K: Kernel> WithSimd for Vectorized<'_, P, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        self.0.run(self.1);
    }
}

fn dispatch(activation: &Activation, pass: &mut impl Pass) {
    fn go<P: Pass>(pass: &mut P, kernel: impl Kernel) {
        Arch::new().dispatch(Vectorized(pass, kernel));
    }
    match activation {
        Activation::Linear => go(pass, Linear),
        Activation::Relu => go(pass, ShiftedRelu { shift: 0.0 }),
        Activation::LeakyRelu { slope } if *slope == 0.0 => go(pass, ShiftedRelu { shift: 0.0 }),
        Activation::LeakyRelu { slope } => go(pass, LeakyRelu { slope: narrowed(*slope) }),
        Activation::Abs => go(pass, Abs),
        Activation::Elu { alpha } => {
            go(pass, Elu { scale: 1.0, alpha: narrowed(*alpha), stretch: 1.0 });
        }
        Activation::Selu => {
            let alpha = 1.758_099_3; // scale times PyTorch's alpha
            go(pass, Elu { scale: 1.050_701, alpha, stretch: 1.0 });
        }
        Activation::Celu { alpha } => {
            let alpha = narrowed(*alpha);
            go(pass, Elu { scale: 1.0, alpha, stretch: alpha });
        }
        Activation::Gelu => go(pass, Gelu),
        Activation::GeluTanh => go(pass, GeluTanh),
        Activation::Silu => go(pass, Silu),
        Activation::Mish => go(pass, Mish),
        Activation::Softplus => go(pass, Softplus),
        Activation::Sigmoid => go(pass, Sigmoid),
        Activation::Tanh => go(pass, Tanh),
        Activation::HardTanh => go(pass, Clip { low: -1.0, high: 1.0 }),
        Activation::Relu6 => go(pass, Clip { low: 0.0, high: 6.0 }),
        Activation::HardSwish => go(pass, HardSwish),
        Activation::Erf => go(pass, Erf),
        // NaN fails the comparison and takes the slow road too.
        Activation::Sin if pass.input().iter().all(|x| x.abs() <= vectorized::SIN_COS_LIMIT) => {
            go(pass, Sin);
        }
        Activation::Sign => go(pass, Sign),
        Activation::SquaredRelu => go(pass, SquaredRelu),
        Activation::ShiftedRelu { shift } => go(pass, ShiftedRelu { shift: narrowed(*shift) }),
        Activation::GaussianPair(pair) => {
            let table = pair.table();
            pass.run_by_slice(
                |x, value| table.fill_f32(x, value),
                |x, slope| table.fill_derivative_f32(x, slope),
            );
        }
        Activation::Expression(expression) => {
            pass.run_by_eight(|x| expression.values_and_derivatives(x));
        }
        _ => pass.run_by_eight(|x| {
            let pairs = x.map(|x| activation.value_and_derivative(x));
            (pairs.map(|pair| pair.0), pairs.map(|pair| pair.1))
        }),
    }
}

#[derive(Clone, Copy)]
struct Linear;

impl Kernel for Linear {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        (x, 1.0)
    }
}

#[derive(Clone, Copy)]
struct LeakyRelu {
    slope: f32,
}

impl Kernel for LeakyRelu {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        (if x > 0.0 { x } else { self.slope * x }, if x > 0.0 { 1.0 } else { self.slope })
    }
}

#[derive(Clone, Copy)]
struct ShiftedRelu {
    shift: f32,
}

impl Kernel for ShiftedRelu {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        let positive = if x <= 0.0 { 0.0 } else { x };
        (positive - self.shift, if x > 0.0 { 1.0 } else { 0.0 })
    }
}

#[derive(Clone, Copy)]
struct SquaredRelu;

impl Kernel for SquaredRelu {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        let positive = if x <= 0.0 { 0.0 } else { x };
        (positive * positive, 2.0 * positive)
    }
}

#[derive(Clone, Copy)]
struct Abs;

impl Kernel for Abs {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        (x.abs(), sign(x))
    }
}

#[derive(Clone, Copy)]
struct Sign;

impl Kernel for Sign {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        (sign(x), 0.0)
    }
}

#[derive(Clone, Copy)]
struct Clip {
    low: f32,
    high: f32,
}

impl Kernel for Clip {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        let slope = if x > self.low && x < self.high { 1.0 } else { 0.0 };
        (clamp(x, self.low, self.high), slope)
    }
}

#[derive(Clone, Copy)]
struct HardSwish;

impl Kernel for HardSwish {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        let near = clamp(x, -3.0, 3.0);
        let value = near * (near + 3.0) / 6.0;
        let slope = if x <= -3.0 { 0.0 } else { near / 3.0 + 0.5 };
        (if x > 3.0 { x } else { value }, if x >= 3.0 { 1.0 } else { slope })
    }
}

/// `scale·x` for `x > 0`, else `alpha·(exp(x/stretch) - 1)`.
#[derive(Clone, Copy)]
struct Elu {
    scale: f32,
    alpha: f32,
    stretch: f32,
}

impl Kernel for Elu {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        let negative = if x > 0.0 { 0.0 } else { x / self.stretch };
        let value = self.alpha * vectorized::exp_m1(negative);
        let slope = self.alpha / self.stretch * vectorized::exp(negative);
        let right = x > 0.0;
        (
            select_unpredictable(right, self.scale * x, value),
            select_unpredictable(right, self.scale, slope),
        )
    }
}

#[derive(Clone, Copy)]
struct Gelu;

impl Kernel for Gelu {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        let cdf = vectorized::normal_cdf(x);
        let slope = cdf + clamp(x, -40.0, 40.0) * vectorized::normal_density(x);
        // An infinite x times zero would be NaN.
        (clamp(x, -40.0, f32::INFINITY) * cdf, slope)
    }
}

#[derive(Clone, Copy)]
struct GeluTanh;

impl Kernel for GeluTanh {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        const SQRT_2_OVER_PI: f32 = 0.797_884_6;
        const CUBIC: f32 = 0.044_715;
        let near = clamp(x, -20.0, 20.0);
        let square = near * near;
        let (gate, rest) = sigmoid_pair(2.0 * SQRT_2_OVER_PI * (near + CUBIC * near * square));
        let inner_slope = 2.0 * SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * square);
        (clamp(x, -20.0, f32::INFINITY) * gate, gate + near * (gate * rest) * inner_slope)
    }
}

#[derive(Clone, Copy)]
struct Silu;

impl Kernel for Silu {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        let (gate, rest) = sigmoid_pair(x);
        (clamp(x, -110.0, f32::INFINITY) * gate, gate + clamp(x, -110.0, 110.0) * (gate * rest))
    }
}

#[derive(Clone, Copy)]
struct Mish;

impl Kernel for Mish {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        // tanh(ln(1 + e)) = n / (n + 2) with e = exp(x) and n = e (e + 2).
        let near = clamp(x, -110.0, 20.0);
        let e = vectorized::exp(near);
        let n = e * (e + 2.0);
        let gate = n / (n + 2.0);
        let gate_slope = 4.0 * (n + 1.0) / ((n + 2.0) * (n + 2.0)) * (e / (1.0 + e));
        (clamp(x, -110.0, f32::INFINITY) * gate, gate + near * gate_slope)
    }
}

#[derive(Clone, Copy)]
struct Softplus;

impl Kernel for Softplus {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        (vectorized::softplus(x), sigmoid_pair(x).0)
    }
}

#[derive(Clone, Copy)]
struct Sigmoid;

impl Kernel for Sigmoid {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        let (value, rest) = sigmoid_pair(x);
        (value, value * rest)
    }
}

#[derive(Clone, Copy)]
struct Tanh;

impl Kernel for Tanh {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        let e = vectorized::exp(-2.0 * x.abs());
        (vectorized::tanh(x), 4.0 * e / ((1.0 + e) * (1.0 + e)))
    }
}

#[derive(Clone, Copy)]
struct Erf;

impl Kernel for Erf {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        (vectorized::erf(x), vectorized::erf_derivative(x))
    }
}

#[derive(Clone, Copy)]
struct Sin;

impl Kernel for Sin {
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        vectorized::sin_cos(x)
    }
}

/// -1, 0 or 1; NaN stays NaN.
#[inline(always)]
fn sign(x: f32) -> f32 {
    let magnitude = if x == 0.0 { 0.0 } else { 1.0_f32.copysign(x) };
    if x.is_nan() { x } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::activation::VOCABULARY;

    /// Every named activation with its defaults and with other parameters, and two expressions.
    fn activations() -> Vec<Activation> {
        let named = VOCABULARY
            .iter()
            .filter(|entry| entry.parameters.iter().all(|parameter| parameter.default.is_some()));
        let mut all: Vec<Activation> =
            named.map(|entry| entry.with_parameters(&[]).expect("has defaults")).collect();
        for text in [
            "leaky_relu(0.3)",
            "leaky_relu(0)",
            "elu(1.7)",
            "celu(0.4)",
            "shifted_relu(0.25)",
            "log_periodic(0.99,3)",
            "gaussian_odd(2)",
            "gaussian_odd(3)",
            "gaussian_odd(inf)",
            "gaussian_positive(2)",
            "gaussian_positive(5)",
            "x*sigmoid(1.702*x)",
            "max(x,0.1*x)",
        ] {
            all.push(text.parse().expect("valid"));
        }
        all
    }

    /// A grid through every kink, each power of two, and the extremes; an odd length, so that lanes are left over.
    fn inputs() -> Vec<f32> {
        let mut x: Vec<f32> = (-24_000..=24_000_i16).map(|i| f32::from(i) / 1024.0).collect();
        for exponent in -149..=127 {
            let power = 2.0_f64.powi(exponent);
            #[expect(clippy::cast_possible_truncation, reason = "exact")]
            x.extend([power as f32, -power as f32]);
        }
        x.extend([f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 0.0, -0.0]);
        x
    }

    fn agrees(found: f32, exact: f64) -> bool {
        #[expect(clippy::cast_possible_truncation, reason = "the rounded reference")]
        let rounded = exact as f32;
        if !rounded.is_finite() || !found.is_finite() {
            return found == rounded || (found.is_nan() && rounded.is_nan());
        }
        let ulp = f64::from(rounded.abs().next_up() - rounded.abs());
        (f64::from(found) - exact).abs() <= (4.0 * ulp).max(2e-7)
    }

    #[test]
    fn fast_values_and_gradients_agree_with_the_definition_at_every_size() {
        let x = inputs();
        let ones = vec![1.0; x.len()];
        let (mut values, mut slopes) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        for activation in activations() {
            forward(&activation, &x, &mut values);
            backward(&activation, &x, &ones, &mut slopes);
            for ((x, value), slope) in x.iter().zip(&values).zip(&slopes) {
                let exact = activation.value_and_derivative(f64::from(*x));
                assert!(agrees(*value, exact.0), "{activation}({x:e}) = {value:e}: {exact:?}");
                assert!(agrees(*slope, exact.1), "{activation}'({x:e}) = {slope:e}: {exact:?}");
            }
        }
    }

    #[test]
    fn gradients_are_multiplied_and_nan_stays_nan() {
        for activation in activations() {
            let mut gradient = [0.0; 3];
            backward(&activation, &[0.5, f32::NAN, -0.5], &[3.0, 1.0, -2.0], &mut gradient);
            for (i, (x, factor)) in [(0, (0.5, 3.0)), (2, (-0.5, -2.0))] {
                assert!(
                    agrees(gradient[i] / factor, activation.derivative(x)),
                    "{activation}: {gradient:?}"
                );
            }
            assert!(gradient[1].is_nan(), "{activation}");
            let mut value = [0.0];
            forward(&activation, &[f32::NAN], &mut value);
            assert!(value[0].is_nan(), "{activation}");
        }
    }

    /// The portable loop and the dispatched one round alike.
    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let x = inputs();
        let mut dispatched = vec![0.0; x.len()];
        for (activation, kernel) in [
            (Activation::Gelu, (|x| Gelu.at(x)) as fn(f32) -> (f32, f32)),
            (Activation::Silu, |x| Silu.at(x)),
            (Activation::Mish, |x| Mish.at(x)),
            (Activation::Erf, |x| Erf.at(x)),
            (Activation::Tanh, |x| Tanh.at(x)),
        ] {
            forward(&activation, &x, &mut dispatched);
            for (x, value) in x.iter().zip(&dispatched) {
                assert_eq!(std::hint::black_box(kernel)(*x).0.to_bits(), value.to_bits(), "{x:e}");
            }
        }
    }
}
