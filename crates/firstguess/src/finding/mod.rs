//! Verdicts: one rule per file, each seeing the prediction and the measurement side by side.
//!
//! The doc comment at the head of a rule's file is its page of the user manual: `firstguess explain ID` prints it. To add a
//! rule, write its file and name it once in [`RULES`].

mod audited;
mod bias_scale;
mod biased_start;
mod blind_loss;
mod constant_output;
mod constant_weights;
mod dead_units;
mod disagreement;
mod duplicated_draws;
mod exploding_gradients;
mod fan_mode;
mod folded_batch_norm;
mod frozen_bias;
mod input_offset;
mod loss_unfit;
mod narrow_network;
mod non_finite;
mod residual_scale;
mod saturated_units;
mod selection;
mod tied_tensors;
mod uninitialised_memory;
mod unstable_variance;
mod vanishing_gradients;
mod weight_law;
mod weight_scale;
mod weight_truncation;
mod zero_rows;

pub use selection::{
    BASELINE_VERSION, Baseline, BaselineError, KnownFinding, Selection, UnknownFinding, find,
};

use crate::audit::Audit;
use crate::check::model::Model;
use crate::loss_doctor::Diagnosis;
use crate::measure::{Estimate, LayerMeasurement, Measurement};
use crate::spec::loss::LossSchedule;
use crate::spec::network::Network;
use crate::theory::predict::Prediction;
use crate::theory::prejudice::GuessLaw;
use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing to do.
    Note,
    /// Training may suffer; look at the remedy.
    Warning,
    /// Training will fail or waste its start.
    Error,
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One number behind a finding: what theory says beside what was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// Name of the quantity, for people.
    pub quantity: String,
    /// The prediction, where theory has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted: Option<f64>,
    /// The measurement, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<Estimate>,
}

impl Evidence {
    fn new(
        quantity: impl Into<String>,
        predicted: Option<f64>,
        measured: Option<Estimate>,
    ) -> Self {
        Self { quantity: quantity.into(), predicted: predicted.filter(|p| p.is_finite()), measured }
    }
}

/// A verdict on one aspect of the initialization.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Stable name, as `explain` takes it.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence: what is the case.
    pub title: String,
    /// Why it matters, in a few sentences.
    pub explanation: String,
    /// The numbers.
    pub evidence: Vec<Evidence>,
    /// What to do; absent where nothing needs doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Keys in docs/references.bib.
    pub references: &'static [&'static str],
}

