//! The whole question: network, init, data, seed and budget.

use super::dataset::{Dataset, Standardize};
use super::error::SpecError;
use super::network::{Architecture, Network};
use super::scheme::InitScheme;
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
    /// Networks drawn.
    pub draws: usize,
}

impl Default for MeasureSpec {
    fn default() -> Self {
        Self { seed: 0, draws: 32 }
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

impl DataSpec {
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
