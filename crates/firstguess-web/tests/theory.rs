//! Questions of theory over the API: the library's numbers, in the form that the schema says, within their limits.

mod common;

use common::schema::faults;
use common::start;
use firstguess::spec::Activation;
use firstguess::theory::dual::Dual;
use firstguess::theory::mean_field::{LayerVariance, Spread, trajectory};
use firstguess::theory::phase::asymptotics;
use firstguess::theory::phase_diagram::{Axis, PhaseDiagram};
use firstguess::theory::prejudice::GuessLaw;
use serde_json::{Value, json};

/// A number as it comes out of a text: the reader rounds the last bit its own way.
fn read(value: f64) -> f64 {
    serde_json::from_str(&value.to_string()).expect("a number")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_point_is_what_the_library_says() {
    let server = start();
    let query = "activation=tanh&weight_variance=2.5&bias_variance=0.1&depth=12&classes=3&input_correlation=0.3";
    let mut found = server.get(&format!("/api/point?{query}")).json();
    assert_eq!(faults("point", &found), None);
    let phi = Dual::new(&Activation::Tanh);
    let layer = LayerVariance { weight: 2.5, bias: 0.1 };
    let first = Spread::first_layer(layer, 0.7, 0.3);
    let limit = asymptotics(&phi, layer, first);
    let path = trajectory(&phi, layer, first, 12);
    assert_eq!(number(&found["chi_1"]), read(limit.chi_1.expect("a limit")));
    assert_eq!(number(&found["c_star"]), read(limit.c_star.expect("a limit")));
    for (index, spread) in path.layers.iter().enumerate() {
        assert_eq!(number(&found["layers"]["q"][index]), read(spread.q()));
        assert_eq!(number(&found["layers"]["gamma"][index]), read(spread.gamma()));
    }
    let gradient: f64 = path.chi.iter().map(|chi| chi.ln()).sum::<f64>().exp();
    assert!((number(&found["layers"]["gradient"][0]) / gradient - 1.0).abs() < 1e-12);
    let law = GuessLaw::new(3, path.layers[11].gamma()).expect("a law");
    let close = |found: &Value, expected: f64| (number(found) - expected).abs() < 1e-5;
    assert!(close(&found["guess"]["largest_share"], law.mean_max().value));
    // The shares by rank are tabulated on the side.
    while found["guess"]["ordered_shares"].is_null() {
        assert!(
            found["guess"]["ordered_shares_reason"].as_str().expect("why").contains("tabulated")
        );
        std::thread::sleep(std::time::Duration::from_millis(50));
        found = server.get(&format!("/api/point?{query}")).json();
    }
    assert_eq!(faults("point", &found), None);
    assert!(close(&found["guess"]["largest_share"], law.mean_max().value), "{}", found["guess"]);
    assert!(close(&found["guess"]["agreement"], law.agreement().value), "{}", found["guess"]);
    for (rank, exact) in law.mean_ordered_fractions(3).iter().enumerate() {
        assert!((number(&found["guess"]["ordered_shares"][rank]) - exact.value).abs() < 1e-4);
    }
}

#[test]
fn what_has_no_number_has_a_reason_and_fits_the_schema() {
    let server = start();
    for query in [
        "activation=relu&weight_variance=2&bias_variance=0",
        "activation=relu&weight_variance=8&bias_variance=0.1&depth=1000",
        "activation=relu&weight_variance=0&bias_variance=0",
        "activation=linear&weight_variance=1&bias_variance=0&input_correlation=1",
        "activation=sign&weight_variance=1&bias_variance=0.1",
        "activation=squared_relu&weight_variance=3&bias_variance=0.1&depth=100",
        "activation=x*sigmoid(1.702*x)&weight_variance=2&bias_variance=0.1&width=7",
        "activation=relu&pool=max:3&weight_variance=1&bias_variance=0&depth=1",
    ] {
        let answer = server.get(&format!("/api/point?{query}"));
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        assert_eq!(faults("point", &answer.json()), None, "{query}");
    }
    let kept = server.get("/api/point?activation=relu&weight_variance=2&bias_variance=0").json();
    assert!(kept["q_star"].is_null() && kept["q_star_reason"].is_string(), "{kept}");
}

#[test]
fn a_diagram_has_the_lines_of_the_library_and_a_letter_per_cell() {
    let server = start();
    let path = "/api/phase?activation=tanh&weight_variance=0.5:4&bias_variance=0:0.2&resolution=9";
    let found = server.get(path).json();
    assert_eq!(faults("phase", &found), None);
    let axis = |low, high| Axis { low, high, points: 9 };
    let own = PhaseDiagram::new(&Dual::new(&Activation::Tanh), axis(0.5, 4.0), axis(0.0, 0.2));
    for (row, points) in own.edge_of_chaos.iter().enumerate() {
        let weight = points.as_ref().expect("an edge")[0].weight_variance;
        assert_eq!(
            number(&found["edge_of_chaos"][row]["points"][0]["weight_variance"]),
            read(weight)
        );
    }
    let rows: Vec<&str> =
        found["cells"].as_array().expect("rows").iter().filter_map(Value::as_str).collect();
    assert!(rows.len() == 9 && rows.iter().all(|row| row.len() == 9));
    assert!(
        rows[4].starts_with('o') && rows[8].contains('p') && rows[1].ends_with('n'),
        "{rows:?}"
    );
    let full = server.get(&format!("{path}&cells=full")).json();
    assert_eq!(faults("phase", &full), None);
    let mut expected = firstguess::report::phase_diagram::fields(&own).into_value();
    // Through text, as the answer went.
    expected = serde_json::from_str(&expected.to_string()).expect("JSON");
    assert_eq!(full, expected);
}

#[test]
fn vocabulary_health_schema_and_spec_are_as_documented() {
    let server = start();
    let vocabulary = server.get("/api/vocabulary").json();
    assert_eq!(faults("vocabulary", &vocabulary), None);
    for entry in vocabulary["activations"].as_array().expect("a list") {
        let call = entry["call"].as_str().expect("a call");
        assert!(call.parse::<Activation>().is_ok(), "{call}");
    }
    assert_eq!(faults("health", &server.get("/api/health").json()), None);
    assert_eq!(server.get("/api/schema").body, firstguess_web::SCHEMA);
    for (extra, layers) in [
        ("", 20),
        ("&pool=max:2&depth=3", 3),
        ("&depth=1&input_correlation=0.5", 1),
        ("&input_correlation=0.5", 20),
    ] {
        let query =
            format!("activation=leaky_relu(0.2)&weight_variance=1.9&bias_variance=0.01{extra}");
        let found = server.get(&format!("/api/spec?{query}")).json();
        assert_eq!(faults("spec", &found), None);
        let spec =
            firstguess_io::parse_spec(found["toml"].as_str().expect("text")).expect("a good spec");
        assert_eq!(json!(spec), found["spec"], "{extra}");
        let data = spec.data.synthesize(0).expect("inputs");
        assert_eq!(spec.network_for(&data).expect("a network").weight_layers, layers);
    }
}

#[test]
fn a_wrong_activation_is_told_with_a_hint() {
    let server = start();
    for (activation, message, hint) in [
        ("rleu", "did you mean `relu`?", "known: linear"),
        ("2x", "expected", "write 2*x, not 2x"),
        ("exp(x^2)", "infinite", "like exp(|x|)"),
        ("1/x", "not finite", "guard it"),
        ("leaky_relu(a)", "", ""),
    ] {
        let query = format!("/api/point?activation={activation}&weight_variance=1&bias_variance=0");
        let answer = server.get(&query);
        assert_eq!(answer.status, 400, "{activation}: {answer:?}");
        let error = &answer.json()["error"];
        assert_eq!(error["field"], "activation");
        assert!(
            error["message"].as_str().expect("words").contains(message),
            "{activation}: {error}"
        );
        assert!(error["hint"].as_str().expect("a hint").contains(hint), "{activation}: {error}");
        assert_eq!(faults("error", &answer.json()), None);
    }
}

#[test]
fn every_limit_is_a_clear_4xx() {
    let server = start();
    let good = "activation=tanh&weight_variance=1&bias_variance=0";
    let long = "x+".repeat(300);
    for (path, status, code, message) in [
        (format!("/api/point?{good}&depth=1001"), 422, "limit", "from 1 to 1000"),
        (format!("/api/point?{good}&width=4097"), 422, "limit", "from 1 to 4096"),
        (format!("/api/point?{good}&classes=1001"), 422, "limit", "from 2 to 1000"),
        (
            format!("/api/point?activation={long}x&weight_variance=1&bias_variance=0"),
            422,
            "limit",
            "at most 200",
        ),
        (format!("/api/point?{good}&pool=max:100000"), 400, "invalid", "1 to 64 units"),
        (
            "/api/point?activation=tanh&weight_variance=1e7&bias_variance=0".to_owned(),
            400,
            "invalid",
            "from 0 to 1000000",
        ),
        ("/api/point".to_owned(), 400, "invalid", "`activation` is missing"),
        ("/api/phase?activation=tanh&resolution=201".to_owned(), 422, "limit", "from 2 to 200"),
        (
            "/api/phase?activation=tanh&weight_variance=4:1".to_owned(),
            400,
            "invalid",
            "the lower first",
        ),
        ("/api/phase?activation=tanh&cells=png".to_owned(), 400, "invalid", "`letters` or `full`"),
        ("/api/nothing".to_owned(), 404, "not_found", "no such page"),
        ("/../Cargo.toml".to_owned(), 404, "not_found", "no such page"),
        ("/api/ensembles/ensemble99".to_owned(), 404, "not_found", "no ensemble"),
    ] {
        let answer = server.get(&path);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!(faults("error", &answer.json()), None, "{path}");
        let error = &answer.json()["error"];
        assert_eq!(error["code"], code, "{path}");
        assert!(error["message"].as_str().expect("words").contains(message), "{path}: {error}");
    }
    assert_eq!(server.ask("POST", "/api/point", &[], b"").status, 405);
    assert_eq!(server.ask("PUT", "/", &[], b"").status, 405);
}
