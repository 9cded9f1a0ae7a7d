//! `variance`.

use std::path::PathBuf;

use clap::Args as Arguments;
use firstguess::spec::{InitScheme, LossSchedule, SpecError};

use super::plot::PlotArgs;
use super::train::{
    HeldOut, TrialArgs, batch, epochs, held_out, loss_schedule, positive, seeds, steps,
};
use super::values::{bounded, count};

/// What is searched, with which trainings.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct VarianceArgs {
    /// A spec file (TOML)
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) trial: TrialArgs,
    /// The profile that is scaled: spec, a scheme (he_normal, glorot_normal, lecun_normal, critical), or uniform: one
    /// variance in all layers, at gain 1 with the norm of he_normal
    #[arg(long, value_name = "PROFILE", default_value = "spec", value_parser = profile)]
    pub(crate) base: Profile,
    /// The loss
    #[arg(long, value_name = "LOSS", default_value = "cross_entropy", value_parser = loss_schedule)]
    pub(crate) loss: LossSchedule,
    /// Learning rate of plain SGD
    #[arg(long, value_name = "R", default_value_t = 0.02, value_parser = positive, allow_negative_numbers = true)]
    pub(crate) lr: f64,
    /// Examples per step
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = batch, allow_negative_numbers = true)]
    pub(crate) batch: usize,
    /// Steps of each training [default: 3000]
    #[arg(long, value_name = "N", value_parser = steps, conflicts_with = "epochs", allow_negative_numbers = true)]
    pub(crate) steps: Option<usize>,
    /// Passes over the training data instead
    #[arg(long, value_name = "N", value_parser = epochs, allow_negative_numbers = true)]
    pub(crate) epochs: Option<usize>,
    /// Pilots with steps so many times longer and so many times fewer, if they are stable
    #[arg(long, value_name = "F", default_value_t = 1.0, value_parser = shorten, allow_negative_numbers = true)]
    pub(crate) shorten: f64,
    /// Trainings of each gain
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = seeds, allow_negative_numbers = true)]
    pub(crate) seeds: usize,
    /// Smallest and largest gain of the scan
    #[arg(long, value_name = "LOW:HIGH", default_value = "0.25:8", value_parser = gains)]
    pub(crate) gains: Gains,
    /// Gains of the scan
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = scan, allow_negative_numbers = true)]
    pub(crate) scan: usize,
    /// Train at these gains in full too: the curve of loss and accuracy over the gain
    #[arg(long, value_name = "G1,G2,...", value_delimiter = ',', value_parser = gain, allow_negative_numbers = true)]
    pub(crate) curve: Vec<f64>,
    /// Largest mean of ln(V_T/V_0) that counts as zero, at most 0.5
    #[arg(long, value_name = "F", default_value_t = 5e-4, value_parser = tolerance, allow_negative_numbers = true)]
    pub(crate) tolerance: f64,
    /// Leave the biases as they were drawn
    #[arg(long)]
    pub(crate) fixed_biases: bool,
    /// Count biases in V beside weights
    #[arg(long)]
    pub(crate) include_biases: bool,
    /// Share of the data kept apart, or test for the official test part, on which the gain is judged
    #[arg(long, value_name = "SHARE|test", default_value = "0.2", value_parser = held_out, allow_negative_numbers = true)]
    pub(crate) validation: HeldOut,
    /// Examples whose gradients are taken one by one for the panel of the theory
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = examples, allow_negative_numbers = true)]
    pub(crate) examples: usize,
    /// Keep the pilots here, and go on from those that are there
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) plot: PlotArgs,
}

/// What a gain scales.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Profile {
    Spec,
    Uniform,
    Scheme(InitScheme),
}

/// Ends of a scan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Gains {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Spec => f.write_str("spec"),
            Self::Uniform => f.write_str("uniform"),
            Self::Scheme(scheme) => scheme.scheme.fmt(f),
        }
    }
}

/// Beyond a factor of e^0.5 in the norm nothing is said to be kept.
fn tolerance(text: &str) -> Result<f64, String> {
    bounded(
        text,
        1e-12,
        0.5,
        "from 1e-12 to 0.5: a logarithm of the factor by which the norm changes",
    )
}

fn profile(text: &str) -> Result<Profile, String> {
    match text.trim() {
        "spec" => Ok(Profile::Spec),
        "uniform" => Ok(Profile::Uniform),
        other => {
            let scheme = other.parse();
            scheme.map(Profile::Scheme).map_err(|error: SpecError| error.to_string())
        }
    }
}

fn gains(text: &str) -> Result<Gains, String> {
    let (low, high) = text.split_once(':').ok_or("write both ends, such as 0.25:8")?;
    let (low, high) = (gain(low)?, gain(high)?);
    if low < high {
        Ok(Gains { low, high })
    } else {
        Err("the first end must be below the second".to_owned())
    }
}

fn gain(text: &str) -> Result<f64, String> {
    bounded(text, 1e-4, 1e3, "from 1e-4 to 1e3")
}

fn shorten(text: &str) -> Result<f64, String> {
    bounded(text, 1.0, 1e6, "from 1 to 1e6")
}

fn scan(text: &str) -> Result<usize, String> {
    count(text, 2, 1000)
}

fn examples(text: &str) -> Result<usize, String> {
    count(text, 2, 1 << 20)
}
