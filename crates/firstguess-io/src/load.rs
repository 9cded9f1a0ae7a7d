//! One entry for every format: chosen by name, content or, where the content has no signature, by extension.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use firstguess::spec::{Dataset, Part};

use crate::csv::LabelColumn;
use crate::error::{DataError, Problem};
use crate::npz::NamedArray;
use crate::parts::{gunzip, is_gzip, read_bounded};
use crate::{cache, cifar, csv, digits, idx, image_folder, known, npy, npz, parquet};

/// Names of the data sets that are part of the program.
pub const EMBEDDED: [&str; 1] = ["digits"];

const FORMATS: &str = "npz or npy (NumPy), csv or tsv, IDX (MNIST), CIFAR-10 .bin, each also as .gz; parquet; or a folder of IDX or CIFAR-10 files, or of images with one subfolder per class";

/// File name endings of the formats without the `.gz`.
const ENDINGS: [&str; 10] =
    ["npz", "npy", "csv", "tsv", "txt", "parquet", "pq", "bin", "idx3-ubyte", "idx"];

/// How much of a data set to read, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// Read only the first so many examples; all of them by default. Does not change the number of classes.
    pub examples: Option<usize>,
    /// Refuse files, decompressed content, and inputs as f32, of more bytes than this: 2 GiB by default.
    pub max_bytes: u64,
    /// Which column of a table holds the labels.
    pub label_column: LabelColumn,
    /// Which part, of a data set or folder with an official test set.
    pub part: Part,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            examples: None,
            max_bytes: 2 << 30,
            label_column: LabelColumn::default(),
            part: Part::Train,
        }
    }
}

/// Loads a data set by name ([`EMBEDDED`], or one that was fetched: [`known_sources`](crate::known_sources)) or from a file or folder,
/// at most `limit` examples of it.
///
/// Inputs are what the file holds, unscaled: pixels stay 0 to 255. To reach a file that is called like such a set, write `./digits`.
///
/// # Errors
///
/// [`DataError`] says what was found, what is allowed and what to try.
///
/// # Examples
///
/// ```
/// let digits = firstguess_io::load_dataset("digits", None)?;
/// assert_eq!((digits.examples(), digits.classes()), (1797, 10));
/// assert_eq!(digits.shape().to_string(), "[1, 8, 8]");
/// # Ok::<(), firstguess_io::DataError>(())
/// ```
pub fn load_dataset(path_or_name: &str, limit: Option<usize>) -> Result<Dataset, DataError> {
    load_dataset_with(path_or_name, &ReadOptions { examples: limit, ..ReadOptions::default() })
}

/// [`load_dataset`] with every choice open.
///
/// # Errors
///
/// As [`load_dataset`].
pub fn load_dataset_with(path_or_name: &str, options: &ReadOptions) -> Result<Dataset, DataError> {
    if path_or_name == "digits" {
        return whole(options)
            .and_then(|()| digits::load(options))
            .map_err(|problem| problem.in_file(path_or_name));
    }
    if let Some(source) = known::source(path_or_name) {
        let folder = cache::folder()?.join(&source.name);
        if !source.is_in(&folder) {
            return Err(DataError::NotFetched { name: source.name, folder });
        }
        return load_folder(&folder, options);
    }
    let path = Path::new(path_or_name);
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => load_folder(path, options),
        Ok(_) => whole(options)
            .map_err(|problem| problem.in_file(path_or_name))
            .and_then(|()| load_file(path, options)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(unknown(path_or_name)),
        Err(source) => Err(DataError::Io { file: path_or_name.to_owned(), source }),
    }
}

/// Refuses to look for a test part where there are no parts.
fn whole(options: &ReadOptions) -> Result<(), Problem> {
    match options.part {
        Part::Train => Ok(()),
        Part::Test => Err(Problem::new(
            "no official test part",
            "part = \"test\" of mnist, fashion_mnist, cifar10, or of a folder with train and test parts",
        )
        .hint("give the file of the test examples as the data set")),
    }
}

