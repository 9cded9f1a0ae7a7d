//! Bytes to data sets, specs and weights.
//!
//! What comes from outside is not trusted: sizes are bounded before anything is allocated, a claim in a header is compared with the bytes
//! that are there, and whatever is wrong becomes a [`DataError`] that says where, what was found, what is allowed and what to try.

mod cache;
mod cifar;
mod csv;
mod digits;
mod error;
mod fetch;
mod idx;
mod image_folder;
mod images;
mod known;
mod load;
mod matrix;
mod npy;
mod npz;
mod onnx;
mod parquet;
mod parts;
mod spec_file;
#[cfg(feature = "parquet")]
pub mod sweep;
mod tensors;
mod unpack;
mod write;

pub use cache::folder as data_folder;
pub use csv::LabelColumn;
pub use error::DataError;
pub use fetch::{FetchError, FetchEvent, fetch};
pub use known::{Archive, KnownFile, KnownSource, Origin, known_sources};
pub use load::{
    EMBEDDED, ReadOptions, dataset_from_bytes, load_arrays, load_dataset, load_dataset_with,
};
pub use matrix::{Matrix, load_labels, load_matrix};
pub use npz::NamedArray;
pub use onnx::{
    FoundWeights, MAX_MODEL_BYTES, OnnxError, OnnxLayer, OnnxModel, OnnxStudy, Operator,
    Translation,
};
pub use spec_file::{
    LoadSpecError, MAX_SPEC_BYTES, SpecFile, SpecFileError, load_spec, parse_spec, spec_text,
};
pub use tensors::{
    MAX_WEIGHT_BYTES, SaveError, Tensor, Tensors, WeightFormat, load_tensors, save_tensors,
    tensors_from_bytes,
};
pub use write::{WriteError, write_atomically};
