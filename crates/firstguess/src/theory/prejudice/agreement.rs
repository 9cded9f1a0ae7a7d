//! The probability that two correlated normal vectors have their largest entry in the same place.
//!
//! With `(x_k, y_k)` independent over `k` and of correlation `r`, both answers asked of it are one integral: two inputs of
//! one network (`r = c`, the agreement), and the centres against the logits (`r = √c`, the mean largest share, since the
//! favoured class is the one with the largest centre).
//!
//! ```text
//! x = α S + ρ R,  y = α S - ρ R,  S, R ~ N(0, 1) independent,  κ = ρ/α = √((1 - r)/(1 + r))
//! A_N = N E[(1 - Q)^(N-1)],   Q(S, R) = E_z[ Φ(κ|R - z| - S) ]
//! ```
//!
//! `Q` is the chance that another class beats `(x, y)` in at least one entry. No step subtracts close numbers, so the form
//! serves from `r = 0` to `κ = 1e-300`, and its cost does not depend on `N`.

use super::Approximation;
use super::binary::ln_normal_density;
use crate::math::quadrature::GaussLegendre;
use crate::math::special::{
    ln_normal_cdf, normal_cdf, normal_density, normal_survival, normal_upper_quantile,
};
use std::f64::consts::PI;

/// Below this correlation the excess over `1/N` is integrated itself.
const WEAK: f64 = 0.1;

/// A correlation in [0, 1] with `κ = √((1 - r)/(1 + r))`, which still has digits where `1 - r` has none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Correlation {
    pub(super) r: f64,
    pub(super) kappa: f64,
}

impl Correlation {
    /// Of two inputs: `r = c`.
    pub(super) fn of_inputs(gamma: f64) -> Self {
        Self { r: ratio(gamma), kappa: 1.0 / (1.0 + 2.0 * gamma).sqrt() }
    }

    /// Of centres and logits: `r = √c`.
    pub(super) fn of_centres(gamma: f64) -> Self {
        let r = ratio(gamma).sqrt();
        Self { r, kappa: 1.0 / ((1.0 + gamma).sqrt() * (1.0 + r)) }
    }
}

fn ratio(gamma: f64) -> f64 {
    if gamma > 1.0 { 1.0 / (1.0 + 1.0 / gamma) } else { gamma / (1.0 + gamma) }
}

/// `A_N`, `A_N - 1/N` and `1 - A_N`, each with its own relative accuracy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agreement {
    pub(super) value: Approximation,
    pub(super) excess: Approximation,
    pub(super) deficit: Approximation,
}

impl Agreement {
    pub(super) fn new(classes: usize, correlation: Correlation) -> Self {
        let even = 1.0 / classes as f64;
        let Correlation { r, kappa } = correlation;
        if classes == 2 || r == 0.0 || kappa == 0.0 {
            // arcsin r = 2 arctan(...) has digits at both ends through r below and κ above.
            let (excess, deficit) = if r == 0.0 {
                (0.0, 1.0 - even)
            } else if kappa == 0.0 {
                (1.0 - even, 0.0)
            } else {
                let excess = if r < 0.5 { r.asin() / PI } else { 0.5 - 2.0 * kappa.atan() / PI };
                (excess, 2.0 * kappa.atan() / PI)
            };
            return Self {
                value: Approximation::exact(even + excess),
                excess: Approximation::exact(excess),
                deficit: Approximation::exact(deficit),
            };
        }
        if r <= WEAK {
            let excess =
                Approximation::refined(weak_excess(classes, r, 10), weak_excess(classes, r, 16));
            let value = excess.map_linear(1.0, even);
            return Self { value, excess, deficit: value.map_linear(-1.0, 1.0) };
        }
        let coarse = strong(classes, kappa, 9);
        let fine = strong(classes, kappa, 14);
        let deficit = Approximation::refined(coarse.1, fine.1);
        let value = if fine.1 < 0.5 {
            deficit.map_linear(-1.0, 1.0) // so that the two add up to 1, and none exceeds it
        } else {
            Approximation::refined(coarse.0, fine.0)
        };
        Self { value, excess: value.map_linear(1.0, -even), deficit }
    }
}

/// Composite Gauss–Legendre nodes on [`low`, `high`] in panels no wider than `width`.
pub(super) fn panels(low: f64, high: f64, width: f64, per_panel: usize) -> Vec<(f64, f64)> {
    let rule = GaussLegendre::cached(per_panel);
    // A few hundred panels at most: the widths follow √ln N.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small positive count"
    )]
    let count = ((high - low) / width).ceil().clamp(1.0, 4096.0) as usize;
    let step = (high - low) / count as f64;
    let mut nodes = Vec::with_capacity(count * per_panel);
    for i in 0..count {
        let mid = low + step * (i as f64 + 0.5);
        for (x, w) in rule.nodes.iter().zip(&rule.weights) {
            nodes.push((mid + 0.5 * step * x, 0.5 * step * w));
        }
    }
    nodes
}

