//! The kernel of a pool as a function of the angle `θ = arccos c`, in which it is analytic up to both ends.

use crate::math::chebyshev::{ChebyshevBasis, clenshaw};
use crate::math::quadrature::GaussLegendre;
use crate::theory::dual::Correlation;
use std::f64::consts::{FRAC_PI_2, PI};
use std::sync::OnceLock;

/// Nodes in the angle. Kinks leave `√(1-c)` in the kernel, which is analytic in `θ`; 28 nodes give 13 digits.
const NODES: usize = 28;

/// Slope and difference of a kernel for `0 ≤ c ≤ 1`.
#[derive(Debug, Clone)]
pub(super) struct AngleTable {
    /// `E[∂p_a ∂p_b]` over `θ` in [0, π/2].
    slope: Vec<f64>,
    /// Difference over `q (1 - cos θ)`.
    ratio: Vec<f64>,
}

fn basis() -> &'static ChebyshevBasis {
    static BASIS: OnceLock<ChebyshevBasis> = OnceLock::new();
    BASIS.get_or_init(|| ChebyshevBasis::new(NODES))
}

/// `θ` with `1 - cos θ = complement`.
fn angle(complement: f64) -> f64 {
    2.0 * (0.5 * complement).sqrt().min(1.0).asin()
}

fn to_unit(theta: f64) -> f64 {
    2.0 * theta / FRAC_PI_2 - 1.0
}

/// `1 - c` at the nodes of [`AngleTable`].
pub(super) fn complements() -> impl Iterator<Item = f64> {
    basis().nodes.iter().map(|t| {
        let half = 0.25 * FRAC_PI_2 * (t + 1.0);
        2.0 * half.sin() * half.sin()
    })
}

/// `θ` between the parts of [`BeyondTable`]: one, or one more where units share almost everything.
///
/// What they have of their own is lost next to `θ = π`, where little else is left.
const ONE_PART: [f64; 2] = [FRAC_PI_2, PI];
const TWO_PARTS: [f64; 3] = [FRAC_PI_2, PI - 0.3, PI];

fn parts(count: usize) -> &'static [f64] {
    if count > 1 { &TWO_PARTS } else { &ONE_PART }
}

/// `1 - c` at the nodes of [`BeyondTable`] in so many parts, 1 or 2.
pub(super) fn complements_beyond(count: usize) -> impl Iterator<Item = f64> {
    parts(count).windows(2).flat_map(|part| {
        basis().nodes.iter().map(|t| {
            let half = 0.5 * (part[0] + 0.5 * (t + 1.0) * (part[1] - part[0]));
            2.0 * half.sin() * half.sin()
        })
    })
}

impl AngleTable {
    /// From `(difference, slope)` at each `1 - c`, for unit variance.
    pub(super) fn of_pairs(mut pair: impl FnMut(f64) -> (f64, f64)) -> Self {
        let (mut slopes, mut ratios) = (Vec::new(), Vec::new());
        for complement in complements() {
            let (difference, slope) = pair(complement);
            slopes.push(slope);
            ratios.push(difference / complement);
        }
        Self { slope: basis().coefficients(&slopes), ratio: basis().coefficients(&ratios) }
    }

    /// From the slope alone: `D = q ∫₀^θ slope(t) sin t dt`.
    pub(super) fn of_slope(slope: impl FnMut(f64) -> f64) -> Self {
        Self::of_slopes(&complements().map(slope).collect::<Vec<f64>>())
    }

    /// From the slopes at the nodes, in their order.
    pub(super) fn of_slopes(values: &[f64]) -> Self {
        let coefficients = basis().coefficients(values);
        let rule = GaussLegendre::cached(24);
        let ratios: Vec<f64> = complements()
            .map(|complement| {
                let area = rule.integrate(0.0, angle(complement), |t| {
                    clenshaw(&coefficients, to_unit(t)) * t.sin()
                });
                area / complement
            })
            .collect();
        Self { slope: coefficients, ratio: basis().coefficients(&ratios) }
    }

    pub(super) fn slope(&self, complement: f64) -> f64 {
        clenshaw(&self.slope, to_unit(angle(complement)))
    }

