//! What one request may ask for. Every refusal names its limit; `/api/vocabulary` lists them all.

use std::time::Duration;

use serde_json::{Value, json};

/// Layers of the profile.
pub(crate) const MAX_DEPTH: usize = 1000;
/// Units of a layer.
pub(crate) const MAX_WIDTH: usize = 4096;
/// Variances, as in a spec file.
pub(crate) const MAX_VARIANCE: f64 = 1e6;
/// Classes of the first guess.
pub(crate) const CLASSES: (usize, usize) = (2, 1000);
/// Units under one pool.
pub(crate) const MAX_POOL: usize = 64;
/// Characters of an activation or expression.
pub(crate) const MAX_ACTIVATION: usize = 200;
/// Cells along each side of a phase diagram.
pub(crate) const RESOLUTION: (usize, usize) = (2, 200);

/// Bytes of a JSON body; a spec file may have a mebibyte.
pub(crate) const MAX_JSON: usize = 2 << 20;
/// Bytes of an uploaded file.
pub(crate) const MAX_UPLOAD: usize = 64 << 20;
/// Bytes that an upload may unpack to.
pub(crate) const MAX_UNPACKED: u64 = 256 << 20;
/// Bytes of inputs kept in all: older uploads go first.
pub(crate) const MAX_KEPT: usize = 512 << 20;
/// Uploads kept.
pub(crate) const MAX_UPLOADS: usize = 8;
/// Uploads read at once.
pub(crate) const UPLOADS_AT_ONCE: usize = 2;

/// Networks of one ensemble.
pub(crate) const MAX_DRAWS: usize = 10_000;
/// Inputs of one ensemble.
pub(crate) const MAX_SAMPLES: usize = 5000;
/// Features of synthetic inputs.
pub(crate) const MAX_FEATURES: usize = 10_000;
/// Weights and biases of one network.
pub(crate) const MAX_PARAMETERS: u64 = 50_000_000;
/// Multiplications of one network on all inputs, forward: a few seconds of one core.
pub(crate) const MAX_WORK: f64 = 2e12;
/// Layers with weights of one network.
pub(crate) const MAX_WEIGHT_LAYERS: usize = 2000;
/// Measuring stops after this long with the networks that there are.
pub(crate) const MEASURING: Duration = Duration::from_secs(120);
/// Ensembles that wait for their turn.
pub(crate) const MAX_WAITING: usize = 8;
/// Finished ensembles kept.
pub(crate) const MAX_FINISHED: usize = 16;

/// A theory call is given up after this long.
pub(crate) const THEORY: Duration = Duration::from_secs(10);
/// It waits for its turn no longer than this.
pub(crate) const TURN: Duration = Duration::from_secs(5);
/// Theory calls that wait for their turn.
pub(crate) const MAX_CALLS: usize = 400;
/// Connections at once.
pub(crate) const MAX_CONNECTIONS: usize = 512;
/// A client has this long to send the head of a request, and the same again for a body of JSON.
pub(crate) const SENDING: Duration = Duration::from_secs(10);
/// A client has this long to send an upload.
pub(crate) const UPLOADING: Duration = Duration::from_secs(60);

/// The limits that a form should know, under the names of the fields that they bound.
pub(crate) fn listed() -> Value {
    json!({
        "depth": [1, MAX_DEPTH],
        "width": [1, MAX_WIDTH],
        "weight_variance": [0.0, MAX_VARIANCE],
        "bias_variance": [0.0, MAX_VARIANCE],
        "input_correlation": [0.0, 1.0],
        "classes": CLASSES,
        "pool": [1, MAX_POOL],
        "activation_characters": MAX_ACTIVATION,
        "resolution": RESOLUTION,
        "draws": [1, MAX_DRAWS],
        "samples": [2, MAX_SAMPLES],
        "parameters": MAX_PARAMETERS,
        "json_bytes": MAX_JSON,
        "upload_bytes": MAX_UPLOAD,
        "uploads": MAX_UPLOADS,
        "waiting_ensembles": MAX_WAITING,
        "theory_seconds": THEORY.as_secs(),
        "measuring_seconds": MEASURING.as_secs(),
    })
}
