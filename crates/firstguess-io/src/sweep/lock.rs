//! Who works in a folder: locks of the operating system, which end with the process that holds them, however it ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;

use super::error::SweepError;
use super::folder::Share;

/// Held as long as it lives.
#[derive(Debug)]
pub(super) struct Locks {
    held: Vec<File>,
    /// Whether the file system knows locks.
    pub(super) effective: bool,
}

const WHOLE: &str = ".lock";
const PARTS: &str = ".lock-of-";

enum Way {
    Shared,
    Exclusive,
}

/// `None` where the file system knows no locks.
fn take(folder: &Path, name: &str, way: &Way) -> Result<Option<Result<File, ()>>, SweepError> {
    let path = folder.join(name);
    let open = OpenOptions::new().create(true).truncate(false).write(true).read(true).open(&path);
    let file = open.map_err(|source| SweepError::io("write to", &path, source))?;
    let taken = match way {
        Way::Shared => file.try_lock_shared(),
        Way::Exclusive => file.try_lock(),
    };
    match taken {
        Ok(()) => Ok(Some(Ok(file))),
        Err(TryLockError::WouldBlock) => Ok(Some(Err(()))),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

impl Locks {
    /// A whole sweep has the folder for itself. Shards share it with other shards of the same division.
    pub(super) fn take(folder: &Path, share: Share) -> Result<Self, SweepError> {
        let mut locks = Self { held: Vec::new(), effective: true };
        let in_use =
            |by: String, hint| Err(SweepError::InUse { folder: folder.to_owned(), by, hint });
        let (index, count) = match share {
            Share::Whole => {
                if !locks.hold(folder, WHOLE, &Way::Exclusive)? {
                    return in_use(
                        "another sweep is at work there".to_owned(),
                        "; several may share a folder as shards (--shard 1/4, --shard 2/4, ...)",
                    );
                }
                return Ok(locks);
            }
            Share::Shard { index, count } => (index, count),
        };
        if !locks.hold(folder, WHOLE, &Way::Shared)? {
            return in_use("a sweep without --shard is at work there".to_owned(), "");
        }
        if !locks.hold(folder, &format!(".lock-{index}-of-{count}"), &Way::Exclusive)? {
            return in_use(format!("shard {index}/{count} is at work there already"), "");
        }
        locks.hold(folder, &format!("{PARTS}{count}"), &Way::Shared)?;
        let entries = fs::read_dir(folder).map_err(|why| SweepError::io("read", folder, why))?;
        for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
            let Some(other) = name.strip_prefix(PARTS).filter(|other| *other != count.to_string())
            else {
                continue;
            };
            if let Some(Err(())) = take(folder, &name, &Way::Exclusive)? {
                return in_use(
                    format!("it is divided into {other} shards, of which some are at work"),
                    ", or use the same division",
                );
            }
        }
        Ok(locks)
    }

    /// Whether the lock is ours now; where there are no locks, nobody is kept out.
    fn hold(&mut self, folder: &Path, name: &str, way: &Way) -> Result<bool, SweepError> {
        match take(folder, name, way)? {
            Some(Ok(file)) => self.held.push(file),
            Some(Err(())) => return Ok(false),
            None => self.effective = false,
        }
        Ok(true)
    }
}
