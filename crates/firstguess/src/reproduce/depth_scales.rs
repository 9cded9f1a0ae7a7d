//! Depths that signals and gradients reach.

use super::{Claim, Figure, Findings, ReproduceError, Setting, Table};
use crate::report::picture::Picture;
use crate::report::picture::{Axis, Chart, Dash, Ink, Marks, Scale, Series};
use crate::spec::Activation;
use crate::theory::critical::edge_of_chaos;
use crate::theory::dual::Dual;
use crate::theory::mean_field::{LayerVariance, Spread};
use crate::theory::phase::{Asymptotics, asymptotics};

const BIAS_VARIANCE: f64 = 0.05;

pub(super) static FIGURE: Figure = Figure {
    id: "depth-scales",
    title: "Depth scales of correlation and gradient diverge at the edge of chaos",
    sources: &["poole2016", "schoenholz2017"],
    about: "tanh, bias variance 0.05: ξ_c and |ξ_∇| by weight variance; and the fixed points of the bias variance 0.1.",
    compute,
};

fn limit(weight: f64, bias: f64) -> Asymptotics {
    let layer = LayerVariance { weight, bias };
    asymptotics(&Dual::new(&Activation::Tanh), layer, Spread::first_layer(layer, 1.0, 0.0))
}

fn compute(_: &mut Setting<'_>) -> Result<Findings, ReproduceError> {
    let mut found = Findings::default();
    for (weight, q_star, q_slope, chi_1, c_star) in [
        (1.5, 0.520_216_14, 0.472_971, 0.877_513, 1.0),
        (2.0, 0.814_644_01, 0.438_309, 1.003_007, 0.987_999_16),
        (3.0, 1.507_631_77, 0.361_61, 1.182_116, 0.477_539_34),
    ] {
        let limit = limit(weight, 0.1);
        for (name, stated, ours) in [
            ("q*", q_star, limit.q_star?),
            ("F'(q*)", q_slope, limit.q_slope?),
            ("χ₁", chi_1, limit.chi_1?),
            ("c*", c_star, limit.c_star?),
        ] {
            let what = format!("tanh, σ_w² = {weight}, σ_b² = 0.1: {name}");
            found.claims.push(Claim::about(what, stated, 1e-6, ours));
        }
    }
    let edge = edge_of_chaos(&Dual::new(&Activation::Tanh), BIAS_VARIANCE)?[0].weight_variance;
    let mut table =
        Table::new("scales", &["weight_variance", "correlation", "gradient", "variance"]);
    let [mut correlation, mut gradient, mut variance] = [const { Vec::new() }; 3];
    for step in 0..=140 {
        let weight = 1.2 + f64::from(step) / 100.0;
        let limit = limit(weight, BIAS_VARIANCE);
        let scales = [
            limit.depth_scale_c.unwrap_or(f64::NAN),
            limit.gradient_depth_scale.map_or(f64::NAN, f64::abs),
            limit.depth_scale_q.unwrap_or(f64::NAN),
        ];
        correlation.push((weight, scales[0]));
        gradient.push((weight, scales[1]));
        variance.push((weight, scales[2]));
        table.push(weight.to_string(), scales);
    }
    found.tables.push(table);
    let just = |side: f64| limit(edge * (1.0 + side * 1e-4), BIAS_VARIANCE);
    for (word, limit) in [("below", just(-1.0)), ("above", just(1.0))] {
        let what = format!("1e-4 {word} the edge: depth scale of correlation");
        found.claims.push(Claim::at_least(what, 5e3, limit.depth_scale_c?));
    }
    let line = Marks::Line(vec![(edge, 0.1), (edge, 1e6)]);
    let y = Axis { scale: Scale::Log, ..Axis::exactly("layers", 0.5, 3e3) };
    found.pictures.push(Picture::new(
        FIGURE.id,
        FIGURE.title,
        "Layers over which correlations, gradients and variances relax by a factor e. A network can be trained to a few of the first two.",
        Chart::over(
            Axis::exactly("weight variance", 1.2, 2.6),
            y,
            vec![
                Series::new("correlation", Ink::Theory, Marks::Line(correlation)),
                Series::new("gradient", Ink::Measured, Marks::Line(gradient)),
                Series::new("variance", Ink::Third, Marks::Line(variance)),
                Series::new("edge of chaos", Ink::Soft, line).dashed(Dash::Dotted),
            ],
        ),
    ));
    Ok(found)
}
