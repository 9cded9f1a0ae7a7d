//! A NumPy archive: a zip file of `.npy` arrays, plain or compressed.

use firstguess::spec::Dataset;
use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive, ZipSliceArchive};

use crate::error::Problem;
use crate::load::ReadOptions;
use crate::npy::Array;
use crate::parts::{check_count, read_bounded};

/// Names of the input array, the surest first.
const INPUT_NAMES: [&str; 7] = ["x", "X", "inputs", "data", "images", "x_train", "X_train"];

/// Names of the label array, the surest first.
pub(crate) const LABEL_NAMES: [&str; 5] = ["y", "labels", "targets", "y_train", "Y"];

/// More arrays than any data set has; a forged archive may claim millions.
const MAX_ARRAYS: usize = 10_000;

/// Reads inputs and, where there are any, labels.
pub(crate) fn dataset(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Dataset, Problem> {
    let archive = ZipArchive::from_slice(bytes).map_err(|error| damaged(&error))?;
    let names = names(&archive)?;
    let find =
        |wanted: &[&str]| wanted.iter().find_map(|w| names.iter().position(|name| name == w));
    let inputs = match (find(&INPUT_NAMES), names.len()) {
        (Some(index), _) => index,
        // A single array can only be the inputs.
        (None, 1) => 0,
        (None, _) => {
            let shown = names.iter().take(10).map(|n| format!("`{n}`")).collect::<Vec<_>>();
            let found = if shown.is_empty() { "none".into() } else { shown.join(", ") };
            return Err(Problem::new(
                format!("no input array among its {} arrays ({found})", names.len()),
                format!(
                    "inputs as {}; labels as {}",
                    INPUT_NAMES.join(", "),
                    LABEL_NAMES.join(", ")
                ),
            )
            .hint("in Python: numpy.savez(\"data.npz\", x=inputs, y=labels)"));
        }
    };
    let input_bytes = entry(&archive, inputs, options)?;
    let in_inputs = |problem: Problem| problem.within(&format!("array `{}`", names[inputs]));
    let array = Array::parse(&input_bytes).map_err(in_inputs)?;
    let labels = match find(&LABEL_NAMES) {
        None => None,
        Some(index) => {
            let bytes = entry(&archive, index, options)?;
            let in_labels = |problem: Problem| problem.within(&format!("array `{}`", names[index]));
            let labels = Array::parse(&bytes).and_then(|a| a.labels()).map_err(in_labels)?;
            check_count(&labels, array.extents.first().copied().unwrap_or(0))?;
            Some(labels)
        }
    };
    array.dataset(name, labels, options).map_err(in_inputs)
}

/// The bytes of the array with the first of these names that there is, or of the only array.
pub(crate) fn array(
    bytes: &[u8],
    wanted: &[&str],
    options: &ReadOptions,
) -> Result<Vec<u8>, Problem> {
    let archive = ZipArchive::from_slice(bytes).map_err(|error| damaged(&error))?;
    let names = names(&archive)?;
    let found = wanted.iter().find_map(|w| names.iter().position(|name| name == w));
    match (found, names.len()) {
        (Some(index), _) => entry(&archive, index, options),
        (None, 1) => entry(&archive, 0, options),
        (None, _) => Err(Problem::new(
            format!("an archive of {} arrays, none of them with a known name", names.len()),
            format!("an array called {}, or a single array", wanted.join(", ")),
        )
        .hint("save the array on its own: numpy.save")),
    }
}

/// The name and the bytes of every array, in the order of the directory.
pub(crate) fn all(bytes: &[u8], options: &ReadOptions) -> Result<Vec<(String, Vec<u8>)>, Problem> {
    let archive = ZipArchive::from_slice(bytes).map_err(|error| damaged(&error))?;
    let mut left = options.max_bytes;
    let mut arrays = Vec::new();
    for (index, name) in names(&archive)?.into_iter().enumerate() {
        // Together no more than one array might hold.
        let bytes = entry(&archive, index, &ReadOptions { max_bytes: left, ..options.clone() })?;
        left = left.saturating_sub(bytes.len() as u64);
        if arrays.iter().any(|(known, _)| *known == name) {
            return Err(Problem::new("a name that stands twice", "arrays with different names"));
        }
        arrays.push((name, bytes));
    }
    Ok(arrays)
}

/// An array of an npz archive, under its name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedArray {
    /// The keyword of `numpy.savez`: `input_ids`.
    pub name: String,
    /// Extents; the first counts the examples.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f64>,
}

/// Every array of an archive, of whichever type of numbers.
pub(crate) fn arrays(bytes: &[u8], options: &ReadOptions) -> Result<Vec<NamedArray>, Problem> {
    let read = |(name, bytes): (String, Vec<u8>)| {
        let array =
            Array::parse(&bytes).map_err(|problem| problem.within(&format!("array `{name}`")))?;
        let values = array.values().collect();
        Ok(NamedArray { shape: array.extents.clone(), values, name })
    };
    all(bytes, options)?.into_iter().map(read).collect()
}

/// The names of the arrays in the order of the directory, without `.npy`.
fn names(archive: &ZipSliceArchive<&[u8]>) -> Result<Vec<String>, Problem> {
    let mut names = Vec::new();
    for header in archive.entries() {
        let header = header.map_err(|error| damaged(&error))?;
        if names.len() == MAX_ARRAYS {
            return Err(Problem::new(
                format!("more than {MAX_ARRAYS} arrays"),
                "an archive of fewer arrays",
            ));
        }
        let path = header.file_path();
        let name = String::from_utf8_lossy(path.as_ref()).into_owned();
        names.push(name.strip_suffix(".npy").map_or(name.clone(), str::to_owned));
    }
    Ok(names)
}

/// The bytes of the array at `index`, checked against size and checksum of the directory.
fn entry(
    archive: &ZipSliceArchive<&[u8]>,
    index: usize,
    options: &ReadOptions,
) -> Result<Vec<u8>, Problem> {
    let missing = || Problem::new("a directory that changes while it is read", "an npz archive");
    let header = archive.entries().nth(index).ok_or_else(missing)?.map_err(|e| damaged(&e))?;
    if header.flags().is_encrypted() {
        return Err(Problem::new("an encrypted archive", "an archive without a password"));
    }
    let entry = archive.get_entry(header.wayfinder()).map_err(|e| damaged(&e))?;
    match header.compression_method() {
        CompressionMethod::STORE => {
            read_bounded(entry.verifying_reader(entry.data()), options.max_bytes, "zip")
        }
        CompressionMethod::DEFLATE => {
            let inflated = DeflateDecoder::new(entry.data());
            read_bounded(entry.verifying_reader(inflated), options.max_bytes, "zip")
        }
        other => Err(Problem::new(
            format!("an archive compressed by method {other}"),
            "stored or deflated arrays, as numpy.savez and numpy.savez_compressed write them",
        )),
    }
}

fn damaged(error: &rawzip::Error) -> Problem {
    Problem::new(format!("a damaged zip archive ({error})"), "an npz archive of numpy.savez")
        .hint("fetch or write the file again")
}
