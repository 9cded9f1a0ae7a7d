//! The folder of a sweep: what is pinned there, which chunks it has, how one is added.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use firstguess::sweep::{
    ColumnData, Grid, GridParts, Layout, NUMERICAL_VERSION, Row, SWEEP_SCHEMA_VERSION, Table,
};
use serde_json::{Value, json};

use super::error::SweepError;
use super::lock::Locks;
use super::table::{self, Footer, Notes};

const MANIFEST: &str = "sweep.json";
const CHUNKS: &str = "chunks";
pub(super) const TEMPORARY: &str = ".firstguess-";

/// What may lie in the folder beside them.
const OURS: [&str; 4] = [MANIFEST, CHUNKS, "merged.parquet", "merged.csv"];

/// Reasons of failures that a chunk's footer lists at most, and their length.
const REASONS: usize = 20;
const REASON_CHARACTERS: usize = 300;

/// Which part of a sweep a process works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// All of it.
    Whole,
    /// Every `count`-th chunk, beginning with number `index - 1`; `index` is from 1 to `count`.
    Shard {
        /// From 1.
        index: u64,
        /// How many shards there are.
        count: u64,
    },
}

impl Share {
    /// Whether a chunk belongs to this part.
    pub const fn has(self, chunk: u64) -> bool {
        match self {
            Self::Whole => true,
            Self::Shard { index, count } => chunk % count == index - 1,
        }
    }

    fn tag(self) -> String {
        match self {
            Self::Whole => "whole".to_owned(),
            Self::Shard { index, count } => format!("{index}-of-{count}"),
        }
    }
}

/// A folder with a sweep in it.
#[derive(Debug)]
pub struct SweepFolder {
    path: PathBuf,
    grid: Grid,
    digest: String,
    /// Marks our temporary files.
    tag: String,
    locks: Option<Locks>,
}

/// The name of a chunk's file.
pub fn chunk_name(chunk: u64) -> String {
    format!("chunk-{chunk:08}.parquet")
}

fn chunk_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("chunk-")?.strip_suffix(".parquet")?;
    let number = digits.parse().ok()?;
    (chunk_name(number) == name).then_some(number)
}

/// What pins a sweep, for `sweep.json`.
pub fn manifest(grid: &Grid) -> Value {
    json!({
        "schema_version": SWEEP_SCHEMA_VERSION,
        "numerical_version": NUMERICAL_VERSION,
        "firstguess_version": env!("CARGO_PKG_VERSION"),
        "digest": grid.digest(),
        "points": grid.points(),
        "chunks": grid.chunks(),
        "grid": grid.parts(),
    })
}

/// The file of one chunk.
///
/// # Errors
///
/// What the Parquet writer says.
pub fn encode_chunk(grid: &Grid, chunk: u64, rows: &[Row]) -> Result<Vec<u8>, String> {
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for why in rows.iter().filter_map(|row| row.outcome.as_ref().err()) {
        let short: String = why.chars().take(REASON_CHARACTERS).collect();
        *reasons.entry(short).or_default() += 1;
    }
    let failed: u64 = reasons.values().sum();
    let mut reasons: Vec<(String, u64)> = reasons.into_iter().collect();
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    reasons.truncate(REASONS);
    let notes = [
        ("schema_version", SWEEP_SCHEMA_VERSION.to_string()),
        ("numerical_version", NUMERICAL_VERSION.to_string()),
        ("command", grid.command().name().to_owned()),
        ("grid", grid.digest()),
        ("chunk", chunk.to_string()),
        ("failed", failed.to_string()),
        ("failures", json!(reasons).to_string()),
    ];
    let notes: Notes =
        notes.into_iter().map(|(name, value)| (format!("firstguess.{name}"), value)).collect();
    table::encode(&Layout::new(grid).table(rows), &notes).map_err(|error| error.to_string())
}

/// The rows of a chunk's file, of all columns or those named.
///
/// # Errors
///
/// What is wrong with the bytes.
pub fn decode_chunk(bytes: Vec<u8>, columns: Option<&[&str]>) -> Result<Table, String> {
    table::decode(bytes, columns).map(|(table, _)| table)
}

