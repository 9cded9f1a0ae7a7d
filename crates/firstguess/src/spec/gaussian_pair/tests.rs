//! Gaussian pairs against values of high-precision arithmetic, closed forms, and each other.

mod reference;

use super::Branch::{Odd, Positive};
use super::*;
use crate::math::quadrature::GaussLegendre;
use crate::math::special::{central_probability, normal_density};
use reference::{REFERENCE, SERIES_REFERENCE};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2, PI, SQRT_2};

fn weibull(theta: f64) -> PairFamily {
    PairFamily::Weibull { theta }
}

fn law(family: PairFamily) -> MagnitudeLaw {
    MagnitudeLaw::new(&PairWeights::new(family).expect("has a partner"))
}

fn table(family: PairFamily, branch: Branch) -> PairTable {
    PairTable::new(family, branch).expect("has a table")
}

/// One of each numerical kind, edges included.
fn families() -> Vec<PairFamily> {
    vec![
        weibull(2.0),
        weibull(2.005),
        weibull(2.05),
        weibull(3.0),
        weibull(20.0),
        weibull(1e9),
        PairFamily::Sphere { dimension: 3 },
        PairFamily::Sphere { dimension: 4 },
        PairFamily::Sphere { dimension: 3000 },
        PairFamily::Bounded { exponent: 1.2 },
        PairFamily::Bounded { exponent: 2.0 },
        PairFamily::Bounded { exponent: 50.0 },
        PairFamily::GeneralizedGamma { shape: 0.55, power: 3.0 },
        PairFamily::GeneralizedGamma { shape: 3.0, power: 2.2 },
        PairFamily::GeneralizedGamma { shape: 20.0, power: 4.0 },
        PairFamily::GeneralizedGamma { shape: 0.7, power: 2.0 },
    ]
}

fn relative(got: f64, expected: f64) -> f64 {
    (got / expected - 1.0).abs()
}

/// Tolerance 1e-13; the contract is 1e-12.
#[test]
fn tables_match_high_precision_values() {
    for (theta, branch, x, value) in SERIES_REFERENCE {
        let got = table(weibull(theta), branch).value(x);
        assert!(relative(got, value) < 1e-13, "{theta} {branch:?} {x}: {got}");
    }
    for (theta, branch, x, value, derivative) in REFERENCE {
        let phi = table(weibull(theta), branch);
        assert!(relative(phi.value(x), value) < 1e-13, "{theta} {branch:?} {x}");
        let slope = phi.derivative(x);
        assert!(relative(slope, derivative) < 1e-12, "{theta} {branch:?} {x}: {slope}");
    }
}

/// `f(0) = √(2/π)/Γ(1 - 1/θ)`, `φ'(0) = Γ(1 - 1/θ)`, moments and spot values.
#[test]
fn laws_take_their_tabulated_constants() {
    for (theta, slope, density, mean, kurtosis) in [
        (2.0, 1.77245385, 0.45015816, 0.90031632, 1.5),
        (2.05, 1.73114260, 0.46090054, 0.90065421, 1.53690),
        (3.0, 1.35411794, 0.58922826, 0.89350825, 2.05339),
        (4.0, 1.22541670, 0.65111285, 0.88027624, 2.35619),
        (10.0, 1.06862870, 0.74664339, 0.83868599, 2.85045),
    ] {
        let law = law(weibull(theta));
        assert!((law.density(0.0) - density).abs() < 6e-9, "{theta}");
        assert!((law.moment(1.0) - mean).abs() < 6e-9, "{theta}");
        let kurt = law.moment(4.0) / law.moment(2.0).powi(2);
        assert!((kurt - kurtosis).abs() < 6e-6, "{theta}");
        assert!((kurt * law.weights().kurtosis() - 3.0).abs() < 1e-13, "{theta}");
        let phi = table(weibull(theta), Odd);
        assert!((phi.derivative(0.0) - slope).abs() < 6e-9, "{theta}");
        assert_eq!(phi.value(0.0), 0.0);
    }
    let three = law(weibull(3.0));
    assert!(relative(three.cdf(1.0), 0.583509118522462655600810) < 1e-14);
    assert!(relative(three.density(1.0), 0.559225077529518490361540) < 1e-14);
    let four = law(weibull(4.0));
    assert!(relative(four.cdf(1.0), 0.610907805674957326845697) < 1e-14);
    assert!(relative(four.density(1.0), 0.524615703118847115534304) < 1e-14);
}

