//! `firstguess completions SHELL`.

use clap::CommandFactory;
use serde::Serialize;

use crate::args::{Args, CompletionsArgs};
use crate::exit::ExitStatus;
use crate::printer::Printer;

#[derive(Serialize)]
struct Script {
    shell: String,
    script: String,
}

pub(crate) fn run(args: &CompletionsArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let mut script = Vec::new();
    // Into memory first: the generator panics where it cannot write.
    clap_complete::generate(args.shell, &mut Args::command(), "firstguess", &mut script);
    if out.json() {
        let script = String::from_utf8(script)?;
        out.object("completions", &Script { shell: args.shell.to_string(), script })?;
    } else {
        out.verbatim(&script)?;
    }
    Ok(ExitStatus::Fine)
}