    /// The difference at unit variance.
    pub(super) fn difference(&self, complement: f64) -> f64 {
        complement * clenshaw(&self.ratio, to_unit(angle(complement)))
    }

    /// Chebyshev coefficients of the difference over `1 - c`, for [`ratio`].
    pub(super) fn into_ratio(self) -> Vec<f64> {
        self.ratio
    }

    /// Whether the table covers this correlation.
    pub(super) fn covers(at: Correlation) -> bool {
        at.complement <= 1.0
    }
}

/// [`AngleTable`] for `-1 ≤ c ≤ 0`.
#[derive(Debug, Clone)]
pub(super) struct BeyondTable {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    from: f64,
    to: f64,
    /// `E[∂p_a ∂p_b]`.
    slope: Vec<f64>,
    /// `∫ slope(t) sin t dt` from π/2 to `θ`.
    area: Vec<f64>,
}

impl Part {
    fn to_unit(&self, theta: f64) -> f64 {
        2.0 * (theta - self.from) / (self.to - self.from) - 1.0
    }
}

impl BeyondTable {
    /// From the slopes at the nodes, in their order.
    pub(super) fn of_slopes(values: &[f64]) -> Self {
        let rule = GaussLegendre::cached(24);
        let mut before = 0.0;
        let ends = parts(values.len() / NODES);
        let parts = ends.windows(2).zip(values.chunks_exact(NODES)).map(|(ends, values)| {
            let slope = basis().coefficients(values);
            let mut part = Part { from: ends[0], to: ends[1], slope, area: Vec::new() };
            let area = |to: f64| {
                before
                    + rule.integrate(part.from, to, |t| {
                        clenshaw(&part.slope, part.to_unit(t)) * t.sin()
                    })
            };
            let at = |t: &f64| part.from + 0.5 * (t + 1.0) * (part.to - part.from);
            let areas: Vec<f64> = basis().nodes.iter().map(|t| area(at(t))).collect();
            before = area(part.to);
            part.area = basis().coefficients(&areas);
            part
        });
        Self { parts: parts.collect() }
    }

    fn at(&self, complement: f64, which: impl Fn(&Part) -> &[f64]) -> f64 {
        let theta = angle(complement);
        let part = self.parts.iter().find(|part| theta <= part.to).or(self.parts.last());
        part.map_or(f64::NAN, |part| clenshaw(which(part), part.to_unit(theta)))
    }

    pub(super) fn slope(&self, complement: f64) -> f64 {
        self.at(complement, |part| &part.slope)
    }

    /// Chebyshev coefficients of what the difference has grown by since `c = 0`, part after part, for [`grown`].
    pub(super) fn into_areas(self) -> Vec<f64> {
        self.parts.into_iter().flat_map(|part| part.area).collect()
    }

    /// What the difference at unit variance has grown by since `c = 0`.
    pub(super) fn growth(&self, complement: f64) -> f64 {
        self.at(complement, |part| &part.area)
    }
}

/// The difference over `1 - c` from its coefficients.
pub(super) fn ratio(coefficients: &[f64], complement: f64) -> f64 {
    clenshaw(coefficients, to_unit(angle(complement)))
}

/// The growth beyond `c = 0` from its coefficients, part after part.
pub(super) fn grown(coefficients: &[f64], complement: f64) -> f64 {
    let theta = angle(complement);
    let ends = parts(coefficients.len() / NODES);
    let part = usize::from(ends.len() > 2 && theta > ends[1]);
    let (from, to) = (ends[part], ends[part + 1]);
    let own = &coefficients[part * NODES..(part + 1) * NODES];
    clenshaw(own, 2.0 * (theta - from) / (to - from) - 1.0)
}

/// The difference beyond the table: what `c = 0` has, and the integral of the slope from there.
pub(super) fn difference_beyond(at_zero: f64, complement: f64, slope: impl Fn(f64) -> f64) -> f64 {
    let rule = GaussLegendre::cached(16);
    let area = rule.integrate(FRAC_PI_2, angle(complement), |t| {
        let half = (0.5 * t).sin();
        slope(2.0 * half * half) * t.sin()
    });
    at_zero + area
}
