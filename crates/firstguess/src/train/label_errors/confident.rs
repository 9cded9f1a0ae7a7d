//! Confident learning: the joint distribution of given and true labels, from held-out probabilities.

use serde::Serialize;

use super::rounding::{pairwise_sum, preserving_sum};

/// Probabilities and thresholds this close count as equal.
pub(super) const CLOSE: f64 = 1e-6;

/// No threshold is below this, or a class of probability 0 would be confident of everything.
const LOWEST_THRESHOLD: f64 = 2.0 * CLOSE;

/// Held-out probabilities `[examples, classes]` with the labels that the examples were given.
///
/// Each row is what a model that has not seen the example says of it: with k folds, the model of the other k - 1. A row need not
/// sum to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Probabilities {
    classes: usize,
    values: Vec<f64>,
    labels: Vec<u32>,
}

/// Why probabilities and labels do not go together. Examples and classes are counted from 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum ProbabilityError {
    /// Fewer than two classes leave no label to be wrong.
    #[error(
        "probabilities of {classes} classes; label errors need at least 2 columns, one per class"
    )]
    Classes { classes: usize },

    /// Nothing to look at.
    #[error("no examples; at least one row of probabilities is needed")]
    Empty,

    /// The values do not fill the rows.
    #[error("{values} probabilities do not fill rows of {classes} classes")]
    Length { values: usize, classes: usize },

    /// Not one label for each row.
    #[error("{labels} {what} for {examples} rows of probabilities: one per row is needed")]
    Count { what: &'static str, labels: usize, examples: usize },

    /// A label without a column.
    #[error(
        "{what} {label} of example {example} has no column: there are {classes} classes, counted from 0"
    )]
    Label { what: &'static str, label: u32, example: usize, classes: usize },

    /// Not a probability.
    #[error(
        "the probability of class {class} for example {example} is {value}; allowed: from 0 to 1. Logits? Take their softmax first"
    )]
    Value { example: usize, class: usize, value: f64 },
}

impl Probabilities {
    /// Checks and keeps them: `values` is `[examples, classes]`, row-major.
    ///
    /// # Errors
    ///
    /// [`ProbabilityError`] for fewer than two classes, no example, a value that is not in [0, 1] (up to 1e-6), or labels that are
    /// not one per row or name no column.
    ///
    /// # Examples
    ///
    /// ```
    /// use firstguess::train::label_errors::Probabilities;
    /// let held_out = Probabilities::new(2, vec![0.9, 0.1, 0.8, 0.2, 0.1, 0.9], vec![0, 1, 1])?;
    /// assert_eq!(held_out.confident_learning().joint, [[1, 0], [1, 1]]);
    /// # Ok::<(), firstguess::train::label_errors::ProbabilityError>(())
    /// ```
    pub fn new(
        classes: usize,
        values: Vec<f64>,
        labels: Vec<u32>,
    ) -> Result<Self, ProbabilityError> {
        if classes < 2 {
            return Err(ProbabilityError::Classes { classes });
        }
        if !values.len().is_multiple_of(classes) {
            return Err(ProbabilityError::Length { values: values.len(), classes });
        }
        let examples = values.len() / classes;
        if examples == 0 {
            return Err(ProbabilityError::Empty);
        }
        if let Some(at) = values.iter().position(|p| !(-CLOSE..=1.0 + CLOSE).contains(p)) {
            let (example, class) = (at / classes, at % classes);
            return Err(ProbabilityError::Value { example, class, value: values[at] });
        }
        check_labels("label", &labels, examples, classes)?;
        // A minus before a zero would count as smaller in the orders below.
        let values = values.into_iter().map(|p| p + 0.0).collect();
        Ok(Self { classes, values, labels })
    }

    /// Number of classes, at least 2.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of examples, at least 1.
    pub fn examples(&self) -> usize {
        self.labels.len()
    }

