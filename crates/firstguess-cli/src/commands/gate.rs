//! Which findings make `check` fail, and the files for other programs: baselines and SARIF.

use std::fs;
use std::path::Path;

use anyhow::Context;
use firstguess::Report;
use firstguess::finding::{Baseline, Finding, Selection};
use firstguess::report::AuditReport;
use firstguess_io::write_atomically;
use serde_json::Value;

use crate::args::GateArgs;
use crate::printer::Printer;

/// The options, checked before anything is computed.
pub(super) struct Gate<'a> {
    args: &'a GateArgs,
    selection: Selection,
    baseline: Option<Baseline>,
}

impl<'a> Gate<'a> {
    pub(super) fn new(args: &'a GateArgs) -> anyhow::Result<Self> {
        let baseline = args.baseline.as_deref().map(read).transpose()?;
        Ok(Self { args, selection: Selection::new(&args.select, &args.ignore)?, baseline })
    }

    /// Leaves the findings that count, and writes the files; `location` is what SARIF points to.
    pub(super) fn pass(
        &self,
        report: &mut impl Judged,
        location: &str,
        out: &mut Printer,
    ) -> anyhow::Result<()> {
        report.narrow(&self.selection, None);
        if let Some(path) = &self.args.write_baseline {
            // What other reports have in the file stays.
            let mut known = if path.exists() { read(path)? } else { Baseline::default() };
            known.record(report.name(), report.findings());
            write_atomically(path, known.to_json().as_bytes())?;
            report.narrow(&self.selection, Some(&known));
            out.note(&format!("wrote the known findings to `{}`", path.display()))?;
        }
        report.narrow(&self.selection, self.baseline.as_ref());
        if let Some(path) = &self.args.sarif {
            let mut text = serde_json::to_string_pretty(&report.to_sarif(location))?;
            text.push('\n');
            write_atomically(path, text.as_bytes())?;
        }
        Ok(())
    }
}

/// What has findings that a gate may leave out or know.
pub(super) trait Judged {
    fn name(&self) -> &str;
    fn findings(&self) -> &[Finding];
    fn narrow(&mut self, selection: &Selection, baseline: Option<&Baseline>);
    fn to_sarif(&self, location: &str) -> Value;
}

impl Judged for Report {
    fn name(&self) -> &str {
        &self.name
    }

    fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn narrow(&mut self, selection: &Selection, baseline: Option<&Baseline>) {
        self.narrow(selection, baseline);
    }

    fn to_sarif(&self, location: &str) -> Value {
        self.to_sarif(location)
    }
}

impl Judged for AuditReport {
    fn name(&self) -> &str {
        &self.audit.name
    }

    fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn narrow(&mut self, selection: &Selection, baseline: Option<&Baseline>) {
        self.narrow(selection, baseline);
    }

    fn to_sarif(&self, location: &str) -> Value {
        self.to_sarif(location)
    }
}

fn read(path: &Path) -> anyhow::Result<Baseline> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the baseline `{}`", path.display()))?;
    Baseline::from_json(&text).with_context(|| format!("in `{}`", path.display()))
}
