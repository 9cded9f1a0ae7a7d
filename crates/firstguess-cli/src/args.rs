//! The one definition of the command line: what is accepted and how it is explained.
#![expect(clippy::doc_markdown, reason = "these comments are the help, where backticks would show")]

use std::path::PathBuf;

use clap::{Args as Arguments, Parser, Subcommand, ValueEnum};
use firstguess::spec::layer::PoolKind;
use firstguess::spec::{Activation, InitScheme, Loss, LossSchedule, SpecError};
use firstguess::theory::dual::MAX_POOL;
use firstguess::train::label_errors::Method as LabelMethod;
use firstguess::train::{Method, RateSchedule};

/// Predicts, measures and judges the initialization of a neural network
#[derive(Debug, Parser)]
#[command(name = "firstguess", version, arg_required_else_help = true)]
#[command(after_help = "Data go to stdout, everything else to stderr.\n\
    Exit status: 0 fine, 1 findings at or above --fail-on, 2 unusable input.")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// Options of every command.
#[derive(Debug, Clone, Arguments)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Seed of every random number [default: the spec's, else 0]
    #[arg(long, global = true, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    /// Threads to compute with [default: one per core]
    #[arg(long, global = true, value_name = "N", value_parser = threads, allow_negative_numbers = true)]
    pub(crate) threads: Option<usize>,
    /// No notes and no progress on stderr; errors only
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
    /// No colour, as with the environment variable NO_COLOR
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The main job: predict, measure and judge an initialization on real data
    #[command(after_help = "Examples:\n  \
        firstguess check\n  \
        firstguess check model.toml --data images.npz --draws 100\n  \
        firstguess check model.toml --json --fail-on warning")]
    Check(CheckArgs),
    /// Theory alone: fixed points, phase, depth scales, and every layer's variance and bias
    #[command(override_usage = "firstguess predict [OPTIONS] <MODEL>\n       \
        firstguess predict [OPTIONS] --activation <A> --weight-variance <W> --bias-variance <B>")]
    #[command(after_help = "Examples:\n  \
        firstguess predict model.toml\n  \
        firstguess predict --activation tanh --weight-variance 3 --bias-variance 0.1 --depth 50")]
    Predict(PredictArgs),
    /// The critical weight variances: edge of chaos and neutrality
    #[command(after_help = "Example:\n  \
        firstguess critical --activation tanh --bias-variance 0.05")]
    Critical(CriticalArgs),
    /// How unevenly an untrained network guesses: the law of the largest class share
    #[command(after_help = "Examples:\n  \
        firstguess guess --gamma 1 --classes 10\n  \
        firstguess guess --correlation 0.5 --classes 2 --json")]
    Guess(GuessArgs),
    /// A Gaussian pair: the activation and weight law that keep pre-activations Gaussian at every width
    #[command(after_help = "Examples:\n  \
        firstguess pair --theta 3\n  \
        firstguess pair --theta 2.5 --branch positive --table -1,0,0.5,2 --json")]
    Pair(PairArgs),
    /// Verify by training: short paired runs of several initializations and losses, with the course of the guesses
    #[command(after_help = "Examples:\n  \
        firstguess train model.toml --arms he_normal,torch_default,critical --seeds 8\n  \
        firstguess train model.toml --loss ce,blurry(0.1),piecewise_zero(0.05)@guard(0.2) --epochs 5\n  \
        firstguess train model.toml --arms spec,explicit(2,0.1) --lr 1e-4,1e-3,1e-2 --csv curves.csv")]
    Train(TrainArgs),
    /// Loss doctor: does each loss correct, ignore or amplify the first guess?
    #[command(after_help = "Examples:\n  \
        firstguess losses model.toml\n  \
        firstguess losses model.toml --data images.npz --loss ce,mae,blurry(0.2) --json")]
    Losses(LossesArgs),
    /// Which labels are wrong, by training on them: held-out probabilities and margins
    #[command(after_help = "Examples:\n  \
        firstguess labels --train model.toml --data digits\n  \
        firstguess labels --train model.toml --corrupt 0.2 --loss piecewise_zero(0.2)@delay(10)")]
    Labels(LabelsArgs),
    /// What a finding means and what to do about it
    #[command(after_help = "Examples:\n  \
        firstguess explain frozen-bias\n  \
        firstguess explain --all")]
    Explain(ExplainArgs),
    /// The works behind the formulas, as BibTeX
    #[command(after_help = "Examples:\n  \
        firstguess cite poole2016\n  \
        firstguess cite > references.bib")]
    Cite(CiteArgs),
    /// A completion script for a shell
    #[command(after_help = "Example:\n  \
        firstguess completions bash > ~/.local/share/bash-completion/completions/firstguess")]
    Completions(CompletionsArgs),
}

