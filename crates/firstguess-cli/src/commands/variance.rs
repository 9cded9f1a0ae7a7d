//! `firstguess variance MODEL`: the gain at which SGD keeps the norm of the weights, and whether it helps.

mod state;
mod text;

use anyhow::Context;
use firstguess::math::stream::Seed;
use firstguess::report::picture::variance_search;
use firstguess::spec::scheme::LayerInit;
use firstguess::spec::{Dataset, InitScheme};
use firstguess::train::noise::Point;
use firstguess::train::variance_search::{Crossing, StartReport, VarianceSearch};
use firstguess::train::{Optimizer, Programs};
use firstguess::variance_panel::{Panel, scores};
use firstguess::{concrete_init, layer_inits};
use serde::Serialize;

use crate::args::{Profile, VarianceArgs};
use crate::commands::model::Model;
use crate::commands::pictures::Folder;
use crate::commands::progress::Bar;
use crate::commands::train::divided;
use crate::exit::ExitStatus;
use crate::printer::Printer;
use state::State;

/// Steps where neither steps nor epochs are given.
const STEPS: usize = 3000;

/// Probes of the Hessian.
const PROBES: usize = 16;

/// One layer with weights at g*.
#[derive(Debug, Serialize)]
struct Layer {
    index: usize,
    parameters: usize,
    /// Standard deviation of a weight in the base profile.
    base_std: f64,
    /// ... and at g*.
    optimal_std: f64,
    /// `V_T/V_0`, mean over seeds.
    ratio: f64,
    ratio_std_error: Option<f64>,
    /// `K_l (V_T - V_0)`, mean over seeds: equal in all layers of a homogeneous network without biases.
    norm_change: f64,
}

#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    data: &'a str,
    base: String,
    train_examples: usize,
    validation_examples: usize,
    rate: f64,
    batch: usize,
    steps: usize,
    shorten: f64,
    seeds: usize,
    train_biases: bool,
    include_biases: bool,
    gain: f64,
    gain_std_error: Option<f64>,
    ratio: f64,
    ratio_std_error: Option<f64>,
    /// `(K/2)(r - 1 - ln r)` by seed, overall and summed over layers.
    scores: Vec<(f64, f64)>,
    layers: &'a [Layer],
    crossing: &'a Crossing,
    starts: &'a [StartReport],
    panel: Option<&'a Panel>,
    recommended: &'static str,
    recommended_gain: f64,
    reason: &'a str,
}

pub(crate) fn run(args: &VarianceArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let folder = Folder::of(&args.plot)?;
    let model = Model::for_trial(&args.model, &args.trial, out.settings().seed)?;
    let seed = Seed(model.spec.measure.seed);
    let (train, held_out) = divided(&model, args.validation, seed)?;
    let per_epoch =
        firstguess::train::batches::Batches::new(train.examples(), args.batch, seed, 0).per_epoch();
    let steps = match (args.steps, args.epochs) {
        (Some(steps), _) => steps,
        (None, Some(epochs)) => epochs.saturating_mul(per_epoch),
        (None, None) => STEPS,
    };
    let optimizer = Optimizer::sgd(args.lr);
    let base = profile(&args.base, &model)?;
    let search = VarianceSearch {
        network: &model.network,
        base: &base,
        data: &train,
        validation: held_out.as_ref(),
        loss: &args.loss,
        optimizer: &optimizer,
        batch: args.batch,
        steps,
        shorten: args.shorten,
        seed,
        seeds: args.seeds,
        train_biases: !args.fixed_biases,
        include_biases: args.include_biases,
        gains: (args.gains.low, args.gains.high),
        scan: args.scan,
        tolerance: args.tolerance,
    };
    let mut state = State::open(args.state.as_deref(), &search)?;
    let known = state.points().to_vec();
    let mut bar = Bar::new(out.settings().quiet, "searching", "gains");
    let mut fault = None;
    let crossing =
        search.run(&known, &mut |point| fault = fault.take().or(state.keep(point).err()), &mut bar);
    bar.finish();
    if let Some(fault) = fault {
        return Err(fault);
    }
    let crossing = crossing?;
    let mut rivals = vec![(format!("base ({})", args.base), base.clone())];
    let he = profile(&Profile::Scheme("he_normal".parse::<InitScheme>()?), &model)?;
    if he != base {
        rivals.push(("he_normal".to_owned(), he));
    }
    // Points of the curve were not proposed by any rule: they are no reason to take or leave the gain.
    let proposed = 1 + rivals.len();
    rivals.extend(args.curve.iter().map(|gain| (format!("gain {gain}"), search.inits(*gain))));
    let mut bar = Bar::new(out.settings().quiet, "comparing", "trainings");
    let (starts, end) = search.compare(crossing.gain, &rivals, &mut bar)?;
    bar.finish();
    let panel = match &end {
        Some(weights) => Some(panel(args, &search, weights)?),
        None => None,
    };
    let layers = layers(&search, &crossing);
    let (take, reason) = verdict(&starts[..proposed.min(starts.len())], held_out.as_ref());
    if let Some(folder) = &folder {
        folder.write(&[variance_search(&crossing)], out)?;
    }
    if out.json() {
        let answer = Answer {
            name: &model.spec.name,
            data: train.name(),
            base: args.base.to_string(),
            train_examples: train.examples(),
            validation_examples: held_out.as_ref().map_or(0, Dataset::examples),
            rate: args.lr,
            batch: args.batch,
            steps,
            shorten: args.shorten,
            seeds: args.seeds,
            train_biases: search.train_biases,
            include_biases: search.include_biases,
            gain: crossing.gain,
            gain_std_error: crossing.gain_error,
            ratio: crossing.point.log_ratio.map_or(f64::NAN, f64::exp),
            ratio_std_error: crossing.point.std_error,
            scores: crossing.point.pilots.iter().map(scores).collect(),
            layers: &layers,
            crossing: &crossing,
            starts: &starts,
            panel: panel.as_ref(),
            recommended: if take { "optimal" } else { "base" },
            recommended_gain: if take { crossing.gain } else { 1.0 },
            reason: &reason,
        };
        out.seeded_object("variance", seed.0, &answer)?;
    } else {
        let found = text::Found { crossing: &crossing, layers: &layers, starts: &starts };
        text::print(&model, &search, &found, panel.as_ref(), (take, &reason), out)?;
    }
    Ok(ExitStatus::Fine)
}

