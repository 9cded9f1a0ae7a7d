//! Phase diagrams of tanh and ReLU.

use super::{Claim, Figure, Findings, ReproduceError, Setting, Table};
use crate::report::picture::phase_diagram;
use crate::spec::Activation;
use crate::theory::critical::{edge_of_chaos, neutrality};
use crate::theory::dual::Dual;
use crate::theory::phase_diagram::{Axis, PhaseDiagram};

pub(super) static FIGURE: Figure = Figure {
    id: "phase-diagrams",
    title: "Phase diagrams of tanh and ReLU, with the edge of chaos and the neutrality line",
    sources: &["bassi2026", "poole2016", "schoenholz2017", "hayou2019", "xiao2018"],
    about: "Bias variances 0 to 0.2, weight variances 0 to 4. The lines are roots, not steps of a scan: the source scans weight variances in \
        steps of 0.1.",
    compute,
};

fn compute(_: &mut Setting<'_>) -> Result<Findings, ReproduceError> {
    let mut found = Findings::default();
    for (activation, name) in
        [(Activation::Tanh, "phase-diagram-tanh"), (Activation::Relu, "phase-diagram-relu")]
    {
        let diagram = PhaseDiagram::new(
            &Dual::new(&activation),
            Axis { low: 0.0, high: 4.0, points: 100 },
            Axis { low: 0.0, high: 0.2, points: 100 },
        );
        found.pictures.push(phase_diagram(&diagram).renamed(name));
    }
    let tanh = Dual::new(&Activation::Tanh);
    let mut table =
        Table::new("lines", &["bias_variance", "edge_of_chaos", "q_star", "neutrality"]);
    for step in 1..=20 {
        let bias = f64::from(step) / 100.0;
        let edge = edge_of_chaos(&tanh, bias)?;
        let neutral = neutrality(&tanh, bias)?;
        let q_star = edge[0].q_star.clone()?;
        table.push(bias.to_string(), [edge[0].weight_variance, q_star, neutral.weight_variance]);
    }
    found.tables.push(table);
    for (activation, bias, weight, q) in [
        (Activation::Tanh, 0.05, 1.760_954_64, Some(0.570_047_88)),
        (Activation::Tanh, 0.2, 2.285_152_47, Some(1.164_496_29)),
        (Activation::Erf, 0.05, 1.375_839_01, Some(0.517_176_84)),
        (Activation::Tanh, 2.01e-5, 1.049_995_63, None),
        (Activation::Relu, 0.0, 2.0, None),
    ] {
        let edge = edge_of_chaos(&Dual::new(&activation), bias)?;
        let at = format!("{activation}, σ_b² = {bias}: edge of chaos");
        let nearest = edge.iter().min_by(|a, b| {
            let distance = |variance: f64| (variance - weight).abs();
            distance(a.weight_variance).total_cmp(&distance(b.weight_variance))
        });
        let ours = nearest.map_or(f64::NAN, |point| point.weight_variance);
        found.claims.push(Claim::about(format!("{at}, σ_w²"), weight, 1e-7, ours));
        if let (Some(q), Some(point)) = (q, nearest) {
            found.claims.push(Claim::about(format!("{at}, q*"), q, 1e-7, point.q_star.clone()?));
        }
    }
    for (bias, weight) in [(0.05, 2.378_265_5), (0.2, 3.761_095_04)] {
        let what = format!("tanh, σ_b² = {bias}: neutrality, σ_w²");
        let ours = neutrality(&tanh, bias)?.weight_variance;
        found.claims.push(Claim::about(what, weight, 1e-6, ours));
    }
    let read_off = neutrality(&tanh, 0.2)?.weight_variance;
    found.claims.push(Claim::about("the last one, read off the figure", 3.76, 0.02, read_off));
    Ok(found)
}
