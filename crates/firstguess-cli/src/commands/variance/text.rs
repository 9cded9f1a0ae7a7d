//! A search for the optimal gain, for people: the gains tried, the layers, the comparison, the panel, the verdict.

use firstguess::train::compare::Band;
use firstguess::train::variance_search::{Crossing, StartReport, VarianceSearch};
use firstguess::variance_panel::Panel;

use super::Layer;
use crate::commands::model::Model;
use crate::printer::{Printer, Tone};
use crate::table::{columns, digits, given, share};

pub(super) struct Found<'a> {
    pub(super) crossing: &'a Crossing,
    pub(super) layers: &'a [Layer],
    pub(super) starts: &'a [StartReport],
}

pub(super) fn print(
    model: &Model,
    search: &VarianceSearch<'_>,
    found: &Found<'_>,
    panel: Option<&Panel>,
    (take, reason): (bool, &str),
    out: &mut Printer,
) -> anyhow::Result<()> {
    let crossing = found.crossing;
    let gain = with_error(crossing.gain, crossing.gain_error);
    let advice = if take { "start there" } else { "keep the base profile" };
    let tone = if take { Tone::Good } else { Tone::Neutral };
    out.headline(
        tone,
        &format!("SGD keeps the norm of the weights at gain {gain}; {advice}: {reason}"),
    )?;
    out.lines(&format!(
        "{}: {} steps of {} of {} inputs of {}, rate {}, {} seeds from seed {}\n\n",
        model.spec.name,
        search.steps,
        search.batch,
        search.data.examples(),
        search.data.name(),
        given(search.optimizer.rate),
        search.seeds,
        search.seed.0
    ))?;
    let rows = crossing
        .points
        .iter()
        .map(|point| {
            let ratio = point.log_ratio.map_or_else(|| "diverged".to_owned(), |f| digits(f.exp()));
            vec![digits(point.gain), ratio, error(point.std_error)]
        })
        .collect();
    let table = columns(out, &["gain", "r = V_T/V_0", "± ln r"], rows);
    out.verbatim(table.as_bytes())?;
    out.lines("\n  layers at the gain found\n")?;
    let rows = found
        .layers
        .iter()
        .map(|layer| {
            vec![
                layer.index.to_string(),
                layer.parameters.to_string(),
                digits(layer.base_std),
                digits(layer.optimal_std),
                format!("{:.5}", layer.ratio),
                error(layer.ratio_std_error),
                digits(layer.norm_change),
            ]
        })
        .collect();
    let headings = ["layer", "weights", "σ base", "σ", "r", "±", "K(V_T - V_0)"];
    let table = columns(out, &headings, rows);
    out.verbatim(table.as_bytes())?;
    out.lines("\n  trained in full, the same seeds\n")?;
    let rows = found
        .starts
        .iter()
        .map(|start| {
            vec![
                start.name.clone(),
                start.ratio.map_or_else(|| "-".to_owned(), |band| digits(band.mean)),
                loss(start.train_loss),
                share(start.train_accuracy, 2),
                loss(start.validation_loss),
                share(start.validation_accuracy, 2),
            ]
        })
        .collect();
    let headings = ["start", "r", "loss", "accuracy", "validation loss", "validation accuracy"];
    let table = columns(out, &headings, rows);
    out.verbatim(table.as_bytes())?;
    if let Some(panel) = panel {
        self::panel(panel, out)?;
    }
    if crossing.crossings > 1 {
        out.note(&format!(
            "the scan has {} crossings; the smallest gain is reported",
            crossing.crossings
        ))?;
    }
    out.note(
        "r = 1 says that the norm of the weights does not change over the training. It tends to lower the training loss; \
         it is recommended only where accuracy on data kept apart is higher, by the 95 % interval over seeds.",
    )?;
    Ok(())
}

fn panel(panel: &Panel, out: &mut Printer) -> anyhow::Result<()> {
    out.lines("\n  theory at the end of the first training at this gain\n")?;
    let measured = &panel.measured;
    let mut lines = vec![
        ("gradient noise tr Σ", digits(measured.tr_sigma)),
        ("curvature tr H", with_error(measured.tr_hessian.value, measured.tr_hessian.std_error)),
        ("largest curvature", digits(measured.largest_curvature)),
        ("temperature αs²/2b", digits(panel.temperature)),
        ("loss from noise alone", digits(panel.noise_loss)),
        ("loss measured", digits(measured.loss)),
        ("mean square weight", digits(measured.mean_square)),
    ];
    if let Some((variance, excess)) = panel.gibbs_variance.zip(panel.excess) {
        lines.push(("Gibbs variance", digits(variance)));
        lines.push(("mean square / Gibbs", digits(excess)));
    }
    let rows = lines.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    let table = columns(out, &["", "value"], rows);
    out.verbatim(table.as_bytes())?;
    Ok(())
}

fn error(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |error| format!("{error:.1e}"))
}

fn with_error(value: f64, error: Option<f64>) -> String {
    error.map_or_else(|| digits(value), |error| format!("{} ± {error:.1e}", digits(value)))
}

fn loss(band: Option<Band>) -> String {
    match band {
        None => "-".to_owned(),
        Some(Band { mean, low: Some(low), high: Some(high), .. }) => {
            format!("{mean:.4} ± {:.4}", 0.5 * (high - low))
        }
        Some(band) => format!("{:.4}", band.mean),
    }
}
