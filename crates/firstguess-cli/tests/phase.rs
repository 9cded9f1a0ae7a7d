//! `phase`: the grid, the lines, the files, and what is refused.

mod common;

use std::fs;

use common::{firstguess, json};
use serde_json::Value;

const SMALL: [&str; 5] = ["phase", "--activation", "tanh", "--resolution", "5"];

#[track_caller]
fn refused(arguments: &[&str], expected: &[&str]) {
    let outcome = firstguess(arguments);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{arguments:?}");
    for text in expected {
        assert!(outcome.stderr.contains(text), "{arguments:?} lacks {text}:\n{}", outcome.stderr);
    }
}

/// Values of an independent quadrature, at the ends of the axes.
#[test]
fn json_holds_axes_cells_and_both_lines() {
    let ranges = ["--weight-variance", "1:3", "--bias-variance", "0.05:0.2"];
    let answer = json(&[&SMALL[..], &ranges].concat());
    assert_eq!(answer["weight_variance"], serde_json::json!([1.0, 1.5, 2.0, 2.5, 3.0]));
    assert_eq!(answer["cells"].as_array().map(Vec::len), Some(25));
    let number = |value: &Value| value.as_f64().expect("a number");
    let edge = &answer["edge_of_chaos"];
    assert!((number(&edge[0]["points"][0]["weight_variance"]) - 1.76095464).abs() < 1e-7);
    assert!((number(&edge[4]["points"][0]["weight_variance"]) - 2.28515247).abs() < 1e-7);
    let neutral = &answer["neutrality"];
    assert!((number(&neutral[0]["weight_variance"]) - 2.3782655).abs() < 1e-6);
    assert!((number(&neutral[4]["weight_variance"]) - 3.76109504).abs() < 1e-6);
    let cell = &answer["cells"][4];
    assert_eq!((&cell["phase"], &cell["prejudice"]), (&"chaotic".into(), &"neutrality".into()));
    assert_eq!(answer["cells"][0]["gamma_star_reason"], "infinite");
    let pooled = json(&["phase", "--activation", "relu", "--pool", "max:2", "--resolution", "2"]);
    assert!((number(&pooled["forward_weight_variance"]) - 1.09992252).abs() < 1e-8);
    assert!((number(&pooled["gradient_weight_variance"]) - 4.0 / 3.0).abs() < 1e-12);
}

#[test]
fn files_are_written_by_their_ending() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (table, object) = (at("p.CSV"), at("p.json"));
    let outcome = firstguess(&[&SMALL[..], &["-o", &table]].concat());
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), ""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("wrote 25 cells"), "{}", outcome.stderr);
    let text = fs::read_to_string(&table).expect("written");
    assert_eq!(text.lines().filter(|line| line.starts_with("cell,")).count(), 25);
    // The same bytes on stdout.
    let piped = firstguess(&[&SMALL[..], &["--output", "-"]].concat());
    assert_eq!(piped.stdout, text);
    assert_eq!(firstguess(&[&SMALL[..], &["-o", &object, "--quiet"]].concat()).stderr, "");
    let value: Value =
        serde_json::from_slice(&fs::read(&object).expect("written")).expect("one object");
    assert_eq!(value, json(&SMALL));
}

#[test]
fn other_endings_and_empty_ranges_are_refused() {
    let with = |more: &'static [&'static str]| [&SMALL[..], more].concat();
    for name in ["p.pdf", "p.html", "p", "p.csv.gz"] {
        let arguments = [&SMALL[..], &["-o", name]].concat();
        refused(&arguments, &["ending", ".svg", ".png", ".csv", ".json", name]);
    }
    refused(&with(&["-o", "no/such/folder/p.csv"]), &["does not exist"]);
    refused(&with(&["--weight-variance", "3:1"]), &["below"]);
    refused(&with(&["--weight-variance", "2"]), &["0.5:4"]);
    refused(&with(&["--weight-variance", "-1:2"]), &["at least 0"]);
    refused(&with(&["--bias-variance", "0:nan"]), &["--bias-variance"]);
    refused(&["phase", "--activation", "tanh", "--resolution", "1"], &["from 2 to 1024"]);
}

#[test]
fn the_map_names_the_phases_it_shows() {
    let outcome = firstguess(&SMALL);
    assert_eq!(outcome.code, Some(0));
    assert!(outcome.stdout.contains("edge of chaos") && outcome.stdout.contains("2.285152"));
    assert!(outcome.stdout.lines().all(|line| line.chars().count() <= 80), "{}", outcome.stdout);
    assert!(outcome.stderr.contains("FILE.csv"));
    let jump = firstguess(&["phase", "--activation", "sign", "--resolution", "3"]);
    assert_eq!(jump.code, Some(0), "{}", jump.stderr);
    assert!(jump.stdout.contains("jumps"), "{}", jump.stdout);
}

