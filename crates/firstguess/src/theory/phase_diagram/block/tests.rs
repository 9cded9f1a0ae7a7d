//! Limits of blocks against plain layers, closed forms, and networks that are merely deep.

use super::*;
use crate::spec::Activation;
use crate::spec::network::Architecture;
use crate::spec::scheme::InitScheme;
use crate::spec::shape::Shape;
use crate::theory::dual::Dual;
use crate::theory::phase::Phase;
use crate::theory::phase_diagram::PhaseTable;
use crate::theory::predict::{InputStatistics, predict};
use std::f64::consts::PI;

/// The block in JSON between layers of the same width.
fn block(json: &str) -> Block {
    let layers = format!(r#"[{{"dense":64}},{{"repeat":4,"layers":[{json}]}},{{"dense":10}}]"#);
    let network = Architecture { layers: serde_json::from_str(&layers).unwrap() }
        .resolve(&Shape::flat(64).unwrap())
        .unwrap();
    let init = InitScheme::explicit(1.0, 0.0);
    let inits: Vec<_> = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
    Block::of(&network, &inits).unwrap()
}

fn limit(block: &Block, weight: f64, bias: f64) -> Cell {
    cell(block, LayerVariance { weight, bias })
}

fn close(a: Option<f64>, b: Option<f64>, tolerance: f64) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || (a - b).abs() <= tolerance * b.abs().max(1.0),
        (a, b) => a == b,
    }
}

