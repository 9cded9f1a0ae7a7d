//! Which activations favour a class after one hidden layer.

use super::ensemble::{measure, normal_inputs};
use super::{Claim, Figure, Findings, ReproduceError, Setting, Table};
use crate::report::picture::Picture;
use crate::report::picture::{Axis, Chart, Ink, Marks, Series, point};
use crate::spec::{Activation, Architecture};
use crate::theory::mean_field::LayerVariance;

pub(super) static FIGURE: Figure = Figure {
    id: "first-layer-drift",
    title: "One hidden layer: which activations favour a class",
    sources: &["francazi2024"],
    about: "100 networks of one hidden layer of 1000 units, He's variances, no biases, on 200 independent normal inputs of 512 features. \
        The source uses 100 units, 3072 features, blobs or CIFAR-10. γ of the logits: 0 for functions that are centred on \
        normal values, 1/(π-1) for ReLU.",
    compute,
};

fn compute(setting: &mut Setting<'_>) -> Result<Findings, ReproduceError> {
    let data = normal_inputs(setting.seed, 200, 512)?;
    let mild = 1.0 / (std::f64::consts::PI - 1.0);
    // The mean of ReLU at variance 2.
    let shift = (1.0 / std::f64::consts::PI).sqrt();
    let cases = [
        (Activation::Linear, 0.0),
        (Activation::Tanh, 0.0),
        (Activation::Relu, mild),
        (Activation::ShiftedRelu { shift }, 0.0),
    ];
    let mut found = Findings::default();
    let mut table = Table::new("drift", &["activation", "theory", "gamma", "std_error"]);
    let (mut points, mut theory) = (Vec::new(), Vec::new());
    for (place, (activation, gamma)) in (0_u32..).map(f64::from).zip(cases) {
        let network = Architecture::mlp(&activation, 2, 1000, 10);
        let layer = LayerVariance { weight: 2.0, bias: 0.0 };
        let measured = measure(&network, layer, &data, 100, false, setting)?;
        let drift = measured.layers[1].gamma;
        let what = format!("{activation}: γ of the logits");
        found.claims.push(Claim::about(what, gamma, 0.015, drift));
        table.push(
            activation.to_string(),
            [gamma, drift.value, drift.std_error.unwrap_or(f64::NAN)],
        );
        points.push(point(place, &drift));
        theory.push((place - 0.3, gamma));
        theory.push((place + 0.3, gamma));
        theory.push((f64::NAN, f64::NAN));
    }
    found.tables.push(table);
    found.pictures.push(Picture::new(
        FIGURE.id,
        FIGURE.title,
        "Drift ratio γ of the logits for linear (0), tanh (1), ReLU (2) and ReLU shifted by its mean (3).",
        Chart::over(
            Axis::counts("0 linear, 1 tanh, 2 ReLU, 3 shifted ReLU", 0, 3),
            Axis::exactly("γ of the logits", -0.05, 0.6),
            vec![
                Series::new("theory", Ink::Theory, Marks::Line(theory)),
                Series::new("measured", Ink::Measured, Marks::Points(points)),
            ],
        ),
    ));
    Ok(found)
}
