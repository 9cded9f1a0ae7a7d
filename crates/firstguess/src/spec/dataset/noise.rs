//! Labels changed on purpose, to study what wrong labels do.

use serde::{Deserialize, Serialize};

use super::{Dataset, DatasetError};
use crate::math::stream::{Purpose, Seed, Stream};

/// How far a row of a transition matrix may be from summing to 1: numbers are written with few digits.
const ROW_TOLERANCE: f64 = 1e-6;

/// With what probability a label is given a wrong class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelNoise {
    /// Every label changes with this probability, to each other class equally often.
    Uniform(f64),
    /// `transition[j][k]`: probability that an example of class j is labelled k. Square, one row per class, rows sum to 1.
    Transition(Vec<Vec<f64>>),
}

impl LabelNoise {
    /// Whether this is noise on `classes` classes; on any number where `None` is given.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Noise`] for a rate outside [0, 1], a matrix that is not square or of another size, or a row that is no
    /// distribution.
    pub fn validate(&self, classes: Option<usize>) -> Result<(), DatasetError> {
        let refuse = |problem: String| Err(DatasetError::Noise { problem });
        match self {
            Self::Uniform(rate) if !(0.0..=1.0).contains(rate) => {
                refuse(format!("`uniform` must be from 0 to 1, got {rate}"))
            }
            Self::Uniform(rate) if classes == Some(1) && *rate > 0.0 => {
                refuse("one class leaves no other to change to".to_owned())
            }
            Self::Uniform(_) => Ok(()),
            Self::Transition(rows) => {
                let size = classes.unwrap_or(rows.len());
                if rows.len() != size || rows.is_empty() {
                    return refuse(format!(
                        "`transition` needs one row per class, {size}, got {}",
                        rows.len()
                    ));
                }
                for (class, row) in rows.iter().enumerate() {
                    if row.len() != size {
                        return refuse(format!(
                            "row {class} of `transition` needs {size} numbers, one per class, got {}",
                            row.len()
                        ));
                    }
                    if let Some(bad) = row.iter().find(|p| !(0.0..=1.0).contains(*p)) {
                        return refuse(format!(
                            "row {class} of `transition` holds {bad}; probabilities are from 0 to 1"
                        ));
                    }
                    let sum: f64 = row.iter().sum();
                    if (sum - 1.0).abs() > ROW_TOLERANCE {
                        return refuse(format!(
                            "row {class} of `transition` sums to {sum}; each row must sum to 1"
                        ));
                    }
                }
                Ok(())
            }
        }
    }

    /// The labels with noise: that of example i depends on the seed and i alone.
    ///
    /// # Errors
    ///
    /// As [`LabelNoise::validate`], and [`DatasetError::Label`] for a label that is no class.
    pub fn apply(
        &self,
        labels: &[u32],
        classes: usize,
        seed: Seed,
    ) -> Result<Vec<u32>, DatasetError> {
        self.validate(Some(classes))?;
        if let Some(example) = labels.iter().position(|&label| label as usize >= classes) {
            return Err(DatasetError::Label { example, label: labels[example], classes });
        }
        // Two uniforms for each example: whether, and to which class.
        let mut uniforms = vec![0.0; 2 * labels.len()];
        Stream::new(seed, 0, 0, Purpose::Labels).fill_uniform_f64(0, &mut uniforms);
        let pairs = uniforms.as_chunks::<2>().0;
        Ok(labels
            .iter()
            .zip(pairs)
            .map(|(&label, &pair)| self.draw(label, classes, pair))
            .collect())
    }

    fn draw(&self, label: u32, classes: usize, [whether, which]: [f64; 2]) -> u32 {
        match self {
            Self::Uniform(rate) if whether >= *rate => label,
            Self::Uniform(_) => {
                // The (classes - 1) others, in order, the label itself left out.
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "below the number of classes"
                )]
                let other = (which * (classes - 1) as f64) as u32;
                if other < label { other } else { other + 1 }
            }
            Self::Transition(rows) => {
                let row = &rows[label as usize];
                let mut below = 0.0;
                for (class, p) in (0_u32..).zip(row) {
                    below += p;
                    if whether < below {
                        return class;
                    }
                }
                // A row that sums to a little less than 1: the rest is the last class that is possible at all.
                let last = row.iter().rposition(|p| *p > 0.0);
                last.and_then(|last| u32::try_from(last).ok()).unwrap_or(label)
            }
        }
    }
}