/// Reads a data set from the bytes of a file called `file`, whose ending decides where the content has no signature.
///
/// # Errors
///
/// As [`load_dataset`].
///
/// # Examples
///
/// ```
/// # use firstguess_io::{ReadOptions, dataset_from_bytes};
/// let table = b"height,width,label\n1.5,2,0\n3,4,1\n";
/// let data = dataset_from_bytes("boxes.csv", table, &ReadOptions::default())?;
/// assert_eq!(data.inputs(), [1.5, 2.0, 3.0, 4.0]);
/// assert_eq!(data.labels(), Some(&[0, 1][..]));
/// # Ok::<(), firstguess_io::DataError>(())
/// ```
pub fn dataset_from_bytes(
    file: &str,
    bytes: &[u8],
    options: &ReadOptions,
) -> Result<Dataset, DataError> {
    from_bytes(file, bytes, options).map_err(|problem| problem.in_file(file))
}

fn from_bytes(file: &str, bytes: &[u8], options: &ReadOptions) -> Result<Dataset, Problem> {
    let name = file_name(Path::new(file));
    if bytes.len() as u64 > options.max_bytes {
        return Err(Problem::TooLarge { limit: options.max_bytes });
    }
    if is_gzip(bytes) {
        let bytes = gunzip(bytes, options.max_bytes)?;
        return parse(&name, ending(&name), &bytes, options);
    }
    parse(&name, ending(&name), bytes, options)
}

fn parse(
    name: &str,
    ending: &str,
    bytes: &[u8],
    options: &ReadOptions,
) -> Result<Dataset, Problem> {
    match format(ending, bytes)? {
        "npy" => npy::dataset(name, bytes, options),
        "npz" => npz::dataset(name, bytes, options),
        "parquet" => parquet::dataset(name, bytes, options),
        "cifar" => cifar::dataset(name, bytes, options),
        "idx" => {
            let array = idx::Array::parse(bytes)?;
            if array.is_vector() {
                return Err(Problem::new("labels without images", "an IDX file of images")
                    .hint("give the file of the images: labels beside it are found"));
            }
            array.dataset(name, None, options)
        }
        _ => csv::dataset(name, bytes, options),
    }
}

/// The format of these bytes: by their signature or, where they have none, by the ending of the file's name.
fn format(ending: &str, bytes: &[u8]) -> Result<&'static str, Problem> {
    if bytes.is_empty() {
        return Err(Problem::new("an empty file", FORMATS));
    }
    Ok(match ending {
        _ if bytes.starts_with(npy::MAGIC) => "npy",
        "npy" => "npy",
        _ if bytes.starts_with(b"PK") => "npz",
        "npz" => "npz",
        _ if bytes.starts_with(parquet::MAGIC) => "parquet",
        "parquet" | "pq" => "parquet",
        // Pixels of a CIFAR batch can look like an IDX header: there the ending decides.
        "bin" => "cifar",
        _ if idx::is_idx(bytes) => "idx",
        "csv" | "tsv" | "txt" => "csv",
        _ => {
            return Err(Problem::new("an unknown format", FORMATS)
                .hint("in Python: numpy.savez(\"data.npz\", x=inputs, y=labels)"));
        }
    })
}

/// Reads every array of an npz archive, for a model that takes several.
///
/// # Errors
///
/// [`DataError`] says what was found, what is allowed and what to try.
pub fn load_arrays(path: &Path) -> Result<Vec<NamedArray>, DataError> {
    let options = ReadOptions::default();
    let content = content(path, &options)?;
    let arrays = match content.format() {
        Ok("npz") => npz::arrays(&content.bytes, &options),
        Ok(_) => Err(Problem::new("no npz archive", "an array for each input of the model")
            .hint("in Python: numpy.savez(\"inputs.npz\", ...) with the names of the inputs")),
        Err(problem) => Err(problem),
    };
    arrays.map_err(|problem| problem.in_file(&path.to_string_lossy()))
}

/// A whole file, decompressed.
pub(crate) struct Content {
    ending: String,
    pub(crate) bytes: Vec<u8>,
}

impl Content {
    pub(crate) fn format(&self) -> Result<&'static str, Problem> {
        format(&self.ending, &self.bytes)
    }
}

/// Reads a file for a use other than as a data set.
pub(crate) fn content(path: &Path, options: &ReadOptions) -> Result<Content, DataError> {
    let bytes = read_file(path, options.max_bytes)?;
    let bytes = if is_gzip(&bytes) {
        gunzip(&bytes, options.max_bytes)
            .map_err(|problem| problem.in_file(&path.to_string_lossy()))?
    } else {
        bytes
    };
    Ok(Content { ending: ending(&file_name(path)).to_owned(), bytes })
}

