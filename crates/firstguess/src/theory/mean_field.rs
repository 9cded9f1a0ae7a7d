//! One wide dense layer: how variance, spread and gradients are carried through it.

use super::NoTheory;
use super::dual::{Correlation, Dual, DualAt, Moments};

/// `σ_w²` and `σ_b²` of one layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerVariance {
    /// `σ_w² = fan_in · Var W_ij`.
    pub weight: f64,
    /// `σ_b² = Var b_i`.
    pub bias: f64,
}

/// Carries the pre-activation variance `q` through one wide dense layer.
///
/// ```text
/// F(q) = σ_w² · E[φ(√q z)²] + σ_b²,   z ~ N(0, 1)
/// ```
///
/// Valid for i.i.d. zero-mean weights of finite variance as `fan_in → ∞`, whatever their law.
///
/// # References
///
/// `poole2016`, the length map.
///
/// # Examples
///
/// ```
/// use firstguess::spec::Activation;
/// use firstguess::theory::{dual::Dual, mean_field::{LayerVariance, variance_map}};
/// // He scaling, σ_w² = 2: ReLU keeps every variance.
/// let he = LayerVariance { weight: 2.0, bias: 0.0 };
/// let q = variance_map(&Dual::new(&Activation::Relu), he, 3.0);
/// assert!((q - 3.0).abs() < 3e-12);
/// ```
pub fn variance_map(phi: &Dual, layer: LayerVariance, q: f64) -> f64 {
    layer.weight * phi.moments(q).second + layer.bias
}

/// Below this variance `φ` acts as its two slopes at zero, where `φ(0) = 0`.
const LINEAR_REGIME: f64 = 1e-30;

/// Beyond this variance a function that ends in straight lines is one of them, and powers of `q` near the end of f64.
const STRAIGHT_REGIME: f64 = 1e100;

/// Beyond these the spread of a homogeneous function is carried with a separate exponent.
const RESCALE_ABOVE: f64 = 1e100;
const RESCALE_BELOW: f64 = 1e-100;

/// The state of one pre-activation layer: data variance at fixed weights and variance of the centres.
///
/// ```text
/// V = v · exp(ln_scale),  T = t · exp(ln_scale),  q = V + T,  c = T/q,  γ = T/V
/// ```
///
/// Carrying `(V, T)` instead of `(q, c)` keeps every digit as `c → 1`, where `1 - c` would cancel (derived in
/// docs/theory/mean-field.md). The exponent keeps thousands of layers of ReLU from overflowing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    v: f64,
    t: f64,
    ln_scale: f64,
}

impl Spread {
    /// Data variance `v ≥ 0` and variance of the centres `t ≥ 0`.
    pub fn new(v: f64, t: f64) -> Self {
        Self { v, t, ln_scale: 0.0 }
    }

    /// First pre-activations: inputs whose features have mean square `v0` around and `t0` of their means.
    ///
    /// ```text
    /// V¹ = σ_w² tr(S)/N₀,   T¹ = σ_w² |x̄|²/N₀ + σ_b²
    /// ```
    ///
    /// `v0 = tr(S)/N₀` and `t0 = |x̄|²/N₀` for the input covariance `S` and mean `x̄` (derived in docs/theory/mean-field.md).
    pub fn first_layer(layer: LayerVariance, v0: f64, t0: f64) -> Self {
        Self::new(layer.weight * v0, layer.weight * t0 + layer.bias)
    }

    /// `V`; infinite or zero where f64 ends.
    pub fn v(&self) -> f64 {
        self.v * self.ln_scale.exp()
    }

    /// `T`; infinite or zero where f64 ends.
    pub fn t(&self) -> f64 {
        self.t * self.ln_scale.exp()
    }

    /// `q = V + T`.
    pub fn q(&self) -> f64 {
        (self.v + self.t) * self.ln_scale.exp()
    }

    /// `ln q`, finite where `q` itself is out of range.
    pub fn ln_q(&self) -> f64 {
        (self.v + self.t).ln() + self.ln_scale
    }

    /// `c = T/q`.
    pub fn c(&self) -> f64 {
        self.t / (self.v + self.t)
    }

