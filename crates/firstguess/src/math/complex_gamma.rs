//! Ratios of gamma functions on the right half-plane, and the real polygamma functions that locate their saddles.

use super::special::{gamma, ln_gamma};

/// A complex number, with the few operations that a contour integral needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Complex {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

impl Complex {
    /// `re + i·im`.
    pub const fn new(re: f64, im: f64) -> Self {
        Self { re, im }
    }

    /// Sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self::new(self.re + other.re, self.im + other.im)
    }

    /// Difference.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self::new(self.re - other.re, self.im - other.im)
    }

    /// Product.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        Self::new(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)
    }

    /// Product with a real number.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self::new(self.re * factor, self.im * factor)
    }

    /// `1/z`.
    #[must_use]
    pub fn reciprocal(self) -> Self {
        let norm = self.norm_squared();
        Self::new(self.re / norm, -self.im / norm)
    }

    /// `|z|²`.
    pub fn norm_squared(self) -> f64 {
        self.re * self.re + self.im * self.im
    }

    /// Principal logarithm.
    #[must_use]
    pub fn ln(self) -> Self {
        Self::new(0.5 * self.norm_squared().ln(), self.im.atan2(self.re))
    }

    /// `ln(1 + z)`, without cancellation for small `z`.
    #[must_use]
    pub fn ln_1p(self) -> Self {
        Self::new(0.5 * (2.0 * self.re + self.norm_squared()).ln_1p(), self.im.atan2(1.0 + self.re))
    }

    /// `exp z`.
    #[must_use]
    pub fn exp(self) -> Self {
        let (sin, cos) = self.im.sin_cos();
        let modulus = self.re.exp();
        Self::new(modulus * cos, modulus * sin)
    }
}

/// From this modulus on, seven terms of Stirling's series leave an error below 1e-17.
const STIRLING_RADIUS_SQUARED: f64 = 144.0;

/// The part of `ln Γ(z)` beyond `(z - ½) ln z - z + ½ ln 2π`.
fn stirling_tail(z: Complex) -> Complex {
    const TERMS: [f64; 7] = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
        -691.0 / 360_360.0,
        1.0 / 156.0,
    ];
    let inverse = z.reciprocal();
    let square = inverse.times(inverse);
    let sum = TERMS.iter().rev().fold(Complex::new(0.0, 0.0), |sum, term| {
        let product = sum.times(square);
        Complex::new(product.re + term, product.im)
    });
    sum.times(inverse)
}

/// Adds 1 to `z` until Stirling's series holds; returns the shifted point, the number of steps and the product passed.
fn shift(z: Complex) -> (Complex, f64, Complex) {
    let (mut z, mut steps, mut product) = (z, 0.0, Complex::new(1.0, 0.0));
    while z.norm_squared() < STIRLING_RADIUS_SQUARED {
        product = product.times(z);
        z.re += 1.0;
        steps += 1.0;
    }
    (z, steps, product)
}

/// `Γ(p) / Γ(q)` times `exp(exponent)`, given the difference `p - q` for exactness.
///
/// ```text
/// ln Γ(p) - ln Γ(q) = (p - q)(ln p - 1) + (q - ½) ln(p/q) + Stirling tails
/// ```
///
/// This grouping keeps every digit when `p` and `q` are large and close, where two separate logarithms of Γ would cancel.
/// Both arguments need a positive real part.
pub fn gamma_ratio(p: Complex, q: Complex, difference: Complex, exponent: Complex) -> Complex {
    let (p, p_steps, p_product) = shift(p);
    let (q, q_steps, q_product) = shift(q);
    let difference = Complex::new(difference.re + p_steps - q_steps, difference.im);
    let mut ln_p = p.ln();
    let ln_ratio = difference.times(q.reciprocal()).ln_1p();
    ln_p.re -= 1.0;
    let log = difference
        .times(ln_p)
        .plus(Complex::new(q.re - 0.5, q.im).times(ln_ratio))
        .plus(stirling_tail(p).minus(stirling_tail(q)))
        .plus(exponent);
    let value = log.exp();
    if p_steps == 0.0 && q_steps == 0.0 {
        return value;
    }
    value.times(q_product).times(p_product.reciprocal())
}

/// `ln(Γ(p) / Γ(q))` for positive reals, without the cancellation of two logarithms.
pub fn ln_gamma_ratio(p: f64, q: f64) -> f64 {
    if p < 20.0 && q < 20.0 {
        return (gamma(p) / gamma(q)).ln();
    }
    if p < 12.0 || q < 12.0 {
        return ln_gamma(p) - ln_gamma(q);
    }
    let tail = |x: f64| stirling_tail(Complex::new(x, 0.0)).re;
    (p - q) * (p.ln() - 1.0) + (q - 0.5) * ((p - q) / q).ln_1p() + tail(p) - tail(q)
}

/// Digamma function `ψ(x) = Γ'(x)/Γ(x)` for `x > 0`; relative error about 1e-12 away from its zero.
pub fn digamma(x: f64) -> f64 {
    let (mut x, mut sum) = (x, 0.0);
    while x < 10.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let r = 1.0 / (x * x);
    let series = r * (1.0 / 12.0 - r * (1.0 / 120.0 - r * (1.0 / 252.0 - r * (1.0 / 240.0))));
    sum + x.ln() - 0.5 / x - series
}

/// Trigamma function `ψ'(x)` for `x > 0`; relative error about 1e-11.
pub fn trigamma(x: f64) -> f64 {
    let (mut x, mut sum) = (x, 0.0);
    while x < 10.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let r = 1.0 / (x * x);
    let series = 1.0 + r * (1.0 / 6.0 - r * (1.0 / 30.0 - r * (1.0 / 42.0 - r / 30.0)));
    sum + (0.5 / x + series) / x
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Γ(2+3i)/Γ(1.5+0.4i)` and a far pair, from 30-digit arithmetic.
    #[test]
    fn ratios_match_high_precision_values() {
        let cases = [
            ((2.0, 3.0), (1.5, 0.4), (-0.0974414285773579847, 0.113722967503745092)),
            ((3.0, 250.0), (2.5, 248.0), (0.507807793325676713, -0.473554728222140728)),
        ];
        for ((pr, pi), (qr, qi), (re, im)) in cases {
            let (p, q) = (Complex::new(pr, pi), Complex::new(qr, qi));
            let got = gamma_ratio(p, q, p.minus(q), Complex::new(0.0, 0.0));
            let error = (got.re - re).hypot(got.im - im) / f64::hypot(re, im);
            assert!(error < 2e-14, "{got:?}: {error:e}");
        }
    }

    #[test]
    fn real_ratios_agree_with_the_gamma_function_and_its_recurrence() {
        assert!((ln_gamma_ratio(5.0, 3.0) - 12.0_f64.ln()).abs() < 1e-15);
        for x in [14.0, 40.5, 1e3, 1e6] {
            assert!((ln_gamma_ratio(x + 1.0, x) / x.ln() - 1.0).abs() < 1e-15, "{x}");
        }
    }

    #[test]
    fn polygammas_satisfy_their_special_values() {
        let euler = 0.577_215_664_901_532_9;
        assert!((digamma(1.0) + euler).abs() < 1e-11);
        assert!((digamma(0.5) + euler + 2.0 * std::f64::consts::LN_2).abs() < 1e-11);
        assert!((trigamma(1.0) - std::f64::consts::PI.powi(2) / 6.0).abs() < 1e-11);
        assert!((trigamma(0.5) - std::f64::consts::PI.powi(2) / 2.0).abs() < 1e-10);
    }
}
