//! The one definition of the command line: what is accepted and how it is explained.
#![expect(clippy::doc_markdown, reason = "these comments are the help, where backticks would show")]

mod data;
mod labels;
mod train;
mod variance;

use std::path::PathBuf;

use clap::{Args as Arguments, Parser, Subcommand, ValueEnum};
use firstguess::measure::laboratory;
use firstguess::spec::layer::PoolKind;
use firstguess::spec::weights::{WeightError, WeightFamily};
use firstguess::spec::{Activation, LossSchedule};
use firstguess::theory::dual::MAX_POOL;

pub(crate) use data::{DataArgs, DataCommand, FetchArgs};
pub(crate) use labels::{LabelsArgs, TrainingArgs};
use train::loss_schedule;
pub(crate) use train::{LossesArgs, RecipeArgs, TrainArgs, TrialArgs};
pub(crate) use variance::{Profile, VarianceArgs};

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
        firstguess check model.toml --precision 0.01 --budget 60\n  \
        firstguess check model.toml --json --fail-on warning\n  \
        firstguess check model.toml --sarif findings.sarif --baseline known.json")]
    Check(CheckArgs),
    /// Theory alone: fixed points, phase, depth scales, and every layer's variance and bias
    #[command(override_usage = "firstguess predict [OPTIONS] <MODEL>\n       \
        firstguess predict [OPTIONS] --activation <A> --weight-variance <W> --bias-variance <B>")]
    #[command(after_help = "Examples:\n  \
        firstguess predict model.toml\n  \
        firstguess predict --activation tanh --weight-variance 3 --bias-variance 0.1 --depth 50")]
    Predict(PredictArgs),
    /// The critical weight variances: edge of chaos and neutrality
    #[command(
        override_usage = "firstguess critical [OPTIONS] --bias-variance <B> <MODEL>\n       \
        firstguess critical [OPTIONS] --bias-variance <B> --activation <A>"
    )]
    #[command(after_help = "Examples:\n  \
        firstguess critical --activation tanh --bias-variance 0.05\n  \
        firstguess critical model.toml --bias-variance 0")]
    Critical(CriticalArgs),
    /// The phase diagram: order, chaos and bias over a grid of variances, with both lines
    #[command(after_help = "Examples:\n  \
        firstguess phase --activation tanh\n  \
        firstguess phase --activation relu --pool max:2 --weight-variance 0:3 -o relu_pool.csv\n  \
        firstguess phase --activation gelu --resolution 20 --json")]
    Phase(PhaseArgs),
    /// How unevenly an untrained network guesses: the law of the largest class share
    #[command(after_help = "Examples:\n  \
        firstguess guess --gamma 1 --classes 10\n  \
        firstguess guess --correlation 0.5 --classes 2 --json")]
    Guess(GuessArgs),
    /// A Gaussian pair: the activation and weight law that keep pre-activations Gaussian at every width
    #[command(after_help = "Examples:\n  \
        firstguess pair --theta 3\n  \
        firstguess pair --theta 2.5 --branch positive --table -1,0,0.5,2 --json\n  \
        firstguess pair --theta 2.05 --scan --widths 3,10 --depths 2,3,10,50\n  \
        firstguess pair --weights sphere(3) --compare")]
    Pair(PairArgs),
    /// How Gaussian narrow deep networks are, by width and depth: KS, kurtosis, Anderson-Darling
    #[command(after_help = "Examples:\n  \
        firstguess gaussianity --activation tanh\n  \
        firstguess gaussianity --activation gelu --rms-norm --widths 3,30 --depths 2,50\n  \
        firstguess gaussianity --activation tanh --weight-law student_t(5) --networks 2000")]
    Gaussianity(GaussianityArgs),
    /// Verify by training: short paired runs of several initializations and losses, with the course of the guesses
    #[command(after_help = "Examples:\n  \
        firstguess train model.toml --arms he_normal,torch_default,critical --seeds 8\n  \
        firstguess train model.toml --loss ce,blurry(0.1),piecewise_zero(0.05)@guard(0.2) --epochs 5\n  \
        firstguess train model.toml --arms spec,explicit(2,0.1) --lr 1e-4,1e-3,1e-2 --csv curves.csv")]
    Train(TrainArgs),
    /// The gain at which SGD keeps the norm of the weights, and whether starting there helps on data kept apart
    #[command(after_help = "Examples:\n  \
        firstguess variance model.toml --data digits --lr 0.05 --batch 32 --epochs 30\n  \
        firstguess variance model.toml --data mnist --base he_normal --fixed-biases --seeds 5\n  \
        firstguess variance model.toml --base uniform --state pilots.json --json")]
    Variance(VarianceArgs),
    /// Loss doctor: does each loss correct, ignore or amplify the first guess?
    #[command(after_help = "Examples:\n  \
        firstguess losses model.toml\n  \
        firstguess losses model.toml --data images.npz --loss ce,mae,blurry(0.2) --json")]
    Losses(LossesArgs),
    /// Which labels look wrong, from held-out probabilities or by training
    #[command(after_help = "Examples:\n  \
        firstguess labels --probabilities P.npy --labels y.npy\n  \
        firstguess labels --train model.toml --corrupt 0.2 --loss piecewise_zero(0.2)@delay(10)\n  \
        firstguess labels --probabilities P.csv --labels y.csv --method prune_by_class -o issues.csv")]
    Labels(LabelsArgs),
    /// Data sets: what there is, and fetching it
    #[command(after_help = "Examples:\n  \
        firstguess data list\n  \
        firstguess data fetch mnist")]
    Data(DataArgs),
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
    /// Law of the weights, of which only the preserved whole law depends [default: normal]
    #[arg(long, value_name = "LAW", value_parser = weight_law, requires = "activation")]
    pub(crate) weight_law: Option<WeightFamily>,
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
    /// A spec file (TOML): the weight variances that make this network critical; or give an activation
    #[arg(value_name = "MODEL", required_unless_present = "activation")]
    pub(crate) model: Option<PathBuf>,
    /// Name, such as relu, tanh or leaky_relu(0.1), or an expression in x
    #[arg(long, value_name = "A", value_parser = activation, conflicts_with = "model")]
    pub(crate) activation: Option<Activation>,
    /// Variance of the biases, σ_b²
    #[arg(long, value_name = "B", value_parser = variance, allow_negative_numbers = true)]
    pub(crate) bias_variance: f64,
    /// Pool after the activation, over so many units: max:2, average:4 (or avg:4), min:3
    #[arg(long, value_name = "KIND:K", value_parser = pool, requires = "activation")]
    pub(crate) pool: Option<PoolArg>,
    /// Correlation of the units under one pool, from 0 (a dense layer's) to 1
    #[arg(long, value_name = "R", value_parser = correlation, requires = "pool", allow_negative_numbers = true)]
    pub(crate) pool_correlation: Option<f64>,
}

