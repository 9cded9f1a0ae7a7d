//! `advise` and `init`: the better start, and drawing it.

use std::path::PathBuf;

use clap::{Args as Arguments, ValueEnum};
use firstguess::advise::family::Family;
use firstguess::spec::{Activation, InitScheme, LossSchedule, Standardize};

use super::train::{loss_schedule, positive};
use super::values::{activation, depth, draws, samples, standardize, width};

/// For which network, on which data, in which form.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct AdviseArgs {
    /// A spec file (TOML) or an ONNX model (.onnx), whose weights are looked at; or give an activation and a depth
    #[arg(value_name = "MODEL", required_unless_present = "activation")]
    pub(crate) model: Option<PathBuf>,
    /// Name, such as relu, tanh or leaky_relu(0.1), or an expression in x
    #[arg(long, value_name = "A", value_parser = activation, conflicts_with = "model", requires = "depth")]
    pub(crate) activation: Option<Activation>,
    /// Layers with weights
    #[arg(long, value_name = "L", value_parser = depth, allow_negative_numbers = true, requires = "activation")]
    pub(crate) depth: Option<usize>,
    /// Units or channels of each layer [default: 256 for mlp, 32 for cnn, 64 for resnet and preln]
    #[arg(long, value_name = "N", value_parser = width, allow_negative_numbers = true, requires = "activation")]
    pub(crate) width: Option<usize>,
    /// Kind of network
    #[arg(long, value_name = "KIND", value_enum, requires = "activation")]
    pub(crate) architecture: Option<ArchitectureArg>,
    /// Inputs: a known data set (digits; mnist, fashion_mnist, cifar10 once fetched) or a file [default: the spec's, standard
    /// normal ones for an ONNX model, else digits]
    #[arg(long, value_name = "DATA")]
    pub(crate) data: Option<String>,
    /// Scale the inputs: none, unit_range, global, channel or feature [default: the spec's; none with an ONNX model, whose
    /// preprocessing lies outside; else feature]
    #[arg(long, value_name = "HOW", value_parser = standardize)]
    pub(crate) standardize: Option<Standardize>,
    /// Inputs to use at most, a random part of the data
    #[arg(long, value_name = "N", value_parser = samples, allow_negative_numbers = true)]
    pub(crate) samples: Option<usize>,
    /// The loss to be used: a warm-up where it needs one, such as blurry(0.3)
    #[arg(long, value_name = "LOSS", value_parser = loss_schedule)]
    pub(crate) loss: Option<LossSchedule>,
    /// Networks on which each candidate is measured
    #[arg(long, value_name = "N", default_value_t = firstguess::advise::DRAWS, value_parser = draws)]
    #[arg(allow_negative_numbers = true)]
    pub(crate) draws: usize,
    /// Print source text that draws the recommended weights, and nothing else
    #[arg(long, value_name = "FRAMEWORK", value_enum)]
    pub(crate) code: Option<FrameworkArg>,
}

/// Kinds of networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArchitectureArg {
    /// Dense layers
    Mlp,
    /// Convolutions
    Cnn,
    /// Pre-activation residual blocks
    Resnet,
    /// The perceptron half of a pre-norm transformer
    Preln,
}

impl ArchitectureArg {
    pub(crate) const fn family(self) -> Family {
        match self {
            Self::Mlp => Family::Mlp,
            Self::Cnn => Family::Cnn,
            Self::Resnet => Family::Resnet,
            Self::Preln => Family::PreLn,
        }
    }
}

/// Frameworks that source text can be written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FrameworkArg {
    /// PyTorch
    Torch,
    /// Flax
    Flax,
    /// Keras 3
    Keras,
    /// burn
    Burn,
    /// candle
    Candle,
}

impl FrameworkArg {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Torch => "torch",
            Self::Flax => "flax",
            Self::Keras => "keras",
            Self::Burn => "burn",
            Self::Candle => "candle",
        }
    }
}

/// Which weights, drawn how, into which file.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct InitArgs {
    /// A spec file (TOML), or an ONNX model (.onnx), whose names and shapes the tensors then have
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// Scheme: he_normal, critical, explicit(2,0.1), glorot_normal(gain=2), ...; `spec` for the model's own, `advised` for what
    /// `advise` recommends
    #[arg(long, value_name = "S", default_value = "spec", value_parser = scheme)]
    pub(crate) scheme: SchemeArg,
    /// File to write, by its ending: .safetensors or .npz
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Inputs instead of the spec's: their shape, and what --lsuv and `advised` measure on
    #[arg(long, value_name = "DATA")]
    pub(crate) data: Option<String>,
    /// Scale those inputs: none, unit_range, global, channel or feature [default: the spec's; none with an ONNX model]
    #[arg(long, value_name = "HOW", value_parser = standardize)]
    pub(crate) standardize: Option<Standardize>,
    /// Scale each layer until its pre-activations have the target mean square on the data (LSUV)
    #[arg(long)]
    pub(crate) lsuv: bool,
    /// The mean square that --lsuv aims at
    #[arg(long, value_name = "Q", default_value_t = 1.0, value_parser = positive, allow_negative_numbers = true)]
    #[arg(requires = "lsuv")]
    pub(crate) lsuv_target: f64,
}

/// Which scheme draws.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SchemeArg {
    /// The model's own.
    Spec,
    /// What advice recommends.
    Advised,
    /// This one.
    Given(InitScheme),
}

fn scheme(text: &str) -> Result<SchemeArg, String> {
    match text.trim() {
        "spec" => Ok(SchemeArg::Spec),
        "advised" => Ok(SchemeArg::Advised),
        other => init_scheme(other).map(SchemeArg::Given),
    }
}

pub(super) fn init_scheme(text: &str) -> Result<InitScheme, String> {
    text.parse().map_err(|error: firstguess::spec::SpecError| error.to_string())
}
