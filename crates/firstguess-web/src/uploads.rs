//! Files that were sent: read at once by the readers of `firstguess-io`, kept as data sets, the oldest going first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firstguess::spec::Dataset;
use firstguess_io::{DataError, ReadOptions, dataset_from_bytes};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::SCHEMA_VERSION;
use crate::cache::Cache;
use crate::error::ApiError;
use crate::limits::{MAX_KEPT, MAX_UNPACKED, MAX_UPLOAD, MAX_UPLOADS, UPLOADS_AT_ONCE};
use crate::setting::shown;

/// The data sets of one server.
#[derive(Debug)]
pub(crate) struct Uploads {
    kept: Cache<String, Arc<Dataset>>,
    next: AtomicU64,
    /// Places for bodies that are being received and read.
    pub(crate) places: Semaphore,
}

impl Uploads {
    pub(crate) fn new() -> Self {
        Self {
            kept: Cache::new(MAX_UPLOADS, MAX_KEPT),
            next: AtomicU64::new(1),
            places: Semaphore::new(UPLOADS_AT_ONCE),
        }
    }

    pub(crate) fn get(&self, id: &str) -> Result<Arc<Dataset>, ApiError> {
        self.kept.get(&id.to_owned()).ok_or_else(|| {
            ApiError::not_found(format!("there is no upload `{}`", shown(id)))
                .hint("uploads are kept until newer ones need the room: upload the file again")
        })
    }

    /// Reads a data set; `name` says the format where the bytes do not, and names no file of ours.
    pub(crate) fn add(&self, name: &str, bytes: &[u8]) -> Result<Value, ApiError> {
        let name = file_name(name)?;
        if name.to_ascii_lowercase().ends_with(".onnx") {
            return Err(ApiError::field(
                "name",
                "ONNX models cannot be checked in the explorer yet",
            )
            .hint("write the network as a spec (TOML)"));
        }
        let options = ReadOptions { max_bytes: MAX_UNPACKED, ..ReadOptions::default() };
        let data = dataset_from_bytes(&name, bytes, &options).map_err(refusal)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("upload{number}");
        let summary = json!({
            "schema_version": SCHEMA_VERSION,
            "command": "upload",
            "id": id,
            "name": name,
            "examples": data.examples(),
            "shape": data.shape().extents(),
            "classes": data.classes(),
        });
        let weight = data.inputs().len() * size_of::<f32>();
        if weight > MAX_KEPT {
            return Err(ApiError::too_large(MAX_KEPT, "the inputs of an upload"));
        }
        self.kept.put(id, Arc::new(data), weight);
        Ok(summary)
    }
}

fn refusal(error: DataError) -> ApiError {
    match error {
        DataError::TooLarge { .. } => ApiError::too_large(
            usize::try_from(MAX_UNPACKED).unwrap_or(MAX_UPLOAD),
            "an unpacked upload",
        ),
        other => ApiError::field("file", other),
    }
}

/// The name alone, of a path of either system; it is shown and never opened.
fn file_name(name: &str) -> Result<String, ApiError> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = shown(name);
    if plain.trim_matches(['.', ' ']).is_empty() {
        return Err(ApiError::field("name", "the file needs a name, such as images.npz"));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_under_its_bare_name() {
        let uploads = Uploads::new();
        let table = b"a,b,label\n1,2,0\n3,4,1\n5,6,0\n";
        let found = uploads.add("../../etc\\boxes.csv", table).expect("a data set");
        assert_eq!(
            (&found["name"], &found["examples"], &found["classes"]),
            (&"boxes.csv".into(), &3.into(), &2.into())
        );
        assert_eq!(uploads.get("upload1").expect("kept").features(), 2);
        assert!(uploads.get("../upload1").is_err());
    }

    #[test]
    fn broken_files_and_bare_paths_are_refused() {
        let uploads = Uploads::new();
        for (name, bytes, expected) in [
            ("x.npz", &b"PK\x03\x04garbage"[..], "damaged zip"),
            ("x.npz", b"", "an empty file"),
            ("x.exe", b"MZ", "an unknown format"),
            ("model.onnx", b"\x08\x07", "ONNX models cannot be checked"),
            ("..", b"1,2\n", "needs a name"),
            ("/", b"1,2\n", "needs a name"),
        ] {
            let error = uploads.add(name, bytes).expect_err(name).to_value().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
}
