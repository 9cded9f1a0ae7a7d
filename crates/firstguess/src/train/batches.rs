//! The order in which samples are met.

use crate::math::stream::{Purpose, Seed, Stream};
use std::ops::Range;

/// Minibatches of an endless training: every epoch is a fresh permutation of the samples.
///
/// The permutation depends on seed, replicate and epoch alone. The last batch of an epoch may be short; one that would hold
/// a single sample is joined to the one before.
#[derive(Debug, Clone)]
pub struct Batches {
    seed: Seed,
    replicate: u64,
    batch: usize,
    order: Vec<u32>,
    epoch: usize,
    next: usize,
}

impl Batches {
    /// Batches of `batch` of `samples` samples, both at least 1.
    pub fn new(samples: usize, batch: usize, seed: Seed, replicate: u64) -> Self {
        let batch = batch.clamp(1, samples.max(1));
        let order = vec![0; samples];
        let mut batches = Self { seed, replicate, batch, order, epoch: 0, next: 0 };
        permutation(seed, replicate, 0, &mut batches.order);
        batches
    }

    /// Batches in one epoch.
    pub fn per_epoch(&self) -> usize {
        let (full, rest) = (self.order.len() / self.batch, self.order.len() % self.batch);
        full + usize::from(rest > 1 || (self.batch == 1 && rest > 0))
    }

    /// The samples of the next batch.
    pub fn advance(&mut self) -> &[u32] {
        if self.next >= self.order.len() {
            self.epoch += 1;
            self.next = 0;
            permutation(self.seed, self.replicate, self.epoch, &mut self.order);
        }
        let range = self.range();
        self.next = range.end;
        &self.order[range]
    }

    fn range(&self) -> Range<usize> {
        let (start, all) = (self.next, self.order.len());
        let end = (start + self.batch).min(all);
        start..if all - end == 1 && self.batch > 1 { all } else { end }
    }
}

/// A uniform permutation of `0..order.len()` (Fisher and Yates; each swap is off uniform by less than `n/2³²`).
pub fn permutation(seed: Seed, replicate: u64, epoch: usize, order: &mut [u32]) {
    let layer = u32::try_from(epoch).unwrap_or(u32::MAX);
    let mut words = vec![0_u32; order.len()];
    Stream::new(seed, replicate, layer, Purpose::Shuffle).fill_u32(0, &mut words);
    for (slot, i) in order.iter_mut().zip(0..) {
        *slot = i;
    }
    for i in (1..order.len()).rev() {
        let below = u64::from(words[i]) * (i as u64 + 1);
        order.swap(i, usize::try_from(below >> 32).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_meets_every_sample_once_in_another_order() {
        for (samples, batch) in [(10, 3), (10, 4), (9, 4), (7, 1), (5, 100), (1, 8)] {
            let mut batches = Batches::new(samples, batch, Seed(1), 2);
            let mut epochs = Vec::new();
            for _ in 0..3 {
                let mut seen = Vec::new();
                for _ in 0..batches.per_epoch() {
                    let part = batches.advance();
                    assert!(part.len() > 1 || batch == 1 || samples == 1, "{samples} by {batch}");
                    seen.extend_from_slice(part);
                }
                let mut sorted = seen.clone();
                sorted.sort_unstable();
                let all = 0..u32::try_from(samples).unwrap();
                assert!(sorted.iter().copied().eq(all), "{samples} by {batch}");
                epochs.push(seen);
            }
            assert!(samples < 7 || epochs[0] != epochs[1] && epochs[1] != epochs[2]);
        }
        let order = |replicate| {
            let mut order = vec![0; 50];
            permutation(Seed(1), replicate, 0, &mut order);
            order
        };
        assert_eq!(order(3), order(3));
        assert_ne!(order(3), order(4));
    }

    /// 24 orders of four samples, 24 000 permutations: chi-square of 23 degrees of freedom, below 59 but once in 40 000.
    #[test]
    fn permutations_are_uniform() {
        let mut counts = std::collections::BTreeMap::new();
        for epoch in 0..24_000 {
            let mut order = vec![0; 4];
            permutation(Seed(5), 0, epoch, &mut order);
            *counts.entry(order).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        let chi: f64 = counts.values().map(|c| (f64::from(*c) - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi < 59.0, "{chi}");
    }
}