impl Dataset {
    /// The same examples with noise on their labels; the labels as they were stay in [`Dataset::true_labels`].
    ///
    /// # Errors
    ///
    /// [`DatasetError`] if the set has no labels or the noise does not fit its classes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use firstguess::spec::{Dataset, Shape, dataset::LabelNoise};
    /// # use firstguess::math::stream::Seed;
    /// let data = Dataset::new("a thousand", Shape::flat(1)?, vec![0.0; 1000])?
    ///     .with_labels(vec![3; 1000], 10)?
    ///     .with_label_noise(&LabelNoise::Uniform(0.2), Seed(0))?;
    /// // Binomial: 200 expected, standard deviation 13.
    /// assert!(data.changed_labels().abs_diff(200) < 50);
    /// assert_eq!(data.true_labels(), Some(&[3; 1000][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_label_noise(&self, noise: &LabelNoise, seed: Seed) -> Result<Self, DatasetError> {
        let labels = self.require_labels()?;
        let noisy = noise.apply(labels, self.classes, seed)?;
        let truth = self.true_labels.clone().unwrap_or_else(|| labels.to_vec());
        Ok(Self { labels: Some(noisy), true_labels: Some(truth), ..self.clone() })
    }

    /// Number of labels that noise changed.
    pub fn changed_labels(&self) -> usize {
        let (labels, truth) = (self.labels.iter().flatten(), self.true_labels.iter().flatten());
        labels.zip(truth).filter(|(label, truth)| label != truth).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Shape;

    #[test]
    fn uniform_noise_changes_the_rate_asked_for_to_every_other_class() {
        let labels: Vec<u32> = (0..40_000).map(|i| i % 4).collect();
        let noisy = LabelNoise::Uniform(0.3).apply(&labels, 4, Seed(1)).unwrap();
        let mut counts = [[0_u32; 4]; 4];
        for (&truth, &given) in labels.iter().zip(&noisy) {
            counts[truth as usize][given as usize] += 1;
        }
        // 10 000 of each class: expected 7000 kept and 1000 to each other, standard deviations 46 and 30.
        for (truth, row) in counts.iter().enumerate() {
            for (given, &count) in row.iter().enumerate() {
                let (wanted, sigma) = if truth == given { (7000, 46) } else { (1000, 30) };
                assert!(count.abs_diff(wanted) < 4 * sigma, "{truth} → {given}: {count}");
            }
        }
        assert_eq!(LabelNoise::Uniform(0.0).apply(&labels, 4, Seed(1)).unwrap(), labels);
        let all = LabelNoise::Uniform(1.0).apply(&labels, 4, Seed(1)).unwrap();
        assert!(all.iter().zip(&labels).all(|(a, b)| a != b && *a < 4));
    }

    #[test]
    fn a_transition_matrix_is_followed_row_by_row() {
        let labels: Vec<u32> = (0..30_000).map(|i| i % 3).collect();
        let rows = vec![vec![0.9, 0.1, 0.0], vec![0.0, 1.0, 0.0], vec![0.25, 0.25, 0.5]];
        let noisy = LabelNoise::Transition(rows.clone()).apply(&labels, 3, Seed(5)).unwrap();
        for (truth, row) in (0_u32..).zip(&rows) {
            for (given, p) in (0_u32..).zip(row) {
                let pairs = labels.iter().zip(&noisy);
                let share = pairs.filter(|&(a, b)| (*a, *b) == (truth, given)).count() as f64 / 1e4;
                assert!(
                    (share - p).abs() <= 0.02 * p.min(1.0 - p).sqrt(),
                    "{truth} → {given}: {share}"
                );
            }
        }
    }

    /// A part of the examples carries the noise of the whole: the draw is addressed by position.
    #[test]
    fn noise_is_addressed_by_example_and_moves_with_the_seed() {
        let noise = LabelNoise::Uniform(0.5);
        let all = noise.apply(&[0; 100], 10, Seed(2)).unwrap();
        assert_eq!(noise.apply(&[0; 40], 10, Seed(2)).unwrap(), all[..40]);
        assert_ne!(noise.apply(&[0; 100], 10, Seed(3)).unwrap(), all);
    }

    #[test]
    fn noise_that_is_none_is_refused() {
        let problem = |noise: LabelNoise, classes| {
            noise.apply(&[0], classes, Seed(0)).unwrap_err().to_string()
        };
        for rate in [-0.1, 1.1, f64::NAN] {
            assert!(problem(LabelNoise::Uniform(rate), 2).contains("from 0 to 1"));
        }
        assert!(problem(LabelNoise::Uniform(0.1), 1).contains("no other"));
        let matrix = LabelNoise::Transition;
        assert!(problem(matrix(vec![vec![1.0]]), 2).contains("one row per class, 2"));
        assert!(problem(matrix(vec![vec![1.0], vec![0.0, 1.0]]), 2).contains("row 0"));
        assert!(problem(matrix(vec![vec![0.5, 0.4], vec![0.0, 1.0]]), 2).contains("sums to 0.9"));
        assert!(problem(matrix(vec![vec![1.5, -0.5], vec![0.0, 1.0]]), 2).contains("holds 1.5"));
        assert!(matrix(vec![]).validate(None).is_err());
        let unlabelled = Dataset::new("x", Shape::flat(1).unwrap(), vec![0.0]).unwrap();
        assert!(unlabelled.with_label_noise(&LabelNoise::Uniform(0.1), Seed(0)).is_err());
    }

    #[test]
    fn a_noisy_set_keeps_its_true_labels_through_parts() {
        let data = Dataset::new("x", Shape::flat(1).unwrap(), vec![0.0; 6]).unwrap();
        let data = data.with_labels(vec![0, 1, 2, 0, 1, 2], 3).unwrap();
        let noisy = data.with_label_noise(&LabelNoise::Uniform(1.0), Seed(0)).unwrap();
        assert_eq!(noisy.changed_labels(), 6);
        let part = noisy.subset(&[5, 1]).unwrap();
        assert_eq!((part.true_labels(), part.changed_labels()), (Some(&[2, 1][..]), 2));
        assert_eq!(noisy.take(2).unwrap().true_labels(), Some(&[0, 1][..]));
        assert_eq!(noisy.shifted(1.0).unwrap().true_labels(), data.labels());
        // Noise on noise still knows the first labels.
        let twice = noisy.with_label_noise(&LabelNoise::Uniform(0.0), Seed(0)).unwrap();
        assert_eq!(twice.true_labels(), data.labels());
        // New labels are their own truth.
        assert_eq!(noisy.with_labels(vec![0; 6], 1).unwrap().changed_labels(), 0);
    }
}
