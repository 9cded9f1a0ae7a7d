//! `firstguess check [MODEL] --weights FILE`: the weights of a file against the law they should follow.

use std::path::Path;

use firstguess::audit::{Audit, Law};
use firstguess::net::NamedTensor;
use firstguess::report::AuditReport;
use firstguess_io::{Tensors, load_tensors};

use super::check::status;
use super::gate::Gate;
use crate::args::CheckArgs;
use crate::commands::model::Model;
use crate::exit::ExitStatus;
use crate::printer::Printer;

pub(super) fn run(
    args: &CheckArgs,
    path: &Path,
    gate: &Gate<'_>,
    out: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let Tensors { tensors, skipped, .. } = load_tensors(path)?;
    if tensors.is_empty() {
        anyhow::bail!("`{}` holds no floating-point tensor", path.display());
    }
    let tensors: Vec<NamedTensor> = tensors
        .into_iter()
        .map(|t| NamedTensor { name: t.name, shape: t.shape, values: t.values })
        .collect();
    let model = args
        .model
        .as_deref()
        .map(|path| Model::load_on(path, args.data.as_deref(), None, out.settings().seed))
        .transpose()?;
    let law = match (&model, &args.scheme) {
        (Some(model), _) => Law::Network(&model.network, &model.layers),
        (None, Some(scheme)) => Law::Scheme(scheme),
        (None, None) => Law::Unknown,
    };
    let name = model.as_ref().map_or_else(|| path.display().to_string(), |m| m.spec.name.clone());
    let audit = Audit::new(name, &tensors, law)?;
    let mut report = AuditReport::new(audit, notes(&skipped));
    gate.pass(&mut report, &path.to_string_lossy(), out)?;
    if out.json() {
        out.value(&report.to_json())?;
    } else {
        out.verbatim(report.to_terminal(out.settings().style()).as_bytes())?;
    }
    Ok(status(report.worst(), args.fail_on))
}

fn notes(skipped: &[(String, String)]) -> Vec<String> {
    if skipped.is_empty() {
        return Vec::new();
    }
    let shown: Vec<String> =
        skipped.iter().take(3).map(|(name, kind)| format!("`{name}` ({kind})")).collect();
    vec![format!("{} tensors hold no floating-point numbers: {}", skipped.len(), shown.join(", "))]
}
