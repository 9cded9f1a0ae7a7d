//! Two invariants of the design that only a process can show: the program computes nothing itself, and changes nothing of the
//! user's.

mod common;

use std::path::Path;

use common::firstguess;
use firstguess::report::Style;
use firstguess_io::{load_dataset, load_spec};

const SPEC: &str = "name = \"mine\"\n[data]\ndataset = \"digits\"\nsamples = 40\nstandardize = \"feature\"\n[init]\nscheme = \"he_normal\"\n[network]\nlayers = [{ dense = 32 }, \"relu\", { dense = 10 }]\n[measure]\nseed = 5\ndraws = 6\n";

/// What the program shows is the library's report of the same spec, digit for digit, in JSON and in text.
#[test]
fn the_program_shows_the_report_of_the_library() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("spec.toml");
    std::fs::write(&path, SPEC).expect("written");
    let spec = load_spec(&path).expect("a good spec").spec;
    let source = load_dataset("digits", None).expect("embedded");
    let data = spec.data.prepare(&source, spec.measure.seed).expect("enough inputs");
    let report = firstguess::check(&spec, &data, &mut ()).expect("a report");
    let name = path.display().to_string();
    let shown = firstguess(&["check", &name, "--json"]).stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    // Through text, as the program's went: a float is printed so that it reads back as itself.
    let own = serde_json::to_string(&report.to_json()).expect("JSON");
    let own: serde_json::Value = serde_json::from_str(&own).expect("JSON");
    assert_eq!(shown, own);
    assert_eq!(firstguess(&["check", &name]).stdout, report.to_terminal(Style::default()));
}

/// The screen that the README shows is one that the program prints. Numbers may differ in a last digit between machines.
#[test]
fn the_screen_of_the_readme_is_real() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let readme = std::fs::read_to_string(format!("{root}/README.md")).expect("a README");
    let shown = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    let shown = shown.expect("a screen in a text fence");
    let printed = firstguess(&["check", &format!("{root}/examples/torch_default_relu.toml")]);
    assert_eq!(printed.code, Some(1), "{}", printed.stderr);
    assert_eq!(shape(shown), shape(&printed.stdout));
}

/// The words of a text, every number as `#`.
fn shape(text: &str) -> Vec<String> {
    let numeric = |c: char| c.is_ascii_digit() || ".e-".contains(c);
    let masked = |word: &str| {
        if word.chars().any(|c| c.is_ascii_digit()) {
            word.chars().filter(|c| !numeric(*c)).chain(['#']).collect()
        } else {
            word.to_owned()
        }
    };
    text.split_whitespace().map(masked).collect()
}

/// Spec and data come back bit for bit, and nothing is put beside them.
#[test]
fn a_check_changes_nothing_of_the_users() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows: Vec<String> = (0..30).map(|i| format!("{i},{},{}", i * i % 7, i % 3)).collect();
    let table = rows.join("\n");
    let spec = SPEC.replace("dataset = \"digits\"\nsamples = 40", "dataset = \"mine.csv\"");
    std::fs::write(folder.path().join("mine.csv"), format!("a,b,label\n{table}\n"))
        .expect("written");
    std::fs::write(folder.path().join("spec.toml"), spec).expect("written");
    let before = contents(folder.path());
    let call = folder.path().join("spec.toml").display().to_string();
    let data = folder.path().join("mine.csv").display().to_string();
    for verb in
        [&["check", &call, "--data", &data][..], &["check", &call, "--data", &data, "--json"]]
    {
        let outcome = firstguess(verb);
        assert!(outcome.code == Some(0) || outcome.code == Some(1), "{}", outcome.stderr);
    }
    assert_eq!(contents(folder.path()), before);
}

/// Names, bytes and times of change.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>, std::time::SystemTime)> {
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            let entry = entry.expect("an entry");
            let changed = entry.metadata().and_then(|data| data.modified()).expect("a time");
            let bytes = std::fs::read(entry.path()).expect("readable");
            (entry.file_name().to_string_lossy().into_owned(), bytes, changed)
        })
        .collect();
    all.sort();
    all
}
