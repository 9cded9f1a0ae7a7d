//! `firstguess labels --train MODEL`: which labels are wrong, by training on them.

use std::path::Path;

use anyhow::Context;
use firstguess::layer_inits;
use firstguess::math::stream::Seed;
use firstguess::spec::LossSchedule;
use firstguess::spec::dataset::LabelNoise;
use firstguess::spec::layer::Layer;
use firstguess::train::TrainError;
use firstguess::train::detect::Detector;
use firstguess::train::label_errors::margins::{Run, flagged_share};
use firstguess::train::label_errors::{Detection, Probabilities, Pruning};
use firstguess_io::write_atomically;
use serde::Serialize;

use crate::args::{LabelsArgs, TrainingArgs};
use crate::commands::model::Model;
use crate::commands::progress::Bar;
use crate::commands::train::optimizer;
use crate::exit::ExitStatus;
use crate::printer::{Printer, Tone};
use crate::table::{columns, given};

/// Suspicious examples listed.
const LISTED: usize = 10;

#[derive(Serialize)]
struct Answer {
    name: String,
    data: String,
    examples: usize,
    classes: usize,
    loss: LossSchedule,
    method: String,
    folds: usize,
    epochs: usize,
    margin_runs: usize,
    /// Epochs over which margins were averaged: all, or those before the first drop of the learning rate.
    margin_epochs: Option<f64>,
    /// Accuracy of the held-out predictions against the given labels.
    held_out_accuracy: f64,
    estimated_error_rate: f64,
    thresholds: Vec<Option<f64>>,
    joint: Vec<Vec<u64>>,
    /// Flagged by probabilities, the most suspicious first.
    flagged: Vec<usize>,
    /// Flagged by margins in every run in which they were ordinary examples.
    flagged_by_margin: Option<Vec<usize>>,
    /// Flagged by both.
    flagged_by_both: Option<Vec<usize>>,
    /// Labels that were flipped on purpose, and how well they were found.
    #[serde(skip_serializing_if = "Option::is_none")]
    truth: Option<Truth>,
}

#[derive(Serialize)]
struct Truth {
    corrupted: usize,
    by_probability: Quality,
    by_margin: Option<Quality>,
}

#[derive(Serialize)]
struct Quality {
    #[serde(flatten)]
    counts: Detection,
    precision: Option<f64>,
    recall: Option<f64>,
    f1: Option<f64>,
    balanced_accuracy: Option<f64>,
}

impl Quality {
    fn new(flagged: &[bool], wrong: &[bool]) -> Self {
        let counts = Detection::new(flagged, wrong);
        Self {
            precision: counts.precision(),
            recall: counts.recall(),
            f1: counts.f1(),
            balanced_accuracy: counts.balanced_accuracy(),
            counts,
        }
    }
}

