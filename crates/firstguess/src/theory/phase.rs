//! Where an infinitely deep network ends up: variance, correlation, gradients, and the phase they name.

use super::dual::{Correlation, Dual, DualAt, Moments};
use super::mean_field::{LayerVariance, Spread, Step, step, variance_map};
use super::{NoTheory, Predicted};
use crate::math::roots;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Gradients that change by less than this per layer are called critical: a depth scale beyond 1 000 layers.
pub const EDGE_TOLERANCE: f64 = 1e-3;

/// The `1 - c` above which two-point moments of every function are a short series.
const MIDDLE: f64 = 0.2;

/// Of the roots that a scan shows, in `ln q`, unless they nearly touch.
pub(super) const SCAN_ERROR: f64 = 1e-12;

/// Inputs whose `1 - c` is below this count as merged where gradients are critical.
const MERGED: f64 = 1e-2;

/// Order or chaos, by the gradient multiplier `χ₁`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// `χ₁ < 1`: nearby inputs merge, gradients vanish.
    Ordered,
    /// `χ₁ = 1` within [`EDGE_TOLERANCE`]: signals and gradients survive the depth.
    EdgeOfChaos,
    /// `χ₁ > 1`: nearby inputs separate, gradients explode.
    Chaotic,
}

/// How biased the infinitely deep untrained network is, by `γ* = c*/(1 - c*)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prejudice {
    /// `γ* < 1`: most networks split the inputs evenly.
    Neutrality,
    /// `1 ≤ γ* < ∞`: most networks favour a class.
    Prejudice,
    /// `γ* = ∞`: all inputs go to one class.
    DeepPrejudice,
}

/// A fixed point of the variance map.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FixedPoint {
    /// `q* = F(q*)`.
    pub q_star: f64,
    /// `F'(q*)`.
    pub q_slope: f64,
    /// Whether `|F'(q*)| < 1`.
    pub stable: bool,
}

/// What the variance does as depth grows.
#[derive(Debug, Clone, PartialEq)]
pub enum VarianceFate {
    /// It converges to this fixed point.
    Converges(FixedPoint),
    /// Every variance is a fixed point (ReLU at `σ_w² = 2`, no bias).
    Kept,
    /// It goes to zero.
    Vanishes,
    /// It grows without bound.
    Diverges,
}

/// The limit of infinite depth for equal layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Asymptotics {
    /// What the variance does, from the start it was asked for.
    pub fate: VarianceFate,
    /// Every fixed point of the variance map, ascending.
    pub fixed_points: Vec<FixedPoint>,
    /// `q*`, where the variance converges.
    pub q_star: Predicted,
    /// `F'(q*)`.
    pub q_slope: Predicted,
    /// `χ₁ = σ_w² E[φ'(√q* z)²]`: the factor on the second moment of gradients, per layer.
    pub chi_1: Predicted,
    /// Limit of the correlation between two inputs.
    pub c_star: Predicted,
    /// `1 - c*` with its own digits.
    pub c_star_complement: Predicted,
    /// `χ_c = σ_w² E[φ'(u)φ'(v)]` at `c*`.
    pub chi_c: Predicted,
    /// `ξ_q = -1/ln|F'(q*)|`, in layers.
    pub depth_scale_q: Predicted,
    /// Slope of the correlation map at `c*`: `χ_c` where the variance is at rest, `χ_c / (q'/q)` where it keeps growing
    /// or shrinking by a factor.
    pub correlation_slope: Predicted,
    /// `ξ_c = -1/ln` of that slope, in layers.
    pub depth_scale_c: Predicted,
    /// `-1/ln χ₁`, in layers; negative where gradients grow.
    pub gradient_depth_scale: Predicted,
    /// `γ* = c*/(1 - c*)`.
    pub gamma_star: Predicted,
    /// The phase.
    pub phase: Result<Phase, NoTheory>,
    /// The bias of the deep network.
    pub prejudice: Result<Prejudice, NoTheory>,
}

