//! Covariances between different positions, for the layers of a network whose head does not need them.
//!
//! A measurement counts the positions of an image as further inputs, so that its `V` and `T` are means over all pairs of
//! positions of all pairs of inputs: `p²` times as many numbers as the kernel of a flatten head carries. They are carried for
//! groups of inputs, as large as fit; together the groups hold as many of the inputs as the work allows:
//!
//! ```text
//! D₂ = mean over pairs within groups of d(p, p') + β₁ (P - P_g) + β₂ (E - E_g)
//! ```
//!
//! with what is known of all pairs and of those within groups alike: the mean product `P` of positions of the inputs themselves,
//! and the mean distance `E` at equal positions; `β` is the regression of the groups' means on theirs. What the chosen pairs have
//! by chance is removed as far as these two know of it; with one group of all inputs the result is exact.

use super::look::largest_image;
use super::points::Points;
use super::statistics::between_positions;
use super::{Carried, Raw, Walk};
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

/// Groups that a regression needs.
const LEAST_GROUPS: usize = 8;

/// Mean distances of two inputs within one group: of any two positions, and of equal ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupDistances {
    any: f64,
    equal: f64,
}

/// Those of each group, whose mean over equal positions is `flat`.
pub(super) fn distances(sets: &[Points], flat: &[Points], examples: usize) -> Vec<GroupDistances> {
    let pairs = examples as f64 / (examples as f64 - 1.0).max(1.0);
    sets.iter()
        .zip(flat)
        .map(|(set, flat)| GroupDistances {
            any: between_positions(std::slice::from_ref(set), examples)
                .map_or(0.0, |at| at.two_inputs),
            equal: pairs * flat.data_variance(),
        })
        .collect()
}

/// The mean of `values`, moved along its regression on the controls to where they have their true means.
fn controlled(values: &[f64], controls: [&[f64]; 2], truth: [f64; 2]) -> f64 {
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let centre = mean(values);
    if values.len() < LEAST_GROUPS {
        return centre;
    }
    let product = |x: &[f64], y: &[f64]| {
        let (at, to) = (mean(x), mean(y));
        x.iter().zip(y).map(|(x, y)| (x - at) * (y - to)).sum::<f64>()
    };
    let [a, b] = controls;
    let (missing_a, missing_b) = (truth[0] - mean(a), truth[1] - mean(b));
    let (aa, ab, bb) = (product(a, a), product(a, b), product(b, b));
    let (ay, by) = (product(a, values), product(b, values));
    let determinant = aa * bb - ab * ab;
    if determinant > COLLINEAR * aa * bb {
        let (of_a, of_b) = ((bb * ay - ab * by) / determinant, (aa * by - ab * ay) / determinant);
        centre + of_a * missing_a + of_b * missing_b
    } else if aa > 0.0 {
        centre + ay / aa * missing_a
    } else if bb > 0.0 {
        centre + by / bb * missing_b
    } else {
        centre
    }
}

/// Part of the product of two variances below which the controls say the same.
const COLLINEAR: f64 = 1e-6;

/// Groups and inputs in each: the largest groups whose work for all inputs fits, or as many pairs as fit.
fn groups(examples: usize, positions: usize, entries: usize) -> Option<(usize, usize)> {
    let square = positions.saturating_mul(positions);
    let all = examples.saturating_mul(examples).saturating_mul(square);
    // Two triangles while one set changes into another.
    if all <= entries / 2 {
        return Some((1, examples));
    }
    let size = entries / square.saturating_mul(examples).max(1);
    // So many that a regression can be made of them.
    let size = size.min(examples / LEAST_GROUPS).max(2);
    let fitting = (entries / square.saturating_mul(size * size).max(1)).saturating_sub(1);
    let count = fitting.min(examples / size);
    (count * size >= LEAST_INPUTS.min(examples)).then_some((count, size))
}

