//! `variance`, as a process on small budgets.

mod common;

use common::{firstguess, json};

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/specs/digits_relu.toml");

const SEARCH: [&str; 16] = [
    "variance",
    DIGITS,
    "--base",
    "he_normal",
    "--samples",
    "400",
    "--steps",
    "300",
    "--lr",
    "0.01",
    "--batch",
    "50",
    "--seeds",
    "2",
    "--examples",
    "20",
];

#[test]
fn variance_finds_the_gain_and_goes_on_from_its_pilots() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pilots.json").display().to_string();
    let fresh = json(&[&SEARCH[..], &["--state", &file, "--threads", "1"]].concat());
    let resumed = json(&[&SEARCH[..], &["--state", &file, "--threads", "2"]].concat());
    assert_eq!(fresh, resumed);
    let value = |name: &str| fresh[name].as_f64().unwrap_or(f64::NAN);
    assert!((value("ratio").ln()).abs() < 5e-4, "{fresh}");
    assert!(value("gain") > 0.25 && value("gain") < 8.0);
    assert_eq!(fresh["layers"].as_array().map(Vec::len), Some(3));
    assert_eq!(fresh["starts"][0]["name"], "optimal");
    assert_eq!(fresh["starts"][1]["name"], "base (he_normal)");
    assert!(fresh["panel"]["measured"]["tr_sigma"].as_f64() > Some(0.0));
    let base = fresh["recommended"] == "base";
    assert_eq!(value("recommended_gain") == 1.0, base);
    // Pilots of another question are not taken.
    let other = [&SEARCH[..], &["--state", &file, "--seed", "9"]].concat();
    let output = firstguess(&other);
    let text = &output.stderr;
    assert_eq!(output.code, Some(2), "{text}");
    assert!(text.contains("another search"), "{text}");
}

#[test]
fn variance_says_why_there_is_no_answer() {
    let narrow = [&SEARCH[..], &["--gains", "20:40"]].concat();
    let output = firstguess(&narrow);
    let text = &output.stderr;
    assert_eq!(output.code, Some(2), "{text}");
    assert!(text.contains("no gain from 20"), "{text}");
}
