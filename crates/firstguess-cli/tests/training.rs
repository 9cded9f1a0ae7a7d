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
    // No arm came to an end: no result, hence status 1.
    let outcome = firstguess(&[&call[..], &["--json"]].concat());
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["arms"][0]["diverged"], 2, "{}", report["arms"][0]);
    assert!(report["arms"][0]["accuracy"].is_null());
    let outcome = firstguess(&call);
    assert_eq!(outcome.code, Some(1));
    for text in ["all 2 trainings diverged: no arm came to an end", "diverged at step"] {
        assert!(outcome.stdout.contains(text), "{text}:\n{}", outcome.stdout);
    }

    // One seed of eight comes to an end, with a higher accuracy than the mean of the arm that never diverges.
    let call =
        ["train", &spec, "--samples", "300", "--steps", "30", "--seeds", "8", "--lr", "0.01"];
    let arms = ["--optimizer", "sgd", "--arms", "explicit(0.55,0),explicit(0.3,0)"];
    let outcome = firstguess(&[&call[..], &arms].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let screen = outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [
        "of 8 of `explicit(0.55,0)`)",
        "`explicit(0.3,0)` does best",
        "every other diverged more often",
        "pairs left",
    ] {
        assert!(screen.contains(text), "{text}:\n{}", outcome.stdout);
    }
}

/// Bands of accuracies end where accuracies do.
#[test]
fn bands_of_shares_stay_within_zero_and_one() {
    let arguments = ["--seeds", "2", "--steps", "30", "--every", "10", "--samples", "100"];
    let report = json(&[&["train", DIGITS][..], &arguments].concat());
    let arm = &report["arms"][0];
    let curves = ["largest_share", "accuracy", "active_fraction"].map(|name| &arm["curves"][name]);
    let bands = curves.iter().filter_map(|curve| curve.as_array()).flatten();
    for band in bands.chain([&arm["accuracy"], &arm["mean_largest_share"]]) {
        let end = |name: &str| band[name].as_f64().unwrap();
        assert!(0.0 <= end("low") && end("low") <= end("mean"), "{band}");
        assert!(end("mean") <= end("high") && end("high") <= 1.0, "{band}");
    }
}

/// A spec of `depth` ReLU layers whose variance grows by 30 at each, and of some classes of the digits.
fn growing(folder: &tempfile::TempDir, depth: usize, data: &str) -> String {
    let path = folder.path().join(format!("growing{depth}.toml"));
    let text = format!(
        "[data]\ndataset = \"digits\"\nstandardize = \"feature\"\nsamples = 100\n{data}\n[init]\n\
         scheme = \"explicit\"\nweight_variance = 60.0\n[network]\nlayers = [{{ repeat = {depth}, layers = [{{ dense = 32 }}, \
         \"relu\"] }}, {{ dense = 10 }}]\n"
    );
    std::fs::write(&path, text).expect("a folder that can be written");
    path.display().to_string()
}

/// Values beyond f32 in all networks: no verdict on any loss, but the layer and what to do.
#[test]
fn losses_of_networks_that_overflow_are_not_judged() {
    let folder = tempfile::tempdir().unwrap();
    let spec = growing(&folder, 60, "");
    let call = ["losses", &spec, "--draws", "4", "--loss", "ce,blurry(0.5)"];
    let text = firstguess(&call);
    assert_eq!((text.code, text.stdout.as_str()), (Some(2), ""), "{}", text.stderr);
    for part in
        ["in all 4 networks the values left the range of f32", "at layer 5", "firstguess check"]
    {
        assert!(text.stderr.contains(part), "{part}: {}", text.stderr);
    }
    let json = firstguess(&[&call[..], &["--json"]].concat());
    assert_eq!(json.code, Some(2));
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["overflow"]["fraction_of_draws"], 1.0);
    for loss in report["losses"].as_array().unwrap() {
        assert!(loss["verdict"].is_null() && loss["suggested"].is_null(), "{loss}");
        assert!(loss["reason"].as_str().unwrap().contains("left the range of f32"), "{loss}");
    }
    let check = firstguess(&["check", &spec, "--draws", "4", "--loss", "blurry(0.5)"]);
    assert!(!check.stdout.contains("loss-unfit"), "{}", check.stdout);
    let screen = check.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(screen.contains("was not judged: no network of 4"), "{}", check.stdout);

    // Some of them stay in range: the text says on how many the verdict rests.
    let spec = growing(&folder, 52, "");
    let text = firstguess(&["losses", &spec, "--draws", "40", "--loss", "ce", "--quiet"]);
    assert_eq!(text.code, Some(0), "{}", text.stderr);
    assert!(text.stdout.contains("of 40 networks: in the other"), "{}", text.stdout);
}

#[test]
fn classes_without_examples_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let one = growing(&folder, 1, "classes = [3]");
    let text = firstguess(&["losses", &one, "--draws", "4", "--loss", "ce"]);
    assert_eq!((text.code, text.stdout.as_str()), (Some(2), ""), "{}", text.stderr);
    assert!(text.stderr.contains("have examples of one alone"), "{}", text.stderr);
    let two = growing(&folder, 2, "classes = [3, 5]");
    let text = firstguess(&["losses", &two, "--draws", "4", "--loss", "ce", "--quiet"]);
    assert!(text.stdout.contains("no example of 8 of the 10 classes"), "{}", text.stdout);
    for (spec, expected) in [(one, "cannot be judged"), (two, "examples of 2 of 10 classes")] {
        let check = firstguess(&["check", &spec, "--draws", "4", "--loss", "ce"]);
        assert!(check.stdout.contains(expected), "{expected}:\n{}", check.stdout);
    }
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
    for (losses, headline) in [
        ("ce", "cross_entropy can correct"),
        ("ce,gce(0.7)", "both losses can correct"),
        ("blurry(0.5)", "blurry(0.5) cannot correct"),
        ("blurry(0.5),blurry(0.6)", "none of the 2 losses can correct"),
    ] {
        let text = firstguess(&["losses", DIGITS, "--draws", "2", "--loss", losses]);
        assert!(text.stdout.starts_with(headline), "{}", text.stdout);
    }

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
    for part in
        ["look wrong", "flipped on purpose", "balanced accuracy", "margins", "margin (2 runs)"]
    {
        assert!(text.stdout.contains(part), "{part}:\n{}", text.stdout);
    }
    // Margins are read off before the rate drops.
    let drop = ["--rate-schedule", "step(5,0.1)"];
    let report = json(&[&call[..], &drop].concat());
    assert_eq!((&report["margin_epochs"], &report["epochs"]), (&5.0.into(), &12.into()));
    let text = firstguess(&[&call[..], &drop].concat());
    assert!(text.stdout.contains("over the 5 epochs before the first drop"), "{}", text.stdout);
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
        (&["train", DIGITS, "--loss", "ce,cross_entropy"], "stands twice"),
        (&["train", DIGITS, "--arms", "spec,spec"], "stands twice"),
        (&["train", DIGITS, "--lr", "1e-3,0.001"], "0.001 stands twice"),
        (&["losses", DIGITS, "--loss", "ce,ce"], "stands twice"),
        (
            &["labels", "--train", DIGITS, "--samples", "600", "--margin-runs", "30"],
            "--margin-runs 11 or less",
        ),
        (&["labels", "--train", DIGITS, "--rate-schedule", "step(0.5,0.1)"], "drop later"),
        (&["variance", DIGITS, "--tolerance", "3"], "to 0.5"),
    ] {
        let outcome = firstguess(arguments);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(outcome.stderr.contains(expected), "{arguments:?}:\n{}", outcome.stderr);
    }
}
