//! Tables against the exact limits.

use super::*;
use crate::spec::activation::Activation;
use crate::spec::layer::PoolKind;
use crate::theory::dual::Pointwise;
use crate::theory::mean_field::Spread;
use crate::theory::phase::asymptotics;

fn agrees(phi: &Dual, weights: &[f64], biases: &[f64], tolerance: f64) {
    for cell in PhaseTable::new(phi).diagram(weights, biases) {
        let layer = LayerVariance { weight: cell.weight_variance, bias: cell.bias_variance };
        let exact = asymptotics(phi, layer, Spread::first_layer(layer, 1.0, 0.0));
        let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() <= tolerance * b.abs().max(1.0),
            (a, b) => a == b,
        };
        if let Ok(q) = exact.q_star {
            assert!(close(cell.q_star, Some(q)), "{phi} {cell:?} {q}");
        }
        assert!(close(cell.chi_1, exact.chi_1.clone().ok()), "{phi} {cell:?} {exact:?}");
        let eps = exact.c_star_complement.clone().ok();
        assert!(close(cell.c_star_complement, eps), "{phi} {cell:?} {exact:?}");
        assert_eq!(cell.phase, exact.phase.clone().ok(), "{phi} {cell:?}");
        assert_eq!(cell.prejudice, exact.prejudice.clone().ok(), "{phi} {cell:?}");
    }
}

#[test]
fn cells_agree_with_the_exact_limits() {
    let weights = [0.3, 0.95, 1.4, 1.76, 2.0, 2.6, 3.9];
    let biases = [0.0, 1e-3, 0.05, 0.2];
    for name in ["tanh", "relu", "gelu", "erf", "leaky_relu(0.2)", "linear", "sigmoid"] {
        let phi = Dual::new(&name.parse::<Activation>().unwrap());
        agrees(&phi, &weights, &biases, 1e-9);
    }
}

#[test]
fn cells_of_pools_agree_with_the_exact_limits() {
    for (name, kind, size) in [
        ("relu", PoolKind::Max, 4),
        ("relu", PoolKind::Min, 2),
        ("relu", PoolKind::Average, 3),
        ("tanh", PoolKind::Max, 2),
    ] {
        let activation: Activation = name.parse().unwrap();
        let phi = Dual::pooled(Pointwise::from(&activation), kind, size, 0.0).unwrap();
        agrees(&phi, &[0.4, 1.1, 3.0], &[0.0, 0.1], 1e-8);
    }
}

#[test]
fn the_edge_curve_agrees_with_its_points() {
    for name in ["tanh", "gelu", "selu", "silu"] {
        let phi = Dual::new(&name.parse::<Activation>().unwrap());
        let biases = [0.0, 1e-4, 0.03, 0.17, 0.4];
        let curve = PhaseTable::new(&phi).edge_of_chaos(&biases);
        for (bias, points) in biases.iter().zip(curve) {
            let exact = critical::edge_of_chaos(&phi, *bias);
            let (Ok(points), Ok(exact)) = (&points, &exact) else {
                assert_eq!(points, exact, "{name} {bias}");
                continue;
            };
            assert_eq!(points.len(), exact.len(), "{name} {bias}");
            for (a, b) in points.iter().zip(exact) {
                assert!(
                    (a.weight_variance - b.weight_variance).abs() < 1e-9,
                    "{name} {bias}: {a:?} {b:?}"
                );
                assert_eq!(a.stable, b.stable);
            }
        }
    }
}

/// The tabulated neutrality line against the root of the exact equation at each bias variance.
#[test]
fn the_neutrality_line_agrees_with_its_points() {
    let biases = [0.0, 1e-6, 0.003, 0.05, 0.2, 1.5];
    let pooled =
        |kind, size| Dual::pooled(Pointwise::from(&Activation::Tanh), kind, size, 0.0).unwrap();
    for phi in [
        Dual::new(&Activation::Tanh),
        Dual::new(&Activation::Erf),
        Dual::new(&Activation::Relu),
        Dual::new(&Activation::Linear),
        Dual::new(&"hard_tanh".parse().unwrap()),
        Dual::new(&"gelu".parse().unwrap()),
        pooled(PoolKind::Average, 3),
    ] {
        let mut neutral = neutrality::Neutrality::new(&phi);
        for bias in &biases {
            let found = neutral.at(*bias);
            match (found, critical::neutrality(&phi, *bias)) {
                (Ok(a), Ok(b)) => {
                    let error = (a.weight_variance / b.weight_variance - 1.0).abs();
                    assert!(error < 1e-8, "{phi} {bias}: {a:?} {b:?}");
                }
                (Err(_), Err(_)) => {}
                (a, b) => panic!("{phi} {bias}: {a:?} {b:?}"),
            }
        }
    }
}

#[test]
fn axes_end_where_they_were_told_to() {
    let values = Axis { low: 0.1, high: 0.7, points: 7 }.values();
    assert_eq!((values[0], values[6], values.len()), (0.1, 0.7, 7));
    assert!(values.windows(2).all(|pair| pair[0] < pair[1]));
}
