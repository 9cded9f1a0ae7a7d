//! `train`, `losses`, and what other commands share with them.

use std::path::PathBuf;

use clap::Args as Arguments;
use firstguess::spec::{InitScheme, Loss, LossSchedule, SpecError};
use firstguess::train::{Method, RateSchedule};

use super::plot::PlotArgs;
use super::values::{bounded, count, draws, samples};

/// A model and the data that it is to be tried on.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct TrialArgs {
    /// Inputs instead of the spec's: a known data set (digits) or a file (npz, npy, csv, idx)
    #[arg(long, value_name = "DATA")]
    pub(crate) data: Option<String>,
    /// Inputs to use at most, a random part of the data [default: the spec's number, else all]
    #[arg(long, value_name = "N", value_parser = samples, allow_negative_numbers = true)]
    pub(crate) samples: Option<usize>,
}

/// How networks are trained.
#[derive(Debug, Clone, Arguments)]
#[command(next_help_heading = "Training")]
pub(crate) struct RecipeArgs {
    /// sgd, sgd(0.9), nesterov(0.9), adam, adam(0.9,0.999) or adamw
    #[arg(long, value_name = "METHOD", default_value = "adam", value_parser = method)]
    pub(crate) optimizer: Method,
    /// constant, cosine, or step(5,0.1): times 0.1 every 5 epochs
    #[arg(long, value_name = "SCHEDULE", default_value = "constant", value_parser = rate_schedule)]
    pub(crate) rate_schedule: RateSchedule,
    /// Weight decay
    #[arg(long, value_name = "L", default_value_t = 0.0, value_parser = decay, allow_negative_numbers = true)]
    pub(crate) weight_decay: f64,
    /// Largest norm of the gradient
    #[arg(long, value_name = "NORM", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) clip: Option<f64>,
    /// Examples per step
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = batch, allow_negative_numbers = true)]
    pub(crate) batch: usize,
}

/// Arms, losses, seeds and length of a comparison.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct TrainArgs {
    /// A spec file (TOML)
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) trial: TrialArgs,
    /// Initializations: schemes (he_normal, torch_default, critical, explicit(2,0.1), glorot_normal(gain=2)), or spec
    #[arg(long, value_name = "A,B,...", default_value = "spec", value_parser = arms)]
    pub(crate) arms: List<ArmArg>,
    /// Losses, each with every initialization
    #[arg(long, value_name = "L,M,...", default_value = "cross_entropy", value_parser = loss_schedules)]
    pub(crate) loss: List<LossSchedule>,
    /// Trainings of each arm; all arms share their seeds
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = seeds, allow_negative_numbers = true)]
    pub(crate) seeds: usize,
    /// Steps of each training [default: 500]
    #[arg(long, value_name = "N", value_parser = steps, conflicts_with = "epochs", allow_negative_numbers = true)]
    pub(crate) steps: Option<usize>,
    /// Passes over the training data instead
    #[arg(long, value_name = "N", value_parser = epochs, allow_negative_numbers = true)]
    pub(crate) epochs: Option<usize>,
    /// Learning rates; of several, each arm takes the one at which it does best on seeds of their own
    #[arg(long, value_name = "R,S,...", value_delimiter = ',', default_value = "0.001", value_parser = positive)]
    #[arg(allow_negative_numbers = true)]
    pub(crate) lr: Vec<f64>,
    /// Steps between two looks at the network [default: a fiftieth of the training]
    #[arg(long, value_name = "N", value_parser = steps, allow_negative_numbers = true)]
    pub(crate) every: Option<usize>,
    /// Share of the data kept apart, or test for the official test part, on which arms are compared; 0 compares on training data
    #[arg(long, value_name = "SHARE|test", default_value = "0.2", value_parser = held_out, allow_negative_numbers = true)]
    pub(crate) validation: HeldOut,
    /// Examples that are looked at, as many of each class
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = samples, allow_negative_numbers = true)]
    pub(crate) probe: usize,
    /// Write every trajectory to a file as CSV
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) plot: PlotArgs,
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
}

/// Which losses on which model.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct LossesArgs {
    /// A spec file (TOML)
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) trial: TrialArgs,
    /// Losses to judge, such as ce,blurry(0.2) [default: all families]
    #[arg(long, value_name = "L,M,...", value_parser = losses)]
    pub(crate) loss: Option<List<Loss>>,
    /// Networks to draw instead of the spec's number
    #[arg(long, value_name = "N", value_parser = draws, allow_negative_numbers = true)]
    pub(crate) draws: Option<usize>,
}

