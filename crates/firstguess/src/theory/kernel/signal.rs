//! What flows between two layers: the inputs as points, per position where there are positions.

use super::element::Element;
use super::gradient::Step;
use super::points::Points;
use super::{pooled, spatial};
use crate::spec::activation::Activation;
use crate::spec::layer::{Norm, PoolKind};
use crate::theory::NoTheory;
use crate::theory::dual::Pointwise;

/// How positions of an image are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// No positions: one set of points.
    Flat,
    /// One set per position; products of different positions are not kept.
    Equal {
        /// Rows and columns.
        extent: [usize; 2],
    },
    /// Every position of every input as a point, the positions of one input together: one set, or one for each of several
    /// groups of equally many inputs, whose products across groups are not kept.
    All {
        /// Rows and columns.
        extent: [usize; 2],
    },
}

impl Layout {
    pub(super) fn positions(self) -> usize {
        match self {
            Self::Flat => 1,
            Self::Equal { extent: [h, w] } | Self::All { extent: [h, w] } => h * w,
        }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Signal {
    pub(super) sets: Vec<Points>,
    pub(super) layout: Layout,
    pub(super) examples: usize,
    /// Whether the units are jointly Gaussian over the inputs, or why not.
    pub(super) gaussian: Result<(), NoTheory>,
    /// Functions that have not been applied yet.
    pub(super) pending: Vec<Activation>,
    /// Factor on the squared gradient of each input since the last layer with weights, and before it.
    pub(super) gradient: Vec<f64>,
    pub(super) gradient_before: Vec<f64>,
    /// The same since the last step of `steps`, at each position: `[examples][positions]`.
    pub(super) factors: Vec<f64>,
    /// What the way back passes, from the inputs on.
    pub(super) steps: Vec<Step>,
    /// Estimated error of a covariance relative to the variances.
    pub(super) error: f64,
}

impl Signal {
    pub(super) fn new(sets: Vec<Points>, layout: Layout, examples: usize) -> Self {
        Self {
            sets,
            layout,
            examples,
            gaussian: Ok(()),
            pending: Vec::new(),
            gradient: vec![1.0; examples],
            gradient_before: vec![1.0; examples],
            factors: vec![1.0; examples * layout.positions()],
            steps: Vec::new(),
            error: 1e-15,
        }
    }

    /// Inputs that a set has points of.
    pub(super) fn examples_per_set(&self) -> usize {
        match self.layout {
            Layout::All { .. } => self.examples / self.sets.len().max(1),
            _ => self.examples,
        }
    }

    /// Input and position of a point.
    fn place(&self, set: usize, point: usize) -> (usize, usize) {
        match self.layout {
            Layout::Flat => (point, 0),
            Layout::Equal { .. } => (point, set),
            Layout::All { .. } => {
                let positions = self.layout.positions();
                (set * self.examples_per_set() + point / positions, point % positions)
            }
        }
    }

    /// Closes the factors on gradients that were gathered position by position, before positions change.
    pub(super) fn close_factors(&mut self, step: Step, positions: usize) {
        let factors = std::mem::replace(&mut self.factors, vec![1.0; self.examples * positions]);
        self.steps.extend([Step::Factors(factors), step]);
    }

    /// Applies the functions that wait.
    pub(super) fn settle(&mut self, elements: &mut Vec<Element>) -> Result<(), NoTheory> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.gaussian.clone()?;
        let function = Pointwise::new(std::mem::take(&mut self.pending));
        if function.functions().is_empty() {
            return Ok(());
        }
        let known = elements.iter().position(|element| *element.function() == function);
        let at = known.unwrap_or_else(|| {
            elements.push(Element::new(&function));
            elements.len() - 1
        });
        // One table serves all positions.
        elements[at].prepare(self.sets.iter().flat_map(|set| &set.second).copied())?;
        self.apply(|set| elements[at].apply(set).map(|o| (o.derivative_second, o.error)))?;
        if function.homogeneity().is_none_or(|h| h.negative_slope != h.positive_slope) {
            self.gaussian = Err(NoTheory::new(format!(
                "another layer acts unit by unit on the outputs of `{function}`, which are not Gaussian"
            )));
        }
        Ok(())
    }

    /// Applies a map of Gaussian points, which gives `E φ'²` of each and its error.
    fn apply(
        &mut self,
        mut map: impl FnMut(&mut Points) -> Result<(Vec<f64>, f64), NoTheory>,
    ) -> Result<(), NoTheory> {
        let mut slopes = vec![0.0; self.examples];
        let mut error = 0.0_f64;
        let positions = self.layout.positions();
        for index in 0..self.sets.len() {
            let (derivative_second, own) = map(&mut self.sets[index])?;
            error = error.max(own);
            for (point, slope) in derivative_second.into_iter().enumerate() {
                let (example, position) = self.place(index, point);
                slopes[example] += slope;
                self.factors[example * positions + position] *= slope;
            }
        }
        self.error += error;
        for (factor, slope) in self.gradient.iter_mut().zip(slopes) {
            *factor *= slope / positions as f64;
        }
        Ok(())
    }

    /// The functions that wait and then the largest or smallest of so many independent units.
    pub(super) fn pool_units(&mut self, kind: PoolKind, size: usize) -> Result<(), NoTheory> {
        self.gaussian.clone()?;
        let function = Pointwise::new(std::mem::take(&mut self.pending));
        // Summed over the units of a pool: the factor on the squared norm of the gradient.
        self.apply(|set| pooled::apply(&function, kind, size, set))?;
        self.gaussian = Err(NoTheory::new(format!(
            "another layer acts unit by unit on the outputs of `{}`, which are not Gaussian",
            kind.key()
        )));
        Ok(())
    }

    fn scale_gradient(&mut self, factor: f64) {
        self.gradient.iter_mut().chain(&mut self.factors).for_each(|g| *g *= factor);
    }

    /// A layer with weights of variance `σ_w²/fan_in`; closes one factor of the gradient and returns it, averaged.
    pub(super) fn through_weights(&mut self, weight: f64, bias: f64) -> f64 {
        for set in &mut self.sets {
            set.through_weights(weight, bias);
        }
        self.gaussian = Ok(());
        for (before, factor) in self.gradient_before.iter_mut().zip(&mut self.gradient) {
            *factor *= weight;
            *before *= *factor;
        }
        self.factors.iter_mut().for_each(|factor| *factor *= weight);
        let chi = self.gradient.iter().sum::<f64>() / self.examples as f64;
        self.gradient.fill(1.0);
        chi
    }

    /// Drops each unit independently of every other, and of itself at another input.
    pub(super) fn drop_out(&mut self, keep: f64) {
        if keep >= 1.0 {
            return;
        }
        for set in &mut self.sets {
            // Covariances stay, variances grow.
            set.map(|_, _, e| 1.0 - keep + keep * e);
            set.second.iter_mut().for_each(|m| *m /= keep);
        }
        self.scale_gradient(1.0 / keep);
        self.gaussian = Err(NoTheory::new("an activation acts on units of which some are dropped"));
    }

    /// Mean over so many independent units.
    pub(super) fn average_units(&mut self, size: usize) {
        let part = 1.0 / size as f64;
        for set in &mut self.sets {
            let mean = std::mem::take(&mut set.mean);
            let second = (set.second.iter().zip(&mean))
                .map(|(second, m)| part * second + (1.0 - part) * m * m)
                .collect();
            set.map_distances(second, |a, b, d| {
                let gap = mean[a] - mean[b];
                part * d + (1.0 - part) * 0.5 * gap * gap
            });
            set.mean = mean;
        }
        self.scale_gradient(part);
    }

    /// A normalisation over `units` units per example or group.
    pub(super) fn normalize(&mut self, norm: Norm, channels: usize) -> Result<(), NoTheory> {
        match norm {
            Norm::Batch => self.normalize_batch(),
            Norm::Layer => self.normalize_examples(channels, true),
            Norm::Group(groups) => self.normalize_examples(channels / groups.max(1), true),
            Norm::Rms => self.normalize_examples(channels, false),
        }
    }

    fn normalize_batch(&mut self) -> Result<(), NoTheory> {
        if let Layout::Equal { .. } = self.layout {
            return Err(NoTheory::new(format!(
                "batch norm of an image needs the covariances of all {} positions, more than may be held",
                self.layout.positions()
            )));
        }
        for set in &mut self.sets {
            let variance = set.standardize_over_points();
            if variance.is_nan() || variance <= 0.0 {
                return Err(NoTheory::new(
                    "batch norm divides by the spread of inputs that are all equal",
                ));
            }
            // The variance over the batch is that of a unit only where many directions share it.
            let n = set.len() as f64;
            let squares: f64 = set
                .rows(|a, row| {
                    let own = set.second[a];
                    let pairs: f64 = row
                        .iter()
                        .zip(&set.second)
                        .map(|(e, other)| own * other * (1.0 - e) * (1.0 - e))
                        .sum();
                    own * own + 2.0 * pairs
                })
                .into_iter()
                .sum();
            self.error += 2.0 * squares / (n * n);
            self.gradient.iter_mut().chain(&mut self.factors).for_each(|g| *g /= variance);
        }
        Ok(())
    }

    /// Per example over units and positions: `units` of them, times the positions.
    fn normalize_examples(&mut self, units: usize, centred: bool) -> Result<(), NoTheory> {
        let positions = self.layout.positions();
        let (mut mean, mut second) = (vec![0.0; self.examples], vec![0.0; self.examples]);
        for (index, set) in self.sets.iter().enumerate() {
            for (point, (m, s)) in set.mean.iter().zip(&set.second).enumerate() {
                let (example, _) = self.place(index, point);
                mean[example] += m / positions as f64;
                second[example] += s / positions as f64;
            }
        }
        if !centred {
            mean.fill(0.0);
        }
        let factors: Vec<f64> =
            mean.iter().zip(&second).map(|(m, s)| 1.0 / (s - m * m).sqrt()).collect();
        if factors.iter().any(|f| !f.is_finite()) {
            return Err(NoTheory::new(
                "a normalisation divides by the spread of units that are all equal",
            ));
        }
        for index in 0..self.sets.len() {
            let spread = |values: &[f64]| -> Vec<f64> {
                let points = 0..self.sets[index].len();
                points.map(|point| values[self.place(index, point).0]).collect()
            };
            let (offsets, factors) = (spread(&mean), spread(&factors));
            let set = &mut self.sets[index];
            if centred && mean.iter().any(|m| *m != 0.0) {
                set.subtract(&offsets);
            }
            set.scale(&factors);
        }
        for (gradient, factor) in self.gradient.iter_mut().zip(&factors) {
            *gradient *= factor * factor;
        }
        for (chunk, factor) in self.factors.chunks_exact_mut(positions).zip(&factors) {
            for g in chunk {
                *g *= factor * factor;
            }
        }
        // What a finite group misses: the fluctuation of its own variance.
        self.error += 2.0 / (units * positions) as f64;
        Ok(())
    }

    /// Every position a unit of one point per example.
    pub(super) fn flatten(&mut self) {
        spatial::flatten(self);
    }

    /// `x ← x + s·branch`; the units of the two must be independent.
    pub(super) fn add(&mut self, other: &Self, factor: f64) {
        for (set, branch) in self.sets.iter_mut().zip(&other.sets) {
            set.add(branch, factor);
        }
        self.error = self.error.max(other.error);
        if let (Ok(()), Err(_)) = (&self.gaussian, &other.gaussian) {
            self.gaussian = Err(NoTheory::new("an activation acts on a sum that is not Gaussian"));
        }
    }
}
