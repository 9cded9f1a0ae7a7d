//! The JSON contract of each command: field names, numbers against values found elsewhere, null beside a reason.

mod common;

use common::json;
use serde_json::Value;

#[track_caller]
fn number(value: &Value, field: &str) -> f64 {
    value[field].as_f64().unwrap_or_else(|| panic!("{field} is no number in {value}"))
}

#[track_caller]
fn close(got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "{got} is not {want}");
}

/// Null, with the reason beside it.
#[track_caller]
fn absent(value: &Value, field: &str, reason: &str) {
    assert!(value[field].is_null(), "{field} in {value}");
    let found = value[format!("{field}_reason")].as_str().unwrap_or_default();
    assert!(found.contains(reason), "{field}: {found}");
}

fn predict(activation: &str, weight: &str, bias: &str, more: &[&str]) -> Value {
    let flags = ["predict", "--activation", activation, "--weight-variance", weight];
    json(&[&flags, &["--bias-variance", bias][..], more].concat())
}

/// Fixed points by an independent quadrature, tolerance 1e-6.
#[test]
fn predict_gives_the_limits_and_every_layer() {
    let answer = predict("tanh", "3", "0.1", &["--depth", "30"]);
    for (field, want) in [
        ("weight_variance", 3.0),
        ("bias_variance", 0.1),
        ("q_star", 1.50763177),
        ("q_slope", 0.36161),
        ("chi_1", 1.182116),
        ("c_star", 0.47753934),
        ("chi_c", 0.894669),
        ("gamma_star", 0.47753934 / (1.0 - 0.47753934)),
        ("depth_scale_q", -1.0 / 0.36161_f64.ln()),
        ("depth_scale_c", -1.0 / 0.894669_f64.ln()),
        ("gradient_depth_scale", -1.0 / 1.182116_f64.ln()),
    ] {
        close(number(&answer, field), want, 5e-5);
    }
    assert_eq!((&answer["phase"], &answer["prejudice"]), (&"chaotic".into(), &"neutrality".into()));
    assert_eq!(answer["fixed_points"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["fixed_points"][0]["stable"], true);
    let layers = answer["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), 30);
    for (position, layer) in layers.iter().enumerate() {
        assert_eq!(layer["index"], position + 1);
        assert_eq!(layer["kind"], "dense");
        let [q, c, v, t] = ["q", "c", "v", "t"].map(|field| number(layer, field));
        close(v + t, q, 1e-14 * q);
        close(t / q, c, 1e-14);
        close(number(layer, "gamma"), t / v, 1e-14);
    }
    // The first pre-activations of white inputs; the gradient counts from the last layer.
    close(number(&layers[0], "gamma"), 0.1 / 3.0, 1e-15);
    assert_eq!(number(&layers[29], "gradient"), 1.0);
    let step = number(&layers[27], "gradient") / number(&layers[28], "gradient");
    close(step, 1.182116, 1e-5);
}

/// One ReLU layer turns γ = 0 into 1/(π - 1).
#[test]
fn predict_names_what_is_infinite_or_undefined() {
    let answer = predict("relu", "2", "0", &["--depth", "2"]);
    close(number(&answer["layers"][1], "gamma"), 1.0 / (std::f64::consts::PI - 1.0), 1e-14);
    assert_eq!(answer["phase"], "edge_of_chaos");
    absent(&answer, "q_star", "every variance");
    absent(&answer, "gamma_star", "infinite");
    absent(&answer, "gradient_depth_scale", "infinite");
    let jump = predict("sign", "1", "0.1", &[]);
    absent(&jump, "chi_1", "infinite");
    assert!(jump["layers"][0]["gradient"].is_null());
    let constant = predict("tanh", "0", "0", &["--depth", "2"]);
    absent(&constant["layers"][0], "c", "0/0");
    let merged = predict("tanh", "1", "0", &["--depth", "2", "--input-correlation", "1"]);
    absent(&merged["layers"][0], "gamma", "infinite");
}

#[test]
fn predict_reaches_a_million_layers() {
    let answer = predict("tanh", "3", "0.1", &["--depth", "1000000"]);
    let layers = answer["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), 1_000_000);
    close(number(&layers[999_999], "c"), 0.47753934, 1e-6);
    absent(&layers[0], "gradient", "exp(");
}

/// Points by an independent root search, tolerance 1e-7.
#[test]
fn critical_gives_every_point_or_a_reason() {
    let answer = json(&["critical", "--activation", "tanh", "--bias-variance", "0.05"]);
    let point = &answer["edge_of_chaos"][0];
    close(number(point, "weight_variance"), 1.76095464, 1e-7);
    close(number(point, "q_star"), 0.57004788, 1e-7);
    assert_eq!(point["stable"], true);
    assert!(number(point, "q_slope") < 1.0);
    close(number(&answer["neutrality"], "weight_variance"), 2.3782655, 1e-6);
    assert!(number(&answer["neutrality"], "q_star") > 0.0);

    let relu = json(&["critical", "--activation", "relu", "--bias-variance", "0"]);
    assert_eq!(number(&relu["edge_of_chaos"][0], "weight_variance"), 2.0);
    absent(&relu["edge_of_chaos"][0], "q_star", "every variance");
    absent(&relu, "neutrality", "merges");

    let none = json(&["critical", "--activation", "softplus", "--bias-variance", "0.1"]);
    assert_eq!(none["edge_of_chaos"].as_array().map(Vec::len), Some(0));
    assert!(none["edge_of_chaos_reason"].as_str().is_some_and(|why| why.contains("softplus")));
}

/// γ = 1: the share is uniform on [0, 1]. Everything else follows.
#[test]
fn guess_gives_the_uniform_law_for_two_classes_at_gamma_one() {
    let answer = json(&["guess", "--gamma", "1", "--classes", "2"]);
    close(number(&answer, "mean_max"), 0.75, 1e-14);
    close(number(&answer, "variance"), 1.0 / 12.0, 1e-14);
    close(number(&answer, "agreement"), 2.0 / 3.0, 1e-14);
    close(number(&answer, "correlation"), 0.5, 1e-15);
    for probability in ["0.05", "0.25", "0.5", "0.75", "0.95"] {
        let p: f64 = probability.parse().expect("a number");
        close(number(&answer["quantiles"], probability), 0.5 + 0.5 * p, 1e-14);
    }
    let density = answer["density"].as_array().expect("a table");
    assert_eq!(density.len(), 99);
    for row in density {
        close(number(row, "density"), 1.0, 1e-12);
    }
    let shares = answer["ordered_mean_shares"].as_array().expect("a list");
    assert_eq!(shares.len(), 2);
}

#[test]
fn guess_takes_many_classes_a_correlation_and_the_limits() {
    let many = json(&["guess", "--correlation", "0.5", "--classes", "1000"]);
    close(number(&many, "gamma"), 1.0, 1e-15);
    absent(&many, "density", "two classes");
    assert_eq!(many["ordered_mean_shares"].as_array().map(Vec::len), Some(10));
    assert!(number(&many["quantile_errors"], "0.5") < 0.01);
    let certain = json(&["guess", "--gamma", "inf", "--classes", "2"]);
    absent(&certain, "gamma", "infinite");
    absent(&certain, "density", "half the mass");
    assert_eq!((number(&certain, "mean_max"), number(&certain, "correlation")), (1.0, 1.0));
    let even = json(&["guess", "--gamma", "0", "--classes", "2"]);
    absent(&even, "density", "1/2");
    assert_eq!(number(&even, "mean_max"), 0.5);
}

/// Constants of the Weibull pairs, 1e-10; φ by a 40-digit series.
#[test]
fn pair_gives_the_constants_and_the_table() {
    let odd = json(&["pair", "--theta", "2.5", "--table=0.25,1,-1"]);
    for (row, x, value) in [
        (0, 0.25, 0.36636072707929757),
        (1, 1.0, 1.2079203977428237),
        (2, -1.0, -1.2079203977428237),
    ] {
        assert_eq!(number(&odd["phi"][row], "x"), x);
        close(number(&odd["phi"][row], "value"), value, 2e-12);
        assert!(number(&odd["phi"][row], "derivative") > 0.0);
    }
    let odd = json(&["pair", "--theta", "2", "--depth", "3"]);
    close(number(&odd, "chi"), 1.277975596582, 1e-10);
    close(number(&odd, "elasticity"), 0.371075914465, 1e-10);
    close(number(&odd["critical"], "weight_variance"), 1.0 / 1.277975596582, 1e-10);
    close(number(&odd["critical"], "bias_variance"), 1.0 - 1.0 / 1.277975596582, 1e-10);
    assert!(number(&odd, "weight_second_moment") > 0.0);
    assert_eq!(odd["kurtosis"].as_array().map(Vec::len), Some(3));
    assert_eq!(odd["kurtosis"][1]["validity"], "exact");
    // At θ = ∞ the weights are a sign and φ is the identity.
    let identity = json(&["pair", "--theta", "inf", "--table", "1.5"]);
    absent(&identity, "theta", "infinite");
    close(number(&identity["phi"][0], "value"), 1.5, 1e-12);
    let positive = json(&["pair", "--theta", "2", "--branch", "positive"]);
    close(number(&positive, "chi"), 0.226724920529, 2e-6);
    absent(&positive, "critical", "");
}

/// Every column of the laboratory beside its noise; positive pairs stay Gaussian, ReLU does not.
#[test]
fn scans_give_every_width_and_depth() {
    let sizes = ["--widths", "5,3", "--depths", "2,10", "--networks", "1500", "--seed", "4"];
    let scan = ["pair", "--theta", "2.05", "--branch", "positive", "--scan"];
    let pair = json(&[&scan[..], &sizes].concat());
    let cells = pair["scan"]["cells"].as_array().expect("cells");
    assert_eq!(cells.len(), 4);
    assert_eq!((&cells[0]["width"], &cells[0]["layer"]), (&3.into(), &2.into()));
    for cell in cells {
        assert_eq!(cell["gaussian"], true, "{cell}");
        for field in
            ["ks_raw", "ks_standardised", "noise_floor", "excess_kurtosis", "anderson_darling"]
        {
            assert!(number(&cell[field], "value").is_finite(), "{field}");
        }
        assert!(number(cell, "effective_sample") > 1000.0);
        assert!(number(cell, "anderson_darling_floor") > 0.0);
    }
    assert_eq!(pair["predicted_excess_kurtosis"].as_array().map(Vec::len), Some(4));
    assert!(pair["claims"].as_array().is_some_and(|claims| claims.len() >= 5));
    let relu = json(&[&["gaussianity", "--activation", "relu"][..], &sizes].concat());
    close(number(&relu, "weight_variance"), 2.0, 1e-14);
    assert_eq!(relu["cells"][3]["gaussian"], false);
    let norm = ["gaussianity", "--activation", "leaky_relu(0.1)", "--rms-norm"];
    let norm = json(&[&norm[..], &sizes, &["--threads", "1"]].concat());
    assert_eq!(norm["cells"][3]["gaussian"], true);
}

/// One table for every scheme; `predict` says it for one layer.
#[test]
fn the_preserved_properties_are_told() {
    let answer = json(&["pair", "--weights", "sphere(3)", "--compare"]);
    absent(&answer, "theta", "no exponent");
    let rows = answer["compare"].as_array().expect("rows");
    let kept = |name: &str, field: &str| {
        let row = rows.iter().find(|row| row["scheme"] == name).expect(name);
        row["preserved"][field].clone()
    };
    assert_eq!(kept("ReLU, He", "second_moment_kept"), "everywhere");
    assert_eq!(kept("ReLU, He", "gradient_moment_kept"), true);
    assert_eq!(kept("ReLU, He", "whole_law_kept"), false);
    assert_eq!(kept("tanh, edge of chaos", "correlation_kept"), true);
    assert_eq!(kept("odd pair sphere(3)", "whole_law_kept"), true);
    assert_eq!(kept("odd pair sphere(3)", "correlation_kept"), false);
    assert_eq!(kept("odd pair sphere(3), critical", "correlation_kept"), true);
    let layer = predict("gaussian_positive(2)", "1", "0", &["--weight-law", "weibull(2)"]);
    assert_eq!(layer["preserved"]["whole_law_kept"], true);
    let layer = predict("gaussian_positive(2)", "1", "0", &[]);
    assert_eq!(layer["preserved"]["whole_law_kept"], false);
    let many = predict("log_periodic(0.99,2)", "1", "0", &[]);
    let periodic = &many["periodic_fixed_points"];
    assert_eq!(periodic["per_period"].as_array().map(Vec::len), Some(2));
    assert_eq!(periodic["exact"], true);
    close(number(periodic, "smallest_ratio"), 0.5849, 6e-5);
    assert!(many["fixed_points"].as_array().is_some_and(|all| all.len() > 10));
}

/// Bits depend on the seed, not on the threads; the exit status depends on the findings.
#[test]
fn check_reports_and_explain_explains() {
    let call = ["check", "--draws", "3", "--samples", "40", "--seed", "7"];
    let one = json(&[&call[..], &["--threads", "1"]].concat());
    assert_eq!(one, json(&[&call[..], &["--threads", "2"]].concat()));
    assert_eq!(one["seed"], 7);
    let pages = json(&["explain", "--all"]);
    assert!(pages["findings"].as_array().is_some_and(|all| all.len() > 5));
}

#[test]
fn cite_and_completions_speak_json_too() {
    let one = json(&["cite", "poole2016"]);
    assert_eq!(one["references"][0]["key"], "poole2016");
    assert!(one["references"][0]["bibtex"].as_str().is_some_and(|text| text.starts_with('@')));
    assert!(json(&["cite"])["references"].as_array().is_some_and(|all| all.len() > 20));
    let script = json(&["completions", "bash"]);
    assert!(script["script"].as_str().is_some_and(|text| text.contains("--weight-variance")));
}

#[test]
fn the_seed_is_printed() {
    assert_eq!(json(&["cite", "--seed", "18446744073709551615"])["seed"], u64::MAX);
    assert_eq!(json(&["cite"])["seed"], 0);
}
