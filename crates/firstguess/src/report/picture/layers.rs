//! What happens along the depth: theory as a line, the measurement as points with their standard errors.

use super::Picture;
use super::chart::{Axis, Chart, Dash, Marks, Series, point};
use super::ink::Ink;
use crate::measure::{Estimate, LayerMeasurement};
use crate::report::Report;
use crate::theory::mean_field::Spread;
use crate::theory::predict::LayerPrediction;

/// Entries of a chart at most: more than there are pixels between them say nothing.
const MOST: usize = 200;

/// One quantity of a layer.
struct Quantity {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    axis: &'static str,
    theory: fn(&LayerPrediction) -> Option<f64>,
    measured: fn(&LayerMeasurement) -> Estimate,
    /// A value that divides good from bad, and its name.
    border: Option<(f64, &'static str)>,
}

const QUANTITIES: [Quantity; 4] = [
    Quantity {
        name: "signal",
        title: "Signal by depth, q",
        description: "Mean square of the pre-activations. A signal that keeps its size is a level line; one that grows or \
                      dies leaves the range in which the layers work.",
        axis: "q = mean square pre-activation",
        theory: |layer| layer.q().ok(),
        measured: |layer| layer.q,
        border: None,
    },
    Quantity {
        name: "correlation",
        title: "Correlation of inputs by depth, c",
        description: "How alike two different inputs look inside the network. At 1 all inputs have become one.",
        axis: "c = correlation of two inputs",
        theory: |layer| layer.spread.as_ref().ok().map(Spread::c),
        measured: |layer| layer.c,
        border: None,
    },
    Quantity {
        name: "drift",
        title: "Drift ratio by depth, γ",
        description: "The common offset of all inputs over their spread. Above 1 the untrained network favours a class, \
                      the more so the larger it is.",
        axis: "γ = offset over spread, in variances",
        theory: |layer| layer.spread.as_ref().ok().map(Spread::gamma),
        measured: |layer| layer.gamma,
        border: Some((1.0, "γ = 1: border of neutrality")),
    },
    Quantity {
        name: "gradient",
        title: "Gradient by depth",
        description: "Mean square gradient of each layer relative to that at the logits, for a random gradient sent in \
                      there. A level line trains; a steep one leaves the first layers without a signal, or with too much.",
        axis: "gradient, mean square relative to the logits",
        theory: |layer| layer.ln_gradient.as_ref().ok().map(|ln| ln.exp()),
        measured: |layer| layer.cotangent_gradient,
        border: Some((1.0, "as at the logits")),
    },
];

/// The profiles that have something to show.
pub(super) fn pictures(report: &Report) -> Vec<Picture> {
    let profiles = QUANTITIES.iter().filter_map(|quantity| profile(report, quantity));
    profiles.chain(gaussianity(report)).collect()
}

/// Positions among so many layers, evenly thinned where there are too many.
fn shown(layers: usize) -> Vec<usize> {
    if layers <= MOST {
        return (0..layers).collect();
    }
    (0..MOST).map(|i| i * (layers - 1) / (MOST - 1)).collect()
}

fn depth(report: &Report) -> Axis {
    let layers = report.measurement.layers.len().max(report.prediction.layers.len());
    Axis::counts("layer with weights, from the input to the logits", 1, layers.max(1))
}

fn profile(report: &Report, quantity: &Quantity) -> Option<Picture> {
    let (predicted, measured) = (&report.prediction.layers, &report.measurement.layers);
    let theory: Vec<(f64, f64)> = shown(predicted.len())
        .into_iter()
        .map(|i| &predicted[i])
        .map(|layer| (layer.index as f64, (quantity.theory)(layer).unwrap_or(f64::NAN)))
        .collect();
    let points: Vec<(f64, f64, f64)> = shown(measured.len())
        .into_iter()
        .map(|i| &measured[i])
        .map(|layer| point(layer.index as f64, &(quantity.measured)(layer)))
        .collect();
    let theory = Series::new("theory, infinite width", Ink::Theory, Marks::Line(theory));
    let points = Series::new("measured ± standard error", Ink::Measured, Marks::Points(points));
    if points.is_empty() && theory.is_empty() {
        return None;
    }
    let border = quantity.border.map(|(value, name)| {
        let ends = (0.0, predicted.len().max(measured.len()) as f64 + 1.0);
        let line = Marks::Line(vec![(ends.0, value), (ends.1, value)]);
        Series::new(name, Ink::Soft, line).dashed(Dash::Dotted)
    });
    let series = border.into_iter().chain([theory, points]).collect();
    let chart = Chart::around(depth(report), quantity.axis, series);
    Some(Picture::new(quantity.name, quantity.title, quantity.description, chart))
}

/// Distance from the normal law, where it was measured.
fn gaussianity(report: &Report) -> Option<Picture> {
    let layers = &report.measurement.layers;
    let of = |field: fn(&LayerMeasurement) -> Estimate| -> Vec<(f64, f64, f64)> {
        let each = shown(layers.len()).into_iter().map(|i| &layers[i]);
        each.map(|layer| point(layer.index as f64, &field(layer))).collect()
    };
    let floor = of(|layer| layer.noise_floor).into_iter().map(|(x, y, _)| (x, y)).collect();
    let raw = Series::new("as it is", Ink::Measured, Marks::Points(of(|layer| layer.ks_raw)));
    let shape = of(|layer| layer.ks_standardised);
    let shape = Series::new("shape alone, scaled to variance 1", Ink::Theory, Marks::Points(shape));
    if raw.is_empty() && shape.is_empty() {
        return None;
    }
    let floor =
        Series::new("what a normal law shows in such a sample", Ink::Soft, Marks::Line(floor))
            .dashed(Dash::Dotted);
    let chart = Chart::around(
        depth(report),
        "Kolmogorov-Smirnov distance from N(0, 1)",
        vec![floor, raw, shape],
    );
    Some(Picture::new(
        "gaussianity",
        "Distance from the normal law by depth, KS",
        "Pre-activations at one input over networks. Theory of infinite width takes them for normal; narrow and deep \
         networks are not.",
        chart,
    ))
}
