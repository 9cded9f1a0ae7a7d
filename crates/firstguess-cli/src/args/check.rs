//! `check` and the gate: which networks, which data, which findings count.

use std::path::PathBuf;

use clap::{Args as Arguments, ValueEnum};
use firstguess::spec::{InitScheme, LossSchedule, Standardize};

use super::advise::init_scheme;
use super::plot::PlotArgs;
use super::train::loss_schedule;
use super::values::{draws, precision, samples, seconds, standardize};

/// What to check, on what, and when to fail.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct CheckArgs {
    /// A spec file (TOML) or an ONNX model (.onnx); the embedded example on the embedded digits unless given
    #[arg(value_name = "MODEL")]
    pub(crate) model: Option<PathBuf>,
    /// Inputs instead of the spec's: a known data set (digits; mnist, fashion_mnist, cifar10 once
    /// fetched), a file (npz, npy, csv, parquet, idx) or a folder of images. An ONNX model gets
    /// standard normal inputs of its shape unless given
    #[arg(long, value_name = "DATA")]
    pub(crate) data: Option<String>,
    /// Scale the inputs: none, unit_range, global, channel or feature [default: the spec's; none with an ONNX
    /// model, whose preprocessing lies outside]
    #[arg(long, value_name = "HOW", value_parser = standardize)]
    pub(crate) standardize: Option<Standardize>,
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
    /// Write the ONNX model as a spec file, with the variances read off its weights
    #[arg(long, value_name = "FILE")]
    pub(crate) write_spec: Option<PathBuf>,
    /// Audit the weights in this file (safetensors or npz) instead of measuring: do they follow the law of MODEL, or of
    /// --scheme?
    #[arg(long, value_name = "FILE")]
    #[arg(conflicts_with_all = ["draws", "samples", "loss", "precision", "budget", "engine", "shares_only", "html", "plot"])]
    pub(crate) weights: Option<PathBuf>,
    /// Scheme that the weights should follow where there is no MODEL, such as he_normal or explicit(2,0.1)
    #[arg(long, value_name = "S", value_parser = init_scheme, requires = "weights", conflicts_with = "model")]
    pub(crate) scheme: Option<InitScheme>,
    /// Gravity of a finding from which the exit status is 1
    #[arg(long, value_name = "SEVERITY", value_enum, default_value_t = FailOn::Error)]
    pub(crate) fail_on: FailOn,
    /// Write the report as one HTML page that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) plot: PlotArgs,
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
