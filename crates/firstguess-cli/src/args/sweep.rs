//! `sweep`, and its parts `status` and `merge`.

use std::path::PathBuf;

use clap::{Args as Arguments, Subcommand};
use firstguess_io::sweep::Share;

#[derive(Debug, Clone, Arguments)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct SweepArgs {
    #[command(subcommand)]
    pub(crate) command: Option<SweepCommand>,
    /// A grid file (TOML): a command, and lists, ranges and zips over its fields
    #[arg(value_name = "GRID", required = true)]
    pub(crate) grid: Option<PathBuf>,
    /// The folder of the results; points that are there already are not computed again
    #[arg(long, short, value_name = "DIR", required_unless_present = "dry_run")]
    pub(crate) output: Option<PathBuf>,
    /// Work on every N-th chunk, beginning with the I-th: 1/4 to 4/4 share one folder, on any machines
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub(crate) shard: Option<Share>,
    /// Go on with what is in the folder; this is the default
    #[arg(long, conflicts_with = "no_resume")]
    pub(crate) resume: bool,
    /// Refuse a folder that holds anything already
    #[arg(long)]
    pub(crate) no_resume: bool,
    /// Compute chunks with failed points again, such as after a data set was fetched
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Say what would be computed, and compute nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SweepCommand {
    /// How far a sweep has come: points done, failed and why, remaining, time left
    Status(StatusArgs),
    /// One file of all points, in order
    Merge(MergeArgs),
}

#[derive(Debug, Clone, Arguments)]
pub(crate) struct StatusArgs {
    /// The folder of a sweep
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Clone, Arguments)]
pub(crate) struct MergeArgs {
    /// The folder of a sweep
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// The file, by its ending .parquet or .csv [default: merged.parquet in the folder]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Merge what there is, although chunks are missing
    #[arg(long)]
    pub(crate) partial: bool,
}

fn shard(text: &str) -> Result<Share, String> {
    let wrong = || "write which of how many, such as 1/4".to_owned();
    let (index, count) = text.split_once('/').ok_or_else(wrong)?;
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    let (index, count) = (number(index)?, number(count)?);
    if count == 0 || count > 1_000_000 {
        return Err("from 1 to 1000000 shards".to_owned());
    }
    if index == 0 || index > count {
        return Err(format!("shards of {count} are numbered from 1 to {count}"));
    }
    Ok(Share::Shard { index, count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_count_from_one() {
        assert_eq!(shard("2/4"), Ok(Share::Shard { index: 2, count: 4 }));
        for text in ["", "2", "0/4", "5/4", "1/0", "-1/4", "a/b", "1/4/2"] {
            assert!(shard(text).is_err(), "{text}");
        }
    }
}
