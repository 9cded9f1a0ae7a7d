//! Rules that look at one file's lines. Each gives (line, fault), lines counted from 1.

use std::env;
use std::path::Path;

/// Marks of unfinished work, written in two halves: this file obeys the rule too.
const UNFINISHED: [[&str; 2]; 8] = [
    ["TO", "DO"],
    ["FIX", "ME"],
    ["XX", "X"],
    ["todo", "!("],
    ["unimplemented", "!("],
    ["#[", "ignore"],
    ["pytest.mark.", "skip"],
    ["assert!(", "true)"],
];

/// Folders in which people's own files lie, on the usual systems.
const PERSONAL: [[&str; 2]; 4] =
    [["/ho", "me/"], ["/ro", "ot/"], ["/Us", "ers/"], ["C:\\Us", "ers\\"]];

pub(super) fn unfinished(text: &str) -> Vec<(usize, String)> {
    per_line(text, |line| {
        let marks = UNFINISHED.map(|halves| halves.concat());
        let found = marks.into_iter().find(|mark| contains_word(line, mark))?;
        Some(format!("unfinished: `{found}`"))
    })
}

pub(super) fn stray_whitespace(text: &str) -> Vec<(usize, String)> {
    let mut faults =
        per_line(text, |line| line.ends_with([' ', '\t']).then(|| "blanks at the end".to_owned()));
    if !text.is_empty() && !text.ends_with('\n') {
        faults.push((text.lines().count(), "no end of line at the end of the file".to_owned()));
    }
    faults
}

/// Paths that exist on one machine only: below somebody's home, or below this very checkout.
pub(super) fn machine_paths(text: &str, root: &Path) -> Vec<(usize, String)> {
    let mut prefixes: Vec<String> = PERSONAL.map(|halves| halves.concat()).to_vec();
    let home = env::var("HOME").unwrap_or_default();
    prefixes.extend([home, root.display().to_string()].into_iter().filter(|path| path.len() > 1));
    per_line(text, |line| {
        let found = prefixes.iter().find(|prefix| starts_a_path(line, prefix))?;
        Some(format!("a path of one machine: `{found}`"))
    })
}

fn per_line(text: &str, rule: impl Fn(&str) -> Option<String>) -> Vec<(usize, String)> {
    let numbered = text.lines().enumerate();
    numbered.filter_map(|(index, line)| Some((index + 1, rule(line)?))).collect()
}

/// Whether `mark` stands in the line and not inside a longer word.
fn contains_word(line: &str, mark: &str) -> bool {
    line.match_indices(mark).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + mark.len()..].chars().next();
        let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let goes_on = mark.ends_with(char::is_alphanumeric) && letter(after);
        !(letter(before) || goes_on)
    })
}

/// Whether `prefix` stands in the line where a path can begin: `https://host/home/` is none.
fn starts_a_path(line: &str, prefix: &str) -> bool {
    line.match_indices(prefix).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-/~}".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(faults: Vec<(usize, String)>) -> Vec<usize> {
        faults.into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn unfinished_work_is_found_and_longer_words_are_not() {
        for [first, second] in UNFINISHED {
            let planted = format!("fine\nlet x = 1; // {first}{second} later\n");
            let planted =
                if second.ends_with('(') { planted.replace(" later", ")") } else { planted };
            assert_eq!(lines(unfinished(&planted)), [2], "{first}{second}");
        }
        assert_eq!(lines(unfinished("let mut todos = 0; a.ignored(); assert!(trusted)\n")), []);
        assert_eq!(lines(unfinished(&format!("M{}{}NT\n", "TO", "DO"))), []);
    }

    #[test]
    fn blanks_and_a_missing_last_end_of_line_are_found() {
        assert_eq!(lines(stray_whitespace("a\nb \nc\t\n")), [2, 3]);
        assert_eq!(lines(stray_whitespace("a\nb")), [2]);
        assert_eq!(lines(stray_whitespace("")), []);
    }

    #[test]
    fn paths_of_this_machine_are_found_and_urls_are_not() {
        let root = Path::new("/srv/checkouts/guess");
        let planted =
            format!("see /ho{0}ada/x\nhttps://a.org/ho{0}x\nin /srv/checkouts/guess/a\n", "me/");
        assert_eq!(lines(machine_paths(&planted, root)), [1, 3]);
        assert_eq!(lines(machine_paths("/usr/bin/env and docs/theory\n", root)), []);
    }
}