#[derive(Debug, Clone, Arguments)]
pub(crate) struct PhaseArgs {
    #[command(flatten)]
    pub(crate) activation: ActivationArg,
    /// Pool after the activation, over so many units: max:2, average:4 (or avg:4), min:3
    #[arg(long, value_name = "KIND:K", value_parser = pool)]
    pub(crate) pool: Option<PoolArg>,
    /// Correlation of the units under one pool, from 0 (a dense layer's) to 1
    #[arg(long, value_name = "R", value_parser = correlation, requires = "pool", allow_negative_numbers = true)]
    pub(crate) pool_correlation: Option<f64>,
    /// Range of the weight variance times the fan-in, σ_w²
    #[arg(long, value_name = "LO:HI", default_value = "0:4", value_parser = range, allow_hyphen_values = true)]
    pub(crate) weight_variance: Range,
    /// Range of the bias variance, σ_b²
    #[arg(long, value_name = "LO:HI", default_value = "0:0.2", value_parser = range, allow_hyphen_values = true)]
    pub(crate) bias_variance: Range,
    /// Cells along each side, both ends of the ranges included
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = resolution, allow_negative_numbers = true)]
    pub(crate) resolution: usize,
    /// Write every cell and both lines to a file, by its ending .csv or .json; `-` writes CSV to stdout
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Ends of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    pub(crate) low: f64,
    pub(crate) high: f64,
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
    /// Tail exponent of the Weibull pair, 2 or from 2.005 on
    #[arg(long, value_name = "T", value_parser = number, allow_negative_numbers = true)]
    #[arg(required_unless_present = "weights", conflicts_with = "weights")]
    pub(crate) theta: Option<f64>,
    /// Another family of weights: sphere(D), bounded_power(K), generalized_gamma(A,B), weibull(T)
    #[arg(long, value_name = "LAW")]
    pub(crate) weights: Option<String>,
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
    /// Measure narrow networks of the pair too, by width and depth
    #[arg(long)]
    pub(crate) scan: bool,
    /// Measure at the critical variances instead of the pair's own (odd branch)
    #[arg(long, requires = "scan")]
    pub(crate) critical: bool,
    #[command(flatten)]
    pub(crate) laboratory: LaboratoryArgs,
    /// Beside other schemes: which property of the law of the pre-activations a layer preserves
    #[arg(long)]
    pub(crate) compare: bool,
}

