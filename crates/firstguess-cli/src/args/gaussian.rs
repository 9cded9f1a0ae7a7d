//! `pair` and `gaussianity`: pre-activations that stay normal, and networks that show whether they do.

use clap::{Args as Arguments, ValueEnum};
use firstguess::spec::weights::WeightFamily;

use super::ActivationArg;
use super::plot::PlotArgs;
use super::values::{depth, layer, narrow, networks, not_nan, number, variance, weight_law, width};

#[derive(Debug, Clone, Arguments)]
pub(crate) struct PairArgs {
    /// Tail exponent of the Weibull pair, 2 or from 2.005 on
    #[arg(long, value_name = "T", value_parser = number, allow_negative_numbers = true)]
    #[arg(required_unless_present = "weights", conflicts_with = "weights")]
    pub(crate) theta: Option<f64>,
    /// Another family of weights: sphere(D), bounded_power(K), generalized_gamma(A,B), weibull(T)
    #[arg(long, value_name = "LAW")]
    pub(crate) weights: Option<String>,
    /// Which of the two activations
    #[arg(long, value_name = "BRANCH", value_enum, default_value_t = PairBranch::Odd)]
    pub(crate) branch: PairBranch,
    /// Where to tabulate the activation [default: -3 to 3 by halves]
    #[arg(long, value_name = "X1,X2,...", value_delimiter = ',', value_parser = not_nan)]
    #[arg(allow_hyphen_values = true)]
    pub(crate) table: Vec<f64>,
    /// Units per layer, for the kurtosis by depth
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = width, allow_negative_numbers = true)]
    pub(crate) width: usize,
    /// Layers, for the kurtosis by depth, at most 1000000
    #[arg(long, value_name = "L", default_value_t = 10, value_parser = depth, allow_negative_numbers = true)]
    pub(crate) depth: usize,
    /// Measure narrow networks of the pair too, by width and depth
    #[arg(long)]
    pub(crate) scan: bool,
    /// Measure at the critical variances instead of the pair's own (odd branch)
    #[arg(long, requires = "scan")]
    pub(crate) critical: bool,
    #[command(flatten)]
    pub(crate) laboratory: LaboratoryArgs,
    /// Beside other schemes: which property of the law of the pre-activations a layer preserves
    #[arg(long)]
    pub(crate) compare: bool,
}

/// Which networks are drawn.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct LaboratoryArgs {
    /// Units per layer
    #[arg(long, value_name = "N1,N2,...", value_delimiter = ',', value_parser = narrow, allow_negative_numbers = true)]
    #[arg(default_values_t = [3, 5, 10, 30])]
    pub(crate) widths: Vec<usize>,
    /// Layers at which the law is tested, counted from 1
    #[arg(long, value_name = "L1,L2,...", value_delimiter = ',', value_parser = layer, allow_negative_numbers = true)]
    #[arg(default_values_t = [2, 3, 10, 50])]
    pub(crate) depths: Vec<usize>,
    /// Networks of each width, at least 2
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = networks, allow_negative_numbers = true)]
    pub(crate) networks: usize,
}

#[derive(Debug, Clone, Arguments)]
pub(crate) struct GaussianityArgs {
    #[command(flatten)]
    pub(crate) activation: ActivationArg,
    /// Law of the weights: normal, uniform, weibull(T), student_t(NU), orthogonal, ...
    #[arg(long, value_name = "LAW", value_parser = weight_law, default_value = "normal")]
    pub(crate) weight_law: WeightFamily,
    /// Variance of the weights times the fan-in, σ_w² [default: what keeps variance 1]
    #[arg(long, value_name = "W", value_parser = variance, allow_negative_numbers = true)]
    pub(crate) weight_variance: Option<f64>,
    /// Variance of the biases, σ_b²
    #[arg(long, value_name = "B", default_value_t = 0.0, value_parser = variance, allow_negative_numbers = true)]
    pub(crate) bias_variance: f64,
    /// Divide the activations by their root mean square over the layer
    #[arg(long)]
    pub(crate) rms_norm: bool,
    #[command(flatten)]
    pub(crate) plot: PlotArgs,
    #[command(flatten)]
    pub(crate) laboratory: LaboratoryArgs,
}

/// The two activations of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PairBranch {
    /// Odd and increasing
    Odd,
    /// Positive and increasing
    Positive,
}
