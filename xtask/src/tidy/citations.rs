//! Every work that the code or the documents cite stands in docs/references.bib.

use std::collections::BTreeSet;

use super::File;

const BIBLIOGRAPHY: &str = "docs/references.bib";

pub(super) fn faults(files: &[File]) -> Vec<String> {
    let bibliography = files.iter().find(|file| file.path == BIBLIOGRAPHY);
    let text = bibliography.and_then(|file| file.text.as_deref()).unwrap_or_default();
    let (known, mut faults) = entries(text);
    for file in files {
        let Some(text) = file.text.as_deref() else { continue };
        let cited = if file.has_extension(&["rs"]) {
            cited_in_rustdoc(text)
        } else if file.has_extension(&["md"]) {
            cited_in_markdown(text)
        } else {
            continue;
        };
        let unknown = cited.into_iter().filter(|(_, key)| !known.contains(key.as_str()));
        faults.extend(
            unknown.map(|(line, key)| {
                format!("{}:{line}: `{key}` is not in {BIBLIOGRAPHY}", file.path)
            }),
        );
    }
    faults
}

/// The keys of a bibliography, and what is wrong with its entries.
fn entries(bibliography: &str) -> (BTreeSet<&str>, Vec<String>) {
    let (mut keys, mut faults) = (BTreeSet::new(), Vec::new());
    for entry in bibliography.split("\n@").filter_map(|entry| entry.split_once('{')) {
        let (key, fields) = entry.1.split_once(',').unwrap_or((entry.1, ""));
        let fault = |what: &str| format!("{BIBLIOGRAPHY}: `{key}` {what}");
        if !keys.insert(key) {
            faults.push(fault("stands there twice"));
        }
        if !looks_like_a_key(key) {
            faults.push(fault("is no key: author and year, such as `poole2016`"));
        }
        for field in ["title", "author", "year"] {
            let has = fields
                .lines()
                .any(|line| line.split_once('=').is_some_and(|(name, _)| name.trim() == field));
            if !has {
                faults.push(fault(&format!("has no {field}")));
            }
        }
    }
    (keys, faults)
}

/// Keys in the `# References` part of documentation comments.
fn cited_in_rustdoc(text: &str) -> Vec<(usize, String)> {
    let mut cited = Vec::new();
    let mut in_references = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let Some(doc) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else {
            in_references = false;
            continue;
        };
        if let Some(heading) = doc.trim_start().strip_prefix("# ") {
            in_references = heading.trim() == "References";
        } else if in_references {
            cited.extend(keys_in(doc).map(|key| (index + 1, key.to_owned())));
        }
    }
    cited
}

/// Keys anywhere in a Markdown text.
fn cited_in_markdown(text: &str) -> Vec<(usize, String)> {
    let numbered = text.lines().enumerate();
    numbered
        .flat_map(|(index, line)| keys_in(line).map(move |key| (index + 1, key.to_owned())))
        .collect()
}

/// What stands between backticks and looks like a key.
fn keys_in(line: &str) -> impl Iterator<Item = &str> {
    let quoted = line.split('`').enumerate().filter(|(index, _)| index % 2 == 1);
    quoted.map(|(_, text)| text).filter(|text| looks_like_a_key(text))
}

/// Letters, then a year: `poole2016`, or `yang2019b` where one author has two works in a year.
fn looks_like_a_key(text: &str) -> bool {
    let year = text.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let name = &text[..text.len() - year.len()];
    let digits = year.strip_suffix(|c: char| c.is_ascii_lowercase()).unwrap_or(year);
    let plausible = digits.len() == 4 && (digits.starts_with("19") || digits.starts_with("20"));
    name.len() > 1 && plausible && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIB: &str =
        "\n@article{poole2016,\n  title = {A},\n  author = {B},\n  year = {2016},\n}\n";

    fn project(bibliography: &str, path: &str, text: &str) -> Vec<String> {
        let file = |path: &str, text: &str| File {
            path: path.to_owned(),
            bytes: text.len() as u64,
            text: Some(text.to_owned()),
        };
        faults(&[file(BIBLIOGRAPHY, bibliography), file(path, text)])
    }

    #[test]
    fn an_unknown_key_is_a_fault_at_its_line() {
        let good = "/// # References\n///\n/// `poole2016`, the length map.\nfn f() {}\n";
        assert_eq!(project(BIB, "a.rs", good), Vec::<String>::new());
        let bad = good.replace("poole2016", "pool2016");
        assert_eq!(
            project(BIB, "a.rs", &bad),
            ["a.rs:3: `pool2016` is not in docs/references.bib"]
        );
        assert_eq!(project(BIB, "a.md", "see `schoenholz2017`\n").len(), 1);
    }

    #[test]
    fn only_the_references_of_rustdoc_are_read() {
        let elsewhere = "/// `pool2016`\nfn f() {}\n// # References\n// `pool2016`\n";
        assert_eq!(cited_in_rustdoc(elsewhere), []);
        let after = "/// # References\n/// `a2016`\n/// # Examples\n/// `ab2016` `cd2016`\n";
        assert_eq!(cited_in_rustdoc(after), []);
    }

    #[test]
    fn keys_are_told_from_other_code_words() {
        for key in ["poole2016", "box1958", "yang2019b"] {
            assert!(looks_like_a_key(key), "{key}");
        }
        for word in ["sha256", "chi_1", "x2016", "poole", "2016", "relu6", "port8080", "poole20167"]
        {
            assert!(!looks_like_a_key(word), "{word}");
        }
    }

    #[test]
    fn a_bibliography_with_a_hole_or_a_double_is_refused() {
        assert_eq!(entries(BIB).1, Vec::<String>::new());
        assert_eq!(entries(&BIB.replace("author", "editor")).1.len(), 1);
        assert_eq!(entries(&BIB.repeat(2)).1.len(), 1);
    }
}
