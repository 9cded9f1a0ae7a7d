//! Spec files on the command line: their answers, and their faults shown in the text.

mod common;

use common::{firstguess, json, outcome, program};

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/specs/digits.toml");

fn broken(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("spec.toml");
    std::fs::write(&path, text).expect("writable");
    let path = path.display().to_string();
    (folder, path)
}

/// Equal hidden layers have the limits that the flags give, and the layers follow one another as there.
#[test]
fn a_model_agrees_with_the_flags() {
    let model = json(&["predict", DIGITS]);
    assert_eq!((&model["name"], &model["data"]), (&"shallow-tanh".into(), &"digits".into()));
    let flags = "predict --activation tanh --weight-variance 1.5 --bias-variance 0.1 --depth 5";
    let flags = json(&flags.split(' ').collect::<Vec<_>>());
    for field in ["q_star", "chi_1", "c_star", "depth_scale_c", "phase", "fixed_points"] {
        assert_eq!(model[field], flags[field], "{field}");
    }
    assert_eq!((&model["weight_variance"], &model["activation"]), (&1.5.into(), &"tanh".into()));
    let layers = model["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 5);
    assert_eq!(layers[4]["gradient"], 1.0);
    // 61 of 64 features vary, each standardized: V of the first layer is σ_w² 61/64, up to the part of the data in use.
    let v = layers[0]["v"].as_f64().unwrap();
    assert!((v / (1.5 * 61.0 / 64.0) - 1.0).abs() < 0.1, "{v}");
    let guess = &model["guess"];
    assert_eq!(guess["classes"], 10);
    assert_eq!(guess["gamma"], layers[4]["gamma"]);
    let share = guess["largest_share"].as_f64().unwrap();
    assert!((0.1..1.0).contains(&share), "{share}");
}

#[test]
fn the_screen_of_a_model() {
    let outcome = firstguess(&["predict", DIGITS]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    insta::assert_snapshot!("predict_model", outcome.stdout + "--- stderr\n" + &outcome.stderr);
}

#[test]
fn a_fault_is_framed_in_its_file() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/specs");
    let misfit = outcome(program(&["predict", "misfit.toml"]).current_dir(folder));
    assert_eq!((misfit.code, misfit.stdout.as_str()), (Some(2), ""));
    insta::assert_snapshot!("fault_misfit", misfit.stderr);
    let ascii = outcome(program(&["predict", "misfit.toml"]).current_dir(folder).env("LANG", "C"));
    assert!(ascii.stderr.is_ascii(), "{}", ascii.stderr);

    let (folder, _) =
        broken("[init]\nshceme = \"he_normal\"\n[network]\nlayers = [{ dense = 10 }]\n");
    let slip = outcome(program(&["predict", "spec.toml"]).current_dir(folder.path()));
    assert_eq!(slip.code, Some(2));
    insta::assert_snapshot!("fault_slip", slip.stderr);
}

#[test]
fn unusable_models_end_with_two() {
    for (text, expected) in [
        ("", "the spec is empty"),
        ("[init", "spec.toml"),
        (
            "[data]\ndataset = \"dgits\"\n[init]\nscheme = \"he_normal\"\n[network]\nlayers = [{ dense = 10 }]",
            "did you mean `digits`?",
        ),
        (
            "[init]\nscheme = \"he_normal\"\n[network]\nlayers = [{ dense = 3 }]",
            "3 logits for 10 classes",
        ),
        (
            "[init]\nscheme = \"critical\"\n[network]\nlayers = [{ dense = 8 }, \"softplus\", { dense = 10 }]",
            "softplus",
        ),
    ] {
        let (_folder, path) = broken(text);
        for json in [&[][..], &["--json"]] {
            let outcome = firstguess(&[&["predict", &path][..], json].concat());
            assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{text}");
            assert!(outcome.stderr.contains(expected), "{text}: {}", outcome.stderr);
        }
    }
    let (folder, _) = broken("");
    for path in ["none.toml", "."] {
        let outcome = outcome(program(&["predict", path]).current_dir(folder.path()));
        assert_eq!(outcome.code, Some(2));
        assert!(
            outcome.stderr.contains(&format!("in `{path}`: cannot be read")),
            "{}",
            outcome.stderr
        );
    }
}

/// A layer without a theory is said to have none, in text and in JSON.
#[test]
fn what_has_no_theory_says_so() {
    let (_folder, path) = broken(
        "[init]\nscheme = \"he_normal\"\n[network]\nlayers = [\"tanh\", { dense = 32 }, \"relu\", { dense = 10 }]",
    );
    let answer = json(&["predict", &path]);
    assert!(answer["phase"].is_null() && answer["phase_reason"].is_string(), "{answer}");
    assert!(answer["guess"]["gamma"].is_null() && answer["guess"]["gamma_reason"].is_string());
    assert_eq!(firstguess(&["predict", &path]).code, Some(0));
}

#[test]
fn a_model_and_flags_exclude_each_other() {
    for more in [
        &["--activation", "relu", "--weight-variance", "2", "--bias-variance", "0"][..],
        &["--depth", "3"],
        &["--weight-variance", "2"],
    ] {
        let outcome = firstguess(&[&["predict", DIGITS], more].concat());
        assert_eq!(outcome.code, Some(2), "{more:?}: {}", outcome.stdout);
    }
    let half = firstguess(&["predict", "--activation", "relu", "--weight-variance", "2"]);
    assert!(half.code == Some(2) && half.stderr.contains("--bias-variance"), "{}", half.stderr);
}
