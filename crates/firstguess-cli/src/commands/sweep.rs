//! `firstguess sweep`: a grid of questions, answered chunk by chunk into a folder.

mod merge;
mod status;
mod work;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};
use firstguess::sweep::Layout;
use firstguess_io::sweep::{Share, SweepFolder, load_grid};
use serde_json::{Value, json};

use crate::args::{SweepArgs, SweepCommand};
use crate::exit::ExitStatus;
use crate::printer::{Printer, Tone};
use crate::sweep::Sweep;

pub(crate) use status::duration;

pub(crate) fn run(args: &SweepArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    match &args.command {
        Some(SweepCommand::Status(args)) => return status::run(args, out),
        Some(SweepCommand::Merge(args)) => return merge::run(args, out),
        None => {}
    }
    if let Some(seed) = out.settings().seed {
        bail!(
            "the seed is a field of the grid, so that the folder knows it: write `seed = {seed}` under [grid]"
        );
    }
    let path = args.grid.as_deref().context("give GRID, a grid file")?;
    let sweep = Sweep::new(load_grid(path)?)
        .map_err(|why| anyhow::anyhow!("in `{}`: {why}", path.display()))?;
    if args.dry_run {
        return dry_run(&sweep, out);
    }
    let folder = args.output.as_deref().context("give -o DIR, a folder for the results")?;
    if args.no_resume && folder.join("sweep.json").exists() {
        bail!(
            "`{}` holds a sweep already; leave out --no-resume to go on with it, or give another folder",
            folder.display()
        );
    }
    let share = args.shard.unwrap_or(Share::Whole);
    let folder = SweepFolder::open(folder, sweep.grid().clone(), share)?;
    if !folder.is_locked() {
        out.note(
            "this file system knows no locks: nothing keeps a second sweep out of the folder",
        )?;
    }
    compute(&sweep, &folder, share, args.retry_failed, out)
}

fn compute(
    sweep: &Sweep,
    folder: &SweepFolder,
    share: Share,
    retry_failed: bool,
    out: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let start = Instant::now();
    let before = folder.status()?;
    for (chunk, why) in before.damaged.iter().filter(|(chunk, _)| share.has(*chunk)) {
        let aside = folder.set_aside(*chunk)?;
        out.note(&format!("chunk {chunk} was damaged ({why}); it is now `{}`", aside.display()))?;
    }
    let mut there = vec![false; usize::try_from(sweep.grid().chunks())?];
    for chunk in &before.done {
        if !(retry_failed && chunk.failed > 0 && share.has(chunk.chunk)) {
            there[usize::try_from(chunk.chunk)?] = true;
        }
    }
    let todo: Vec<u64> = (0..)
        .zip(&there)
        .filter(|(chunk, there)| share.has(*chunk) && !**there)
        .map(|(c, _)| c)
        .collect();
    let done = work::run(sweep, folder, &todo, rayon::current_num_threads(), out.settings())
        .with_context(
            || "the sweep stopped; what is finished is kept, and the same command goes on with it",
        )?;
    let after = folder.status()?;
    let mine = || after.done.iter().filter(|chunk| share.has(chunk.chunk));
    let failed: u64 = mine().map(|chunk| chunk.failed).sum();
    let points: u64 = mine().map(|chunk| chunk.points).sum();
    let seconds = start.elapsed().as_secs_f64();
    if out.json() {
        out.object(
            "sweep",
            &json!({
                "folder": folder.path(),
                "points": sweep.grid().points(),
                "chunks": sweep.grid().chunks(),
                "shard": shard(share),
                "done": points,
                "failed": failed,
                "failures": reasons(&after.failures()),
                "computed": done.points,
                "seconds": seconds,
                "computing_seconds": done.computing.as_secs_f64(),
                "threads": done.threads,
                "complete": after.missing_chunks() == 0,
            }),
        )?;
    } else {
        let tone = if failed == 0 { Tone::Good } else { Tone::Bad };
        let part = shard(share).as_str().map_or_else(String::new, |part| format!(", shard {part}"));
        out.headline(
            tone,
            &format!("{points} points in `{}`{part}: {failed} failed", folder.path().display()),
        )?;
        out.lines(&format!(
            "{} computed now in {} on {} threads, {:.0} % of it in the points themselves\n",
            done.points,
            duration(start.elapsed()),
            done.threads,
            share_of(done.computing.as_secs_f64(), seconds * done.threads as f64),
        ))?;
        if failed > 0 {
            status::print_failures(&after.failures(), out)?;
        }
        out.note(&format!(
            "`firstguess sweep merge {0}` makes one file of it; pyarrow, polars and DuckDB read {0}/chunks/*.parquet",
            folder.path().display()
        ))?;
    }
    Ok(if failed == 0 { ExitStatus::Fine } else { ExitStatus::Findings })
}

fn share_of(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { 100.0 * (part / whole).min(1.0) } else { 0.0 }
}

fn shard(share: Share) -> Value {
    match share {
        Share::Whole => Value::Null,
        Share::Shard { index, count } => format!("{index}/{count}").into(),
    }
}

fn reasons(failures: &[(String, u64)]) -> Value {
    failures.iter().map(|(why, points)| json!({ "error": why, "points": points })).collect()
}

fn dry_run(sweep: &Sweep, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let grid = sweep.grid();
    let layout = Layout::new(grid);
    let columns: Vec<&str> = layout.columns().map(|(name, _)| name).collect();
    let shown = |index: u64| -> Value {
        let values = grid.point(index).values;
        grid.fields().map(str::to_owned).zip(values).collect::<serde_json::Map<_, _>>().into()
    };
    let (first, last) = (shown(0), shown(grid.points() - 1));
    if out.json() {
        out.object(
            "sweep",
            &json!({
                "points": grid.points(),
                "chunks": grid.chunks(),
                "chunk_points": grid.chunk_points(),
                "columns": columns,
                "first": first,
                "last": last,
                "digest": grid.digest(),
            }),
        )?;
        return Ok(ExitStatus::Fine);
    }
    out.headline(
        Tone::Neutral,
        &format!(
            "{} points of `{}` in {} chunks of {}",
            grid.points(),
            grid.command().name(),
            grid.chunks(),
            grid.chunk_points()
        ),
    )?;
    out.lines(&format!("first  {first}\nlast   {last}\ncolumns  {}\n", columns.join(", ")))?;
    Ok(ExitStatus::Fine)
}

/// The folder of a sweep, to be read.
pub(crate) fn existing(path: &Path) -> anyhow::Result<SweepFolder> {
    Ok(SweepFolder::read(path)?)
}
