//! `check` and the gate: which networks, which data, which findings count.

use std::path::PathBuf;

use clap::{Args as Arguments, ValueEnum};
use firstguess::spec::LossSchedule;

use super::train::loss_schedule;
use super::values::{draws, precision, samples, seconds};

/// What to check, on what, and when to fail.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct CheckArgs {
    /// A spec file (TOML); the embedded example on the embedded digits unless given
    #[arg(value_name = "MODEL")]
    pub(crate) model: Option<PathBuf>,
    /// Inputs instead of the spec's: a known data set (digits; mnist, fashion_mnist, cifar10 once
    /// fetched), a file (npz, npy, csv, parquet, idx) or a folder of images
    #[arg(long, value_name = "DATA")]
    pub(crate) data: Option<String>,
    /// Networks to draw instead of the spec's number
    #[arg(long, value_name = "N", value_parser = draws, allow_negative_numbers = true)]
    pub(crate) draws: Option<usize>,
    /// Inputs to use at most, a random part of the data
    #[arg(long, value_name = "N", value_parser = samples, allow_negative_numbers = true)]
    pub(crate) samples: Option<usize>,
    /// The loss to be used: a verdict on what it does to the first guess, such as blurry(0.3)@delay(4)
    #[arg(long, value_name = "LOSS", value_parser = loss_schedule)]
    pub(crate) loss: Option<LossSchedule>,
    /// Stop when these are known within this relative standard error: the mean square logit, the largest class share, the
    /// agreement of guesses and the loss; 0.01 is one percent [draws at most: 100000 unless --draws says so]
    #[arg(long, value_name = "P", value_parser = precision, allow_negative_numbers = true)]
    pub(crate) precision: Option<f64>,
    /// Stop after so many seconds of measuring and report what there is [draws at most: as for --precision]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) budget: Option<f64>,
    /// How networks are drawn; the law is the same
    #[arg(long, value_name = "ENGINE", value_enum)]
    pub(crate) engine: Option<EngineArg>,
    /// Look at the logits only: class shares and loss, no layers, no gradients
    #[arg(long)]
    pub(crate) shares_only: bool,
    /// Gravity of a finding from which the exit status is 1
    #[arg(long, value_name = "SEVERITY", value_enum, default_value_t = FailOn::Error)]
    pub(crate) fail_on: FailOn,
    #[command(flatten)]
    pub(crate) gate: GateArgs,
}

/// Which findings count, and where they go.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct GateArgs {
    /// Count these findings only, by their names
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    pub(crate) select: Vec<String>,
    /// Leave these findings out, by their names
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    pub(crate) ignore: Vec<String>,
    /// Known findings, which do not count: a file that --write-baseline wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write the findings down as known, and do not fail
    #[arg(long, value_name = "FILE")]
    pub(crate) write_baseline: Option<PathBuf>,
    /// Write the findings as SARIF 2.1.0, for code scanning
    #[arg(long, value_name = "FILE")]
    pub(crate) sarif: Option<PathBuf>,
}

/// How networks are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineArg {
    /// Whichever is faster and exact
    Auto,
    /// With their weights
    Direct,
    /// Without weights, from Gram matrices: dense layers with normal weights only
    Conditioned,
}

/// Findings of which gravity make the program fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Errors
    Error,
    /// Warnings and errors
    Warning,
    /// None
    Never,
}
