//! `firstguess init MODEL --scheme S -o FILE`: weights, drawn.

use anyhow::Context;
use firstguess::advise::{Wishes, advise};
use firstguess::math::stream::Seed;
use firstguess::net::{NamedTensor, Rescaled, Weights, named_tensors, rescale_layers};
use firstguess::spec::experiment::MeasureSpec;
use firstguess::spec::{Dataset, InitScheme, Network, Spec};
use firstguess::{concrete_init, layer_inits};
use firstguess_io::{Tensor, WeightFormat, load_spec, save_tensors};
use serde::Serialize;

use crate::args::{InitArgs, SchemeArg};
use crate::commands::model::{inputs, replace_data};
use crate::commands::onnx::{Question, folded_norms, is_onnx};
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
    scheme: &'a str,
    tensors: Vec<Written<'a>>,
    refined: Option<Refined<'a>>,
    /// What is to be known of an ONNX model.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
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

/// Weights as drawn, and where they came from.
struct Drawn {
    spec: Spec,
    scheme: String,
    network: Network,
    weights: Weights<f32>,
    refined: Option<Rescaled>,
    /// Inputs on which they were refined.
    inputs: usize,
}

pub(crate) fn run(args: &InitArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    // Known before anything is drawn.
    WeightFormat::of(&args.output)?;
    if is_onnx(&args.model) { of_onnx(args, out) } else { of_spec(args, out) }
}

fn of_spec(args: &InitArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let mut file = load_spec(&args.model)?;
    if let Some(seed) = out.settings().seed {
        file.spec.measure.seed = seed;
    }
    if let Some(name) = &args.data {
        replace_data(&mut file.spec, name);
    }
    let scaling = &mut file.spec.data.standardize;
    *scaling = args.standardize.unwrap_or(*scaling);
    let data = inputs(&file.spec)?;
    file.spec.network_for(&data).map_err(|fault| file.fault(&fault))?;
    let drawn = draw(&file.spec, &data, args, out)?;
    let tensors: Vec<Tensor> =
        named_tensors(&drawn.network, &drawn.weights).into_iter().map(tensor).collect();
    save(args, &drawn, &tensors, &[], out)?;
    out.note(
        "names are those of torch.nn.Sequential with the layers written out: model.load_state_dict(safetensors.torch.load_file(FILE))",
    )?;
    Ok(ExitStatus::Fine)
}

/// Under the names of the file, so that the tensors can be put in the place of those that are there.
fn of_onnx(args: &InitArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let measure = MeasureSpec { seed: out.settings().seed.unwrap_or(0), ..MeasureSpec::default() };
    let question = Question {
        path: &args.model,
        data: args.data.as_deref(),
        standardize: args.standardize,
        samples: None,
        measure,
    };
    question.ask(|study| {
        let (mut spec, mut notes) = question.spec(study)?;
        if let (SchemeArg::Given(_), Some(found)) = (&args.scheme, &study.model().translation) {
            // Without the variances that were read off the layers, and without what is said of those.
            (spec.network.layers, notes) = (found.layers.clone(), folded_norms(study).into_iter().collect());
        }
        let drawn = draw(&spec, study.data(), args, out)?;
        let (tensors, more) = study.tensors(&drawn.weights).map_err(|why| {
            anyhow::anyhow!(
                "the weights cannot be put into this file: {why}. Draw them for a spec of the model instead: firstguess check {} \
                 --write-spec model.toml, then firstguess init model.toml",
                args.model.display()
            )
        })?;
        notes.extend(more);
        save(args, &drawn, &tensors, &notes, out)?;
        for note in &notes {
            out.note(note)?;
        }
        out.note(
            "names and shapes are those of the initializers in the file; in Python: for t in model.graph.initializer: if t.name in \
             new: t.CopyFrom(onnx.numpy_helper.from_array(new[t.name], t.name))",
        )?;
        Ok(ExitStatus::Fine)
    })
}

fn draw(spec: &Spec, data: &Dataset, args: &InitArgs, out: &Printer) -> anyhow::Result<Drawn> {
    let (spec, scheme) = match &args.scheme {
        SchemeArg::Spec => (spec.clone(), described(&spec.init)),
        SchemeArg::Given(init) => (Spec { init: init.clone(), ..spec.clone() }, described(init)),
        SchemeArg::Advised => {
            let mut bar = Bar::new(out.settings().quiet, "measuring", "networks");
            let advice = advise(spec, data, Wishes::default(), &mut bar)?;
            bar.finish();
            let best = advice.recommended();
            (best.spec.clone(), format!("advised: {}, {}", best.title, described(&best.init)))
        }
    };
    let network = spec.network_for(data)?;
    let inits = layer_inits(&concrete_init(&spec.init, &network)?, &network)?;
    let mut weights = Weights::draw(&network, &inits, Seed(spec.measure.seed), 0)?;
    let inputs = data.examples().min(INPUTS);
    let refined = if args.lsuv {
        let part = data.take(inputs)?;
        let done = rescale_layers(&network, &mut weights, part.inputs(), args.lsuv_target)
            .context("the weights were not refined")?;
        Some(done)
    } else {
        None
    };
    Ok(Drawn { spec, scheme, network, weights, refined, inputs })
}

fn save(
    args: &InitArgs,
    drawn: &Drawn,
    tensors: &[Tensor],
    notes: &[String],
    out: &mut Printer,
) -> anyhow::Result<()> {
    let Drawn { spec, scheme, refined, .. } = drawn;
    let metadata = metadata(spec, scheme, refined.as_ref().map(|_| args.lsuv_target));
    save_tensors(&args.output, tensors, &metadata).context("the weights were not written")?;
    let seed = spec.measure.seed;
    let answer = Answer {
        name: &spec.name,
        file: args.output.display().to_string(),
        scheme,
        tensors: tensors.iter().map(|t| Written { name: &t.name, shape: &t.shape }).collect(),
        refined: refined.as_ref().map(|done| Refined {
            target: args.lsuv_target,
            inputs: drawn.inputs,
            before: &done.before,
            after: &done.after,
            factors: &done.factors,
        }),
        notes,
    };
    if out.json() {
        out.seeded_object("init", seed, &answer)?;
        return Ok(());
    }
    let size: usize = tensors.iter().map(|tensor| tensor.values.len()).sum();
    out.lines(&format!(
        "{}: {} tensors, {size} values, {}, seed {seed}",
        answer.file,
        tensors.len(),
        answer.scheme
    ))?;
    match refined {
        Some(done) => table(done, out),
        None => Ok(()),
    }
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
