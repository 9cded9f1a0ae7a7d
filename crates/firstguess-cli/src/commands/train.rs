//! `firstguess train MODEL`: arms of initializations and losses, trained side by side.

mod text;

use anyhow::{Context, bail};
use firstguess::math::stream::Seed;
use firstguess::report::picture::training;
use firstguess::spec::{Dataset, InitScheme};
use firstguess::train::{Arm, Lab, LabReport, Optimizer, Probe};
use firstguess::{concrete_init, layer_inits};
use firstguess_io::write_atomically;
use serde::Serialize;

use crate::args::{HeldOut, RecipeArgs, TrainArgs};
use crate::commands::model::{Model, official_test};
use crate::commands::pictures::Folder;
use crate::commands::progress::Bar;
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// Steps where neither steps nor epochs are given.
const STEPS: usize = 500;

/// Trainings of each arm and rate from which its rate is chosen.
const SELECTION_SEEDS: usize = 3;

#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    data: &'a str,
    train_examples: usize,
    validation_examples: usize,
    probe_examples: usize,
    probe_balanced: bool,
    classes: usize,
    steps: usize,
    every: usize,
    batch: usize,
    seeds: usize,
    optimizer: Optimizer,
    /// Where accuracy at the end is measured.
    compared_on: &'static str,
    /// What normalisations over the batch see in evaluation.
    batch_norm_statistics: &'static str,
    #[serde(flatten)]
    report: &'a LabReport,
}

/// The optimizer of the flags, at some rate.
pub(crate) fn optimizer(recipe: &RecipeArgs, rate: f64) -> anyhow::Result<Optimizer> {
    let optimizer = Optimizer {
        method: recipe.optimizer,
        rate,
        schedule: recipe.rate_schedule,
        weight_decay: recipe.weight_decay,
        clip: recipe.clip,
    };
    optimizer.validate()?;
    Ok(optimizer)
}

pub(crate) fn run(args: &TrainArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let model = Model::for_trial(&args.model, &args.trial, out.settings().seed)?;
    run_on(args, &model, out)
}

/// The same of a model that has been read.
pub(crate) fn run_on(
    args: &TrainArgs,
    model: &Model,
    out: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    distinct(args)?;
    let folder = Folder::of(&args.plot)?;
    let seed = Seed(model.spec.measure.seed);
    let (train, held_out) = divided(model, args.validation, seed)?;
    let probe = Probe::new(&train, args.probe, seed)?;
    let steps_per_epoch =
        firstguess::train::batches::Batches::new(train.examples(), args.batch(), seed, 0)
            .per_epoch();
    let steps = match (args.steps, args.epochs) {
        (Some(steps), _) => steps,
        (None, Some(epochs)) => epochs.saturating_mul(steps_per_epoch),
        (None, None) => STEPS,
    };
    let optimizer = optimizer(&args.recipe, args.lr.first().copied().unwrap_or(1e-3))?;
    let arms = arms(args, model, optimizer)?;
    let lab = Lab {
        data: &train,
        probe: &probe,
        validation: held_out.as_ref(),
        batch: args.batch(),
        steps,
        every: args.every.unwrap_or_else(|| (steps / 50).max(1)),
        seed,
        seeds: args.seeds,
        selection_seeds: SELECTION_SEEDS.min(args.seeds),
    };
    let mut bar = Bar::new(out.settings().quiet, "training", "runs");
    let report = lab.run(&arms, &args.lr, &mut bar)?;
    bar.finish();
    if let Some(path) = &args.csv {
        write_atomically(path, report.csv().as_bytes())
            .with_context(|| "the trajectories were not written")?;
    }
    if let Some(folder) = &folder {
        folder.write(&[training(&report)], out)?;
    }
    if out.json() {
        let answer = Answer {
            name: &model.spec.name,
            data: train.name(),
            train_examples: train.examples(),
            validation_examples: held_out.as_ref().map_or(0, Dataset::examples),
            probe_examples: probe.data().examples(),
            probe_balanced: probe.is_balanced(),
            classes: train.classes(),
            steps,
            every: lab.every,
            batch: lab.batch,
            seeds: lab.seeds,
            optimizer,
            compared_on: if held_out.is_some() { "validation" } else { "probe" },
            batch_norm_statistics: "evaluation batch",
            report: &report,
        };
        out.seeded_object("train", seed.0, &answer)?;
    } else {
        text::print(model, &lab, &report, out)?;
    }
    // Nothing to compare: a script must not take it for a result.
    Ok(if report.best().is_some() { ExitStatus::Fine } else { ExitStatus::Findings })
}

/// Refuses what would be trained twice and compared with itself.
fn distinct(args: &TrainArgs) -> anyhow::Result<()> {
    for (position, rate) in args.lr.iter().enumerate() {
        if args.lr[..position].contains(rate) {
            bail!("the learning rate {rate} stands twice in --lr; give each once");
        }
    }
    Ok(())
}

impl TrainArgs {
    const fn batch(&self) -> usize {
        self.recipe.batch
    }
}

fn arms(args: &TrainArgs, model: &Model, optimizer: Optimizer) -> anyhow::Result<Vec<Arm>> {
    let (several_inits, several_losses) = (args.arms.0.len() > 1, args.loss.0.len() > 1);
    let mut arms = Vec::new();
    for arm in &args.arms.0 {
        let scheme: &InitScheme = arm.scheme.as_ref().unwrap_or(&model.spec.init);
        let concrete = concrete_init(scheme, &model.network)
            .with_context(|| format!("the arm `{}`", arm.name))?;
        let inits = layer_inits(&concrete, &model.network)?;
        for loss in &args.loss.0 {
            let name = match (several_inits, several_losses) {
                (true, true) => format!("{} {loss}", arm.name),
                (false, true) => loss.to_string(),
                _ => arm.name.clone(),
            };
            arms.push(Arm {
                name,
                network: model.network.clone(),
                inits: inits.clone(),
                loss: loss.clone(),
                optimizer,
            });
        }
    }
    Ok(arms)
}

/// Training data, and what is kept apart.
pub(crate) fn divided(
    model: &Model,
    held_out: HeldOut,
    seed: Seed,
) -> anyhow::Result<(Dataset, Option<Dataset>)> {
    match held_out {
        HeldOut::Test => Ok((model.data.clone(), Some(official_test(&model.spec)?))),
        HeldOut::Share(0.0) => Ok((model.data.clone(), None)),
        HeldOut::Share(share) => {
            let (train, rest) = firstguess::train::lab::hold_out(&model.data, share, seed)?;
            Ok((train, Some(rest)))
        }
    }
}
