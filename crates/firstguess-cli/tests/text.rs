//! What people see, at 80 columns.

mod common;

use common::{firstguess, outcome, program};

/// stdout and stderr of a call, each line within 80 columns.
fn screen(arguments: &[&str]) -> String {
    let outcome = firstguess(arguments);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let screen = format!("{}--- stderr\n{}", outcome.stdout, outcome.stderr);
    for line in screen.lines() {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
    assert!(screen.lines().count() <= 30, "more than one screen");
    screen
}

fn predict(activation: &str, weight: &str, bias: &str, depth: &str) -> String {
    screen(&[
        "predict",
        "--activation",
        activation,
        "--weight-variance",
        weight,
        "--bias-variance",
        bias,
        "--depth",
        depth,
    ])
}

#[test]
fn predictions() {
    insta::assert_snapshot!("predict_chaotic", predict("tanh", "3", "0.1", "50"));
    insta::assert_snapshot!("predict_ordered", predict("relu", "0.3333", "0.001", "6"));
    insta::assert_snapshot!("predict_edge", predict("relu", "2", "0", "20"));
    insta::assert_snapshot!("predict_unstable", predict("x*sigmoid(1.702*x)", "2.7", "0.05", "3"));
    insta::assert_snapshot!("predict_jump", predict("sign", "1", "0", "3"));
}

#[test]
fn critical_points() {
    for (name, activation, bias) in [
        ("critical_tanh", "tanh", "0.05"),
        ("critical_silu", "silu", "0.05"),
        ("critical_relu", "relu", "0"),
        ("critical_none", "softplus", "0.1"),
    ] {
        let call = ["critical", "--activation", activation, "--bias-variance", bias];
        insta::assert_snapshot!(name, screen(&call));
    }
}

#[test]
fn guesses() {
    insta::assert_snapshot!("guess_two", screen(&["guess", "--gamma", "3", "--classes", "2"]));
    insta::assert_snapshot!(
        "guess_ten",
        screen(&["guess", "--correlation", "0.1", "--classes", "10"])
    );
}

/// Another locale changes the characters, not the layout or the numbers.
#[test]
fn ascii_where_the_locale_has_no_more() {
    let call = ["guess", "--gamma", "3", "--classes", "2"];
    let plain = outcome(program(&call).env("LANG", "C"));
    assert!(plain.stdout.is_ascii() && plain.stderr.is_ascii());
    assert!(plain.stdout.contains("gamma = 3.000") && plain.stdout.contains("####"));
    let call =
        ["predict", "--activation", "tanh", "--weight-variance", "3", "--bias-variance", "0"];
    let plain = outcome(program(&call).env("LC_ALL", "POSIX"));
    assert!(plain.stdout.is_ascii() && plain.stdout.contains("chi_1 = "), "{}", plain.stdout);
}

#[test]
fn a_work_is_cited_as_bibtex() {
    let work = firstguess(&["cite", "schoenholz2017"]).stdout;
    assert!(work.starts_with("@inproceedings{schoenholz2017,\n") && work.ends_with("\n}\n"));
    assert!(firstguess(&["cite"]).stdout.contains(&work));
}
