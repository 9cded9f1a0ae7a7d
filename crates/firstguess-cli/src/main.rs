//! The `firstguess` program: the command line of the library of the same name.

fn main() -> std::process::ExitCode {
    firstguess_cli::main()
}