/// What to check, on what, and when to fail.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct CheckArgs {
    /// A spec file (TOML); the embedded example on the embedded digits unless given
    #[arg(value_name = "MODEL")]
    pub(crate) model: Option<PathBuf>,
    /// Inputs instead of the spec's: a known data set (digits) or a file (npz, npy, csv, idx)
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
    /// Gravity of a finding from which the exit status is 1
    #[arg(long, value_name = "SEVERITY", value_enum, default_value_t = FailOn::Error)]
    pub(crate) fail_on: FailOn,
}

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
    /// Share of the data kept apart, on which arms are compared; 0 compares on training data
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = share, allow_negative_numbers = true)]
    pub(crate) validation: f64,
    /// Examples that are looked at, as many of each class
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = samples, allow_negative_numbers = true)]
    pub(crate) probe: usize,
    /// Write every trajectory to a file as CSV
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
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

/// Whose labels, and how to look for wrong ones.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct LabelsArgs {
    /// A spec file (TOML) of the network to train
    #[arg(long, value_name = "MODEL")]
    pub(crate) train: PathBuf,
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
    /// Trainings for the area under the margin, 0 for none
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = margin_runs, allow_negative_numbers = true)]
    pub(crate) margin_runs: usize,
    /// How examples are flagged by their probabilities
    #[arg(long, value_name = "METHOD", default_value = "both", value_parser = label_method)]
    pub(crate) method: LabelMethod,
    /// Write a line per example to a file as CSV: label, flags, confidence, margin
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
}

/// Values given in one option, separated by commas outside parentheses.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

/// An initialization to train: a scheme, or that of the spec.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ArmArg {
    pub(crate) name: String,
    /// `None` for the spec's own.
    pub(crate) scheme: Option<InitScheme>,
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

#[derive(Debug, Clone, Arguments)]
#[group(required = true, multiple = false)]
pub(crate) struct ExplainArgs {
    /// Name of a finding, such as frozen-bias
    #[arg(value_name = "FINDING")]
    pub(crate) finding: Option<String>,
    /// Every finding
    #[arg(long)]
    pub(crate) all: bool,
    /// The names and what they say, one per line
    #[arg(long)]
    pub(crate) list: bool,
}

/// One kind of layer, repeated.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct PredictArgs {
    /// A spec file (TOML); or give the flags of one kind of layer
    #[arg(value_name = "MODEL", required_unless_present = "activation")]
    pub(crate) model: Option<PathBuf>,
    /// Name, such as relu, tanh or leaky_relu(0.1), or an expression in x
    #[arg(long, value_name = "A", value_parser = activation, conflicts_with = "model")]
    #[arg(requires_all = ["weight_variance", "bias_variance"])]
    pub(crate) activation: Option<Activation>,
    /// Variance of the weights times the fan-in, σ_w²
    #[arg(long, value_name = "W", value_parser = variance, allow_negative_numbers = true)]
    #[arg(requires = "activation")]
    pub(crate) weight_variance: Option<f64>,
    /// Variance of the biases, σ_b²
    #[arg(long, value_name = "B", value_parser = variance, allow_negative_numbers = true)]
    #[arg(requires = "activation")]
    pub(crate) bias_variance: Option<f64>,
    /// Pool after the activation, over so many units: max:2, average:4 (or avg:4), min:3
    #[arg(long, value_name = "KIND:K", value_parser = pool, requires = "activation")]
    pub(crate) pool: Option<PoolArg>,
    /// Correlation of the units under one pool, from 0 (a dense layer's) to 1
    #[arg(long, value_name = "R", value_parser = correlation, requires = "pool", allow_negative_numbers = true)]
    pub(crate) pool_correlation: Option<f64>,
    /// Layers, at most 1000000
    #[arg(long, value_name = "L", default_value_t = 20, value_parser = depth, allow_negative_numbers = true)]
    #[arg(conflicts_with = "model")]
    pub(crate) depth: usize,
    /// Correlation between two inputs of unit mean square, from 0 to 1
    #[arg(long, value_name = "C", default_value_t = 0.0, value_parser = correlation, allow_negative_numbers = true)]
    #[arg(conflicts_with = "model")]
    pub(crate) input_correlation: f64,
}

#[derive(Debug, Clone, Arguments)]
pub(crate) struct ActivationArg {
    /// Name, such as relu, tanh or leaky_relu(0.1), or an expression in x
    #[arg(long, value_name = "A", value_parser = activation)]
    pub(crate) activation: Activation,
}

