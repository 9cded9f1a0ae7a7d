//! Grids of independent questions: which points there are, in which order, under which key, and as which columns.
//!
//! A [`Grid`] is any command's question with a list, a range or a zip in place of some of its fields. Point number `i` is
//! computed from `i` alone: a grid of a billion points costs no more memory than one of ten, and any part of it can be worked
//! on anywhere. Points come in [chunks](Grid::chunk_points), the unit of work, of files and of resuming.
//!
//! A point is known by its [key](Grid::key), a hash of everything that its answer depends on: the question in canonical
//! form, its seed, the data it names, and [`NUMERICAL_VERSION`].
//!
//! Nothing is computed here: who answers a point hands its answer to [`Layout`], which lays it out in columns of fixed names
//! and types.

mod axis;
mod columns;
mod command;
mod error;
mod grid;
mod key;
#[cfg(test)]
mod tests;

pub use axis::{Axis, Field, Range, Scale, Values};
pub use columns::{Column, ColumnData, Kind, Layout, Row, Table};
pub use command::Command;
pub use error::GridError;
pub use grid::{Grid, GridParts, MAX_CHUNK_POINTS, MAX_CHUNKS, MAX_POINTS, Point};
pub use key::canonical;

/// Raised whenever a change moves a digit of any answer (CHANGELOG.md, "Numerical changes"): points that were computed before
/// are then no longer taken for the same.
pub const NUMERICAL_VERSION: u32 = 1;

/// Version of the columns: names, types and meaning.
pub const SWEEP_SCHEMA_VERSION: u32 = 1;
