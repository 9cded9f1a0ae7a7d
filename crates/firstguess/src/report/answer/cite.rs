//! The works behind the formulas.

use crate::spec::error::nearest;
use serde::Serialize;
use std::collections::BTreeMap;

/// The project's only bibliography.
const BIBLIOGRAPHY: &str = include_str!("../../../../../docs/references.bib");

/// The works that were asked for.
#[derive(Debug, Clone, Serialize)]
pub struct CiteAnswer {
    /// One entry per work.
    pub references: Vec<Work>,
}

/// One work.
#[derive(Debug, Clone, Serialize)]
pub struct Work {
    /// Key in the bibliography.
    pub key: &'static str,
    /// Kind of the entry.
    pub kind: &'static str,
    /// Its fields.
    pub fields: BTreeMap<&'static str, &'static str>,
    /// The entry as it stands.
    pub bibtex: &'static str,
}

/// A key that no work has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no work has the key `{key}`{suggestion}\n  known: {known}")]
pub struct UnknownWork {
    key: String,
    suggestion: String,
    known: String,
}

impl CiteAnswer {
    /// The work of this key, or all of them.
    ///
    /// # Errors
    ///
    /// [`UnknownWork`] for a key that no work has.
    pub fn new(key: Option<&str>) -> Result<Self, UnknownWork> {
        let mut references = entries(BIBLIOGRAPHY);
        if let Some(key) = key {
            let keys: Vec<&str> = references.iter().map(|entry| entry.key).collect();
            let suggestion = nearest(key, keys.iter().copied())
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            let known = keys.join(", ");
            references.retain(|entry| entry.key == key);
            if references.is_empty() {
                return Err(UnknownWork { key: key.to_owned(), suggestion, known });
            }
        }
        Ok(Self { references })
    }

    /// The entries as a bibliography.
    pub fn to_bibtex(&self) -> String {
        let entries: Vec<String> =
            self.references.iter().map(|entry| format!("{}\n", entry.bibtex)).collect();
        entries.join("\n")
    }
}

/// The entries of a file in which each starts with `@kind{key,`, has a field per line, and ends with a lone brace.
fn entries(text: &'static str) -> Vec<Work> {
    let starts = text.match_indices('@').map(|(at, _)| at);
    let at_line_start = starts.filter(|at| *at == 0 || text[..*at].ends_with('\n'));
    at_line_start.filter_map(|at| entry(&text[at..])).collect()
}

fn entry(text: &'static str) -> Option<Work> {
    let bibtex = &text[..text.find("\n}")? + 2];
    let mut lines = bibtex.lines();
    let (kind, key) = lines.next()?.strip_prefix('@')?.split_once('{')?;
    let fields = lines.filter_map(|line| {
        let (name, value) = line.split_once(" = ")?;
        let value = value.trim_end_matches(',').strip_prefix('{')?.strip_suffix('}')?;
        Some((name.trim(), value))
    });
    Some(Work { key: key.trim_end_matches(','), kind, fields: fields.collect(), bibtex })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_of_the_bibliography_is_read_whole() {
        let found = entries(BIBLIOGRAPHY);
        assert_eq!(found.len(), BIBLIOGRAPHY.matches("\n@").count());
        for entry in found {
            for field in ["title", "author", "year"] {
                assert!(entry.fields.contains_key(field), "{} lacks {field}", entry.key);
            }
            let lines = entry.bibtex.lines().count();
            assert_eq!(lines, entry.fields.len() + 2, "a field of {} was missed", entry.key);
        }
    }
}
