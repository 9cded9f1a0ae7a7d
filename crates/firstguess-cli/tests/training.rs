//! `train`, `losses`, `labels` and `check --loss`, as processes on small budgets.

mod common;

use common::{firstguess, json};

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/specs/digits.toml");

const TRAIN: [&str; 12] = [
    "train",
    DIGITS,
    "--samples",
    "300",
    "--steps",
    "40",
    "--every",
    "20",
    "--seeds",
    "3",
    "--loss",
    "ce,blurry(0.5)",
];

#[test]
fn train_compares_arms_and_writes_trajectories() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("curves.csv");
    let file = path.display().to_string();
    let more = ["--arms", "spec,explicit(3,0.5)", "--csv", &file, "--threads"];
    let on = |threads| json(&[&TRAIN[..], &more, &[threads]].concat());
    let (one, two) = (on("1"), on("2"));
    assert_eq!(one, two, "the number of threads shows");
    let arms = one["arms"].as_array().unwrap();
    let names: Vec<&str> = arms.iter().map(|arm| arm["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "spec cross_entropy",
            "spec blurry(0.5)",
            "explicit(3,0.5) cross_entropy",
            "explicit(3,0.5) blurry(0.5)"
        ]
    );
    assert_eq!(one["comparisons"].as_array().unwrap().len(), 6);
    assert_eq!((&one["steps"], &one["validation_examples"]), (&40.into(), &60.into()));
    for arm in arms {
        assert_eq!(arm["curves"]["steps"], serde_json::json!([0, 20, 40]));
        for field in [
            "class_shares",
            "mean_probabilities",
            "class_accuracy",
            "class_loss",
            "class_gradient",
            "force",
        ] {
            assert_eq!(arm["curves"][field][1].as_array().map(Vec::len), Some(10), "{field}");
        }
        assert_eq!(arm["curves"]["layer_gradients"][0].as_array().map(Vec::len), Some(5));
        let accuracy = &arm["accuracy"];
        assert!(accuracy["low"].as_f64() <= accuracy["mean"].as_f64(), "{accuracy}");
    }
    let (start, end) =
        (&arms[0]["curves"]["cross_entropy"][0], &arms[0]["curves"]["cross_entropy"][2]);
    assert!(end["mean"].as_f64() < start["mean"].as_f64(), "{start} {end}");
    let csv = std::fs::read_to_string(&path).unwrap();
    assert_eq!(csv.lines().count(), 1 + 4 * 3 * 3);
    assert!(csv.starts_with("arm,rate,replicate,step,"), "{}", csv.lines().next().unwrap());
}

