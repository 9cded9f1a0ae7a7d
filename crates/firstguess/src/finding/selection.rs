//! Which findings count: chosen by name, left out by name, or known from before.

use super::{Finding, RULES, Rule, Severity, by_id};
use crate::spec::error::nearest;
use serde::{Deserialize, Serialize};

/// Which findings count.
///
/// # Examples
///
/// ```
/// use firstguess::finding::Selection;
/// let selection = Selection::new(&["frozen-bias", "dead-units"], &["dead-units"])?;
/// assert!(selection.takes("frozen-bias") && !selection.takes("dead-units"));
/// assert!(Selection::new(&["frozen"], &[] as &[&str]).is_err());
/// # Ok::<(), firstguess::finding::UnknownFinding>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    select: Vec<String>,
    ignore: Vec<String>,
}

/// A name that no finding has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown finding `{name}`{hint}; known: {known}")]
pub struct UnknownFinding {
    name: String,
    hint: String,
    known: String,
}

impl Selection {
    /// The findings named in `select` (all of them where it is empty) without those named in `ignore`.
    ///
    /// # Errors
    ///
    /// [`UnknownFinding`] for a name that no rule has.
    pub fn new(
        select: &[impl AsRef<str>],
        ignore: &[impl AsRef<str>],
    ) -> Result<Self, UnknownFinding> {
        let known = |name: &str| find(name).map(|rule| rule.id.to_owned());
        Ok(Self {
            select: select.iter().map(|name| known(name.as_ref())).collect::<Result<_, _>>()?,
            ignore: ignore.iter().map(|name| known(name.as_ref())).collect::<Result<_, _>>()?,
        })
    }

    /// Whether the finding of this name counts.
    pub fn takes(&self, id: &str) -> bool {
        (self.select.is_empty() || self.select.iter().any(|name| name == id))
            && !self.ignore.iter().any(|name| name == id)
    }
}

/// The rule of this name.
///
/// # Errors
///
/// [`UnknownFinding`] with the nearest name where there is none.
pub fn find(id: &str) -> Result<&'static Rule, UnknownFinding> {
    by_id(id).ok_or_else(|| UnknownFinding::new(id))
}

impl UnknownFinding {
    fn new(name: &str) -> Self {
        let hint = nearest(name, RULES.iter().map(|rule| rule.id))
            .map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
        let known: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        Self { name: name.to_owned(), hint, known: known.join(", ") }
    }
}

/// Findings that are known and do not count again: the content of a baseline file.
///
/// A finding is known by the name of its report, its own name and its severity: one that has become graver counts.
///
/// # Examples
///
/// ```
/// use firstguess::finding::Baseline;
/// let text = r#"{ "baseline_version": 1, "findings": [{ "report": "net", "id": "blind-loss", "severity": "note" }] }"#;
/// let baseline = Baseline::from_json(text)?;
/// assert_eq!(baseline.findings.len(), 1);
/// # Ok::<(), firstguess::finding::BaselineError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Version of the layout.
    pub baseline_version: u32,
    /// What is known.
    pub findings: Vec<KnownFinding>,
}

/// One known finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownFinding {
    /// Name of the report that it is in.
    pub report: String,
    /// Name of the finding.
    pub id: String,
    /// Severity that it had.
    pub severity: Severity,
}

/// Why a baseline was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum BaselineError {
    #[error("not a baseline file: {0}")]
    Malformed(#[from] serde_json::Error),

    #[error(
        "baseline version {found}; this program knows version {BASELINE_VERSION}. Write the file anew"
    )]
    Version { found: u32 },
}

/// Version of baseline files.
pub const BASELINE_VERSION: u32 = 1;

impl Default for Baseline {
    fn default() -> Self {
        Self { baseline_version: BASELINE_VERSION, findings: Vec::new() }
    }
}

impl Baseline {
    /// From the text of a file.
    ///
    /// # Errors
    ///
    /// [`BaselineError`] for any other text.
    pub fn from_json(text: &str) -> Result<Self, BaselineError> {
        let baseline: Self = serde_json::from_str(text)?;
        if baseline.baseline_version != BASELINE_VERSION {
            return Err(BaselineError::Version { found: baseline.baseline_version });
        }
        Ok(baseline)
    }

    /// The text of a file: sorted, so that a change shows as a line.
    pub fn to_json(&self) -> String {
        let mut sorted = self.clone();
        sorted.findings.sort();
        sorted.findings.dedup();
        let text = serde_json::to_string_pretty(&sorted).unwrap_or_default();
        text + "\n"
    }

    /// Adds the findings of a report, in place of those known of it before.
    pub fn record(&mut self, report: &str, findings: &[Finding]) {
        self.findings.retain(|known| known.report != report);
        self.findings.extend(findings.iter().map(|finding| KnownFinding {
            report: report.to_owned(),
            id: finding.id.to_owned(),
            severity: finding.severity,
        }));
    }

    /// Whether a finding of this report is known, and no graver than it was.
    pub fn knows(&self, report: &str, finding: &Finding) -> bool {
        self.findings.iter().any(|known| {
            known.report == report && known.id == finding.id && finding.severity <= known.severity
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(id: &'static str, severity: Severity) -> Finding {
        Finding {
            id,
            severity,
            title: String::new(),
            explanation: String::new(),
            evidence: Vec::new(),
            remedy: None,
            references: &[],
        }
    }

    #[test]
    fn names_are_checked_and_suggested() {
        let error = Selection::new(&["frozen-bais"], &[] as &[&str]).unwrap_err().to_string();
        assert!(error.contains("did you mean `frozen-bias`?"), "{error}");
        let all = Selection::default();
        assert!(RULES.iter().all(|rule| all.takes(rule.id)));
        let some = Selection::new(&[] as &[&str], &["blind-loss"]).unwrap();
        assert!(!some.takes("blind-loss") && some.takes("biased-start"));
    }

    #[test]
    fn a_known_finding_counts_again_once_it_is_graver() {
        let mut baseline = Baseline::default();
        baseline.record("net", &[finding("dead-units", Severity::Warning)]);
        assert!(baseline.knows("net", &finding("dead-units", Severity::Warning)));
        assert!(baseline.knows("net", &finding("dead-units", Severity::Note)));
        assert!(!baseline.knows("net", &finding("dead-units", Severity::Error)));
        assert!(!baseline.knows("other", &finding("dead-units", Severity::Warning)));
        let back = Baseline::from_json(&baseline.to_json()).unwrap();
        assert_eq!(back, baseline);
        baseline.record("net", &[]);
        assert_eq!(baseline, Baseline::default());
        for text in ["", "[]", r#"{"baseline_version":2,"findings":[]}"#, r#"{"findings":[]}"#] {
            assert!(Baseline::from_json(text).is_err(), "{text}");
        }
    }
}
