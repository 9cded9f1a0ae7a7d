//! Positions: windows of convolutions and pools, and heads that see all of them.

use super::gradient::Step;
use super::points::{Points, complement_of, distance_of};
use super::signal::{Layout, Signal};
use crate::theory::NoTheory;

/// A square window on its way over an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
}

impl Window {
    /// Positions of the input under output position `at`; `None` for padding.
    fn taps(
        self,
        input: [usize; 2],
        output: [usize; 2],
        at: usize,
    ) -> impl Iterator<Item = Option<usize>> {
        let (y, x) = (at / output[1] * self.stride, at % output[1] * self.stride);
        (0..self.kernel * self.kernel).map(move |tap| {
            let row = (y + tap / self.kernel).checked_sub(self.padding)?;
            let column = (x + tap % self.kernel).checked_sub(self.padding)?;
            (row < input[0] && column < input[1]).then_some(row * input[1] + column)
        })
    }

    /// All windows, `[output positions][taps]`.
    pub(super) fn all(self, input: [usize; 2], output: [usize; 2]) -> Vec<Vec<Option<usize>>> {
        (0..output[0] * output[1]).map(|at| self.taps(input, output, at).collect()).collect()
    }
}

/// A convolution without its weights: the mean over the window of each output position, zeros for padding.
///
/// ```text
/// K'_ab(p, p') = k⁻² Σ_β K_ab(p + β, p' + β)
/// ```
pub(super) fn convolve(signal: &mut Signal, output: [usize; 2], windows: &[Vec<Option<usize>>]) {
    let inside: usize = windows.iter().flatten().flatten().count();
    let taps: usize = windows.iter().map(Vec::len).sum();
    let before = signal.layout.positions();
    match signal.layout {
        Layout::Flat => return,
        Layout::Equal { .. } => {
            signal.sets = windows
                .iter()
                .map(|window| {
                    let parts: Vec<&Points> =
                        window.iter().flatten().map(|at| &signal.sets[*at]).collect();
                    average_sets(&parts, window.len(), signal.examples)
                })
                .collect();
            signal.layout = Layout::Equal { extent: output };
        }
        Layout::All { extent } => {
            let from = extent[0] * extent[1];
            let per_set = signal.examples_per_set();
            for set in &mut signal.sets {
                *set = convolved(set, per_set, from, windows);
            }
            signal.layout = Layout::All { extent: output };
        }
    }
    let step = Step::Windows { windows: windows.to_vec(), power: 1, from: before };
    signal.close_factors(step, windows.len());
    // Taps on padding pass no gradient on.
    let reached = inside as f64 / taps as f64;
    signal.gradient.iter_mut().for_each(|g| *g *= reached);
}

/// One set that holds all `from` positions of so many inputs.
fn convolved(old: &Points, examples: usize, from: usize, windows: &[Vec<Option<usize>>]) -> Points {
    let to = windows.len();
    let n = examples * to;
    let part = |window: &[Option<usize>]| 1.0 / window.len() as f64;
    let single = |values: &[f64]| -> Vec<f64> {
        (0..n)
            .map(|point| {
                let window = &windows[point % to];
                let base = point / to * from;
                window.iter().flatten().map(|at| values[base + at]).sum::<f64>() * part(window)
            })
            .collect()
    };
    let root = old.roots();
    let apart = |p: usize, p2: usize| distance_of(root[p], root[p2], old.complement(p, p2));
    Points::from_distances(single(&old.second), single(&old.mean), |a, b| {
        let (base_a, base_b) = (a / to * from, b / to * from);
        let pairs = windows[a % to].iter().zip(&windows[b % to]);
        let sum: f64 = pairs
            .map(|(p, p2)| match (p, p2) {
                (Some(p), Some(p2)) => apart(base_a + p, base_b + p2),
                // Half the square of what stands against a padded zero.
                (Some(p), None) => 0.5 * old.second[base_a + p],
                (None, Some(p2)) => 0.5 * old.second[base_b + p2],
                (None, None) => 0.0,
            })
            .sum();
        sum * part(&windows[a % to])
    })
}