/// A rule: its name, its manual page and its judgement.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Stable name.
    pub id: &'static str,
    source: &'static str,
    judge: Judge,
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy)]
enum Judge {
    /// An initialization, predicted and measured.
    Case(fn(&Case<'_>) -> Option<Finding>),
    /// The weights in a file.
    Weights(fn(&Audit) -> Option<Finding>),
}

impl Rule {
    /// The manual page: the doc comment at the head of the rule's file.
    pub fn page(&self) -> String {
        let lines: Vec<&str> = self
            .source
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        format!("{}\n", lines.join("\n"))
    }

    /// The first line of the page, without its full stop.
    pub fn summary(&self) -> String {
        self.page().lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
    }
}

macro_rules! rules {
    ($($module:ident => $id:literal $kind:ident),* $(,)?) => {
        /// Every rule, in the order in which findings are shown within one severity. The one list of findings.
        pub const RULES: &[Rule] = &[
            $(Rule { id: $id, source: include_str!(concat!(stringify!($module), ".rs")), judge: Judge::$kind($module::judge) },)*
        ];
    };
}

rules! {
    non_finite => "non-finite" Case,
    frozen_bias => "frozen-bias" Case,
    exploding_gradients => "exploding-gradients" Case,
    vanishing_gradients => "vanishing-gradients" Case,
    constant_output => "constant-output" Case,
    dead_units => "dead-units" Case,
    saturated_units => "saturated-units" Case,
    unstable_variance => "unstable-variance" Case,
    input_offset => "input-offset" Case,
    folded_batch_norm => "folded-batch-norm" Case,
    biased_start => "biased-start" Case,
    blind_loss => "blind-loss" Case,
    loss_unfit => "loss-unfit" Case,
    narrow_network => "narrow-network" Case,
    disagreement => "disagreement" Case,
    uninitialised_memory => "uninitialised-memory" Weights,
    constant_weights => "constant-weights" Weights,
    zero_rows => "zero-rows" Weights,
    duplicated_draws => "duplicated-draws" Weights,
    fan_mode => "fan-mode" Weights,
    residual_scale => "residual-scale" Weights,
    weight_scale => "weight-scale" Weights,
    weight_law => "weight-law" Weights,
    weight_truncation => "weight-truncation" Weights,
    bias_scale => "bias-scale" Weights,
    tied_tensors => "tied-tensors" Weights,
}

/// The rule of this name.
pub fn by_id(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// Everything a rule may look at.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The checked network; `None` for a model that the vocabulary of specs cannot write down.
    pub network: Option<&'a Network>,
    /// What theory says.
    pub prediction: &'a Prediction,
    /// What was measured.
    pub measurement: &'a Measurement,
    /// The loss to be used, where one was named, and what it does to the first guess.
    pub loss: Option<(&'a LossSchedule, &'a Diagnosis)>,
    /// The model that was handed in, where no spec was.
    pub model: Option<&'a Model>,
}

/// Judges by every rule; the gravest findings come first.
pub fn judge(case: &Case<'_>) -> Vec<Finding> {
    let judged = RULES.iter().filter_map(|rule| match rule.judge {
        Judge::Case(judge) => judge(case),
        Judge::Weights(_) => None,
    });
    gravest_first(judged.collect())
}

/// Judges the weights in a file by every rule that looks at weights.
pub fn judge_weights(audit: &Audit) -> Vec<Finding> {
    let judged = RULES.iter().filter_map(|rule| match rule.judge {
        Judge::Weights(judge) => judge(audit),
        Judge::Case(_) => None,
    });
    gravest_first(judged.collect())
}

fn gravest_first(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// A signal that has shrunk by this many e-folds in mean square is lost: six depth scales (`schoenholz2017`).
const TRAINABLE_SCALES: f64 = 6.0;

/// Gradients whose mean square grows a thousandfold over the depth are called exploding.
const EXPLOSION: f64 = 6.907_755_278_982_137;

impl Case<'_> {
    fn classes(&self) -> usize {
        self.measurement.prejudice.classes.max(2)
    }

    fn first(&self) -> Option<&LayerMeasurement> {
        self.measurement.layers.first()
    }

    /// `ln` of the gradient's mean square at the first layer relative to the logits: predicted.
    fn predicted_ln_gradient(&self) -> Option<f64> {
        self.prediction.ln_gradient().ok()
    }

    /// The same, measured with a random cotangent: the mean over networks of the logarithm.
    fn measured_ln_gradient(&self) -> Option<Estimate> {
        self.first().map(|layer| layer.ln_cotangent_gradient).filter(Estimate::is_known)
    }

    /// The measured value where there is one, else the predicted.
    fn ln_gradient(&self) -> Option<f64> {
        self.measured_ln_gradient().map(|e| e.value).or_else(|| self.predicted_ln_gradient())
    }

    fn gradient_evidence(&self) -> Evidence {
        let decades = std::f64::consts::LN_10;
        let measured = self
            .measured_ln_gradient()
            .map(|e| Estimate::new(e.value / decades, e.std_error.map(|s| s / decades), e.n));
        Evidence::new(
            "log10 of the gradient's mean square, first layer / logits",
            self.predicted_ln_gradient().map(|ln| ln / decades),
            measured,
        )
    }

    fn largest_share(&self) -> Estimate {
        self.measurement.prejudice.largest_share
    }

    fn share_evidence(&self) -> Evidence {
        let predicted = self.prediction.prejudice.as_ref().ok().map(|p| p.largest_share);
        Evidence::new("mean share of the class guessed most", predicted, Some(self.largest_share()))
    }

    /// The largest share at `γ = 1`, above which networks are called biased.
    fn neutral_share(&self) -> f64 {
        GuessLaw::new(self.classes(), 1.0).map_or(1.0, |law| law.mean_max().value)
    }

    fn is_biased(&self) -> bool {
        self.largest_share().value > self.neutral_share()
    }

    /// Whether too little of the gradient is left at the first layer.
    fn gradients_vanish(&self) -> bool {
        self.ln_gradient().is_some_and(|ln| ln < -TRAINABLE_SCALES)
    }

    fn gradients_explode(&self) -> bool {
        self.ln_gradient().is_some_and(|ln| ln > EXPLOSION)
    }

    /// Layers between the first and the logits.
    fn hops(&self) -> usize {
        self.measurement.layers.len().saturating_sub(1)
    }

    /// The advice that most rules share: the critical variances of the network's own activation.
    fn critical_advice(&self) -> String {
        let Ok(bulk) = &self.prediction.bulk else {
            return "choose the weight variance so that gradients keep their size from layer to layer".to_owned();
        };
        match critical_point(self.prediction) {
            Some((weight, bias)) => format!(
                "use weight_variance = {weight:.4} and bias_variance = {bias:.4} for {} (now {:.4} and {:.4}): its edge of \
                 chaos, where gradients keep their size",
                bulk.function, bulk.layer.weight, bulk.layer.bias
            ),
            None => format!(
                "{} has no critical variance at this bias variance: use another activation, residual branches or a \
                 normalisation",
                bulk.function
            ),
        }
    }
}

/// The critical variances, weight and bias, of the layer that the network repeats, near its own bias variance.
pub(crate) fn critical_point(prediction: &Prediction) -> Option<(f64, f64)> {
    let bulk = prediction.bulk.as_ref().ok()?;
    let dual = bulk.dual();
    let bias = bulk.layer.bias;
    let exact = crate::theory::critical::edge_of_chaos(&dual, bias);
    let points = exact.or_else(|_| crate::theory::critical::edge_of_chaos(&dual, 0.0)).ok()?;
    let point = points.first()?;
    let settles = point.q_star.as_ref().is_ok_and(|q| *q > 0.0);
    Some((point.weight_variance, if settles { bias } else { 0.0 }))
}

/// `1.3e-15` for small and large numbers, `0.74` for plain ones.
fn short(x: f64) -> String {
    if x == 0.0 || (1e-2..1e4).contains(&x.abs()) { format!("{x:.3}") } else { format!("{x:.1e}") }
}

fn percent(share: f64) -> String {
    if share > 0.995 && share < 1.0 {
        format!("{:.1} %", 100.0 * share)
    } else {
        format!("{:.0} %", 100.0 * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_a_page() {
        for (position, rule) in RULES.iter().enumerate() {
            assert!(RULES[..position].iter().all(|other| other.id != rule.id), "{}", rule.id);
            let page = rule.page();
            assert!(page.lines().count() >= 8, "{}: {page}", rule.id);
            assert!(page.contains("## What to do"), "{}", rule.id);
            assert!(page.contains("## When"), "{}", rule.id);
        }
        assert!(by_id("frozen-bias").is_some() && by_id("frozen").is_none());
    }
}
