//! `firstguess check [MODEL]`: theory and measurement side by side, and a verdict.

use std::time::{Duration, Instant};

use firstguess::finding::Severity;
use firstguess::measure::Progress;
use firstguess::report::Style;
use firstguess::spec::Spec;
use firstguess::spec::experiment::{Classes, Engine};
use firstguess::{CheckError, Report};
use firstguess_io::{load_spec, parse_spec};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::{CheckArgs, EngineArg, FailOn};
use crate::commands::model::inputs;
use crate::exit::ExitStatus;
use crate::printer::{Printer, WIDTH};

/// The main job without an argument: deep ReLU on the embedded digits.
const EXAMPLE: &str = include_str!("../../../../examples/he_relu.toml");

pub(crate) fn run(args: &CheckArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let file = args.model.as_deref().map(load_spec).transpose()?;
    let mut spec = match &file {
        Some(file) => file.spec.clone(),
        None => parse_spec(EXAMPLE)?,
    };
    apply(args, out.settings().seed, &mut spec);
    let data = inputs(&spec)?;
    let mut progress = Bar::new(out.settings().quiet, args.budget);
    let report =
        firstguess::check(&spec, &data, &mut progress).map_err(|error| match (error, &file) {
            // Shapes that the data do not fit have a place in the file.
            (CheckError::Spec(fault), Some(file)) => anyhow::Error::new(file.fault(&fault)),
            (error, _) => error.into(),
        })?;
    progress.bar.finish_and_clear();
    if out.json() {
        out.value(&report.to_json())?;
    } else {
        let settings = out.settings();
        let style = Style { width: WIDTH, color: settings.color_data, unicode: settings.unicode };
        out.verbatim(report.to_terminal(style).as_bytes())?;
    }
    Ok(status(&report, args.fail_on))
}

/// Networks at most where something else ends the measurement.
const UNTIL_STOPPED: usize = 100_000;

/// What the flags say instead of the spec.
fn apply(args: &CheckArgs, seed: Option<u64>, spec: &mut Spec) {
    if let Some(data) = &args.data {
        spec.data.dataset = Some(data.clone());
        spec.data.synthetic = None;
        spec.data.features = None;
        // A choice of classes holds for any data; their number was that of synthetic ones.
        if let Some(Classes::Count(_)) = spec.data.classes {
            spec.data.classes = None;
        }
    }
    if let Some(engine) = args.engine {
        spec.measure.engine = match engine {
            EngineArg::Auto => Engine::Auto,
            EngineArg::Direct => Engine::Direct,
            EngineArg::Conditioned => Engine::Conditioned,
        };
    }
    if args.precision.is_some() {
        spec.measure.precision = args.precision;
    }
    spec.measure.shares_only |= args.shares_only;
    if args.precision.is_some() || args.budget.is_some() {
        spec.measure.draws = UNTIL_STOPPED;
    }
    if let Some(draws) = args.draws {
        spec.measure.draws = draws;
    }
    if let Some(samples) = args.samples {
        spec.data.samples = Some(samples);
    }
    if let Some(seed) = seed {
        spec.measure.seed = seed;
    }
}

fn status(report: &Report, fail_on: FailOn) -> ExitStatus {
    let limit = match fail_on {
        FailOn::Error => Severity::Error,
        FailOn::Warning => Severity::Warning,
        FailOn::Never => return ExitStatus::Fine,
    };
    if report.worst() >= Some(limit) { ExitStatus::Findings } else { ExitStatus::Fine }
}

/// A progress bar on stderr, once a second has passed and only on a terminal; and the clock of the budget.
struct Bar {
    bar: ProgressBar,
    start: Instant,
    budget: Option<Duration>,
}

impl Bar {
    fn new(quiet: bool, budget: Option<f64>) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(5)
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) =
            ProgressStyle::with_template("  measuring {bar:30} {pos}/{len} networks, {eta} left")
        {
            bar.set_style(style);
        }
        let budget = budget.map(Duration::from_secs_f64);
        Self { bar, start: Instant::now(), budget }
    }
}

impl Progress for Bar {
    fn advance(&mut self, done: usize, total: usize) {
        if done == 0 {
            // The prediction came before.
            self.start = Instant::now();
            self.bar.reset();
        }
        self.bar.set_length(total as u64);
        if self.start.elapsed() > Duration::from_secs(1) {
            self.bar.set_position(done as u64);
        }
    }

    /// The next networks will take as long as those before.
    fn enough(&mut self, done: usize, next: usize) -> bool {
        let Some(budget) = self.budget else { return false };
        let elapsed = self.start.elapsed();
        elapsed + elapsed.mul_f64(next as f64 / done as f64) > budget
    }
}
