//! How far a sweep has come.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime};

use super::error::SweepError;
use super::folder::SweepFolder;

/// What is known of a finished chunk without reading its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkState {
    /// Its number.
    pub chunk: u64,
    /// Its points.
    pub points: u64,
    /// Of these, the ones without an answer.
    pub failed: u64,
    /// Why, with how many points each.
    pub failures: Vec<(String, u64)>,
    /// When it was written.
    modified: Option<SystemTime>,
}

/// How far a sweep has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Chunks that are there and whole.
    pub done: Vec<ChunkState>,
    /// Chunks that are there and are not what they should be, and why.
    pub damaged: Vec<(u64, String)>,
    /// Time between two chunks lately, where it can be told.
    pub pace: Option<Duration>,
    /// Points of the grid.
    pub points: u64,
    /// Chunks of the grid.
    pub chunks: u64,
}

/// Chunks from whose times the pace is read.
const RECENT: usize = 200;

impl SweepFolder {
    /// Looks at every chunk's footer.
    ///
    /// # Errors
    ///
    /// [`SweepError::Io`] if the folder cannot be read.
    pub fn status(&self) -> Result<Status, SweepError> {
        let mut status = Status {
            done: Vec::new(),
            damaged: Vec::new(),
            pace: None,
            points: self.grid().points(),
            chunks: self.grid().chunks(),
        };
        for chunk in self.numbers()? {
            match self.footer(chunk) {
                Ok(footer) => {
                    let note = |name: &str| footer.notes.get(&format!("firstguess.{name}"));
                    let failures =
                        note("failures").and_then(|text| serde_json::from_str(text).ok());
                    let modified =
                        fs::metadata(self.chunk_path(chunk)).and_then(|of| of.modified());
                    status.done.push(ChunkState {
                        chunk,
                        points: footer.rows,
                        failed: note("failed").and_then(|count| count.parse().ok()).unwrap_or(0),
                        failures: failures.unwrap_or_default(),
                        modified: modified.ok(),
                    });
                }
                Err(why) => status.damaged.push((chunk, why)),
            }
        }
        status.pace = pace(&status.done);
        Ok(status)
    }
}

/// The time between the first and last of the latest chunks, without pauses: gaps longer than ten times the median count as
/// the median.
fn pace(done: &[ChunkState]) -> Option<Duration> {
    let mut times: Vec<SystemTime> = done.iter().filter_map(|chunk| chunk.modified).collect();
    times.sort_unstable();
    let recent = &times[times.len().saturating_sub(RECENT)..];
    let mut gaps: Vec<Duration> =
        recent.windows(2).map(|pair| pair[1].duration_since(pair[0]).unwrap_or_default()).collect();
    gaps.sort_unstable();
    let median = *gaps.get(gaps.len() / 2)?;
    let usual = gaps.iter().map(|gap| if *gap > median * 10 { median } else { *gap });
    let sum: Duration = usual.sum();
    Some(sum / u32::try_from(gaps.len()).ok()?)
}

impl Status {
    /// Points that have a row.
    pub fn done_points(&self) -> u64 {
        self.done.iter().map(|chunk| chunk.points).sum()
    }

    /// Points whose row is an error.
    pub fn failed(&self) -> u64 {
        self.done.iter().map(|chunk| chunk.failed).sum()
    }

    /// Why points failed, most frequent first.
    pub fn failures(&self) -> Vec<(String, u64)> {
        let mut all: BTreeMap<&str, u64> = BTreeMap::new();
        for (why, count) in self.done.iter().flat_map(|chunk| &chunk.failures) {
            *all.entry(why).or_default() += count;
        }
        let mut all: Vec<(String, u64)> =
            all.into_iter().map(|(why, count)| (why.to_owned(), count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all
    }

    /// Chunks that are not there yet.
    pub fn missing_chunks(&self) -> u64 {
        self.chunks - self.done.len() as u64
    }

    /// Time that the rest takes at the pace of the latest chunks.
    pub fn estimate(&self) -> Option<Duration> {
        let missing = self.missing_chunks();
        if missing == 0 {
            return Some(Duration::ZERO);
        }
        self.pace.map(|pace| pace.mul_f64(missing as f64))
    }
}
