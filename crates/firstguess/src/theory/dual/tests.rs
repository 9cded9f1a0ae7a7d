//! Two routes to every moment: closed form against quadrature, series against nested panels, and published values.

use super::*;
use crate::math::quadrature::GaussianRule;

fn activation(name: &str) -> Activation {
    name.parse().unwrap_or_else(|e| panic!("{name}: {e}"))
}

const SMOOTH: [&str; 9] =
    ["tanh", "gelu", "silu", "mish", "softplus", "sigmoid", "erf", "sin", "x*sigmoid(1.702*x)"];
const BROKEN: [&str; 9] = [
    "relu",
    "leaky_relu(0.1)",
    "abs",
    "elu(1)",
    "selu",
    "hard_tanh",
    "hard_swish",
    "relu6",
    "squared_relu",
];

#[test]
fn published_kernel_values_hold() {
    for (name, value) in [("gelu", 0.227294915), ("erf", 0.2163468959), ("sin", 0.1917002498)] {
        for dual in [Dual::new(&activation(name)), Dual::by_quadrature(&activation(name))] {
            let kernel = dual.cross_kernel(1.0, 1.0, 0.5);
            assert!((kernel - value).abs() < 1e-9, "{name}: {kernel}");
        }
    }
}

#[test]
fn closed_forms_agree_with_quadrature_at_every_scale() {
    for name in [
        "relu",
        "leaky_relu(0.1)",
        "abs",
        "erf",
        "sin",
        "gelu",
        "hard_tanh",
        "relu6",
        "shifted_relu",
        "squared_relu",
    ] {
        let (closed, panels) =
            (Dual::new(&activation(name)), Dual::by_quadrature(&activation(name)));
        for q in [1e-12, 1e-3, 0.3, 1.0, 4.0, 1e3, 1e6] {
            let (a, b) = (closed.moments(q), panels.moments(q));
            let scale = a.second.sqrt();
            assert!((a.mean - b.mean).abs() < 1e-12 * scale, "{name} mean at {q}: {a:?} {b:?}");
            assert!((a.second / b.second - 1.0).abs() < 1e-11, "{name} second at {q}: {a:?} {b:?}");
            assert!(
                (a.derivative_second / b.derivative_second - 1.0).abs() < 1e-10,
                "{name} slope at {q}: {a:?} {b:?}"
            );
            let bend = a.derivative_second.max(a.second_slope.abs());
            assert!(
                (a.second_slope - b.second_slope).abs() < 1e-8 * bend,
                "{name} at {q}: {a:?} {b:?}"
            );
            for c in [-1.0, -0.7, 0.0, 0.5, 0.95, 0.999, 1.0 - 1e-7, 1.0] {
                let (ka, kb) = (closed.at(q), panels.at(q));
                let at = Correlation::new(c);
                let gap = (ka.kernel(at) - kb.kernel(at)).abs() / a.second;
                // Bounded straight pieces are sums of orthants times q: 2e-15 of that.
                let allowed = 1e-10 + 2e-15 * q / a.second;
                assert!(gap < allowed, "{name} kernel at q = {q}, c = {c}: {gap:e}");
            }
        }
    }
}

/// Two moments at variance `q`, each to this part of its scale.
fn assert_alike(name: &str, q: f64, a: Moments, b: Moments, tolerance: f64) {
    for (what, a, b, scale) in [
        ("mean", a.mean, b.mean, b.second.sqrt()),
        ("second", a.second, b.second, b.second),
        ("slope", a.derivative_second, b.derivative_second, b.derivative_second),
        ("bend", a.second_slope, b.second_slope, b.derivative_second.max(b.second / q)),
    ] {
        assert!((a - b).abs() < tolerance * scale, "{name} {what} at {q}: {a} {b}");
    }
}

