//! The closed vocabulary of losses: what each one is, as a function of the logits and a label.
//!
//! Every loss is a sum of [`Part`]s, one family per file. Most are functions `ℓ(p_y)` of the labelled probability alone, and
//! those are cross-entropy with a weight:
//!
//! ```text
//! ∂ℓ/∂z_k = w(p_y) (p_k - δ_ky),    w(p) = -p ℓ'(p),    p = softmax(z)
//! ```
//!
//! Everything is computed from the logarithm of the softmax, in f64: finite for finite logits. Derivations:
//! docs/theory/losses.md.

mod agce;
mod blurry;
mod cross_entropy;
mod focal;
mod gce;
mod mae;
mod negative;
mod normalized;
mod piecewise_zero;
mod rce;
mod row;
mod sce;
mod schedule;
mod squared;
mod text;

pub use agce::Agce;
pub use blurry::Blurry;
pub use focal::Focal;
pub use gce::Gce;
pub use negative::Negative;
pub use normalized::Normalized;
pub use piecewise_zero::PiecewiseZero;
pub use rce::RCE_SCALE;
pub use row::Row;
pub use sce::Sce;
pub use schedule::{LossSchedule, Switch};
pub use text::{Entry, Parameter, VOCABULARY};

use super::error::SpecError;
use serde::{Deserialize, Serialize};

/// A loss: its parts, and how labels and weights are treated.
///
/// The text form is the name with its parameters, then the options: `blurry(0.3)`, `focal(2,detach_weight)`,
/// `cross_entropy(label_smoothing=0.1)`.
///
/// # Examples
///
/// ```
/// use firstguess::spec::loss::{Loss, Row};
/// let loss: Loss = "blurry(0.3)".parse()?;
/// let row = Row::new([1.0, 2.0, 0.5, -1.0]);
/// let mut gradient = [0.0; 4];
/// let value = loss.evaluate(&row, 3, &mut gradient);
/// assert!((value - 1.224865).abs() < 1e-6);
/// // The labelled class is so unlikely that its probability is pushed down further.
/// assert!(gradient[3] > 0.0);
/// # Ok::<(), firstguess::spec::SpecError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Loss {
    kind: LossKind,
    detach_weight: bool,
    label_smoothing: f64,
}

/// Which loss; [`VOCABULARY`] has the formula of each and of its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "VOCABULARY has the formula of each variant and of its parameters")]
pub enum LossKind {
    CrossEntropy,
    Mse,
    LogitMse,
    Focal(Focal),
    Mae,
    Gce(Gce),
    Sce(Sce),
    Rce,
    Nce,
    Nfl { g: f64 },
    NceRce { alpha: f64, beta: f64 },
    NceAgce { alpha: f64, beta: f64, agce: Agce },
    Nnce,
    AnlCe { alpha: f64, beta: f64, delta: f64 },
    AnlFl { alpha: f64, beta: f64, delta: f64, g: f64 },
    Agce(Agce),
    Blurry(Blurry),
    PiecewiseZero(PiecewiseZero),
}

/// A summand of a loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part {
    /// A function of the labelled probability.
    Single(Single),
    /// A loss divided by its sum over all labels.
    Normalized(Normalized),
    /// The complement of a normalised loss turned upside down.
    Negative(Negative),
    /// Squared distance of the probabilities from the label's.
    SquaredProbabilities,
    /// Squared distance of the logits from the label's.
    SquaredLogits,
}

/// A function of the labelled probability alone.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the families document themselves")]
pub enum Single {
    CrossEntropy,
    Focal(Focal),
    Mae,
    Gce(Gce),
    Sce(Sce),
    Rce,
    Agce(Agce),
    Blurry(Blurry),
    PiecewiseZero(PiecewiseZero),
}

/// Value and weight of a one-probability loss at one `ln p`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// `ℓ(p)`.
    pub value: f64,
    /// `w(p) = -p ℓ'(p)`, or the factor of the cross-entropy where the weight is detached.
    pub weight: f64,
}

/// What a loss does with a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// It raises the labelled probability.
    Towards,
    /// It leaves the sample alone: no gradient.
    Masked,
    /// It lowers the labelled probability.
    Away,
}

