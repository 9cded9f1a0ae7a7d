//! A search for wrong labels, as one object: what was counted, who is flagged, and how well that did where the truth is known.

use serde_json::{Value, json};

use super::Fields;
use crate::train::label_errors::{
    ConfidentLearning, Detection, Method, Probabilities, ProbabilityError, Pruning, Ranking,
};

/// Classes up to which the matrices are part of the JSON form.
pub const MATRIX_CLASSES: usize = 256;

/// What the search for wrong labels found.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelReport {
    /// How the flagged were chosen.
    pub method: Method,
    /// What they are ranked by.
    pub ranking: Ranking,
    /// How much was pruned.
    pub pruning: Pruning,
    /// Every step of confident learning.
    pub learning: ConfidentLearning,
    /// `M[j][k]`: examples to prune with true class j and given label k.
    pub prune_counts: Vec<Vec<u64>>,
    /// One per example, in their order.
    pub examples: Vec<LabelledExample>,
    /// The flagged examples, the most suspicious first.
    pub ranked: Vec<usize>,
    /// Smallest and largest sum of a row of probabilities.
    pub row_sums: (f64, f64),
    /// Against the truth, where that is known.
    pub detection: Option<Detection>,
}

/// One example's label and what the probabilities say of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelledExample {
    /// The label it was given.
    pub given: u32,
    /// Its most probable class.
    pub predicted: u32,
    /// Probability of the given label.
    pub self_confidence: f64,
    /// Lead of the given label, mapped to [0, 1].
    pub normalized_margin: f64,
    /// Whether the label looks wrong.
    pub flagged: bool,
}

impl LabelReport {
    /// Searches by one method; `truth` are the true labels, if they are known.
    ///
    /// # Errors
    ///
    /// [`ProbabilityError`] if the true labels are not one per example or name no class.
    pub fn new(
        data: &Probabilities,
        method: Method,
        ranking: Ranking,
        pruning: Pruning,
        truth: Option<&[u32]>,
    ) -> Result<Self, ProbabilityError> {
        let learning = data.confident_learning();
        let flagged = data.flag(&learning, method, &pruning);
        let detection = truth
            .map(|truth| Detection::against_truth(&flagged, data.labels(), truth, data.classes()))
            .transpose()?;
        let ranked = data.rank(&flagged, ranking);
        let (own, margins) = (data.self_confidence(), data.normalized_margin());
        let examples =
            data.predicted().into_iter().enumerate().map(|(i, predicted)| LabelledExample {
                given: data.labels()[i],
                predicted,
                self_confidence: own[i],
                normalized_margin: margins[i],
                flagged: flagged[i],
            });
        Ok(Self {
            method,
            ranking,
            pruning,
            prune_counts: pruning.counts(&learning),
            learning,
            examples: examples.collect(),
            ranked,
            row_sums: data.row_sums(),
            detection,
        })
    }

    /// Whether the rows are distributions, up to rounding.
    pub fn rows_sum_to_one(&self) -> bool {
        let (low, high) = self.row_sums;
        (low - 1.0).abs() < 1e-3 && (high - 1.0).abs() < 1e-3
    }

    /// The pairs of given and flagged-to-be class that occur most, with their counts: `(given, predicted, count)`.
    pub fn confusions(&self) -> Vec<(u32, u32, usize)> {
        let mut pairs: Vec<(u32, u32)> = self
            .ranked
            .iter()
            .map(|&i| (self.examples[i].given, self.examples[i].predicted))
            .collect();
        pairs.sort_unstable();
        let mut counted: Vec<(u32, u32, usize)> =
            pairs.chunk_by(|a, b| a == b).map(|run| (run[0].0, run[0].1, run.len())).collect();
        counted.sort_by(|a, b| b.2.cmp(&a.2).then(a.cmp(b)));
        counted
    }