#[test]
fn the_screen_of_a_comparison_names_the_best_and_the_rates() {
    let outcome = firstguess(&[&TRAIN[..], &["--lr", "1e-3,1e-2"]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    for text in ["does best", "blurry(0.5)", "de-biased at", "paired by seed", "█"] {
        assert!(outcome.stdout.contains(text), "{text}:\n{}", outcome.stdout);
    }
    assert!(outcome.stderr.contains("edge of the rates tried"), "{}", outcome.stderr);
}

/// A rate that no network survives is reported, with its place.
#[test]
fn divergence_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("wild.toml");
    let text = "[init]\nscheme = \"he_normal\"\n[network]\nlayers = [{ repeat = 4, layers = [{ dense = 32 }, \
                \"squared_relu\"] }, { dense = 10 }]\n";
    std::fs::write(&spec, text).unwrap();
    let spec = spec.display().to_string();
    let call =
        ["train", &spec, "--steps", "20", "--seeds", "2", "--lr", "1e6", "--optimizer", "sgd"];
    let report = json(&call);
    assert_eq!(report["arms"][0]["diverged"], 2, "{}", report["arms"][0]);
    assert!(report["arms"][0]["accuracy"].is_null());
    let outcome = firstguess(&call);
    assert!(outcome.stdout.contains("diverged at step"), "{}", outcome.stdout);
}

#[test]
fn losses_judges_every_family_and_check_takes_its_verdict() {
    let report = json(&["losses", DIGITS, "--samples", "200", "--draws", "8"]);
    let losses = report["losses"].as_array().unwrap();
    assert!(losses.len() >= 20);
    let of = |name: &str| losses.iter().find(|loss| loss["loss"] == name).unwrap();
    assert_eq!(of("cross_entropy")["verdict"], "corrects");
    assert_eq!(of("cross_entropy")["relative"]["value"], 1.0);
    assert_eq!(of("blurry(0.5)")["verdict"], "runaway");
    assert!((of("blurry(0.5)")["critical_exponent"].as_f64().unwrap() - 0.272).abs() < 1e-3);
    let cut = of("piecewise_zero(0.05)")["runaway_share"].as_f64().unwrap();
    assert!((cut - 0.55).abs() < 1e-6, "{cut}");

    let text = firstguess(&["losses", DIGITS, "--draws", "4", "--loss", "ce,blurry(0.5)"]);
    assert_eq!(text.code, Some(0), "{}", text.stderr);
    assert!(text.stdout.contains("blurry(0.5)@guard(0.2)"), "{}", text.stdout);

    let check = ["check", DIGITS, "--draws", "4", "--samples", "100", "--loss"];
    let fails = firstguess(&[&check[..], &["blurry(0.5)"]].concat());
    assert_eq!(fails.code, Some(1), "{}", fails.stderr);
    assert!(fails.stdout.contains("loss-unfit"), "{}", fails.stdout);
    let fine = firstguess(&[&check[..], &["ce"]].concat());
    assert!(!fine.stdout.contains("loss-unfit"), "{}", fine.stdout);
    assert_eq!(firstguess(&["explain", "loss-unfit"]).code, Some(0));
}

#[test]
fn labels_flips_labels_and_finds_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.csv");
    let file = path.display().to_string();
    let call = [
        "labels",
        "--train",
        DIGITS,
        "--samples",
        "600",
        "--epochs",
        "12",
        "--folds",
        "3",
        "--corrupt",
        "0.1",
        "--output",
        &file,
    ];
    let report = json(&call);
    let truth = &report["truth"];
    let corrupted = truth["corrupted"].as_u64().unwrap();
    assert!((40..=80).contains(&corrupted), "{corrupted}");
    let f1 = |by: &str| truth[by]["f1"].as_f64().unwrap();
    assert!(f1("by_probability") > 0.6 && f1("by_margin") > 0.5, "{truth}");
    let table = std::fs::read_to_string(&path).unwrap();
    assert_eq!(table.lines().count(), 601);
    let text = firstguess(&call);
    for part in ["look wrong", "flipped on purpose", "balanced accuracy", "margins"] {
        assert!(text.stdout.contains(part), "{part}:\n{}", text.stdout);
    }
}

#[test]
fn slips_are_refused_with_what_is_allowed() {
    for (arguments, expected) in [
        (&["train", DIGITS, "--loss", "blury(0.3)"][..], "did you mean `blurry`"),
        (&["train", DIGITS, "--arms", "he_norml"], "did you mean `he_normal`"),
        (&["train", DIGITS, "--optimizer", "sdg"], "did you mean `sgd`"),
        (&["train", DIGITS, "--lr", "0"], "positive"),
        (&["train", DIGITS, "--steps", "3", "--epochs", "2"], "cannot be used with"),
        (&["train", DIGITS, "--validation", "1"], "from 0 to 0.9"),
        (&["train"], "MODEL"),
        (&["losses", DIGITS, "--loss", "pz(2)"], "must be from 0 to 1"),
        (&["labels"], "--probabilities"),
        (&["labels", "--train", DIGITS, "--folds", "1"], "from 2"),
        (&["check", "--loss", "ce@soon"], "unknown switch"),
    ] {
        let outcome = firstguess(arguments);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(outcome.stderr.contains(expected), "{arguments:?}:\n{}", outcome.stderr);
    }
}