    /// `1 - c = V/q`.
    pub fn complement(&self) -> f64 {
        self.v / (self.v + self.t)
    }

    /// `γ = T/V`.
    pub fn gamma(&self) -> f64 {
        self.t / self.v
    }

    fn correlation(&self) -> Correlation {
        Correlation::from_spread(self.v, self.t)
    }

    fn rescaled(self) -> Self {
        let q = self.v + self.t;
        if (RESCALE_BELOW..RESCALE_ABOVE).contains(&q) || q == 0.0 || !q.is_finite() {
            return self;
        }
        Self { v: self.v / q, t: self.t / q, ln_scale: self.ln_scale + q.ln() }
    }
}

/// What one layer does: the next spread, and the factor on the gradient's second moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The next pre-activations.
    pub next: Spread,
    /// `χ = σ_w² E[φ'(√q z)²]`, at this layer's own `q`.
    pub chi: f64,
}

/// What an activation, pooled or not, makes of Gaussian pre-activations: moments of one of its outputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Activated {
    /// `V = ½E[(x_a - x_b)²]` and `T = E[x_a x_b]` of the outputs `x`.
    pub spread: Spread,
    /// `E x / √(E x²)`: the mean over units, in [-1, 1].
    pub mean_ratio: f64,
    /// `E[φ'(h)²]`, summed over the units of a pool: the factor on the gradient's second moment.
    pub gradient: f64,
}

/// Carries Gaussian pre-activations through an activation.
///
/// ```text
/// V_x = ½E[(φ(u) - φ(v))²],   T_x = E[φ(u)φ(v)],   u, v ~ N(0, q), correlation c
/// ```
///
/// # Errors
///
/// [`NoTheory`] where `q` leaves the range in which the activation has finite moments.
pub fn activate(phi: &Dual, state: Spread) -> Result<Activated, NoTheory> {
    let ln_q = state.ln_q();
    let far = if ln_q > STRAIGHT_REGIME.ln() { phi.tangent_at_infinity() } else { None };
    let straight = if phi.homogeneous().is_some() {
        Some(phi)
    } else if far.is_some() {
        far.as_ref()
    } else if ln_q < LINEAR_REGIME.ln() && state.v + state.t > 0.0 {
        phi.tangent_at_zero()
    } else {
        None
    };
    if let Some(unit) = straight {
        // Of a positively homogeneous form the variance is only a scale.
        let q = state.v + state.t;
        let at = unit.at(1.0);
        let moments = at.moments();
        let (difference, kernel) =
            if q == 0.0 { (0.0, 0.0) } else { two_point(&at, &moments, state.correlation()) };
        let spread = Spread { v: q * difference, t: q * kernel, ln_scale: state.ln_scale };
        return Ok(activated(spread, &moments));
    }
    let q = state.q();
    if q == 0.0 {
        let moments = phi.moments(0.0);
        return Ok(activated(Spread::new(0.0, moments.second), &moments));
    }
    if !q.is_finite() || q > STRAIGHT_REGIME {
        return Err(NoTheory::new(format!(
            "the variance q = exp({ln_q:.1}) is beyond the range of the moments"
        )));
    }
    let at = phi.at(q);
    let moments = at.moments();
    let (difference, kernel) = two_point(&at, &moments, state.correlation());
    if !(difference.is_finite() && kernel.is_finite() && moments.second.is_finite()) {
        return Err(NoTheory::new(format!(
            "the activation's moments at variance q = {q:.3e} are beyond the range of f64"
        )));
    }
    Ok(activated(Spread::new(difference, kernel), &moments))
}

fn activated(spread: Spread, moments: &Moments) -> Activated {
    let mean_ratio = if moments.second > 0.0 { moments.mean / moments.second.sqrt() } else { 0.0 };
    Activated { spread, mean_ratio, gradient: moments.derivative_second }
}

/// Difference and kernel, each with digits of its own.
fn two_point(at: &DualAt<'_>, moments: &Moments, correlation: Correlation) -> (f64, f64) {
    let difference = at.difference(correlation).max(0.0);
    // Near c = 1 the kernel is what the difference leaves.
    let kernel = if correlation.complement < 0.5 {
        moments.second - difference
    } else {
        at.kernel(correlation)
    };
    (difference, kernel)
}

