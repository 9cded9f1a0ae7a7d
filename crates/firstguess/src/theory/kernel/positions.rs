//! Covariances between different positions, for the layers of a network whose head does not need them.
//!
//! A measurement counts the positions of an image as further inputs, so that its `V` and `T` are means over all pairs of
//! positions of all pairs of inputs: `p²` times as many numbers as the kernel of a flatten head carries. They are carried for
//! groups of inputs, as large as fit; together the groups hold as many of the inputs as the work allows:
//!
//! ```text
//! D₂ = mean over pairs within groups of d(p, p') + mean over all pairs of d(p, p) - mean over pairs within groups of d(p, p)
//! ```
//!
//! The correction removes what the chosen pairs have by chance, as far as equal positions know of it; with one group of all
//! inputs it is zero and the result exact.

use super::{Carried, Raw, Walk, largest_image};
use crate::spec::Dataset;
use crate::spec::network::Network;
use crate::theory::NoTheory;

/// Numbers held at most for the groups, whatever else is allowed: work like that of the other positions.
const MAX_ENTRIES: usize = 1 << 25;

/// Inputs, and pairs of them, below which their mean is no estimate of that of all.
const LEAST_INPUTS: usize = 16;

pub(super) fn not_carried(positions: usize) -> NoTheory {
    NoTheory::new(format!(
        "the covariances of all pairs of {positions} positions are more than are held: V and T count positions as further inputs"
    ))
}

/// Groups and inputs in each: the largest groups whose work for all inputs fits, or as many pairs as fit.
fn groups(examples: usize, positions: usize, entries: usize) -> Option<(usize, usize)> {
    // Before and after a layer, half of the square of the points of a group: p² g² per group.
    let square = positions.saturating_mul(positions);
    let all = examples.saturating_mul(examples).saturating_mul(square);
    if all <= entries {
        return Some((1, examples));
    }
    let size = (entries / square.saturating_mul(examples).max(1)).clamp(2, examples.max(2));
    let fitting = entries / square.saturating_mul(size * size).max(1);
    let count = fitting.min(examples / size);
    (count * size >= LEAST_INPUTS.min(examples)).then_some((count, size))
}

impl Walk<'_> {
    /// Adds what the layers of an image lack: the mean distances between different positions.
    pub(super) fn fill_positions(&mut self, network: &Network, data: &Dataset) {
        let lacking = self.layers.iter().any(|layer| {
            layer.statistics.as_ref().is_ok_and(|s| matches!(s.positions, Some(Err(_))))
        });
        let entries = self.max_entries.min(MAX_ENTRIES);
        let positions = largest_image(&network.nodes);
        let (true, Some((count, size))) = (lacking, groups(data.examples(), positions, entries))
        else {
            return;
        };
        let Ok(chosen) = data.subset(&scattered(data.examples(), count * size)) else { return };
        let mut inner = Walk { groups: count, ..Walk::new(self.inits, self.max_entries) };
        std::mem::swap(&mut inner.elements, &mut self.elements);
        // It ends where the image does, which is no failure.
        let _ = inner.sequence(&network.nodes, Carried::Raw(Raw::new(&chosen)));
        for (layer, found) in self.layers.iter_mut().zip(&inner.layers) {
            let (Ok(all), Ok(part)) = (&mut layer.statistics, &found.statistics) else { continue };
            if let (Some(Err(_)), Some(Ok(at))) = (&all.positions, &part.positions) {
                let mut at = *at;
                at.two_inputs = (at.two_inputs + (all.v - part.v)).max(0.0);
                all.positions = Some(Ok(at));
            }
        }
    }
}

/// So many of `0..examples`, in an order that follows no order of the data.
fn scattered(examples: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<(u64, usize)> =
        (0..examples).map(|index| (mixed(index as u64), index)).collect();
    order.sort_unstable();
    order.into_iter().take(count).map(|(_, index)| index).collect()
}

/// The finalizer of splitmix64.
fn mixed(index: u64) -> u64 {
    let mut z = index.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
