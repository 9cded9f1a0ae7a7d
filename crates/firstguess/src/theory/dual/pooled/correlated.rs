//! The largest of `K` equicorrelated units: laws that depend on `K` and the correlation only.
//!
//! ```text
//! h_k/√q = √ρ x + √(1-ρ) z_k,   one point:  K φ_N(S) E_ξ[Φ(√(1-ρ) S - √ρ ξ)^(K-1)],   ξ ~ N(0, 1)
//! ```

use super::angles;
use super::axis::Axis;
use super::planes::{Plane, narrowest};
use crate::math::special::{ln_normal_cdf, normal_density};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Laws that are kept: each takes some megabytes.
const KEPT: usize = 4;

/// Correlation beyond which the angles next to π have a table of their own.
const ALMOST_EQUAL: f64 = 0.8;

/// `x²/2` beyond which nothing is left of the law of one maximum.
const DECAY: f64 = 44.0;

/// The laws of the largest of `size` standard normals with correlation `ρ`, of one input and of two.
#[derive(Debug)]
pub(super) struct Correlated {
    pub(super) size: f64,
    pub(super) rho: f64,
    axis: Axis,
    single: Vec<f64>,
    /// At the nodes of the tables of angles.
    near: OnceLock<Vec<Plane>>,
    beyond: OnceLock<Vec<Plane>>,
    half: OnceLock<Plane>,
}

impl Correlated {
    /// For `size ≥ 2` and `0 ≤ ρ < 1`; the last few are remembered.
    pub(super) fn of(size: f64, rho: f64) -> Arc<Self> {
        static LAWS: Mutex<Vec<Arc<Correlated>>> = Mutex::new(Vec::new());
        let mut laws = LAWS.lock().unwrap_or_else(PoisonError::into_inner);
        let known = laws.iter().position(|law| law.size == size && law.rho == rho);
        let law = match known {
            Some(place) => laws.remove(place),
            None => Arc::new(Self::new(size, rho)),
        };
        laws.insert(0, Arc::clone(&law));
        laws.truncate(KEPT);
        law
    }

    fn new(size: f64, rho: f64) -> Self {
        let scale = narrowest(size);
        let reach = (2.0 * (DECAY + size.ln())).sqrt();
        let blend = (rho + (1.0 - rho) * scale * scale).sqrt();
        let axis = Axis::marching(-reach, reach, |_| 1.2 * blend);
        let (shared, own) = (rho.sqrt(), (1.0 - rho).sqrt());
        // The trapezoid rule: both factors are entire, and their spectra have decayed at this step.
        let step = 0.125 * scale;
        let steps = std::iter::successors(Some(0.0), |x| Some(x + step)).take_while(|x| *x < 9.5);
        let rule: Vec<(f64, f64)> = steps
            .flat_map(|x| if x > 0.0 { vec![x, -x] } else { vec![x] })
            .map(|x| (x, step * normal_density(x)))
            .collect();
        let single = axis
            .nodes
            .iter()
            .map(|s| {
                let below: f64 = rule
                    .iter()
                    .map(|(xi, weight)| {
                        weight * ((size - 1.0) * ln_normal_cdf(own * s - shared * xi)).exp()
                    })
                    .sum();
                size * normal_density(*s) * below
            })
            .collect();
        Self {
            size,
            rho,
            axis,
            single,
            near: OnceLock::new(),
            beyond: OnceLock::new(),
            half: OnceLock::new(),
        }
    }

    /// Density of the largest at `z`.
    pub(super) fn density(&self, z: f64) -> f64 {
        self.axis.interpolate(&self.single, z)
    }

    /// Joint laws at the angles of [`AngleTable`](super::angles::AngleTable).
    pub(super) fn near(&self) -> &[Plane] {
        self.near.get_or_init(|| self.planes(angles::complements()))
    }

    /// Joint laws at the angles of [`BeyondTable`](super::angles::BeyondTable).
    pub(super) fn beyond(&self) -> &[Plane] {
        let parts = if self.rho > ALMOST_EQUAL { 2 } else { 1 };
        self.beyond.get_or_init(|| self.planes(angles::complements_beyond(parts)))
    }

    /// The joint law at `c = ½`, which neutrality asks about at many variances.
    pub(super) fn half(&self) -> &Plane {
        self.half.get_or_init(|| Plane::new(self.size, self.rho, 0.5))
    }

    fn planes(&self, complements: impl Iterator<Item = f64>) -> Vec<Plane> {
        complements.map(|complement| Plane::new(self.size, self.rho, complement)).collect()
    }
}

#[cfg(test)]
mod tests;
