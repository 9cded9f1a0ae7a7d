//! The weight variances that matter: the edge of chaos, and the line where half the correlation survives.

use super::dual::{Correlation, Dual};
use super::phase::scan_grid;
use super::{NoTheory, Predicted};
use crate::math::roots;

/// A weight variance at which `χ₁ = 1` at a fixed point of the variance map.
#[derive(Debug, Clone, PartialEq)]
pub struct CriticalPoint {
    /// `σ_w²`.
    pub weight_variance: f64,
    /// `q*`; absent where every variance is a fixed point.
    pub q_star: Predicted,
    /// `F'(q*)` of the variance map.
    pub q_slope: f64,
    /// Whether the fixed point attracts: if not, a random finite network drifts away from it.
    pub stable: bool,
}

/// Every edge-of-chaos point at this bias variance, by ascending `q*`; empty with a reason where there is none.
///
/// ```text
/// σ_w² = 1 / E[φ'(√q z)²],   σ_b² = q - E[φ²] / E[φ'²]
/// ```
///
/// Parametrised by `q` and solved for the given `σ_b²`, so that unstable points are found as well as stable ones.
///
/// # Errors
///
/// [`NoTheory`] where no weight variance is critical (softplus; sigmoid at most bias variances; activations that jump).
///
/// # References
///
/// `hayou2019` iterates the same equations; the bracketing is derived in docs/theory/mean-field.md.
///
/// # Examples
///
/// ```
/// use firstguess::spec::Activation;
/// use firstguess::theory::{critical::edge_of_chaos, dual::Dual};
/// let points = edge_of_chaos(&Dual::new(&Activation::Tanh), 0.05)?;
/// assert!((points[0].weight_variance - 1.76095464).abs() < 1e-7);
/// # Ok::<(), firstguess::theory::NoTheory>(())
/// ```
pub fn edge_of_chaos(phi: &Dual, bias_variance: f64) -> Result<Vec<CriticalPoint>, NoTheory> {
    if phi.moments(1.0).derivative_second.is_infinite() {
        return Err(NoTheory::new("the activation jumps: χ₁ is infinite at every weight variance"));
    }
    if phi.homogeneous().is_some() {
        return homogeneous_edge(phi, bias_variance);
    }
    let mut points = Vec::new();
    if bias_variance == 0.0 && phi.function().value(0.0) == 0.0 {
        let zero = phi.moments(0.0);
        if zero.derivative_second > 0.0 && zero.derivative_second.is_finite() {
            let weight_variance = 1.0 / zero.derivative_second;
            // At q = 0 the slope of the map is 1; whether variances return to 0 is decided just above it.
            let just_above = weight_variance * phi.moments(1e-3).second / 1e-3;
            points.push(CriticalPoint {
                weight_variance,
                q_star: Ok(0.0),
                q_slope: weight_variance * zero.second_slope,
                stable: just_above < 1.0,
            });
        }
    }
    // Relative to q, so that the corner at σ_b² = 0 is no root by underflow.
    let excess = |ln_q: f64| {
        let q = ln_q.exp();
        let m = phi.moments(q);
        1.0 - (m.second / m.derivative_second + bias_variance) / q
    };
    let grid = if bias_variance == 0.0 {
        // Close to q = 0 the excess of a smooth activation is O(q): rounding, not roots.
        scan_grid(phi).into_iter().filter(|ln_q| *ln_q > -9.0).collect()
    } else {
        scan_grid(phi)
    };
    for ln_q in roots::all_roots(excess, &grid, 1e-15) {
        let q = ln_q.exp();
        let m = phi.moments(q);
        let weight_variance = 1.0 / m.derivative_second;
        let q_slope = weight_variance * m.second_slope;
        if weight_variance.is_finite() {
            points.push(CriticalPoint {
                weight_variance,
                q_star: Ok(q),
                q_slope,
                stable: q_slope.abs() < 1.0,
            });
        }
    }
    if points.is_empty() {
        return Err(NoTheory::new(format!(
            "no weight variance makes {} critical at bias variance {bias_variance}: q = E[φ²]/E[φ'²] + σ_b² has no solution",
            phi.function()
        )));
    }
    Ok(points)
}

fn homogeneous_edge(phi: &Dual, bias_variance: f64) -> Result<Vec<CriticalPoint>, NoTheory> {
    let square = phi.moments(1.0).derivative_second;
    if square == 0.0 {
        return Err(NoTheory::new("the activation is constant"));
    }
    if bias_variance > 0.0 {
        return Err(NoTheory::new(format!(
            "the activation is positively homogeneous: its only critical point is σ_w² = {}, σ_b² = 0; with a bias the \
             variance grows linearly there",
            1.0 / square
        )));
    }
    Ok(vec![CriticalPoint {
        weight_variance: 1.0 / square,
        q_star: Err(NoTheory::new("every variance is a fixed point")),
        q_slope: 1.0,
        stable: false,
    }])
}

/// The point where the correlation of two inputs settles at one half: `γ* = 1`, guesses spread uniformly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NeutralityPoint {
    /// `σ_w²`.
    pub weight_variance: f64,
    /// `q*` there.
    pub q_star: f64,
}

/// The weight variance beyond which the deep network is neutral (`c* < ½`), at this bias variance.
///
/// ```text
/// σ_w² E[φ(u)φ(v)]_{c=½} + σ_b² = q/2,   σ_w² E[φ²] + σ_b² = q
/// ```
///
/// # Errors
///
/// [`NoTheory`] where no weight variance gives `c* = ½`: the ReLU family merges all inputs, and an odd activation without
/// bias keeps uncorrelated inputs uncorrelated at every weight variance.
///
/// # References
///
/// `arxiv2505_12096` for the line; the root in `q` is derived in docs/theory/mean-field.md.
pub fn neutrality(phi: &Dual, bias_variance: f64) -> Result<NeutralityPoint, NoTheory> {
    if let Some((left, right)) = phi.homogeneous() {
        let linear = left == right;
        return Err(NoTheory::new(if linear {
            "a linear network keeps every correlation"
        } else {
            "a positively homogeneous activation merges all inputs at every weight variance"
        }));
    }
    if bias_variance == 0.0 && phi.is_odd() {
        return Err(NoTheory::new(
            "an odd activation without bias keeps uncorrelated inputs uncorrelated: neutral at every weight variance",
        ));
    }
    let half = Correlation::new(0.5);
    let excess = |ln_q: f64| {
        let q = ln_q.exp();
        if q <= bias_variance {
            return f64::NAN;
        }
        let at = phi.at(q);
        let weight_variance = (q - bias_variance) / at.moments().second;
        (weight_variance * at.kernel(half) + bias_variance) / q - 0.5
    };
    let low = if bias_variance > 0.0 { (bias_variance * (1.0 + 1e-9)).ln() } else { -20.0 };
    let grid: Vec<f64> =
        (0..=24).map(|i| low + f64::from(i * i) / 576.0 * (14.0 - low.min(0.0))).collect();
    let root = roots::all_roots(excess, &grid, 1e-14).into_iter().next();
    let ln_q = root.ok_or_else(|| {
        NoTheory::new(
            "no weight variance brings the correlation down to one half at this bias variance",
        )
    })?;
    let q_star = ln_q.exp();
    Ok(NeutralityPoint {
        weight_variance: (q_star - bias_variance) / phi.moments(q_star).second,
        q_star,
    })
}
