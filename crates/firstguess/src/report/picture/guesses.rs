//! What untrained networks guess: the law of the largest share, the shares by rank, and by class.

use super::Picture;
use super::chart::{Axis, Chart, Dash, Marks, Series};
use super::ink::Ink;
use crate::measure::Estimate;
use crate::measure::prejudice::PrejudiceMeasurement;
use crate::report::Report;
use crate::theory::prejudice::GuessLaw;

/// Bars at most: beyond them shares are too small to be seen.
const MOST: usize = 60;

/// Places at which a density is drawn.
const DENSITY: usize = 40;

pub(super) fn pictures(report: &Report) -> Vec<Picture> {
    let guesses = &report.measurement.prejudice;
    let law = report
        .prediction
        .prejudice
        .as_ref()
        .ok()
        .filter(|prediction| prediction.gamma.is_finite())
        .and_then(|prediction| GuessLaw::new(guesses.classes, prediction.gamma).ok());
    let mean = mean_of_these_inputs(report);
    [
        largest_share(guesses, law.as_ref(), mean.clone()),
        by_rank(report, law.as_ref(), mean),
        by_class(guesses),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The mean largest share of the kernel of the actual inputs, where that was carried through the network. The law at one `γ`
/// takes all pairs of inputs for alike, which they are not.
fn mean_of_these_inputs(report: &Report) -> Option<(f64, String)> {
    let inputs = report.prediction.kernel_inputs?;
    let share = report.prediction.prejudice.as_ref().ok()?.largest_share;
    Some((share, format!("theory of these {inputs} inputs")))
}

/// The histogram over networks of the largest share, and its law.
fn largest_share(
    guesses: &PrejudiceMeasurement,
    law: Option<&GuessLaw>,
    mean: Option<(f64, String)>,
) -> Option<Picture> {
    let counts = &guesses.largest_share_histogram;
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return None;
    }
    let bins = counts.len() as f64;
    let bars = counts.iter().enumerate().map(|(i, count)| {
        // Counts of networks: their own standard error.
        let share = *count as f64 / total as f64;
        let error = (share * (1.0 - share) / total as f64).sqrt();
        (i as f64 / bins, (i + 1) as f64 / bins, share * bins, error * bins)
    });
    let mut series = vec![Series::new("networks", Ink::Measured, Marks::Bars(bars.collect()))];
    if let Some(law) = law {
        series.push(Series::new(
            format!("theory, pairs alike, γ = {}", crate::report::text::number(law.gamma())),
            Ink::Theory,
            Marks::Line(density(law)),
        ));
    }
    series.extend(mean.map(|(share, name)| {
        let line = Marks::Line(vec![(share, 0.0), (share, 1e6)]);
        Series::new(format!("{name}, mean"), Ink::Third, line).dashed(Dash::Dashed)
    }));
    let fair = 1.0 / guesses.classes.max(1) as f64;
    let top = series.iter().filter(|series| series.ink != Ink::Third).flat_map(Series::heights);
    let top = top.filter(|h| h.is_finite()).fold(0.0, f64::max);
    let border = Marks::Line(vec![(fair, 0.0), (fair, 2.0 * top)]);
    series.push(Series::new("all classes alike", Ink::Soft, border).dashed(Dash::Dotted));
    let chart = Chart::over(
        Axis::exactly("share of the inputs that get the network's favourite class", 0.0, 1.0),
        Axis::exactly("density over networks", 0.0, 1.08 * top),
        series,
    );
    Some(Picture::new(
        "guess",
        "Law of the largest class share",
        format!(
            "{total} untrained networks by the share of the inputs that they give to one class. Far to the right: each \
             network has one answer for everything."
        ),
        chart,
    ))
}

/// The density, by differences of the distribution.
fn density(law: &GuessLaw) -> Vec<(f64, f64)> {
    let share = law.largest_share();
    let above: Vec<f64> =
        (0..=DENSITY).map(|i| share.survival(i as f64 / DENSITY as f64).value).collect();
    above
        .windows(2)
        .enumerate()
        .map(|(i, pair)| {
            ((i as f64 + 0.5) / DENSITY as f64, (pair[0] - pair[1]).max(0.0) * DENSITY as f64)
        })
        .collect()
}

fn bars(shares: &[Estimate]) -> Vec<(f64, f64, f64, f64)> {
    let known = |(i, share): (usize, &Estimate)| {
        let error = share.std_error.filter(|error| error.is_finite()).unwrap_or(0.0);
        let x = i as f64 + 1.0;
        share.is_known().then_some((x - 0.38, x + 0.38, share.value, error))
    };
    shares.iter().take(MOST).enumerate().filter_map(known).collect()
}

fn fair_line(classes: usize, shown: usize) -> Series {
    let fair = 1.0 / classes.max(1) as f64;
    let line = Marks::Line(vec![(0.0, fair), (shown as f64 + 1.0, fair)]);
    Series::new(format!("all alike, 1/{classes}"), Ink::Soft, line).dashed(Dash::Dotted)
}

/// A chart of bars from zero.
fn bar_chart(label: &str, shown: usize, series: Vec<Series>) -> Chart {
    let top = series.iter().flat_map(Series::heights).filter(|h| h.is_finite()).fold(0.0, f64::max);
    let y = Axis::exactly("share of the inputs", 0.0, 1.08 * top.max(1e-6));
    Chart::over(Axis::counts(label, 1, shown), y, series)
}

fn by_rank(
    report: &Report,
    law: Option<&GuessLaw>,
    mean: Option<(f64, String)>,
) -> Option<Picture> {
    let guesses = &report.measurement.prejudice;
    let bars = bars(&guesses.ordered_shares);
    if bars.is_empty() {
        return None;
    }
    let shown = guesses.ordered_shares.len().min(MOST);
    let mut series = vec![
        Series::new("measured ± standard error", Ink::Measured, Marks::Bars(bars)),
        fair_line(guesses.classes, shown),
    ];
    if let Some(law) = law {
        let fractions = law.mean_ordered_fractions(shown);
        let line = (1..).zip(fractions).map(|(rank, share)| (f64::from(rank), share.value));
        let name = format!("theory, pairs alike, γ = {}", crate::report::text::number(law.gamma()));
        series.push(Series::new(name, Ink::Theory, Marks::Line(line.collect())));
    }
    series.extend(mean.map(|(share, name)| {
        Series::new(name, Ink::Third, Marks::Points(vec![(1.0, share, 0.0)]))
    }));
    let chart = bar_chart("class of each network by rank, most guessed first", shown, series);
    Some(Picture::new(
        "shares",
        "Class shares, most guessed first",
        "Mean over networks of the share of the inputs that go to each network's first, second … class.",
        chart,
    ))
}

fn by_class(guesses: &PrejudiceMeasurement) -> Option<Picture> {
    let bars = bars(&guesses.shares);
    if bars.is_empty() {
        return None;
    }
    let shown = guesses.shares.len().min(MOST);
    let series = vec![
        Series::new("measured ± standard error", Ink::Measured, Marks::Bars(bars)),
        fair_line(guesses.classes, shown),
    ];
    let chart = bar_chart("class, by its index from 1", shown, series);
    Some(Picture::new(
        "classes",
        "Class shares by class",
        "Mean over networks: alike unless the data or the network prefer a class from the start.",
        chart,
    ))
}
