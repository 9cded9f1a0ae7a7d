//! A data set in memory: examples of one shape, with or without class labels.

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
    classes: usize,
}

/// How inputs are brought to mean 0 and variance 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standardize {
    /// Inputs as they are.
    None,
    /// One mean and one standard deviation over all values. Leaves the mean image, hence a drift in the first layer.
    Global,
    /// One of each per channel of an image. A vector is one channel: the same as [`Standardize::Global`].
    Channel,
    /// One of each per feature (pixel): the only choice that centres every feature.
    Feature,
}

/// How many classes are made into two.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Binarize {
    /// Even labels become 0, odd labels 1. Every example is kept.
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
        Ok(Self { name: name.into(), shape, inputs, labels: None, classes: 0 })
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
        (self.labels, self.classes) = (Some(labels), classes);
        Ok(self)
    }

    /// What the set is called.
    pub fn name(&self) -> &str {
        &self.name
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
            name: self.name.clone(),
            ..*self
        })
    }

    /// The examples of these classes only; `classes[k]` becomes class `k`.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] if the set has no labels, a class does not exist or is named twice, or no example is left.
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
                Ok(Self { labels: Some(labels), classes: 2, ..self.clone() })
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
        Ok(Self { labels: Some(labels), classes: groups.len(), ..self.subset(&indices)? })
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

    /// The same examples brought to mean 0 and variance 1 (divisor: the number of values) within each group of values that `how` names.
    ///
    /// ```text
    /// x ← (x - mean) / std
    /// ```
    ///
    /// A group whose values are all equal becomes 0 everywhere.
    ///
    /// # Errors
    ///
    /// None on a set that was made by [`Dataset::new`]; the result is checked like any other.
    pub fn standardize(&self, how: Standardize) -> Result<Self, DatasetError> {
        let features = self.features();
        let channels = self.shape.as_image().map_or(1, |[channels, ..]| channels);
        let groups = match how {
            Standardize::None => return Ok(self.clone()),
            Standardize::Global => 1,
            Standardize::Channel => channels,
            Standardize::Feature => features,
        };
        // Values of one group lie together within an example.
        let run = features / groups;
        let count = (self.examples() * run) as f64;
        let mut mean = vec![0.0; groups];
        for row in self.inputs.chunks_exact(features) {
            for (sum, run) in mean.iter_mut().zip(row.chunks_exact(run)) {
                *sum += run.iter().map(|&x| f64::from(x)).sum::<f64>();
            }
        }
        for sum in &mut mean {
            *sum /= count;
        }
        let mut scale = vec![0.0; groups];
        // Equality is asked of the values themselves: a rounded mean can leave a variance of 1e-40.
        let mut constant = vec![true; groups];
        for row in self.inputs.chunks_exact(features) {
            for (group, values) in row.chunks_exact(run).enumerate() {
                let first = self.inputs[group * run];
                constant[group] &= values.iter().all(|&x| x == first);
                scale[group] +=
                    values.iter().map(|&x| (f64::from(x) - mean[group]).powi(2)).sum::<f64>();
            }
        }
        for (scale, &constant) in scale.iter_mut().zip(&constant) {
            let std = (*scale / count).sqrt();
            *scale = if constant || std == 0.0 { 0.0 } else { std.recip() };
        }
        let mut inputs = self.inputs.clone();
        for row in inputs.chunks_exact_mut(features) {
            for (group, values) in row.chunks_exact_mut(run).enumerate() {
                for x in values {
                    *x = to_f32((f64::from(*x) - mean[group]) * scale[group]);
                }
            }
        }
        self.with_inputs(inputs)
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
        Ok(Self { labels: self.labels.clone(), classes: self.classes, ..checked })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to the networks' precision is meant")]
fn to_f32(x: f64) -> f32 {
    x as f32
}

#[cfg(test)]
mod tests;