/// Finds where equal layers end up when the first pre-activations have the given spread.
///
/// All roots are bracketed and polished, never iterated, so that a point near the edge of chaos is as sharp as any other.
///
/// # References
///
/// `poole2016`, `schoenholz2017`; the phases are those of `arxiv2505_12096`, their edge cases derived in
/// docs/theory/mean-field.md.
pub fn asymptotics(phi: &Dual, layer: LayerVariance, first: Spread) -> Asymptotics {
    let usable = |x: f64| x.is_finite() && x >= 0.0;
    if !(usable(layer.weight) && usable(layer.bias) && usable(first.v()) && first.q() >= 0.0) {
        return Asymptotics::unknown(&NoTheory::new("variances must be finite and at least 0"));
    }
    let fixed_points = fixed_points(phi, layer);
    let fate = variance_fate(phi, layer, first.q(), &fixed_points);
    let limit = Limit::of(phi, &fate);
    let (q_star, q_slope) = match &fate {
        VarianceFate::Converges(point) => (Ok(point.q_star), Ok(point.q_slope)),
        VarianceFate::Vanishes => (
            Ok(0.0),
            phi_slope_at_zero(phi, layer)
                .ok_or_else(|| NoTheory::new("the map has no slope at q = 0")),
        ),
        VarianceFate::Kept => (
            Err(NoTheory::new("every variance is a fixed point: q stays where it starts")),
            Ok(1.0),
        ),
        VarianceFate::Diverges => {
            let why = NoTheory::new("the variance grows without bound");
            (Err(why.clone()), Err(why))
        }
    };
    let chi_1 = limit.chi_1(layer);
    let complement = limit.correlation_complement(layer, first);
    let chi_c = limit.chi_c(layer, &complement);
    let correlation_slope = limit.correlation_slope(layer, &chi_c);
    let c_star = complement.clone().map(|eps| 1.0 - eps);
    let gamma_star = complement.clone().and_then(|eps| {
        if eps > 0.0 {
            Ok((1.0 - eps) / eps)
        } else {
            Err(NoTheory::new("infinite: all inputs share one direction"))
        }
    });
    let (name, bias) = classified(chi_1.clone().ok(), complement.clone().ok());
    // Each is known where the number behind it is.
    let phase = name.ok_or_else(|| reason(&chi_1));
    let prejudice = bias.ok_or_else(|| reason(&complement));
    Asymptotics {
        depth_scale_q: depth_scale(&q_slope),
        depth_scale_c: depth_scale(&correlation_slope),
        gradient_depth_scale: depth_scale(&chi_1),
        fate,
        fixed_points,
        q_star,
        q_slope,
        chi_1,
        c_star,
        c_star_complement: complement,
        chi_c,
        correlation_slope,
        gamma_star,
        phase,
        prejudice,
    }
}

impl Asymptotics {
    /// Nothing, for one reason.
    fn unknown(why: &NoTheory) -> Self {
        let none = || Err(why.clone());
        Self {
            fate: VarianceFate::Diverges,
            fixed_points: Vec::new(),
            q_star: none(),
            q_slope: none(),
            chi_1: none(),
            c_star: none(),
            c_star_complement: none(),
            chi_c: none(),
            depth_scale_q: none(),
            correlation_slope: none(),
            depth_scale_c: none(),
            gradient_depth_scale: none(),
            gamma_star: none(),
            phase: Err(why.clone()),
            prejudice: Err(why.clone()),
        }
    }
}

