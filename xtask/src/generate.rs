//! `cargo xtask generate [--check]`: the files that a program writes.
//!
//! To add one, put a line into [`GENERATED`]: the file, and where its text comes from. Run
//! `cargo xtask generate` and commit the result; `cargo xtask test` then fails whenever the file
//! falls behind the program. What the built command line prints must not depend on the machine.

use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, io};

use anyhow::{Context, Result, bail, ensure};

use crate::step::Outcome;
use crate::workspace::{Workspace, stdout_of};

/// A file and its source.
struct Generated {
    path: &'static str,
    source: Source,
}

/// Where the text of a generated file comes from.
#[derive(Clone, Copy)]
enum Source {
    /// What `firstguess ARGUMENTS` writes to stdout.
    Stdout(&'static [&'static str]),
    /// The help of the command line and of each command, as one Markdown page.
    HelpPages,
}

const GENERATED: &[Generated] = &[
    Generated { path: "docs/cli.md", source: Source::HelpPages },
    Generated { path: "docs/findings.md", source: Source::Stdout(&["explain", "--all"]) },
];

/// Whether the file at `path`, relative to the root, is in the list.
pub(crate) fn is_generated(path: &str) -> bool {
    GENERATED.iter().any(|generated| generated.path == path)
}

pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<Outcome> {
    if GENERATED.is_empty() {
        return Ok(Outcome::Passed("0 files".to_owned()));
    }
    let program = workspace.firstguess()?;
    let mut behind = Vec::new();
    for generated in GENERATED {
        let text = generated
            .source
            .text(&program)
            .with_context(|| format!("cannot generate {}", generated.path))?;
        let path = workspace.root.join(generated.path);
        if differs(&path, &text)? {
            behind.push(generated.path);
            if !check {
                write(&path, &text)?;
                println!("wrote {}", generated.path);
            }
        }
    }
    ensure!(
        !check || behind.is_empty(),
        "out of date: {}; run `cargo xtask generate` and commit the result",
        behind.join(", ")
    );
    Ok(Outcome::Passed(format!("{} files", GENERATED.len())))
}

fn differs(path: &Path, text: &str) -> Result<bool> {
    match fs::read_to_string(path) {
        // A checkout may translate line ends.
        Ok(found) => Ok(found.replace("\r\n", "\n") != text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

impl Source {
    fn text(self, program: &Path) -> Result<String> {
        match self {
            Self::Stdout(arguments) => stdout(program, arguments),
            Self::HelpPages => help_pages(|command| {
                let mut arguments: Vec<&str> = command.to_vec();
                arguments.push("--help");
                stdout(program, &arguments)
            }),
        }
    }
}

/// What the command line writes when no terminal, no colour and 100 columns are at hand.
fn stdout(program: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).env("NO_COLOR", "1").env("COLUMNS", "100").stdin(Stdio::null());
    let text = stdout_of(&mut command)?;
    if text.trim().is_empty() {
        bail!("`firstguess {}` printed nothing", arguments.join(" "));
    }
    // One end of line at the end, and none of the blanks that help texts pad with.
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    Ok(format!("{}\n", lines.join("\n").trim_end()))
}

/// The top-level help, then that of each command it lists, to any depth.
fn help_pages(help: impl Fn(&[&str]) -> Result<String>) -> Result<String> {
    let mut page = "<!-- Written by `cargo xtask generate`: edit the program, not this file. -->\n\
                    \n# Command line\n"
        .to_owned();
    // Taken from the end: pushed in reverse, the commands keep the order of the help.
    let mut waiting: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(command) = waiting.pop() {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let text = help(&words)?;
        let name = [&["firstguess"][..], &words].concat().join(" ");
        page.extend(["\n## ", &name, "\n\n```text\n", text.trim_end(), "\n```\n"]);
        for subcommand in listed_commands(&text).into_iter().rev() {
            waiting.push([&command[..], &[subcommand]].concat());
        }
    }
    Ok(page)
}

/// The names in the `Commands:` part of a help text, without `help` itself.
fn listed_commands(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    list.lines()
        .take_while(|line| !line.trim().is_empty())
        // Deeper lines continue the description above them.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(command: &[&str]) -> Result<String> {
        Ok(match command {
            [] => {
                "Judges an initialization\n\nCommands:\n  predict  Theory alone,\n           in words\n  \
                 data     Data sets\n  help     Print this\n\nOptions:\n  --json\n"
            }
            ["predict"] => "Theory alone\n",
            ["data"] => "Data sets\n\nCommands:\n  list  The names\n",
            ["data", "list"] => "The names\n",
            _ => bail!("asked for {command:?}"),
        }
        .to_owned())
    }

    #[test]
    fn the_help_page_has_every_command_once_and_in_order() {
        let page = help_pages(help).unwrap();
        let headings: Vec<&str> = page.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(
            headings,
            [
                "## firstguess",
                "## firstguess predict",
                "## firstguess data",
                "## firstguess data list"
            ]
        );
        assert!(page.contains("```text\nThe names\n```"), "{page}");
    }

    #[test]
    fn a_stale_or_absent_file_is_seen_and_line_ends_are_not() {
        let folder = std::env::temp_dir().join(format!("xtask-generate-{}", std::process::id()));
        let path = folder.join("page.md");
        assert!(differs(&path, "a\n").unwrap());
        write(&path, "a\r\n").unwrap();
        assert!(!differs(&path, "a\n").unwrap());
        assert!(differs(&path, "b\n").unwrap());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_prints_nothing_generates_nothing() {
        let shell = Path::new("/bin/sh");
        assert_eq!(Source::Stdout(&["-c", "echo 'a  '"]).text(shell).unwrap(), "a\n");
        assert!(Source::Stdout(&["-c", "true"]).text(shell).is_err());
        assert!(Source::HelpPages.text(Path::new("/bin/false")).is_err());
    }
}
