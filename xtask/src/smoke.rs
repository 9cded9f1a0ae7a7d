//! The command line, run as its users run it: as a process, in an empty folder, without a
//! terminal.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, process};

use anyhow::{Context, Result, bail};

use crate::step::Outcome;
use crate::workspace::Workspace;

/// One call and what it must do.
struct Case {
    arguments: &'static [&'static str],
    exit: i32,
    /// Texts that stdout must contain, in any order.
    stdout: &'static [&'static str],
    /// Texts that stderr must contain; empty: stderr must be empty.
    stderr: &'static [&'static str],
}

/// To cover a new command, add a line.
const CASES: &[Case] = &[
    Case { arguments: &["--version"], exit: 0, stdout: &["firstguess "], stderr: &[] },
    Case {
        arguments: &[
            "predict",
            "--activation",
            "relu",
            "--weight-variance",
            "2",
            "--bias-variance",
            "0",
        ],
        exit: 0,
        stdout: &["edge of chaos", "17.02"],
        stderr: &["note: "],
    },
    Case {
        arguments: &["critical", "--activation", "tanh", "--bias-variance", "0.05", "--json"],
        exit: 0,
        stdout: &["\"edge_of_chaos\": [", "\"weight_variance\": 1.760954"],
        stderr: &[],
    },
    Case {
        arguments: &["guess", "--gamma", "1", "--classes", "2", "--json"],
        exit: 0,
        stdout: &["\"mean_max\": 0.75"],
        stderr: &[],
    },
    Case { arguments: &["pair", "--theta", "3"], exit: 0, stdout: &["critical"], stderr: &[] },
    Case { arguments: &["check", "--draws", "4"], exit: 0, stdout: &["digits"], stderr: &[] },
    Case { arguments: &["data", "list"], exit: 0, stdout: &["cifar10"], stderr: &[] },
    Case {
        arguments: &["labels", "--probabilities", "absent.npy", "--labels", "y.npy"],
        exit: 2,
        stdout: &[],
        stderr: &["absent.npy"],
    },
    Case { arguments: &["explain", "--list"], exit: 0, stdout: &["frozen-bias"], stderr: &[] },
    Case {
        arguments: &["cite", "poole2016"],
        exit: 0,
        stdout: &["@inproceedings{poole2016,"],
        stderr: &[],
    },
    Case {
        arguments: &["completions", "zsh"],
        exit: 0,
        stdout: &["#compdef firstguess"],
        stderr: &[],
    },
    Case {
        arguments: &["critical", "--activation", "rleu", "--bias-variance", "0"],
        exit: 2,
        stdout: &[],
        stderr: &["did you mean `relu`?"],
    },
    Case { arguments: &["predict", "absent.toml"], exit: 2, stdout: &[], stderr: &["absent.toml"] },
];

pub(crate) fn run(workspace: &Workspace) -> Result<Outcome> {
    let program = workspace.firstguess()?;
    let folder = EmptyFolder::new()?;
    for case in CASES {
        let shown = format!("firstguess {}", case.arguments.join(" "));
        println!("{shown}");
        call(&program, &folder.path, case).with_context(|| format!("`{shown}`"))?;
    }
    Ok(Outcome::Passed(format!("{} calls", CASES.len())))
}

fn call(program: &Path, folder: &Path, case: &Case) -> Result<()> {
    let mut command = Command::new(program);
    command.args(case.arguments).current_dir(folder).stdin(Stdio::null());
    let output = command.output().with_context(|| format!("cannot start {}", program.display()))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let mut faults = Vec::new();
    if output.status.code() != Some(case.exit) {
        faults.push(format!("ended with {}, not {}", output.status, case.exit));
    }
    for (name, text, wanted) in [("stdout", &stdout, case.stdout), ("stderr", &stderr, case.stderr)]
    {
        let missing = wanted.iter().filter(|wanted| !text.contains(**wanted));
        faults.extend(missing.map(|wanted| format!("{name} lacks `{wanted}`")));
    }
    if case.stderr.is_empty() && !stderr.is_empty() {
        faults.push("stderr is not empty".to_owned());
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{}\n--- stdout\n{stdout}\n--- stderr\n{stderr}", faults.join("; "))
}

/// A new folder outside the project, removed at the end.
struct EmptyFolder {
    path: PathBuf,
}

impl EmptyFolder {
    fn new() -> Result<Self> {
        let path = env::temp_dir().join(format!("firstguess-smoke-{}", process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for EmptyFolder {
    fn drop(&mut self) {
        // Left-overs in the system's temporary folder harm nobody: no error to report.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// `sh -c SCRIPT` stands for the command line.
    fn verdict(script: &'static [&'static str], stdout: &'static [&'static str]) -> Result<()> {
        let case = Case { arguments: script, exit: 0, stdout, stderr: &[] };
        call(Path::new("/bin/sh"), &env::temp_dir(), &case)
    }

    #[test]
    fn a_wrong_exit_a_missing_text_and_noise_on_stderr_are_each_seen() {
        assert!(verdict(&["-c", "echo gamma"], &["gamma"]).is_ok());
        assert!(verdict(&["-c", "echo gamma; exit 3"], &["gamma"]).is_err());
        assert!(verdict(&["-c", "echo delta"], &["gamma"]).is_err());
        assert!(verdict(&["-c", "echo gamma; echo noise >&2"], &["gamma"]).is_err());
    }
}