/// The mean of a channel over windows of positions, zeros for padding: needs the covariances between positions.
///
/// ```text
/// K'_ab(P, P') = ρ_P ρ_P' mean_{p ∈ P, p' ∈ P'} K_ab(p, p')
/// ```
///
/// with the share `ρ` of a window that is inside the image.
pub(super) fn average(
    signal: &mut Signal,
    layout: Layout,
    windows: &[Vec<Option<usize>>],
) -> Result<(), NoTheory> {
    let Layout::All { extent } = signal.layout else {
        return Err(NoTheory::new(format!(
            "averaging over positions needs the covariances of all {} positions, more than may be held",
            signal.layout.positions()
        )));
    };
    let (from, to) = (extent[0] * extent[1], windows.len());
    let old = &signal.sets[0];
    let n = signal.examples * to;
    let members = |point: usize| {
        let base = point / to * from;
        windows[point % to].iter().flatten().map(move |at| base + at)
    };
    let root = old.roots();
    let pair = |a: usize, b: usize| {
        let (mut sum, mut count) = (0.0, 0.0);
        for p in members(a) {
            for p2 in members(b) {
                sum += distance_of(root[p], root[p2], old.complement(p, p2));
                count += 1.0;
            }
        }
        sum / count
    };
    let mean_of = |values: &[f64], point: usize| {
        let count = members(point).count() as f64;
        members(point).map(|p| values[p]).sum::<f64>() / count
    };
    let inside: Vec<f64> = windows
        .iter()
        .map(|window| window.iter().flatten().count() as f64 / window.len().max(1) as f64)
        .collect();
    let inside = |point: usize| inside[point % to];
    // E(x̄)² = mean M - ½·(mean of 2d within the window).
    let within: Vec<f64> = (0..n).map(|point| pair(point, point)).collect();
    let square: Vec<f64> =
        (0..n).map(|point| (mean_of(&old.second, point) - within[point]).max(0.0)).collect();
    let second = (0..n).map(|point| inside(point).powi(2) * square[point]).collect();
    let mean = (0..n).map(|point| inside(point) * mean_of(&old.mean, point)).collect();
    let new = Points::from_distances(second, mean, |a, b| {
        let (of_a, of_b) = (inside(a), inside(b));
        let apart = pair(a, b) - 0.5 * (within[a] + within[b]);
        // ½E(ρ_a X - ρ_b Y)²: the second term is what windows of different shares differ by.
        of_a * of_b * apart + 0.5 * (of_a - of_b) * (of_a * square[a] - of_b * square[b])
    });
    signal.sets = vec![new];
    signal.layout = layout;
    signal.close_factors(Step::Windows { windows: windows.to_vec(), power: 2, from }, to);
    let taps: usize = windows.iter().map(Vec::len).sum();
    let reached = (0..to).map(inside).sum::<f64>() / to as f64;
    let size = taps as f64 / to as f64;
    signal.gradient.iter_mut().for_each(|g| *g *= reached / size);
    Ok(())
}

/// Every position a unit of one point per example: the mean over equal positions.
pub(super) fn flatten(signal: &mut Signal) {
    let positions = signal.layout.positions();
    match signal.layout {
        Layout::Flat => return,
        Layout::Equal { .. } => {
            let parts: Vec<&Points> = signal.sets.iter().collect();
            signal.sets = vec![average_sets(&parts, parts.len(), signal.examples)];
        }
        Layout::All { .. } => {
            signal.sets = vec![flattened(&signal.sets[0], signal.examples)];
        }
    }
    signal.close_factors(Step::Positions(positions), 1);
    signal.layout = Layout::Flat;
}

/// The mean over equal positions of a set that holds the positions of each input together.
pub(super) fn flattened(old: &Points, examples: usize) -> Points {
    let positions = old.len() / examples.max(1);
    let mean = |values: &[f64]| -> Vec<f64> {
        values
            .chunks_exact(positions)
            .map(|chunk| chunk.iter().sum::<f64>() / positions as f64)
            .collect()
    };
    let root = old.roots();
    Points::from_distances(mean(&old.second), mean(&old.mean), |a, b| {
        let sum: f64 = (0..positions)
            .map(|p| (a * positions + p, b * positions + p))
            .map(|(p, p2)| distance_of(root[p], root[p2], old.complement(p, p2)))
            .sum();
        sum / positions as f64
    })
}

/// `Σ parts / count`.
fn average_sets(parts: &[&Points], count: usize, examples: usize) -> Points {
    let part = 1.0 / count as f64;
    let sum = |of: fn(&Points) -> &[f64]| -> Vec<f64> {
        let mut sums = vec![0.0; examples];
        for points in parts {
            sums.iter_mut().zip(of(points)).for_each(|(sum, x)| *sum += x * part);
        }
        sums
    };
    let mut new = Points::new(sum(|p| &p.second), sum(|p| &p.mean));
    let roots: Vec<Vec<f64>> = parts.iter().map(|points| points.roots()).collect();
    let after = new.roots();
    new.for_each_row(|row| {
        let a = row.index;
        for (points, root) in parts.iter().zip(&roots) {
            let others = points.row(a).iter().zip(root);
            for (sum, (e, other)) in row.complement.iter_mut().zip(others) {
                *sum += part * distance_of(root[a], *other, *e);
            }
        }
        for (e, other) in row.complement.iter_mut().zip(&after) {
            *e = complement_of(after[a], *other, *e);
        }
    });
    new
}
