//! `firstguess predict`: theory alone, of equal layers given by flags or of the network in a spec file.

mod text;

use std::path::Path;

use anyhow::bail;
use firstguess::report::answer::PredictAnswer;
use firstguess::spec::Activation;
use firstguess::theory::mean_field::LayerVariance;

use crate::args::PredictArgs;
use crate::commands::dual;
use crate::commands::model::Model;
use crate::exit::ExitStatus;
use crate::printer::Printer;
use crate::table::given;

pub(crate) fn run(args: &PredictArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let (subject, answer) =
        match (&args.model, &args.activation, args.weight_variance, args.bias_variance) {
            (Some(path), ..) => network(path, out.settings().seed)?,
            (None, Some(activation), Some(weight), Some(bias)) => {
                equal_layers(args, activation, LayerVariance { weight, bias })?
            }
            _ => bail!("give MODEL, or --activation with --weight-variance and --bias-variance"),
        };
    if out.json() {
        out.object("predict", &answer)?;
    } else {
        text::print(&subject, &answer, out)?;
    }
    Ok(ExitStatus::Fine)
}

/// The flags, and the question in one line.
fn equal_layers(
    args: &PredictArgs,
    activation: &Activation,
    layer: LayerVariance,
) -> anyhow::Result<(String, PredictAnswer)> {
    let phi = dual(activation, args.pool, args.pool_correlation)?;
    let subject = format!(
        "{phi}, weight variance {}, bias variance {}, depth {}, input correlation {}",
        given(layer.weight),
        given(layer.bias),
        args.depth,
        given(args.input_correlation)
    );
    let answer =
        PredictAnswer::equal_layers(activation, phi, layer, args.depth, args.input_correlation);
    Ok((subject, answer))
}

/// MODEL, the network of a spec file on its data, and the question in one line.
fn network(path: &Path, seed: Option<u64>) -> anyhow::Result<(String, PredictAnswer)> {
    let Model { spec, data, network, init, layers } = Model::load(path, seed)?;
    let answer = PredictAnswer::network(&spec, &data, &network, &init, &layers);
    let repeated = answer.bulk.as_ref().map_or_else(ToString::to_string, |bulk| {
        format!(
            "mostly {}, weight variance {}, bias variance {}",
            bulk.phi.function(),
            given(bulk.layer.weight),
            given(bulk.layer.bias)
        )
    });
    let subject = format!(
        "{}: {} layers with weights on {}; {repeated}",
        spec.name,
        network.weight_layers,
        data.name()
    );
    Ok((subject, answer))
}