/// Two routes to the same diagram: blocks of one plain layer, and the table of that layer.
#[test]
fn plain_blocks_are_plain_layers() {
    for name in ["tanh", "relu", "gelu", "silu", "erf", "sigmoid"] {
        let found = block(&format!(r#""{name}",{{"dense":64}}"#));
        let phi = Dual::new(&name.parse::<Activation>().unwrap());
        let mut table = PhaseTable::new(&phi);
        for bias in [1e-3, 0.05, 0.2] {
            for weight in [0.3, 1.4, 1.76, 2.6, 3.9] {
                let layer = LayerVariance { weight, bias };
                let (ours, theirs) = (cell(&found, layer), table.cell(layer));
                assert!(close(ours.q_star, theirs.q_star, 1e-8), "{name} {ours:?} {theirs:?}");
                let grows = theirs.q_star == Some(f64::INFINITY);
                // Far out only straight functions keep their form.
                if !grows || name == "relu" {
                    assert!(close(ours.chi_1, theirs.chi_1, 1e-8), "{name} {ours:?} {theirs:?}");
                    let (a, b) = (ours.c_star_complement, theirs.c_star_complement);
                    assert!(close(a, b, 1e-7), "{name} {ours:?} {theirs:?}");
                    assert_eq!(ours.phase, theirs.phase, "{name} {ours:?} {theirs:?}");
                }
            }
        }
    }
}

/// Batch norm before ReLU: gradients grow by π/(π - 1), γ = 1/(π - 1) at the next layer, whatever the variances.
#[test]
fn batch_norm_leaves_nothing_to_the_variances() {
    let found = block(r#""batch_norm","relu",{"dense":64}"#);
    for weight in [0.2, 2.0, 5.0] {
        let cell = limit(&found, weight, 0.0);
        assert!((cell.chi_1.unwrap() - PI / (PI - 1.0)).abs() < 1e-12);
        assert!((cell.gamma_star().unwrap() - 1.0 / (PI - 1.0)).abs() < 1e-9);
        assert_eq!(cell.phase, Some(Phase::Chaotic));
    }
}

/// Layer norm before ReLU keeps gradients at every weight variance, as long as there are no biases to divide by.
#[test]
fn layer_norm_takes_the_scale_away() {
    let found = block(r#""layer_norm","relu",{"dense":64}"#);
    for weight in [0.2, 2.0, 5.0] {
        let cell = limit(&found, weight, 0.0);
        assert!((cell.q_star.unwrap() - weight / 2.0).abs() < 1e-12);
        assert!((cell.chi_1.unwrap() - 1.0).abs() < 1e-12);
        assert_eq!((cell.phase, cell.c_star_complement), (Some(Phase::EdgeOfChaos), Some(0.0)));
        let with_bias = limit(&found, weight, 0.1);
        let expected = (weight / 2.0) / (weight / 2.0 + 0.1);
        assert!((with_bias.chi_1.unwrap() - expected).abs() < 1e-12);
    }
    // After the function it takes the mean away: inputs come apart, gradients grow by π/(π - 1).
    let after = block(r#""relu","layer_norm",{"dense":64}"#);
    let cell = limit(&after, 1.0, 0.0);
    assert!((cell.chi_1.unwrap() - PI / (PI - 1.0)).abs() < 1e-12, "{cell:?}");
    assert!(cell.c_star_complement.unwrap() > 1.0 - 1e-9, "{cell:?}");
}

/// Residual streams: `χ = 1 + s² σ_w² E φ'²` of a scale-free branch, and 1 where a norm bounds what the branch adds.
#[test]
fn streams_are_critical_where_a_norm_bounds_the_branch() {
    let plain = block(r#"{"residual":["relu",{"dense":64}],"branch_scale":0.5}"#);
    let cell = limit(&plain, 1.6, 0.0);
    assert!((cell.chi_1.unwrap() - (1.0 + 0.25 * 0.8)).abs() < 1e-12, "{cell:?}");
    assert_eq!((cell.q_star, cell.c_star_complement), (Some(f64::INFINITY), Some(0.0)));
    assert_eq!(cell.phase, Some(Phase::Chaotic));
    let normed = block(r#"{"residual":["layer_norm","relu",{"dense":64}]}"#);
    let cell = limit(&normed, 1.6, 0.1);
    assert_eq!((cell.q_star, cell.phase), (Some(f64::INFINITY), Some(Phase::EdgeOfChaos)));
    assert!((cell.chi_1.unwrap() - 1.0).abs() < 1e-9, "{cell:?}");
    // A bounded function does the same, slowly.
    let tanh = block(r#"{"residual":["tanh",{"dense":64}]}"#);
    for bias in [0.0, 0.1] {
        let cell = limit(&tanh, 2.0, bias);
        assert_eq!((cell.chi_1, cell.phase), (Some(1.0), Some(Phase::EdgeOfChaos)), "{cell:?}");
    }
    // Far out GELU is ReLU: its stream grows by a factor, and biases are left behind.
    let gelu = block(r#"{"residual":["gelu",{"dense":64}]}"#);
    let cell = limit(&gelu, 1.5, 0.1);
    assert!((cell.chi_1.unwrap() - 1.75).abs() < 1e-12, "{cell:?}");
    assert_eq!(cell.c_star_complement, Some(0.0));
}

/// The limit is where deep networks go: 3000 blocks, layer after layer, with the exact moments.
#[test]
fn deep_networks_reach_the_limit() {
    for (json, weight, bias, tolerance) in [
        (r#""tanh",{"dropout":0.1},{"dense":64}"#, 2.0, 0.1, 1e-7),
        (r#""layer_norm","gelu",{"dense":64}"#, 2.5, 0.1, 1e-7),
        (r#""batch_norm","tanh",{"dense":64}"#, 1.5, 0.1, 1e-7),
        (r#""tanh","layer_norm",{"dense":64}"#, 1.5, 0.3, 1e-7),
        (r#""rms_norm","silu",{"dense":64}"#, 1.5, 0.1, 1e-7),
        // Streams near their limits like 1/depth.
        (r#"{"residual":["rms_norm","gelu",{"dense":64}]}"#, 1.5, 0.5, 5e-2),
        (r#"{"residual":["batch_norm","tanh",{"dense":64}]}"#, 1.5, 0.1, 3e-3),
    ] {
        let found = block(json);
        let cell = limit(&found, weight, bias);
        let depth = if tolerance < 1e-3 { 1500 } else { 3000 };
        let layers =
            format!(r#"[{{"dense":64}},{{"repeat":{depth},"layers":[{json}]}},{{"dense":10}}]"#);
        let network = Architecture { layers: serde_json::from_str(&layers).unwrap() }
            .resolve(&Shape::flat(64).unwrap())
            .unwrap();
        let init = InitScheme::explicit(weight, bias);
        let inits: Vec<_> = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
        let whole = predict(&network, &inits, InputStatistics::WHITE, 10);
        // The head sums what the last block hands on.
        let last = whole.layers.last().unwrap().spread.clone().unwrap();
        let handed = last.q() - bias;
        if let Some(q) = cell.q_star.filter(|q| q.is_finite()) {
            assert!((handed / weight / q - 1.0).abs() < tolerance, "{json} {cell:?} {last:?}");
        }
        let (seen, expected) = ((last.t() - bias) / handed, 1.0 - cell.c_star_complement.unwrap());
        assert!((seen - expected).abs() < tolerance, "{json}: {seen} {expected} {cell:?}");
        let chi = whole.layers[whole.layers.len() - 3].chi.clone();
        if let (Some(ours), Ok(theirs)) = (cell.chi_1, chi)
            && tolerance < 1e-3
        {
            assert!((ours / theirs - 1.0).abs() < tolerance, "{json} {ours} {theirs}");
        }
    }
}

/// Dropout keeps two copies of one input apart: the edge moves, and nothing merges.
#[test]
fn lines_are_found_between_cells() {
    let found = block(r#""tanh",{"dropout":0.1},{"dense":64}"#);
    let axis = |low: f64, high: f64, points: usize| Axis { low, high, points };
    let diagram = PhaseDiagram::of_block(&found, axis(0.5, 4.0, 15), axis(0.05, 0.2, 4));
    let edge = diagram.edge_of_chaos[1].as_ref().unwrap();
    assert_eq!(edge.len(), 1);
    let on = limit(&found, edge[0].weight_variance, diagram.bias_variances[1]);
    assert!((on.chi_1.unwrap() - 1.0).abs() < 1e-9 && on.c_star_complement.unwrap() > 0.01);
    assert!(edge[0].stable && edge[0].q_star.is_ok());
    let neutral = diagram.neutrality[3].as_ref().unwrap();
    let on = limit(&found, neutral.weight_variance, diagram.bias_variances[3]);
    assert!((on.c_star_complement.unwrap() - 0.5).abs() < 1e-9);
    assert_eq!(diagram.curves.edge_of_chaos.len(), 1);
    assert_eq!(diagram.curves.edge_of_chaos[0].points.len(), 4);
    // A normalised network has no line to draw, and says so.
    let level = PhaseDiagram::of_block(
        &block(r#"{"residual":["layer_norm","relu",{"dense":64}]}"#),
        axis(0.5, 4.0, 3),
        axis(0.05, 0.2, 2),
    );
    let why = level.edge_of_chaos[0].clone().unwrap_err().to_string();
    assert!(why.contains("every weight variance"), "{why}");
}