/// Panels that are laid out beforehand against panels that look for themselves, and the short series against both.
#[test]
fn known_functions_agree_with_panels_that_trust_nothing() {
    let pairs =
        ["gaussian_odd(2)", "gaussian_odd(2.5)", "gaussian_positive(3)", "gaussian_odd(10)"];
    for name in
        ["tanh", "silu", "mish", "softplus", "gelu_tanh", "elu", "selu", "celu(0.3)", "hard_swish"]
            .into_iter()
            .chain(pairs)
    {
        let (known, unknown) =
            (Dual::new(&activation(name)), Dual::by_quadrature(&activation(name)));
        for q in [1e-6, 0.05, 1.0, 40.0, 1e4, 1e8] {
            assert_alike(name, q, known.moments(q), unknown.moments(q), 1e-11);
        }
        for q in [0.3, 6.0, 200.0] {
            let (a, b) = (known.at(q), unknown.at(q));
            let second = a.moments().second;
            for c in [-0.7, 0.45, 0.55, 0.79] {
                let kernel = known.cross_kernel(q, q, c);
                for at in [&a, &b] {
                    let gap = (at.kernel(Correlation::new(c)) - kernel).abs();
                    assert!(gap < 1e-10 * second, "{name} kernel at {q}, {c}: {gap:e}");
                }
            }
            for eps in [0.19, 0.02, 1e-4, 1e-10] {
                let at = Correlation::from_complement(eps);
                let ratio = a.difference(at) / b.difference(at);
                assert!((ratio - 1.0).abs() < 1e-9, "{name} difference at {q}, {eps:e}: {ratio}");
            }
        }
    }
}

/// The table that scans read against panels for each variance.
#[test]
fn scans_see_the_moments_that_are_kept() {
    let others =
        ["x^3", "max(x, 0.3*x) + sin(x)/(1+x^2)", "gaussian_odd(3)", "gaussian_positive(2)"];
    for name in SMOOTH.iter().chain(&BROKEN).chain(&others) {
        for dual in [Dual::new(&activation(name)), Dual::by_quadrature(&activation(name))] {
            for i in -20..=20 {
                let q = 10f64.powf(0.5 * f64::from(i)) * 1.07;
                assert_alike(name, q, dual.scan_moments(q), dual.moments(q), 2e-12);
            }
            for q in [1e-9, 1e-3, 0.3, 2.0, 50.0, 1e5] {
                let half = Correlation::new(0.5);
                let (a, b) = (dual.scan_kernel(q, half), dual.at(q).kernel(half));
                let scale = dual.moments(q).second;
                assert!((a - b).abs() < 1e-5 * scale, "{name} kernel at {q}: {a} {b}");
            }
        }
    }
}

/// The integral over the correlation keeps the digits that subtraction loses, for kinks that are close and far.
#[test]
fn straight_pieces_keep_their_digits_as_inputs_merge() {
    for name in ["hard_tanh", "relu6", "max(x,0)+min(x,0.5)-max(x-2,-1)"] {
        let (closed, panels) =
            (Dual::new(&activation(name)), Dual::by_quadrature(&activation(name)));
        for q in [0.05, 1.0, 30.0, 1e4] {
            let (a, b) = (closed.at(q), panels.at(q));
            for eps in [0.3, 0.1, 1e-2, 1e-4, 1e-6, 1e-9, 1e-14] {
                let at = Correlation::from_complement(eps);
                let ratio = a.difference(at) / b.difference(at);
                assert!((ratio - 1.0).abs() < 1e-9, "{name} at {q}, {eps:e}: {ratio}");
                let (sa, sb) = (a.slope(at), b.slope(at));
                assert!(
                    (sa - sb).abs() < 1e-9 * a.moments().derivative_second,
                    "{name} {q} {eps:e}"
                );
            }
        }
    }
}

#[test]
fn unequal_variances_agree_with_the_closed_forms() {
    for name in ["relu", "erf", "gelu", "sin", "hard_tanh", "relu6", "squared_relu"] {
        let (closed, panels) =
            (Dual::new(&activation(name)), Dual::by_quadrature(&activation(name)));
        for (q1, q2) in [(0.3, 2.0), (5.0, 0.1)] {
            for c in [-0.9, -0.2, 0.4, 0.99] {
                let (a, b) = (closed.cross_kernel(q1, q2, c), panels.cross_kernel(q1, q2, c));
                assert!((a - b).abs() < 1e-10, "{name} at {q1}, {q2}, {c}: {a} {b}");
            }
        }
    }
}

