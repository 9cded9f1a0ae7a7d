//! Normalisations at infinite width, before and after the activation (`arxiv2505_11312`, `yang2019`).
//!
//! | layer | what it removes | what is left of `(V, T)` |
//! |---|---|---|
//! | batch norm | each unit's mean over the data | `(1, 0)` |
//! | layer norm | each example's mean `M` over units | `(V, T - M²) / (q - M²)` |
//! | RMS norm | nothing | `(V, T) / q` |
//!
//! Pre-activations of a wide layer have `M = 0`: layer norm there keeps every correlation, and after ReLU it does not.
//! The derivation is in docs/theory/mean-field.md, section 9.

use super::NoTheory;
use super::mean_field::Spread;
use crate::spec::layer::Norm;

/// Smallest group of units whose own mean and variance are taken for those of infinitely many.
pub const SMALLEST_GROUP: usize = 16;

/// Second moments of the units of one layer, whatever their law.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitMoments {
    /// `V = ½E[(x_a - x_b)²]`, `T = E[x_a x_b]`.
    pub spread: Spread,
    /// `M/√q`, the mean over units relative to their size; zero for pre-activations.
    pub mean_ratio: f64,
}

/// What a normalisation makes of the moments, and the factor on gradients that pass back through it.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalised {
    /// The moments after it: `q = 1`, but for what layer norm of a constant leaves.
    pub moments: UnitMoments,
    /// `1/variance` of what went in.
    pub gradient: Result<f64, NoTheory>,
}

/// Applies a normalisation to units with these moments.
///
/// Valid for wide layers and large batches; `ε` is neglected. The gradient's factor holds for signals that are
/// independent of the units, whose projections onto the mean and the normalised vector vanish with width and batch.
///
/// # Errors
///
/// [`NoTheory`] where nothing is left to normalise: all inputs agree (batch norm), or all units do (layer norm).
///
/// # Examples
///
/// ```
/// use firstguess::spec::{Activation, layer::Norm};
/// use firstguess::theory::dual::Dual;
/// use firstguess::theory::mean_field::{LayerVariance, Spread, step};
/// use firstguess::theory::norm::{UnitMoments, normalise};
/// // Batch norm before every ReLU: γ = 1/(π - 1), whatever came before.
/// let before = UnitMoments { spread: Spread::new(0.3, 5.0), mean_ratio: 0.0 };
/// let after = normalise(Norm::Batch, before)?.moments.spread;
/// let layer = LayerVariance { weight: 2.0, bias: 0.0 };
/// let next = step(&Dual::new(&Activation::Relu), layer, after)?.next;
/// assert!((next.gamma() - 1.0 / (std::f64::consts::PI - 1.0)).abs() < 1e-12);
/// # Ok::<(), firstguess::theory::NoTheory>(())
/// ```
pub fn normalise(norm: Norm, before: UnitMoments) -> Result<Normalised, NoTheory> {
    let UnitMoments { spread, mean_ratio } = before;
    let ln_q = spread.ln_q();
    if ln_q == f64::NEG_INFINITY {
        return Err(NoTheory::new("a normalisation of units that are all zero"));
    }
    match norm {
        Norm::Batch => {
            let share = spread.complement();
            if share <= 0.0 {
                return Err(NoTheory::new(
                    "batch norm of units that are the same for all inputs divides by zero",
                ));
            }
            // Units of one layer have one spread only where they are Gaussian or their centres are gone.
            let alike = mean_ratio == 0.0 || spread.c() < 1e-9;
            let gradient = if alike {
                Ok((-ln_q).exp() / share)
            } else {
                Err(NoTheory::new(
                    "batch norm after an activation whose units have centres of their own: each is divided by its own \
                     spread",
                ))
            };
            let moments = UnitMoments { spread: Spread::new(1.0, 0.0), mean_ratio: 0.0 };
            Ok(Normalised { moments, gradient })
        }
        Norm::Layer | Norm::Group(_) => {
            let left = 1.0 - mean_ratio * mean_ratio;
            if left < 1e-14 {
                return Err(NoTheory::new("layer norm of units that are all the same"));
            }
            let t = (spread.c() - mean_ratio * mean_ratio) / left;
            // A correlation that the mean alone made is gone; rounding must not leave a negative one.
            let t = if t.abs() < 1e-14 { 0.0 } else { t };
            let moments =
                UnitMoments { spread: Spread::new(spread.complement() / left, t), mean_ratio: 0.0 };
            Ok(Normalised { moments, gradient: Ok((-ln_q).exp() / left) })
        }
        Norm::Rms => {
            let moments =
                UnitMoments { spread: Spread::new(spread.complement(), spread.c()), mean_ratio };
            Ok(Normalised { moments, gradient: Ok((-ln_q).exp()) })
        }
    }
}

