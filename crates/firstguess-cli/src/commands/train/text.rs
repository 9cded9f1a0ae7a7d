//! A comparison of trainings for people: one line per arm, their curves, and the differences.

use firstguess::report::sparkline_between;
use firstguess::train::compare::{Band, Paired};
use firstguess::train::lab::ArmReport;
use firstguess::train::{Lab, LabReport};

use crate::commands::model::Model;
use crate::printer::{Printer, Tone};
use crate::table::{columns, given};

/// Columns of a curve at most.
const CURVE: usize = 100;

/// Comparisons listed.
const COMPARISONS: usize = 10;

/// Significance at which a difference is called one.
const LEVEL: f64 = 0.05;

pub(super) fn print(
    model: &Model,
    lab: &Lab<'_>,
    report: &LabReport,
    out: &mut Printer,
) -> anyhow::Result<()> {
    let diverged: usize = report.arms.iter().map(|arm| arm.diverged).sum();
    let tone = if diverged > 0 { Tone::Bad } else { Tone::Neutral };
    out.headline(tone, &headline(report, diverged))?;
    out.lines(&format!(
        "{}: {} steps of {} of {} inputs of {}, {} seeds from seed {}\n\n",
        model.spec.name,
        lab.steps,
        lab.batch,
        lab.data.examples(),
        lab.data.name(),
        lab.seeds,
        lab.seed.0
    ))?;
    let table = table(report, out);
    out.verbatim(table.as_bytes())?;
    out.lines("\n  course from start to end: share of the class guessed most, then accuracy\n")?;
    let width = report.arms.iter().map(|arm| arm.name.chars().count()).max().unwrap_or(0);
    let cells = out.settings().width.saturating_sub(width + 6).clamp(20, CURVE);
    for arm in &report.arms {
        let pad = " ".repeat(width - arm.name.chars().count());
        let unicode = out.settings().unicode;
        let curve = |bands: &[Band]| {
            let means: Vec<f64> = bands.iter().map(|band| band.mean).collect();
            sparkline_between(&means, 0.0, 1.0, cells, unicode)
        };
        out.lines(&format!("  {}{pad}  {}", arm.name, curve(&arm.curves.largest_share)))?;
        out.lines(&format!("  {}  {}", " ".repeat(width), curve(&arm.curves.accuracy)))?;
    }
    if !report.comparisons.is_empty() {
        out.lines(
            "
  paired by seed, second minus first
",
        )?;
        let table = comparisons(report, out);
        out.verbatim(table.as_bytes())?;
    }
    for run in report.runs.iter().filter_map(|run| Some((run, run.diverged.as_ref()?))).take(5) {
        let (run, divergence) = run;
        out.lines(&format!(
            "  {}, seed {}: {divergence}",
            report.arms[run.arm].name, run.replicate
        ))?;
    }
    for arm in report.arms.iter().filter(|arm| arm.rate_at_edge) {
        out.note(&format!(
            "`{}` does best at the edge of the rates tried ({}): try beyond it",
            arm.name,
            given(arm.rate)
        ))?;
    }
    out.note(
        "accuracy with its 95 % interval over seeds; p by a paired t test, corrected (Holm). A loss that backs off is no \
         measure of progress: accuracy and cross-entropy are.",
    )?;
    Ok(())
}

fn headline(report: &LabReport, diverged: usize) -> String {
    let mean = |arm: &&ArmReport| arm.accuracy.map_or(f64::NEG_INFINITY, |band| band.mean);
    let best = report.arms.iter().max_by(|a, b| mean(a).total_cmp(&mean(b)));
    let lost = if diverged > 0 {
        format!("{diverged} of {} trainings diverged; ", report.runs.len())
    } else {
        String::new()
    };
    match best.and_then(|arm| Some((arm, arm.accuracy?))) {
        None => format!("{lost}none came to an end"),
        Some((arm, band)) if report.arms.len() == 1 => {
            format!("{lost}`{}` reaches {:.1} % accuracy", arm.name, 100.0 * band.mean)
        }
        Some((arm, band)) => {
            let beaten = report
                .comparisons
                .iter()
                .filter(|c| c.first == arm.name || c.second == arm.name)
                .all(|c| c.accuracy.and_then(|test| test.p_holm).is_some_and(|p| p < LEVEL));
            let clear = if beaten {
                "clearly ahead of the others"
            } else {
                "not clearly ahead of every other"
            };
            format!("{lost}`{}` does best, {:.1} % accuracy, {clear}", arm.name, 100.0 * band.mean)
        }
    }
}

fn table(report: &LabReport, out: &Printer) -> String {
    let percent = |band: &Option<Band>| match band {
        None => "-".to_owned(),
        Some(Band { mean, low: Some(low), high: Some(high), .. }) => {
            format!("{:.1} ± {:.1}%", 100.0 * mean, 50.0 * (high - low))
        }
        Some(band) => format!("{:.1}%", 100.0 * band.mean),
    };
    let rows = report
        .arms
        .iter()
        .map(|arm| {
            let ends = |bands: &[Band]| match (bands.first(), bands.last()) {
                (Some(first), Some(last)) => {
                    format!("{:.0} > {:.0}%", 100.0 * first.mean, 100.0 * last.mean)
                }
                _ => "-".to_owned(),
            };
            vec![
                arm.name.clone(),
                given(arm.rate),
                percent(&arm.accuracy),
                arm.cross_entropy
                    .map_or_else(|| "-".to_owned(), |band| format!("{:.3}", band.mean)),
                ends(&arm.curves.largest_share),
                format!(
                    "{} ({}/{})",
                    arm.median_debias_step.map_or_else(|| "never".to_owned(), |s| s.to_string()),
                    arm.debiased,
                    arm.seeds
                ),
                if arm.diverged > 0 { arm.diverged.to_string() } else { String::new() },
            ]
        })
        .collect();
    let lost = if report.arms.iter().any(|arm| arm.diverged > 0) { "diverged" } else { "" };
    let headings = ["arm", "rate", "accuracy", "loss CE", "top share", "de-biased at", lost];
    columns(out, &headings, rows)
}

fn comparisons(report: &LabReport, out: &Printer) -> String {
    let cell = |test: &Option<Paired>| match test {
        None => ("-".to_owned(), "-".to_owned()),
        Some(test) => (
            format!("{:+.1}%", 100.0 * test.difference.mean),
            test.p_holm.map_or_else(|| "-".to_owned(), |p| format!("{p:.3}")),
        ),
    };
    let mut order: Vec<_> = report.comparisons.iter().collect();
    order.sort_by(|a, b| {
        let p = |c: &firstguess::train::lab::Comparison| {
            c.accuracy.and_then(|test| test.p_holm).unwrap_or(1.0)
        };
        p(a).total_cmp(&p(b))
    });
    let rows = order
        .into_iter()
        .take(COMPARISONS)
        .map(|c| {
            let (accuracy, p) = cell(&c.accuracy);
            let (share, p_share) = cell(&c.mean_largest_share);
            vec![c.first.clone(), c.second.clone(), accuracy, p, share, p_share]
        })
        .collect();
    columns(out, &["first", "second", "accuracy", "p", "top share", "p"], rows)
}
