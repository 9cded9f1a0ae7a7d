//! Published and independently computed values, each to the tolerance its source gives.

use firstguess::spec::Activation;
use firstguess::theory::NoTheory;
use firstguess::theory::critical::{edge_of_chaos, neutrality};
use firstguess::theory::dual::Dual;
use firstguess::theory::mean_field::{LayerVariance, Spread, trajectory};
use firstguess::theory::phase::{Phase, Prejudice, asymptotics};

fn dual(name: &str) -> Dual {
    let activation: Activation = name.parse().unwrap_or_else(|e| panic!("{name}: {e}"));
    Dual::new(&activation)
}

fn layer(weight: f64, bias: f64) -> LayerVariance {
    LayerVariance { weight, bias }
}

/// `hayou2019` gives the tanh and GELU curves; all points solved to 1e-8 by independent quadrature.
#[test]
fn edge_of_chaos_points() -> Result<(), NoTheory> {
    for (name, bias, weight, q) in [
        ("tanh", 0.05, 1.76095464, 0.57004788),
        ("tanh", 0.2, 2.28515247, 1.16449629),
        ("erf", 0.05, 1.37583901, 0.51717684),
        ("erf", 0.2, 1.78817977, 1.04593315),
        ("gelu", 0.05, 2.30251951, 0.72203577),
        ("gelu", 0.2, 1.97067181, 4.47095031),
        ("selu", 0.05, 0.90176589, 0.82730159),
        ("selu", 0.2, 1.07036123, 2.15815111),
        ("hard_tanh", 0.1, 1.26340593, 0.63215546),
    ] {
        let points = edge_of_chaos(&dual(name), bias)?;
        let near = points
            .iter()
            .min_by(|a, b| {
                (a.weight_variance - weight).abs().total_cmp(&(b.weight_variance - weight).abs())
            })
            .expect("not empty");
        assert!((near.weight_variance - weight).abs() < 1e-7, "{name} {bias}: {points:?}");
        let q_star = near.q_star.clone()?;
        assert!((q_star - q).abs() < 1e-7, "{name} {bias}: {points:?}");
    }
    Ok(())
}

#[test]
fn corners_of_the_edge() -> Result<(), NoTheory> {
    let tanh = edge_of_chaos(&dual("tanh"), 0.0)?;
    assert_eq!(tanh.len(), 1, "{tanh:?}");
    assert!((tanh[0].weight_variance - 1.0).abs() < 1e-12);
    let relu = edge_of_chaos(&dual("relu"), 0.0)?;
    assert_eq!(relu[0].weight_variance, 2.0);
    assert!(edge_of_chaos(&dual("relu"), 0.1).is_err());
    assert!(edge_of_chaos(&dual("softplus"), 0.0).is_err());
    assert!(edge_of_chaos(&dual("softplus"), 0.3).is_err());
    assert!(edge_of_chaos(&dual("sign"), 0.1).is_err());
    let sigmoid = edge_of_chaos(&dual("sigmoid"), 0.0)?;
    assert!((sigmoid[0].q_star.clone()? - 45.624278).abs() < 1e-5, "{sigmoid:?}");
    // SiLU: critical but unstable at small bias variance; GELU turns stable between 0.15 and 0.18.
    let silu = edge_of_chaos(&dual("silu"), 0.1)?;
    assert!(silu.iter().all(|p| !p.stable), "{silu:?}");
    for (bias, slope) in [(0.15, 1.0082), (0.18, 0.9980)] {
        let gelu = edge_of_chaos(&dual("gelu"), bias)?;
        assert!(gelu.iter().any(|p| (p.q_slope - slope).abs() < 1e-4), "{gelu:?}");
    }
    // Xiao 2018 recall (1.05, 2.01e-5) for tanh.
    let xiao = edge_of_chaos(&dual("tanh"), 2.01e-5)?;
    assert!((xiao[0].weight_variance - 1.04999563).abs() < 1e-7, "{xiao:?}");
    Ok(())
}

