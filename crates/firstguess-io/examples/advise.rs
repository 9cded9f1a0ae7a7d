//! The advised initialization against the usual ones, in training; writes docs/reproduction/advise.md.
//!
//! `cargo run --release -p firstguess-io --example advise > docs/reproduction/advise.md`, or some cells only:
//! `... --example advise -- tanh:20,60 relu:20`. Rows are printed as they are done.
#![expect(clippy::print_stdout, reason = "its output is the document")]

use firstguess::advise::{Wishes, advise};
use firstguess::math::stream::Seed;
use firstguess::net::{Weights, rescale_layers};
use firstguess::spec::experiment::{DataSpec, MeasureSpec};
use firstguess::spec::network::Network;
use firstguess::spec::scheme::LayerInit;
use firstguess::spec::{
    Activation, Architecture, Dataset, InitScheme, Loss, Spec, SpecError, Standardize,
};
use firstguess::theory::dual::Dual;
use firstguess::train::lab::{ArmReport, Comparison, hold_out};
use firstguess::train::{Arm, Lab, LabReport, Optimizer, Probe};
use firstguess_io::load_dataset;

const WIDTH: usize = 64;
const STEPS: usize = 300;
const BATCH: usize = 64;
const SEEDS: usize = 5;
const SELECTION_SEEDS: usize = 3;
const RATES: [f64; 6] = [3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2];

const CELLS: [&str; 6] =
    ["tanh:20,60,100", "relu:20,60", "gelu:20,60", "silu:20,60", "sigmoid:20,60", "elu:20,60"];

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Fallible<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let cells: Vec<String> =
        if given.is_empty() { CELLS.map(str::to_owned).to_vec() } else { given.clone() };
    let data = load_dataset("digits", None)?.standardize(Standardize::Feature)?;
    let (train, held_out) = hold_out(&data, 0.2, Seed(0))?;
    if given.is_empty() {
        head(&train, &held_out);
    }
    for cell in cells {
        let (activation, depths) =
            cell.split_once(':').ok_or("a cell is activation:depth,depth")?;
        let activation: Activation = activation.parse()?;
        for depth in depths.split(',') {
            study(&activation, depth.parse()?, &train, &held_out)?;
        }
    }
    Ok(())
}

fn head(train: &Dataset, held_out: &Dataset) {
    println!("# Advised initializations in training\n");
    println!(
        "<!-- Tables written by `cargo run --release -p firstguess-io --example advise`. -->\n\n\
         Perceptrons of width {WIDTH} on digits ({} images to train on, {} held out), every feature standardized; Adam, batch\n\
         {BATCH}, {STEPS} steps; each arm takes the best of the rates {RATES:?} on {SELECTION_SEEDS} seeds of its own and is then\n\
         trained on {SEEDS} others, which all arms share. Accuracy on the held-out images with half the width of its 95 %\n\
         interval; *advised minus* is the paired difference with its interval.\n",
        train.examples(),
        held_out.examples()
    );
}

