//! Inputs of unequal norms under a pool: against the scalar kernel, derivatives, and symmetry.

use super::*;
use crate::math::quadrature::GaussianRule;
use crate::math::special::normal_cdf;
use crate::spec::activation::Activation;

fn points(variances: &[f64], c: f64) -> Points {
    let mut points = Points::new(variances.to_vec(), vec![0.0; variances.len()]);
    points.map(|_, _, _| 1.0 - c);
    points.free_origins();
    points
}

fn function(name: &str) -> Pointwise {
    let activation: Activation = name.parse().unwrap_or_else(|e| panic!("{name}: {e}"));
    Pointwise::from(&activation)
}

/// The table against one sum over the law of two maxima for each pair.
#[test]
fn tables_agree_with_the_scalar_kernel() {
    for (name, kind, size, variances) in [
        ("tanh", PoolKind::Max, 2, [0.8, 1.0, 1.7, 2.4]),
        ("softplus", PoolKind::Min, 4, [0.3, 2.9, 3.0, 1.0]),
        ("sigmoid", PoolKind::Max, 9, [1.0, 1.0 + 1e-8, 1.0 + 3e-8, 1.0]),
        ("selu", PoolKind::Max, 3, [0.6, 1.0, 1.5, 1.1]),
        ("hard_tanh", PoolKind::Max, 2, [1.0, 1.0 + 1e-7, 1.0 + 3e-7, 1.0]),
    ] {
        let dual = Dual::pooled(function(name), kind, size, 0.0).unwrap();
        // One correlation for each of the six pairs.
        let correlations = [-1.0, -0.7, 0.2, 0.95, 1.0 - 1e-9, 1.0];
        let correlation = |a: usize, b: usize| correlations[a * (a - 1) / 2 + b];
        let mut set = points(&variances, 0.0);
        set.map(|a, b, _| 1.0 - correlation(a, b));
        let (slopes, error) = apply(&function(name), kind, size, &mut set).unwrap();
        assert!(error <= 1e-9);
        for a in 0..4 {
            let own = dual.moments(variances[a]);
            assert_eq!((set.second[a], set.mean[a]), (own.second, own.mean));
            assert_eq!(slopes[a], own.derivative_second);
            for b in 0..a {
                let c = correlation(a, b);
                let expected = dual.cross_kernel(variances[a], variances[b], c);
                let scale = (set.second[a] * set.second[b]).sqrt();
                let error = (set.covariance(a, b) - expected).abs() / scale;
                assert!(error < 2e-10, "{name} {c} {a} {b}: {error:e}");
            }
        }
    }
}

/// As inputs merge the complement keeps its digits, in angle and in norm.
#[test]
fn merging_inputs_keep_their_digits() {
    let dual = Dual::pooled(function("tanh"), PoolKind::Max, 2, 0.0).unwrap();
    let (eps, q) = (1e-12, 1.3);
    let mut set = points(&[q, q, 2.0], 1.0);
    set.map(|_, _, _| eps);
    apply(&function("tanh"), PoolKind::Max, 2, &mut set).unwrap();
    let same = dual.at(q).difference(Correlation::from_complement(eps)) / dual.moments(q).second;
    assert!((set.complement(1, 0) / same - 1.0).abs() < 1e-8, "{} {same}", set.complement(1, 0));
    // One direction, norms that differ by so little that only the derivative of p/√E p² is left.
    let step = 1e-6_f64;
    let mut set = points(&[q, q * step.exp(), 2.0], 1.0);
    apply(&function("tanh"), PoolKind::Max, 2, &mut set).unwrap();
    let rule = GaussianRule::new(&[-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0], 40);
    let m = dual.moments(q);
    let growth = q * m.second_slope / m.second;
    let square = rule.expect(|z| {
        let h = q.sqrt() * z;
        let p = h.tanh();
        2.0 * normal_cdf(z) * (h * (1.0 - p * p) - p * growth).powi(2)
    });
    let expected = 0.5 * step * step * 0.25 * square / m.second;
    let got = set.complement(1, 0);
    assert!((got / expected - 1.0).abs() < 1e-5, "{got} {expected}");
}

/// Two tanh units of opposite inputs: the largest of one and minus the smallest of the other are independent and odd.
#[test]
fn opposite_inputs_of_two_odd_units_are_uncorrelated() {
    let dual = Dual::pooled(function("tanh"), PoolKind::Max, 2, 0.0).unwrap();
    for (q1, q2) in [(1.0, 1.0), (0.4, 3.0)] {
        assert!(dual.cross_kernel(q1, q2, -1.0).abs() < 1e-9);
    }
    let at = dual.at(1.0);
    assert!(at.kernel(Correlation::new(-1.0)).abs() < 1e-9);
    assert!(at.slope(Correlation::new(-1.0)).abs() < 1e-4);
}

#[test]
fn an_input_of_zero_is_a_constant() {
    let mut set = points(&[0.0, 1.0, 2.0], 0.4);
    apply(&function("sigmoid"), PoolKind::Max, 2, &mut set).unwrap();
    let dual = Dual::pooled(function("sigmoid"), PoolKind::Max, 2, 0.0).unwrap();
    assert!((set.covariance(1, 0) - 0.5 * dual.moments(1.0).mean).abs() < 1e-14);
    let mut set = points(&[0.0, 1.0, 2.0], 0.4);
    apply(&function("tanh"), PoolKind::Max, 2, &mut set).unwrap();
    assert_eq!((set.second[0], set.complement(1, 0)), (0.0, 1.0));
}

#[test]
fn what_has_no_table_says_so() {
    let of = |name: &str, variances: &[f64]| {
        apply(&function(name), PoolKind::Max, 2, &mut points(variances, 0.3))
    };
    assert!(of("gelu", &[1.0, 2.0]).unwrap_err().reason.contains("turns or jumps"));
    assert!(of("sign", &[1.0, 2.0]).unwrap_err().reason.contains("turns or jumps"));
    assert!(of("tanh", &[1e-9, 1e9]).unwrap_err().reason.contains("too far apart"));
    assert!(of("hard_tanh", &[1.0, 2.0]).unwrap_err().reason.contains("corners"));
    assert!(of("hard_tanh", &[1.0, 1.0]).is_ok());
}
