//! Residual blocks: a stream that branches are added to (`yang2017`).
//!
//! A branch that ends in fresh weights is independent of the stream, so that second moments add:
//!
//! ```text
//! V' = V + s² V_branch,   T' = T + s² T_branch + 2 s M M_branch,   gradients: 1 + s² χ_branch
//! ```
//!
//! With Gaussian parts the sum is Gaussian and the next activation has a closed map: the pre-activation form is exact
//! at infinite width. A stream of post-activations is not Gaussian; only layers that need second moments follow it.

use super::norm::UnitMoments;

/// Adds `scale` times an independent branch to a stream.
///
/// # References
///
/// `yang2017`; the term of the means is derived in docs/theory/mean-field.md.
///
/// # Examples
///
/// ```
/// use firstguess::spec::Activation;
/// use firstguess::theory::dual::Dual;
/// use firstguess::theory::mean_field::{LayerVariance, Spread, activate};
/// use firstguess::theory::{norm::UnitMoments, residual::add};
/// // x' = x + V ReLU(W x), orthogonal inputs: c = 0.106103 after one block.
/// let stream = UnitMoments { spread: Spread::new(1.0, 0.0), mean_ratio: 0.0 };
/// let unit = LayerVariance { weight: 1.0, bias: 0.0 };
/// let hidden = activate(&Dual::new(&Activation::Relu), stream.spread.through_weights(unit))?;
/// let branch = UnitMoments { spread: hidden.spread.through_weights(unit), mean_ratio: 0.0 };
/// assert!((add(stream, branch, 1.0).spread.c() - 0.106103).abs() < 1e-6);
/// # Ok::<(), firstguess::theory::NoTheory>(())
/// ```
pub fn add(stream: UnitMoments, branch: UnitMoments, scale: f64) -> UnitMoments {
    let (ln_a, ln_b) = (stream.spread.ln_q(), branch.spread.ln_q());
    let sum = stream.spread.plus(branch.spread.scaled(scale * scale));
    // Means and cross term at the scale of the sum, before that term.
    let ln = sum.ln_q();
    if ln == f64::NEG_INFINITY {
        return UnitMoments { spread: sum, mean_ratio: 0.0 };
    }
    let a = stream.mean_ratio * (0.5 * (ln_a - ln)).exp();
    let b = scale * branch.mean_ratio * (0.5 * (ln_b - ln)).exp();
    let (a, b) = (if a.is_nan() { 0.0 } else { a }, if b.is_nan() { 0.0 } else { b });
    let cross = 2.0 * a * b;
    let spread = if cross == 0.0 { sum } else { sum.map(|v, t| (v, t + cross * (v + t))) };
    let mean_ratio = if a + b == 0.0 { 0.0 } else { (a + b) / (1.0 + cross).sqrt() };
    UnitMoments { spread, mean_ratio }
}