impl Walk<'_> {
    /// Adds what the layers of an image lack: the mean distances between different positions.
    pub(super) fn fill_positions(&mut self, network: &Network, data: &Dataset) {
        let lacking = self.layers.iter().any(|layer| {
            layer.statistics.as_ref().is_ok_and(|s| matches!(s.positions, Some(Err(_))))
        });
        // A triangle has half of the square.
        let entries = 2 * self.max_entries.min(MAX_ENTRIES);
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
        let products = self.products.first().copied().unwrap_or(0.0);
        let found = inner.layers.iter().zip(&inner.distances);
        for (layer, (found, groups)) in self.layers.iter_mut().zip(found) {
            let (Ok(all), Ok(part)) = (&mut layer.statistics, &found.statistics) else { continue };
            if let (Some(Err(_)), Some(Ok(at))) = (&all.positions, &part.positions) {
                let mut at = *at;
                let any: Vec<f64> = groups.iter().map(|group| group.any).collect();
                let equal: Vec<f64> = groups.iter().map(|group| group.equal).collect();
                let known = [products, all.v];
                at.two_inputs = controlled(&any, [&inner.products, &equal], known).max(0.0);
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

#[cfg(test)]
mod tests {
    use super::super::DataKernel;
    use super::*;
    use crate::spec::{Architecture, InitScheme, Shape};

    /// Images around a common one, bright in the middle.
    fn images(count: usize, side: usize) -> Dataset {
        let area = side * side;
        let noise = |i: u64| (mixed(i) >> 40) as f32 / (1_u64 << 24) as f32 - 0.5;
        let values = (0..count * area)
            .map(|i| {
                let (image, at) = (i / area, i % area);
                let light = 1.5 * noise(1_000_000 + image as u64) + 0.3;
                let scale = if at % side == side / 2 { 2.0 } else { 0.3 };
                scale * (light + noise(i as u64))
            })
            .collect();
        Dataset::new("images", Shape::image(1, side, side).unwrap(), values).unwrap()
    }

    fn spreads(data: &Dataset, json: &str, entries: usize) -> Vec<Result<[f64; 3], NoTheory>> {
        let layers = serde_json::from_str(json).unwrap();
        let network = Architecture { layers }.resolve(&data.shape()).unwrap();
        let init = InitScheme::explicit(1.8, 0.05);
        let inits: Vec<_> = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
        let kernel = DataKernel::bounded(&network, &inits, data, entries);
        let of = |layer: &super::super::DataLayer| {
            let found = layer.statistics.as_ref().unwrap();
            found.spread(data.examples()).map(|(v, t)| [found.q, v, t])
        };
        kernel.layers.iter().map(of).collect()
    }

    /// The flatten head gives the layers what a head that mixes positions has to know anyway; groups of inputs estimate it.
    #[test]
    fn groups_of_inputs_estimate_what_all_of_them_have() {
        let data = images(64, 4);
        let body = r#"{"conv":8,"kernel":3},"tanh",{"conv":8,"kernel":1},"tanh""#;
        let flat = format!("[{body},\"flatten\",{{\"dense\":3}}]");
        let global = format!("[{body},\"global_average_pool\",{{\"dense\":3}}]");
        let exact = spreads(&data, &global, 1 << 24);
        let whole = spreads(&data, &flat, 1 << 24);
        // Groups of four: 65 536 numbers are too few for one of all.
        let part = spreads(&data, &flat, 1 << 16);
        for layer in 0..2 {
            let [q, v, t] = exact[layer].clone().unwrap();
            for (found, error) in [(&whole[layer], 1e-12), (&part[layer], 0.03)] {
                let found = found.clone().unwrap();
                assert!((found[0] / q - 1.0).abs() < 1e-12, "{found:?} {q}");
                assert!((found[1] / v - 1.0).abs() < error, "{layer}: {found:?} {v}");
                assert!((found[2] - t).abs() < error * q, "{layer}: {found:?} {t}");
            }
        }
        // Nothing fits: q stays, V and T say why they are missing.
        let none = spreads(&images(4, 12), &flat, 3000);
        assert!(none[0].clone().unwrap_err().reason.contains("144 positions"), "{none:?}");
    }

    #[test]
    fn groups_fit_the_work() {
        assert_eq!(groups(48, 25, 1 << 26), Some((1, 48)));
        for (examples, positions) in [(500, 64), (181, 1024), (1000, 784), (1000, 16)] {
            let (count, size) = groups(examples, positions, 1 << 26).unwrap();
            assert!(count * size <= examples && count * size >= LEAST_INPUTS);
            assert!((count + 1) * (size * positions).pow(2) <= 1 << 26, "{count} {size}");
        }
        assert_eq!(groups(100, 224 * 224, 1 << 26), None);
    }
}