pub(crate) fn run(
    path: &Path,
    labels: &LabelsArgs,
    out: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let args = &labels.training;
    let table = labels.output.as_deref();
    anyhow::ensure!(
        table.is_none_or(|path| path.extension().is_some_and(|ending| ending == "csv")),
        "with --train the table is written as CSV: give --output a name that ends in .csv"
    );
    let model = Model::for_trial(path, &args.trial, out.settings().seed)?;
    let seed = Seed(model.spec.measure.seed);
    anyhow::ensure!(
        model.data.labels().is_some(),
        "`{}` has no labels, so none can be wrong",
        model.data.name()
    );
    let data = match args.corrupt {
        None => model.data.clone(),
        Some(share) => model.data.with_label_noise(&LabelNoise::Uniform(share), seed)?,
    };
    // Known where labels were changed on purpose, here or by the spec.
    let wrong: Option<Vec<bool>> = data
        .true_labels()
        .zip(data.labels())
        .map(|(truth, given)| truth.iter().zip(given).map(|(a, b)| a != b).collect());
    let optimizer = optimizer(&args.recipe, args.lr)?;
    let detector = Detector {
        network: &model.network,
        inits: &model.layers,
        data: &data,
        loss: &args.loss,
        optimizer: &optimizer,
        batch: args.recipe.batch,
        epochs: args.epochs,
        seed,
    };
    // Before anything is trained.
    detector.check_margin_runs(args.margin_runs).map_err(|error| match error {
        TrainError::MarginRuns { sets, .. } => {
            anyhow::anyhow!("{error}; use --margin-runs {sets} or less, 0 for none")
        }
        other => anyhow::anyhow!(
            "{other}; let the rate of --rate-schedule drop later, or use --margin-runs 0"
        ),
    })?;
    let mut bar = Bar::new(out.settings().quiet, "training", "folds");
    let values = detector.held_out_probabilities(args.folds, &mut bar)?;
    bar.finish();
    let given = data.labels().unwrap_or_default().to_vec();
    let probabilities = Probabilities::new(data.classes(), values, given)?;
    let learning = probabilities.confident_learning();
    let pruning = Pruning {
        min_examples_per_class: labels.min_examples_per_class,
        noise_fraction: labels.noise_fraction,
    };
    let flagged = probabilities.flag(&learning, labels.method, &pruning);
    let margins = margins(args, &model, &detector, out)?;
    let by_margin: Option<Vec<bool>> = margins
        .as_ref()
        .map(|(shares, _)| shares.iter().map(|share| *share == Some(1.0)).collect());
    if let Some(path) = table {
        let table = csv(&probabilities, &flagged, wrong.as_deref(), margins.as_ref());
        write_atomically(path, table.as_bytes()).with_context(|| "the table was not written")?;
    }
    let right = probabilities.rows().zip(probabilities.labels()).filter(|(row, label)| {
        let best = (0..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best });
        best == **label as usize
    });
    let positions = |flags: &[bool]| (0..flags.len()).filter(|i| flags[*i]).collect::<Vec<usize>>();
    let answer = Answer {
        name: model.spec.name.clone(),
        data: data.name().to_owned(),
        examples: data.examples(),
        classes: data.classes(),
        loss: args.loss.clone(),
        method: labels.method.to_string(),
        folds: args.folds,
        epochs: args.epochs,
        margin_runs: args.margin_runs,
        margin_epochs: (args.margin_runs > 0).then(|| {
            let (steps, per_epoch) = detector.margin_steps();
            steps as f64 / per_epoch as f64
        }),
        held_out_accuracy: right.count() as f64 / data.examples() as f64,
        estimated_error_rate: learning.estimated_error_rate(),
        thresholds: learning.thresholds.clone(),
        joint: learning.joint.clone(),
        flagged: probabilities.rank(&flagged, labels.rank_by.into()),
        flagged_by_both: by_margin.as_ref().map(|other| {
            positions(&flagged.iter().zip(other).map(|(a, b)| *a && *b).collect::<Vec<_>>())
        }),
        flagged_by_margin: by_margin.as_deref().map(positions),
        truth: wrong.as_ref().map(|wrong| Truth {
            corrupted: wrong.iter().filter(|w| **w).count(),
            by_probability: Quality::new(&flagged, wrong),
            by_margin: by_margin.as_ref().map(|flags| Quality::new(flags, wrong)),
        }),
    };
    if out.json() {
        out.seeded_object("labels", seed.0, &answer)?;
    } else {
        print(&answer, &probabilities, seed, out)?;
    }
    Ok(ExitStatus::Fine)
}

/// Of each example the share of runs that flagged it, and its mean area.
type Margins = (Vec<Option<f64>>, Vec<Option<f64>>);

fn margins(
    args: &TrainingArgs,
    model: &Model,
    detector: &Detector<'_>,
    out: &Printer,
) -> anyhow::Result<Option<Margins>> {
    if args.margin_runs == 0 {
        return Ok(None);
    }
    let mut spec = model.spec.clone();
    let classes = detector.data.classes();
    // One logit more, for the class that does not exist.
    match spec.network.layers.last_mut() {
        Some(Layer::Dense { units, .. }) if *units >= classes.max(2) => *units += 1,
        Some(Layer::Dense { units, .. }) => *units = classes + 1,
        _ => anyhow::bail!(
            "the area under the margin needs a dense last layer, to give it one class more; use --margin-runs 0"
        ),
    }
    let network = spec.network.resolve(&detector.data.shape())?;
    let init = firstguess::concrete_init(&spec.init, &network)?;
    let inits = layer_inits(&init, &network)?;
    let mut bar = Bar::new(out.settings().quiet, "training", "margin runs");
    let found = detector.margin_runs(&network, &inits, args.margin_runs, &mut bar)?;
    bar.finish();
    let runs: Vec<Run> = found.iter().map(|(run, _)| run.clone()).collect();
    let areas = (0..detector.data.examples())
        .map(|example| {
            // Of the runs in which it was an ordinary example.
            let seen: Vec<f64> = found
                .iter()
                .filter(|(run, _)| run.flagged.get(example).copied().flatten().is_some())
                .filter_map(|(_, areas)| areas.get(example).copied().flatten())
                .collect();
            (!seen.is_empty()).then(|| seen.iter().sum::<f64>() / seen.len() as f64)
        })
        .collect();
    Ok(Some((flagged_share(&runs), areas)))
}

