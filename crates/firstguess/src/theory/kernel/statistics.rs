//! What a kernel says of a layer: variance, spread, drift and correlations of the user's own inputs.

use super::points::{Points, distance_of};
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
    /// Of an image: mean distances between different positions, of one input and of two different ones, and how many
    /// positions there are; or why they were not carried along. `None` for a vector.
    pub positions: Option<Result<PositionDistances, NoTheory>>,
    /// Mean `c_ab` over the pairs (`a ≠ b`) of each two classes, `[classes][classes]`; NaN where there is no pair.
    pub class_correlations: Result<Vec<Vec<f64>>, NoTheory>,
}

/// `mean d` over pairs of positions of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PositionDistances {
    /// Positions of one channel.
    pub count: usize,
    /// Inputs whose positions were carried along, in groups of equal size: pairs within a group are averaged, and corrected by
    /// what the distances at equal positions of all inputs are more than those of these pairs.
    pub inputs: usize,
    /// Between different positions of one input.
    pub one_input: f64,
    /// Between any positions of two inputs.
    pub two_inputs: f64,
}

impl LayerStatistics {
    /// `(V, T)` of a unit over `inputs` inputs; positions count as further inputs, as they are measured.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] for an image whose positions were not carried together.
    pub fn spread(&self, inputs: usize) -> Result<(f64, f64), NoTheory> {
        let at = match &self.positions {
            None => return Ok((self.v, self.t)),
            Some(positions) => positions.as_ref().map_err(Clone::clone)?,
        };
        // Of n·p points the pairs of one input are n·p·(p - 1), of two n·(n - 1)·p².
        let (n, p) = (inputs as f64, at.count as f64);
        let v = ((p - 1.0) * at.one_input + (n - 1.0) * p * at.two_inputs) / (n * p - 1.0);
        Ok((v, self.q - v))
    }

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
        // One small table per block of rows, added up in order.
        let blocks: Vec<Vec<f64>> = (0..n.div_ceil(ROWS))
            .into_par_iter()
            .map(|block| {
                let mut sums = vec![0.0; classes * classes];
                for a in block * ROWS..((block + 1) * ROWS).min(n) {
                    let line = &mut sums[class_of(a) * classes..][..classes];
                    for (b, complement) in set.row(a).iter().enumerate() {
                        line[class_of(b)] += 1.0 - complement;
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
        positions: None,
        mean_correlation,
        class_correlations,
    }
}

/// Mean distances between positions, from sets that hold the positions of so many inputs together each.
pub(super) fn between_positions(sets: &[Points], examples: usize) -> Option<PositionDistances> {
    let count = sets.first().map_or(0, Points::len) / examples.max(1);
    if count < 2 {
        return None;
    }
    let (mut own, mut other) = (0.0, 0.0);
    for set in sets {
        let root = set.roots();
        let sums: Vec<[f64; 2]> = set.rows(|a, row| {
            let first = a / count * count;
            let sum = |from: usize, to: usize| -> f64 {
                (from..to).map(|b| distance_of(root[a], root[b], row[b])).sum()
            };
            [sum(first, a), sum(0, first)]
        });
        for [of_one, of_two] in sums {
            own += of_one;
            other += of_two;
        }
    }
    let (groups, n, p) = (sets.len() as f64, examples as f64, count as f64);
    let pairs = 0.5 * groups * n * (n - 1.0) * p * p;
    Some(PositionDistances {
        count,
        inputs: sets.len() * examples,
        one_input: own / (0.5 * groups * n * p * (p - 1.0)),
        two_inputs: if pairs > 0.0 { other / pairs } else { 0.0 },
    })
}
