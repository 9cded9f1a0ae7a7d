//! `cargo xtask check`: what to run before a commit; `--full` adds the gates that are too slow,
//! or need too much installed, for every run of `cargo xtask test`.

use anyhow::Result;

use crate::step::{Outcome, Step, run_all};
use crate::workspace::{Workspace, execute};
use crate::{test, tidy};

const QUICK: &[Step] = &[
    Step { name: "formatting", run: test::formatting },
    Step { name: "tidy", run: tidy::run },
    Step { name: "lints", run: test::lints },
];

const SLOW: &[Step] = &[
    Step { name: "licences and advisories", run: licences },
    Step { name: "long statistics", run: long_statistics },
    Step { name: "benches compile", run: benches_compile },
];

pub(crate) fn run(workspace: &Workspace, full: bool) -> Result<()> {
    run_all(workspace, QUICK)?;
    if full { run_all(workspace, SLOW) } else { Ok(()) }
}

fn licences(workspace: &Workspace) -> Result<Outcome> {
    if !workspace.cargo_has("deny") {
        let advice = "cargo-deny is not installed: `cargo install --locked cargo-deny`";
        return Ok(Outcome::LeftOut(advice.to_owned()));
    }
    execute(&mut workspace.cargo(&["deny", "check"]))?;
    Ok(Outcome::passed())
}

/// Statistical tests read `FIRSTGUESS_LONG` and then draw enough networks to see smaller errors.
fn long_statistics(workspace: &Workspace) -> Result<Outcome> {
    let mut command = workspace.cargo(&["test", "--workspace", "--release"]);
    execute(command.env("FIRSTGUESS_LONG", "1"))?;
    Ok(Outcome::passed())
}

fn benches_compile(workspace: &Workspace) -> Result<Outcome> {
    execute(&mut workspace.cargo(&["bench", "--workspace", "--no-run"]))?;
    Ok(Outcome::passed())
}
