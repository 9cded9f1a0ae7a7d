//! Pools: published constants, limits, and independent integrals of the same moments.

use super::*;
use crate::math::bivariate_normal::bivariate_normal_cdf;
use crate::math::quadrature::GaussianRule;
use crate::math::special::normal_cdf;
use crate::spec::activation::Activation;
use crate::theory::dual::Dual;

fn pool(name: &str, kind: PoolKind, size: usize) -> Dual {
    let activation: Activation = name.parse().unwrap_or_else(|e| panic!("{name}: {e}"));
    Dual::pooled(Pointwise::from(&activation), kind, size, 0.0).unwrap()
}

#[test]
fn relu_pools_have_their_tabulated_moments() {
    use PoolKind::{Average, Max};
    for (kind, size, mean, second, gradient) in [
        (Max, 1, 0.3989422804, 0.5, 2.0),
        (Max, 2, 0.6810370722, 0.9091549431, 4.0 / 3.0),
        (Max, 3, 0.8881472424, 1.2515646385, 8.0 / 7.0),
        (Max, 4, 1.0457555155, 1.5437850116, 16.0 / 15.0),
        (Max, 9, 1.4852610649, 2.5625591277, 512.0 / 511.0),
        (Max, 16, 1.7659925233, 3.41373525, 65536.0 / 65535.0),
        (Average, 2, 0.3989422804, 0.3295774715, 4.0),
        (Average, 3, 0.3989422804, 0.2727699621, 6.0),
        (Average, 4, 0.3989422804, 0.2443662073, 8.0),
        (Average, 9, 0.3989422804, 0.1970266161, 18.0),
    ] {
        let m = pool("relu", kind, size).moments(1.0);
        assert!((m.mean - mean).abs() < 1e-9, "{kind:?} {size}: {m:?}");
        assert!((m.second - second).abs() < 1e-9, "{kind:?} {size}: {m:?}");
        assert!((1.0 / m.derivative_second - gradient).abs() < 1e-12, "{kind:?} {size}: {m:?}");
        assert!((m.second_slope - m.second).abs() < 1e-12);
    }
}

#[test]
fn a_pool_of_one_is_no_pool() {
    for name in ["relu", "tanh", "gelu", "abs", "sign", "hard_tanh"] {
        let alone = Dual::new(&name.parse().unwrap());
        for kind in [PoolKind::Max, PoolKind::Average, PoolKind::Min] {
            let pooled = pool(name, kind, 1);
            for q in [0.3, 2.0] {
                assert_eq!(pooled.moments(q), alone.moments(q));
                let at = Correlation::new(0.4);
                assert_eq!(pooled.at(q).kernel(at), alone.at(q).kernel(at));
            }
        }
    }
}

/// The machinery itself at `K = 1`, against closed forms and series: every integral of the pools with another answer.
#[test]
fn the_rule_of_pools_gives_the_plain_kernel_at_one_unit() {
    for name in ["relu", "tanh", "softplus", "hard_tanh", "selu", "leaky_relu(0.1)", "sign"] {
        let activation: Activation = name.parse().unwrap();
        let alone = Dual::new(&activation);
        for sign in [1.0, -1.0] {
            let one = Extreme::new(&Pointwise::from(&activation), sign, 1, 0.0).unwrap();
            for q in [0.2, 1.0, 9.0] {
                let (a, b) = (one.moments(q), alone.moments(q));
                assert!((a.second / b.second - 1.0).abs() < 1e-12, "{name} {q}: {a:?} {b:?}");
                assert!((a.mean - b.mean).abs() < 1e-12 * b.second.sqrt(), "{name} {q}");
                for complement in [1e-12, 1e-7, 1e-3, 0.1, 0.6, 1.0, 1.5] {
                    let at = Correlation::from_complement(complement);
                    let pair = one.pair(q, complement);
                    let difference = alone.at(q).difference(at);
                    let error = (pair.difference / difference - 1.0).abs();
                    assert!(error < 1e-9, "{name} q {q} ε {complement}: {error:e}");
                    let slope = alone.at(q).slope(at);
                    let error = (pair.slope / slope - 1.0).abs();
                    assert!(error < 1e-9, "{name} slope q {q} ε {complement}: {error:e}");
                }
            }
        }
    }
}