/// Reads a file, and for IDX images the labels beside it.
fn load_file(path: &Path, options: &ReadOptions) -> Result<Dataset, DataError> {
    let bytes = read_file(path, options.max_bytes)?;
    let name = file_name(path);
    if ending(&name) != "bin" {
        let labels = idx::label_names(&name).into_iter().map(|name| path.with_file_name(name));
        if let Some(labels) = labels.into_iter().find(|path| path.is_file()) {
            return load_idx_pair(&name, path, &bytes, &labels, options);
        }
    }
    dataset_from_bytes(&path.to_string_lossy(), &bytes, options)
}

fn load_idx_pair(
    name: &str,
    images: &Path,
    image_bytes: &[u8],
    labels: &Path,
    options: &ReadOptions,
) -> Result<Dataset, DataError> {
    let label_bytes = read_file(labels, options.max_bytes)?;
    let unzipped = |bytes: &[u8]| {
        if is_gzip(bytes) { gunzip(bytes, options.max_bytes) } else { Ok(bytes.to_vec()) }
    };
    let labels = unzipped(&label_bytes)
        .and_then(|bytes| idx::Array::parse(&bytes)?.labels())
        .map_err(|problem| problem.in_file(&labels.to_string_lossy()))?;
    unzipped(image_bytes)
        .and_then(|bytes| idx::Array::parse(&bytes)?.dataset(name, Some(labels), options))
        .map_err(|problem| problem.in_file(&images.to_string_lossy()))
}

/// Reads the CIFAR-10 batches, else the IDX images and labels, else the images in subfolders, of a folder.
fn load_folder(folder: &Path, options: &ReadOptions) -> Result<Dataset, DataError> {
    let names = file_names(folder)
        .map_err(|source| DataError::Io { file: folder.to_string_lossy().into_owned(), source })?;
    let batches = cifar::choose_batches(&names, options.part);
    if !batches.is_empty() {
        let mut all = cifar::Batches::default();
        for name in batches {
            if all.complete(options) {
                break;
            }
            let path = folder.join(name);
            let bytes = read_file(&path, options.max_bytes)?;
            all.add(&bytes, options).map_err(|p| p.in_file(&path.to_string_lossy()))?;
        }
        return all
            .dataset(&file_name(folder))
            .map_err(|problem| problem.in_file(&folder.to_string_lossy()));
    }
    if let Some(images) = idx::choose_images(&names, options.part) {
        let data = load_file(&folder.join(images), options)?;
        return Ok(data.renamed(&file_name(folder)));
    }
    if let Some(data) = image_folder::load(folder, options)? {
        return Ok(data);
    }
    let shown = match names.len() {
        0 => "it holds no file".to_owned(),
        1..=8 => format!("it holds {}", names.join(", ")),
        more => format!("it holds {} and {} more", names[..8].join(", "), more - 8),
    };
    let (what, allowed) = match options.part {
        Part::Train => (
            "a known data set",
            "data_batch_1.bin … (CIFAR-10), train-images-idx3-ubyte with train-labels-idx1-ubyte (MNIST), or ",
        ),
        Part::Test => (
            "a test part",
            "test_batch.bin (CIFAR-10), t10k-images-idx3-ubyte with t10k-labels-idx1-ubyte (MNIST), or a subfolder `test` with ",
        ),
    };
    let problem = Problem::new(
        format!("a folder without {what} ({shown})"),
        format!("{allowed}{}", image_folder::LAYOUT),
    )
    .hint("give the path of one file in it");
    Err(problem.in_file(&folder.to_string_lossy()))
}

/// The whole file, refused by its size before it is read.
pub(crate) fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, DataError> {
    let shown = || path.to_string_lossy().into_owned();
    let io_error = |source| DataError::Io { file: shown(), source };
    let metadata = fs::metadata(path).map_err(io_error)?;
    // Opening a pipe would wait for a writer; a device may never end.
    if !metadata.is_file() {
        return Err(Problem::new("not a regular file", FORMATS).in_file(&shown()));
    }
    if metadata.len() > limit {
        return Err(DataError::TooLarge { file: shown(), limit });
    }
    let file = File::open(path).map_err(io_error)?;
    read_bounded(file, limit, "file").map_err(|problem| problem.in_file(&shown()))
}

