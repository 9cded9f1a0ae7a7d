//! The way back: second moments of gradients through the layers, position by position.

use crate::theory::convolution::Window;
use crate::theory::{NoTheory, Predicted};

/// What a layer does to `Σ δ²` over its units, at each position.
#[derive(Debug, Clone)]
pub(super) enum Back {
    /// Marks the outputs of the layer with weights of this index.
    Layer(usize),
    /// The same factor everywhere.
    Scale(f64),
    /// A factor at each position.
    Positions(Vec<f64>),
    /// One output, seen by so many positions.
    Dense {
        weight: f64,
        positions: usize,
    },
    Conv {
        weight: f64,
        window: Window,
    },
    /// A mean over windows: each position gets `1/K²` of what each of its windows has.
    Windows {
        windows: Vec<Vec<usize>>,
        /// Positions that a window divides by, those in the padding among them.
        taps: usize,
        positions: usize,
    },
    /// A residual block: the gradient goes both ways.
    Residual {
        branch: Vec<Back>,
        shortcut: Vec<Back>,
        scale: f64,
    },
    /// No theory from here down.
    Broken(NoTheory),
}

/// `Σ δ²` at each position, times `exp(ln_scale)`.
#[derive(Debug, Clone)]
pub(super) struct Gradient {
    at: Vec<f64>,
    ln_scale: f64,
}

impl Gradient {
    pub(super) fn unit(positions: usize) -> Self {
        Self { at: vec![1.0 / positions as f64; positions], ln_scale: 0.0 }
    }

    pub(super) fn ln_total(&self) -> f64 {
        self.at.iter().sum::<f64>().ln() + self.ln_scale
    }

    fn scaled(mut self, factor: f64) -> Self {
        if factor > 0.0 && factor.is_finite() {
            self.ln_scale += factor.ln();
        } else {
            self.at.iter_mut().for_each(|value| *value *= factor);
        }
        self
    }

    fn rescaled(mut self) -> Self {
        let largest = self.at.iter().copied().fold(0.0, f64::max);
        if largest > 0.0 && largest.is_finite() && !(1e-60..1e60).contains(&largest) {
            self.at.iter_mut().for_each(|value| *value /= largest);
            self.ln_scale += largest.ln();
        }
        self
    }

    fn plus(self, other: Self) -> Self {
        let (large, small) =
            if self.ln_total() >= other.ln_total() { (self, other) } else { (other, self) };
        let shrink = (small.ln_scale - large.ln_scale).exp();
        if !shrink.is_finite() {
            return large;
        }
        let at = large.at.iter().zip(&small.at).map(|(a, b)| a + shrink * b).collect();
        Self { at, ln_scale: large.ln_scale }
    }
}

/// Walks `tape` from its end; `found[index - 1]` gets `ln Σ δ²` of each layer with weights.
pub(super) fn backward(
    tape: &[Back],
    mut gradient: Result<Gradient, NoTheory>,
    found: &mut [Predicted],
) -> Result<Gradient, NoTheory> {
    for back in tape.iter().rev() {
        gradient = match (back, gradient) {
            (Back::Broken(reason), Ok(_)) => Err(reason.clone()),
            (Back::Layer(index), gradient) => {
                if let Some(slot) = index.checked_sub(1).and_then(|at| found.get_mut(at)) {
                    *slot = gradient.as_ref().map(Gradient::ln_total).map_err(Clone::clone);
                }
                gradient
            }
            (Back::Residual { branch, shortcut, scale }, gradient) => {
                let through = gradient.clone().map(|g| g.scaled(scale * scale));
                let through = backward(branch, through, found);
                let around = backward(shortcut, gradient, found);
                match (around, through) {
                    (Ok(a), Ok(b)) => Ok(a.plus(b).rescaled()),
                    (Err(reason), _) | (_, Err(reason)) => Err(reason),
                }
            }
            (_, Err(reason)) => Err(reason),
            (Back::Scale(factor), Ok(gradient)) => Ok(gradient.scaled(*factor)),
            (Back::Positions(factors), Ok(mut gradient)) => {
                gradient.at.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
                Ok(gradient.rescaled())
            }
            (Back::Dense { weight, positions }, Ok(gradient)) => {
                let total = weight * gradient.at.iter().sum::<f64>() / *positions as f64;
                let at = vec![total; *positions];
                Ok(Gradient { at, ln_scale: gradient.ln_scale }.rescaled())
            }
            (Back::Conv { weight, window }, Ok(gradient)) => {
                let mut at = window.scatter(&gradient.at);
                for value in &mut at {
                    *value *= weight;
                }
                Ok(Gradient { at, ln_scale: gradient.ln_scale }.rescaled())
            }
            (Back::Windows { windows, taps, positions }, Ok(gradient)) => {
                let mut at = vec![0.0; *positions];
                for (window, value) in windows.iter().zip(&gradient.at) {
                    let share = value / (*taps as f64 * *taps as f64);
                    for position in window {
                        if let Some(sum) = at.get_mut(*position) {
                            *sum += share;
                        }
                    }
                }
                Ok(Gradient { at, ln_scale: gradient.ln_scale }.rescaled())
            }
        };
    }
    gradient
}