/// `critical` of a whole network: that of its layers, where all are alike.
#[test]
fn critical_takes_a_network_as_well() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/he_relu.toml");
    let answer = json(&["critical", model, "--bias-variance", "0"]);
    let gradient = answer["gradient_weight_variances"][0].as_f64().expect("a number");
    assert!((gradient - 2.0).abs() < 1e-9, "{answer}");
    let text = firstguess(&["critical", model, "--bias-variance", "0.05"]);
    assert_eq!(text.code, Some(0), "{}", text.stderr);
    assert!(text.stdout.contains("gradients reach the first layer unchanged"), "{}", text.stdout);
    refused(&["critical", "--bias-variance", "0"], &["MODEL"]);
}

/// The layers that a model repeats, its own place marked.
#[test]
fn the_phase_of_a_model_is_that_of_its_layers() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let model = format!("{root}/critical_tanh.toml");
    let found = json(&["phase", &model, "--resolution", "5"]);
    let plain = json(&["phase", "--activation", "tanh", "--resolution", "5"]);
    assert_eq!(found["edge_of_chaos"], plain["edge_of_chaos"]);
    assert_eq!(found["point"]["phase"], "edge_of_chaos");
    let moved = json(&["phase", &model, "--resolution", "5", "--point", "3,0.05"]);
    assert_eq!(moved["point"]["phase"], "chaotic");
    refused(&["phase", &model, "--activation", "relu"], &["cannot be used with"]);
}

/// With norms, dropout or residual branches the diagram is that of the repeated block, `predict` names its limit, and a sweep
/// of such networks has a diagram too; what repeats nothing says why there is none.
#[test]
fn the_phase_of_a_model_of_blocks_is_that_of_its_blocks() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = |name: &str, layers: &str| {
        let path = folder.path().join(name);
        let text = format!(
            "name = \"blocks\"\n[data]\ndataset = \"digits\"\n[init]\nscheme = \"explicit\"\nweight_variance = 1.5\n\
             bias_variance = 0.1\n[network]\nlayers = [{layers}]\n"
        );
        fs::write(&path, text).expect("writable");
        path.display().to_string()
    };
    let of = |block: &str| {
        format!("{{ dense = 16 }}, {{ repeat = 5, layers = [{block}] }}, {{ dense = 10 }}")
    };
    let normed = spec("normed.toml", &of("\"layer_norm\", \"relu\", { dense = 16 }"));
    let found = json(&["phase", &normed, "--resolution", "5"]);
    assert_eq!(found["activation"], "blocks of layer_norm, relu, dense");
    // (σ_w²/2)/(σ_w²/2 + σ_b²), and order wherever there are biases.
    let chi = found["point"]["chi_1"].as_f64().expect("a number");
    assert!((chi - 0.75 / 0.85).abs() < 1e-9, "{chi}");
    assert_eq!(found["point"]["phase"], "ordered");
    let answer = json(&["predict", &normed]);
    assert_eq!(answer["phase"], "ordered");
    assert_eq!(answer["block"]["repeats"], 5);
    assert!((answer["chi_1"].as_f64().expect("a number") - chi).abs() < 1e-9);
    let text = firstguess(&["phase", &normed, "--resolution", "8"]).stdout;
    assert!(text.contains("per block") && text.contains("o  ordered"), "{text}");
    let stream =
        spec("stream.toml", &of("{ residual = [\"layer_norm\", \"relu\", { dense = 16 }] }"));
    let text = firstguess(&["predict", &stream]).stdout;
    assert!(text.contains("block far down keeps their size"), "{text}");
    let once = spec("once.toml", "{ dense = 16 }, \"layer_norm\", \"relu\", { dense = 10 }");
    refused(&["phase", &once], &["no phase diagram", "normalisations", "repeated"]);
    // A sweep over it, predicted.
    let grid = folder.path().join("grid.toml");
    let text = format!(
        "command = \"predict\"\nspec = \"{normed}\"\n[grid]\ninit.weight_variance = [1, 2]\ninit.bias_variance = [0, 0.1]\n"
    );
    fs::write(&grid, text).expect("writable");
    let results = folder.path().join("results").display().to_string();
    let swept = firstguess(&["sweep", &grid.display().to_string(), "-o", &results]);
    assert_eq!(swept.code, Some(0), "{}", swept.stderr);
    let found = json(&["phase", "--from", &results]);
    let phases: Vec<&str> = found["cells"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|cell| cell["phase"].as_str())
        .collect();
    assert_eq!(phases, ["edge_of_chaos", "edge_of_chaos", "ordered", "ordered"]);
}
