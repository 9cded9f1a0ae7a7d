//! Exit codes, streams, colour, and input that nobody should have typed.

mod common;

use std::io::{Read, Write};
use std::process::Stdio;

use common::{firstguess, outcome, program};

const PREDICT: [&str; 7] =
    ["predict", "--activation", "tanh", "--weight-variance", "2", "--bias-variance", "0.1"];

/// A usage error: exit 2, nothing on stdout, a message that names the fault.
#[track_caller]
fn refused(arguments: &[&str], expected: &[&str]) {
    let outcome = firstguess(arguments);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{arguments:?}");
    for text in expected {
        assert!(outcome.stderr.contains(text), "{arguments:?} lacks {text}:\n{}", outcome.stderr);
    }
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
}

#[test]
fn an_unknown_activation_is_refused_with_the_nearest_one() {
    let with = |activation| {
        ["predict", "--activation", activation, "--weight-variance", "2", "--bias-variance", "0"]
    };
    refused(&with("tnah"), &["did you mean `tanh`?", "--activation"]);
    refused(&with("x*"), &["expected"]);
    refused(&with(""), &["empty"]);
    refused(&with("exp(x^2)"), &["infinite"]);
    refused(&with(&"(".repeat(5000)), &["character"]);
    refused(&["critical", "--activation", "rleu", "--bias-variance", "0"], &["`relu`"]);
}

#[test]
fn numbers_outside_their_domain_are_refused() {
    for value in ["nan", "inf", "-1", "1e300", "1,5", "", "0x10", "١"] {
        refused(
            &[
                "predict",
                "--activation",
                "tanh",
                "--weight-variance",
                value,
                "--bias-variance",
                "0",
            ],
            &["--weight-variance"],
        );
        refused(
            &["critical", "--activation", "tanh", "--bias-variance", value],
            &["--bias-variance"],
        );
    }
    for depth in ["0", "10000000000", "-5", "1.5", "99999999999999999999999999", "nan"] {
        refused(&[&PREDICT[..], &["--depth", depth]].concat(), &["--depth", "from 1 to 1000000"]);
    }
    for correlation in ["1.0000001", "-0.1", "nan", "inf"] {
        refused(&[&PREDICT[..], &["--input-correlation", correlation]].concat(), &["from 0 to 1"]);
        refused(&["guess", "--correlation", correlation, "--classes", "3"], &["from 0 to 1"]);
    }
    for gamma in ["-1", "nan"] {
        refused(&["guess", "--gamma", gamma, "--classes", "3"], &["--gamma"]);
    }
    for classes in ["0", "1", "-2", "1000000001", "1e3"] {
        refused(&["guess", "--gamma", "1", "--classes", classes], &["from 2 to 1000000000"]);
    }
    for theta in ["nan", "-1", "0", "x"] {
        refused(&["pair", "--theta", theta], &["theta"]);
    }
    refused(&["pair", "--theta", "2.001"], &["2.005"]);
    refused(&["pair", "--theta", "1.5"], &["heavier"]);
    refused(&["pair"], &["--theta"]);
    for (law, why) in [
        ("normal", "constant"),
        ("laplace", "heavier"),
        ("sparse(0.5)", "zero"),
        ("uniform", "infinite slope"),
        ("gamma(2)", "sphere(3)"),
    ] {
        refused(&["pair", "--weights", law], &[why]);
    }
    refused(&["pair", "--theta", "1e9", "--scan"], &["1e6"]);
    let positive = ["pair", "--theta", "3", "--branch", "positive", "--scan", "--critical"];
    refused(&positive, &["ordered"]);
    for width in ["0", "-3", "5000", "x"] {
        refused(&["gaussianity", "--activation", "relu", "--widths", width], &["--widths"]);
    }
    refused(&["gaussianity", "--activation", "relu", "--networks", "1"], &["--networks"]);
    refused(
        &["gaussianity", "--activation", "relu", "--widths", "4096", "--depths", "9999"],
        &["lower the number"],
    );
    refused(
        &["gaussianity", "--activation", "tanh", "--bias-variance", "1"],
        &["--weight-variance"],
    );
    refused(&["gaussianity", "--activation", "tanh", "--weight-law", "sphere"], &["sphere(3)"]);
    for table in ["nope", "1,,2", ""] {
        refused(&["pair", "--theta", "3", "--table", table], &["--table"]);
    }
    for threads in ["0", "-1", "100000", "two"] {
        refused(&[&PREDICT[..], &["--threads", threads]].concat(), &["--threads", "from 1"]);
    }
    refused(&[&PREDICT[..], &["--seed", "-1"]].concat(), &["--seed"]);
}

/// Both ends of the Weibull family, arguments far beyond the table, and a table of thousands.
#[test]
fn pairs_answer_at_their_edges() {
    let many: Vec<String> = (0..5000).map(|i| (f64::from(i) * 0.01 - 25.0).to_string()).collect();
    let table = format!("--table={}", many.join(","));
    for theta in ["2", "2.005", "1e6", "inf"] {
        for branch in ["odd", "positive"] {
            for table in ["--table=-40,40,0,-1e300,1e300", &table] {
                for more in [&[][..], &["--json"]] {
                    let call = ["pair", "--theta", theta, "--branch", branch, table];
                    let outcome = firstguess(&[&call, more].concat());
                    assert_eq!(outcome.code, Some(0), "{call:?}: {}", outcome.stderr);
                    assert!(!outcome.stdout.contains("NaN"), "{theta} {branch}");
                }
            }
        }
    }
}

