//! First-order corrections in 1/width for a plain sequence of dense layers.
//!
//! One network's `ln q` and `ln` of its squared gradient leave the values of infinite width by sums of small independent
//! terms, one pair `(f, g)` per layer (derived in docs/theory/mean-field.md, "Finite width").

use super::LayerPrediction;
use crate::spec::network::{Node, Op};
use crate::theory::NoTheory;
use crate::theory::dual::Dual;
use crate::theory::mean_field::LayerVariance;

/// What finite width makes of one layer, to first order in 1/width, for one input.
///
/// A mean over several inputs has the same mean of `q`, and fluctuates less the less they correlate.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct FiniteWidth {
    /// `E q`, over networks.
    pub q: f64,
    /// `E ln q`, `q` the mean square over the units of this layer.
    pub ln_q_mean: f64,
    /// `Var ln q`, the `2/N` of this layer's own units included.
    pub ln_q_variance: f64,
    /// `E ln` of the squared gradient here relative to the logits.
    pub ln_gradient_mean: f64,
    /// Its variance.
    pub ln_gradient_variance: f64,
}

/// Largest variance of a logarithm at which first order still means something.
const FIRST_ORDER: f64 = 10.0;

/// Step in `ln q` of the derivatives that have no formula.
const STEP: f64 = 1e-3;

/// One transition, all relative to infinite width: `u = ln E φ²` and `ln χ` as functions of `x = ln q`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Link {
    /// `du/dx`, `d²u/dx²`.
    slope: f64,
    bend: f64,
    /// `d ln χ/dx`, `d² ln χ/dx²`.
    chi_slope: f64,
    chi_bend: f64,
    /// `σ_w² E φ² / q'`: the part of the next variance that is not bias.
    share: f64,
    /// Variances and covariance of the terms of this layer, times the width.
    forward: f64,
    backward: f64,
    mixed: f64,
}

impl Link {
    fn of(phi: &Dual, layer: LayerVariance, q: f64) -> Result<Self, NoTheory> {
        let moments = phi.moments(q);
        let fourth = phi.fourth_moments(q).ok_or_else(|| {
            NoTheory::new("the width correction of gradients through pools is not derived")
        })?;
        let (second, derivative) = (moments.second, moments.derivative_second);
        if !(second > 0.0 && derivative > 0.0 && derivative.is_finite() && second.is_finite()) {
            return Err(NoTheory::new(
                "signal or gradient vanishes or jumps: no expansion in width",
            ));
        }
        let homogeneous = phi.homogeneous().is_some();
        let slope_at = |q: f64| {
            let m = phi.moments(q);
            q * m.second_slope / m.second
        };
        let ln_chi = |q: f64| phi.moments(q).derivative_second.ln();
        let (above, below) = (q * STEP.exp(), q * (-STEP).exp());
        let [bend, chi_slope, chi_bend] = if homogeneous {
            [0.0; 3]
        } else {
            let (up, here, down) = (ln_chi(above), derivative.ln(), ln_chi(below));
            [
                (slope_at(above) - slope_at(below)) / (2.0 * STEP),
                (up - down) / (2.0 * STEP),
                (up - 2.0 * here + down) / (STEP * STEP),
            ]
        };
        Ok(Self {
            slope: if homogeneous { 1.0 } else { q * moments.second_slope / second },
            bend,
            chi_slope,
            chi_bend,
            share: layer.weight * second / (layer.weight * second + layer.bias),
            forward: fourth.value / (second * second) - 1.0,
            backward: 3.0 * fourth.slope / (derivative * derivative) - 1.0,
            mixed: fourth.mixed / (second * derivative) - 1.0,
        })
    }
}

/// The corrections of every layer, in order; one reason for all where the network is no plain dense sequence.
pub(super) fn corrections(
    nodes: &[Node],
    layers: &[LayerPrediction],
    transitions: &[(usize, LayerVariance)],
    duals: &[Dual],
) -> Vec<Result<FiniteWidth, NoTheory>> {
    match chain(nodes, layers, transitions, duals) {
        Ok(found) => found,
        Err(reason) => layers.iter().map(|_| Err(reason.clone())).collect(),
    }
}

