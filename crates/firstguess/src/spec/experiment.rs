//! The whole question: network, init, data, seed and budget.

use super::dataset::{Dataset, DatasetError, Standardize};
use super::error::SpecError;
use super::network::{Architecture, Network};
use super::scheme::InitScheme;
use super::shape::Shape;
use crate::math::stream::{Purpose, Seed, Stream};
use serde::{Deserialize, Serialize};

/// A checked question: what network, drawn how, looked at with which data.
///
/// Built from a spec file, flags, Python or the web form; [`Spec::validate`] is the only gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Title of the report.
    #[serde(default = "unnamed")]
    pub name: String,
    /// Where the inputs come from.
    #[serde(default)]
    pub data: DataSpec,
    /// How weights are drawn.
    pub init: InitScheme,
    /// The layers.
    pub network: Architecture,
    /// Seed and budget of the measurement.
    #[serde(default)]
    pub measure: MeasureSpec,
}

fn unscaled() -> Standardize {
    Standardize::None
}

fn unnamed() -> String {
    "network".to_owned()
}

/// Where the inputs come from: a named data set, a file, or a synthetic Gaussian cloud.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// Name of a known data set or path of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// `"gaussian"`: independent normal features of unit variance, each shifted by `shift`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<SyntheticKind>,
    /// Features of a synthetic input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<usize>,
    /// Classes of a synthetic data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// Inputs taken: of a synthetic data set (default 1000), or a random subset of a real one (default 500).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// Mean of every synthetic feature, or added to every feature of a real data set after standardization.
    #[serde(default)]
    pub shift: f64,
    /// How features are scaled; not at all unless said.
    #[serde(default = "unscaled")]
    pub standardize: Standardize,
}

/// Kinds of synthetic data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyntheticKind {
    /// Independent standard normal features.
    Gaussian,
}

impl Default for DataSpec {
    /// The embedded digits, every feature standardized.
    fn default() -> Self {
        Self {
            dataset: Some("digits".to_owned()),
            synthetic: None,
            features: None,
            classes: None,
            samples: None,
            shift: 0.0,
            standardize: Standardize::Feature,
        }
    }
}

/// Seed and budget of a measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeasureSpec {
    /// Seed of every random number.
    pub seed: u64,
    /// Networks drawn, at most.
    pub draws: usize,
    /// How they are drawn.
    #[serde(skip_serializing_if = "Engine::is_auto")]
    pub engine: Engine,
    /// Relative standard error at which the measurement stops: of the mean square logit, of the largest class share, of the
    /// agreement and of the loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// Whether only the logits are looked at: class shares and loss, no layers and no gradients.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shares_only: bool,
}

/// How networks are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Without weights where that is exact and cheaper, else with weights.
    #[default]
    Auto,
    /// With weights.
    Direct,
    /// Without weights: exactly the same law, from Gram matrices. Dense layers with independent normal weights only.
    Conditioned,
}

impl Engine {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    const fn is_auto(&self) -> bool {
        matches!(self, Self::Auto)
    }
}

impl Default for MeasureSpec {
    fn default() -> Self {
        Self { seed: 0, draws: 32, engine: Engine::Auto, precision: None, shares_only: false }
    }
}

/// Most draws that one run takes.
pub const MAX_DRAWS: usize = 10_000_000;

/// Most inputs that one measurement takes.
pub const MAX_SAMPLES: usize = 1_000_000;

impl Spec {
    /// Checks everything that does not need the data themselves.
    ///
    /// # Errors
    ///
    /// [`SpecError`] naming the field, what was found and what is allowed.
    pub fn validate(&self) -> Result<(), SpecError> {
        self.init.validate()?;
        self.data.validate()?;
        if !(1..=MAX_DRAWS).contains(&self.measure.draws) {
            return Err(SpecError::Conflict(format!(
                "`draws` must be between 1 and {MAX_DRAWS}, got {}; two or more give a standard error",
                self.measure.draws
            )));
        }
        if let Some(precision) = self.measure.precision
            && !(1e-6..=1.0).contains(&precision)
        {
            let domain = "a relative error from 1e-6 to 1, such as 0.01";
            return Err(SpecError::out_of_domain("measure.precision", domain, precision));
        }
        if self.name.chars().count() > 200 {
            return Err(SpecError::Conflict("`name` is longer than 200 characters".to_owned()));
        }
        Ok(())
    }

    /// The network for these data, with as many logits as the data have classes.
    ///
    /// # Errors
    ///
    /// [`SpecError`] of [`Architecture::resolve`], or [`SpecError::NoLogits`] when there are fewer logits than classes (one
    /// logit is taken as a binary classifier by its sign).
    pub fn network_for(&self, data: &Dataset) -> Result<Network, SpecError> {
        let network = self.network.resolve(&data.shape())?;
        let (logits, classes) = (network.logits(), data.classes());
        let binary = logits == 1 && classes <= 2;
        if logits < classes && !binary {
            return Err(SpecError::NoLogits {
                problem: format!("ends in {logits} logits for {classes} classes"),
                hint: "give the last dense layer one unit per class",
            });
        }
        Ok(network)
    }
}

/// Inputs taken of a real data set unless the spec says otherwise.
pub const DEFAULT_SAMPLES: usize = 500;

/// Size of a synthetic data set unless the spec says otherwise: features, classes, inputs.
const SYNTHETIC: (usize, usize, usize) = (784, 10, 1000);

