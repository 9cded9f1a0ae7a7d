//! Activations as `x -> (φ(x), φ'(x))` in f64. The caller has dealt with NaN.

use std::f64::consts::FRAC_2_SQRT_PI;

use crate::math::special;

/// PyTorch's constants of SELU, which make (0, 1) a fixed point of mean and variance.
pub(super) const SELU_SCALE: f64 = 1.0507009873554804934193349852946;
/// See [`SELU_SCALE`].
pub(super) const SELU_ALPHA: f64 = 1.6732632423543772848170429916717;

/// Beyond this distance every factor that decays like `exp(-x²/2)` is zero in f64.
const GAUSSIAN_TAIL: f64 = 40.0;

pub(super) fn leaky_relu(x: f64, slope: f64) -> (f64, f64) {
    // Not slope·x at slope 0: that is NaN for x = -∞.
    if x > 0.0 {
        (x, 1.0)
    } else if slope == 0.0 {
        (0.0, 0.0)
    } else {
        (slope * x, slope)
    }
}

pub(super) fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

pub(super) fn abs(x: f64) -> (f64, f64) {
    (x.abs(), sign(x))
}

pub(super) fn elu(x: f64, alpha: f64) -> (f64, f64) {
    if x > 0.0 { (x, 1.0) } else { (alpha * x.exp_m1(), alpha * x.exp()) }
}

pub(super) fn selu(x: f64) -> (f64, f64) {
    let (value, derivative) = elu(x, SELU_ALPHA);
    (SELU_SCALE * value, SELU_SCALE * derivative)
}

pub(super) fn celu(x: f64, alpha: f64) -> (f64, f64) {
    if x > 0.0 { (x, 1.0) } else { (alpha * (x / alpha).exp_m1(), (x / alpha).exp()) }
}

pub(super) fn gelu(x: f64) -> (f64, f64) {
    if x > GAUSSIAN_TAIL {
        return (x, 1.0);
    }
    if x < -GAUSSIAN_TAIL {
        return (0.0, 0.0);
    }
    let cdf = special::normal_cdf(x);
    (x * cdf, cdf + x * special::normal_density(x))
}

pub(super) fn gelu_tanh(x: f64) -> (f64, f64) {
    const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;
    const CUBIC: f64 = 0.044715;
    if x > GAUSSIAN_TAIL {
        return (x, 1.0);
    }
    if x < -GAUSSIAN_TAIL {
        return (0.0, 0.0);
    }
    let inner = SQRT_2_OVER_PI * (x + CUBIC * x * x * x);
    // (1 + tanh u)/2 = sigmoid(2u) keeps its digits in the left tail.
    let (gate, gate_slope) = sigmoid(2.0 * inner);
    let inner_slope = SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * x * x);
    (x * gate, gate + x * gate_slope * 2.0 * inner_slope)
}

pub(super) fn silu(x: f64) -> (f64, f64) {
    if x.is_infinite() {
        return if x > 0.0 { (x, 1.0) } else { (0.0, 0.0) };
    }
    let (gate, rest) = sigmoid_pair(x);
    (x * gate, gate * (1.0 + x * rest))
}

pub(super) fn mish(x: f64) -> (f64, f64) {
    if x > GAUSSIAN_TAIL {
        return (x, 1.0);
    }
    if x.is_infinite() {
        return (0.0, 0.0);
    }
    // tanh(ln(1 + e)) = n / (n + 2) with e = exp(x) and n = e (e + 2).
    let e = x.exp();
    let n = e * (e + 2.0);
    let gate = n / (n + 2.0);
    let gate_slope = 4.0 * (n + 1.0) / ((n + 2.0) * (n + 2.0)) * special::sigmoid(x);
    (x * gate, gate + x * gate_slope)
}

pub(super) fn softplus(x: f64) -> (f64, f64) {
    (special::softplus(x), special::sigmoid(x))
}

pub(super) fn sigmoid(x: f64) -> (f64, f64) {
    let (value, rest) = sigmoid_pair(x);
    (value, value * rest)
}

/// `(sigmoid(x), sigmoid(-x))` with one exponential.
fn sigmoid_pair(x: f64) -> (f64, f64) {
    let e = (-x.abs()).exp();
    let near_one = 1.0 / (1.0 + e);
    let near_zero = e * near_one;
    if x < 0.0 { (near_zero, near_one) } else { (near_one, near_zero) }
}

pub(super) fn tanh(x: f64) -> (f64, f64) {
    // 1 - tanh² cancels; sech² does not.
    let e = (-2.0 * x.abs()).exp();
    (x.tanh(), 4.0 * e / ((1.0 + e) * (1.0 + e)))
}

/// `min(max(x, low), high)`, flat at both ends as in PyTorch.
pub(super) fn clamp(x: f64, low: f64, high: f64) -> (f64, f64) {
    if x <= low {
        (low, 0.0)
    } else if x >= high {
        (high, 0.0)
    } else {
        (x, 1.0)
    }
}

pub(super) fn hard_swish(x: f64) -> (f64, f64) {
    if x <= -3.0 {
        (0.0, 0.0)
    } else if x >= 3.0 {
        (x, 1.0)
    } else {
        (x * (x + 3.0) / 6.0, x / 3.0 + 0.5)
    }
}

pub(super) fn erf(x: f64) -> (f64, f64) {
    (special::erf(x), FRAC_2_SQRT_PI * (-x * x).exp())
}

pub(super) fn squared_relu(x: f64) -> (f64, f64) {
    if x > 0.0 { (x * x, 2.0 * x) } else { (0.0, 0.0) }
}

pub(super) fn log_periodic(x: f64, delta: f64, omega: f64) -> (f64, f64) {
    if x == 0.0 {
        return (0.0, 1.0);
    }
    let (sine, cosine) = (omega * x.abs().ln()).sin_cos();
    let factor = (delta / omega * sine).exp();
    (x * factor, factor * (1.0 + delta * cosine))
}
