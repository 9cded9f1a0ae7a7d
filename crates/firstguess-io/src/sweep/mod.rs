//! Sweeps on disk: grid files, folders of chunks, Parquet.
//!
//! ```text
//! DIR/sweep.json                     the grid, pinned: another one is refused
//! DIR/chunks/chunk-00000017.parquet  the points of chunk 17, whole or not there
//! DIR/.lock, .lock-…                 held while a sweep is at work, freed with the process
//! ```
//!
//! A chunk's bytes follow from the grid alone. Whoever computes it, and however often, the same file arises: that is what makes
//! it safe that a worker dies, that a task runs twice, that a driver comes back while its old workers still compute.

mod error;
mod folder;
mod grid_file;
mod lock;
mod merge;
mod status;
mod table;

pub use error::SweepError;
pub use folder::{Share, SweepFolder, chunk_name, decode_chunk, encode_chunk, manifest};
pub(crate) use grid_file::json;
pub use grid_file::{MAX_GRID_BYTES, load_grid, parse_grid};
pub use merge::merge;
pub use status::{ChunkState, Status};

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::Path;

use firstguess::sweep::{Grid, Values};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The same grid, its points bound to the contents of the data files that they name: a file that changed is another question.
///
/// Known data sets, whose contents are checked when they are fetched, and folders go by their names.
///
/// # Errors
///
/// [`SweepError::Io`] if a file is there but cannot be read.
pub fn bind_data(grid: Grid) -> Result<Grid, SweepError> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut see = |value: &Value| {
        if let Some(name) = value.as_str() {
            names.insert(name.to_owned());
        }
    };
    if let Some(name) = grid.spec().and_then(|spec| spec.get("data")?.get("dataset")) {
        see(name);
    }
    for field in grid.axes().iter().flat_map(|axis| &axis.fields) {
        if let ("data" | "data.dataset", Values::List(values)) =
            (field.name.as_str(), &field.values)
        {
            values.iter().for_each(&mut see);
        }
    }
    let mut lines = String::new();
    for name in names {
        let path = Path::new(&name);
        if path.is_file() {
            let digest =
                fingerprint(path).map_err(|source| SweepError::io("read", path, source))?;
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{digest} {name}");
        }
    }
    Ok(grid.on_data(lines))
}

fn fingerprint(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = io::Read::read(&mut file, &mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
    }
    Ok(hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