/// Tricomi's `U(a, b, t) = ∫ e^(-ts) s^(a-1) (1+s)^(b-a-1) ds / Γ(a)`, by the trapezoid rule in `ln s`.
fn tricomi(a: f64, b: f64, t: f64) -> f64 {
    let step = 0.03;
    let sum: f64 = (-9_000..1_000)
        .map(|i| {
            let u = step * f64::from(i);
            let s = u.exp();
            (a * u - t * s + (b - a - 1.0) * s.ln_1p()).exp()
        })
        .sum();
    step * sum / libm::tgamma(a)
}

/// The series and the contour against the closed forms of θ = 3 and 4, bulk to tail.
#[test]
fn densities_at_three_and_four_are_tricomi_functions() {
    let (three, four) = (law(weibull(3.0)), law(weibull(4.0)));
    for y in [0.1_f64, 0.3, 1.0, 1.7, 1.95, 2.0, 2.2, 3.0, 4.0, 5.0] {
        let t = y.powi(6) / 54.0;
        let closed = t.powf(-5.0 / 6.0) * (-t).exp() * tricomi(1.0 / 6.0, 1.0 / 3.0, t)
            / (2.0 * PI)
            * y.powi(5)
            / 9.0;
        assert!(relative(three.density(y), closed) < 1e-12, "θ = 3, y = {y}");
        let t = y.powi(4) / 16.0;
        let closed =
            t.powf(-0.75) * (-t).exp() * tricomi(0.25, 0.5, t) / (SQRT_2 * PI) * y.powi(3) / 4.0;
        assert!(relative(four.density(y), closed) < 1e-12, "θ = 4, y = {y}");
    }
}

/// `P(|Y| > y) = E exp(-A(U)(y²/(2 cos²V))^(θ'/2))`: a positive integrand, independent of series and contour.
#[test]
fn survival_functions_match_the_stable_mixture() {
    let rule = GaussLegendre::new(300);
    for (theta, ys) in
        [(2.5_f64, [0.5, 1.2, 1.9, 2.2]), (3.0, [0.5, 1.0, 2.0, 3.0]), (10.0, [0.5, 1.0, 2.0, 4.0])]
    {
        let alpha = 2.0 / theta;
        let law = law(weibull(theta));
        for y in ys {
            let integral = rule.integrate(0.0, PI, |u| {
                let bracket = (alpha * u).sin().powf(alpha)
                    * ((1.0 - alpha) * u).sin().powf(1.0 - alpha)
                    / u.sin();
                let a = bracket.powf(1.0 / (1.0 - alpha));
                rule.integrate(0.0, FRAC_PI_2, |v| {
                    (-a * (y * y / (2.0 * v.cos().powi(2))).powf(1.0 / (1.0 - alpha))).exp()
                })
            }) / (PI * FRAC_PI_2);
            let survival = law.survival(y);
            assert!(relative(survival, integral) < 1e-11, "{theta} {y}: {survival} {integral}");
        }
    }
}

