//! `firstguess serve`: the explorer.

use std::process::{Command, Stdio};

use firstguess_web::{Options, Server};
use serde_json::json;

use crate::args::ServeArgs;
use crate::exit::ExitStatus;
use crate::json::SCHEMA_VERSION;
use crate::printer::Printer;

pub(crate) fn run(args: &ServeArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let server = Server::bind(&Options { host: args.host.clone(), port: args.port })?;
    let url = server.url();
    if out.json() {
        let address = server.address();
        out.value(&json!({
            "schema_version": SCHEMA_VERSION,
            "command": "serve",
            "url": url,
            "host": address.ip().to_string(),
            "port": address.port(),
        }))?;
    } else {
        out.lines(&url)?;
    }
    // Whoever reads the address waits for it.
    out.finish()?;
    if !server.address().ip().is_loopback() {
        out.note("others on the network can open this page and run ensembles on this machine")?;
    }
    out.note("the explorer runs until Ctrl-C")?;
    if args.open && open(&url).is_err() {
        out.note(&format!("no browser could be started: open {url} yourself"))?;
    }
    server.run_until_interrupted()?;
    Ok(ExitStatus::Fine)
}

/// Hands the address to whatever opens pages on this system.
fn open(url: &str) -> std::io::Result<()> {
    let mut command = if cfg!(windows) {
        let mut command = Command::new("explorer");
        command.arg(url);
        command
    } else {
        let mut command = Command::new(if cfg!(target_os = "macos") { "open" } else { "xdg-open" });
        command.arg(url);
        command
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(drop)
}
