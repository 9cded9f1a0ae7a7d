//! `firstguess advise [MODEL]`: the better start, measured.

use std::path::Path;

use firstguess::advise::code::Framework;
use firstguess::advise::{Advice, Wishes, advise};
use firstguess::spec::experiment::MeasureSpec;
use firstguess::spec::{Architecture, Dataset, InitScheme, Spec, Standardize};
use firstguess_io::{OnnxLayer, load_spec};
use serde::Serialize;

use crate::args::{AdviseArgs, ArchitectureArg};
use crate::commands::model::{inputs, replace_data};
use crate::commands::onnx::{Question, is_onnx};
use crate::commands::progress::Bar;
use crate::exit::ExitStatus;
use crate::printer::Printer;

#[derive(Serialize)]
struct Snippet<'a> {
    name: &'a str,
    framework: &'a str,
    candidate: &'a str,
    code: &'a str,
}

/// What is said of an ONNX model beside the advice.
#[derive(Serialize)]
struct ModelFile {
    /// The layers in the order of the advice, each with its place in the file.
    layers: Vec<OnnxLayer>,
    notes: Vec<String>,
}

pub(crate) fn run(args: &AdviseArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    if let Some(path) = args.model.as_deref().filter(|path| is_onnx(path)) {
        return of_onnx(path, args, out);
    }
    let (spec, data) = question(args, out.settings().seed)?;
    answer(&spec, &data, None, args, out)
}

/// The same of a model with weights in it: they are what there is already.
fn of_onnx(path: &Path, args: &AdviseArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let measure = MeasureSpec { seed: out.settings().seed.unwrap_or(0), ..MeasureSpec::default() };
    let question = Question {
        path,
        data: args.data.as_deref(),
        standardize: args.standardize,
        samples: args.samples,
        measure,
    };
    question.ask(|study| {
        let (spec, more) = question.spec(study)?;
        let notes = study.model().notes.iter().cloned().chain(more).collect();
        let file = ModelFile { layers: study.named_layers(), notes };
        answer(&spec, study.data(), Some(file), args, out)
    })
}

fn answer(
    spec: &Spec,
    data: &Dataset,
    file: Option<ModelFile>,
    args: &AdviseArgs,
    out: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let wishes = Wishes { loss: args.loss.as_ref(), draws: args.draws };
    let mut bar =
        Bar::new(out.settings().quiet, "measuring", "networks").spelled(out.settings().unicode);
    let advice = advise(spec, data, wishes, &mut bar)?;
    bar.finish();
    let file = file.map(|mut file| {
        file.notes.extend(missing_biases(&file.layers, &advice));
        file
    });
    if let Some(framework) = args.code {
        return snippet(framework.name(), &advice, out);
    }
    if out.json() {
        let mut value = advice.to_json();
        if let (Some(file), Some(fields)) = (&file, value.as_object_mut()) {
            fields.insert("model".to_owned(), serde_json::to_value(file)?);
        }
        out.value(&value)?;
        return Ok(ExitStatus::Fine);
    }
    out.verbatim(advice.to_terminal(out.settings().style()).as_bytes())?;
    for note in file.iter().flat_map(|file| &file.notes) {
        out.note(note)?;
    }
    if args.loss.is_some() && data.labels().is_none() {
        out.note("the data have no labels, on which a loss could be judged")?;
    }
    out.note(
        "as source text: --code torch, flax, keras, burn or candle; as weights: firstguess init MODEL --scheme advised -o \
         weights.safetensors",
    )?;
    Ok(ExitStatus::Fine)
}

/// Biases that are advised where the file has no place for them.
fn missing_biases(layers: &[OnnxLayer], advice: &Advice) -> Option<String> {
    let advised = layers.iter().zip(&advice.recommended().layers);
    let missing: Vec<&str> = advised
        .filter(|(layer, law)| !layer.has_bias && law.bias_variance > 0.0)
        .map(|(layer, _)| layer.path.as_str())
        .collect();
    let first = missing.first()?;
    Some(format!(
        "{} of {} layers have no biases in the file (the first is {first}): the advice was measured with the biases that it names, \
         which the model would have to be given",
        missing.len(),
        layers.len()
    ))
}

fn snippet(name: &str, advice: &Advice, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let framework =
        Framework::by_name(name).ok_or_else(|| anyhow::anyhow!("no framework `{name}`"))?;
    let best = advice.recommended();
    let code = framework.snippet(best).map_err(|problem| anyhow::anyhow!(problem))?;
    if out.json() {
        let answer =
            Snippet { name: &advice.report.name, framework: name, candidate: best.id, code: &code };
        out.seeded_object("advise", advice.report.seed, &answer)?;
    } else {
        out.verbatim(code.as_bytes())?;
    }
    Ok(ExitStatus::Fine)
}

/// The spec with its data: of the file, or of a network of the kind that the flags name.
fn question(args: &AdviseArgs, seed: Option<u64>) -> anyhow::Result<(Spec, Dataset)> {
    if let Some(path) = &args.model {
        let mut file = load_spec(path)?;
        set_data(&mut file.spec, args);
        if let Some(seed) = seed {
            file.spec.measure.seed = seed;
        }
        let data = inputs(&file.spec)?;
        // Shapes that the data do not fit have a place in the file.
        file.spec.network_for(&data).map_err(|fault| file.fault(&fault))?;
        return Ok((file.spec, data));
    }
    let (Some(activation), Some(depth)) = (&args.activation, args.depth) else {
        anyhow::bail!("give a spec file or an ONNX model, or --activation and --depth");
    };
    let family = args.architecture.unwrap_or(ArchitectureArg::Mlp).family();
    let width = args.width.unwrap_or_else(|| family.default_width());
    let mut spec = Spec {
        name: format!("{activation}, depth {depth}, width {width}"),
        data: firstguess::spec::experiment::DataSpec::default(),
        init: InitScheme::new("torch_default".parse()?),
        network: Architecture { layers: Vec::new() },
        measure: MeasureSpec { seed: seed.unwrap_or(0), ..MeasureSpec::default() },
    };
    spec.data.standardize = Standardize::Feature;
    set_data(&mut spec, args);
    let data = inputs(&spec)?;
    let classes = data.classes().max(2);
    spec.network = family.layers(activation, [depth, width, classes], &data.shape())?;
    Ok((spec, data))
}

fn set_data(spec: &mut Spec, args: &AdviseArgs) {
    if let Some(name) = &args.data {
        replace_data(spec, name);
    }
    spec.data.samples = args.samples.or(spec.data.samples);
    spec.data.standardize = args.standardize.unwrap_or(spec.data.standardize);
}