impl SweepFolder {
    /// Begins a sweep in a folder, or goes on with it: the folder is made, locked, pinned to the grid, and cleared of what an
    /// interrupted process left half-written.
    ///
    /// # Errors
    ///
    /// [`SweepError`] if somebody else works there, if it holds another sweep or anything else, or if it cannot be written.
    pub fn open(path: &Path, grid: Grid, share: Share) -> Result<Self, SweepError> {
        refuse_foreign(path)?;
        let known = read_manifest(path)?;
        let mut folder = Self {
            path: path.to_owned(),
            digest: grid.digest(),
            grid,
            tag: share.tag(),
            locks: None,
        };
        // What is plainly wrong is refused before anything is made.
        if let Some(known) = &known {
            folder.matches(known)?;
        }
        let chunks = path.join(CHUNKS);
        fs::create_dir_all(&chunks)
            .map_err(|why| SweepError::io("make the folder", &chunks, why))?;
        folder.locks = Some(Locks::take(path, share)?);
        folder.clear(share)?;
        if known.is_none() {
            let mut text = serde_json::to_vec_pretty(&manifest(&folder.grid)).unwrap_or_default();
            text.push(b'\n');
            folder.pin(&text)?;
        }
        let pinned =
            read_manifest(path)?.ok_or_else(|| SweepError::NoSweep { folder: path.to_owned() })?;
        folder.matches(&pinned)?;
        Ok(folder)
    }

    /// A folder that a driver opened, for one of its workers: no lock is taken.
    ///
    /// # Errors
    ///
    /// [`SweepError::NotShared`] if the folder is not to be seen here, or if it holds another sweep.
    pub fn join(path: &Path, grid: Grid) -> Result<Self, SweepError> {
        let not_shared = || SweepError::NotShared { folder: path.to_owned() };
        let known = read_manifest(path)?.ok_or_else(not_shared)?;
        let tag = format!("worker-{}", std::process::id());
        let folder = Self { path: path.to_owned(), digest: grid.digest(), grid, tag, locks: None };
        folder.matches(&known)?;
        Ok(folder)
    }

    /// A folder to be read: its grid is the one that it was begun with.
    ///
    /// # Errors
    ///
    /// [`SweepError`] if it holds no sweep, or one that cannot be read.
    pub fn read(path: &Path) -> Result<Self, SweepError> {
        let known =
            read_manifest(path)?.ok_or_else(|| SweepError::NoSweep { folder: path.to_owned() })?;
        let damaged = |why: String| SweepError::Damaged { path: path.join(MANIFEST), why };
        let parts: GridParts = serde_json::from_value(known["grid"].clone())
            .map_err(|error| damaged(error.to_string()))?;
        let grid =
            Grid::new(parts).map_err(|why| SweepError::Grid { folder: path.to_owned(), why })?;
        let digest = known["digest"].as_str().unwrap_or_default().to_owned();
        if digest != grid.digest() {
            return Err(damaged("its digest is not that of its grid".to_owned()));
        }
        Ok(Self { path: path.to_owned(), digest, grid, tag: "reader".to_owned(), locks: None })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The grid that is pinned there.
    pub const fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Whether others are kept out: `false` on file systems that know no locks.
    pub fn is_locked(&self) -> bool {
        self.locks.as_ref().is_some_and(|locks| locks.effective)
    }

    /// The file of a chunk.
    pub fn chunk_path(&self, chunk: u64) -> PathBuf {
        self.path.join(CHUNKS).join(chunk_name(chunk))
    }

    /// Adds a chunk, whole or not at all; one that is there already is left as it is.
    ///
    /// # Errors
    ///
    /// [`SweepError::Io`] if it cannot be written.
    pub fn write(&self, chunk: u64, bytes: &[u8]) -> Result<(), SweepError> {
        let path = self.chunk_path(chunk);
        if path.exists() {
            return Ok(());
        }
        self.place(&path, bytes)
    }

    /// The same, in place of what is there.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub fn rewrite(&self, chunk: u64, bytes: &[u8]) -> Result<(), SweepError> {
        self.place(&self.chunk_path(chunk), bytes)
    }

