//! A gate is a list of named steps: each is announced and timed, the first failure stops.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Error, Result};

use crate::workspace::Workspace;

/// One step of a gate.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Workspace) -> Result<Outcome>,
}

/// How a step that did not fail ended.
pub(crate) enum Outcome {
    /// Everything held. The text adds a figure to the summary, and may be empty.
    Passed(String),
    /// This machine cannot run the step, and why.
    LeftOut(String),
}

impl Outcome {
    pub(crate) fn passed() -> Self {
        Self::Passed(String::new())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed(figure) if figure.is_empty() => f.write_str("ok"),
            Self::Passed(figure) => write!(f, "ok, {figure}"),
            Self::LeftOut(reason) => write!(f, "ignored, {reason}"),
        }
    }
}

/// Runs the steps in order up to the first that fails, then prints a summary in the form of
/// Rust's test harness: one line a step, and a `test result:` line that counts steps.
pub(crate) fn run_all(workspace: &Workspace, steps: &[Step]) -> Result<()> {
    let start = Instant::now();
    let mut lines = Vec::new();
    let (mut passed, mut left_out) = (0, 0);
    let mut failure: Option<(&str, Error)> = None;
    for (index, step) in steps.iter().enumerate() {
        println!("\n==> {} ({} of {})", step.name, index + 1, steps.len());
        let begun = Instant::now();
        let outcome = (step.run)(workspace);
        let seconds = begun.elapsed().as_secs_f64();
        let said = match &outcome {
            Ok(outcome) => outcome.to_string(),
            Err(_) => "FAILED".to_owned(),
        };
        match outcome {
            Ok(Outcome::Passed(_)) => passed += 1,
            Ok(Outcome::LeftOut(_)) => left_out += 1,
            Err(error) => failure = Some((step.name, error)),
        }
        println!("<== {}: {said} ({seconds:.1} s)", step.name);
        lines.push(format!("test step {} ... {said} ({seconds:.1} s)", step.name));
        if failure.is_some() {
            break;
        }
    }
    println!("\nrunning {} steps", steps.len());
    for line in &lines {
        println!("{line}");
    }
    println!(
        "\n{}",
        closing_line(passed, left_out, failure.is_some(), steps.len(), start.elapsed())
    );
    match failure {
        None => Ok(()),
        Some((name, error)) => Err(error.context(format!("step `{name}` failed"))),
    }
}

/// The line that continuous integration reads. Steps after a failure count as filtered out.
fn closing_line(
    passed: usize,
    left_out: usize,
    failed: bool,
    steps: usize,
    elapsed: Duration,
) -> String {
    let word = if failed { "FAILED" } else { "ok" };
    let not_run = steps - passed - left_out - usize::from(failed);
    format!(
        "test result: {word}. {passed} passed; {} failed; {left_out} ignored; 0 measured; \
         {not_run} filtered out; finished in {:.2}s",
        usize::from(failed),
        elapsed.as_secs_f64()
    )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use anyhow::bail;

    use super::*;

    const PASSES: Step = Step { name: "passes", run: |_| Ok(Outcome::passed()) };
    const FAILS: Step = Step { name: "fails", run: |_| bail!("broken") };
    const MUST_NOT_RUN: Step = Step { name: "after", run: |_| panic!("ran after a failure") };

    #[test]
    fn the_first_failure_stops_the_gate_and_names_its_step() {
        let nowhere = Workspace { root: PathBuf::new() };
        assert!(run_all(&nowhere, &[PASSES]).is_ok());
        let error = run_all(&nowhere, &[PASSES, FAILS, MUST_NOT_RUN]).unwrap_err();
        assert_eq!(format!("{error:#}"), "step `fails` failed: broken");
    }

    #[test]
    fn the_closing_line_is_that_of_the_test_harness() {
        assert_eq!(
            closing_line(2, 1, true, 6, Duration::from_millis(1500)),
            "test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 2 filtered out; \
             finished in 1.50s"
        );
    }
}
