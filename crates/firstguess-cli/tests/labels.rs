//! `labels` as a process: the toy case of docs/theory/losses.md, and what is refused.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{firstguess, json};
use serde_json::json as value;
use tempfile::TempDir;

const PROBABILITIES: &str = "cat,dog,owl
.80,.15,.05\n.70,.20,.10\n.20,.75,.05\n.60,.30,.10\n.10,.80,.10\n.15,.70,.15\n.85,.10,.05\n.05,.90,.05
.05,.15,.80\n.10,.20,.70\n.75,.05,.20\n.05,.25,.70\n.30,.40,.30\n.34,.33,.33\n";
const LABELS: &str = "y\n0\n0\n0\n0\n1\n1\n1\n1\n2\n2\n2\n2\n2\n0\n";
/// Examples 2, 6 and 12 were wrong.
const TRUTH: &str = "0\n0\n1\n0\n1\n1\n0\n1\n2\n2\n2\n2\n1\n0\n";

fn folder() -> (TempDir, impl Fn(&str, &str) -> String) {
    let folder = TempDir::new().expect("a folder");
    let root: PathBuf = folder.path().to_owned();
    let write = move |name: &str, text: &str| {
        let path = root.join(name);
        fs::write(&path, text).expect("written");
        path.to_string_lossy().into_owned()
    };
    (folder, write)
}

#[test]
fn the_toy_case_in_every_intermediate_and_method() {
    let (_folder, write) = folder();
    let (p, y) = (write("p.csv", PROBABILITIES), write("y.csv", LABELS));
    let call = ["labels", "--probabilities", &p, "--labels", &y];
    let answer = json(&call);
    assert_eq!(answer["method"], "both");
    assert_eq!(answer["confident_joint"], value!([[3, 1, 0], [1, 3, 0], [1, 0, 3]]));
    assert_eq!(answer["calibrated_joint"], value!([[4, 1, 0], [1, 3, 0], [1, 0, 4]]));
    assert_eq!(answer["prune_counts"], value!([[4, 1, 1], [1, 3, 0], [0, 0, 4]]));
    for (k, wanted) in [0.528, 0.625, 0.540].into_iter().enumerate() {
        let found = answer["thresholds"][k].as_f64().expect("a number");
        assert!((found - wanted).abs() < 1e-12, "{found}");
    }
    assert!(answer["detection"].is_null() && answer["detection_reason"].is_string());
    for method in ["prune_by_class", "prune-by-noise-rate", "both", "confident_learning"] {
        let answer = json(&[&call[..], &["--method", method]].concat());
        let issues = answer["issues"].as_array().expect("issues");
        let order: Vec<_> = issues.iter().map(|issue| issue["index"].clone()).collect();
        assert_eq!(order, [6, 2, 10], "{method}");
    }
    let argmax = json(&[&call[..], &["--method", "predicted_neq_given"]].concat());
    assert_eq!(argmax["flagged"], 4);
    let truth = write("t.csv", TRUTH);
    let found = &json(&[&call[..], &["--truth", &truth]].concat())["detection"];
    // Two of three found, one false alarm among eleven.
    assert_eq!((&found["true_positives"], &found["false_positives"]), (&2.into(), &1.into()));
    let f1 = found["f1"].as_f64().expect("F1");
    assert!((f1 - 2.0 / 3.0).abs() < 1e-15);
    let balanced = found["balanced_accuracy"].as_f64().expect("a number");
    assert!((balanced - f64::midpoint(2.0 / 3.0, 10.0 / 11.0)).abs() < 1e-15);
}

#[test]
fn text_tables_and_files() {
    let (folder, write) = folder();
    let (p, y) = (write("p.csv", PROBABILITIES), write("y.csv", LABELS));
    let call = ["labels", "--probabilities", &p, "--labels", &y];
    let text = firstguess(&call);
    assert_eq!((text.code, text.stderr.as_str()), (Some(0), ""));
    assert!(text.stdout.starts_with("3 of 14 labels look wrong"), "{}", text.stdout);
    assert!(text.stdout.contains("21.4 %") && text.stdout.contains("0 → 1: 1"), "{}", text.stdout);
    let csv = firstguess(&[&call[..], &["-o", "-"]].concat()).stdout;
    assert_eq!(csv.lines().count(), 15);
    assert!(csv.contains("\n6,1,0,0.1,0.125,1,1\n"), "{csv}");
    for name in ["issues.csv", "issues.json"] {
        let path = folder.path().join(name);
        let path = path.to_string_lossy();
        let outcome = firstguess(&[&call[..], &["-o", &path, "--quiet"]].concat());
        assert_eq!(outcome.code, Some(0));
        assert!(Path::new(&*path).metadata().expect("written").len() > 100);
    }
    // Rows that are no distributions are taken as they are, and said.
    let half = write("half.csv", &PROBABILITIES.replace(".80", ".40"));
    let noted = firstguess(&["labels", "--probabilities", &half, "--labels", &y]);
    assert!(noted.stderr.contains("rows sum to"), "{}", noted.stderr);
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let (folder, write) = folder();
    let (p, y) = (write("p.csv", PROBABILITIES), write("y.csv", LABELS));
    let refused = |arguments: &[&str], expected: &str| {
        let outcome = firstguess(&[&["labels"], arguments].concat());
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(outcome.stderr.contains(expected), "{expected}: {}", outcome.stderr);
    };
    let few = write("few.csv", "0\n1\n");
    refused(&["--probabilities", &p, "--labels", &few], "2 labels for 14 rows");
    let high = write("high.csv", &LABELS.replace('2', "7"));
    refused(&["--probabilities", &p, "--labels", &high], "label 7 of example 8 has no column");
    let logits = write("logits.csv", "3,-1\n2,5\n");
    refused(&["--probabilities", &logits, "--labels", &few], "softmax");
    refused(&["--probabilities", &p, "--labels", &y, "--truth", &few], "true labels");
    refused(&["--probabilities", &p, "--labels", &y, "--method", "prune"], "prune_by_class");
    refused(&["--probabilities", "absent.npy", "--labels", &y], "absent.npy");
    refused(&["--probabilities", &p], "--labels");
    let wrong = folder.path().join("issues.xlsx");
    let wrong = wrong.to_string_lossy();
    refused(&["--probabilities", &p, "--labels", &y, "-o", &wrong], ".csv or .json");
    assert!(!Path::new(&*wrong).exists());
    refused(&["--probabilities", &p, "--labels", &y, "--noise-fraction", "2"], "from 0 to 1");
}