/// Where the largest of `classes` normals lives: outside lies less than 1e-17 of its law.
pub(super) fn range_of_maximum(classes: usize) -> (f64, f64) {
    let n = classes as f64;
    let low = normal_upper_quantile(-(-45.0 / (n - 1.0)).exp_m1()).max(-9.0);
    (low, normal_upper_quantile(1e-18 / n))
}

/// Width over which the law of that largest changes: its tail index is `√(2 ln N)`.
pub(super) fn tail_index(classes: usize) -> f64 {
    (2.0 * (classes as f64).ln()).sqrt().max(1.0)
}

/// `(A_N, 1 - A_N)` by the three-fold integral of the module's head.
fn strong(classes: usize, kappa: f64, per_panel: usize) -> (f64, f64) {
    let n = classes as f64;
    let index = tail_index(classes);
    let (low, high) = range_of_maximum(classes);
    let centres = panels(low, high, 2.2 / index, per_panel);
    // Half of the line is enough: Q is even in R.
    let offsets = panels(0.0, 8.5, 2.2 / (kappa * index).max(1.0), per_panel);
    let (mut value, mut deficit) = (0.0, 0.0);
    let inner = GaussLegendre::cached(per_panel);
    let mut distances: Vec<(f64, f64)> = Vec::new();
    for &(offset, offset_weight) in &offsets {
        // z on both sides of R, as the distance κ|R - z| with its weight; the kink of |.| is a panel edge.
        distances.clear();
        for side in [-1.0, 1.0] {
            let reach = 11.0 - side * offset;
            let mut start = 0.0;
            while start < reach {
                let end = (start + 2.2_f64).min(reach);
                let (half, mid) = (0.5 * (end - start), 0.5 * (end + start));
                for (x, w) in inner.nodes.iter().zip(&inner.weights) {
                    let distance = mid + half * x;
                    let density = normal_density(offset + side * distance);
                    if density > 1e-26 {
                        distances.push((kappa * distance, half * w * density));
                    }
                }
                start = end;
            }
        }
        let outer_weight = 2.0 * offset_weight * normal_density(offset);
        for &(centre, weight) in &centres {
            let ln_cdf = ln_normal_cdf(centre);
            // What lies beyond the sole shared centre's own tail.
            let beaten: f64 = distances.iter().map(|&(h, w)| w * gain(centre, h)).sum();
            let base = n * (ln_normal_density(centre) + (n - 1.0) * ln_cdf).exp();
            let exponent = (n - 1.0) * (-beaten * (-ln_cdf).exp()).max(-1.0).ln_1p();
            value += outer_weight * weight * base * exponent.exp();
            deficit -= outer_weight * weight * base * exponent.exp_m1();
        }
    }
    (value, deficit)
}

/// `Φ(s) - Φ(s - h)` for `h ≥ 0`, without cancellation.
fn gain(s: f64, h: f64) -> f64 {
    if h < 1e-3 {
        // Hermite series of the density's integral; the next term is below 1e-14 wherever the density counts.
        let s2 = s * s;
        let series = 1.0
            + h * (s / 2.0
                + h * ((s2 - 1.0) / 6.0
                    + h * (s * (s2 - 3.0) / 24.0 + h * ((s2 - 6.0) * s2 + 3.0) / 120.0)));
        return normal_density(s) * h * series;
    }
    if s > 0.0 {
        normal_survival(s - h) - normal_survival(s)
    } else {
        normal_cdf(s) - normal_cdf(s - h)
    }
}

