//! The gate: selections, baselines and SARIF, as a process.

mod common;

use std::fs;
use std::path::Path;

use common::{Outcome, firstguess};
use serde_json::Value;
use tempfile::TempDir;

/// Deep, ordered, and quick to draw: `frozen-bias` and `blind-loss`.
const SPEC: &str = r#"
name = "frozen"
[data]
dataset = "digits"
standardize = "feature"
samples = 40
[init]
scheme = "torch_default"
[network]
layers = [{ repeat = 15, layers = [{ dense = 64 }, "relu"] }, { dense = 10 }]
[measure]
draws = 4
"#;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("frozen.toml"), SPEC).expect("written");
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    fn check(&self, more: &[&str]) -> Outcome {
        firstguess(&[&["check", &self.path("frozen.toml"), "--json", "--quiet"], more].concat())
    }

    fn read(&self, name: &str) -> Value {
        let text = fs::read_to_string(Path::new(&self.path(name))).expect("a file");
        serde_json::from_str(&text).expect("JSON")
    }
}

fn ids(outcome: &Outcome, field: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let findings = report[field].as_array().cloned().unwrap_or_default();
    findings.iter().filter_map(|f| f["id"].as_str().map(str::to_owned)).collect()
}

#[test]
fn what_is_ignored_does_not_fail() {
    let place = Place::new();
    let all = place.check(&[]);
    assert_eq!(all.code, Some(1), "{}", all.stderr);
    assert!(ids(&all, "findings").contains(&"frozen-bias".to_owned()));
    let ignored = place.check(&["--ignore", "frozen-bias"]);
    assert_eq!(ignored.code, Some(0));
    assert!(!ids(&ignored, "findings").contains(&"frozen-bias".to_owned()));
    let selected = place.check(&["--select", "blind-loss,frozen-bias"]);
    assert_eq!((selected.code, ids(&selected, "findings").len()), (Some(1), 2));
    let wrong = place.check(&["--select", "frozen-bais"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("did you mean `frozen-bias`?"), "{}", wrong.stderr);
}

#[test]
fn a_baseline_sets_known_findings_aside() {
    let place = Place::new();
    let file = place.path("known.json");
    let written = place.check(&["--write-baseline", &file]);
    assert_eq!(written.code, Some(0), "{}", written.stderr);
    assert_eq!(place.read("known.json")["baseline_version"], 1);
    let known = place.check(&["--baseline", &file]);
    assert_eq!((known.code, ids(&known, "findings").len()), (Some(0), 0));
    assert!(ids(&known, "baselined").contains(&"frozen-bias".to_owned()));
    fs::write(&file, "{}").expect("written");
    let broken = place.check(&["--baseline", &file]);
    assert_eq!(broken.code, Some(2));
    assert!(broken.stderr.contains("not a baseline file"), "{}", broken.stderr);
}

/// What code scanning needs: rules with help, results that name a rule, a level and a file, and suppressions.
#[test]
fn sarif_names_rule_level_and_place() {
    let place = Place::new();
    let (file, known) = (place.path("out.sarif"), place.path("known.json"));
    place.check(&["--select", "blind-loss", "--write-baseline", &known]);
    let outcome = place.check(&["--sarif", &file, "--baseline", &known]);
    assert_eq!(outcome.code, Some(1));
    let log = place.read("out.sarif");
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    assert!(rules.iter().all(|rule| rule["help"]["text"].as_str().is_some_and(|t| t.len() > 100)));
    let results = run["results"].as_array().expect("results");
    let find = |id: &str| results.iter().find(|r| r["ruleId"] == id).expect("the result");
    let frozen = find("frozen-bias");
    assert_eq!(frozen["level"], "error");
    let index = frozen["ruleIndex"].as_u64().and_then(|i| usize::try_from(i).ok()).expect("index");
    assert_eq!(rules[index]["id"], "frozen-bias");
    let location = &frozen["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert!(location.as_str().is_some_and(|uri| uri.ends_with("frozen.toml")));
    assert!(frozen["suppressions"].is_null());
    assert_eq!(find("blind-loss")["suppressions"][0]["kind"], "external");
}