/// The difference form against the plain one where both have digits, and its linear law where only it has.
#[test]
fn the_difference_form_keeps_its_digits_as_inputs_merge() {
    for name in SMOOTH.iter().chain(&BROKEN) {
        let dual = Dual::new(&activation(name));
        for q in [0.4, 3.0, 40.0] {
            let at = dual.at(q);
            let moments = at.moments();
            for eps in [0.9, 0.4, 0.09, 0.02] {
                let correlation = Correlation::from_complement(eps);
                let plain = moments.second - dual.cross_kernel(q, q, 1.0 - eps);
                let difference = at.difference(correlation);
                assert!(
                    (difference - plain).abs() < 1e-10 * moments.second,
                    "{name}, q = {q}, eps = {eps}: {difference} {plain}"
                );
            }
            // D(ε) = q ε E φ'² (1 + o(1)), and no step where one method hands over to another.
            let mut previous = f64::NAN;
            for k in 0..60 {
                let eps = 0.2 * 0.5_f64.powi(k);
                let ratio = at.difference(Correlation::from_complement(eps)) / (q * eps);
                if k > 0 {
                    let step = (ratio - previous).abs() / moments.derivative_second;
                    let allowed = 0.8 * (eps * 2.0).sqrt() * q.sqrt().max(1.0) * 4.0 + 1e-9;
                    assert!(step < allowed, "{name}, q = {q}, eps = {eps}: {previous} -> {ratio}");
                }
                previous = ratio;
            }
            let last = previous / moments.derivative_second - 1.0;
            assert!(last.abs() < 1e-7, "{name}, q = {q}: {last:e}");
        }
    }
}

/// Price's theorem, by a central difference of the kernel.
#[test]
fn the_slope_is_the_derivative_of_the_kernel() {
    for name in SMOOTH.iter().chain(&BROKEN).chain(&["sign", "x + sign(x)"]) {
        let dual = Dual::new(&activation(name));
        for q in [0.5, 6.0] {
            let at = dual.at(q);
            for c in [-0.6, 0.1, 0.8] {
                let h = 1e-4;
                let rise = dual.cross_kernel(q, q, c + h) - dual.cross_kernel(q, q, c - h);
                let numeric = rise / (2.0 * h * q);
                let slope = at.slope(Correlation::new(c));
                assert!(
                    (slope - numeric).abs() < 1e-6 * (1.0 + slope.abs()),
                    "{name} q={q} c={c}: {slope} {numeric}"
                );
            }
        }
    }
}

#[test]
fn moments_agree_with_a_plain_rule_of_many_nodes() {
    let rule = GaussianRule::new(&[-9.0, -6.0, -3.0, -1.0, 0.0, 1.0, 3.0, 6.0, 9.0], 100);
    for name in SMOOTH {
        let phi = activation(name);
        let dual = Dual::new(&phi);
        for q in [0.2_f64, 2.0] {
            let moments = dual.moments(q);
            let second = rule.expect(|z| phi.value(q.sqrt() * z).powi(2));
            let slope = rule.expect(|z| phi.derivative(q.sqrt() * z).powi(2));
            assert!((moments.second / second - 1.0).abs() < 1e-13, "{name}");
            assert!((moments.derivative_second / slope - 1.0).abs() < 1e-13, "{name}");
            let h = 1e-5 * q;
            let numeric = (dual.moments(q + h).second - dual.moments(q - h).second) / (2.0 * h);
            assert!((moments.second_slope - numeric).abs() < 1e-8, "{name}: {moments:?} {numeric}");
        }
    }
}

#[test]
fn one_layer_drift_has_its_published_values() {
    for (name, q, gamma) in [
        ("relu", 1.0, 0.46694221),
        ("relu", 2.0, 0.46694221),
        ("abs", 1.0, 1.75193839),
        ("gelu", 1.0, 0.23022957),
        ("gelu", 2.0, 0.29893461),
        ("selu", 1.0, 0.0),
        ("selu", 2.0, 0.00468383),
    ] {
        let m = Dual::new(&activation(name)).moments(q);
        let drift = m.mean * m.mean / (m.second - m.mean * m.mean);
        assert!((drift - gamma).abs() < 1e-7, "{name} at {q}: {drift}");
    }
}

#[test]
fn compositions_compose() {
    let twice = Dual::of(Pointwise::new(vec![activation("tanh"), activation("relu")]));
    let whole = Dual::new(&activation("max(tanh(x), 0)"));
    for q in [0.5, 3.0] {
        assert!((twice.moments(q).second - whole.moments(q).second).abs() < 1e-12);
        let at = Correlation::new(0.3);
        assert!((twice.at(q).kernel(at) - whole.at(q).kernel(at)).abs() < 1e-10);
    }
}