/// Carries `(V, T)` through an activation and the dense layer after it.
///
/// ```text
/// V' = σ_w² ½E[(φ(u) - φ(v))²],   T' = σ_w² E[φ(u)φ(v)] + σ_b²,   u, v ~ N(0, q), correlation c
/// ```
///
/// Exact as width and then data go to infinity, for inputs whose pairs share one correlation.
///
/// # Errors
///
/// [`NoTheory`] where `q` leaves the range in which the activation has finite moments.
///
/// # References
///
/// Derived in docs/theory/mean-field.md; equivalent to the (q, c) recursion of `poole2016`.
pub fn step(phi: &Dual, layer: LayerVariance, state: Spread) -> Result<Step, NoTheory> {
    let activated = activate(phi, state)?;
    let next = activated.spread.through_weights(layer);
    if !next.ln_q().is_finite() && next.ln_q() > 0.0 {
        return Err(NoTheory::new("the variance overflows in this layer"));
    }
    // Zero weights pass no gradient on, however steep the activation.
    let chi = if layer.weight == 0.0 { 0.0 } else { layer.weight * activated.gradient };
    Ok(Step { next, chi })
}

impl Spread {
    /// `V' = σ_w² V`, `T' = σ_w² T + σ_b²`: a layer of fresh weights on values with these moments.
    #[must_use]
    pub fn through_weights(self, layer: LayerVariance) -> Self {
        // No bias is none at any scale: 0 · ∞ would say otherwise.
        let bias = if layer.bias == 0.0 { 0.0 } else { layer.bias * (-self.ln_scale).exp() };
        if bias.is_finite() {
            let (v, t) = (layer.weight * self.v, layer.weight * self.t + bias);
            return Self { v, t, ln_scale: self.ln_scale }.rescaled().clip();
        }
        // The bias dwarfs a signal that has all but vanished: start over at its scale.
        let shrink = layer.weight * self.ln_scale.exp();
        Self::new(self.v * shrink, self.t * shrink + layer.bias).clip()
    }

    /// `v` and `t` times `exp(ln_scale)`.
    pub(super) fn with_scale(v: f64, t: f64, ln_scale: f64) -> Self {
        Self { v, t, ln_scale }
    }

    /// The exponent that this spread is carried with.
    pub(super) fn ln_scale(&self) -> f64 {
        self.ln_scale
    }

    /// `(V, T)` in units of `exp(ln_scale)`.
    pub(super) fn at_scale(&self, ln_scale: f64) -> (f64, f64) {
        let factor = (self.ln_scale - ln_scale).exp();
        (self.v * factor, self.t * factor)
    }

    /// Both parts times `factor ≥ 0`.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self { v: factor * self.v, t: factor * self.t, ..self }.rescaled()
    }

    /// Parts changed at the spread's own scale.
    #[must_use]
    pub(super) fn map(self, f: impl FnOnce(f64, f64) -> (f64, f64)) -> Self {
        let (v, t) = f(self.v, self.t);
        Self { v, t, ..self }.rescaled().clip()
    }

    /// Sum of both parts.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let (large, small) =
            if self.ln_q() >= other.ln_q() { (self, other) } else { (other, self) };
        let shrink = (small.ln_scale - large.ln_scale).exp();
        if !shrink.is_finite() {
            // A zero part with a scale of its own.
            return large;
        }
        let (v, t) = (large.v + shrink * small.v, large.t + shrink * small.t);
        Self { v, t, ..large }.rescaled()
    }

    /// Rounding can leave `T` a hair below zero for activations that anticorrelate.
    fn clip(self) -> Self {
        let floor = -1e-13 * self.v.abs();
        if self.t < 0.0 && self.t > floor { Self { t: 0.0, ..self } } else { self }
    }
}

