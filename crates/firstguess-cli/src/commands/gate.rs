//! Which findings make `check` fail, and the files for other programs: baselines and SARIF.

use std::fs;
use std::path::Path;

use anyhow::Context;
use firstguess::Report;
use firstguess::finding::{Baseline, Selection};
use firstguess::report::AuditReport;
use firstguess_io::write_atomically;

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
        report: &mut Report,
        location: &str,
        out: &mut Printer,
    ) -> anyhow::Result<()> {
        report.narrow(&self.selection, None);
        if let Some(path) = &self.args.write_baseline {
            // What other reports have in the file stays.
            let mut known = if path.exists() { read(path)? } else { Baseline::default() };
            known.record(&report.name, &report.findings);
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

impl Gate<'_> {
    /// The same for the audit of a weight file.
    pub(super) fn pass_audit(
        &self,
        report: &mut AuditReport,
        location: &str,
        out: &mut Printer,
    ) -> anyhow::Result<()> {
        report.narrow(&self.selection, None);
        if let Some(path) = &self.args.write_baseline {
            let mut known = if path.exists() { read(path)? } else { Baseline::default() };
            known.record(&report.audit.name, &report.findings);
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

fn read(path: &Path) -> anyhow::Result<Baseline> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the baseline `{}`", path.display()))?;
    Baseline::from_json(&text).with_context(|| format!("in `{}`", path.display()))
}