impl DataSpec {
    /// The inputs as the network sees them: standardized over the whole set, then a random part of it, then shifted.
    ///
    /// The part depends on the seed alone. Standardizing first keeps the part a sample of the data that training would see.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] of the single steps.
    pub fn prepare(&self, source: &Dataset, seed: u64) -> Result<Dataset, DatasetError> {
        let scaled = source.standardize(self.standardize)?;
        let wanted = self.samples.unwrap_or(DEFAULT_SAMPLES);
        let part = if wanted < scaled.examples() {
            scaled.subset(&random_part(scaled.examples(), wanted, seed))?
        } else {
            scaled
        };
        if self.shift == 0.0 { Ok(part) } else { part.shifted(self.shift) }
    }

    /// Independent normal features of unit variance, shifted, with balanced random labels.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] for sizes that do not make a data set.
    pub fn synthesize(&self, seed: u64) -> Result<Dataset, DatasetError> {
        let features = self.features.unwrap_or(SYNTHETIC.0);
        let classes = self.classes.unwrap_or(SYNTHETIC.1);
        let samples = self.samples.unwrap_or(SYNTHETIC.2);
        let shape = Shape::flat(features)?;
        let mut inputs = vec![0.0_f32; features * samples];
        Stream::new(Seed(seed), 0, 0, Purpose::Data).fill_normal_f32(0, &mut inputs);
        let labels: Vec<u32> = (0..samples)
            .map(|i| u32::try_from(i % classes))
            .collect::<Result<_, _>>()
            .unwrap_or_default();
        let data = Dataset::new("gaussian", shape, inputs)?.with_labels(labels, classes)?;
        if self.shift == 0.0 { Ok(data) } else { data.shifted(self.shift) }
    }

    fn validate(&self) -> Result<(), SpecError> {
        if !self.shift.is_finite() || self.shift.abs() > 1e6 {
            return Err(SpecError::out_of_domain(
                "data.shift",
                "finite, at most 1e6 in size",
                self.shift,
            ));
        }
        let bounded = [
            ("data.features", self.features, super::network::MAX_UNITS),
            ("data.classes", self.classes, super::network::MAX_UNITS),
            ("data.samples", self.samples, MAX_SAMPLES),
        ];
        for (name, value, high) in bounded {
            if let Some(value) = value
                && !(1..=high).contains(&value)
            {
                return Err(SpecError::Conflict(format!(
                    "`{name}` must be between 1 and {high}, got {value}"
                )));
            }
        }
        match (&self.dataset, self.synthetic) {
            (Some(_), Some(_)) => Err(SpecError::Conflict(
                "`data` has either `dataset` or `synthetic`, not both".to_owned(),
            )),
            (None, None) => Err(SpecError::Conflict(
                "`data` needs `dataset` (such as \"digits\") or `synthetic = \"gaussian\"`"
                    .to_owned(),
            )),
            (Some(_), None) if self.features.is_some() || self.classes.is_some() => {
                Err(SpecError::Conflict(
                    "`features` and `classes` go with `synthetic` data; a data set brings its own"
                        .to_owned(),
                ))
            }
            _ => Ok(()),
        }
    }
}

/// `wanted` distinct positions below `n`, ascending, the same for the same seed: those with the smallest random keys.
fn random_part(n: usize, wanted: usize, seed: u64) -> Vec<usize> {
    let mut keys = vec![0.0_f64; n];
    Stream::new(Seed(seed), 0, 0, Purpose::Split).fill_uniform_f64(0, &mut keys);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| keys[*a].total_cmp(&keys[*b]).then(a.cmp(b)));
    order.truncate(wanted);
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_part_is_a_set_of_its_size_and_moves_with_the_seed() {
        let part = random_part(100, 30, 1);
        assert_eq!(part.len(), 30);
        assert!(part.windows(2).all(|w| w[0] < w[1]) && part[29] < 100);
        assert_eq!(part, random_part(100, 30, 1));
        assert_ne!(part, random_part(100, 30, 2));
    }

    #[test]
    fn synthetic_data_have_the_size_and_the_shift_asked_for() {
        let spec: DataSpec = serde_json::from_str(
            r#"{"synthetic":"gaussian","features":50,"classes":4,"samples":400,"shift":2.0}"#,
        )
        .unwrap();
        let data = spec.synthesize(3).unwrap();
        assert_eq!((data.features(), data.classes(), data.examples()), (50, 4, 400));
        // 50 means of 400 draws: the offset is shift² = 4 with a standard error of about 0.03.
        assert!((data.offset().unwrap() - 4.0).abs() < 0.15);
        assert_eq!(data.class_counts(), [100, 100, 100, 100]);
    }

    #[test]
    fn contradictory_data_are_refused() {
        for (json, expected) in [
            ("{}", "needs `dataset`"),
            (r#"{"dataset":"digits","synthetic":"gaussian"}"#, "not both"),
            (r#"{"dataset":"digits","features":3}"#, "brings its own"),
            (r#"{"synthetic":"gaussian","samples":0}"#, "`data.samples` must be between 1"),
            (r#"{"synthetic":"gaussian","shift":1e300}"#, "data.shift"),
        ] {
            let spec: DataSpec = serde_json::from_str(json).unwrap();
            let error = spec.validate().unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