fn chain(
    nodes: &[Node],
    layers: &[LayerPrediction],
    transitions: &[(usize, LayerVariance)],
    duals: &[Dual],
) -> Result<Vec<Result<FiniteWidth, NoTheory>>, NoTheory> {
    let plain =
        nodes.iter().all(|n| matches!(n.op, Op::Dense(_) | Op::Activation(_) | Op::Flatten));
    if !plain || layers.is_empty() || transitions.len() + 1 != layers.len() {
        return Err(NoTheory::new(
            "the correction in 1/width is derived for plain sequences of dense layers",
        ));
    }
    let mut links: Vec<(Link, f64)> = Vec::with_capacity(transitions.len());
    let mut last: Option<((usize, LayerVariance, f64), Link)> = None;
    for (&(dual, layer), from) in transitions.iter().zip(layers) {
        let q = from.spread.as_ref().map_err(Clone::clone)?.q();
        let key = (dual, layer, q);
        let link = match &last {
            // A settled variance is the same layer after layer.
            Some((known, link)) if *known == key => *link,
            _ => Link::of(&duals[dual], layer, q)?,
        };
        last = Some((key, link));
        links.push((link, from.units as f64));
    }
    let forward = forward(&links);
    let backward = backward(&links, &forward);
    Ok(layers
        .iter()
        .zip(forward.iter().zip(&backward))
        .map(|(layer, (&(mean, variance), &(gradient_mean, gradient_variance)))| {
            let spread = layer.spread.clone()?;
            let ln_gradient = layer.ln_gradient.clone()?;
            if variance.max(gradient_variance) > FIRST_ORDER {
                return Err(NoTheory::new(format!(
                    "fluctuations of variance {:.3} in the logarithm are beyond first order in 1/width",
                    variance.max(gradient_variance)
                )));
            }
            let own = 2.0 / layer.units as f64;
            Ok(FiniteWidth {
                q: spread.q() * (1.0 + mean + 0.5 * variance),
                ln_q_mean: spread.ln_q() + mean - 0.5 * own,
                ln_q_variance: variance + own,
                ln_gradient_mean: ln_gradient + gradient_mean,
                ln_gradient_variance: gradient_variance,
            })
        })
        .collect())
}

/// Mean and variance of `ln q` less its value at infinite width, at each layer.
///
/// ```text
/// x' = s u + ½ s(1 - s) u²,   u = a x + ½ a' x² + f,   E f = -½ F/N,   Var f = F/N
/// ```
fn forward(links: &[(Link, f64)]) -> Vec<(f64, f64)> {
    let (mut mean, mut variance) = (0.0, 0.0);
    let mut found = vec![(mean, variance)];
    for (link, width) in links {
        let added = link.forward / width;
        let inner = link.slope * mean + 0.5 * link.bend * variance - 0.5 * added;
        let spread = link.slope * link.slope * variance + added;
        let s = link.share;
        (mean, variance) = (s * inner + 0.5 * s * (1.0 - s) * spread, s * s * spread);
        found.push((mean, variance));
    }
    found
}

/// Mean and variance of `ln` of the squared gradient, relative to the logits, less its value at infinite width.
///
/// ```text
/// y_l = Σ_{m ≥ l} (κ_m x_m + ½ κ'_m x_m² + g_m),   x_{m+1} = s_m (a_m x_m + f_m),   E g = -½ G/N
/// Var y_l = Var(x_l) (κ_l + a_l B_l)² + Σ_{m ≥ l} (G_m + 2 B_m C_m + B_m² F_m)/N_m,   B_m = s_m (κ_{m+1} + a_{m+1} B_{m+1})
/// ```
fn backward(links: &[(Link, f64)], forward: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut found = vec![(0.0, 0.0); links.len() + 1];
    let (mut mean, mut noise) = (0.0, 0.0);
    // What a change of x at the next layer does to the sum from there on.
    let mut later = 0.0;
    for (at, (link, width)) in links.iter().enumerate().rev() {
        let reach = link.share * later;
        let (shift, variance) = forward[at];
        mean +=
            link.chi_slope * shift + 0.5 * link.chi_bend * variance - 0.5 * link.backward / width;
        noise += (link.backward + 2.0 * reach * link.mixed + reach * reach * link.forward) / width;
        later = link.chi_slope + link.slope * reach;
        found[at] = (mean, noise + later * later * variance);
    }
    found
}
