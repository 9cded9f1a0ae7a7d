//! `firstguess labels`: which labels look wrong.

use std::path::Path;

use anyhow::{Context, bail};
use firstguess::report::LabelReport;
use firstguess::train::label_errors::{Probabilities, Pruning};
use firstguess_io::{ReadOptions, load_labels, load_matrix, write_atomically};

use crate::args::LabelsArgs;
use crate::exit::ExitStatus;
use crate::printer::{Printer, Tone};
use crate::table::{SCREEN_ROWS, columns, digits};

pub(crate) fn run(args: &LabelsArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    // A name that cannot be written is refused before anything is read.
    let target = args.output.as_deref().map(Target::of).transpose()?;
    let options = ReadOptions::default();
    let matrix = load_matrix(&args.probabilities, &options)?;
    let labels = load_labels(&args.labels, &options)?;
    let truth = args.truth.as_deref().map(|path| load_labels(path, &options)).transpose()?;
    let data = Probabilities::new(matrix.columns, matrix.values, labels)
        .with_context(|| format!("in `{}`", args.probabilities.display()))?;
    let pruning = Pruning {
        min_examples_per_class: args.min_examples_per_class,
        noise_fraction: args.noise_fraction,
    };
    let report =
        LabelReport::new(&data, args.method, args.rank_by.into(), pruning, truth.as_deref())?;
    match target {
        Some(Target::Stdout) => out.verbatim(report.to_csv().as_bytes())?,
        Some(Target::Csv(path)) => {
            write_atomically(path, report.to_csv().as_bytes())?;
            answer(&report, out)?;
        }
        Some(Target::Json(path)) => {
            let text = serde_json::to_string_pretty(&report.fields().into_value())?;
            write_atomically(path, (text + "\n").as_bytes())?;
            answer(&report, out)?;
        }
        None => answer(&report, out)?,
    }
    if !report.rows_sum_to_one() {
        let (low, high) = report.row_sums;
        out.note(&format!(
            "rows sum to {} up to {}, not to 1: probabilities are taken as they are",
            digits(low),
            digits(high)
        ))?;
    }
    Ok(ExitStatus::Fine)
}

/// Where every example is written.
enum Target<'a> {
    Stdout,
    Csv(&'a Path),
    Json(&'a Path),
}

impl<'a> Target<'a> {
    fn of(path: &'a Path) -> anyhow::Result<Self> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            _ if path == Path::new("-") => Ok(Self::Stdout),
            Some("csv") => Ok(Self::Csv(path)),
            Some("json") => Ok(Self::Json(path)),
            _ => bail!(
                "cannot write label errors to `{}`: the ending of the name says the format, .csv or .json",
                path.display()
            ),
        }
    }
}

fn answer(report: &LabelReport, out: &mut Printer) -> anyhow::Result<()> {
    if out.json() {
        out.object("labels", &report.fields().into_value())?;
        return Ok(());
    }
    let (flagged, all) = (report.ranked.len(), report.examples.len());
    let tone = if flagged == 0 { Tone::Good } else { Tone::Bad };
    out.headline(
        tone,
        &format!(
            "{flagged} of {all} labels look wrong (method {}); the joint estimates {:.1} % wrong",
            report.method,
            100.0 * report.learning.estimated_error_rate()
        ),
    )?;
    if flagged > 0 {
        let rows = report.ranked.iter().take(SCREEN_ROWS).map(|&i| {
            let example = &report.examples[i];
            vec![
                i.to_string(),
                example.given.to_string(),
                example.predicted.to_string(),
                digits(example.self_confidence),
                digits(example.normalized_margin),
            ]
        });
        let headings = ["example", "given", "predicted", "self-confidence", "margin"];
        let table = columns(out, &headings, rows.collect());
        out.verbatim(table.as_bytes())?;
        if flagged > SCREEN_ROWS {
            out.lines(&format!("  … {} more", flagged - SCREEN_ROWS))?;
        }
        let most: Vec<String> = report
            .confusions()
            .iter()
            .take(5)
            .map(|(given, predicted, count)| format!("{given} → {predicted}: {count}"))
            .collect();
        out.lines(&format!("given → predicted among them: {}", most.join(", ")))?;
    }
    if let Some(found) = &report.detection {
        let shown = |value: Option<f64>| digits(value.unwrap_or(f64::NAN));
        out.lines(&format!(
            "against the truth: precision {}, recall {}, F1 {}, balanced accuracy {}",
            shown(found.precision()),
            shown(found.recall()),
            shown(found.f1()),
            shown(found.balanced_accuracy())
        ))?;
    }
    Ok(())
}
