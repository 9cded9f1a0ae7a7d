//! The works that numbers and findings rest on, from the project's bibliography.

use super::super::Report;
use super::escaped;
use std::fmt::Write as _;

const BIBLIOGRAPHY: &str = include_str!("../../../../../docs/references.bib");

/// Works behind the theory of every report.
const ALWAYS: [&str; 6] =
    ["bassi2026", "francazi2024", "poole2016", "schoenholz2017", "lee2018", "hanin2018"];

/// A link to the list.
pub(super) fn link(key: &str) -> String {
    format!("<a href=\"#ref-{key}\">{key}</a>")
}

pub(super) fn section(report: &Report, out: &mut String) {
    let mut keys = report.citations();
    keys.extend(report.baselined.iter().flat_map(|finding| finding.references));
    keys.extend(ALWAYS);
    keys.push("he2015");
    keys.sort_unstable();
    keys.dedup();
    *out += "<section id=\"references\" aria-labelledby=\"references-h\">\n<h2 id=\"references-h\">References</h2>\n<ul>\n";
    for key in keys {
        let _ = write!(out, "<li id=\"ref-{key}\"><code>{key}</code> ");
        if let Some(entry) = entry(key) {
            let field = |name| field(entry, name).map(|value| escaped(&plain(value)));
            let author = field("author").unwrap_or_default();
            let year = field("year").unwrap_or_default();
            let title = field("title").unwrap_or_default();
            let place = field("journal").or_else(|| field("booktitle"));
            let _ = write!(out, "{author} ({year}). <cite>{title}</cite>.");
            if let Some(place) = place {
                let _ = write!(out, " {place}.");
            }
            if let Some(eprint) = field("eprint") {
                let _ = write!(out, " arXiv:{eprint}.");
            }
        }
        *out += "</li>\n";
    }
    *out += "</ul>\n<p>As BibTeX: <code>firstguess cite KEY</code></p>\n</section>\n";
}

/// The text of an entry, from its key to the brace that ends it.
fn entry(key: &str) -> Option<&'static str> {
    let start = BIBLIOGRAPHY.find(&format!("{{{key},"))?;
    let rest = &BIBLIOGRAPHY[start..];
    rest.find("\n}").map(|end| &rest[..end])
}

fn field<'a>(entry: &'a str, name: &str) -> Option<&'a str> {
    entry.lines().find_map(|line| {
        let value = line.trim().strip_prefix(name)?.trim_start().strip_prefix('=')?.trim();
        value.trim_end_matches(',').strip_prefix('{')?.strip_suffix('}')
    })
}

/// Without the braces that keep capitals, and with `and` between names as commas.
fn plain(value: &str) -> String {
    value.replace(['{', '}'], "").replace("--", "–").replace(" and ", "; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_work_that_is_named_is_found() {
        let rules =
            crate::finding::RULES.iter().map(crate::finding::Rule::page).collect::<String>();
        assert!(rules.contains("bassi2026"));
        for key in ALWAYS {
            let entry = entry(key).unwrap_or_else(|| panic!("no {key}"));
            assert!(field(entry, "title").is_some_and(|title| title.len() > 5), "{entry}");
            assert!(field(entry, "year").is_some());
        }
        assert!(entry("nobody1900").is_none());
    }
}