    /// The fields of the JSON form, without an envelope.
    pub fn fields(&self) -> Fields {
        let learning = &self.learning;
        let classes = learning.label_counts.len();
        let issue = |&i: &usize| {
            let example = &self.examples[i];
            json!({
                "index": i,
                "given": example.given,
                "predicted": example.predicted,
                "self_confidence": example.self_confidence,
                "normalized_margin": example.normalized_margin,
            })
        };
        let fields = Fields::new()
            .with("method", self.method)
            .with("ranked_by", self.ranking)
            .with("min_examples_per_class", self.pruning.min_examples_per_class)
            .number("noise_fraction", self.pruning.noise_fraction)
            .with("examples", self.examples.len())
            .with("classes", classes)
            .with("flagged", self.ranked.len())
            .with("issues", self.ranked.iter().map(issue).collect::<Vec<_>>())
            .number("estimated_error_rate", learning.estimated_error_rate())
            .with("row_sums", [self.row_sums.0, self.row_sums.1])
            .with("label_counts", &learning.label_counts)
            .with("thresholds", &learning.thresholds);
        let fields = if learning.thresholds.iter().any(Option::is_none) {
            fields.with("thresholds_reason", "null: no example carries the label")
        } else {
            fields
        };
        let matrices = [
            ("confident_joint", &learning.joint),
            ("calibrated_joint", &learning.calibrated),
            ("prune_counts", &self.prune_counts),
        ];
        let fields = matrices.into_iter().fold(fields, |fields, (name, matrix)| {
            if classes <= MATRIX_CLASSES {
                return fields.with(name, matrix);
            }
            let reason = format!("left out above {MATRIX_CLASSES} classes");
            fields.with(name, Value::Null).with(&format!("{name}_reason"), reason)
        });
        match &self.detection {
            Some(found) => fields.with("detection", detection_fields(found)),
            None => fields
                .with("detection", Value::Null)
                .with("detection_reason", "the true labels were not given"),
        }
    }

    /// One line per example: `example,given,predicted,self_confidence,normalized_margin,flagged,rank`; the rank counts the flagged
    /// from 1 and is empty for the others.
    pub fn to_csv(&self) -> String {
        let mut rank = vec![None; self.examples.len()];
        for (place, &example) in self.ranked.iter().enumerate() {
            rank[example] = Some(place + 1);
        }
        let mut text =
            "example,given,predicted,self_confidence,normalized_margin,flagged,rank\n".to_owned();
        for (i, (example, rank)) in self.examples.iter().zip(rank).enumerate() {
            text += &format!(
                "{i},{},{},{},{},{},{}\n",
                example.given,
                example.predicted,
                example.self_confidence,
                example.normalized_margin,
                u8::from(example.flagged),
                rank.map_or_else(String::new, |rank: usize| rank.to_string()),
            );
        }
        text
    }
}

fn detection_fields(found: &Detection) -> Value {
    let ratio = |fields: Fields, name: &str, value: Option<f64>| match value {
        Some(value) => fields.number(name, value),
        None => fields.number(name, f64::NAN),
    };
    let fields = Fields::new()
        .with("true_positives", found.true_positives)
        .with("false_positives", found.false_positives)
        .with("false_negatives", found.false_negatives)
        .with("true_negatives", found.true_negatives);
    [
        ("precision", found.precision()),
        ("recall", found.recall()),
        ("f1", found.f1()),
        ("balanced_accuracy", found.balanced_accuracy()),
    ]
    .into_iter()
    .fold(fields, |fields, (name, value)| ratio(fields, name, value))
    .into_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(truth: Option<&[u32]>) -> LabelReport {
        let rows = vec![0.9, 0.1, 0.8, 0.2, 0.1, 0.9, 0.2, 0.8];
        let data = Probabilities::new(2, rows, vec![0, 1, 1, 1]).unwrap();
        LabelReport::new(&data, Method::Both, Ranking::SelfConfidence, Pruning::default(), truth)
            .unwrap()
    }

    #[test]
    fn json_and_csv_name_the_flagged() {
        let value = report(Some(&[0, 0, 1, 1])).fields().into_value();
        assert_eq!(value["flagged"], 1);
        assert_eq!(value["issues"][0]["index"], 1);
        assert_eq!(value["issues"][0]["predicted"], 0);
        assert_eq!(value["detection"]["f1"], 1.0);
        assert_eq!(value["calibrated_joint"], json!([[1, 0], [1, 2]]));
        let csv = report(None).to_csv();
        assert!(csv.contains("\n1,1,0,0.2,0.2,1,1\n") && csv.lines().count() == 5, "{csv}");
    }

    #[test]
    fn what_is_not_known_is_null_with_a_reason() {
        let value = report(None).fields().into_value();
        assert!(value["detection"].is_null() && value["detection_reason"].is_string());
        let value = report(Some(&[0, 1, 1, 1])).fields().into_value();
        assert!(value["detection"]["recall"].is_null());
        assert!(value["detection"]["recall_reason"].is_string());
        assert_eq!(report(None).confusions(), [(1, 0, 1)]);
    }
}
