//! The weight variances that matter: the edge of chaos, and the line where half the correlation survives.

use super::dual::{Correlation, Dual, Moments};
use super::phase::{SCAN_ERROR, scan_grid};
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
    if bias_variance == 0.0 && phi.tangent_at_zero().is_some() {
        let zero = phi.moments(0.0);
        if zero.derivative_second > 1e-100 && zero.derivative_second.is_finite() {
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
    let excess = |q: f64, m: Moments| 1.0 - (m.second / m.derivative_second + bias_variance) / q;
    let sketched = roots::Sketched {
        rough: |ln_q: f64| excess(ln_q.exp(), phi.scan_moments(ln_q.exp())),
        exact: |ln_q: f64| excess(ln_q.exp(), phi.moments(ln_q.exp())),
        error: SCAN_ERROR,
    };
    let grid = if bias_variance == 0.0 {
        // Close to q = 0 the excess of a smooth activation is O(q): rounding, not roots.
        scan_grid(phi).into_iter().filter(|ln_q| *ln_q > -9.0).collect()
    } else {
        scan_grid(phi)
    };
    for ln_q in sketched.all_roots(&grid, 1e-15) {
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
            "no weight variance makes {phi} critical at bias variance {bias_variance}: q = E[φ²]/E[φ'²] + σ_b² has no solution"
        )));
    }
    Ok(points)
}

fn homogeneous_edge(phi: &Dual, bias_variance: f64) -> Result<Vec<CriticalPoint>, NoTheory> {
    let Some(both) = homogeneous_criticality(phi) else {
        return Err(NoTheory::new("the activation is constant"));
    };
    let weight_variance = both.gradient_weight_variance;
    let q_slope = 1.0 / both.eta;
    if bias_variance > 0.0 && both.eta <= 1.0 {
        let fate = if both.eta < 1.0 { "exponentially" } else { "linearly" };
        return Err(NoTheory::new(format!(
            "the activation is positively homogeneous: its only critical point is σ_w² = {}, σ_b² = 0; \
             with a bias the variance grows {fate} there",
            // Rounding is no part of it.
            (weight_variance * 1e12).round() / 1e12
        )));
    }
    let q_star = if both.eta == 1.0 {
        Err(NoTheory::new("every variance is a fixed point"))
    } else if bias_variance > 0.0 {
        Ok(bias_variance / (1.0 - q_slope))
    } else {
        Err(NoTheory::new(format!(
            "none: the variance changes by a factor {q_slope} in each layer"
        )))
    };
    Ok(vec![CriticalPoint { weight_variance, q_star, q_slope, stable: q_slope < 1.0 }])
}

/// The two weight variances that deserve the name critical where the activation is positively homogeneous.
///
/// For ReLU they are one. For pooled ReLU they differ, and no weight variance keeps both signals and gradients: at the
/// forward-critical one gradients change by `η` in each layer, at the gradient-critical one signals by `1/η`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HomogeneousCriticality {
    /// `1/E p²` at unit variance: signals keep their size. The criterion of the figures of `arxiv2505_12096`.
    pub forward_weight_variance: f64,
    /// `1/(K E[(∂p/∂h₁)²])`: gradients keep their size, `χ₁ = 1`.
    pub gradient_weight_variance: f64,
    /// `η = K E[(∂p/∂h₁)²] / E p²`, the factor that remains per layer; also the slope of the correlation map at `c = 1`.
    pub eta: f64,
}

impl std::fmt::Display for HomogeneousCriticality {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { forward_weight_variance: forward, gradient_weight_variance: gradient, eta } =
            self;
        if *eta == 1.0 {
            return write!(f, "σ_w² = {forward} keeps signals and gradients");
        }
        write!(
            f,
            "σ_w² = {forward:.8} keeps signals, and gradients change by a factor {eta:.8} in each layer; σ_w² = \
             {gradient:.8} keeps gradients, and signals change by {:.8}; no weight variance keeps both",
            1.0 / eta
        )
    }
}

/// Both critical weight variances of a positively homogeneous activation, pooled or not; `None` for any other, and for
/// the constant zero.
///
/// # References
///
/// Derived in docs/theory/mean-field.md, section 8.
///
/// # Examples
///
/// ```
/// use firstguess::spec::{Activation, layer::PoolKind};
/// use firstguess::theory::{critical::homogeneous_criticality, dual::Dual};
/// let pooled = Dual::pooled((&Activation::Relu).into(), PoolKind::Max, 2, 0.0)?;
/// let both = homogeneous_criticality(&pooled).expect("ReLU is homogeneous");
/// assert!((both.forward_weight_variance - 1.09992252).abs() < 1e-8);
/// assert!((both.gradient_weight_variance - 4.0 / 3.0).abs() < 1e-12);
/// # Ok::<(), firstguess::theory::NoTheory>(())
/// ```
pub fn homogeneous_criticality(phi: &Dual) -> Option<HomogeneousCriticality> {
    phi.homogeneous()?;
    let unit = phi.moments(1.0);
    if unit.second == 0.0 {
        return None;
    }
    let eta = unit.derivative_second / unit.second;
    Some(HomogeneousCriticality {
        forward_weight_variance: 1.0 / unit.second,
        gradient_weight_variance: 1.0 / unit.derivative_second,
        // A plain unit has exactly 1, and so has the larger of two linear ones.
        eta: if (eta - 1.0).abs() < 1e-12 { 1.0 } else { eta },
    })
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
    if phi.is_linear() {
        return Err(NoTheory::new("a linear network keeps every correlation"));
    }
    if let Some(both) = homogeneous_criticality(phi) {
        if both.eta <= 1.0 {
            return Err(NoTheory::new(
                "a positively homogeneous activation merges all inputs at every weight variance",
            ));
        }
        if bias_variance == 0.0 {
            return Err(NoTheory::new(
                "the correlation settles at the same value whatever the weight variance: a homogeneous activation \
                 without bias knows no scale",
            ));
        }
    }
    if bias_variance == 0.0 && phi.is_odd() {
        return Err(NoTheory::new(
            "an odd activation without bias keeps uncorrelated inputs uncorrelated: neutral at every weight variance",
        ));
    }
    let half = Correlation::new(0.5);
    let excess = |q: f64, second: f64, kernel: f64| {
        if q <= bias_variance {
            return f64::NAN;
        }
        ((q - bias_variance) / second * kernel + bias_variance) / q - 0.5
    };
    let sketched = roots::Sketched {
        rough: |ln_q: f64| {
            let q = ln_q.exp();
            excess(q, phi.scan_moments(q).second, phi.scan_kernel(q, half))
        },
        exact: |ln_q: f64| {
            let at = phi.at(ln_q.exp());
            excess(at.q(), at.moments().second, at.kernel(half))
        },
        error: 1e-5,
    };
    // Close to q = 0 a function that starts as a straight line keeps every correlation: rounding, not roots.
    let low = if bias_variance > 0.0 { (bias_variance * (1.0 + 1e-9)).ln() } else { -9.0 };
    let grid: Vec<f64> =
        (0..=24).map(|i| low + f64::from(i * i) / 576.0 * (14.0 - low.min(0.0))).collect();
    let root = sketched.first_root(&grid, 1e-14);
    let ln_q = root.ok_or_else(never_neutral)?;
    let q_star = ln_q.exp();
    Ok(NeutralityPoint {
        weight_variance: (q_star - bias_variance) / phi.moments(q_star).second,
        q_star,
    })
}

pub(super) fn never_neutral() -> NoTheory {
    NoTheory::new(
        "no weight variance brings the correlation down to one half at this bias variance",
    )
}