/// Nothing is called this: says what comes nearest and what there is.
fn unknown(name: &str) -> DataError {
    let mut available: Vec<String> =
        EMBEDDED.into_iter().chain(known::NAMES).map(str::to_owned).collect();
    let path = Path::new(name);
    let folder = path.parent().unwrap_or(Path::new(""));
    let searched = if folder == Path::new("") { Path::new(".") } else { folder };
    let mut files: Vec<String> = file_names(searched)
        .unwrap_or_default()
        .into_iter()
        .filter(|file| ENDINGS.contains(&ending(file)))
        .map(|file| folder.join(file).to_string_lossy().into_owned())
        .collect();
    files.truncate(8);
    available.append(&mut files);
    // A third of the letters may be wrong; beyond that a suggestion confuses.
    let tolerance = (name.chars().count() / 3).max(1);
    let nearest = available
        .iter()
        .map(|candidate| (strsim::osa_distance(&name.to_lowercase(), candidate), candidate))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.clone());
    available.push(format!("or the path of a file: {FORMATS}"));
    DataError::Unknown { name: name.to_owned(), nearest, available }
}

/// The names of the files in a folder, sorted; those that are not UTF-8 cannot be named by the caller and are left out.
pub(crate) fn file_names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().is_file()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

pub(crate) fn file_name(path: &Path) -> String {
    let name = path.file_name().map_or_else(|| path.to_path_buf(), PathBuf::from);
    name.to_string_lossy().into_owned()
}

/// What follows the last point of a name without its `.gz`; MNIST's files have a dash instead of the point.
pub(crate) fn ending(name: &str) -> &str {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    if name.ends_with("idx3-ubyte") {
        return "idx3-ubyte";
    }
    name.rsplit_once('.').map_or("", |(_, ending)| ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_suggests_the_nearest_and_lists_what_is_there() {
        let error = load_dataset("digts", None).unwrap_err().to_string();
        assert!(error.contains("did you mean `digits`?"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("train.csv"), "1,2\n").unwrap();
        fs::write(folder.path().join("notes.md"), "").unwrap();
        let wrong = folder.path().join("trian.csv");
        let error = load_dataset(wrong.to_str().unwrap(), None).unwrap_err().to_string();
        assert!(error.contains("train.csv`?") && !error.contains("notes"), "{error}");
        let far = load_dataset("imagenet", None).unwrap_err().to_string();
        assert!(!far.contains("did you mean") && far.contains("digits"), "{far}");
    }

    #[test]
    fn endings_see_through_gzip() {
        assert_eq!(ending("a.b.csv.gz"), "csv");
        assert_eq!(ending("train-images-idx3-ubyte.gz"), "idx3-ubyte");
        assert_eq!((ending("plain"), ending(".gz")), ("", ""));
    }

    #[test]
    fn the_content_decides_before_the_ending() {
        let array = [
            npy::MAGIC,
            &[1, 0, 56, 0],
            b"{'descr': '|u1', 'fortran_order': False, 'shape': (1,2)}",
            &[3, 4],
        ]
        .concat();
        let data = dataset_from_bytes("wrong.csv", &array, &ReadOptions::default()).unwrap();
        assert_eq!(data.inputs(), [3.0, 4.0]);
        let error = dataset_from_bytes("a.dat", b"DAT1", &ReadOptions::default()).unwrap_err();
        assert!(error.to_string().contains("unknown format"), "{error}");
    }

    #[test]
    fn every_size_is_held_to_the_limit() {
        let options = |max_bytes| ReadOptions { max_bytes, ..ReadOptions::default() };
        // 8 bytes of text, 4 values: 16 bytes of f32.
        let table = b"1,2\n3,4\n";
        let read = |max_bytes| dataset_from_bytes("t.csv", table, &options(max_bytes));
        assert!(read(16).is_ok());
        for limit in [15, 7] {
            assert!(matches!(read(limit), Err(DataError::TooLarge { .. })), "limit {limit}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        fs::write(&path, table).unwrap();
        let error = load_dataset_with(path.to_str().unwrap(), &options(7)).unwrap_err();
        assert!(matches!(error, DataError::TooLarge { .. }));
        let one = ReadOptions { examples: Some(1), ..options(8) };
        assert_eq!(load_dataset_with(path.to_str().unwrap(), &one).unwrap().examples(), 1);
    }
}
