//! `cargo xtask tidy`: the project's own rules about its files, those that no other tool checks.

mod citations;
mod readme;
mod text;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::generate::is_generated;
use crate::step::Outcome;
use crate::workspace::{Workspace, stdout_of};

/// Beyond this a file is named in the output.
const LONG_LINES: usize = 600;
/// Beyond this it is refused.
const MOST_LINES: usize = 650;
const MOST_BYTES: u64 = 2 << 20;

/// A file of the project. `text` is absent where it is not UTF-8.
struct File {
    /// Relative to the root, with `/`.
    path: String,
    bytes: u64,
    text: Option<String>,
}

impl File {
    fn has_extension(&self, extensions: &[&str]) -> bool {
        let extension = Path::new(&self.path).extension().and_then(|found| found.to_str());
        extension.is_some_and(|found| extensions.contains(&found))
    }

    fn is_written_by_hand(&self) -> bool {
        const BY_MACHINE: [&str; 6] = ["lock", "snap", "csv", "svg", "min.js", "onnx"];
        !is_generated(&self.path)
            && !self.path.split('/').any(|part| part == "generated")
            && !BY_MACHINE.iter().any(|end| self.path.ends_with(&format!(".{end}")))
    }

    fn is_code(&self) -> bool {
        self.has_extension(&["rs", "py", "pyi", "js", "ts", "css", "html", "sh"])
    }
}

pub(crate) fn run(workspace: &Workspace) -> Result<Outcome> {
    let files = files(&workspace.root)?;
    let (warnings, faults) = inspect(&files, &workspace.root);
    for warning in &warnings {
        println!("warning: {warning}");
    }
    for fault in &faults {
        println!("error: {fault}");
    }
    if !faults.is_empty() {
        bail!("{} untidy places, named above", faults.len());
    }
    Ok(Outcome::Passed(format!("{} files", files.len())))
}

/// Warnings and faults, each with its place.
fn inspect(files: &[File], root: &Path) -> (Vec<String>, Vec<String>) {
    let (mut warnings, mut faults) = (Vec::new(), Vec::new());
    for file in files {
        let path = &file.path;
        if file.bytes > MOST_BYTES {
            faults.push(format!("{path}: {} bytes, at most {MOST_BYTES}", file.bytes));
        }
        let Some(text) = file.text.as_deref() else { continue };
        let place = |(line, fault): (usize, String)| format!("{path}:{line}: {fault}");
        faults.extend(text::machine_paths(text, root).into_iter().map(place));
        if !file.is_written_by_hand() {
            continue;
        }
        faults.extend(text::stray_whitespace(text).into_iter().map(place));
        if file.is_code() {
            faults.extend(text::unfinished(text).into_iter().map(place));
            match text.lines().count() {
                lines if lines > MOST_LINES => {
                    faults.push(format!("{path}: {lines} lines, at most {MOST_LINES}: split it"));
                }
                lines if lines > LONG_LINES => {
                    warnings.push(format!("{path}: {lines} lines, aim for {LONG_LINES}"));
                }
                _ => {}
            }
        }
    }
    faults.extend(citations::faults(files));
    faults.extend(readme::faults(files));
    (warnings, faults)
}

/// Every file that git tracks or would track.
fn files(root: &Path) -> Result<Vec<File>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let names = stdout_of(&mut git).context("tidy reads the list of files from git")?;
    let mut files = Vec::new();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let path = root.join(name);
        // Deleted but not yet committed, or a link: nothing to read.
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_file() {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {name}"))?;
            let text = String::from_utf8(bytes).ok();
            files.push(File { path: name.to_owned(), bytes: metadata.len(), text });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        let bytes = text.len() as u64;
        File { path: path.to_owned(), bytes, text: Some(text.to_owned()) }
    }

    fn inspected(file: File) -> (usize, usize) {
        let (warnings, faults) = inspect(&[file], Path::new("/nowhere/at/all"));
        (warnings.len(), faults.len())
    }

    #[test]
    fn long_files_are_warned_of_then_refused() {
        assert_eq!(inspected(file("src/a.rs", &"x\n".repeat(600))), (0, 0));
        assert_eq!(inspected(file("src/a.rs", &"x\n".repeat(601))), (1, 0));
        assert_eq!(inspected(file("src/a.rs", &"x\n".repeat(651))), (0, 1));
        assert_eq!(inspected(file("tests/golden/a.csv", &"x\n".repeat(651))), (0, 0));
        assert_eq!(inspected(file("web/generated/a.js", &"x\n".repeat(651))), (0, 0));
    }

    #[test]
    fn large_files_are_refused_even_if_binary() {
        let large = File { path: "a.png".to_owned(), bytes: MOST_BYTES + 1, text: None };
        assert_eq!(inspected(large), (0, 1));
        let allowed = File { path: "a.png".to_owned(), bytes: MOST_BYTES, text: None };
        assert_eq!(inspected(allowed), (0, 0));
    }
}
