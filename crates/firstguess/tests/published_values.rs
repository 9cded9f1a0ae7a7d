//! Published and independently computed values, each to the tolerance its source gives.
//!
//! The tables of `golden/` are read whole: every row is held to the tolerance that the table's first line states.

#[path = "published_values/table.rs"]
mod table;

use firstguess::spec::layer::PoolKind;
use firstguess::spec::{Activation, Architecture, InitScheme, Shape};
use firstguess::theory::NoTheory;
use firstguess::theory::critical::{edge_of_chaos, homogeneous_criticality, neutrality};
use firstguess::theory::dual::{Dual, Pointwise};
use firstguess::theory::mean_field::{LayerVariance, Spread, trajectory};
use firstguess::theory::phase::{Phase, Prejudice, asymptotics};
use firstguess::theory::predict::{InputStatistics, predict};
use firstguess::theory::prejudice::{GuessFraction, GuessLaw, PrejudiceError, class_gradients};
use table::{Row, rows};

fn dual(name: &str) -> Dual {
    let activation: Activation = name.parse().unwrap_or_else(|e| panic!("{name}: {e}"));
    Dual::new(&activation)
}

fn layer(weight: f64, bias: f64) -> LayerVariance {
    LayerVariance { weight, bias }
}

/// The layer that a row describes.
fn layer_of(row: &Row) -> LayerVariance {
    layer(row.number("weight_variance"), row.number("bias_variance"))
}

