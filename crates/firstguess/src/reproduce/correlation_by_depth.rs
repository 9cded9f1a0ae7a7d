//! Initial guessing bias and mean-field correlation are one number, layer by layer.

use super::ensemble::{measure, orthogonal_inputs};
use super::{Claim, Figure, Findings, ReproduceError, Setting, Table};
use crate::report::picture::Picture;
use crate::report::picture::{Axis, Chart, Dash, Marks, SERIES, Series, point};
use crate::spec::{Activation, Architecture};
use crate::theory::dual::Dual;
use crate::theory::mean_field::{LayerVariance, Spread, trajectory};

const DEPTH: usize = 100;
const WIDTH: usize = 10_000;
const BIAS_VARIANCE: f64 = 0.1;

pub(super) static FIGURE: Figure = Figure {
    id: "correlation-by-depth",
    title: "γ/(1+γ) of the class guesses is the correlation of mean-field theory",
    sources: &["bassi2026"],
    about: "Eight networks of width 10 000 and depth 100 at each weight variance, as in the source, bias variance 0.1, on 100 orthogonal \
        inputs (the source: normal ones). Measured γ/(1+γ) beside the correlation map of two inputs.",
    compute,
};

fn compute(setting: &mut Setting<'_>) -> Result<Findings, ReproduceError> {
    let mut found = Findings::default();
    let data = orthogonal_inputs(100, WIDTH)?;
    for (activation, variances, word, name) in [
        (Activation::Tanh, [1.5, 2.0, 2.5, 3.0], "tanh", "correlation-by-depth-tanh"),
        (Activation::Relu, [1.5, 2.0, 2.25, 2.5], "relu", "correlation-by-depth-relu"),
    ] {
        let phi = Dual::new(&activation);
        let mut table = Table::new(
            word,
            &["weight_variance", "layer", "theory", "gamma_over_1_plus_gamma", "std_error"],
        );
        let mut series = Vec::new();
        for (weight, ink) in variances.into_iter().zip(SERIES) {
            let layer = LayerVariance { weight, bias: BIAS_VARIANCE };
            let path = trajectory(&phi, layer, Spread::first_layer(layer, 1.0, 0.0), DEPTH);
            let network = Architecture::mlp(&activation, DEPTH, WIDTH, WIDTH);
            let measured = measure(&network, layer, &data, 8, false, setting)?;
            let (mut line, mut points, mut worst) = (Vec::new(), Vec::new(), 0.0_f64);
            for (theory, found) in path.layers.iter().zip(&measured.layers) {
                let at = found.index as f64;
                line.push((at, theory.c()));
                // c = T/q = γ/(1+γ), estimated without the bias of few inputs.
                points.push(point(at, &found.c));
                let error = found.c.std_error.unwrap_or(f64::NAN);
                table.push(weight.to_string(), [at, theory.c(), found.c.value, error]);
                worst = worst.max((found.c.value - theory.c()).abs() - 4.0 * error);
            }
            let what = format!("{activation}, σ_w² = {weight}: theory to networks, worst layer");
            found.claims.push(Claim::at_most(what, 0.03, worst));
            series.push(Series::new("", ink, Marks::Line(line)));
            let thinned = points.into_iter().step_by(5).collect();
            series.push(Series::new(format!("σ_w² = {weight}"), ink, Marks::Points(thinned)));
        }
        let half = Marks::Line(vec![(0.5, 0.5), (DEPTH as f64 + 0.5, 0.5)]);
        series.push(
            Series::new("neutrality", crate::report::picture::Ink::Soft, half).dashed(Dash::Dotted),
        );
        found.tables.push(table);
        found.pictures.push(Picture::new(
            name,
            format!("γ/(1+γ) by layer, {activation}, bias variance 0.1"),
            "Points: γ/(1+γ) of random networks. Lines: correlation of two inputs at infinite width. Above one half the networks \
             favour a class.",
            Chart::over(
                Axis::counts("layer", 1, DEPTH),
                Axis::exactly("γ/(1+γ) and c", 0.0, 1.02),
                series,
            ),
        ));
    }
    let tanh = Dual::new(&Activation::Tanh);
    let layer = LayerVariance { weight: 3.0, bias: BIAS_VARIANCE };
    let path = trajectory(&tanh, layer, Spread::first_layer(layer, 1.0, 0.0), 200);
    let plateau = path.layers.last().map_or(f64::NAN, Spread::c);
    found.claims.push(Claim::about("tanh, σ_w² = 3: plateau", 0.477_539_34, 1e-7, plateau));
    found.claims.push(Claim::about("the same, read off the figure", 0.48, 0.01, plateau));
    let relu = Dual::new(&Activation::Relu);
    for (depth, weight, bias, gamma, tolerance) in [
        (5, 2.0, 0.0, 2.134_339_7, 3e-7),
        (50, 2.0, 0.0, 78.612_798, 1e-5),
        (20, 1.5, 0.1, 454.799_22, 1e-4),
    ] {
        let layer = LayerVariance { weight, bias };
        let path = trajectory(&relu, layer, Spread::first_layer(layer, 1.0, 0.0), depth);
        let ours = path.layers[depth - 1].gamma();
        let what = format!("ReLU, σ_w² = {weight}, σ_b² = {bias}: γ of layer {depth}");
        found.claims.push(Claim::about(what, gamma, tolerance, ours));
    }
    Ok(found)
}
