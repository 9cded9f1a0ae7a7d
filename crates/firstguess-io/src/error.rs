//! Why a data set could not be read.

use std::io;
use std::path::PathBuf;

use firstguess::spec::{DatasetError, ShapeError};

/// Why a data set could not be read: the file, what was found, what is allowed, what to try.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum DataError {
    /// Neither an embedded data set nor a file.
    #[error("there is no data set or file `{name}`{} There is: {}", suggestion(nearest.as_deref()), available.join(", "))]
    Unknown { name: String, nearest: Option<String>, available: Vec<String> },

    /// A known data set that is not in the cache.
    #[error(
        "`{name}` is not in the folder of fetched data (`{}`). Fetch it first: firstguess data fetch {name}", folder.display()
    )]
    NotFetched { name: String, folder: PathBuf },

    /// There is no place for fetched data.
    #[error(
        "no folder for fetched data: this system names no home. Set FIRSTGUESS_DATA to the folder to use"
    )]
    NoCache,

    /// The operating system refused.
    #[error("cannot read `{file}`: {source}")]
    Io { file: String, source: io::Error },

    /// More bytes than are read.
    #[error(
        "`{file}` holds more than the {limit} bytes that are read at most. Take fewer examples or raise the limit"
    )]
    TooLarge { file: String, limit: u64 },

    /// The bytes are not a data set in a known format.
    #[error("`{file}`: {found}. Allowed: {allowed}{}", advice(hint))]
    Content { file: String, found: String, allowed: String, hint: String },

    /// The bytes could be read, but are no usable data set.
    #[error("`{file}`: {source}")]
    Dataset { file: String, source: DatasetError },
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(|| ".".to_owned(), |nearest| format!("; did you mean `{nearest}`?"))
}

fn advice(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!(". Try: {hint}") }
}

/// A [`DataError`] before it is known which file it is about: the parsers see bytes only.
#[derive(Debug)]
pub(crate) enum Problem {
    Content { found: String, allowed: String, hint: String },
    TooLarge { limit: u64 },
    Dataset(DatasetError),
}

impl Problem {
    pub(crate) fn new(found: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self::Content { found: found.into(), allowed: allowed.into(), hint: String::new() }
    }

    /// Adds what to try.
    pub(crate) fn hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Content { hint, .. } = &mut self {
            *hint = text.into();
        }
        self
    }

    /// Says in which part of a file it happened.
    pub(crate) fn within(mut self, part: &str) -> Self {
        if let Self::Content { found, .. } = &mut self {
            *found = format!("{part}: {found}");
        }
        self
    }

    pub(crate) fn in_file(self, file: &str) -> DataError {
        let file = file.to_owned();
        match self {
            Self::Content { found, allowed, hint } => {
                DataError::Content { file, found, allowed, hint }
            }
            Self::TooLarge { limit } => DataError::TooLarge { file, limit },
            Self::Dataset(source) => DataError::Dataset { file, source },
        }
    }
}

impl From<DatasetError> for Problem {
    fn from(error: DatasetError) -> Self {
        Self::Dataset(error)
    }
}

impl From<ShapeError> for Problem {
    fn from(error: ShapeError) -> Self {
        Self::new(error.to_string(), "[examples, features] or [examples, channels, height, width]")
    }
}