/// The exact sampler, fed a fixed sequence: 200 000 draws against the distribution function at 4 standard errors.
#[test]
fn the_sampler_has_the_law() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (state ^ (state >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        ((mixed >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    };
    let draws = 200_000;
    for theta in [2.0, 2.05, 3.0, 10.0, f64::INFINITY] {
        let law = law(weibull(theta));
        let sample: Vec<f64> =
            (0..draws).map(|_| law.sample(uniform(), uniform(), -uniform().ln())).collect();
        for y in [0.2, 0.5, 1.0, 1.3, 1.45, 2.0] {
            let p = law.cdf(y);
            let count = sample.iter().filter(|s| **s <= y).count();
            let error = count as f64 / f64::from(draws) - p;
            let allowed = 4.0 * (p * (1.0 - p) / f64::from(draws)).sqrt() + 1e-12;
            assert!(error.abs() < allowed, "θ = {theta}, y = {y}: {error}");
        }
    }
}

/// Quantiles invert both tails; a density integrates to the distribution function.
#[test]
fn quantiles_cdfs_and_densities_are_consistent() {
    let rule = GaussLegendre::new(60);
    for family in families() {
        let law = law(family);
        // A bounded law squeezes its tail into the last bits below the bound.
        let bounded = law.bound().is_finite();
        for p in [1e-12, 1e-3, 0.3, 0.5, 0.8, if bounded { 0.8 } else { 0.99 }] {
            let y = law.quantile(p);
            assert!(relative(law.cdf(y), p) < 1e-11, "{family:?} cdf at {p}: {y}");
        }
        for s in [0.9, 0.4, 0.05, if bounded { 0.05 } else { 1e-60 }] {
            let y = law.upper_quantile(s);
            let got = law.survival(y);
            assert!(relative(got, s) < 1e-9, "{family:?} survival at {s}: {y} {got:e}");
        }
        let (low, high) = (law.quantile(0.2), law.quantile(0.6));
        let integral = rule.integrate(low, high, |y| law.density(y));
        assert!((integral - 0.4).abs() < 1e-12, "{family:?}: {integral}");
        assert!(law.quantile(f64::NAN).is_nan() && law.quantile(1.5).is_nan());
        assert_eq!((law.cdf(-1.0), law.survival(-1.0), law.density(-1.0)), (0.0, 1.0, 0.0));
        assert_eq!(law.survival(f64::INFINITY), 0.0);
    }
}

/// E W² · E φ² = 1 by the midpoint rule.
#[test]
fn second_moments_of_weight_and_activation_are_reciprocal() {
    for family in families() {
        for branch in [Odd, Positive] {
            let phi = table(family, branch);
            // The steepest activations need a finer rule than h = 1/8.
            let step = 1.0 / 64.0;
            let square: f64 = (-700..700)
                .map(|i| {
                    let x = step * (f64::from(i) + 0.5);
                    step * normal_density(x) * phi.value(x).powi(2)
                })
                .sum();
            let product = phi.weights().second_moment() * square;
            // The bounded families end in a steeper corner than the rule resolves.
            let tolerance =
                if matches!(family, PairFamily::Weibull { .. }) { 1e-13 } else { 2e-13 };
            assert!((product - 1.0).abs() < tolerance, "{family:?} {branch:?}: {product}");
        }
    }
}

/// `P(|W φ(X)| > z) = E S_W(z/|φ(X)|)` is the normal tail: the defining property, for every family.
#[test]
fn products_are_normal() {
    let rule = GaussLegendre::new(40);
    for family in families() {
        for branch in [Odd, Positive] {
            let phi = table(family, branch);
            let weights = *phi.weights();
            for z in [0.05, 0.3, 1.0, 2.0, 3.0] {
                // Bounded weights switch off where φ = z: the integrand breaks there.
                let (start, end) = (if branch == Odd { 0.0 } else { -13.0 }, 13.0);
                let kink =
                    crate::math::roots::brent(|x| phi.value(x) - z, start, end, 0.0).unwrap_or(end);
                let mut edges: Vec<f64> = (0..=160)
                    .map(|i| start + (end - start) * f64::from(i) / 160.0)
                    // θ = 1e9 switches within 1e-9 of the kink.
                    .chain((0..40).flat_map(|j| [kink - 0.5_f64.powi(j), kink + 0.5_f64.powi(j)]))
                    .chain([kink])
                    .map(|x| x.clamp(start, end))
                    .collect();
                edges.sort_by(f64::total_cmp);
                let tail: f64 = edges
                    .windows(2)
                    .map(|edge| {
                        rule.integrate(edge[0], edge[1], |x| {
                            normal_density(x) * weights.survival(z / phi.value(x))
                        })
                    })
                    .sum();
                let tail = if branch == Odd { 2.0 * tail } else { tail };
                let expected = libm::erfc(z * FRAC_1_SQRT_2);
                assert!((tail - expected).abs() < 1e-12, "{family:?} {branch:?} {z}: {tail}");
            }
        }
    }
}

#[test]
fn activations_are_monotone_and_their_derivative_is_their_slope() {
    for family in families() {
        for branch in [Odd, Positive] {
            let phi = table(family, branch);
            let mut last = f64::NEG_INFINITY;
            for i in -160..=160 {
                let x = f64::from(i) * 0.1 + 0.003;
                let value = phi.value(x);
                // Up to rounding: bounded activations are flat to the last bit far out.
                let slack = 1e-14 * value.abs();
                assert!(value >= last - slack, "{family:?} {branch:?} {x}: {last} then {value}");
                last = value;
                if branch == Odd {
                    assert_eq!(phi.value(-x), -value);
                    assert_eq!(phi.derivative(-x), phi.derivative(x));
                }
                // Richardson's central difference; its rounding is relative to the value.
                let difference = |h: f64| (phi.value(x + h) - phi.value(x - h)) / (2.0 * h);
                let h = 2e-3;
                let slope = (4.0 * difference(0.5 * h) - difference(h)) / 3.0;
                let error = (phi.derivative(x) - slope).abs();
                let allowed = 1e-7 * phi.derivative(x).abs() + 1e-11 * value.abs();
                assert!(error <= allowed, "{family:?} {branch:?} {x}: {error:e} {slope:e}");
            }
        }
    }
}

/// Value and slope have no seam at the segment ends or at the edge of the table.
#[test]
fn pieces_meet() {
    for family in families() {
        for branch in [Odd, Positive] {
            let phi = table(family, branch);
            for edge in phi.breaks() {
                let (below, above) = (edge.next_down(), edge.next_up());
                if edge == 0.0 && branch == Odd {
                    continue;
                }
                let jump = relative(phi.value(below), phi.value(above));
                assert!(jump < 1e-12, "{family:?} {branch:?} {edge}: value {jump:e}");
                let (left, right) = (phi.derivative(below), phi.derivative(above));
                let jump = if right == 0.0 { left } else { relative(left, right) };
                assert!(jump < 1e-11, "{family:?} {branch:?} {edge}: slope {jump:e}");
            }
        }
    }
}

/// Beyond the table: against the contour, and no accident at absurd arguments.
#[test]
fn the_continuation_follows_the_exact_tail() {
    for family in families() {
        let phi = table(family, Odd);
        let mut solver = phi.law().solver();
        for x in [16.5, 20.0, 37.0, 100.0, 1000.0] {
            let ln_survival = std::f64::consts::LN_2 + crate::math::special::ln_normal_cdf(-x);
            let exact = solver.solve(Level { cdf: 1.0, ln_survival }).y;
            let error = relative(phi.value(x), exact);
            assert!(error < 1e-6, "{family:?} {x}: {error:e}");
        }
        for branch in [Odd, Positive] {
            let phi = table(family, branch);
            for x in [1e9_f64, 1e99, 1e101, 1e200, f64::MAX] {
                assert!(phi.value(x) >= phi.value(1e3), "{family:?} {branch:?} {x}");
                assert!(phi.derivative(x) >= 0.0, "{family:?} {branch:?} {x}");
            }
            assert!(phi.value(f64::NAN).is_nan() && phi.derivative(f64::NAN).is_nan());
            assert!(!phi.value(f64::INFINITY).is_nan(), "{family:?} {branch:?}");
            assert!(!phi.value(f64::NEG_INFINITY).is_nan(), "{family:?} {branch:?}");
            assert!(!phi.derivative(f64::INFINITY).is_nan(), "{family:?} {branch:?}");
            assert!(!phi.derivative(f64::NEG_INFINITY).is_nan(), "{family:?} {branch:?}");
        }
    }
}

/// The general machinery at both ends of the Weibull family meets the closed forms.
#[test]
fn the_ends_of_the_weibull_family_are_continuous() {
    let (near, at) = (table(weibull(2.005), Odd), table(weibull(2.0), Odd));
    for i in 0..=40 {
        let x = 0.1 * f64::from(i);
        assert!((near.value(x) - at.value(x)).abs() < 0.015, "{x}");
    }
    assert!(relative(near.value(1.0), 1.24141730675589) < 1e-13);
    assert!(relative(at.value(1.0), 1.24215198513614) < 1e-14);
    let (near, at) = (table(weibull(1e12), Positive), table(weibull(f64::INFINITY), Positive));
    for i in -160..=160 {
        let x = 0.1 * f64::from(i);
        assert!(relative(near.value(x), at.value(x)) < 1e-10, "{x}");
        let p = 0.5 * libm::erfc(x * FRAC_1_SQRT_2);
        let exact = crate::math::special::normal_upper_quantile(0.5 * p);
        if x > 0.0 {
            assert!(relative(at.value(x), exact) < 1e-13, "{x}: {}", at.value(x));
        }
    }
}

/// The same law by different routes: sphere 2 = Weibull 2 = gamma (1, 2); sphere 3 by table against the error function.
#[test]
fn families_that_coincide_agree() {
    let gamma = PairFamily::GeneralizedGamma { shape: 1.0, power: 2.0 };
    for x in [-3.0, -0.2, 0.7, 2.5] {
        for branch in [Odd, Positive] {
            let value = table(weibull(2.0), branch).value(x);
            assert_eq!(value, table(gamma, branch).value(x));
            let sphere = table(PairFamily::Sphere { dimension: 2 }, branch).value(x);
            assert!(relative(sphere, value) < 1e-15);
        }
        let erf = table(PairFamily::Sphere { dimension: 3 }, Odd).value(x);
        assert!(relative(erf, 3.0_f64.sqrt() * central_probability(x)) < 1e-15);
    }
    // A shape next to 3/2 goes through the incomplete beta function and the table.
    let near = PairFamily::GeneralizedGamma { shape: 1.5 + 1e-13, power: 2.0 };
    let at = PairFamily::GeneralizedGamma { shape: 1.5, power: 2.0 };
    for branch in [Odd, Positive] {
        let (near, at) = (table(near, branch), table(at, branch));
        for i in -150..=150 {
            let x = 0.1 * f64::from(i) + 0.01;
            assert!(relative(near.value(x), at.value(x)) < 1e-12, "{branch:?} {x}");
            assert!(relative(near.derivative(x), at.derivative(x)) < 3e-11, "{branch:?} {x}");
        }
    }
    // Weibull with its power written as a generalised gamma law.
    let (a, b) = (weibull(3.0), PairFamily::GeneralizedGamma { shape: 1.0, power: 3.0 });
    assert_eq!(table(a, Odd).value(0.8), table(b, Odd).value(0.8));
}

/// Within 4 units in the last place, tails and subnormal results included.
#[test]
#[expect(clippy::cast_possible_truncation, reason = "f32 is what is tested")]
fn the_f32_kernel_is_accurate_everywhere() {
    for family in families() {
        for branch in [Odd, Positive] {
            let phi = table(family, branch);
            let mut x: Vec<f32> = (-20_000..20_000).map(|i| i as f32 * 1.003e-3).collect();
            x.extend([0.0, -0.0, 1e-30, -1e-40, 16.0, -16.0, 16.001, 1e30, f32::MAX]);
            let (mut value, mut slope) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            phi.fill_f32(&x, &mut value);
            phi.fill_derivative_f32(&x, &mut slope);
            for i in 0..x.len() {
                let point = f64::from(x[i]);
                for (got, exact) in
                    [(value[i], phi.value(point)), (slope[i], phi.derivative(point))]
                {
                    let rounded = exact as f32;
                    let ulp = f64::from(rounded.abs().next_up() - rounded.abs());
                    let error = (f64::from(got) - exact).abs();
                    assert!(
                        error <= 4.0 * ulp + 1e-36,
                        "{family:?} {branch:?} {point}: {got:e} {exact:e}"
                    );
                }
            }
            let mut out = [1.0, 2.0];
            phi.fill_f32(&[f32::NAN, f32::INFINITY], &mut out);
            assert!(out[0].is_nan() && !out[1].is_nan());
        }
    }
}

#[test]
fn cusps_are_refused_as_activations_but_not_as_laws() {
    for family in [
        PairFamily::Bounded { exponent: 1.0 },
        PairFamily::GeneralizedGamma { shape: 0.25, power: 4.0 },
    ] {
        let law = law(family);
        assert_eq!(law.density(0.0), 0.0);
        assert!(relative(law.cdf(law.quantile(0.3)), 0.3) < 1e-11);
        assert_eq!(PairTable::new(family, Odd).err(), Some(PairError::Cusp));
    }
    let steep = PairFamily::Bounded { exponent: 1.0 + 1e-15 };
    assert!(matches!(PairTable::new(steep, Odd).err(), Some(PairError::Unresolved { .. })));
    assert!(matches!(
        PairTable::new(weibull(f64::NAN), Odd).err(),
        Some(PairError::OutOfDomain { .. })
    ));
}
