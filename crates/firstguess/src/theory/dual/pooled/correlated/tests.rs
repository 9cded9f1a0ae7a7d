//! Pools over correlated units: closed forms, an independent integral and limits; `tests/simulated_figures.rs` samples units.

use crate::math::quadrature::GaussianRule;
use crate::spec::activation::Activation;
use crate::spec::layer::PoolKind;
use crate::theory::dual::{Correlation, Dual, Pointwise};
use std::f64::consts::{FRAC_1_PI, PI, TAU};

fn pool(name: &str, kind: PoolKind, size: usize, rho: f64) -> Dual {
    let activation: Activation = name.parse().unwrap_or_else(|e| panic!("{name}: {e}"));
    Dual::pooled(Pointwise::from(&activation), kind, size, rho).unwrap()
}

/// `max(h₁, h₂) = (h₁ + h₂)/2 + |h₁ - h₂|/2`, whose parts are independent: everything is closed, at every angle.
#[test]
fn the_larger_of_two_linear_units_is_closed() {
    for rho in [1e-3, 0.01, 0.3, 0.5, 0.8, 0.99, 0.999] {
        for kind in [PoolKind::Max, PoolKind::Min] {
            let dual = pool("linear", kind, 2, rho);
            let m = dual.moments(4.0);
            let mean = 2.0 * ((1.0 - rho) * FRAC_1_PI).sqrt();
            let signed = if kind == PoolKind::Max { mean } else { -mean };
            assert!((m.mean - signed).abs() < 1e-13, "{rho}: {m:?}");
            assert!((m.second - 4.0).abs() < 1e-12 && (m.second_slope - 1.0).abs() < 1e-13);
            assert!((m.derivative_second - 1.0).abs() < 1e-13);
            // E h⁴ of a sum of the two: 3 (1+ρ)²/4 + 6 (1+ρ)(1-ρ)/4 + 3 (1-ρ)²/4 = 3.
            assert!((dual.fourth_moment(4.0) - 48.0).abs() < 1e-10);
            let at = dual.at(4.0);
            for c in [0.9999, 0.9, 0.5, 0.1, 0.0, -0.3, -0.9, -0.999, -1.0_f64] {
                let own = (1.0 - c * c).sqrt() + c * c.asin();
                let kernel = 4.0 * ((1.0 + rho) * c / 2.0 + (1.0 - rho) * FRAC_1_PI * own);
                let got = at.kernel(Correlation::new(c));
                assert!((got - kernel).abs() < 1e-11, "{rho} {c}: {got} {kernel}");
                let slope = rho + (1.0 - rho) * (1.0 - c.acos() / PI);
                let got = at.slope(Correlation::new(c));
                assert!((got - slope).abs() < 1e-10, "{rho} {c}: {got} {slope}");
            }
            // As c → 1 the difference keeps its digits: 1 - c less a term of (1-c)^(3/2).
            let eps: f64 = 1e-10;
            let lost = (1.0 - rho) * 2.0 * (2.0 * eps).sqrt() / (3.0 * PI);
            let ratio = at.difference(Correlation::from_complement(eps)) / (4.0 * eps);
            assert!((ratio - (1.0 - lost)).abs() < 1e-9, "{rho}: {ratio} {lost}");
        }
    }
}

/// ReLU under a maximum: `E max(0, h₁, h₂) = Σ sd of differences / (2√(2π))`, and orthants for `E p'²`.
#[test]
fn relu_units_have_their_closed_moments() {
    for rho in [1e-3, 0.2, 0.5, 0.9, 0.999_f64] {
        let m = pool("relu", PoolKind::Max, 2, rho).moments(1.0);
        let mean = (2.0 + (2.0 * (1.0 - rho)).sqrt()) / (2.0 * TAU.sqrt());
        assert!((m.mean - mean).abs() < 1e-13, "{rho}: {m:?} {mean}");
        let below = 0.25 + rho.asin() / TAU;
        assert!((m.derivative_second - (1.0 - below)).abs() < 1e-13, "{rho}: {m:?}");
        let three = pool("relu", PoolKind::Max, 3, rho).moments(1.0);
        let below = 0.125 + 3.0 * rho.asin() / (2.0 * TAU);
        assert!((three.derivative_second - (1.0 - below)).abs() < 1e-13, "{rho}: {three:?}");
        let least = pool("relu", PoolKind::Min, 3, rho).moments(1.0);
        assert!((least.derivative_second - below).abs() < 1e-13, "{rho}: {least:?}");
    }
    // At ρ = ½ the shared part is one more unit: all of K lie below zero with probability 1/(K+1).
    for size in [2_usize, 9, 100, 65_536] {
        let m = pool("relu", PoolKind::Max, size, 0.5).moments(2.0);
        let open = size as f64 / (size as f64 + 1.0);
        assert!((m.derivative_second - open).abs() < 1e-12, "{size}: {m:?}");
    }
}

