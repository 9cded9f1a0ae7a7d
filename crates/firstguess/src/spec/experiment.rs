//! The whole question: network, init, data, seed and budget.

use super::dataset::{
    Binarize, Dataset, DatasetError, LabelNoise, MAX_CLASSES, Part, Standardize, Standardizer,
};
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
    /// Which part of a data set with an official test set: `train` unless said.
    #[serde(default)]
    pub part: Part,
    /// The number of classes of a synthetic data set; of any other, the classes that are kept: `[3, 5]` makes class 3 the new class 0
    /// and class 5 the new class 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Classes>,
    /// Two classes in place of many, after `classes`: `"odd_even"`, or `{ groups = { zero = [0, 1], one = [8, 9] } }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binarize: Option<Binarize>,
    /// Wrong labels on purpose, after all of this: `{ uniform = 0.2 }` or `{ transition = [[0.9, 0.1], [0.2, 0.8]] }`. Only labels to
    /// train on get them, never those of `part = "test"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_noise: Option<LabelNoise>,
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

/// How many classes there are, or which are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Classes {
    /// So many classes of synthetic data.
    Count(usize),
    /// These classes of a data set, in this order.
    Kept(Vec<u32>),
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
            part: Part::Train,
            classes: None,
            binarize: None,
            label_noise: None,
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
    /// The inputs as the network sees them: classes chosen, standardized over all that is left, noise put on the labels, then a random
    /// part of it, then shifted.
    ///
    /// The part depends on the seed alone. Standardizing first keeps the part a sample of the data that training would see.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] of the single steps.
    pub fn prepare(&self, source: &Dataset, seed: u64) -> Result<Dataset, DatasetError> {
        let scaled = self.relabel(source)?.standardize(self.standardize)?;
        let labelled = self.mislabel(scaled, seed)?;
        let wanted = self.samples.unwrap_or(DEFAULT_SAMPLES);
        let part = if wanted < labelled.examples() {
            labelled.subset(&random_part(labelled.examples(), wanted, seed))?
        } else {
            labelled
        };
        if self.shift == 0.0 { Ok(part) } else { part.shifted(self.shift) }
    }

    /// The official test part beside the training part: classes chosen alike, brought to the scale of the training part, shifted;
    /// its labels as they are, and all of it.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] of the single steps, and where the two parts have different shapes.
    pub fn prepare_test(&self, train: &Dataset, test: &Dataset) -> Result<Dataset, DatasetError> {
        let scale = Standardizer::fit(&self.relabel(train)?, self.standardize);
        let scaled = scale.apply(&self.relabel(test)?)?;
        if self.shift == 0.0 { Ok(scaled) } else { scaled.shifted(self.shift) }
    }

    /// The examples of the classes that are kept, binarized where that is asked for. Inputs stay as they are.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] if classes are chosen from a set without labels, or one is chosen that does not exist.
    pub fn relabel(&self, source: &Dataset) -> Result<Dataset, DatasetError> {
        let kept = match &self.classes {
            Some(Classes::Kept(classes)) => source.select_classes(classes)?,
            _ => source.clone(),
        };
        match &self.binarize {
            Some(how) => kept.binarize(how),
            None => Ok(kept),
        }
    }

    /// The same examples with the label noise that is asked for, unless they are a test set.
    fn mislabel(&self, data: Dataset, seed: u64) -> Result<Dataset, DatasetError> {
        match &self.label_noise {
            Some(noise) if self.part == Part::Train => data.with_label_noise(noise, Seed(seed)),
            _ => Ok(data),
        }
    }

    /// Independent normal features of unit variance, shifted, with balanced random labels.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] for sizes that do not make a data set.
    pub fn synthesize(&self, seed: u64) -> Result<Dataset, DatasetError> {
        let features = self.features.unwrap_or(SYNTHETIC.0);
        let classes = match self.classes {
            Some(Classes::Count(count)) => count,
            _ => SYNTHETIC.1,
        };
        let samples = self.samples.unwrap_or(SYNTHETIC.2);
        let shape = Shape::flat(features)?;
        let mut inputs = vec![0.0_f32; features * samples];
        Stream::new(Seed(seed), 0, 0, Purpose::Data).fill_normal_f32(0, &mut inputs);
        let labels: Vec<u32> = (0..samples)
            .map(|i| u32::try_from(i % classes))
            .collect::<Result<_, _>>()
            .unwrap_or_default();
        let data = Dataset::new("gaussian", shape, inputs)?.with_labels(labels, classes)?;
        let data = self.mislabel(data, seed)?;
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
        let count = match self.classes {
            Some(Classes::Count(count)) => Some(count),
            _ => None,
        };
        let bounded = [
            ("data.features", self.features, super::network::MAX_UNITS),
            ("data.classes", count, super::network::MAX_UNITS),
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
        self.validate_labels()?;
        let refuse = |text: &str| Err(SpecError::Conflict(text.to_owned()));
        match (&self.dataset, self.synthetic) {
            (Some(_), Some(_)) => refuse("`data` has either `dataset` or `synthetic`, not both"),
            (None, None) => {
                refuse("`data` needs `dataset` (such as \"digits\") or `synthetic = \"gaussian\"`")
            }
            (Some(_), None) if self.features.is_some() => {
                refuse("`features` goes with `synthetic` data; a data set brings its own")
            }
            (Some(_), None) if count.is_some() => refuse(
                "a number of `classes` goes with `synthetic` data, a data set brings its own; list those to keep: classes = [3, 5]",
            ),
            (None, Some(_)) if matches!(self.classes, Some(Classes::Kept(_))) => refuse(
                "`classes` of `synthetic` data is their number; a list chooses among those of a `dataset`",
            ),
            (None, Some(_)) if self.binarize.is_some() => {
                refuse("`binarize` goes with a `dataset`; give `synthetic` data two `classes`")
            }
            (None, Some(_)) if self.part == Part::Test => refuse(
                "`part = \"test\"` goes with a `dataset`; `synthetic` data have no test part",
            ),
            _ => Ok(()),
        }
    }

    /// What can be said of classes and noise before the data are there.
    fn validate_labels(&self) -> Result<(), SpecError> {
        if let Some(Classes::Kept(classes)) = &self.classes {
            let mut seen = std::collections::HashSet::new();
            let repeated = classes.iter().find(|class| !seen.insert(**class));
            if let Some(class) = repeated {
                let problem = format!("`data.classes` names class {class} twice");
                return Err(SpecError::Conflict(problem));
            }
            if classes.is_empty() || classes.len() > MAX_CLASSES {
                let problem =
                    "`data.classes` must name at least one class; leave it out to keep all";
                return Err(SpecError::Conflict(problem.to_owned()));
            }
        }
        if let Some(noise) = &self.label_noise {
            let classes = match (&self.binarize, &self.classes) {
                (Some(_), _) => Some(2),
                (None, Some(Classes::Kept(classes))) => Some(classes.len()),
                (None, Some(Classes::Count(count))) => Some(*count),
                (None, None) => None,
            };
            noise.validate(classes).map_err(|error| {
                let text = error.to_string();
                let problem = text.strip_prefix("label noise: ").unwrap_or(&text);
                SpecError::Conflict(format!("`data.label_noise`: {problem}"))
            })?;
        }
        Ok(())
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

    /// Ten examples of five classes, the input telling the class.
    fn source() -> Dataset {
        let labels: Vec<u32> = (0..10).map(|i| i % 5).collect();
        let inputs = labels.iter().map(|&label| f32::from(u8::try_from(label).unwrap())).collect();
        let data = Dataset::new("five", Shape::flat(1).unwrap(), inputs).unwrap();
        data.with_labels(labels, 5).unwrap()
    }

    fn prepared(json: &str) -> Dataset {
        let spec: DataSpec = serde_json::from_str(json).unwrap();
        spec.validate().unwrap();
        spec.prepare(&source(), 1).unwrap()
    }

    #[test]
    fn classes_are_chosen_then_binarized_then_standardized() {
        let two = prepared(r#"{"dataset":"x","classes":[4,1]}"#);
        assert_eq!((two.inputs(), two.classes()), (&[1.0, 4.0, 1.0, 4.0][..], 2));
        assert_eq!(two.labels(), Some(&[1, 0, 1, 0][..]));
        // Parity of the new classes, not of the old.
        let odd = prepared(r#"{"dataset":"x","classes":[4,1,2],"binarize":"odd_even"}"#);
        assert_eq!(odd.labels(), Some(&[1, 0, 0, 1, 0, 0][..]));
        let groups = r#"{"dataset":"x","binarize":{"groups":{"zero":[0],"one":[3]}},"standardize":"feature"}"#;
        let groups = prepared(groups);
        assert_eq!(groups.labels(), Some(&[0, 1, 0, 1][..]));
        assert_eq!(groups.inputs(), [-1.0, 1.0, -1.0, 1.0]);
    }

    #[test]
    fn noise_is_on_labels_to_train_on_and_moves_with_the_seed_only() {
        let noisy = prepared(r#"{"dataset":"x","label_noise":{"uniform":1.0}}"#);
        assert_eq!(noisy.true_labels(), source().labels());
        assert_eq!(noisy.changed_labels(), 10);
        let test = prepared(r#"{"dataset":"x","part":"test","label_noise":{"uniform":1.0}}"#);
        assert_eq!((test.labels(), test.true_labels()), (source().labels(), None));
        // The part that is taken carries the noise of the whole.
        let part = prepared(r#"{"dataset":"x","samples":4,"label_noise":{"uniform":1.0}}"#);
        for (i, &truth) in part.true_labels().unwrap().iter().enumerate() {
            assert_eq!(part.row(i).unwrap()[0], f32::from(u8::try_from(truth).unwrap()));
        }
    }

    #[test]
    fn contradictory_data_are_refused() {
        for (json, expected) in [
            ("{}", "needs `dataset`"),
            (r#"{"dataset":"digits","synthetic":"gaussian"}"#, "not both"),
            (r#"{"dataset":"digits","features":3}"#, "brings its own"),
            (r#"{"dataset":"digits","classes":3}"#, "classes = [3, 5]"),
            (r#"{"dataset":"digits","classes":[3,3]}"#, "class 3 twice"),
            (r#"{"dataset":"digits","classes":[]}"#, "at least one class"),
            (r#"{"synthetic":"gaussian","classes":[3,5]}"#, "is their number"),
            (r#"{"synthetic":"gaussian","binarize":"odd_even"}"#, "two `classes`"),
            (r#"{"synthetic":"gaussian","part":"test"}"#, "no test part"),
            (r#"{"dataset":"digits","label_noise":{"uniform":1.5}}"#, "from 0 to 1"),
            (
                r#"{"dataset":"digits","binarize":"odd_even","label_noise":{"transition":[[1]]}}"#,
                "one row per class, 2",
            ),
            (r#"{"synthetic":"gaussian","samples":0}"#, "`data.samples` must be between 1"),
            (r#"{"synthetic":"gaussian","shift":1e300}"#, "data.shift"),
        ] {
            let spec: DataSpec = serde_json::from_str(json).unwrap();
            let error = spec.validate().unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