/// Correlation and gain of a stream whose branches are scaled by `√(α/L)`, in the limit of many blocks.
///
/// ```text
/// dc/dt = A (κ(c) - c),   A = α σ_w² E φ²(unit),   t in [0, 1];   gradients grow by exp(α σ_w² E φ'²)
/// ```
///
/// For positively homogeneous activations, whose normalised kernel `κ` does not depend on the variance, without biases.
/// Returns the correlation at the end of the stream, by Runge-Kutta steps that resolve the flow to 1e-10.
pub fn depth_limit(kernel: impl Fn(f64) -> f64, rate: f64, start: f64) -> f64 {
    const STEPS: u32 = 2000;
    let flow = |c: f64| rate * (kernel(c) - c);
    let h = 1.0 / f64::from(STEPS);
    (0..STEPS).fold(start, |c, _| {
        let k1 = flow(c);
        let k2 = flow(c + 0.5 * h * k1);
        let k3 = flow(c + 0.5 * h * k2);
        let k4 = flow(c + h * k3);
        (c + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)).min(1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Activation;
    use crate::theory::dual::{Correlation, Dual};
    use crate::theory::mean_field::Spread;
    use crate::theory::mean_field::{LayerVariance, activate};

    fn block(phi: &Dual, x: UnitMoments, inner: f64, outer: f64, scale: f64) -> UnitMoments {
        let h = x.spread.through_weights(LayerVariance { weight: inner, bias: 0.0 });
        let hidden = activate(phi, h).unwrap().spread;
        let branch = hidden.through_weights(LayerVariance { weight: outer, bias: 0.0 });
        add(x, UnitMoments { spread: branch, mean_ratio: 0.0 }, scale)
    }

    /// `yang2017` with unit weight variances, computed independently to six digits.
    #[test]
    fn relu_streams_merge_slowly() {
        let relu = Dual::new(&Activation::Relu);
        let mut x = UnitMoments { spread: Spread::new(1.0, 0.0), mean_ratio: 0.0 };
        for layer in 1..=100 {
            x = block(&relu, x, 1.0, 1.0, 1.0);
            for (at, c) in [
                (1, 0.106103),
                (2, 0.195121),
                (5, 0.391824),
                (10, 0.586326),
                (50, 0.924512),
                (100, 0.973871),
            ] {
                assert!(layer != at || (x.spread.c() - c).abs() < 1e-6, "{layer}: {:?}", x.spread);
            }
        }
        assert!((x.spread.ln_q() - 100.0 * 1.5_f64.ln()).abs() < 1e-10);
    }

    /// Branches scaled by 1/√L: the correlation stays away from 1, and follows the flow of the limit.
    #[test]
    fn scaled_branches_follow_the_flow() {
        let relu = Dual::new(&Activation::Relu);
        let blocks = 4000;
        let mut x = UnitMoments { spread: Spread::new(1.0, 0.0), mean_ratio: 0.0 };
        for _ in 0..blocks {
            x = block(&relu, x, 1.0, 2.0, (1.0 / f64::from(blocks)).sqrt());
        }
        let kernel = |c: f64| 2.0 * relu.at(1.0).kernel(Correlation::new(c));
        let limit = depth_limit(kernel, 1.0, 0.0);
        // The recursion has an error of order 1/L.
        assert!((x.spread.c() - limit).abs() < 3e-4, "{} {limit}", x.spread.c());
        assert!(limit < 0.3);
        // Two routes through the same flow: half a rate twice is the whole rate once.
        let half = depth_limit(kernel, 0.5, depth_limit(kernel, 0.5, 0.0));
        assert!((half - limit).abs() < 1e-10);
    }

    /// An odd branch keeps orthogonal inputs orthogonal.
    #[test]
    fn odd_branches_keep_orthogonal_inputs_apart() {
        let tanh = Dual::new(&Activation::Tanh);
        let mut x = UnitMoments { spread: Spread::new(1.0, 0.0), mean_ratio: 0.0 };
        for _ in 0..30 {
            x = block(&tanh, x, 1.3, 1.0, 1.0);
        }
        assert_eq!(x.spread.t(), 0.0);
    }

    /// Means add, and so does what they share: `E(x + sy)² = E x² + s² E y² + 2 s E x E y`.
    #[test]
    fn the_means_of_independent_parts_meet_in_the_cross_term() {
        let x = UnitMoments { spread: Spread::new(1.0, 2.0), mean_ratio: 0.5 };
        let y = UnitMoments { spread: Spread::new(0.5, 1.5), mean_ratio: -0.25 };
        let (mx, my) = (0.5 * 3.0_f64.sqrt(), -0.25 * 2.0_f64.sqrt());
        let sum = add(x, y, 0.7);
        let t = 2.0 + 0.49 * 1.5 + 1.4 * mx * my;
        assert!((sum.spread.v() - (1.0 + 0.49 * 0.5)).abs() < 1e-15);
        assert!((sum.spread.t() - t).abs() < 1e-14);
        assert!((sum.mean_ratio * sum.spread.q().sqrt() - (mx + 0.7 * my)).abs() < 1e-14);
        let nothing = UnitMoments { spread: Spread::new(0.0, 0.0), mean_ratio: 0.0 };
        assert_eq!(add(x, nothing, 1.0), x);
    }
}
