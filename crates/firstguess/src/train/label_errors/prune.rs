//! From the estimated joint to the examples that are flagged.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::confident::{CLOSE, ConfidentLearning, Probabilities, most_probable};
use crate::spec::error::SpecError;

/// How examples are chosen once the joint is known. Names and meanings are cleanlab's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// In each given class k the `n_k - M[k][k]` examples of smallest `P[i, k]`.
    PruneByClass,
    /// For each given k and other j the `M[j][k]` examples of largest margin `P[i, j] - P[i, k]`.
    PruneByNoiseRate,
    /// What both of these flag: the fewest false alarms.
    #[default]
    Both,
    /// Those that are confidently predicted to be another class.
    ConfidentLearning,
    /// Those whose most probable class is another one.
    PredictedNeqGiven,
    /// As many as [`Method::ConfidentLearning`] flags, those of smallest `P[i, ỹ_i]`.
    LowSelfConfidence,
    /// As many as [`Method::ConfidentLearning`] flags, those of smallest margin.
    LowNormalizedMargin,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 7] = [
        Self::PruneByClass,
        Self::PruneByNoiseRate,
        Self::Both,
        Self::ConfidentLearning,
        Self::PredictedNeqGiven,
        Self::LowSelfConfidence,
        Self::LowNormalizedMargin,
    ];

    /// The name in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::PruneByClass => "prune_by_class",
            Self::PruneByNoiseRate => "prune_by_noise_rate",
            Self::Both => "both",
            Self::ConfidentLearning => "confident_learning",
            Self::PredictedNeqGiven => "predicted_neq_given",
            Self::LowSelfConfidence => "low_self_confidence",
            Self::LowNormalizedMargin => "low_normalized_margin",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = SpecError;

    fn from_str(name: &str) -> Result<Self, SpecError> {
        let named = name.trim().to_lowercase().replace('-', "_");
        Self::ALL
            .into_iter()
            .find(|method| method.name() == named)
            .ok_or_else(|| SpecError::unknown_name("method", name, &Self::ALL.map(Self::name)))
    }
}

/// What makes an example suspicious.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ranking {
    /// [`Probabilities::self_confidence`].
    #[default]
    SelfConfidence,
    /// [`Probabilities::normalized_margin`].
    NormalizedMargin,
}

/// How much is pruned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pruning {
    /// Examples of each given class that are never flagged by the two prune methods.
    pub min_examples_per_class: u64,
    /// Share of the estimated errors that is flagged.
    pub noise_fraction: f64,
}

impl Default for Pruning {
    fn default() -> Self {
        Self { min_examples_per_class: 1, noise_fraction: 1.0 }
    }
}

impl Pruning {
    /// `M[j][k]`: examples to flag with true class j and given label k; on the diagonal those to keep.
    ///
    /// The calibrated joint transposed; where a diagonal lies below `min_examples_per_class` it is raised, and the other non-zero
    /// counts of its column pay in equal parts (rounded down).
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts, truncated as the reference truncates"
    )]
    pub fn counts(&self, learning: &ConfidentLearning) -> Vec<Vec<u64>> {
        let classes = learning.calibrated.len();
        let mut counts = vec![vec![0_u64; classes]; classes];
        for given in 0..classes {
            let column = &learning.calibrated[given];
            let kept = column[given].max(self.min_examples_per_class);
            let others = column.iter().filter(|count| **count > 0).count();
            let payment = (kept - column[given]) as f64 / others.saturating_sub(1).max(1) as f64;
            let mut spared = 0.0;
            for (truth, count) in column.iter().enumerate().filter(|(truth, _)| *truth != given) {
                let left = (*count as f64 - payment).max(0.0);
                let flagged = left * self.noise_fraction;
                spared += left - flagged;
                counts[truth][given] = flagged as u64;
            }
            counts[given][given] = (kept as f64 + spared) as u64;
        }
        counts
    }
}

