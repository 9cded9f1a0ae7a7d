//! What a kernel says of a layer: variance, spread, drift and correlations of the user's own inputs.

use super::points::Points;
use crate::theory::NoTheory;
use rayon::prelude::*;

/// Most classes for which pairs are tabulated.
const MAX_CLASSES: usize = 256;

/// Rows that are summed together.
const ROWS: usize = 64;

/// One layer on one data set, at infinite width.
///
/// ```text
/// T = mean_{a≠b} K_ab,   V = mean_a K_aa - T,   γ = T/V,   c = mean_{a≠b} K_ab/√(K_aa K_bb)
/// ```
///
/// `T` and `V` estimate what the data's own law would give (unbiased); `centre_variance` and `data_variance` are those of
/// exactly these inputs, `mean_ab K_ab` with `a = b` included and what is left of `q` (derived in docs/theory/mean-field.md).
#[derive(Debug, Clone, PartialEq)]
pub struct LayerStatistics {
    /// `q = mean_a K_aa`.
    pub q: f64,
    /// `V`.
    pub v: f64,
    /// `T`.
    pub t: f64,
    /// Variance over exactly these inputs at fixed weights.
    pub data_variance: f64,
    /// Variance over networks of the mean over exactly these inputs.
    pub centre_variance: f64,
    /// Mean of `c_ab` over `a ≠ b`; an input that is the origin counts as uncorrelated.
    pub mean_correlation: f64,
    /// Mean `c_ab` over the pairs (`a ≠ b`) of each two classes, `[classes][classes]`; NaN where there is no pair.
    pub class_correlations: Result<Vec<Vec<f64>>, NoTheory>,
}

impl LayerStatistics {
    /// `γ = T/V`.
    pub fn gamma(&self) -> f64 {
        self.t / self.v
    }

    /// `c = T/q`: the correlation that a homogeneous data set with this `γ` would have.
    pub fn c(&self) -> f64 {
        self.t / self.q
    }
}

/// Labels of the inputs, and how many classes they name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labels<'a> {
    pub(super) of: &'a [u32],
    pub(super) classes: usize,
}

/// Statistics of one set of points, or the mean over several sets (positions) of equal size.
pub(super) fn statistics(sets: &[Points], labels: Option<Labels<'_>>) -> LayerStatistics {
    let n = sets.first().map_or(0, Points::len);
    let count = sets.len() as f64;
    let pairs = (n * n.saturating_sub(1) / 2) as f64;
    let q = sets.iter().map(|set| set.second.iter().sum::<f64>() / n as f64).sum::<f64>() / count;
    let data_variance = sets.iter().map(Points::data_variance).sum::<f64>() / count;
    let v = if n > 1 { data_variance * n as f64 / (n - 1) as f64 } else { 0.0 };
    let classes = match labels {
        Some(labels) if labels.classes <= MAX_CLASSES => labels.classes,
        _ => 1,
    };
    let class_of = |a: usize| if classes == 1 { 0 } else { labels.map_or(0, |l| l.of[a] as usize) };
    let mut sums = vec![0.0; classes * classes];
    let mut members = vec![0.0; classes];
    for a in 0..n {
        members[class_of(a)] += 1.0;
    }
    for set in sets {
        let root: Vec<f64> = set.second.iter().map(|q| q.sqrt()).collect();
        // One small table per block of rows, added up in order.
        let blocks: Vec<Vec<f64>> = (0..n.div_ceil(ROWS))
            .into_par_iter()
            .map(|block| {
                let mut sums = vec![0.0; classes * classes];
                for a in block * ROWS..((block + 1) * ROWS).min(n) {
                    let line = &mut sums[class_of(a) * classes..][..classes];
                    for (b, d) in set.row(a).iter().enumerate() {
                        line[class_of(b)] += 1.0 - complement(root[a], root[b], *d);
                    }
                }
                sums
            })
            .collect();
        for block in blocks {
            sums.iter_mut().zip(block).for_each(|(sum, x)| *sum += x / count);
        }
    }
    let mean_correlation = sums.iter().sum::<f64>() / pairs;
    let class_correlations = match labels {
        None => Err(NoTheory::new("the inputs have no labels")),
        Some(labels) if labels.classes > MAX_CLASSES => Err(NoTheory::new(format!(
            "pairs of {} classes are not tabulated (at most {MAX_CLASSES})",
            labels.classes
        ))),
        Some(_) if classes == 1 => Ok(vec![vec![mean_correlation]]),
        Some(_) => Ok((0..classes)
            .map(|i| {
                (0..classes)
                    .map(|j| {
                        // The triangle holds each pair once, its classes in either order.
                        if i == j {
                            2.0 * sums[i * classes + i] / (members[i] * (members[i] - 1.0))
                        } else {
                            (sums[i * classes + j] + sums[j * classes + i])
                                / (members[i] * members[j])
                        }
                    })
                    .collect()
            })
            .collect()),
    };
    LayerStatistics {
        q,
        v,
        t: q - v,
        data_variance,
        centre_variance: q - data_variance,
        mean_correlation,
        class_correlations,
    }
}

/// `1 - c_ab`; 1 where a point is the origin.
pub(super) fn complement(root_a: f64, root_b: f64, distance: f64) -> f64 {
    let scale = root_a * root_b;
    if scale == 0.0 {
        return 1.0;
    }
    let gap = root_a - root_b;
    ((distance - 0.5 * gap * gap) / scale).clamp(0.0, 2.0)
}