#[test]
fn fixed_points_and_slopes() -> Result<(), NoTheory> {
    let tanh = dual("tanh");
    for (weight, q, slope, chi, c, chi_c) in [
        (1.5, 0.52021614, 0.472971, 0.877513, 1.0, f64::NAN),
        (2.0, 0.81464401, 0.438309, 1.003007, 0.98799916, 0.997028),
        (3.0, 1.50763177, 0.36161, 1.182116, 0.47753934, 0.894669),
    ] {
        let layer = layer(weight, 0.1);
        let limit = asymptotics(&tanh, layer, Spread::first_layer(layer, 1.0, 0.0));
        assert!((limit.q_star.clone()? - q).abs() < 1e-6, "{limit:?}");
        assert!((limit.q_slope.clone()? - slope).abs() < 1e-6, "{limit:?}");
        assert!((limit.chi_1.clone()? - chi).abs() < 1e-6, "{limit:?}");
        assert!((limit.c_star.clone()? - c).abs() < 1e-6, "{limit:?}");
        if chi_c.is_finite() {
            assert!((limit.chi_c.clone()? - chi_c).abs() < 1e-6, "{limit:?}");
        }
    }
    Ok(())
}

#[test]
fn neutrality_points() -> Result<(), NoTheory> {
    for (bias, weight) in [(0.05, 2.3782655), (0.2, 3.76109504)] {
        let point = neutrality(&dual("tanh"), bias)?;
        assert!((point.weight_variance - weight).abs() < 1e-6, "{point:?}");
    }
    assert!(neutrality(&dual("relu"), 0.1).is_err());
    assert!(neutrality(&dual("tanh"), 0.0).is_err());
    Ok(())
}

#[test]
fn drift_by_layer() {
    for (name, weight, bias, depth, gamma, relative) in [
        ("relu", 2.0, 0.0, 2, 0.46694221, 1e-6),
        ("relu", 2.0, 0.0, 3, 0.97523486, 1e-6),
        ("relu", 2.0, 0.0, 5, 2.1343397, 1e-6),
        ("relu", 2.0, 0.0, 10, 5.8874905, 1e-6),
        ("relu", 2.0, 0.0, 20, 17.015705, 1e-6),
        ("relu", 2.0, 0.0, 50, 78.612798, 1e-6),
        ("relu", 2.0, 0.0, 100, 273.51043, 1e-6),
        ("relu", 1.5, 0.1, 2, 0.66713292, 1e-6),
        ("relu", 1.5, 0.1, 3, 1.4191646, 1e-6),
        ("relu", 1.5, 0.1, 5, 3.6567635, 1e-6),
        ("relu", 1.5, 0.1, 10, 20.570517, 1e-6),
        ("relu", 1.5, 0.1, 20, 454.79922, 1e-6),
        ("relu", 1.5, 0.1, 50, 2790658.2, 1e-6),
        ("relu", 1.5, 0.1, 100, 4934286900000.0, 1e-6),
        ("relu", 2.0, 0.0, 1000, 23139.1, 2e-5),
        ("relu", 2.0, 0.0, 10000, 2259340.0, 2e-5),
        ("leaky_relu(0.1)", 1.9801980198019802, 0.0, 2, 0.342783, 1e-5),
        ("leaky_relu(0.1)", 1.9801980198019802, 0.0, 3, 0.713962, 1e-5),
        ("leaky_relu(0.1)", 1.9801980198019802, 0.0, 4, 1.115443, 1e-5),
    ] {
        let layer = layer(weight, bias);
        let path = trajectory(&dual(name), layer, Spread::first_layer(layer, 1.0, 0.0), depth);
        let got = path.layers[depth - 1].gamma();
        assert!(
            (got / gamma - 1.0).abs() < relative,
            "{name} {weight}/{bias} layer {depth}: {got}"
        );
    }
}

