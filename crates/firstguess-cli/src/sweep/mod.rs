//! Points of a grid answered as the command line answers them, chunk by chunk.
//!
//! The Python package's `fg.sweep` computes chunks whole ([`Sweep::chunk`]); the threads of `firstguess sweep` share the points of one
//! ([`Sweep::answer`], [`Sweep::close`]). The bytes are the same.

mod evaluate;
mod question;

use std::time::{Duration, Instant};

use firstguess::sweep::{Grid, Row};
use firstguess_io::sweep::{bind_data, encode_chunk};

use evaluate::Evaluator;

/// A grid whose points can be answered.
pub struct Sweep {
    grid: Grid,
    evaluator: Evaluator,
}

/// A finished chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its Parquet file.
    pub bytes: Vec<u8>,
    /// Its points.
    pub points: u64,
    /// Of these, the ones without an answer.
    pub failed: u64,
    /// Time spent in the answers themselves.
    pub computing: Duration,
}

/// A point with its answer.
#[derive(Debug)]
pub struct Answered {
    row: Row,
    computing: Duration,
}

impl Sweep {
    /// For a grid as it was written: its fields are looked up in the command, the data files that it names are read once for
    /// their fingerprints.
    ///
    /// # Errors
    ///
    /// In the words of the command line: an unknown field with the nearest known one, a field that a point must have and that
    /// is missing, a spec that is none.
    pub fn new(grid: Grid) -> Result<Self, String> {
        Self::bound(bind_data(grid).map_err(|error| error.to_string())?)
    }

    /// For a grid out of a manifest, whose fingerprints were taken by whoever began the sweep.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn bound(grid: Grid) -> Result<Self, String> {
        let evaluator = Evaluator::new(&grid)?;
        Ok(Self { grid, evaluator })
    }

    /// The grid.
    pub const fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Answers the points of a chunk, one after the other on this thread: the same bytes wherever and whenever.
    ///
    /// # Errors
    ///
    /// What the Parquet writer says; points that fail are rows.
    pub fn chunk(&self, index: u64) -> Result<Chunk, String> {
        self.close(index, self.grid.chunk(index).map(|point| self.answer(point)).collect())
    }

    /// Answers one point: the part of [`Self::chunk`] that several threads may share.
    pub fn answer(&self, index: u64) -> Answered {
        let point = self.grid.point(index);
        let key = self.grid.key_of(&point);
        let start = Instant::now();
        let outcome = self.evaluator.answer(&point);
        Answered { computing: start.elapsed(), row: Row { point, key, outcome } }
    }

    /// Makes a chunk of all its answers, in the order of its points.
    ///
    /// # Errors
    ///
    /// What the Parquet writer says.
    pub fn close(&self, index: u64, answers: Vec<Answered>) -> Result<Chunk, String> {
        let computing = answers.iter().map(|answered| answered.computing).sum();
        let rows: Vec<Row> = answers.into_iter().map(|answered| answered.row).collect();
        let failed = rows.iter().filter(|row| row.outcome.is_err()).count() as u64;
        let bytes = encode_chunk(&self.grid, index, &rows)?;
        Ok(Chunk { bytes, points: rows.len() as u64, failed, computing })
    }
}

/// Runs on one thread whatever is inside: points, not their parts, are what a sweep computes in parallel.
///
/// # Panics
///
/// Never: where no thread can be started, the work is done on the threads that there are.
pub fn on_one_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    }
}
