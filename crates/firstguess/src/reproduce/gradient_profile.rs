//! Gradients by layer in ReLU networks of several weight variances.

use super::ensemble::{measure, normal_inputs};
use super::{Claim, Figure, Findings, ReproduceError, Setting, Table};
use crate::measure::Estimate;
use crate::report::picture::Picture;
use crate::report::picture::{Axis, Chart, Marks, SERIES, Series};
use crate::spec::{Activation, Architecture};
use crate::theory::mean_field::LayerVariance;

const DEPTH: usize = 100;

pub(super) static FIGURE: Figure = Figure {
    id: "gradient-profile",
    title: "Gradients grow or shrink by σ_w²/2 per layer of ReLU",
    sources: &["bassi2026", "schoenholz2017"],
    about: "Eight networks of width 1000 and depth 100 at each weight variance, two classes, 100 normal inputs (the source: odd and even pieces \
        of clothing). The mean logarithm of the squared gradient, its slope by layer.",
    compute,
};

fn compute(setting: &mut Setting<'_>) -> Result<Findings, ReproduceError> {
    let data = normal_inputs(setting.seed, 100, 1000)?;
    let network = Architecture::mlp(&Activation::Relu, DEPTH, 1000, 2);
    let mut found = Findings::default();
    let mut table =
        Table::new("gradients", &["weight_variance", "layer", "log10_gradient", "std_error"]);
    let mut series = Vec::new();
    for (variance, ink) in [1.0, 1.5, 2.0, 2.5, 3.0].into_iter().zip(SERIES) {
        let layer = LayerVariance { weight: variance, bias: 0.0 };
        let measured = measure(&network, layer, &data, 8, true, setting)?;
        let decades: Vec<(f64, f64, f64)> = measured
            .layers
            .iter()
            .map(|layer| {
                let gradient = layer.ln_cotangent_gradient;
                let scale = std::f64::consts::LN_10;
                let error = gradient.std_error.unwrap_or(f64::NAN) / scale;
                (layer.index as f64, gradient.value / scale, error)
            })
            .collect();
        for (index, value, error) in &decades {
            table.push(variance.to_string(), [*index, *value, *error]);
        }
        // From the second hidden layer to the last: the head has other widths.
        let (from, to) = (decades[1], decades[DEPTH - 2]);
        let layers = to.0 - from.0;
        let slope = Estimate::new(
            (from.1 - to.1) / layers,
            Some(from.2.hypot(to.2) / layers),
            measured.draws as u64,
        );
        let what = format!("σ_w² = {variance}: decades per layer");
        found.claims.push(Claim::about(what, (variance / 2.0).log10(), 0.02, slope));
        let line = decades.iter().map(|(x, y, _)| (*x, *y)).collect();
        series.push(Series::new(format!("σ_w² = {variance}"), ink, Marks::Line(line)));
    }
    found.tables.push(table);
    found.pictures.push(Picture::new(
        FIGURE.id,
        FIGURE.title,
        "Decimal logarithm of the squared gradient at each layer over that at the logits, mean over networks. Flat at σ_w² = 2 alone.",
        Chart::around(Axis::counts("layer", 1, DEPTH), "log₁₀ of the squared gradient", series),
    ));
    Ok(found)
}
