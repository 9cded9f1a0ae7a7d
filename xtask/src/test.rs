//! `cargo xtask test`: every gate that continuous integration runs, in order.
//!
//! To add a step, write a function that gives an [`Outcome`] and put it into [`STEPS`]. A step
//! that needs Python goes through [`python::environment`], so that all share one virtual
//! environment below the build folder; tests in Python are a [`python::Suite`].

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::step::{Outcome, Step, run_all};
use crate::workspace::{Workspace, execute};
use crate::{generate, python, smoke, tidy};

const STEPS: &[Step] = &[
    Step { name: "formatting", run: formatting },
    Step { name: "tidy", run: tidy::run },
    Step { name: "lints", run: lints },
    Step { name: "tests", run: tests },
    Step { name: "documentation", run: documentation },
    Step { name: "generated files", run: |workspace| generate::run(workspace, true) },
    Step { name: "command line smoke", run: smoke::run },
    Step { name: "Python package", run: python::package },
    Step { name: "networks against torch", run: python::torch },
    Step { name: "labels against cleanlab", run: python::cleanlab },
    Step { name: "explorer in a browser", run: python::browser },
    Step { name: "spelling", run: python::spelling },
];

pub(crate) fn run(workspace: &Workspace, part: Option<&str>) -> Result<()> {
    let Some(part) = part else { return run_all(workspace, STEPS) };
    let chosen: Vec<Step> = STEPS.iter().filter(|step| step.name.contains(part)).copied().collect();
    let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
    ensure!(
        !chosen.is_empty(),
        "no step has `{part}` in its name; there are: {}",
        names.join(", ")
    );
    run_all(workspace, &chosen)
}

pub(crate) fn formatting(workspace: &Workspace) -> Result<Outcome> {
    execute(&mut workspace.cargo_component("rustfmt", &["fmt", "--all", "--check"])?)
        .context("`cargo fmt --all` mends this")?;
    Ok(Outcome::passed())
}

pub(crate) fn lints(workspace: &Workspace) -> Result<Outcome> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    execute(&mut workspace.cargo_component("clippy", &arguments)?)?;
    Ok(Outcome::passed())
}

/// Unit, integration and documentation tests. All suites run even where one fails, so that one
/// run names every failing test.
fn tests(workspace: &Workspace) -> Result<Outcome> {
    let mut command = workspace.cargo(&["test", "--workspace", "--no-fail-fast"]);
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start `cargo test`")?;
    let mut passed = 0;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.context("cannot read from `cargo test`")?;
            println!("{line}");
            passed += passed_in(&line);
        }
    }
    let status = child.wait().context("`cargo test` did not end")?;
    ensure!(status.success(), "`cargo test --workspace` failed: the failing tests are named above");
    ensure!(passed > 0, "`cargo test --workspace` ran no test");
    Ok(Outcome::Passed(format!("{passed} tests passed")))
}

/// The number of passed tests that a `test result:` line reports; 0 for any other line.
fn passed_in(line: &str) -> usize {
    let Some(result) = line.strip_prefix("test result: ") else { return 0 };
    let words: Vec<&str> = result.split_whitespace().collect();
    let count = words.windows(2).find(|pair| pair[1] == "passed;").map(|pair| pair[0]);
    count.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn documentation(workspace: &Workspace) -> Result<Outcome> {
    let mut command = workspace.cargo(&["doc", "--workspace", "--no-deps"]);
    execute(command.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Outcome::passed())
}

#[cfg(test)]
mod tests {
    use super::passed_in;

    #[test]
    fn passed_tests_are_counted_from_result_lines_only() {
        let line = "test result: ok. 37 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out";
        assert_eq!(passed_in(line), 37);
        assert_eq!(passed_in("test result: FAILED. 3 passed; 1 failed; 0 ignored"), 3);
        assert_eq!(passed_in("test math::panels ... ok, 37 passed; "), 0);
    }
}
