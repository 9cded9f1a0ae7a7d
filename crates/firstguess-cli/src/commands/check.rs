//! `firstguess check [MODEL]`: theory and measurement side by side, and a verdict.

use std::path::Path;

use firstguess::finding::Severity;
use firstguess::report::Style;
use firstguess::spec::Spec;
use firstguess::spec::experiment::{Classes, Engine};
use firstguess::{CheckError, Report};
use firstguess_io::{SpecFile, load_spec, parse_spec};

use crate::args::{CheckArgs, EngineArg, FailOn};
use crate::commands::gate::Gate;
use crate::commands::model::{Sources, inputs};
use crate::commands::progress::Bar;
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// The main job without an argument: deep ReLU on the embedded digits.
const EXAMPLE: &str = include_str!("../../../../examples/he_relu.toml");

pub(crate) fn run(args: &CheckArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let file = args.model.as_deref().map(load_spec).transpose()?;
    run_on(args, file, &Sources::default(), out)
}

/// The same of a spec that has been read.
pub(crate) fn run_on(
    args: &CheckArgs,
    file: Option<SpecFile>,
    sources: &Sources,
    out: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let gate = Gate::new(&args.gate)?;
    let mut spec = match &file {
        Some(file) => file.spec.clone(),
        None => parse_spec(EXAMPLE)?,
    };
    apply(args, out.settings().seed, &mut spec);
    let data = inputs(&spec, sources)?;
    let mut progress = Bar::new(out.settings().quiet, "measuring", "networks")
        .spelled(out.settings().unicode)
        .within(args.budget);
    let mut report = firstguess::check_with_loss(&spec, &data, args.loss.as_ref(), &mut progress)
        .map_err(|error| match (error, &file) {
        // Shapes that the data do not fit have a place in the file.
        (CheckError::Spec(fault), Some(file)) => anyhow::Error::new(file.fault(&fault)),
        (error, _) => error.into(),
    })?;
    progress.finish();
    let location = args.model.as_deref().unwrap_or(Path::new("firstguess"));
    gate.pass(&mut report, &location.to_string_lossy(), out)?;
    if out.json() {
        out.value(&report.to_json())?;
    } else {
        let settings = out.settings();
        let style =
            Style { width: settings.width, color: settings.color_data, unicode: settings.unicode };
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
