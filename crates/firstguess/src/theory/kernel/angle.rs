//! A function of the angle between two inputs as Chebyshev series on panels.

use crate::math::chebyshev::{ChebyshevBasis, clenshaw};
use crate::theory::NoTheory;
use rayon::prelude::*;
use std::f64::consts::{FRAC_PI_2, PI};

/// Nodes per panel.
const NODES: usize = 16;

/// Narrowest panel.
const NARROWEST: f64 = 1e-6;

/// Most panels.
const MAX_PANELS: usize = 64;

/// See the module.
pub(super) struct AngleSeries {
    panels: Vec<(f64, f64, Vec<f64>)>,
}

/// The angle whose cosine is `1 - complement`.
pub(super) fn angle_of(complement: f64) -> f64 {
    2.0 * (0.5 * complement).sqrt().min(1.0).asin()
}

impl AngleSeries {
    /// Fits `f` on [0, π], panels halved until the last coefficients are below `tolerance`.
    pub(super) fn new(
        tolerance: f64,
        f: impl Fn(f64) -> Result<f64, NoTheory> + Sync,
    ) -> Result<Self, NoTheory> {
        let basis = ChebyshevBasis::new(NODES);
        let mut panels = Vec::new();
        let mut pending = vec![(0.0, FRAC_PI_2), (FRAC_PI_2, PI)];
        while let Some((start, end)) = pending.pop() {
            let values = basis
                .nodes
                .par_iter()
                .map(|t| f(start + 0.5 * (t + 1.0) * (end - start)))
                .collect::<Result<Vec<f64>, NoTheory>>()?;
            let series = basis.coefficients(&values);
            let tail = series[NODES - 1].abs() + series[NODES - 2].abs();
            if tail <= tolerance || end - start < NARROWEST || panels.len() >= MAX_PANELS {
                panels.push((start, end, series));
            } else {
                let middle = 0.5 * (start + end);
                pending.extend([(start, middle), (middle, end)]);
            }
        }
        panels.sort_by(|a: &(f64, f64, Vec<f64>), b| a.0.total_cmp(&b.0));
        Ok(Self { panels })
    }

    /// The function at an angle in [0, π].
    pub(super) fn at(&self, angle: f64) -> f64 {
        let last = self.panels.len() - 1;
        let (start, end, series) =
            &self.panels[self.panels.partition_point(|p| p.1 < angle).min(last)];
        clenshaw(series, 2.0 * (angle - start) / (end - start) - 1.0)
    }
}