/// Inverted dropout: each input has its own mask, so that only what two inputs share is left alone.
///
/// ```text
/// E x² → E x² / keep,   E x_a x_b → E x_a x_b
/// ```
pub fn dropout(before: UnitMoments, keep: f64) -> UnitMoments {
    let UnitMoments { spread, mean_ratio } = before;
    let noise = (1.0 - keep) / keep;
    UnitMoments {
        spread: spread.map(|v, t| (v + noise * (v + t), t)),
        mean_ratio: mean_ratio * keep.sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Activation;
    use crate::theory::dual::Dual;
    use crate::theory::mean_field::{LayerVariance, activate};

    fn relu(spread: Spread) -> UnitMoments {
        let x = activate(&Dual::new(&Activation::Relu), spread).unwrap();
        UnitMoments { spread: x.spread, mean_ratio: x.mean_ratio }
    }

    /// Layer norm after ReLU: the correlation map has slope .733471 at c = 0 and 1.466942 at c = 1, fixed points at both.
    #[test]
    fn layer_norm_after_relu_separates_inputs() {
        let map = |c: f64| {
            let after = normalise(Norm::Layer, relu(Spread::new(1.0 - c, c))).unwrap();
            after.moments.spread.c()
        };
        assert_eq!(map(0.0), 0.0);
        let h = 1e-6;
        assert!((map(h) / h - 0.733471).abs() < 2e-6, "{}", map(h) / h);
        // kernel'(1)/(k(1) - m²) = π/(π - 1), approached like √ε.
        let eps = 1e-10;
        let after = normalise(Norm::Layer, relu(Spread::new(eps, 1.0 - eps))).unwrap();
        assert!((after.moments.spread.complement() / eps - 1.466942).abs() < 3e-5);
    }

    #[test]
    fn before_the_activation_layer_norm_only_sets_the_size() {
        for norm in [Norm::Layer, Norm::Rms, Norm::Group(2)] {
            let before = UnitMoments { spread: Spread::new(0.6, 2.4), mean_ratio: 0.0 };
            let after = normalise(norm, before).unwrap();
            assert!((after.moments.spread.q() - 1.0).abs() < 1e-15);
            assert!((after.moments.spread.c() - 0.8).abs() < 1e-15);
            assert!((after.gradient.unwrap() - 1.0 / 3.0).abs() < 1e-15);
        }
    }

    /// Gradients of batch-normalised ReLU grow by π/(π - 1) per layer, whatever the weight variance.
    #[test]
    fn batch_norm_makes_gradients_grow() {
        for weight in [0.3, 2.0, 9.0] {
            let layer = LayerVariance { weight, bias: 0.0 };
            let normal = UnitMoments { spread: Spread::new(1.0, 0.0), mean_ratio: 0.0 };
            let x = activate(&Dual::new(&Activation::Relu), normal.spread).unwrap();
            let h = UnitMoments { spread: x.spread.through_weights(layer), mean_ratio: 0.0 };
            let after = normalise(Norm::Batch, h).unwrap();
            let growth = weight * x.gradient * after.gradient.unwrap();
            let expected = std::f64::consts::PI / (std::f64::consts::PI - 1.0);
            assert!((growth - expected).abs() < 1e-12, "{growth}");
        }
    }

    #[test]
    fn batch_norm_after_the_activation_leaves_the_bias_only() {
        let after = normalise(Norm::Batch, relu(Spread::new(1.0, 1.0))).unwrap();
        let layer = LayerVariance { weight: 1.6, bias: 0.2 };
        let next = after.moments.spread.through_weights(layer);
        assert!((next.gamma() - 0.125).abs() < 1e-15);
        assert!(after.gradient.is_err());
    }

    #[test]
    fn nothing_to_normalise_is_said() {
        let same = UnitMoments { spread: Spread::new(0.0, 1.0), mean_ratio: 0.0 };
        assert!(normalise(Norm::Batch, same).is_err());
        let constant = UnitMoments { spread: Spread::new(0.0, 1.0), mean_ratio: 1.0 };
        assert!(normalise(Norm::Layer, constant).is_err());
        let zero = UnitMoments { spread: Spread::new(0.0, 0.0), mean_ratio: 0.0 };
        assert!(normalise(Norm::Rms, zero).is_err());
    }
}
