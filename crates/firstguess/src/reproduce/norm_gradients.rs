//! Where normalisations stand, and what batch norm does to gradients.

use super::ensemble::{layers, mapped, measure, normal_inputs, orthogonal_inputs};
use super::{Claim, Figure, Findings, ReproduceError, Setting, Table};
use crate::report::picture::Picture;
use crate::report::picture::{Axis, Chart, Marks, SERIES, Series, point};
use crate::theory::mean_field::LayerVariance;
use std::f64::consts::PI;

pub(super) static FIGURE: Figure = Figure {
    id: "norms",
    title: "The place of a norm decides on prejudice; batch norm lets gradients explode",
    sources: &["francazi2026", "yang2019"],
    about: "γ of the next pre-activation behind one, two and three blocks, 60 orthogonal inputs, twelve networks of width 600; and the \
        growth of gradients of batch norm before ReLU, ten networks of width 400 on 100 inputs.",
    compute,
};

fn compute(setting: &mut Setting<'_>) -> Result<Findings, ReproduceError> {
    let mut found = Findings::default();
    let data = orthogonal_inputs(60, 600)?;
    let plain = [0.466_942_21, 0.975_234_86, 1.530_7];
    let mild = [1.0 / (PI - 1.0); 3];
    let mut table = Table::new("drift", &["block", "blocks", "stated", "measured", "std_error"]);
    let mut series = Vec::new();
    for (((block, name, expected), ink), aside) in [
        (r#""relu""#, "ReLU", plain),
        (r#""layer_norm","relu""#, "layer norm, ReLU", plain),
        (r#""batch_norm","relu""#, "batch norm, ReLU", mild),
        (r#""relu","layer_norm""#, "ReLU, layer norm", [0.0; 3]),
        (r#""relu","batch_norm""#, "ReLU, batch norm", [0.0; 3]),
    ]
    .into_iter()
    .zip(SERIES)
    .zip([-0.12, -0.06, 0.0, 0.06, 0.12])
    {
        let network = layers(&format!(
            r#"[{{"dense":600}},{{"repeat":3,"layers":[{block},{{"dense":600}}]}}]"#
        ))?;
        let layer = LayerVariance { weight: 2.0, bias: 0.0 };
        let measured = measure(&network, layer, &data, 12, false, setting)?;
        let mut points = Vec::new();
        for ((blocks, layer), stated) in (1_u32..).zip(&measured.layers[1..]).zip(expected) {
            let what = format!("{name}, {blocks} blocks: γ");
            found.claims.push(Claim::about(what, stated, 0.02 + 0.04 * stated, layer.gamma));
            let error = layer.gamma.std_error.unwrap_or(f64::NAN);
            table.push(name, [f64::from(blocks), stated, layer.gamma.value, error]);
            // Side by side: some agree.
            points.push(point(f64::from(blocks) + aside, &layer.gamma));
        }
        series.push(Series::new(name, ink, Marks::Points(points)));
    }
    found.tables.push(table);
    let data = normal_inputs(setting.seed, 100, 200)?;
    for variance in [0.5, 3.0] {
        let network =
            layers(r#"[{"dense":400},{"repeat":6,"layers":["batch_norm","relu",{"dense":400}]}]"#)?;
        let layer = LayerVariance { weight: variance, bias: 0.0 };
        let measured = measure(&network, layer, &data, 10, true, setting)?;
        // The first layer sees inputs of unit variance, not images of ReLU: growth is even from the second on.
        let gradient = measured.layers[1].cotangent_gradient;
        let root = |value: f64| value.powf(1.0 / 5.0);
        let growth = mapped(gradient, root, root(gradient.value) / (5.0 * gradient.value));
        let what = format!("batch norm, σ_w² = {variance}: growth of gradients");
        found.claims.push(Claim::about(what, PI / (PI - 1.0), 0.03, growth));
    }
    found.pictures.push(Picture::new(
        FIGURE.id,
        FIGURE.title,
        "Drift ratio behind one, two and three blocks. Norms of each example before ReLU change nothing; batch norm before ReLU \
         holds it at 1/(π-1); either norm after ReLU keeps the network neutral.",
        Chart::around(Axis::counts("blocks", 1, 3), "γ", series),
    ));
    Ok(found)
}
