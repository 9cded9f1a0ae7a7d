//! ONNX models: bytes to a graph that can be run as found, and to layers that can be drawn anew.
//!
//! [`proto`] are the messages of the format, [`graph`] numbers the values, [`evaluate`] runs a graph, [`translate`] finds the layers
//! of our vocabulary in it; [`layers`] are those with weights, of the vocabulary or not, [`observe`] adds up what they do, and
//! [`study`] is the question and the verdict, [`state`] puts drawn weights into the file's tensors. Nothing in a file is trusted: sizes are bounded before anything is allocated.

mod error;
mod evaluate;
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

    /// Runs the model on a batch of inputs and gives its output, `[batch, ...]`, in row-major order with its shape.
    ///
    /// # Errors
    ///
    /// [`OnnxError`] for operators that are not supported, or inputs that do not fit.
    pub fn run(
        &self,
        inputs: &[f32],
        shape: &[usize],
    ) -> Result<(Vec<f32>, Vec<usize>), OnnxError> {
        let unknown = evaluate::unknown(&self.graph);
        if !unknown.is_empty() {
            return Err(OnnxError::Unsupported { operators: unknown, advice: String::new() });
        }
        let input = tensor::array(shape, inputs.to_vec())
            .map_err(|problem| OnnxError::malformed(problem, "inputs that fill their shape"))?;
        let changes = evaluate::Changes::default();
        let output = evaluate::run(&self.graph, input, changes, |_, _| ())?.ok_or_else(|| {
            OnnxError::malformed(
                "never makes its output",
                "graphs whose output depends on the input",
            )
        })?;
        Ok((output.iter().copied().collect(), output.shape().to_vec()))
    }

    /// Shape of one input, without the batch; `None` for an extent that the file leaves open.
    pub fn input_shape(&self) -> &[Option<usize>] {
        self.graph.input.shape.get(1..).unwrap_or_default()
    }

    /// Inputs that the model takes at once, where the file fixes their number.
    pub fn fixed_batch(&self) -> Option<usize> {
        self.graph.input.shape.first().copied().flatten()
    }

    /// The program that wrote the file, with its version.
    pub fn producer(&self) -> &str {
        self.graph.producer.trim()
    }

    /// A batch to find out the shapes with.
    fn probe_shape(&self) -> Result<Vec<usize>, OnnxError> {
        let open = || {
            OnnxError::malformed(
                "leaves the size of its input open",
                "inputs whose extents are fixed, but for the batch; export with an example of the real size",
            )
        };
        let rest: Option<Vec<usize>> = self.input_shape().iter().copied().collect();
        let mut shape = vec![self.fixed_batch().unwrap_or(2)];
        shape.extend(rest.ok_or_else(open)?);
        Ok(shape)
    }
}
