//! `cargo xtask bench [ARGUMENTS]`: the benches, one per claim of docs/benchmarks.md.

use anyhow::Result;

use crate::workspace::{Workspace, execute};

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    // Without this, the libraries' unit tests would run under the bench profile too.
    let mut command = workspace.cargo(&["bench", "--workspace", "--benches"]);
    execute(command.args(arguments))
}
