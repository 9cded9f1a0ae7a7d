//! A data set in memory: examples of one shape, with or without class labels.

mod noise;
mod split;
mod standardize;

pub use noise::LabelNoise;
pub use split::Fold;
pub use standardize::{Standardize, Standardizer};

use serde::{Deserialize, Serialize};

use super::shape::{Shape, ShapeError};

/// Largest number of classes.
pub const MAX_CLASSES: usize = 1 << 20;

/// Examples of one shape, with or without class labels. Immutable: every operation returns a new set.
///
/// Inputs are `[examples, shape…]`, row-major, finite. Sums over them are taken in f64.
///
/// # Examples
///
/// ```
/// # use firstguess::spec::{Dataset, Shape, Standardize};
/// let data = Dataset::new("two points", Shape::flat(2)?, vec![1.0, 4.0, 3.0, 4.0])?
///     .with_labels(vec![0, 1], 2)?;
/// assert_eq!(data.row(1), Some(&[3.0, 4.0][..]));
/// // The mean (2, 4) against the only spread, variance 1 of the first feature.
/// assert_eq!(data.offset()?, 20.0);
///
/// let centred = data.standardize(Standardize::Feature)?;
/// assert_eq!(centred.inputs(), [-1.0, 0.0, 1.0, 0.0]); // a constant feature becomes 0
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    name: String,
    shape: Shape,
    inputs: Vec<f32>,
    labels: Option<Vec<u32>>,
    /// The labels before noise was put on them.
    true_labels: Option<Vec<u32>>,
    classes: usize,
}

/// Which of the two official parts of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What one may train on, or all of a set without official parts.
    #[default]
    Train,
    /// What is held back for the last word.
    Test,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}

/// How many classes are made into two.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Binarize {
    /// Even labels become 0, odd labels 1. Every example is kept.
    #[serde(rename = "odd_even", alias = "parity")]
    Parity,
    /// The classes of `zero` become 0, those of `one` 1. Examples of any other class are dropped.
    Groups {
        /// Classes that become class 0.
        zero: Vec<u32>,
        /// Classes that become class 1.
        one: Vec<u32>,
    },
}

/// Why a [`Dataset`], or an operation on it, was refused. Examples and features are counted from 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum DatasetError {
    /// An example of impossible shape.
    #[error(transparent)]
    Shape(#[from] ShapeError),

    /// No example is left.
    #[error("a data set needs at least one example")]
    Empty,

    /// The inputs do not fill whole examples.
    #[error("{values} input values are not a whole number of examples of shape {shape}")]
    Length { values: usize, shape: Shape },

    /// NaN or infinity among the inputs.
    #[error("input value {value} in example {example}, feature {feature}: inputs must be finite")]
    NotFinite { example: usize, feature: usize, value: f32 },

    /// Not one label per example.
    #[error("{labels} labels for {examples} examples: one label per example is needed")]
    LabelCount { labels: usize, examples: usize },

    /// A label that is no class.
    #[error("label {label} of example {example} must be below the number of classes, {classes}")]
    Label { example: usize, label: u32, classes: usize },

    /// The number of classes is zero or absurd.
    #[error("{classes} classes; a labelled set has from 1 to {MAX_CLASSES}")]
    Classes { classes: usize },

    /// A class was named that the set does not have.
    #[error("class {class} does not exist: the set has {classes} classes, counted from 0")]
    UnknownClass { class: u32, classes: usize },

    /// A class was named twice.
    #[error("class {class} is named twice")]
    RepeatedClass { class: u32 },

    /// Labels are needed for this.
    #[error("`{name}` has no labels, which this needs")]
    Unlabelled { name: String },

    /// An example was asked for that does not exist.
    #[error("example {index} was asked for, the set has {examples} (counted from 0)")]
    Index { index: usize, examples: usize },

    /// Noise that is no probability of changing a label.
    #[error("label noise: {problem}")]
    Noise { problem: String },

    /// Shares that do not divide a set.
    #[error("cannot divide {examples} examples: {problem}")]
    Division { examples: usize, problem: String },

    /// The statistics of one set were to be used on another of a different shape.
    #[error("standardization fitted to shape {fitted} cannot be applied to shape {shape}")]
    OtherShape { fitted: Shape, shape: Shape },

    /// Every example is the same: nothing to compare an offset with.
    #[error(
        "all examples of `{name}` are equal: their covariance is 0 and the offset |mean|² / tr(covariance) has no value"
    )]
    NoSpread { name: String },
}