#[derive(Debug, Clone, Arguments)]
pub(crate) struct CriticalArgs {
    #[command(flatten)]
    pub(crate) activation: ActivationArg,
    /// Variance of the biases, σ_b²
    #[arg(long, value_name = "B", value_parser = variance, allow_negative_numbers = true)]
    pub(crate) bias_variance: f64,
    /// Pool after the activation, over so many units: max:2, average:4 (or avg:4), min:3
    #[arg(long, value_name = "KIND:K", value_parser = pool)]
    pub(crate) pool: Option<PoolArg>,
    /// Correlation of the units under one pool, from 0 (a dense layer's) to 1
    #[arg(long, value_name = "R", value_parser = correlation, requires = "pool", allow_negative_numbers = true)]
    pub(crate) pool_correlation: Option<f64>,
}

#[derive(Debug, Clone, Arguments)]
pub(crate) struct GuessArgs {
    #[command(flatten)]
    pub(crate) drift: DriftArgs,
    /// Number of classes, at least 2
    #[arg(long, value_name = "N", value_parser = classes, allow_negative_numbers = true)]
    pub(crate) classes: usize,
}

#[derive(Debug, Clone, Arguments)]
pub(crate) struct PairArgs {
    /// Tail exponent of the Weibull pair, from 2 on
    #[arg(long, value_name = "T", value_parser = number, allow_negative_numbers = true)]
    pub(crate) theta: f64,
    /// Which of the two activations
    #[arg(long, value_name = "BRANCH", value_enum, default_value_t = PairBranch::Odd)]
    pub(crate) branch: PairBranch,
    /// Where to tabulate the activation [default: -3 to 3 by halves]
    #[arg(long, value_name = "X1,X2,...", value_delimiter = ',', value_parser = number)]
    #[arg(allow_hyphen_values = true)]
    pub(crate) table: Vec<f64>,
    /// Units per layer, for the kurtosis by depth
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = width, allow_negative_numbers = true)]
    pub(crate) width: usize,
    /// Layers, for the kurtosis by depth, at most 1000000
    #[arg(long, value_name = "L", default_value_t = 10, value_parser = depth, allow_negative_numbers = true)]
    pub(crate) depth: usize,
}

/// The two activations of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PairBranch {
    /// Odd and increasing
    Odd,
    /// Positive and increasing
    Positive,
}

/// How biased the network is; either form.
#[derive(Debug, Clone, Arguments)]
#[group(required = true, multiple = false)]
pub(crate) struct DriftArgs {
    /// Drift ratio of the logits: variance of the centres over variance of the data, `inf` allowed
    #[arg(long, value_name = "G", value_parser = gamma, allow_negative_numbers = true)]
    pub(crate) gamma: Option<f64>,
    /// Correlation between the logits of two inputs, from 0 to 1
    #[arg(long, value_name = "C", value_parser = correlation, allow_negative_numbers = true)]
    pub(crate) correlation: Option<f64>,
}

#[derive(Debug, Clone, Arguments)]
pub(crate) struct CiteArgs {
    /// One work, by its key; all of them unless given
    pub(crate) key: Option<String>,
}

#[derive(Debug, Clone, Arguments)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

fn activation(text: &str) -> Result<Activation, String> {
    text.parse::<Activation>().map_err(|error| format!("{error}\n  {}", error.hint()))
}

/// A pool over units, as `--pool` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolArg {
    pub(crate) kind: PoolKind,
    pub(crate) size: usize,
}

fn pool(text: &str) -> Result<PoolArg, String> {
    let (kind, size) =
        text.split_once(':').ok_or("write the kind and the number of units, such as max:2")?;
    let kind = match kind.trim() {
        "max" => PoolKind::Max,
        "average" | "avg" | "mean" => PoolKind::Average,
        "min" => PoolKind::Min,
        _ => return Err("the kind is one of max, average and min".to_owned()),
    };
    Ok(PoolArg { kind, size: count(size, 1, MAX_POOL)? })
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

fn list<T>(text: &str, one: impl Fn(&str) -> Result<T, SpecError>) -> Result<List<T>, String> {
    let all: Result<Vec<T>, SpecError> = parts(text).into_iter().map(one).collect();
    all.map(List).map_err(|error| error.to_string())
}

fn losses(text: &str) -> Result<List<Loss>, String> {
    list(text, str::parse)
}

fn loss_schedule(text: &str) -> Result<LossSchedule, String> {
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

fn label_method(text: &str) -> Result<LabelMethod, String> {
    text.parse().map_err(|error: SpecError| error.to_string())
}

fn number(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| "not a number".to_owned())
}

fn bounded(text: &str, low: f64, high: f64, domain: &str) -> Result<f64, String> {
    let value = number(text)?;
    // NaN lies in no range.
    if (low..=high).contains(&value) { Ok(value.abs()) } else { Err(format!("must be {domain}")) }
}

/// As in a spec file.
fn variance(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, 1e6, "finite, at least 0 and at most 1e6")
}

