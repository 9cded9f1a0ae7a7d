//! ONNX models: bytes to a graph that can be run as found, and to layers that can be drawn anew.
//!
//! [`proto`] are the messages of the format, [`graph`] numbers the values, [`evaluate`] runs a graph, [`translate`] finds the layers
//! of our vocabulary in it; [`layers`] are those with weights, of the vocabulary or not, [`observe`] adds up what they do, and
//! [`study`] is the question and the verdict, [`state`] puts drawn weights into the file's tensors. Nothing in a file is trusted: sizes are bounded before anything is allocated.

mod error;
mod evaluate;
mod feed;
mod graph;
mod layers;
mod notes;
mod observe;
mod proto;
mod spec;
mod state;
mod study;
mod tensor;
mod translate;

pub use error::{OnnxError, Operator};
pub use state::OnnxLayer;
pub use study::OnnxStudy;
pub use translate::{FoundWeights, Translation};

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::npz::NamedArray;
use feed::Feed;
use graph::Graph;
use prost::Message;

/// Most bytes of a model file (data outside it are bounded by the shapes they fill).
pub const MAX_MODEL_BYTES: u64 = 2 << 30;

/// An ONNX model.
#[derive(Debug)]
pub struct OnnxModel {
    graph: Graph,
}

impl OnnxModel {
    /// Reads a model and the tensors beside it.
    ///
    /// # Errors
    ///
    /// [`OnnxError`] if the file cannot be read, is no ONNX model, or lies about its sizes.
    pub fn load(path: &Path) -> Result<Self, OnnxError> {
        let cannot = |source| OnnxError::Io { file: path.display().to_string(), source };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(cannot)?;
        file.take(MAX_MODEL_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
        if bytes.len() as u64 > MAX_MODEL_BYTES {
            return Err(OnnxError::TooLarge {
                file: path.display().to_string(),
                limit: MAX_MODEL_BYTES,
            });
        }
        Self::parse(&bytes, path.parent())
    }

    /// Reads a model from its bytes; `folder` is where tensors outside the file are looked for.
    ///
    /// # Errors
    ///
    /// As [`OnnxModel::load`].
    pub fn parse(bytes: &[u8], folder: Option<&Path>) -> Result<Self, OnnxError> {
        let model = proto::ModelProto::decode(bytes).map_err(|error| {
            OnnxError::malformed(
                format!("cannot be decoded: {error}"),
                "a file written by `torch.onnx.export` or another ONNX exporter",
            )
        })?;
        Ok(Self { graph: Graph::new(model, folder)? })
    }

    /// Runs a model of one input on a batch of examples and gives its output, `[batch, ...]`, in row-major order with its shape.
    ///
    /// # Errors
    ///
    /// [`OnnxError`] for operators that are not supported, or inputs that do not fit.
    pub fn run(
        &self,
        inputs: &[f32],
        shape: &[usize],
    ) -> Result<(Vec<f32>, Vec<usize>), OnnxError> {
        let [input] = &self.graph.inputs[..] else {
            return Err(OnnxError::malformed("takes several inputs", "an array for each of them"));
        };
        let values = inputs.iter().map(|x| f64::from(*x)).collect();
        let name = self.graph.names[input.value].clone();
        self.run_arrays(&[NamedArray { name, shape: shape.to_vec(), values }])
    }

    /// Runs the model on an array for each of its inputs, found by name; as [`OnnxModel::run`].
    ///
    /// # Errors
    ///
    /// As [`OnnxModel::run`].
    pub fn run_arrays(&self, arrays: &[NamedArray]) -> Result<(Vec<f32>, Vec<usize>), OnnxError> {
        let unknown = evaluate::unknown(&self.graph);
        if !unknown.is_empty() {
            return Err(OnnxError::Unsupported { operators: unknown, advice: String::new() });
        }
        let (feed, data) = Feed::of_arrays(&self.graph, "the given inputs", arrays)?;
        let inputs = feed.arrays(data.examples(), data.inputs())?;
        let changes = evaluate::Changes::default();
        let output = evaluate::run(&self.graph, inputs, changes, |_, _| ())?.ok_or_else(|| {
            OnnxError::malformed(
                "never makes its output",
                "graphs whose output depends on the input",
            )
        })?;
        Ok((output.iter().copied().collect(), output.shape().to_vec()))
    }

    /// Shape of one example of the first input; `None` for an extent that the file leaves open.
    pub fn input_shape(&self) -> &[Option<usize>] {
        self.graph.inputs.first().and_then(|input| input.shape.get(1..)).unwrap_or_default()
    }

    /// Names of the inputs, in the order of the file.
    pub fn input_names(&self) -> Vec<&str> {
        self.graph.inputs.iter().map(|input| self.graph.names[input.value].as_str()).collect()
    }

    /// Inputs that the model takes at once, where the file fixes their number.
    pub fn fixed_batch(&self) -> Option<usize> {
        self.graph.inputs.iter().find_map(|input| input.shape.first().copied().flatten())
    }

    /// The program that wrote the file, with its version.
    pub fn producer(&self) -> &str {
        self.graph.producer.trim()
    }
}
