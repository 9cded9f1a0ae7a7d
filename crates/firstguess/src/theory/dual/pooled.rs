//! Pooling as a multi-node activation: the largest, the mean or the smallest of `K` units (`arxiv2505_12096`).
//!
//! The moments are those of one pooled value `p`, the slope moments those of all `K` units that feed it:
//!
//! ```text
//! second = E p²,   derivative_second = K E[(∂p/∂h₁)²],   kernel(c) = E[p_a p_b]
//! ```
//!
//! `derivative_second · σ_w²` is the factor on the second moment of gradients. For independent units it is also the
//! slope of the covariance map at `c = 1`.

mod angles;
mod axis;
mod between;
mod correlated;
mod edges;
mod extreme;
mod levels;
mod pieces;
mod planes;

use super::panels::{Panels, close_edges, conditional, edges_of_mean};
use super::{Correlation, Dual, Moments, Pointwise};
use crate::math::quadrature::{GAUSSIAN_RANGE, GaussLegendre};
use crate::math::special::normal_density;
use crate::spec::layer::PoolKind;
use crate::theory::NoTheory;
pub(in crate::theory) use between::Between;
use extreme::{Extreme, Tables};

/// Most units that one pooled value may look at.
pub const MAX_POOL: usize = 1 << 16;

/// A pool over units that follow one law.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pooling {
    /// What is taken.
    pub kind: PoolKind,
    /// `K`, the units it is taken over.
    pub size: usize,
    /// Correlation `ρ` in [0, 1] between any two of these units for one input; 0 for units of a dense layer.
    pub correlation: f64,
}

impl std::fmt::Display for Pooling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.key(), self.size)?;
        if self.correlation > 0.0 { write!(f, " (ρ = {})", self.correlation) } else { Ok(()) }
    }
}

/// The pooled form of a function.
#[derive(Debug, Clone)]
pub(super) enum Pooled {
    Average(Average),
    Extreme(Box<Extreme>),
}

impl Pooled {
    pub(super) fn new(function: &Pointwise, pooling: Pooling) -> Result<Self, NoTheory> {
        let Pooling { kind, size, correlation } = pooling;
        if size == 0 || size > MAX_POOL {
            return Err(NoTheory::new(format!(
                "a pool takes 1 to {MAX_POOL} units, this one has {size}"
            )));
        }
        if !(0.0..=1.0).contains(&correlation) {
            return Err(NoTheory::new(format!(
                "the correlation of pooled units lies between 0 and 1, got {correlation}"
            )));
        }
        Ok(match kind {
            PoolKind::Average => Self::Average(Average {
                base: Box::new(Dual::of(function.clone())),
                size: size as f64,
                correlation,
            }),
            PoolKind::Max => {
                Self::Extreme(Box::new(Extreme::new(function, 1.0, size, correlation)?))
            }
            PoolKind::Min => {
                Self::Extreme(Box::new(Extreme::new(function, -1.0, size, correlation)?))
            }
        })
    }

    pub(super) fn moments(&self, q: f64) -> Moments {
        match self {
            Self::Average(average) => average.moments(q),
            Self::Extreme(extreme) => extreme.moments(q),
        }
    }

    pub(super) fn at(&self, q: f64) -> PooledAt<'_> {
        PooledAt { pooled: self, q, moments: self.moments(q), tables: Tables::default() }
    }

    pub(super) fn cross_kernel(&self, q1: f64, q2: f64, at: Correlation) -> f64 {
        let same = |q: f64| self.at(q).kernel(at);
        match self {
            _ if q1 == q2 => same(q1),
            Self::Average(average) => average.cross_kernel(q1, q2, at.c),
            Self::Extreme(extreme) if extreme.function().homogeneity().is_some() => {
                same((q1 * q2).sqrt())
            }
            Self::Extreme(extreme) => {
                extreme.cross_kernel(q1, q2, at).unwrap_or_else(|| same((q1 * q2).sqrt()))
            }
        }
    }

    pub(super) fn fourth_moment(&self, q: f64) -> f64 {
        match self {
            Self::Average(average) => average.fourth_moment(q),
            Self::Extreme(extreme) => extreme.expectation(q, |value| value.powi(4)),
        }
    }
}

/// [`Pooled`] at one variance.
#[derive(Debug, Clone)]
pub(super) struct PooledAt<'a> {
    pooled: &'a Pooled,
    q: f64,
    moments: Moments,
    /// Of forms that know the slope at every angle, but the difference only through it.
    tables: Tables,
}

impl PooledAt<'_> {
    pub(super) fn moments(&self) -> Moments {
        self.moments
    }

    pub(super) fn kernel(&self, at: Correlation) -> f64 {
        match self.pooled {
            Pooled::Average(average) => average.kernel(self.q, at),
            Pooled::Extreme(extreme) => extreme.kernel(self.q, &self.moments, at, &self.tables),
        }
    }

    pub(super) fn slope(&self, at: Correlation) -> f64 {
        match self.pooled {
            Pooled::Average(average) => average.slope(self.q, at),
            Pooled::Extreme(extreme) => extreme.slope(self.q, &self.moments, at, &self.tables),
        }
    }

    pub(super) fn difference(&self, at: Correlation) -> f64 {
        match self.pooled {
            Pooled::Average(average) => average.difference(self.q, at),
            Pooled::Extreme(extreme) => extreme.difference(self.q, &self.moments, at, &self.tables),
        }
    }
}

