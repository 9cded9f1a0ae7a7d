//! Plain numbers without the meaning of a data set: probabilities and labels for the search of label errors.

use std::path::Path;

use crate::error::{DataError, Problem};
use crate::load::{Content, ReadOptions, content};
use crate::parts::{Labels, plan};
use crate::{csv, idx, npy, npz, parquet};

/// Names of an array of probabilities in an archive, the surest first.
const PROBABILITY_NAMES: [&str; 6] = ["probabilities", "pred_probs", "probs", "proba", "p", "P"];

/// Names of an array of labels in an archive, the surest first.
const LABEL_NAMES: [&str; 5] = ["labels", "y", "targets", "y_train", "Y"];

/// Rows of numbers, as many in each.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Numbers in a row.
    pub columns: usize,
    /// `[rows, columns]`, row-major.
    pub values: Vec<f64>,
}

/// Reads a matrix of two axes from npy, npz, csv, tsv or Parquet, each but Parquet also as .gz.
///
/// In an archive it is the array called `probabilities`, `pred_probs`, `probs`, `proba` or `p`, or the only one. A table may have a
/// header; every column belongs to the matrix.
///
/// # Errors
///
/// [`DataError`] says what was found, what is allowed and what to try.
pub fn load_matrix(path: &Path, options: &ReadOptions) -> Result<Matrix, DataError> {
    let bytes = content(path, options)?;
    matrix(&bytes, options).map_err(|problem| problem.in_file(&path.to_string_lossy()))
}

fn matrix(file: &Content, options: &ReadOptions) -> Result<Matrix, Problem> {
    let of_array = |bytes: &[u8]| {
        let array = npy::Array::parse(bytes)?;
        match *array.extents {
            [rows, columns] => {
                plan(rows, 2 * columns, options)?;
                Ok(Matrix { columns, values: array.values().collect() })
            }
            _ => Err(Problem::new(
                format!("an array of shape {:?}", array.extents),
                "a matrix of shape [examples, classes]",
            )),
        }
    };
    match file.format()? {
        "npy" => of_array(&file.bytes),
        "npz" => of_array(&npz::array(&file.bytes, &PROBABILITY_NAMES, options)?),
        "csv" => {
            let (columns, values) = csv::numbers(&file.bytes, options)?;
            Ok(Matrix { columns, values })
        }
        "parquet" => {
            let (columns, values) = parquet::numbers(&file.bytes, options)?;
            Ok(Matrix { columns, values })
        }
        other => Err(Problem::new(
            format!("a file in the format {other}"),
            "a matrix as npy, npz, csv, tsv or parquet",
        )),
    }
}

/// Reads one label per example, whole numbers from 0, from npy, npz, csv, tsv, Parquet or IDX, each but Parquet also as .gz.
///
/// In an archive it is the array called `labels`, `y` or `targets`, or the only one. A table must have one column.
///
/// # Errors
///
/// [`DataError`] says what was found, what is allowed and what to try.
pub fn load_labels(path: &Path, options: &ReadOptions) -> Result<Vec<u32>, DataError> {
    let bytes = content(path, options)?;
    labels(&bytes, options).map_err(|problem| problem.in_file(&path.to_string_lossy()))
}

fn labels(file: &Content, options: &ReadOptions) -> Result<Vec<u32>, Problem> {
    let one_column = |(columns, values): (usize, Vec<f64>)| match columns {
        1 => Labels::from_numbers(values.into_iter()),
        _ => Err(Problem::new(
            format!("a table of {columns} columns"),
            "labels in a table of one column",
        )),
    };
    let labels = match file.format()? {
        "npy" => npy::Array::parse(&file.bytes)?.labels()?,
        "npz" => npy::Array::parse(&npz::array(&file.bytes, &LABEL_NAMES, options)?)?.labels()?,
        "idx" => idx::Array::parse(&file.bytes)?.labels()?,
        "csv" => one_column(csv::numbers(&file.bytes, options)?)?,
        "parquet" => one_column(parquet::numbers(&file.bytes, options)?)?,
        other => {
            return Err(Problem::new(
                format!("a file in the format {other}"),
                "labels as npy, npz, csv, tsv, parquet or IDX",
            ));
        }
    };
    Ok(labels.values)
}