/// `A_N - 1/N` for weak correlation, where the integrands at `r` and at 0 differ little.
///
/// ```text
/// A_N - 1/N = N ∬ φ(x)φ(y) [Φ(x)Φ(y)]^(N-1) expm1{ ln(φ₂/φφ) + (N-1) ln(Φ₂/ΦΦ) } dx dy
/// ```
///
/// `Φ₂ - ΦΦ = ∫₀^r φ₂(x, y; t) dt` (Plackett).
fn weak_excess(classes: usize, r: f64, per_panel: usize) -> f64 {
    let n = classes as f64;
    let (low, high) = range_of_maximum(classes);
    let nodes: Vec<_> = panels(low, high, 2.2 / tail_index(classes), per_panel)
        .into_iter()
        .map(|(x, w)| {
            let ln_cdf = ln_normal_cdf(x);
            (x, w * n * (ln_normal_density(x) + (n - 1.0) * ln_cdf).exp(), ln_cdf)
        })
        .filter(|node| node.1 > 1e-30)
        .collect();
    let rule = GaussLegendre::cached(10);
    let joint: Vec<_> = rule
        .nodes
        .iter()
        .zip(&rule.weights)
        .map(|(t, w)| {
            let t = 0.5 * r * (t + 1.0);
            let rest = (1.0 - t) * (1.0 + t);
            (t, 0.5 / rest, 0.5 * r * w / (2.0 * PI * rest.sqrt()))
        })
        .collect();
    let rest = (1.0 - r) * (1.0 + r);
    let mut sum = 0.0;
    for (i, &(x, wx, ln_x)) in nodes.iter().enumerate() {
        for (j, &(y, wy, ln_y)) in nodes[..=i].iter().enumerate() {
            let squares = x * x + y * y;
            let ln_density = -0.5 * rest.ln() + r * (2.0 * x * y - r * squares) / (2.0 * rest);
            let above: f64 = joint
                .iter()
                .map(|&(t, half, w)| w * ((2.0 * t * x * y - squares) * half - ln_x - ln_y).exp())
                .sum();
            let twice = if i == j { 1.0 } else { 2.0 };
            sum += twice * wx * wy * (ln_density + (n - 1.0) * above.ln_1p()).exp_m1();
        }
    }
    sum / n
}

/// `E[max of N normals]`.
pub(super) fn mean_of_maximum(classes: usize) -> f64 {
    let n = classes as f64;
    let (low, high) = range_of_maximum(classes);
    let mean = |x: f64| x * n * (ln_normal_density(x) + (n - 1.0) * ln_normal_cdf(x)).exp();
    panels(low, high, 2.2 / tail_index(classes), 20).iter().map(|&(x, w)| w * mean(x)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two integrals of different dimension and variables, where both are sharp.
    #[test]
    fn both_forms_meet() {
        for classes in [3, 4, 10, 1000, 50_000] {
            for r in [0.05_f64, 0.1, 0.2] {
                let even = 1.0 / classes as f64;
                let kappa = ((1.0 - r) / (1.0 + r)).sqrt();
                let (value, deficit) = strong(classes, kappa, 14);
                let weak = even + weak_excess(classes, r, 16);
                assert!(
                    (value - weak).abs() < 1e-10 * weak.max(0.1),
                    "{classes} {r}: {value} {weak}"
                );
                assert!((deficit - (1.0 - weak)).abs() < 1e-10, "{classes} {r}: {deficit}");
            }
        }
    }

    /// Two classes have a closed form, which the general integrals do not know of.
    #[test]
    fn the_integrals_reproduce_two_classes() {
        for gamma in [1e-4, 0.01, 0.4, 1.0, 20.0, 1e6] {
            let Correlation { r, kappa } = Correlation::of_inputs(gamma);
            let (value, deficit) = strong(2, kappa, 14);
            assert!((value - 0.5 - r.asin() / PI).abs() < 1e-11, "{gamma}: {value}");
            assert!(
                (deficit / (2.0 * kappa.atan() / PI) - 1.0).abs() < 1e-10,
                "{gamma}: {deficit}"
            );
            if r < 0.2 {
                assert!((weak_excess(2, r, 16) / (r.asin() / PI) - 1.0).abs() < 1e-10, "{gamma}");
            }
        }
    }

    #[test]
    fn the_gain_keeps_its_digits_where_the_subtraction_loses_them() {
        for s in [-4.0, -0.5, 0.0, 1.0, 5.0] {
            // Both sides of the switch, against the midpoint rule of the density.
            for h in [1e-12, 0.999_999e-3, 1.000_001e-3] {
                let midpoint = h * normal_density(s - 0.5 * h);
                let curvature = 1.0 + h * h * (s * s - 1.0) / 24.0;
                assert!((gain(s, h) / (midpoint * curvature) - 1.0).abs() < 1e-9, "{s} {h}");
            }
        }
    }

    /// Tables of order statistics.
    #[test]
    fn the_mean_of_the_maximum() {
        for (n, want) in [
            (2, 0.5641896),
            (3, 0.8462844),
            (5, 1.1629645),
            (10, 1.5387527),
            (100, 2.5075936),
            (1000, 3.2414358),
        ] {
            assert!((mean_of_maximum(n) - want).abs() < 1e-7, "{n}: {}", mean_of_maximum(n));
        }
        assert!((mean_of_maximum(2) - PI.sqrt().recip()).abs() < 1e-13);
        assert!((mean_of_maximum(3) - 1.5 / PI.sqrt()).abs() < 1e-13);
    }
}