    fn place(&self, path: &Path, bytes: &[u8]) -> Result<(), SweepError> {
        let folder = path.parent().unwrap_or(&self.path);
        let failed = |why| SweepError::io("write", path, why);
        // A driver that came back may have cleared away what was half-written: the bytes are still here.
        for _ in 0..3 {
            let file = self.temporary(folder, bytes).map_err(failed)?;
            match file.persist(path) {
                Ok(_) => {
                    sync(folder);
                    return Ok(());
                }
                Err(error) if error.error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error.error)),
            }
        }
        Err(failed(io::Error::new(
            io::ErrorKind::NotFound,
            "the file went away while it was written",
        )))
    }

    fn temporary(&self, folder: &Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
        let prefix = format!("{TEMPORARY}{}-", self.tag);
        let mut file = crate::write::new_file(folder, &prefix)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        Ok(file)
    }

    /// The manifest, unless another process was quicker.
    fn pin(&self, bytes: &[u8]) -> Result<(), SweepError> {
        let path = self.path.join(MANIFEST);
        let failed = |why| SweepError::io("write", &path, why);
        let file = self.temporary(&self.path, bytes).map_err(failed)?;
        match file.persist_noclobber(&path) {
            Ok(_) => sync(&self.path),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            // No way to rename without replacing: the same grid gives the same bytes, another one is seen when it is read back.
            Err(error) if !path.exists() => {
                error.file.persist(&path).map_err(|error| failed(error.error))?;
            }
            Err(error) => return Err(failed(error.error)),
        }
        Ok(())
    }

    /// Removes what was left half-written by us or by one whose lock we now hold.
    fn clear(&self, share: Share) -> Result<(), SweepError> {
        let prefix = match share {
            Share::Whole => TEMPORARY.to_owned(),
            Share::Shard { .. } => format!("{TEMPORARY}{}-", self.tag),
        };
        for folder in [self.path.clone(), self.path.join(CHUNKS)] {
            let entries =
                fs::read_dir(&folder).map_err(|why| SweepError::io("read", &folder, why))?;
            for entry in entries.flatten() {
                if entry.file_name().to_string_lossy().starts_with(&prefix) {
                    // Gone already is as good.
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
        Ok(())
    }

    /// Whether a manifest is that of our grid.
    fn matches(&self, known: &Value) -> Result<(), SweepError> {
        let folder = || self.path.clone();
        if known["digest"] != self.digest.as_str() {
            let ours = manifest(&self.grid);
            let difference = difference(&known["grid"], &ours["grid"]);
            return Err(SweepError::Another { folder: folder(), difference });
        }
        match known["numerical_version"].as_u64() {
            Some(found) if found == u64::from(NUMERICAL_VERSION) => Ok(()),
            found => Err(SweepError::NumericalVersion {
                folder: folder(),
                found: found.unwrap_or(0),
                ours: NUMERICAL_VERSION,
            }),
        }
    }

    /// Numbers of the files that look like chunks of this grid.
    pub(super) fn numbers(&self) -> Result<Vec<u64>, SweepError> {
        let folder = self.path.join(CHUNKS);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(why) => return Err(SweepError::io("read", &folder, why)),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut numbers: Vec<u64> = names
            .filter_map(|name| chunk_number(&name))
            .filter(|n| *n < self.grid.chunks())
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The footer of a chunk, if it is whole and of this grid; else what is wrong with it.
    pub(super) fn footer(&self, chunk: u64) -> Result<Footer, String> {
        let footer = table::footer(&self.chunk_path(chunk))?;
        let note = |name: &str| footer.notes.get(&format!("firstguess.{name}")).map(String::as_str);
        let points = self.grid.chunk(chunk);
        if note("grid") != Some(self.digest.as_str()) {
            return Err("it belongs to another sweep".to_owned());
        }
        if note("chunk") != Some(chunk.to_string().as_str())
            || footer.rows != points.end - points.start
        {
            return Err("its points are not those of its name".to_owned());
        }
        Ok(footer)
    }

    /// Puts a chunk that is not what it should be aside, under another name: nothing is thrown away.
    ///
    /// # Errors
    ///
    /// [`SweepError::Io`] if it cannot be renamed.
    pub fn set_aside(&self, chunk: u64) -> Result<PathBuf, SweepError> {
        let path = self.chunk_path(chunk);
        let mut aside = path.with_extension("parquet.damaged");
        let mut number = 1;
        while aside.exists() {
            number += 1;
            aside = path.with_extension(format!("parquet.damaged-{number}"));
        }
        fs::rename(&path, &aside).map_err(|why| SweepError::io("rename", &path, why))?;
        Ok(aside)
    }

    /// The rows of all chunks that are there, in order, of all columns or those named.
    ///
    /// # Errors
    ///
    /// [`SweepError::Damaged`] for a chunk that cannot be read.
    pub fn table(&self, columns: Option<&[&str]>) -> Result<Table, SweepError> {
        let mut all = Table::default();
        for chunk in self.numbers()? {
            let path = self.chunk_path(chunk);
            let bytes = fs::read(&path).map_err(|why| SweepError::io("read", &path, why))?;
            let part = decode_chunk(bytes, columns)
                .map_err(|why| SweepError::Damaged { path: path.clone(), why })?;
            if all.columns.is_empty() {
                all = part;
                continue;
            }
            for (into, from) in all.columns.iter_mut().zip(part.columns) {
                match (&mut into.data, from.data) {
                    (ColumnData::Integer(into), ColumnData::Integer(from)) => into.extend(from),
                    (ColumnData::Number(into), ColumnData::Number(from)) => into.extend(from),
                    (ColumnData::Text(into), ColumnData::Text(from)) => into.extend(from),
                    (ColumnData::Flag(into), ColumnData::Flag(from)) => into.extend(from),
                    _ => {
                        let why = format!("its column `{}` has another type", into.name);
                        return Err(SweepError::Damaged { path, why });
                    }
                }
            }
        }
        Ok(all)
    }
}

/// The new name lasts only once the folder is on disk; not every system can open a folder.
fn sync(folder: &Path) {
    if let Ok(folder) = fs::File::open(folder) {
        let _ = folder.sync_all();
    }
}

fn read_manifest(folder: &Path) -> Result<Option<Value>, SweepError> {
    let path = folder.join(MANIFEST);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(why)
            if matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(why) => return Err(SweepError::io("read", &path, why)),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| SweepError::Damaged { path, why: error.to_string() })
}

/// A folder with something in it that no sweep put there is left alone.
fn refuse_foreign(path: &Path) -> Result<(), SweepError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(why) => return Err(SweepError::io("use the folder", path, why)),
    };
    let mut foreign = None;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == MANIFEST {
            return Ok(());
        }
        let ours = OURS.contains(&name.as_str())
            || name.starts_with(".lock")
            || name.starts_with(TEMPORARY);
        let filled = name == CHUNKS
            && fs::read_dir(entry.path()).is_ok_and(|inside| {
                inside
                    .flatten()
                    .any(|file| !file.file_name().to_string_lossy().starts_with(TEMPORARY))
            });
        if !ours || filled {
            foreign = Some(name);
        }
    }
    match foreign {
        Some(found) => Err(SweepError::NotEmpty { folder: path.to_owned(), found }),
        None => Ok(()),
    }
}

