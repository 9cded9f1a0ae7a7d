//! Sweeps: the grid, its chunks, the folder that they are written into, and its columns as arrays.

use std::path::Path;
use std::sync::Mutex;

use firstguess::sweep::{ColumnData, Grid, GridParts, Layout, Table};
use firstguess_cli::sweep::{Chunk, Sweep as Answers, on_one_thread};
use firstguess_io::sweep::{Share, SweepFolder as Folder, decode_chunk, manifest, parse_grid};
use numpy::{IntoPyArray, PyArray1};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::refuse;

/// The folder's fault, not the question's.
fn os_error(error: impl std::fmt::Display) -> PyErr {
    PyOSError::new_err(error.to_string())
}

/// A grid whose points can be answered.
#[pyclass(frozen)]
pub(crate) struct Sweep {
    answers: Answers,
}

/// What became of a chunk: points, of these without an answer, seconds in the answers.
type Counts = (u64, u64, f64);

fn counts(chunk: &Chunk) -> Counts {
    (chunk.points, chunk.failed, chunk.computing.as_secs_f64())
}

#[pymethods]
impl Sweep {
    /// Of a grid's TOML text; a path under `spec` starts in `folder`.
    #[new]
    fn new(py: Python<'_>, text: &str, folder: &str) -> PyResult<Self> {
        py.detach(|| {
            let grid = parse_grid(text, Path::new(folder)).map_err(|fault| {
                let help =
                    fault.help.as_ref().map_or_else(String::new, |help| format!("\n  {help}"));
                refuse(format!("{fault}{help}"))
            })?;
            Ok(Self { answers: Answers::new(grid).map_err(refuse)? })
        })
    }

    /// Of the text of a folder's `sweep.json`.
    #[staticmethod]
    fn from_manifest(py: Python<'_>, text: &str) -> PyResult<Self> {
        py.detach(|| {
            let mut known: serde_json::Value = serde_json::from_str(text).map_err(refuse)?;
            let parts: GridParts = serde_json::from_value(known["grid"].take()).map_err(refuse)?;
            let grid = Grid::new(parts).map_err(refuse)?;
            Ok(Self { answers: Answers::bound(grid).map_err(refuse)? })
        })
    }

    #[getter]
    fn points(&self) -> u64 {
        self.answers.grid().points()
    }

    #[getter]
    fn chunks(&self) -> u64 {
        self.answers.grid().chunks()
    }

    #[getter]
    fn chunk_points(&self) -> u64 {
        self.answers.grid().chunk_points()
    }

    #[getter]
    fn digest(&self) -> String {
        self.answers.grid().digest()
    }

    /// Names of the columns.
    fn columns(&self) -> Vec<String> {
        Layout::new(self.answers.grid()).columns().map(|(name, _)| name.to_owned()).collect()
    }

    /// The text of `sweep.json`.
    fn manifest(&self) -> String {
        format!("{:#}\n", manifest(self.answers.grid()))
    }

    /// The key of a point.
    fn key(&self, index: u64) -> PyResult<String> {
        if index >= self.points() {
            return Err(refuse(format!("there are {} points, counted from 0", self.points())));
        }
        Ok(self.answers.grid().key(index))
    }

    /// The file of a chunk, and its counts.
    fn chunk<'py>(&self, py: Python<'py>, index: u64) -> PyResult<(Bound<'py, PyBytes>, Counts)> {
        let found = py.detach(|| on_one_thread(|| self.answers.chunk(index))).map_err(refuse)?;
        Ok((PyBytes::new(py, &found.bytes), counts(&found)))
    }

    /// Computes a chunk and writes it into a folder that a driver opened.
    fn work(&self, py: Python<'_>, folder: &str, index: u64, again: bool) -> PyResult<Counts> {
        py.detach(|| {
            let folder = Folder::join(Path::new(folder), self.answers.grid().clone());
            let folder = folder.map_err(os_error)?;
            let found = on_one_thread(|| self.answers.chunk(index)).map_err(refuse)?;
            let written = if again {
                folder.rewrite(index, &found.bytes)
            } else {
                folder.write(index, &found.bytes)
            };
            written.map_err(os_error)?;
            Ok(counts(&found))
        })
    }
}

