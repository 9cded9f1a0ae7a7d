//! All chunks as one file.

use std::fs;
use std::path::Path;

use firstguess::sweep::{Column, ColumnData};

use super::error::SweepError;
use super::folder::{SweepFolder, TEMPORARY, decode_chunk};
use super::table::{Joiner, Notes};

/// Writes every point once, in order, into one file by its ending: `.parquet`, whose pages are copied as they are, or `.csv`.
/// Gives the number of points.
///
/// # Errors
///
/// [`SweepError::Unfinished`] if chunks are missing and `partial` is not set, [`SweepError::Damaged`] if one is not what its
/// name says, [`SweepError::Io`] if the file cannot be written; it is then as it was.
pub fn merge(folder: &SweepFolder, out: &Path, partial: bool) -> Result<u64, SweepError> {
    let status = folder.status()?;
    if let Some((chunk, why)) = status.damaged.first() {
        return Err(SweepError::Damaged { path: folder.chunk_path(*chunk), why: why.clone() });
    }
    let unfinished = || SweepError::Unfinished {
        folder: folder.path().to_owned(),
        missing: status.missing_chunks(),
        chunks: status.chunks,
    };
    if status.missing_chunks() > 0 && !partial {
        return Err(unfinished());
    }
    let first = status.done.first().ok_or_else(unfinished)?;
    let failed = |source| SweepError::io("write", out, source);
    let parent = match out.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let file = crate::write::new_file(parent, TEMPORARY).map_err(failed)?;
    let chunks = status.done.iter().map(|done| folder.chunk_path(done.chunk));
    if out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")) {
        let mut rows = csv::Writer::from_writer(file.as_file());
        for (position, path) in chunks.enumerate() {
            let damaged = |why: String| SweepError::Damaged { path: path.clone(), why };
            let bytes = fs::read(&path).map_err(|why| SweepError::io("read", &path, why))?;
            let table = decode_chunk(bytes, None).map_err(damaged)?;
            let of_csv = |error: csv::Error| failed(std::io::Error::other(error));
            if position == 0 {
                let names = table.columns.iter().map(|column| column.name.as_str());
                rows.write_record(names).map_err(of_csv)?;
            }
            for row in 0..length(table.columns.first()) {
                rows.write_record(table.columns.iter().map(|column| text(column, row)))
                    .map_err(of_csv)?;
            }
        }
        rows.flush().map_err(failed)?;
    } else {
        let notes = [
            ("firstguess.grid", folder.grid().digest()),
            ("firstguess.command", folder.grid().command().name().to_owned()),
            ("firstguess.points", status.done_points().to_string()),
        ];
        let notes: Notes =
            notes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let handle = file.as_file().try_clone().map_err(failed)?;
        let path = folder.chunk_path(first.chunk);
        let mut joiner = Joiner::new(&path, handle, &notes)
            .map_err(|why| SweepError::Damaged { path: path.clone(), why })?;
        for path in chunks {
            joiner.append(&path).map_err(|why| SweepError::Damaged { path: path.clone(), why })?;
        }
        joiner.finish().map_err(|why| failed(std::io::Error::other(why)))?;
    }
    file.as_file().sync_all().map_err(failed)?;
    file.persist(out).map_err(|error| failed(error.error))?;
    Ok(status.done_points())
}

fn length(column: Option<&Column>) -> usize {
    match column.map(|column| &column.data) {
        Some(ColumnData::Integer(cells)) => cells.len(),
        Some(ColumnData::Number(cells)) => cells.len(),
        Some(ColumnData::Text(cells)) => cells.len(),
        Some(ColumnData::Flag(cells)) => cells.len(),
        None => 0,
    }
}

fn text(column: &Column, row: usize) -> String {
    fn shown<T: ToString>(cells: &[Option<T>], row: usize) -> String {
        cells.get(row).and_then(Option::as_ref).map(ToString::to_string).unwrap_or_default()
    }
    match &column.data {
        ColumnData::Integer(cells) => shown(cells, row),
        ColumnData::Number(cells) => shown(cells, row),
        ColumnData::Text(cells) => shown(cells, row),
        ColumnData::Flag(cells) => shown(cells, row),
    }
}
