//! Manual pages of findings.

use crate::finding::Rule;
use serde::Serialize;

/// The pages that were asked for.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainAnswer {
    /// One page per finding.
    pub findings: Vec<Page>,
}

/// One page.
#[derive(Debug, Clone, Serialize)]
pub struct Page {
    /// Name of the finding.
    pub id: &'static str,
    /// What it says, in one line.
    pub summary: String,
    /// The page, in Markdown.
    pub text: String,
}

impl ExplainAnswer {
    /// The pages of these rules.
    pub fn new(rules: &[&Rule]) -> Self {
        let page = |rule: &&Rule| Page { id: rule.id, summary: rule.summary(), text: rule.page() };
        Self { findings: rules.iter().map(page).collect() }
    }
}
