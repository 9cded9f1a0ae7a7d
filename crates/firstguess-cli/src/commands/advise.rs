//! `firstguess advise [MODEL]`: the better start, measured.

use firstguess::advise::code::Framework;
use firstguess::advise::{Advice, Wishes, advise};
use firstguess::spec::experiment::{Classes, MeasureSpec};
use firstguess::spec::{Architecture, Dataset, InitScheme, Spec, Standardize};
use firstguess_io::load_spec;
use serde::Serialize;

use crate::args::{AdviseArgs, ArchitectureArg};
use crate::commands::model::inputs;
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

pub(crate) fn run(args: &AdviseArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let seed = out.settings().seed;
    let (spec, data) = question(args, seed)?;
    let wishes = Wishes { loss: args.loss.as_ref(), draws: args.draws };
    let mut bar =
        Bar::new(out.settings().quiet, "measuring", "networks").spelled(out.settings().unicode);
    let advice = advise(&spec, &data, wishes, &mut bar)?;
    bar.finish();
    if let Some(framework) = args.code {
        return snippet(framework.name(), &advice, out);
    }
    if out.json() {
        out.value(&advice.to_json())?;
        return Ok(ExitStatus::Fine);
    }
    out.verbatim(advice.to_terminal(out.settings().style()).as_bytes())?;
    if args.loss.is_some() && data.labels().is_none() {
        out.note("the data have no labels, on which a loss could be judged")?;
    }
    out.note(
        "as source text: --code torch, flax, keras, burn or candle; as weights: firstguess init MODEL --scheme advised -o \
         weights.safetensors",
    )?;
    Ok(ExitStatus::Fine)
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
        anyhow::bail!("give a spec file, or --activation and --depth");
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
        spec.data.dataset = Some(name.clone());
        (spec.data.synthetic, spec.data.features) = (None, None);
        // A choice of classes holds for any data; their number was that of synthetic ones.
        if let Some(Classes::Count(_)) = spec.data.classes {
            spec.data.classes = None;
        }
    }
    spec.data.samples = args.samples.or(spec.data.samples);
}
