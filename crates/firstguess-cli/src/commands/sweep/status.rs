//! `firstguess sweep status DIR`.

use std::time::Duration;

use serde_json::json;

use super::{existing, reasons};
use crate::args::StatusArgs;
use crate::exit::ExitStatus;
use crate::printer::{Printer, Tone};

/// Reasons that are listed.
const LISTED: usize = 10;

pub(super) fn run(args: &StatusArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let folder = existing(&args.folder)?;
    let status = folder.status()?;
    let (done, failed) = (status.done_points(), status.failed());
    let failures = status.failures();
    let estimate = status.estimate();
    if out.json() {
        let damaged = status.damaged.iter();
        let damaged: Vec<_> =
            damaged.map(|(chunk, why)| json!({ "chunk": chunk, "reason": why })).collect();
        out.object(
            "sweep",
            &json!({
                "folder": folder.path(),
                "of": folder.grid().command().name(),
                "points": status.points,
                "done": done,
                "failed": failed,
                "failures": reasons(&failures),
                "remaining": status.points - done,
                "chunks": status.chunks,
                "done_chunks": status.done.len(),
                "damaged": damaged,
                "estimated_seconds": estimate.map(|estimate| estimate.as_secs_f64()),
                "complete": status.missing_chunks() == 0,
            }),
        )?;
        return Ok(ExitStatus::Fine);
    }
    let tone = match (status.missing_chunks(), failed) {
        (_, 1..) => Tone::Bad,
        (0, 0) => Tone::Good,
        _ => Tone::Neutral,
    };
    out.headline(tone, &format!("{done} of {} points done, {failed} failed", status.points))?;
    let mut text = format!(
        "{} in {} of {} chunks\n",
        folder.grid().command().name(),
        status.done.len(),
        status.chunks
    );
    if status.missing_chunks() > 0 {
        text += &format!("{} points remain", status.points - done);
        text += &match estimate {
            Some(estimate) => {
                format!(", {} at the pace of the latest chunks\n", duration(estimate))
            }
            None => "; too few chunks yet to tell for how long\n".to_owned(),
        };
    }
    for (chunk, why) in &status.damaged {
        text += &format!("chunk {chunk} is damaged: {why}; the next run computes it again\n");
    }
    out.lines(&text)?;
    print_failures(&failures, out)?;
    Ok(ExitStatus::Fine)
}

/// Why points failed, most frequent first.
pub(super) fn print_failures(failures: &[(String, u64)], out: &mut Printer) -> anyhow::Result<()> {
    for (why, points) in failures.iter().take(LISTED) {
        let line = why.lines().next().unwrap_or_default();
        out.lines(&format!("  {points} failed: {line}\n"))?;
    }
    if failures.len() > LISTED {
        out.lines(&format!("  and {} other reasons\n", failures.len() - LISTED))?;
    }
    Ok(())
}

/// A length of time for people.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        ..0.995 => format!("{:.0} ms", 1e3 * seconds),
        ..120.0 => format!("{seconds:.1} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_fitting_units() {
        let of = |seconds: f64| duration(Duration::from_secs_f64(seconds));
        let all = [of(0.02), of(3.0), of(600.0), of(9000.0), of(1e6)];
        assert_eq!(all, ["20 ms", "3.0 s", "10 min", "2.5 h", "11.6 days"]);
    }
}