impl Single {
    /// Value and weight at `ln p ≤ 0`.
    pub fn at(&self, ln_p: f64, detach_weight: bool) -> Term {
        match self {
            Self::CrossEntropy => cross_entropy::term(ln_p),
            Self::Focal(focal) => focal.term(ln_p, detach_weight),
            Self::Mae => mae::term(ln_p),
            Self::Gce(gce) => gce.term(ln_p),
            Self::Sce(sce) => sce.term(ln_p),
            Self::Rce => rce::term(ln_p),
            Self::Agce(agce) => agce.term(ln_p),
            Self::Blurry(blurry) => blurry.term(ln_p, detach_weight),
            Self::PiecewiseZero(cut) => cut.term(ln_p),
        }
    }
}

impl LossKind {
    /// The summands with their factors; a factor of zero pads.
    fn parts(&self) -> [(f64, Part); 2] {
        let one = |part| [(1.0, part), (0.0, part)];
        let nce = Part::Normalized(Normalized { g: 0.0 });
        let nnce = Part::Negative(Negative { g: 0.0 });
        match *self {
            Self::CrossEntropy => one(Part::Single(Single::CrossEntropy)),
            Self::Mse => one(Part::SquaredProbabilities),
            Self::LogitMse => one(Part::SquaredLogits),
            Self::Focal(focal) => one(Part::Single(Single::Focal(focal))),
            Self::Mae => one(Part::Single(Single::Mae)),
            Self::Gce(gce) => one(Part::Single(Single::Gce(gce))),
            Self::Sce(sce) => one(Part::Single(Single::Sce(sce))),
            Self::Rce => one(Part::Single(Single::Rce)),
            Self::Nce => one(nce),
            Self::Nfl { g } => one(Part::Normalized(Normalized { g })),
            Self::NceRce { alpha, beta } => [(alpha, nce), (beta, Part::Single(Single::Rce))],
            Self::NceAgce { alpha, beta, agce } => {
                [(alpha, nce), (beta, Part::Single(Single::Agce(agce)))]
            }
            Self::Nnce => one(nnce),
            Self::AnlCe { alpha, beta, .. } => [(alpha, nce), (beta, nnce)],
            Self::AnlFl { alpha, beta, g, .. } => [
                (alpha, Part::Normalized(Normalized { g })),
                (beta, Part::Negative(Negative { g })),
            ],
            Self::Agce(agce) => one(Part::Single(Single::Agce(agce))),
            Self::Blurry(blurry) => one(Part::Single(Single::Blurry(blurry))),
            Self::PiecewiseZero(cut) => one(Part::Single(Single::PiecewiseZero(cut))),
        }
    }
}

impl Loss {
    /// Cross-entropy, the loss that all others are compared with.
    pub const CROSS_ENTROPY: Self =
        Self { kind: LossKind::CrossEntropy, detach_weight: false, label_smoothing: 0.0 };

    /// A loss without options.
    pub const fn new(kind: LossKind) -> Self {
        Self { kind, ..Self::CROSS_ENTROPY }
    }

    /// The same loss with its factor of the cross-entropy taken as a constant in the gradient.
    ///
    /// # Errors
    ///
    /// [`SpecError::Conflict`] for a loss that is not written as a weight times the cross-entropy.
    pub fn with_detached_weight(self) -> Result<Self, SpecError> {
        if !matches!(self.kind, LossKind::Focal(_) | LossKind::Blurry(_)) {
            return Err(SpecError::Conflict(format!(
                "`detach_weight` goes with focal and blurry, which weigh the cross-entropy; `{self}` has no such weight"
            )));
        }
        Ok(Self { detach_weight: true, ..self })
    }

    /// The same loss against labels of which a share `ε` is spread over all classes.
    ///
    /// ```text
    /// ℓ_ε(z, y) = (1 - ε) ℓ(z, y) + ε/C Σ_k ℓ(z, k)
    /// ```
    ///
    /// # Errors
    ///
    /// [`SpecError::OutOfDomain`] unless `share` is in `[0, 1)`.
    pub fn with_label_smoothing(self, share: f64) -> Result<Self, SpecError> {
        if !(0.0..1.0).contains(&share) {
            return Err(SpecError::out_of_domain("label_smoothing", "in [0, 1)", share));
        }
        Ok(Self { label_smoothing: share, ..self })
    }

    /// Which loss it is.
    pub const fn kind(&self) -> LossKind {
        self.kind
    }

    /// Whether the gradient treats the factor of the cross-entropy as a constant.
    pub const fn detaches_weight(&self) -> bool {
        self.detach_weight
    }

