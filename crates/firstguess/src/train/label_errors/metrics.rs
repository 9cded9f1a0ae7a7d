//! How well wrong labels were found, where the true ones are known.

use serde::Serialize;

use super::confident::{ProbabilityError, check_labels};

/// Counts of a detection against the truth, "positive" meaning that the label is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Detection {
    /// Wrong labels that were flagged.
    pub true_positives: usize,
    /// Right labels that were flagged.
    pub false_positives: usize,
    /// Wrong labels that were missed.
    pub false_negatives: usize,
    /// Right labels that were let be.
    pub true_negatives: usize,
}

impl Detection {
    /// Counts flags against whether each label is wrong. Of lists of different length the excess is left out.
    ///
    /// # Examples
    ///
    /// ```
    /// use firstguess::train::label_errors::Detection;
    /// let found = Detection::new(&[true, true, false, false], &[true, false, true, false]);
    /// assert_eq!(found.f1(), Some(0.5));
    /// assert_eq!(found.balanced_accuracy(), Some(0.5));
    /// ```
    pub fn new(flagged: &[bool], wrong: &[bool]) -> Self {
        let count = |flag: bool, fault: bool| {
            flagged.iter().zip(wrong).filter(|&(f, w)| (*f, *w) == (flag, fault)).count()
        };
        Self {
            true_positives: count(true, true),
            false_positives: count(true, false),
            false_negatives: count(false, true),
            true_negatives: count(false, false),
        }
    }

    /// Counts flags where a given label is wrong if it differs from the true one.
    ///
    /// # Errors
    ///
    /// [`ProbabilityError`] if the true labels are not one per example or name no class.
    pub fn against_truth(
        flagged: &[bool],
        given: &[u32],
        truth: &[u32],
        classes: usize,
    ) -> Result<Self, ProbabilityError> {
        check_labels("true label", truth, given.len(), classes)?;
        let wrong: Vec<bool> =
            given.iter().zip(truth).map(|(given, truth)| given != truth).collect();
        Ok(Self::new(flagged, &wrong))
    }

    /// Share of the flagged that are wrong; `None` where nothing is flagged.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.true_positives, self.true_positives + self.false_positives)
    }

    /// Share of the wrong that are flagged (TPR); `None` where nothing is wrong.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// Share of the right that are let be (TNR); `None` where everything is wrong.
    pub fn specificity(&self) -> Option<f64> {
        ratio(self.true_negatives, self.true_negatives + self.false_positives)
    }

    /// Harmonic mean of precision and recall; `None` where nothing is wrong and nothing is flagged.
    ///
    /// ```text
    /// F1 = 2 TP/(2 TP + FP + FN)
    /// ```
    pub fn f1(&self) -> Option<f64> {
        let twice = 2 * self.true_positives;
        ratio(twice, twice + self.false_positives + self.false_negatives)
    }

    /// Mean of recall and specificity: 1/2 for any guess that ignores the examples. `None` where either has no value.
    ///
    /// ```text
    /// (TPR + TNR)/2
    /// ```
    pub fn balanced_accuracy(&self) -> Option<f64> {
        Some(f64::midpoint(self.recall()?, self.specificity()?))
    }
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
