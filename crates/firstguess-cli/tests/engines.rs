//! `check`: which engine draws the networks, and when it stops.

mod common;

use std::io::Write;

use common::{Outcome, firstguess, json};
use tempfile::NamedTempFile;

/// Wide layers and few inputs.
const WIDE: &str = r#"
[data]
dataset = "digits"
standardize = "feature"
samples = 20
[init]
scheme = "he_normal"
[network]
layers = [{ dense = 600 }, "relu", { dense = 600 }, "relu", { dense = 10 }]
"#;

fn spec(text: &str) -> (NamedTempFile, String) {
    let mut file = NamedTempFile::with_suffix(".toml").expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    let path = file.path().to_str().expect("UTF-8").to_owned();
    (file, path)
}

#[test]
fn wide_networks_are_drawn_without_weights_and_the_report_says_so() {
    let (_file, path) = spec(WIDE);
    let report = json(&["check", &path, "--fail-on", "never"]);
    let sampling = &report["measurement"]["sampling"];
    assert_eq!(sampling["engine"], "conditioned");
    assert!(sampling["reason"].as_str().expect("a reason").contains("times as fast"));
    assert_eq!(sampling["layers"][1]["forward"]["gram_f32"], 32);
    assert_eq!(report["measurement"]["stop"]["reason"], "draws");
    // Class pairs: ten by ten, symmetric, the same class more alike.
    let pairs = &report["measurement"]["layers"][2]["class_correlation"];
    assert_eq!(pairs["values"].as_array().map(Vec::len), Some(10));
    assert_eq!(pairs["values"][2][7], pairs["values"][7][2]);
    let mean = |name: &str| pairs[name]["value"].as_f64().expect("a number");
    assert!(mean("same") > mean("different"));
    let text = firstguess(&["check", &path, "--fail-on", "never"]).stdout;
    assert!(text.contains("without weights (exact law)") && text.contains("same class"), "{text}");
    let direct = json(&["check", &path, "--engine", "direct", "--fail-on", "never"]);
    assert_eq!(direct["measurement"]["sampling"]["engine"], "direct");
    assert!(direct["measurement"]["sampling"].get("layers").is_none());
}

#[test]
fn a_check_stops_when_it_knows_enough_or_has_no_time() {
    let (_file, path) = spec(WIDE);
    let lean = ["check", &path, "--shares-only", "--fail-on", "never"];
    let report = json(&[&lean[..], &["--precision", "0.05"]].concat());
    let stop = &report["measurement"]["stop"];
    assert_eq!((&stop["reason"], &stop["allowed"]), (&"precision".into(), &100_000.into()));
    for watched in stop["watched"].as_array().expect("a list") {
        assert!(watched["relative_error"].as_f64().expect("a number") <= 0.05, "{watched}");
    }
    let threads = json(&[&lean[..], &["--precision", "0.05", "--threads", "3"]].concat());
    assert_eq!(report, threads);
    let report = json(&[&lean[..], &["--budget", "0.3"]].concat());
    assert_eq!(report["measurement"]["stop"]["reason"], "budget");
    assert!(report["verdict"]["headline"].as_str().expect("text").contains("Only the logits"));
    let text = firstguess(&[&lean[..], &["--budget", "0.3"]].concat()).stdout;
    assert!(text.contains("the time was up"), "{text}");
    // The first networks take longer than a millisecond: that is said.
    let short = ["check", &path, "--samples", "1000", "--engine", "direct", "--fail-on", "never"];
    let report = json(&[&short[..], &["--budget", "0.001"]].concat());
    let overrun = &report["measurement"]["stop"]["overrun"];
    assert_eq!(overrun["allowed_seconds"], 0.001);
    assert!(overrun["taken_seconds"].as_f64() > Some(0.0012), "{overrun}");
    assert!(overrun["first_networks"].as_u64() >= Some(1), "{overrun}");
    let text = firstguess(&[&short[..], &["--budget", "0.001"]].concat()).stdout;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("alone took") && text.contains("0.001 s were allowed"), "{text}");
}

#[test]
fn an_engine_that_cannot_is_refused() {
    let (_file, path) = spec(&WIDE.replace("he_normal", "he_uniform"));
    let Outcome { code, stdout, stderr } = firstguess(&["check", &path, "--engine", "conditioned"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(
        stderr.contains("layer 1 has uniform weights") && stderr.contains("`auto`"),
        "{stderr}"
    );
    for (flag, value) in [("--precision", "0"), ("--precision", "nan"), ("--budget", "-1")] {
        let outcome = firstguess(&["check", &path, flag, value]);
        assert_eq!(outcome.code, Some(2), "{flag} {value}");
        assert!(outcome.stderr.contains("must be"), "{}", outcome.stderr);
    }
    let (_file, path) = spec(&format!("{WIDE}\n[measure]\nprecision = 7.0\nengine = \"auto\"\n"));
    let outcome = firstguess(&["check", &path]);
    assert!(outcome.code == Some(2) && outcome.stderr.contains("precision"), "{}", outcome.stderr);
}
