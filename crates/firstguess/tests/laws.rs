//! Laws that hold for every input, hostile floats included: zeros, subnormals, the largest numbers, the ends of ranges.

use firstguess::spec::Activation;
use firstguess::theory::critical::{edge_of_chaos, neutrality};
use firstguess::theory::dual::{Correlation, Dual};
use firstguess::theory::mean_field::{LayerVariance, Spread, step, trajectory, variance_map};
use firstguess::theory::phase::{EDGE_TOLERANCE, Phase, Prejudice, asymptotics};
use firstguess::theory::prejudice::{GuessFraction, GuessLaw};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const NAMES: [&str; 14] = [
    "relu",
    "tanh",
    "gelu",
    "erf",
    "sin",
    "leaky_relu(0.1)",
    "abs",
    "hard_tanh",
    "silu",
    "softplus",
    "sigmoid",
    "squared_relu",
    "linear",
    "sign",
];

fn dual(name: &str) -> Dual {
    let activation: Activation = name.parse().unwrap_or_else(|e| panic!("{name}: {e}"));
    Dual::new(&activation)
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&NAMES[..])
}

/// Not negative, of any size, up to what a spec allows.
fn variance() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-3.0..2.0_f64).prop_map(|power| 10.0_f64.powf(power)),
        2 => (-300.0..6.0_f64).prop_map(|power| 10.0_f64.powf(power)),
        1 => prop::sample::select(&[0.0, 5e-324, f64::MIN_POSITIVE, 1.0, 2.0, 1e6][..]),
    ]
}

fn positive() -> impl Strategy<Value = f64> {
    variance().prop_map(|v| v.max(1e-12))
}