/// In what two grids differ, for people.
fn difference(theirs: &Value, ours: &Value) -> String {
    let shown = |value: &Value| {
        let text: String = value.to_string();
        if text.chars().count() > 60 {
            text.chars().take(57).collect::<String>() + "..."
        } else {
            text
        }
    };
    for key in ["command", "chunk", "json"] {
        if theirs[key] != ours[key] {
            return format!(
                "its `{key}` is {}, here it is {}",
                shown(&theirs[key]),
                shown(&ours[key])
            );
        }
    }
    if theirs["data"] != ours["data"] {
        return "a data file that it reads has other contents now".to_owned();
    }
    if theirs["spec"] != ours["spec"] {
        let (path, theirs, ours) = first_difference("spec", &theirs["spec"], &ours["spec"]);
        return format!("`{path}` is {} there and {} here", shown(&theirs), shown(&ours));
    }
    let fields = |grid: &Value| -> Vec<(String, Value)> {
        let axes = grid["axes"].as_array().into_iter().flatten();
        axes.flat_map(|axis| axis.as_array().into_iter().flatten())
            .map(|field| {
                (field["name"].as_str().unwrap_or("?").to_owned(), field["values"].clone())
            })
            .collect()
    };
    let (theirs, ours) = (fields(theirs), fields(ours));
    for (name, values) in &ours {
        match theirs.iter().find(|(other, _)| other == name) {
            None => return format!("it has no field `{name}`"),
            Some((_, other)) if other != values => {
                return format!("its `{name}` is {}, here it is {}", shown(other), shown(values));
            }
            Some(_) => {}
        }
    }
    theirs.iter().find(|(name, _)| ours.iter().all(|(other, _)| other != name)).map_or_else(
        || "its axes are in another order".to_owned(),
        |(name, _)| format!("it has a field `{name}`"),
    )
}

fn first_difference(path: &str, theirs: &Value, ours: &Value) -> (String, Value, Value) {
    if let (Value::Object(a), Value::Object(b)) = (theirs, ours) {
        for key in a.keys().chain(b.keys()) {
            if a.get(key) != b.get(key) {
                let (a, b) = (&theirs[key.as_str()], &ours[key.as_str()]);
                return first_difference(&format!("{path}.{key}"), a, b);
            }
        }
    }
    if let (Value::Array(a), Value::Array(b)) = (theirs, ours)
        && a.len() == b.len()
        && let Some(at) = (0..a.len()).find(|at| a[*at] != b[*at])
    {
        return first_difference(&format!("{path}.{at}"), &a[at], &b[at]);
    }
    (path.to_owned(), theirs.clone(), ours.clone())
}
