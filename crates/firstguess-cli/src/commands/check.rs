//! `firstguess check [MODEL]`: theory and measurement side by side, and a verdict.

use std::path::Path;

use anyhow::bail;
use firstguess::finding::Severity;
use firstguess::spec::Spec;
use firstguess::spec::experiment::{Engine, MeasureSpec};
use firstguess::{CheckError, Report};
use firstguess_io::{SpecFile, load_spec, parse_spec, write_atomically};

use crate::args::{CheckArgs, EngineArg, FailOn};
use crate::commands::gate::Gate;
use crate::commands::model::{Sources, inputs_from, replace_data};
use crate::commands::onnx::{Question, is_onnx};
use crate::commands::pictures::Folder;
use crate::commands::progress::Bar;
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// The main job without an argument: deep ReLU on the embedded digits.
const EXAMPLE: &str = include_str!("../../../../examples/he_relu.toml");

pub(crate) fn run(args: &CheckArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let gate = Gate::new(&args.gate)?;
    if let Some(weights) = &args.weights {
        return super::audit::run(args, weights, &gate, out);
    }
    let folder = Folder::of(&args.plot)?;
    let mut progress = Bar::new(out.settings().quiet, "measuring", "networks")
        .spelled(out.settings().unicode)
        .within(args.budget)
        .open_ended(args.draws.is_none() && args.precision.is_some());
    let mut report = if let Some(path) = args.model.as_deref().filter(|path| is_onnx(path)) {
        of_onnx(path, args, &mut progress, out)?
    } else {
        let file = args.model.as_deref().map(load_spec).transpose()?;
        of_spec(args, file.as_ref(), &Sources::default(), &mut progress, out)?
    };
    progress.finish();
    report.measurement.stop.overrun = progress.overrun();
    let location = args.model.as_deref().unwrap_or(Path::new("firstguess"));
    gate.pass(&mut report, &location.to_string_lossy(), out)?;
    if let Some(path) = &args.html {
        write_atomically(path, report.to_html().as_bytes())?;
    }
    if let Some(folder) = &folder {
        folder.write(&report.pictures(), out)?;
    }
    if out.json() {
        out.value(&report.to_json())?;
    } else {
        out.verbatim(report.to_terminal(out.settings().style()).as_bytes())?;
    }
    Ok(status(report.worst(), args.fail_on))
}

/// The report on a spec that has been read, for a point of a sweep: nothing is written, and findings do not fail.
pub(crate) fn run_on(
    args: &CheckArgs,
    file: Option<&SpecFile>,
    sources: &Sources,
    out: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let mut progress = Bar::new(true, "measuring", "networks");
    let report = of_spec(args, file, sources, &mut progress, out)?;
    out.value(&report.to_json())?;
    Ok(ExitStatus::Fine)
}

fn of_spec(
    args: &CheckArgs,
    file: Option<&SpecFile>,
    sources: &Sources,
    progress: &mut Bar,
    out: &Printer,
) -> anyhow::Result<Report> {
    if args.write_spec.is_some() {
        bail!("--write-spec turns an ONNX model into a spec file; MODEL is one already");
    }
    let mut spec = match file {
        Some(file) => file.spec.clone(),
        None => parse_spec(EXAMPLE)?,
    };
    apply(args, out.settings().seed, &mut spec);
    let data = inputs_from(&spec, sources)?;
    firstguess::check_with_loss(&spec, &data, args.loss.as_ref(), progress).map_err(|error| {
        match (error, file) {
            // Shapes that the data do not fit have a place in the file.
            (CheckError::Spec(fault), Some(file)) => anyhow::Error::new(file.fault(&fault)),
            (error, _) => error.into(),
        }
    })
}

fn of_onnx(
    path: &Path,
    args: &CheckArgs,
    progress: &mut Bar,
    out: &mut Printer,
) -> anyhow::Result<Report> {
    if args.loss.is_some() {
        bail!("--loss takes a spec file: write one with --write-spec and check that");
    }
    let mut asked = Spec { measure: MeasureSpec::default(), ..parse_spec(EXAMPLE)? };
    apply(args, out.settings().seed, &mut asked);
    let question = Question {
        path,
        data: args.data.as_deref(),
        standardize: args.standardize,
        samples: args.samples,
        measure: asked.measure,
    };
    question.ask(|study| {
        if let Some(file) = &args.write_spec {
            for note in question.write_spec(study, file)? {
                out.note(&note)?;
            }
            out.note(&format!("wrote the model as a spec to `{}`", file.display()))?;
        }
        let mut report = study.check(&question.measure, progress)?;
        report.data.standardize = args.standardize.unwrap_or(report.data.standardize);
        Ok(report)
    })
}

/// Networks at most where something else ends the measurement.
const UNTIL_STOPPED: usize = 100_000;

/// What the flags say instead of the spec.
fn apply(args: &CheckArgs, seed: Option<u64>, spec: &mut Spec) {
    if let Some(data) = &args.data {
        replace_data(spec, data);
    }
    if let Some(standardize) = args.standardize {
        spec.data.standardize = standardize;
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

/// How the program ends where this is the gravest finding.
pub(super) fn status(worst: Option<Severity>, fail_on: FailOn) -> ExitStatus {
    let limit = match fail_on {
        FailOn::Error => Severity::Error,
        FailOn::Warning => Severity::Warning,
        FailOn::Never => return ExitStatus::Fine,
    };
    if worst >= Some(limit) { ExitStatus::Findings } else { ExitStatus::Fine }
}