impl Dataset {
    /// Unlabelled examples of `shape`; `inputs` is `[examples, shape…]`, row-major.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] if there is no example, `inputs` is not a whole number of examples, or a value is NaN or infinite.
    pub fn new(
        name: impl Into<String>,
        shape: Shape,
        inputs: Vec<f32>,
    ) -> Result<Self, DatasetError> {
        if inputs.is_empty() {
            return Err(DatasetError::Empty);
        }
        let features = shape.size();
        if !inputs.len().is_multiple_of(features) {
            return Err(DatasetError::Length { values: inputs.len(), shape });
        }
        if let Some(index) = inputs.iter().position(|value| !value.is_finite()) {
            let (example, feature) = (index / features, index % features);
            return Err(DatasetError::NotFinite { example, feature, value: inputs[index] });
        }
        Ok(Self { name: name.into(), shape, inputs, labels: None, true_labels: None, classes: 0 })
    }

    /// The same examples with these labels, each below `classes`.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] if there is not one label per example, a label is out of range, or `classes` is 0 or above [`MAX_CLASSES`].
    pub fn with_labels(mut self, labels: Vec<u32>, classes: usize) -> Result<Self, DatasetError> {
        let examples = self.examples();
        if !(1..=MAX_CLASSES).contains(&classes) {
            return Err(DatasetError::Classes { classes });
        }
        if labels.len() != examples {
            return Err(DatasetError::LabelCount { labels: labels.len(), examples });
        }
        if let Some(example) = labels.iter().position(|&label| label as usize >= classes) {
            return Err(DatasetError::Label { example, label: labels[example], classes });
        }
        (self.labels, self.true_labels, self.classes) = (Some(labels), None, classes);
        Ok(self)
    }

    /// What the set is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same set under another name.
    #[must_use]
    pub fn renamed(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// The shape of one example.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Number of examples, at least 1.
    pub fn examples(&self) -> usize {
        self.inputs.len() / self.features()
    }

    /// Number of values in one example.
    pub fn features(&self) -> usize {
        self.shape.size()
    }

    /// All inputs, `[examples, shape…]`, row-major.
    pub fn inputs(&self) -> &[f32] {
        &self.inputs
    }

    /// The inputs of example `index`, `None` past the end.
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        self.inputs.chunks_exact(self.features()).nth(index)
    }

    /// One label per example, `None` for an unlabelled set.
    pub fn labels(&self) -> Option<&[u32]> {
        self.labels.as_deref()
    }

    /// The labels before noise was put on them, `None` where none was.
    pub fn true_labels(&self) -> Option<&[u32]> {
        self.true_labels.as_deref()
    }

