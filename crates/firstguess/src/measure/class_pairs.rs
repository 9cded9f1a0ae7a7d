//! How alike inputs of the same class and of two classes are, layer by layer.

use super::draw::LayerPlan;
use super::estimate::{Estimate, RunningRatio};
use crate::net::scale::power_of_two;
use serde::Serialize;

/// Classes that are told apart at most: the matrix of a layer has as many squared entries.
const MAX_CLASSES: usize = 100;

/// Bytes of the sums of one network.
const MEMORY: usize = 256 << 20;

/// Classes whose pairs are told apart in layers like these; 0 where there are none, or too many.
pub(super) fn told_apart(layers: &[LayerPlan], classes: usize) -> usize {
    let values: usize = layers.iter().map(|layer| layer.units * layer.positions).sum();
    let fits = values.saturating_mul(classes).saturating_mul(8) <= MEMORY;
    if (1..=MAX_CLASSES).contains(&classes) && fits { classes } else { 0 }
}

/// Sums over the inputs of each class, for one layer of one network.
#[derive(Debug)]
pub(super) struct ClassSums {
    size: usize,
    /// `[classes, size]`.
    sums: Vec<f64>,
    squares: Vec<f64>,
    counts: Vec<u64>,
    /// Everything stands for `2^exponent` times itself.
    exponent: i32,
}

/// Mean products of two different inputs, by the pair of their classes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClassDraw {
    /// `E h(a)·h(b)`, `[classes, classes]`; NaN where there is no such pair.
    products: Vec<f64>,
    /// `E |h(a)|²` of each class.
    squares: Vec<f64>,
    /// The same over all pairs of one class, and of two: product and square.
    same: Option<(f64, f64)>,
    different: Option<(f64, f64)>,
}

impl ClassSums {
    pub(super) fn new(classes: usize, size: usize) -> Self {
        Self {
            size,
            sums: vec![0.0; classes * size],
            squares: vec![0.0; classes],
            counts: vec![0; classes],
            exponent: 0,
        }
    }

    /// Adds rows `[rows, size]` that stand for `2^exponent` times themselves.
    pub(super) fn add(&mut self, values: &[f32], labels: &[u32], exponent: i32) {
        if self.counts.iter().all(|count| *count == 0) {
            self.exponent = exponent;
        }
        let factor = power_of_two(exponent - self.exponent);
        for (row, &label) in values.chunks_exact(self.size.max(1)).zip(labels) {
            let class = label as usize;
            let Some(count) = self.counts.get_mut(class) else { continue };
            *count += 1;
            let mut square = [0.0_f64; 8];
            let sums = &mut self.sums[class * self.size..(class + 1) * self.size];
            for (part, sums) in row.chunks(8).zip(sums.chunks_mut(8)) {
                for ((h, sum), square) in part.iter().zip(sums).zip(&mut square) {
                    let h = factor * f64::from(*h);
                    *sum += h;
                    *square += h * h;
                }
            }
            self.squares[class] += square.iter().sum::<f64>();
        }
    }

    pub(super) fn finish(&self) -> ClassDraw {
        let classes = self.counts.len();
        let scale = power_of_two(2 * self.exponent) / self.size as f64;
        let row = |k: usize| &self.sums[k * self.size..(k + 1) * self.size];
        let mut products = vec![f64::NAN; classes * classes];
        let (mut same, mut different) = ((0.0, 0.0), (0.0, 0.0));
        for k in 0..classes {
            for l in k..classes {
                let total: f64 = row(k).iter().zip(row(l)).map(|(a, b)| a * b).sum();
                let (n, m) = (self.counts[k] as f64, self.counts[l] as f64);
                // A pair of one class leaves out the products of inputs with themselves.
                let (sum, pairs) =
                    if k == l { (total - self.squares[k], n * (n - 1.0)) } else { (total, n * m) };
                let group = if k == l { &mut same } else { &mut different };
                *group = (group.0 + sum, group.1 + pairs);
                if pairs > 0.0 {
                    products[k * classes + l] = scale * sum / pairs;
                    products[l * classes + k] = scale * sum / pairs;
                }
            }
        }
        let inputs = self.counts.iter().sum::<u64>() as f64;
        let square = scale * self.squares.iter().sum::<f64>() / inputs;
        let mean = |(sum, pairs): (f64, f64)| (pairs > 0.0).then(|| (scale * sum / pairs, square));
        let squares = self
            .squares
            .iter()
            .zip(&self.counts)
            .map(|(square, count)| scale * square / *count as f64)
            .collect();
        ClassDraw { products, squares, same: mean(same), different: mean(different) }
    }
}

#[cfg(test)]
impl ClassDraw {
    pub(super) fn product(&self, k: usize, l: usize) -> f64 {
        self.products[k * self.squares.len() + l]
    }
}