/// The folder of a sweep, locked until it is closed or forgotten.
#[pyclass(frozen)]
pub(crate) struct SweepFolder {
    folder: Mutex<Option<Folder>>,
}

#[pymethods]
impl SweepFolder {
    /// Begins a sweep there, or goes on with it.
    #[new]
    fn new(py: Python<'_>, path: &str, sweep: &Sweep) -> PyResult<Self> {
        let folder =
            py.detach(|| Folder::open(Path::new(path), sweep.answers.grid().clone(), Share::Whole));
        Ok(Self { folder: Mutex::new(Some(folder.map_err(os_error)?)) })
    }

    /// Chunks that are there: number, points, failed. Damaged ones are put aside.
    fn done(&self, py: Python<'_>) -> PyResult<Vec<(u64, u64, u64)>> {
        py.detach(|| {
            let folder = self.folder.lock().map_err(refuse)?;
            let folder = folder.as_ref().ok_or_else(|| refuse("the folder is closed"))?;
            let status = folder.status().map_err(os_error)?;
            for (chunk, _) in &status.damaged {
                folder.set_aside(*chunk).map_err(os_error)?;
            }
            Ok(status.done.iter().map(|done| (done.chunk, done.points, done.failed)).collect())
        })
    }

    /// Gives the lock back.
    fn close(&self) {
        if let Ok(mut folder) = self.folder.lock() {
            *folder = None;
        }
    }
}

type Columns<'py> = Vec<(String, Bound<'py, PyAny>)>;

/// The columns of a folder: arrays, and lists of text.
#[pyfunction]
#[pyo3(signature = (folder, columns))]
pub(crate) fn sweep_columns<'py>(
    py: Python<'py>,
    folder: &str,
    columns: Option<Vec<String>>,
) -> PyResult<Columns<'py>> {
    let names: Option<Vec<&str>> =
        columns.as_ref().map(|names| names.iter().map(String::as_str).collect());
    let table = py.detach(|| {
        Folder::read(Path::new(folder)).and_then(|folder| folder.table(names.as_deref()))
    });
    arrays(py, table.map_err(os_error)?)
}

/// The columns of a chunk's file.
#[pyfunction]
#[pyo3(signature = (data, columns))]
pub(crate) fn chunk_columns<'py>(
    py: Python<'py>,
    data: &[u8],
    columns: Option<Vec<String>>,
) -> PyResult<Columns<'py>> {
    let names: Option<Vec<&str>> =
        columns.as_ref().map(|names| names.iter().map(String::as_str).collect());
    let data = data.to_vec();
    let table = py.detach(|| decode_chunk(data, names.as_deref())).map_err(refuse)?;
    arrays(py, table)
}

/// Whole numbers stay whole where none is missing; a missing number is NaN.
fn arrays(py: Python<'_>, table: Table) -> PyResult<Columns<'_>> {
    let each = table.columns.into_iter().map(|column| {
        let array = match column.data {
            ColumnData::Integer(cells) if cells.iter().all(Option::is_some) => {
                PyArray1::from_iter(py, cells.into_iter().flatten()).into_any()
            }
            ColumnData::Integer(cells) => {
                let cells = cells.into_iter().map(|cell| cell.map_or(f64::NAN, |cell| cell as f64));
                PyArray1::from_iter(py, cells).into_any()
            }
            ColumnData::Number(cells) => {
                let cells: Vec<f64> =
                    cells.into_iter().map(|cell| cell.unwrap_or(f64::NAN)).collect();
                cells.into_pyarray(py).into_any()
            }
            ColumnData::Flag(cells) => cells.into_bound_py_any(py)?,
            ColumnData::Text(cells) => cells.into_bound_py_any(py)?,
        };
        Ok((column.name, array))
    });
    each.collect()
}
