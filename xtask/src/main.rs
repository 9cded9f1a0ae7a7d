//! Project tasks, run as `cargo xtask TASK`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task runner reports to a terminal"
)]

mod bench;
mod check;
mod generate;
mod python;
mod smoke;
mod step;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use workspace::Workspace;

/// Project tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Every gate that continuous integration runs
    Test {
        /// Only the steps whose name contains this, such as `torch`
        step: Option<String>,
    },
    /// Formatting, tidiness and lints; with --full, also the slow gates
    Check {
        /// Add licences and advisories, the long statistics, and that the benches compile
        #[arg(long)]
        full: bool,
    },
    /// The project's own rules about its files
    Tidy,
    /// Rewrite the generated files
    Generate {
        /// Only say whether they are up to date
        #[arg(long)]
        check: bool,
    },
    /// Run the benches
    Bench {
        /// Passed to `cargo bench`, such as `-p firstguess --bench kernels`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let workspace = Workspace::of_this_crate();
    let done = match Arguments::parse().task {
        Task::Test { step } => test::run(&workspace, step.as_deref()),
        Task::Check { full } => check::run(&workspace, full),
        Task::Tidy => tidy::run(&workspace).map(|outcome| println!("tidy: {outcome}")),
        Task::Generate { check } => {
            generate::run(&workspace, check).map(|outcome| println!("generated: {outcome}"))
        }
        Task::Bench { arguments } => bench::run(&workspace, &arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
