//! The `firstguess` command line: arguments to a question, the library's answer to a rendering.
//!
//! [`main`] is the program. [`answer`] is the same without a process, for the Python package: what it returns is what the
//! program prints, because the same code makes it.

mod args;
mod commands;
mod exit;
mod fault;
mod json;
mod printer;
mod settings;
pub mod sweep;
mod table;

use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, FromArgMatches};

use args::{Args, Command};
use exit::ExitStatus;
use printer::Printer;
use settings::Settings;

/// The program, with the arguments and streams of the process.
pub fn main() -> ExitCode {
    let args = parse();
    let settings = Settings::resolve(&args.global);
    let mut out = Printer::new(settings);
    let outcome = settings::start_threads(args.global.threads)
        .and_then(|()| run(&args.command, &mut out))
        .and_then(|status| Ok(out.finish().map(|()| status)?));
    match outcome {
        Ok(status) => status.into(),
        // The reader had enough (`| head`): nobody is left to tell.
        Err(error) if exit::is_broken_pipe(&error) => ExitStatus::Fine.into(),
        Err(error) => {
            out.error(&error);
            ExitStatus::Unusable.into()
        }
    }
}

/// What the program prints to stdout with these arguments (without its name) and `--json`.
///
/// # Errors
///
/// What it says on stderr where it ends with status 2: of wrong arguments or unusable input.
pub fn answer(arguments: &[String]) -> Result<String, String> {
    let program = ["firstguess", "--json", "--quiet", "--no-color"].map(str::to_owned);
    let matches = Args::command().try_get_matches_from(program.iter().chain(arguments));
    let args = matches.and_then(|matches| Args::from_arg_matches(&matches));
    let args = args.map_err(|error| plain(&error.render().to_string()))?;
    if matches!(args.command, Command::Serve(_)) {
        return Err("`serve` answers in a browser: run it as a command".to_owned());
    }
    let mut out = Printer::in_memory(Settings::resolve(&args.global).unicode());
    match run(&args.command, &mut out) {
        Ok(_) => Ok(out.into_text()),
        Err(error) => Err(out.spoken(&error).trim().to_owned()),
    }
}

/// A usage error without the hints that belong to a terminal.
pub(crate) fn plain(error: &str) -> String {
    let text = error.strip_prefix("error: ").unwrap_or(error);
    let end = text.find("\n\nUsage:").or_else(|| text.find("\n\nFor more"));
    text[..end.unwrap_or(text.len())].trim().to_owned()
}

/// Usage errors end the program with 2, help and version with 0.
fn parse() -> Args {
    // Usage errors come up before the arguments are known.
    let plain = std::env::args_os().any(|argument| argument == "--no-color");
    let color = if plain { ColorChoice::Never } else { ColorChoice::Auto };
    let matches = Args::command().color(color).try_get_matches();
    matches
        .and_then(|matches| Args::from_arg_matches(&matches))
        .unwrap_or_else(|error| error.exit())
}

fn run(command: &Command, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    match command {
        Command::Check(args) => commands::check::run(args, out),
        Command::Advise(args) => commands::advise::run(args, out),
        Command::Init(args) => commands::init::run(args, out),
        Command::Train(args) => commands::train::run(args, out),
        Command::Sweep(args) => commands::sweep::run(args, out),
        Command::Variance(args) => commands::variance::run(args, out),
        Command::Losses(args) => commands::losses::run(args, out),
        Command::Labels(args) => commands::labels::run(args, out),
        Command::Serve(args) => commands::serve::run(args, out),
        Command::Reproduce(args) => commands::reproduce::run(args, out),
        Command::Data(args) => commands::data::run(args, out),
        Command::Explain(args) => commands::explain::run(args, out),
        Command::Predict(args) => commands::predict::run(args, out),
        Command::Critical(args) => commands::critical::run(args, out),
        Command::Phase(args) => commands::phase::run(args, out),
        Command::Guess(args) => commands::guess::run(args, out),
        Command::Pair(args) => commands::pair::run(args, out),
        Command::Gaussianity(args) => commands::gaussianity::run(args, out),
        Command::Cite(args) => commands::cite::run(args, out),
        Command::Completions(args) => commands::completions::run(args, out),
    }
}