/// The density of two maxima, straight from the bivariate normal law: `K P^{K-1} φ₂ + K(K-1) P^{K-2} P_x P_y`.
#[test]
fn the_kernel_agrees_with_the_density_of_two_maxima() {
    let rule = GaussianRule::new(&[-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0], 12);
    for (name, size) in [("tanh", 2), ("relu", 3), ("softplus", 4)] {
        let phi: Activation = name.parse().unwrap();
        let k = size as f64;
        for c in [0.0, 0.3, 0.7] {
            let r = (1.0_f64 - c * c).sqrt();
            let mut kernel = 0.0;
            for (x, wx) in rule.points.iter().zip(&rule.weights) {
                for (y, wy) in rule.points.iter().zip(&rule.weights) {
                    let p = bivariate_normal_cdf(*x, *y, c);
                    // Weights hold φ(x) φ(y); the rest of the density is relative to it.
                    let pair = (-(x * x + y * y) * c * c / 2.0 + c * x * y) / (r * r);
                    let joint = pair.exp() / r;
                    let slopes = normal_cdf((y - c * x) / r) * normal_cdf((x - c * y) / r);
                    let mut density = k * p.powf(k - 1.0) * joint;
                    density += k * (k - 1.0) * p.powf(k - 2.0) * slopes;
                    kernel += wx * wy * density * phi.value(*x) * phi.value(*y);
                }
            }
            let ours = pool(name, PoolKind::Max, size).at(1.0).kernel(Correlation::new(c));
            let scale = pool(name, PoolKind::Max, size).moments(1.0).second;
            assert!((ours - kernel).abs() < 1e-9 * scale, "{name} {size} {c}: {ours} {kernel}");
        }
    }
}

/// Level sets against the order of units, on a function that does not turn; and on functions that do, against symmetry.
#[test]
fn level_sets_agree_with_what_is_known() {
    // max |h| over two units, E max² = 1 + 2/π: the square of the larger of two half-normals.
    let m = pool("abs", PoolKind::Max, 2).moments(1.0);
    assert!((m.second - (1.0 + std::f64::consts::FRAC_2_PI)).abs() < 1e-11, "{m:?}");
    assert!((m.derivative_second - 1.0).abs() < 1e-11, "{m:?}");
    // The smallest of -f is minus the largest of f.
    for (name, negated) in [("gelu", "-(x*0.5*(1+erf(x*sqrt(0.5))))"), ("abs", "-abs(x)")] {
        let Ok(activation) = negated.parse::<Activation>() else { continue };
        let low = Dual::pooled(Pointwise::from(&activation), PoolKind::Min, 3, 0.0).unwrap();
        let high = pool(name, PoolKind::Max, 3);
        let (a, b) = (low.moments(1.3), high.moments(1.3));
        assert!((a.second / b.second - 1.0).abs() < 1e-10, "{name}: {a:?} {b:?}");
        assert!((a.mean + b.mean).abs() < 1e-10, "{name}: {a:?} {b:?}");
    }
}

/// `k(0) = (E p)²`, and the slope is the derivative of the kernel: neither is built in where level sets are used.
#[test]
fn two_point_moments_of_turning_functions_are_consistent() {
    for (name, size, q) in [("gelu", 2, 1.0), ("silu", 4, 2.0), ("abs", 3, 1.0), ("mish", 2, 0.3)] {
        for kind in [PoolKind::Max, PoolKind::Min] {
            let dual = pool(name, kind, size);
            let at = dual.at(q);
            let m = at.moments();
            let zero = at.kernel(Correlation::new(0.0));
            assert!(
                (zero - m.mean * m.mean).abs() < 1e-8 * m.second,
                "{name} {kind:?}: {zero} {m:?}"
            );
            let near = at.slope(Correlation::from_complement(1e-12));
            assert!((near / m.derivative_second - 1.0).abs() < 1e-5, "{name} {near} {m:?}");
        }
    }
}

/// Two-point moments of monotone pools: `k(0) = (E p)²`, the slope at `c = 1`, and the slope as a derivative.
#[test]
fn two_point_moments_of_monotone_pools_are_consistent() {
    for name in ["relu", "tanh", "softplus", "selu", "hard_tanh"] {
        for (kind, size) in
            [(PoolKind::Max, 2), (PoolKind::Max, 9), (PoolKind::Min, 3), (PoolKind::Max, 10_000)]
        {
            let dual = pool(name, kind, size);
            for q in [0.5, 3.0] {
                let at = dual.at(q);
                let m = at.moments();
                if m.derivative_second < 1e-6 {
                    // The largest of ten thousand hard tanh units is 1, whatever the input.
                    assert!((m.second - 1.0).abs() < 1e-5, "{name} {size}: {m:?}");
                    continue;
                }
                let zero = at.kernel(Correlation::new(0.0));
                let gap = (zero - m.mean * m.mean).abs() / m.second;
                assert!(gap < 1e-10, "{name} {kind:?} {size}: {gap:e}");
                let eps = 1e-12;
                let near = at.difference(Correlation::from_complement(eps)) / (q * eps);
                let error = (near / m.derivative_second - 1.0).abs();
                assert!(error < 3e-5, "{name} {kind:?} {size}: {near} {m:?}");
                let h = 1e-4;
                let step = |e: f64| at.difference(Correlation::from_complement(0.3 + e));
                let numeric = (step(h) - step(-h)) / (2.0 * h * q);
                let slope = at.slope(Correlation::from_complement(0.3));
                assert!((slope / numeric - 1.0).abs() < 1e-6, "{name} {kind:?} {size}: {slope}");
            }
        }
    }
}

