//! The signal between two layers: moments of its units at each position, and how positions correlate.

use crate::spec::activation::Activation;
use crate::theory::NoTheory;
use crate::theory::convolution::Window;
use crate::theory::dual::{Correlation, Dual, Pooling};
use crate::theory::mean_field::{LayerVariance, Spread, activate};
use crate::theory::norm::UnitMoments;

/// Covariances of different positions relative to `q`: of one input, and of two. Meaningless for one position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Across {
    pub(super) same_input: f64,
    pub(super) two_inputs: f64,
}

/// What is known of the units' law.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Law {
    /// The raw inputs: moments only.
    Input,
    /// Functions of Gaussian pre-activations, not yet applied.
    Gaussian { functions: Vec<Activation>, pooling: Option<Pooling> },
    /// Moments only; `what` made it so.
    Moments { what: &'static str },
}

/// `ln q` of one network around its mean: what is left of the fluctuation at the start, and what came after.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fluctuation {
    pub(super) elasticity: f64,
    pub(super) variance: f64,
}

impl Fluctuation {
    pub(super) const NONE: Self = Self { elasticity: 1.0, variance: 0.0 };

    pub(super) fn then(self, elasticity: f64, added: f64) -> Self {
        Self {
            elasticity: elasticity * self.elasticity,
            variance: elasticity * elasticity * self.variance + added,
        }
    }
}

/// The signal.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) law: Law,
    /// Height and width; `[1, 1]` for a vector.
    pub(super) extent: [usize; 2],
    /// Moments at each position, row by row.
    pub(super) spreads: Vec<Spread>,
    /// `M/√q`, one for all positions.
    pub(super) mean_ratio: f64,
    pub(super) across: Across,
    /// Units (channels) that sums of the next layer run over.
    pub(super) width: usize,
    pub(super) fluctuation: Result<Fluctuation, NoTheory>,
}

impl Field {
    pub(super) fn positions(&self) -> usize {
        self.spreads.len()
    }

    /// Gaussian pre-activations with nothing pending.
    pub(super) fn is_plain_gaussian(&self) -> bool {
        matches!(&self.law, Law::Gaussian { functions, pooling: None } if functions.is_empty())
    }

    /// Mean over positions of both moments.
    pub(super) fn mean(&self) -> Spread {
        let Some((first, rest)) = self.spreads.split_first() else { return Spread::new(0.0, 0.0) };
        // The sum keeps its own scale: equal positions give their value back to the last bit.
        if rest.iter().all(|spread| spread == first) {
            return *first;
        }
        rest.iter()
            .fold(*first, |sum, spread| sum.plus(*spread))
            .scaled(1.0 / self.positions() as f64)
    }

    /// Moments over inputs and positions alike, as they are measured: two draws of an input and a position.
    pub(super) fn over_positions(&self) -> Spread {
        let mean = self.mean();
        let positions = self.positions() as f64;
        if positions < 2.0 {
            return mean;
        }
        let elsewhere = self.across.two_inputs;
        mean.map(|v, t| {
            let q = v + t;
            let shared = (t + (positions - 1.0) * elsewhere * q) / positions;
            (v + (t - shared), shared)
        })
    }

    pub(super) fn moments(&self) -> UnitMoments {
        UnitMoments { spread: self.mean(), mean_ratio: self.mean_ratio }
    }

    /// Every position changed, equal ones once.
    fn map_positions<E>(
        &mut self,
        mut f: impl FnMut(Spread) -> Result<Spread, E>,
    ) -> Result<(), E> {
        let mut known: Vec<(Spread, Spread)> = Vec::new();
        for spread in &mut self.spreads {
            let found = known.iter().rev().find(|(before, _)| before == spread).map(|pair| pair.1);
            let after = if let Some(after) = found {
                after
            } else {
                let after = f(*spread)?;
                known.push((*spread, after));
                after
            };
            *spread = after;
        }
        Ok(())
    }

    /// Applies what is pending with `phi`, prepared for it; returns the factor on gradients at each position.
    pub(super) fn apply(&mut self, phi: &Dual) -> Result<Vec<f64>, NoTheory> {
        let mean = self.mean();
        let mut gradients: Vec<(Spread, f64)> = Vec::new();
        let before = self.spreads.clone();
        let mut mean_ratio = 0.0;
        self.map_positions(|spread| {
            let x = activate(phi, spread)?;
            gradients.push((spread, x.gradient));
            mean_ratio = x.mean_ratio;
            Ok(x.spread)
        })?;
        let factor = |spread: &Spread| {
            gradients.iter().find(|(known, _)| known == spread).map_or(f64::NAN, |pair| pair.1)
        };
        let factors = before.iter().map(factor).collect();
        let centre = activate(phi, mean)?;
        self.mean_ratio = if self.positions() == 1 { mean_ratio } else { centre.mean_ratio };
        self.follow_fluctuation(phi, mean);
        if self.positions() > 1 {
            let correlate = |c: f64| -> Result<f64, NoTheory> {
                // A pair of positions keeps to the map of a pair of inputs.
                let pair = Correlation::new(c.clamp(-1.0, 1.0));
                let spread = mean.map(|v, t| ((v + t) * pair.complement, (v + t) * pair.c));
                Ok(activate(phi, spread)?.spread.c())
            };
            self.across = Across {
                same_input: correlate(self.across.same_input)?,
                two_inputs: correlate(self.across.two_inputs)?,
            };
        }
        self.law = Law::Moments { what: "an activation" };
        Ok(factors)
    }

