//! One file per command: each turns its arguments into a question to the library, and the answer into text or JSON.

pub(crate) mod advise;
mod audit;
pub(crate) mod check;
pub(crate) mod cite;
pub(crate) mod completions;
pub(crate) mod critical;
pub(crate) mod data;
pub(crate) mod explain;
mod gate;
pub(crate) mod gaussianity;
pub(crate) mod guess;
pub(crate) mod init;
pub(crate) mod labels;
pub(crate) mod labels_by_training;
pub(crate) mod losses;
pub(crate) mod model;
pub(crate) mod onnx;
pub(crate) mod pair;
pub(crate) mod phase;
mod pictures;
pub(crate) mod predict;
pub(crate) mod preserved;
pub(crate) mod progress;
pub(crate) mod reproduce;
pub(crate) mod serve;
pub(crate) mod sweep;
pub(crate) mod train;
pub(crate) mod variance;

use firstguess::spec::Activation;
use firstguess::theory::dual::Dual;

use crate::args::PoolArg;

/// The function between two layers: an activation, and a pool if one was asked for.
pub(crate) fn dual(
    activation: &Activation,
    pool: Option<PoolArg>,
    correlation: Option<f64>,
) -> anyhow::Result<Dual> {
    let Some(PoolArg { kind, size }) = pool else { return Ok(Dual::new(activation)) };
    Ok(Dual::pooled(activation.into(), kind, size, correlation.unwrap_or(0.0))?)
}