impl Probabilities {
    /// Which examples are flagged, in the order of the examples.
    ///
    /// Whatever the method (but the two `low` ones), an example whose most probable class is its label, up to 1e-6, is never flagged.
    /// Of equal candidates the earlier one is flagged.
    ///
    /// # References
    ///
    /// `northcutt2021`; cleanlab 2.9 `filter.find_label_issues`.
    ///
    /// # Examples
    ///
    /// ```
    /// use firstguess::train::label_errors::{Method, Probabilities, Pruning};
    /// let held_out = Probabilities::new(2, vec![0.9, 0.1, 0.8, 0.2, 0.1, 0.9], vec![0, 1, 1])?;
    /// let learning = held_out.confident_learning();
    /// let flagged = held_out.flag(&learning, Method::Both, &Pruning::default());
    /// assert_eq!(flagged, [false, true, false]);
    /// # Ok::<(), firstguess::train::label_errors::ProbabilityError>(())
    /// ```
    pub fn flag(
        &self,
        learning: &ConfidentLearning,
        method: Method,
        pruning: &Pruning,
    ) -> Vec<bool> {
        let mut flagged = match method {
            Method::PruneByClass => self.by_class(&pruning.counts(learning), pruning),
            Method::PruneByNoiseRate => self.by_noise_rate(&pruning.counts(learning), pruning),
            Method::Both => {
                let counts = pruning.counts(learning);
                let by_class = self.by_class(&counts, pruning);
                let by_rate = self.by_noise_rate(&counts, pruning);
                by_class.into_iter().zip(by_rate).map(|(a, b)| a && b).collect()
            }
            Method::ConfidentLearning => self.off_diagonal(learning),
            Method::PredictedNeqGiven => {
                self.labelled().map(|(row, label)| most_probable(row) != label).collect()
            }
            Method::LowSelfConfidence => return self.lowest(learning, &self.self_confidence()),
            Method::LowNormalizedMargin => return self.lowest(learning, &self.normalized_margin()),
        };
        self.spare_the_predicted(&mut flagged);
        flagged
    }

    /// The flagged examples, the most suspicious first; of equals the earlier.
    pub fn rank(&self, flagged: &[bool], by: Ranking) -> Vec<usize> {
        let scores = match by {
            Ranking::SelfConfidence => self.self_confidence(),
            Ranking::NormalizedMargin => self.normalized_margin(),
        };
        let mut order: Vec<usize> =
            (0..self.examples()).filter(|&i| flagged.get(i) == Some(&true)).collect();
        order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        order
    }

    /// The examples of each given class.
    fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.classes()];
        for (example, &label) in self.labels().iter().enumerate() {
            members[label as usize].push(example);
        }
        members
    }

    fn by_class(&self, counts: &[Vec<u64>], pruning: &Pruning) -> Vec<bool> {
        let own = self.self_confidence();
        let mut flagged = vec![false; self.examples()];
        for (class, mut members) in self.members().into_iter().enumerate() {
            let size = members.len() as u64;
            if size <= pruning.min_examples_per_class.max(1) {
                continue;
            }
            members.sort_by(|&a, &b| own[a].total_cmp(&own[b]));
            flag_first(&mut flagged, &members, size.saturating_sub(counts[class][class]));
        }
        flagged
    }

    fn by_noise_rate(&self, counts: &[Vec<u64>], pruning: &Pruning) -> Vec<bool> {
        let rows: Vec<&[f64]> = self.rows().collect();
        let mut flagged = vec![false; self.examples()];
        for (given, members) in self.members().into_iter().enumerate() {
            if members.len() as u64 <= pruning.min_examples_per_class.max(1) {
                continue;
            }
            for (truth, row) in counts.iter().enumerate() {
                if truth == given || row[given] == 0 {
                    continue;
                }
                let lead = |i: usize| rows[i][truth] - rows[i][given];
                let mut order = members.clone();
                order.sort_by(|&a, &b| lead(b).total_cmp(&lead(a)));
                flag_first(&mut flagged, &order, row[given]);
            }
        }
        flagged
    }

    fn off_diagonal(&self, learning: &ConfidentLearning) -> Vec<bool> {
        let pairs = learning.confident.iter().zip(self.labels());
        pairs.map(|(guess, label)| guess.is_some_and(|guess| guess != *label)).collect()
    }

    /// As many examples of the lowest scores as are confidently predicted to be another class.
    fn lowest(&self, learning: &ConfidentLearning, scores: &[f64]) -> Vec<bool> {
        let mut confident = self.off_diagonal(learning);
        self.spare_the_predicted(&mut confident);
        let count = confident.iter().filter(|flag| **flag).count() as u64;
        let mut order: Vec<usize> = (0..self.examples()).collect();
        order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        let mut flagged = vec![false; self.examples()];
        flag_first(&mut flagged, &order, count);
        flagged
    }

    /// Takes the flag off every example whose label is its most probable class, with 1e-6 in favour of the label.
    fn spare_the_predicted(&self, flagged: &mut [bool]) {
        for (flag, (row, label)) in flagged.iter_mut().zip(self.labelled()) {
            let own = row[label] + CLOSE;
            let beaten =
                row.iter().enumerate().any(|(k, p)| if k < label { *p >= own } else { *p > own });
            *flag &= beaten;
        }
    }
}

/// Flags the first `count` examples of an order.
fn flag_first(flagged: &mut [bool], order: &[usize], count: u64) {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    for &example in order.iter().take(count) {
        flagged[example] = true;
    }
}
