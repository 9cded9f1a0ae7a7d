//! Finite networks approach infinite width as one over the square root of the width.

use super::ensemble::{measure, orthogonal_inputs};
use super::{Claim, Figure, Findings, ReproduceError, Setting, Table};
use crate::measure::Estimate;
use crate::report::picture::Picture;
use crate::report::picture::{Axis, Chart, Ink, Marks, Scale, Series};
use crate::spec::{Activation, Architecture};
use crate::theory::dual::Dual;
use crate::theory::mean_field::LayerVariance;
use crate::theory::mean_field::log_variance_per_layer;

const DEPTH: usize = 10;
const DRAWS: usize = 2000;

pub(super) static FIGURE: Figure = Figure {
    id: "width-scaling",
    title: "Fluctuations between networks fall as one over the square root of the width",
    sources: &["bassi2026", "hanin2018"],
    about: "2000 ReLU networks of depth 10 at weight variance 2 for each width; the standard deviation of ln q in the last layer, beside \
        √((kurtosis - 1)(depth - 1)/width).",
    compute,
};

fn compute(setting: &mut Setting<'_>) -> Result<Findings, ReproduceError> {
    let layer = LayerVariance { weight: 2.0, bias: 0.0 };
    let per_layer = log_variance_per_layer(&Dual::new(&Activation::Relu), 1.0);
    let mut table = Table::new("spread", &["width", "std_ln_q", "std_error", "first_order"]);
    let (mut points, mut line) = (Vec::new(), Vec::new());
    for width in [32, 64, 128, 256, 512, 1024] {
        let data = orthogonal_inputs(1, width)?;
        let network = Architecture::mlp(&Activation::Relu, DEPTH, width, width);
        let measured = measure(&network, layer, &data, DRAWS, false, setting)?;
        let variance = measured.layers[DEPTH - 1].ln_q.variance;
        let (spread, width) = (variance.value.sqrt(), width as f64);
        let error = variance.std_error.unwrap_or(f64::NAN) / (2.0 * spread);
        // The first layer adds the spread of the inputs' own product, which is that of a linear layer.
        let first_order = (per_layer * (DEPTH as f64 - 1.0) / width).sqrt();
        table.push(width.to_string(), [spread, error, first_order]);
        points.push((width, spread, error));
        line.push((width, first_order));
    }
    let mut found = Findings::default();
    // Least squares in logarithms.
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y, _)| (x.ln(), y.ln())).collect();
    let n = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let slope = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>()
        / logs.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>();
    let squares = logs.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>();
    let errors = logs
        .iter()
        .zip(&points)
        .map(|(p, (_, spread, error))| ((p.0 - x) * error / spread).powi(2));
    let exponent = Estimate::new(slope, Some(errors.sum::<f64>().sqrt() / squares), DRAWS as u64);
    found.claims.push(Claim::about("exponent of the width", -0.5, 0.01, exponent));
    if let (Some((_, spread, error)), Some((_, first_order))) = (points.last(), line.last()) {
        let what = "width 1024: spread of ln q over its first order";
        let error = Some(error / first_order);
        let ratio = Estimate::new(spread / first_order, error, DRAWS as u64);
        found.claims.push(Claim::about(what, 1.0, 0.02, ratio));
    }
    let log = |label, low, high| Axis { scale: Scale::Log, ..Axis::exactly(label, low, high) };
    found.pictures.push(Picture::new(
        FIGURE.id,
        FIGURE.title,
        "Standard deviation over networks of ln q in layer 10, by width; the line is the first order in 1/width.",
        Chart::over(
            log("width", 25.0, 1300.0),
            log("standard deviation of ln q", 0.1, 2.0),
            vec![
                Series::new("first order", Ink::Theory, Marks::Line(line)),
                Series::new("measured", Ink::Measured, Marks::Points(points)),
            ],
        ),
    ));
    found.tables.push(table);
    Ok(found)
}
