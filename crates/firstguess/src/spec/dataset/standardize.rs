//! Inputs of mean 0 and variance 1, or from 0 to 1, with the statistics of the same or of another set.

use serde::{Deserialize, Serialize};

use super::{Dataset, DatasetError, Shape, to_f32};

/// How inputs are brought to mean 0 and variance 1, or from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standardize {
    /// Inputs as they are.
    None,
    /// The smallest value of all becomes 0 and the largest 1: pixels as many programs take them, not centred.
    UnitRange,
    /// One mean and one standard deviation over all values. Leaves the mean image, hence a drift in the first layer.
    Global,
    /// One of each per channel of an image. A vector is one channel: the same as [`Standardize::Global`].
    Channel,
    /// One of each per feature (pixel): the only choice that centres every feature.
    Feature,
}

/// Mean and scale of each group of values, taken from one set and applied to any of its shape: a test set is brought to the scale of
/// the training set, not to its own.
///
/// # Examples
///
/// ```
/// # use firstguess::spec::{Dataset, Shape, Standardize, dataset::Standardizer};
/// let train = Dataset::new("train", Shape::flat(1)?, vec![0.0, 4.0])?;
/// let test = Dataset::new("test", Shape::flat(1)?, vec![6.0])?;
/// let scale = Standardizer::fit(&train, Standardize::Feature);
/// assert_eq!(scale.apply(&test)?.inputs(), [2.0]); // (6 - 2)/2
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Standardizer {
    shape: Shape,
    /// One of each per group; empty for [`Standardize::None`].
    mean: Vec<f64>,
    scale: Vec<f64>,
}

impl Standardizer {
    /// Mean and standard deviation (divisor: the number of values) of each group of values that `how` names. A group whose values are
    /// all equal gets scale 0 and becomes 0 everywhere.
    pub fn fit(data: &Dataset, how: Standardize) -> Self {
        let (shape, features) = (data.shape(), data.features());
        let channels = shape.as_image().map_or(1, |[channels, ..]| channels);
        let groups = match how {
            Standardize::None => return Self { shape, mean: Vec::new(), scale: Vec::new() },
            Standardize::UnitRange => return Self::unit_range(data),
            Standardize::Global => 1,
            Standardize::Channel => channels,
            Standardize::Feature => features,
        };
        // Values of one group lie together within an example.
        let run = features / groups;
        let count = (data.examples() * run) as f64;
        let inputs = data.inputs();
        let mut mean = vec![0.0; groups];
        for row in inputs.chunks_exact(features) {
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
        for row in inputs.chunks_exact(features) {
            for (group, values) in row.chunks_exact(run).enumerate() {
                let first = inputs[group * run];
                constant[group] &= values.iter().all(|&x| x == first);
                scale[group] +=
                    values.iter().map(|&x| (f64::from(x) - mean[group]).powi(2)).sum::<f64>();
            }
        }
        for (scale, &constant) in scale.iter_mut().zip(&constant) {
            let std = (*scale / count).sqrt();
            *scale = if constant || std == 0.0 { 0.0 } else { std.recip() };
        }
        Self { shape, mean, scale }
    }

    fn unit_range(data: &Dataset) -> Self {
        let ends = data.inputs().iter().map(|&x| f64::from(x));
        let (low, high) = ends
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        let scale = if high > low { (high - low).recip() } else { 0.0 };
        Self { shape: data.shape(), mean: vec![low], scale: vec![scale] }
    }

    /// The same examples with each value less the mean of its group, times the scale of its group.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] if the shape is another one than that of the fitted set, or a value leaves the range of f32.
    pub fn apply(&self, data: &Dataset) -> Result<Dataset, DatasetError> {
        if data.shape() != self.shape {
            return Err(DatasetError::OtherShape { fitted: self.shape, shape: data.shape() });
        }
        if self.mean.is_empty() {
            return Ok(data.clone());
        }
        let features = data.features();
        let run = features / self.mean.len();
        let mut inputs = data.inputs().to_vec();
        for row in inputs.chunks_exact_mut(features) {
            for (group, values) in row.chunks_exact_mut(run).enumerate() {
                for x in values {
                    *x = to_f32((f64::from(*x) - self.mean[group]) * self.scale[group]);
                }
            }
        }
        data.with_inputs(inputs)
    }
}

impl Dataset {
    /// The same examples brought to mean 0 and variance 1 (divisor: the number of values) within each group of values that `how` names,
    /// or to the range from 0 to 1.
    ///
    /// ```text
    /// x ← (x - mean) / std
    /// ```
    ///
    /// A group whose values are all equal becomes 0 everywhere. With the statistics of another set: [`Standardizer`].
    ///
    /// # Errors
    ///
    /// None on a set that was made by [`Dataset::new`]; the result is checked like any other.
    pub fn standardize(&self, how: Standardize) -> Result<Self, DatasetError> {
        Standardizer::fit(self, how).apply(self)
    }
}