/// The mean of `K` units: everything follows from the kernel of one.
///
/// ```text
/// E[p_a p_b] = (k(c) + (K-1) k(ρc)) / K
/// ```
#[derive(Debug, Clone)]
pub(super) struct Average {
    base: Box<Dual>,
    size: f64,
    correlation: f64,
}

impl Average {
    fn moments(&self, q: f64) -> Moments {
        let base = self.base.moments(q);
        let others = (self.size - 1.0) / self.size;
        let shared = self.shared_kernel(q);
        Moments {
            mean: base.mean,
            second: base.second / self.size + others * shared,
            derivative_second: base.derivative_second / self.size,
            second_slope: base.second_slope / self.size + others * self.shared_slope_in_q(q),
        }
    }

    /// `k(ρ)`, the second moment of two different units for one input.
    fn shared_kernel(&self, q: f64) -> f64 {
        if self.correlation == 0.0 {
            let mean = self.base.moments(q).mean;
            return mean * mean;
        }
        self.base.at(q).kernel(Correlation::new(self.correlation))
    }

    fn shared_slope_in_q(&self, q: f64) -> f64 {
        if self.base.homogeneous().is_some() {
            return self.shared_kernel(1.0);
        }
        if self.correlation == 0.0 && self.base.is_odd() {
            return 0.0;
        }
        // Fourth-order differences in ln q; the step balances truncation against the rounding of the kernel.
        let step = 2e-3;
        let value = |t: f64| self.shared_kernel(q * t.exp());
        let outer = value(2.0 * step) - value(-2.0 * step);
        let inner = value(step) - value(-step);
        (8.0 * inner - outer) / (12.0 * step * q)
    }

    fn kernel(&self, q: f64, at: Correlation) -> f64 {
        let base = self.base.at(q);
        let other = if self.correlation == 0.0 {
            let mean = base.moments().mean;
            mean * mean
        } else {
            base.kernel(Correlation::new(self.correlation * at.c))
        };
        (base.kernel(at) + (self.size - 1.0) * other) / self.size
    }

    fn cross_kernel(&self, q1: f64, q2: f64, c: f64) -> f64 {
        let other = self.base.cross_kernel(q1, q2, self.correlation * c);
        (self.base.cross_kernel(q1, q2, c) + (self.size - 1.0) * other) / self.size
    }

    fn slope(&self, q: f64, at: Correlation) -> f64 {
        let base = self.base.at(q);
        let rho = self.correlation;
        let other = if rho == 0.0 { 0.0 } else { rho * base.slope(Correlation::new(rho * at.c)) };
        (base.slope(at) + (self.size - 1.0) * other) / self.size
    }

    fn difference(&self, q: f64, at: Correlation) -> f64 {
        let base = self.base.at(q);
        let rho = self.correlation;
        let other = if rho == 0.0 {
            0.0
        } else {
            // k(ρ) - k(ρc) as an integral, which has digits however close c is to 1.
            let rule = GaussLegendre::cached(20);
            q * rule.integrate(0.0, at.complement, |eps| {
                rho * base.slope(Correlation::new(rho * (1.0 - eps)))
            })
        };
        (base.difference(at) + (self.size - 1.0) * other) / self.size
    }

    /// `E p⁴`: given what they share, the units are independent.
    fn fourth_moment(&self, q: f64) -> f64 {
        let (k, function) = (self.size, self.base.function());
        if self.correlation == 0.0 {
            let moment = |n: i32| super::general::expectation(function, q, |x| x.powi(n));
            return fourth_of_mean(k, [moment(1), moment(2), moment(3), moment(4)]);
        }
        let breaks = function.breakpoints();
        let panels = Panels::resolve(function, &breaks, q);
        let (shared, own) = (self.correlation.sqrt(), (1.0 - self.correlation).sqrt());
        let mut edges = edges_of_mean(&panels, q.sqrt(), shared, own, &breaks);
        edges.extend((-12..=12).step_by(3).map(f64::from));
        close_edges(&mut edges, -GAUSSIAN_RANGE, GAUSSIAN_RANGE);
        let rule = GaussLegendre::cached(20);
        let given = |x: f64| {
            let centre = shared * q.sqrt() * x;
            let moment =
                |n: i32| conditional(&panels, q, centre, own, |h| function.value(h).powi(n));
            fourth_of_mean(k, [moment(1), moment(2), moment(3), moment(4)])
        };
        edges
            .windows(2)
            .map(|panel| rule.integrate(panel[0], panel[1], |x| normal_density(x) * given(x)))
            .sum()
    }
}

/// `E[(mean of K independent values)⁴]` from the moments of one.
fn fourth_of_mean(k: f64, [m1, m2, m3, m4]: [f64; 4]) -> f64 {
    let pairs = k * (k - 1.0);
    let triples = pairs * (k - 2.0);
    let quadruples = triples * (k - 3.0);
    (k * m4
        + 4.0 * pairs * m3 * m1
        + 3.0 * pairs * m2 * m2
        + 6.0 * triples * m2 * m1 * m1
        + quadruples * m1.powi(4))
        / k.powi(4)
}

#[cfg(test)]
mod tests;
