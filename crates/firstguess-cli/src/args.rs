//! The one definition of the command line: what is accepted and how it is explained.
#![expect(clippy::doc_markdown, reason = "these comments are the help, where backticks would show")]

mod advise;
mod check;
mod data;
mod gaussian;
mod labels;
mod plot;
mod serve;
mod sweep;
mod theory;
mod train;
mod values;
mod variance;

use std::path::PathBuf;

use clap::{Args as Arguments, Parser, Subcommand};

pub(crate) use advise::{AdviseArgs, ArchitectureArg, InitArgs, SchemeArg};
pub(crate) use check::{CheckArgs, EngineArg, FailOn, GateArgs};
pub(crate) use data::{DataArgs, DataCommand, FetchArgs};
pub(crate) use gaussian::{GaussianityArgs, LaboratoryArgs, PairArgs, PairBranch};
pub(crate) use labels::{LabelsArgs, TrainingArgs};
pub(crate) use plot::{PlotArgs, PlotFormat};
pub(crate) use serve::ServeArgs;
pub(crate) use sweep::{MergeArgs, StatusArgs, SweepArgs, SweepCommand};
pub(crate) use theory::{ActivationArg, CriticalArgs, GuessArgs, PhaseArgs, PredictArgs};
pub(crate) use train::{HeldOut, LossesArgs, RecipeArgs, TrainArgs, TrialArgs};
use values::threads;
pub(crate) use values::{Point, PoolArg, Range};
pub(crate) use variance::{Profile, VarianceArgs};

/// Predicts, measures and judges the initialization of a neural network
#[derive(Debug, Parser)]
#[command(name = "firstguess", version, arg_required_else_help = true)]
#[command(after_help = "Data go to stdout, everything else to stderr.\n\
    Exit status: 0 fine, 1 findings at or above --fail-on (of train: no training came to an end), 2 unusable input.")]
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
        firstguess check model.onnx --data images.npz\n  \
        firstguess check model.toml --precision 0.01 --budget 60\n  \
        firstguess check model.toml --json --fail-on warning\n  \
        firstguess check model.toml --html report.html --plot pictures\n  \
        firstguess check model.toml --sarif findings.sarif --baseline known.json\n  \
        firstguess check model.toml --weights start.safetensors")]
    Check(CheckArgs),
    /// The better start: which initialization meets an explicit objective best, by theory and measured
    #[command(override_usage = "firstguess advise [OPTIONS] <MODEL>\n       \
        firstguess advise [OPTIONS] --activation <A> --depth <L>")]
    #[command(after_help = "Examples:\n  \
        firstguess advise model.toml --data images.npz\n  \
        firstguess advise model.onnx --data images.npz\n  \
        firstguess advise --activation tanh --depth 60\n  \
        firstguess advise --activation gelu --depth 50 --architecture resnet --loss blurry(0.3)\n  \
        firstguess advise --activation relu --depth 20 --code torch > init.py")]
    Advise(AdviseArgs),
    /// Draw the weights of a model into a file that PyTorch, candle and NumPy read
    #[command(after_help = "Examples:\n  \
        firstguess init model.toml -o weights.safetensors\n  \
        firstguess init model.toml --scheme advised --seed 7 -o weights.npz\n  \
        firstguess init model.toml --scheme orthogonal --lsuv -o weights.safetensors\n  \
        firstguess init model.onnx --scheme advised -o weights.npz")]
    Init(InitArgs),
    /// Theory alone: fixed points, phase, depth scales, and every layer's variance and bias
    #[command(override_usage = "firstguess predict [OPTIONS] <MODEL>\n       \
        firstguess predict [OPTIONS] --activation <A> --weight-variance <W> --bias-variance <B>")]
    #[command(after_help = "Examples:\n  \
        firstguess predict model.toml\n  \
        firstguess predict model.onnx\n  \
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
        firstguess phase --activation tanh --point 2,0.1 -o tanh.svg\n  \
        firstguess phase model.toml --weight-variance 0:3 -o model.png\n  \
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
    ///
    /// Exit status 1 if every training diverged: then there is nothing to compare.
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
    ///
    /// Exit status 2 if no loss can be judged: all networks leave the range of f32, or one class alone has examples.
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
    /// The papers' figures and tables, computed again: what they state beside what comes out here
    #[command(after_help = "Examples:\n  \
        firstguess reproduce\n  \
        firstguess reproduce phase-diagrams gaussian-pairs\n  \
        firstguess reproduce all -o figures")]
    Reproduce(ReproduceArgs),
    /// The explorer in your browser: phases, profiles and guesses under your hand, ensembles, reports
    #[command(after_help = "Examples:\n  \
        firstguess serve --open\n  \
        firstguess serve --port 9000")]
    Serve(ServeArgs),
    /// A grid of any command's questions, in parallel and resumable, into Parquet
    #[command(override_usage = "firstguess sweep [OPTIONS] <GRID> --output <DIR>\n       \
        firstguess sweep status <DIR>\n       firstguess sweep merge <DIR>")]
    #[command(after_help = "Examples:\n  \
        firstguess sweep examples/phase_sweep.toml -o phases\n  \
        firstguess sweep grid.toml -o results --shard 3/100\n  \
        firstguess sweep status results\n  \
        firstguess sweep merge results -o all.parquet")]
    Sweep(SweepArgs),
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

#[derive(Debug, Clone, Arguments)]
pub(crate) struct ReproduceArgs {
    /// Names of figures, or `all`; without one, the list of them
    #[arg(value_name = "FIGURE")]
    pub(crate) figures: Vec<String>,
    /// Write pictures, tables as CSV and an index in Markdown into a folder, made if it is missing
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Kind of the pictures
    #[arg(long, value_name = "KIND", value_enum, default_value_t = PlotFormat::Svg, requires = "output")]
    pub(crate) plot_format: PlotFormat,
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
}
