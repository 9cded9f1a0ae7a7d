//! What was asked, and the vocabulary it is asked in. Checked once: afterwards a spec cannot be ill-formed.

pub mod activation;
pub mod dataset;
pub mod error;
pub mod experiment;
pub mod gaussian_pair;
pub mod layer;
pub mod network;
pub mod scheme;
pub mod shape;
pub mod weights;

pub use activation::Activation;
pub use dataset::{Binarize, Dataset, DatasetError, LabelNoise, Part, Standardize};
pub use error::SpecError;
pub use experiment::Spec;
pub use network::{Architecture, Network};
pub use scheme::InitScheme;
pub use shape::{Shape, ShapeError};
