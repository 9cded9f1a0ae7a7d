//! `firstguess losses MODEL`: the loss doctor.

use firstguess::loss_doctor::{Diagnosis, LossDiagnosis, STANDARD, Verdict, diagnose};
use firstguess::math::stream::Seed;
use firstguess::measure::Overflow;
use firstguess::spec::{Loss, SpecError};
use serde::Serialize;

use anyhow::bail;

use crate::args::LossesArgs;
use crate::commands::model::Model;
use crate::commands::progress::Bar;
use crate::exit::ExitStatus;
use crate::printer::{Printer, Tone};
use crate::table::{columns, digits};

#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    data: &'a str,
    examples: usize,
    draws: u64,
    lost: u64,
    overflow: Option<&'a Overflow>,
    classes: usize,
    classes_without_examples: &'a [usize],
    largest_share: firstguess::measure::Estimate,
    favoured_probability: firstguess::measure::Estimate,
    mean_max_softmax: firstguess::measure::Estimate,
    losses: &'a [LossDiagnosis],
}

pub(crate) fn run(args: &LossesArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let model = Model::for_trial(&args.model, &args.trial, out.settings().seed)?;
    let found = tell(args, &model, out)?;
    if let Some(why) = found.bias.obstacle() {
        let remedy = if found.bias.draws == 0 {
            format!("`firstguess check {}` says which variance keeps them", args.model.display())
        } else {
            "give it data with examples of every class".to_owned()
        };
        bail!("no loss can be judged: {why}; {remedy}");
    }
    Ok(ExitStatus::Fine)
}

/// The same of a model that has been read, for a point of a sweep: a verdict that cannot be given is null.
pub(crate) fn run_on(
    args: &LossesArgs,
    model: &Model,
    out: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    tell(args, model, out)?;
    Ok(ExitStatus::Fine)
}

/// Measures and prints; as text only what can be judged.
fn tell(args: &LossesArgs, model: &Model, out: &mut Printer) -> anyhow::Result<Diagnosis> {
    let losses: Vec<Loss> = match &args.loss {
        Some(list) => list.0.clone(),
        None => STANDARD.iter().map(|name| name.parse()).collect::<Result<_, SpecError>>()?,
    };
    let draws = args.draws.unwrap_or(model.spec.measure.draws);
    let budget = (Seed(model.spec.measure.seed), draws);
    let mut bar = Bar::new(out.settings().quiet, "measuring", "networks");
    let found = diagnose(&model.network, &model.layers, &model.data, &losses, budget, &mut bar)?;
    bar.finish();
    if out.json() {
        let bias = &found.bias;
        let answer = Answer {
            name: &model.spec.name,
            data: model.data.name(),
            examples: model.data.examples(),
            draws: bias.draws,
            lost: bias.lost,
            overflow: bias.overflow.as_ref(),
            classes: bias.classes,
            classes_without_examples: &bias.classes_without_examples,
            largest_share: bias.largest_share,
            favoured_probability: bias.favoured_probability,
            mean_max_softmax: bias.mean_max_softmax,
            losses: &found.losses,
        };
        out.seeded_object("losses", model.spec.measure.seed, &answer)?;
    } else if found.bias.obstacle().is_none() {
        print(model, &found, out)?;
    }
    Ok(found)
}

/// How many of the losses can correct the first guess, in a sentence.
fn headline(found: &Diagnosis) -> (Tone, String) {
    let bad = found.losses.iter().filter(|loss| loss.verdict > Some(Verdict::Slow)).count();
    let tone = if bad == 0 { Tone::Good } else { Tone::Bad };
    let text = match (&found.losses[..], bad) {
        ([one], 0) => format!("{} can correct the first guess", one.force.loss),
        ([one], _) => format!("{} cannot correct the first guess", one.force.loss),
        ([_, _], 0) => "both losses can correct the first guess".to_owned(),
        (all, 0) => format!("all {} losses can correct the first guess", all.len()),
        (all, _) if bad == all.len() => {
            format!("none of the {bad} losses can correct the first guess")
        }
        (all, _) => format!("{bad} of {} losses cannot correct the first guess", all.len()),
    };
    (tone, text + " of this initialization")
}

fn print(model: &Model, found: &Diagnosis, out: &mut Printer) -> anyhow::Result<()> {
    let bias = &found.bias;
    let (tone, text) = headline(found);
    out.headline(tone, &text)?;
    let mut caveats = String::new();
    for caveat in bias.caveats() {
        caveats += &format!("{caveat}\n");
    }
    out.lines(&format!(
        "{}: {} networks on {} inputs of {}, seed {}\n{caveats}the favoured class gets {:.1} % of the guesses and {:.1} % of the \
         probability on average\n\n",
        model.spec.name,
        bias.draws,
        model.data.examples(),
        model.data.name(),
        model.spec.measure.seed,
        100.0 * bias.largest_share.value,
        100.0 * bias.favoured_probability.value
    ))?;
    let percent = |value: f64| format!("{:.0}%", 100.0 * value);
    let rows = found
        .losses
        .iter()
        .map(|one| {
            let force = &one.force;
            vec![
                force.loss.to_string(),
                one.verdict.map_or_else(|| "-".to_owned(), |verdict| verdict.to_string()),
                digits(force.favoured.value),
                digits(force.relative.value),
                percent(force.active_fraction.value),
                percent(force.reversed_fraction.value),
                one.runaway_share.map_or_else(|| "-".to_owned(), |share| format!("{share:.4}")),
            ]
        })
        .collect();
    let headings = ["loss", "verdict", "force G", "G / CE", "active", "reversed", "runaway above"];
    let table = columns(out, &headings, rows);
    out.verbatim(table.as_bytes())?;
    let mut advice = String::new();
    for one in found.losses.iter().filter(|one| one.verdict != Some(Verdict::Corrects)) {
        if let Some(suggested) = &one.suggested {
            advice += &format!("  {}: {}; start as {suggested}\n", one.force.loss, one.reason);
        } else {
            advice += &format!("  {}: no verdict, {}\n", one.force.loss, one.reason);
        }
    }
    if !advice.is_empty() {
        out.lines(&format!("\n{advice}"))?;
    }
    out.note(
        "G is the mean force on the favoured class's output bias; descent lowers that class where it is positive. How often \
         the verdict holds in training: docs/reproduction/loss-doctor.md",
    )?;
    Ok(())
}