    /// The given labels.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The probabilities of each example.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.classes)
    }

    /// The rows with their labels.
    pub(super) fn labelled(&self) -> impl ExactSizeIterator<Item = (&[f64], usize)> {
        self.rows().zip(&self.labels).map(|(row, &label)| (row, label as usize))
    }

    /// The smallest and the largest sum of a row: both 1 for true probabilities.
    pub fn row_sums(&self) -> (f64, f64) {
        let sums = self.rows().map(|row| row.iter().sum::<f64>());
        sums.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), sum| {
            (low.min(sum), high.max(sum))
        })
    }

    /// The most probable class of each example, the first of equals.
    pub fn predicted(&self) -> Vec<u32> {
        self.rows().map(|row| u32::try_from(most_probable(row)).unwrap_or(u32::MAX)).collect()
    }

    /// How probable each given label is: the smaller, the more suspicious.
    ///
    /// ```text
    /// s_i = P[i, ỹ_i]
    /// ```
    pub fn self_confidence(&self) -> Vec<f64> {
        self.labelled().map(|(row, label)| row[label]).collect()
    }

    /// How far each given label leads the best other class, mapped to [0, 1].
    ///
    /// ```text
    /// s_i = (P[i, ỹ_i] - max_{k ≠ ỹ_i} P[i, k] + 1)/2
    /// ```
    pub fn normalized_margin(&self) -> Vec<f64> {
        let margin = |(row, label): (&[f64], usize)| {
            let others = row.iter().enumerate().filter(|(k, _)| *k != label);
            let best = others.fold(f64::NEG_INFINITY, |best, (_, &p)| best.max(p));
            f64::midpoint(row[label] - best, 1.0)
        };
        self.labelled().map(margin).collect()
    }

    /// Counts given against confidently predicted labels.
    ///
    /// # References
    ///
    /// `northcutt2021`; the details are those of cleanlab 2.9 (docs/theory/losses.md, section on label errors).
    pub fn confident_learning(&self) -> ConfidentLearning {
        let classes = self.classes;
        let thresholds = self.thresholds();
        let mut joint = vec![vec![0_u64; classes]; classes];
        let mut confident = Vec::with_capacity(self.examples());
        for (row, label) in self.labelled() {
            let guess = confident_class(row, &thresholds);
            if let Some(guess) = guess {
                joint[label][guess] += 1;
            }
            confident.push(guess.and_then(|guess| u32::try_from(guess).ok()));
        }
        // At least one example of each class is taken to be right.
        for (class, row) in joint.iter_mut().enumerate() {
            row[class] = row[class].max(1);
        }
        let mut label_counts = vec![0_u64; classes];
        for &label in &self.labels {
            label_counts[label as usize] += 1;
        }
        let calibrated = calibrate(&joint, &label_counts);
        ConfidentLearning { thresholds, confident, joint, calibrated, label_counts }
    }

    /// Mean probability of each class among the examples that carry it.
    fn thresholds(&self) -> Vec<Option<f64>> {
        let mut own: Vec<Vec<f64>> = vec![Vec::new(); self.classes];
        for (row, label) in self.labelled() {
            own[label].push(row[label]);
        }
        let mean = |own: Vec<f64>| {
            (!own.is_empty()).then(|| (pairwise_sum(&own) / own.len() as f64).max(LOWEST_THRESHOLD))
        };
        own.into_iter().map(mean).collect()
    }
}

/// Refuses labels that are not one per example or name no class.
pub(super) fn check_labels(
    what: &'static str,
    labels: &[u32],
    examples: usize,
    classes: usize,
) -> Result<(), ProbabilityError> {
    if labels.len() != examples {
        return Err(ProbabilityError::Count {
            what: if what == "label" { "labels" } else { "true labels" },
            labels: labels.len(),
            examples,
        });
    }
    match labels.iter().position(|&label| label as usize >= classes) {
        None => Ok(()),
        Some(example) => {
            Err(ProbabilityError::Label { what, label: labels[example], example, classes })
        }
    }
}

/// The class that a row is confident of; where several pass their thresholds, the most probable of all.
fn confident_class(row: &[f64], thresholds: &[Option<f64>]) -> Option<usize> {
    let mut passing = row
        .iter()
        .zip(thresholds)
        .enumerate()
        .filter(|(_, (p, threshold))| threshold.is_some_and(|t| **p >= t - CLOSE))
        .map(|(class, _)| class);
    let first = passing.next()?;
    Some(if passing.next().is_some() { most_probable(row) } else { first })
}

/// The most probable class, the first of equals.
pub(super) fn most_probable(row: &[f64]) -> usize {
    let mut best = 0;
    for (class, p) in row.iter().enumerate() {
        if *p > row[best] {
            best = class;
        }
    }
    best
}

/// Scales each row to the count of its given label and the whole to the number of examples, in whole numbers.
fn calibrate(joint: &[Vec<u64>], label_counts: &[u64]) -> Vec<Vec<u64>> {
    let classes = joint.len();
    let scaled = |given: usize, guess: usize| {
        let sum: u64 = joint[given].iter().sum();
        joint[given][guess] as f64 / sum as f64 * label_counts[given] as f64
    };
    // By predicted class first, the order in which the reference stores them: the sum's last bit depends on it.
    let stored: Vec<f64> =
        (0..classes * classes).map(|at| scaled(at % classes, at / classes)).collect();
    let total = pairwise_sum(&stored);
    let examples: u64 = label_counts.iter().sum();
    (0..classes)
        .map(|given| {
            let row: Vec<f64> = (0..classes)
                .map(|guess| stored[guess * classes + given] / total * examples as f64)
                .collect();
            preserving_sum(&row)
        })
        .collect()
}

/// Every step of confident learning, in order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfidentLearning {
    /// `t_k`: mean probability of class k among the examples labelled k, at least 2e-6. `None` for a class without examples: nothing
    /// is ever confidently predicted to be one.
    ///
    /// ```text
    /// t_k = mean of P[i, k] over {i : ỹ_i = k}
    /// ```
    pub thresholds: Vec<Option<f64>>,
    /// The class that each example is confidently predicted to be: the one class with `P[i, k] ≥ t_k - 1e-6`, the most probable class
    /// if there are several, `None` if there is none.
    pub confident: Vec<Option<u32>>,
    /// `joint[j][k]`: examples with given label j that are confidently predicted to be k. At least 1 on the diagonal.
    pub joint: Vec<Vec<u64>>,
    /// The joint with each row scaled to the count of its given label, in whole numbers.
    pub calibrated: Vec<Vec<u64>>,
    /// Examples of each given label.
    pub label_counts: Vec<u64>,
}

impl ConfidentLearning {
    /// Share of wrong labels that the calibrated joint estimates.
    ///
    /// ```text
    /// 1 - Σ_k J[k][k] / Σ_jk J[j][k]
    /// ```
    pub fn estimated_error_rate(&self) -> f64 {
        let all: u64 = self.calibrated.iter().flatten().sum();
        let right: u64 = self.calibrated.iter().enumerate().map(|(k, row)| row[k]).sum();
        if all == 0 { 0.0 } else { 1.0 - right as f64 / all as f64 }
    }
}
