//! Mean share of the class whose centre is the `rank`-th largest.
//!
//! ```text
//! E G_(r) = E_m ∫ φ(u) B(u, m)^(N-r) A(u, m)^(r-1) du,      m = m_(r), the r-th largest of N normals
//! B = P(s w + x < s m + u | w < m),   A = P(s w + x < s m + u | w > m)
//! ```
//!
//! The class at `m` wins with its own noise `u` if the `N - r` classes below and the `r - 1` above it all stay behind.

use super::agreement::panels;
use super::binary::ln_normal_density;
use crate::math::special::{
    ln_gamma, ln_normal_cdf, normal_cdf, normal_density, normal_survival, normal_upper_quantile,
};

/// Sizes of the rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolution {
    pub(super) centres: usize,
    pub(super) rivals: usize,
    pub(super) noise_step: f64,
}

pub(super) const FINE: Resolution = Resolution { centres: 12, rivals: 14, noise_step: 0.1 };
pub(super) const COARSE: Resolution = Resolution { centres: 8, rivals: 9, noise_step: 0.14 };

/// `E G_(rank)` for `1 ≤ rank ≤ classes` and a finite slope `s = √γ`.
pub(super) fn mean_share(classes: usize, rank: usize, slope: f64, size: Resolution) -> f64 {
    let (below, above) = ((classes - rank) as f64, (rank - 1) as f64);
    let (mut total, mut mass) = (0.0, 0.0);
    for (m, weight) in order_statistic(classes, rank, size.centres) {
        mass += weight;
        total += weight * winning_chance(m, below, above, slope, size);
    }
    total / mass
}

/// Nodes for the law of the `rank`-th largest of `classes` normals; the weights need not sum to 1.
fn order_statistic(classes: usize, rank: usize, per_panel: usize) -> Vec<(f64, f64)> {
    let (n, r) = (classes as f64, rank as f64);
    let constant = ln_gamma(n + 1.0) - ln_gamma(r) - ln_gamma(n - r + 1.0);
    let ln_density = |m: f64| {
        constant + ln_normal_density(m) + (r - 1.0) * ln_normal_cdf(-m) + (n - r) * ln_normal_cdf(m)
    };
    let middle = normal_upper_quantile(r / (n + 1.0));
    let peak = ln_density(middle);
    // Log-concave: walking out until the density is negligible meets no second bump.
    let edge = |direction: f64| {
        let mut reach = 1.0 / n.sqrt();
        while ln_density(middle + direction * reach) > peak - 40.0 && reach < 40.0 {
            reach *= 1.25;
        }
        middle + direction * reach
    };
    let (low, high) = (edge(-1.0), edge(1.0));
    panels(low, high, (high - low) / 7.5, per_panel)
        .into_iter()
        .map(|(m, w)| (m, w * ln_density(m).exp()))
        .collect()
}

/// The chance that the class at centre `m` has the largest logit.
fn winning_chance(m: f64, below: f64, above: f64, slope: f64, size: Resolution) -> f64 {
    let steep = slope.max(1.0);
    // Distances of the rivals' centres from m: no further than the normal law reaches or the noise can bridge.
    let distances = |side: f64| {
        let ln_mass = ln_normal_cdf(-side * m);
        let reach = (10.0 - side * m).max(10.0).min(20.0 / slope);
        panels(0.0, reach, 2.2 / steep, size.rivals)
            .into_iter()
            .map(move |(d, w)| (slope * d, w * (ln_normal_density(m + side * d) - ln_mass).exp()))
            .filter(|node| node.1 > 1e-22)
            .collect::<Vec<_>>()
    };
    let lower = if below > 0.0 { distances(-1.0) } else { Vec::new() };
    let upper = if above > 0.0 { distances(1.0) } else { Vec::new() };
    let mut sum = 0.0;
    let mut u = 9.0;
    while u > -9.0 {
        let mut exponent = 0.0;
        if below > 0.0 {
            let ahead: f64 = lower.iter().map(|&(d, w)| w * normal_survival(u + d)).sum();
            exponent += below * (-ahead.min(1.0)).ln_1p();
        }
        if above > 0.0 {
            let behind: f64 = upper.iter().map(|&(d, w)| w * normal_cdf(u - d)).sum();
            exponent += above * behind.min(1.0).ln();
        }
        if exponent < -700.0 {
            break; // both factors only fall from here
        }
        sum += normal_density(u) * exponent.exp();
        u -= size.noise_step;
    }
    sum * size.noise_step
}
