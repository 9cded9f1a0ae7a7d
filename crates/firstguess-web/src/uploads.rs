//! Files that were sent: read at once by the readers of `firstguess-io`, kept as data sets or models, the oldest going first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firstguess::spec::Dataset;
use firstguess_io::{DataError, OnnxModel, ReadOptions, dataset_from_bytes};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::SCHEMA_VERSION;
use crate::cache::Cache;
use crate::error::ApiError;
use crate::limits::{MAX_KEPT, MAX_UNPACKED, MAX_UPLOAD, MAX_UPLOADS, UPLOADS_AT_ONCE};
use crate::setting::shown;

/// What a file was read as.
#[derive(Debug, Clone)]
enum Kept {
    Data(Arc<Dataset>),
    /// With the file's name.
    Model(Arc<OnnxModel>, String),
}

/// The files of one server.
#[derive(Debug)]
pub(crate) struct Uploads {
    kept: Cache<String, Kept>,
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

    fn get(&self, id: &str) -> Result<Kept, ApiError> {
        self.kept.get(&id.to_owned()).ok_or_else(|| {
            ApiError::not_found(format!("there is no upload `{}`", shown(id)))
                .hint("uploads are kept until newer ones need the room: upload the file again")
        })
    }

    pub(crate) fn data(&self, id: &str) -> Result<Arc<Dataset>, ApiError> {
        match self.get(id)? {
            Kept::Data(data) => Ok(data),
            Kept::Model(..) => {
                Err(ApiError::field("data", format!("`{id}` is a model, no data set")))
            }
        }
    }

    /// A model and the name of its file.
    pub(crate) fn model(&self, id: &str) -> Result<(Arc<OnnxModel>, String), ApiError> {
        match self.get(id)? {
            Kept::Model(model, name) => Ok((model, name)),
            Kept::Data(_) => {
                Err(ApiError::field("model", format!("`{id}` is a data set, no model")))
            }
        }
    }

    /// Reads a file; `name` says the format where the bytes do not, and names no file of ours.
    pub(crate) fn add(&self, name: &str, bytes: &[u8]) -> Result<Value, ApiError> {
        let name = file_name(name)?;
        let (kept, weight, mut summary) = if name.to_ascii_lowercase().ends_with(".onnx") {
            // Tensors beside the file cannot be sent along: without a folder the reader refuses them.
            let model = OnnxModel::parse(bytes, None)
                .map_err(|error| ApiError::field("file", format!("`{name}`: {error}")))?;
            let summary = json!({ "kind": "model", "shape": model.input_shape() });
            (Kept::Model(Arc::new(model), name.clone()), bytes.len(), summary)
        } else {
            let options = ReadOptions { max_bytes: MAX_UNPACKED, ..ReadOptions::default() };
            let data = dataset_from_bytes(&name, bytes, &options).map_err(refusal)?;
            let summary = json!({
                "kind": "data",
                "examples": data.examples(),
                "shape": data.shape().extents(),
                "classes": data.classes(),
            });
            let weight = size_of_val(data.inputs());
            (Kept::Data(Arc::new(data)), weight, summary)
        };
        if weight > MAX_KEPT {
            return Err(ApiError::too_large(MAX_KEPT, "the inputs of an upload"));
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("upload{number}");
        summary["schema_version"] = json!(SCHEMA_VERSION);
        summary["command"] = json!("upload");
        summary["id"] = json!(id);
        summary["name"] = json!(name);
        self.kept.put(id, kept, weight);
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
        assert_eq!(uploads.data("upload1").expect("kept").features(), 2);
        assert!(uploads.data("../upload1").is_err() && uploads.model("upload1").is_err());
    }

    #[test]
    fn broken_files_and_bare_paths_are_refused() {
        let uploads = Uploads::new();
        for (name, bytes, expected) in [
            ("x.npz", &b"PK\x03\x04garbage"[..], "damaged zip"),
            ("x.npz", b"", "an empty file"),
            ("x.exe", b"MZ", "an unknown format"),
            ("model.onnx", b"\x08\x07", "model.onnx"),
            ("..", b"1,2\n", "needs a name"),
            ("/", b"1,2\n", "needs a name"),
        ] {
            let error = uploads.add(name, bytes).expect_err(name).to_value().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
}