/// The draws of a profile at gain 1.
fn profile(base: &Profile, model: &Model) -> anyhow::Result<Vec<LayerInit>> {
    let of = |scheme: &InitScheme| -> anyhow::Result<Vec<LayerInit>> {
        Ok(layer_inits(&concrete_init(scheme, &model.network)?, &model.network)?)
    };
    match base {
        Profile::Spec => Ok(model.layers.clone()),
        Profile::Scheme(scheme) => of(scheme).with_context(|| format!("the base profile `{base}`")),
        Profile::Uniform => Ok(firstguess::train::variance_search::uniform(&model.network)),
    }
}

/// Noise and curvature at the end of the first training at g*.
fn panel(
    args: &VarianceArgs,
    search: &VarianceSearch<'_>,
    weights: &firstguess::net::Weights<f32>,
) -> anyhow::Result<Panel> {
    let few = search.data.take(args.examples.min(search.data.examples()))?;
    let programs = Programs::new(search.network);
    let parts = (&few, search.loss, search.optimizer);
    let mut point = Point::new(&programs, search.network, weights, parts, search.train_biases)?;
    Ok(Panel::new(point.measure(PROBES, search.seed)?, args.lr, args.batch))
}

fn layers(search: &VarianceSearch<'_>, crossing: &Crossing) -> Vec<Layer> {
    let mean = |values: Vec<f64>| firstguess::measure::Estimate::mean(values);
    let pilots = &crossing.point.pilots;
    search
        .network
        .weights()
        .iter()
        .zip(search.base)
        .enumerate()
        .filter_map(|(position, (weights, init))| {
            let drifts = || pilots.iter().map(move |pilot| pilot.layers[position]);
            let ratio = mean(drifts().map(|l| l.last / l.initial).collect());
            let change = drifts().map(|l| l.parameters as f64 * (l.last - l.initial)).collect();
            let base_std = init.weight_std(weights.fan_in);
            Some(Layer {
                index: weights.index,
                parameters: drifts().next()?.parameters,
                base_std,
                optimal_std: base_std * crossing.gain,
                ratio: ratio.value,
                ratio_std_error: ratio.std_error,
                norm_change: mean(change).value,
            })
        })
        .collect()
}

/// Whether g* is recommended, and why (not). The first rival is the base profile.
fn verdict(starts: &[StartReport], held_out: Option<&Dataset>) -> (bool, String) {
    let Some(base) = starts.get(1) else { return (false, "nothing to compare with".to_owned()) };
    if held_out.is_none() {
        return (
            false,
            "no data were kept apart, so that nothing speaks for another start".to_owned(),
        );
    }
    let Some(test) = base.validation_accuracy_difference else {
        return (false, "trainings diverged, so that there is nothing to compare".to_owned());
    };
    let points = 100.0 * test.difference.mean;
    if base.is_beaten() {
        // A simple rule may do as well as a searched gain.
        let mean = |start: &StartReport| start.validation_accuracy.map_or(0.0, |band| band.mean);
        let rival = starts.iter().skip(2).find(|start| mean(start) >= mean(&starts[0]));
        let rival = rival.map_or_else(String::new, |start| {
            format!(", but `{}` without a search does at least as well", start.name)
        });
        return (
            true,
            format!("validation accuracy is {points:.2} points higher, clear of zero{rival}"),
        );
    }
    let clear = if test.difference.high.is_some_and(|high| high < 0.0) {
        "lower"
    } else {
        "not clearly higher"
    };
    (false, format!("validation accuracy is {clear} at the optimal gain ({points:+.2} points)"))
}
