//! `firstguess cite [KEY]`.

use std::collections::BTreeMap;

use anyhow::bail;
use firstguess::spec::error::nearest;
use serde::Serialize;

use crate::args::CiteArgs;
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// The project's only bibliography.
const BIBLIOGRAPHY: &str = include_str!("../../../../docs/references.bib");

/// One work.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    key: &'a str,
    kind: &'a str,
    fields: BTreeMap<&'a str, &'a str>,
    bibtex: &'a str,
}

#[derive(Serialize)]
struct Bibliography<'a> {
    references: Vec<Entry<'a>>,
}

pub(crate) fn run(args: &CiteArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let mut references = entries(BIBLIOGRAPHY);
    if let Some(key) = &args.key {
        let keys: Vec<&str> = references.iter().map(|entry| entry.key).collect();
        let suggestion = nearest(key, keys.iter().copied())
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default();
        let known = keys.join(", ");
        references.retain(|entry| entry.key == key);
        if references.is_empty() {
            bail!("no work has the key `{key}`{suggestion}\n  known: {known}");
        }
    }
    if out.json() {
        out.object("cite", &Bibliography { references })?;
        return Ok(ExitStatus::Fine);
    }
    for (index, entry) in references.iter().enumerate() {
        let gap = if index > 0 { "\n" } else { "" };
        out.verbatim(format!("{gap}{}\n", entry.bibtex).as_bytes())?;
    }
    Ok(ExitStatus::Fine)
}

/// The entries of a file in which each starts with `@kind{key,`, has a field per line, and ends with a lone brace.
fn entries(text: &str) -> Vec<Entry<'_>> {
    let starts = text.match_indices('@').map(|(at, _)| at);
    let at_line_start = starts.filter(|at| *at == 0 || text[..*at].ends_with('\n'));
    at_line_start.filter_map(|at| entry(&text[at..])).collect()
}

fn entry(text: &str) -> Option<Entry<'_>> {
    let bibtex = &text[..text.find("\n}")? + 2];
    let mut lines = bibtex.lines();
    let (kind, key) = lines.next()?.strip_prefix('@')?.split_once('{')?;
    let fields = lines.filter_map(|line| {
        let (name, value) = line.split_once(" = ")?;
        let value = value.trim_end_matches(',').strip_prefix('{')?.strip_suffix('}')?;
        Some((name.trim(), value))
    });
    Some(Entry { key: key.trim_end_matches(','), kind, fields: fields.collect(), bibtex })
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
