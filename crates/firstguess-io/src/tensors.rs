//! Named tensors: the weights of a model, in safetensors or npz.

mod archive;
mod safetensors;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{DataError, Problem};
use crate::write::{WriteError, write_atomically};

/// Most bytes of a weight file that are read.
pub const MAX_WEIGHT_BYTES: u64 = 4 << 30;

/// More tensors than any model has; a forged header may claim millions.
const MAX_TENSORS: usize = 100_000;

/// Most axes of a tensor.
const MAX_AXES: usize = 64;

/// One array of floating-point numbers with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// As the framework knows it: `0.weight`.
    pub name: String,
    /// Extents; empty for a single number.
    pub shape: Vec<usize>,
    /// Row-major, in single precision whatever the file holds.
    pub values: Vec<f32>,
}

/// What a weight file holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tensors {
    /// Its floating-point tensors, in the order of the file.
    pub tensors: Vec<Tensor>,
    /// What its writer said of it.
    pub metadata: Vec<(String, String)>,
    /// Names of tensors that hold no floating-point numbers, with their type.
    pub skipped: Vec<(String, String)>,
}

impl Tensors {
    /// What the metadata say under a name.
    pub fn said(&self, name: &str) -> Option<&str> {
        self.metadata.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Formats of weight files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightFormat {
    /// The format of Hugging Face.
    Safetensors,
    /// A NumPy archive.
    Npz,
}

impl WeightFormat {
    /// By the ending of a file's name.
    ///
    /// # Errors
    ///
    /// [`DataError::Content`] for any other ending.
    pub fn of(path: &Path) -> Result<Self, DataError> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            Some("safetensors") => Ok(Self::Safetensors),
            Some("npz") => Ok(Self::Npz),
            _ => Err(Problem::new(
                "a name that does not say the format",
                "weights.safetensors or weights.npz",
            )
            .in_file(&path.to_string_lossy())),
        }
    }
}

/// Writes tensors to a file, whole or not at all; the format follows from the name.
///
/// The bytes depend on the arguments alone. In an npz archive the metadata are a JSON object, as an array of bytes named
/// `__metadata__`.
///
/// # Errors
///
/// [`SaveError`]: an unknown ending, or a file that cannot be written.
pub fn save_tensors(
    path: &Path,
    tensors: &[Tensor],
    metadata: &[(String, String)],
) -> Result<(), SaveError> {
    let bytes = match WeightFormat::of(path)? {
        WeightFormat::Safetensors => safetensors::bytes(tensors, metadata),
        WeightFormat::Npz => archive::bytes(tensors, metadata),
    };
    Ok(write_atomically(path, &bytes)?)
}

/// Why weights could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The name does not say the format.
    #[error(transparent)]
    Format(#[from] DataError),
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Reads a weight file; whether it is safetensors or npz is seen by its content.
///
/// Nothing in the file is trusted: sizes are compared with the bytes that are there before anything is allocated.
///
/// # Errors
///
/// [`DataError`] says what was found, what is allowed and what to try.
pub fn load_tensors(path: &Path) -> Result<Tensors, DataError> {
    let name = path.to_string_lossy();
    let io_error = |source| DataError::Io { file: name.clone().into_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io_error)?;
    file.take(MAX_WEIGHT_BYTES + 1).read_to_end(&mut bytes).map_err(io_error)?;
    if bytes.len() as u64 > MAX_WEIGHT_BYTES {
        return Err(DataError::TooLarge { file: name.into_owned(), limit: MAX_WEIGHT_BYTES });
    }
    tensors_from_bytes(&name, &bytes)
}

/// Reads tensors from the bytes of a file of this name.
///
/// # Errors
///
/// As [`load_tensors`].
pub fn tensors_from_bytes(file: &str, bytes: &[u8]) -> Result<Tensors, DataError> {
    let parsed = if bytes.starts_with(b"PK") {
        archive::parse(bytes)
    } else if is_pickle(bytes) {
        Err(Problem::new("a pickle, which can run any code and is never opened", FORMATS).hint(
            "in Python: safetensors.torch.save_file(model.state_dict(), \"weights.safetensors\")",
        ))
    } else {
        safetensors::parse(bytes)
    };
    parsed.map_err(|problem| problem.in_file(file))
}

const FORMATS: &str = "safetensors, or an npz archive of numpy.savez";

/// Protocol 2 and later begin with the opcode `PROTO`. (torch's own files are zip archives of pickles: seen there.)
fn is_pickle(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80, 2..=5, ..]) && bytes.get(8).is_some_and(|byte| *byte != b'{')
}
