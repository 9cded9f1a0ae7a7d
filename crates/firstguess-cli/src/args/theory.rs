//! Questions that theory answers: `predict`, `critical`, `phase` and `guess`.

use std::path::PathBuf;

use clap::Args as Arguments;
use firstguess::spec::Activation;
use firstguess::spec::weights::WeightFamily;

use super::values::{
    Point, PoolArg, Range, activation, classes, correlation, depth, gamma, point, pool, range,
    resolution, samples, variance, weight_law,
};

/// One kind of layer, repeated.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct PredictArgs {
    /// A spec file (TOML) or an ONNX model (.onnx); or give the flags of one kind of layer
    #[arg(value_name = "MODEL", required_unless_present = "activation")]
    pub(crate) model: Option<PathBuf>,
    /// Inputs instead of the spec's, or of standard normal ones for an ONNX model
    #[arg(long, value_name = "DATA", requires = "model", conflicts_with = "activation")]
    pub(crate) data: Option<String>,
    /// Inputs of the data whose kernel is carried through a spec's network: at most 2 GiB of their pairs, 10 000 inputs of a
    /// dense network are 400 MB [default: the spec's, 1000 at most]
    #[arg(long, value_name = "N", value_parser = samples, allow_negative_numbers = true)]
    #[arg(requires = "model", conflicts_with = "activation")]
    pub(crate) samples: Option<usize>,
    /// Name, such as relu, tanh or leaky_relu(0.1), or an expression in x
    #[arg(long, value_name = "A", value_parser = activation, conflicts_with = "model")]
    #[arg(requires_all = ["weight_variance", "bias_variance"])]
    pub(crate) activation: Option<Activation>,
    /// Variance of the weights times the fan-in, σ_w²
    #[arg(long, value_name = "W", value_parser = variance, allow_negative_numbers = true)]
    #[arg(requires = "activation")]
    pub(crate) weight_variance: Option<f64>,
    /// Variance of the biases, σ_b²
    #[arg(long, value_name = "B", value_parser = variance, allow_negative_numbers = true)]
    #[arg(requires = "activation")]
    pub(crate) bias_variance: Option<f64>,
    /// Law of the weights, of which only the preserved whole law depends [default: normal]
    #[arg(long, value_name = "LAW", value_parser = weight_law, requires = "activation")]
    pub(crate) weight_law: Option<WeightFamily>,
    /// Pool after the activation, over so many units: max:2, average:4 (or avg:4), min:3
    #[arg(long, value_name = "KIND:K", value_parser = pool, requires = "activation")]
    pub(crate) pool: Option<PoolArg>,
    /// Correlation of the units under one pool, from 0 (a dense layer's) to 1 (equal units); between them the largest or smallest
    /// needs an activation that neither turns nor jumps
    #[arg(long, value_name = "R", value_parser = correlation, requires = "pool", allow_negative_numbers = true)]
    pub(crate) pool_correlation: Option<f64>,
    /// Layers, at most 1000000
    #[arg(long, value_name = "L", default_value_t = 20, value_parser = depth, allow_negative_numbers = true)]
    #[arg(conflicts_with = "model")]
    pub(crate) depth: usize,
    /// Correlation between two inputs of unit mean square, from 0 to 1
    #[arg(long, value_name = "C", default_value_t = 0.0, value_parser = correlation, allow_negative_numbers = true)]
    #[arg(conflicts_with = "model")]
    pub(crate) input_correlation: f64,
}

#[derive(Debug, Clone, Arguments)]
pub(crate) struct ActivationArg {
    /// Name, such as relu, tanh or leaky_relu(0.1), or an expression in x
    #[arg(long, value_name = "A", value_parser = activation)]
    pub(crate) activation: Activation,
}