/// Names a limit by the factor on gradients and by the correlation that is left, as far as they are known.
pub(super) fn classified(
    chi_1: Option<f64>,
    complement: Option<f64>,
) -> (Option<Phase>, Option<Prejudice>) {
    let phase = chi_1.map(|chi| {
        let merged = complement.is_none_or(|eps| eps < MERGED);
        if (chi - 1.0).abs() <= EDGE_TOLERANCE && (merged || chi <= 1.0) {
            Phase::EdgeOfChaos
        } else if chi < 1.0 {
            Phase::Ordered
        } else {
            Phase::Chaotic
        }
    });
    let at_edge = phase == Some(Phase::EdgeOfChaos);
    let prejudice = complement.map(|eps| {
        // A hair above the edge the limit is a hair below c = 1, for all the depths at which anyone builds.
        if eps <= 0.0 || (at_edge && eps < MERGED) {
            Prejudice::DeepPrejudice
        } else if eps > 0.5 {
            Prejudice::Neutrality
        } else {
            Prejudice::Prejudice
        }
    });
    (phase, prejudice)
}

fn reason(missing: &Predicted) -> NoTheory {
    missing.clone().err().unwrap_or_else(|| NoTheory::new("not a number"))
}

fn depth_scale(slope: &Predicted) -> Predicted {
    let slope = slope.clone()?.abs();
    // Within rounding of a fixed point's own.
    if (slope - 1.0).abs() < 1e-13 {
        return Err(NoTheory::new("infinite: the slope is 1"));
    }
    if slope == 0.0 {
        return Ok(0.0);
    }
    if slope.is_infinite() {
        return Err(NoTheory::new("zero layers: the slope is infinite"));
    }
    Ok(-1.0 / slope.ln())
}

/// Every fixed point of the variance map, ascending; `q = 0` counts where it is one.
pub fn fixed_points(phi: &Dual, layer: LayerVariance) -> Vec<FixedPoint> {
    let mut found = Vec::new();
    let slope_at = |q: f64| layer.weight * phi.moments(q).second_slope;
    let point =
        |q_star: f64, q_slope: f64| FixedPoint { q_star, q_slope, stable: q_slope.abs() < 1.0 };
    if layer.bias == 0.0
        && phi.function().value(0.0) == 0.0
        && let Some(slope) = phi_slope_at_zero(phi, layer)
    {
        found.push(point(0.0, slope));
    }
    if phi.homogeneous().is_some() {
        let slope = layer.weight * phi.moments(1.0).second;
        if layer.bias > 0.0 && slope < 1.0 {
            found.push(point(layer.bias / (1.0 - slope), slope));
        }
        return found;
    }
    let grid = scan_grid(phi);
    // F(q)/q - 1 has the same roots as F(q) - q and a scale that does not change over the decades.
    let excess = |ln_q: f64, second: f64| (layer.weight * second + layer.bias) / ln_q.exp() - 1.0;
    let sketched = roots::Sketched {
        rough: |ln_q: f64| excess(ln_q, phi.scan_moments(ln_q.exp()).second),
        exact: |ln_q: f64| excess(ln_q, phi.moments(ln_q.exp()).second),
        error: SCAN_ERROR,
    };
    let roots = sketched.all_roots(&grid, 1e-15);
    found.extend(roots.into_iter().map(|ln_q| point(ln_q.exp(), slope_at(ln_q.exp()))));
    found
}

/// Natural logarithms of the variances that are scanned for roots.
pub(super) fn scan_grid(phi: &Dual) -> Vec<f64> {
    // Activations that bend at every scale may have a root per period; the rest change slowly in ln q.
    let grid = |low: i32, high: i32, per_decade: i32| {
        (0..(high - low) * per_decade)
            .map(move |i| f64::from(low) + f64::from(i) / f64::from(per_decade))
    };
    let decades: Vec<f64> = if phi.function().bends_at_every_scale() {
        grid(-12, 12, 16).chain([12.0]).collect()
    } else if phi.function().is_named() {
        grid(-10, 10, 2).chain([10.0]).collect()
    } else {
        // Where an expression does what it likes.
        grid(-10, -3, 2).chain(grid(-3, 4, 5)).chain(grid(4, 10, 2)).chain([10.0]).collect()
    };
    decades.into_iter().map(|decade| decade * std::f64::consts::LN_10).collect()
}

fn phi_slope_at_zero(phi: &Dual, layer: LayerVariance) -> Option<f64> {
    let slope = layer.weight * phi.moments(0.0).second_slope;
    slope.is_finite().then_some(slope)
}

