//! `cargo xtask bench [ARGUMENTS]`: the benches, one per claim of docs/benchmarks.md.

use anyhow::Result;

use crate::workspace::{Workspace, execute};

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let mut command = workspace.cargo(&["bench"]);
    if arguments.is_empty() {
        // By name, or the unit tests of each crate would be built for the bench profile too.
        command.args(["--workspace", "--bench", "*"]);
    }
    execute(command.args(arguments))
}