/// Values given in one option, separated by commas outside parentheses.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

/// An initialization to train: a scheme, or that of the spec.
#[derive(Debug, Clone)]
pub(crate) struct ArmArg {
    pub(crate) name: String,
    /// `None` for the spec's own.
    pub(crate) scheme: Option<InitScheme>,
}

impl PartialEq for ArmArg {
    /// Whatever it is called.
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme
    }
}

/// The parts of a text between commas that stand outside parentheses.
fn parts(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (position, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..position]);
                start = position + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// What is given twice under any name is refused: it would be run twice and compared with itself.
fn list<T: PartialEq>(
    text: &str,
    one: impl Fn(&str) -> Result<T, SpecError>,
) -> Result<List<T>, String> {
    let mut all = Vec::new();
    for part in parts(text) {
        let value = one(part).map_err(|error| error.to_string())?;
        if all.contains(&value) {
            return Err(format!("`{}` stands twice; give each once", part.trim()));
        }
        all.push(value);
    }
    Ok(List(all))
}

fn losses(text: &str) -> Result<List<Loss>, String> {
    list(text, str::parse)
}

pub(super) fn loss_schedule(text: &str) -> Result<LossSchedule, String> {
    text.parse().map_err(|error: SpecError| error.to_string())
}

fn loss_schedules(text: &str) -> Result<List<LossSchedule>, String> {
    list(text, str::parse)
}

fn arms(text: &str) -> Result<List<ArmArg>, String> {
    list(text, |part| {
        let scheme = (part.trim() != "spec").then(|| part.parse()).transpose()?;
        Ok(ArmArg { name: part.trim().to_owned(), scheme })
    })
}

fn method(text: &str) -> Result<Method, String> {
    text.parse().map_err(|error: SpecError| error.to_string())
}

fn rate_schedule(text: &str) -> Result<RateSchedule, String> {
    text.parse().map_err(|error: SpecError| error.to_string())
}

pub(super) fn seeds(text: &str) -> Result<usize, String> {
    count(text, 1, 10_000)
}

pub(super) fn steps(text: &str) -> Result<usize, String> {
    count(text, 1, 100_000_000)
}

pub(super) fn epochs(text: &str) -> Result<usize, String> {
    count(text, 1, 1_000_000)
}

pub(super) fn batch(text: &str) -> Result<usize, String> {
    count(text, 1, 1 << 20)
}

pub(super) fn folds(text: &str) -> Result<usize, String> {
    count(text, 2, 1000)
}

pub(super) fn margin_runs(text: &str) -> Result<usize, String> {
    count(text, 0, 100)
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    bounded(text, f64::MIN_POSITIVE, 1e6, "positive and at most 1e6")
}

fn decay(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, 1e6, "at least 0 and at most 1e6")
}

/// What a training does not see.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum HeldOut {
    /// A random share of the data.
    Share(f64),
    /// The official test part.
    Test,
}

pub(super) fn held_out(text: &str) -> Result<HeldOut, String> {
    match text.trim() {
        "test" => Ok(HeldOut::Test),
        other => share(other)
            .map(HeldOut::Share)
            .map_err(|why| format!("{why}, or `test` for the official test part")),
    }
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, 0.9, "from 0 to 0.9")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_divided_at_commas_outside_parentheses() {
        assert_eq!(parts("a,b(1,2),c(d(3,4))"), ["a", "b(1,2)", "c(d(3,4))"]);
        let found = loss_schedules("ce,blurry(0.3)@ramp(1,2)").unwrap();
        assert_eq!(found.0.len(), 2);
        assert!(losses("ce,blury").unwrap_err().contains("did you mean `blurry`"));
        assert_eq!(arms("spec,he_normal").unwrap().0[0].scheme, None);
        assert!(arms("spec,,he_normal").is_err());
        for twice in ["he_normal,spec,he_normal", "spec, spec", "explicit(2,0.1),explicit(2.0,.1)"]
        {
            assert!(arms(twice).unwrap_err().contains("stands twice"), "{twice}");
        }
        // Two names of one loss; with another schedule it is another training.
        assert!(losses("ce,cross_entropy").unwrap_err().contains("stands twice"));
        assert_eq!(loss_schedules("blurry(0.3),blurry(0.3)@guard(0.2)").unwrap().0.len(), 2);
    }
}