fn variance_fate(
    phi: &Dual,
    layer: LayerVariance,
    start: f64,
    points: &[FixedPoint],
) -> VarianceFate {
    if phi.homogeneous().is_some() {
        let slope = layer.weight * phi.moments(1.0).second;
        return if (slope - 1.0).abs() < 1e-12 && layer.bias == 0.0 {
            VarianceFate::Kept
        } else if slope >= 1.0 - 1e-12 {
            VarianceFate::Diverges
        } else {
            points.last().map_or(VarianceFate::Vanishes, |p| {
                if p.q_star == 0.0 { VarianceFate::Vanishes } else { VarianceFate::Converges(*p) }
            })
        };
    }
    let value = variance_map(phi, layer, start);
    if value == start {
        let q_slope = layer.weight * phi.moments(start).second_slope;
        return VarianceFate::Converges(FixedPoint {
            q_star: start,
            q_slope,
            stable: q_slope.abs() < 1.0,
        });
    }
    // The length map rises for every activation whose size grows with |x|: the orbit is monotone and stops at the first root.
    let next = if value > start {
        points.iter().find(|p| p.q_star >= start * (1.0 - 1e-12))
    } else {
        points.iter().rev().find(|p| p.q_star <= start * (1.0 + 1e-12))
    };
    match next {
        Some(point) if point.q_star == 0.0 => VarianceFate::Vanishes,
        Some(point) => VarianceFate::Converges(*point),
        None if value > start => VarianceFate::Diverges,
        None => VarianceFate::Vanishes,
    }
}

/// The function as the deep network sees it: at `q*`, or as its slopes at zero or infinity.
enum Limit<'a> {
    At {
        at: Box<DualAt<'a>>,
        moments: Moments,
    },
    /// A positively homogeneous form, of which the variance is only a scale; `vanishing` if `phi` is it close to zero only.
    Homogeneous {
        unit: Box<Cow<'a, Dual>>,
        moments: Moments,
        vanishing: bool,
        phi: &'a Dual,
    },
    Unknown(NoTheory),
}

