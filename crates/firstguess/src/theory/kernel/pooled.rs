//! The largest or smallest of several independent units.

use super::angle::{AngleSeries, angle_of};
use super::points::Points;
use crate::spec::layer::PoolKind;
use crate::theory::NoTheory;
use crate::theory::dual::{Correlation, Dual, Moments, Pointwise, Pooling};

/// Error of the series in the angle, relative to `E p²`.
const TOLERANCE: f64 = 1e-10;

/// Variances that differ by less than this count as equal.
const EQUAL: f64 = 1e-12;

/// Carries Gaussian points through `function` and a pool over `size` units; gives `K E[(∂p/∂h)²]` of each point and the
/// error.
///
/// A homogeneous function scales with the standard deviation, so one series in the angle serves all variances. Others have
/// a kernel only where all variances are equal, as after a normalisation.
pub(super) fn apply(
    function: &Pointwise,
    kind: PoolKind,
    size: usize,
    points: &mut Points,
) -> Result<(Vec<f64>, f64), NoTheory> {
    let dual =
        Dual::with_pooling(function.clone(), Some(Pooling { kind, size, correlation: 0.0 }))?;
    let homogeneous = function.homogeneity().is_some();
    let first = points.second.first().copied().unwrap_or(0.0);
    let equal = points.second.iter().all(|q| (q - first).abs() <= EQUAL * first);
    if !homogeneous && (!equal || first <= 0.0) {
        return Err(NoTheory::new(format!(
            "the kernel of `{function}` under a pool of the largest or smallest is known only where all inputs have one variance"
        )));
    }
    let unit = if homogeneous { 1.0 } else { first };
    let at = dual.at(unit);
    let Moments { mean, second, derivative_second, .. } = at.moments();
    if second <= 0.0 || !second.is_finite() {
        return Err(NoTheory::new(format!("the pooled `{function}` has no second moment")));
    }
    // D/(1 - c) has a limit where inputs merge.
    let ratio = AngleSeries::new(TOLERANCE, |angle| {
        let eps = 2.0 * (0.5 * angle).sin().powi(2);
        Ok(at.difference(Correlation::from_complement(eps)) / (eps * second))
    })?;
    let root: Vec<f64> = points.second.iter().map(|q| (q / unit).sqrt()).collect();
    points.map(|_, _, eps| eps * ratio.at(angle_of(eps)));
    for ((q, m), r) in points.second.iter_mut().zip(&mut points.mean).zip(&root) {
        (*q, *m) = (second * r * r, mean * r);
    }
    points.free_origins();
    Ok((vec![derivative_second; points.len()], TOLERANCE))
}