    fn follow_fluctuation(&mut self, phi: &Dual, before: Spread) {
        let q = before.q();
        if !(q.is_finite() && q > 0.0) {
            return;
        }
        if self.positions() > 1 {
            self.fluctuation = Err(NoTheory::new(
                "the positions of a channel fluctuate together: no width correction is derived",
            ));
            return;
        }
        if let Ok(fluctuation) = &mut self.fluctuation {
            let moments = phi.moments(q);
            let added =
                crate::theory::mean_field::log_variance_per_layer(phi, q) / self.width as f64;
            let elasticity = moments.second_slope * q / moments.second;
            *fluctuation = fluctuation.then(elasticity, added);
        }
    }

    /// A layer of fresh weights that sums over all positions.
    pub(super) fn dense(&mut self, layer: LayerVariance, units: usize) {
        let spread = self.mean();
        self.set_after_weights(layer, vec![spread.through_weights(layer)], spread, units);
        self.extent = [1, 1];
        self.across = Across { same_input: 0.0, two_inputs: 0.0 };
    }

    /// A convolution: at each position the mean over what its window sees.
    pub(super) fn convolve(&mut self, layer: LayerVariance, window: &Window, channels: usize) {
        let before = self.mean();
        // One common scale for the sums over positions.
        let scale = before.ln_scale();
        let parts: Vec<(f64, f64)> = self.spreads.iter().map(|s| s.at_scale(scale)).collect();
        let v = window.gather(&parts.iter().map(|p| p.0).collect::<Vec<_>>());
        let t = window.gather(&parts.iter().map(|p| p.1).collect::<Vec<_>>());
        let seen_by_each: Vec<Spread> =
            v.into_iter().zip(t).map(|(v, t)| Spread::with_scale(v, t, scale)).collect();
        let spreads = seen_by_each.iter().map(|spread| spread.through_weights(layer)).collect();
        let common = window.common_share();
        self.across.same_input *= common;
        self.across.two_inputs *= common;
        let inside = Spread::with_scale(0.0, 0.0, scale);
        let seen = seen_by_each.iter().fold(inside, |sum, part| sum.plus(*part));
        self.set_after_weights(
            layer,
            spreads,
            seen.scaled(1.0 / seen_by_each.len() as f64),
            channels,
        );
        self.extent = window.output;
    }

    fn set_after_weights(
        &mut self,
        layer: LayerVariance,
        spreads: Vec<Spread>,
        before: Spread,
        units: usize,
    ) {
        self.spreads = spreads;
        // Of q' = σ_w² q + σ_b² the share that comes from the layer before.
        let signal = before.scaled(layer.weight);
        let share = (signal.ln_q() - before.through_weights(layer).ln_q()).exp();
        let share = if share.is_finite() { share.min(1.0) } else { 0.0 };
        let carry = |c: f64| share * c + (1.0 - share);
        self.across = Across {
            same_input: carry(self.across.same_input),
            two_inputs: carry(self.across.two_inputs),
        };
        self.mean_ratio = 0.0;
        self.width = units;
        self.law = Law::Gaussian { functions: Vec::new(), pooling: None };
        if let Ok(fluctuation) = &mut self.fluctuation {
            *fluctuation = fluctuation.then(share, 0.0);
        }
    }

    /// Mean over windows of positions; `window` has the weight `1/K` on each.
    pub(super) fn average_positions(
        &mut self,
        output: [usize; 2],
        windows: &[Vec<usize>],
        taps: usize,
    ) {
        let Across { same_input, two_inputs } = self.across;
        let mean = self.mean();
        let mut spreads = Vec::with_capacity(windows.len());
        for window in windows {
            let k = window.len().max(1) as f64;
            let inside = window.len() as f64 / taps as f64;
            let own = window
                .iter()
                .filter_map(|at| self.spreads.get(*at))
                .fold(Spread::new(0.0, 0.0), |sum, spread| sum.plus(*spread))
                .scaled(inside * inside / k);
            // Of the mean inside the image: (q + (K-1) W)/K for one input, (T + (K-1) B)/K for two.
            let others = (k - 1.0) / k;
            spreads.push(own.map(|v, t| {
                let q = v + t;
                (v / k + others * q * (same_input - two_inputs), t / k + others * q * two_inputs)
            }));
        }
        self.spreads = spreads;
        self.extent = output;
        // Covariances stay but for the share in the padding, variances shrink.
        let positions = windows.len() as f64;
        let shares = windows.iter().map(|window| window.len() as f64 / taps as f64);
        let (sum, squares) =
            shares.fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
        let common = if windows.len() < 2 {
            1.0
        } else {
            (sum * sum - squares) / (positions * (positions - 1.0))
        };
        let shrink = (mean.ln_q() - self.mean().ln_q()).exp();
        let bound = |c: f64| if c.is_finite() { c.clamp(-1.0, 1.0) } else { 0.0 };
        self.across = Across {
            same_input: bound(same_input * shrink * common),
            two_inputs: bound(two_inputs * shrink * common),
        };
        self.mean_ratio = bound(self.mean_ratio * shrink.sqrt() * sum / positions);
        self.fluctuation =
            Err(NoTheory::new("the width correction of pooled positions is not derived"));
    }
}
