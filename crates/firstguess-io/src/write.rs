//! Output files: whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why an output file could not be written. What was there before is unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum WriteError {
    /// The folder does not exist.
    #[error("cannot write `{}`: the folder `{}` does not exist. Create it first", path.display(), folder.display())]
    NoFolder { path: PathBuf, folder: PathBuf },

    /// A folder, or nothing that names a file.
    #[error("cannot write `{}`: it is a folder. Give the name of a file", path.display())]
    IsFolder { path: PathBuf },

    /// No permission, no space, or another refusal of the operating system.
    #[error("cannot write `{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Writes `bytes` to `path` so that a reader sees the old file or the whole new one, never a part, even across a crash.
///
/// A link is followed. A file that is replaced keeps its permissions; a new one gets those that the process gives. A pipe or device
/// (`/dev/stdout`) cannot be replaced and is written to directly.
///
/// # Errors
///
/// [`WriteError`] if the folder is missing, `path` is a folder, or the operating system refuses. The file is then as it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let io_error = |source| WriteError::Io { path: path.to_owned(), source };
    let existing = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(WriteError::IsFolder { path: path.to_owned() });
        }
        Ok(metadata) if !metadata.is_file() => {
            let mut device = OpenOptions::new().write(true).open(path).map_err(io_error)?;
            return device.write_all(bytes).and_then(|()| device.flush()).map_err(io_error);
        }
        Ok(metadata) => Some(metadata.permissions()),
        Err(_) => None,
    };
    if existing.as_ref().is_some_and(fs::Permissions::readonly) {
        // Replacing would succeed where the folder is writable, against what the file's owner said.
        return Err(io_error(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the file is read-only",
        )));
    }
    // Replace what a link points to, not the link.
    let target = if existing.is_some() {
        fs::canonicalize(path).map_err(io_error)?
    } else {
        path.to_owned()
    };
    if target.file_name().is_none() {
        return Err(WriteError::IsFolder { path: path.to_owned() });
    }
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(WriteError::NoFolder { path: path.to_owned(), folder: folder.to_owned() });
    }
    let mut file = new_file(folder, PREFIX).map_err(io_error)?;
    file.write_all(bytes).map_err(io_error)?;
    if let Some(permissions) = existing {
        file.as_file().set_permissions(permissions).map_err(io_error)?;
    }
    file.as_file().sync_all().map_err(io_error)?;
    file.persist(&target).map_err(|error| io_error(error.error))?;
    // The new name lasts only once the folder is on disk; not every system can open a folder, and the content is safe already.
    if let Ok(folder) = fs::File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// How the names of unfinished files begin.
const PREFIX: &str = ".firstguess-";

/// A temporary file beside the target: renaming across file systems would not be atomic. Removed unless it is persisted.
pub(crate) fn new_file(folder: &Path, prefix: &str) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file: the umask takes away what it must. Temporary files are private otherwise.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_made_and_replaced_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.json");
        write_atomically(&path, b"first, longer").unwrap();
        write_atomically(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["out.json"]);
    }

    #[test]
    fn missing_folders_and_folders_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no/such/out.json");
        let error = write_atomically(&missing, b"x").unwrap_err().to_string();
        assert!(error.contains("no/such` does not exist"), "{error}");
        let error = write_atomically(folder.path(), b"x").unwrap_err();
        assert!(matches!(error, WriteError::IsFolder { .. }), "{error}");
        assert!(write_atomically(Path::new(""), b"x").is_err());
        assert!(write_atomically(Path::new(".."), b"x").is_err());
        assert!(names(folder.path()).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_are_kept() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("real"), folder.path().join("link"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        write_atomically(&path, b"1").unwrap();
        // As a file made without us, whatever the umask.
        fs::write(folder.path().join("plain"), b"").unwrap();
        assert_eq!(mode(&path), mode(&folder.path().join("plain")));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&path, &link).unwrap();
        write_atomically(&link, b"2").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"2".to_vec(), 0o640));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        let error = write_atomically(&path, b"3").unwrap_err().to_string();
        assert!(error.contains("read-only"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"2");
        write_atomically(Path::new("/dev/null"), b"4").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
