//! A comparison of trainings for people: one line per arm, their curves, and the differences.

use firstguess::report::sparkline_between;
use firstguess::train::compare::{Band, Paired};
use firstguess::train::lab::{ArmReport, Comparison};
use firstguess::train::{Lab, LabReport};

use crate::commands::model::Model;
use crate::printer::{Printer, Tone};
use crate::table::{columns, given, share};

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
    let diverged = report.diverged();
    let tone = if diverged > 0 { Tone::Bad } else { Tone::Neutral };
    out.headline(tone, &headline(report))?;
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
        "accuracy with its 95 % interval over the seeds that came to an end, cut at 0 and 100 %; p by a paired t test, \
         corrected (Holm). A loss that backs off is no measure of progress: accuracy and cross-entropy are.",
    )?;
    Ok(())
}

fn headline(report: &LabReport) -> String {
    let lost = losses(report);
    let Some((arm, accuracy)) = report.best().and_then(|arm| Some((arm, arm.accuracy?.mean)))
    else {
        return format!("all {} trainings diverged: no arm came to an end", report.runs.len());
    };
    let accuracy = format!("{:.1} % accuracy", 100.0 * accuracy);
    // An arm of which seeds diverged can only be the best of arms that are no better in this.
    let kept = if arm.diverged > 0 {
        format!(" on the {} of {} seeds that came to an end", arm.seeds - arm.diverged, arm.seeds)
    } else {
        String::new()
    };
    if report.arms.len() == 1 {
        return format!("{lost}`{}` reaches {accuracy}{kept}", arm.name);
    }
    format!("{lost}`{}` does best, {accuracy}{kept}, {}", arm.name, lead(arm, report))
}

/// Which arms diverged how often, before the rest of the headline.
fn losses(report: &LabReport) -> String {
    const NAMED: usize = 3;
    let diverged: Vec<&ArmReport> = report.arms.iter().filter(|arm| arm.diverged > 0).collect();
    if diverged.is_empty() {
        return String::new();
    }
    let mut names: Vec<String> = diverged
        .iter()
        .take(NAMED)
        .map(|arm| format!("{} of {} of `{}`", arm.diverged, arm.seeds, arm.name))
        .collect();
    if diverged.len() > NAMED {
        names.push(format!("and of {} arms more", diverged.len() - NAMED));
    }
    format!(
        "{} of {} trainings diverged ({}); ",
        report.diverged(),
        report.runs.len(),
        names.join(", ")
    )
}

/// How far the best arm is ahead of those that diverged as seldom; the accuracies of the rest are those of their lucky seeds.
fn lead(arm: &ArmReport, report: &LabReport) -> &'static str {
    let is_peer = |name: &str| {
        report.arms.iter().any(|other| other.name == name && other.diverged == arm.diverged)
    };
    let against: Vec<(f64, &Comparison)> = report
        .comparisons
        .iter()
        .filter_map(|c| match (c.first == arm.name, c.second == arm.name) {
            (true, _) => is_peer(&c.second).then_some((-1.0, c)),
            (_, true) => is_peer(&c.first).then_some((1.0, c)),
            _ => None,
        })
        .collect();
    let clear = against.iter().all(|(sign, c)| {
        c.accuracy.is_some_and(|test| {
            sign * test.difference.mean > 0.0 && test.p_holm.is_some_and(|p| p < LEVEL)
        })
    });
    match (against.len() + 1 == report.arms.len(), clear) {
        (true, true) => "clearly ahead of the others",
        (true, false) => "not clearly ahead of every other",
        (false, _) if against.is_empty() => "every other diverged more often",
        (false, true) => "clearly ahead of the others that diverged as seldom",
        (false, false) => "not clearly ahead of every other that diverged as seldom",
    }
}

fn table(report: &LabReport, out: &Printer) -> String {
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
                share(arm.accuracy, 1),
                arm.cross_entropy
                    .map_or_else(|| "-".to_owned(), |band| format!("{:.3}", band.mean)),
                ends(&arm.curves.largest_share),
                format!(
                    "{} ({}/{})",
                    arm.median_debias_step.map_or_else(|| "never".to_owned(), |s| s.to_string()),
                    arm.debiased,
                    arm.seeds
                ),
                if arm.diverged > 0 {
                    format!("{}/{}", arm.diverged, arm.seeds)
                } else {
                    String::new()
                },
            ]
        })
        .collect();
    let lost = if report.arms.iter().any(|arm| arm.diverged > 0) { "diverged" } else { "" };
    let headings = ["arm", "rate", "accuracy", "loss CE", "top share", "de-biased at", lost];
    columns(out, &headings, rows)
}

/// Seeds on which both arms came to an end, of all.
fn pairs(comparison: &Comparison, report: &LabReport) -> String {
    let left = comparison.accuracy.map_or(0, |test| test.difference.n);
    format!("{left}/{}", report.arms.first().map_or(0, |arm| arm.seeds))
}

fn comparisons(report: &LabReport, out: &Printer) -> String {
    let cell = |test: &Option<Paired>| match test {
        None => ("-".to_owned(), "-".to_owned()),
        Some(test) => (
            format!("{:+.1}%", 100.0 * test.difference.mean),
            test.p_holm.map_or_else(|| "-".to_owned(), |p| format!("{p:.3}")),
        ),
    };
    let lost = report.diverged() > 0;
    let mut order: Vec<_> = report.comparisons.iter().collect();
    order.sort_by(|a, b| {
        let p = |c: &Comparison| c.accuracy.and_then(|test| test.p_holm).unwrap_or(1.0);
        p(a).total_cmp(&p(b))
    });
    let rows = order
        .into_iter()
        .take(COMPARISONS)
        .map(|c| {
            let (accuracy, p) = cell(&c.accuracy);
            let (share, p_share) = cell(&c.mean_largest_share);
            let pairs = if lost { pairs(c, report) } else { String::new() };
            vec![c.first.clone(), c.second.clone(), accuracy, p, share, p_share, pairs]
        })
        .collect();
    let left = if lost { "pairs left" } else { "" };
    columns(out, &["first", "second", "accuracy", "p", "top share", "p", left], rows)
}