/// `hayou2019` gives the tanh and GELU curves; all points solved to 1e-8 by independent quadrature.
#[test]
fn edge_of_chaos_points() -> Result<(), NoTheory> {
    let rows = rows(include_str!("golden/edge_of_chaos.csv"), 9);
    for row in &rows {
        let weight = row.number("weight_variance");
        let points = edge_of_chaos(&dual(row.text("activation")), row.number("bias_variance"))?;
        let near = points
            .iter()
            .min_by(|a, b| {
                (a.weight_variance - weight).abs().total_cmp(&(b.weight_variance - weight).abs())
            })
            .expect("not empty");
        row.holds("weight_variance", near.weight_variance, 1e-7);
        row.holds("q_star", near.q_star.clone()?, 1e-7);
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
    // Without a slope at zero there is no corner at q = 0, and without one that is not zero none that is critical:
    // q E φ'²/E φ² of log_periodic(0.99, 2) stays within [1.274, 1.868], that of squared ReLU is 4/3 everywhere.
    for name in
        ["log_periodic(0.99,2)", "log_periodic(0.99,3)", "log_periodic(0.99,6)", "squared_relu"]
    {
        assert!(edge_of_chaos(&dual(name), 0.0).is_err(), "{name}");
    }
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

/// Every activation that PyTorch has, at its kinks too, with the derivative that autograd gives there.
#[test]
fn activations_are_those_of_pytorch() {
    for row in &rows(include_str!("golden/activations.csv"), 298) {
        let activation: Activation = row.text("activation").parse().expect("known");
        let (value, derivative) = activation.value_and_derivative(row.number("x"));
        for (column, found) in [("value", value), ("derivative", derivative)] {
            row.holds(column, found, 1e-12 * row.number(column).abs() + 1e-15);
        }
    }
}

#[test]
fn fixed_points_and_slopes() -> Result<(), NoTheory> {
    for row in &rows(include_str!("golden/fixed_points.csv"), 3) {
        let layer = layer_of(row);
        let phi = dual(row.text("activation"));
        let limit = asymptotics(&phi, layer, Spread::first_layer(layer, 1.0, 0.0));
        row.holds("q_star", limit.q_star?, 1e-6);
        row.holds("q_slope", limit.q_slope?, 1e-6);
        row.holds("chi_1", limit.chi_1?, 1e-6);
        row.holds("c_star", limit.c_star?, 1e-6);
        if !row.text("chi_c").is_empty() {
            row.holds("chi_c", limit.chi_c?, 1e-6);
        }
    }
    Ok(())
}

#[test]
fn neutrality_points() -> Result<(), NoTheory> {
    for row in &rows(include_str!("golden/neutrality_line.csv"), 2) {
        let point = neutrality(&dual(row.text("activation")), row.number("bias_variance"))?;
        row.holds("weight_variance", point.weight_variance, 1e-6);
    }
    assert!(neutrality(&dual("relu"), 0.1).is_err());
    assert!(neutrality(&dual("tanh"), 0.0).is_err());
    Ok(())
}

/// Relative 1e-6 or the digits shown, whichever is wider; the last rows are those of `pooled_relu_drift_by_layer`.
#[test]
fn drift_by_layer() {
    let all = rows(include_str!("golden/drift_by_layer.csv"), 26);
    let plain: Vec<&Row> = all.iter().filter(|row| !row.text("activation").contains('+')).collect();
    assert_eq!(plain.len(), 19);
    for row in plain {
        let (layer, depth) = (layer_of(row), row.count("layer"));
        let first = Spread::first_layer(layer, 1.0, 0.0);
        let path = trajectory(&dual(row.text("activation")), layer, first, depth);
        let digits = row.digits("gamma");
        let tolerance = digits.max(1e-6 * row.number("gamma"));
        row.holds("gamma", path.layers[depth - 1].gamma(), tolerance);
    }
}

#[test]
fn correlation_by_layer() {
    for row in &rows(include_str!("golden/correlation_by_layer.csv"), 7) {
        let (layer, depth) = (layer_of(row), row.count("layer"));
        let first = Spread::first_layer(layer, 1.0, 0.0);
        let path = trajectory(&dual(row.text("activation")), layer, first, depth);
        row.holds("c", path.layers[depth - 1].c(), 1e-7);
    }
}

#[test]
fn shifted_data_create_drift_in_the_first_layer() {
    let layer = layer(2.0, 0.0);
    for row in &rows(include_str!("golden/data_shift.csv"), 4) {
        let (shift, hidden) = (row.number("shift"), row.count("hidden_layers"));
        let first = Spread::first_layer(layer, 1.0, shift * shift);
        let path = trajectory(&dual(row.text("activation")), layer, first, hidden + 1);
        row.holds("gamma_logits", path.layers[hidden].gamma(), 1e-5);
    }
}

#[test]
fn one_layer_drift() {
    for row in &rows(include_str!("golden/one_layer_drift.csv"), 7) {
        let m = dual(row.text("activation")).moments(row.number("q"));
        row.holds("gamma", m.mean * m.mean / (m.second - m.mean * m.mean), 1e-7);
    }
}

/// By the closed forms and by quadrature.
#[test]
fn kernel_pairs() {
    for row in &rows(include_str!("golden/kernel_pairs.csv"), 3) {
        let activation: Activation = row.text("activation").parse().expect("known");
        for dual in [Dual::new(&activation), Dual::by_quadrature(&activation)] {
            let (q1, q2, c) = (row.number("q1"), row.number("q2"), row.number("correlation"));
            row.holds("value", dual.cross_kernel(q1, q2, c), 1e-9);
        }
    }
}

#[test]
fn guess_fraction_of_two_classes() -> Result<(), PrejudiceError> {
    for row in &rows(include_str!("golden/guess_fraction_binary.csv"), 4) {
        let law = GuessFraction::new(row.number("gamma"))?;
        for (column, value) in [
            ("mean_max", law.mean_max()),
            ("variance", law.variance()),
            ("third_moment", law.moment(3)),
            ("fourth_moment", law.moment(4)),
            ("p_max_above_0.9", law.max_survival(0.9)),
            ("cdf_at_0.1", law.cdf(0.1)),
        ] {
            row.holds(column, value, 1e-9);
        }
    }
    Ok(())
}

/// The table's own tolerance in each row: three standard errors where it was simulated.
#[test]
fn guess_fraction_of_many_classes() -> Result<(), PrejudiceError> {
    for row in &rows(include_str!("golden/guess_fraction_multiclass.csv"), 25) {
        let law = GuessLaw::new(row.count("classes"), row.number("gamma"))?;
        let got = match row.text("quantity") {
            "agreement" => law.agreement(),
            "mean_max" => law.mean_max(),
            other => panic!("unknown quantity {other}"),
        };
        row.holds("value", got.value, row.number("tolerance"));
        assert!(got.error < 1e-9, "{row:?}: {got:?}");
    }
    Ok(())
}

/// Sharp at γ = 1e4 and beyond, where nearly all mass is at the ends, up to 50 000 classes: by an independent quadrature,
/// conditioned on the winning class's own centre and noise.
#[test]
fn tails_of_the_guess_fraction() -> Result<(), PrejudiceError> {
    for row in &rows(include_str!("golden/guess_fraction_tails.csv"), 8) {
        let law = GuessLaw::new(row.count("classes"), row.number("gamma"))?;
        for (column, value) in
            [("minority", law.mean_minority().value), ("disagreement", law.disagreement().value)]
        {
            row.holds(column, value, 1e-8 * row.number(column));
        }
    }
    Ok(())
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

fn pooled(name: &str, kind: PoolKind, size: usize) -> Dual {
    let activation: Activation = name.parse().unwrap_or_else(|e| panic!("{name}: {e}"));
    Dual::pooled(Pointwise::from(&activation), kind, size, 0.0).expect("has a theory")
}

/// Moments, forward-critical and gradient-critical weight variances, independent quadrature to 1e-8.
#[test]
fn relu_pools() {
    use PoolKind::{Average, Max};
    for (kind, size, mean, second, forward, gradient, gamma) in [
        (Max, 1, 0.3989422804, 0.5, 2.0, 2.0, 0.46694221),
        (Max, 2, 0.6810370722, 0.9091549431, 1.09992252, 4.0 / 3.0, 1.04146922),
        (Max, 3, 0.8881472424, 1.2515646385, 0.79899988, 1.1428571428571428, 1.70457048),
        (Max, 4, 1.0457555155, 1.5437850116, 0.64775859, 1.0666666666666667, 2.42925851),
        (Max, 9, 1.4852610649, 2.5625591277, 0.3902349, 1.00195695, 6.18692084),
        (Max, 16, 1.7659925233, 3.41373525, 0.29293426, 1.00001526, 10.57176197),
        (Average, 2, 0.3989422804, 0.3295774715, 3.03418797, 4.0, 0.93388441),
        (Average, 3, 0.3989422804, 0.2727699621, 3.66609282, 6.0, 1.40082662),
        (Average, 4, 0.3989422804, 0.2443662073, 4.09221885, 8.0, 1.86776883),
        (Average, 9, 0.3989422804, 0.1970266161, 5.0754564, 18.0, 4.20247986),
    ] {
        let dual = pooled("relu", kind, size);
        let unit = dual.moments(1.0);
        assert!((unit.mean - mean).abs() < 1e-8 && (unit.second - second).abs() < 1e-8, "{unit:?}");
        let both = homogeneous_criticality(&dual).expect("homogeneous");
        assert!((both.forward_weight_variance - forward).abs() < 1e-8, "{size}: {both:?}");
        assert!((both.gradient_weight_variance - gradient).abs() < 1e-8, "{size}: {both:?}");
        let layer = layer(2.0, 0.0);
        let path = trajectory(&dual, layer, Spread::first_layer(layer, 1.0, 0.0), 2);
        assert!((path.layers[1].gamma() - gamma).abs() < 1e-8, "{size}: {:?}", path.layers);
    }
}

/// A pool over one unit is none, whatever its kind.
#[test]
fn pools_of_one_change_nothing() {
    for name in ["relu", "tanh", "gelu", "leaky_relu(0.2)"] {
        let plain = dual(name);
        for kind in [PoolKind::Max, PoolKind::Min, PoolKind::Average] {
            let one = pooled(name, kind, 1);
            for q in [1e-3, 1.0, 40.0] {
                let (a, b) = (plain.moments(q), one.moments(q));
                let layer = layer(1.7, 0.1);
                let first = Spread::first_layer(layer, q, 0.2 * q);
                let ends = [&plain, &one].map(|phi| trajectory(phi, layer, first, 6).layers[5]);
                for (x, y) in [
                    (a.mean, b.mean),
                    (a.second, b.second),
                    (a.derivative_second, b.derivative_second),
                    (ends[0].v(), ends[1].v()),
                    (ends[0].t(), ends[1].t()),
                ] {
                    assert!((x - y).abs() <= 1e-12 * x.abs(), "{name} {kind:?} {q}: {x} {y}");
                }
            }
        }
    }
}

/// Dropout after tanh: `c = 1` is no longer a fixed point. Tolerance 1e-6.
#[test]
fn dropout_keeps_inputs_apart() {
    let layers = serde_json::from_str(
        r#"[{"repeat":700,"layers":[{"dense":64},"tanh",{"dropout":0.01}]},{"dense":64}]"#,
    )
    .expect("layers");
    let network = Architecture { layers }.resolve(&Shape::flat(64).expect("valid")).expect("valid");
    let init = InitScheme::explicit(1.7609546, 0.05);
    let inits = firstguess::layer_inits(&init, &network).expect("valid");
    let prediction = predict(&network, &inits, InputStatistics::WHITE, 64);
    let last = prediction.layers.last().expect("layers").spread.clone().expect("has a theory");
    assert!((last.q() - 0.58098229).abs() < 1e-6, "{last:?}");
    assert!((last.c() - 0.76578291).abs() < 1e-6, "{last:?}");
}

/// Mean squared logit gradients by class, binary softmax; tolerance 1e-5.
///
/// The second row in circulation, 0.137471 and 1.544480, is off by 4.4e-5: a trapezoid rule across a kink. Here are the values
/// of the double integral, which three other rules reproduce.
#[test]
fn class_gradients_of_two_logits() {
    for (v, t, favoured, unfavoured) in
        [(1.0, 0.05, 0.549869, 0.731778), (1.0, 10.0, 0.1374275, 1.5445228)]
    {
        let pull = class_gradients(v, t).expect("valid");
        assert!((pull.favoured_mean - favoured).abs() < 1e-5, "{v} {t}: {pull:?}");
        assert!((pull.unfavoured_mean - unfavoured).abs() < 1e-5, "{v} {t}: {pull:?}");
    }
}

/// The drift of pooled ReLU by layer, to the digits of an independent two-dimensional quadrature.
#[test]
fn pooled_relu_drift_by_layer() {
    let dual = pooled("relu", PoolKind::Max, 2);
    let layer = layer(2.0, 0.0);
    let path = trajectory(&dual, layer, Spread::first_layer(layer, 1.0, 0.0), 400);
    for (depth, gamma) in [
        (2, 1.041469),
        (3, 2.435551),
        (4, 4.303299),
        (5, 6.769872),
        (6, 9.984955),
        (10, 34.64227),
        (12, 58.60858),
    ] {
        let got = path.layers[depth - 1].gamma();
        assert!((got / gamma - 1.0).abs() < 2e-6, "layer {depth}: {got}");
    }
    // γ ~ η^-l, with digits where 1 - c has none.
    let rate = path.layers[299].gamma() / path.layers[298].gamma();
    assert!((rate * 0.82494189 - 1.0).abs() < 1e-8, "{rate}");
    // At the forward-critical variance gradients shrink by η, inputs merge exponentially.
    let limit = asymptotics(
        &dual,
        LayerVariance { weight: 1.09992252, bias: 0.0 },
        Spread::first_layer(layer, 1.0, 0.0),
    );
    assert!((limit.chi_1.clone().expect("finite") - 0.82494189).abs() < 1e-7);
    assert_eq!(limit.c_star, Ok(1.0));
    let scale = limit.depth_scale_c.clone().expect("finite");
    assert!((scale + 1.0 / 0.82494189_f64.ln()).abs() < 1e-6, "{scale}");
    assert_eq!((limit.phase, limit.prejudice), (Ok(Phase::Ordered), Ok(Prejudice::DeepPrejudice)));
}

/// The larger of two tanh units keeps the variance map and the edge of tanh, the largest of three does not.
#[test]
fn pooled_tanh() -> Result<(), NoTheory> {
    let (tanh, two, three) =
        (dual("tanh"), pooled("tanh", PoolKind::Max, 2), pooled("tanh", PoolKind::Max, 3));
    for q in [0.2, 1.0, 8.0] {
        let (a, b, c) = (tanh.moments(q), two.moments(q), three.moments(q));
        assert!((a.second / b.second - 1.0).abs() < 1e-13);
        assert!((a.derivative_second / b.derivative_second - 1.0).abs() < 1e-13);
        assert!((a.second_slope - b.second_slope).abs() < 1e-13);
        assert!((a.second / c.second - 1.0).abs() > 1e-2);
    }
    for bias in [0.0, 0.05, 0.2] {
        let (a, b) = (edge_of_chaos(&tanh, bias)?, edge_of_chaos(&two, bias)?);
        assert!((a[0].weight_variance - b[0].weight_variance).abs() < 1e-10, "{a:?} {b:?}");
    }
    let edge = edge_of_chaos(&three, 0.05)?;
    // The edge of three lies elsewhere: 1.76095464 is that of one and of two.
    assert!(edge.iter().all(|point| (point.weight_variance - 1.76095464).abs() > 0.01), "{edge:?}");
    for point in &edge {
        let q = point.q_star.clone()?;
        let m = three.moments(q);
        assert!((point.weight_variance * m.derivative_second - 1.0).abs() < 1e-12);
        assert!((point.weight_variance * m.second + 0.05 - q).abs() < 1e-10 * q);
    }
    // Mean over four units: tanh with a quarter of the weight variance, exactly.
    let mean = pooled("tanh", PoolKind::Average, 4);
    let (a, b) = (edge_of_chaos(&tanh, 0.1)?, edge_of_chaos(&mean, 0.1)?);
    assert!((4.0 * a[0].weight_variance - b[0].weight_variance).abs() < 1e-9);
    // σ_w² → ∞ without bias: tanh becomes sign, and c* = 0.396708.
    let layer = layer(1e10, 0.0);
    let limit = asymptotics(&two, layer, Spread::first_layer(layer, 1.0, 0.0));
    let c = limit.c_star?;
    assert!((c - 0.396708).abs() < 2e-5, "{c}");
    let sign = asymptotics(&pooled("sign", PoolKind::Max, 2), layer, Spread::new(1.0, 0.0));
    assert!((sign.c_star.clone()? - 0.396708).abs() < 1e-6, "{sign:?}");
    Ok(())
}
