//! Which fields a command has, and the words that a point is asked in.

use std::sync::{Mutex, PoisonError};

use clap::error::ErrorKind;
use clap::{Arg, Args as Arguments};
use firstguess::spec::error::nearest;
use firstguess::sweep::{Command, Grid, GridError, Point, canonical};
use serde_json::Value;

use crate::args::{
    CheckArgs, CriticalArgs, GaussianityArgs, GuessArgs, LossesArgs, PairArgs, PredictArgs,
    TrainArgs,
};

/// Options that write files or set an exit status: no part of a question. `budget` makes the answer depend on the clock.
const NOT_ASKED: [&str; 16] = [
    "plot",
    "plot_format",
    "write_spec",
    "output",
    "csv",
    "sarif",
    "baseline",
    "write_baseline",
    "state",
    "fail_on",
    "select",
    "ignore",
    "html",
    "budget",
    "help",
    "version",
];

/// The audit of a file's weights, which is no question about a spec.
const AUDIT: [&str; 2] = ["weights", "scheme"];

/// The options of [`PredictArgs`] that a cell of a phase diagram has.
const CELL: [&str; 5] =
    ["activation", "weight_variance", "bias_variance", "pool", "pool_correlation"];

/// A clap command with the options of one of ours.
pub(super) fn definition(command: Command) -> clap::Command {
    let name = clap::Command::new(command.name()).no_binary_name(true).disable_help_flag(true);
    match command {
        Command::Predict | Command::PhasePoint => PredictArgs::augment_args(name),
        Command::Critical => CriticalArgs::augment_args(name),
        Command::Guess => GuessArgs::augment_args(name),
        Command::Check => CheckArgs::augment_args(name),
        Command::Train => TrainArgs::augment_args(name),
        Command::Losses => LossesArgs::augment_args(name),
        Command::Pair => PairArgs::augment_args(name),
        Command::Gaussianity => GaussianityArgs::augment_args(name),
    }
}

/// Refuses options that the command does not have, or that are no part of a question.
pub(super) fn check_fields(grid: &Grid) -> Result<(), GridError> {
    let command = grid.command();
    let definition = definition(command);
    let mut known: Vec<String> = definition
        .get_arguments()
        .filter(|argument| argument.get_long().is_some())
        .map(|argument: &Arg| argument.get_id().as_str().to_owned())
        .filter(|name| !NOT_ASKED.contains(&name.as_str()))
        .filter(|name| command != Command::Check || !AUDIT.contains(&name.as_str()))
        .filter(|name| command != Command::PhasePoint || CELL.contains(&name.as_str()))
        .collect();
    known.push("seed".to_owned());
    for field in grid.fields().filter(|field| !field.contains('.')) {
        if known.iter().all(|name| name != field) {
            return Err(GridError::UnknownField {
                command: command.name(),
                found: field.to_owned(),
                nearest: nearest(field, known.iter().map(String::as_str)),
                allowed: known,
            });
        }
    }
    Ok(())
}

/// The seed that a point has of its own.
pub(super) fn seed(point: &Point) -> Result<Option<u64>, String> {
    let Some((_, value)) = point.options.iter().find(|(name, _)| name == "seed") else {
        return Ok(None);
    };
    let refuse = || format!("the seed must be a whole number, at least 0, not {value}");
    value.as_u64().map(Some).ok_or_else(refuse)
}

/// What stands for the model where the spec is at hand.
pub(super) const MODEL: &str = "spec";

/// A point in the words of the command line.
pub(super) fn words(point: &Point) -> Vec<String> {
    let mut words = Vec::with_capacity(point.options.len() + 1);
    for (name, value) in point.options.iter().filter(|(name, _)| name != "seed") {
        let option = format!("--{}", name.replace('_', "-"));
        match value {
            Value::Bool(true) => words.push(option),
            Value::Bool(false) | Value::Null => {}
            other => words.push(format!("{option}={}", text(other))),
        }
    }
    if point.spec.is_some() {
        words.push(MODEL.to_owned());
    }
    words
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => canonical(other),
    }
}

/// Turns words into the arguments of one command. Definitions are made once per thread, not once per point.
pub(super) struct Parser {
    command: Command,
    idle: Mutex<Vec<clap::Command>>,
}

impl Parser {
    pub(super) fn new(command: Command) -> Self {
        Self { command, idle: Mutex::default() }
    }

    /// The arguments in these words.
    pub(super) fn parse<A: Arguments>(&self, words: &[String]) -> Result<A, clap::Error> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = idle().pop();
        let mut definition = ready.unwrap_or_else(|| definition(self.command));
        let matches = definition.try_get_matches_from_mut(words);
        idle().push(definition);
        A::from_arg_matches(&matches?)
    }
}

/// Whether a point fails for what it lacks, which then all points lack.
pub(super) fn is_incomplete(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::MissingRequiredArgument
            | ErrorKind::ArgumentConflict
            | ErrorKind::UnknownArgument
    )
}