/// `k = (E p)² + ∫∫ φ'(s) φ'(t) [H(s, t) - F(s) F(t)] ds dt` by sums over the distribution function, in another program.
#[test]
fn kernels_agree_with_sums_over_the_joint_distribution_function() {
    for (size, rho, c, mean, kernel) in [
        (2, 0.3, 0.5, 0.297077052093257, 0.219570748598909),
        (4, 0.7, 0.8, 0.345452246326071, 0.351386565584977),
        (16, 0.1, 0.6, 0.884425833550311, 0.788095327325957),
    ] {
        let dual = pool("tanh", PoolKind::Max, size, rho);
        let at = dual.at(1.0);
        assert!((at.moments().mean - mean).abs() < 1e-13, "{size} {rho}");
        let got = at.kernel(Correlation::new(c));
        assert!((got - kernel).abs() < 1e-13, "{size} {rho} {c}: {got} {kernel}");
    }
}

/// What is not built in: `k(0) = (E p)²`, the slope at `c = 1`, both sides of `c = 0`, and values against slopes at `c = ½`.
#[test]
fn two_point_moments_of_correlated_units_are_consistent() {
    for (kind, size, rho) in [
        (PoolKind::Max, 2, 1e-3),
        (PoolKind::Min, 3, 0.4),
        (PoolKind::Max, 9, 0.7),
        (PoolKind::Max, 100, 0.999),
    ] {
        for (name, q) in [("relu", 1.0), ("tanh", 3.0), ("softplus", 1.0), ("selu", 2.0)] {
            let dual = pool(name, kind, size, rho);
            let at = dual.at(q);
            let m = at.moments();
            let zero = at.kernel(Correlation::new(0.0));
            let gap = (zero - m.mean * m.mean).abs() / m.second;
            assert!(gap < 1e-11, "{name} {size} {rho}: {gap:e}");
            let near = at.slope(Correlation::from_complement(1e-20));
            assert!((near / m.derivative_second - 1.0).abs() < 2e-9, "{name} {size} {rho}");
            let sides = [1e-13, -1e-13].map(|c| at.slope(Correlation::new(c)));
            assert!(
                (sides[0] - sides[1]).abs() < 1e-9 * m.derivative_second,
                "{name} {size} {rho}"
            );
            let half = m.second - at.difference(Correlation::new(0.5));
            let values = at.kernel(Correlation::new(0.5));
            assert!((values - half).abs() < 1e-11 * m.second, "{name} {size} {rho}");
        }
    }
}

/// ρ → 0 gives independent units and ρ → 1 one unit, in first order of what is left.
#[test]
fn correlated_units_join_their_limits() {
    for name in ["relu", "tanh", "softplus"] {
        let (near, far) = (pool(name, PoolKind::Max, 4, 1e-9), pool(name, PoolKind::Max, 4, 0.0));
        let (a, b) = (near.moments(1.0), far.moments(1.0));
        assert!((a.second / b.second - 1.0).abs() < 5e-9, "{name}: {a:?} {b:?}");
        for complement in [1e-8, 0.01, 0.4, 1.2] {
            let at = Correlation::from_complement(complement);
            let ratio = near.at(1.0).difference(at) / far.at(1.0).difference(at);
            assert!((ratio - 1.0).abs() < 1e-8, "{name} {complement}: {ratio}");
        }
        let alone = pool(name, PoolKind::Max, 4, 1.0);
        assert_eq!(alone.moments(1.3), Dual::new(&name.parse().unwrap()).moments(1.3));
        let near = pool(name, PoolKind::Max, 4, 1.0 - 1e-12);
        let at = Correlation::new(0.3);
        let ratio = near.at(1.3).slope(at) / alone.at(1.3).slope(at);
        assert!((ratio - 1.0).abs() < 5e-6, "{name}: {ratio}");
    }
}

/// `E p⁴` of an average given what is shared, against the same integral over both units.
#[test]
fn fourth_moments_of_averages_are_exact() {
    let linear = Dual::pooled(Pointwise::new(Vec::new()), PoolKind::Average, 5, 0.4).unwrap();
    let variance: f64 = (1.0 + 4.0 * 0.4) / 5.0;
    assert!((linear.fourth_moment(1.5) - 3.0 * (1.5 * variance).powi(2)).abs() < 1e-12);
    let rule = GaussianRule::new(&[-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0], 16);
    for rho in [0.1, 0.7, 0.99_f64] {
        let average = pool("tanh", PoolKind::Average, 2, rho);
        let fourth = rule.expect(|x| {
            rule.expect(|y| {
                let other = rho * x + (1.0 - rho * rho).sqrt() * y;
                (0.5 * (x.tanh() + other.tanh())).powi(4)
            })
        });
        let got = average.fourth_moment(1.0);
        assert!((got / fourth - 1.0).abs() < 1e-10, "{rho}: {got} {fourth}");
    }
}

#[test]
fn functions_that_turn_or_jump_say_so() {
    let of = |name: &str, rho| {
        Dual::pooled(Pointwise::from(&name.parse().unwrap()), PoolKind::Max, 3, rho)
    };
    assert!(of("gelu", 0.3).unwrap_err().reason.contains("which turns"));
    assert!(of("sign", 0.3).unwrap_err().reason.contains("which jumps"));
    assert!(of("gelu", 0.0).is_ok() && of("gelu", 1.0).is_ok() && of("sign", 0.0).is_ok());
    assert!(of("tanh", 0.3).is_ok());
}