fn correlation(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, 1.0, "from 0 to 1")
}

fn gamma(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, f64::INFINITY, "at least 0; `inf` is allowed")
}

fn count(text: &str, low: usize, high: usize) -> Result<usize, String> {
    let refusal = || format!("must be a whole number from {low} to {high}");
    let value = text.trim().parse().map_err(|_| refusal())?;
    if (low..=high).contains(&value) { Ok(value) } else { Err(refusal()) }
}

fn depth(text: &str) -> Result<usize, String> {
    count(text, 1, 1_000_000)
}

fn draws(text: &str) -> Result<usize, String> {
    count(text, 1, firstguess::spec::experiment::MAX_DRAWS)
}

fn samples(text: &str) -> Result<usize, String> {
    count(text, 1, firstguess::spec::experiment::MAX_SAMPLES)
}

fn seeds(text: &str) -> Result<usize, String> {
    count(text, 1, 10_000)
}

fn steps(text: &str) -> Result<usize, String> {
    count(text, 1, 100_000_000)
}

fn epochs(text: &str) -> Result<usize, String> {
    count(text, 1, 1_000_000)
}

fn batch(text: &str) -> Result<usize, String> {
    count(text, 1, 1 << 20)
}

fn folds(text: &str) -> Result<usize, String> {
    count(text, 2, 1000)
}

fn margin_runs(text: &str) -> Result<usize, String> {
    count(text, 0, 100)
}

fn positive(text: &str) -> Result<f64, String> {
    bounded(text, f64::MIN_POSITIVE, 1e6, "positive and at most 1e6")
}

fn decay(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, 1e6, "at least 0 and at most 1e6")
}

fn share(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, 0.9, "from 0 to 0.9")
}

fn width(text: &str) -> Result<usize, String> {
    count(text, 1, firstguess::spec::network::MAX_UNITS)
}

fn threads(text: &str) -> Result<usize, String> {
    count(text, 1, 1024)
}

fn classes(text: &str) -> Result<usize, String> {
    count(text, 2, firstguess::theory::prejudice::MAX_CLASSES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent_and_every_command_has_an_example() {
        Args::command().debug_assert();
        for command in Args::command().get_subcommands() {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let call = format!("firstguess {}", command.get_name());
            assert!(after.contains(&call), "no example for `{call}`");
        }
    }

    #[test]
    fn every_example_is_accepted_as_it_stands() {
        for command in Args::command().get_subcommands() {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in after.lines().skip(1) {
                let words = line.split_whitespace().take_while(|word| *word != ">");
                assert!(Args::try_parse_from(words).is_ok(), "refused: {line}");
            }
        }
    }

    #[test]
    fn lists_are_divided_at_commas_outside_parentheses() {
        assert_eq!(parts("a,b(1,2),c(d(3,4))"), ["a", "b(1,2)", "c(d(3,4))"]);
        let found = loss_schedules("ce,blurry(0.3)@ramp(1,2)").unwrap();
        assert_eq!(found.0.len(), 2);
        assert!(losses("ce,blury").unwrap_err().contains("did you mean `blurry`"));
        assert_eq!(arms("spec,he_normal").unwrap().0[0].scheme, None);
        assert!(arms("spec,,he_normal").is_err());
    }

    #[test]
    fn numbers_outside_their_domain_are_refused() {
        for text in ["nan", "-1", "inf", "1e7", "", "two"] {
            assert!(variance(text).is_err(), "{text}");
        }
        assert_eq!(variance(" 1.5 "), Ok(1.5));
        assert_eq!(variance("-0").map(f64::is_sign_positive), Ok(true));
        assert_eq!(gamma("inf"), Ok(f64::INFINITY));
        assert_eq!(pool("avg:4"), Ok(PoolArg { kind: PoolKind::Average, size: 4 }));
        for text in ["max", "max:0", "top:2", "max:two", "max:99999999"] {
            assert!(pool(text).is_err(), "{text}");
        }
        for text in ["0", "-3", "1.5", "1000001", "99999999999999999999999"] {
            assert!(depth(text).is_err(), "{text}");
        }
    }
}