fn csv(
    probabilities: &Probabilities,
    flagged: &[bool],
    wrong: Option<&[bool]>,
    margins: Option<&Margins>,
) -> String {
    let confidence = probabilities.self_confidence();
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let mut text =
        "example,label,flagged,self_confidence,margin_flagged_share,area_under_margin,corrupted\n"
            .to_owned();
    for (i, label) in probabilities.labels().iter().enumerate() {
        let of = |pick: fn(&Margins) -> &Vec<Option<f64>>| {
            number(margins.and_then(|margins| pick(margins).get(i).copied().flatten()))
        };
        let corrupted = wrong.map_or_else(String::new, |wrong| u8::from(wrong[i]).to_string());
        text += &format!(
            "{i},{label},{},{},{},{},{corrupted}\n",
            u8::from(flagged[i]),
            confidence[i],
            of(|margins| &margins.0),
            of(|margins| &margins.1)
        );
    }
    text
}

fn print(
    answer: &Answer,
    probabilities: &Probabilities,
    seed: Seed,
    out: &mut Printer,
) -> anyhow::Result<()> {
    let tone = if answer.flagged.is_empty() { Tone::Good } else { Tone::Bad };
    out.headline(
        tone,
        &format!("{} of {} labels look wrong", answer.flagged.len(), answer.examples),
    )?;
    out.lines(&format!(
        "{} on {}: loss {}, {} folds of {} epochs, seed {}; confident learning, method {}\nheld-out accuracy against the \
         given labels {:.1} %, estimated share of wrong labels {:.1} %\n",
        answer.name,
        answer.data,
        answer.loss,
        answer.folds,
        answer.epochs,
        seed.0,
        answer.method,
        100.0 * answer.held_out_accuracy,
        100.0 * answer.estimated_error_rate
    ))?;
    if let (Some(margin), Some(both)) = (&answer.flagged_by_margin, &answer.flagged_by_both) {
        let epochs = answer.margin_epochs.filter(|epochs| *epochs < answer.epochs as f64);
        let until = epochs.map_or_else(String::new, |epochs| {
            let epochs = given(epochs);
            format!(", over the {epochs} epochs before the first drop of the learning rate")
        });
        out.lines(&format!(
            "area under the margin ({} runs{until}): {} labels; both ways: {}\n",
            answer.margin_runs,
            margin.len(),
            both.len()
        ))?;
    }
    if let Some(truth) = &answer.truth {
        let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}"));
        let row = |name: &str, quality: &Quality| {
            vec![
                name.to_owned(),
                cell(quality.f1),
                cell(quality.precision),
                cell(quality.recall),
                cell(quality.balanced_accuracy),
            ]
        };
        let mut rows = vec![row("confident learning", &truth.by_probability)];
        rows.extend(truth.by_margin.as_ref().map(|quality| row("margins", quality)));
        let headings = ["found by", "F1", "precision", "recall", "balanced accuracy"];
        out.lines(&format!(
            "\n  {} labels were flipped on purpose\n{}",
            truth.corrupted,
            columns(out, &headings, rows)
        ))?;
    }
    if !answer.flagged.is_empty() {
        let rows: Vec<Vec<String>> = answer
            .flagged
            .iter()
            .take(LISTED)
            .filter_map(|&i| {
                let row = probabilities.rows().nth(i)?;
                let label = *probabilities.labels().get(i)? as usize;
                let best =
                    (0..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best });
                Some(vec![
                    i.to_string(),
                    label.to_string(),
                    best.to_string(),
                    format!("{:.3}", row[label]),
                    format!("{:.3}", row[best]),
                ])
            })
            .collect();
        let headings = ["example", "label", "looks like", "p of label", "p of that"];
        out.lines(&format!("\n  the most suspicious first\n{}", columns(out, &headings, rows)))?;
    }
    out.note("examples are counted from 0. Look at them before removing any; --output lists all")?;
    Ok(())
}