/// `1 - c`, down to nothing.
fn complement() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => 0.0..=1.0_f64,
        2 => (-18.0..0.0_f64).prop_map(|power| 10.0_f64.powf(power)),
        1 => prop::sample::select(&[0.0, f64::MIN_POSITIVE, f64::EPSILON, 0.1, 0.2, 0.5, 1.0][..]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// `k(1) - k(c) = D`, `0 ≤ D`, and the slope is largest at `c = 1`.
    #[test]
    fn two_point_moments_are_consistent(name in name(), q in positive(), eps in complement()) {
        let dual = dual(name);
        let q = q.min(1e4);
        let at = dual.at(q);
        let (moments, correlation) = (at.moments(), Correlation::from_complement(eps));
        prop_assert!(moments.second >= 0.0 && moments.derivative_second >= 0.0);
        prop_assert!(moments.mean * moments.mean <= moments.second * (1.0 + 1e-9));
        let (kernel, difference) = (at.kernel(correlation), at.difference(correlation));
        prop_assert!(difference >= -1e-12 * moments.second, "{difference}");
        let gap = (moments.second - kernel - difference).abs();
        prop_assert!(gap <= 1e-9 * moments.second, "{name} q = {q} eps = {eps}: {gap:e}");
        prop_assert!(at.slope(correlation) <= moments.derivative_second * (1.0 + 1e-9));
    }

    /// `V' + T' = F(V + T)`: the form that stays sharp is the plain variance map.
    #[test]
    fn the_spread_follows_the_variance_map(
        name in name(), weight in variance(), bias in variance(), q in positive(), eps in complement(),
    ) {
        let dual = dual(name);
        let (layer, q) = (LayerVariance { weight, bias }, q.min(1e4));
        let state = Spread::new(q * eps, q * (1.0 - eps));
        if let Ok(next) = step(&dual, layer, state) {
            let expected = variance_map(&dual, layer, state.q());
            let gap = (next.next.q() - expected).abs();
            prop_assert!(gap <= 1e-9 * expected + 1e-300, "{name}: {} {expected}", next.next.q());
            prop_assert!(next.next.v() >= 0.0 && next.chi >= 0.0 && !next.next.t().is_nan());
            // A bias only adds to the centres.
            let without = step(&dual, LayerVariance { bias: 0.0, ..layer }, state);
            if let Ok(without) = without {
                prop_assert!(next.next.t() >= without.next.t() * (1.0 - 1e-12));
            }
        }
    }

    /// Every limit is a number in its range or a reason, and the names fit the numbers.
    #[test]
    fn limits_are_in_their_ranges(name in name(), weight in variance(), bias in variance(), c in 0.0..=1.0_f64) {
        let layer = LayerVariance { weight, bias };
        let limit = asymptotics(&dual(name), layer, Spread::first_layer(layer, 1.0 - c, c));
        for (field, value) in [
            ("q_star", &limit.q_star),
            ("chi_1", &limit.chi_1),
            ("gamma_star", &limit.gamma_star),
            ("depth_scale_q", &limit.depth_scale_q),
        ] {
            prop_assert!(!value.as_ref().is_ok_and(|x| x.is_nan()), "{name} {field}");
        }
        if let Ok(c_star) = limit.c_star {
            prop_assert!((-1e-12..=1.0 + 1e-12).contains(&c_star), "{name}: c* = {c_star}");
            match limit.prejudice {
                Ok(Prejudice::Neutrality) => prop_assert!(c_star < 0.5 + 1e-9),
                Ok(Prejudice::Prejudice) => prop_assert!(c_star >= 0.5 - 1e-9),
                _ => {}
            }
        }
        if let (Ok(chi), Ok(phase)) = (&limit.chi_1, &limit.phase) {
            match phase {
                Phase::Ordered => prop_assert!(*chi < 1.0),
                Phase::EdgeOfChaos => prop_assert!((chi - 1.0).abs() <= EDGE_TOLERANCE),
                Phase::Chaotic => prop_assert!(*chi > 1.0),
            }
        }
        for point in &limit.fixed_points {
            let image = variance_map(&dual(name), layer, point.q_star);
            prop_assert!((image - point.q_star).abs() <= 1e-9 * point.q_star, "{name}: {point:?}");
        }
    }

    /// A path through many layers never turns into NaN; where it ends it says why.
    #[test]
    fn paths_stay_numbers(name in name(), weight in variance(), bias in variance(), c in 0.0..=1.0_f64) {
        let layer = LayerVariance { weight, bias };
        let path = trajectory(&dual(name), layer, Spread::first_layer(layer, 1.0 - c, c), 12);
        prop_assert!(path.layers.len() == 12 || path.ended.is_some());
        for spread in &path.layers {
            prop_assert!(!(spread.q().is_nan() || spread.v() < 0.0), "{name}: {spread:?}");
        }
        prop_assert!(path.chi.iter().all(|chi| *chi >= 0.0));
    }

    /// At an edge-of-chaos point `χ₁ = 1` at a fixed point; at a neutrality point the kernel keeps half.
    #[test]
    fn critical_points_solve_their_equations(name in name(), bias in 0.001..2.0_f64) {
        let dual = dual(name);
        for point in edge_of_chaos(&dual, bias).unwrap_or_default() {
            let Ok(q) = point.q_star else { continue };
            let layer = LayerVariance { weight: point.weight_variance, bias };
            let chi = point.weight_variance * dual.moments(q).derivative_second;
            prop_assert!((chi - 1.0).abs() < 1e-9, "{name}: {point:?}");
            prop_assert!((variance_map(&dual, layer, q) / q - 1.0).abs() < 1e-9, "{name}: {point:?}");
        }
        if let Ok(point) = neutrality(&dual, bias) {
            let kernel = dual.at(point.q_star).kernel(Correlation::new(0.5));
            let half = (point.weight_variance * kernel + bias) / point.q_star;
            prop_assert!((half - 0.5).abs() < 1e-9, "{name}: {point:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// Shares are shares, the favoured class has more than its part, and more drift never evens the guesses.
    #[test]
    fn guess_laws_are_laws(
        power in -320.0..308.0_f64, plain in -4.0..4.0_f64, wide in any::<bool>(), classes in 2..2000_usize,
    ) {
        let gamma = 10.0_f64.powf(if wide { power } else { plain });
        let law = GuessLaw::new(classes, gamma).expect("in range");
        let even = 1.0 / classes as f64;
        let (largest, agreement) = (law.mean_max().value, law.agreement().value);
        prop_assert!((even * (1.0 - 1e-9)..=1.0).contains(&agreement), "{agreement}");
        prop_assert!(largest >= agreement * (1.0 - 1e-9) && largest <= 1.0);
        let more = GuessLaw::new(classes, 1.5 * gamma).expect("in range");
        prop_assert!(more.mean_max().value >= largest - 1e-9);
        prop_assert!((law.mean_minority().value + largest - 1.0).abs() < 1e-9);
        let two = GuessFraction::new(gamma).expect("in range");
        for g in [0.0, 1e-300, 0.3, 0.5, 1.0] {
            prop_assert!((0.0..=1.0).contains(&two.cdf(g)));
            prop_assert!((two.cdf(g) + two.survival(g) - 1.0).abs() < 1e-12);
        }
    }
}

/// NaN and infinity end in a value that says so, not in a loop or a panic.
#[test]
fn what_is_not_a_number_is_not_answered_with_one() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
        assert!(GuessFraction::new(bad).is_err() || bad == f64::INFINITY);
        assert!(GuessLaw::from_correlation(3, bad).is_err());
        for name in NAMES {
            let dual = dual(name);
            let layer = LayerVariance { weight: bad, bias: 0.1 };
            let limit = asymptotics(&dual, layer, Spread::first_layer(layer, 1.0, 0.0));
            assert!(limit.phase.is_err() && limit.chi_1.is_err(), "{name} {bad}: {limit:?}");
            let _ = trajectory(&dual, layer, Spread::new(1.0, bad), 3);
        }
    }
}
