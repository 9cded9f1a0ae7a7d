//! What the audit of a weight file found.

use super::text::{left, number, right};
use super::{SCHEMA_VERSION, Style, terminal};
use crate::audit::{Audit, Role, TensorAudit};
use crate::finding::{Baseline, Finding, Selection, Severity, judge_weights};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The audit with its verdicts.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditReport {
    /// What was measured.
    pub audit: Audit,
    /// Verdicts, the gravest first.
    pub findings: Vec<Finding>,
    /// Verdicts that a baseline knows: shown, and not counted.
    pub baselined: Vec<Finding>,
    /// What else a reader should know: tensors that were not looked at.
    pub notes: Vec<String>,
}

/// Tensors shown before the table is folded.
const ROWS: usize = 12;

impl AuditReport {
    /// Judges an audit.
    pub fn new(audit: Audit, notes: Vec<String>) -> Self {
        let findings = judge_weights(&audit);
        Self { audit, findings, baselined: Vec::new(), notes }
    }

    /// Keeps the findings that count: what the selection leaves out goes, what the baseline knows is set aside.
    pub fn narrow(&mut self, selection: &Selection, baseline: Option<&Baseline>) {
        self.findings.retain(|finding| selection.takes(finding.id));
        if let Some(baseline) = baseline {
            let name = &self.audit.name;
            let (known, fresh) =
                self.findings.drain(..).partition(|finding| baseline.knows(name, finding));
            self.findings = fresh;
            self.baselined.extend::<Vec<Finding>>(known);
        }
    }

    /// The gravest severity among the findings.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// One sentence for someone who reads nothing else.
    pub fn headline(&self) -> String {
        match self.findings.first() {
            Some(finding) if finding.severity > Severity::Note => super::sentence(&finding.title),
            _ => match &self.audit.law {
                Some(law) => format!("The weights follow their law ({law})."),
                None => {
                    "Nothing is odd about these weights; no law was given to compare them with."
                        .to_owned()
                }
            },
        }
    }

    /// The findings as SARIF, as [`Report::to_sarif`](super::Report::to_sarif) has them.
    pub fn to_sarif(&self, location: &str) -> Value {
        super::sarif::log(&self.audit.name, None, &self.findings, &self.baselined, location)
    }

    /// The audit as text for a terminal.
    pub fn to_terminal(&self, style: Style) -> String {
        let verdict = match self.worst() {
            Some(Severity::Error) => style.paint("1;31", "NOT OK"),
            Some(Severity::Warning) => style.paint("1;33", "DOUBTFUL"),
            _ => style.paint("1;32", "OK"),
        };
        let mut out = format!(
            "{}  {verdict}\n{}",
            style.bold(&self.audit.name),
            style.wrap(&self.headline(), 2)
        );
        let law = self.audit.law.as_deref().unwrap_or("unknown: give the model, or --scheme");
        let count: usize = self.audit.tensors.iter().map(|tensor| tensor.statistics.count).sum();
        let mut about = vec![
            ("tensors", format!("{}, {count} values", self.audit.tensors.len())),
            ("law", law.to_owned()),
        ];
        about.extend(self.notes.iter().map(|note| ("note", note.clone())));
        for (label, text) in about {
            let body = style.wrap(&text, 11);
            let _ = write!(out, "  {}{}", style.dim(&left(label, 9)), body.trim_start());
        }
        self.table(&mut out, style);
        for finding in &self.findings {
            out.push('\n');
            out += &terminal::finding_text(finding, style);
        }
        let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
        style.finish(lines.join("\n") + "\n")
    }

    fn table(&self, out: &mut String, style: Style) {
        let shown: Vec<&TensorAudit> = self
            .audit
            .tensors
            .iter()
            .filter(|tensor| matches!(tensor.role, Role::Weight | Role::Embedding))
            .collect();
        if shown.is_empty() {
            return;
        }
        *out += &style.bold(&format!(
            "\n  {}{}{}{}{}\n",
            left("tensor", 30),
            right("values", 10),
            right("rms", 10),
            right("law", 10),
            right("factor", 9)
        ));
        for position in terminal::folded(shown.len(), ROWS) {
            let tensor = shown[position];
            let s = &tensor.statistics;
            let law = tensor.expected.as_ref().filter(|expected| expected.std > 0.0);
            let known = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
            let _ = writeln!(
                out,
                "  {}{}{}{}{}",
                left(&terminal::ending(&tensor.name, 29), 30),
                right(&s.count.to_string(), 10),
                right(&number(s.root_mean_square), 10),
                right(&known(law.map(|law| law.std)), 10),
                right(&known(law.map(|law| s.root_mean_square / law.std)), 9),
            );
        }
    }

    /// The audit as one JSON object.
    pub fn to_json(&self) -> Value {
        let status = self.worst().map_or_else(
            || "fine".to_owned(),
            |worst| match worst {
                Severity::Note => "fine".to_owned(),
                other => other.to_string(),
            },
        );
        json!({
            "schema_version": SCHEMA_VERSION,
            "command": "check",
            "firstguess_version": env!("CARGO_PKG_VERSION"),
            "name": self.audit.name,
            "seed": 0,
            "verdict": { "status": status, "headline": self.headline() },
            "weights": self.audit,
            "findings": self.findings,
            "baselined": self.baselined,
            "notes": self.notes,
        })
    }
}