/// One-point moments against plain sums over the density of the maximum.
#[test]
fn one_point_moments_agree_with_a_plain_rule() {
    let rule = GaussianRule::new(&[-6.0, -4.0, -2.0, 0.0, 2.0, 3.0, 4.0, 5.0, 6.0], 60);
    for (name, size) in [("tanh", 3), ("softplus", 1000), ("sigmoid", 2)] {
        let phi: Activation = name.parse().unwrap();
        for q in [0.3_f64, 4.0] {
            let k = size as f64;
            let density = |z: f64| k * normal_cdf(z).powf(k - 1.0);
            let second = rule.expect(|z| density(z) * phi.value(q.sqrt() * z).powi(2));
            let slope = rule.expect(|z| density(z) * phi.derivative(q.sqrt() * z).powi(2));
            let m = pool(name, PoolKind::Max, size).moments(q);
            assert!((m.second / second - 1.0).abs() < 1e-11, "{name} {size}: {m:?} {second}");
            assert!((m.derivative_second / slope - 1.0).abs() < 1e-11, "{name}: {m:?} {slope}");
            let h = 1e-4 * q;
            let dual = pool(name, PoolKind::Max, size);
            let numeric = (dual.moments(q + h).second - dual.moments(q - h).second) / (2.0 * h);
            assert!((m.second_slope - numeric).abs() < 1e-6 * numeric.abs(), "{m:?} {numeric}");
        }
    }
}

/// The mean over `K` tanh units is tanh with `σ_w²` divided by `K`, to the last digits.
#[test]
fn an_average_of_odd_units_is_one_unit_of_a_smaller_weight() {
    let (pooled, alone) = (pool("tanh", PoolKind::Average, 5), Dual::new(&Activation::Tanh));
    let (a, b) = (pooled.moments(1.7), alone.moments(1.7));
    assert!((5.0 * a.second / b.second - 1.0).abs() < 1e-15);
    assert!((5.0 * a.derivative_second / b.derivative_second - 1.0).abs() < 1e-15);
    assert!((5.0 * a.second_slope / b.second_slope - 1.0).abs() < 1e-12);
    for complement in [1e-12, 0.2, 1.0] {
        let at = Correlation::from_complement(complement);
        let ratio = 5.0 * pooled.at(1.7).difference(at) / alone.at(1.7).difference(at);
        assert!((ratio - 1.0).abs() < 1e-14);
    }
}

/// Correlated units: ρ = 1 gives one unit back, ρ = 0 the independent pool, and between them the difference keeps its digits.
#[test]
fn averages_of_correlated_units_lie_between_their_limits() {
    let relu = || Pointwise::from(&Activation::Relu);
    let of = |rho: f64| Dual::pooled(relu(), PoolKind::Average, 4, rho).unwrap();
    assert_eq!(of(1.0).moments(1.0).second, 0.5);
    let middle = of(0.3);
    let m = middle.moments(1.0);
    let k = Dual::new(&Activation::Relu).cross_kernel(1.0, 1.0, 0.3);
    assert!((m.second - (0.5 / 4.0 + 0.75 * k)).abs() < 1e-15);
    let at = middle.at(1.0);
    for complement in [0.5, 0.1] {
        let c = Correlation::from_complement(complement);
        assert!((at.difference(c) - (m.second - at.kernel(c))).abs() < 1e-14);
    }
    let tiny = at.difference(Correlation::from_complement(1e-12)) / 1e-12;
    assert!((tiny / at.slope(Correlation::new(1.0)) - 1.0).abs() < 1e-5);
}

#[test]
fn impossible_pools_say_why() {
    let of = |name: &str, kind, size, rho| {
        Dual::pooled(Pointwise::from(&name.parse().unwrap()), kind, size, rho)
    };
    assert!(of("relu", PoolKind::Max, 0, 0.0).is_err());
    assert!(of("relu", PoolKind::Max, MAX_POOL + 1, 0.0).is_err());
    assert!(of("relu", PoolKind::Average, 2, -0.1).is_err());
    assert!(of("relu", PoolKind::Average, 2, f64::NAN).is_err());
    assert!(of("sin", PoolKind::Max, 2, 0.0).unwrap_err().reason.contains("turns"));
}