/// The path of [`Spread`] through `depth` equal layers, the first one included; `chi[l]` carries gradients into layer `l + 1`.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    /// Pre-activations of layer 1, 2, ...
    pub layers: Vec<Spread>,
    /// `χ` between layer `l` and `l + 1` (one entry fewer than layers).
    pub chi: Vec<f64>,
    /// Why it ends early, if it does.
    pub ended: Option<NoTheory>,
}

impl Trajectory {
    /// `ln` of the mean square of the gradient at each layer, relative to the last: the sum of `ln χ` over what lies ahead.
    pub fn ln_gradients(&self) -> Vec<f64> {
        let mut ahead = 0.0;
        let mut found: Vec<f64> = (0..self.layers.len())
            .rev()
            .map(|index| {
                ahead += self.chi.get(index).map_or(0.0, |chi| chi.ln());
                ahead
            })
            .collect();
        found.reverse();
        found
    }
}

/// Iterates [`step`] from the first layer's spread.
pub fn trajectory(phi: &Dual, layer: LayerVariance, first: Spread, depth: usize) -> Trajectory {
    let mut path = Trajectory { layers: vec![first], chi: Vec::new(), ended: None };
    let mut state = first;
    for _ in 1..depth {
        if let Some(period) = period(&path.layers) {
            // Equal states have equal successors: the rest is known to the last bit.
            let before = path.layers.len() - period;
            for index in path.layers.len()..depth {
                path.chi.push(path.chi[index - 1 - period]);
                path.layers.push(path.layers[before + (index - before) % period]);
            }
            break;
        }
        match step(phi, layer, state) {
            Ok(Step { next, chi }) => {
                path.layers.push(next);
                path.chi.push(chi);
                state = next;
            }
            Err(reason) => {
                path.ended = Some(reason);
                break;
            }
        }
    }
    path
}

/// How many layers ago the last state was there before; rounding lets a settled orbit alternate between neighbours.
fn period(layers: &[Spread]) -> Option<usize> {
    let (last, before) = layers.split_last()?;
    before.iter().rev().take(8).position(|state| state == last).map(|distance| distance + 1)
}

/// `Var ln q` that one layer of finite width adds, times the width: `E φ⁴/(E φ²)² - 1` (derived in docs/theory/mean-field.md).
///
/// 5 for ReLU; the fluctuation of `ln q` after `l` layers of width `N` has variance about `l` times this over `N`.
pub fn log_variance_per_layer(phi: &Dual, q: f64) -> f64 {
    let fourth = phi.fourth_moment(q);
    let second = phi.moments(q).second;
    if second == 0.0 { 0.0 } else { fourth / (second * second) - 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Activation;

    /// A settled trajectory is the one that single steps give, bit for bit.
    #[test]
    fn a_settled_trajectory_repeats_what_single_steps_give() {
        let phi = Dual::new(&Activation::Tanh);
        for (weight, bias) in [(3.0, 0.1), (1.0, 0.1), (0.5, 0.0)] {
            let layer = LayerVariance { weight, bias };
            let mut state = Spread::first_layer(layer, 1.0, 0.0);
            let path = trajectory(&phi, layer, state, 600);
            assert_eq!((path.layers.len(), path.chi.len()), (600, 599));
            for (index, chi) in path.chi.iter().enumerate() {
                assert_eq!(path.layers[index], state, "layer {index} at {weight}, {bias}");
                let next = step(&phi, layer, state).expect("in range");
                assert_eq!(next.chi, *chi, "layer {index} at {weight}, {bias}");
                state = next.next;
            }
        }
    }

    /// `q` halves with every layer; `ln q` says so long after `q` itself has left the range of a double.
    #[test]
    fn a_vanishing_signal_is_followed_beyond_the_range_of_a_double() {
        let phi = Dual::new(&Activation::Relu);
        let layer = LayerVariance { weight: 1.0, bias: 0.0 };
        let path = trajectory(&phi, layer, Spread::first_layer(layer, 1.0, 0.0), 5000);
        let last = path.layers[4999];
        assert!((last.ln_q() / (4999.0 * 0.5_f64.ln()) - 1.0).abs() < 1e-12, "{last:?}");
        assert!(last.q() == 0.0 && last.c() > 0.999);
    }
}