    /// The share of each label that is spread over all classes.
    pub const fn label_smoothing(&self) -> f64 {
        self.label_smoothing
    }

    /// Coefficient of `Σ|θ|` over all weights and biases, part of the active-negative losses; zero for the others.
    pub const fn weight_penalty(&self) -> f64 {
        match self.kind {
            LossKind::AnlCe { delta, .. } | LossKind::AnlFl { delta, .. } => delta,
            _ => 0.0,
        }
    }

    /// Value of the loss at a row of logits; its gradient with respect to them is left in `gradient`.
    ///
    /// `gradient` has one entry per class and `label` is below the number of classes: the callers have checked both.
    ///
    /// # Accuracy
    ///
    /// A few units in the last place of the largest term, also where `p_y` is within 1e-300 of 0 or 1.
    pub fn evaluate(&self, row: &Row, label: usize, gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let classes = row.classes();
        let spread = self.label_smoothing / classes as f64;
        let mut value = 0.0;
        for (factor, part) in self.kind.parts() {
            if factor == 0.0 {
                continue;
            }
            value += if self.label_smoothing == 0.0 {
                self.add(factor, part, row, label, gradient)
            } else {
                let share =
                    |k: usize| spread + if k == label { 1.0 - self.label_smoothing } else { 0.0 };
                match part {
                    Part::Single(single) => {
                        let (mut total, mut value) = (0.0, 0.0);
                        for (k, slot) in gradient.iter_mut().enumerate() {
                            let term = single.at(row.ln_p(k), self.detach_weight);
                            total += share(k) * term.weight;
                            value += share(k) * term.value;
                            *slot -= factor * share(k) * term.weight;
                        }
                        for (k, slot) in gradient.iter_mut().enumerate() {
                            *slot += factor * total * row.p(k);
                        }
                        factor * value
                    }
                    _ => (0..classes)
                        .map(|k| self.add(factor * share(k), part, row, k, gradient))
                        .sum(),
                }
            };
        }
        value
    }

    /// Adds the gradient of one part and returns its value, both times `factor`.
    fn add(&self, factor: f64, part: Part, row: &Row, label: usize, gradient: &mut [f64]) -> f64 {
        match part {
            Part::Single(single) => {
                let term = single.at(row.ln_p(label), self.detach_weight);
                let weight = factor * term.weight;
                if weight != 0.0 {
                    for (k, slot) in gradient.iter_mut().enumerate() {
                        // p_y - 1 without its cancellation where the class is nearly certain.
                        *slot += weight * if k == label { row.ln_p(k).exp_m1() } else { row.p(k) };
                    }
                }
                factor * term.value
            }
            Part::Normalized(normalized) => normalized.add(factor, row, label, gradient),
            Part::Negative(negative) => negative.add(factor, row, label, gradient),
            Part::SquaredProbabilities => squared::probabilities(factor, row, label, gradient),
            Part::SquaredLogits => squared::logits(factor, row, label, gradient),
        }
    }

    /// The weight `w(p_y)` where the loss is a function of the labelled probability alone.
    pub fn weight(&self, ln_p: f64) -> Option<f64> {
        match self.kind.parts() {
            [(factor, Part::Single(single)), (0.0, _)] => {
                Some(factor * single.at(ln_p, self.detach_weight).weight)
            }
            _ => None,
        }
    }

    /// Whether a sample of labelled probability `exp(ln_p)` is pulled towards its label, left alone, or pushed away.
    ///
    /// Losses of more than one probability always pull towards it, as far as this is asked.
    pub fn pull(&self, ln_p: f64) -> Pull {
        match self.weight(ln_p) {
            // Far out the weight of a smooth loss underflows: only the cut of piecewise-zero masks.
            Some(0.0) if matches!(self.kind, LossKind::PiecewiseZero(_)) => Pull::Masked,
            Some(weight) if weight < 0.0 => Pull::Away,
            _ => match self.kind {
                LossKind::Blurry(blurry) if !self.detach_weight && blurry.reverses(ln_p) => {
                    Pull::Away
                }
                _ => Pull::Towards,
            },
        }
    }

    /// Whether some samples may be masked or pushed away.
    pub const fn backs_off(&self) -> bool {
        match self.kind {
            LossKind::PiecewiseZero(cut) => cut.c > 0.0,
            LossKind::Blurry(blurry) => blurry.g > 0.0 && !self.detach_weight,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
