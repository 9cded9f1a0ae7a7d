//! A point answered: as its command answers it with `--json`, without a process.

use std::panic::{AssertUnwindSafe, catch_unwind};

use clap::Args as Arguments;
use firstguess::report::Fields;
use firstguess::spec::Spec;
use firstguess::spec::error::nearest;
use firstguess::sweep::{Command, Grid, Point};
use firstguess::theory::mean_field::{LayerVariance, Spread};
use firstguess::theory::phase::asymptotics;
use firstguess_io::SpecFile;
use serde_json::Value;

use super::question::{self, MODEL, Parser};
use crate::args::PredictArgs;
use crate::commands::model::{Model, Sources, replace_data};
use crate::commands::{check, critical, dual, gaussianity, guess, losses, pair, predict, train};
use crate::exit::ExitStatus;
use crate::plain;
use crate::printer::Printer;
use crate::settings::Settings;

/// Answers the points of one grid.
pub(super) struct Evaluator {
    command: Command,
    parser: Parser,
    sources: Sources,
}

impl Evaluator {
    /// Looks at the fields, and at the first point as far as all points share it.
    pub(super) fn new(grid: &Grid) -> Result<Self, String> {
        question::check_fields(grid).map_err(|error| error.to_string())?;
        let command = grid.command();
        let evaluator = Self { command, parser: Parser::new(command), sources: Sources::kept() };
        let first = grid.point(0);
        if let Some(spec) = &first.spec {
            read_spec(spec)?;
        }
        let tried =
            question::definition(grid.command()).try_get_matches_from(question::words(&first));
        match tried {
            Err(error) if question::is_incomplete(&error) => {
                Err(plain(&error.render().to_string()))
            }
            _ => Ok(evaluator),
        }
    }

    /// The answer, or what the command says of unusable input. A panic is such a sentence, too: one point must not take
    /// a thousand others with it.
    pub(super) fn answer(&self, point: &Point) -> Result<Value, String> {
        catch_unwind(AssertUnwindSafe(|| self.ask(point))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("internal error: {}", text.unwrap_or("no message")))
        })
    }

    fn ask(&self, point: &Point) -> Result<Value, String> {
        let seed = question::seed(point)?;
        let mut out = Printer::for_value(Settings::of_a_point(seed));
        let spec = point.spec.as_ref().map(read_spec).transpose()?;
        match self.run(point, spec, &mut out) {
            Ok(_) => Ok(out.into_value()),
            Err(error) => Err(match error.downcast_ref::<clap::Error>() {
                Some(usage) => plain(&usage.render().to_string()),
                None => out.spoken(&error).trim().to_owned(),
            }),
        }
    }

    fn run(
        &self,
        point: &Point,
        spec: Option<Spec>,
        out: &mut Printer,
    ) -> anyhow::Result<ExitStatus> {
        let words = question::words(point);
        let seed = out.settings().seed;
        let file = spec.map(|spec| SpecFile { path: MODEL.into(), text: String::new(), spec });
        match (self.command, file) {
            (Command::PhasePoint, _) => cell(&self.parse(&words)?, out),
            (Command::Predict, None) => predict::run(&self.parse(&words)?, out),
            (Command::Predict, Some(file)) => {
                let args: PredictArgs = self.parse(&words)?;
                let mut file = file;
                if let Some(name) = &args.data {
                    replace_data(&mut file.spec, name);
                }
                predict::run_on(Model::of(file, seed, &self.sources)?, out)
            }
            (Command::Critical, None) => critical::run(&self.parse(&words)?, out),
            (Command::Critical, Some(file)) => {
                let args = self.parse(&words)?;
                critical::run_on(&args, Model::of(file, seed, &self.sources)?, out)
            }
            (Command::Guess, _) => guess::run(&self.parse(&words)?, out),
            (Command::Pair, _) => pair::run(&self.parse(&words)?, out),
            (Command::Gaussianity, _) => gaussianity::run(&self.parse(&words)?, out),
            (Command::Check, file) => {
                check::run_on(&self.parse(&words)?, file.as_ref(), &self.sources, out)
            }
            (Command::Train, Some(file)) => {
                let args: crate::args::TrainArgs = self.parse(&words)?;
                let model = Model::on_trial(file, &args.trial, seed, &self.sources)?;
                train::run_on(&args, &model, out)
            }
            (Command::Losses, Some(file)) => {
                let args: crate::args::LossesArgs = self.parse(&words)?;
                let model = Model::on_trial(file, &args.trial, seed, &self.sources)?;
                losses::run_on(&args, &model, out)
            }
            // A grid of these without a spec is refused when it is made.
            (Command::Train | Command::Losses, None) => anyhow::bail!("there is no spec"),
        }
    }

    fn parse<A: Arguments>(&self, words: &[String]) -> anyhow::Result<A> {
        Ok(self.parser.parse(words)?)
    }
}

/// One cell of a phase diagram: centred, uncorrelated inputs of mean square 1, as in `phase`.
fn cell(args: &PredictArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let (Some(activation), Some(weight), Some(bias)) =
        (&args.activation, args.weight_variance, args.bias_variance)
    else {
        anyhow::bail!("a phase-point has `activation`, `weight_variance` and `bias_variance`");
    };
    let phi = dual(activation, args.pool, args.pool_correlation)?;
    let layer = LayerVariance { weight, bias };
    let limit = asymptotics(&phi, layer, Spread::first_layer(layer, 1.0, 0.0));
    out.value(&Fields::new().asymptotics(&limit).into_value())?;
    Ok(ExitStatus::Fine)
}

/// The spec of a point; unknown keys come with the nearest known one.
fn read_spec(spec: &Value) -> Result<Spec, String> {
    serde_json::from_value(spec.clone()).map_err(|error| {
        let message = error.to_string();
        let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        let unknown = message.starts_with("unknown ") && names.len() > 1;
        let near = unknown.then(|| nearest(names[0], names[1..].iter().copied())).flatten();
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        format!("in the spec: {message}{near}")
    })
}
