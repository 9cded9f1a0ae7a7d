//! `labels`.

use std::path::PathBuf;

use clap::{Args as Arguments, ValueEnum};
use firstguess::spec::LossSchedule;
use firstguess::train::label_errors::{Method, Ranking};

use super::train::{
    RecipeArgs, TrialArgs, epochs, folds, loss_schedule, margin_runs, positive, share,
};

#[derive(Debug, Clone, Arguments)]
pub(crate) struct LabelsArgs {
    /// Held-out probabilities, one row per example, one column per class: npy, npz, csv or parquet
    #[arg(long, value_name = "FILE", required_unless_present = "train", requires = "labels")]
    pub(crate) probabilities: Option<PathBuf>,
    /// The labels the examples were given, whole numbers from 0: npy, npz, csv, parquet or idx
    #[arg(long, value_name = "FILE", requires = "probabilities")]
    pub(crate) labels: Option<PathBuf>,
    /// The true labels, where they are known: then precision, recall, F1 and balanced accuracy
    #[arg(long, value_name = "FILE", conflicts_with = "train")]
    pub(crate) truth: Option<PathBuf>,
    /// How the flagged are chosen: prune_by_class, prune_by_noise_rate, both, confident_learning,
    /// predicted_neq_given, low_self_confidence or low_normalized_margin
    #[arg(long, value_name = "METHOD", default_value = "both", value_parser = method)]
    pub(crate) method: Method,
    /// What the flagged are ranked by
    #[arg(long, value_name = "SCORE", value_enum, default_value_t = RankBy::SelfConfidence)]
    pub(crate) rank_by: RankBy,
    /// Examples of each label that the prune methods leave alone
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = kept, allow_negative_numbers = true)]
    pub(crate) min_examples_per_class: u64,
    /// Share of the estimated errors that the prune methods flag, from 0 to 1
    #[arg(long, value_name = "F", default_value_t = 1.0, value_parser = super::values::correlation, allow_negative_numbers = true)]
    pub(crate) noise_fraction: f64,
    /// Write every example to a file, by its ending .csv or .json; `-` writes CSV to stdout
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) training: TrainingArgs,
}

/// Probabilities and margins by training, instead of from a file.
#[derive(Debug, Clone, Arguments)]
#[command(next_help_heading = "By training")]
pub(crate) struct TrainingArgs {
    /// A spec file (TOML) of a network to train on the data whose labels are doubted
    #[arg(long, value_name = "MODEL", conflicts_with = "probabilities")]
    pub(crate) train: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trial: TrialArgs,
    /// The loss, with its schedule
    #[arg(long, value_name = "LOSS", default_value = "cross_entropy", value_parser = loss_schedule)]
    pub(crate) loss: LossSchedule,
    /// Flip so many labels to a random other class first, to see how well they are found
    #[arg(long, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    pub(crate) corrupt: Option<f64>,
    /// Parts of which each is judged by a network trained on the others
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = folds, allow_negative_numbers = true)]
    pub(crate) folds: usize,
    /// Passes over the training data
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = epochs, allow_negative_numbers = true)]
    pub(crate) epochs: usize,
    /// Learning rate
    #[arg(long, value_name = "R", default_value_t = 0.002, value_parser = positive, allow_negative_numbers = true)]
    pub(crate) lr: f64,
    /// Trainings for the area under the margin, each up to the first drop of the learning rate, 0 for none
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = margin_runs, allow_negative_numbers = true)]
    pub(crate) margin_runs: usize,
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
}

/// What makes an example suspicious.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RankBy {
    /// Probability of the given label
    #[value(name = "self_confidence")]
    SelfConfidence,
    /// Lead of the given label over the best other one
    #[value(name = "normalized_margin")]
    NormalizedMargin,
}

impl From<RankBy> for Ranking {
    fn from(by: RankBy) -> Self {
        match by {
            RankBy::SelfConfidence => Self::SelfConfidence,
            RankBy::NormalizedMargin => Self::NormalizedMargin,
        }
    }
}

fn method(text: &str) -> Result<Method, String> {
    text.parse::<Method>().map_err(|error| error.to_string())
}

fn kept(text: &str) -> Result<u64, String> {
    super::values::count(text, 0, 1_000_000_000).map(|count| count as u64)
}
