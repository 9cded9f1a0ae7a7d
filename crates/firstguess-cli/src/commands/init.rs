//! `firstguess init MODEL --scheme S -o FILE`: weights, drawn.

use anyhow::Context;
use firstguess::advise::{Wishes, advise};
use firstguess::math::stream::Seed;
use firstguess::net::{NamedTensor, Rescaled, Weights, named_tensors, rescale_layers};
use firstguess::spec::{InitScheme, Spec};
use firstguess::{concrete_init, layer_inits};
use firstguess_io::{Tensor, WeightFormat, load_spec, save_tensors};
use serde::Serialize;

use crate::args::{InitArgs, SchemeArg};
use crate::commands::model::inputs;
use crate::commands::progress::Bar;
use crate::exit::ExitStatus;
use crate::printer::Printer;
use crate::table::{columns, digits, folded};

/// Inputs on which layers are refined, at most.
const INPUTS: usize = 256;

#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    file: String,
    scheme: String,
    tensors: Vec<Written<'a>>,
    refined: Option<Refined<'a>>,
}

#[derive(Serialize)]
struct Written<'a> {
    name: &'a str,
    shape: &'a [usize],
}

#[derive(Serialize)]
struct Refined<'a> {
    target: f64,
    inputs: usize,
    before: &'a [f64],
    after: &'a [f64],
    factors: &'a [f64],
}

pub(crate) fn run(args: &InitArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    // Known before anything is drawn.
    WeightFormat::of(&args.output)?;
    let mut file = load_spec(&args.model)?;
    if let Some(seed) = out.settings().seed {
        file.spec.measure.seed = seed;
    }
    if let Some(name) = &args.data {
        file.spec.data.dataset = Some(name.clone());
        (file.spec.data.synthetic, file.spec.data.features) = (None, None);
    }
    let data = inputs(&file.spec)?;
    file.spec.network_for(&data).map_err(|fault| file.fault(&fault))?;
    let (spec, scheme) = match &args.scheme {
        SchemeArg::Spec => (file.spec.clone(), described(&file.spec.init)),
        SchemeArg::Given(init) => {
            (Spec { init: init.clone(), ..file.spec.clone() }, described(init))
        }
        SchemeArg::Advised => {
            let mut bar = Bar::new(out.settings().quiet, "measuring", "networks");
            let advice = advise(&file.spec, &data, Wishes::default(), &mut bar)?;
            bar.finish();
            let best = advice.recommended();
            (best.spec.clone(), format!("advised: {}, {}", best.title, described(&best.init)))
        }
    };
    let network = spec.network_for(&data)?;
    let seed = Seed(spec.measure.seed);
    let inits = layer_inits(&concrete_init(&spec.init, &network)?, &network)?;
    let mut weights = Weights::draw(&network, &inits, seed, 0)?;
    let examples = data.examples().min(INPUTS);
    let refined = if args.lsuv {
        let part = data.take(examples)?;
        let done = rescale_layers(&network, &mut weights, part.inputs(), args.lsuv_target)
            .context("the weights were not refined")?;
        Some(done)
    } else {
        None
    };
    let tensors: Vec<Tensor> = named_tensors(&network, &weights).into_iter().map(tensor).collect();
    let metadata = metadata(&spec, &scheme, refined.as_ref().map(|_| args.lsuv_target));
    save_tensors(&args.output, &tensors, &metadata).context("the weights were not written")?;
    let answer = Answer {
        name: &spec.name,
        file: args.output.display().to_string(),
        scheme,
        tensors: tensors.iter().map(|t| Written { name: &t.name, shape: &t.shape }).collect(),
        refined: refined.as_ref().map(|done| Refined {
            target: args.lsuv_target,
            inputs: examples,
            before: &done.before,
            after: &done.after,
            factors: &done.factors,
        }),
    };
    if out.json() {
        out.seeded_object("init", seed.0, &answer)?;
    } else {
        let size: usize = tensors.iter().map(|tensor| tensor.values.len()).sum();
        out.lines(&format!(
            "{}: {} tensors, {size} values, {}, seed {}",
            answer.file,
            tensors.len(),
            answer.scheme,
            seed.0
        ))?;
        if let Some(done) = &refined {
            table(done, out)?;
        }
        out.note(
            "names are those of torch.nn.Sequential with the layers written out: model.load_state_dict(safetensors.torch.load_file(FILE))",
        )?;
    }
    Ok(ExitStatus::Fine)
}

fn tensor(named: NamedTensor) -> Tensor {
    Tensor { name: named.name, shape: named.shape, values: named.values }
}

/// The scheme as a spec file has it.
fn described(init: &InitScheme) -> String {
    serde_json::to_string(init).unwrap_or_else(|_| init.scheme.to_string())
}

fn metadata(spec: &Spec, scheme: &str, target: Option<f64>) -> Vec<(String, String)> {
    let mut said = vec![
        // What safetensors' own readers for PyTorch look for.
        ("format", "pt".to_owned()),
        ("firstguess_version", env!("CARGO_PKG_VERSION").to_owned()),
        ("name", spec.name.clone()),
        ("scheme", scheme.to_owned()),
        ("seed", spec.measure.seed.to_string()),
    ];
    if let Some(target) = target {
        said.push(("lsuv_target", target.to_string()));
    }
    said.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn table(done: &Rescaled, out: &mut Printer) -> anyhow::Result<()> {
    let rows = folded(done.factors.len())
        .into_iter()
        .map(|at| {
            let numbers = [done.before[at], done.after[at], done.factors[at]];
            std::iter::once((at + 1).to_string()).chain(numbers.map(digits)).collect()
        })
        .collect();
    let table = columns(out, &["layer", "mean square", "after", "factor"], rows);
    out.verbatim(table.as_bytes())?;
    Ok(())
}
