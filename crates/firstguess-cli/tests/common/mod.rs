//! The program as its users run it: as a process.
#![allow(dead_code, reason = "each test file uses its part")]

use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// What one call came to.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program with these arguments, in an environment that is the same everywhere.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firstguess"));
    command.args(arguments).stdin(Stdio::null());
    for variable in ["NO_COLOR", "COLUMNS", "LC_ALL", "LC_CTYPE", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command.env("LANG", "C.UTF-8").env("TERM", "xterm");
    command
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn outcome(command: &mut Command) -> Outcome {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Outcome { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// Runs the program with these arguments.
#[track_caller]
pub(crate) fn firstguess(arguments: &[&str]) -> Outcome {
    outcome(&mut program(arguments))
}

/// The one JSON object on stdout, of a call that must succeed in silence.
#[track_caller]
pub(crate) fn json(arguments: &[&str]) -> Value {
    let outcome = firstguess(&[arguments, &["--json"]].concat());
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    // Bare NaN or Infinity is no JSON.
    let value: Value = serde_json::from_str(&outcome.stdout).expect("exactly one JSON object");
    assert_eq!(value["schema_version"], 1);
    assert_eq!(value["command"], arguments[0]);
    value
}