    /// Number of classes; 0 for an unlabelled set. A class may have no example.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of examples of each class, `[classes]`; empty for an unlabelled set.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        for &label in self.labels().unwrap_or_default() {
            counts[label as usize] += 1;
        }
        counts
    }

    /// The first `count` examples, or all of them where there are fewer.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Empty`] if `count` is 0.
    pub fn take(&self, count: usize) -> Result<Self, DatasetError> {
        if count == 0 {
            return Err(DatasetError::Empty);
        }
        let count = count.min(self.examples());
        Ok(Self {
            inputs: self.inputs[..count * self.features()].to_vec(),
            labels: self.labels().map(|labels| labels[..count].to_vec()),
            true_labels: self.true_labels().map(|labels| labels[..count].to_vec()),
            name: self.name.clone(),
            ..*self
        })
    }

    /// The examples at `indices`, in that order; an index may repeat.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] if `indices` is empty or one is past the end.
    pub fn subset(&self, indices: &[usize]) -> Result<Self, DatasetError> {
        let examples = self.examples();
        if let Some(&index) = indices.iter().find(|&&index| index >= examples) {
            return Err(DatasetError::Index { index, examples });
        }
        if indices.is_empty() {
            return Err(DatasetError::Empty);
        }
        let n = self.features();
        let rows = indices.iter().flat_map(|&i| &self.inputs[i * n..(i + 1) * n]);
        Ok(Self {
            inputs: rows.copied().collect(),
            labels: self.labels().map(|labels| indices.iter().map(|&i| labels[i]).collect()),
            true_labels: self
                .true_labels()
                .map(|labels| indices.iter().map(|&i| labels[i]).collect()),
            name: self.name.clone(),
            ..*self
        })
    }

    /// The examples of these classes only; `classes[k]` becomes class `k`.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] if the set has no labels, a class does not exist or is named twice, or no example is left.
    ///
    /// Noise is put on labels afterwards: a set with noisy labels forgets its true ones here.
    pub fn select_classes(&self, classes: &[u32]) -> Result<Self, DatasetError> {
        let groups: Vec<&[u32]> = classes.chunks(1).collect();
        self.regroup(&groups)
    }

    /// The same examples with two classes in place of many.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] if the set has no labels, a class does not exist or is named twice, or no example is left.
    pub fn binarize(&self, how: &Binarize) -> Result<Self, DatasetError> {
        match how {
            Binarize::Parity => {
                let labels = self.require_labels()?.iter().map(|label| label % 2).collect();
                Ok(Self { labels: Some(labels), true_labels: None, classes: 2, ..self.clone() })
            }
            Binarize::Groups { zero, one } => self.regroup(&[zero, one]),
        }
    }

    /// Keeps the classes named in `groups`; those of `groups[k]` become class `k`.
    fn regroup(&self, groups: &[&[u32]]) -> Result<Self, DatasetError> {
        let labels = self.require_labels()?;
        let mut group_of: Vec<Option<u32>> = vec![None; self.classes];
        for (group, classes) in (0..).zip(groups) {
            for &class in *classes {
                match group_of.get_mut(class as usize) {
                    None => {
                        return Err(DatasetError::UnknownClass { class, classes: self.classes });
                    }
                    Some(Some(_)) => return Err(DatasetError::RepeatedClass { class }),
                    Some(slot) => *slot = Some(group),
                }
            }
        }
        let (indices, labels): (Vec<usize>, Vec<u32>) = labels
            .iter()
            .enumerate()
            .filter_map(|(i, &label)| group_of[label as usize].map(|group| (i, group)))
            .unzip();
        let part = self.subset(&indices)?;
        Ok(Self { labels: Some(labels), true_labels: None, classes: groups.len(), ..part })
    }

    fn require_labels(&self) -> Result<&[u32], DatasetError> {
        self.labels().ok_or_else(|| DatasetError::Unlabelled { name: self.name.clone() })
    }

    /// The mean of every feature over the examples, `[features]`.
    pub fn mean_input(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.features()];
        for row in self.inputs.chunks_exact(self.features()) {
            for (sum, &x) in mean.iter_mut().zip(row) {
                *sum += f64::from(x);
            }
        }
        let count = self.examples() as f64;
        for sum in &mut mean {
            *sum /= count;
        }
        mean
    }

    /// The mean square of an input value, which sets the pre-activation variance of the first layer.
    ///
    /// ```text
    /// m₂ = Σ_a |x_a|² / (examples · features)
    /// ```
    pub fn second_moment(&self) -> f64 {
        let sum: f64 = self.inputs.iter().map(|&x| f64::from(x).powi(2)).sum();
        sum / self.inputs.len() as f64
    }

    /// How far the data lie off the origin against their own spread: γ of the first layer of a network without biases.
    ///
    /// ```text
    /// γ₁ = |x̄|² / tr Σ,   Σ = Σ_a (x_a - x̄)(x_a - x̄)ᵀ / examples
    /// ```
    ///
    /// 0 exactly where every feature is centred; `s²` after a shift by `s` of centred features of variance 1.
    ///
    /// # Errors
    ///
    /// [`DatasetError::NoSpread`] if all examples are equal.
    ///
    /// # References
    ///
    /// Derived in docs/theory/mean-field.md, data dependence.
    pub fn offset(&self) -> Result<f64, DatasetError> {
        let mean = self.mean_input();
        // Two passes: E[x²] - E[x]² would cancel where the offset is large.
        let mut spread = 0.0;
        for row in self.inputs.chunks_exact(self.features()) {
            spread += row.iter().zip(&mean).map(|(&x, m)| (f64::from(x) - m).powi(2)).sum::<f64>();
        }
        spread /= self.examples() as f64;
        if spread == 0.0 {
            return Err(DatasetError::NoSpread { name: self.name.clone() });
        }
        Ok(mean.iter().map(|m| m * m).sum::<f64>() / spread)
    }

    /// The same examples with `shift` added to every value.
    ///
    /// # Errors
    ///
    /// [`DatasetError::NotFinite`] if `shift` is not finite or a sum leaves the range of f32.
    pub fn shifted(&self, shift: f64) -> Result<Self, DatasetError> {
        self.with_inputs(self.inputs.iter().map(|&x| to_f32(f64::from(x) + shift)).collect())
    }

    /// The same labels on other inputs of the same shape, checked anew.
    fn with_inputs(&self, inputs: Vec<f32>) -> Result<Self, DatasetError> {
        let checked = Self::new(self.name.clone(), self.shape, inputs)?;
        let (labels, true_labels) = (self.labels.clone(), self.true_labels.clone());
        Ok(Self { labels, true_labels, classes: self.classes, ..checked })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to the networks' precision is meant")]
fn to_f32(x: f64) -> f32 {
    x as f32
}

#[cfg(test)]
mod tests;
