//! Area under the margin: how the logit of the given label leads the others, averaged over training.
//!
//! A wrong label is fitted against what the other examples of its class teach, so its margin stays low until it is memorised. How
//! low is low is read off *threshold samples*: examples given a class that does not exist, all of them mislabelled on purpose.

use serde::Serialize;

use crate::math::stream::{Purpose, Seed, Stream};

/// Share of the threshold samples whose area may lie above that of a flagged example: the 99th percentile.
pub const THRESHOLD_SHARE: f64 = 0.01;

/// The lead of the given label over the best other logit.
///
/// ```text
/// M = z_ỹ - max_{k ≠ ỹ} z_k
/// ```
///
/// NaN where `label` is no index of `logits` or there is no other logit.
///
/// # References
///
/// `pleiss2020`.
///
/// # Examples
///
/// ```
/// use firstguess::train::label_errors::margins::margin;
/// assert_eq!(margin(&[1.0, 3.5, -2.0], 1), 2.5);
/// assert_eq!(margin(&[1.0, 3.5, -2.0], 0), -2.5);
/// ```
pub fn margin(logits: &[f32], label: u32) -> f64 {
    let label = label as usize;
    let Some(&own) = logits.get(label) else { return f64::NAN };
    let others = logits.iter().enumerate().filter(|(k, _)| *k != label).map(|(_, z)| f64::from(*z));
    others.reduce(f64::max).map_or(f64::NAN, |best| f64::from(own) - best)
}

/// Margins of every example, summed as training visits them.
///
/// # Examples
///
/// ```
/// use firstguess::train::label_errors::Margins;
/// let mut margins = Margins::new(2);
/// for (first, second) in [(1.26, 1.77), (1.15, 0.52)] {
///     margins.record(0, first);
///     margins.record(1, second);
/// }
/// let areas: Vec<f64> = margins.areas().into_iter().flatten().collect();
/// assert!((areas[0] - 1.205).abs() < 1e-12 && (areas[1] - 1.145).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Margins {
    sums: Vec<f64>,
    visits: Vec<u32>,
}

impl Margins {
    /// No visit yet to any of `examples`.
    pub fn new(examples: usize) -> Self {
        Self { sums: vec![0.0; examples], visits: vec![0; examples] }
    }

    /// Adds the margin that an example had at one visit, before the weights were changed. An example that does not exist is passed
    /// over.
    pub fn record(&mut self, example: usize, margin: f64) {
        if let (Some(sum), Some(visits)) =
            (self.sums.get_mut(example), self.visits.get_mut(example))
        {
            *sum += margin;
            *visits += 1;
        }
    }

    /// Mean margin of each example over its visits; `None` for one that was never visited.
    pub fn areas(&self) -> Vec<Option<f64>> {
        let pairs = self.sums.iter().zip(&self.visits);
        pairs.map(|(sum, &visits)| (visits > 0).then(|| sum / f64::from(visits))).collect()
    }
}

/// How many sets of [`threshold_samples`] share no example: `⌊n/⌊n/(classes + 1)⌋⌋`, 0 with fewer than `classes + 1` examples.
pub const fn threshold_sets(examples: usize, classes: usize) -> usize {
    match examples / (classes + 1) {
        0 => 0,
        size => examples / size,
    }
}

/// Which examples play the threshold samples of one run: `⌊n/(classes + 1)⌋` of them, ascending.
///
/// As many as a class has once there is one class more. The sets of different runs (0, 1, …) share no example, so that each example
/// is an ordinary one in some run; there are [`threshold_sets`] of them.
///
/// Empty for a run beyond them, or where there are fewer than `classes + 1` examples.
pub fn threshold_samples(examples: usize, classes: usize, run: usize, seed: Seed) -> Vec<usize> {
    let size = examples / (classes + 1);
    let mut keys = vec![0.0; examples];
    Stream::new(seed, 0, 1, Purpose::Split).fill_uniform_f64(0, &mut keys);
    let mut order: Vec<usize> = (0..examples).collect();
    order.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
    let first = run.saturating_mul(size);
    let mut chosen: Vec<usize> = order.into_iter().skip(first).take(size).collect();
    if chosen.len() < size {
        chosen.clear();
    }
    chosen.sort_unstable();
    chosen
}

/// One run's verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// The 99th percentile of the threshold samples' areas, `None` without threshold samples: an ordinary example below it is flagged.
    pub threshold: Option<f64>,
    /// For each example whether it is flagged; `None` for threshold samples and examples without a margin.
    pub flagged: Vec<Option<bool>>,
}

/// Flags the ordinary examples whose area lies below that of more than 1 % of the threshold samples.
///
/// # References
///
/// `pleiss2020`; the count instead of an interpolated percentile is that of the released code.
pub fn flag(areas: &[Option<f64>], threshold_samples: &[usize]) -> Run {
    let mut staged: Vec<f64> =
        threshold_samples.iter().filter_map(|&i| areas.get(i).copied().flatten()).collect();
    staged.sort_by(f64::total_cmp);
    // Flagged where more than this many threshold samples lie above.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count"
    )]
    let allowed = (THRESHOLD_SHARE * staged.len() as f64).floor() as usize;
    let threshold = staged.len().checked_sub(allowed + 1).map(|at| staged[at]);
    let mut ordinary = vec![true; areas.len()];
    for &sample in threshold_samples {
        if let Some(ordinary) = ordinary.get_mut(sample) {
            *ordinary = false;
        }
    }
    let verdict = |(area, ordinary): (&Option<f64>, bool)| match (area, threshold) {
        (Some(area), Some(threshold)) if ordinary => Some(*area < threshold),
        _ => None,
    };
    Run { threshold, flagged: areas.iter().zip(ordinary).map(verdict).collect() }
}

/// Share of the runs, among those in which it was an ordinary example, that flagged each example; `None` where there is none.
///
/// An example counts as mislabelled where the share is 1.
pub fn flagged_share(runs: &[Run]) -> Vec<Option<f64>> {
    let examples = runs.iter().map(|run| run.flagged.len()).max().unwrap_or(0);
    let share = |example: usize| {
        let votes: Vec<bool> =
            runs.iter().filter_map(|run| run.flagged.get(example).copied().flatten()).collect();
        let flags = votes.iter().filter(|flag| **flag).count();
        (!votes.is_empty()).then(|| flags as f64 / votes.len() as f64)
    };
    (0..examples).map(share).collect()
}
