//! The largest or smallest of several independent units.

use super::angle::{AngleSeries, angle_of};
use super::points::Points;
use crate::spec::layer::PoolKind;
use crate::theory::NoTheory;
use crate::theory::dual::{Correlation, Dual, Moments, Pointwise, Pooling};
use rayon::prelude::*;

/// Error of the series in the angle, relative to `E p²`.
const TOLERANCE: f64 = 1e-10;

/// Variances that differ by less than this count as equal.
const EQUAL: f64 = 1e-12;

/// Carries Gaussian points through `function` and a pool over `size` units; gives `K E[(∂p/∂h)²]` of each point and the
/// error.
///
/// A homogeneous function scales with the standard deviation, so one series in the angle serves all variances; where all
/// variances are equal, as after a normalisation, one serves any function. Other monotone functions have a table in both
/// variances and the angle.
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
        return unequal(&dual, points);
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

/// A monotone function of points with several variances.
fn unequal(dual: &Dual, points: &mut Points) -> Result<(Vec<f64>, f64), NoTheory> {
    let known = points.second.iter().copied().filter(|q| *q > 0.0);
    let low = known.clone().fold(f64::INFINITY, f64::min);
    let high = known.fold(0.0, f64::max);
    if !high.is_finite() || low > high {
        return Err(NoTheory::new("variances of a pool are zero or infinite"));
    }
    // Equal variances beside inputs that are zero still need two ends.
    let high = high.max(low * (1.0 + 1e-9));
    let negative = (0..points.len()).any(|a| points.row(a).iter().any(|eps| *eps > 1.0));
    let table = dual.between(low, high, negative)?;
    let moments: Vec<Moments> = points.second.par_iter().map(|q| dual.moments(*q)).collect();
    if moments.iter().any(|m| !m.second.is_finite()) {
        return Err(NoTheory::new(format!(
            "the pooled `{}` has no second moment",
            dual.function()
        )));
    }
    let places: Vec<Option<_>> =
        points.second.iter().map(|q| (*q > 0.0).then(|| table.place(*q))).collect();
    // Between an input that is zero, whose value is certain, and another.
    let certain = |a: usize, b: usize| {
        let root = (moments[a].second * moments[b].second).sqrt();
        if root > 0.0 { 1.0 - moments[a].mean * moments[b].mean / root } else { 1.0 }
    };
    points.for_each_row(|row| {
        let a = row.index;
        let seen = places[a].as_ref().map(|place| table.from(place));
        for (b, eps) in row.complement.iter_mut().enumerate() {
            *eps = match (&seen, &places[b]) {
                (Some(seen), Some(other)) => seen.complement(other, *eps),
                (None, None) => 0.0,
                _ => certain(a, b),
            }
            .clamp(0.0, 2.0);
        }
    });
    points.second = moments.iter().map(|m| m.second).collect();
    points.mean = moments.iter().map(|m| m.mean).collect();
    points.free_origins();
    Ok((moments.iter().map(|m| m.derivative_second).collect(), TOLERANCE))
}

#[cfg(test)]
mod tests;