/// [`ClassDraw`] over the ensemble.
#[derive(Debug, Clone)]
pub(super) struct RunningPairs {
    classes: usize,
    pairs: Vec<RunningRatio>,
    same: RunningRatio,
    different: RunningRatio,
}

/// Correlation between inputs by the classes of the two, at one layer.
///
/// ```text
/// c_kl = E h(a)·h(b) / √(E|h(a)|² E|h(b)|²),   a ≠ b, a of class k, b of class l
/// ```
///
/// Ratios of means over networks. At convolutions, products are taken position by position.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassCorrelation {
    /// `c` of two inputs of one class, over all classes.
    pub same: Estimate,
    /// `c` of two inputs of different classes.
    pub different: Estimate,
    /// `c_kl`, `[classes, classes]`; null where there is no such pair.
    pub values: Vec<Vec<Option<f64>>>,
    /// Standard errors over networks.
    pub std_errors: Vec<Vec<Option<f64>>>,
}

impl RunningPairs {
    pub(super) fn new(classes: usize) -> Self {
        Self {
            classes,
            pairs: vec![RunningRatio::default(); classes * classes],
            same: RunningRatio::default(),
            different: RunningRatio::default(),
        }
    }

    pub(super) fn push(&mut self, draw: &ClassDraw) {
        for k in 0..self.classes {
            for l in k..self.classes {
                let product = draw.products[k * self.classes + l];
                let size = (draw.squares[k].sqrt()) * (draw.squares[l].sqrt());
                if !product.is_nan() {
                    self.pairs[k * self.classes + l].push(product, size);
                }
            }
        }
        for (running, pair) in [(&mut self.same, draw.same), (&mut self.different, draw.different)]
        {
            if let Some((product, square)) = pair {
                running.push(product, square);
            }
        }
    }

    /// The estimates so far; `None` where no pair was seen.
    pub(super) fn finish(&self) -> Option<ClassCorrelation> {
        if self.same.n() + self.different.n() == 0 {
            return None;
        }
        let or = |running: &RunningRatio| {
            if running.n() == 0 { Estimate::missing("no such pair") } else { running.estimate() }
        };
        let entry = |k: usize, l: usize| or(&self.pairs[k.min(l) * self.classes + k.max(l)]);
        let table = |of: &dyn Fn(Estimate) -> Option<f64>| {
            let row = |k: usize| (0..self.classes).map(|l| of(entry(k, l))).collect();
            (0..self.classes).map(row).collect()
        };
        Some(ClassCorrelation {
            same: or(&self.same),
            different: or(&self.different),
            values: table(&|estimate| Some(estimate.value).filter(|value| value.is_finite())),
            std_errors: table(&|estimate| estimate.std_error),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five rows of two values against the definition, pair by pair.
    #[test]
    fn correlations_are_those_of_the_pairs() {
        let rows = [[1.0_f32, 2.0], [0.5, -1.0], [3.0, 1.0], [-1.0, 4.0], [2.0, 2.0]];
        let labels = [0, 1, 0, 1, 2];
        let mut sums = ClassSums::new(4, 2);
        sums.add(rows[..2].as_flattened(), &labels[..2], 0);
        // The last three come as eighths of themselves.
        let eighths: Vec<f32> = rows[2..].as_flattened().iter().map(|x| x / 8.0).collect();
        sums.add(&eighths, &labels[2..], 3);
        let mut running = RunningPairs::new(4);
        running.push(&sums.finish());
        let found = running.finish().unwrap();
        let product =
            |a: usize, b: usize| f64::from(rows[a][0] * rows[b][0] + rows[a][1] * rows[b][1]);
        let of_class = |k: u32| (0..5).filter(move |a| labels[*a] == k);
        let square = |k: u32| {
            let (sum, n) = of_class(k).fold((0.0, 0.0), |(s, n), a| (s + product(a, a), n + 1.0));
            sum / n
        };
        let expected = |k: u32, l: u32| {
            let pairs = of_class(k).flat_map(|a| of_class(l).map(move |b| (a, b)));
            let (sum, n) = pairs
                .filter(|(a, b)| a != b)
                .fold((0.0, 0.0), |(s, n), (a, b)| (s + product(a, b), n + 1.0));
            sum / n / f64::sqrt(square(k) * square(l))
        };
        for (k, l) in [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2)] {
            let value = found.values[k as usize][l as usize].unwrap();
            assert!((value - expected(k, l)).abs() < 1e-12, "{k} {l}: {value}");
        }
        // One input of class 2, none of class 3.
        assert_eq!((found.values[2][2], found.values[3][0]), (None, None));
        let all: f64 = (0..5).map(|a| product(a, a)).sum::<f64>() / 5.0;
        let same = f64::midpoint(product(0, 2), product(1, 3)) / all;
        assert!((found.same.value - same).abs() < 1e-12);
    }
}