#[derive(Debug, Clone, Arguments)]
pub(crate) struct CriticalArgs {
    /// A spec file (TOML): the weight variances that make this network critical; or give an activation
    #[arg(value_name = "MODEL", required_unless_present = "activation")]
    pub(crate) model: Option<PathBuf>,
    /// Name, such as relu, tanh or leaky_relu(0.1), or an expression in x
    #[arg(long, value_name = "A", value_parser = activation, conflicts_with = "model")]
    pub(crate) activation: Option<Activation>,
    /// Variance of the biases, σ_b²
    #[arg(long, value_name = "B", value_parser = variance, allow_negative_numbers = true)]
    pub(crate) bias_variance: f64,
    /// Pool after the activation, over so many units: max:2, average:4 (or avg:4), min:3
    #[arg(long, value_name = "KIND:K", value_parser = pool, requires = "activation")]
    pub(crate) pool: Option<PoolArg>,
    /// Correlation of the units under one pool, from 0 (a dense layer's) to 1 (equal units); between them the largest or smallest
    /// needs an activation that neither turns nor jumps
    #[arg(long, value_name = "R", value_parser = correlation, requires = "pool", allow_negative_numbers = true)]
    pub(crate) pool_correlation: Option<f64>,
}

#[derive(Debug, Clone, Arguments)]
pub(crate) struct PhaseArgs {
    /// A spec file (TOML) or an ONNX model (.onnx), whose repeated layers or blocks are asked about and whose place is marked;
    /// or give an activation
    #[arg(value_name = "MODEL", conflicts_with_all = ["from", "activation", "pool", "pool_correlation"])]
    pub(crate) model: Option<PathBuf>,
    /// Name, such as relu, tanh or leaky_relu(0.1), or an expression in x
    #[arg(long, value_name = "A", value_parser = activation, required_unless_present_any = ["from", "model"])]
    pub(crate) activation: Option<Activation>,
    /// A diagram of the points of a sweep: of phase-point or predict, or of check, whose cells are then measured
    #[arg(long, value_name = "DIR", conflicts_with_all = ["pool", "weight_variance", "bias_variance", "resolution", "point"])]
    pub(crate) from: Option<PathBuf>,
    /// Pool after the activation, over so many units: max:2, average:4 (or avg:4), min:3
    #[arg(long, value_name = "KIND:K", value_parser = pool)]
    pub(crate) pool: Option<PoolArg>,
    /// Correlation of the units under one pool, from 0 (a dense layer's) to 1 (equal units); between them the largest or smallest
    /// needs an activation that neither turns nor jumps
    #[arg(long, value_name = "R", value_parser = correlation, requires = "pool", allow_negative_numbers = true)]
    pub(crate) pool_correlation: Option<f64>,
    /// Range of the weight variance times the fan-in, σ_w²
    #[arg(long, value_name = "LO:HI", default_value = "0:4", value_parser = range, allow_hyphen_values = true)]
    pub(crate) weight_variance: Range,
    /// Range of the bias variance, σ_b²
    #[arg(long, value_name = "LO:HI", default_value = "0:0.2", value_parser = range, allow_hyphen_values = true)]
    pub(crate) bias_variance: Range,
    /// Cells along each side, both ends of the ranges included
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = resolution, allow_negative_numbers = true)]
    pub(crate) resolution: usize,
    /// A point to mark and describe: weight variance and bias variance
    #[arg(long, value_name = "W,B", value_parser = point, allow_hyphen_values = true)]
    pub(crate) point: Option<Point>,
    /// Draw the diagram (.svg, .png) or write every cell and both lines (.csv, .json); `-` writes CSV to stdout
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Arguments)]
pub(crate) struct GuessArgs {
    #[command(flatten)]
    pub(crate) drift: DriftArgs,
    /// Number of classes, at least 2
    #[arg(long, value_name = "N", value_parser = classes, allow_negative_numbers = true)]
    pub(crate) classes: usize,
}

/// How biased the network is; either form.
#[derive(Debug, Clone, Arguments)]
#[group(required = true, multiple = false)]
pub(crate) struct DriftArgs {
    /// Drift ratio of the logits: variance of the centres over variance of the data, `inf` allowed
    #[arg(long, value_name = "G", value_parser = gamma, allow_negative_numbers = true)]
    pub(crate) gamma: Option<f64>,
    /// Correlation between the logits of two inputs, from 0 to 1
    #[arg(long, value_name = "C", value_parser = correlation, allow_negative_numbers = true)]
    pub(crate) correlation: Option<f64>,
}
