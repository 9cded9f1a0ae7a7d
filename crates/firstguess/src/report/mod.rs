//! What a check found, and the forms in which people and programs read it.

mod advice;
mod audit;
mod html;
mod json;
mod label_errors;
mod model;
mod phase;
pub mod phase_diagram;
pub mod picture;
pub mod reproduction;
mod sarif;
mod spark;
mod terminal;
mod text;

pub use audit::AuditReport;
pub use json::{Fields, block_fields, prediction_fields};
pub use label_errors::{LabelReport, LabelledExample, MATRIX_CLASSES};
pub use model::{AsFound, ModelSummary, ModuleSummary};
pub use spark::{sparkline, sparkline_between};
pub use terminal::Style;
pub use text::in_ascii;

use crate::finding::{Baseline, Finding, Selection, Severity};
use crate::measure::Measurement;
use crate::spec::experiment::Classes;
use crate::spec::network::Network;
use crate::spec::scheme::{InitScheme, Scheme};
use crate::spec::{Dataset, Spec};
use crate::theory::predict::Prediction;

/// Version of the JSON layout. It rises when a field changes its name or meaning; new fields do not raise it.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Title.
    pub name: String,
    /// Seed of every random number.
    pub seed: u64,
    /// The data that were used.
    pub data: DataSummary,
    /// The network in words and numbers.
    pub network: NetworkSummary,
    /// What theory says.
    pub prediction: Prediction,
    /// What was measured.
    pub measurement: Measurement,
    /// The model that was handed in, if one was, module by module.
    pub model: Option<ModelSummary>,
    /// Verdicts, the gravest first.
    pub findings: Vec<Finding>,
    /// Verdicts that a baseline knows: shown, and not counted.
    pub baselined: Vec<Finding>,
}

/// The data behind a report.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct DataSummary {
    /// Name of the set.
    pub name: String,
    /// Shape of one input.
    pub shape: Vec<usize>,
    /// Inputs used.
    pub examples: usize,
    /// Classes of the labels; 0 without labels.
    pub classes: usize,
    /// How features were scaled.
    pub standardize: crate::spec::Standardize,
    /// Which official part of the set.
    pub part: crate::spec::Part,
    /// The classes that were kept, in their new order, where not all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_classes: Option<Vec<u32>>,
    /// How many classes were made two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binarize: Option<crate::spec::Binarize>,
    /// Noise that was put on the labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_noise: Option<NoiseSummary>,
}

/// Labels changed on purpose.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct NoiseSummary {
    /// What was asked for.
    pub law: crate::spec::dataset::LabelNoise,
    /// Labels that it changed, among the inputs used.
    pub changed: usize,
}

/// The network behind a report.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct NetworkSummary {
    /// `[64] → 20 × (dense 512, relu) → dense 10`.
    pub layers: String,
    /// Layers with weights.
    pub weight_layers: usize,
    /// Weights and biases.
    pub parameters: u64,
    /// Number of logits.
    pub logits: usize,
    /// The scheme asked for, with its numbers.
    pub init: String,
    /// `σ_w²` where one number says it.
    pub weight_variance: Option<f64>,
    /// `σ_b²` where one number says it.
    pub bias_variance: Option<f64>,
}