impl<'a> Limit<'a> {
    fn of(phi: &'a Dual, fate: &VarianceFate) -> Self {
        let homogeneous = |unit: Cow<'a, Dual>, vanishing| Self::Homogeneous {
            moments: unit.moments(1.0),
            unit: Box::new(unit),
            vanishing,
            phi,
        };
        match fate {
            VarianceFate::Converges(point) => {
                let at = Box::new(phi.at(point.q_star));
                Self::At { moments: at.moments(), at }
            }
            _ if phi.homogeneous().is_some() => homogeneous(Cow::Borrowed(phi), false),
            VarianceFate::Vanishes => match phi.tangent_at_zero() {
                Some(unit) => homogeneous(Cow::Borrowed(unit), true),
                None => Self::Unknown(NoTheory::new(
                    "the variance goes to zero, where the activation has no straight limit",
                )),
            },
            // Functions that end in straight lines look homogeneous from far away.
            _ => match phi.tangent_at_infinity() {
                Some(unit) => homogeneous(Cow::Owned(unit), false),
                None => Self::Unknown(NoTheory::new(
                    "the variance grows without bound and the activation has no straight limit",
                )),
            },
        }
    }

    fn chi_1(&self, layer: LayerVariance) -> Predicted {
        let chi = match self {
            Self::At { moments, .. } | Self::Homogeneous { moments, .. } => {
                // Zero weights pass no gradient on, however steep the activation.
                if layer.weight == 0.0 { 0.0 } else { layer.weight * moments.derivative_second }
            }
            Self::Unknown(why) => return Err(why.clone()),
        };
        if chi.is_infinite() {
            return Err(NoTheory::new(
                "infinite: the activation jumps, so it is chaotic at every variance",
            ));
        }
        Ok(chi)
    }

    /// `1 - c*`.
    fn correlation_complement(&self, layer: LayerVariance, first: Spread) -> Predicted {
        match self {
            Self::At { at, moments } => {
                let q = layer.weight * moments.second + layer.bias;
                // An odd activation without bias keeps uncorrelated inputs uncorrelated.
                if layer.bias == 0.0 && at.dual().is_odd() && first.t() == 0.0 {
                    return Ok(1.0);
                }
                Ok(merging_complement(at, layer.weight / q))
            }
            Self::Homogeneous { unit, moments, vanishing, phi } => {
                if !unit.is_linear() {
                    // A bias is negligible beside a growing variance, and absent from a vanishing one.
                    return Ok(merging_complement(&unit.at(1.0), 1.0 / moments.second));
                }
                // A linear map keeps every correlation; a bias adds to the centres what later layers amplify.
                let growth = layer.weight * moments.second;
                if layer.bias > 0.0 && !vanishing {
                    if growth <= 1.0 + 1e-12 {
                        return Ok(0.0);
                    }
                    let centres = first.t() + layer.bias / (growth - 1.0);
                    return Ok(first.v() / (first.v() + centres));
                }
                if first.t() == 0.0 {
                    return Ok(1.0);
                }
                if *vanishing {
                    settled_complement(phi, layer, first)
                } else {
                    Ok(first.complement())
                }
            }
            Self::Unknown(why) => Err(why.clone()),
        }
    }

    fn chi_c(&self, layer: LayerVariance, complement: &Predicted) -> Predicted {
        let at = Correlation::from_complement(complement.clone()?);
        let slope = match self {
            Self::At { at: dual, .. } => dual.slope(at),
            Self::Homogeneous { unit, .. } => unit.at(1.0).slope(at),
            Self::Unknown(why) => return Err(why.clone()),
        };
        Ok(layer.weight * slope)
    }

    fn correlation_slope(&self, layer: LayerVariance, chi_c: &Predicted) -> Predicted {
        match self {
            Self::Homogeneous { moments, .. } => {
                let slope = chi_c.clone()? / (layer.weight * moments.second);
                // Plain homogeneous units have exactly 1 here: rounding must not turn it into a depth scale.
                Ok(if (slope - 1.0).abs() < 1e-12 { 1.0 } else { slope })
            }
            _ => chi_c.clone(),
        }
    }
}

/// `1 - c*` of the map `c' = 1 - scale · D(c)`, whose only other fixed point is `c = 1`.
fn merging_complement(at: &DualAt<'_>, scale: f64) -> f64 {
    if scale * at.q() * at.slope(Correlation::new(1.0)) <= 1.0 + 1e-13 {
        return 0.0;
    }
    // The kernel is a power series in c with positive coefficients: one root below c = 1 at most.
    let excess = |ln_eps: f64| {
        let eps = ln_eps.exp();
        scale * at.difference(Correlation::from_complement(eps)) / eps - 1.0
    };
    // From c = 0 down to merged inputs; the middle is where kernels change from cheap to dear.
    let (low, middle, high) = (-36.0, MIDDLE.ln(), 0.0);
    let at_high = excess(high);
    if at_high >= 0.0 {
        return 1.0;
    }
    let at_middle = excess(middle);
    let (from, to) = if at_middle >= 0.0 {
        ((middle, at_middle), (high, at_high))
    } else {
        ((low, excess(low)), (middle, at_middle))
    };
    roots::brent_with_values(excess, from, to, 1e-15).map_or(0.0, f64::exp)
}

/// The correlation that is left when the variance has gone to zero: the map freezes there, at a value only the path knows.
fn settled_complement(phi: &Dual, layer: LayerVariance, first: Spread) -> Predicted {
    let mut state = first;
    for _ in 0..20_000 {
        let Step { next, .. } = step(phi, layer, state)?;
        let still = (next.complement() - state.complement()).abs() <= 1e-12 * state.complement();
        state = next;
        if still {
            return Ok(state.complement());
        }
    }
    Err(NoTheory::new("the correlation had not settled after 20 000 layers"))
}