/// Extreme but allowed: an answer, in text and in JSON.
#[test]
fn extreme_numbers_inside_the_domain_are_answered() {
    for activation in
        ["relu", "tanh", "gelu", "sign", "sin", "x^3", "exp(x)", "leaky_relu(-1)", "softplus"]
    {
        for (weight, bias) in
            [("0", "0"), ("1e6", "1e6"), ("1e-300", "0"), ("1e6", "0"), ("1e-9", "1e-300")]
        {
            let flags =
                ["predict", "--activation", activation, "--depth", "40", "--weight-variance"];
            let flags = [&flags[..], &[weight, "--bias-variance", bias]].concat();
            for more in [&[][..], &["--json"], &["--input-correlation", "1"]] {
                let outcome = firstguess(&[&flags, more].concat());
                assert_eq!(outcome.code, Some(0), "{flags:?}: {}", outcome.stderr);
                assert!(!outcome.stdout.contains("NaN"), "{flags:?}: {}", outcome.stdout);
            }
        }
    }
    for (gamma, classes) in
        [("5e-324", "2"), ("1e308", "3"), ("inf", "1000000000"), ("0", "1000000000")]
    {
        let outcome = firstguess(&["guess", "--gamma", gamma, "--classes", classes]);
        assert_eq!(outcome.code, Some(0), "{gamma} {classes}: {}", outcome.stderr);
    }
}

#[test]
fn wrong_usage_ends_with_two_and_help_with_zero() {
    refused(&[], &["Usage"]);
    refused(&["predcit"], &["predict"]);
    refused(&["predict"], &["MODEL"]);
    refused(&[&PREDICT[..], &["--weigth-variance", "1"]].concat(), &["--weight-variance"]);
    refused(&["guess", "--classes", "3"], &["--gamma", "--correlation"]);
    refused(
        &["guess", "--gamma", "1", "--correlation", "0.5", "--classes", "3"],
        &["cannot be used with"],
    );
    refused(&["completions", "tcsh"], &["bash"]);
    refused(&["cite", "pool2016"], &["did you mean `poole2016`?"]);
    let version = firstguess(&["--version"]);
    assert_eq!(version.code, Some(0));
    assert_eq!(version.stdout.trim(), format!("firstguess {}", env!("CARGO_PKG_VERSION")));
    for command in [&["--help"][..], &["predict", "--help"], &["help", "guess"]] {
        let help = firstguess(command);
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{command:?}");
        assert!(help.stdout.contains("--json"), "{}", help.stdout);
    }
}

#[test]
fn notes_go_to_stderr_and_can_be_silenced() {
    let spoken = firstguess(&PREDICT);
    assert!(spoken.stderr.starts_with("note: "), "{}", spoken.stderr);
    assert!(!spoken.stdout.contains("note: "));
    let silent = firstguess(&[&PREDICT[..], &["--quiet"]].concat());
    assert_eq!((silent.stderr.as_str(), silent.stdout), ("", spoken.stdout));
}

#[test]
fn no_colour_where_there_is_no_terminal() {
    for arguments in [&PREDICT[..], &["cite", "nobody"], &["predcit"]] {
        let outcome = firstguess(arguments);
        assert!(!outcome.stdout.contains('\x1b') && !outcome.stderr.contains('\x1b'));
        let plain = firstguess(&[arguments, &["--no-color"]].concat());
        assert_eq!((plain.stdout, plain.stderr), (outcome.stdout, outcome.stderr));
    }
}

#[test]
fn the_number_of_threads_changes_no_digit() {
    let guess = ["guess", "--gamma", "2", "--classes", "7", "--json", "--threads"];
    let one = firstguess(&[&guess[..], &["1"]].concat());
    let three = firstguess(&[&guess[..], &["3"]].concat());
    assert_eq!((one.code, one.stdout), (Some(0), three.stdout));
}

/// `firstguess ... | head -1`: no panic, no message, no failure.
#[test]
fn a_reader_that_leaves_early_is_no_error() {
    for arguments in [
        &[&PREDICT[..], &["--depth", "100000", "--json"]].concat()[..],
        &["cite"],
        &["completions", "bash"],
    ] {
        let mut child = program(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdout = child.stdout.take().expect("piped");
        let mut first = [0; 1];
        stdout.read_exact(&mut first).expect("some output");
        drop(stdout);
        let output = child.wait_with_output().expect("the program ends");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    for arguments in [&PREDICT[..], &["cite"], &["completions", "zsh"]] {
        let output = program(arguments).stdout(full()).output().expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains("error: ") && !stderr.contains("panicked"), "{stderr}");
    }
}

/// The script works: bash accepts it, and it knows the options.
#[cfg(unix)]
#[test]
fn bash_accepts_its_completions() {
    let script = firstguess(&["completions", "bash"]).stdout;
    let Ok(mut bash) = std::process::Command::new("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        return; // no bash on this machine
    };
    bash.stdin.take().expect("piped").write_all(script.as_bytes()).expect("bash reads");
    let output = bash.wait_with_output().expect("bash ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn arguments_that_are_not_utf8_are_refused() {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let bad = std::ffi::OsStr::from_bytes(b"ta\xffnh");
        let outcome = outcome(program(&["predict", "--activation"]).arg(bad));
        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("panicked"));
    }
}
