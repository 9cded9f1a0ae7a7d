//! Phase diagrams of ReLU under pools, and what a pool does to signals and gradients.

use super::ensemble::{layers, mapped, measure, orthogonal_inputs};
use super::{Claim, Figure, Findings, ReproduceError, Setting, Table};
use crate::report::picture::phase_diagram;
use crate::spec::Activation;
use crate::spec::layer::PoolKind;
use crate::theory::NoTheory;
use crate::theory::critical::homogeneous_criticality;
use crate::theory::dual::Dual;
use crate::theory::mean_field::LayerVariance;
use crate::theory::phase_diagram::{Axis, PhaseDiagram};

pub(super) static FIGURE: Figure = Figure {
    id: "pooled-phase-diagrams",
    title: "ReLU under maximum and average pools: no weight variance keeps both signals and gradients",
    sources: &["bassi2026"],
    about: "Phase diagrams over two units, and 24 networks of width 1500 and depth 10 at the weight variances that keep one of the two. The \
        source estimates pooled covariances by simulation and its gradient script runs without a pool; here both are integrals.",
    compute,
};

fn compute(setting: &mut Setting<'_>) -> Result<Findings, ReproduceError> {
    let mut found = Findings::default();
    let mut table = Table::new(
        "factors",
        &["pool", "weight_variance", "gradient_factor", "gradient_theory", "q_factor", "q_theory"],
    );
    let data = orthogonal_inputs(8, 1500)?;
    for (kind, word, high, forward, gradient, left, name) in [
        (
            PoolKind::Max,
            "max_pool",
            4.0,
            1.099_922_52,
            4.0 / 3.0,
            0.824_941_89,
            "phase-diagram-relu-max-pool",
        ),
        (
            PoolKind::Average,
            "average_pool",
            6.0,
            3.034_187_97,
            4.0,
            0.758_546_99,
            "phase-diagram-relu-average-pool",
        ),
    ] {
        let phi = Dual::pooled((&Activation::Relu).into(), kind, 2, 0.0)?;
        let diagram = PhaseDiagram::new(
            &phi,
            Axis { low: 0.0, high, points: 100 },
            Axis { low: 0.0, high: 0.2, points: 100 },
        );
        found.pictures.push(phase_diagram(&diagram).renamed(name));
        let both = homogeneous_criticality(&phi)
            .ok_or_else(|| NoTheory { reason: format!("{phi} is not homogeneous") })?;
        for (what, stated, ours) in [
            ("keeps signals, σ_w²", forward, both.forward_weight_variance),
            ("keeps gradients, σ_w²", gradient, both.gradient_weight_variance),
            ("factor that remains per layer", left, both.eta),
        ] {
            found.claims.push(Claim::about(format!("{word}: {what}"), stated, 1e-8, ours));
        }
        for (variance, factors) in [(forward, [both.eta, 1.0]), (gradient, [1.0, 1.0 / both.eta])] {
            let network = layers(&format!(
                r#"[{{"dense":1500}},{{"repeat":9,"layers":["relu",{{"{word}":2}},{{"dense":1500}}]}}]"#
            ))?;
            let layer = LayerVariance { weight: variance, bias: 0.0 };
            let measured = measure(&network, layer, &data, 24, true, setting)?;
            let (first, last) = (&measured.layers[0], &measured.layers[9]);
            let gradient = first.cotangent_gradient;
            let root = |value: f64| value.powf(1.0 / 9.0);
            let slope = root(gradient.value) / (9.0 * gradient.value);
            // The first layer has seen no pool: its own fluctuation is part of both.
            let growth = |ln_q: f64| ((ln_q - first.ln_q.mean.value) / 9.0).exp();
            let signal = last.ln_q.mean;
            let ours =
                [mapped(gradient, root, slope), mapped(signal, growth, growth(signal.value) / 9.0)];
            for ((what, ours), theory) in
                ["gradients", "signals"].into_iter().zip(ours).zip(factors)
            {
                let what = format!("{word} at {variance:.4}: factor on {what}");
                found.claims.push(Claim::about(what, theory, 0.01 * theory, ours));
            }
            table.push(word, [variance, ours[0].value, factors[0], ours[1].value, factors[1]]);
        }
    }
    found.tables.push(table);
    Ok(found)
}