#[test]
fn correlation_by_layer() {
    let layer = layer(2.0, 0.1);
    let path = trajectory(&dual("tanh"), layer, Spread::first_layer(layer, 1.0, 0.0), 100);
    for (depth, c) in [
        (2, 0.1248368),
        (3, 0.20914986),
        (5, 0.35901858),
        (10, 0.58982222),
        (20, 0.77312031),
        (50, 0.90570406),
        (100, 0.95076645),
    ] {
        let got = path.layers[depth - 1].c();
        assert!((got - c).abs() < 1e-7, "layer {depth}: {got}");
    }
}

#[test]
fn shifted_data_create_drift_in_the_first_layer() {
    for (name, shift, hidden, gamma) in [
        ("relu", 1.0_f64, 1, 1.55753),
        ("tanh", 1.0, 1, 0.761565),
        ("relu", 4.0, 3, 20.158237),
        ("tanh", 4.0, 3, 4.203872),
    ] {
        let layer = layer(2.0, 0.0);
        let first = Spread::first_layer(layer, 1.0, shift * shift);
        let path = trajectory(&dual(name), layer, first, hidden + 1);
        let got = path.layers[hidden].gamma();
        assert!((got / gamma - 1.0).abs() < 1e-5, "{name} shift {shift}: {got}");
    }
}

#[test]
fn the_edge_cases_of_the_phase_diagram() {
    use Phase::{Chaotic, EdgeOfChaos, Ordered};
    use Prejudice::{DeepPrejudice, Neutrality, Prejudice as Biased};
    let of = |name: &str, weight: f64, bias: f64, c0: f64| {
        let layer = layer(weight, bias);
        asymptotics(&dual(name), layer, Spread::first_layer(layer, 1.0 - c0, c0))
    };
    let named = |name, weight, bias, c0| {
        let limit = of(name, weight, bias, c0);
        (limit.phase.expect("a phase"), limit.prejudice.expect("a prejudice"))
    };
    assert_eq!(named("relu", 1.5, 0.1, 0.0), (Ordered, DeepPrejudice));
    assert_eq!(named("relu", 1.5, 0.0, 0.0), (Ordered, DeepPrejudice));
    assert_eq!(named("relu", 2.0, 0.0, 0.0), (EdgeOfChaos, DeepPrejudice));
    assert_eq!(named("relu", 2.0, 0.1, 0.0), (EdgeOfChaos, DeepPrejudice));
    assert_eq!(named("relu", 2.5, 0.1, 0.0), (Chaotic, DeepPrejudice));
    assert_eq!(named("tanh", 1.5, 0.1, 0.0), (Ordered, DeepPrejudice));
    assert_eq!(named("tanh", 1.76095464, 0.05, 0.0), (EdgeOfChaos, DeepPrejudice));
    assert_eq!(named("tanh", 3.0, 0.1, 0.0), (Chaotic, Neutrality));
    assert_eq!(named("tanh", 2.5, 0.1, 0.0), (Chaotic, Biased));
    // An odd activation without bias never correlates centred inputs, in any phase.
    assert_eq!(named("tanh", 0.5, 0.0, 0.0), (Ordered, Neutrality));
    assert_eq!(named("tanh", 1.0, 0.0, 0.0), (EdgeOfChaos, Neutrality));
    assert_eq!(named("tanh", 3.0, 0.0, 0.0), (Chaotic, Neutrality));
    // With correlated inputs it depends on them.
    assert_eq!(named("tanh", 3.0, 0.0, 0.5).0, Chaotic);
    assert!(of("sign", 1.0, 0.1, 0.0).chi_1.is_err());
    // Gain 1.891: q is perfectly stable, gradients grow by 10^5.77 in 49 layers.
    let gained = of("tanh", 1.891 * 1.891, 0.0, 0.0);
    let chi = gained.chi_1.expect("a smooth activation");
    assert!((49.0 * chi.log10() - 5.77).abs() < 0.01, "{chi}");
}
