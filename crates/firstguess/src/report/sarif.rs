//! The report as SARIF 2.1.0, the format in which code-scanning services read findings.

use super::Report;
use crate::finding::{Finding, RULES, Severity};
use serde_json::{Value, json};

/// Where the manual of the findings is, below the project's root.
const MANUAL: &str = "docs/findings.md";

impl Report {
    /// The findings as one SARIF log; `location` is the file that describes the network, relative to the project's root.
    ///
    /// Findings of the baseline are there too, marked as suppressed. The rules carry their manual pages.
    pub fn to_sarif(&self, location: &str) -> Value {
        log(&self.name, Some(self.seed), &self.findings, &self.baselined, location)
    }
}

/// The log of findings of a report of this name.
pub(super) fn log(
    name: &str,
    seed: Option<u64>,
    findings: &[Finding],
    baselined: &[Finding],
    location: &str,
) -> Value {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": { "text": rule.summary() },
                "fullDescription": { "text": rule.summary() },
                "help": { "text": rule.page(), "markdown": rule.page() },
                "helpUri": MANUAL,
            })
        })
        .collect();
    let fresh = findings.iter().map(|finding| sarif_result(name, finding, location, false));
    let known = baselined.iter().map(|finding| sarif_result(name, finding, location, true));
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "firstguess",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": MANUAL,
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": fresh.chain(known).collect::<Vec<_>>(),
            "properties": { "report": name, "seed": seed },
        }],
    })
}

fn sarif_result(name: &str, finding: &Finding, location: &str, known: bool) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let remedy =
        finding.remedy.as_ref().map_or_else(String::new, |text| format!(" To do: {text}."));
    let mut result = json!({
        "ruleId": finding.id,
        "ruleIndex": RULES.iter().position(|rule| rule.id == finding.id),
        "level": level,
        "message": { "text": format!("{}: {}. {}{remedy}", name, finding.title, finding.explanation) },
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": location }, "region": { "startLine": 1 } },
            "logicalLocations": [{ "name": name, "kind": "module" }],
        }],
        // The same finding of the same report keeps its identity when numbers move.
        "partialFingerprints": { "firstguess/v1": format!("{}:{}", name, finding.id) },
        "properties": { "evidence": finding.evidence },
    });
    if let Some(fields) = result.as_object_mut().filter(|_| known) {
        let why = json!([{ "kind": "external", "justification": "in the baseline" }]);
        fields.insert("suppressions".to_owned(), why);
    }
    result
}