impl Report {
    /// Puts a report together.
    pub fn new(
        spec: &Spec,
        data: &Dataset,
        network: &Network,
        init: &InitScheme,
        prediction: Prediction,
        measurement: Measurement,
        findings: Vec<Finding>,
    ) -> Self {
        let layers: Vec<String> = spec.network.layers.iter().map(ToString::to_string).collect();
        Self {
            name: spec.name.clone(),
            seed: spec.measure.seed,
            data: DataSummary {
                name: data.name().to_owned(),
                shape: data.shape().extents().to_vec(),
                examples: data.examples(),
                classes: data.classes(),
                standardize: spec.data.standardize,
                part: spec.data.part,
                kept_classes: match &spec.data.classes {
                    Some(Classes::Kept(classes)) => Some(classes.clone()),
                    _ => None,
                },
                binarize: spec.data.binarize.clone(),
                label_noise: spec
                    .data
                    .label_noise
                    .clone()
                    .filter(|_| data.true_labels().is_some())
                    .map(|law| NoiseSummary { law, changed: data.changed_labels() }),
            },
            network: NetworkSummary {
                layers: format!("{} → {}", data.shape(), layers.join(" → ")),
                weight_layers: network.weight_layers,
                parameters: network.parameters(),
                logits: network.logits(),
                init: describe_init(&spec.init, init),
                weight_variance: init.weight_variance,
                bias_variance: init.bias_variance,
            },
            model: None,
            prediction,
            measurement,
            findings,
            baselined: Vec::new(),
        }
    }

    /// Keeps the findings that count: what the selection leaves out goes, what the baseline knows is set aside.
    pub fn narrow(&mut self, selection: &Selection, baseline: Option<&Baseline>) {
        self.findings.retain(|finding| selection.takes(finding.id));
        if let Some(baseline) = baseline {
            let knows = |finding: &Finding| baseline.knows(&self.name, finding);
            let (known, fresh) = self.findings.drain(..).partition(knows);
            self.findings = fresh;
            self.baselined.extend::<Vec<Finding>>(known);
        }
    }

    /// The gravest severity among the findings.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// Whether layers were not looked at.
    fn shares_only(&self) -> bool {
        self.measurement.layers.iter().all(|layer| layer.q.n == 0 && layer.ln_q.mean.n == 0)
            && self.measurement.overflow.is_none()
    }

    /// Whether neither theory nor measurement has the gradient at the first layer.
    fn gradients_unknown(&self) -> bool {
        let first = self.measurement.layers.first();
        let measured = first.is_some_and(|layer| layer.ln_cotangent_gradient.is_known());
        !measured && self.prediction.ln_gradient().is_err()
    }

    /// One sentence for someone who reads nothing else.
    pub fn headline(&self) -> String {
        match self.findings.first() {
            Some(finding) if finding.severity > Severity::Note => sentence(&finding.title),
            _ if self.shares_only() => {
                "Only the logits were looked at: class shares and loss, nothing about layers or gradients.".to_owned()
            }
            Some(finding) if finding.id == "biased-start" => sentence(&finding.title),
            _ if !self.measurement.prejudice.largest_share.is_known() => {
                "Only a part of the network could be looked at: nothing is known of its guesses and its gradients.".to_owned()
            }
            _ if self.gradients_unknown() => {
                "Signals survive the depth and the first guess is balanced; gradients are not known.".to_owned()
            }
            _ => "This initialization is fine: signals and gradients survive the depth, and the first guess is balanced."
                .to_owned(),
        }
    }

    /// Keys of the works that the findings rest on, in the order of first mention.
    pub fn citations(&self) -> Vec<&'static str> {
        let mut keys: Vec<&'static str> = Vec::new();
        for key in self.findings.iter().flat_map(|finding| finding.references) {
            if !keys.contains(key) {
                keys.push(key);
            }
        }
        keys
    }
}

fn describe_init(asked: &InitScheme, concrete: &InitScheme) -> String {
    let mut text = asked.scheme.to_string();
    if let (Scheme::Critical | Scheme::Explicit, Some(weight)) =
        (asked.scheme, concrete.weight_variance)
    {
        text += &format!(" (weight_variance {weight:.6})");
    }
    if let Some(bias) = concrete.bias_variance {
        text += &format!(", bias_variance {bias}");
    }
    if asked.gain != 1.0 {
        text += &format!(", gain {}", asked.gain);
    }
    if let Some(law) = asked.weight_law {
        text += &format!(", weights {law}");
    }
    text
}

fn sentence(title: &str) -> String {
    let mut characters = title.chars();
    characters.next().map_or_else(String::new, |first| {
        let rest: String = characters.collect();
        format!("{}{rest}.", first.to_uppercase())
    })
}
