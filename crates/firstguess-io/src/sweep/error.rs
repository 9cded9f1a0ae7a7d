//! Why a sweep's folder could not be used.

use std::io;
use std::path::{Path, PathBuf};

use firstguess::sweep::GridError;

/// Why a sweep's folder could not be used. Nothing that was there before is changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum SweepError {
    /// The folder belongs to another sweep.
    #[error(
        "`{}` holds another sweep: {difference}. Give a new folder, or the grid that the folder was begun with", folder.display()
    )]
    Another { folder: PathBuf, difference: String },

    /// The numbers of the folder are not those of this program.
    #[error(
        "`{}` was computed with numerical version {found}, this program has {ours}: their digits differ. Give a new folder, \
         or go on with the program that began it", folder.display()
    )]
    NumericalVersion { folder: PathBuf, found: u64, ours: u32 },

    /// No sweep is there.
    #[error("`{}` holds no sweep: it has no sweep.json. Begin one: firstguess sweep GRID.toml -o DIR", folder.display())]
    NoSweep { folder: PathBuf },

    /// Something else is there.
    #[error(
        "`{}` is not empty and holds no sweep (there is `{found}`). Give a new or an empty folder", folder.display()
    )]
    NotEmpty { folder: PathBuf, found: String },

    /// Somebody works there.
    #[error("`{}` is in use: {by}. Wait for it, or give another folder{hint}", folder.display())]
    InUse { folder: PathBuf, by: String, hint: &'static str },

    /// A file that is not what its name says.
    #[error("`{}` is damaged: {why}", path.display())]
    Damaged { path: PathBuf, why: String },

    /// Points are missing.
    #[error(
        "`{}` is not finished: {missing} of {chunks} chunks are missing. Run the sweep again to finish it, or merge what there is \
         with --partial", folder.display()
    )]
    Unfinished { folder: PathBuf, missing: u64, chunks: u64 },

    /// A folder that a worker does not see.
    #[error(
        "`{}` is not to be seen here: workers write their results themselves, into a folder that all of them share with the driver. \
         Give a path on a shared file system, or a URL (s3://…)", folder.display()
    )]
    NotShared { folder: PathBuf },

    /// The grid in a folder cannot be used.
    #[error("the grid in `{}`: {why}", folder.display())]
    Grid { folder: PathBuf, why: GridError },

    /// The operating system refused.
    #[error("cannot {what} `{}`: {why}{hint}", path.display())]
    Io { what: &'static str, path: PathBuf, why: io::Error, hint: &'static str },
}

impl SweepError {
    pub(crate) fn io(what: &'static str, path: &Path, why: io::Error) -> Self {
        let hint = match why.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => {
                ". Finished chunks are kept: make room and give the same command again"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                ". Give a folder that can be written to"
            }
            _ => "",
        };
        Self::Io { what, path: path.to_owned(), why, hint }
    }
}
