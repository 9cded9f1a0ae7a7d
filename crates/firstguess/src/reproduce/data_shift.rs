//! Inputs that are not centred.

use super::{Claim, Figure, Findings, ReproduceError, Setting, Table};
use crate::report::picture::Picture;
use crate::report::picture::{Axis, Chart, Marks, SERIES, Series};
use crate::spec::Activation;
use crate::theory::dual::Dual;
use crate::theory::mean_field::{LayerVariance, Spread, trajectory};

pub(super) static FIGURE: Figure = Figure {
    id: "data-shift",
    title: "Inputs off centre make centred activations favour classes too",
    sources: &["francazi2024"],
    about: "Theory: weight variance 2, no biases, inputs of unit variance around a shift; γ of the logits after one or three hidden layers.",
    compute,
};

fn drift(activation: &Activation, shift: f64, hidden: usize) -> f64 {
    let layer = LayerVariance { weight: 2.0, bias: 0.0 };
    let first = Spread::first_layer(layer, 1.0, shift * shift);
    let path = trajectory(&Dual::new(activation), layer, first, hidden + 1);
    path.layers.get(hidden).map_or(f64::NAN, Spread::gamma)
}

#[expect(clippy::unnecessary_wraps, reason = "what every figure is")]
fn compute(_: &mut Setting<'_>) -> Result<Findings, ReproduceError> {
    let mut found = Findings::default();
    for (activation, shift, hidden, gamma) in [
        (Activation::Relu, 1.0, 1, 1.557_53),
        (Activation::Tanh, 1.0, 1, 0.761_565),
        (Activation::Relu, 4.0, 3, 20.158_237),
        (Activation::Tanh, 4.0, 3, 4.203_872),
    ] {
        let what = format!("{activation}, shift {shift}, {hidden} hidden: γ of the logits");
        found.claims.push(Claim::about(what, gamma, 1e-5, drift(&activation, shift, hidden)));
    }
    let cases = [
        (Activation::Relu, 1),
        (Activation::Tanh, 1),
        (Activation::Relu, 3),
        (Activation::Tanh, 3),
    ];
    let mut table = Table::new("drift", &["shift", "relu_1", "tanh_1", "relu_3", "tanh_3"]);
    let shifts: Vec<f64> = (0..=32).map(|k| f64::from(k) / 4.0).collect();
    for shift in &shifts {
        table
            .push(shift.to_string(), cases.iter().map(|(phi, hidden)| drift(phi, *shift, *hidden)));
    }
    let series = cases.iter().enumerate().zip(SERIES).map(|((column, (phi, hidden)), ink)| {
        let line = shifts.iter().zip(&table.rows).map(|(x, row)| (*x, row.1[column])).collect();
        Series::new(format!("{phi}, {hidden} hidden"), ink, Marks::Line(line))
    });
    found.pictures.push(Picture::new(
        FIGURE.id,
        FIGURE.title,
        "Drift ratio of the logits by the shift of the inputs, in standard deviations of a feature.",
        Chart::around(Axis::exactly("shift of the inputs", 0.0, 8.0), "γ of the logits", series.collect()),
    ));
    found.tables.push(table);
    Ok(found)
}
