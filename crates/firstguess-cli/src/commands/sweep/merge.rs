//! `firstguess sweep merge DIR`.

use anyhow::bail;
use serde_json::json;

use super::existing;
use crate::args::MergeArgs;
use crate::exit::ExitStatus;
use crate::printer::{Printer, Tone};

pub(super) fn run(args: &MergeArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let folder = existing(&args.folder)?;
    let path = args.output.clone().unwrap_or_else(|| args.folder.join("merged.parquet"));
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    if !matches!(ending.as_deref(), Some("parquet" | "csv")) {
        bail!(
            "cannot merge into `{}`: the ending of the name says the format, .parquet or .csv",
            path.display()
        );
    }
    let points = firstguess_io::sweep::merge(&folder, &path, args.partial)?;
    if out.json() {
        out.object("sweep", &json!({ "file": path, "points": points }))?;
    } else {
        out.headline(Tone::Good, &format!("{points} points in `{}`", path.display()))?;
    }
    Ok(ExitStatus::Fine)
}
