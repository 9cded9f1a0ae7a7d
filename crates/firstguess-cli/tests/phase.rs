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

/// The layers that a model repeats, its own place marked; what repeats no plain layer has no diagram, and says why.
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
    let folder = tempfile::tempdir().expect("a folder");
    let normed = folder.path().join("normed.toml");
    let text = "[network]\nlayers = [{ repeat = 5, layers = [{ dense = 16 }, \"layer_norm\", \"relu\"] }, { dense = 10 }]\n";
    fs::write(&normed, format!("name = \"normed\"\n[data]\ndataset = \"digits\"\n[init]\nscheme = \"he_normal\"\n{text}"))
        .expect("writable");
    refused(&["phase", &normed.display().to_string()], &["no phase diagram", "normalisations"]);
    refused(&["phase", &model, "--activation", "relu"], &["cannot be used with"]);
}