/// Which networks are drawn.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct LaboratoryArgs {
    /// Units per layer
    #[arg(long, value_name = "N1,N2,...", value_delimiter = ',', value_parser = narrow, allow_negative_numbers = true)]
    #[arg(default_values_t = [3, 5, 10, 30])]
    pub(crate) widths: Vec<usize>,
    /// Layers at which the law is tested, counted from 1
    #[arg(long, value_name = "L1,L2,...", value_delimiter = ',', value_parser = layer, allow_negative_numbers = true)]
    #[arg(default_values_t = [2, 3, 10, 50])]
    pub(crate) depths: Vec<usize>,
    /// Networks of each width, at least 2
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = networks, allow_negative_numbers = true)]
    pub(crate) networks: usize,
}

#[derive(Debug, Clone, Arguments)]
pub(crate) struct GaussianityArgs {
    #[command(flatten)]
    pub(crate) activation: ActivationArg,
    /// Law of the weights: normal, uniform, weibull(T), student_t(NU), orthogonal, ...
    #[arg(long, value_name = "LAW", value_parser = weight_law, default_value = "normal")]
    pub(crate) weight_law: WeightFamily,
    /// Variance of the weights times the fan-in, σ_w² [default: what keeps variance 1]
    #[arg(long, value_name = "W", value_parser = variance, allow_negative_numbers = true)]
    pub(crate) weight_variance: Option<f64>,
    /// Variance of the biases, σ_b²
    #[arg(long, value_name = "B", default_value_t = 0.0, value_parser = variance, allow_negative_numbers = true)]
    pub(crate) bias_variance: f64,
    /// Divide the activations by their root mean square over the layer
    #[arg(long)]
    pub(crate) rms_norm: bool,
    #[command(flatten)]
    pub(crate) laboratory: LaboratoryArgs,
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

fn range(text: &str) -> Result<Range, String> {
    let (low, high) = text.split_once(':').ok_or("write both ends, such as 0.5:4")?;
    let (low, high) = (variance(low)?, variance(high)?);
    if low < high {
        Ok(Range { low, high })
    } else {
        Err("the first end must be below the second".to_owned())
    }
}

fn resolution(text: &str) -> Result<usize, String> {
    count(text, 2, 1024)
}

fn correlation(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, 1.0, "from 0 to 1")
}

fn gamma(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, f64::INFINITY, "at least 0; `inf` is allowed")
}

/// As in a spec file.
fn precision(text: &str) -> Result<f64, String> {
    bounded(text, 1e-6, 1.0, "a relative error from 1e-6 to 1, such as 0.01")
}

fn seconds(text: &str) -> Result<f64, String> {
    bounded(text, 1e-3, 1e7, "a number of seconds from 0.001 to 1e7")
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

fn width(text: &str) -> Result<usize, String> {
    count(text, 1, firstguess::spec::network::MAX_UNITS)
}

fn narrow(text: &str) -> Result<usize, String> {
    count(text, 1, laboratory::MAX_WIDTH)
}

fn layer(text: &str) -> Result<usize, String> {
    count(text, 1, laboratory::MAX_LAYER)
}

fn networks(text: &str) -> Result<usize, String> {
    count(text, 2, laboratory::MAX_NETWORKS)
}

fn weight_law(text: &str) -> Result<WeightFamily, String> {
    text.parse().map_err(|error: WeightError| error.to_string())
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
