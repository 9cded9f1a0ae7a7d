//! What the documents promise exists: the commands they show and the files they link to.

use std::collections::BTreeSet;

use clap::CommandFactory;

use super::File;
use crate::Arguments;

/// Generated from the program, and checked to be up to date: it names every command.
const COMMAND_LINE: &str = "docs/cli.md";

pub(super) fn faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let commands = files
        .iter()
        .find(|file| file.path == COMMAND_LINE)
        .and_then(|file| file.text.as_deref())
        .map(commands_of_the_program);
    let tasks = tasks();
    for file in files.iter().filter(|file| file.has_extension(&["md"])) {
        let text = file.text.as_deref().unwrap_or_default();
        for (line, call) in calls(text) {
            let known = match &call {
                Call::Task(name) => tasks.contains(name.as_str()),
                Call::Command(name) => {
                    commands.as_ref().is_none_or(|known| known.contains(name.as_str()))
                }
            };
            if !known {
                faults.push(format!("{}:{line}: there is no {call:?}", file.path));
            }
        }
        for (line, target) in links(text) {
            if !link_leads_somewhere(&file.path, target, &paths) {
                faults.push(format!("{}:{line}: `{target}` leads nowhere", file.path));
            }
        }
    }
    faults
}

/// A call that a document shows.
#[derive(Debug, PartialEq)]
enum Call {
    /// `cargo xtask NAME`
    Task(String),
    /// `firstguess NAME`
    Command(String),
}

fn tasks() -> BTreeSet<String> {
    Arguments::command().get_subcommands().map(|task| task.get_name().to_owned()).collect()
}

/// The headings `## firstguess NAME` of the generated page.
fn commands_of_the_program(page: &str) -> BTreeSet<&str> {
    let headings = page.lines().filter_map(|line| line.strip_prefix("## firstguess "));
    headings.filter_map(|rest| rest.split_whitespace().next()).collect()
}

/// Calls in the fenced blocks of shell commands.
fn calls(text: &str) -> Vec<(usize, Call)> {
    let mut calls = Vec::new();
    let mut in_shell = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(fence) = line.strip_prefix("```") {
            in_shell = !in_shell && matches!(fence, "sh" | "bash" | "console" | "shell");
        } else if in_shell {
            calls.extend(call(line).map(|call| (index + 1, call)));
        }
    }
    calls
}

fn call(line: &str) -> Option<Call> {
    let words: Vec<&str> = line.trim_start_matches("$ ").split_whitespace().collect();
    let name = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase());
    match words.as_slice() {
        ["cargo", "xtask", task, ..] => Some(Call::Task((*task).to_owned())),
        ["firstguess", command, ..] if name(command) => Some(Call::Command((*command).to_owned())),
        ["cargo", "run", rest @ ..] => {
            let after = rest.iter().position(|word| *word == "--")? + 1;
            let command = rest.get(after).filter(|word| name(word))?;
            Some(Call::Command((*command).to_owned()))
        }
        _ => None,
    }
}

/// The targets of `[text](target)`, outside code.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    let mut in_fence = false;
    for (index, line) in text.lines().enumerate() {
        in_fence ^= line.trim_start().starts_with("```");
        let prose = line.split('`').step_by(2).filter(|_| !in_fence);
        let targets = prose.flat_map(|part| part.split("](").enumerate());
        let targets = targets.filter(|(part, _)| *part > 0);
        links.extend(targets.filter_map(|(_, rest)| Some((index + 1, rest.split_once(')')?.0))));
    }
    links
}

/// Whether a link from the file `from` leads to a file or folder of the project, or off it.
fn link_leads_somewhere(from: &str, target: &str, paths: &[&str]) -> bool {
    let file = target.split('#').next().unwrap_or_default();
    if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
        return true;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in file.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let wanted = parts.join("/");
    let folder = format!("{wanted}/");
    paths.iter().any(|path| *path == wanted || path.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(readme: &str) -> Vec<String> {
        let file = |path: &str, text: &str| File {
            path: path.to_owned(),
            bytes: text.len() as u64,
            text: Some(text.to_owned()),
        };
        let page = "## firstguess\n\n## firstguess predict\n\n## firstguess data list\n";
        faults(&[file("README.md", readme), file(COMMAND_LINE, page), file("src/a.rs", "")])
    }

    #[test]
    fn a_command_that_does_not_exist_is_a_fault() {
        let good = "```sh\ncargo xtask test\n$ firstguess predict --json\nfirstguess data list\n\
                    cargo run --release -- predict\nfirstguess --version\n```\n";
        assert_eq!(project(good), Vec::<String>::new());
        for (there, absent) in [
            ("xtask test", "xtask tset"),
            ("firstguess predict", "firstguess guess"),
            ("-- predict", "-- check"),
        ] {
            assert_eq!(project(&good.replace(there, absent)).len(), 1, "{absent}");
        }
        assert_eq!(project("```rust\nfirstguess nothing\n```\nfirstguess nothing\n").len(), 0);
    }

    #[test]
    fn a_link_to_an_absent_file_is_a_fault() {
        assert_eq!(project("[a](src/a.rs) [b](src) [c](#top) [d](https://a.org/b)\n").len(), 0);
        assert_eq!(project("[a](docs/cli.md#x) [b](src/b.rs)\n").len(), 1);
        assert_eq!(project("```text\n[a](none)\n```\n`[a](none)`\n").len(), 0);
        assert!(link_leads_somewhere("docs/theory/a.md", "../cli.md", &["docs/cli.md"]));
    }
}