/// Everything that is compared for one activation and depth.
fn study(
    activation: &Activation,
    depth: usize,
    train: &Dataset,
    held_out: &Dataset,
) -> Fallible<()> {
    let architecture = Architecture::mlp(activation, depth, WIDTH, 10);
    let network = architecture.resolve(&train.shape())?;
    let spec = Spec {
        name: format!("{activation} {depth}"),
        data: DataSpec::default(),
        init: InitScheme::new("torch_default".parse()?),
        network: architecture,
        measure: MeasureSpec { draws: 16, ..MeasureSpec::default() },
    };
    let advice = advise(&spec, train, Wishes::default(), &mut ())?;
    let best = advice.recommended();
    let mut arms = vec![arm("advised", &best.spec.network_for(train)?, best.layers.clone())?];
    for (name, init) in rivals(activation)? {
        arms.push(arm(name, &network, inits(&init, &network)?)?);
    }
    arms.push(arm("LSUV", &network, lsuv(&network, train)?)?);
    let probe = Probe::new(train, 200, Seed(0))?;
    let lab = Lab {
        data: train,
        probe: &probe,
        validation: Some(held_out),
        batch: BATCH,
        steps: STEPS,
        every: STEPS,
        seed: Seed(0),
        seeds: SEEDS,
        selection_seeds: SELECTION_SEEDS,
    };
    let report = lab.run(&arms, &RATES, &mut ())?;
    let first = best.layers.first().map_or(f64::NAN, |layer| layer.weight_variance);
    let usual = best.layers.get(1).ok_or("one layer")?;
    println!("## {activation}, depth {depth}\n");
    println!(
        "Advised: `{}`, {} weights, σ_w² = {:.4} ({first:.4} in the first layer), σ_b² = {}.\n",
        best.id, usual.family, usual.weight_variance, usual.bias_variance
    );
    println!("| arm | accuracy | rate | diverged | advised minus |\n|---|---|---|---|---|");
    for found in &report.arms {
        println!(
            "| {} | {} | {:e}{} | {} | {} |",
            found.name,
            accuracy(found),
            found.rate,
            if found.rate_at_edge { " (edge)" } else { "" },
            found.diverged,
            lead(&report, &found.name)
        );
    }
    println!();
    Ok(())
}

fn rivals(activation: &Activation) -> Result<Vec<(&'static str, InitScheme)>, SpecError> {
    // torch.nn.init.calculate_gain; what its table lacks has gain 1.
    let gain = match activation {
        Activation::Tanh => 5.0 / 3.0,
        Activation::Relu => 2.0_f64.sqrt(),
        Activation::Selu => 0.75,
        _ => 1.0,
    };
    let second = Dual::new(activation).moments(1.0).second;
    Ok(vec![
        ("PyTorch default", "torch_default".parse()?),
        ("gain table", InitScheme { gain, ..InitScheme::new("glorot_normal".parse()?) }),
        ("Glorot", "glorot_uniform".parse()?),
        ("orthogonal", "orthogonal".parse()?),
        ("variance-preserving gain", InitScheme::explicit(1.0 / second, 0.0)),
    ])
}

fn inits(init: &InitScheme, network: &Network) -> Result<Vec<LayerInit>, SpecError> {
    network.weights().iter().map(|layer| init.layer(layer)).collect()
}

/// Orthogonal weights, each layer scaled to mean square one on 256 inputs: the scales of one draw, for all seeds.
fn lsuv(network: &Network, data: &Dataset) -> Fallible<Vec<LayerInit>> {
    let mut layers = inits(&"orthogonal".parse()?, network)?;
    let mut weights = Weights::draw(network, &layers, Seed(99), 0)?;
    let part = data.take(256)?;
    let done = rescale_layers(network, &mut weights, part.inputs(), 1.0)?;
    for (layer, factor) in layers.iter_mut().zip(&done.factors) {
        layer.weight_variance *= factor * factor;
    }
    Ok(layers)
}

fn arm(name: &str, network: &Network, inits: Vec<LayerInit>) -> Result<Arm, SpecError> {
    let loss: Loss = "cross_entropy".parse()?;
    Ok(Arm {
        name: name.to_owned(),
        network: network.clone(),
        inits,
        loss: loss.into(),
        optimizer: Optimizer::adam(1e-3),
    })
}

fn accuracy(found: &ArmReport) -> String {
    found.accuracy.map_or_else(
        || "-".to_owned(),
        |band| {
            format!("{:.3} ± {:.3}", band.mean, band.high.map_or(f64::NAN, |high| high - band.mean))
        },
    )
}

/// Advised minus this arm.
fn lead(report: &LabReport, name: &str) -> String {
    let pair = |c: &&Comparison| c.first == "advised" && c.second == name;
    let found = report.comparisons.iter().find(pair).and_then(|c| c.accuracy);
    found.map_or_else(String::new, |paired| {
        let d = paired.difference;
        match (d.low, d.high) {
            (Some(low), Some(high)) => format!("{:+.3} ({:+.3} to {:+.3})", -d.mean, -high, -low),
            _ => format!("{:+.3}", -d.mean),
        }
    })
}
